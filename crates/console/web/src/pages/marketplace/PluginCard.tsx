import { Anchor, Avatar, Badge, Box, Card as Paper, Group, Loader, Stack, Switch, Text } from "@mantine/core";
import { CircleCheck, CircleOff, CircleX } from "lucide-react";
import { memo } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { useRole } from "../../api/queries";
import type { Card, CardState } from "../../api/types";
import { links } from "../../app/pages";
import { useProblemText } from "../../components/problemText";
import type { Dialog } from ".";
import { CardMenu } from "./CardMenu";
import { descriptionOf } from "./filter";
import { useSwitch } from "./useSwitch";

interface Props {
  gateway: string;
  card: Card;
  position: number;
  total: number;
  onDialog: (dialog: Dialog) => void;
}

export const PluginCard = memo(function PluginCard({ gateway, card, position, total, onDialog }: Props) {
  const { t, i18n } = useTranslation("marketplace");
  const text = useProblemText();
  const can = useRole(gateway);
  const toggle = useSwitch(gateway, card);
  const title = card.title || card.name;
  const description = descriptionOf(card, i18n.language);
  const state: CardState = toggle.isPending ? "loading" : card.state;
  const enabled = toggle.isPending ? toggle.variables : card.enabled;
  const blocked = card.enabled ? card.blocked.disable : card.blocked.enable;
  const reason = !can("operator") ? t("problems:forbidden") : blocked && text(blocked);
  const busy = state === "loading";

  return (
    <Paper
      component="article"
      role="listitem"
      withBorder
      p="md"
      h="100%"
      aria-label={title}
      aria-posinset={position}
      aria-setsize={total}
      data-plugin={card.id}
      data-state={state}
    >
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <Avatar radius="sm" size={38} color={AVATAR[card.kind]} variant="light" aria-hidden>
          {initials(title)}
        </Avatar>
        <Box flex={1} miw={0}>
          <Text fw={600} truncate title={title}>
            <Anchor component={Link} to={links.plugin(gateway, card.id)} inherit c="inherit">
              {title}
            </Anchor>
          </Text>
          <Text size="xs" c="dimmed" truncate ff="monospace" title={card.name}>
            {card.name}
          </Text>
        </Box>
        <CardMenu
          gateway={gateway}
          card={card}
          onDialog={onDialog}
          onSwitch={(on) => toggle.mutate(on)}
          busy={busy}
        />
      </Group>

      <Box mt="xs" h={66}>
        {state === "error" && card.message ? (
          <Text size="sm" c="var(--mantine-color-error)" lineClamp={3} lang="en" title={card.message}>
            {card.message}
          </Text>
        ) : (
          <Text size="sm" lineClamp={3} title={description}>
            {description}
          </Text>
        )}
      </Box>

      <Stack gap={8} mt="auto">
        <Group gap={6} wrap="nowrap" style={{ overflow: "hidden" }}>
          <Meta>{t(`common:kind.${card.kind}`)}</Meta>
          {card.version && <Meta>{card.version}</Meta>}
          {card.language && <Meta>{card.language}</Meta>}
          {card.rules > 0 && <Meta>{t("rules", { count: card.rules })}</Meta>}
        </Group>
        <Group justify="space-between" wrap="nowrap" gap="xs">
          <Text size="xs" c="dimmed" truncate title={t("place")}>
            {t(`common:stage.${card.stage}`)} · {card.priority}
          </Text>
          <Group gap="xs" wrap="nowrap">
            <StateLabel state={state} idle={card.enabled} />
            <Switch
              aria-label={t(card.enabled ? "disableOf" : "enableOf", { title })}
              checked={enabled}
              disabled={busy || reason !== undefined}
              title={reason}
              onChange={(event) => toggle.mutate(event.currentTarget.checked)}
            />
          </Group>
        </Group>
      </Stack>
    </Paper>
  );
});

const AVATAR = { builtin: "portcullis", custom: "grape" } as const;

function initials(title: string): string {
  const words = title.split(/[\s_-]+/).filter(Boolean);
  const letters = words.length > 1 ? words.slice(0, 2).map((word) => [...word][0]) : [...title].slice(0, 2);
  return letters.join("").toUpperCase();
}

function Meta({ children }: { children: string }) {
  return (
    <Badge variant="default" size="sm" tt="none" fw={400} style={{ flexShrink: 0, maxWidth: 120 }}>
      {children}
    </Badge>
  );
}

const STATES = {
  off: { icon: CircleOff, color: "var(--mantine-color-dimmed)" },
  on: { icon: CircleCheck, color: "light-dark(#237032, var(--mantine-color-green-4))" },
  error: { icon: CircleX, color: "var(--mantine-color-error)" },
} as const;

/** `idle`: enabled, but the gateway is stopped. */
function StateLabel({ state, idle }: { state: CardState; idle: boolean }) {
  const { t } = useTranslation();
  if (state === "loading") {
    return (
      <Group gap={4} wrap="nowrap">
        <Loader size={13} aria-hidden />
        <Text size="xs">{t("cardState.loading")}</Text>
      </Group>
    );
  }
  const { icon: Icon, color } = STATES[state];
  return (
    <Group gap={4} wrap="nowrap" c={color}>
      <Icon size={14} aria-hidden />
      <Text size="xs" style={{ whiteSpace: "nowrap" }}>
        {t(state === "off" && idle ? "cardState.idle" : `cardState.${state}`)}
      </Text>
    </Group>
  );
}
