/** One stream of events per gateway, shared by every page below the provider. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { eventsUrl, getSession } from "./client";
import { keys } from "./queries";
import type { Events } from "./types";

type Type = keyof Events;
type Listener<T extends Type> = (data: Events[T]) => void;
type Subscribe = <T extends Type>(type: T, listener: Listener<T>) => () => void;

interface Stream {
  connected: boolean;
  subscribe: Subscribe;
}

const Context = createContext<Stream>({ connected: false, subscribe: () => () => {} });

const TYPES: readonly Type[] = ["plugins", "gateway", "access", "log", "counters", "notice"];
const RETRY_MS = 2_000;

export function EventsProvider({ gateway, children }: { gateway: string; children: ReactNode }) {
  const client = useQueryClient();
  const [connected, setConnected] = useState(false);
  const listeners = useRef(new Map<Type, Set<Listener<never>>>());

  useEffect(() => {
    let source: EventSource | undefined;
    let timer: number | undefined;
    let missed = false;

    const refetch = () => void client.invalidateQueries({ queryKey: keys.gateway(gateway) });

    const open = () => {
      source = new EventSource(eventsUrl(gateway));
      source.onopen = () => {
        setConnected(true);
        if (missed) refetch();
        missed = false;
      };
      source.onerror = () => {
        setConnected(false);
        missed = true;
        // The browser reconnects by itself unless the response was a refusal.
        if (source?.readyState === EventSource.CLOSED) {
          getSession().catch(() => {});
          timer = window.setTimeout(open, RETRY_MS);
        }
      };
      for (const type of TYPES) {
        source.addEventListener(type, (event) => {
          const data: unknown = event.data ? JSON.parse(event.data as string) : {};
          if (type === "plugins") refetch();
          if (type === "gateway") client.setQueryData(keys.gatewayState(gateway), data);
          for (const listener of listeners.current.get(type) ?? []) listener(data as never);
        });
      }
    };
    const close = () => {
      window.clearTimeout(timer);
      source?.close();
      source = undefined;
      setConnected(false);
    };
    // A browser keeps six connections to a host over HTTP/1.1; streams of hidden tabs would use them up.
    const onVisibility = () => {
      if (document.hidden) {
        close();
        missed = true;
      } else if (!source) {
        open();
      }
    };

    if (!document.hidden) open();
    document.addEventListener("visibilitychange", onVisibility);
    return () => {
      document.removeEventListener("visibilitychange", onVisibility);
      close();
    };
  }, [client, gateway]);

  const stream = useMemo<Stream>(
    () => ({
      connected,
      subscribe: (type, listener) => {
        const set = listeners.current.get(type) ?? new Set();
        listeners.current.set(type, set);
        set.add(listener as Listener<never>);
        return () => void set.delete(listener as Listener<never>);
      },
    }),
    [connected],
  );
  return <Context value={stream}>{children}</Context>;
}

export const useConnected = () => useContext(Context).connected;

/** Calls `listener` for each event of a type of the current gateway. */
export function useEvent<T extends Type>(type: T, listener: Listener<T>): void {
  const { subscribe } = useContext(Context);
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => subscribe(type, (data) => latest.current(data)), [subscribe, type]);
}
