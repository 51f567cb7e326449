// The marketplace as a person goes through it, in English; `shell.test.mjs` has both languages.
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  accessible,
  card,
  closeBrowser,
  flip,
  frames,
  MESSAGES,
  newContext,
  openMenu,
  openTab,
  resource,
  sameSession,
  shot,
  signIn,
  startConsole,
  withUsers,
} from "./harness.mjs";
import { startRegistry } from "./registry.mjs";
import { broken, module, padded } from "./wasm.mjs";

const { marketplace: M, problems: P } = MESSAGES.en;

after(closeBrowser);

const wasm = (name, buffer) => ({ name, mimeType: "application/wasm", buffer });
const upload = (page, file) => page.locator('input[type="file"]').setInputFiles(file);
const drawer = (page) => page.getByRole("dialog");
const arrived = (page) => page.locator("[data-module-ready]");
const state = (page, title, value, timeout) =>
  page.locator(`[data-state="${value}"]`).and(card(page, title)).waitFor({ timeout });

// A built-in plug-in of this workspace is compiled when it is first enabled.
const BUILD_TIMEOUT_MS = 600_000;

async function openCustom(page) {
  await page.getByRole("link", { name: "gateway-1", exact: true }).click();
  await page.getByRole("link", { name: "Plug-in Marketplace" }).click();
  await openTab(page, /^Custom/);
}

async function fill(page, { name, description = "Refuses every request", language, file }) {
  await drawer(page).getByLabel(M.form.name).fill(name);
  await drawer(page).getByLabel(M.form.description).fill(description);
  if (file) {
    await upload(page, file);
    await arrived(page).waitFor();
  }
  if (language) {
    await drawer(page).getByLabel(M.form.language).first().click();
    await page.getByRole("option", { name: language, exact: true }).click();
  }
}

async function add(page, values) {
  await page.getByRole("button", { name: "Add Plug-in" }).click();
  await fill(page, values);
  await drawer(page).getByRole("button", { name: "OK" }).click();
  await drawer(page).waitFor({ state: "detached" });
  await card(page, values.name).waitFor();
}

