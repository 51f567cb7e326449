//! The configuration with its mode.

use config::{Configuration, FieldError, HeaderValue, RequestHeaderName, Secret, StatusCode};
use sdk::configuration;
use sha2::{Digest, Sha256};
use text::json::DotPath;

/// The fields of the document.
#[configuration]
pub struct Fields {
    /// How responses are found: `http` by method, URL and `Vary`, for as long as they permit it (RFC 9111); `key` by a header or
    /// by the body of the request. If absent, `key` if one of its fields is set, and `http` otherwise.
    /// zh: 如何查找响应：`http` 按方法、URL 和 `Vary`，在响应允许的时间内（RFC 9111）；`key` 按请求头或请求体。缺省时，设置了 `key` 的任一字段则为 `key`，否则为 `http`
    #[serde(default)]
    mode: Option<ModeField>,
    /// Maximum number of stored responses of the gateway process.
    /// zh: 网关进程中存储的最大响应数
    #[serde(default = "entries")]
    max_entries: u32,
    /// Maximum size of the body of a stored response, and of the body of a request that is the key, in bytes. Responses to others are
    /// not stored.
    /// zh: 存储的响应体和作为键的请求体的最大字节数，更大的不存储
    #[serde(default = "entry_bytes")]
    max_entry_bytes: u32,
    /// Headers of requests that are part of the key, besides the route, the host and the path with its query.
    /// zh: 除路由、主机名和带查询参数的路径以外，作为键的一部分的请求头
    #[serde(default)]
    key_headers: Vec<RequestHeaderName>,
    /// Share responses to requests with `Authorization` or of a known consumer. With `mode: http` only those that permit it
    /// (`public`, `s-maxage`, `must-revalidate`).
    /// zh: 共享带 `Authorization` 或来自已知消费者的请求的响应。`mode: http` 时仅限允许共享的响应（`public`、`s-maxage`、`must-revalidate`）
    #[serde(default)]
    share_authorized: bool,
    /// Share responses with `Set-Cookie`, without this header.
    /// zh: 共享带 `Set-Cookie` 的响应，但不包含该响应头
    #[serde(default)]
    share_set_cookie: bool,
    /// `mode: http`: seconds for which responses with status 200 are stored that do not say for how long, except to requests with
    /// `Cookie`. 0 does not store them.
    /// zh: `mode: http`：没有声明有效期的 200 响应的存储秒数，不包括对带 `Cookie` 的请求的响应。0 表示不存储
    #[serde(default)]
    default_ttl: u32,
    /// `mode: http`: ask the upstream whether stale responses, and those with `no-cache`, can be used again. Clients then receive
    /// these responses without the changes of plug-ins before this one, see [Revalidation](#revalidation).
    /// zh: `mode: http`：向上游确认过期的响应以及带 `no-cache` 的响应是否可以再次使用。客户端收到的这些响应不包含本插件之前的插件所作的修改，见[重新验证](#重新验证)
    #[serde(default)]
    revalidate: bool,
    /// The store: for `mode: key`, and in Redis for `mode: http` too.
    /// zh: 存储：用于 `mode: key`；在 Redis 中也用于 `mode: http`
    #[serde(default)]
    cache: Option<CacheFields>,
    /// `mode: key`: the header whose value is the key.
    /// zh: `mode: key`：其值作为键的请求头
    #[serde(default, rename = "cacheKeyFromHeader")]
    cache_key_from_header: Option<String>,
    /// `mode: key`: path of the value in the JSON body that is the key, such as `messages.0.content`. If empty, and without
    /// `cacheKeyFromHeader`, the whole body.
    /// zh: `mode: key`：JSON 请求体中作为键的值的路径，例如 `messages.0.content`。为空且没有 `cacheKeyFromHeader` 时为整个请求体
    #[serde(default, rename = "cacheKeyFromBody")]
    cache_key_from_body: Option<String>,
    /// `mode: key`: the `content-type` of responses from the cache.
    /// zh: `mode: key`：来自缓存的响应的 `content-type`
    #[serde(default, rename = "cacheValueFromBodyType")]
    cache_value_from_body_type: Option<HeaderValue>,
    /// `mode: key`: path of the value in the JSON body of the response that is stored. If empty, the whole body.
    /// zh: `mode: key`：JSON 响应体中被存储的值的路径。为空时为整个响应体
    #[serde(default, rename = "cacheValueFromBody")]
    cache_value_from_body: Option<String>,
    /// `mode: key`: statuses of responses that are stored.
    /// zh: `mode: key`：被存储的响应的状态码
    #[serde(default, rename = "cacheResponseCode")]
    cache_response_code: Option<Vec<StatusCode>>,
}

