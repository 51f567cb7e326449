/** One scope: what it matches, and its fields as a form or as YAML. */
import {
  Alert,
  Badge,
  Box,
  Button,
  Group,
  Loader,
  SegmentedControl,
  Stack,
  Switch,
  TagsInput,
  Text,
  Title,
} from "@mantine/core";
import { FilePlus, Lock } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { parseDocument } from "yaml";
import type { MatchKind, Plugin, Scope } from "../../api/types";
import type { Mark, Range, Target } from "../../components/CodeEditor";
import { useProblemText } from "../../components/problemText";
import { MistakeList, type ShownMistake } from "./Mistakes";
import { isSchema, secretPaths, shownAt, toPath } from "./schema";
import { hasCondition, isGateway, MATCHES, withMatch } from "./scopes";
import { editYaml, parseFields } from "./yamlEdit";

const CodeEditor = lazy(() => import("../../components/CodeEditor"));
const FieldsForm = lazy(() => import("./FieldsForm"));

export type View = "form" | "yaml";

interface Props {
  plugin: Plugin;
  scope: Scope;
  /** Place among the rules, from 1. */
  number?: number | undefined;
  mistakes: ShownMistake[];
  readOnly: boolean;
  view: View;
  onView: (view: View) => void;
  onChange: (scope: Scope) => void;
}

export function ScopeEditor({
  plugin,
  scope,
  number,
  mistakes,
  readOnly,
  view: wanted,
  onView,
  onChange,
}: Props) {
  const { t } = useTranslation("plugin");
  const text = useProblemText();
  const schema = isSchema(plugin.schema) ? plugin.schema : undefined;
  const view = schema ? wanted : "yaml";
  const [target, setTarget] = useState<Target>();
  const [revealed, setRevealed] = useState(false);
  const parsed = useMemo(() => parseFields(scope.text), [scope.text]);
  const fixed = readOnly || !!scope.fixed;
  const masked = useMemo(
    () => (parsed.value ? secretRanges(scope.text, secretPaths(schema, plugin.secrets, parsed.value)) : []),
    [parsed.value, plugin.secrets, schema, scope.text],
  );
  const marks = useMemo<Mark[]>(
    () => mistakes.map((mistake) => ({ ...mistake, source: mistake.own ? t("mistakes.own") : undefined })),
    [mistakes, t],
  );
  const label = isGateway(scope) ? t("scopes.kind.gateway") : t("scopes.rule", { number });

  const open = (mistake: ShownMistake) => {
    if (view === "form" && schema && parsed.value && mistake.path) {
      const id = ["field", ...shownAt(schema, toPath(mistake.path))].join(".");
      const field = document.getElementById(id);
      if (field) {
        field.scrollIntoView({ block: "center" });
        field.focus();
        return;
      }
    }
    onView("yaml");
    setTarget({ line: mistake.line, column: mistake.column });
  };

  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Title order={2}>{label}</Title>
        <Switch
          checked={scope.enabled}
          disabled={fixed}
          label={t("scopes.enabled")}
          onChange={(event) => onChange({ ...scope, enabled: event.currentTarget.checked })}
        />
      </Group>
      {scope.fixed && (
        <Alert color="blue" icon={<Lock size={18} aria-hidden />}>
          {text(scope.fixed)}
        </Alert>
      )}
      {!isGateway(scope) && <Match scope={scope} readOnly={fixed} onChange={onChange} />}
      <Group justify="space-between">
        <Text fw={600}>{t("fields.title")}</Text>
        <Group gap="xs">
          {view === "yaml" && masked.length > 0 && (
            <Button
              size="compact-sm"
              variant="default"
              aria-pressed={revealed}
              onClick={() => setRevealed(!revealed)}
            >
              {t(revealed ? "fields.hideSecrets" : "fields.showSecrets")}
            </Button>
          )}
          {schema && (
            <SegmentedControl
              size="xs"
              value={view}
              onChange={(next) => onView(next as View)}
              data={[
                { value: "form", label: t("fields.form") },
                { value: "yaml", label: "YAML" },
              ]}
              aria-label={t("fields.view")}
            />
          )}
        </Group>
      </Group>
      {!schema && <Text size="sm">{t("fields.noSchema")}</Text>}
      {plugin.example && scope.text.trim() === "" && !fixed && (
        <Group>
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<FilePlus size={14} aria-hidden />}
            onClick={() => onChange({ ...scope, text: plugin.example ?? "" })}
          >
            {t("fields.example")}
          </Button>
        </Group>
      )}
      <Suspense fallback={<Loader size="sm" aria-label={t("common:loading")} />}>
        {view === "yaml" ? (
          <CodeEditor
            key={scope.key}
            label={t("fields.yamlOf", { scope: label })}
            value={scope.text}
            readOnly={fixed}
            marks={marks}
            masked={revealed ? NONE : masked}
            target={target}
            onChange={(next) => onChange({ ...scope, text: next })}
          />
        ) : parsed.value && schema ? (
          <FieldsForm
            key={scope.key}
            schema={schema}
            secrets={plugin.secrets}
            value={parsed.value}
            mistakes={mistakes}
            readOnly={fixed}
            onChange={(value) => onChange({ ...scope, text: editYaml(scope.text, value) })}
          />
        ) : (
          <Alert color="yellow" title={t("fields.syntax")}>
            <Button size="compact-sm" variant="default" mt={4} onClick={() => onView("yaml")}>
              {t("fields.openYaml")}
            </Button>
          </Alert>
        )}
      </Suspense>
      {mistakes.length > 0 && (
        <Box>
          <Group gap={6} mb={4}>
            <Text fw={600} size="sm">
              {t("mistakes.title")}
            </Text>
            <Badge size="sm" color="red" variant="filled">
              {mistakes.length}
            </Badge>
          </Group>
          <MistakeList mistakes={mistakes} onOpen={open} />
        </Box>
      )}
    </Stack>
  );
}

