/** The trace of a request as a picture: down through the plug-ins, and the response back up. */
import {
  Accordion,
  Anchor,
  Box,
  Code,
  Group,
  Paper,
  SegmentedControl,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { CornerUpRight, MoveDown, MoveUp, Phone, ScrollText } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import type { Change, Lane, Step, Trial } from "../../api/types";
import { links } from "../../app/pages";
import { ScrollTable } from "../../components/ScrollTable";
import classes from "./Trial.module.css";

export function useMilliseconds(): (value: number) => string {
  const { t, i18n } = useTranslation("try");
  return (value) =>
    t("milliseconds", {
      value: value.toLocaleString(i18n.language, { maximumFractionDigits: value < 10 ? 2 : 0 }),
    });
}

function useResponder(trial: Trial): string {
  const { t } = useTranslation("try");
  const { kind, plugin } = trial.respondedBy;
  const title = trial.lanes.find(({ id }) => id === plugin)?.title ?? plugin;
  return kind === "plugin" ? t("by.plugin", { plugin: title }) : t(`by.${kind}`);
}

export function TrialView({ gateway, trial }: { gateway: string; trial: Trial }) {
  const { t } = useTranslation("try");
  return (
    <Stack gap="md">
      <Summary trial={trial} />
      <Lanes gateway={gateway} trial={trial} />
      <Paper withBorder>
        <Accordion multiple defaultValue={["response"]} order={3}>
          <Accordion.Item value="response">
            <Accordion.Control>{t("response")}</Accordion.Control>
            <Accordion.Panel>
              <Message headers={trial.headers} body={trial.body} truncated={trial.bodyTruncated} />
            </Accordion.Panel>
          </Accordion.Item>
          {trial.upstream && (
            <Accordion.Item value="upstream">
              <Accordion.Control>{t("upstreamRequest")}</Accordion.Control>
              <Accordion.Panel>
                <Code block mb="sm">
                  {trial.upstream.method} {trial.upstream.path}
                </Code>
                <Message headers={trial.upstream.headers} body={trial.upstream.body ?? ""} />
              </Accordion.Panel>
            </Accordion.Item>
          )}
        </Accordion>
      </Paper>
    </Stack>
  );
}

function Summary({ trial }: { trial: Trial }) {
  const milliseconds = useMilliseconds();
  const responder = useResponder(trial);
  return (
    <Paper withBorder p="md">
      <Group gap="sm">
        <Text span className={classes.status} data-class={String(Math.floor(trial.status / 100))}>
          {trial.status}
        </Text>
        <Text fw={600}>{responder}</Text>
        {trial.respondedBy.reason && (
          <Text size="sm" lang="en" style={{ overflowWrap: "anywhere" }}>
            {trial.respondedBy.reason}
          </Text>
        )}
        <Text size="sm" c="dimmed" ml="auto">
          {milliseconds(trial.milliseconds)}
        </Text>
      </Group>
    </Paper>
  );
}

function Lanes({ gateway, trial }: { gateway: string; trial: Trial }) {
  const { t } = useTranslation("try");
  const isAnswered = trial.respondedBy.kind !== "upstream";
  return (
    <Paper withBorder p="md" component="section" aria-label={t("lanes.title")}>
      <Title order={2} mb="sm">
        {t("lanes.title")}
      </Title>
      <div className={classes.heads}>
        <Head icon={<MoveDown size={14} aria-hidden />}>{t("lanes.request")}</Head>
        <Head icon={<MoveUp size={14} aria-hidden />}>{t("lanes.response")}</Head>
      </div>
      <div className={classes.end}>{t("lanes.client")}</div>
      {trial.lanes.length === 0 && (
        <Text size="sm" my="sm">
          {t("lanes.none")}
        </Text>
      )}
      <ol className={classes.lanes}>
        {trial.lanes.map((lane) => (
          <LaneRow key={lane.id} gateway={gateway} lane={lane} />
        ))}
      </ol>
      <div className={classes.end} data-off={isAnswered || undefined}>
        {t(isAnswered ? "lanes.notReached" : "lanes.upstream")}
      </div>
    </Paper>
  );
}

function Head({ icon, children }: { icon: ReactNode; children: string }) {
  return (
    <Group gap={4} justify="center" wrap="nowrap">
      {icon}
      <Text size="xs" fw={600} c="dimmed">
        {children}
      </Text>
    </Group>
  );
}

function LaneRow({ gateway, lane }: { gateway: string; lane: Lane }) {
  const { t } = useTranslation("try");
  const isOff = !lane.request.ran && !lane.response.ran;
  return (
    <li className={classes.lane} data-off={isOff || undefined}>
      <Group gap={8} px="sm" py={6} className={classes.title}>
        <Anchor component={Link} to={links.plugin(gateway, lane.id, "configuration")} size="sm" fw={600}>
          {lane.title}
        </Anchor>
        {lane.rule && (
          <Text size="xs" c="dimmed" lang="en">
            {lane.rule === "gateway" ? t("gatewayScope") : lane.rule}
          </Text>
        )}
      </Group>
      <div className={classes.steps}>
        <StepView step={lane.request} direction="request" />
        <StepView step={lane.response} direction="response" />
      </div>
    </li>
  );
}

function StepView({ step, direction }: { step: Step; direction: "request" | "response" }) {
  const { t } = useTranslation("try");
  const milliseconds = useMilliseconds();
  const isQuiet =
    step.changes.length === 0 && step.calls.length === 0 && step.logs.length === 0 && !step.responded;
  return (
    <section
      className={classes.step}
      data-direction={direction}
      data-ran={step.ran || undefined}
      data-responded={step.responded ? true : undefined}
      aria-label={t(`lanes.${direction}`)}
    >
      <Group justify="space-between" gap={6} wrap="nowrap" align="flex-start">
        <Text size="xs" c="dimmed">
          {step.ran ? (isQuiet ? t("step.passed") : "") : t("step.notRun")}
        </Text>
        {step.milliseconds !== undefined && (
          <Text size="xs" c="dimmed" className={classes.time}>
            {milliseconds(step.milliseconds)}
          </Text>
        )}
      </Group>
      <Stack gap={4}>
        {step.changes.map((change, i) => (
          <ChangeView key={i} change={change} />
        ))}
        {step.calls.map((call, i) => (
          <Line key={i} icon={<Phone size={13} aria-hidden />} label={t("step.call")}>
            <Code>{call.to}</Code> {call.request} → {call.response}{" "}
            <Text span size="xs" c="dimmed">
              {milliseconds(call.milliseconds)}
            </Text>
          </Line>
        ))}
        {step.logs.map((log, i) => (
          <Line key={i} icon={<ScrollText size={13} aria-hidden />} label={t("step.log")}>
            <Text span size="xs" fw={600}>
              {log.level}
            </Text>{" "}
            {log.message}
          </Line>
        ))}
        {step.responded && (
          <Group gap={6} wrap="nowrap" align="flex-start" mt={2}>
            <CornerUpRight size={16} aria-hidden className={classes.icon} />
            <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
              {t("step.responded", { status: step.responded.status })}{" "}
              <Text span size="sm" fw={400} lang="en">
                {step.responded.reason}
              </Text>
            </Text>
          </Group>
        )}
      </Stack>
    </section>
  );
}

function Line({ icon, label, children }: { icon: ReactNode; label: string; children: ReactNode }) {
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <span className={classes.icon} role="img" aria-label={label} title={label}>
        {icon}
      </span>
      <Text size="xs" component="div" lang="en" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </Group>
  );
}

