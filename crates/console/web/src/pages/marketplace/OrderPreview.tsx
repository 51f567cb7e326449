import { Badge, Group, Paper, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { OrderEntry } from "../../api/types";

const AROUND = 3;

/** The neighbours of a plug-in in the order of requests. */
export function OrderPreview({ entries }: { entries: OrderEntry[] }) {
  const { t } = useTranslation("marketplace");
  const place = entries.findIndex((entry) => entry.added);
  if (place < 0) return null;
  const from = Math.max(0, place - AROUND);
  const to = Math.min(entries.length, place + AROUND + 1);
  return (
    <Paper withBorder p="xs">
      <Text size="sm" fw={500}>
        {t("form.preview", { place: place + 1, count: entries.length })}
      </Text>
      <Text size="xs" c="dimmed">
        {t("form.previewHint")}
      </Text>
      <ol
        start={from + 1}
        style={{ margin: "6px 0 0", paddingInlineStart: 28, fontSize: "var(--mantine-font-size-sm)" }}
      >
        {entries.slice(from, to).map((entry) => (
          <li key={entry.added ? "added" : entry.id} aria-current={entry.added ? "true" : undefined}>
            <Group justify="space-between" wrap="nowrap" gap="xs">
              <Text
                size="sm"
                truncate
                fw={entry.added ? 700 : 400}
                c={entry.enabled || entry.added ? undefined : "dimmed"}
              >
                {entry.title || entry.name || t("form.thisPlugin")}
              </Text>
              <Badge
                variant={entry.added ? "filled" : "default"}
                size="sm"
                tt="none"
                fw={500}
                style={{ flexShrink: 0 }}
              >
                {t(`common:stage.${entry.stage}`)} · {entry.priority}
              </Badge>
            </Group>
          </li>
        ))}
      </ol>
    </Paper>
  );
}
