/** Changes of a gateway's folder, with what each changed and a way back. */
import {
  Alert,
  Anchor,
  Badge,
  Button,
  Code,
  Group,
  Loader,
  Modal,
  Paper,
  Select,
  Stack,
  Text,
} from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleAlert, Undo2 } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams, useSearchParams } from "react-router";
import { getHistory, getHistoryChange, problemOf, revert } from "../../api/client";
import { keys, usePlugins, useRole } from "../../api/queries";
import type { HistoryEntry, Problem } from "../../api/types";
import { links } from "../../app/pages";
import { notifyDone } from "../../components/notify";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import { useProblemText } from "../../components/problemText";
import { Time } from "../../components/Time";

const Diff = lazy(() => import("../../components/Diff"));

export default function HistoryPage() {
  const { t } = useTranslation("history");
  const text = useProblemText();
  const { gateway = "" } = useParams();
  const [search, setSearch] = useSearchParams();
  const plugin = search.get("plugin") ?? undefined;
  const { data: marketplace } = usePlugins(gateway);
  const { data, error, isPending } = useQuery({
    queryKey: [...keys.history(gateway), plugin ?? ""],
    queryFn: ({ signal }) => getHistory(gateway, plugin, signal),
  });
  const [opened, setOpened] = useState<HistoryEntry>();
  const names = marketplace?.plugins.filter(({ resource, id }) => resource || id === plugin) ?? [];
  return (
    <>
      <PageHeader
        title={t("title")}
        description={data && t(data.git ? "git" : "journal")}
        actions={
          <Select
            aria-label={t("plugin")}
            placeholder={t("all")}
            clearable
            clearButtonProps={{ "aria-label": t("all") }}
            searchable
            data={names.map((card) => ({ value: card.id, label: card.title || card.name }))}
            value={plugin ?? null}
            onChange={(next) => setSearch(next === null ? {} : { plugin: next }, { replace: true })}
          />
        }
      />
      {error && <ProblemAlert problem={problemOf(error)} />}
      {isPending && <Loader aria-label={t("common:loading")} />}
      {data?.warning && (
        <Alert color="yellow" mb="md" icon={<CircleAlert size={18} aria-hidden />}>
          <Text size="sm">{text(data.warning)}</Text>
          {data.warning.code === "internal" && (
            <Text size="sm" lang="en">
              {data.warning.message}
            </Text>
          )}
        </Alert>
      )}
      {data?.entries.length === 0 && <Text>{t("none")}</Text>}
      {data && data.entries.length > 0 && (
        <Paper withBorder component="ol" m={0} p={0} style={{ listStyle: "none" }}>
          {data.entries.map((entry, i) => (
            <li
              key={entry.id}
              style={i > 0 ? { borderTop: "1px solid var(--mantine-color-default-border)" } : {}}
            >
              <Group justify="space-between" p="sm" gap="xs">
                <Stack gap={2} miw={0}>
                  <Text size="sm" fw={600} lang="en" style={{ overflowWrap: "anywhere" }}>
                    {entry.message}
                  </Text>
                  <Text size="xs" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
                    <Time value={entry.time} /> · {entry.who} ·{" "}
                    {entry.plugin ? (
                      <Anchor
                        component={Link}
                        to={links.plugin(gateway, entry.plugin)}
                        size="xs"
                        underline="always"
                      >
                        {entry.file}
                      </Anchor>
                    ) : (
                      entry.file
                    )}
                  </Text>
                </Stack>
                <Group gap="xs">
                  {data.git && (
                    <Badge variant="dot" color={entry.committed ? "green" : "yellow"} tt="none" fw={500}>
                      {t(entry.committed ? "committed" : "uncommitted")}
                    </Badge>
                  )}
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={t("showOf", { message: entry.message })}
                    onClick={() => setOpened(entry)}
                  >
                    {t("show")}
                  </Button>
                </Group>
              </Group>
            </li>
          ))}
        </Paper>
      )}
      {opened && <Change gateway={gateway} entry={opened} onClose={() => setOpened(undefined)} />}
    </>
  );
}

function Change({ gateway, entry, onClose }: { gateway: string; entry: HistoryEntry; onClose: () => void }) {
  const { t } = useTranslation("history");
  const client = useQueryClient();
  // What is taken back may be an addition or a deletion.
  const isAdmin = useRole(gateway)("admin");
  const [problem, setProblem] = useState<Problem>();
  const { data, error } = useQuery({
    queryKey: [...keys.history(gateway), "change", entry.id],
    queryFn: ({ signal }) => getHistoryChange(gateway, entry.id, signal),
  });
  const undo = useMutation({
    mutationFn: () => revert(gateway, entry.id),
    onError: (failure) => setProblem(problemOf(failure)),
    onSuccess: () => {
      notifyDone(t("reverted"));
      onClose();
      void client.invalidateQueries({ queryKey: keys.gateway(gateway) });
    },
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={<span lang="en">{entry.message}</span>}
      size="xl"
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          <Time value={entry.time} /> · {entry.who} · <Code>{data?.file ?? entry.file}</Code>
        </Text>
        {error && <ProblemAlert problem={problemOf(error)} />}
        {problem && <ProblemAlert problem={problem} />}
        <Suspense fallback={<Loader size="sm" aria-label={t("common:loading")} />}>
          {data && <Diff before={data.before} after={data.after} label={t("difference")} maxHeight="55vh" />}
        </Suspense>
        <Group justify="space-between">
          <Text size="xs" c="dimmed">
            {t("revertHint")}
          </Text>
          <Group gap="xs">
            <Button variant="default" onClick={onClose}>
              {t("common:close")}
            </Button>
            {isAdmin && (
              <Button
                leftSection={<Undo2 size={16} aria-hidden />}
                loading={undo.isPending}
                disabled={!data}
                onClick={() => undo.mutate()}
              >
                {t("revert")}
              </Button>
            )}
          </Group>
        </Group>
      </Stack>
    </Modal>
  );
}
