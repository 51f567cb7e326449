// Takes the pictures of the console in the documents: `node scripts/screenshots.mjs <folder>`. The gateway is
// examples/marketplace, so its plug-ins are built from source.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { closeBrowser, signIn, startConsole } from "../tests/harness.mjs";

const LIMIT = 200_000;
const EXAMPLE = fileURLToPath(new URL("../../../../examples/marketplace", import.meta.url));
/** Plug-ins may have to be compiled. */
const READY_TIMEOUT_MS = 300_000;

const [folder] = process.argv.slice(2);
if (!folder) throw new Error("name the folder of the pictures");

const cleanups = [];
const t = { after: (cleanup) => cleanups.unshift(cleanup) };

try {
  const files = {};
  for (const name of await readdir(EXAMPLE)) files[name] = await readFile(join(EXAMPLE, name), "utf8");
  const server = await startConsole(t, { shop: files }, ["--from-source"]);
  const page = await signIn(t, server, { width: 1280, height: 800 });
  await page.goto(`${server.origin}/gateways/shop/plugins`);
  const cards = page.getByRole("listitem");
  await cards.first().waitFor();
  await page.waitForFunction(
    () => {
      const states = [...document.querySelectorAll("[data-state]")].map(({ dataset }) => dataset.state);
      return states.includes("on") && !states.includes("loading");
    },
    undefined,
    { timeout: READY_TIMEOUT_MS },
  );
  // Without the notifications of the start.
  await page.reload();
  await cards.first().waitFor();
  const file = join(folder, "console.png");
  await page.screenshot({ path: file });
  const { size } = await stat(file);
  console.log(`${file}: ${size} bytes`);
  if (size > LIMIT) throw new Error(`${file} has ${size} bytes, more than ${LIMIT}`);
} finally {
  for (const cleanup of cleanups) await cleanup();
  await closeBrowser();
}
