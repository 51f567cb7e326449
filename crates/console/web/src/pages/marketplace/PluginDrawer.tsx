/** "Add Plug-in" and "Edit": the same fields, empty or filled in. */
import {
  Alert,
  Button,
  Drawer,
  Group,
  NumberInput,
  Progress,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { addPlugin, checkPlugin, editPlugin, getPlugins, problemOf } from "../../api/client";
import { keys } from "../../api/queries";
import type {
  AddPlugin,
  Card,
  EditPlugin,
  Image,
  Marketplace,
  ModuleSource,
  Problem,
  Stage,
  Upload,
} from "../../api/types";
import { notifyDone } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";
import { useProblemText } from "../../components/problemText";
import { ModuleField } from "./ModuleField";
import { OrderPreview } from "./OrderPreview";
import { useCardUpdate } from "./useSwitch";
import { moduleProblem, useModule } from "./useModule";
import { byField, checkFields, MODULE_MISSING, type Problems } from "./validation";

const LANGUAGES = ["AssemblyScript", "C", "C++", "Go", "JavaScript", "Rust", "Swift", "Zig"];
const STAGES: readonly Stage[] = ["authz", "authn", "stats", "default"];

interface Props {
  gateway: string;
  cards: Card[];
  editing?: Card | undefined;
  onClose: () => void;
}

export default function PluginDrawer({ gateway, cards, editing: opened, onClose }: Props) {
  const { t } = useTranslation("marketplace");
  const text = useProblemText();
  const client = useQueryClient();
  const update = useCardUpdate(gateway);
  const form = useRef<HTMLFormElement>(null);

  // The card as it was when the form was filled in, so that a change by someone else is noticed.
  const [editing, setEditing] = useState(opened);
  const [name, setName] = useState(editing?.name ?? "");
  const [title, setTitle] = useState(editing && editing.title !== editing.name ? editing.title : "");
  const [description, setDescription] = useState(editing?.description.en ?? "");
  const [language, setLanguage] = useState<string | null>(editing?.language ?? null);
  const [stage, setStage] = useState<Stage>(editing?.stage ?? "default");
  const [priority, setPriority] = useState<number | string>(editing?.priority ?? 0);
  const [enabled, setEnabled] = useState(false);
  const [problems, setProblems] = useState<Problems>({});
  const [failure, setFailure] = useState<Problem>();
  const [proposed, setProposed] = useState(false);
  const [waiting, setWaiting] = useState(false);

  const module = useModule(gateway, (arrived: Upload | Image) => {
    if (arrived.language) {
      setLanguage(arrived.language);
      setProposed(true);
      setProblems((old) => ({ ...old, language: undefined }));
    }
    if ("description" in arrived && arrived.description)
      setDescription((old) => old || (arrived.description ?? ""));
    setProblems((old) => ({ ...old, module: undefined }));
  });

  const draft: AddPlugin = {
    name,
    ...(title.trim() ? { title: title.trim() } : {}),
    description: description.trim(),
    language: language ?? "",
    stage,
    priority: typeof priority === "number" ? priority : 0,
    module:
      module.file.kind === "uploaded"
        ? { upload: module.file.upload.id }
        : { image: module.image.kind === "resolved" ? module.image.image.pinned : "" },
    enabled,
  };
  const [settled] = useDebouncedValue({ name, title, stage, priority: draft.priority }, 250);
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
    mutationFn: async (source: ModuleSource | undefined): Promise<Card> => {
      let card: Card;
      if (editing)
        card = await editPlugin(gateway, editing.id, editing.etag, changes(editing, draft, source));
      else if (source) card = await addPlugin(gateway, { ...draft, module: source });
      else throw new Error("no module");
      await update(card);
      return card.state === "loading" ? await loaded(card) : card;
    },
    onSuccess: (card) => {
      if (card.state === "error") {
        setFailure({
          code: "release_failed",
          message: "release_failed",
          params: {},
          details: card.message ? [card.message] : [],
        });
        return;
      }
      notifyDone(t(editing ? "edited" : "added", { title: card.title || card.name }));
      onClose();
    },
    onError: (error) => {
      const { fields, other } = byField([problemOf(error)]);
      show(fields);
      setFailure(other[0]);
      if (problemOf(error).code === "changed_meanwhile") void update();
    },
  });

  /** Waits until the gateway has loaded the module or refused it. */
  async function loaded(card: Card): Promise<Card> {
    for (;;) {
      await new Promise((resolve) => window.setTimeout(resolve, 300));
      const list = await client.fetchQuery<Marketplace>({
        queryKey: keys.plugins(gateway),
        queryFn: ({ signal }) => getPlugins(gateway, signal),
        staleTime: 0,
      });
      const now = list.plugins.find(({ id }) => id === card.id);
      if (!now || now.state !== "loading") return now ?? card;
    }
  }

  /** Shows problems at their fields and puts the focus on the first. */
  function show(fields: Problems) {
    setProblems(fields);
    if (Object.values(fields).every((problem) => !problem)) return;
    requestAnimationFrame(() => {
      form.current
        ?.querySelector<HTMLElement>(
          '[aria-invalid="true"], [data-field="module"]:has([role="alert"]) [tabindex="0"]',
        )
        ?.focus();
    });
  }

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (release.isPending || waiting) return;
    setFailure(undefined);
    const fields = checkFields({ name, description, language, priority }, editing !== undefined);
    if (taken) fields.name = taken;
    const chosen = module.source === "file" ? module.file.kind !== "none" : module.reference.trim() !== "";
    if (!editing && !chosen) fields.module = MODULE_MISSING;
    if (Object.keys(fields).length > 0 || moduleProblem(module)) {
      show(fields);
      return;
    }
    setProblems({});
    setWaiting(true);
    const source = await module.settle();
    setWaiting(false);
    // The field shows why it was refused.
    if (chosen && !source) return;
    if (editing && Object.keys(changes(editing, draft, source)).length === 0) {
      onClose();
      return;
    }
    release.mutate(source);
  }

  function reload() {
    const now = cards.find(({ id }) => id === editing?.id);
    if (!now) {
      onClose();
      return;
    }
    setEditing(now);
    setTitle(now.title !== now.name ? now.title : "");
    setDescription(now.description.en ?? "");
    setLanguage(now.language ?? null);
    setStage(now.stage);
    setPriority(now.priority);
    setFailure(undefined);
    setProblems({});
  }

  const busy = release.isPending || waiting;
  const languages = language && !LANGUAGES.includes(language) ? [...LANGUAGES, language] : LANGUAGES;
  const at = (field: keyof Problems) => {
    const problem = problems[field];
    return problem && text(problem);
  };

  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="min(560px, 100%)"
      title={editing ? t("editTitle", { title: editing.title || editing.name }) : t("add")}
      closeOnClickOutside={false}
    >
      <form ref={form} onSubmit={(event) => void submit(event)} noValidate>
        <Stack gap="md">
          <TextInput
            label={t("form.name")}
            description={t(editing ? "form.nameFixed" : "form.nameHint")}
            value={name}
            onChange={(event) => {
              setName(event.currentTarget.value);
              setProblems((old) => ({ ...old, name: undefined }));
            }}
            error={at("name") ?? (taken && text(taken))}
            readOnly={editing !== undefined}
            variant={editing ? "filled" : "default"}
            spellCheck={false}
            autoComplete="off"
            maxLength={63}
            required
            data-autofocus={editing ? undefined : true}
          />
          <TextInput
            label={t("form.title")}
            description={t("form.titleHint")}
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
            error={at("title")}
          />
          <Textarea
            label={t("form.description")}
            description={t("form.descriptionHint")}
            value={description}
            onChange={(event) => {
              setDescription(event.currentTarget.value);
              setProblems((old) => ({ ...old, description: undefined }));
            }}
            error={at("description")}
            autosize
            minRows={2}
            maxRows={5}
            required
            data-autofocus={editing ? true : undefined}
          />
          <Select
            label={t("form.language")}
            description={t(proposed ? "form.languageProposed" : "form.languageHint")}
            placeholder={t("form.languageSelect")}
            data={languages}
            value={language}
            onChange={(value) => {
              setLanguage(value);
              setProposed(false);
              setProblems((old) => ({ ...old, language: undefined }));
            }}
            error={at("language")}
            allowDeselect={false}
            required
          />
          <ModuleField
            module={module}
            problem={problems.module}
            current={editing?.url}
            required={editing === undefined}
          />
          <Select
            label={t("form.stage")}
            description={t("form.stageHint")}
            data={STAGES.map((value) => ({ value, label: t(`common:stage.${value}`) }))}
            value={stage}
            onChange={(value) => setStage((value as Stage | null) ?? "default")}
            error={at("stage")}
            allowDeselect={false}
            required
          />
          <NumberInput
            label={t("form.priority")}
            description={t("form.priorityHint")}
            value={priority}
            onChange={(value) => {
              setPriority(value);
              setProblems((old) => ({ ...old, priority: undefined }));
            }}
            step={10}
            allowDecimal={false}
            error={at("priority")}
            required
          />
          <OrderPreview entries={entries} />
          {!editing && (
            <Switch
              label={t("form.enable")}
              checked={enabled}
              onChange={(event) => setEnabled(event.currentTarget.checked)}
            />
          )}
          {failure && (
            <>
              <ProblemAlert problem={failure} />
              {failure.code === "changed_meanwhile" && (
                <Button variant="default" onClick={reload}>
                  {t("reloadCard")}
                </Button>
              )}
            </>
          )}
          {busy && (
            <Alert color="blue" p="xs" role="status">
              <Text size="sm">{t(waiting ? "form.waiting" : "form.releasing")}</Text>
              <Progress
                value={100}
                animated
                mt={6}
                aria-label={t(waiting ? "form.waiting" : "form.releasing")}
              />
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

/** Only what differs, so that two people who change different fields do not overwrite each other's. */
function changes(card: Card, draft: AddPlugin, source: ModuleSource | undefined): EditPlugin {
  const edit: EditPlugin = {};
  const title = draft.title ?? card.name;
  if (title !== (card.title || card.name)) edit.title = title;
  if (draft.description !== card.description.en) edit.description = draft.description;
  if (draft.language !== card.language) edit.language = draft.language;
  if (draft.stage !== card.stage) edit.stage = draft.stage;
  if (draft.priority !== card.priority) edit.priority = draft.priority;
  if (source) edit.module = source;
  return edit;
}
