/** The scopes of a configuration: the gateway, and the rules in the order in which they are tried. */
import {
  DndContext,
  type DragEndEvent,
  type Modifier,
  PointerSensor,
  useSensor,
  useSensors,
} from "@dnd-kit/core";
import { SortableContext, useSortable, verticalListSortingStrategy } from "@dnd-kit/sortable";
import {
  ActionIcon,
  Badge,
  Box,
  Button,
  Group,
  Menu,
  Switch,
  Text,
  UnstyledButton,
  VisuallyHidden,
} from "@mantine/core";
import { defaultRangeExtractor, type Range, useVirtualizer } from "@tanstack/react-virtual";
import { Copy, EllipsisVertical, GripVertical, MoveDown, MoveUp, Plus, Trash2 } from "lucide-react";
import {
  type CSSProperties,
  type KeyboardEvent,
  memo,
  useCallback,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useTranslation } from "react-i18next";
import type { MatchKind, Scope } from "../../api/types";
import classes from "./ScopeList.module.css";
import { isGateway, MATCHES, summary } from "./scopes";

const ROW = 46;

export interface ScopeActions {
  select: (key: string) => void;
  enable: (key: string, enabled: boolean) => void;
  move: (key: string, to: number) => void;
  add: (kind: MatchKind) => void;
  copy: (key: string) => void;
  remove: (key: string) => void;
}

interface Props {
  scopes: Scope[];
  selected: string;
  errors: Map<string, number>;
  changed: Set<string>;
  readOnly: boolean;
  actions: ScopeActions;
}

const vertical: Modifier = ({ transform }) => ({ ...transform, x: 0 });