const NONE: Range[] = [];

function secretRanges(text: string, paths: (string | number)[][]): Range[] {
  if (paths.length === 0) return NONE;
  const doc = parseDocument(text, { logLevel: "silent" });
  return paths.flatMap((path) => {
    const node = doc.getIn(path, true) as { range?: [number, number, number] } | undefined;
    return node?.range ? [{ from: node.range[0], to: text.slice(0, node.range[1]).trimEnd().length }] : [];
  });
}

function Match({
  scope,
  readOnly,
  onChange,
}: {
  scope: Scope;
  readOnly: boolean;
  onChange: (scope: Scope) => void;
}) {
  const { t } = useTranslation("plugin");
  const [more, setMore] = useState(false);
  const used = MATCHES.filter((kind) => scope.match[kind].length > 0 || kind === scope.kind);
  const shown: readonly MatchKind[] = more ? MATCHES : used;
  return (
    <Stack gap="xs">
      {shown.map((kind) => (
        <TagsInput
          key={kind}
          label={t(`match.${kind}`)}
          description={t(`match.${kind}Hint`)}
          placeholder={readOnly ? "" : t("match.placeholder")}
          value={scope.match[kind]}
          error={kind === scope.kind && !hasCondition(scope) ? t("match.none") : undefined}
          readOnly={readOnly}
          splitChars={[",", " ", "\n"]}
          acceptValueOnBlur
          styles={{ pill: { maxWidth: "100%" } }}
          onChange={(values) =>
            onChange(withMatch(scope, kind, values.map((value) => value.trim()).filter(Boolean)))
          }
        />
      ))}
      {shown.length < MATCHES.length && !readOnly && (
        <Button size="compact-sm" variant="subtle" w="fit-content" onClick={() => setMore(true)}>
          {t("match.more")}
        </Button>
      )}
    </Stack>
  );
}
