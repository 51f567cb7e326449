// A console beside `serve`: what happens there shows here, and only one of the two serves the folder.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmod, mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  addressOf,
  card,
  closeBrowser,
  folderWith,
  MESSAGES,
  PROGRAM,
  resource,
  signIn,
  startConsole,
} from "./harness.mjs";
import { module } from "./wasm.mjs";

const { common: C, gateways: G, live: L, try: T } = MESSAGES.en;

after(closeBrowser);

const SERVING = { timeout: 300_000 };

const RESOURCE = resource("guard")
  .replace(/url: .*/, "url: file://guard.wasm")
  .replace(/ +defaultConfigDisable.*\n/, "");
const GATEWAY = { "guard.wasm": module({ status: 403 }), "guard.yaml": RESOURCE };

/** Starts `serve` on a folder; `end` ends it with a signal. */
async function startServe(t, folder) {
  const child = spawn(PROGRAM, ["serve", folder, "--port", "0"], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const end = async (signal) => {
    child.kill(signal);
    await ended;
  };
  t.after(() => end("SIGTERM"));
  let output = "";
  const address = await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`serve exited with ${code}:\n${output}`)));
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data) => {
        output += data;
        const found = /serving on http:\/\/([\d.:]+)/.exec(output)?.[1];
        if (found) resolve(found);
      });
    }
  });
  return { address, pid: child.pid, end };
}

test(
  "a console follows the gateway that `serve` runs, and what it changes is in force there",
  SERVING,
  async (t) => {
    const root = await folderWith({ "gateway-1": GATEWAY });
    t.after(() => rm(root, { recursive: true, force: true }));
    const folder = join(root, "gateway-1");
    const socket = join(folder, ".portcullis/serve.sock");
    const killed = await startServe(t, folder);
    assert.equal((await stat(socket)).mode & 0o777, 0o600);

    // A killed gateway leaves its socket behind, and the next one replaces it.
    await killed.end("SIGKILL");
    assert.ok((await stat(socket)).isSocket());
    const serve = await startServe(t, folder);
    const server = await startConsole(t, root);
    const page = await signIn(t, server);
    const region = page.getByRole("region", { name: "gateway-1" });
    await region.getByText(`process ${serve.pid}`).waitFor();
    assert.equal(await addressOf(page), serve.address);

    // The state of each plug-in, which only the process that serves knows.
    await page.goto(`${server.origin}/gateways/gateway-1/plugins`);
    await page.locator('[data-state="on"]').and(card(page, "guard")).waitFor();

    // Its requests, while they happen.
    await page.goto(`${server.origin}/gateways/gateway-1/live`);
    await page
      .getByText(`serving on http://${serve.address}`)
      .or(page.getByText(L.access.none))
      .first()
      .waitFor();
    const response = await fetch(`http://${serve.address}/for-the-console`);
    assert.equal(response.status, 403);
    await page.getByText("/for-the-console").first().waitFor();
    await page.getByRole("region", { name: L.counters }).getByText(L.requestsPerSecond).waitFor();

    // A change in the page is in force in the other process.
    await page.goto(`${server.origin}/gateways/gateway-1/plugins`);
    await card(page, "guard").locator(".mantine-Switch-track").click();
    await page.locator('[data-state="off"]').and(card(page, "guard")).waitFor();
    const deadline = Date.now() + 20_000;
    while ((await fetch(`http://${serve.address}/`)).status !== 200) {
      assert.ok(Date.now() < deadline, "the change is in force");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }

    // It is stopped where it was started.
    const stopped = await page.evaluate(async () => {
      const { csrf } = await (await fetch("/api/v1/session")).json();
      const response = await fetch("/api/v1/gateways/gateway-1/stop", {
        method: "POST",
        headers: { "x-csrf-token": csrf },
      });
      return (await response.json()).code;
    });
    assert.equal(stopped, "gateway_elsewhere");

    // A request is tried beside it.
    await page.goto(`${server.origin}/gateways/gateway-1/try`);
    await page.getByLabel(T.url, { exact: true }).fill("http://shop.example.com/cart");
    await page.getByRole("button", { name: T.send, exact: true }).click();
    await page
      .getByText(/\b200\b/)
      .first()
      .waitFor();

    // At its end the gateway is stopped, and the console can serve it.
    await serve.end("SIGTERM");
    await assert.rejects(stat(socket), { code: "ENOENT" });
    await page.goto(server.origin);
    await region.getByText(C.gatewayState.stopped).waitFor();
    await page.getByRole("button", { name: `${G.start}: gateway-1` }).click();
    await region.getByText(C.gatewayState.serving).waitFor();
    assert.equal((await stat(socket)).mode & 0o777, 0o600);
  },
);

test(
  "the socket of another user is not followed",
  { ...SERVING, skip: process.getuid() !== 0 && "only root can become another user" },
  async (t) => {
    const root = await folderWith({ "gateway-1": GATEWAY });
    t.after(() => rm(root, { recursive: true, force: true }));
    const hidden = join(root, "gateway-1/.portcullis");
    await mkdir(hidden);
    for (const folder of [root, join(root, "gateway-1"), hidden]) await chmod(folder, 0o777);
    const text = `require("node:http").createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("event: notice\\ndata: " + JSON.stringify({ time: "", level: "error", message: "forged" }) + "\\n\\n");
    }).listen(${JSON.stringify(join(hidden, "serve.sock"))}, () => console.log("listens"));`;
    const other = spawn(process.execPath, ["-e", text], { uid: 65534, gid: 65534, cwd: "/" });
    t.after(() => other.kill());
    await new Promise((resolve, reject) => {
      other.stdout.once("data", resolve);
      other.once("exit", (code) => reject(new Error(`the other user's server exited with ${code}`)));
    });
    const state = { pid: other.pid, address: "127.0.0.1:1", admin: "127.0.0.1:1", stageOrder: "mse" };
    await writeFile(join(hidden, "serve.json"), JSON.stringify(state));
    const server = await startConsole(t, root, ["--stopped"]);
    const page = await signIn(t, server);
    const notices = async () =>
      page.evaluate(async () => (await (await fetch("/api/v1/gateways/gateway-1/live")).json()).notices);
    const deadline = Date.now() + 20_000;
    while ((await notices()).length === 0) {
      assert.ok(Date.now() < deadline, "nothing is said");
      await page.waitForTimeout(100);
    }
    await page.waitForTimeout(3000);
    const messages = (await notices()).map(({ message }) => message);
    assert.equal(messages.length, 1, messages.join("\n"));
    assert.match(messages[0], /belongs to another user \(65534\)/);
  },
);
