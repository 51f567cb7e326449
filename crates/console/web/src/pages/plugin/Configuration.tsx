/** The configuration of a plug-in: scopes, the fields of each, and what changes. */
import { Alert, Button, Code, Group, Loader, Paper, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Lock } from "lucide-react";
import { useCallback, useMemo, useState } from "react";
import type { TFunction } from "i18next";
import { useTranslation } from "react-i18next";
import { ApiError, getConfiguration, problemOf, saveConfiguration } from "../../api/client";
import { dropDraft, useDrafts } from "../../api/drafts";
import { keys, useRole } from "../../api/queries";
import type { Configuration as Saved, MatchKind, Mistake, Plugin, Problem, Scope } from "../../api/types";
import { notifyDone } from "../../components/notify";
import { ProblemAlert } from "../../components/ProblemAlert";
import { useProblemText } from "../../components/problemText";
import classes from "./Configuration.module.css";
import { changeDraft } from "./draft";
import type { ShownMistake } from "./Mistakes";
import { Reconcile } from "./Reconcile";
import { Review } from "./Review";
import { toText } from "./schema";
import { ScopeEditor, type View } from "./ScopeEditor";
import { type ScopeActions, ScopeList } from "./ScopeList";
import { added, copied, hasCondition, isGateway, moved } from "./scopes";
import { useCheck } from "./useCheck";
import { findings } from "./validator";
import { equal, parseFields, place } from "./yamlEdit";

export function Configuration({ gateway, plugin }: { gateway: string; plugin: Plugin }) {
  const { t } = useTranslation("plugin");
  const { id } = plugin.card;
  const { data, error, isPending } = useQuery({
    queryKey: keys.configuration(gateway, id),
    queryFn: ({ signal }) => getConfiguration(gateway, id, signal),
  });
  if (error) return <ProblemAlert problem={problemOf(error)} />;
  if (isPending) return <Loader aria-label={t("common:loading")} />;
  return <Loaded gateway={gateway} plugin={plugin} saved={data} />;
}

function Loaded({ gateway, plugin, saved }: { gateway: string; plugin: Plugin; saved: Saved }) {
  const { t } = useTranslation("plugin");
  const problemText = useProblemText();
  const client = useQueryClient();
  const { id, title, name } = plugin.card;
  const blocked = plugin.card.blocked.configure;
  const isOperator = useRole(gateway)("operator");
  const readOnly = !isOperator || !!blocked;

  const draft = useDrafts().find((other) => other.gateway === gateway && other.plugin === id);
  // Another tag with the same scopes comes from a change elsewhere in the file, such as the switch of the plug-in.
  const isOutdated = !!draft && draft.base.etag !== saved.etag && !equal(draft.base.scopes, saved.scopes);
  const base = draft && isOutdated ? draft.base : saved;
  const scopes = draft?.scopes ?? saved.scopes;
  const [selectedKey, setSelected] = useState("gateway");
  const selected = scopes.find(({ key }) => key === selectedKey) ?? scopes[0];
  const [view, setView] = useState<View>("form");
  const [reviewing, setReviewing] = useState(false);
  const [problem, setProblem] = useState<Problem>();

  const update = useCallback(
    (change: (scopes: Scope[]) => Scope[]) => changeDraft(gateway, { id, title, name }, saved, change),
    [gateway, id, name, saved, title],
  );
  const replace = useCallback(
    (scope: Scope) => update((all) => all.map((other) => (other.key === scope.key ? scope : other))),
    [update],
  );
  const actions = useMemo<ScopeActions>(
    () => ({
      select: setSelected,
      enable: (key, enabled) =>
        update((all) => all.map((scope) => (scope.key === key ? { ...scope, enabled } : scope))),
      move: (key, to) => update((all) => moved(all, key, to)),
      add: (kind: MatchKind) =>
        update((all) => {
          const { scopes: next, key } = added(all, kind);
          setSelected(key);
          return next;
        }),
      copy: (of) =>
        update((all) => {
          const { scopes: next, key } = copied(all, of);
          setSelected(key);
          return next;
        }),
      remove: (key) => update((all) => all.filter((scope) => scope.key !== key)),
    }),
    [update],
  );

  const checked = useCheck(gateway, id, base.etag, scopes, isOperator);
  const current = checked.scopes === scopes;
  const mistakes = useMistakes(plugin, scopes, checked.scopes, checked.check?.mistakes);
  const errors = useMemo(() => {
    const count = new Map<string, number>();
    for (const [key, list] of mistakes) {
      const wrong = list.filter(({ severity }) => severity === "error").length;
      if (wrong > 0) count.set(key, wrong);
    }
    return count;
  }, [mistakes]);
  const total = [...errors.values()].reduce((sum, count) => sum + count, 0);
  const changed = useMemo(() => {
    const before = new Map(base.scopes.map((scope) => [scope.key, scope]));
    return new Set(scopes.filter((scope) => !equal(scope, before.get(scope.key))).map(({ key }) => key));
  }, [base.scopes, scopes]);

  const save = useMutation({
    mutationFn: () => saveConfiguration(gateway, id, base.etag, scopes),
    onSuccess: (now) => {
      client.setQueryData(keys.configuration(gateway, id), now);
      // Keys of new rules are the server's now; the place of the selected one stays.
      const place = scopes.findIndex(({ key }) => key === selectedKey);
      setSelected(now.scopes[place]?.key ?? "gateway");
      dropDraft(gateway, id);
      setReviewing(false);
      setProblem(undefined);
      notifyDone(t("saved"));
      void client.invalidateQueries({ queryKey: keys.gateway(gateway) });
    },
    onError: (failure) => {
      setProblem(problemOf(failure));
      if (failure instanceof ApiError && failure.status === 412) {
        setReviewing(false);
        void client.invalidateQueries({ queryKey: keys.configuration(gateway, id) });
      }
    },
  });

  const number = selected && scopes.filter((scope) => !isGateway(scope)).indexOf(selected) + 1;
  return (
    <>
      {blocked && (
        <Alert color="blue" mb="md" icon={<Lock size={18} aria-hidden />}>
          {problemText(blocked)}
        </Alert>
      )}
      {draft && isOutdated && (
        <div className={classes.banner}>
          <Reconcile draft={draft} theirs={saved} />
        </div>
      )}
      {checked.error !== undefined && (
        <div className={classes.banner}>
          <ProblemAlert problem={problemOf(checked.error)} title={t("checkFailed")} />
        </div>
      )}
      <div className={classes.columns}>
        <div>
          <ScopeList
            scopes={scopes}
            selected={selected?.key ?? ""}
            errors={errors}
            changed={changed}
            readOnly={readOnly}
            actions={actions}
          />
          <Text size="xs" c="dimmed" mt="xs">
            {t(plugin.inherits ? "scopes.inherits" : "scopes.replaces")}
          </Text>
          <Text size="xs" c="dimmed" mt={4}>
            <Code fz="xs" style={{ overflowWrap: "anywhere" }}>
              {saved.file}:{saved.line}
            </Code>
          </Text>
        </div>
        <Paper withBorder p="md" className={classes.editor}>
          {selected && (
            <ScopeEditor
              key={selected.key}
              plugin={plugin}
              scope={selected}
              number={number}
              mistakes={mistakes.get(selected.key) ?? NO_MISTAKES}
              readOnly={readOnly}
              view={view}
              onView={setView}
              onChange={replace}
            />
          )}
        </Paper>
      </div>
      {draft && (
        <Paper withBorder shadow="md" p="sm" className={classes.bar} role="region" aria-label={t("unsaved")}>
          <Group justify="space-between" gap="xs">
            <Text size="sm" fw={600} role="status">
              {total > 0 ? t("mistakes.count", { count: total }) : t("unsaved")}
            </Text>
            <Group gap="xs">
              <Button
                variant="default"
                onClick={() => {
                  setProblem(undefined);
                  dropDraft(gateway, id);
                }}
              >
                {t("discard")}
              </Button>
              <Button onClick={() => setReviewing(true)} disabled={isOutdated}>
                {t("review.open")}
              </Button>
            </Group>
          </Group>
        </Paper>
      )}
      <Review
        opened={reviewing && !!draft}
        file={base.file}
        checked={checked}
        current={current}
        errors={total}
        saving={save.isPending}
        problem={problem?.code === "changed_meanwhile" ? undefined : problem}
        onSave={() => save.mutate()}
        onClose={() => {
          setReviewing(false);
          setProblem(undefined);
        }}
      />
    </>
  );
}

