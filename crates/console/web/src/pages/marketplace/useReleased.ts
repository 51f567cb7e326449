import { useQueryClient } from "@tanstack/react-query";
import { getPlugins } from "../../api/client";
import { keys } from "../../api/queries";
import type { Card, Marketplace } from "../../api/types";

const INTERVAL_MS = 300;

/** Waits until the gateway has loaded the module of a card or refused it. */
export function useReleased(gateway: string): (card: Card) => Promise<Card> {
  const client = useQueryClient();
  return async (card) => {
    let now = card;
    while (now.state === "loading") {
      await new Promise((resolve) => window.setTimeout(resolve, INTERVAL_MS));
      const list = await client.fetchQuery<Marketplace>({
        queryKey: keys.plugins(gateway),
        queryFn: ({ signal }) => getPlugins(gateway, signal),
        staleTime: 0,
      });
      const found = list.plugins.find(({ id }) => id === card.id);
      if (!found) break;
      now = found;
    }
    return now;
  };
}
