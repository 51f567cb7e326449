import "./Mistakes.css";
import { Anchor, Badge, Code, Group, Stack, Text, Tooltip } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Mistake } from "../../api/types";

/** A mistake in the reader's language, unless it is the plug-in's own words. */
export interface ShownMistake extends Mistake {
  /** Whether the message is English whatever the reader's language. */
  english: boolean;
}

export function MistakeText({ mistake }: { mistake: ShownMistake }) {
  const { t } = useTranslation("plugin");
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <Text
        size="sm"
        c={mistake.severity === "error" ? "var(--mistake-error)" : "var(--mistake-warning)"}
        lang={mistake.english ? "en" : undefined}
        style={{ overflowWrap: "anywhere" }}
      >
        {mistake.message}
      </Text>
      {mistake.own && (
        <Tooltip label={t("mistakes.ownHint")}>
          <Badge size="sm" variant="default" tt="none" fw={500} style={{ flexShrink: 0 }}>
            {t("mistakes.own")}
          </Badge>
        </Tooltip>
      )}
    </Group>
  );
}

/** All mistakes of a scope, each a way to its place. */
export function MistakeList({
  mistakes,
  onOpen,
}: {
  mistakes: ShownMistake[];
  onOpen: (mistake: ShownMistake) => void;
}) {
  const { t } = useTranslation("plugin");
  if (mistakes.length === 0) return null;
  return (
    <Stack gap={4} role="region" aria-label={t("mistakes.title")}>
      {mistakes.map((mistake, i) => (
        <Group key={i} gap={8} align="flex-start">
          <Anchor component="button" type="button" size="sm" onClick={() => onOpen(mistake)}>
            {mistake.line}:{mistake.column}
          </Anchor>
          {mistake.path && <Code style={{ overflowWrap: "anywhere" }}>{mistake.path}</Code>}
          <MistakeText mistake={mistake} />
        </Group>
      ))}
    </Stack>
  );
}
