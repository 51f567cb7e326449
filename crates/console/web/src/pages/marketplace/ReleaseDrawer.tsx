/** "Release new version": a module, with a trial configuration that is checked with it, replaces the one that runs. */
import { Button, Drawer, Group, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { problemOf, releaseVersion, rollBack } from "../../api/client";
import type { Card, ModuleSource, Problem } from "../../api/types";
import { notifyDone, notifyFailure } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";
import { CardFields, changesOf, fieldsOf, useCardForm } from "./CardFields";
import { DrawerActions } from "./DrawerActions";
import { ModuleField } from "./ModuleField";
import { useReleased } from "./useReleased";
import { useCardUpdate } from "./useSwitch";
import { moduleProblem, useModule } from "./useModule";
import { byField, checkFields, focusProblem, MODULE_MISSING, releaseFailed } from "./validation";

interface Props {
  gateway: string;
  card: Card;
  onClose: () => void;
}

export default function ReleaseDrawer({ gateway, card, onClose }: Props) {
  const { t } = useTranslation("marketplace");
  const update = useCardUpdate(gateway);
  const released = useReleased(gateway);
  const element = useRef<HTMLFormElement>(null);
  const [configuration, setConfiguration] = useState("");
  const [failure, setFailure] = useState<Problem>();
  const [waiting, setWaiting] = useState(false);
  const form = useCardForm(card);
  const module = useModule(gateway, form.propose);
  const { problems, setProblems } = form;
  const title = card.title || card.name;

  const release = useMutation({
    mutationFn: async (source: ModuleSource) => {
      const sent = await releaseVersion(gateway, card.id, card.etag, {
        ...changesOf(card, fieldsOf(form.values)),
        module: source,
        ...(configuration.trim() ? { configuration } : {}),
      });
      await update(sent);
      return released(sent);
    },
    onSuccess: (now) => {
      offerRollBack(now);
      if (now.state === "error") setFailure(releaseFailed(now));
      else onClose();
    },
    onError: (error) => {
      const { fields, other } = byField([problemOf(error)]);
      setProblems(fields);
      setFailure(fields.configuration ?? other[0]);
      focusProblem(element.current);
      void update();
    },
  });

  function offerRollBack(now: Card) {
    const message = t(now.state === "error" ? "releasedFaulty" : "released", { title });
    if (!now.rollback) {
      if (now.state !== "error") notifyDone(message);
      return;
    }
    const id = `released-${now.id}`;
    const back = async () => {
      notifications.hide(id);
      try {
        const restored = await rollBack(gateway, now.id, now.etag);
        notifyDone(t("rolledBack", { title }));
        await update(restored);
      } catch (error) {
        notifyFailure(error);
        await update();
      }
    };
    notifications.show({
      id,
      color: now.state === "error" ? "red" : "green",
      autoClose: 30_000,
      message: (
        <Group justify="space-between">
          <Text size="sm">{message}</Text>
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
    const found = checkFields({ name: card.name, ...form.values }, true);
    const chosen = module.source === "file" ? module.file.kind !== "none" : module.reference.trim() !== "";
    if (!chosen) found.module = MODULE_MISSING;
    setProblems(found);
    if (Object.keys(found).length > 0 || moduleProblem(module)) {
      focusProblem(element.current);
      return;
    }
    setWaiting(true);
    const source = await module.settle();
    setWaiting(false);
    if (source) release.mutate(source);
  }

  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="min(560px, 100%)"
      title={t("releaseTitle", { title })}
      closeOnClickOutside={false}
    >
      <form ref={element} onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          <Text size="sm">{t("releaseText")}</Text>
          <CardFields
            form={form}
            focus={false}
            module={<ModuleField module={module} problem={problems.module} current={card.url} required />}
          />
          <Textarea
            label={t("trial")}
            description={t("trialHint")}
            value={configuration}
            onChange={(event) => {
              setConfiguration(event.currentTarget.value);
              setProblems(({ configuration: _, ...rest }) => rest);
            }}
            error={problems.configuration !== undefined}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            spellCheck={false}
            autosize
            minRows={5}
            maxRows={16}
          />
          {failure && <ProblemAlert problem={failure} />}
          <DrawerActions waiting={waiting} releasing={release.isPending} onClose={onClose} />
        </Stack>
      </form>
    </Drawer>
  );
}
