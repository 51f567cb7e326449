/** The plug-in as a resource of another control plane. */
import { Alert, Button, CopyButton, Group, List, Loader, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Check, Copy, Download, Info } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { exportPlugin, problemOf } from "../../api/client";
import { keys } from "../../api/queries";
import type { ExportTarget, Plugin } from "../../api/types";
import { ProblemAlert } from "../../components/ProblemAlert";

const CodeEditor = lazy(() => import("../../components/CodeEditor"));

const TARGETS: { value: ExportTarget; label: string }[] = [
  { value: "higress", label: "Higress / MSE" },
  { value: "istio", label: "Istio" },
  { value: "envoy-gateway", label: "Envoy Gateway" },
];

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

export function Export({ gateway, plugin }: { gateway: string; plugin: Plugin }) {
  const { t } = useTranslation("plugin");
  const { id, name } = plugin.card;
  const [target, setTarget] = useState<ExportTarget>("higress");
  const { data, error } = useQuery({
    queryKey: [...keys.plugin(gateway, id), "export", target],
    queryFn: ({ signal }) => exportPlugin(gateway, id, target, signal),
  });
  const file = `${name}.${target}.yaml`;
  return (
    <Stack gap="md">
      <Text size="sm">{t("export.text")}</Text>
      <Group justify="space-between" gap="xs">
        <SegmentedControl
          aria-label={t("export.target")}
          value={target}
          onChange={(next) => setTarget(next as ExportTarget)}
          data={TARGETS}
        />
        <Group gap="xs">
          <CopyButton value={data?.text ?? ""}>
            {({ copied, copy }) => (
              <Button
                variant="default"
                disabled={!data}
                onClick={copy}
                leftSection={copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
              >
                {t(copied ? "copied" : "export.copy")}
              </Button>
            )}
          </CopyButton>
          <Button
            variant="default"
            disabled={!data}
            leftSection={<Download size={16} aria-hidden />}
            onClick={() => data && download(file, data.text)}
          >
            {t("export.download")}
          </Button>
        </Group>
      </Group>
      {error && <ProblemAlert problem={problemOf(error)} />}
      {data && data.notes.length > 0 && (
        <Alert color="yellow" icon={<Info size={18} aria-hidden />} title={t("export.notes")}>
          <List size="sm" lang="en">
            {data.notes.map((note, i) => (
              <List.Item key={i}>{note}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {data && (
        <Suspense fallback={<Loader size="sm" aria-label={t("common:loading")} />}>
          <CodeEditor label={file} value={data.text} readOnly maxHeight="65vh" />
        </Suspense>
      )}
    </Stack>
  );
}
