// The page of a plug-in: overview, configuration as a form and as YAML, rules, what changes, and export.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { accessible, closeBrowser, MESSAGES, sameSession, shot, signIn, startConsole } from "./harness.mjs";
import { module } from "./wasm.mjs";

const { plugin: M } = MESSAGES.en;

after(closeBrowser);

const BLOCK = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: request-block
  namespace: higress-system
spec:
  url: workspace:request-block
  phase: AUTHN
  priority: 320
  defaultConfig:
    # Blocked everywhere
    block_urls: [swagger.html, .git]   # documentation and repositories
    blocked_code: 403
  matchRules:
  - domain: [shop.example.com]
    config:
      block_urls: [/admin]
  - domain: [api.example.com]
    config:
      block_headers:
      # scanners
      - sqlmap
  - service: [pay.static]
    config:
      block_urls: [/refund]
`;

const AUTH = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ext-auth
  namespace: higress-system
spec:
  url: workspace:ext-auth
  priority: 360
  phase: AUTHZ
  defaultConfigDisable: true
  defaultConfig:
    http_service:
      endpoint:
        service_name: auth.static
        path_prefix: /auth
      authorization_request:
        headers_to_add:
          x-token: s3cr3t   # rotated yearly
`;

const custom = (name, priority = 10) => `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ${name}
  namespace: higress-system
spec:
  url: file://${name}.wasm
  priority: ${priority}
  defaultConfig:
    anything: [1, two]   # goes
`;

/** The form of a plug-in of the workspace needs its schema, which a cold workspace compiles first. */
const COMPILED = { timeout: 500_000 };

async function open(page, server, plugin, tab = "configuration") {
  await page.goto(`${server.origin}/gateways/gateway-1/plugins/${plugin}/${tab}`);
  await page.getByRole("tab", { name: M.tabs[tab] }).waitFor();
}

async function openForm(page, server, plugin = "request-block") {
  const deadline = Date.now() + COMPILED.timeout;
  for (;;) {
    await open(page, server, plugin);
    const form = page.getByRole("radiogroup", { name: M.fields.view });
    await page.getByRole("heading", { name: M.scopes.kind.gateway, exact: true }).waitFor();
    if ((await form.count()) > 0) return;
    assert.ok(Date.now() < deadline, "no schema");
    await page.waitForTimeout(1000);
  }
}

const view = (page, name) =>
  page.getByRole("radiogroup", { name: M.fields.view }).getByText(name, { exact: true }).click();
