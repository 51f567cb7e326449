/**
 * The pages of a gateway. Each is a folder of `src/pages` whose `index.tsx` exports the page as default; it is loaded
 * when it is opened.
 */
import { Activity, ClipboardList, FlaskConical, History, ListOrdered, Puzzle } from "lucide-react";
import { type ComponentType, lazy } from "react";

const MODULES = import.meta.glob<{ default: ComponentType }>("../pages/*/index.tsx");

function page(name: string): ComponentType | undefined {
  const load = MODULES[`../pages/${name}/index.tsx`];
  return load && lazy(load);
}

/** In the order of the navigation; `path` is below `/gateways/:gateway/`. */
export const SECTIONS = [
  { name: "plugins", path: "plugins", icon: Puzzle, page: page("marketplace") },
  { name: "order", path: "order", icon: ListOrdered, page: page("order") },
  { name: "try", path: "try", icon: FlaskConical, page: page("try") },
  { name: "live", path: "live", icon: Activity, page: page("live") },
  { name: "history", path: "history", icon: History, page: page("history") },
  { name: "audit", path: "audit", icon: ClipboardList, page: page("audit") },
] as const;

export const GatewaysPage = page("gateways");
export const PluginPage = page("plugin");

/** Addresses of pages, for links. */
export const links = {
  gateways: "/",
  section: (g: string, path: string) => `/gateways/${encodeURIComponent(g)}/${path}`,
  plugin: (g: string, p: string, tab?: string) =>
    `/gateways/${encodeURIComponent(g)}/plugins/${encodeURIComponent(p)}` + (tab ? `/${tab}` : ""),
};
