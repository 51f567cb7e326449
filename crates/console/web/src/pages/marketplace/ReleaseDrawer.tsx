/** "Release new version": a module, with a trial configuration that is checked with it, replaces the one that runs. */
import { Alert, Button, Drawer, Group, Progress, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { problemOf, releaseVersion, rollBack } from "../../api/client";
import type { Card, ModuleSource, Problem } from "../../api/types";
import { notifyDone, notifyFailure } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";
import { ModuleField } from "./ModuleField";
import { useCardUpdate } from "./useSwitch";
import { moduleProblem, useModule } from "./useModule";
import { byField, MODULE_MISSING, type Problems } from "./validation";

export default function ReleaseDrawer({
  gateway,
  card,
  onClose,
}: {
  gateway: string;
  card: Card;
  onClose: () => void;
}) {
  const { t } = useTranslation("marketplace");
  const update = useCardUpdate(gateway);
  const [configuration, setConfiguration] = useState("");
  const [problems, setProblems] = useState<Problems>({});
  const [failure, setFailure] = useState<Problem>();
  const [waiting, setWaiting] = useState(false);
  const module = useModule(gateway, () => setProblems((old) => ({ ...old, module: undefined })));
  const title = card.title || card.name;

  const release = useMutation({
    mutationFn: (source: ModuleSource) =>
      releaseVersion(gateway, card.id, card.etag, {
        module: source,
        ...(configuration.trim() ? { configuration } : {}),
      }),
    onSuccess: async (released) => {
      offerRollBack(released);
      onClose();
      await update(released);
    },
    onError: (error) => {
      const { fields, other } = byField([problemOf(error)]);
      setProblems(fields);
      setFailure(fields.configuration ?? other[0]);
      void update();
    },
  });

  function offerRollBack(released: Card) {
    if (!released.rollback) {
      notifyDone(t("released", { title }));
      return;
    }
    const id = `released-${released.id}`;
    const back = async () => {
      notifications.hide(id);
      try {
        const restored = await rollBack(gateway, released.id, released.etag);
        notifyDone(t("rolledBack", { title }));
        await update(restored);
      } catch (error) {
        notifyFailure(error);
        await update();
      }
    };
    notifications.show({
      id,
      color: "green",
      autoClose: 30_000,
      message: (
        <Group justify="space-between">
          <Text size="sm">{t("released", { title })}</Text>
          <Button size="compact-sm" variant="default" onClick={() => void back()}>
            {t("rollBackShort")}
          </Button>
        </Group>
      ),
    });
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (release.isPending || waiting) return;
    setFailure(undefined);
    const chosen = module.source === "file" ? module.file.kind !== "none" : module.reference.trim() !== "";
    setProblems(chosen ? {} : { module: MODULE_MISSING });
    if (!chosen || moduleProblem(module)) return;
    setWaiting(true);
    const source = await module.settle();
    setWaiting(false);
    if (source) release.mutate(source);
  }

  const busy = release.isPending || waiting;
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="min(560px, 100%)"
      title={t("releaseTitle", { title })}
      closeOnClickOutside={false}
    >
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          <Text size="sm">{t("releaseText")}</Text>
          <ModuleField module={module} problem={problems.module} current={card.url} required />
          <Textarea
            label={t("trial")}
            description={t("trialHint")}
            value={configuration}
            onChange={(event) => {
              setConfiguration(event.currentTarget.value);
              setProblems((old) => ({ ...old, configuration: undefined }));
            }}
            error={problems.configuration !== undefined}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            spellCheck={false}
            autosize
            minRows={5}
            maxRows={16}
          />
          {failure && <ProblemAlert problem={failure} />}
          {busy && (
            <Alert color="blue" p="xs" role="status">
              <Text size="sm">{t(waiting ? "form.waiting" : "form.releasing")}</Text>
              <Progress value={100} animated mt={6} aria-label={t("form.releasing")} />
            </Alert>
          )}
          <Group justify="flex-end" className="drawer-actions">
            <Button variant="default" onClick={onClose}>
              {t("common:cancel")}
            </Button>
            <Button type="submit" loading={busy}>
              {t("common:ok")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}
