/** The fields of a plug-in as a form made from its schema. */
import {
  ActionIcon,
  Button,
  Code,
  Fieldset,
  Group,
  NumberInput,
  Paper,
  PasswordInput,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
  UnstyledButton,
} from "@mantine/core";
import Form from "@rjsf/mantine";
import {
  ADDITIONAL_PROPERTY_FLAG,
  type ArrayFieldItemTemplateProps,
  type ArrayFieldTemplateProps,
  buttonId,
  canExpand,
  descriptionId,
  type FieldTemplateProps,
  type ObjectFieldTemplateProps,
  type RegistryWidgetsType,
  type RJSFSchema,
  type TemplatesType,
  type UiSchema,
  type UnsupportedFieldProps,
  type WidgetProps,
} from "@rjsf/utils";
import { ArrowDown, ArrowUp, ChevronDown, ChevronRight, Plus, Trash2 } from "lucide-react";
import { createContext, useContext, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { JsonSchema } from "../../api/types";
import { InlineMarkdown } from "../../components/Markdown";
import { currentLanguage } from "../../i18n";
import { MistakeText, type ShownMistake } from "./Mistakes";
import { at, forForm, isLines, isSchema, localized, type Path, shownAt, toPath } from "./schema";
import { isObject } from "./yamlEdit";
import { validator } from "./validator";

const PREFIX = "field";
const SEPARATOR = ".";

export const fieldId = (path: Path) => [PREFIX, ...path].join(SEPARATOR);

interface Context {
  /** By the id of the field that shows them. */
  mistakes: Map<string, ShownMistake[]>;
  value: unknown;
}

const FormContext = createContext<Context>({ mistakes: new Map(), value: undefined });

interface Props {
  schema: JsonSchema;
  secrets: string[];
  value: Record<string, unknown>;
  mistakes: ShownMistake[];
  readOnly: boolean;
  onChange: (value: unknown) => void;
}

export default function FieldsForm({ schema, secrets, value, mistakes, readOnly, onChange }: Props) {
  const { t } = useTranslation("plugin");
  const formSchema = useMemo(() => forForm(schema) as RJSFSchema, [schema]);
  const uiSchema = useMemo(() => ui(schema, secrets), [schema, secrets]);
  const context = useMemo<Context>(() => {
    const map = new Map<string, ShownMistake[]>();
    for (const mistake of mistakes) {
      const id = fieldId(shownAt(schema, toPath(mistake.path)));
      map.set(id, [...(map.get(id) ?? []), mistake]);
    }
    return { mistakes: map, value };
  }, [mistakes, schema, value]);
  const unknown = Object.keys(value).filter((key) => !at(schema, [key]));
  const whole = context.mistakes.get(PREFIX) ?? [];
  return (
    <FormContext value={context}>
      <Stack gap="sm">
        {whole.length > 0 && <Mistakes id={PREFIX} />}
        {unknown.length > 0 && (
          <Text size="sm">
            {t("form.unknown")}{" "}
            {unknown.map((key) => (
              <Code key={key} mr={4}>
                {key}
              </Code>
            ))}
          </Text>
        )}
        <Form
          schema={formSchema}
          uiSchema={uiSchema}
          formData={value}
          validator={validator as never}
          widgets={WIDGETS}
          templates={TEMPLATES}
          idPrefix={PREFIX}
          idSeparator={SEPARATOR}
          readonly={readOnly}
          noValidate
          noHtml5Validate
          showErrorList={false}
          experimental_defaultFormStateBehavior={{
            emptyObjectFields: "skipDefaults",
            arrayMinItems: { populate: "never" },
            constAsDefaults: "never",
          }}
          tagName="div"
          onChange={({ formData }, id) => {
            // Without an id, it is the form itself that fills something in.
            if (id !== undefined) onChange(formData);
          }}
        >
          <></>
        </Form>
      </Stack>
    </FormContext>
  );
}

/** Which widget shows a field; pointers of secrets are those of the schema. */
function ui(schema: JsonSchema, secrets: string[], pointer = ""): UiSchema {
  const out: UiSchema = {};
  if (secrets.includes(pointer) && schema.type === "string") out["ui:widget"] = "password";
  else if (schema.type === "boolean") out["ui:widget"] = "choice";
  else if ((schema.type === "integer" || schema.type === "number") && !schema.enum)
    out["ui:widget"] = "updown";
  else if (isLines(schema)) out["ui:widget"] = "lines";
  if (isSchema(schema.properties)) {
    for (const [name, part] of Object.entries(schema.properties)) {
      const escaped = name.replace(/~/g, "~0").replace(/\//g, "~1");
      if (isSchema(part)) out[name] = ui(part, secrets, `${pointer}/properties/${escaped}`);
    }
  }
  if (isSchema(schema.items) && !isLines(schema)) out.items = ui(schema.items, secrets, `${pointer}/items`);
  if (isSchema(schema.additionalProperties)) {
    out.additionalProperties = ui(schema.additionalProperties, secrets, `${pointer}/additionalProperties`);
  }
  return out;
}

function useMistakes(id: string): ShownMistake[] {
  return useContext(FormContext).mistakes.get(id) ?? [];
}

function Mistakes({ id }: { id: string }) {
  const mistakes = useMistakes(id);
  if (mistakes.length === 0) return null;
  return (
    <Stack gap={2} mt={4} id={`${id}__error`}>
      {mistakes.map((mistake, i) => (
        <MistakeText key={i} mistake={mistake} />
      ))}
    </Stack>
  );
}

function Label({ name, required, title }: { name: string; required?: boolean | undefined; title?: string }) {
  const { t } = useTranslation("plugin");
  return (
    <>
      <Text span ff="monospace" fz="sm" fw={600}>
        {name}
      </Text>
      {title && title !== name && (
        <Text span fz="sm" ml={6}>
          {title}
        </Text>
      )}
      {required && (
        <Text span fz="xs" c="dimmed" ml={6}>
          {t("form.required")}
        </Text>
      )}
    </>
  );
}

function Description({ id, schema }: { id: string; schema: JsonSchema }) {
  const text = localized(schema, "description", currentLanguage());
  if (!text) return null;
  return (
    <Text size="xs" c="dimmed" id={descriptionId(id)}>
      <InlineMarkdown text={text} />
    </Text>
  );
}

/** The last part of an id is the name of the field, or its place in a list. */
const nameOf = (id: string) => id.slice(id.lastIndexOf(SEPARATOR) + 1);

function FieldTemplate(props: FieldTemplateProps) {
  const { id, label, schema, required, children, hidden, readonly, disabled } = props;
  const { t } = useTranslation("plugin");
  if (hidden) return null;
  const isGroup = schema.type === "object" || (schema.type === "array" && !isLines(schema));
  const isKey = ADDITIONAL_PROPERTY_FLAG in schema;
  const body = isGroup ? (
    <>
      {children}
      {id !== PREFIX && <Mistakes id={id} />}
    </>
  ) : (
    <Stack gap={3}>
      {!isKey && (
        <label htmlFor={id}>
          <Label name={label} required={required} title={localized(schema, "title", currentLanguage())} />
        </label>
      )}
      {!isKey && <Description id={id} schema={schema} />}
      {children}
      <Mistakes id={id} />
    </Stack>
  );
  if (!isKey) return body;
  return (
    <Group align="flex-start" gap="xs" wrap="nowrap" mb="xs">
      <TextInput
        key={label}
        flex={1}
        defaultValue={label}
        aria-label={t("form.key")}
        readOnly={readonly || disabled}
        ff="monospace"
        onBlur={props.onKeyRenameBlur}
      />
      <div style={{ flex: 2 }}>{body}</div>
      {!readonly && !disabled && (
        <ActionIcon
          variant="subtle"
          color="red"
          size="lg"
          aria-label={t("form.removeKey", { key: label })}
          onClick={props.onRemoveProperty}
        >
          <Trash2 size={16} aria-hidden />
        </ActionIcon>
      )}
    </Group>
  );
}

function ObjectFieldTemplate(props: ObjectFieldTemplateProps) {
  const { fieldPathId, schema, properties, formData, uiSchema, onAddProperty, readonly, disabled, required } =
    props;
  const { t } = useTranslation("plugin");
  const { mistakes } = useContext(FormContext);
  const id = fieldPathId.$id;
  const name = nameOf(id);
  const hasMistakes = [...mistakes.keys()].some((key) => key.startsWith(id + SEPARATOR));
  const hasData =
    isObject(formData) && Object.values(formData).some((item) => item !== undefined && !isHollow(item));
  const [toggled, setToggled] = useState<boolean>();
  const open = hasMistakes || (toggled ?? (hasData || !!required));
  const content = (
    <Stack gap="md">
      {properties
        .filter(({ hidden }) => !hidden)
        .map(({ name: key, content }) => (
          <div key={key}>{content}</div>
        ))}
      {canExpand(schema, uiSchema, formData) && !readonly && !disabled && (
        <Button
          id={buttonId(fieldPathId, "add")}
          variant="default"
          size="compact-sm"
          w="fit-content"
          leftSection={<Plus size={14} aria-hidden />}
          onClick={onAddProperty}
        >
          {t("form.addKey")}
        </Button>
      )}
      {properties.length === 0 && !schema.additionalProperties && (
        <Text size="sm" c="dimmed">
          {t("form.yamlOnly")}
        </Text>
      )}
    </Stack>
  );
  if (id === PREFIX || /^\d+$/.test(name)) return content;
  return (
    <Fieldset
      id={id}
      p="sm"
      pt={4}
      legend={
        <UnstyledButton aria-expanded={open} onClick={() => setToggled(!open)}>
          <Group gap={4} wrap="nowrap">
            {open ? <ChevronDown size={14} aria-hidden /> : <ChevronRight size={14} aria-hidden />}
            <span>
              <Label name={name} required={required} />
            </span>
          </Group>
        </UnstyledButton>
      }
    >
      <Stack gap="sm">
        <Description id={id} schema={schema} />
        {open && content}
      </Stack>
    </Fieldset>
  );
}

/** Objects of objects without any value, which a form creates for fields that are not set. */
function isHollow(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((item) => item === undefined || isHollow(item));
}

function ArrayFieldTemplate(props: ArrayFieldTemplateProps) {
  const { fieldPathId, schema, items, canAdd, onAddClick, readonly, disabled, required } = props;
  const { t } = useTranslation("plugin");
  const id = fieldPathId.$id;
  return (
    <Fieldset id={id} p="sm" pt={4} legend={<Label name={nameOf(id)} required={required} />}>
      <Stack gap="sm">
        <Description id={id} schema={schema} />
        {items}
        {canAdd && !readonly && !disabled && (
          <Button
            id={buttonId(fieldPathId, "add")}
            variant="default"
            size="compact-sm"
            w="fit-content"
            leftSection={<Plus size={14} aria-hidden />}
            onClick={onAddClick}
            aria-label={t("form.addTo", { name: nameOf(id) })}
          >
            {t("form.add")}
          </Button>
        )}
      </Stack>
    </Fieldset>
  );
}

function ArrayFieldItemTemplate(props: ArrayFieldItemTemplateProps) {
  const { children, index, buttonsProps, hasToolbar } = props;
  const { t } = useTranslation("plugin");
  const {
    hasMoveUp,
    hasMoveDown,
    hasRemove,
    onMoveUpItem,
    onMoveDownItem,
    onRemoveItem,
    readonly,
    disabled,
  } = buttonsProps;
  const number = index + 1;
  return (
    <Paper withBorder p="sm" role="group" aria-label={t("form.entry", { number })}>
      <Group justify="space-between" mb={4}>
        <Text size="xs" c="dimmed" fw={600}>
          {t("form.entry", { number })}
        </Text>
        {hasToolbar && !readonly && !disabled && (
          <Group gap={2}>
            <ActionIcon
              variant="subtle"
              color="gray"
              disabled={!hasMoveUp}
              aria-label={t("form.entryUp", { number })}
              onClick={onMoveUpItem}
            >
              <ArrowUp size={14} aria-hidden />
            </ActionIcon>
            <ActionIcon
              variant="subtle"
              color="gray"
              disabled={!hasMoveDown}
              aria-label={t("form.entryDown", { number })}
              onClick={onMoveDownItem}
            >
              <ArrowDown size={14} aria-hidden />
            </ActionIcon>
            {hasRemove && (
              <ActionIcon
                variant="subtle"
                color="red"
                aria-label={t("form.entryRemove", { number })}
                onClick={onRemoveItem}
              >
                <Trash2 size={14} aria-hidden />
              </ActionIcon>
            )}
          </Group>
        )}
      </Group>
      {children}
    </Paper>
  );
}

function UnsupportedFieldTemplate(_: UnsupportedFieldProps) {
  const { t } = useTranslation("plugin");
  return (
    <Text size="sm" c="dimmed">
      {t("form.yamlOnly")}
    </Text>
  );
}

const TEMPLATES: Partial<TemplatesType> = {
  FieldTemplate,
  ObjectFieldTemplate,
  ArrayFieldTemplate,
  ArrayFieldItemTemplate,
  UnsupportedFieldTemplate,
} as Partial<TemplatesType>;

// Widgets: only the input; the template has the label, the description and the mistakes.

function useInput({ id, schema, readonly, disabled, label }: WidgetProps) {
  const { t } = useTranslation("plugin");
  const mistakes = useMistakes(id);
  const standard: unknown = schema["x-default" as keyof typeof schema];
  const isKey = ADDITIONAL_PROPERTY_FLAG in schema;
  return {
    shared: {
      id,
      // The template's label belongs to the input by its id; the value of a key has none.
      ...(isKey || /^\d+$/.test(nameOf(id)) ? { "aria-label": label } : {}),
      readOnly: readonly ?? false,
      disabled: disabled ?? false,
      error: mistakes.some(({ severity }) => severity === "error"),
      "aria-describedby": [descriptionId(id), `${id}__error`].join(" "),
    },
    standard,
    placeholder:
      standard === undefined || standard === "" ? "" : t("form.default", { value: show(standard) }),
  };
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function TextWidget(props: WidgetProps) {
  const { value, onChange } = props;
  const { shared, placeholder } = useInput(props);
  const text = value === undefined || value === null ? "" : String(value);
  // A text of several lines stays in its box while it is edited down to one.
  const [isLong] = useState(text.includes("\n"));
  const change = (next: string) => onChange(next === "" ? undefined : next);
  return isLong ? (
    <Textarea
      {...shared}
      autosize
      maxRows={14}
      value={text}
      placeholder={placeholder}
      onChange={(event) => change(event.currentTarget.value)}
    />
  ) : (
    <TextInput
      {...shared}
      value={text}
      placeholder={placeholder}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}

function PasswordWidget(props: WidgetProps) {
  const { t } = useTranslation("plugin");
  const { value, onChange } = props;
  const { shared } = useInput(props);
  return (
    <PasswordInput
      {...shared}
      autoComplete="off"
      value={typeof value === "string" ? value : ""}
      visibilityToggleButtonProps={{ "aria-label": t("form.reveal") }}
      onChange={(event) => onChange(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
    />
  );
}

function NumberWidget(props: WidgetProps) {
  const { value, onChange, schema } = props;
  const { shared, placeholder } = useInput(props);
  return (
    <NumberInput
      {...shared}
      maw={320}
      value={typeof value === "number" || typeof value === "string" ? value : ""}
      placeholder={placeholder}
      allowDecimal={schema.type !== "integer"}
      clampBehavior="none"
      onChange={(next) => {
        const number = typeof next === "number" ? next : undefined;
        if (number !== value) onChange(number);
      }}
    />
  );
}

/** Not set, true or false: a box to tick cannot tell the first from the last. */
function ChoiceWidget(props: WidgetProps) {
  const { t } = useTranslation("plugin");
  const { value, onChange, required } = props;
  const { shared, standard } = useInput(props);
  const { readOnly, ...rest } = shared;
  const data = [
    { value: "true", label: t("form.true") },
    { value: "false", label: t("form.false") },
  ];
  return (
    <Select
      {...rest}
      maw={320}
      readOnly={readOnly}
      data={data}
      value={typeof value === "boolean" ? String(value) : null}
      placeholder={
        typeof standard === "boolean"
          ? t("form.default", { value: t(standard ? "form.true" : "form.false") })
          : t("form.notSet")
      }
      clearable={!required && !readOnly}
      clearButtonProps={{ "aria-label": t("form.clear") }}
      allowDeselect={false}
      checkIconPosition="right"
      onChange={(next) => onChange(next === null ? undefined : next === "true")}
    />
  );
}

function SelectWidget(props: WidgetProps) {
  const { t } = useTranslation("plugin");
  const { value, onChange, options, required } = props;
  const { shared, placeholder } = useInput(props);
  const choices = options.enumOptions ?? [];
  const data = choices.map((choice, i) => ({ value: String(i), label: show(choice.value) }));
  const selected = choices.findIndex((choice) => choice.value === value);
  return (
    <Select
      {...shared}
      maw={320}
      data={data}
      value={selected < 0 ? null : String(selected)}
      placeholder={selected < 0 && value !== undefined ? show(value) : placeholder || t("form.notSet")}
      clearable={!required && !shared.readOnly}
      clearButtonProps={{ "aria-label": t("form.clear") }}
      allowDeselect={false}
      checkIconPosition="right"
      onChange={(next) => onChange(next === null ? undefined : choices[Number(next)]?.value)}
    />
  );
}

/** A list of texts, one a line: quick to paste, to edit and to reorder. */
function LinesWidget(props: WidgetProps) {
  const { t } = useTranslation("plugin");
  const { value, onChange } = props;
  const { shared, placeholder } = useInput(props);
  const items = Array.isArray(value) ? (value as unknown[]) : [];
  const isPlain = items.every((item) => typeof item === "string" && !item.includes("\n"));
  const joined = items.join("\n");
  const [text, setText] = useState(joined);
  const sent = useRef(joined);
  useEffect(() => {
    if (joined !== sent.current) {
      sent.current = joined;
      setText(joined);
    }
  }, [joined]);
  return (
    <>
      <Textarea
        {...shared}
        readOnly={shared.readOnly || !isPlain}
        autosize
        minRows={1}
        maxRows={12}
        ff="monospace"
        value={text}
        placeholder={
          placeholder && placeholder !== t("form.default", { value: "[]" }) ? placeholder : t("form.lines")
        }
        onChange={(event) => {
          const next = event.currentTarget.value;
          const list = next.split("\n").filter((line) => line !== "");
          setText(next);
          sent.current = list.join("\n");
          onChange(list.length === 0 && !Array.isArray(value) ? undefined : list);
        }}
      />
      {!isPlain && (
        <Text size="xs" c="dimmed">
          {t("form.linesInYaml")}
        </Text>
      )}
    </>
  );
}

const WIDGETS: RegistryWidgetsType = {
  TextWidget,
  TextareaWidget: TextWidget,
  PasswordWidget,
  UpDownWidget: NumberWidget,
  CheckboxWidget: ChoiceWidget,
  SelectWidget,
  RadioWidget: SelectWidget,
  EmailWidget: TextWidget,
  URLWidget: TextWidget,
  DateWidget: TextWidget,
  DateTimeWidget: TextWidget,
  TimeWidget: TextWidget,
  FileWidget: TextWidget,
  choice: ChoiceWidget,
  lines: LinesWidget,
};
