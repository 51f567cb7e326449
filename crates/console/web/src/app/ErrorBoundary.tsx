import { Button, Code, Container, Stack, Text, Title } from "@mantine/core";
import { Component, type ReactNode } from "react";
import i18n from "../i18n";

interface Props {
  children: ReactNode;
  /** Another value tries again, such as the address of the page. */
  resetKey?: string;
}

interface State {
  error?: Error | undefined;
  resetKey?: string | undefined;
}

/** A failure of one page leaves a message and a way to reload instead of a blank screen. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { resetKey: this.props.resetKey };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  static getDerivedStateFromProps(props: Props, state: State): State | null {
    return props.resetKey === state.resetKey ? null : { error: undefined, resetKey: props.resetKey };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <Container size="sm" py="xl">
        <Stack align="flex-start">
          <Title order={1}>{i18n.t("crash.title")}</Title>
          <Text>{i18n.t("crash.text")}</Text>
          <Code block>{error.message}</Code>
          <Button onClick={() => window.location.reload()}>{i18n.t("crash.reload")}</Button>
        </Stack>
      </Container>
    );
  }
}
