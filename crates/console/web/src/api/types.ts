/** The types of the console's API, version 1. */

export interface Problem {
  code: string;
  message: string;
  params: Record<string, string>;
  /** Field of the sent body, for example `name`. */
  field?: string;
  mistakes?: Mistake[];
  details?: string[];
}

export interface Mistake {
  scope?: string;
  path: string;
  line: number;
  column: number;
  endLine: number;
  endColumn: number;
  message: string;
  severity: "error" | "warning";
  /** The plug-in's own words, which are never translated. */
  own: boolean;
  /** Of a mistake that the page has a text for. */
  code?: "condition_missing";
}

export type Role = "viewer" | "operator" | "admin";

export interface Session {
  user: string;
  csrf: string;
  how: "token" | "password";
  roles: Record<string, Role>;
}

export type Credentials = { token: string } | { user: string; password: string };

export type OrderName = "mse" | "istio";

export interface Fault {
  file: string;
  line: number;
  column: number;
  path: string;
  message: string;
}

export interface Gateway {
  name: string;
  folder: string;
  state: "starting" | "serving" | "stopped" | "error";
  message?: string;
  address?: string;
  plugins: number;
  enabled: number;
  requestsPerSecond: number;
  refusalsPerSecond: number;
  order: OrderName;
  role: Role;
  git: boolean;
  faults: Fault[];
}

export type Category =
  | "custom"
  | "authentication"
  | "security"
  | "protocol"
  | "traffic"
  | "observability"
  | "transformation"
  | "ai";

export type Stage = "authn" | "authz" | "stats" | "default";

export type CardState = "off" | "loading" | "on" | "error";

export type BlockedAction = "edit" | "delete" | "enable" | "disable" | "upgrade" | "configure";

export interface Card {
  id: string;
  name: string;
  namespace: string;
  title: string;
  description: { en?: string; zh?: string };
  version?: string;
  language?: string;
  category: Category;
  stage: Stage;
  priority: number;
  kind: "builtin" | "custom";
  /** The catalogue's plug-in that a built-in is an instance of. */
  plugin?: string;
  /** False for a plug-in of the catalogue that has no file yet. */
  resource: boolean;
  enabled: boolean;
  state: CardState;
  message?: string;
  rules: number;
  url: string;
  file?: string;
  line?: number;
  etag?: string;
  /** Whether there is a version to go back to. */
  rollback: boolean;
  /** Whether it reports the rules that requests match. */
  matches: boolean;
  blocked: Partial<Record<BlockedAction, Problem>>;
}

export interface Marketplace {
  order: OrderName;
  plugins: Card[];
  faults: Fault[];
}

export type ModuleSource = { upload: string } | { image: string } | { builtin: string };

export interface AddPlugin {
  name: string;
  title?: string;
  description: string;
  language: string;
  stage: Stage;
  priority: number;
  module: ModuleSource;
  enabled: boolean;
}

export type EditPlugin = Partial<Omit<AddPlugin, "name" | "enabled">>;

export interface OrderEntry {
  id: string;
  name: string;
  title: string;
  stage: Stage;
  priority: number;
  enabled: boolean;
  added?: boolean;
}

export interface AddCheck {
  problems: Problem[];
  order: OrderEntry[];
}

export interface Loads {
  gateway: string;
  title: string;
  loads: boolean;
  reasons: string[];
  needs?: string;
}

export interface Check {
  name: string;
  ok: boolean;
  detail: string;
  remarks: string[];
}

export interface Upload {
  id: string;
  name: string;
  size: number;
  digest: string;
  language?: string;
  gateways: Loads[];
  checks: Check[];
}

export interface Image {
  reference: string;
  pinned: string;
  digest: string;
  title?: string;
  description?: string;
  language?: string;
  gateways: Loads[];
  checks: Check[];
}

/** A schema is data from an image; only the form generator interprets it. */
export type JsonSchema = Record<string, unknown>;

export interface Plugin {
  card: Card;
  digest?: string;
  size?: number;
  gateways: Loads[];
  readme?: { en?: string; zh?: string };
  /** Absent for a module without one, which is then configured as YAML only. */
  schema?: JsonSchema;
  example?: string;
  /** JSON pointers of secret fields in the schema. */
  secrets: string[];
  inherits?: boolean;
}

