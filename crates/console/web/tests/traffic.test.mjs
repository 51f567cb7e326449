// Try, live, history and audit, with a gateway that serves.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { accessible, closeBrowser, MESSAGES, shot, signIn, startConsole } from "./harness.mjs";
import { module } from "./wasm.mjs";

const { audit: A, common: C, history: H, live: L, plugin: P, try: T } = MESSAGES.en;

after(closeBrowser);

const SERVING = { timeout: 300_000 };

const resource = (name, url, priority) => `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ${name}
  namespace: higress-system
spec:
  url: file://${url}
  priority: ${priority}
  defaultConfig: { a: 1 }
`;

const GATEWAY = {
  "pass.wasm": module(),
  "refuse.wasm": module({ status: 403 }),
  "pass.yaml": resource("pass", "pass.wasm", 20),
  "refuse.yaml": resource("refuse", "refuse.wasm", 10),
};

/** Waits until the gateway serves with all its plug-ins. */
async function serving(page) {
  const deadline = Date.now() + 240_000;
  for (;;) {
    const [gateway, cards] = await page.evaluate(async () => {
      const get = async (path) => (await fetch(`/api/v1/gateways/gateway-1${path}`)).json();
      return [await get(""), (await get("/plugins")).plugins.filter(({ resource }) => resource)];
    });
    if (gateway.address && cards.length > 0 && cards.every(({ state }) => state === "on"))
      return gateway.address;
    assert.ok(Date.now() < deadline, JSON.stringify([gateway, cards]));
    await page.waitForTimeout(500);
  }
}

const go = (page, server, path) => page.goto(`${server.origin}/gateways/gateway-1/${path}`);
const lane = (page, title) =>
  page
    .getByRole("region", { name: T.lanes.title })
    .locator("li", { has: page.getByRole("link", { name: title, exact: true }) });