/// How responses are found.
#[configuration]
#[derive(Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ModeField {
    /// By method, URL and `Vary`.
    Http,
    /// By a header or by the body.
    Key,
}

/// The store.
#[configuration]
struct CacheFields {
    /// `local`: the memory of the gateway process. `redis`, on Higress and MSE: a server that all gateways share, see
    /// [Redis](#redis).
    /// zh: `local`：网关进程的内存。`redis`（在 Higress 和 MSE 上）：所有网关共享的服务器，见 [Redis](#redis)
    #[serde(default, rename = "type")]
    kind: String,
    /// Seconds for which a response is stored. 0: until others need its space.
    /// zh: 响应的存储秒数。0 表示直到其他响应需要其空间
    #[serde(default, rename = "cacheTTL")]
    cache_ttl: u32,
    /// Part of the key. In Redis, it begins the key; at most 256 bytes.
    /// zh: 键的一部分。在 Redis 中是键的前缀，至多 256 字节
    #[serde(default = "prefix", rename = "cacheKeyPrefix")]
    cache_key_prefix: String,
    /// Redis: full name of the service, for example `redis.static`.
    /// zh: Redis：服务的完整名称，例如 `redis.static`
    #[serde(default, rename = "serviceName")]
    service_name: Option<String>,
    /// Redis: has no effect.
    /// zh: Redis：不起作用
    #[serde(default, rename = "serviceHost")]
    service_host: Option<String>,
    /// Redis: port of the service. 80 for a `.static` service if absent or 0, otherwise 6379.
    /// zh: Redis：服务端口；缺省或为 0 时，`.static` 服务为 80，其他为 6379
    #[serde(default, rename = "servicePort")]
    service_port: Option<u16>,
    /// Redis: user name.
    /// zh: Redis：用户名
    #[serde(default)]
    username: Option<String>,
    /// Redis: password.
    /// zh: Redis：密码
    #[serde(default)]
    password: Option<Secret>,
    /// Redis: timeout of a command in milliseconds. 1000 if absent or 0.
    /// zh: Redis：命令的超时时间，单位毫秒；缺省或为 0 时为 1000
    #[serde(default)]
    timeout: Option<u32>,
    /// Redis: number of the database.
    /// zh: Redis：数据库编号
    #[serde(default)]
    database: Option<u32>,
}

fn entries() -> u32 {
    1024
}

fn entry_bytes() -> u32 {
    65_536
}

/// The usual prefix of keys.
const PREFIX: &str = "higress-response-cache:";

fn prefix() -> String {
    PREFIX.to_owned()
}

/// The maximum size of a body in bytes: what a gateway passes to a plug-in and back in one host call.
const MAX_ENTRY_BYTES: u32 = 1 << 20;

/// The maximum number of stored responses.
const MAX_ENTRIES: u32 = 65_536;

/// The configuration with its mode.
pub struct Config {
    /// How responses are found.
    pub mode: Mode,
    /// A digest of everything that decides about stored responses, so that other configurations do not use them.
    pub fingerprint: [u8; 32],
    /// The maximum number of stored responses.
    pub entries: u32,
    /// The maximum size of a body.
    pub entry_bytes: usize,
    /// Headers that are part of the key.
    pub key_headers: Vec<RequestHeaderName>,
    /// Share responses to authorized requests.
    pub share_authorized: bool,
    /// Share responses with cookies.
    pub share_set_cookie: bool,
    /// Revalidate stale responses.
    pub revalidate: bool,
    /// The store, instead of that of the process.
    #[cfg(feature = "redis")]
    pub redis: Option<crate::redis::Redis>,
}

/// How responses are found.
pub enum Mode {
    /// By the rules of RFC 9111, with the seconds for responses that do not have any.
    Http(u64),
    /// By a key.
    Key(Box<Keyed>),
}

/// The fields of `mode: key`.
pub struct Keyed {
    /// Where the key is.
    pub key: KeySource,
    /// The seconds for which a response is stored.
    pub ttl: u64,
    /// The value that is stored, instead of the whole body.
    pub value: Option<DotPath>,
    /// The content type of stored responses.
    pub content_type: String,
    /// The statuses that are stored.
    pub statuses: Vec<StatusCode>,
}

/// Where a key is.
pub enum KeySource {
    /// In a header.
    Header(RequestHeaderName),
    /// In the body: a value, or all of it.
    Body(Option<DotPath>),
}

