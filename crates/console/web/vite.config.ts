// `PORTCULLIS_CONSOLE=http://127.0.0.1:8001 npm run dev` develops against a running console.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const console = process.env.PORTCULLIS_CONSOLE;

/** Writes a compressed variant beside each file, which the server prefers. */
const compressed = (): Plugin => ({
  name: "compressed",
  apply: "build",
  async writeBundle({ dir = "" }, bundle) {
    const files = Object.keys(bundle).filter((file) => /\.(js|css)$/.test(file));
    await Promise.all(
      files.map(async (file) => {
        const path = join(dir, file);
        const bytes = await readFile(path);
        await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes));
        await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
      }),
    );
  },
});

export default defineConfig({
  plugins: [react(), compressed()],
  resolve: {
    alias: {
      // A helper for tests that the library exports imports this validator, which compiles schemas to code.
      "@rjsf/validator-ajv8": fileURLToPath(new URL("src/pages/plugin/validator.ts", import.meta.url)),
    },
  },
  build: {
    target: "es2022",
    // The first versions with light-dark(), whose replacement would need the colour scheme of the system.
    cssTarget: ["chrome123", "edge123", "firefox120", "safari17.5"],
    // `npm run size` follows the imports of the first screen.
    manifest: true,
    // `npm run size` has the limit.
    chunkSizeWarningLimit: 1500,
    // A data: URL is not in the content security policy's font-src and script-src.
    assetsInlineLimit: 0,
  },
  server: console
    ? { proxy: { "/api": { target: console, changeOrigin: true, headers: { origin: console } } } }
    : {},
});
