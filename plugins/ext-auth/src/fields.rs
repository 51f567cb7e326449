//! The fields of the document.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use config::{HeaderName, NonEmptyString, Secret, ServiceName, StatusCode, Text};
use sdk::configuration;

/// The fields of a configuration.
#[configuration]
pub struct Fields {
    /// The authorization service, and the requests and responses exchanged with it.
    /// zh: 鉴权服务，以及与它交换的请求和响应
    pub http_service: HttpService,
    /// The purpose of `match_list`, see [Selecting requests](#selecting-requests).
    /// zh: `match_list` 的用途，见[选择请求](#选择请求)。
    #[serde(default)]
    pub match_type: MatchType,
    /// Selects requests by host, method and path.
    /// zh: 按域名、方法和路径选择请求
    #[serde(default)]
    pub match_list: Vec<MatchRule>,
    /// Pass requests if the service fails to decide.
    /// zh: 鉴权服务未能给出结论时放行请求
    #[serde(default)]
    pub failure_mode_allow: bool,
    /// Set `x-envoy-auth-failure-mode-allowed: true` on these requests.
    /// zh: 为这样的请求设置 `x-envoy-auth-failure-mode-allowed: true`
    #[serde(default)]
    pub failure_mode_allow_header_add: bool,
    /// Status code of the response if the service fails to decide.
    /// zh: 鉴权服务未能给出结论时响应的状态码
    #[serde(default = "forbidden")]
    pub status_on_error: StatusCode,
    /// Hold the headers of a request until its body has arrived. Requires support by the gateway, see [Bodies](#bodies).
    /// zh: 请求体到达之前保留请求头；需要网关支持，见[请求体](#请求体)
    #[serde(default)]
    pub hold_headers: bool,
    /// Call the service, log and count, but pass every request.
    /// zh: 调用鉴权服务、记录日志并计数，但放行所有请求
    #[serde(default)]
    pub dry_run: bool,
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

/// The authorization service.
#[configuration]
pub struct HttpService {
    /// The form of requests to the service, see [Requests to the service](#requests-to-the-service).
    /// zh: 发给鉴权服务的请求的形式，见[鉴权请求](#鉴权请求)。
    #[serde(default)]
    pub endpoint_mode: EndpointMode,
    /// Address of the service.
    /// zh: 鉴权服务的地址
    pub endpoint: Endpoint,
    /// Timeout of a call in milliseconds.
    /// zh: 调用的超时时间，毫秒
    #[serde(default = "one_second")]
    pub timeout: NonZeroU32,
    /// Content of requests to the service.
    /// zh: 发给鉴权服务的请求的内容
    #[serde(default)]
    pub authorization_request: AuthorizationRequest,
    /// Handling of responses of the service.
    /// zh: 如何处理鉴权服务的响应
    #[serde(default)]
    pub authorization_response: AuthorizationResponse,
}

fn one_second() -> NonZeroU32 {
    const { NonZeroU32::new(1000).unwrap() }
}

/// The form of requests to the service.
#[configuration]
#[derive(Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub enum EndpointMode {
    /// The method of the request, and its path after a prefix.
    /// zh: 请求的方法，以及加上前缀的请求路径
    #[default]
    Envoy,
    /// A fixed method and path; those of the request are in `X-Forwarded-*` headers.
    /// zh: 固定的方法和路径，请求的方法和路径写在 `X-Forwarded-*` 头里
    ForwardAuth,
}

/// Address of the service.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "service_source": "remove it, and append the kind to `service_name` (`auth.static`, `auth.dns`)",
        "service_domain": "write it as `service_host`",
    }))
)]
pub struct Endpoint {
    /// Fully qualified name: `auth.default.svc.cluster.local`, `auth.dns`, `auth.static`.
    /// zh: 完整名称：`auth.default.svc.cluster.local`、`auth.dns`、`auth.static`
    pub service_name: ServiceName,
    /// Port of the service.
    /// zh: 端口
    #[serde(default = "http")]
    pub service_port: NonZeroU16,
    /// `Host` header of calls; the service name by default.
    /// zh: 调用时的 `Host` 头，默认为服务名称
    #[serde(default)]
    pub service_host: Option<NonEmptyString>,
    /// Prefix of the request's path. Required in mode `envoy`; may be `""`.
    /// zh: 请求路径的前缀；`envoy` 模式必填，可以为 `""`
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Method of calls in mode `forward_auth`.
    /// zh: `forward_auth` 模式下调用的方法
    #[serde(default = "get")]
    pub request_method: String,
    /// Path of calls. Required in mode `forward_auth`.
    /// zh: 调用的路径；`forward_auth` 模式必填
    #[serde(default)]
    pub path: Option<String>,
}

