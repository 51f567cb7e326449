/** What a plug-in is: its facts, where it loads, its README and its fields. */
import {
  Alert,
  Badge,
  Box,
  Code,
  CopyButton,
  Group,
  List,
  Paper,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Title,
  Tooltip,
  ActionIcon,
} from "@mantine/core";
import { Check, Copy } from "lucide-react";
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Loads, Plugin } from "../../api/types";
import { InlineMarkdown, Markdown } from "../../components/Markdown";
import { ScrollTable } from "../../components/ScrollTable";
import { currentLanguage } from "../../i18n";
import { fields, isSchema, localized, typeName } from "./schema";

export function Overview({ plugin }: { plugin: Plugin }) {
  const { t } = useTranslation("plugin");
  const { card } = plugin;
  const language = currentLanguage();
  const readme = plugin.readme?.[language] ?? plugin.readme?.en ?? plugin.readme?.zh;
  const isForeign = readme !== undefined && readme !== plugin.readme?.[language];
  return (
    <Stack gap="lg">
      {card.message && (
        <Alert color={card.state === "error" ? "red" : "blue"} title={t("overview.message")}>
          <span lang="en">{card.message}</span>
        </Alert>
      )}
      <Paper withBorder p="md">
        <SimpleGrid component="dl" m={0} cols={{ base: 1, xs: 2, md: 3 }} spacing="md">
          <Fact label={t("overview.stage")}>{t(`common:stage.${card.stage}`)}</Fact>
          <Fact label={t("overview.priority")}>{card.priority}</Fact>
          <Fact label={t("overview.version")}>{card.version ?? t("overview.unknown")}</Fact>
          <Fact label={t("overview.kind")}>{t(`common:kind.${card.kind}`)}</Fact>
          <Fact label={t("overview.language")}>{card.language ?? t("overview.unknown")}</Fact>
          <Fact label={t("overview.name")}>
            {card.namespace}/{card.name}
          </Fact>
          {plugin.size !== undefined && (
            <Fact label={t("overview.size")}>
              {t("overview.bytes", { count: plugin.size, size: plugin.size.toLocaleString(language) })}
            </Fact>
          )}
          {card.file && (
            <Fact label={t("overview.file")}>
              <Code>
                {card.file}:{card.line ?? 1}
              </Code>
            </Fact>
          )}
          {plugin.digest && (
            <Fact label={t("overview.digest")}>
              <Copyable text={plugin.digest} label={t("overview.copyDigest")} />
            </Fact>
          )}
        </SimpleGrid>
        <Text size="xs" c="dimmed" mt="md">
          {t("overview.url")} <Code style={{ overflowWrap: "anywhere" }}>{card.url}</Code>
        </Text>
      </Paper>
      <Gateways gateways={plugin.gateways} />
      <Fields plugin={plugin} />
      {readme && (
        <Box component="section" aria-label="README">
          <Title order={2} mb="xs">
            README
          </Title>
          <Paper withBorder p="md" lang={isForeign ? (language === "zh" ? "en" : "zh-CN") : undefined}>
            <Markdown text={readme} />
          </Paper>
        </Box>
      )}
    </Stack>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text component="dt" size="xs" c="dimmed">
        {label}
      </Text>
      <Text component="dd" m={0} size="sm" fw={500} style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </div>
  );
}

function Copyable({ text, label }: { text: string; label: string }) {
  const { t } = useTranslation("plugin");
  return (
    <Group gap={4} wrap="nowrap">
      <Code style={{ overflowWrap: "anywhere" }}>{text}</Code>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? t("copied") : label}>
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} onClick={copy}>
              {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  );
}

function Gateways({ gateways }: { gateways: Loads[] }) {
  const { t } = useTranslation("plugin");
  if (gateways.length === 0) return null;
  return (
    <Box component="section">
      <Title order={2} mb="xs">
        {t("overview.loads")}
      </Title>
      <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="sm">
        {gateways.map(({ gateway, title, loads, reasons, needs }) => (
          <Paper key={gateway} withBorder p="sm">
            <Group justify="space-between" gap="xs" wrap="nowrap">
              <Text size="sm" fw={600}>
                {title}
              </Text>
              <Badge variant="dot" color={loads ? "green" : "red"} tt="none" fw={500}>
                {t(loads ? "overview.yes" : "overview.no")}
              </Badge>
            </Group>
            {needs && (
              <Text size="xs" c="dimmed" lang="en" mt={4}>
                {needs}
              </Text>
            )}
            {reasons.length > 0 && (
              <List size="xs" mt={4} lang="en">
                {reasons.map((reason, i) => (
                  <List.Item key={i} style={{ overflowWrap: "anywhere" }}>
                    {reason}
                  </List.Item>
                ))}
              </List>
            )}
          </Paper>
        ))}
      </SimpleGrid>
    </Box>
  );
}

function Fields({ plugin }: { plugin: Plugin }) {
  const { t } = useTranslation("plugin");
  const { schema } = plugin;
  const rows = useMemo(() => (isSchema(schema) ? fields(schema) : []), [schema]);
  const language = currentLanguage();
  return (
    <Box component="section">
      <Title order={2} mb="xs">
        {t("overview.fields")}
      </Title>
      {rows.length === 0 ? (
        <Text size="sm">{t(schema ? "overview.noFields" : "fields.noSchema")}</Text>
      ) : (
        <Paper withBorder>
          <ScrollTable label={t("overview.fields")} minWidth={600} verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("overview.field")}</Table.Th>
                <Table.Th>{t("overview.type")}</Table.Th>
                <Table.Th>{t("overview.default")}</Table.Th>
                <Table.Th>{t("overview.meaning")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map(({ path, schema: field, required }) => (
                <Table.Tr key={path}>
                  <Table.Td style={{ overflowWrap: "anywhere", minWidth: 160 }}>
                    <Code>{path}</Code>
                  </Table.Td>
                  <Table.Td>{typeName(field)}</Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>
                    {required ? (
                      t("overview.required")
                    ) : field.default === undefined ? (
                      ""
                    ) : (
                      <Code>{JSON.stringify(field.default)}</Code>
                    )}
                  </Table.Td>
                  <Table.Td>
                    <InlineMarkdown text={localized(field, "description", language)} />
                    {Array.isArray(field.enum) && (
                      <Text size="xs" c="dimmed">
                        {field.enum.map(String).join(", ")}
                      </Text>
                    )}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </ScrollTable>
        </Paper>
      )}
    </Box>
  );
}
