/** A request through the gateway, and what each plug-in did with it. */
import {
  ActionIcon,
  Anchor,
  Autocomplete,
  Badge,
  Button,
  Group,
  Modal,
  Paper,
  Select,
  Stack,
  Table,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { ClipboardPaste, ListChecks, Plus, Send, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { explain, parseCurl, problemOf, tryRequest } from "../../api/client";
import { useDrafts } from "../../api/drafts";
import { useRole } from "../../api/queries";
import type { Explanation, TryRequest, TryResult } from "../../api/types";
import { links } from "../../app/pages";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import { ScrollTable } from "../../components/ScrollTable";
import { Comparison, TrialView } from "./Trial";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

// A request outlives the page, so that one can go to a plug-in and come back.
const requests = new Map<string, TryRequest>();

const FIRST: TryRequest = { method: "GET", url: "http://localhost/", headers: [] };

export default function TryPage() {
  const { gateway = "" } = useParams();
  return <Try key={gateway} gateway={gateway} />;
}

function Try({ gateway }: { gateway: string }) {
  const { t } = useTranslation("try");
  const isOperator = useRole(gateway)("operator");
  const [request, setRequest] = useState(() => requests.get(gateway) ?? FIRST);
  const [importing, setImporting] = useState(false);
  const drafts = useDrafts().filter((draft) => draft.gateway === gateway);
  const [chosen, setChosen] = useState<string | null>(drafts[0]?.plugin ?? null);
  const draft = drafts.find(({ plugin }) => plugin === chosen);

  const change = (next: TryRequest) => {
    requests.set(gateway, next);
    setRequest(next);
  };
  /** As it is sent: without rows that are still empty. */
  const sent = (): TryRequest => ({
    ...request,
    headers: request.headers.filter(([name]) => name.trim() !== ""),
  });
  const trial = useMutation<TryResult>({
    mutationFn: () =>
      tryRequest(gateway, {
        request: sent(),
        ...(draft ? { change: { plugin: draft.plugin, scopes: draft.scopes } } : {}),
      }),
  });
  const applied = useMutation<Explanation>({
    mutationFn: () => explain(gateway, sent()),
  });
  const problem = trial.error ?? applied.error;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    applied.reset();
    trial.mutate();
  };

  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <Button
            variant="default"
            leftSection={<ClipboardPaste size={16} aria-hidden />}
            onClick={() => setImporting(true)}
          >
            {t("curl.open")}
          </Button>
        }
      />
      <Paper withBorder p="md" component="form" onSubmit={submit}>
        <Stack gap="sm">
          <Group gap="xs" align="flex-end">
            <Autocomplete
              label={t("method")}
              w={120}
              data={METHODS}
              value={request.method}
              onChange={(method) => change({ ...request, method })}
              // All methods, whatever is there already.
              filter={({ options }) => options}
            />
            <TextInput
              label={t("url")}
              flex={1}
              miw={220}
              value={request.url}
              spellCheck={false}
              required
              withAsterisk={false}
              error={problem && problemOf(problem).field === "url"}
              onChange={(event) => change({ ...request, url: event.currentTarget.value })}
            />
          </Group>
          <Headers headers={request.headers} onChange={(headers) => change({ ...request, headers })} />
          <Textarea
            label={t("body")}
            autosize
            minRows={2}
            maxRows={12}
            ff="monospace"
            value={request.body ?? ""}
            onChange={(event) => {
              const { body: _, ...rest } = request;
              const text = event.currentTarget.value;
              change(text === "" ? rest : { ...rest, body: text });
            }}
          />
          {drafts.length > 0 && (
            <Select
              label={t("change")}
              description={t("changeHint")}
              placeholder={t("noChange")}
              clearable
              clearButtonProps={{ "aria-label": t("noChange") }}
              maw={420}
              data={drafts.map(({ plugin, title }) => ({ value: plugin, label: title }))}
              value={draft ? draft.plugin : null}
              onChange={setChosen}
            />
          )}
          <Group gap="xs">
            <Button
              type="submit"
              leftSection={<Send size={16} aria-hidden />}
              loading={trial.isPending}
              disabled={!isOperator}
            >
              {t("send")}
            </Button>
            <Button
              variant="default"
              leftSection={<ListChecks size={16} aria-hidden />}
              loading={applied.isPending}
              disabled={!isOperator}
              onClick={() => {
                trial.reset();
                applied.mutate();
              }}
            >
              {t("explain")}
            </Button>
            {!isOperator && (
              <Text size="sm" c="dimmed">
                {t("operatorOnly")}
              </Text>
            )}
          </Group>
        </Stack>
      </Paper>
      <Stack gap="md" mt="md" aria-live="polite">
        {problem && <ProblemAlert problem={problemOf(problem)} />}
        {trial.data && <Result gateway={gateway} result={trial.data} />}
        {applied.data && <Explained gateway={gateway} explanation={applied.data} />}
      </Stack>
      <CurlModal
        gateway={gateway}
        opened={importing}
        onClose={() => setImporting(false)}
        onRequest={(next) => {
          change(next);
          setImporting(false);
        }}
      />
    </>
  );
}

