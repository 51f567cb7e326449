import { ActionIcon, Button, Menu, useMantineColorScheme } from "@mantine/core";
import { Languages, Monitor, Moon, Sun } from "lucide-react";
import { useTranslation } from "react-i18next";
import { currentLanguage, type Language, LANGUAGES, setLanguage } from "../i18n";

export function LanguageMenu() {
  const { t } = useTranslation();
  const current = currentLanguage();
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          size="compact-sm"
          fw={400}
          c="inherit"
          leftSection={<Languages size={16} aria-hidden />}
          aria-label={`${t("header.language")}: ${LANGUAGES[current]}`}
        >
          {LANGUAGES[current]}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {(Object.keys(LANGUAGES) as Language[]).map((language) => (
          <Menu.Item
            key={language}
            lang={language}
            onClick={() => void setLanguage(language)}
            fw={language === current ? 600 : 400}
          >
            {LANGUAGES[language]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

const SCHEMES = { light: Sun, dark: Moon, auto: Monitor } as const;

export function ThemeMenu() {
  const { t } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = SCHEMES[colorScheme];
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" c="inherit" size="lg" aria-label={t("header.theme")}>
          <Icon size={18} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {(["light", "dark", "auto"] as const).map((scheme) => {
          const Scheme = SCHEMES[scheme];
          return (
            <Menu.Item
              key={scheme}
              leftSection={<Scheme size={16} aria-hidden />}
              onClick={() => setColorScheme(scheme)}
              fw={scheme === colorScheme ? 600 : 400}
            >
              {t(`header.schemes.${scheme}`)}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
