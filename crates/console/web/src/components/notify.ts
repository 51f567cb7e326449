import { notifications } from "@mantine/notifications";
import i18n from "i18next";
import { isAbort, problemOf } from "../api/client";
import { problemLines, problemText } from "./problemText";

export function notifyDone(message: string): void {
  notifications.show({ message, color: "green" });
}

/** For failures of actions without a place of their own on the page. */
export function notifyFailure(error: unknown): void {
  if (isAbort(error)) return;
  const problem = problemOf(error);
  notifications.show({
    message: [problemText(problem, i18n.t), ...problemLines(problem)].join("\n"),
    color: "red",
    autoClose: 12_000,
    style: { whiteSpace: "pre-line" },
  });
}
