// Small proxy-wasm modules, written byte by byte so that the tests need no compiler.

const I32 = 0x7f;

function leb(value) {
  const bytes = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    bytes.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return bytes;
}

const text = (value) => [...leb(Buffer.byteLength(value)), ...Buffer.from(value)];
const list = (items) => [...leb(items.length), ...items.flat()];
const section = (id, content) => [id, ...leb(content.length), ...content];
const custom = (name, content) => section(0, [...text(name), ...content]);

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/**
 * A plug-in that answers every request with `status`, or lets every request pass without one. `language` is what its
 * producers section reports; empty for none. `report` is what it writes to the property `waf` of each request.
 */
export function module({ status, language = "Rust", report } = {}) {
  const type = (params, results) => [
    0x60,
    ...list(Array(params).fill([I32])),
    ...list(Array(results).fill([I32])),
  ];
  const types = [type(0, 0), type(1, 1), type(2, 0), type(2, 1), type(3, 1), type(8, 1), type(4, 1)];
  const constant = (value) => [0x41, ...signed(value)];
  // The last argument is the status of gRPC, -1 for none.
  const reply = [status ?? 0, 0, 0, 0, 0, 0, 0, -1];
  const imports = [[...text("env"), ...text("proxy_send_local_response"), 0x00, 0x05]];
  const data = [];
  const before = [];
  if (report !== undefined) {
    imports.push([...text("env"), ...text("proxy_set_property"), 0x00, 0x06]);
    data.push(
      ...[
        [16, "waf"],
        [32, report],
      ].map(([at, value]) => [0x00, ...constant(at), 0x0b, ...text(value)]),
    );
    before.push(...[16, 3, 32, Buffer.byteLength(report)].flatMap(constant), 0x10, 0x01, 0x1a);
  }
  const functions = [
    { name: "proxy_abi_version_0_2_1", type: 0, body: [] },
    { name: "_initialize", type: 0, body: [] },
    { name: "proxy_on_memory_allocate", type: 1, body: constant(1024) },
    { name: "proxy_on_context_create", type: 2, body: [] },
    { name: "proxy_on_vm_start", type: 3, body: constant(1) },
    { name: "proxy_on_configure", type: 3, body: constant(1) },
    {
      name: "proxy_on_request_headers",
      type: 4,
      body: [
        ...before,
        ...(status ? [...reply.flatMap(constant), 0x10, 0x00, 0x1a, ...constant(1)] : constant(0)),
      ],
    },
  ];
  const producers = list([[...text("language"), ...list([[...text(language), ...text("")]])]]);
  return Buffer.from([
    ...HEADER,
    ...section(1, list(types)),
    ...section(2, list(imports)),
    ...section(3, list(functions.map(({ type }) => [type]))),
    ...section(5, list([[0x00, 0x02]])),
    ...section(
      7,
      list([
        [...text("memory"), 0x02, 0x00],
        ...functions.map(({ name }, i) => [...text(name), 0x00, ...leb(i + imports.length)]),
      ]),
    ),
    ...section(10, list(functions.map(({ body }) => [...leb(body.length + 2), 0x00, ...body, 0x0b]))),
    ...(data.length > 0 ? section(11, list(data)) : []),
    ...(language ? custom("producers", producers) : []),
  ]);
}

function signed(value) {
  const bytes = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** The same module with a custom section that makes it `size` bytes long. */
export function padded(bytes, size) {
  const name = text("padding");
  let rest = size - bytes.length;
  // The length of the section's length depends on itself.
  const length = [1, 2, 3, 4, 5].find((n) => leb(rest - 1 - n).length === n);
  rest -= 1 + length;
  const head = Buffer.from([0, ...leb(rest), ...name]);
  return Buffer.concat([bytes, head, Buffer.alloc(rest - name.length)]);
}

/** Right at the start, wrong after it: only the server can find out. */
export const broken = () => Buffer.concat([Buffer.from(HEADER), Buffer.from([0x01, 0x7f, 0x00])]);
