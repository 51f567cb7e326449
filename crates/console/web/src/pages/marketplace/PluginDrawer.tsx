/** "Add Plug-in" and "Edit": the same fields, empty or filled in. */
import { Button, Drawer, Stack, Switch, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { addPlugin, checkPlugin, editPlugin, problemOf } from "../../api/client";
import { keys } from "../../api/queries";
import type { AddPlugin, Card, EditPlugin, ModuleSource, Problem } from "../../api/types";
import { notifyDone } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";
import { useProblemText } from "../../components/problemText";
import { CardFields, changesOf, fieldsOf, useCardForm } from "./CardFields";
import { DrawerActions } from "./DrawerActions";
import { ModuleField } from "./ModuleField";
import { OrderPreview } from "./OrderPreview";
import { useReleased } from "./useReleased";
import { useCardUpdate } from "./useSwitch";
import { moduleProblem, useModule } from "./useModule";
import {
  byField,
  checkFields,
  focusProblem,
  MODULE_MISSING,
  type Problems,
  releaseFailed,
} from "./validation";

interface Props {
  gateway: string;
  cards: Card[];
  editing?: Card | undefined;
  onClose: () => void;
}

export default function PluginDrawer({ gateway, cards, editing: opened, onClose }: Props) {
  const { t } = useTranslation("marketplace");
  const text = useProblemText();
  const update = useCardUpdate(gateway);
  const released = useReleased(gateway);
  const element = useRef<HTMLFormElement>(null);

  // The card as it was when the form was filled in, so that a change by someone else is noticed.
  const [editing, setEditing] = useState(opened);
  const [name, setName] = useState(editing?.name ?? "");
  const [enabled, setEnabled] = useState(false);
  const [failure, setFailure] = useState<Problem>();
  const [waiting, setWaiting] = useState(false);
  const form = useCardForm(editing);
  const module = useModule(gateway, form.propose);
  const { problems, setProblems } = form;

  const fields = fieldsOf(form.values);
  const draft: AddPlugin = {
    name,
    ...fields,
    module:
      module.file.kind === "uploaded"
        ? { upload: module.file.upload.id }
        : { image: module.image.kind === "resolved" ? module.image.image.pinned : "" },
    enabled,
  };
  const [settled] = useDebouncedValue(
    { name, title: draft.title, stage: draft.stage, priority: draft.priority },
    250,
  );
  const preview = useQuery({
    queryKey: [...keys.plugins(gateway), "check", settled],
    queryFn: ({ signal }) => checkPlugin(gateway, draft, signal),
    placeholderData: keepPreviousData,
    retry: false,
  });
  // When editing, the plug-in's present place and the complaint about its own name are of no interest.
  const entries = (preview.data?.order ?? []).filter((entry) => entry.added || entry.id !== editing?.id);
  const taken =
    !editing && name !== "" && settled.name === name
      ? preview.data?.problems.find(({ field, code }) => field === "name" && code === "name_taken")
      : undefined;

  const release = useMutation({
    mutationFn: async (send: () => Promise<Card>): Promise<Card> => {
      const card = await send();
      await update(card);
      return released(card);
    },
    onSuccess: (card) => {
      if (card.state === "error") {
        setFailure(releaseFailed(card));
        return;
      }
      notifyDone(t(editing ? "edited" : "added", { title: card.title || card.name }));
      onClose();
    },
    onError: (error) => {
      const sorted = byField([problemOf(error)]);
      show(sorted.fields);
      setFailure(sorted.other[0]);
      if (problemOf(error).code === "changed_meanwhile") void update();
    },
  });

  function show(found: Problems) {
    setProblems(found);
    focusProblem(element.current);
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (release.isPending || waiting) return;
    setFailure(undefined);
    const found = checkFields({ name, ...form.values }, editing !== undefined);
    if (taken) found.name = taken;
    const chosen = module.source === "file" ? module.file.kind !== "none" : module.reference.trim() !== "";
    if (!editing && !chosen) found.module = MODULE_MISSING;
    if (Object.keys(found).length > 0 || moduleProblem(module)) {
      show(found);
      return;
    }
    setProblems({});
    setWaiting(true);
    const source = await module.settle();
    setWaiting(false);
    // The field shows why it was refused.
    if (chosen && !source) return;
    const send = request(source);
    if (send) release.mutate(send);
    else onClose();
  }

  function request(source: ModuleSource | undefined): (() => Promise<Card>) | undefined {
    if (editing) {
      const edit: EditPlugin = { ...changesOf(editing, fields), ...(source ? { module: source } : {}) };
      return Object.keys(edit).length > 0
        ? () => editPlugin(gateway, editing.id, editing.etag, edit)
        : undefined;
    }
    return source && (() => addPlugin(gateway, { ...draft, module: source }));
  }

  function reload() {
    const now = cards.find(({ id }) => id === editing?.id);
    if (!now) {
      onClose();
      return;
    }
    setEditing(now);
    form.reset(now);
    setFailure(undefined);
  }

  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="min(560px, 100%)"
      title={editing ? t("editTitle", { title: editing.title || editing.name }) : t("add")}
      closeOnClickOutside={false}
    >
      <form ref={element} onSubmit={(event) => void submit(event)} noValidate>
        <Stack gap="md">
          <TextInput
            label={t("form.name")}
            description={t(editing ? "form.nameFixed" : "form.nameHint")}
            value={name}
            onChange={(event) => {
              setName(event.currentTarget.value);
              setProblems(({ name: _, ...rest }) => rest);
            }}
            error={(problems.name && text(problems.name)) ?? (taken && text(taken))}
            readOnly={editing !== undefined}
            variant={editing ? "filled" : "default"}
            spellCheck={false}
            autoComplete="off"
            maxLength={63}
            required
            data-autofocus={editing ? undefined : true}
          />
          <CardFields
            form={form}
            focus={editing !== undefined}
            module={
              <ModuleField
                module={module}
                problem={problems.module}
                current={editing?.url}
                required={editing === undefined}
              />
            }
          />
          <OrderPreview entries={entries} />
          {!editing && (
            <Switch
              label={t("form.enable")}
              checked={enabled}
              onChange={(event) => setEnabled(event.currentTarget.checked)}
            />
          )}
          {failure && <ProblemAlert problem={failure} />}
          {failure?.code === "changed_meanwhile" && (
            <Button variant="default" onClick={reload}>
              {t("reloadCard")}
            </Button>
          )}
          <DrawerActions waiting={waiting} releasing={release.isPending} onClose={onClose} />
        </Stack>
      </form>
    </Drawer>
  );
}
