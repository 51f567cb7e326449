// Signing in, the list of gateways, languages, themes and widths.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import {
  accessible,
  card,
  closeBrowser,
  MESSAGES,
  newContext,
  shot,
  signIn,
  signInAs,
  startConsole,
  withUsers,
} from "./harness.mjs";

after(closeBrowser);

test("the printed address signs in once, and the token leaves the address", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await page.getByRole("heading", { name: "Gateways" }).waitFor();
  assert.equal(page.url(), `${server.origin}/`);
  await page.reload();
  await page.getByRole("heading", { name: "Gateways" }).waitFor();

  const other = await (await newContext(t, server)).newPage();
  await other.goto(server.url);
  await other.getByRole("heading", { name: "Sign in" }).waitFor();
  await other.getByRole("alert").waitFor();
  await accessible(other, "sign-in");
  await shot(other, "sign-in");
  await other.getByLabel(/^Token/).fill("wrong");
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByRole("alert").waitFor();
  assert.equal(await other.getByRole("navigation").count(), 0);
});

test("the token can be pasted, alone or within its address", async (t) => {
  const server = await startConsole(t);
  const page = await (await newContext(t, server)).newPage();
  await page.goto(server.origin);
  await page.getByLabel(/^Token/).fill(server.url);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Gateways" }).waitFor();
  await page.getByRole("button", { name: /^User/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("gateways are listed with their state and lead to their plug-ins", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  const first = page.getByRole("region", { name: "gateway-1" });
  await first.getByText("Plug-ins enabled").waitFor();
  await accessible(page, "gateways");
  await first.getByRole("link", { name: "gateway-1" }).click();
  await page.getByRole("heading", { name: "Plug-in Marketplace" }).waitFor();
  assert.match(page.url(), /\/gateways\/gateway-1\/plugins$/);
  await page.reload();
  await page.getByRole("heading", { name: "Plug-in Marketplace" }).waitFor();
  await page.goto(`${server.origin}/gateways/absent/plugins`);
  await page.getByRole("heading", { name: "Not found" }).waitFor();
});

test("a console that is killed and started again asks to sign in, and the page goes on", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await page.getByRole("link", { name: "gateway-1", exact: true }).click();
  await card(page, "Request Block").waitFor();
  await server.kill();
  await page.getByText(MESSAGES.en.common.connection.lost).waitFor();
  await accessible(page, "without a connection");
  await server.start();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel(/^Token/).fill(server.url);
  await page.getByRole("button", { name: "Sign in" }).click();
  await card(page, "Request Block").waitFor();
  assert.match(page.url(), /gateway-1\/plugins$/);
});

for (const language of ["en", "zh"]) {
  for (const theme of ["light", "dark"]) {
    for (const width of [1280, 400]) {
      test(`pages in ${language}, ${theme}, at ${width} pixels`, async (t) => {
        const { common, gateways, marketplace } = MESSAGES[language];
        const server = await startConsole(t);
        const page = await signIn(t, server, { language, theme, width });
        const name = (what) => `${what}-${width}-${theme}-${language}`;
        await page.getByRole("heading", { name: gateways.title }).waitFor();
        await page.getByRole("region", { name: "gateway-1" }).waitFor();
        assert.equal(await page.getAttribute("html", "lang"), language === "zh" ? "zh-CN" : "en");
        await accessible(page, "gateways");
        await shot(page, name("gateways"));
        await page.getByRole("region", { name: "gateway-1" }).getByRole("link").click();
        await page.getByRole("heading", { name: marketplace.title }).waitFor();
        await card(page, "Request Block").waitFor();
        await accessible(page, "marketplace");
        await shot(page, name("marketplace"));
        await page.getByRole("button", { name: marketplace.add, exact: true }).click();
        await page.getByRole("dialog").getByText(marketplace.form.priorityHint).waitFor();
        for (const label of ["name", "description", "language", "file", "stage", "priority"]) {
          await page.getByRole("dialog").getByText(marketplace.form[label]).first().waitFor();
        }
        await accessible(page, "add");
        await shot(page, name("add"));
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
        await page.getByRole("dialog").getByRole("button", { name: common.cancel, exact: true }).click();
        // Nothing is left over: a key that has no text would be shown as it is.
        assert.doesNotMatch(
          await page.innerText("body"),
          /\b(form|category|cardState|gatewayState|problems)[.:][a-zA-Z]+/,
        );
      });
    }
  }
}

test("language and theme are chosen in the header and kept", async (t) => {
  const server = await startConsole(t);
  const page = await signIn(t, server);
  await page.getByRole("button", { name: "Language: English" }).click();
  await page.getByRole("menuitem", { name: "中文" }).click();
  await page.getByRole("heading", { name: MESSAGES.zh.gateways.title }).waitFor();
  await page.getByRole("button", { name: MESSAGES.zh.common.header.theme, exact: true }).click();
  await page.getByRole("menuitem", { name: MESSAGES.zh.common.header.schemes.dark }).click();
  await page.locator('html[data-mantine-color-scheme="dark"]').waitFor({ state: "attached" });
  await page.reload();
  await page.getByRole("heading", { name: MESSAGES.zh.gateways.title }).waitFor();
  await page.locator('html[data-mantine-color-scheme="dark"]').waitFor({ state: "attached" });
});

for (const language of ["en", "zh"]) {
  test(`a password is changed, which ends all sessions (${language})`, async (t) => {
    const { common: C, problems: P } = MESSAGES[language];
    const { changePassword: M, header: H, signIn: S } = C;
    const [before, after_] = ["a password of some length", "another one of some length"];
    const users = [{ name: "ada", password: before, roles: ["*=viewer"] }];
    const server = await startConsole(t, undefined, [...(await withUsers(t, users)), "--stopped"]);
    const page = await (await newContext(t, server, { language })).newPage();
    await signInAs(page, server, "ada", before);
    const elsewhere = await (await newContext(t, server, { language })).newPage();
    await signInAs(elsewhere, server, "ada", before);

    // By keyboard alone.
    await page.getByRole("button", { name: new RegExp(`^${H.user}`) }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: M.title, exact: true }).press("Enter");
    const dialog = page.getByRole("dialog", { name: M.title });
    const field = (label) => dialog.getByLabel(new RegExp(`^${label}`));
    const submit = dialog.getByRole("button", { name: M.submit, exact: true });
    await field(M.current).fill("not the password");
    await field(M.new).fill("short");
    await field(M.repeat).fill("different");
    await dialog.getByText(M.differs).waitFor();
    assert.equal(await submit.isDisabled(), true);
    await field(M.repeat).fill("short");
    await accessible(page, "the change of a password");
    await shot(page, `password-${language}`);
    await submit.click();
    await dialog.getByText(P.wrong_credentials).waitFor();
    await field(M.current).fill(before);
    await submit.click();
    await dialog.getByText(P.password_weak.replace("{{minimum}}", "10")).waitFor();
    await field(M.new).fill(after_);
    await field(M.repeat).fill(after_);
    await page.keyboard.press("Enter");
    await page.getByText(M.done).waitFor();
    await page.getByRole("heading", { name: S.title }).waitFor();

    // The other browser is signed out as well; only the new password signs in.
    await elsewhere.reload();
    await elsewhere.getByRole("heading", { name: S.title }).waitFor();
    await page.getByLabel(new RegExp(`^${S.user}`)).fill("ada");
    await page.getByLabel(new RegExp(`^${S.password}`)).fill(before);
    await page.getByRole("button", { name: S.submit, exact: true }).click();
    await page.getByRole("alert").getByText(P.wrong_credentials).waitFor();
    await page.getByLabel(new RegExp(`^${S.password}`)).fill(after_);
    await page.getByRole("button", { name: S.submit, exact: true }).click();
    await page.getByRole("navigation").waitFor({ state: "attached" });
  });
}

test("whoever signed in with the start token has no password to change", async (t) => {
  const server = await startConsole(t, undefined, ["--stopped"]);
  const page = await signIn(t, server);
  await page.getByRole("button", { name: /^User/ }).click();
  const items = await page.getByRole("menu").getByRole("menuitem").allInnerTexts();
  assert.deepEqual(items, [MESSAGES.en.common.header.signOut]);
});
