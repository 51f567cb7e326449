/** The console's API: one function per route. Every refusal is thrown as an `ApiError` with its problem. */
import type {
  AddCheck,
  AddPlugin,
  AuditEntry,
  Card,
  Configuration,
  ConfigurationCheck,
  Credentials,
  EditPlugin,
  Explanation,
  Export,
  ExportTarget,
  Gateway,
  History,
  HistoryChange,
  Image,
  Live,
  Marketplace,
  Matches,
  ModuleSource,
  Order,
  OrderName,
  Plugin,
  Problem,
  Scope,
  Session,
  TryBody,
  TryRequest,
  TryResult,
  Upload,
} from "./types";

const BASE = "/api/v1";

export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.message);
    this.name = "ApiError";
    this.status = status;
    this.problem = problem;
  }
}

/** The problem of anything thrown, so that callers show every failure alike. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem;
  return { code: "internal", message: error instanceof Error ? error.message : String(error), params: {} };
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

const UNREACHABLE: Problem = { code: "unreachable", message: "unreachable", params: {} };

let csrf = "";
let onSignedOut: (problem: Problem) => void = () => {};

/** Called when a request finds that the session has ended. */
export function setSignedOutHandler(handler: (problem: Problem) => void): void {
  onSignedOut = handler;
}

/** Path segments with their variable parts encoded. */
function path(strings: TemplateStringsArray, ...values: string[]): string {
  return strings.reduce(
    (all, part, i) => all + part + (i < values.length ? encodeURIComponent(values[i] ?? "") : ""),
    "",
  );
}

function toError(status: number, text: string): ApiError {
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    if (typeof problem.code === "string") {
      return new ApiError(status, { message: problem.code, params: {}, ...problem } as Problem);
    }
  } catch {
    // Not from the console, such as the page of a proxy in between.
  }
  return new ApiError(status, {
    code: "internal",
    message: `HTTP status ${status}`,
    params: { reason: `HTTP ${status}` },
  });
}

function refused(error: ApiError): ApiError {
  if (error.status === 401 && error.problem.code === "signed_out") onSignedOut(error.problem);
  return error;
}

interface Options {
  body?: unknown;
  etag?: string | undefined;
  signal?: AbortSignal | undefined;
}

async function call<T>(method: string, url: string, { body, etag, signal }: Options = {}): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") headers["x-csrf-token"] = csrf;
  if (body !== undefined) headers["content-type"] = "application/json";
  if (etag) headers["if-match"] = etag;
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  let response: Response;
  let text: string;
  try {
    response = await fetch(BASE + url, init);
    text = await response.text();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(0, UNREACHABLE);
  }
  if (!response.ok) throw refused(toError(response.status, text));
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

const get = <T>(url: string, signal?: AbortSignal) => call<T>("GET", url, { signal });
const post = <T>(url: string, body?: unknown, options: Options = {}) =>
  call<T>("POST", url, { ...options, body });

// Session

function remember(session: Session): Session {
  csrf = session.csrf;
  return session;
}

export const getSession = async (signal?: AbortSignal) => remember(await get<Session>("/session", signal));
export const signIn = async (credentials: Credentials) =>
  remember(await post<Session>("/session", credentials));
export const signOut = () => call<undefined>("DELETE", "/session");
export const changePassword = (current: string, password: string) =>
  call<undefined>("PUT", "/session/password", { body: { current, password } });

// Gateways

export const getGateways = (signal?: AbortSignal) => get<Gateway[]>("/gateways", signal);
export const getGateway = (g: string, signal?: AbortSignal) => get<Gateway>(path`/gateways/${g}`, signal);
export const startGateway = (g: string) => post<Gateway>(path`/gateways/${g}/start`);
export const stopGateway = (g: string) => post<Gateway>(path`/gateways/${g}/stop`);

// Marketplace

export const getPlugins = (g: string, signal?: AbortSignal) =>
  get<Marketplace>(path`/gateways/${g}/plugins`, signal);

export const addPlugin = (g: string, plugin: AddPlugin) => post<Card>(path`/gateways/${g}/plugins`, plugin);

/** All problems of the fields at once, and the place in the order. */
export const checkPlugin = (g: string, plugin: AddPlugin, signal?: AbortSignal) =>
  post<AddCheck>(path`/gateways/${g}/plugins/check`, plugin, { signal });

export const resolveImage = (g: string, reference: string, signal?: AbortSignal) =>
  post<Image>(path`/gateways/${g}/images`, { reference }, { signal });

export const editPlugin = (g: string, p: string, etag: string | undefined, changes: EditPlugin) =>
  call<Card>("PATCH", path`/gateways/${g}/plugins/${p}`, { etag, body: changes });

export const deletePlugin = (g: string, p: string, etag: string | undefined) =>
  call<undefined>("DELETE", path`/gateways/${g}/plugins/${p}`, { etag });