function Headers({
  headers,
  onChange,
}: {
  headers: [string, string][];
  onChange: (headers: [string, string][]) => void;
}) {
  const { t } = useTranslation("try");
  const replace = (at: number, header: [string, string]) =>
    onChange(headers.map((other, i) => (i === at ? header : other)));
  return (
    <Stack gap={6} role="group" aria-label={t("headers")}>
      <Text size="sm" fw={500}>
        {t("headers")}
      </Text>
      {headers.map(([name, value], i) => (
        <Group key={i} gap="xs" wrap="nowrap">
          <TextInput
            flex={1}
            aria-label={t("headerName", { number: i + 1 })}
            placeholder={t("name")}
            value={name}
            spellCheck={false}
            onChange={(event) => replace(i, [event.currentTarget.value, value])}
          />
          <TextInput
            flex={2}
            aria-label={t("headerValue", { number: i + 1 })}
            placeholder={t("value")}
            value={value}
            spellCheck={false}
            onChange={(event) => replace(i, [name, event.currentTarget.value])}
          />
          <ActionIcon
            variant="subtle"
            color="red"
            size="lg"
            aria-label={t("removeHeader", { number: i + 1 })}
            onClick={() => onChange(headers.filter((_, other) => other !== i))}
          >
            <Trash2 size={16} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      <Button
        size="compact-sm"
        variant="default"
        w="fit-content"
        leftSection={<Plus size={14} aria-hidden />}
        onClick={() => onChange([...headers, ["", ""]])}
      >
        {t("addHeader")}
      </Button>
    </Stack>
  );
}

function CurlModal({
  gateway,
  opened,
  onClose,
  onRequest,
}: {
  gateway: string;
  opened: boolean;
  onClose: () => void;
  onRequest: (request: TryRequest) => void;
}) {
  const { t } = useTranslation("try");
  const [text, setText] = useState("");
  const parse = useMutation({
    mutationFn: () => parseCurl(gateway, text),
    onSuccess: (request) => {
      setText("");
      onRequest(request);
    },
  });
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t("curl.open")}
      size="lg"
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      <Stack
        gap="sm"
        component="form"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          parse.mutate();
        }}
      >
        <Textarea
          data-autofocus
          label={t("curl.label")}
          description={t("curl.hint")}
          placeholder="curl -H 'x-user: alice' https://shop.example.com/cart"
          autosize
          minRows={4}
          maxRows={16}
          ff="monospace"
          spellCheck={false}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {parse.error && <ProblemAlert problem={problemOf(parse.error)} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("common:cancel")}
          </Button>
          <Button type="submit" loading={parse.isPending} disabled={text.trim() === ""}>
            {t("curl.import")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Result({ gateway, result }: { gateway: string; result: TryResult }) {
  return result.before ? (
    <Comparison gateway={gateway} before={result.before} after={result.result} />
  ) : (
    <TrialView gateway={gateway} trial={result.result} />
  );
}

function Explained({ gateway, explanation }: { gateway: string; explanation: Explanation }) {
  const { t } = useTranslation("try");
  return (
    <Paper withBorder p="md" component="section" aria-label={t("explained.title")}>
      <Title order={2} mb={2}>
        {t("explained.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("explained.text")}
      </Text>
      <ScrollTable label={t("explained.title")} minWidth={480}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t("explained.plugin")}</Table.Th>
            <Table.Th>{t("explained.runs")}</Table.Th>
            <Table.Th>{t("explained.rule")}</Table.Th>
            <Table.Th>{t("explained.reason")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {explanation.plugins.map(({ id, title, runs, rule, scope, reason }) => (
            <Table.Tr key={id}>
              <Table.Td>
                <Anchor component={Link} to={links.plugin(gateway, id, "configuration")} size="sm">
                  {title}
                </Anchor>
              </Table.Td>
              <Table.Td>
                <Badge variant="dot" color={runs ? "green" : "gray"} tt="none" fw={500}>
                  {t(runs ? "explained.yes" : "explained.no")}
                </Badge>
              </Table.Td>
              <Table.Td lang={rule ? "en" : undefined} style={{ overflowWrap: "anywhere" }}>
                {rule ?? (scope === "gateway" ? t("gatewayScope") : scope)}
              </Table.Td>
              <Table.Td lang="en" style={{ overflowWrap: "anywhere" }}>
                {reason}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </ScrollTable>
    </Paper>
  );
}
