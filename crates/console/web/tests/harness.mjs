// Starts the console on a folder of its own and a real Chromium, and fails a test on anything that a page must not do.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const PROGRAM = process.env.PORTCULLIS_PROGRAM;
if (!PROGRAM)
  throw new Error(
    "PORTCULLIS_PROGRAM is not set: the path of the program portcullis, built with its console",
  );
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGE = fileURLToPath(new URL("../dist", import.meta.url));
const WORKSPACE = fileURLToPath(new URL("../../../..", import.meta.url));
const START_TIMEOUT_MS = 60_000;

export const MESSAGES = Object.fromEntries(
  ["en", "zh"].map((language) => [
    language,
    Object.fromEntries(
      [
        "audit",
        "common",
        "gateways",
        "history",
        "live",
        "marketplace",
        "order",
        "plugin",
        "problems",
        "try",
      ].map((name) => [
        name,
        JSON.parse(readFileSync(new URL(`../src/i18n/${language}/${name}.json`, import.meta.url), "utf8")),
      ]),
    ),
  ]),
);

/** A resource that is off, because a folder without any is not a gateway. */
export const resource = (name, priority = 10) => `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ${name}
  namespace: higress-system
spec:
  url: oci://registry.example.com/${name}:1.0.0
  priority: ${priority}
  defaultConfigDisable: true
`;

const GATEWAYS = {
  "gateway-1": { "present.yaml": resource("present") },
  "gateway-2": { "present.yaml": resource("present") },
};

/** Folders of gateways: `{ "gateway-1": { "file.yaml": "text" } }`. */
export async function folderWith(gateways) {
  const root = await mkdtemp(join(tmpdir(), "portcullis-console-"));
  for (const [name, files] of Object.entries(gateways)) {
    await mkdir(join(root, name));
    for (const [file, text] of Object.entries(files)) await writeFile(join(root, name, file), text);
  }
  return root;
}

/** The printed address, once the program has printed it. */
function printedUrl(child) {
  let output = "";
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`no address within a minute:\n${output}`)),
      START_TIMEOUT_MS,
    );
    const onData = (data) => {
      output += data;
      const found = /^console: (https?:\/\/\S+)$/m.exec(output)?.[1];
      if (found) {
        clearTimeout(timer);
        resolve(found);
      }
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`exited with ${code}:\n${output}`));
    });
  });
}

