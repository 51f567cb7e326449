import { Alert, Code, List, Text } from "@mantine/core";
import { FileWarning } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Fault } from "../api/types";

/** Files of the gateway's folder that cannot be read. Their resources keep running in their previous version. */
export function Faults({ faults }: { faults: Fault[] }) {
  const { t } = useTranslation();
  if (faults.length === 0) return null;
  return (
    <Alert
      color="yellow"
      p="sm"
      icon={<FileWarning size={18} aria-hidden />}
      title={t("faults.title", { count: faults.length })}
    >
      <Text size="sm">{t("faults.text")}</Text>
      <List size="sm" mt={4} listStyleType="none">
        {faults.map((fault, i) => (
          <List.Item key={i} style={{ overflowWrap: "anywhere" }}>
            <Code>
              {fault.file}:{fault.line}:{fault.column}
            </Code>{" "}
            {fault.path && <Code>{fault.path}</Code>} <span lang="en">{fault.message}</span>
          </List.Item>
        ))}
      </List>
    </Alert>
  );
}
