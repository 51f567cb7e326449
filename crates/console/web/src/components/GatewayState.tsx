import { Badge } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Gateway } from "../api/types";

const COLORS: Record<Gateway["state"], string> = {
  starting: "blue",
  serving: "green",
  stopped: "gray",
  error: "red",
};

export function GatewayState({ state }: { state: Gateway["state"] }) {
  const { t } = useTranslation();
  return (
    <Badge variant="dot" color={COLORS[state]} size="md" tt="none" fw={500}>
      {t(`gatewayState.${state}`)}
    </Badge>
  );
}
