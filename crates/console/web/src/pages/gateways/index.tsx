/** All gateways of the console, each a folder of resources. */
import {
  Alert,
  Anchor,
  Badge,
  Button,
  Card,
  Code,
  Group,
  Loader,
  SimpleGrid,
  Stack,
  Text,
  Title,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Play, Square } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { problemOf, startGateway, stopGateway } from "../../api/client";
import { keys, useGateways } from "../../api/queries";
import type { Gateway } from "../../api/types";
import { links } from "../../app/pages";
import { Faults } from "../../components/Faults";
import { GatewayState } from "../../components/GatewayState";
import { notifyFailure } from "../../components/notify";
import { PageHeader } from "../../components/PageHeader";
import { ProblemAlert } from "../../components/ProblemAlert";

export default function GatewaysPage() {
  const { t } = useTranslation("gateways");
  const { data, error, isPending } = useGateways();
  return (
    <>
      <PageHeader title={t("title")} description={t("description")} />
      {error && <ProblemAlert problem={problemOf(error)} />}
      {isPending && <Loader aria-label={t("common:loading")} />}
      {data?.length === 0 && <Text>{t("none")}</Text>}
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md">
        {data?.map((gateway) => (
          <GatewayCard key={gateway.name} gateway={gateway} />
        ))}
      </SimpleGrid>
    </>
  );
}

function GatewayCard({ gateway }: { gateway: Gateway }) {
  const { t } = useTranslation("gateways");
  const client = useQueryClient();
  const running = gateway.state === "serving" || gateway.state === "starting";
  const change = useMutation({
    mutationFn: () => (running ? stopGateway(gateway.name) : startGateway(gateway.name)),
    onError: notifyFailure,
    onSettled: () => client.invalidateQueries({ queryKey: keys.gateways }),
  });
  return (
    <Card component="section" withBorder aria-label={gateway.name}>
      <Stack gap="sm">
        <Group justify="space-between" wrap="nowrap">
          <Title order={2} style={{ overflowWrap: "anywhere" }}>
            <Anchor component={Link} to={links.section(gateway.name, "plugins")} inherit>
              {gateway.name}
            </Anchor>
          </Title>
          <GatewayState state={gateway.state} />
        </Group>
        {gateway.message && (
          <Alert color={gateway.state === "error" ? "red" : "blue"} p="xs">
            <Text size="sm" lang="en" style={{ overflowWrap: "anywhere" }}>
              {gateway.message}
            </Text>
          </Alert>
        )}
        <Faults faults={gateway.faults} />
        <SimpleGrid component="dl" m={0} cols={{ base: 2, xs: 4 }} spacing="sm">
          <Fact
            label={t("enabled")}
            value={t("enabledOf", { enabled: gateway.enabled, plugins: gateway.plugins })}
          />
          <Fact label={t("requests")} value={rate(gateway.requestsPerSecond)} />
          <Fact label={t("refusals")} value={rate(gateway.refusalsPerSecond)} />
          <Fact label={t("order")} value={t(`common:orderName.${gateway.order}`)} />
        </SimpleGrid>
        <Group gap={6}>
          <Code style={{ overflowWrap: "anywhere" }}>{gateway.folder}</Code>
          {gateway.git && (
            <Badge variant="default" tt="none">
              git
            </Badge>
          )}
        </Group>
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            {gateway.address ?? t("noAddress")}
          </Text>
          {gateway.role === "admin" && (
            <Button
              size="compact-sm"
              variant="default"
              loading={change.isPending}
              leftSection={running ? <Square size={14} aria-hidden /> : <Play size={14} aria-hidden />}
              aria-label={`${t(running ? "stop" : "start")}: ${gateway.name}`}
              onClick={() => change.mutate()}
            >
              {t(running ? "stop" : "start")}
            </Button>
          )}
        </Group>
      </Stack>
    </Card>
  );
}

function Fact({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <Text component="dt" size="xs" c="dimmed">
        {label}
      </Text>
      <Text component="dd" m={0} fw={600}>
        {value}
      </Text>
    </div>
  );
}

function rate(value: number): string {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 10 ? 1 : 0 });
}