const editor = (page) => page.locator(".cm-content");
const yamlOf = (page) =>
  editor(page).evaluate((content) =>
    [...content.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"),
  );
const rule = (page, text) => page.getByRole("button", { name: text }).first();
const rows = (page) => page.getByRole("region", { name: M.scopes.title }).locator("ol > li");
const names = async (page) =>
  await rows(page).evaluateAll((all) =>
    all
      .map((row) => [row.offsetTop, row.querySelector("[title]:not(button)").title])
      .sort(([a], [b]) => a - b)
      .map(([, title]) => title),
  );
/** The input of a switch lies below what is seen of it. */
const flip = (page, name) => page.getByRole("switch", { name }).first().click({ force: true });

/** Waits until the server has checked, reviews and saves. */
async function save(page) {
  await page.getByRole("button", { name: M.review.open }).click();
  const dialog = page.getByRole("dialog", { name: M.review.title });
  await dialog.locator(".cm-content").waitFor();
  await dialog.getByRole("button", { name: M.review.save, exact: true }).click();
  await page.getByText(M.saved).first().waitFor();
  await dialog.waitFor({ state: "detached" });
}

test(
  "form and YAML stay in step, mistakes are at field and line, and what changes is shown first",
  COMPILED,
  async (t) => {
    const server = await startConsole(t, { "gateway-1": { "request-block.yaml": BLOCK } });
    const page = await signIn(t, server);
    await openForm(page, server);
    await accessible(page, "the form");

    // A mistake in the form: the plug-in's own words, at the field, in the list and at the scope.
    await page.getByLabel("blocked_code").fill("999");
    const field = page.locator('[id="field.blocked_code__error"]');
    await field.getByText("must be a status from 200 to 599").waitFor();
    await field.getByText(M.mistakes.own, { exact: true }).waitFor();
    assert.equal(await page.getByLabel("blocked_code").getAttribute("aria-invalid"), "true");
    await page.getByLabel("block_regexp_urls").fill("a(\nok");
    await page.locator('[id="field.block_regexp_urls__error"]').getByText("unclosed group").waitFor();
    await page.getByText("2 errors").first().waitFor();
    await accessible(page, "mistakes in the form");
    await shot(page, "plugin-form-mistakes");

    // The same mistakes in the YAML, where only what was changed differs.
    await view(page, "YAML");
    await editor(page).waitFor();
    assert.equal(
      await yamlOf(page),
      [
        "# Blocked everywhere",
        "block_urls: [swagger.html, .git]   # documentation and repositories",
        "blocked_code: 999",
        "block_regexp_urls:",
        "  - a(",
        "  - ok",
        "",
      ].join("\n"),
    );
    await page.locator(".cm-lintRange-error", { hasText: "999" }).waitFor();
    await page.locator(".cm-lintRange-error", { hasText: "a(" }).waitFor();
    await accessible(page, "mistakes in the YAML");
    await shot(page, "plugin-yaml-mistakes");

    // Saving is refused while there are mistakes.
    await page.getByRole("button", { name: M.review.open }).click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
    assert.equal(
      await page.getByRole("dialog").getByRole("button", { name: M.review.save, exact: true }).isDisabled(),
      true,
    );
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });

    // Corrected in the YAML by the keyboard; the form follows.
    await page.getByRole("button", { name: "5:5" }).click();
    await page.keyboard.press("End");
    await page.keyboard.type(")");
    await page.getByText("1 error").first().waitFor();
    await page.getByRole("button", { name: /^3:/ }).click();
    await page.keyboard.press("End");
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Backspace");
    await page.keyboard.type("404");
    await page.getByText(M.unsaved, { exact: true }).first().waitFor();
    await view(page, M.fields.form);
    assert.equal(await page.getByLabel("blocked_code").inputValue(), "404");
    assert.equal(await page.getByLabel("block_regexp_urls").inputValue(), "a()\nok");

    // A syntax error leaves the YAML only.
    await view(page, "YAML");
    await editor(page).click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type("block_bodies: [");
    await page.locator(".cm-lint-marker-error").first().waitFor();
    await view(page, M.fields.form);
    await page.getByText(M.fields.syntax).waitFor();
    await page.getByRole("button", { name: M.fields.openYaml }).click();
    await editor(page).click();
    await page.keyboard.press("Control+End");
    await page.keyboard.type("x]");
    await page.getByText(M.unsaved, { exact: true }).first().waitFor();

    await page.getByRole("button", { name: M.review.open }).click();
    const dialog = page.getByRole("dialog", { name: M.review.title });
    await dialog.locator(".cm-insertedLine, .cm-changedLine").first().waitFor();
    await accessible(page, "what changes");
    await shot(page, "plugin-review");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    await save(page);
    const file = await readFile(join(server.folder, "gateway-1/request-block.yaml"), "utf8");
    assert.match(
      file,
      /# Blocked everywhere\n {4}block_urls: \[swagger.html, .git\] {3}# documentation and repositories\n {4}blocked_code: 404\n/,
    );
    assert.match(file, /# scanners\n/);
  },
);

