//! An entry of `rule_items`: the source of keys and their limits.

use std::num::NonZeroU16;

use config::host::{HostPattern, normalise};
use config::{FieldError, NonEmptyString, RequestHeaderName};
use matcher::case::Case;
use matcher::exact::ExactSet;
use matcher::ip::{IpRange, IpSet, Trust};
use matcher::regexes::{Regexes, begins_otherwise};
use sdk::configuration;
use sdk::quota::Limit;

use super::key::{KeyEntry, limit};
use crate::rules::{cookie_key, path_key};

/// The fields of an entry of `rule_items`.
#[configuration]
#[serde(bound(deserialize = "K: sdk::prelude::Deserialize<'de>"))]
pub struct ItemFields<K> {
    /// The key is the value of this header. `host` is an alias of `:authority`; `:path`, `:method` and `:scheme` are
    /// accepted as well.
    /// zh: key 是该请求头的值；`host` 即 `:authority`，也可使用 `:path`、`:method` 和 `:scheme`
    #[serde(default)]
    limit_by_header: Option<RequestHeaderName>,
    /// The key is the decoded value of this URL parameter.
    /// zh: key 是 URL 中该参数解码后的值
    #[serde(default)]
    limit_by_param: Option<NonEmptyString>,
    /// The key is the name of the consumer (`x-mse-consumer`). Write `''`.
    /// zh: key 是消费者名称，即 `x-mse-consumer`；写 `''`
    #[serde(default)]
    limit_by_consumer: Option<String>,
    /// The key is the value of this cookie.
    /// zh: key 是该 Cookie 的值
    #[serde(default)]
    limit_by_cookie: Option<NonEmptyString>,
    /// Like `limit_by_header`, with a separate limit for each value.
    /// zh: 同 `limit_by_header`，每个值各有一个限额
    #[serde(default)]
    limit_by_per_header: Option<RequestHeaderName>,
    /// Like `limit_by_param`, with a separate limit for each value.
    /// zh: 同 `limit_by_param`，每个值各有一个限额
    #[serde(default)]
    limit_by_per_param: Option<NonEmptyString>,
    /// Like `limit_by_consumer`, with a separate limit for each consumer. Write `''`.
    /// zh: 同 `limit_by_consumer`，每个消费者各有一个限额；写 `''`
    #[serde(default)]
    limit_by_per_consumer: Option<String>,
    /// Like `limit_by_cookie`, with a separate limit for each value.
    /// zh: 同 `limit_by_cookie`，每个值各有一个限额
    #[serde(default)]
    limit_by_per_cookie: Option<NonEmptyString>,
    /// The key is the client's address: `from-remote-addr` or `from-header-<name>`.
    /// zh: key 是客户端地址：`from-remote-addr` 或 `from-header-<名称>`
    #[serde(default)]
    limit_by_per_ip: Option<NonEmptyString>,
    /// With `from-header-…`: the number of proxies in front of the gateway that append to the header, see
    /// [Client addresses](#client-addresses).
    /// zh: 用于 `from-header-…`：网关之前有几个代理向该请求头追加地址，见[客户端地址](#客户端地址)
    #[serde(default)]
    trusted_hops: Option<NonZeroU16>,
    /// Keys and their limits.
    /// zh: key 及其限额
    #[serde(default)]
    limit_keys: Vec<K>,
}

impl<K> ItemFields<K> {
    /// Creates an item from the short form at the top level.
    pub fn short(
        limit_by_header: Option<RequestHeaderName>,
        limit_by_param: Option<NonEmptyString>,
        limit_keys: Vec<K>,
    ) -> Self {
        ItemFields {
            limit_by_header,
            limit_by_param,
            limit_by_consumer: None,
            limit_by_cookie: None,
            limit_by_per_header: None,
            limit_by_per_param: None,
            limit_by_per_consumer: None,
            limit_by_per_cookie: None,
            limit_by_per_ip: None,
            trusted_hops: None,
            limit_keys,
        }
    }
}

/// An entry of `rule_items`.
pub struct Item {
    /// The source of keys.
    pub source: Source,
    /// Keys and their limits.
    pub keys: Keys,
}

/// The source of a request's key.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A header.
    Header(RequestHeaderName),
    /// A URL parameter.
    Param(String),
    /// A cookie.
    Cookie(String),
    /// The consumer set by an authentication plug-in.
    Consumer,
    /// The client's address.
    Address(AddressSource),
}

