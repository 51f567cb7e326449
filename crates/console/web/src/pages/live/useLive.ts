/** The recent past of a gateway and what follows, with a limit, and a way to hold it still. */
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState, useSyncExternalStore } from "react";
import { getLive } from "../../api/client";
import { useEvent } from "../../api/events";
import { keys } from "../../api/queries";
import type { Access, Counters, Live, Log } from "../../api/types";

const LINES = 2_000;
const SAMPLES = 120;
/** Events are shown in batches, however fast they come. */
const INTERVAL_MS = 250;

export interface Numbered<T> {
  number: number;
  entry: T;
}

interface Shown {
  access: Numbered<Access>[];
  logs: Numbered<Log>[];
  counters: Counters[];
  /** Lines that came while the view is held. */
  waiting: number;
}

const EMPTY: Shown = { access: [], logs: [], counters: [], waiting: 0 };

/** Collects events between two batches, and while the view is held. */
class Store {
  private shown = EMPTY;
  private access: Numbered<Access>[] = [];
  private logs: Numbered<Log>[] = [];
  private counters: Counters[] = [];
  private number = 0;
  private readonly listeners = new Set<() => void>();

  readonly get = (): Shown => this.shown;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  };

  private show(shown: Shown): void {
    this.shown = shown;
    for (const listener of this.listeners) listener();
  }

  private numbered<T>(entry: T): Numbered<T> {
    return { number: ++this.number, entry };
  }

  /** The recent ones contain the events that came before them. */
  begin({ access, logs, counters }: Live): void {
    this.access = [];
    this.logs = [];
    this.counters = [];
    this.show({
      access: access.map((entry) => this.numbered(entry)),
      logs: logs.map((entry) => this.numbered(entry)),
      counters: counters.slice(-SAMPLES),
      waiting: 0,
    });
  }

  addAccess(entry: Access): void {
    this.access.push(this.numbered(entry));
  }

  addLog(entry: Log): void {
    this.logs.push(this.numbered(entry));
  }

  addCounters(entry: Counters): void {
    this.counters.push(entry);
  }

  /** Shows what has come. Charts go on while the lines wait. */
  flush(paused: boolean): void {
    const { access, logs, counters } = this;
    const waiting = paused ? access.length + logs.length : 0;
    if (
      counters.length === 0 &&
      (paused ? waiting === this.shown.waiting : access.length + logs.length === 0)
    ) {
      return;
    }
    const next = [...this.shown.counters, ...counters].slice(-SAMPLES);
    this.counters = [];
    if (paused) {
      this.access = access.slice(-LINES);
      this.logs = logs.slice(-LINES);
      this.show({ ...this.shown, counters: next, waiting: this.access.length + this.logs.length });
      return;
    }
    this.access = [];
    this.logs = [];
    this.show({
      access: [...this.shown.access, ...access].slice(-LINES),
      logs: [...this.shown.logs, ...logs].slice(-LINES),
      counters: next,
      waiting: 0,
    });
  }

  readonly clear = (): void => {
    this.access = [];
    this.logs = [];
    this.show({ ...this.shown, access: [], logs: [], waiting: 0 });
  };
}

export function useLive(gateway: string, paused: boolean): Shown & { error: unknown; clear: () => void } {
  const [store] = useState(() => new Store());
  const shown = useSyncExternalStore(store.subscribe, store.get);
  const { data, error } = useQuery({
    queryKey: keys.live(gateway),
    queryFn: ({ signal }) => getLive(gateway, signal),
    staleTime: Infinity,
    refetchOnMount: "always",
    gcTime: 0,
  });
  useEvent("access", (entry) => store.addAccess(entry));
  useEvent("log", (entry) => store.addLog(entry));
  useEvent("counters", (entry) => store.addCounters(entry));

  useEffect(() => {
    if (data) store.begin(data);
  }, [data, store]);

  useEffect(() => {
    store.flush(paused);
    const timer = window.setInterval(() => store.flush(paused), INTERVAL_MS);
    return () => window.clearInterval(timer);
  }, [paused, store]);

  return { ...shown, error, clear: store.clear };
}
