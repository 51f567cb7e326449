import { currentLanguage } from "../i18n";

/** A moment in the reader's language and time zone. */
export function Time({ value, seconds = false }: { value: string; seconds?: boolean }) {
  const date = new Date(value);
  if (Number.isNaN(date.getTime())) return <>{value}</>;
  const text = seconds
    ? date.toLocaleTimeString(currentLanguage(), { hour12: false })
    : date.toLocaleString(currentLanguage(), { dateStyle: "medium", timeStyle: "short" });
  return (
    <time dateTime={value} title={date.toLocaleString(currentLanguage())}>
      {text}
    </time>
  );
}
