/** Markdown of plug-ins: a README, or the description of a field. It may come from anywhere, so HTML in it is left out. */
import "./markdown.css";
import { Anchor, Code, Table, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";

/** Links elsewhere open a tab of their own; those into the plug-in's own repository have no target here. */
function Link({ href, children }: { href?: string | undefined; children?: ReactNode }) {
  if (!href || !/^https?:\/\//i.test(href)) return <>{children}</>;
  return (
    <Anchor href={href} target="_blank" rel="noreferrer noopener" inherit underline="always">
      {children}
    </Anchor>
  );
}

// The page has the only first heading.
const HEADINGS = ["h2", "h3", "h4", "h5", "h6", "h6"] as const;
const heading =
  (level: number) =>
  ({ children }: { children?: ReactNode }) => (
    <Title
      order={Math.min(level + 1, 6) as 2 | 3 | 4 | 5 | 6}
      size={HEADINGS[level]}
      mt={level === 1 ? 0 : "md"}
      mb={6}
    >
      {children}
    </Title>
  );

const blocks: Components = {
  a: ({ href, children }) => <Link href={href}>{children}</Link>,
  h1: heading(1),
  h2: heading(2),
  h3: heading(3),
  h4: heading(4),
  h5: heading(5),
  h6: heading(5),
  // An image of another host would tell it who reads this, and the policy of the page forbids it.
  img: ({ alt }) => <>{alt}</>,
  p: ({ children }) => (
    <Text size="sm" my={8}>
      {children}
    </Text>
  ),
  li: ({ children }) => (
    <Text component="li" size="sm" my={3}>
      {children}
    </Text>
  ),
  pre: ({ children }) => <Pre>{children}</Pre>,
  code: ({ children }) => <Code>{children}</Code>,
  table: ({ children }) => (
    <Table.ScrollContainer minWidth={480} my={8} type="native" tabIndex={0}>
      <Table withTableBorder verticalSpacing={4} fz="sm">
        {children}
      </Table>
    </Table.ScrollContainer>
  ),
  thead: ({ children }) => <Table.Thead>{children}</Table.Thead>,
  tbody: ({ children }) => <Table.Tbody>{children}</Table.Tbody>,
  tr: ({ children }) => <Table.Tr>{children}</Table.Tr>,
  th: ({ children }) => <Table.Th>{children}</Table.Th>,
  td: ({ children }) => <Table.Td style={{ overflowWrap: "anywhere" }}>{children}</Table.Td>,
  input: ({ checked }) => <>{checked ? "☑ " : "☐ "}</>,
};

function Pre({ children }: { children?: ReactNode }) {
  return (
    <Text
      component="pre"
      my={8}
      p="sm"
      tabIndex={0}
      ff="monospace"
      fz={13}
      bg="light-dark(var(--mantine-color-gray-1), var(--mantine-color-dark-6))"
      style={{ overflow: "auto", borderRadius: "var(--mantine-radius-sm)" }}
      className="markdown-pre"
    >
      {children}
    </Text>
  );
}

export function Markdown({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} components={blocks} skipHtml>
      {text}
    </ReactMarkdown>
  );
}

const inline: Components = {
  a: blocks.a,
  img: blocks.img,
  p: ({ children }) => <>{children}</>,
  code: ({ children }) => <Code>{children}</Code>,
};

/** A sentence or two, without blocks. */
export function InlineMarkdown({ text }: { text: string }) {
  return (
    <ReactMarkdown
      components={inline}
      allowedElements={["p", "a", "code", "em", "strong", "img"]}
      unwrapDisallowed
    >
      {text}
    </ReactMarkdown>
  );
}