/** The option that names a users file with these users, and no start token. */
export async function withUsers(t, users) {
  const folder = await mkdtemp(join(tmpdir(), "portcullis-users-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const option = ["--users", join(folder, "users.json")];
  for (const { name, password, roles } of users) {
    const args = ["console", "user", "add", name, ...option, "--password-stdin"];
    const added = spawnSync(PROGRAM, [...args, ...roles.flatMap((role) => ["--role", role])], {
      input: password,
    });
    assert.equal(added.status, 0, String(added.stderr));
  }
  return option;
}

/**
 * Starts the program on a folder of gateways; `url` is the printed address with its start token. It ends, by its pid, with
 * the test. `kill` ends it at once, `start` starts it again on the same port.
 */
export async function startConsole(t, gateways = GATEWAYS, options = []) {
  // A name is that of a folder that exists, and stays.
  const folder = typeof gateways === "string" ? gateways : await folderWith(gateways);
  // Any that is free at first; the same again after `kill`.
  let port = "0";
  let child;
  let ended;
  const server = {
    folder,
    async start() {
      child = spawn(PROGRAM, ["console", folder, "--port", port, "--web", PAGE, ...options], {
        // Built-in plug-ins are those of this workspace.
        cwd: WORKSPACE,
        stdio: ["ignore", "pipe", "pipe"],
      });
      ended = new Promise((resolve) => child.once("exit", resolve));
      server.url = await printedUrl(child);
      ({ origin: server.origin, port } = new URL(server.url));
    },
    async kill(signal = "SIGKILL") {
      child.kill(signal);
      await ended;
    },
  };
  t.after(async () => {
    await server.kill("SIGTERM");
    if (folder !== gateways) await rm(folder, { recursive: true, force: true });
  });
  await server.start();
  return server;
}

let browser;

export async function launch() {
  browser ??= await chromium.launch({
    executablePath: process.env.PORTCULLIS_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--headless",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = undefined;
}

/** A browser profile of its own. What its pages must not do fails the test at its end. */
export async function newContext(
  t,
  console_,
  { language = "en", width = 1280, height = 900, theme = "light" } = {},
) {
  const context = await (
    await launch()
  ).newContext({
    locale: language === "zh" ? "zh-CN" : "en-US",
    viewport: { width, height },
    colorScheme: theme,
    reducedMotion: "reduce",
  });
  const faults = [];
  await context.exposeFunction("reportViolation", (violation) =>
    faults.push(`securitypolicyviolation: ${violation}`),
  );
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  context.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== console_.origin) {
      faults.push(`request to another host: ${url}`);
    }
  });
  context.on("weberror", (error) => faults.push(`error: ${error.error().stack}`));
  t.after(async () => {
    await context.close();
    assert.deepEqual(faults, []);
  });
  return context;
}

/** A page of a new profile that is signed in by the printed address. */
export async function signIn(t, console_, options) {
  const context = await newContext(t, console_, options);
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  await page.goto(console_.url);
  await page.getByRole("navigation").waitFor({ state: "attached" });
  return page;
}

/** Signs a page in with a password. */
export async function signInAs(page, console_, user, password) {
  page.setDefaultTimeout(45_000);
  await page.goto(console_.origin);
  await page.getByLabel(/^(User|用户名)/).fill(user);
  await page.getByLabel(/^(Password|密码)/).fill(password);
  await page.getByRole("button", { name: /^(Sign in|登录)$/ }).click();
  await page.getByRole("navigation").waitFor({ state: "attached" });
}

/** Another page of a signed-in profile's session in a second browser profile. */
export async function sameSession(t, console_, page, options) {
  const context = await newContext(t, console_, options);
  await context.addCookies(await page.context().cookies());
  const second = await context.newPage();
  second.setDefaultTimeout(45_000);
  return second;
}

/** Fails on what axe calls serious or critical. */
export async function accessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map(({ html, failureSummary }) => `${html}\n    ${failureSummary}`).join("\n  ")}`,
    );
  assert.deepEqual(grave, [], what);
}

/** Saves what is shown if PORTCULLIS_SHOTS names a folder. */
export async function shot(page, name) {
  const folder = process.env.PORTCULLIS_SHOTS;
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** A card of the marketplace by its title. */
export const card = (page, title) => page.getByRole("listitem", { name: title, exact: true });

/** The address of the gateway, once it serves: on a busy machine, Envoy takes a while to start. */
export async function addressOf(page, gateway = "gateway-1") {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const view = await page.evaluate(
      async (name) => (await fetch(`/api/v1/gateways/${name}`)).json(),
      gateway,
    );
    if (view.state === "serving" && view.address) return view.address;
    assert.ok(Date.now() < deadline, JSON.stringify(view));
    await page.waitForTimeout(200);
  }
}

/** Two frames of the page: what its last event changed is drawn. */
export const frames = (page) =>
  page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));

/** Clicks the switch of a card as it is seen: the input itself has no size. */
export const flip = (page, title) => card(page, title).locator(".mantine-Switch-track").click();

/** Opens a tab of the marketplace. Pages change in transitions, so what the click shows comes a moment later. */
export async function openTab(page, name) {
  await page.getByRole("tab", { name }).click();
  await page.getByRole("tab", { name, selected: true }).waitFor();
}

export async function openMenu(page, title) {
  await card(page, title)
    .getByRole("button", { name: /Settings of|的设置/ })
    .click();
  return page.getByRole("menu");
}