impl Config {
    /// Returns true for the name of a header that is part of the key.
    pub fn is_keyed(&self, name: &[u8]) -> bool {
        let is_it = |key: &RequestHeaderName| name.eq_ignore_ascii_case(key.as_bytes());
        let source = match &self.mode {
            Mode::Key(keyed) => match &keyed.key {
                KeySource::Header(key) => Some(key),
                KeySource::Body(_) => None,
            },
            Mode::Http(_) => None,
        };
        self.key_headers.iter().chain(source).any(is_it)
    }
}

impl Configuration for Config {
    type Fields = Fields;

    fn check(fields: Fields) -> Result<Self, FieldError> {
        if !(1..=MAX_ENTRIES).contains(&fields.max_entries) {
            return Err(FieldError::new("max_entries", format!("must be from 1 to {MAX_ENTRIES}")));
        }
        if fields.max_entry_bytes > MAX_ENTRY_BYTES {
            let message = format!("must be at most {MAX_ENTRY_BYTES}: larger responses are not stored");
            return Err(FieldError::new("max_entry_bytes", message));
        }
        let is_redis = match &fields.cache {
            Some(cache) => is_redis(cache)?,
            None => false,
        };
        let is_shared = is_redis && fields.mode == Some(ModeField::Http);
        if let Some(cache) = &fields.cache
            && is_shared
            && cache.cache_ttl != 0
        {
            let message = "has no effect with `mode: http`, where responses say for how long they are stored: remove it";
            return Err(FieldError::new("cache.cacheTTL", message));
        }
        let keyed = [
            ("cache", fields.cache.is_some() && !is_shared),
            ("cacheKeyFromHeader", fields.cache_key_from_header.is_some()),
            ("cacheKeyFromBody", fields.cache_key_from_body.is_some()),
            ("cacheValueFromBodyType", fields.cache_value_from_body_type.is_some()),
            ("cacheValueFromBody", fields.cache_value_from_body.is_some()),
            ("cacheResponseCode", fields.cache_response_code.is_some()),
        ];
        let first = keyed.iter().find(|(_, is_set)| *is_set).map(|(field, _)| *field);
        let mode = match (fields.mode, first) {
            (Some(ModeField::Http), Some(field)) => {
                let message = "has no effect with `mode: http`: remove it, or write `mode: key`";
                return Err(FieldError::new(field, message));
            }
            (Some(mode), _) => mode,
            (None, Some(_)) => ModeField::Key,
            (None, None) => ModeField::Http,
        };
        if mode == ModeField::Key && fields.default_ttl != 0 {
            let message = "has no effect with `mode: key`: write `cache: { cacheTTL: … }`";
            return Err(FieldError::new("default_ttl", message));
        }
        if mode == ModeField::Key && fields.revalidate {
            return Err(FieldError::new("revalidate", "has no effect with `mode: key`: remove it"));
        }
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        };
        for name in &fields.key_headers {
            add(name.as_bytes());
        }
        add(&[u8::from(fields.share_authorized), u8::from(fields.share_set_cookie)]);
        let mode = match mode {
            ModeField::Http => {
                add(b"http");
                add(&fields.default_ttl.to_le_bytes());
                add(&[fields.revalidate.into()]);
                Mode::Http(fields.default_ttl.into())
            }
            ModeField::Key => {
                add(b"key");
                let texts = [
                    &fields.cache_key_from_header,
                    &fields.cache_key_from_body,
                    &fields.cache_value_from_body,
                ];
                for text in texts {
                    add(text.as_deref().unwrap_or_default().as_bytes());
                }
                let (prefix, ttl) = match &fields.cache {
                    Some(cache) => (cache.cache_key_prefix.as_str(), cache.cache_ttl),
                    None => (PREFIX, 0),
                };
                add(prefix.as_bytes());
                let content_type = fields
                    .cache_value_from_body_type
                    .map_or_else(|| "application/json".to_owned(), |value| value.to_string());
                add(content_type.as_bytes());
                let statuses = fields.cache_response_code.filter(|statuses| !statuses.is_empty());
                let statuses = statuses.unwrap_or_else(|| vec![StatusCode::OK]);
                for status in &statuses {
                    add(&status.get().to_le_bytes());
                }
                add(&ttl.to_le_bytes());
                Mode::Key(Box::new(Keyed {
                    key: key(fields.cache_key_from_header, fields.cache_key_from_body)?,
                    ttl: if ttl == 0 { u64::MAX } else { ttl.into() },
                    value: path("cacheValueFromBody", fields.cache_value_from_body)?,
                    content_type,
                    statuses,
                }))
            }
        };
        let entry_bytes = usize::try_from(fields.max_entry_bytes).unwrap_or(usize::MAX);
        #[cfg(feature = "redis")]
        let redis = match fields.cache {
            Some(cache) if is_redis => Some(server(cache, entry_bytes)?),
            _ => None,
        };
        Ok(Self {
            mode,
            fingerprint: digest.finalize().into(),
            entries: fields.max_entries,
            entry_bytes,
            key_headers: fields.key_headers,
            share_authorized: fields.share_authorized,
            share_set_cookie: fields.share_set_cookie,
            revalidate: fields.revalidate,
            #[cfg(feature = "redis")]
            redis,
        })
    }
}

