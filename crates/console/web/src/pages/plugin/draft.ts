/** Changes of a configuration that are not saved yet. */
import { dropDraft, getDraft, putDraft } from "../../api/drafts";
import type { Card, Configuration, Scope } from "../../api/types";
import { equal } from "./yamlEdit";

/** Changes the draft of a plug-in, which begins with what is saved and ends when nothing differs from it. */
export function changeDraft(
  gateway: string,
  { id, title, name }: Pick<Card, "id" | "title" | "name">,
  saved: Configuration,
  change: (scopes: Scope[]) => Scope[],
): void {
  const current = getDraft(gateway, id);
  const base = current?.base ?? saved;
  const scopes = change(current?.scopes ?? saved.scopes);
  if (equal(scopes, base.scopes)) dropDraft(gateway, id);
  else putDraft({ gateway, plugin: id, title: title || name, base, scopes });
}
