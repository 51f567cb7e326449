/** What changes, before it is saved. */
import { Alert, Button, Code, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useTranslation } from "react-i18next";
import type { Problem } from "../../api/types";
import { ProblemAlert } from "../../components/ProblemAlert";
import type { Checked } from "./useCheck";

const Diff = lazy(() => import("../../components/Diff"));

interface Props {
  opened: boolean;
  file: string;
  checked: Checked;
  /** Whether the check is of the current scopes. */
  current: boolean;
  errors: number;
  saving: boolean;
  problem?: Problem | undefined;
  onSave: () => void;
  onClose: () => void;
}

export function Review({ opened, file, checked, current, errors, saving, problem, onSave, onClose }: Props) {
  const { t } = useTranslation("plugin");
  const check = current ? checked.check : undefined;
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t("review.title")}
      size="xl"
      closeButtonProps={{ "aria-label": t("common:close") }}
    >
      <Stack gap="sm">
        <Text size="sm">
          {t("review.file")} <Code>{file}</Code>
        </Text>
        {problem && <ProblemAlert problem={problem} />}
        {errors > 0 && (
          <Alert color="red" role="alert">
            {t("review.mistakes", { count: errors })}
          </Alert>
        )}
        <Suspense fallback={<Loader size="sm" aria-label={t("common:loading")} />}>
          {check ? (
            <Diff before={check.before} after={check.after} label={t("review.title")} maxHeight="55vh" />
          ) : (
            <Loader size="sm" aria-label={t("common:loading")} />
          )}
        </Suspense>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("common:cancel")}
          </Button>
          <Button onClick={onSave} loading={saving} disabled={!check || errors > 0}>
            {t("review.save")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
