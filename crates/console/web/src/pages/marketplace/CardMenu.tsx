/** The settings menu of a card. An item that cannot be used now stays in reach of the keyboard and shows its reason. */
import { ActionIcon, Menu, Text } from "@mantine/core";
import { CopyPlus, Pencil, Power, PowerOff, RotateCcw, Settings, Trash2, UploadCloud } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useGateways, useRole } from "../../api/queries";
import type { Card, Problem, Role } from "../../api/types";
import { useProblemText } from "../../components/problemText";
import type { Dialog } from ".";
import { useRollBack } from "./useSwitch";

interface Props {
  gateway: string;
  card: Card;
  busy: boolean;
  onDialog: (dialog: Dialog) => void;
  onSwitch: (enabled: boolean) => void;
}

const BUILT_IN: Problem = { code: "plugin_built_in", message: "plugin_built_in", params: {} };
const FORBIDDEN: Problem = { code: "forbidden", message: "forbidden", params: {} };

export function CardMenu({ gateway, card, busy, onDialog, onSwitch }: Props) {
  const { t } = useTranslation("marketplace");
  const text = useProblemText();
  const can = useRole(gateway);
  const { data: gateways } = useGateways();
  const goBack = useRollBack(gateway, card);
  const custom = card.kind === "custom";
  const others = (gateways ?? []).filter((other) => other.name !== gateway);
  const canCopy = others.some(({ role }) => role === "admin");

  const item = (
    label: string,
    icon: ReactNode,
    role: Role,
    blocked: Problem | undefined,
    onClick: () => void,
    color?: string,
  ) => {
    const problem = can(role) ? blocked : FORBIDDEN;
    return (
      <Item
        label={label}
        icon={icon}
        color={color}
        reason={problem && text(problem)}
        onClick={onClick}
        busy={busy}
      />
    );
  };

  return (
    <Menu position="bottom-end" width={270} withinPortal>
      <Menu.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={t("settingsOf", { title: card.title || card.name })}
        >
          <Settings size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {item(
          t("edit"),
          <Pencil size={16} aria-hidden />,
          "admin",
          card.blocked.edit ?? (custom ? undefined : BUILT_IN),
          () => onDialog({ kind: "edit", card }),
        )}
        {item(
          t("release"),
          <UploadCloud size={16} aria-hidden />,
          "admin",
          card.blocked.upgrade ?? (custom ? undefined : BUILT_IN),
          () => onDialog({ kind: "release", card }),
        )}
        {card.rollback &&
          item(t("rollBack"), <RotateCcw size={16} aria-hidden />, "admin", card.blocked.upgrade, () =>
            goBack.mutate(),
          )}
        {card.enabled
          ? item(t("disable"), <PowerOff size={16} aria-hidden />, "operator", card.blocked.disable, () =>
              onSwitch(false),
            )
          : item(t("enable"), <Power size={16} aria-hidden />, "operator", card.blocked.enable, () =>
              onSwitch(true),
            )}
        {custom &&
          others.length > 0 &&
          item(t("copy"), <CopyPlus size={16} aria-hidden />, "admin", canCopy ? undefined : FORBIDDEN, () =>
            onDialog({ kind: "copy", card }),
          )}
        <Menu.Divider />
        {item(
          t("delete"),
          <Trash2 size={16} aria-hidden />,
          "admin",
          card.blocked.delete ?? (custom ? undefined : BUILT_IN),
          () => onDialog({ kind: "delete", card }),
          "red",
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

interface ItemProps {
  label: string;
  icon: ReactNode;
  reason: string | undefined;
  busy: boolean;
  color?: string | undefined;
  onClick: () => void;
}

function Item({ label, icon, reason, busy, color, onClick }: ItemProps) {
  const { t } = useTranslation("marketplace");
  const why = reason ?? (busy ? t("busy") : undefined);
  if (why !== undefined) {
    return (
      <Menu.Item
        leftSection={icon}
        aria-disabled
        closeMenuOnClick={false}
        c="dimmed"
        style={{ cursor: "not-allowed" }}
      >
        {label}
        <Text component="span" display="block" size="xs" mt={2}>
          {why}
        </Text>
      </Menu.Item>
    );
  }
  return (
    <Menu.Item leftSection={icon} onClick={onClick} {...(color ? { color } : {})}>
      {label}
    </Menu.Item>
  );
}
