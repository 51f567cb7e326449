import {
  Alert,
  Anchor,
  AppShell,
  Box,
  Burger,
  Button,
  Center,
  Group,
  Loader,
  Menu,
  NavLink,
  Text,
  UnstyledButton,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { ChevronDown, KeyRound, LogOut, Network, Unplug, User } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, Outlet, useLocation, useMatch, useNavigate, useParams } from "react-router";
import { signOut } from "../api/client";
import { EventsProvider, useConnected, useEvent } from "../api/events";
import { useGateway, useGateways } from "../api/queries";
import { GatewayState } from "../components/GatewayState";
import { Logo } from "../components/Logo";
import { NotFound } from "../components/NotFound";
import { ErrorBoundary } from "./ErrorBoundary";
import { LanguageMenu, ThemeMenu } from "./Menus";
import { links, SECTIONS } from "./pages";
import { useSession } from "./SessionGate";

const ChangePassword = lazy(() => import("./ChangePassword"));

/** Header and navigation around every page. */
export function Shell() {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const gateway = useMatch("/gateways/:gateway/*")?.params.gateway;

  useEffect(close, [close, pathname]);

  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 224, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <AppShell.Header>
        <a className="skip-link" href="#main">
          {t("skip")}
        </a>
        <Group h="100%" px="md" gap="xs" wrap="nowrap">
          <Burger
            opened={opened}
            onClick={toggle}
            hiddenFrom="sm"
            size="sm"
            aria-label={t("nav.toggle")}
            aria-expanded={opened}
          />
          <UnstyledButton component={Link} to={links.gateways} aria-label={t("nav.home")}>
            <Logo compact />
          </UnstyledButton>
          {gateway !== undefined && <GatewayMenu current={gateway} />}
          <Box flex={1} />
          <Box visibleFrom="xs">
            <LanguageMenu />
          </Box>
          <ThemeMenu />
          <UserMenu />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t("nav.label")}>
        <NavLink
          component={Link}
          to={links.gateways}
          label={t("nav.gateways")}
          leftSection={<Network size={18} aria-hidden />}
          active={pathname === links.gateways}
          aria-current={pathname === links.gateways ? "page" : undefined}
        />
        {gateway !== undefined && <Sections gateway={gateway} pathname={pathname} />}
        <Box hiddenFrom="xs" mt="md">
          <LanguageMenu />
        </Box>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} style={{ outline: "none" }}>
        <Suspense
          fallback={
            <Center h={240}>
              <Loader aria-label={t("loading")} />
            </Center>
          }
        >
          <ErrorBoundary resetKey={pathname}>
            <Outlet />
          </ErrorBoundary>
        </Suspense>
      </AppShell.Main>
    </AppShell>
  );
}

function Sections({ gateway, pathname }: { gateway: string; pathname: string }) {
  const { t } = useTranslation();
  return (
    <>
      <Text size="xs" fw={600} c="dimmed" px="sm" pt="md" pb={4} truncate title={gateway}>
        {gateway}
      </Text>
      {SECTIONS.map(({ name, path, icon: Icon, page }) => {
        const to = links.section(gateway, path);
        const active = pathname === to || pathname.startsWith(`${to}/`);
        return (
          page && (
            <NavLink
              key={name}
              component={Link}
              to={to}
              label={t(`nav.${name}`)}
              leftSection={<Icon size={18} aria-hidden />}
              active={active}
              aria-current={active ? "page" : undefined}
            />
          )
        );
      })}
    </>
  );
}

function GatewayMenu({ current }: { current: string }) {
  const { t } = useTranslation();
  const { data } = useGateways();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  // Stays on the same section, but not on a plug-in that the other gateway may not have.
  const section = pathname.split("/")[3] ?? "plugins";
  const gateways = data ?? [];
  return (
    <Menu position="bottom-start">
      <Menu.Target>
        <Button
          variant="default"
          size="compact-md"
          maw={240}
          miw={0}
          rightSection={<ChevronDown size={14} aria-hidden />}
          aria-label={`${t("header.gateway")}: ${current}`}
        >
          <Text truncate size="sm" fw={500}>
            {current}
          </Text>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {gateways.map((gateway) => (
          <Menu.Item
            key={gateway.name}
            onClick={() => void navigate(links.section(gateway.name, section))}
            rightSection={<GatewayState state={gateway.state} />}
            fw={gateway.name === current ? 600 : 400}
          >
            {gateway.name}
          </Menu.Item>
        ))}
        {gateways.length > 0 && <Menu.Divider />}
        <Menu.Item onClick={() => void navigate(links.gateways)}>{t("nav.gateways")}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu() {
  const { t } = useTranslation();
  const session = useSession();
  const end = useMutation({ mutationFn: signOut, onSettled: () => window.location.assign("/") });
  const [changing, { open, close }] = useDisclosure();
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            variant="subtle"
            color="gray"
            c="inherit"
            size="compact-md"
            px={6}
            leftSection={<User size={18} aria-hidden />}
            styles={{ section: { marginInlineEnd: 4 } }}
            aria-label={`${t("header.user")}: ${session.user}`}
          >
            <Text size="sm" truncate maw={120} visibleFrom="xs">
              {session.user}
            </Text>
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {session.how === "password" && (
            <Menu.Item leftSection={<KeyRound size={16} aria-hidden />} onClick={open}>
              {t("changePassword.title")}
            </Menu.Item>
          )}
          <Menu.Item leftSection={<LogOut size={16} aria-hidden />} onClick={() => end.mutate()}>
            {t("header.signOut")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Suspense>{changing && <ChangePassword onClose={close} />}</Suspense>
    </>
  );
}

/** Around the pages of one gateway: its events, and what they say about its state. */
export function GatewayFrame() {
  const { gateway = "" } = useParams();
  const { error } = useGateway(gateway);
  if (error && "status" in error && error.status === 404) return <NotFound />;
  return (
    <EventsProvider key={gateway} gateway={gateway}>
      <Notices />
      <Connection />
      <Outlet />
    </EventsProvider>
  );
}

const NOTICE_COLORS = { warning: "yellow", error: "red" } as const;

function Notices() {
  useEvent("notice", ({ level, message }) => {
    // Of what goes well, whoever did it is told already.
    if (level === "info") return;
    notifications.show({
      message,
      color: NOTICE_COLORS[level],
      autoClose: level === "error" ? false : 8_000,
    });
  });
  return null;
}

/** Appears only after a while, because a stream that reconnects at once is of no interest. */
function Connection() {
  const { t } = useTranslation();
  const connected = useConnected();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(!connected), connected ? 0 : 4_000);
    return () => window.clearTimeout(timer);
  }, [connected]);
  if (connected || !late) return null;
  return (
    <Alert color="yellow" icon={<Unplug size={18} aria-hidden />} mb="md" role="status">
      {t("connection.lost")} <Anchor href="">{t("connection.reload")}</Anchor>
    </Alert>
  );
}
