import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClientProvider } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { BrowserRouter, Route, Routes } from "react-router";
import { queryClient } from "../api/queries";
import { NotFound } from "../components/NotFound";
import { ErrorBoundary } from "./ErrorBoundary";
import { GatewaysPage, PluginPage, SECTIONS } from "./pages";
import { GatewayFrame, Shell } from "./Shell";
import { SessionGate } from "./SessionGate";
import { nonce } from "./nonce";
import { makeTheme } from "./theme";

export function App() {
  const { t } = useTranslation();
  const close = t("close");
  const theme = useMemo(() => makeTheme(close), [close]);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce}>
      {/* Not where the buttons of drawers are. */}
      <Notifications position="top-center" />
      <QueryClientProvider client={queryClient}>
        <ErrorBoundary>
          <BrowserRouter>
            <SessionGate>
              <Routes>
                <Route element={<Shell />}>
                  {GatewaysPage && <Route index element={<GatewaysPage />} />}
                  <Route path="gateways/:gateway" element={<GatewayFrame />}>
                    {SECTIONS.map(
                      ({ path, page: Page }) => Page && <Route key={path} path={path} element={<Page />} />,
                    )}
                    {PluginPage && <Route path="plugins/:plugin/:tab?" element={<PluginPage />} />}
                  </Route>
                  <Route path="*" element={<NotFound />} />
                </Route>
              </Routes>
            </SessionGate>
          </BrowserRouter>
        </ErrorBoundary>
      </QueryClientProvider>
    </MantineProvider>
  );
}