test(
  "rules: their order by keyboard and by dragging, conditions as tags, switches, deletion",
  COMPILED,
  async (t) => {
    const server = await startConsole(t, { "gateway-1": { "request-block.yaml": BLOCK } });
    const page = await signIn(t, server);
    await openForm(page, server);
    assert.deepEqual(await names(page), ["shop.example.com", "api.example.com", "pay.static"]);

    // By keyboard; the handle keeps the focus, and the new place is announced.
    await page.getByRole("button", { name: "Move rule 1", exact: true }).focus();
    await page.keyboard.press("ArrowDown");
    assert.deepEqual(await names(page), ["api.example.com", "shop.example.com", "pay.static"]);
    await page.getByText("Moved to position 2 of 3").waitFor({ state: "attached" });
    await page.keyboard.press("End");
    assert.deepEqual(await names(page), ["api.example.com", "pay.static", "shop.example.com"]);
    await page.keyboard.press("Home");
    assert.deepEqual(await names(page), ["shop.example.com", "api.example.com", "pay.static"]);

    // By dragging.
    const from = await page.getByRole("button", { name: "Move rule 3", exact: true }).boundingBox();
    const to = await page.getByRole("button", { name: "Move rule 1", exact: true }).boundingBox();
    await page.mouse.move(from.x + 8, from.y + 8);
    await page.mouse.down();
    await page.mouse.move(from.x + 8, from.y - 20, { steps: 5 });
    await page.mouse.move(to.x + 8, to.y + 4, { steps: 10 });
    await page.mouse.up();
    assert.deepEqual(await names(page), ["pay.static", "shop.example.com", "api.example.com"]);

    // A new rule is not complete without a condition; what is wrong with the others is still said.
    await page.getByRole("button", { name: M.scopes.add }).click();
    await page.getByRole("menuitem", { name: M.scopes.addKind.domain }).click();
    await page.getByRole("heading", { name: "Rule 4" }).waitFor();
    await page.getByText(M.match.none).first().waitFor();
    await accessible(page, "a new rule");
    const tags = page
      .getByRole("textbox", { name: M.match.domain })
      .or(page.getByRole("combobox", { name: M.match.domain }));
    await tags.first().fill("*.new.example.com");
    await page.keyboard.press("Enter");
    await tags.first().fill("two.example.com");
    await page.keyboard.press("Enter");
    await page.getByLabel("block_bodies").fill("hello");
    await page.getByText(M.match.none).first().waitFor({ state: "detached" });
    await shot(page, "plugin-rule");

    // Off, and another one deleted.
    await flip(page, "Enabled: api.example.com");
    await page.getByRole("button", { name: "Actions for rule 1" }).click();
    await page.getByRole("menuitem", { name: M.scopes.remove }).click();
    assert.deepEqual(await names(page), [
      "shop.example.com",
      "api.example.com",
      "*.new.example.com, two.example.com",
    ]);
    await save(page);
    const file = await readFile(join(server.folder, "gateway-1/request-block.yaml"), "utf8");
    const order = [...file.matchAll(/(shop|api|new)\.example\.com/g)].map(([, name]) => name);
    assert.deepEqual(order, ["shop", "api", "new"]);
    assert.doesNotMatch(file, /pay\.static/);
    assert.match(file, /configDisable: true/);
    assert.match(file, /# scanners/);
    // The rules of the saved configuration are still there, with the last one selected.
    await page.getByRole("heading", { name: "Rule 3" }).waitFor();
  },
);

test("a change of someone else is shown and merged, and nothing is lost", COMPILED, async (t) => {
  const server = await startConsole(t, { "gateway-1": { "request-block.yaml": BLOCK } });
  const page = await signIn(t, server);
  await openForm(page, server);
  const other = await sameSession(t, server, page);
  await openForm(other, server);

  await page.getByLabel("blocked_message").fill("mine");
  await other.getByLabel("blocked_code").fill("404");
  await rule(other, "shop.example.com").click();
  await other.getByLabel("blocked_message").fill("theirs");
  await save(other);

  // An event tells the first browser; its change is still there.
  await page.getByText(M.reconcile.title).first().waitFor();
  assert.equal(await page.getByLabel("blocked_message").inputValue(), "mine");
  assert.equal(await page.getByRole("button", { name: M.review.open }).isDisabled(), true);
  await page.getByRole("button", { name: M.reconcile.open }).click();
  const dialog = page.getByRole("dialog", { name: M.reconcile.title });
  await dialog.locator(".cm-insertedLine, .cm-changedLine").first().waitFor();
  await dialog.getByText("Both changes affect 1 scope.").waitFor();
  await accessible(page, "someone else's change");
  await shot(page, "plugin-reconcile");
  await dialog.getByRole("button", { name: M.reconcile.merge }).click();
  await dialog.waitFor({ state: "detached" });
  await save(page);
  const file = await readFile(join(server.folder, "gateway-1/request-block.yaml"), "utf8");
  // The gateway is mine, the rule is theirs.
  assert.match(file, /blocked_code: 403\n {4}blocked_message: mine\n/);
  assert.match(file, /blocked_message: theirs/);

  // The same with the file itself, edited while a change is open.
  await page.getByLabel("blocked_message").fill("mine again");
  const path = join(server.folder, "gateway-1/request-block.yaml");
  await writeFile(path, file.replace("[/admin]", "[/admin, /root]"));
  await page.getByRole("button", { name: M.reconcile.open }).click();
  await dialog.getByText(M.reconcile.separate).waitFor();
  await dialog.getByRole("button", { name: M.reconcile.merge }).click();
  await save(page);
  assert.match(await readFile(path, "utf8"), /mine again[\s\S]*\[\/admin, \/root\]/);
});

test("a save that comes second is refused, and the other change is shown", COMPILED, async (t) => {
  const server = await startConsole(t, {
    "gateway-1": { "pass-all.yaml": custom("pass-all"), "pass-all.wasm": module() },
  });
  const page = await signIn(t, server);
  const other = await sameSession(t, server, page);
  // Without events, only the refusal tells.
  await page.route("**/events", (route) => route.abort());
  const append = async (in_, text) => {
    await open(in_, server, "pass-all");
    await editor(in_).click();
    await in_.keyboard.press("Control+End");
    await in_.keyboard.type(text);
    await in_.getByText(M.unsaved, { exact: true }).first().waitFor();
  };
  await append(page, "mine: true\n");
  await append(other, "theirs: true\n");
  await save(other);
  await page.getByRole("button", { name: M.review.open }).click();
  const refusal = page.waitForResponse((response) => response.status() === 412);
  await page.getByRole("dialog").getByRole("button", { name: M.review.save, exact: true }).click();
  await refusal;
  await page.getByRole("button", { name: M.reconcile.open }).click();
  const dialog = page.getByRole("dialog", { name: M.reconcile.title });
  await dialog.getByText("theirs: true").first().waitFor();
  await dialog.getByText("mine: true").first().waitFor();
  await dialog.getByText(M.reconcile.other, { exact: true }).click();
  await dialog.getByRole("button", { name: M.reconcile.merge }).click();
  // Theirs was chosen, so nothing is left to save.
  await page.getByText(M.unsaved, { exact: true }).first().waitFor({ state: "detached" });
  assert.match(await yamlOf(page), /theirs: true/);
});

/** A resource with 1,000 rules. */
const MANY =
  BLOCK.slice(0, BLOCK.indexOf("  matchRules:")) +
  "  matchRules:\n" +
  Array.from(
    { length: 1000 },
    (_, i) => `  - domain: [host-${i}.example.com]\n    config: { block_urls: [/p${i}] }\n`,
  ).join("");

test("a rule is dragged among 1,000, farther than the list shows", COMPILED, async (t) => {
  const server = await startConsole(t, { "gateway-1": { "request-block.yaml": MANY } });
  const page = await signIn(t, server);
  await openForm(page, server);
  const handle = page.getByRole("button", { name: "Move rule 3", exact: true });
  const { x, y, width, height } = await handle.boundingBox();
  const list = await page
    .getByRole("region", { name: M.scopes.title })
    .locator("ol")
    .locator("xpath=..")
    .boundingBox();
  const [left, top] = [x + width / 2, y + height / 2];
  const row = 46;

  // By two places.
  await page.mouse.move(left, top);
  await page.mouse.down();
  await page.mouse.move(left, top + row, { steps: 8 });
  await page.mouse.move(left, top + 2 * row, { steps: 8 });
  await page.mouse.up();
  await page.getByText("Moved to position 5 of 1000").waitFor({ state: "attached" });
  assert.deepEqual(
    (await names(page)).slice(0, 6),
    [0, 1, 3, 4, 2, 5].map((i) => `host-${i}.example.com`),
  );

  // At the lower edge the list scrolls; what is dragged stays.
  const bottom = Math.min(list.y + list.height, 900) - 12;
  await page.mouse.move(left, top);
  await page.mouse.down();
  await page.mouse.move(left, top + row, { steps: 8 });
  await page.mouse.move(left, bottom, { steps: 20 });
  // On a busy machine, a rule may be shown and be gone again between two looks.
  await page.waitForFunction(() => {
    const labels = [...document.querySelectorAll('[aria-label^="Move rule "]')];
    return labels.some((handle) => Number(handle.ariaLabel.replace("Move rule ", "")) >= 60);
  });
  assert.ok((await rows(page).count()) <= 60, "rendered rows while dragging");
  await page.mouse.up();
  await page.getByText(/Moved to position (?!5 )\d+ of 1000/).waitFor({ state: "attached" });
  assert.ok((await rows(page).count()) <= 60, "rendered rows");
  await save(page);
  const saved = await readFile(join(server.folder, "gateway-1/request-block.yaml"), "utf8");
  const order = [...saved.matchAll(/host-(\d+)\.example/g)].map(([, number]) => Number(number));
  const place = order.indexOf(3);
  assert.ok(place >= 30, `host-3 is at ${place}`);
  assert.deepEqual(
    order.filter((number) => number !== 3),
    [0, 1, 4, 2, ...Array.from({ length: 995 }, (_, i) => i + 5)],
    "the others stay in their order",
  );
});

/** The median time from a key in the field with the focus until the page is painted. */
const keyTime = (page) =>
  page.evaluate(async () => {
    const input = document.activeElement;
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
    const times = [];
    for (let i = 1; i <= 20; i++) {
      const start = performance.now();
      set.call(input, "x".repeat(i));
      input.dispatchEvent(new Event("input", { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
  });

test("1,000 rules stay fluid", COMPILED, async (t) => {
  const server = await startConsole(t, {
    "gateway-1": { "request-block.yaml": MANY },
    "gateway-2": { "request-block.yaml": BLOCK },
  });
  const page = await signIn(t, server);
  await openForm(page, server);
  await page.getByText("1,000 rules").or(page.getByText("1000 rules")).waitFor();
  assert.ok((await rows(page).count()) <= 60, "rendered rows");
  await page.getByRole("button", { name: "Move rule 1", exact: true }).focus();
  await page.keyboard.press("End");
  await page.getByRole("button", { name: "Move rule 1000", exact: true }).waitFor();
  assert.ok((await rows(page).count()) <= 60, "rendered rows at the end");
  assert.equal((await names(page)).at(-1), "host-0.example.com");
  await accessible(page, "1,000 rules");

  // A key takes about as long as with three rules: the machine may be busy, but the work does not grow with the rules.
  const times = { few: [], many: [] };
  for (let round = 0; round < 3; round++) {
    for (const [size, gateway, domain] of [
      ["few", "gateway-2", "shop.example.com"],
      ["many", "gateway-1", "host-999.example.com"],
    ]) {
      await page.goto(`${server.origin}/gateways/${gateway}/plugins/request-block/configuration`);
      if (size === "many") {
        await page.getByRole("button", { name: "Move rule 1", exact: true }).focus();
        await page.keyboard.press("End");
      }
      await rule(page, domain).click();
      await page.getByLabel("blocked_message").focus();
      times[size].push(await keyTime(page));
    }
  }
  const [few, many] = [Math.min(...times.few), Math.min(...times.many)];
  t.diagnostic(`a key takes ${many.toFixed(0)} ms, and ${few.toFixed(0)} ms with three rules`);
  assert.ok(many < 4 * few + 50, `a key takes ${many} ms, and ${few} ms with three rules`);
});

test("a plug-in without a schema has YAML only, and keeps what it holds", async (t) => {
  const server = await startConsole(t, {
    "gateway-1": { "pass-all.yaml": custom("pass-all"), "pass-all.wasm": module() },
  });
  const page = await signIn(t, server);
  await open(page, server, "pass-all");
  await page.getByText(M.fields.noSchema).waitFor();
  await editor(page).waitFor();
  assert.equal(await page.getByRole("radiogroup", { name: M.fields.view }).count(), 0);
  assert.equal((await yamlOf(page)).trimEnd(), "anything: [1, two]   # goes");
  await accessible(page, "YAML only");
  await editor(page).click();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("more: true\n");
  await page.getByText(M.unsaved, { exact: true }).first().waitFor();
  await save(page);
  assert.match(
    await readFile(join(server.folder, "gateway-1/pass-all.yaml"), "utf8"),
    /anything: \[1, two\] {3}# goes\n {4}more: true\n/,
  );
});

test("secrets are hidden in the form and in the YAML until they are asked for", COMPILED, async (t) => {
  const server = await startConsole(t, { "gateway-1": { "ext-auth.yaml": AUTH } });
  const page = await signIn(t, server);
  await openForm(page, server, "ext-auth");
  const secret = page.locator('[id="field.http_service.authorization_request.headers_to_add.x-token"]');
  assert.equal(await secret.getAttribute("type"), "password");
  assert.equal(await secret.inputValue(), "s3cr3t");
  await accessible(page, "the form with a secret");
  await view(page, "YAML");
  await page.locator(".cm-secret").waitFor();
  assert.doesNotMatch(await yamlOf(page), /s3cr3t/);
  await shot(page, "plugin-secret");
  await page.getByRole("button", { name: M.fields.showSecrets }).click();
  await page.locator(".cm-secret").waitFor({ state: "detached" });
  assert.match(await yamlOf(page), /x-token: s3cr3t {3}# rotated yearly/);
});

test("overview and export", COMPILED, async (t) => {
  const server = await startConsole(t, { "gateway-1": { "request-block.yaml": BLOCK } });
  const page = await signIn(t, server);
  await openForm(page, server);
  await open(page, server, "request-block", "overview");
  await page.getByText("Authentication", { exact: true }).first().waitFor();
  await page.getByText("320", { exact: true }).first().waitFor();
  await page
    .getByRole("region", { name: "README" })
    .getByRole("heading", { name: "request-block" })
    .waitFor();
  // HTML of a README is neither run nor shown.
  assert.equal(await page.getByText("<!--").count(), 0);
  await page.getByRole("region", { name: M.overview.fields }).getByText("block_regexp_urls").waitFor();
  await accessible(page, "overview");
  await shot(page, "plugin-overview");

  await page.getByRole("tab", { name: M.tabs.export }).click();
  await editor(page).waitFor();
  await page.getByText("extensions.higress.io/v1alpha1").waitFor();
  await page.getByText("Istio", { exact: true }).click();
  await page.getByText("extensions.istio.io/v1alpha1").waitFor();
  await accessible(page, "export");
  await shot(page, "plugin-export");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: M.export.download }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "request-block.istio.yaml");
  assert.match(await readFile(await download.path(), "utf8"), /kind: WasmPlugin/);
});

test("in Chinese, dark, at 400 pixels", COMPILED, async (t) => {
  const Z = MESSAGES.zh.plugin;
  const server = await startConsole(t, { "gateway-1": { "request-block.yaml": BLOCK } });
  const page = await signIn(t, server, { language: "zh", theme: "dark", width: 400 });
  await page.goto(`${server.origin}/gateways/gateway-1/plugins/request-block/configuration`);
  await page.getByRole("heading", { name: Z.scopes.kind.gateway, exact: true }).waitFor();
  await page.getByRole("button", { name: Z.scopes.add }).click();
  await page.getByRole("menuitem", { name: Z.scopes.addKind.route }).click();
  await page.getByText(Z.match.none).first().waitFor();
  for (const tab of ["configuration", "overview", "export"]) {
    await page.getByRole("tab", { name: Z.tabs[tab] }).click();
    await page.waitForTimeout(300);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(over <= 0, `${tab} is ${over} pixels too wide`);
    await accessible(page, tab);
    await shot(page, `plugin-${tab}-zh-400`);
  }
  // The unsaved rule outlives the tabs.
  await page.getByRole("tab", { name: Z.tabs.configuration }).click();
  await page.getByRole("button", { name: Z.discard }).click();
  await page.getByText(Z.unsaved).first().waitFor({ state: "detached" });
});

test("a plug-in that is not there", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await page.goto(`${server.origin}/gateways/gateway-1/plugins/nothing`);
  await page
    .getByRole("alert")
    .getByText(/no (such )?plug-in/)
    .waitFor();
  await accessible(page, "not there");
});
