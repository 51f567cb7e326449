import type { ResourceKey } from "i18next";

const files = import.meta.glob<ResourceKey>("./zh/*.json", { eager: true, import: "default" });

export const messages: Record<string, ResourceKey> = Object.fromEntries(
  Object.entries(files).map(([file, bundle]) => [file.replace(/^.*\/|\.json$/g, ""), bundle]),
);
