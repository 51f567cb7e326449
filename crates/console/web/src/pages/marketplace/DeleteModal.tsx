import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { deletePlugin, problemOf } from "../../api/client";
import type { Card } from "../../api/types";
import { notifyDone } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";
import { useCardUpdate } from "./useSwitch";

export function DeleteModal({
  gateway,
  card,
  onClose,
}: {
  gateway: string;
  card: Card;
  onClose: () => void;
}) {
  const { t } = useTranslation("marketplace");
  const update = useCardUpdate(gateway);
  const remove = useMutation({
    mutationFn: () => deletePlugin(gateway, card.id, card.etag),
    onSuccess: async () => {
      notifyDone(t("deleted", { title: card.title }));
      onClose();
      await update();
    },
    onError: () => update(),
  });
  return (
    <Modal opened onClose={onClose} title={t("deleteTitle")} centered>
      <Stack>
        <Text size="sm">{t("deleteText", { title: card.title, file: card.file ?? card.name })}</Text>
        {remove.error && <ProblemAlert problem={problemOf(remove.error)} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t("common:cancel")}
          </Button>
          <Button color="red.9" loading={remove.isPending} onClick={() => remove.mutate()}>
            {t("delete")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
