import { Alert, Button, Group, Progress, Text } from "@mantine/core";
import { useTranslation } from "react-i18next";

interface Props {
  waiting: boolean;
  releasing: boolean;
  onClose: () => void;
}

/** Cancel and OK, and the progress between OK and the end. */
export function DrawerActions({ waiting, releasing, onClose }: Props) {
  const { t } = useTranslation("marketplace");
  const busy = waiting || releasing;
  return (
    <>
      {busy && (
        <Alert color="blue" p="xs" role="status">
          <Text size="sm">{t(waiting ? "form.waiting" : "form.releasing")}</Text>
          <Progress value={100} animated mt={6} aria-label={t(waiting ? "form.waiting" : "form.releasing")} />
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
    </>
  );
}