test("a custom plug-in is added, enabled, disabled, edited and deleted as documented", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await openCustom(page);
  await accessible(page, "custom plug-ins");
  await page.getByRole("button", { name: "Add Plug-in" }).click();
  for (const label of [
    "Plug-in Name",
    "Plug-in Description",
    "WebAssembly Language",
    "WebAssembly File",
    "Plug-in Execution Stage",
    "Plug-in Execution Priority",
  ]) {
    await drawer(page).getByText(label).first().waitFor();
  }
  await drawer(page)
    .getByText("The filename extension must be .wasm and the file size cannot exceed 50 MB.")
    .waitFor();
  await accessible(page, "the empty panel");

  // Nothing is filled in: every problem is at its field, and the focus on the first.
  const ok = drawer(page).getByRole("button", { name: "OK" });
  await ok.click();
  for (const code of ["name_invalid", "description_missing", "language_missing", "module_missing"]) {
    await drawer(page).getByText(P[code]).waitFor();
  }
  await page.waitForFunction(() => document.activeElement?.getAttribute("aria-invalid") === "true");
  assert.equal(
    await drawer(page)
      .getByLabel("Plug-in Name")
      .evaluate((input) => input === document.activeElement),
    true,
  );
  await accessible(page, "the panel with problems");
  await shot(page, "add-problems");

  // Files that the browser refuses.
  await upload(page, wasm("plugin.txt", module()));
  await drawer(page).getByText(P.module_name).waitFor();
  await upload(page, wasm("wrong.wasm", Buffer.from("no module at all")));
  await drawer(page)
    .getByText(/Invalid \.wasm binary format.*byte offset 0.*portcullis check wrong\.wasm/)
    .waitFor();
  // One that only the server can refuse.
  await upload(page, wasm("broken.wasm", broken()));
  await drawer(page)
    .getByRole("alert")
    .getByText(/invalid \.wasm binary format/i)
    .first()
    .waitFor();
  await drawer(page)
    .getByText(/portcullis check/)
    .first()
    .waitFor();
  await shot(page, "add-refused");

  // A priority that is not a multiple of 10.
  await drawer(page).getByLabel("Plug-in Execution Priority").fill("15");
  await fill(page, { name: "refuse-all", file: wasm("refuse-all.wasm", module({ status: 403 })) });
  await ok.click();
  await drawer(page).getByText("Use a multiple of 10, such as 10 or 20.").waitFor();
  await drawer(page).getByLabel("Plug-in Execution Priority").fill("20");

  // The language was proposed, the place in the order is previewed.
  assert.equal(await drawer(page).getByLabel("WebAssembly Language").first().inputValue(), "Rust");
  await drawer(page).locator('[aria-current="true"]').getByText("refuse-all").waitFor();
  await drawer(page).locator('[aria-current="true"]').getByText("Default · 20").waitFor();
  await accessible(page, "the panel filled in");
  await shot(page, "add-ready");
  await ok.click();
  await drawer(page).waitFor({ state: "detached" });
  await state(page, "refuse-all", "off");
  await accessible(page, "the card");

  // Enabled by the control of its card.
  await flip(page, "refuse-all");
  await state(page, "refuse-all", "on");
  await openTab(page, /^Enabled/);
  await card(page, "refuse-all").waitFor();
  await openTab(page, /^All Plug-ins/);

  // While it is on, it can neither be edited nor deleted, and the reason is there.
  const menu = await openMenu(page, "refuse-all");
  for (const name of [/^Edit/, /^Delete/]) {
    const item = menu.getByRole("menuitem", { name });
    assert.equal(await item.getAttribute("aria-disabled"), "true");
    assert.ok((await item.innerText()).includes(P.plugin_enabled));
    await item.click({ force: true });
    assert.equal(await drawer(page).count(), 0);
  }
  await accessible(page, "the menu");
  await shot(page, "menu");
  await menu.getByRole("menuitem", { name: "Disable", exact: true }).click();
  await state(page, "refuse-all", "off");

  // Edit has the same fields, filled in.
  await (await openMenu(page, "refuse-all")).getByRole("menuitem", { name: "Edit" }).click();
  assert.equal(await drawer(page).getByLabel("Plug-in Name").inputValue(), "refuse-all");
  assert.equal(await drawer(page).getByLabel("Plug-in Description").inputValue(), "Refuses every request");
  assert.equal(await drawer(page).getByLabel("Plug-in Execution Priority").inputValue(), "20");
  await accessible(page, "the panel of an edit");
  await drawer(page).getByLabel("Plug-in Description").fill("Lets every request pass");
  await upload(page, wasm("pass-all.wasm", module()));
  await arrived(page).waitFor();
  await drawer(page).getByRole("button", { name: "OK" }).click();
  await drawer(page).waitFor({ state: "detached" });
  await card(page, "refuse-all").getByText("Lets every request pass").waitFor();

  // Deleted after a confirmation.
  await (await openMenu(page, "refuse-all")).getByRole("menuitem", { name: "Delete" }).click();
  await accessible(page, "the confirmation");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await card(page, "refuse-all").waitFor();
  await (await openMenu(page, "refuse-all")).getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await card(page, "refuse-all").waitFor({ state: "detached" });
});

test("a built-in plug-in is enabled by the same control and can neither be edited nor deleted", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await page.getByRole("link", { name: "gateway-1", exact: true }).click();
  await openTab(page, /^Security/);
  await state(page, "Request Block", "off");
  await flip(page, "Request Block");
  await state(page, "Request Block", "on", BUILD_TIMEOUT_MS);
  const menu = await openMenu(page, "Request Block");
  for (const name of [/^Edit/, /^Delete/]) {
    const item = menu.getByRole("menuitem", { name });
    assert.equal(await item.getAttribute("aria-disabled"), "true");
    assert.ok((await item.innerText()).includes(P.plugin_built_in));
  }
  await menu.getByRole("menuitem", { name: "Disable", exact: true }).click();
  await state(page, "Request Block", "off");
});

