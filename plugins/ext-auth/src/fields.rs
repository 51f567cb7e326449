//! What an operator writes: the fields as they stand in the document.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use config::{HeaderName, NonEmptyString, Secret, ServiceName, StatusCode, Text};
use sdk::configuration;

/// The fields of a configuration.
#[configuration]
pub struct Fields {
    /// The authorization service, and what goes to it and comes from it.
    /// zh: 鉴权服务，以及发给它和从它得到的内容
    pub http_service: HttpService,
    /// What `match_list` is for, see [Which requests](#which-requests).
    /// zh: `match_list` 的含义，见[哪些请求](#哪些请求)。
    #[serde(default)]
    pub match_type: MatchType,
    /// Requests by host, method and path.
    /// zh: 按域名、方法和路径描述的请求
    #[serde(default)]
    pub match_list: Vec<MatchRule>,
    /// Let requests pass when the service gives no verdict.
    /// zh: 鉴权服务没有给出结论时放行请求
    #[serde(default)]
    pub failure_mode_allow: bool,
    /// Set `x-envoy-auth-failure-mode-allowed: true` on these requests.
    /// zh: 为这样的请求设置 `x-envoy-auth-failure-mode-allowed: true`
    #[serde(default)]
    pub failure_mode_allow_header_add: bool,
    /// Status of the answer otherwise.
    /// zh: 不放行时应答的状态码
    #[serde(default = "forbidden")]
    pub status_on_error: StatusCode,
    /// Hold the headers of a request until its body has been read. Only where the gateway can, see [Bodies](#bodies).
    /// zh: 在读完请求体之前保留请求头，仅在网关支持时可用，见[请求体](#请求体)
    #[serde(default)]
    pub hold_headers: bool,
    /// Ask, log and count, but let every request pass.
    /// zh: 询问、记录日志并计数，但放行所有请求
    #[serde(default)]
    pub dry_run: bool,
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

/// The authorization service.
#[configuration]
pub struct HttpService {
    /// How a request is put to the service, see [The question](#the-question).
    /// zh: 如何询问，见[询问](#询问)。
    #[serde(default)]
    pub endpoint_mode: EndpointMode,
    /// Where the service is.
    /// zh: 鉴权服务的位置
    pub endpoint: Endpoint,
    /// How long an answer may take, in milliseconds.
    /// zh: 等待应答的时间，毫秒
    #[serde(default = "one_second")]
    pub timeout: NonZeroU32,
    /// What goes to the service.
    /// zh: 发给鉴权服务的内容
    #[serde(default)]
    pub authorization_request: AuthorizationRequest,
    /// What becomes of its answer.
    /// zh: 如何处理它的应答
    #[serde(default)]
    pub authorization_response: AuthorizationResponse,
}

fn one_second() -> NonZeroU32 {
    const { NonZeroU32::new(1000).unwrap() }
}

/// How a request is put to the service.
#[configuration]
#[derive(Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub enum EndpointMode {
    /// With its own method, and its own path behind a prefix.
    /// zh: 使用请求自己的方法，路径加上前缀
    #[default]
    Envoy,
    /// With a fixed method and path; the request's own stand in `X-Forwarded-*` headers.
    /// zh: 使用固定的方法和路径，请求自己的写在 `X-Forwarded-*` 头里
    ForwardAuth,
}

/// Where the service is.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "service_source": "remove it, and put the kind into `service_name` (`auth.static`, `auth.dns`)",
        "service_domain": "write it as `service_host`",
    }))
)]
pub struct Endpoint {
    /// Fully qualified name: `auth.default.svc.cluster.local`, `auth.dns`, `auth.static`.
    /// zh: 完整名称：`auth.default.svc.cluster.local`、`auth.dns`、`auth.static`
    pub service_name: ServiceName,
    /// Its port.
    /// zh: 端口
    #[serde(default = "http")]
    pub service_port: NonZeroU16,
    /// The `Host` that it is called by; without, its name.
    /// zh: 询问时的 `Host`，不写则为服务名称
    #[serde(default)]
    pub service_host: Option<NonEmptyString>,
    /// Goes before the request's path; needed in mode `envoy`, `""` for nothing.
    /// zh: 加在请求路径之前；`envoy` 模式必填，`""` 表示不加
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// The method of the question, in mode `forward_auth`.
    /// zh: `forward_auth` 模式下询问的方法
    #[serde(default = "get")]
    pub request_method: String,
    /// The path of the question; needed in mode `forward_auth`.
    /// zh: 询问的路径；`forward_auth` 模式必填
    #[serde(default)]
    pub path: Option<String>,
}

