/** Messages: a folder per language, a file (namespace) per page. A language is loaded when it is first chosen. */
import i18n, { type ResourceKey } from "i18next";
import { initReactI18next } from "react-i18next";

export const LANGUAGES = { en: "English", zh: "中文" } as const;
export type Language = keyof typeof LANGUAGES;

const STORAGE_KEY = "portcullis.language";

const LOAD: Record<Language, () => Promise<{ messages: Record<string, ResourceKey> }>> = {
  en: () => import("./messages.en"),
  zh: () => import("./messages.zh"),
};

function isLanguage(value: unknown): value is Language {
  return typeof value === "string" && value in LANGUAGES;
}

function preferred(): Language {
  const stored = localStorage.getItem(STORAGE_KEY);
  if (isLanguage(stored)) return stored;
  const first = navigator.languages.map((tag) => tag.split("-")[0]).find(isLanguage);
  return first ?? "en";
}

async function load(language: Language): Promise<void> {
  const { messages } = await LOAD[language]();
  for (const [namespace, bundle] of Object.entries(messages)) {
    i18n.addResourceBundle(language, namespace, bundle, true, true);
  }
}

export async function setLanguage(language: Language): Promise<void> {
  if (!i18n.hasResourceBundle(language, "common")) await load(language);
  await i18n.changeLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  localStorage.setItem(STORAGE_KEY, language);
}

export function currentLanguage(): Language {
  return isLanguage(i18n.language) ? i18n.language : "en";
}

export async function startI18n(): Promise<void> {
  const language = preferred();
  await i18n.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    ns: ["common"],
    defaultNS: "common",
    resources: {},
    // React escapes.
    interpolation: { escapeValue: false },
    // Left visible, so that a problem without this parameter falls back to the server's text.
    missingInterpolationHandler: (_text: string, match: RegExpExecArray) => match[0],
    react: { useSuspense: false },
  });
  await load(language);
  await i18n.changeLanguage(language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export default i18n;