test("a module of 50,000,000 bytes is accepted, one byte more is refused before it is sent", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  const sent = [];
  page.on("request", (request) => request.url().includes("/uploads") && sent.push(request.url()));
  await openCustom(page);
  await page.getByRole("button", { name: "Add Plug-in" }).click();
  const exact = join(server.folder, "exact.wasm");
  const more = join(server.folder, "more.wasm");
  await writeFile(exact, padded(module(), 50_000_000));
  await writeFile(more, padded(module(), 50_000_001));
  await upload(page, more);
  await drawer(page).getByText(P.module_too_large).waitFor();
  assert.deepEqual(sent, []);
  await upload(page, exact);
  await arrived(page).getByText("50,000,000 bytes").waitFor({ timeout: 60_000 });
  assert.equal(sent.length, 1);
});

test("an upload that is stopped leaves the field empty, and closing the panel ends it", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  const failed = [];
  page.on(
    "requestfailed",
    (request) => request.url().includes("/uploads") && failed.push(request.failure()?.errorText),
  );
  await openCustom(page);
  await page.getByRole("button", { name: "Add Plug-in" }).click();
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  await network.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 500_000,
  });
  const files = ["slow-1.wasm", "slow-2.wasm"].map((name) => join(server.folder, name));
  for (const file of files) await writeFile(file, padded(module(), 20_000_000));
  await upload(page, files[0]);
  await drawer(page).getByRole("progressbar", { name: M.form.uploading }).waitFor();
  await accessible(page, "an upload");
  await shot(page, "uploading");
  await drawer(page).getByRole("button", { name: M.form.stopUpload }).click();
  await drawer(page).getByText(M.form.choose).waitFor();
  await upload(page, files[1]);
  await drawer(page).getByRole("progressbar", { name: M.form.uploading }).waitFor();
  await drawer(page).getByRole("button", { name: "Cancel" }).click();
  await drawer(page).waitFor({ state: "detached" });
  while (failed.length < 2) await page.waitForTimeout(50);
  assert.deepEqual(failed, ["net::ERR_ABORTED", "net::ERR_ABORTED"]);
});

test("a plug-in is added with the keyboard alone", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  const key = (...keys) =>
    keys.reduce((before, name) => before.then(() => page.keyboard.press(name)), Promise.resolve());
  const focused = () =>
    page.evaluate(
      () => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "",
    );
  /** Presses Tab until the element with this name has the focus. */
  async function tabTo(name) {
    for (let i = 0; i < 80; i++) {
      await key("Tab");
      if (name.test(await focused())) return;
    }
    assert.fail(`Tab does not reach ${name}; it is at ${await focused()}`);
  }
  // Listened for early, because only then the browser reports the dialog instead of opening it.
  const chooser = page.waitForEvent("filechooser", { timeout: 60_000 });
  await tabTo(/^gateway-1$/);
  await key("Enter");
  await page.waitForURL(/plugins/);
  await page.getByRole("tab", { name: /^All \d/ }).waitFor();
  await tabTo(/^All \d/);
  await key("ArrowRight");
  await page.waitForURL(/category=custom/);
  await page.getByRole("button", { name: "Add Plug-in" }).focus();
  await key("Enter");
  await drawer(page).waitFor();
  await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
  await page.keyboard.type("by-keyboard");
  await key("Tab", "Tab");
  await page.keyboard.type("Added without a mouse");
  // Choosing a file opens the browser's own dialog, by Enter.
  await key("Tab", "Tab", "Tab");
  assert.equal(await focused(), M.form.choose);
  await key("Enter");
  await (await chooser).setFiles(wasm("keys.wasm", module({ language: "Go" })));
  await arrived(page).waitFor();
  await drawer(page).getByLabel("Plug-in Execution Priority").focus();
  await key("ArrowUp");
  assert.equal(await drawer(page).getByLabel("Plug-in Execution Priority").inputValue(), "10");
  await key("Enter");
  await drawer(page).waitFor({ state: "detached" });
  await card(page, "by-keyboard").waitFor();
  await tabTo(/Settings of by-keyboard/);
  await key("Enter");
  await page.getByRole("menu").waitFor();
  await key("ArrowDown", "End");
  assert.match(await focused(), /^Delete/);
  await key("Escape");
  await page.getByRole("menu").waitFor({ state: "detached" });
  await tabTo(/Enable by-keyboard/);
  await key("Space");
  await state(page, "by-keyboard", "on");
});

