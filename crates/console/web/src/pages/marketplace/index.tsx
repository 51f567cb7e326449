/** The plug-ins of a gateway: those of the catalogue and those of its folder. */
import { Badge, Box, Button, Loader, Select, Tabs, Text, TextInput } from "@mantine/core";
import { Plus, Search } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useTranslation } from "react-i18next";
import { useParams, useSearchParams } from "react-router";
import { problemOf } from "../../api/client";
import { usePlugins, useRole } from "../../api/queries";
import type { Card } from "../../api/types";
import { Faults } from "../../components/Faults";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import { CardGrid } from "./CardGrid";
import { CopyModal } from "./CopyModal";
import { DeleteModal } from "./DeleteModal";
import { CATEGORIES, type CategoryFilter, filterCards, type Tab } from "./filter";

const PluginDrawer = lazy(() => import("./PluginDrawer"));
const ReleaseDrawer = lazy(() => import("./ReleaseDrawer"));

export type Dialog = { kind: "add" } | { kind: "edit" | "release" | "copy" | "delete"; card: Card };

export default function MarketplacePage() {
  const { gateway = "" } = useParams();
  const { t, i18n } = useTranslation("marketplace");
  const [search, setSearch] = useSearchParams();
  const { data, error, isPending } = usePlugins(gateway);
  const can = useRole(gateway);
  const [dialog, setDialog] = useState<Dialog>();

  const tab: Tab = search.get("tab") === "enabled" ? "enabled" : "all";
  const category = CATEGORIES.find((name) => name === search.get("category")) ?? "all";
  // The address follows in a transition, which is too late for a text field.
  const [text, setText] = useState(search.get("q") ?? "");
  const cards = data?.plugins ?? [];
  const shown = filterCards(cards, { tab, category, text, language: i18n.language });

  const set = (name: string, value: string, whenDefault: string) => {
    setSearch(
      (old) => {
        const next = new URLSearchParams(old);
        if (value === whenDefault) next.delete(name);
        else next.set(name, value);
        return next;
      },
      { replace: name === "q" },
    );
  };
  const count = (name: CategoryFilter) =>
    filterCards(cards, { tab: "all", category: name, text: "", language: "" }).length;
  const close = () => setDialog(undefined);
  const canAdd = tab === "all" && (category === "all" || category === "custom");

  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <>
            <TextInput
              type="search"
              aria-label={t("search")}
              placeholder={t("search")}
              leftSection={<Search size={16} aria-hidden />}
              value={text}
              onChange={(event) => {
                setText(event.currentTarget.value);
                set("q", event.currentTarget.value, "");
              }}
              w={{ base: "100%", xs: 240 }}
            />
            {canAdd && (
              <Button
                leftSection={<Plus size={16} aria-hidden />}
                disabled={!can("admin")}
                title={can("admin") ? undefined : t("problems:forbidden")}
                onClick={() => setDialog({ kind: "add" })}
              >
                {t("add")}
              </Button>
            )}
          </>
        }
      />
      {error && <ProblemAlert problem={problemOf(error)} />}
      {data && data.faults.length > 0 && <Faults faults={data.faults} />}
      <Tabs value={tab} onChange={(value) => set("tab", value ?? "all", "all")} mt="xs" keepMounted={false}>
        <Tabs.List aria-label={t("title")}>
          <Tabs.Tab value="all">{t("tabs.all")}</Tabs.Tab>
          <Tabs.Tab
            value="enabled"
            rightSection={<Count value={cards.filter((card) => card.enabled).length} />}
          >
            {t("tabs.enabled")}
          </Tabs.Tab>
        </Tabs.List>
        {tab === "all" && (
          <Box mt="sm">
            <Select
              hiddenFrom="md"
              aria-label={t("categories")}
              allowDeselect={false}
              value={category}
              onChange={(value) => set("category", value ?? "all", "all")}
              data={CATEGORIES.map((name) => ({
                value: name,
                label: `${name === "all" ? t("allCategories") : t(`common:category.${name}`)} (${count(name)})`,
              }))}
            />
            <Tabs
              visibleFrom="md"
              variant="pills"
              value={category}
              onChange={(value) => set("category", value ?? "all", "all")}
            >
              <Tabs.List aria-label={t("categories")}>
                {CATEGORIES.map((name) => (
                  <Tabs.Tab key={name} value={name} px="sm" py={6} aria-controls={undefined}>
                    {name === "all" ? t("allCategories") : t(`common:category.${name}`)} {count(name)}
                  </Tabs.Tab>
                ))}
              </Tabs.List>
            </Tabs>
          </Box>
        )}
        <Tabs.Panel value={tab}>
          {isPending && !error && <Loader aria-label={t("common:loading")} />}
          <Text size="xs" c="dimmed" my="xs" role="status">
            {data && t("shown", { count: shown.length })}
          </Text>
          {data && shown.length === 0 && (
            <Text py="xl" ta="center" c="dimmed">
              {text ? t("nothingFound") : t(tab === "enabled" ? "noneEnabled" : "noneHere")}
            </Text>
          )}
          <CardGrid gateway={gateway} cards={shown} onDialog={setDialog} />
        </Tabs.Panel>
      </Tabs>
      <Suspense>
        {(dialog?.kind === "add" || dialog?.kind === "edit") && (
          <PluginDrawer
            gateway={gateway}
            cards={cards}
            editing={dialog.kind === "edit" ? dialog.card : undefined}
            onClose={close}
          />
        )}
        {dialog?.kind === "release" && <ReleaseDrawer gateway={gateway} card={dialog.card} onClose={close} />}
      </Suspense>
      {dialog?.kind === "copy" && <CopyModal gateway={gateway} card={dialog.card} onClose={close} />}
      {dialog?.kind === "delete" && <DeleteModal gateway={gateway} card={dialog.card} onClose={close} />}
    </>
  );
}

function Count({ value }: { value: number }) {
  return (
    <Badge size="sm" variant="default" radius="xl">
      {value}
    </Badge>
  );
}
