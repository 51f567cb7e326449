// What `cargo xtask bench console` measures: how soon a change is in force and visible, and how large folders behave.
// Prints one JSON object with the median of several rounds each.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { closeBrowser, signIn, startConsole } from "../tests/harness.mjs";
import { module } from "../tests/wasm.mjs";

const ROUNDS = Number(process.env.PORTCULLIS_ROUNDS ?? 5);
const PLUGINS = 200;
const RULES = 1000;

/** What a test would clean up, at the end. */
const cleanups = [];
const t = { after: (cleanup) => cleanups.unshift(cleanup) };

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const round = (value) => Math.round(value * 10) / 10;

async function until(what, check, timeout = 60_000) {
  const start = performance.now();
  for (;;) {
    if (await check()) return performance.now() - start;
    if (performance.now() - start > timeout) throw new Error(`${what}: not within ${timeout} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function rounds(measure) {
  const values = [];
  for (let i = 0; i < ROUNDS; i++) values.push(await measure(i));
  return round(median(values));
}

/** The API, signed in with the start token. */
async function signedIn(server) {
  const base = `${server.origin}/api/v1`;
  const origin = { origin: server.origin };
  const token = new URL(server.url).hash.slice("#token=".length);
  const response = await fetch(`${base}/session`, {
    method: "POST",
    headers: { ...origin, "content-type": "application/json" },
    body: JSON.stringify({ token }),
  });
  const cookie = response.headers.get("set-cookie").split(";")[0];
  const { csrf } = await response.json();
  return async (method, path, { body, type = "application/json", etag } = {}) => {
    const headers = { ...origin, cookie, "x-csrf-token": csrf, "content-type": type };
    if (etag) headers["if-match"] = etag;
    const raw = body instanceof Uint8Array ? body : body && JSON.stringify(body);
    const answer = await fetch(`${base}${path}`, { method, headers, body: raw });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? undefined : answer.json();
  };
}

const resource = (name, spec, title = name) => `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ${name}
  namespace: higress-system
  annotations: { higress.io/wasm-plugin-title: "${title}" }
spec:
${spec}`;

const BLOCK = resource(
  "request-block",
  "  url: workspace:request-block\n  phase: AUTHN\n  priority: 320\n  defaultConfig:\n    block_urls: [nothing]\n",
);

const MINE = resource("mine", "  url: file://mine.wasm\n  defaultConfig: {}\n");

/** How soon the program responds, while Envoy starts beside it. */
async function starts() {
  const server = await startConsole(t, { bench: { "mine.wasm": module(), "mine.yaml": MINE } });
  const start = await rounds(async () => {
    await server.kill("SIGTERM");
    const began = performance.now();
    await server.start();
    await fetch(server.origin);
    return performance.now() - began;
  });
  return { start };
}

/** How soon a saved configuration, a released plug-in and an edited file have an effect. */
async function effects() {
  const server = await startConsole(t, { bench: { "request-block.yaml": BLOCK } });
  const api = await signedIn(server);
  const gateway = () => api("GET", "/gateways/bench");
  await until("the gateway serves", async () => (await gateway()).state === "serving", 300_000);
  const { address } = await gateway();
  const status = async (path) => (await fetch(`http://${address}${path}`)).status;

  const configuration = await rounds(async (i) => {
    const path = "/gateways/bench/plugins/request-block/configuration";
    const current = await api("GET", path);
    const scopes = current.scopes.map((scope) => ({ ...scope, text: `block_urls: [word-${i}]\n` }));
    const start = performance.now();
    await api("PUT", path, { body: { scopes }, etag: current.etag });
    await until("the configuration", async () => (await status(`/word-${i}`)) === 403);
    return performance.now() - start;
  });

  const plugin = await rounds(async (i) => {
    const bytes = module({ status: 418 });
    // Each is another module, so that nothing of it is in a cache.
    const own = Buffer.concat([bytes, Buffer.from([0, 3, 2, 0x6e, 0x61 + i])]);
    const upload = await api("POST", `/gateways/bench/uploads?name=mine-${i}.wasm`, {
      body: own,
      type: "application/wasm",
    });
    const body = {
      name: `mine-${i}`,
      description: "Refuses",
      language: "Rust",
      stage: "authz",
      priority: 10,
      module: { upload: upload.id },
      enabled: false,
    };
    const card = await api("POST", "/gateways/bench/plugins", { body });
    const start = performance.now();
    const on = await api("PUT", `/gateways/bench/plugins/${card.id}/enabled`, {
      body: { enabled: true },
      etag: card.etag,
    });
    await until("the plug-in", async () => (await status("/")) === 418);
    const took = performance.now() - start;
    await api("PUT", `/gateways/bench/plugins/${card.id}/enabled`, {
      body: { enabled: false },
      etag: on.etag,
    });
    await until("the plug-in is gone", async () => (await status("/")) === 200);
    return took;
  });

  const page = await signIn(t, { ...server, url: (await restarted(server)).url });
  // Only cards near the window exist, so those of the catalogue are left out.
  await page.goto(`${server.origin}/gateways/bench/plugins?category=custom`);
  await page.getByRole("listitem", { name: "mine-0", exact: true }).waitFor();
  const edit = await rounds(async (i) => {
    const file = join(server.folder, "bench", "edited.yaml");
    const start = performance.now();
    await writeFile(
      file,
      resource("edited", "  url: file://none.wasm\n  defaultConfigDisable: true\n", `Edited ${i}`),
    );
    await page.getByRole("listitem", { name: `Edited ${i}`, exact: true }).waitFor();
    return performance.now() - start;
  });
  return { configuration, plugin, edit };
}

/** The same console with a new start token. */
async function restarted(server) {
  await server.kill("SIGTERM");
  await server.start();
  return server;
}

/** Scrolls to the end, and returns the longest time between two frames. */
const scrolled = (page) =>
  page.evaluate(async () => {
    const frames = [];
    let last = performance.now();
    for (let at = 0; at < 120; at++) {
      window.scrollBy(0, 400);
      for (const list of document.querySelectorAll("[data-scrolls]")) list.scrollBy(0, 400);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      frames.push(now - last);
      last = now;
    }
    return Math.max(...frames);
  });

/** Large folders. */
async function sizes() {
  const many = {};
  for (let i = 0; i < PLUGINS; i++) {
    many[`plug-in-${i}.yaml`] = resource(
      `plug-in-${i}`,
      `  url: file://none.wasm\n  priority: ${i * 10}\n  defaultConfigDisable: true\n`,
    );
  }
  let rules = "  url: workspace:request-block\n  defaultConfigDisable: true\n  matchRules:\n";
  for (let i = 0; i < RULES; i++) {
    rules += `  - domain: [host-${i}.example.com]\n    config: { block_urls: [word-${i}] }\n    configDisable: true\n`;
  }
  const server = await startConsole(t, {
    many,
    rules: { "request-block.yaml": resource("request-block", rules) },
  });
  const page = await signIn(t, server);
  const scripts = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter(({ name }) => /\.(js|css)$/.test(new URL(name).pathname))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  );
  const cards = [];
  const listed = await rounds(async () => {
    const start = performance.now();
    await page.goto(`${server.origin}/gateways/many/plugins`);
    await page.getByRole("listitem").first().waitFor();
    cards.push(await page.getByRole("listitem").count());
    return performance.now() - start;
  });
  const scrolling = await rounds(() => scrolled(page));
  const rows = [];
  const shown = await rounds(async () => {
    const start = performance.now();
    await page.goto(`${server.origin}/gateways/rules/plugins/request-block/configuration`);
    await page.getByText("host-0.example.com").first().waitFor();
    rows.push(await page.getByText(/^host-\d+\.example\.com$/).count());
    return performance.now() - start;
  });
  const scrollingRules = await rounds(() => scrolled(page));
  return {
    plugins: PLUGINS,
    listed,
    renderedCards: Math.max(...cards),
    longestFrame: scrolling,
    rules: RULES,
    shown,
    renderedRules: Math.max(...rows),
    longestFrameOfRules: scrollingRules,
    scripts,
  };
}

try {
  const result = { rounds: ROUNDS, ...(await starts()), ...(await effects()), ...(await sizes()) };
  console.log(JSON.stringify(result));
} finally {
  for (const cleanup of cleanups) await cleanup();
  await closeBrowser();
}