fn http() -> NonZeroU16 {
    const { NonZeroU16::new(80).unwrap() }
}

fn get() -> String {
    "GET".into()
}

/// Content of requests to the service.
#[configuration]
#[derive(Default)]
pub struct AuthorizationRequest {
    /// Request headers to send. `Authorization` is always sent.
    /// zh: 要发送的请求头；`Authorization` 总是发送
    #[serde(default)]
    pub allowed_headers: Vec<StringMatcher>,
    /// Headers to set, replacing those of the client.
    /// zh: 要设置的头，替换客户端的同名头
    #[serde(default)]
    pub headers_to_add: BTreeMap<HeaderName, Secret>,
    /// Send the request body as well. Requires `hold_headers`, see [Bodies](#bodies).
    /// zh: 同时发送请求体；需要 `hold_headers`，见[请求体](#请求体)
    #[serde(default)]
    pub with_request_body: bool,
    /// Maximum size of a body in bytes with `with_request_body`, 10485760 (10 MiB) by default. Larger bodies are answered
    /// with 413.
    /// zh: `with_request_body` 时请求体的上限，字节；默认为 10485760（10 MiB）。更大的请求体返回 413
    #[serde(default)]
    pub max_request_body_bytes: Option<NonZeroU32>,
}

/// Handling of responses of the service.
#[configuration]
#[derive(Default)]
pub struct AuthorizationResponse {
    /// Statuses that allow a request: `202`, `200-204`, `2xx`. `200` in mode `envoy` and `2xx` in mode `forward_auth` by
    /// default.
    /// zh: 放行请求的状态码：`202`、`200-204`、`2xx`；`envoy` 模式默认为 `200`，`forward_auth` 模式默认为 `2xx`
    #[serde(default)]
    pub allowed_statuses: Option<Vec<Text>>,
    /// Headers of an allowing response to set on the request.
    /// zh: 放行的响应中要设置到请求上的头
    #[serde(default)]
    pub allowed_upstream_headers: Vec<StringMatcher>,
    /// Headers of a refusing response to relay to the client; all by default.
    /// zh: 拒绝的响应中要转发给客户端的头，默认为全部
    #[serde(default)]
    pub allowed_client_headers: Option<Vec<StringMatcher>>,
}

/// A pattern with exactly one of the five fields.
#[configuration]
#[derive(Default)]
pub struct StringMatcher {
    /// The complete name.
    /// zh: 完整的名称
    pub exact: Option<NonEmptyString>,
    /// Beginning of the name.
    /// zh: 名称的开头
    pub prefix: Option<NonEmptyString>,
    /// End of the name.
    /// zh: 名称的结尾
    pub suffix: Option<NonEmptyString>,
    /// Any part of the name.
    /// zh: 名称的任意部分
    pub contains: Option<NonEmptyString>,
    /// Unanchored regular expression ([RE2 syntax](https://github.com/google/re2/wiki/Syntax)).
    /// zh: 可在任意位置匹配的正则表达式（[RE2 语法](https://github.com/google/re2/wiki/Syntax)）
    pub regex: Option<NonEmptyString>,
    /// No effect, because header names are case-insensitive.
    /// zh: 不起作用，因为头的名称不区分大小写
    #[serde(default, rename = "ignore_case")]
    _ignore_case: bool,
}

/// The purpose of `match_list`.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MatchType {
    /// Matching requests are exempt.
    /// zh: 匹配的请求无需鉴权
    #[default]
    Whitelist,
    /// Only matching requests are authorized.
    /// zh: 只对匹配的请求鉴权
    Blacklist,
}

/// Conditions on host, method and path, all of which must hold.
#[configuration]
pub struct MatchRule {
    /// A host, or `*.example.com` for all its subdomains.
    /// zh: 域名，或表示其所有子域名的 `*.example.com`
    pub match_rule_domain: Option<NonEmptyString>,
    /// Methods, one of which must match.
    /// zh: 方法，匹配其中之一即可
    #[serde(default)]
    pub match_rule_method: Vec<NonEmptyString>,
    /// Pattern for the path without its query, see [Selecting requests](#selecting-requests).
    /// zh: 与不含查询参数的路径比较的内容，见[选择请求](#选择请求)
    pub match_rule_path: Option<NonEmptyString>,
    /// Kind of the pattern. `regex` is unanchored.
    /// zh: 比较的方式；`regex` 可在任意位置匹配
    pub match_rule_type: Option<MatchRuleType>,
}

/// The kind of a pattern.
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
