//! The configuration with its networks sorted.

use std::net::IpAddr;
use std::num::NonZeroU16;

use config::{Configuration, FieldError, HeaderName, NonEmptyString, StatusCode};
use matcher::ip::{IpRange, IpSet, Trust};
use sdk::{Reply, configuration};

/// The fields of the document.
#[configuration]
#[cfg_attr(
    not(target_family = "wasm"),
    schemars(extend("x-not-here" = {
        "blacklist": "write it as `deny`",
        "whitelist": "write it as `allow`",
    }))
)]
pub struct Fields {
    /// Where the client's address is from, see [Client addresses](#client-addresses).
    /// zh: 客户端地址的来源，见[客户端地址](#客户端地址)
    #[serde(default)]
    ip_source_type: SourceType,
    /// With `header`: the header with the addresses. `x-forwarded-for` if absent.
    /// zh: 用于 `header`：包含地址的请求头，缺省为 `x-forwarded-for`
    #[serde(default)]
    ip_header_name: Option<HeaderName>,
    /// With `header`: the number of proxies in front of the gateway that append to the header.
    /// zh: 用于 `header`：网关之前有几个代理向该请求头追加地址
    #[serde(default)]
    trusted_hops: Option<NonZeroU16>,
    /// With `header`: the addresses and networks of the proxies in front of the gateway, instead of their number.
    /// zh: 用于 `header`：网关之前各代理的地址或网段，代替代理的数量
    #[serde(default)]
    trusted_proxies: Vec<NonEmptyString>,
    /// Addresses and networks that pass; all others are blocked. Set either `allow` or `deny`.
    /// zh: 放行的地址或网段，其他一律屏蔽。`allow` 与 `deny` 只能设置一个
    #[serde(default)]
    allow: Vec<NonEmptyString>,
    /// Addresses and networks that are blocked; all others pass.
    /// zh: 屏蔽的地址或网段，其他一律放行
    #[serde(default)]
    deny: Vec<NonEmptyString>,
    /// Status code of the response.
    /// zh: 响应的状态码
    #[serde(default = "forbidden")]
    status: StatusCode,
    /// Message in the response, whose body is `{"message":"…"}` as `application/json`.
    /// zh: 响应中的消息，响应体为 `application/json` 的 `{"message":"…"}`
    #[serde(default = "blocked")]
    message: String,
    /// Log and count decisions, but pass every request.
    /// zh: 判定、记录日志并计数，但放行所有请求
    #[serde(default)]
    dry_run: bool,
}

/// Where the client's address is from.
#[configuration]
#[derive(Clone, Copy, Default, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum SourceType {
    /// The connection, as the gateway sees it.
    /// zh: 网关所见的连接
    #[default]
    OriginSource,
    /// A header to which proxies append.
    /// zh: 由代理追加的请求头
    Header,
}

fn forbidden() -> StatusCode {
    StatusCode::FORBIDDEN
}

fn blocked() -> String {
    "Your IP address is blocked.".into()
}

/// The source of a client's address.
pub enum IpSource {
    /// The peer of the connection.
    Peer,
    /// A header.
    Header(String, Trust),
}

/// What passes.
enum List {
    Allow(IpSet),
    Deny(IpSet),
}

/// The configuration with its networks sorted.
pub struct Config {
    /// The source of a client's address.
    pub source: IpSource,
    list: List,
    status: StatusCode,
    body: String,
    dry_run: bool,
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        let list = match (fields.allow.is_empty(), fields.deny.is_empty()) {
            (false, true) => List::Allow(networks("allow", &fields.allow)?),
            (true, false) => List::Deny(networks("deny", &fields.deny)?),
            (true, true) => {
                return Err(FieldError::new("", "restricts nothing: add an address to `allow` or to `deny`"));
            }
            (false, false) => {
                let message =
                    "cannot be combined with `allow`: whatever `allow` does not list is blocked, remove one";
                return Err(FieldError::new("deny", message));
            }
        };
        let body = format!("{{\"message\":{}}}", text::json::encode(&fields.message));
        Ok(Self { source: source(&fields)?, list, status: fields.status, body, dry_run: fields.dry_run })
    }
}

fn source(fields: &Fields) -> Result<IpSource, FieldError> {
    let is_header = fields.ip_source_type == SourceType::Header;
    if !is_header {
        let unused = [
            ("ip_header_name", fields.ip_header_name.is_some()),
            ("trusted_hops", fields.trusted_hops.is_some()),
            ("trusted_proxies", !fields.trusted_proxies.is_empty()),
        ];
        if let Some((field, _)) = unused.into_iter().find(|(_, is_set)| *is_set) {
            let message = "has no effect without `ip_source_type: header`: add that, or remove the field";
            return Err(FieldError::new(field, message));
        }
        return Ok(IpSource::Peer);
    }
    let trust = match (fields.trusted_hops, fields.trusted_proxies.is_empty()) {
        (Some(hops), true) => Trust::Hops(hops),
        (None, false) => Trust::Proxies(networks("trusted_proxies", &fields.trusted_proxies)?),
        (Some(_), false) => {
            let message = "cannot be combined with `trusted_hops`: remove one";
            return Err(FieldError::new("trusted_proxies", message));
        }
        (None, true) => {
            return Err(FieldError::new(
                "ip_source_type",
                "needs to know your proxies, because clients can send the header as well: add `trusted_hops: 1` if one \
                 proxy in front of the gateway appends to it, or `trusted_proxies` with their addresses",
            ));
        }
    };
    let name = fields.ip_header_name.as_deref().unwrap_or("x-forwarded-for");
    Ok(IpSource::Header(name.to_owned(), trust))
}

/// Parses a list of addresses and networks.
fn networks(field: &str, entries: &[NonEmptyString]) -> Result<IpSet, FieldError> {
    let mut ranges = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let range = IpRange::parse(entry);
        ranges.push(range.map_err(|error| FieldError::in_list(field, index, error.to_string()))?);
    }
    Ok(IpSet::new(ranges))
}

impl Config {
    /// Returns why requests of this client are blocked, or `None` if they pass.
    pub fn cause(&self, address: IpAddr) -> Option<String> {
        match &self.list {
            List::Allow(set) if set.contains(address) => None,
            List::Allow(_) => Some("not in allow".to_owned()),
            List::Deny(set) => set.find(address).map(|index| format!("deny[{index}]")),
        }
    }

    /// The response to a blocked request.
    pub fn refused(&self, details: &'static str, cause: String) -> Reply {
        Reply::new(self.status)
            .details(details)
            .cause(cause)
            .header("content-type", "application/json")
            .body(self.body.as_str())
            .dry_run(self.dry_run)
    }
}
