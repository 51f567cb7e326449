import i18n, { type TFunction } from "i18next";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { Problem } from "../api/types";

/** The text of a problem in the reader's language; the server's English text for a code without one. */
export function problemText(problem: Problem, t: TFunction): string {
  const key = `problems:${problem.code}`;
  if (!i18n.exists(key)) return problem.message;
  const text = t(key, problem.params);
  // A text with an unfilled gap is worse than a complete one in English.
  return text.includes("{{") ? problem.message : text;
}

export function useProblemText(): (problem: Problem) => string {
  const { t } = useTranslation();
  return useCallback((problem) => problemText(problem, t), [t]);
}
