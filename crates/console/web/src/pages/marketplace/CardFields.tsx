/** The fields that adding, editing and releasing a new version have in common, in the documentation's order. */
import { NumberInput, Select, Textarea, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import type { AddPlugin, Card, EditPlugin, Image, Stage, Upload } from "../../api/types";
import { useProblemText } from "../../components/problemText";
import type { Problems } from "./validation";

const LANGUAGES = ["AssemblyScript", "C", "C++", "Go", "JavaScript", "Rust", "Swift", "Zig"];
const STAGES: readonly Stage[] = ["authz", "authn", "stats", "default"];

export interface Values {
  title: string;
  description: string;
  language: string | null;
  stage: Stage;
  priority: number | string;
}

export type Fields = Pick<AddPlugin, "title" | "description" | "language" | "stage" | "priority">;

function valuesOf(card: Card | undefined): Values {
  return {
    title: card && card.title !== card.name ? card.title : "",
    description: card?.description.en ?? "",
    language: card?.language ?? null,
    stage: card?.stage ?? "default",
    priority: card?.priority ?? 0,
  };
}

export interface CardForm {
  values: Values;
  problems: Problems;
  setProblems: (problems: Problems | ((old: Problems) => Problems)) => void;
  set: (change: Partial<Values>) => void;
  /** Fills the form in again with a card as it is now. */
  reset: (card: Card) => void;
  /** Takes over what a module tells about itself. */
  propose: (module: Upload | Image) => void;
  proposed: boolean;
}

export function useCardForm(card: Card | undefined): CardForm {
  const [values, setValues] = useState(() => valuesOf(card));
  const [problems, setProblems] = useState<Problems>({});
  const [proposed, setProposed] = useState(false);
  return {
    values,
    problems,
    setProblems,
    proposed,
    set: (change) => {
      setValues((old) => ({ ...old, ...change }));
      if ("language" in change) setProposed(false);
      setProblems((old) => Object.fromEntries(Object.entries(old).filter(([name]) => !(name in change))));
    },
    reset: (now) => {
      setValues(valuesOf(now));
      setProblems({});
    },
    propose: (module) => {
      const { language } = module;
      const description = "description" in module ? module.description : undefined;
      if (language) setProposed(true);
      setValues((old) => ({
        ...old,
        language: language ?? old.language,
        description: old.description || (description ?? ""),
      }));
      setProblems((old) => {
        const { module: _, language: missing, ...rest } = old;
        return missing && !language ? { ...rest, language: missing } : rest;
      });
    },
  };
}

/** The values as the API takes them. */
export function fieldsOf({ title, description, language, stage, priority }: Values): Fields {
  return {
    ...(title.trim() ? { title: title.trim() } : {}),
    description: description.trim(),
    language: language ?? "",
    stage,
    priority: typeof priority === "number" ? priority : 0,
  };
}

/** Only what differs, so that two people who change different fields do not overwrite each other's. */
export function changesOf(card: Card, fields: Fields): EditPlugin {
  const edit: EditPlugin = {};
  const title = fields.title ?? card.name;
  if (title !== (card.title || card.name)) edit.title = title;
  if (fields.description !== (card.description.en ?? "")) edit.description = fields.description;
  if (fields.language !== (card.language ?? "")) edit.language = fields.language;
  if (fields.stage !== card.stage) edit.stage = fields.stage;
  if (fields.priority !== card.priority) edit.priority = fields.priority;
  return edit;
}

interface Props {
  form: CardForm;
  focus: boolean;
  /** Shown between the language and the stage. */
  module: ReactNode;
}

export function CardFields({ form, focus, module }: Props) {
  const { t } = useTranslation("marketplace");
  const text = useProblemText();
  const { values, set, proposed } = form;
  const { language } = values;
  const languages = language && !LANGUAGES.includes(language) ? [...LANGUAGES, language] : LANGUAGES;
  const at = (field: keyof Problems) => {
    const problem = form.problems[field];
    return problem && text(problem);
  };
  return (
    <>
      <TextInput
        label={t("form.title")}
        description={t("form.titleHint")}
        value={values.title}
        onChange={(event) => set({ title: event.currentTarget.value })}
        error={at("title")}
      />
      <Textarea
        label={t("form.description")}
        description={t("form.descriptionHint")}
        value={values.description}
        onChange={(event) => set({ description: event.currentTarget.value })}
        error={at("description")}
        autosize
        minRows={2}
        maxRows={5}
        required
        data-autofocus={focus ? true : undefined}
      />
      <Select
        label={t("form.language")}
        description={t(proposed ? "form.languageProposed" : "form.languageHint")}
        placeholder={t("form.languageSelect")}
        data={languages}
        value={language}
        onChange={(value) => set({ language: value })}
        error={at("language")}
        allowDeselect={false}
        required
      />
      {module}
      <Select
        label={t("form.stage")}
        description={t("form.stageHint")}
        data={STAGES.map((value) => ({ value, label: t(`common:stage.${value}`) }))}
        value={values.stage}
        onChange={(value) => set({ stage: (value as Stage | null) ?? "default" })}
        error={at("stage")}
        allowDeselect={false}
        required
      />
      <NumberInput
        label={t("form.priority")}
        description={t("form.priorityHint")}
        value={values.priority}
        onChange={(value) => set({ priority: value })}
        step={10}
        allowDecimal={false}
        error={at("priority")}
        required
      />
    </>
  );
}
