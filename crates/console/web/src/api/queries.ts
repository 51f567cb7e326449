/** Keys of the query cache. Everything of a gateway begins with `["gateways", name]`. */
import { QueryClient, useQuery } from "@tanstack/react-query";
import { ApiError, getGateway, getGateways, getPlugins } from "./client";
import type { Role } from "./types";

export const keys = {
  session: ["session"] as const,
  gateways: ["gateways"] as const,
  gateway: (g: string) => ["gateways", g] as const,
  gatewayState: (g: string) => ["gateways", g, "state"] as const,
  plugins: (g: string) => ["gateways", g, "plugins"] as const,
  plugin: (g: string, p: string) => ["gateways", g, "plugins", p] as const,
  configuration: (g: string, p: string) => ["gateways", g, "plugins", p, "configuration"] as const,
  matches: (g: string, p: string) => ["gateways", g, "plugins", p, "matches"] as const,
  order: (g: string) => ["gateways", g, "order"] as const,
  live: (g: string) => ["gateways", g, "live"] as const,
  history: (g: string) => ["gateways", g, "history"] as const,
  audit: (g: string) => ["gateways", g, "audit"] as const,
};

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Events say when something changes; a refusal does not go away by itself.
      staleTime: 30_000,
      retry: (count, error) =>
        count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
    },
    mutations: { retry: false },
  },
});

export const useGateways = () =>
  useQuery({ queryKey: keys.gateways, queryFn: ({ signal }) => getGateways(signal), refetchInterval: 5_000 });

export const useGateway = (g: string) =>
  useQuery({ queryKey: keys.gatewayState(g), queryFn: ({ signal }) => getGateway(g, signal) });

export const usePlugins = (g: string) =>
  useQuery({ queryKey: keys.plugins(g), queryFn: ({ signal }) => getPlugins(g, signal) });

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** Whether the signed-in user has at least this role on the gateway. The server has the last word. */
export function useRole(g: string): (role: Role) => boolean {
  const { data } = useGateway(g);
  return (role) => RANK[data?.role ?? "viewer"] >= RANK[role];
}
