import { Button, Card, Center, Group, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { problemOf, signIn } from "../api/client";
import type { Credentials, Problem, Session } from "../api/types";
import { Logo } from "../components/Logo";
import { ProblemAlert } from "../components/ProblemAlert";
import { LanguageMenu, ThemeMenu } from "./Menus";

interface Props {
  how: "token" | "password";
  failure?: Problem | undefined;
  onSignedIn: (session: Session) => void;
}

/** Accepts the token itself, or the whole address that the console printed. */
function tokenOf(text: string): string {
  const fragment = text.trim().match(/#(.*)$/)?.[1];
  return (fragment && new URLSearchParams(fragment).get("token")) || text.trim();
}

export function SignIn({ how, failure, onSignedIn }: Props) {
  const { t } = useTranslation();
  const [token, setToken] = useState("");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const attempt = useMutation({
    mutationFn: (credentials: Credentials) => signIn(credentials),
    onSuccess: onSignedIn,
  });
  const problem = attempt.error ? problemOf(attempt.error) : attempt.isIdle ? failure : undefined;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    attempt.mutate(how === "token" ? { token: tokenOf(token) } : { user: user.trim(), password });
  };

  return (
    <Center mih="100dvh" p="md">
      <Card component="main" withBorder shadow="sm" p="xl" w={400} maw="100%">
        <form onSubmit={submit}>
          <Stack>
            <Logo />
            <Title order={1}>{t("signIn.title")}</Title>
            {problem && <ProblemAlert problem={problem} />}
            {problem?.code === "wrong_credentials" && how === "token" && (
              <Text size="sm">{t("signIn.tokenOnce")}</Text>
            )}
            {how === "token" ? (
              <>
                <Text size="sm">{t("signIn.tokenHint")}</Text>
                <PasswordInput
                  label={t("signIn.token")}
                  value={token}
                  onChange={(event) => setToken(event.currentTarget.value)}
                  autoComplete="off"
                  visibilityToggleButtonProps={{ "aria-label": t("signIn.showToken") }}
                  autoFocus
                  required
                />
              </>
            ) : (
              <>
                <TextInput
                  label={t("signIn.user")}
                  value={user}
                  onChange={(event) => setUser(event.currentTarget.value)}
                  autoComplete="username"
                  autoFocus
                  required
                />
                <PasswordInput
                  label={t("signIn.password")}
                  value={password}
                  onChange={(event) => setPassword(event.currentTarget.value)}
                  autoComplete="current-password"
                  visibilityToggleButtonProps={{ "aria-label": t("signIn.showPassword") }}
                  required
                />
              </>
            )}
            <Button type="submit" loading={attempt.isPending}>
              {t("signIn.submit")}
            </Button>
            <Group justify="center" gap="xs">
              <LanguageMenu />
              <ThemeMenu />
            </Group>
          </Stack>
        </form>
      </Card>
    </Center>
  );
}
