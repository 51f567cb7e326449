/** What happens on a gateway now: requests, logs and counters. */
import {
  Anchor,
  Badge,
  Box,
  Button,
  Group,
  Paper,
  Select,
  SimpleGrid,
  Table,
  Tabs,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Eraser, Pause, Play, Search } from "lucide-react";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { Trans, useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { problemOf } from "../../api/client";
import { useGateway, usePlugins } from "../../api/queries";
import type { Access, Counters, Log } from "../../api/types";
import { links } from "../../app/pages";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import { ScrollTable } from "../../components/ScrollTable";
import { Sparkline } from "../../components/Sparkline";
import { Time } from "../../components/Time";
import classes from "./live.module.css";
import { seriesOf } from "./series";
import { type Numbered, useLive } from "./useLive";

const STATUSES = ["2", "3", "4", "5"];
const LEVELS = ["trace", "debug", "info", "warn", "error", "critical"];

export default function LivePage() {
  const { gateway = "" } = useParams();
  return <LiveView key={gateway} gateway={gateway} />;
}

function LiveView({ gateway }: { gateway: string }) {
  const { t } = useTranslation("live");
  const [paused, setPaused] = useState(false);
  const live = useLive(gateway, paused);
  const { data: state } = useGateway(gateway);
  const { data: marketplace } = usePlugins(gateway);
  const titles = useMemo(
    () => new Map(marketplace?.plugins.map((card) => [card.id, card.title || card.name])),
    [marketplace?.plugins],
  );
  const [tab, setTab] = useState<string>("access");
  const [plugin, setPlugin] = useState<string | null>(null);
  const [status, setStatus] = useState<string | null>(null);
  const [level, setLevel] = useState<string | null>(null);
  const [search, setSearch] = useState("");
  const wanted = search.trim().toLowerCase();

  const access = live.access.filter(
    ({ entry }) =>
      (plugin === null || entry.plugin === plugin) &&
      (status === null || String(entry.status).startsWith(status)) &&
      `${entry.method} ${entry.path} ${entry.details ?? ""}`.toLowerCase().includes(wanted),
  );
  // A level means this one and all above it.
  const least = level === null ? -1 : LEVELS.indexOf(level);
  const logs = live.logs.filter(
    ({ entry }) =>
      (plugin === null || entry.plugin === plugin) &&
      LEVELS.indexOf(normal(entry.level)) >= least &&
      entry.message.toLowerCase().includes(wanted),
  );
  const seen = new Set<string>();
  for (const { entry } of live.access) if (entry.plugin) seen.add(entry.plugin);
  for (const { entry } of live.logs) if (entry.plugin) seen.add(entry.plugin);
  const plugins = [...new Set([...titles.keys(), ...seen])].map((id) => ({
    value: id,
    label: titles.get(id) ?? id,
  }));

  return (
    <>
      <PageHeader
        title={t("title")}
        description={
          state && t(`common:gatewayState.${state.state}`) + (state.address ? ` · ${state.address}` : "")
        }
        actions={
          <>
            <Button
              variant="default"
              leftSection={paused ? <Play size={16} aria-hidden /> : <Pause size={16} aria-hidden />}
              onClick={() => setPaused(!paused)}
            >
              {paused ? t("resume", { count: live.waiting }) : t("pause")}
            </Button>
            <Button variant="default" leftSection={<Eraser size={16} aria-hidden />} onClick={live.clear}>
              {t("clear")}
            </Button>
          </>
        }
      />
      {live.error !== null && <ProblemAlert problem={problemOf(live.error)} />}
      <Charts gateway={gateway} samples={live.counters} titles={titles} />
      <Tabs value={tab} onChange={(next) => setTab(next ?? "access")} mt="lg">
        <Tabs.List>
          <Tabs.Tab value="access">{t("access.title")}</Tabs.Tab>
          <Tabs.Tab value="logs">{t("logs.title")}</Tabs.Tab>
        </Tabs.List>
        <Group gap="xs" my="sm" align="flex-end" role="search">
          <TextInput
            type="search"
            flex={1}
            miw={160}
            aria-label={t("search")}
            placeholder={t("search")}
            leftSection={<Search size={16} aria-hidden />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <Select
            aria-label={t("plugin")}
            placeholder={t("allPlugins")}
            clearable
            clearButtonProps={{ "aria-label": t("allPlugins") }}
            searchable
            w={190}
            data={plugins}
            value={plugin}
            onChange={setPlugin}
          />
          {tab === "access" ? (
            <Select
              aria-label={t("access.status")}
              placeholder={t("access.allStatuses")}
              clearable
              clearButtonProps={{ "aria-label": t("access.allStatuses") }}
              w={150}
              data={STATUSES.map((value) => ({ value, label: `${value}xx` }))}
              value={status}
              onChange={setStatus}
            />
          ) : (
            <Select
              aria-label={t("logs.level")}
              placeholder={t("logs.allLevels")}
              clearable
              clearButtonProps={{ "aria-label": t("logs.allLevels") }}
              w={170}
              data={LEVELS.slice(1).map((value) => ({ value, label: t("logs.atLeast", { level: value }) }))}
              value={level}
              onChange={setLevel}
            />
          )}
        </Group>
        <Tabs.Panel value="access">
          <Lines
            label={t("access.title")}
            entries={access}
            empty={t(live.access.length > 0 ? "noneMatch" : "access.none")}
            paused={paused}
            row={(entry) => <AccessRow entry={entry} titles={titles} />}
          />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <Lines
            label={t("logs.title")}
            entries={logs}
            empty={t(live.logs.length > 0 ? "noneMatch" : "logs.none")}
            paused={paused}
            row={(entry) => <LogRow entry={entry} titles={titles} />}
          />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function normal(level: string): string {
  return level === "warning" ? "warn" : level.toLowerCase();
}

const ROW = 28;

/** Lines as they come, the newest at the bottom. Follows them unless one has scrolled away. */
function Lines<T>({
  label,
  entries,
  empty,
  paused,
  row,
}: {
  label: string;
  entries: Numbered<T>[];
  empty: string;
  paused: boolean;
  row: (entry: T) => ReactNode;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const virtualizer = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 10,
    getItemKey: (index) => entries[index]?.number ?? index,
    measureElement: (element) => element.getBoundingClientRect().height,
  });
  const last = entries.at(-1)?.number;
  useEffect(() => {
    if (follows.current && !paused && last !== undefined) {
      virtualizer.scrollToIndex(entries.length - 1, { align: "end" });
    }
  }, [entries.length, last, paused, virtualizer]);
  return (
    <Paper withBorder>
      <div
        ref={scroller}
        className={classes.scroller}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={label}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
          follows.current = scrollHeight - scrollTop - clientHeight < 2 * ROW;
        }}
      >
        {entries.length === 0 && (
          <Text size="sm" c="dimmed" p="md">
            {empty}
          </Text>
        )}
        <div className={classes.lines} style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map((item) => {
            const line = entries[item.index];
            return (
              line && (
                <div
                  key={line.number}
                  ref={virtualizer.measureElement}
                  data-index={item.index}
                  className={classes.line}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {row(line.entry)}
                </div>
              )
            );
          })}
        </div>
      </div>
    </Paper>
  );
}