const NO_MISTAKES: ShownMistake[] = [];

const isComplete = (scope: Scope) => isGateway(scope) || hasCondition(scope);

/** Keywords whose mistake can be explained in the reader's language. */
const EXPLAINED = new Set([
  "type",
  "enum",
  "const",
  "required",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "pattern",
  "format",
]);

/** The mistakes that the browser finds, remembered for each scope. */
function localMistakes(schema: Plugin["schema"], t: TFunction<"plugin">): (scope: Scope) => ShownMistake[] {
  const cache = new WeakMap<Scope, ShownMistake[]>();
  return (scope: Scope): ShownMistake[] => {
    const known = cache.get(scope);
    if (known) return known;
    const parsed = parseFields(scope.text);
    const list: ShownMistake[] = parsed.errors
      ? parsed.errors.map((at) => ({ ...at, path: "", severity: "error", own: false, english: true }))
      : schema && scope.text.trim() !== ""
        ? findings(schema, parsed.value).map(({ path, keyword, expected, message }) => ({
            path: toText(path),
            ...place(scope.text, path),
            message: EXPLAINED.has(keyword) ? t(`keywords.${keyword}`, { expected }) : message,
            severity: "error",
            own: false,
            english: !EXPLAINED.has(keyword),
          }))
        : NO_MISTAKES;
    const all: ShownMistake[] = isComplete(scope)
      ? list
      : [
          {
            ...{ path: "", line: 1, column: 1, endLine: 1, endColumn: 1 },
            message: t("match.none"),
            severity: "error",
            own: false,
            english: false,
          },
          ...list,
        ];
    cache.set(scope, all);
    return all;
  };
}

/**
 * Mistakes per scope: the server's for a text that it has seen, and until then those that the browser finds. A scope is
 * the same object as long as it does not change.
 */
function useMistakes(
  plugin: Plugin,
  scopes: Scope[],
  checkedScopes: Scope[] | undefined,
  found: Mistake[] | undefined,
): Map<string, ShownMistake[]> {
  const { t } = useTranslation("plugin");
  const { schema } = plugin;
  const local = useMemo(() => localMistakes(schema, t), [schema, t]);
  return useMemo(() => {
    const map = new Map<string, ShownMistake[]>();
    const seen = new Set(checkedScopes);
    for (const mistake of found ?? []) {
      const key = mistake.scope ?? "gateway";
      const known = mistake.code === "condition_missing";
      const shown = known
        ? { ...mistake, message: t("match.none"), english: false }
        : { ...mistake, english: true };
      map.set(key, [...(map.get(key) ?? []), shown]);
    }
    for (const scope of scopes) {
      if (!seen.has(scope)) map.set(scope.key, local(scope));
    }
    return map;
  }, [checkedScopes, found, local, scopes, t]);
}