/// The source of a client's address.
#[derive(Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// The address determined by the gateway.
    Connection,
    /// An address in a header: the first, or the n-th from the right.
    Header(RequestHeaderName, Trust),
}

/// Keys and their limits.
pub enum Keys {
    /// One key per limit.
    Exact(Box<ExactSet>, Vec<Limit>),
    /// A separate limit for each key that matches a pattern.
    Patterns(Vec<(Pattern, Limit)>),
    /// A separate limit for each address in a range.
    Ranges(IpSet, Vec<Limit>),
}

/// A pattern for keys.
pub enum Pattern {
    /// `*`: all keys.
    Any,
    /// `regexp:…`: keys that match the expression.
    Regexp(Regexes),
}

/// The kind of an entry's keys.
#[derive(Clone, Copy)]
enum Kind {
    /// `limit_by_…`.
    Exact,
    /// `limit_by_per_…`.
    Per,
}

impl Item {
    /// Validates an entry. `path` is the prefix of its fields' paths: empty, or ending in a dot.
    ///
    /// # Errors
    ///
    /// An error about a field.
    pub fn new<K: KeyEntry>(rule_name: &str, path: &str, fields: ItemFields<K>) -> Result<Self, FieldError> {
        let here = path.trim_end_matches('.');
        let param = |name: NonEmptyString| Source::Param(name.into());
        let cookie = |field: &str, name: Option<NonEmptyString>| {
            let Some(name) = name else { return Ok(None) };
            match is_cookie_name(&name) {
                true => Ok(Some(Source::Cookie(name.into()))),
                false => Err(FieldError::new(
                    format!("{path}{field}"),
                    "is not a valid cookie name: write it without spaces, `=` and `;`",
                )),
            }
        };
        let consumer = |_: String| Source::Consumer;
        let address = |text: NonEmptyString| {
            AddressSource::read(&text, fields.trusted_hops)
                .map(Source::Address)
                .map_err(|message| FieldError::new(format!("{path}limit_by_per_ip"), message))
        };
        let sources = [
            ("limit_by_header", Kind::Exact, fields.limit_by_header.map(Source::Header)),
            ("limit_by_param", Kind::Exact, fields.limit_by_param.map(param)),
            ("limit_by_consumer", Kind::Exact, fields.limit_by_consumer.map(consumer)),
            ("limit_by_cookie", Kind::Exact, cookie("limit_by_cookie", fields.limit_by_cookie)?),
            ("limit_by_per_header", Kind::Per, fields.limit_by_per_header.map(Source::Header)),
            ("limit_by_per_param", Kind::Per, fields.limit_by_per_param.map(param)),
            ("limit_by_per_consumer", Kind::Per, fields.limit_by_per_consumer.map(consumer)),
            ("limit_by_per_cookie", Kind::Per, cookie("limit_by_per_cookie", fields.limit_by_per_cookie)?),
            ("limit_by_per_ip", Kind::Per, fields.limit_by_per_ip.map(address).transpose()?),
        ];
        let mut present = sources.into_iter().filter_map(|(name, kind, source)| Some((name, kind, source?)));
        let (name, kind, source) = match (present.next(), present.next()) {
            (Some(source), None) => source,
            (Some((one, ..)), Some((other, ..))) => {
                return Err(FieldError::new(
                    here,
                    format!(
                        "has both `{one}` and `{other}`: keep one, and write another entry for the other"
                    ),
                ));
            }
            (None, _) => {
                return Err(FieldError::new(
                    here,
                    "has no source of keys: add `limit_by_header`, `limit_by_param`, `limit_by_cookie`, `limit_by_consumer`, \
                     `limit_by_per_ip`, or the `limit_by_per_…` form of one of the others",
                ));
            }
        };
        if fields.trusted_hops.is_some() && !matches!(source, Source::Address(AddressSource::Header(..))) {
            return Err(FieldError::new(
                format!("{path}trusted_hops"),
                "is only valid with `limit_by_per_ip: from-header-…`: remove it",
            ));
        }
        if fields.limit_keys.is_empty() {
            return Err(FieldError::new(format!("{path}limit_keys"), "is empty: add a key with its limit"));
        }
        let detail = source.name();
        let mut entries = Vec::new();
        for (index, fields) in fields.limit_keys.into_iter().enumerate() {
            let path = format!("{path}limit_keys[{index}]");
            let (key, quota) = fields.split(&path)?;
            if key.is_empty() {
                let message = "must not be empty: write the key that has the limit";
                return Err(FieldError::new(format!("{path}.key"), message));
            }
            let limit = limit([rule_name, name, &detail, &key], path, &quota)?;
            #[cfg(feature = "redis")]
            let limit = {
                let seconds = limit.period.seconds();
                // A limit for many keys has the key of the request in its place.
                let value = if matches!(kind, Kind::Exact) { &key } else { "" };
                let prefix = super::key::REDIS_PREFIX;
                let detail = if source == Source::Consumer { sdk::consumer::HEADER } else { &detail };
                limit.with_redis_key(format!("{prefix}:{rule_name}:{name}:{seconds}:{detail}:{value}"))
            };
            entries.push((key, limit));
        }
        let keys = match (kind, &source) {
            (_, Source::Address(_)) => Keys::ranges(entries)?,
            (Kind::Per, _) => Keys::patterns(name, &source, entries)?,
            (Kind::Exact, _) => Keys::exact(name, &source, entries)?,
        };
        Ok(Item { source, keys })
    }
}