test("a new version is released with a trial configuration and rolled back by one click", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await openCustom(page);
  await add(page, { name: "versions", file: wasm("one.wasm", module()) });
  await flip(page, "versions");
  await state(page, "versions", "on");
  await (await openMenu(page, "versions")).getByRole("menuitem", { name: "Release new version" }).click();
  await accessible(page, "the panel of a release");
  await drawer(page).getByRole("button", { name: "OK" }).click();
  await drawer(page).getByText(P.module_missing).waitFor();
  await upload(page, wasm("two.wasm", module({ status: 418 })));
  await arrived(page).waitFor();
  await drawer(page).getByLabel("Plug-in Description").fill("The second version");
  await drawer(page).getByLabel("Trial configuration").fill("any: thing\n");
  await shot(page, "release");
  await drawer(page).getByRole("button", { name: "OK" }).click();
  await drawer(page).waitFor({ state: "detached" });
  await state(page, "versions", "on");
  await card(page, "versions").getByText("The second version").waitFor();
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByText("versions runs the previous version again.").waitFor();
  await state(page, "versions", "on");
});

test("an image is pinned to its digest", async (t) => {
  const image = await startRegistry(t, "team/from-image", "1.0.0", module({ language: "Go" }));
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await openCustom(page);
  await page.getByRole("button", { name: "Add Plug-in" }).click();
  await fill(page, { name: "from-image" });
  await drawer(page).getByText(M.form.sourceImage).click();
  const reference = drawer(page).getByLabel(M.form.image);
  await reference.fill("oci://127.0.0.1:1/nothing:1.0.0");
  await drawer(page).getByRole("button", { name: M.form.resolve }).click();
  await drawer(page).getByText(P.image_unreachable).waitFor();
  await accessible(page, "an image that cannot be fetched");
  await reference.fill(image.reference);
  await drawer(page).getByRole("button", { name: M.form.resolve }).click();
  await arrived(page).getByText(image.digest).first().waitFor();
  assert.equal(await drawer(page).getByLabel("WebAssembly Language").first().inputValue(), "Go");
  await accessible(page, "an image");
  await shot(page, "image");
  await drawer(page).getByRole("button", { name: "OK" }).click();
  await drawer(page).waitFor({ state: "detached" });
  await state(page, "from-image", "off");
  const written = await readFile(join(server.folder, "gateway-1", "from-image.yaml"), "utf8");
  assert.ok(written.includes(image.digest), written);
});

test("a viewer finds every change greyed out, with the reason", async (t) => {
  const users = [{ name: "eve", password: "a password of some length", roles: ["*=viewer"] }];
  const server = await startConsole(t, undefined, await withUsers(t, users));
  const page = await (await newContext(t, server)).newPage();
  await page.goto(server.origin);
  await page.getByLabel(/^User/).fill("eve");
  await page.getByLabel(/^Password/).fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText(P.wrong_credentials).waitFor();
  await page.getByLabel(/^Password/).fill(users[0].password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await shot(page, "viewer");
  await openCustom(page);
  assert.equal(await page.getByRole("button", { name: "Add Plug-in" }).isDisabled(), true);
  assert.equal(await card(page, "present").getByRole("switch").isDisabled(), true);
  const menu = await openMenu(page, "present");
  for (const name of [/^Edit/, /^Release new version/, /^Enable/, /^Delete/]) {
    const item = menu.getByRole("menuitem", { name });
    assert.equal(await item.getAttribute("aria-disabled"), "true");
    assert.ok((await item.innerText()).includes(P.forbidden));
  }
  await accessible(page, "the menu of a viewer");
});

test("a custom plug-in is copied to another gateway without a second upload", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await openCustom(page);
  await add(page, { name: "copied", file: wasm("one.wasm", module()) });
  await (await openMenu(page, "copied")).getByRole("menuitem", { name: "Copy to another gateway" }).click();
  await accessible(page, "the copy");
  await page.getByRole("dialog").getByRole("button", { name: "OK" }).click();
  await page.getByText("copied is added to gateway-2.").waitFor();
  await page.getByRole("button", { name: "Gateway: gateway-1" }).click();
  await page.getByRole("menuitem", { name: /gateway-2/ }).click();
  await page.waitForURL(/gateway-2/);
  await state(page, "copied", "off");
});