const SIGNS: Record<Change["kind"], string> = { add: "+", remove: "−", set: "±", body: "±" };

function ChangeView({ change }: { change: Change }) {
  const { t } = useTranslation("try");
  const { kind, name, before, after } = change;
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <span
        className={classes.sign}
        data-kind={kind}
        role="img"
        aria-label={t(`step.${kind}`)}
        title={t(`step.${kind}`)}
      >
        {SIGNS[kind]}
      </span>
      <Text size="xs" component="div" ff="monospace" style={{ overflowWrap: "anywhere" }}>
        {kind === "body" ? t("body") : name}
        {(before !== undefined || after !== undefined) && ": "}
        {before !== undefined && <del className={classes.before}>{before}</del>}
        {before !== undefined && after !== undefined && " → "}
        {after !== undefined && <span>{after}</span>}
      </Text>
    </Group>
  );
}

function Message({
  headers,
  body,
  truncated = false,
}: {
  headers: [string, string][];
  body: string;
  truncated?: boolean;
}) {
  const { t } = useTranslation("try");
  return (
    <Stack gap="sm">
      <Table fz="xs" verticalSpacing={3} layout="fixed">
        <Table.Tbody>
          {headers.map(([name, value], i) => (
            <Table.Tr key={i}>
              <Table.Th w="32%" style={{ overflowWrap: "anywhere" }}>
                {name}
              </Table.Th>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {body === "" ? (
        <Text size="sm" c="dimmed">
          {t("noBody")}
        </Text>
      ) : (
        <Code block tabIndex={0} mah={360} style={{ overflow: "auto", whiteSpace: "pre-wrap" }}>
          {body}
        </Code>
      )}
      {truncated && (
        <Text size="xs" c="dimmed">
          {t("truncated")}
        </Text>
      )}
    </Stack>
  );
}

interface Difference {
  what: string;
  before: string;
  after: string;
}

function headerDifferences(
  what: string,
  before: [string, string][],
  after: [string, string][],
): Difference[] {
  const values = (headers: [string, string][], name: string) =>
    headers
      .filter(([other]) => other.toLowerCase() === name)
      .map(([, value]) => value)
      .join(", ");
  const names = new Set([...before, ...after].map(([name]) => name.toLowerCase()));
  return [...names]
    .map((name) => ({ what: `${what} ${name}`, before: values(before, name), after: values(after, name) }))
    .filter((difference) => difference.before !== difference.after);
}

/** The same request without and with an unsaved change. */
export function Comparison({ gateway, before, after }: { gateway: string; before: Trial; after: Trial }) {
  const { t } = useTranslation("try");
  const [shown, setShown] = useState<"before" | "after">("after");
  const responders = [useResponder(before), useResponder(after)] as const;
  const pairs: Difference[] = [
    { what: t("status"), before: String(before.status), after: String(after.status) },
    { what: t("responder"), before: responders[0], after: responders[1] },
    { what: t("responseBody"), before: before.body, after: after.body },
    {
      what: t("upstreamRequest"),
      before: before.upstream ? `${before.upstream.method} ${before.upstream.path}` : t("notSent"),
      after: after.upstream ? `${after.upstream.method} ${after.upstream.path}` : t("notSent"),
    },
  ];
  const differences = [
    ...pairs.filter((pair) => pair.before !== pair.after),
    ...headerDifferences(t("responseHeader"), before.headers, after.headers),
    ...(before.upstream && after.upstream
      ? headerDifferences(t("upstreamHeader"), before.upstream.headers, after.upstream.headers)
      : []),
  ];
  return (
    <Stack gap="md">
      <Paper withBorder p="md" component="section" aria-label={t("compare.title")}>
        <Title order={2} mb="xs">
          {t("compare.title")}
        </Title>
        {differences.length === 0 ? (
          <Text size="sm">{t("compare.same")}</Text>
        ) : (
          <ScrollTable label={t("compare.title")} minWidth={420} layout="fixed">
            <Table.Thead>
              <Table.Tr>
                <Table.Th w="28%">{t("compare.what")}</Table.Th>
                <Table.Th>{t("compare.before")}</Table.Th>
                <Table.Th>{t("compare.after")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {differences.map((difference) => (
                <Table.Tr key={difference.what}>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{difference.what}</Table.Td>
                  <Table.Td className={classes.cell}>{difference.before}</Table.Td>
                  <Table.Td className={classes.cell}>{difference.after}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </ScrollTable>
        )}
      </Paper>
      <Box>
        <SegmentedControl
          aria-label={t("compare.shown")}
          value={shown}
          onChange={(next) => setShown(next as "before" | "after")}
          data={[
            { value: "before", label: t("compare.before") },
            { value: "after", label: t("compare.after") },
          ]}
        />
      </Box>
      <TrialView key={shown} gateway={gateway} trial={shown === "before" ? before : after} />
    </Stack>
  );
}
