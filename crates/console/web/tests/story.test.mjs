// The story of the product's documentation, from the wrong file to the deletion, in each language.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  addressOf,
  card,
  closeBrowser,
  flip,
  MESSAGES,
  openMenu,
  openTab,
  signIn,
  startConsole,
} from "./harness.mjs";
import { broken, module } from "./wasm.mjs";

after(closeBrowser);

/** A plug-in of the workspace is compiled when it is first enabled. */
const COMPILED = { timeout: 500_000 };

const wasm = (name, buffer) => ({ name, mimeType: "application/wasm", buffer });
const upload = (page, file) => page.locator('input[type="file"]').setInputFiles(file);
const drawer = (page) => page.getByRole("dialog");
const state = (page, title, value, timeout) =>
  page.locator(`[data-state="${value}"]`).and(card(page, title)).waitFor({ timeout });

/** The page of the marketplace, whose tabs are named in the language. */
async function openMarketplace(page, server, tab) {
  await page.goto(`${server.origin}/gateways/gateway-1/plugins`);
  await openTab(page, new RegExp(`^${tab}`));
}

/** The status of a request through the gateway. Host is a header that fetch does not set, so the domain is any. */
async function until(address, path, status) {
  for (let attempt = 0; ; attempt++) {
    const response = await fetch(`http://${address}${path}`);
    if (response.status === status) return response.text();
    assert.ok(attempt < 200, `${path}: ${response.status} instead of ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The configuration of a plug-in for a domain, written as YAML. */
async function configureForDomain(page, P, domain, yaml) {
  await page.getByRole("button", { name: P.scopes.add }).click();
  await page.getByRole("menuitem", { name: P.scopes.addKind.domain }).click();
  const tags = page
    .getByRole("textbox", { name: P.match.domain })
    .or(page.getByRole("combobox", { name: P.match.domain }));
  await tags.first().fill(domain);
  await page.keyboard.press("Enter");
  // A plug-in without a schema has YAML only, and the page tells.
  const views = page.getByRole("radiogroup", { name: P.fields.view });
  await views.or(page.getByText(P.fields.noSchema)).first().waitFor();
  if (await views.isVisible()) await views.getByText("YAML", { exact: true }).click();
  await page.locator(".cm-content").first().click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type(yaml);
  await page.getByRole("button", { name: P.review.open }).click();
  const dialog = page.getByRole("dialog", { name: P.review.title });
  await dialog.locator(".cm-content").waitFor();
  await dialog.getByRole("button", { name: P.review.save, exact: true }).click();
  await page.getByText(P.saved).first().waitFor();
  await dialog.waitFor({ state: "detached" });
}

/** Why Edit and Delete are greyed out. */
async function fixed(page, M, title, reason) {
  const menu = await openMenu(page, title);
  for (const name of [M.edit, M.delete]) {
    const item = menu.getByRole("menuitem", { name: new RegExp(`^${name}`) });
    assert.equal(await item.getAttribute("aria-disabled"), "true");
    assert.ok((await item.innerText()).includes(reason), await item.innerText());
  }
  return menu;
}

for (const language of ["en", "zh"]) {
  const { marketplace: M, problems: R, plugin: P, common: C } = MESSAGES[language];

  test(`the story of the documentation with a custom plug-in (${language})`, COMPILED, async (t) => {
    const server = await startConsole(t, { "gateway-1": {}, "gateway-2": {} });
    const page = await signIn(t, server, { language });
    const address = await addressOf(page);
    await openMarketplace(page, server, C.category.custom);

    // Add: the wrong file is refused with the format, the offset and the command; the right one gives a card.
    await page.getByRole("button", { name: M.add }).click();
    await drawer(page).getByLabel(M.form.name).fill("my-guard");
    await drawer(page).getByLabel(M.form.description).fill("Guards the shop");
    await upload(page, wasm("my-guard.wasm", broken()));
    await drawer(page)
      .getByText(/portcullis check/)
      .first()
      .waitFor();
    await upload(page, wasm("my-guard.wasm", module({ status: 403 })));
    await page.locator("[data-module-ready]").waitFor();
    await drawer(page).getByRole("button", { name: C.ok, exact: true }).click();
    await drawer(page).waitFor({ state: "detached" });
    await state(page, "my-guard", "off");

    // Configure for a domain, enable; a request is blocked.
    await page.goto(`${server.origin}/gateways/gateway-1/plugins/my-guard/configuration`);
    await configureForDomain(page, P, "shop.example.com", "level: strict");
    await openMarketplace(page, server, C.category.custom);
    await until(address, "/", 200);
    await state(page, "my-guard", "off");
    await flip(page, "my-guard");
    await state(page, "my-guard", "on");
    await until(address, "/", 403);

    // While it is enabled it is neither edited nor deleted.
    const menu = await fixed(page, M, "my-guard", R.plugin_enabled);
    await menu.getByRole("menuitem", { name: M.disable, exact: true }).click();
    await state(page, "my-guard", "off");
    await until(address, "/", 200);

    // Edit with a new file, delete; nothing is left behind.
    await (await openMenu(page, "my-guard")).getByRole("menuitem", { name: M.edit, exact: true }).click();
    assert.equal(await drawer(page).getByLabel(M.form.description).inputValue(), "Guards the shop");
    await upload(page, wasm("my-guard.wasm", module()));
    await page.locator("[data-module-ready]").waitFor();
    await drawer(page).getByRole("button", { name: C.ok, exact: true }).click();
    await drawer(page).waitFor({ state: "detached" });
    await (await openMenu(page, "my-guard")).getByRole("menuitem", { name: M.delete, exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: M.delete, exact: true }).click();
    await card(page, "my-guard").waitFor({ state: "detached" });
    // The card goes as soon as its resource is gone; the panel, when the module is as well.
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const left = await readdir(join(server.folder, "gateway-1"), { recursive: true });
    assert.deepEqual(
      left.filter((file) => /\.(wasm|yaml)$/.test(file)),
      [],
    );
  });
}

test("the story of the documentation with a built-in plug-in", COMPILED, async (t) => {
  const { marketplace: M, problems: R, plugin: P, common: C } = MESSAGES.en;
  const server = await startConsole(t, { "gateway-1": {}, "gateway-2": {} });
  const page = await signIn(t, server);
  const address = await addressOf(page);
  await openMarketplace(page, server, C.category.security);

  // Enabled by the same control, which writes its resource; its example blocks this.
  await state(page, "Request Block", "off");
  await flip(page, "Request Block");
  await state(page, "Request Block", "on", COMPILED.timeout);
  await until(address, "/swagger.html", 403);
  await page.goto(`${server.origin}/gateways/gateway-1/plugins/request-block/configuration`);
  await configureForDomain(page, P, "127.0.0.1", "block_urls: [/for-this-domain]");
  await until(address, "/for-this-domain", 403);
  await until(address, "/swagger.html", 200);

  // It is neither edited nor deleted, enabled or not.
  await openMarketplace(page, server, C.category.security);
  const menu = await fixed(page, M, "Request Block", R.plugin_built_in);
  await menu.getByRole("menuitem", { name: M.disable, exact: true }).click();
  await state(page, "Request Block", "off");
  await until(address, "/for-this-domain", 200);
  await fixed(page, M, "Request Block", R.plugin_built_in);
});