test(
  "a request is tried, explained, imported from curl, and compared with an unsaved change",
  SERVING,
  async (t) => {
    const server = await startConsole(t, { "gateway-1": GATEWAY });
    const page = await signIn(t, server);
    await serving(page);
    await go(page, server, "try");
    await accessible(page, "the empty form");

    // Import from curl: first one that is none.
    await page.getByRole("button", { name: T.curl.open }).click();
    await page.getByLabel(T.curl.label).fill("wget x");
    await page.getByRole("button", { name: T.curl.import, exact: true }).click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
    await accessible(page, "not curl");
    await page
      .getByLabel(T.curl.label)
      .fill("curl -X POST -H 'x-user: alice' -d 'hello' http://shop.example.com/cart");
    await page.getByRole("button", { name: T.curl.import, exact: true }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    assert.equal(await page.getByLabel(T.url, { exact: true }).inputValue(), "http://shop.example.com/cart");
    assert.equal(await page.getByLabel(T.body, { exact: true }).inputValue(), "hello");
    assert.equal(await page.getByLabel("Value of header 1").inputValue(), "alice");

    await page.getByRole("button", { name: T.explain }).click();
    await page
      .getByRole("region", { name: T.explained.title })
      .first()
      .getByRole("link", { name: "refuse" })
      .waitFor();
    await accessible(page, "explained");
    await shot(page, "try-explained");

    await page.getByRole("button", { name: T.send, exact: true }).click();
    await page.getByText("Answered by refuse").first().waitFor();
    await lane(page, "pass").waitFor();
    await lane(page, "refuse")
      .getByText(/Answered with 403/)
      .waitFor();
    await page.getByText(T.lanes.notReached).waitFor();
    await accessible(page, "the trace");
    await shot(page, "try-trace");

    // Switch the plug-in's scope off without saving; the request comes back from where it was.
    await lane(page, "refuse").getByRole("link", { name: "refuse" }).click();
    await page.getByRole("tab", { name: P.tabs.configuration }).waitFor();
    await page.getByRole("switch", { name: P.scopes.enabled, exact: true }).last().click({ force: true });
    await page.getByText(P.unsaved, { exact: true }).first().waitFor();
    await page.getByRole("link", { name: C.nav.try }).click();
    assert.equal(await page.getByLabel(T.url, { exact: true }).inputValue(), "http://shop.example.com/cart");
    assert.equal(await page.getByLabel(T.change, { exact: true }).first().inputValue(), "refuse");
    await page.getByRole("button", { name: T.send, exact: true }).click();
    const comparison = page.getByRole("region", { name: T.compare.title }).first();
    await comparison.getByRole("row", { name: /Status 403 (200|404)/ }).waitFor();
    await accessible(page, "the comparison");
    await shot(page, "try-comparison");
    // Nothing was saved.
    assert.doesNotMatch(
      await readFile(join(server.folder, "gateway-1/refuse.yaml"), "utf8"),
      /defaultConfigDisable/,
    );
  },
);

test("the live view follows, filters and can be held", SERVING, async (t) => {
  const server = await startConsole(t, { "gateway-1": GATEWAY });
  const page = await signIn(t, server);
  const address = await serving(page);
  await go(page, server, "live");
  const send = (path) => fetch(address.replace(/^(?!http)/, "http://") + path);
  const log = page.getByRole("log");
  await log.waitFor();
  assert.equal((await send("/one")).status, 403);
  await log.getByText("/one").first().waitFor();
  await log.getByText("403").first().waitFor();
  await page.getByRole("link", { name: "refuse" }).first().waitFor();
  await accessible(page, "the live view");
  await shot(page, "live");

  await page.getByRole("button", { name: L.pause }).click();
  await send("/two");
  await page.getByRole("button", { name: /^Resume \([1-9]/ }).waitFor();
  assert.equal(await log.getByText("/two").count(), 0);
  await page.getByRole("button", { name: /^Resume/ }).click();
  await log.getByText("/two").first().waitFor();

  await page.getByRole("searchbox", { name: L.search }).fill("/two");
  await log.getByText("/one").first().waitFor({ state: "detached" });
  await page.getByRole("searchbox", { name: L.search }).fill("");
  await page.getByLabel(L.access.status, { exact: true }).first().click();
  await page.getByRole("option", { name: "2xx" }).click();
  await page.getByText(L.noneMatch).waitFor();

  await page.getByRole("tab", { name: L.logs.title }).click();
  await accessible(page, "logs");
});

test("history with difference and revert, in a git work tree; the audit log", SERVING, async (t) => {
  const server = await startConsole(t, {
    "gateway-1": { "pass.wasm": module(), "pass.yaml": resource("pass", "pass.wasm", 20) },
  });
  const folder = join(server.folder, "gateway-1");
  const git = (...args) => execFileSync("git", ["-C", folder, ...args], { encoding: "utf8" });
  git("init", "-q");
  git("config", "user.name", "Console");
  git("config", "user.email", "console@example.com");
  git("add", "pass.yaml");
  git("commit", "-qm", "First");
  const page = await signIn(t, server);
  await go(page, server, "plugins/pass/configuration");
  const editor = page.locator(".cm-content");
  await editor.click();
  await page.keyboard.press("Control+End");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("a: 2");
  await page.getByRole("button", { name: P.review.open }).click();
  await page.getByRole("dialog").locator(".cm-insertedLine, .cm-changedLine").first().waitFor();
  await page.getByRole("dialog").getByRole("button", { name: P.review.save, exact: true }).click();
  await page.getByText(P.saved).first().waitFor();

  await go(page, server, "history");
  await page.getByText(H.git).waitFor();
  await page.getByText(H.committed, { exact: true }).first().waitFor();
  await accessible(page, "history");
  await shot(page, "history");
  await page
    .getByRole("button", { name: /^What changed: .*pass/i })
    .first()
    .click();
  const dialog = page.getByRole("dialog");
  await dialog.locator(".cm-insertedLine, .cm-changedLine").first().waitFor();
  await accessible(page, "a difference");
  await shot(page, "history-difference");
  await dialog.getByRole("button", { name: H.revert, exact: true }).click();
  await page.getByText(H.reverted).first().waitFor();
  assert.match(await readFile(join(folder, "pass.yaml"), "utf8"), /a: 1/);
  assert.match(git("log", "--format=%s"), /revert/i);

  await go(page, server, "audit");
  await page.getByRole("cell", { name: A.actions.configure, exact: true }).first().waitFor();
  await page.getByRole("cell", { name: A.actions.revert, exact: true }).first().waitFor();
  await page.getByRole("searchbox", { name: A.search }).fill("nothing like this");
  await page.getByText(A.none).waitFor();
  await page.getByRole("searchbox", { name: A.search }).fill("pass");
  await page.getByRole("cell", { name: A.actions.configure, exact: true }).first().waitFor();
  await accessible(page, "audit");
  await shot(page, "audit");
});

test("in Chinese, dark, at 400 pixels", async (t) => {
  const server = await startConsole(t, { "gateway-1": GATEWAY });
  const page = await signIn(t, server, { language: "zh", theme: "dark", width: 400 });
  for (const name of ["try", "live", "history", "audit"]) {
    await go(page, server, name);
    await page.getByRole("heading", { name: MESSAGES.zh[name].title, exact: true }).waitFor();
    await page.waitForTimeout(500);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(over <= 0, `${name} is ${over} pixels too wide`);
    await accessible(page, name);
    await shot(page, `${name}-zh-400`);
  }
});
