import { Table, type TableProps } from "@mantine/core";

/** A table that scrolls sideways on a narrow screen, with the keyboard too. */
export function ScrollTable({ label, minWidth, ...table }: TableProps & { label: string; minWidth: number }) {
  return (
    <Table.ScrollContainer minWidth={minWidth} type="native" tabIndex={0} role="region" aria-label={label}>
      <Table fz="sm" verticalSpacing="xs" {...table} />
    </Table.ScrollContainer>
  );
}
