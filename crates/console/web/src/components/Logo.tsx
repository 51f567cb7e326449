import { Group, Text } from "@mantine/core";

export function Logo({ compact = false }: { compact?: boolean }) {
  return (
    <Group gap={8} wrap="nowrap">
      <img src="/portcullis.svg" alt="" width={26} height={26} />
      <Text fw={650} size="lg" lh={1} {...(compact ? { visibleFrom: "xs" } : {})}>
        Portcullis
      </Text>
    </Group>
  );
}
