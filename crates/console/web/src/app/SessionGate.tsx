import { Center, Loader } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect } from "react";
import { useTranslation } from "react-i18next";
import { ApiError, getSession, problemOf, setSignedOutHandler, signIn } from "../api/client";
import { keys } from "../api/queries";
import type { Problem, Session } from "../api/types";
import { SignIn } from "./SignIn";

type State = { session: Session } | { signedOut: Problem; failure?: Problem };

const Context = createContext<Session | undefined>(undefined);

/** The session of the signed-in user; only below `SessionGate`. */
export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("useSession outside SessionGate");
  return session;
}

/** Shows the sign-in page to a user whose sessions have ended by a change of the password. */
export function useEndSession(): () => void {
  const client = useQueryClient();
  return () => {
    const ended: Problem = { code: "signed_out", message: "signed_out", params: { how: "password" } };
    client.setQueryData(keys.session, { signedOut: ended } satisfies State);
  };
}

/** The start token of the address printed by the console. It works once, so it is removed from the address at once. */
function takeToken(): string | undefined {
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token");
  if (token === null) return undefined;
  window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
  return token;
}

const startToken = takeToken();
let tokenUsed = false;

async function begin(signal: AbortSignal): Promise<State> {
  if (startToken && !tokenUsed) {
    tokenUsed = true;
    try {
      return { session: await signIn({ token: startToken }) };
    } catch (error) {
      // A reloaded address: the session may still be valid.
      const state = await resume(signal);
      return "session" in state ? state : { ...state, failure: problemOf(error) };
    }
  }
  return resume(signal);
}

async function resume(signal: AbortSignal): Promise<State> {
  try {
    return { session: await getSession(signal) };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return { signedOut: error.problem };
    throw error;
  }
}

/** Shows the sign-in page until there is a session. */
export function SessionGate({ children }: { children: ReactNode }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { data, error, refetch } = useQuery({
    queryKey: keys.session,
    queryFn: ({ signal }) => begin(signal),
    staleTime: Infinity,
    retry: 1,
  });

  useEffect(() => {
    setSignedOutHandler((problem) =>
      client.setQueryData(keys.session, { signedOut: problem } satisfies State),
    );
  }, [client]);

  if (error) {
    return <SignIn how="token" failure={problemOf(error)} onSignedIn={() => void refetch()} />;
  }
  if (!data) {
    return (
      <Center h="100dvh">
        <Loader aria-label={t("loading")} />
      </Center>
    );
  }
  if ("session" in data) return <Context value={data.session}>{children}</Context>;
  return (
    <SignIn
      how={data.signedOut.params.how === "password" ? "password" : "token"}
      failure={data.failure}
      onSignedIn={(session) => {
        client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== keys.session[0] });
        client.setQueryData(keys.session, { session } satisfies State);
      }}
    />
  );
}
