// What a firewall has matched: the table, the proposed exclusions, and their way into the configuration.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  accessible,
  addressOf,
  closeBrowser,
  MESSAGES,
  openTab,
  resource,
  sameSession,
  shot,
  signIn,
  startConsole,
} from "./harness.mjs";
import { makeCatalogue } from "./registry.mjs";
import { module } from "./wasm.mjs";

const { plugin: M } = MESSAGES.en;
const { plugin: Z } = MESSAGES.zh;

after(closeBrowser);

// Not the name of a firewall: its description is what counts.
const GUARD = `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: guard
  namespace: higress-system
spec:
  url: oci://registry.invalid/plugins/guard:1.0.0
  priority: 10
  defaultConfig:
    mode: detect   # for a week
    exclude:
    # the search
    - rule: 930100
      path: /search
      why: tested
    # markup in what is stored
    - rule: 941000-941999
      path: /items/*
      why: tested
  matchRules:
  - ingress: [shop]
    config:
      mode: block
`;

const REPORT = "score=7,942100@ARGS:q,941100@ARGS:%3Cb%3E=s3cret,911100@REQUEST_METHOD,930100@REQUEST_URI";

test(
  "matches of a firewall become exclusions in the draft of its configuration",
  {
    timeout: 300_000,
  },
  async (t) => {
    const entry = { name: "guard", reportsMatches: true };
    const catalogue = await makeCatalogue(t, entry, module({ report: REPORT }));
    const files = { "guard.yaml": GUARD, "present.yaml": resource("present") };
    const server = await startConsole(t, { "gateway-1": files }, ["--catalogue", catalogue]);
    const page = await signIn(t, server);
    const send = async (path) =>
      assert.ok((await fetch(`http://${await addressOf(page)}${path}`)).status < 500);
    const open = (plugin) => page.goto(`${server.origin}/gateways/gateway-1/plugins/${plugin}/matches`);
    const row = (name, where = page) => where.getByRole("row", { name });
    const tick = (name) => page.getByRole("checkbox", { name }).click();

    // A plug-in that reports nothing has no such tab.
    await open("present");
    await page.getByRole("tab", { name: M.tabs.overview, selected: true }).waitFor();
    assert.equal(await page.getByRole("tab", { name: M.tabs.matches }).count(), 0);

    // Without matches, it says what to do.
    await open("guard");
    await page.getByText(M.matches.none.title).waitFor();
    await page.getByText("mode: detect").waitFor();
    await accessible(page, "no matches");

    // They appear as they come, those with an identifier in the path as one.
    await send("/search?q=a");
    await row(/942100 ARGS:q \/search 1 7/).waitFor();
    await send("/items/17");
    await send("/items/18");
    await row(/942100 ARGS:q \/items\/\* 2 7/).waitFor();
    await row(/941100 ARGS:\/\^\\x3cb\\x3e\$\/ \/search 1 7/).waitFor();
    await page.getByText("3 requests need allowed_methods").waitFor();
    assert.ok(!(await page.locator("body").innerText()).includes("s3cret"), "values are not shown");
    // What the configuration leaves out is not proposed: here without a variable, there for several rules and paths.
    await row(/930100 excluded REQUEST_URI \/search/).waitFor();
    await row(/941100 excluded \S+ \/items\/\*/).waitFor();

    // Rare ones can be left out.
    await page.getByLabel(M.matches.least).fill("2");
    await row(/\/search/)
      .first()
      .waitFor({ state: "detached" });
    await page.getByLabel(M.matches.least).fill("1");

    await tick("Select rule 942100 ARGS:q /search");
    await tick("Select rule 942100 ARGS:q /items/*");
    const proposed = page.getByRole("region", { name: M.matches.proposed });
    await proposed.getByText("scores up to 7").first().waitFor();
    await accessible(page, "matches");
    await shot(page, "matches");
    const small = await sameSession(t, server, page, { language: "zh", theme: "dark", width: 400 });
    await small.goto(page.url());
    await row(/942100 ARGS:q \/search/, small).waitFor();
    await small.getByRole("checkbox", { name: Z.matches.selectAll }).click();
    await small.getByRole("button", { name: "将 4 条加入配置" }).waitFor();
    const over = await small.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(over <= 0, `${over} pixels too wide`);
    await accessible(small, "matches in Chinese");
    await shot(small, "matches-zh-400");
    await small.context().close();

    // For a resource that is edited elsewhere.
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await proposed.getByRole("button", { name: M.matches.copy }).click();
    await proposed.getByRole("button", { name: M.copied }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^exclude:\n +- rule: 942100\n +target: ARGS:q\n +path: \/items\/\*\n/);

    // A rule of the configuration can have them alone.
    const scope = proposed.getByRole("combobox", { name: M.matches.scope });
    await scope.click();
    await page.getByRole("option", { name: "shop" }).click();
    await row(/930100 REQUEST_URI \/search/).waitFor();
    await scope.click();
    await page.getByRole("option", { name: M.scopes.kind.gateway }).click();
    await row(/930100 excluded REQUEST_URI \/search/).waitFor();

    // Into the draft, and saved after a look at what changes; the rest of the file stays as it is.
    await page.getByRole("button", { name: "Add 2 to the configuration" }).click();
    await page.getByRole("tab", { name: M.tabs.configuration, selected: true }).waitFor();
    await page.getByRole("button", { name: M.review.open }).click();
    const dialog = page.getByRole("dialog", { name: M.review.title });
    await dialog.locator(".cm-insertedLine, .cm-changedLine").first().waitFor();
    await dialog.getByRole("button", { name: M.review.save, exact: true }).click();
    await dialog.waitFor({ state: "detached" });
    const saved = await readFile(join(server.folder, "gateway-1/guard.yaml"), "utf8");
    for (const kept of ["mode: detect   # for a week", "# the search"])
      assert.ok(saved.includes(kept), saved);
    assert.match(
      saved,
      /- rule: 942100\n +target: ARGS:q\n +path: \/items\/\*\n +why: .*2 requests, scores up to 7/,
    );

    // What is in the configuration is not proposed again.
    await openTab(page, M.tabs.matches);
    await row(/942100 excluded ARGS:q \/search/).waitFor();
    assert.ok(await page.getByRole("checkbox", { name: "Select rule 942100 ARGS:q /search" }).isDisabled());
    assert.equal(await page.getByRole("row", { name: /excluded/ }).count(), 4);
  },
);