impl AddressSource {
    fn read(text: &str, trusted_hops: Option<NonZeroU16>) -> Result<Self, &'static str> {
        if text == "from-remote-addr" {
            return Ok(AddressSource::Connection);
        }
        let name = text
            .strip_prefix("from-header-")
            .and_then(|name| RequestHeaderName::try_from(name.to_owned()).ok());
        let trust = trusted_hops.map_or(Trust::First, Trust::Hops);
        name.map(|name| AddressSource::Header(name, trust)).ok_or(
            "must be `from-remote-addr` or `from-header-<name>`: write for example \
             from-header-x-forwarded-for",
        )
    }
}

/// Returns true if `name` can be the name of a cookie in a `cookie` header.
fn is_cookie_name(name: &str) -> bool {
    !name.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'=' || byte == b';')
}

impl Source {
    /// Returns the name of what has the key, without which limits with equal keys would be the same.
    fn name(&self) -> String {
        match self {
            Source::Header(name) => (**name).to_owned(),
            Source::Param(name) | Source::Cookie(name) => name.clone(),
            Source::Consumer => String::new(),
            Source::Address(AddressSource::Connection) => "from-remote-addr".into(),
            Source::Address(AddressSource::Header(name, Trust::Hops(hops))) => {
                format!("from-header-{} {hops}", &**name)
            }
            Source::Address(AddressSource::Header(name, _)) => format!("from-header-{}", &**name),
        }
    }

    /// Normalises a configured key, or returns the reason that no request can have it.
    fn key(&self, key: String) -> Result<String, String> {
        let is_value = key.trim() == key && !key.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control());
        let name = match self {
            Source::Param(_) | Source::Address(_) => return Ok(key),
            _ if !is_value => {
                return Err(
                    "has leading or trailing spaces or control characters, which no request has: remove them"
                        .into(),
                );
            }
            Source::Cookie(_) if key.contains(';') => {
                return Err("contains `;`, which ends a cookie: remove it, or write `%3B`".into());
            }
            Source::Cookie(_) => {
                let meant = String::from_utf8(cookie_key(key.as_bytes()).into_owned());
                return Ok(meant.ok().filter(|meant| !meant.is_empty()).unwrap_or(key));
            }
            Source::Consumer => return Ok(key),
            Source::Header(name) => &**name,
        };
        match name {
            RequestHeaderName::AUTHORITY => {
                HostPattern::parse(&key).map_err(|error| error.to_string())?;
                if key.contains('*') {
                    return Err(
                        "matches several hosts: write `limit_by_per_header`, and the hosts as `regexp:`"
                            .into(),
                    );
                }
                Ok(String::from_utf8_lossy(&normalise(key.as_bytes())).into_owned())
            }
            RequestHeaderName::PATH if !key.starts_with('/') && key != "*" => {
                Err(format!("must begin with `/`, like every path: write `/{key}`"))
            }
            RequestHeaderName::PATH if key.contains(['#', ' ']) => {
                Err("contains `#` or a space, which are encoded in paths: write `%23` or `%20`".into())
            }
            // A key with a query matches only the path with exactly that query, as sent.
            RequestHeaderName::PATH if !key.contains('?') => {
                Ok(String::from_utf8(path_key(key.as_bytes()).into_owned()).unwrap_or(key))
            }
            RequestHeaderName::METHOD if METHODS.contains(&key.to_ascii_uppercase().as_str()) => {
                let method = key.to_ascii_uppercase();
                if method == key { Ok(key) } else { Err(format!("must be in upper case: write `{method}`")) }
            }
            ":scheme" if !matches!(key.as_str(), "http" | "https") => {
                Err("is not a valid scheme: write `http` or `https`".into())
            }
            _ => Ok(key),
        }
    }
}

