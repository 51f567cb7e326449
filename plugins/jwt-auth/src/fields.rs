//! The fields of the document.

use std::num::{NonZeroU16, NonZeroU32};

use auth::access::IfAuthenticated;
use config::{HeaderName, NonEmptyString, Secret, ServiceName, SettableHeaderName};
use sdk::configuration;

/// The fields of a configuration.
#[configuration]
pub struct Fields {
    /// Who may send requests. Required.
    /// zh: 可以发送请求的消费者，必填
    #[serde(default)]
    pub consumers: Option<Vec<Consumer>>,
    /// With `true`, all requests need a token of any consumer. With `false`, only those of rules with `allow` do. If absent:
    /// `true` without rules, `false` with rules.
    /// zh: 为 true 时，所有请求都需要任一消费者的令牌；为 false 时，只有带 `allow` 的规则需要。缺省：没有规则时为 true，有规则时为 false
    #[serde(default)]
    pub global_auth: Option<bool>,
    /// In rules only: the consumers that may send requests.
    /// zh: 仅用于规则：可以发送请求的消费者
    #[serde(default)]
    pub allow: Option<Vec<NonEmptyString>>,
    /// Authenticate only requests with one of these headers. Clients decide whether they send them.
    /// zh: 只认证带有其中某个请求头的请求。是否发送这些请求头由客户端决定
    #[serde(default)]
    pub enable_headers: Option<Vec<HeaderName>>,
    /// A request that an earlier authentication plug-in has authenticated: `require` a token as well (the default), or `skip` it.
    /// zh: 对于之前的认证插件已认证的请求：`require` 仍需令牌，`skip` 则跳过；缺省为 `require`
    #[serde(default)]
    pub if_authenticated: Option<IfAuthenticated>,
    /// Authenticate CORS preflights, too. Browsers send these without tokens: write `false` if no plug-in before this one
    /// answers them. `true` if absent.
    /// zh: 对 CORS 预检请求也进行认证，缺省为 true。浏览器发送预检请求时不带令牌：如果之前没有插件应答预检请求，请写 `false`
    #[serde(default)]
    pub run_on_preflight: Option<bool>,
    /// The realm in `WWW-Authenticate`, `MSE Gateway` if absent.
    /// zh: `WWW-Authenticate` 中的 realm，缺省为 `MSE Gateway`
    #[serde(default)]
    pub realm: Option<String>,
    /// Log and count refusals, but pass every request. A rule has the global value unless it sets its own.
    /// zh: 记录并统计拒绝，但放行所有请求。规则未设置时使用全局的值
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A consumer.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "jwks_uri": "write it as `uri` in `remote_jwks`, with the service that the gateway calls",
        "public_key": "write it as an entry of `keys` in `jwks`, with `kty`",
    }))
)]
pub struct Consumer {
    /// Its name, which the upstream receives in `X-Mse-Consumer`.
    /// zh: 名称，上游在 `X-Mse-Consumer` 请求头中收到
    pub name: NonEmptyString,
    /// The value of `iss` in its tokens. If absent, any.
    /// zh: 令牌中 `iss` 的值；缺省为任意值
    #[serde(default)]
    pub issuer: Option<NonEmptyString>,
    /// Its keys, a JSON Web Key Set as a string (RFC 7517). Write either `jwks` or `remote_jwks`.
    /// zh: 密钥，字符串形式的 JSON Web Key Set（RFC 7517）。`jwks` 与 `remote_jwks` 二选一
    #[serde(default)]
    pub jwks: Option<Secret>,
    /// The service that publishes its keys, see [Remote keys](#remote-keys).
    /// zh: 发布其密钥的服务，见[远程密钥](#远程密钥)
    #[serde(default)]
    pub remote_jwks: Option<RemoteJwks>,
    /// `aud` of its tokens must contain one of these. If absent, `aud` is not checked.
    /// zh: 令牌的 `aud` 必须包含其中之一；缺省不检查 `aud`
    #[serde(default)]
    pub audiences: Vec<NonEmptyString>,
    /// Claims that its tokens must have.
    /// zh: 令牌必须具有的声明
    #[serde(default)]
    pub required_claims: Vec<RequiredClaim>,
    /// Accept only tokens with `exp`.
    /// zh: 只接受带有 `exp` 的令牌
    #[serde(default = "yes")]
    pub require_exp: bool,
    /// Tolerance for clocks that differ, in seconds: for `exp`, `nbf` and `iat`.
    /// zh: 允许的时钟偏差，秒，用于 `exp`、`nbf` 和 `iat`
    #[serde(default = "one_minute")]
    pub clock_skew_seconds: u32,
    /// Headers with the token. Setting one of `from_headers`, `from_params` and `from_cookies` replaces the defaults of all:
    /// `Authorization` with `Bearer `, and the parameter `access_token`.
    /// zh: 包含令牌的请求头。设置 `from_headers`、`from_params`、`from_cookies` 之一会替换全部默认值：带 `Bearer ` 的 `Authorization`，以及参数 `access_token`
    #[serde(default)]
    pub from_headers: Option<Vec<FromHeader>>,
    /// Query parameters with the token.
    /// zh: 包含令牌的查询参数
    #[serde(default)]
    pub from_params: Option<Vec<NonEmptyString>>,
    /// Cookies with the token.
    /// zh: 包含令牌的 Cookie
    #[serde(default)]
    pub from_cookies: Option<Vec<NonEmptyString>>,
    /// Headers that the upstream receives with claims of the token.
    /// zh: 把令牌中的声明写入发给上游的请求头
    #[serde(default)]
    pub claims_to_headers: Vec<ClaimToHeader>,
    /// Send the token to the upstream. With `false`, it is removed where it was found.
    /// zh: 把令牌发给上游；为 false 时从其所在位置移除
    #[serde(default = "yes")]
    pub keep_token: bool,
}