test("two browsers see each other's changes, and the second to save is told", async (t) => {
  const server = await startConsole(t);
  const first = await signIn(t, server);
  await openCustom(first);
  await add(first, { name: "shared", file: wasm("one.wasm", module()) });
  const second = await sameSession(t, server, first);
  await second.goto(first.url());
  await (await openMenu(second, "shared")).getByRole("menuitem", { name: "Edit" }).click();
  await drawer(second).getByLabel("Plug-in Description").fill("From the second");

  await (await openMenu(first, "shared")).getByRole("menuitem", { name: "Edit" }).click();
  await drawer(first).getByLabel("Plug-in Description").fill("From the first");
  await drawer(first).getByRole("button", { name: "OK" }).click();
  await drawer(first).waitFor({ state: "detached" });
  // Without a reload.
  await card(second, "shared").getByText("From the first").waitFor({ state: "attached" });

  await drawer(second).getByRole("button", { name: "OK" }).click();
  await drawer(second).getByRole("alert").waitFor();
  assert.equal(await drawer(second).getByLabel("Plug-in Description").inputValue(), "From the second");
  await shot(second, "changed-meanwhile");
  await drawer(second).getByRole("button", { name: M.reloadCard }).click();
  assert.equal(await drawer(second).getByLabel("Plug-in Description").inputValue(), "From the first");
  await drawer(second).getByLabel("Plug-in Description").fill("From both");
  await drawer(second).getByRole("button", { name: "OK" }).click();
  await drawer(second).waitFor({ state: "detached" });
  await card(first, "shared").getByText("From both").waitFor();
});

test("two hundred plug-ins stay fluid", async (t) => {
  const files = Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`custom-${i}.yaml`, resource(`custom-${i}`, i * 10)]),
  );
  const server = await startConsole(t, { "gateway-1": files });
  const page = await signIn(t, server);
  await openCustom(page);
  await page.getByRole("searchbox").fill("custom-");
  await page.getByRole("status").filter({ hasText: "200 plug-ins" }).waitFor();
  const seen = new Set();
  let most = 0;
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  for (let y = 0; y <= height; y += 700) {
    await page.evaluate((top) => window.scrollTo(0, top), y);
    await frames(page);
    for (const id of await page
      .locator("[data-plugin]")
      .evaluateAll((all) => all.map((card) => card.dataset.plugin)))
      seen.add(id);
    most = Math.max(most, await page.locator("[data-plugin]").count());
  }
  assert.ok(most <= 60, `${most} cards are rendered`);
  assert.equal(seen.size, 200);
  await page.getByRole("searchbox").fill("custom-199");
  await card(page, "custom-199").waitFor();
  await page
    .getByRole("status")
    .filter({ hasText: /^1 plug-in$/ })
    .waitFor();
  assert.equal(await page.locator("[data-plugin]").count(), 1);
});

test("what the console writes stays in the gateway's folder", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await openCustom(page);
  // A module that does not tell its language.
  await add(page, { name: "on-disk", file: wasm("one.wasm", module({ language: "" })), language: "C++" });
  await card(page, "on-disk").getByText("C++").waitFor();
  const names = await readdir(join(server.folder, "gateway-1"), { recursive: true });
  assert.ok(
    names.some((name) => /on-disk.*\.ya?ml$/.test(name)),
    names.join(" "),
  );
  assert.deepEqual(
    await readdir(join(server.folder, "gateway-2")).then((all) => all.filter((name) => /on-disk/.test(name))),
    [],
  );
});
