/** Who did what and when. */
import { Anchor, Loader, Paper, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Search } from "lucide-react";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { getAudit, problemOf } from "../../api/client";
import { keys } from "../../api/queries";
import { links } from "../../app/pages";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";
import { ScrollTable } from "../../components/ScrollTable";
import { Time } from "../../components/Time";

/** More rows than one can read; the search finds the others. */
const SHOWN = 200;

export default function AuditPage() {
  const { t, i18n } = useTranslation("audit");
  const { gateway = "" } = useParams();
  const [search, setSearch] = useState("");
  const [wanted] = useDebouncedValue(search.trim().toLowerCase(), 150);
  const { data, error, isPending } = useQuery({
    queryKey: keys.audit(gateway),
    queryFn: ({ signal }) => getAudit(gateway, signal),
  });
  const found = useMemo(() => {
    const action = (name: string) => (i18n.exists(`audit:actions.${name}`) ? t(`actions.${name}`) : name);
    return (data ?? [])
      .map((entry) => ({ ...entry, label: action(entry.action) }))
      .filter(({ who, label, action, plugin = "", detail = "" }) =>
        [who, label, action, plugin, detail].some((part) => part.toLowerCase().includes(wanted)),
      );
  }, [data, i18n, t, wanted]);
  return (
    <>
      <PageHeader
        title={t("title")}
        description={t("description")}
        actions={
          <TextInput
            type="search"
            aria-label={t("search")}
            placeholder={t("search")}
            leftSection={<Search size={16} aria-hidden />}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
        }
      />
      {error && <ProblemAlert problem={problemOf(error)} />}
      {isPending && <Loader aria-label={t("common:loading")} />}
      {data && found.length === 0 && <Text>{t("none")}</Text>}
      {found.length > 0 && (
        <Paper withBorder>
          <ScrollTable label={t("title")} minWidth={520}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("time")}</Table.Th>
                <Table.Th>{t("who")}</Table.Th>
                <Table.Th>{t("action")}</Table.Th>
                <Table.Th>{t("plugin")}</Table.Th>
                <Table.Th>{t("detail")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.slice(0, SHOWN).map((entry, i) => (
                <Table.Tr key={`${entry.time}-${i}`}>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>
                    <Time value={entry.time} />
                  </Table.Td>
                  <Table.Td>{entry.who}</Table.Td>
                  <Table.Td>{entry.label}</Table.Td>
                  <Table.Td>
                    {entry.plugin && (
                      <Anchor component={Link} to={links.plugin(gateway, entry.plugin)} size="sm">
                        {entry.plugin}
                      </Anchor>
                    )}
                  </Table.Td>
                  <Table.Td lang="en" style={{ overflowWrap: "anywhere" }}>
                    {entry.detail}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </ScrollTable>
        </Paper>
      )}
      {found.length > SHOWN && (
        <Text size="sm" c="dimmed" mt="xs">
          {t("more", { shown: SHOWN, count: found.length })}
        </Text>
      )}
    </>
  );
}