export type MatchKind = "domain" | "route" | "service";

export interface Scope {
  /** `gateway`, or a stable key of a rule; new rules are `new-1`, `new-2` … */
  key: string;
  /** Of the first list of `match` that is not empty. */
  kind: "gateway" | MatchKind;
  /** A rule may have several lists; all are empty for the gateway. */
  match: Record<MatchKind, string[]>;
  enabled: boolean;
  text: string;
  fixed?: Problem;
}

export interface Configuration {
  etag: string;
  file: string;
  line: number;
  scopes: Scope[];
}

export interface ConfigurationCheck {
  mistakes: Mistake[];
  before: string;
  after: string;
}

/** An entry of the field `exclude`. */
export interface Exclusion {
  rule: number;
  target?: string;
  path?: string;
  why: string;
}

export interface Match {
  rule: number;
  /** As an exclusion names it; absent if it cannot. */
  target?: string;
  path?: string;
  requests: number;
  score: number;
  last: string;
  /** What is proposed. */
  exclude: Exclusion;
}

export interface Matches {
  requests: number;
  matched: number;
  /** Matches that are not listed. */
  others: number;
  matches: Match[];
  /** Fields that are better than exclusions. */
  fields: { field: string; requests: number }[];
}

export interface Order {
  order: OrderName;
  inForce: OrderName;
  entries: OrderEntry[];
}

export interface TryRequest {
  method: string;
  url: string;
  headers: [string, string][];
  body?: string;
}

export interface Change {
  kind: "add" | "remove" | "set" | "body";
  name?: string;
  before?: string;
  after?: string;
}

export interface Step {
  ran: boolean;
  milliseconds?: number;
  changes: Change[];
  calls: { to: string; request: string; response: string; milliseconds: number }[];
  logs: { level: string; message: string }[];
  responded?: { status: number; reason: string };
}

export interface Lane {
  id: string;
  title: string;
  rule?: string;
  request: Step;
  response: Step;
}

export interface Trial {
  status: number;
  headers: [string, string][];
  body: string;
  bodyTruncated: boolean;
  milliseconds: number;
  respondedBy: { kind: "plugin" | "gateway" | "upstream"; plugin?: string; reason?: string };
  lanes: Lane[];
  upstream?: { method: string; path: string; headers: [string, string][]; body?: string };
}

export interface TryBody {
  request: TryRequest;
  change?: { plugin: string; scopes: Scope[] };
}

export interface TryResult {
  before?: Trial;
  result: Trial;
}

export interface Explanation {
  plugins: { id: string; title: string; rule?: string; scope?: string; runs: boolean; reason: string }[];
}

export interface Access {
  time: string;
  method: string;
  path: string;
  status: number;
  milliseconds: number;
  plugin?: string;
  details?: string;
}

export interface Log {
  time: string;
  level: string;
  plugin?: string;
  message: string;
}

export interface Counters {
  time: string;
  requestsPerSecond: number;
  refusalsPerSecond: number;
  /** The median duration of requests; absent without any. */
  milliseconds?: number;
  plugins: { id: string; requests: number; responses: number; failures: number }[];
}

export interface Notice {
  time: string;
  level: "info" | "warning" | "error";
  message: string;
}

export interface Live {
  access: Access[];
  logs: Log[];
  counters: Counters[];
}

/** The types of server-sent events with their data. */
export interface Events {
  plugins: Record<string, never>;
  gateway: Gateway;
  access: Access;
  log: Log;
  counters: Counters;
  notice: Notice;
}

export interface HistoryEntry {
  id: string;
  time: string;
  who: string;
  message: string;
  file: string;
  plugin?: string;
  committed: boolean;
}

export interface History {
  git: boolean;
  warning?: Problem;
  entries: HistoryEntry[];
}

export interface HistoryChange {
  before: string;
  after: string;
  file: string;
}

export type ExportTarget = "higress" | "istio" | "envoy-gateway";

export interface Export {
  text: string;
  notes: string[];
}

export interface AuditEntry {
  time: string;
  who: string;
  action: string;
  plugin?: string;
  detail?: string;
}
