import i18n, { type TFunction } from "i18next";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { Problem } from "../api/types";

/** A message as a sentence of its own. */
function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…:]$/.test(text) ? text : `${text}.`;
}

/**
 * The text of a problem in the reader's language. The server's English text is more specific than one for all cases of a
 * code, so it is preferred in English, and where there is none in another language. Problems found by the page itself have
 * their code as the message.
 */
export function problemText(problem: Problem, t: TFunction): string {
  const { code, message, params } = problem;
  const fromServer = message !== "" && message !== code;
  const key = `problems:${code}`;
  if (!i18n.exists(key) || (fromServer && i18n.language === "en")) return sentence(message || code);
  const text = t(key, params);
  // A text with an unfilled gap is worse than a complete one in English.
  if (text.includes("{{")) return fromServer ? sentence(message) : code;
  return fromServer && params.reason ? `${text}（${params.reason}）` : text;
}

export function useProblemText(): (problem: Problem) => string {
  const { t } = useTranslation();
  return useCallback((problem) => problemText(problem, t), [t]);
}
