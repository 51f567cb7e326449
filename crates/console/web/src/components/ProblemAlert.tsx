import { Alert, Code, List, Stack, Text } from "@mantine/core";
import { CircleAlert } from "lucide-react";
import type { Problem } from "../api/types";
import { problemLines, useProblemText } from "./problemText";

/** A refusal with its further lines. `details` are a module's or tool's own words and stay as they are. */
export function ProblemAlert({ problem, title }: { problem: Problem; title?: string }) {
  const text = useProblemText();
  return (
    <Alert color="red" role="alert" icon={<CircleAlert size={18} aria-hidden />} title={title}>
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {text(problem)}
      </Text>
      <ProblemDetails problem={problem} />
    </Alert>
  );
}

export function ProblemDetails({ problem }: { problem: Problem }) {
  const details = problemLines(problem);
  const mistakes = problem.mistakes ?? [];
  if (details.length === 0 && mistakes.length === 0) return null;
  return (
    <Stack gap={4} mt={6}>
      {details.map((line, i) => (
        <Code key={i} block lang="en" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
          {line}
        </Code>
      ))}
      {mistakes.length > 0 && (
        <List size="sm" spacing={2}>
          {mistakes.map((mistake, i) => (
            <List.Item key={i}>
              {mistake.line}:{mistake.column} {mistake.path && <Code>{mistake.path}</Code>}{" "}
              <span lang="en">{mistake.message}</span>
            </List.Item>
          ))}
        </List>
      )}
    </Stack>
  );
}
