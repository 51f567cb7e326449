/** The configuration has changed since it was opened: the other change, and ways to go on without losing one's own. */
import { Alert, Button, Group, Loader, Modal, SegmentedControl, Stack, Text } from "@mantine/core";
import { GitMerge } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { dropDraft, type Draft, putDraft } from "../../api/drafts";
import type { Configuration } from "../../api/types";
import { asText, type Choice, merged, summary } from "./scopes";

const Diff = lazy(() => import("../../components/Diff"));

export function Reconcile({ draft, theirs }: { draft: Draft; theirs: Configuration }) {
  const { t } = useTranslation("plugin");
  const [opened, setOpened] = useState(false);
  const [choices, setChoices] = useState<Record<string, Choice>>({});
  const { scopes, conflicts } = merged(draft.base.scopes, draft.scopes, theirs.scopes, choices);
  return (
    <Alert color="yellow" role="alert" icon={<GitMerge size={18} aria-hidden />} title={t("reconcile.title")}>
      <Text size="sm">{t("reconcile.text")}</Text>
      <Group gap="xs" mt="xs">
        <Button size="compact-sm" onClick={() => setOpened(true)}>
          {t("reconcile.open")}
        </Button>
      </Group>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={t("reconcile.title")}
        size="xl"
        closeButtonProps={{ "aria-label": t("common:close") }}
      >
        <Stack gap="sm">
          <Text size="sm" fw={600}>
            {t("reconcile.theirs")}
          </Text>
          <Suspense fallback={<Loader size="sm" aria-label={t("common:loading")} />}>
            <Diff
              before={asText(draft.base.scopes)}
              after={asText(theirs.scopes)}
              label={t("reconcile.theirs")}
              maxHeight="35vh"
            />
          </Suspense>
          {conflicts.length === 0 ? (
            <Text size="sm">{t("reconcile.separate")}</Text>
          ) : (
            <>
              <Text size="sm">{t("reconcile.conflicts", { count: conflicts.length })}</Text>
              {conflicts.map(({ key, mine, theirs: other }) => {
                const scope = mine ?? other;
                const name = scope?.kind === "gateway" ? t("scopes.kind.gateway") : scope && summary(scope);
                return (
                  <Stack key={key} gap={4}>
                    <Group justify="space-between">
                      <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
                        {name}
                      </Text>
                      <SegmentedControl
                        size="xs"
                        aria-label={t("reconcile.choice", { scope: name })}
                        value={choices[key] ?? "mine"}
                        onChange={(choice) => setChoices({ ...choices, [key]: choice as Choice })}
                        data={[
                          { value: "mine", label: t(mine ? "reconcile.mine" : "reconcile.mineRemoved") },
                          { value: "theirs", label: t(other ? "reconcile.other" : "reconcile.otherRemoved") },
                        ]}
                      />
                    </Group>
                    <Suspense fallback={null}>
                      <Diff
                        before={other ? asText([other]) : ""}
                        after={mine ? asText([mine]) : ""}
                        label={t("reconcile.difference")}
                        maxHeight="25vh"
                      />
                    </Suspense>
                  </Stack>
                );
              })}
            </>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => dropDraft(draft.gateway, draft.plugin)}>
              {t("reconcile.discard")}
            </Button>
            <Button onClick={() => putDraft({ ...draft, base: theirs, scopes })}>
              {t("reconcile.merge")}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </Alert>
  );
}
