/** The page of one plug-in: overview, configuration, what a firewall has matched, and export. */
import { Anchor, Badge, Breadcrumbs, Group, Loader, Switch, Tabs, Text, Tooltip } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useNavigate, useParams } from "react-router";
import { getPlugin, problemOf, setEnabled } from "../../api/client";
import { useDrafts } from "../../api/drafts";
import { keys, useRole } from "../../api/queries";
import type { Card, CardState } from "../../api/types";
import { links } from "../../app/pages";
import { notifyFailure } from "../../components/notify";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import { useProblemText } from "../../components/problemText";
import { currentLanguage } from "../../i18n";
import { Configuration } from "./Configuration";
import { Export } from "./Export";
import { Matches } from "./Matches";
import { Overview } from "./Overview";

const TABS = ["overview", "configuration", "matches", "export"] as const;
type Tab = (typeof TABS)[number];

export default function PluginPage() {
  const { t } = useTranslation("plugin");
  const { gateway = "", plugin: id = "", tab = "overview" } = useParams();
  const navigate = useNavigate();
  const { data, error, isPending } = useQuery({
    queryKey: keys.plugin(gateway, id),
    queryFn: ({ signal }) => getPlugin(gateway, id, signal),
  });
  const isDirty = useDrafts().some((draft) => draft.gateway === gateway && draft.plugin === id);
  const trail = (
    <Breadcrumbs mb="xs" fz="sm">
      <Anchor component={Link} to={links.section(gateway, "plugins")} size="sm">
        {t("common:nav.plugins")}
      </Anchor>
      <Text size="sm">{data?.card.title || data?.card.name || id}</Text>
    </Breadcrumbs>
  );
  if (error) {
    return (
      <>
        {trail}
        <PageHeader title={id} />
        <ProblemAlert problem={problemOf(error)} />
      </>
    );
  }
  if (isPending) return <Loader aria-label={t("common:loading")} />;
  const { card } = data;
  const tabs = TABS.filter((each) => each !== "matches" || card.matches);
  const current: Tab = tabs.find((each) => each === tab) ?? "overview";
  const { description } = card;
  return (
    <>
      {trail}
      <PageHeader
        title={card.title || card.name}
        description={currentLanguage() === "zh" ? (description.zh ?? description.en) : description.en}
        actions={<State gateway={gateway} card={card} />}
      />
      <Tabs
        value={current}
        onChange={(next) => next && void navigate(links.plugin(gateway, id, next))}
        keepMounted={false}
      >
        <Tabs.List mb="md">
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(`tabs.${each}`)}
              {each === "configuration" && isDirty && (
                <Text span c="portcullis" fw={700} ml={4} role="img" aria-label={t("unsaved")}>
                  •
                </Text>
              )}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="overview">
          <Overview plugin={data} />
        </Tabs.Panel>
        <Tabs.Panel value="configuration">
          <Configuration key={`${gateway}/${id}`} gateway={gateway} plugin={data} />
        </Tabs.Panel>
        {card.matches && (
          <Tabs.Panel value="matches">
            <Matches gateway={gateway} plugin={data} />
          </Tabs.Panel>
        )}
        <Tabs.Panel value="export">
          <Export gateway={gateway} plugin={data} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

const COLORS: Record<CardState, string> = { off: "gray", loading: "blue", on: "green", error: "red" };

function State({ gateway, card }: { gateway: string; card: Card }) {
  const { t } = useTranslation("plugin");
  const text = useProblemText();
  const client = useQueryClient();
  const isOperator = useRole(gateway)("operator");
  const change = useMutation({
    mutationFn: (enabled: boolean) => setEnabled(gateway, card.id, card.etag, enabled),
    onError: notifyFailure,
    onSettled: () => client.invalidateQueries({ queryKey: keys.gateway(gateway) }),
  });
  const blocked = card.enabled ? card.blocked.disable : card.blocked.enable;
  return (
    <Group gap="sm">
      <Badge variant="dot" size="lg" color={COLORS[card.state]} tt="none" fw={500}>
        {t(`common:cardState.${card.state}`)}
      </Badge>
      <Tooltip label={blocked ? text(blocked) : ""} disabled={!blocked}>
        <div>
          <Switch
            label={t("enabled")}
            checked={change.isPending ? change.variables : card.enabled}
            disabled={!isOperator || !!blocked || change.isPending}
            description={blocked ? text(blocked) : undefined}
            onChange={(event) => change.mutate(event.currentTarget.checked)}
          />
        </div>
      </Tooltip>
    </Group>
  );
}
