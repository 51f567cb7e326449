/**
 * Unsaved configurations. They outlive the page of the plug-in, so that one can be tried before it is saved. They are
 * kept in memory only, because a configuration may contain secrets.
 */
import { useSyncExternalStore } from "react";
import type { Configuration, Scope } from "./types";

export interface Draft {
  gateway: string;
  plugin: string;
  title: string;
  /** The configuration that the changes were made to. */
  base: Configuration;
  scopes: Scope[];
}

let drafts: readonly Draft[] = [];
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** A reload or a closed tab loses drafts; the browser asks first. */
function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

function change(next: readonly Draft[]): void {
  if (next.length > 0 && drafts.length === 0) window.addEventListener("beforeunload", warn);
  if (next.length === 0) window.removeEventListener("beforeunload", warn);
  drafts = next;
  for (const listener of listeners) listener();
}

const isOf = (g: string, p: string) => (draft: Draft) => draft.gateway === g && draft.plugin === p;

export function getDraft(g: string, p: string): Draft | undefined {
  return drafts.find(isOf(g, p));
}

export function putDraft(draft: Draft): void {
  change([...drafts.filter((other) => !isOf(draft.gateway, draft.plugin)(other)), draft]);
}

export function dropDraft(g: string, p: string): void {
  if (getDraft(g, p)) change(drafts.filter((draft) => !isOf(g, p)(draft)));
}

/** All drafts; an array that only changes when one of them does. */
export function useDrafts(): readonly Draft[] {
  return useSyncExternalStore(subscribe, () => drafts);
}
