// The execution order: the pipeline in both directions, moving within a stage, and the other order.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { accessible, closeBrowser, MESSAGES, shot, signIn, startConsole } from "./harness.mjs";
import { module } from "./wasm.mjs";

const { order: M } = MESSAGES.en;

after(closeBrowser);

const resource = (name, priority, phase) => `apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: ${name}
  namespace: higress-system
spec:
  url: file://pass.wasm
  priority: ${priority}
${phase ? `  phase: ${phase}\n` : ""}  defaultConfig: {}
`;

const GATEWAY = {
  "pass.wasm": module(),
  "first.yaml": resource("first", 30),
  "second.yaml": resource("second", 20),
  "third.yaml": resource("third", 10),
  "sign-in.yaml": resource("sign-in", 10, "AUTHN"),
  "rights.yaml": resource("rights", 10, "AUTHZ"),
};

const pipeline = (page, direction) => page.getByRole("region", { name: M[direction], exact: true });
const names = (page, direction) => pipeline(page, direction).locator("li a").allTextContents();

async function settled(page, direction, expected) {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const now = await names(page, direction);
    if (now.join() === expected.join()) return;
    assert.ok(Date.now() < deadline, `${now} instead of ${expected}`);
    await page.waitForTimeout(100);
  }
}

test("plug-ins are moved within their stage by keyboard and by dragging; the other order can be seen", async (t) => {
  const server = await startConsole(t, { "gateway-1": GATEWAY });
  const page = await signIn(t, server);
  await page.goto(`${server.origin}/gateways/gateway-1/order`);
  await settled(page, "request", ["rights", "sign-in", "first", "second", "third"]);
  await settled(page, "response", ["third", "second", "first", "sign-in", "rights"]);
  await page.getByText(M.inForce, { exact: true }).waitFor();
  await accessible(page, "the order");
  await shot(page, "order");

  // By keyboard; the handle keeps the focus. The server takes its time, and what is moved meanwhile waits.
  await page.route("**/move", async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await route.continue();
  });
  await page.getByRole("button", { name: "Move third", exact: true }).focus();
  await page.keyboard.press("ArrowUp");
  await settled(page, "request", ["rights", "sign-in", "first", "third", "second"]);
  await page.getByText("third moved to position 2 of 3 in Default").waitFor({ state: "attached" });
  await page.waitForFunction(() => document.activeElement?.getAttribute("aria-label") === "Move third");
  await settled(page, "response", ["second", "third", "first", "sign-in", "rights"]);

  // By dragging, not beyond its stage.
  const drag = async (name, target, room) => {
    const handle = (name) => page.getByRole("button", { name: `Move ${name}`, exact: true });
    await handle(name).hover();
    await page.mouse.down();
    const row = pipeline(page, "request").getByRole("listitem").filter({ hasText: target });
    const to = await row.boundingBox();
    await page.mouse.move(to.x + 16, to.y + 40, { steps: 5 });
    await page.mouse.move(to.x + 16, to.y + 12, { steps: 10 });
    if (room) await row.and(page.locator('[style*="translate3d(0px, "]')).waitFor();
    await page.mouse.up();
  };
  await drag("second", "first", true);
  await settled(page, "request", ["rights", "sign-in", "second", "first", "third"]);
  await drag("first", "sign-in", false);
  await settled(page, "response", ["third", "first", "second", "sign-in", "rights"]);
  await page.unroute("**/move", { behavior: "wait" });

  // It is in the files.
  const priority = async (name) =>
    Number(
      /priority: (\d+)/.exec(await readFile(join(server.folder, "gateway-1", `${name}.yaml`), "utf8"))[1],
    );
  const deadline = Date.now() + 15_000;
  for (;;) {
    const [second, first, third] = await Promise.all(["second", "first", "third"].map(priority));
    if (second > first && first >= third) break;
    assert.ok(Date.now() < deadline, `priorities ${second}, ${first}, ${third}`);
    await page.waitForTimeout(100);
  }

  await page.getByText("Istio", { exact: true }).click();
  await settled(page, "request", ["sign-in", "rights", "second", "first", "third"]);
  await page.getByText("Preview; MSE is in force").waitFor();
  await accessible(page, "the other order");
  await shot(page, "order-istio");
});

test("in Chinese, dark, at 400 pixels", async (t) => {
  const Z = MESSAGES.zh.order;
  const server = await startConsole(t, { "gateway-1": GATEWAY, "gateway-2": {} });
  const page = await signIn(t, server, { language: "zh", theme: "dark", width: 400 });
  await page.goto(`${server.origin}/gateways/gateway-1/order`);
  await page.getByRole("heading", { name: Z.response, exact: true }).waitFor();
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `${over} pixels too wide`);
  await accessible(page, "the order at 400 pixels");
  await shot(page, "order-zh-400");
  await page.goto(`${server.origin}/gateways/gateway-2/order`);
  await page.getByText(Z.none).waitFor();
});
