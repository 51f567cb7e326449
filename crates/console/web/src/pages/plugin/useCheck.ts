/** The server's check of scopes, a moment after the last change. */
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { checkConfiguration } from "../../api/client";
import { keys } from "../../api/queries";
import type { ConfigurationCheck, Scope } from "../../api/types";

const DELAY_MS = 350;

export interface Checked {
  check?: ConfigurationCheck;
  /** The scopes that were checked; others than the current ones while a check is under way. */
  scopes?: Scope[];
  /** Why there is no check. */
  error?: unknown;
}

// Scopes may be large; a number stands for them in the key of the query.
const numbers = new WeakMap<Scope[], number>();
let last = 0;

function numberOf(scopes: Scope[]): number {
  const number = numbers.get(scopes) ?? ++last;
  numbers.set(scopes, number);
  return number;
}

export function useCheck(g: string, p: string, etag: string, scopes: Scope[], enabled: boolean): Checked {
  const [settled] = useDebouncedValue(scopes, DELAY_MS);
  const { data, error } = useQuery({
    queryKey: [...keys.plugin(g, p), "check", etag, numberOf(settled)],
    queryFn: async ({ signal }) => ({
      scopes: settled,
      check: await checkConfiguration(g, p, settled, signal),
    }),
    enabled,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });
  return { ...(data ?? {}), ...(error ? { error } : {}) };
}