/// Returns true if responses are stored in Redis.
fn is_redis(cache: &CacheFields) -> Result<bool, FieldError> {
    match cache.kind.as_str() {
        "" | "local" => {}
        "redis" if cfg!(feature = "redis") => return Ok(true),
        "redis" => {
            let message = "only Higress and MSE can call Redis, with the module of `cargo xtask build response-cache --gateway \
                           higress`; elsewhere, write `local` for the memory of each gateway process, and remove the fields \
                           of Redis";
            return Err(FieldError::new("cache.type", message));
        }
        _ if cfg!(feature = "redis") => {
            return Err(FieldError::new("cache.type", "is not a store: write `local` or `redis`"));
        }
        _ => return Err(FieldError::new("cache.type", "is not a store: write `local`")),
    }
    let of_redis = [
        ("serviceName", cache.service_name.is_some()),
        ("serviceHost", cache.service_host.is_some()),
        ("servicePort", cache.service_port.is_some()),
        ("username", cache.username.is_some()),
        ("password", cache.password.is_some()),
        ("timeout", cache.timeout.is_some()),
        ("database", cache.database.is_some()),
    ];
    match of_redis.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => Err(FieldError::new(format!("cache.{field}"), "is a field of Redis: remove it")),
        None => Ok(false),
    }
}

/// The Redis server in which responses are stored.
#[cfg(feature = "redis")]
fn server(cache: CacheFields, entry_bytes: usize) -> Result<crate::redis::Redis, FieldError> {
    use std::num::{NonZeroU16, NonZeroU32};

    use config::ServiceName;
    use sdk::redis::{RedisCache, RedisServer};

    const MAX_PREFIX: usize = 256;
    if cache.cache_key_prefix.len() > MAX_PREFIX {
        let message = format!("must have at most {MAX_PREFIX} bytes");
        return Err(FieldError::new("cache.cacheKeyPrefix", message));
    }
    let Some(name) = cache.service_name else {
        return Err(FieldError::new(
            "cache.serviceName",
            "is missing: write the full name of the service of Redis",
        ));
    };
    let server = RedisServer {
        service_name: ServiceName::try_from(name)
            .map_err(|message| FieldError::new("cache.serviceName", message))?,
        service_port: cache.service_port.and_then(NonZeroU16::new),
        username: cache.username.unwrap_or_default(),
        password: cache.password,
        timeout: cache.timeout.and_then(NonZeroU32::new).unwrap_or(const { NonZeroU32::new(1_000).unwrap() }),
        database: cache.database.unwrap_or_default(),
    };
    let store = RedisCache::new("response-cache", server);
    Ok(crate::redis::Redis::new(store, &cache.cache_key_prefix, entry_bytes))
}

fn key(header: Option<String>, body: Option<String>) -> Result<KeySource, FieldError> {
    let header = header.filter(|name| !name.is_empty());
    let path = path("cacheKeyFromBody", body)?;
    match (header, path) {
        (Some(_), Some(_)) => {
            let message = "cannot be combined with `cacheKeyFromHeader`: remove one of them";
            Err(FieldError::new("cacheKeyFromBody", message))
        }
        (Some(name), None) => match RequestHeaderName::try_from(name) {
            Ok(name) => Ok(KeySource::Header(name)),
            Err(message) => Err(FieldError::new("cacheKeyFromHeader", message)),
        },
        (None, path) => Ok(KeySource::Body(path)),
    }
}

fn path(field: &str, path: Option<String>) -> Result<Option<DotPath>, FieldError> {
    let path = path.filter(|path| !path.is_empty()).map(|path| DotPath::in_json(&path)).transpose();
    path.map_err(|error| FieldError::new(field, error.to_string()))
}
