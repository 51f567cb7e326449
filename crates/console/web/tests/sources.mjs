// The page's own modules, for tests that need no browser.
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

/** Loads modules of `src/`; they can be used until the test ends. */
export async function sources(t, ...paths) {
  const server = await createServer({
    root: fileURLToPath(new URL("..", import.meta.url)),
    configFile: false,
    appType: "custom",
    logLevel: "error",
    optimizeDeps: { noDiscovery: true },
    server: { middlewareMode: true, ws: false, watch: null },
  });
  t.after(() => server.close());
  return Promise.all(paths.map((path) => server.ssrLoadModule(`/src/${path}`)));
}