fn http() -> NonZeroU16 {
    const { NonZeroU16::new(80).unwrap() }
}

fn get() -> String {
    "GET".into()
}

/// What goes to the service.
#[configuration]
#[derive(Default)]
pub struct AuthorizationRequest {
    /// Headers of the request that go along; `Authorization` always does.
    /// zh: 发给鉴权服务的请求头；`Authorization` 总是发送
    #[serde(default)]
    pub allowed_headers: Vec<StringMatcher>,
    /// Headers that go to the service in place of the client's.
    /// zh: 发给鉴权服务的头，替换客户端的同名头
    #[serde(default)]
    pub headers_to_add: BTreeMap<HeaderName, Secret>,
    /// Send the request's body too. Needs `hold_headers`, see [Bodies](#bodies).
    /// zh: 同时发送请求体；需要 `hold_headers`，见[请求体](#请求体)
    #[serde(default)]
    pub with_request_body: bool,
    /// With `with_request_body`: the largest body that is sent, in bytes; 10485760 (10 MiB) if absent. A larger body
    /// is answered 413.
    /// zh: `with_request_body` 为 true 时发送的请求体上限，字节；不写则为 10485760（10 MiB）。更大的请求体返回 413
    #[serde(default)]
    pub max_request_body_bytes: Option<NonZeroU32>,
}

/// What becomes of the service's answer.
#[configuration]
#[derive(Default)]
pub struct AuthorizationResponse {
    /// Statuses that let the request through: `202`, `200-204`, `2xx`. Without, `200` in mode `envoy` and `2xx` in
    /// mode `forward_auth`.
    /// zh: 放行请求的状态码：`202`、`200-204`、`2xx`；不写则 `envoy` 模式为 `200`，`forward_auth` 模式为 `2xx`
    #[serde(default)]
    pub allowed_statuses: Option<Vec<Text>>,
    /// Headers of an answer that lets the request through that are set on the request.
    /// zh: 放行的应答中设置到请求上的头
    #[serde(default)]
    pub allowed_upstream_headers: Vec<StringMatcher>,
    /// Headers of a refusal that the client gets; without, all.
    /// zh: 拒绝时客户端得到的头，不写则为全部
    #[serde(default)]
    pub allowed_client_headers: Option<Vec<StringMatcher>>,
}

/// A pattern: exactly one of the five.
#[configuration]
#[derive(Default)]
pub struct StringMatcher {
    /// The whole name.
    /// zh: 完整的名称
    pub exact: Option<NonEmptyString>,
    /// Its beginning.
    /// zh: 名称的开头
    pub prefix: Option<NonEmptyString>,
    /// Its end.
    /// zh: 名称的结尾
    pub suffix: Option<NonEmptyString>,
    /// Any part of it.
    /// zh: 名称的任意部分
    pub contains: Option<NonEmptyString>,
    /// A regular expression ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)) that is found in it.
    /// zh: 正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)），在任意位置找到即可
    pub regex: Option<NonEmptyString>,
    /// Changes nothing: names of headers have no case.
    /// zh: 不起作用：头的名称不区分大小写
    #[serde(default, rename = "ignore_case")]
    _ignore_case: bool,
}

/// What the requests of `match_list` are.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    /// These requests pass without being asked about.
    /// zh: 其中的请求不经询问即放行
    #[default]
    Whitelist,
    /// They alone are asked about.
    /// zh: 只询问其中的请求
    Blacklist,
}

/// Requests by host, method and path: all conditions that are written must hold.
#[configuration]
pub struct MatchRule {
    /// A host, or `*.example.com` for all below it.
    /// zh: 域名，或表示其下所有域名的 `*.example.com`
    pub match_rule_domain: Option<NonEmptyString>,
    /// Methods, one of which it must be.
    /// zh: 方法，须为其中之一
    #[serde(default)]
    pub match_rule_method: Vec<NonEmptyString>,
    /// What the path is compared with, without its query, see [Which requests](#which-requests).
    /// zh: 与路径比较的内容，不含查询参数，见[哪些请求](#哪些请求)
    pub match_rule_path: Option<NonEmptyString>,
    /// How it is compared; `regex` is found in it.
    /// zh: 比较的方式；`regex` 在任意位置找到即可
    pub match_rule_type: Option<MatchRuleType>,
}

/// How a path is compared.
#[configuration]
#[derive(Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MatchRuleType {
    Exact,
    Prefix,
    Suffix,
    Contains,
    Regex,
}