export function ScopeList({ scopes, selected, errors, changed, readOnly, actions }: Props) {
  const { t } = useTranslation("plugin");
  const gateway = scopes.find(isGateway);
  const rules = useMemo(() => scopes.filter((scope) => !isGateway(scope)), [scopes]);
  const keys = useKeys(rules);
  const scroller = useRef<HTMLDivElement>(null);
  const [dragged, setDragged] = useState<number>();
  const [said, setSaid] = useState("");
  const focus = useRef<string>(undefined);
  // By default the window scrolls first, which takes the list away from below what is dragged.
  const autoScroll = useMemo(
    () => ({
      canScroll: (element: Element) => element === scroller.current,
      // Once a frame; at the edge, about 30 rules a second.
      interval: 16,
      acceleration: 25,
    }),
    [],
  );
  const sensors = useSensors(useSensor(PointerSensor, { activationConstraint: { distance: 4 } }));

  const virtualizer = useVirtualizer({
    count: rules.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 8,
    getItemKey: (index) => keys[index] ?? index,
    // What is dragged stays rendered, however far the list scrolls.
    rangeExtractor: useCallback(
      (range: Range) => {
        const shown = defaultRangeExtractor(range);
        return dragged === undefined || shown.includes(dragged)
          ? shown
          : [...shown, dragged].sort((a, b) => a - b);
      },
      [dragged],
    ),
  });

  const place = keys.indexOf(selected);
  useEffect(() => {
    if (place >= 0) virtualizer.scrollToIndex(place, { align: "auto" });
    // Only when another is selected; not while the list changes around it.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected]);

  const move = useCallback(
    (key: string, to: number) => {
      const target = Math.max(0, Math.min(to, keys.length - 1));
      const from = keys.indexOf(key);
      if (from === target || from < 0) return;
      actions.move(key, target);
      virtualizer.scrollToIndex(target, { align: "auto" });
      focus.current = key;
      setSaid(t("scopes.moved", { to: target + 1, count: keys.length }));
    },
    [actions, keys, t, virtualizer],
  );

  // The handle of a moved rule may have been rendered anew.
  useEffect(() => {
    if (focus.current === undefined) return;
    const handle = scroller.current?.querySelector<HTMLElement>(
      `[data-handle="${CSS.escape(focus.current)}"]`,
    );
    handle?.focus();
    focus.current = undefined;
  });

  const onDragEnd = ({ active, over }: DragEndEvent) => {
    setDragged(undefined);
    if (over && active.id !== over.id) move(String(active.id), keys.indexOf(String(over.id)));
    focus.current = undefined;
  };

  return (
    <Box component="section" aria-label={t("scopes.title")} className={classes.list}>
      {gateway && (
        <ScopeRow
          scope={gateway}
          selected={selected === gateway.key}
          errors={errors.get(gateway.key) ?? 0}
          changed={changed.has(gateway.key)}
          readOnly={readOnly || !!gateway.fixed}
          actions={actions}
        />
      )}
      <Group justify="space-between" px="sm" py={6} wrap="nowrap" className={classes.head}>
        <div>
          <Text size="sm" fw={600}>
            {t("scopes.rules", { count: rules.length })}
          </Text>
          <Text size="xs" c="dimmed">
            {t("scopes.firstWins")}
          </Text>
        </div>
        {!readOnly && (
          <Menu position="bottom-end">
            <Menu.Target>
              <Button
                size="compact-sm"
                variant="default"
                flex="none"
                leftSection={<Plus size={14} aria-hidden />}
              >
                {t("scopes.add")}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {MATCHES.map((kind) => (
                <Menu.Item key={kind} onClick={() => actions.add(kind)}>
                  {t(`scopes.addKind.${kind}`)}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        )}
      </Group>
      {rules.length === 0 ? (
        <Text size="sm" c="dimmed" px="sm" pb="sm">
          {t("scopes.none")}
        </Text>
      ) : (
        <DndContext
          sensors={sensors}
          modifiers={[vertical]}
          autoScroll={autoScroll}
          accessibility={{ screenReaderInstructions: { draggable: t("scopes.handleHint") } }}
          onDragStart={({ active }) => setDragged(keys.indexOf(String(active.id)))}
          onDragCancel={() => setDragged(undefined)}
          onDragEnd={onDragEnd}
        >
          <SortableContext items={keys} strategy={verticalListSortingStrategy} disabled={readOnly}>
            <div ref={scroller} className={classes.scroller} tabIndex={-1}>
              <ol className={classes.rules} style={{ height: virtualizer.getTotalSize() }}>
                {virtualizer.getVirtualItems().map((item) => {
                  const scope = rules[item.index];
                  return (
                    scope && (
                      <SortableRow
                        key={scope.key}
                        scope={scope}
                        index={item.index}
                        count={rules.length}
                        top={item.start}
                        selected={selected === scope.key}
                        errors={errors.get(scope.key) ?? 0}
                        changed={changed.has(scope.key)}
                        readOnly={readOnly || !!scope.fixed}
                        actions={actions}
                        move={move}
                      />
                    )
                  );
                })}
              </ol>
            </div>
          </SortableContext>
        </DndContext>
      )}
      <VisuallyHidden role="status">{said}</VisuallyHidden>
    </Box>
  );
}

/** The same list as long as the keys are the same, so that a change in one rule does not render the others anew. */
function useKeys(rules: Scope[]): string[] {
  const [keys, setKeys] = useState<string[]>([]);
  const isSame = keys.length === rules.length && rules.every(({ key }, i) => key === keys[i]);
  if (isSame) return keys;
  const next = rules.map(({ key }) => key);
  setKeys(next);
  return next;
}

interface RowProps {
  scope: Scope;
  selected: boolean;
  errors: number;
  changed: boolean;
  readOnly: boolean;
  actions: ScopeActions;
}

interface RuleProps extends RowProps {
  index: number;
  count: number;
  top: number;
  move: (key: string, to: number) => void;
}

const SortableRow = memo(function SortableRow({ top, ...props }: RuleProps) {
  const { scope, index, count, readOnly, move } = props;
  const { t } = useTranslation("plugin");
  const { setNodeRef, setActivatorNodeRef, listeners, transform, transition, isDragging } = useSortable({
    id: scope.key,
    disabled: readOnly,
  });
  const style: CSSProperties = {
    top,
    height: ROW,
    transform: transform ? `translate3d(0, ${transform.y}px, 0)` : undefined,
    transition,
    zIndex: isDragging ? 2 : undefined,
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const to = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: count - 1 }[event.key];
    if (to === undefined || readOnly) return;
    event.preventDefault();
    move(scope.key, to);
  };
  return (
    <li ref={setNodeRef} className={classes.rule} style={style} data-dragging={isDragging || undefined}>
      <ScopeRow
        {...props}
        handle={
          !readOnly && (
            <UnstyledButton
              ref={setActivatorNodeRef}
              className={classes.handle}
              data-handle={scope.key}
              aria-label={t("scopes.handle", { number: index + 1 })}
              title={t("scopes.handleHint")}
              {...listeners}
              onKeyDown={onKeyDown}
            >
              <GripVertical size={16} aria-hidden />
            </UnstyledButton>
          )
        }
      />
    </li>
  );
});

function ScopeRow({
  scope,
  selected,
  errors,
  changed,
  readOnly,
  actions,
  handle,
  index,
  count,
  move,
}: RowProps & Partial<RuleProps> & { handle?: React.ReactNode }) {
  const { t } = useTranslation("plugin");
  const isRule = index !== undefined;
  const title = isRule ? summary(scope) || t("scopes.noMatch") : t("scopes.kind.gateway");
  return (
    <div className={classes.row} data-selected={selected || undefined}>
      {handle}
      <UnstyledButton
        className={classes.name}
        aria-current={selected ? "true" : undefined}
        onClick={() => actions.select(scope.key)}
      >
        <Group gap={6} wrap="nowrap">
          {isRule && (
            <Text span size="xs" c="dimmed" className={classes.number}>
              {index + 1}
            </Text>
          )}
          <Text
            span
            size="sm"
            truncate
            fw={selected ? 600 : 400}
            c={scope.enabled ? undefined : "dimmed"}
            title={title}
          >
            {title}
          </Text>
          {changed && <span className={classes.dot} role="img" aria-label={t("scopes.changed")} />}
        </Group>
        <Text span size="xs" c="dimmed" className={classes.kind}>
          {isRule ? t(`scopes.kind.${scope.kind}`) : t("scopes.gatewayHint")}
        </Text>
      </UnstyledButton>
      {errors > 0 && (
        <Badge
          color="red"
          size="sm"
          circle={errors < 10}
          aria-label={t("mistakes.count", { count: errors })}
          role="img"
        >
          {errors}
        </Badge>
      )}
      <Switch
        size="xs"
        checked={scope.enabled}
        disabled={readOnly}
        aria-label={t("scopes.enabledOf", { scope: title })}
        onChange={(event) => actions.enable(scope.key, event.currentTarget.checked)}
      />
      {isRule && !readOnly && count !== undefined && move && (
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={t("scopes.menu", { number: index + 1 })}>
              <EllipsisVertical size={16} aria-hidden />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              leftSection={<MoveUp size={14} aria-hidden />}
              disabled={index === 0}
              onClick={() => move(scope.key, index - 1)}
            >
              {t("scopes.up")}
            </Menu.Item>
            <Menu.Item
              leftSection={<MoveDown size={14} aria-hidden />}
              disabled={index === count - 1}
              onClick={() => move(scope.key, index + 1)}
            >
              {t("scopes.down")}
            </Menu.Item>
            <Menu.Item disabled={index === 0} onClick={() => move(scope.key, 0)}>
              {t("scopes.first")}
            </Menu.Item>
            <Menu.Item disabled={index === count - 1} onClick={() => move(scope.key, count - 1)}>
              {t("scopes.last")}
            </Menu.Item>
            <Menu.Divider />
            <Menu.Item leftSection={<Copy size={14} aria-hidden />} onClick={() => actions.copy(scope.key)}>
              {t("scopes.copy")}
            </Menu.Item>
            <Menu.Item
              color="red"
              leftSection={<Trash2 size={14} aria-hidden />}
              onClick={() => actions.remove(scope.key)}
            >
              {t("scopes.remove")}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
    </div>
  );
}
