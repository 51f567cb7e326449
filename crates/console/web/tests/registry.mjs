// A registry of OCI images on loopback with one image, as far as a pull needs one, and a catalogue with one.
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const MODULE = "application/vnd.module.wasm.content.layer.v1+wasm";
const CONFIG = "application/vnd.module.wasm.config.v1+json";

const digest = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** The manifest and the blobs of an image with this module. */
function image(module) {
  const config = Buffer.from("{}");
  const readme = Buffer.from("# A plug-in\n");
  const blob = (mediaType, bytes) => ({ mediaType, digest: digest(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: blob(CONFIG, config),
      // Gateways accept a module as it is beside one other layer.
      layers: [blob("text/markdown", readme), blob(MODULE, module)],
    }),
  );
  return { manifest, config, readme };
}

/** The folder of a catalogue with one image; `entry` has its name and what is special about it. It ends with the test. */
export async function makeCatalogue(t, entry, module) {
  const folder = await mkdtemp(join(tmpdir(), "portcullis-catalogue-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { manifest, config, readme } = image(module);
  const version = "1.0.0";
  const layout = join(folder, `${entry.name}-${version}`);
  const blobs = join(layout, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  for (const blob of [manifest, config, readme, module])
    await writeFile(join(blobs, digest(blob).replace("sha256:", "")), blob);
  await writeFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const top = { mediaType: MANIFEST, digest: digest(manifest), size: manifest.length };
  await writeFile(join(layout, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [top] }));
  const plugin = {
    version,
    digest: digest(manifest),
    titles: { en: entry.name },
    descriptions: { en: "A plug-in" },
    category: "security",
    phase: "AUTHZ",
    priority: 10,
    failStrategy: "FAIL_OPEN",
    example: {},
    ...entry,
  };
  await writeFile(
    join(folder, "catalogue.json"),
    JSON.stringify({ schemaVersion: 1, version: "1", plugins: [plugin] }),
  );
  return folder;
}

/** Serves `module` as `repository:tag`; ends with the test. */
export async function startRegistry(t, repository, tag, module) {
  const { manifest, config, readme } = image(module);
  const answers = new Map([
    ["/v2/", ["application/json", config]],
    [`/v2/${repository}/manifests/${tag}`, [MANIFEST, manifest]],
    [`/v2/${repository}/manifests/${digest(manifest)}`, [MANIFEST, manifest]],
    [`/v2/${repository}/blobs/${digest(config)}`, [CONFIG, config]],
    [`/v2/${repository}/blobs/${digest(readme)}`, ["application/octet-stream", readme]],
    [`/v2/${repository}/blobs/${digest(module)}`, ["application/octet-stream", module]],
  ]);
  const server = createServer((request, response) => {
    const [type, bytes] = answers.get(request.url) ?? [];
    if (!bytes) {
      response.writeHead(404, { "content-type": "application/json" });
      response.end('{"errors":[{"code":"NOT_FOUND"}]}');
      return;
    }
    response.writeHead(200, {
      "content-type": type,
      "content-length": bytes.length,
      "docker-content-digest": digest(bytes),
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const reference = `oci://127.0.0.1:${server.address().port}/${repository}:${tag}`;
  return { reference, digest: digest(manifest) };
}
