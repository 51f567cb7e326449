import {
  Anchor,
  Badge,
  Box,
  Button,
  CloseButton,
  Code,
  Collapse,
  Group,
  Input,
  List,
  Paper,
  Progress,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
} from "@mantine/core";
import "@mantine/dropzone/styles.css";
import { Dropzone } from "@mantine/dropzone";
import { useDisclosure, useId } from "@mantine/hooks";
import { Check, FileUp, X } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Loads, Problem, Upload } from "../../api/types";
import { ProblemDetails } from "../../components/ProblemAlert";
import { useProblemText } from "../../components/problemText";
import { type ModuleControl, moduleProblem, type Source } from "./useModule";

interface Props {
  module: ModuleControl;
  problem?: Problem | undefined;
  /** Where the present module comes from, when editing. */
  current?: string | undefined;
  required: boolean;
}

/** "WebAssembly File": a file that is dropped or chosen, or an image. */
export function ModuleField({ module, problem: sent, current, required }: Props) {
  const { t } = useTranslation("marketplace");
  const text = useProblemText();
  const id = useId();
  const problem = moduleProblem(module) ?? sent;
  const hint = `${id}-hint`;
  const error = problem && `${id}-error`;
  const { file, image } = module;

  return (
    <Input.Wrapper
      label={t("form.file")}
      labelElement="div"
      labelProps={{ id: `${id}-label` }}
      description={t("form.fileHint")}
      descriptionProps={{ id: hint }}
      required={required}
      inputWrapperOrder={["label", "description", "input"]}
      data-field="module"
    >
      <Stack
        gap="xs"
        mt={6}
        role="group"
        aria-labelledby={`${id}-label`}
        aria-describedby={error ? `${hint} ${error}` : hint}
      >
        {current && (
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {t("form.current")} <Code>{current}</Code>
          </Text>
        )}
        <SegmentedControl
          size="xs"
          w="fit-content"
          aria-label={t("form.source")}
          value={module.source}
          onChange={(value) => module.setSource(value as Source)}
          data={[
            { value: "file", label: t("form.sourceFile") },
            { value: "image", label: t("form.sourceImage") },
          ]}
        />
        {module.source === "file" ? (
          <>
            <Dropzone
              onDrop={([first]) => first && module.chooseFile(first)}
              multiple={false}
              p="sm"
              aria-label={t("form.choose")}
              inputProps={{ "aria-label": t("form.file") }}
              styles={{ root: error ? { borderColor: "var(--mantine-color-error)" } : {} }}
            >
              <Group justify="center" gap="xs" mih={44} style={{ pointerEvents: "none" }}>
                <FileUp size={20} aria-hidden />
                <Text size="sm">{t(file.kind === "none" ? "form.choose" : "form.chooseOther")}</Text>
              </Group>
            </Dropzone>
            {file.kind === "uploading" && (
              <Box>
                <Group justify="space-between" wrap="nowrap">
                  <Text size="sm" truncate>
                    {file.file.name}
                  </Text>
                  <CloseButton size="sm" aria-label={t("form.stopUpload")} onClick={module.clearFile} />
                </Group>
                <Progress
                  value={file.fraction * 100}
                  animated={file.fraction === 1}
                  aria-label={t(file.fraction < 1 ? "form.uploading" : "form.checking")}
                />
                <Text size="xs" c="dimmed" role="status">
                  {file.fraction < 1
                    ? `${t("form.uploading")} ${Math.floor(file.fraction * 100)}%`
                    : t("form.checking")}
                </Text>
              </Box>
            )}
            {file.kind === "failed" && (
              <Text size="sm" truncate>
                {file.name}
              </Text>
            )}
            {file.kind === "uploaded" && (
              <ModuleFacts
                title={file.upload.name}
                size={file.upload.size}
                digest={file.upload.digest}
                gateways={file.upload.gateways}
                checks={file.upload.checks}
                onClear={module.clearFile}
              />
            )}
          </>
        ) : (
          <>
            <Group gap="xs" align="flex-end" wrap="nowrap">
              <TextInput
                flex={1}
                aria-label={t("form.image")}
                placeholder="oci://registry.example.com/my-plugin:1.0.0"
                value={module.reference}
                onChange={(event) => module.setReference(event.currentTarget.value)}
                onBlur={() => void module.resolve()}
                spellCheck={false}
                error={error !== undefined}
              />
              <Button
                variant="default"
                loading={image.kind === "resolving"}
                onClick={() => void module.resolve()}
              >
                {t("form.resolve")}
              </Button>
            </Group>
            {image.kind === "resolved" && (
              <ModuleFacts
                title={t("form.pinned")}
                pinned={image.image.pinned}
                digest={image.image.digest}
                gateways={image.image.gateways}
                checks={image.image.checks}
              />
            )}
          </>
        )}
        {problem && (
          <Box id={error} role="alert">
            <Input.Error size="sm" component="div">
              {text(problem)}
            </Input.Error>
            <ProblemDetails problem={problem} />
          </Box>
        )}
      </Stack>
    </Input.Wrapper>
  );
}

interface FactsProps {
  title: string;
  size?: number;
  pinned?: string;
  digest: string;
  gateways: Loads[];
  checks: Upload["checks"];
  onClear?: () => void;
}

function ModuleFacts({ title, size, pinned, digest, gateways, checks, onClear }: FactsProps) {
  const { t } = useTranslation("marketplace");
  const [opened, { toggle }] = useDisclosure();
  const refused = gateways.filter(({ loads }) => !loads);
  const remarks = checks.flatMap((check) => [
    ...(check.ok ? [] : [`${check.name}: ${check.detail}`]),
    ...check.remarks.map((remark) => `${check.name}: ${remark}`),
  ]);
  return (
    <Paper withBorder p="xs" data-module-ready="">
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={500} truncate>
          {title}
          {size !== undefined && ` · ${t("form.bytes", { bytes: size.toLocaleString() })}`}
        </Text>
        {onClear && <CloseButton size="sm" aria-label={t("form.remove")} onClick={onClear} />}
      </Group>
      <Text size="xs" c="dimmed" ff="monospace" style={{ overflowWrap: "anywhere" }}>
        {pinned ?? digest}
      </Text>
      <Group
        gap={6}
        m={0}
        mt={6}
        component="ul"
        p={0}
        style={{ listStyle: "none" }}
        aria-label={t("form.loads")}
      >
        {gateways.map(({ gateway, title: name, loads }) => (
          <li key={gateway}>
            <Badge
              variant="default"
              tt="none"
              fw={500}
              leftSection={loads ? <Check size={12} aria-hidden /> : <X size={12} aria-hidden />}
              c={loads ? undefined : "var(--mantine-color-error)"}
              aria-label={`${name}: ${t(loads ? "form.loadsYes" : "form.loadsNo")}`}
            >
              {name}
            </Badge>
          </li>
        ))}
      </Group>
      {(refused.length > 0 || remarks.length > 0) && (
        <>
          <Anchor component="button" type="button" size="xs" mt={6} onClick={toggle} aria-expanded={opened}>
            {t("form.details")}
          </Anchor>
          <Collapse expanded={opened}>
            <List size="xs" mt={4} lang="en">
              {refused.flatMap(({ gateway, title: name, reasons, needs }) =>
                [...reasons, ...(needs ? [needs] : [])].map((reason, i) => (
                  <List.Item key={`${gateway}-${i}`}>
                    {name}: {reason}
                  </List.Item>
                )),
              )}
              {remarks.map((remark, i) => (
                <List.Item key={i}>{remark}</List.Item>
              ))}
            </List>
          </Collapse>
        </>
      )}
    </Paper>
  );
}