function AccessRow({ entry, titles }: { entry: Access; titles: Map<string, string> }) {
  const { t } = useTranslation("live");
  return (
    <div className={classes.access} data-class={String(Math.floor(entry.status / 100))}>
      <span className={classes.time}>
        <Time value={entry.time} seconds />
      </span>
      <span className={classes.status}>{entry.status}</span>
      <span className={classes.path}>
        {entry.method} {entry.path}
      </span>
      {(entry.plugin !== undefined || entry.details) && (
        <span className={classes.details}>
          {entry.plugin !== undefined && (
            <Badge size="sm" variant="default" tt="none" fw={500}>
              {titles.get(entry.plugin) ?? entry.plugin}
            </Badge>
          )}{" "}
          {entry.details}
        </span>
      )}
      <span className={classes.milliseconds}>
        {t("milliseconds", {
          value: entry.milliseconds.toLocaleString(undefined, { maximumFractionDigits: 1 }),
        })}
      </span>
    </div>
  );
}

function LogRow({ entry, titles }: { entry: Log; titles: Map<string, string> }) {
  return (
    <div className={classes.log} data-level={normal(entry.level)}>
      <span className={classes.time}>
        <Time value={entry.time} seconds />
      </span>
      <span className={classes.level}>{entry.level}</span>
      <span className={classes.message} lang="en">
        {entry.plugin !== undefined && (
          <Badge size="sm" variant="default" tt="none" fw={500} mr={6}>
            {titles.get(entry.plugin) ?? entry.plugin}
          </Badge>
        )}
        {entry.message}
      </span>
    </div>
  );
}

