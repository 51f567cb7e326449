// A viewer goes through every page: nothing that changes anything can be used, and nothing is sent that could.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  accessible,
  card,
  closeBrowser,
  MESSAGES,
  newContext,
  openMenu,
  signInAs,
  startConsole,
  withUsers,
} from "./harness.mjs";
import { module } from "./wasm.mjs";

const { common: C, history: H, marketplace: M, plugin: P, problems: R, try: T } = MESSAGES.en;

after(closeBrowser);

const PASSWORD = "a password of some length";
const USERS = [
  { name: "ada", password: PASSWORD, roles: ["*=admin"] },
  { name: "eve", password: PASSWORD, roles: ["*=viewer"] },
];

const RESOURCE = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: guard
  namespace: higress-system
spec:
  url: file://guard.wasm
  priority: 10
  defaultConfig: { a: 1 }
  matchRules:
  - domain: [shop.example.com]
    config: { a: 2 }
`;
const GATEWAY = { "guard.wasm": module(), "guard.yaml": RESOURCE };

/** What is on every page: it leads somewhere, or changes how this browser shows the page. */
const EVERYWHERE = [/^Gateway: /, /^Language: /, /^Theme$/, /^User: /];

const TABS = [/^Overview$/, /^Configuration$/, /^Export$/];

/** The names of controls that can be used and are not expected. */
async function usable(page, expected) {
  const names = await page.evaluate(() => {
    const nameOf = (element) =>
      (
        element.getAttribute("aria-label") ||
        element.labels?.[0]?.innerText ||
        element.innerText ||
        element.placeholder ||
        element.outerHTML.slice(0, 120)
      )
        .replace(/\s+/g, " ")
        .trim();
    const selector =
      'button, input, textarea, select, [role="button"], [role="switch"], [role="menuitem"], [contenteditable="true"]';
    return [...document.querySelectorAll(selector)]
      .filter((element) => element.checkVisibility() && !element.closest('[aria-hidden="true"]'))
      .filter((element) => !element.disabled && !element.readOnly)
      .filter(
        (element) =>
          !["aria-disabled", "aria-readonly"].some((name) => element.getAttribute(name) === "true"),
      )
      .map(nameOf);
  });
  return names.filter((name) => ![...EVERYWHERE, ...expected].some((known) => known.test(name)));
}

test("a viewer can look at every page and change nothing on any", { timeout: 300_000 }, async (t) => {
  const options = [...(await withUsers(t, USERS)), "--stopped"];
  const server = await startConsole(t, { "gateway-1": GATEWAY, "gateway-2": GATEWAY }, options);

  // A change for the history, and a user who sees it.
  const admin = await (await newContext(t, server)).newPage();
  await signInAs(admin, server, "ada", PASSWORD);
  await admin.getByRole("link", { name: "gateway-1", exact: true }).click();
  await (await openMenu(admin, "guard")).getByRole("menuitem", { name: M.disable, exact: true }).click();
  await admin.getByText(M.disabledDone.replace("{{title}}", "guard")).first().waitFor();

  const context = await newContext(t, server);
  const page = await context.newPage();
  page.setDefaultTimeout(45_000);
  await signInAs(page, server, "eve", PASSWORD);
  const changing = [];
  context.on("request", (request) => {
    const path = new URL(request.url()).pathname;
    const isRead = request.method() === "GET" || /\/(explain|curl)$/.test(path);
    if (!isRead) changing.push(`${request.method()} ${path}`);
  });

  const base = `${server.origin}/gateways/gateway-1`;
  const pages = [
    { path: server.origin, heading: MESSAGES.en.gateways.title, expected: [] },
    {
      path: `${base}/plugins`,
      heading: M.title,
      expected: [/^Search/, /^All Plug-ins/, /^Enabled/, /^[A-Z][A-Za-z ]+ \d+$/, /^Settings of /],
      then: async () => {
        const menu = await openMenu(page, "guard");
        const items = await menu.getByRole("menuitem").all();
        assert.ok(items.length >= 5, `${items.length} items`);
        for (const item of items) {
          const text = await item.innerText();
          assert.equal(await item.getAttribute("aria-disabled"), "true", text);
          assert.ok(text.includes(R.forbidden), text);
          await item.click({ force: true });
        }
        await page.keyboard.press("Escape");
        assert.equal(await page.getByRole("dialog").count(), 0);
        assert.equal(await card(page, "guard").getByRole("switch").isDisabled(), true);
      },
    },
    {
      path: `${base}/plugins/guard/overview`,
      heading: "guard",
      expected: [...TABS, /^Copy the digest$/],
    },
    {
      path: `${base}/plugins/guard/configuration`,
      heading: P.scopes.kind.gateway,
      expected: [...TABS, /Gateway/, /shop\.example\.com/],
      then: async () => {
        const editor = page.locator(".cm-content").first();
        await editor.waitFor();
        assert.equal(await editor.getAttribute("aria-readonly"), "true");
        await page.getByRole("button", { name: /shop\.example\.com/ }).click();
        await page.getByText("a: 2").first().waitFor();
        await editor.click();
        await page.keyboard.type("b: 3");
        assert.equal(await page.getByText("b: 3").count(), 0);
        assert.equal(await page.getByText(P.unsaved, { exact: true }).count(), 0);
      },
    },
    {
      path: `${base}/plugins/guard/export`,
      heading: "guard",
      expected: [...TABS, /^Higress/, /^Istio$/, /^Envoy Gateway$/, /^Copy$/, /^Download$/],
    },
    { path: `${base}/order`, heading: MESSAGES.en.order.title, expected: [/^MSE$/, /^Istio$/, /enabled/i] },
    {
      path: `${base}/try`,
      heading: T.title,
      expected: [/^Import from curl$/, /^Method$/, /^URL$/, /^Add header$/, /^Body$/],
      then: async () => {
        assert.equal(await page.getByRole("button", { name: T.send, exact: true }).isDisabled(), true);
      },
    },
    {
      path: `${base}/live`,
      heading: MESSAGES.en.live.title,
      expected: [/^Pause$/, /^Clear$/, /^Access log$/, /^Plug-in logs$/, /^Search$/, /^Plug-in$/],
    },
    {
      path: `${base}/history`,
      heading: H.title,
      expected: [/^Plug-in/, /^All/, /^What changed/],
      then: async () => {
        await page
          .getByRole("button", { name: /^What changed/ })
          .first()
          .click();
        const dialog = page.getByRole("dialog");
        await dialog.locator(".cm-content").first().waitFor();
        assert.deepEqual(await dialog.getByRole("button").allInnerTexts(), ["", C.close]);
        await accessible(page, "a change, for a viewer");
        await dialog.getByRole("button", { name: C.close }).last().click();
      },
    },
    { path: `${base}/audit`, heading: MESSAGES.en.audit.title, expected: [/^Search$/] },
  ];
  const unexpected = {};
  for (const { path, heading, expected, then } of pages) {
    await page.goto(path);
    await page.getByRole("heading", { name: heading, exact: true }).first().waitFor();
    await page.waitForLoadState("load");
    await page.waitForTimeout(500);
    const names = await usable(page, expected);
    if (names.length > 0) unexpected[path] = names;
    await then?.();
    await accessible(page, `${path} for a viewer`);
  }
  assert.deepEqual(unexpected, {}, "controls that can be used");
  assert.deepEqual(changing, [], "requests");
});