/// A service that publishes keys.
#[configuration]
pub struct RemoteJwks {
    /// The URL of the keys, as the issuer states it in `jwks_uri`.
    /// zh: 密钥的 URL，即签发者的 `jwks_uri`
    pub uri: NonEmptyString,
    /// The service that the gateway calls for it: `idp.dns`, `idp.static`, `keycloak.default.svc.cluster.local`.
    /// zh: 网关为此调用的服务：`idp.dns`、`idp.static`、`keycloak.default.svc.cluster.local`
    pub service_name: ServiceName,
    /// Its port; that of the URL if absent.
    /// zh: 端口；缺省为 URL 的端口
    #[serde(default)]
    pub service_port: Option<NonZeroU16>,
    /// Timeout of a call, in milliseconds.
    /// zh: 调用的超时时间，毫秒
    #[serde(default = "one_second")]
    pub timeout: NonZeroU32,
    /// Age at which keys are old, in seconds. They are refreshed at four fifths of it.
    /// zh: 密钥的有效时间，秒；到达其五分之四时刷新
    #[serde(default = "ten_minutes")]
    pub cache_duration: NonZeroU32,
    /// Minimum time between two calls, in seconds: an unknown `kid` fetches the keys at most this often.
    /// zh: 两次调用之间的最短间隔，秒：未知的 `kid` 至多以此频率触发获取
    #[serde(default = "ten_seconds")]
    pub min_refresh: NonZeroU32,
}

/// A claim that a token must have.
#[configuration]
pub struct RequiredClaim {
    /// Its name; `a.b` is member `b` of `a`.
    /// zh: 名称；`a.b` 是 `a` 的成员 `b`
    pub claim: NonEmptyString,
    /// Its permitted values; any if absent. A list must contain one of them, and so must the words of `scope`.
    /// zh: 允许的值，缺省为任意值。列表须包含其中之一，`scope` 中的单词亦然
    #[serde(default)]
    pub values: Vec<NonEmptyString>,
}

/// A header with a token.
#[configuration]
pub struct FromHeader {
    /// Its name.
    /// zh: 名称
    pub name: HeaderName,
    /// The text before the token, in any case. If absent, `Bearer ` for `Authorization` and none for other headers.
    /// zh: 令牌之前的文字，不区分大小写。缺省时 `Authorization` 为 `Bearer `，其他请求头为空
    #[serde(default)]
    pub value_prefix: Option<String>,
}

/// A header with a claim.
#[configuration]
pub struct ClaimToHeader {
    /// The claim; `a.b` is member `b` of `a`.
    /// zh: 声明；`a.b` 是 `a` 的成员 `b`
    pub claim: NonEmptyString,
    /// The header.
    /// zh: 请求头
    pub header: SettableHeaderName,
    /// Replace the client's header of this name, which is removed from all requests. With `false`, the claim is added to it.
    /// zh: 替换客户端的同名请求头（它会从所有请求中移除）。为 false 时追加
    #[serde(default = "yes", rename = "override")]
    pub replace: bool,
}

fn yes() -> bool {
    true
}

fn one_minute() -> u32 {
    60
}

fn one_second() -> NonZeroU32 {
    const { NonZeroU32::new(1000).unwrap() }
}

fn ten_minutes() -> NonZeroU32 {
    const { NonZeroU32::new(600).unwrap() }
}

fn ten_seconds() -> NonZeroU32 {
    const { NonZeroU32::new(10).unwrap() }
}