/// The methods of HTTP, which are case-sensitive.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// The prefix of a regular expression.
const REGEXP: &str = "regexp:";

/// Returns an error about the key of a limit.
fn key_error(limit: &Limit, message: impl Into<String>) -> FieldError {
    FieldError::new(format!("{}.key", limit.path), message)
}

impl Keys {
    /// Returns all limits, and whether each applies to many keys separately.
    pub fn limits(&self) -> Vec<(&Limit, bool)> {
        match self {
            Keys::Exact(_, limits) => limits.iter().map(|limit| (limit, false)).collect(),
            Keys::Patterns(patterns) => patterns.iter().map(|(_, limit)| (limit, true)).collect(),
            Keys::Ranges(_, limits) => limits.iter().map(|limit| (limit, true)).collect(),
        }
    }

    fn exact(field: &str, source: &Source, entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
        let mut keys = Vec::new();
        let mut limits = Vec::new();
        for (key, limit) in entries {
            if key == "*" || key.starts_with(REGEXP) {
                let per = field.replace("limit_by_", "limit_by_per_");
                return Err(key_error(
                    &limit,
                    format!("matches several keys: write `{per}` instead of `{field}`"),
                ));
            }
            keys.push(source.key(key).map_err(|message| key_error(&limit, message))?);
            limits.push(limit);
        }
        // `find` returns the first of two equal keys. Empty keys have been rejected.
        let set = ExactSet::new(&keys, Case::Sensitive)
            .map_err(|error| FieldError::in_list("limit_keys", error.index, error.to_string()))?;
        for (index, (key, limit)) in keys.iter().zip(&limits).enumerate() {
            if set.find(key.as_bytes()) != Some(index) {
                return Err(key_error(limit, "is a duplicate key, and the first entry is used: remove one"));
            }
        }
        Ok(Keys::Exact(Box::new(set), limits))
    }

    fn patterns(field: &str, source: &Source, entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
        let is_path = matches!(source, Source::Header(name) if &**name == RequestHeaderName::PATH);
        let mut patterns: Vec<(Pattern, Limit)> = Vec::new();
        for (key, limit) in entries {
            if let Some((Pattern::Any, _)) = patterns.last() {
                return Err(key_error(
                    &limit,
                    "is never used, because the preceding `*` matches every key: move the `*` to the end",
                ));
            }
            let pattern = match (key.as_str(), key.strip_prefix(REGEXP)) {
                ("*", _) => Pattern::Any,
                (_, Some(regexp)) if is_path && begins_otherwise(regexp, '/') => {
                    return Err(key_error(
                        &limit,
                        "never matches, because every path begins with `/`: write `regexp:^/`",
                    ));
                }
                (_, Some(regexp)) => Pattern::Regexp(
                    Regexes::new(&[regexp], Case::Sensitive)
                        .map_err(|error| key_error(&limit, error.message))?,
                ),
                _ => {
                    let exact = field.replace("_per_", "_");
                    return Err(key_error(
                        &limit,
                        format!("must be `*` or begin with `{REGEXP}`: for a single key, write `{exact}`"),
                    ));
                }
            };
            patterns.push((pattern, limit));
        }
        Ok(Keys::Patterns(patterns))
    }

    fn ranges(entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
        let mut ranges: Vec<IpRange> = Vec::new();
        let mut limits: Vec<Limit> = Vec::new();
        for (key, limit) in entries {
            let range = IpRange::parse(&key).map_err(|error| key_error(&limit, error.to_string()))?;
            if let Some(before) = ranges.iter().position(|before| before.covers(&range)) {
                let before = limits.get(before).map(|limit| limit.path.as_str()).unwrap_or_default();
                return Err(key_error(
                    &limit,
                    format!(
                        "is never used, because the preceding `{before}.key` contains all of it: move it before that"
                    ),
                ));
            }
            ranges.push(range);
            limits.push(limit);
        }
        Ok(Keys::Ranges(IpSet::new(ranges), limits))
    }
}
