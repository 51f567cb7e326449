import type { Card, Category } from "../../api/types";

export type Tab = "all" | "enabled";
export type CategoryFilter = Category | "all";

export const CATEGORIES: readonly CategoryFilter[] = [
  "all",
  "custom",
  "authentication",
  "security",
  "protocol",
  "traffic",
  "observability",
  "transformation",
  "ai",
];

export function descriptionOf(card: Card, language: string): string {
  const { en = "", zh = "" } = card.description;
  return language === "zh" ? zh || en : en || zh;
}

/** Every plug-in that was added is custom, whatever else it is. */
function inCategory(card: Card, category: CategoryFilter): boolean {
  return (
    category === "all" || card.category === category || (category === "custom" && card.kind === "custom")
  );
}

export function filterCards(
  cards: Card[],
  { tab, category, text, language }: { tab: Tab; category: CategoryFilter; text: string; language: string },
): Card[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return cards.filter((card) => {
    if (tab === "enabled" ? !card.enabled : !inCategory(card, category)) return false;
    const haystack = `${card.title}\n${card.name}\n${descriptionOf(card, language)}`.toLowerCase();
    return words.every((word) => haystack.includes(word));
  });
}
