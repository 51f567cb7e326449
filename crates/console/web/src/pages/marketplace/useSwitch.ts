import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { rollBack, setEnabled } from "../../api/client";
import { keys } from "../../api/queries";
import type { Card, Marketplace } from "../../api/types";
import { notifyDone, notifyFailure } from "../../components/notify";

/** Shows the new state of a card at once; the list is fetched again because the order may have changed. */
export function useCardUpdate(gateway: string): (card?: Card) => Promise<void> {
  const client = useQueryClient();
  return async (card) => {
    if (card) {
      client.setQueryData<Marketplace>(
        keys.plugins(gateway),
        (old) =>
          old && { ...old, plugins: old.plugins.map((other) => (other.id === card.id ? card : other)) },
      );
    }
    await client.invalidateQueries({ queryKey: keys.gateway(gateway) });
  };
}

/** Enables or disables, built-in and custom plug-ins alike. */
export function useSwitch(gateway: string, card: Card) {
  const { t } = useTranslation("marketplace");
  const update = useCardUpdate(gateway);
  return useMutation({
    mutationFn: (enabled: boolean) => setEnabled(gateway, card.id, card.etag, enabled),
    onSuccess: (changed, enabled) => {
      if (changed.state !== "error")
        notifyDone(t(enabled ? "enabledDone" : "disabledDone", { title: card.title }));
      return update(changed);
    },
    onError: (error) => {
      notifyFailure(error);
      return update();
    },
  });
}

export function useRollBack(gateway: string, card: Card) {
  const { t } = useTranslation("marketplace");
  const update = useCardUpdate(gateway);
  return useMutation({
    mutationFn: () => rollBack(gateway, card.id, card.etag),
    onSuccess: (changed) => {
      notifyDone(t("rolledBack", { title: card.title }));
      return update(changed);
    },
    onError: (error) => {
      notifyFailure(error);
      return update();
    },
  });
}