function number(value: number, digits = 1): string {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? digits : 0 });
}

function Charts({
  gateway,
  samples,
  titles,
}: {
  gateway: string;
  samples: Counters[];
  titles: Map<string, string>;
}) {
  const { t } = useTranslation("live");
  const last = samples.at(-1);
  const series = useMemo(() => seriesOf(samples), [samples]);
  const times = samples.flatMap(({ milliseconds }) => milliseconds ?? []);
  if (!last) {
    return (
      <Text size="sm" c="dimmed">
        {t("noCounters")}
      </Text>
    );
  }
  return (
    <Box component="section" aria-label={t("counters")}>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 3 }} spacing="sm">
        <Total
          label={t("requestsPerSecond")}
          value={last.requestsPerSecond}
          values={samples.map((sample) => sample.requestsPerSecond)}
        />
        <Total
          label={t("refusalsPerSecond")}
          value={last.refusalsPerSecond}
          values={samples.map((sample) => sample.refusalsPerSecond)}
          color="var(--chart-refused)"
        />
        {times.length > 0 && (
          <Total
            label={t("median")}
            value={times.at(-1) ?? 0}
            shown={t("milliseconds", { value: number(times.at(-1) ?? 0) })}
            values={times}
          />
        )}
      </SimpleGrid>
      <Text size="xs" c="dimmed" mt={6}>
        <Trans
          t={t}
          i18nKey="noTimes"
          components={{
            try: <Anchor component={Link} to={links.section(gateway, "try")} size="xs" underline="always" />,
          }}
        />
      </Text>
      {series.length > 0 && (
        <Paper withBorder mt="sm">
          <ScrollTable label={t("perPlugin")} minWidth={560} verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("plugin")}</Table.Th>
                <Table.Th>{t("columns.requests")}</Table.Th>
                <Table.Th>{t("columns.responses")}</Table.Th>
                <Table.Th>{t("columns.failures")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {series.map(({ id, requests, responses, failures, total }) => {
                const title = titles.get(id) ?? id;
                return (
                  <Table.Tr key={id}>
                    <Table.Td miw={130}>
                      <Anchor component={Link} to={links.plugin(gateway, id)} size="sm">
                        {title}
                      </Anchor>
                    </Table.Td>
                    <Cell
                      label={t("chart", { what: t("columns.requests"), plugin: title })}
                      values={requests}
                      value={number(total.requests)}
                    />
                    <Cell
                      label={t("chart", { what: t("columns.responses"), plugin: title })}
                      values={responses}
                      value={number(total.responses)}
                      color="var(--chart-refused)"
                    />
                    <Cell
                      label={t("chart", { what: t("columns.failures"), plugin: title })}
                      values={failures}
                      value={number(total.failures)}
                      color="var(--chart-failed)"
                    />
                  </Table.Tr>
                );
              })}
            </Table.Tbody>
          </ScrollTable>
        </Paper>
      )}
    </Box>
  );
}

function Total({
  label,
  value,
  shown = number(value),
  values,
  color,
}: {
  label: string;
  value: number;
  shown?: string;
  values: number[];
  color?: string;
}) {
  return (
    <Paper withBorder p="sm">
      <Group justify="space-between" wrap="nowrap">
        <div>
          <Title order={2} size="xs" c="dimmed" fw={500}>
            {label}
          </Title>
          <Text fz="xl" fw={650} className={classes.figure}>
            {shown}
          </Text>
        </div>
        <Sparkline values={values} label={label} width={170} height={40} {...(color ? { color } : {})} />
      </Group>
    </Paper>
  );
}

function Cell({
  label,
  values,
  value,
  color,
}: {
  label: string;
  values: number[];
  value: string;
  color?: string;
}) {
  return (
    <Table.Td>
      <Group gap={8} wrap="nowrap">
        <Sparkline values={values} label={label} width={90} height={24} {...(color ? { color } : {})} />
        <Text span size="xs" className={classes.figure}>
          {value}
        </Text>
      </Group>
    </Table.Td>
  );
}