export const setEnabled = (g: string, p: string, etag: string | undefined, enabled: boolean) =>
  call<Card>("PUT", path`/gateways/${g}/plugins/${p}/enabled`, { etag, body: { enabled } });

export const releaseVersion = (
  g: string,
  p: string,
  etag: string | undefined,
  version: EditPlugin & { module: ModuleSource; configuration?: string },
) => post<Card>(path`/gateways/${g}/plugins/${p}/versions`, version, { etag });

export const rollBack = (g: string, p: string, etag: string | undefined) =>
  post<Card>(path`/gateways/${g}/plugins/${p}/versions/rollback`, undefined, { etag });

export const copyPlugin = (g: string, p: string, gateway: string) =>
  post<Card>(path`/gateways/${g}/plugins/${p}/copy`, { gateway });

/** Sends a module. `fetch` does not report the progress of a body, XMLHttpRequest does. */
export function uploadModule(
  g: string,
  file: File,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open("POST", `${BASE}${path`/gateways/${g}/uploads`}?name=${encodeURIComponent(file.name)}`);
    request.setRequestHeader("content-type", "application/wasm");
    request.setRequestHeader("accept", "application/json");
    request.setRequestHeader("x-csrf-token", csrf);
    request.upload.onprogress = (event) => onProgress(event.total > 0 ? event.loaded / event.total : 0);
    request.onload = () => {
      if (request.status === 201 || request.status === 200)
        resolve(JSON.parse(request.responseText) as Upload);
      else reject(refused(toError(request.status, request.responseText)));
    };
    request.onerror = () => reject(new ApiError(0, UNREACHABLE));
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    if (signal.aborted) {
      reject(new DOMException("aborted", "AbortError"));
      return;
    }
    signal.addEventListener("abort", stop);
    request.send(file);
  });
}

// A plug-in's page

export const getPlugin = (g: string, p: string, signal?: AbortSignal) =>
  get<Plugin>(path`/gateways/${g}/plugins/${p}`, signal);

export const getConfiguration = (g: string, p: string, signal?: AbortSignal) =>
  get<Configuration>(path`/gateways/${g}/plugins/${p}/configuration`, signal);

export const checkConfiguration = (g: string, p: string, scopes: Scope[], signal?: AbortSignal) =>
  post<ConfigurationCheck>(path`/gateways/${g}/plugins/${p}/configuration/check`, { scopes }, { signal });

export const saveConfiguration = (g: string, p: string, etag: string, scopes: Scope[]) =>
  call<Configuration>("PUT", path`/gateways/${g}/plugins/${p}/configuration`, { etag, body: { scopes } });

export const getMatches = (g: string, p: string, least: number, signal?: AbortSignal) =>
  get<Matches>(path`/gateways/${g}/plugins/${p}/matches` + `?min_requests=${least}`, signal);

// Execution order

export const getOrder = (g: string, order: OrderName | undefined, signal?: AbortSignal) =>
  get<Order>(path`/gateways/${g}/order` + (order ? `?order=${order}` : ""), signal);

export const movePlugin = (
  g: string,
  p: string,
  etag: string | undefined,
  place: { before?: string; after?: string },
) => post<Order>(path`/gateways/${g}/plugins/${p}/move`, place, { etag });

// Try

export const parseCurl = (g: string, text: string) => post<TryRequest>(path`/gateways/${g}/curl`, { text });

export const tryRequest = (g: string, body: TryBody, signal?: AbortSignal) =>
  post<TryResult>(path`/gateways/${g}/try`, body, { signal });

export const explain = (g: string, request: TryRequest, signal?: AbortSignal) =>
  post<Explanation>(path`/gateways/${g}/explain`, request, { signal });

// Live

export const eventsUrl = (g: string) => BASE + path`/gateways/${g}/events`;
export const getLive = (g: string, signal?: AbortSignal) => get<Live>(path`/gateways/${g}/live`, signal);

// History, audit, export

export const getHistory = (g: string, plugin?: string, signal?: AbortSignal) =>
  get<History>(
    path`/gateways/${g}/history` + (plugin ? `?plugin=${encodeURIComponent(plugin)}` : ""),
    signal,
  );

export const getHistoryChange = (g: string, id: string, signal?: AbortSignal) =>
  get<HistoryChange>(path`/gateways/${g}/history/${id}`, signal);

export const revert = (g: string, id: string) =>
  post<Record<string, never>>(path`/gateways/${g}/history/${id}/revert`);

export const exportPlugin = (g: string, p: string, target: ExportTarget, signal?: AbortSignal) =>
  get<Export>(path`/gateways/${g}/plugins/${p}/export` + `?for=${target}`, signal);

export const getAudit = (g: string, signal?: AbortSignal) =>
  get<AuditEntry[]>(path`/gateways/${g}/audit`, signal);
