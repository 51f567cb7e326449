import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { copyPlugin, problemOf } from "../../api/client";
import { keys, useGateways } from "../../api/queries";
import type { Card } from "../../api/types";
import { notifyDone } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";

/** Adds a custom plug-in to another gateway of the signed-in user, without a second upload. */
export function CopyModal({ gateway, card, onClose }: { gateway: string; card: Card; onClose: () => void }) {
  const { t } = useTranslation("marketplace");
  const client = useQueryClient();
  const { data } = useGateways();
  const targets = (data ?? [])
    .filter((other) => other.name !== gateway)
    .map(({ name, role }) => ({ value: name, label: name, disabled: role !== "admin" }));
  const [target, setTarget] = useState(targets.find(({ disabled }) => !disabled)?.value ?? null);
  const copy = useMutation({
    mutationFn: (to: string) => copyPlugin(gateway, card.id, to),
    onSuccess: (_, to) => {
      notifyDone(t("copied", { title: card.title, gateway: to }));
      onClose();
      return client.invalidateQueries({ queryKey: keys.gateway(to) });
    },
  });
  return (
    <Modal opened onClose={onClose} title={t("copyTitle")} centered>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (target !== null) copy.mutate(target);
        }}
      >
        <Stack>
          <Text size="sm">{t("copyText", { title: card.title })}</Text>
          <Select
            label={t("copyGateway")}
            data={targets}
            value={target}
            onChange={setTarget}
            allowDeselect={false}
            data-autofocus
          />
          {copy.error && <ProblemAlert problem={problemOf(copy.error)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("common:cancel")}
            </Button>
            <Button type="submit" disabled={target === null} loading={copy.isPending}>
              {t("common:ok")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
