import i18n, { type TFunction } from "i18next";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { Problem } from "../api/types";

/**
 * The text of a problem in the reader's language, or the server's English text for a code without one. The checks of a
 * module share a code and may have a text each.
 */
export function problemText({ code, message, params }: Problem, t: TFunction): string {
  const key = [`problems:${code}_${params.check}`, `problems:${code}`].find((name) => i18n.exists(name));
  const text = key && t(key, params);
  // A text with an unfilled gap is worse than a complete one in English.
  return text && !text.includes("{{") ? text : message;
}

/** Further lines, which are the words of a module, a tool or a system and stay as they are. */
export function problemLines({ details = [], params }: Problem): string[] {
  const { reason } = params;
  return reason && !details.includes(reason) ? [reason, ...details] : details;
}

export function useProblemText(): (problem: Problem) => string {
  const { t } = useTranslation();
  return useCallback((problem) => problemText(problem, t), [t]);
}
