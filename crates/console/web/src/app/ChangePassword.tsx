import { Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { changePassword, problemOf } from "../api/client";
import { notifyDone } from "../components/notify";
import { ProblemAlert } from "../components/ProblemAlert";
import { useProblemText } from "../components/problemText";
import { useEndSession, useSession } from "./SessionGate";

/** Changes the password of the signed-in user, whose sessions all end with it. */
export default function ChangePassword({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const text = useProblemText();
  const { user } = useSession();
  const endSession = useEndSession();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const [repeated, setRepeated] = useState("");
  const change = useMutation({
    mutationFn: () => changePassword(current, password),
    onSuccess: () => {
      notifyDone(t("changePassword.done"));
      endSession();
    },
  });
  const problem = change.error ? problemOf(change.error) : undefined;
  const errorOf = (field: string) => (problem?.field === field ? text(problem) : undefined);
  const differs = repeated !== "" && repeated !== password;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (password === repeated) change.mutate();
  };
  const toggle = { "aria-label": t("signIn.showPassword") };

  return (
    <Modal opened onClose={onClose} title={t("changePassword.title")} centered>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t("changePassword.text")}</Text>
          {/* Password managers find the user's entry by it. */}
          <input type="text" name="username" autoComplete="username" value={user} readOnly hidden />
          <PasswordInput
            label={t("changePassword.current")}
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
            error={errorOf("current")}
            autoComplete="current-password"
            visibilityToggleButtonProps={toggle}
            data-autofocus
            required
          />
          <PasswordInput
            label={t("changePassword.new")}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={errorOf("password")}
            autoComplete="new-password"
            visibilityToggleButtonProps={toggle}
            required
          />
          <PasswordInput
            label={t("changePassword.repeat")}
            value={repeated}
            onChange={(event) => setRepeated(event.currentTarget.value)}
            error={differs ? t("changePassword.differs") : undefined}
            autoComplete="new-password"
            visibilityToggleButtonProps={toggle}
            required
          />
          {problem && !problem.field && <ProblemAlert problem={problem} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("cancel")}
            </Button>
            <Button
              type="submit"
              disabled={current === "" || password === "" || repeated !== password}
              loading={change.isPending}
            >
              {t("changePassword.submit")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
