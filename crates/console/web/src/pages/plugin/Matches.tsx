/** The rules of a firewall that requests have matched, and the exclusions that are proposed for harmless ones. */
import {
  Alert,
  Anchor,
  Badge,
  Button,
  Checkbox,
  Code,
  CopyButton,
  Group,
  List,
  Loader,
  NumberInput,
  Paper,
  Select,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { Check, Copy, Info, TriangleAlert } from "lucide-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { Trans, useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { getConfiguration, getMatches, problemOf } from "../../api/client";
import { useDrafts } from "../../api/drafts";
import { useEvent } from "../../api/events";
import { keys, useRole } from "../../api/queries";
import type { Match, Matches as Found, Plugin, Scope } from "../../api/types";
import { links } from "../../app/pages";
import { ProblemAlert } from "../../components/ProblemAlert";
import { ScrollTable } from "../../components/ScrollTable";
import { Time } from "../../components/Time";
import { changeDraft } from "./draft";
import { isExcluded, keyOf, present, withExclusions } from "./exclusions";
import { isGateway, summary } from "./scopes";
import { toYaml } from "./yamlEdit";

const CodeEditor = lazy(() => import("../../components/CodeEditor"));

/** More rows than one can review at once. */
const SHOWN = 200;

const NO_SCOPES: Scope[] = [];

export function Matches({ gateway, plugin }: { gateway: string; plugin: Plugin }) {
  const { t } = useTranslation("plugin");
  const client = useQueryClient();
  const { id } = plugin.card;
  const [least, setLeast] = useState(1);
  const { data, error, isPending } = useQuery({
    queryKey: [...keys.matches(gateway, id), least],
    queryFn: ({ signal }) => getMatches(gateway, id, least, signal),
    placeholderData: keepPreviousData,
  });
  // They come once a second while there are requests, however many.
  useEvent("counters", () => void client.invalidateQueries({ queryKey: keys.matches(gateway, id) }));

  if (error) return <ProblemAlert problem={problemOf(error)} />;
  if (isPending) return <Loader aria-label={t("common:loading")} />;
  return (
    <Stack gap="md">
      <Text size="sm">{t("matches.text")}</Text>
      {data.matched === 0 ? (
        <None gateway={gateway} plugin={plugin} requests={data.requests} />
      ) : (
        <>
          <Group justify="space-between" align="end" gap="xs">
            <Text size="sm" role="status">
              {t("matches.counted", { count: data.requests, matched: data.matched })}
              {data.others > 0 && <> {t("matches.others", { count: data.others })}</>}
            </Text>
            <NumberInput
              label={t("matches.least")}
              size="xs"
              w={190}
              min={1}
              allowDecimal={false}
              allowNegative={false}
              value={least}
              onChange={(value) => setLeast(Math.max(1, Number(value) || 1))}
            />
          </Group>
          {data.fields.map(({ field, requests }) => (
            <Alert key={field} color="blue" icon={<Info size={18} aria-hidden />}>
              <Trans
                t={t}
                i18nKey="matches.field"
                count={requests}
                values={{ field }}
                components={{ field: <Code /> }}
              />
            </Alert>
          ))}
          <Proposals gateway={gateway} plugin={plugin} found={data} />
        </>
      )}
    </Stack>
  );
}

function None({ gateway, plugin, requests }: { gateway: string; plugin: Plugin; requests: number }) {
  const { t } = useTranslation("plugin");
  const { id, enabled } = plugin.card;
  return (
    <Paper withBorder p="md">
      <Title order={2} size="h4" mb="xs">
        {t("matches.none.title")}
      </Title>
      <Text size="sm" mb="xs">
        {t("matches.none.requests", { count: requests })}
      </Text>
      <List size="sm" type="ordered">
        {!enabled && <List.Item>{t("matches.none.enable")}</List.Item>}
        <List.Item>
          <Trans
            t={t}
            i18nKey="matches.none.mode"
            components={{
              mode: <Code />,
              page: (
                <Anchor
                  component={Link}
                  to={links.plugin(gateway, id, "configuration")}
                  size="sm"
                  underline="always"
                />
              ),
            }}
          />
        </List.Item>
        <List.Item>{t("matches.none.send")}</List.Item>
      </List>
    </Paper>
  );
}

/** A text from a request: it may contain characters that turn the direction of what follows. */
function Part({ children }: { children: ReactNode }) {
  return (
    <Code fz="xs" style={{ overflowWrap: "anywhere", unicodeBidi: "isolate" }}>
      {children}
    </Code>
  );
}

function Proposals({ gateway, plugin, found }: { gateway: string; plugin: Plugin; found: Found }) {
  const { t } = useTranslation("plugin");
  const navigate = useNavigate();
  const { card } = plugin;
  const mayConfigure = useRole(gateway)("operator") && !card.blocked.configure;
  const saved = useQuery({
    queryKey: keys.configuration(gateway, card.id),
    queryFn: ({ signal }) => getConfiguration(gateway, card.id, signal),
    enabled: card.resource,
  });
  const draft = useDrafts().find((other) => other.gateway === gateway && other.plugin === card.id);
  const scopes = (draft?.scopes ?? saved.data?.scopes ?? NO_SCOPES).filter(({ fixed }) => !fixed);
  const [scopeKey, setScopeKey] = useState("gateway");
  const scope = scopes.find(({ key }) => key === scopeKey) ?? scopes[0];
  const excluded = present(scope?.text ?? "");
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());

  const shown = found.matches.slice(0, SHOWN);
  const open = shown.filter((match) => !isExcluded(excluded, match.exclude));
  const selected = open.filter((match) => chosen.has(keyOf(match.exclude)));
  const entries = selected.map(({ exclude }) => exclude);
  const next = scope && entries.length > 0 ? withExclusions(scope.text, entries) : undefined;
  const yaml = entries.length > 0 ? toYaml({ exclude: entries }) : "";

  const choose = (matches: Match[], on: boolean) =>
    setChosen((before) => {
      const after = new Set(before);
      for (const { exclude } of matches) {
        if (on) after.add(keyOf(exclude));
        else after.delete(keyOf(exclude));
      }
      return after;
    });
  const add = () => {
    if (!saved.data || !scope || next === undefined) return;
    changeDraft(gateway, card, saved.data, (all) =>
      all.map((other) => (other.key === scope.key ? { ...other, text: next } : other)),
    );
    void navigate(links.plugin(gateway, card.id, "configuration"));
  };

  if (shown.length === 0) return <Text size="sm">{t("matches.noneShown")}</Text>;
  return (
    <>
      <Paper withBorder>
        <ScrollTable label={t("tabs.matches")} minWidth={640}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={40}>
                <Checkbox
                  size="xs"
                  aria-label={t("matches.selectAll")}
                  disabled={open.length === 0}
                  checked={open.length > 0 && selected.length === open.length}
                  indeterminate={selected.length > 0 && selected.length < open.length}
                  onChange={(event) => choose(open, event.currentTarget.checked)}
                />
              </Table.Th>
              <Table.Th>{t("matches.rule")}</Table.Th>
              <Table.Th>{t("matches.target")}</Table.Th>
              <Table.Th>{t("matches.path")}</Table.Th>
              <Table.Th ta="end">{t("matches.requests")}</Table.Th>
              <Table.Th ta="end">{t("matches.score")}</Table.Th>
              <Table.Th>{t("matches.last")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((match) => {
              const { rule, target, path = "", requests, score, last, exclude } = match;
              const key = keyOf(exclude);
              const done = isExcluded(excluded, exclude);
              return (
                <Table.Tr key={key}>
                  <Table.Td>
                    <Checkbox
                      size="xs"
                      aria-label={t("matches.select", { rule, target: target ?? "", path })}
                      disabled={done}
                      checked={!done && chosen.has(key)}
                      onChange={(event) => choose([match], event.currentTarget.checked)}
                    />
                  </Table.Td>
                  <Table.Td>
                    <Group gap={6}>
                      {rule}
                      {done && (
                        <Badge size="sm" color="gray" variant="outline" tt="none">
                          {t("matches.excluded")}
                        </Badge>
                      )}
                    </Group>
                  </Table.Td>
                  <Table.Td>{target ? <Part>{target}</Part> : t("matches.whole")}</Table.Td>
                  <Table.Td>
                    <Part>{path}</Part>
                  </Table.Td>
                  <Table.Td ta="end">{requests}</Table.Td>
                  <Table.Td ta="end">{score}</Table.Td>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>
                    <Time value={last} />
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </ScrollTable>
      </Paper>
      {found.matches.length > SHOWN && (
        <Text size="sm" c="dimmed">
          {t("matches.more", { shown: SHOWN, count: found.matches.length })}
        </Text>
      )}
      <Stack gap="xs" role="region" aria-label={t("matches.proposed")}>
        <Title order={2} size="h4">
          {t("matches.proposed")}
        </Title>
        <Alert color="yellow" icon={<TriangleAlert size={18} aria-hidden />}>
          {t("matches.review")}
        </Alert>
        {entries.length === 0 ? (
          <Text size="sm">{t("matches.noneSelected")}</Text>
        ) : (
          <>
            <Suspense fallback={<Loader size="sm" aria-label={t("common:loading")} />}>
              <CodeEditor label={t("matches.proposed")} value={yaml} readOnly maxHeight="45vh" />
            </Suspense>
            <Group gap="xs" align="end">
              {mayConfigure && scopes.length > 1 && (
                <Select
                  label={t("matches.scope")}
                  size="xs"
                  allowDeselect={false}
                  value={scope?.key ?? null}
                  onChange={(key) => key && setScopeKey(key)}
                  data={scopes.map((other) => ({
                    value: other.key,
                    label: isGateway(other) ? t("scopes.kind.gateway") : summary(other) || other.key,
                  }))}
                />
              )}
              {mayConfigure && (
                <Button onClick={add} disabled={next === undefined}>
                  {t("matches.add", { count: entries.length })}
                </Button>
              )}
              <CopyButton value={yaml}>
                {({ copied, copy }) => (
                  <Button
                    variant="default"
                    onClick={copy}
                    leftSection={copied ? <Check size={16} aria-hidden /> : <Copy size={16} aria-hidden />}
                  >
                    {t(copied ? "copied" : "matches.copy")}
                  </Button>
                )}
              </CopyButton>
            </Group>
            {mayConfigure && scope && next === undefined && (
              <Text size="sm" c="red">
                {t("fields.syntax")}
              </Text>
            )}
          </>
        )}
      </Stack>
    </>
  );
}
