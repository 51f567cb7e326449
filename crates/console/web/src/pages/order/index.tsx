/** The pipeline of a gateway: its plug-ins in the order in which they see requests, and in reverse, responses. */
import {
  type Announcements,
  DndContext,
  type DragEndEvent,
  type Modifier,
  PointerSensor,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import { SortableContext, useSortable, verticalListSortingStrategy } from "@dnd-kit/sortable";
import {
  Anchor,
  Badge,
  Box,
  Group,
  Loader,
  Paper,
  SegmentedControl,
  Stack,
  Switch,
  Text,
  Title,
  UnstyledButton,
  VisuallyHidden,
} from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { ArrowDown, ArrowUp, GripVertical } from "lucide-react";
import { type KeyboardEvent, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { getOrder, movePlugin, problemOf } from "../../api/client";
import { keys, usePlugins, useRole } from "../../api/queries";
import type { Marketplace, Order, OrderEntry, OrderName, Stage } from "../../api/types";
import { links } from "../../app/pages";
import { notifyFailure } from "../../components/notify";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import classes from "./order.module.css";

/** Entries by stage, in the order of the stages. */
function stages(entries: OrderEntry[]): { stage: Stage; entries: OrderEntry[] }[] {
  const groups: { stage: Stage; entries: OrderEntry[] }[] = [];
  for (const entry of entries) {
    const last = groups.at(-1);
    if (last?.stage === entry.stage) last.entries.push(entry);
    else groups.push({ stage: entry.stage, entries: [entry] });
  }
  return groups;
}

/** Only the stages of the two orders differ in their sequence. */
const ORDERS: Record<OrderName, Stage[]> = {
  mse: ["authz", "authn", "stats", "default"],
  istio: ["authn", "authz", "stats", "default"],
};

export default function OrderPage() {
  const { t } = useTranslation("order");
  const { gateway = "" } = useParams();
  const client = useQueryClient();
  const [wanted, setWanted] = useState<OrderName>();
  const [enabledOnly, setEnabledOnly] = useState(false);
  const [said, setSaid] = useState("");
  const queryKey = [...keys.order(gateway), wanted ?? "inForce"];
  const { data, error, isPending } = useQuery({
    queryKey,
    queryFn: ({ signal }) => getOrder(gateway, wanted, signal),
  });
  const { data: marketplace } = usePlugins(gateway);
  const isOperator = useRole(gateway)("operator");
  const cards = useMemo(
    () => new Map(marketplace?.plugins.map((card) => [card.id, card])),
    [marketplace?.plugins],
  );

  const mutationKey = keys.order(gateway);
  const change = useMutation({
    mutationKey,
    // Moves wait for each other: each needs the tag that the one before has left.
    scope: { id: mutationKey.join("/") },
    mutationFn: ({ entry, target, behind }: Move) => {
      const cards = client.getQueryData<Marketplace>(keys.plugins(gateway))?.plugins;
      const etag = cards?.find(({ id }) => id === entry.id)?.etag;
      return movePlugin(gateway, entry.id, etag, behind ? { after: target.id } : { before: target.id });
    },
    onMutate: async (move) => {
      await client.cancelQueries({ queryKey });
      client.setQueryData<Order>(
        queryKey,
        (order) => order && { ...order, entries: moved(order.entries, move) },
      );
    },
    onError: notifyFailure,
    // The order that the server has lacks the moves that still wait.
    onSettled: () =>
      client.invalidateQueries({
        queryKey: client.isMutating({ mutationKey }) > 1 ? keys.plugins(gateway) : keys.gateway(gateway),
      }),
  });

  /** Moves an entry before or behind another of its stage. */
  const move: MoveTo = (entry, target, behind) => {
    if (!data || entry.id === target.id) return;
    const place = { entry, target, behind };
    change.mutate(place);
    const group = moved(data.entries, place).filter(({ stage }) => stage === entry.stage);
    setSaid(
      t("moved", {
        plugin: entry.title,
        to: group.findIndex(({ id }) => id === entry.id) + 1,
        count: group.length,
        stage: t(`common:stage.${entry.stage}`),
      }),
    );
  };

  const shown = (data?.entries ?? [])
    .filter(({ enabled }) => enabled || !enabledOnly)
    .map((entry) => ({ ...entry, title: cards.get(entry.id)?.title || entry.title || entry.name }));
  const groups = stages(shown);
  return (
    <>
      <PageHeader title={t("title")} description={t("description")} />
      {error && <ProblemAlert problem={problemOf(error)} />}
      {isPending && <Loader aria-label={t("common:loading")} />}
      {data && (
        <Stack gap="md">
          <Group justify="space-between">
            <Group gap="sm">
              <SegmentedControl
                aria-label={t("order")}
                value={data.order}
                onChange={(next) => setWanted(next as OrderName)}
                data={(["mse", "istio"] as const).map((name) => ({
                  value: name,
                  label: t(`common:orderName.${name}`),
                }))}
              />
              {data.order === data.inForce ? (
                <Badge variant="dot" color="green" size="lg" tt="none" fw={500}>
                  {t("inForce")}
                </Badge>
              ) : (
                <Badge variant="dot" color="gray" size="lg" tt="none" fw={500}>
                  {t("notInForce", { order: t(`common:orderName.${data.inForce}`) })}
                </Badge>
              )}
            </Group>
            <Switch
              label={t("enabledOnly")}
              checked={enabledOnly}
              onChange={(event) => setEnabledOnly(event.currentTarget.checked)}
            />
          </Group>
          <Text size="sm" c="dimmed">
            {ORDERS[data.order].map((stage) => t(`common:stage.${stage}`)).join(" › ")}
          </Text>
          {shown.length === 0 ? (
            <Text>{t("none")}</Text>
          ) : (
            <div className={classes.columns}>
              <Pipeline
                direction="request"
                groups={groups}
                gateway={gateway}
                movable={isOperator}
                move={move}
              />
              <Pipeline
                direction="response"
                groups={[...groups].reverse().map((group) => ({
                  ...group,
                  entries: [...group.entries].reverse(),
                }))}
                gateway={gateway}
              />
            </div>
          )}
        </Stack>
      )}
      <VisuallyHidden role="status">{said}</VisuallyHidden>
    </>
  );
}

interface Move {
  entry: OrderEntry;
  target: OrderEntry;
  behind: boolean;
}

/** Entries after a move. */
function moved(entries: OrderEntry[], { entry, target, behind }: Move): OrderEntry[] {
  const others = entries.filter(({ id }) => id !== entry.id);
  const at = others.findIndex(({ id }) => id === target.id);
  if (at < 0) return entries;
  others.splice(behind ? at + 1 : at, 0, entry);
  return others;
}

type MoveTo = (entry: OrderEntry, target: OrderEntry, behind: boolean) => void;

/** The page itself says what was moved, in its language. */
const SILENT: Announcements = {
  onDragStart: () => undefined,
  onDragOver: () => undefined,
  onDragEnd: () => undefined,
  onDragCancel: () => undefined,
};

const vertical: Modifier = ({ transform }) => ({ ...transform, x: 0 });

function Pipeline({
  direction,
  groups,
  gateway,
  movable = false,
  move,
}: {
  direction: "request" | "response";
  groups: { stage: Stage; entries: OrderEntry[] }[];
  gateway: string;
  movable?: boolean;
  move?: MoveTo;
}) {
  const { t } = useTranslation("order");
  /** The entry whose handle has the focus once the list is rendered anew. */
  const focusRef = useRef<string>(undefined);
  const sensors = useSensors(useSensor(PointerSensor, { activationConstraint: { distance: 4 } }));
  let step = 0;
  return (
    <Box component="section" aria-label={t(direction)}>
      <Group gap={6} mb="xs">
        <Title order={2}>{t(direction)}</Title>
        <Text size="sm" c="dimmed">
          {t(`${direction}Hint`)}
        </Text>
      </Group>
      <Stack gap="xs">
        <End>{t(direction === "request" ? "client" : "upstream")}</End>
        {groups.map(({ stage, entries }, i) => {
          const onDragEnd = ({ active, over }: DragEndEvent) => {
            const entry = entries.find(({ id }) => id === active.id);
            const target = entries.find(({ id }) => id === over?.id);
            if (entry && target) move?.(entry, target, entries.indexOf(target) > entries.indexOf(entry));
          };
          return (
            <Paper
              key={`${stage}-${i}`}
              withBorder
              p="xs"
              component="section"
              aria-label={t(`common:stage.${stage}`)}
            >
              <Text size="xs" fw={600} c="dimmed" mb={6} px={4}>
                {t(`common:stage.${stage}`)}
              </Text>
              {/* A context of its own keeps a plug-in within its stage. */}
              <DndContext
                sensors={sensors}
                modifiers={[vertical]}
                onDragEnd={onDragEnd}
                accessibility={{
                  announcements: SILENT,
                  screenReaderInstructions: { draggable: t("handleHint") },
                }}
              >
                <SortableContext
                  items={entries.map(({ id }) => id)}
                  strategy={verticalListSortingStrategy}
                  disabled={!movable}
                >
                  <ol className={classes.list}>
                    {entries.map((entry, index) => (
                      <Row
                        key={entry.id}
                        entry={entry}
                        step={++step}
                        index={index}
                        entries={entries}
                        focusRef={focusRef}
                        gateway={gateway}
                        movable={movable && entries.length > 1}
                        move={move}
                      />
                    ))}
                  </ol>
                </SortableContext>
              </DndContext>
            </Paper>
          );
        })}
        <End>{t(direction === "request" ? "upstream" : "client")}</End>
      </Stack>
    </Box>
  );
}

function End({ children }: { children: string }) {
  return (
    <Text size="sm" ta="center" c="dimmed" className={classes.end}>
      {children}
    </Text>
  );
}

function Row({
  entry,
  step,
  index,
  entries,
  focusRef,
  gateway,
  movable,
  move,
}: {
  entry: OrderEntry;
  step: number;
  index: number;
  entries: OrderEntry[];
  focusRef: RefObject<string | undefined>;
  gateway: string;
  movable: boolean;
  move?: MoveTo | undefined;
}) {
  const { t } = useTranslation("order");
  const handle = useRef<HTMLElement | null>(null);
  const { setNodeRef, setActivatorNodeRef, listeners, transform, transition, isDragging } = useSortable({
    id: entry.id,
    disabled: !movable,
  });
  useEffect(() => {
    if (focusRef.current === entry.id && movable) {
      handle.current?.focus();
      focusRef.current = undefined;
    }
  });
  const to = (place: number) => {
    const target = entries[place];
    if (target && place !== index) move?.(entry, target, place > index);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const place = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: entries.length - 1 }[event.key];
    if (place === undefined) return;
    event.preventDefault();
    focusRef.current = entry.id;
    to(place);
  };
  return (
    <li
      ref={setNodeRef}
      className={classes.row}
      data-dragging={isDragging || undefined}
      data-off={!entry.enabled || undefined}
      style={{ transform: transform ? `translate3d(0, ${transform.y}px, 0)` : undefined, transition }}
    >
      {movable && (
        <UnstyledButton
          ref={(node) => {
            setActivatorNodeRef(node);
            handle.current = node;
          }}
          className={classes.handle}
          aria-label={t("handle", { plugin: entry.title })}
          title={t("handleHint")}
          {...listeners}
          onKeyDown={onKeyDown}
        >
          <GripVertical size={16} aria-hidden />
        </UnstyledButton>
      )}
      <Text span size="sm" c="dimmed" className={classes.number}>
        {step}
      </Text>
      <Box flex={1} miw={0}>
        <Anchor
          component={Link}
          to={links.plugin(gateway, entry.id)}
          size="sm"
          fw={500}
          className={classes.name}
        >
          {entry.title}
        </Anchor>
        {entry.title !== entry.name && (
          <Text size="xs" c="dimmed" className={classes.name}>
            {entry.name}
          </Text>
        )}
      </Box>
      {!entry.enabled && (
        <Badge variant="default" size="sm" tt="none" fw={500}>
          {t("common:cardState.off")}
        </Badge>
      )}
      <Text span size="sm" className={classes.priority} title={t("priority")}>
        <VisuallyHidden>{t("priority")} </VisuallyHidden>
        {entry.priority}
      </Text>
      {movable && (
        <Group gap={0} wrap="nowrap">
          <UnstyledButton
            className={classes.arrow}
            aria-label={t("up", { plugin: entry.title })}
            disabled={index === 0}
            onClick={() => to(index - 1)}
          >
            <ArrowUp size={14} aria-hidden />
          </UnstyledButton>
          <UnstyledButton
            className={classes.arrow}
            aria-label={t("down", { plugin: entry.title })}
            disabled={index === entries.length - 1}
            onClick={() => to(index + 1)}
          >
            <ArrowDown size={14} aria-hidden />
          </UnstyledButton>
        </Group>
      )}
    </li>
  );
}
