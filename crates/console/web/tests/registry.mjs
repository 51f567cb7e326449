// A registry of OCI images on loopback with one image, as far as a pull needs one.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const MODULE = "application/vnd.module.wasm.content.layer.v1+wasm";
const CONFIG = "application/vnd.module.wasm.config.v1+json";

const digest = (bytes) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** Serves `module` as `repository:tag`; ends with the test. */
export async function startRegistry(t, repository, tag, module) {
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
