//! One entry of `rule_items`: where a request's key comes from, and which limits keys have.

use std::num::NonZeroU16;

use config::host::{HostPattern, normalise};
use config::{FieldError, NonEmptyString, RequestHeaderName};
use matcher::case::Case;
use matcher::exact::ExactSet;
use matcher::ip::{IpRange, IpSet};
use matcher::regexes::{Regexes, begins_otherwise};
use sdk::configuration;

use super::key::{KeyFields, Limit};
use crate::rules::{cookie_key, path_key};

/// An entry of `rule_items`, as it is written.
#[configuration]
#[derive(Default)]
pub struct ItemFields {
    /// The key is this header's value; `host` is `:authority`, and `:path`, `:method` and `:scheme` are taken too.
    /// zh: key 是该请求头的值；`host` 即 `:authority`，也可写 `:path`、`:method` 和 `:scheme`
    #[serde(default)]
    limit_by_header: Option<RequestHeaderName>,
    /// The key is the value of this parameter of the URL, decoded.
    /// zh: key 是 URL 中该参数解码后的值
    #[serde(default)]
    limit_by_param: Option<NonEmptyString>,
    /// The key is the consumer's name, `x-mse-consumer`; write `''`.
    /// zh: key 是消费者名称，即 `x-mse-consumer`；写 `''`
    #[serde(default)]
    limit_by_consumer: Option<String>,
    /// The key is this cookie's value.
    /// zh: key 是该 Cookie 的值
    #[serde(default)]
    limit_by_cookie: Option<NonEmptyString>,
    /// As `limit_by_header`, with a limit for each of many values.
    /// zh: 同 `limit_by_header`，多个值各有一个限额
    #[serde(default)]
    limit_by_per_header: Option<RequestHeaderName>,
    /// As `limit_by_param`, with a limit for each of many values.
    /// zh: 同 `limit_by_param`，多个值各有一个限额
    #[serde(default)]
    limit_by_per_param: Option<NonEmptyString>,
    /// As `limit_by_consumer`, with a limit for each of many consumers; write `''`.
    /// zh: 同 `limit_by_consumer`，多个消费者各有一个限额；写 `''`
    #[serde(default)]
    limit_by_per_consumer: Option<String>,
    /// As `limit_by_cookie`, with a limit for each of many values.
    /// zh: 同 `limit_by_cookie`，多个值各有一个限额
    #[serde(default)]
    limit_by_per_cookie: Option<NonEmptyString>,
    /// The key is the client's address: `from-remote-addr`, or `from-header-<name>`.
    /// zh: key 是客户端地址：`from-remote-addr` 或 `from-header-<名称>`
    #[serde(default)]
    limit_by_per_ip: Option<NonEmptyString>,
    /// With `from-header-…`: how many proxies before the gateway add to the header, see
    /// [Where addresses come from](#where-addresses-come-from).
    /// zh: 用于 `from-header-…`：网关之前有几个代理向该请求头追加地址，见[地址的来源](#地址的来源)
    #[serde(default)]
    trusted_hops: Option<NonZeroU16>,
    /// Which keys have which limit.
    /// zh: 哪些 key 有哪些限额
    #[serde(default)]
    limit_keys: Vec<KeyFields>,
}

impl ItemFields {
    /// The short form, which stands beside the other fields.
    pub fn short(
        limit_by_header: Option<RequestHeaderName>,
        limit_by_param: Option<NonEmptyString>,
        limit_keys: Vec<KeyFields>,
    ) -> Self {
        ItemFields { limit_by_header, limit_by_param, limit_keys, ..ItemFields::default() }
    }
}

/// An entry of `rule_items`.
pub struct Item {
    /// Where a request's key comes from.
    pub source: Source,
    /// Which keys have which limit.
    pub keys: Keys,
}

/// Where a request's key comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A header.
    Header(RequestHeaderName),
    /// A parameter of the URL.
    Param(String),
    /// A cookie.
    Cookie(String),
    /// The consumer that an authentication plug-in has found.
    Consumer,
    /// The client's address.
    Address(AddressSource),
}

/// Where a client's address comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// What the gateway takes for it.
    Connection,
    /// An address in a header: the first, or that many from the right.
    Header(RequestHeaderName, Option<NonZeroU16>),
}

/// Which keys have which limit.
pub enum Keys {
    /// Each limit has one key.
    Exact(Box<ExactSet>, Vec<Limit>),
    /// Each key that fits a pattern has the limit for itself.
    Patterns(Vec<(Pattern, Limit)>),
    /// Each address of a range has the limit for itself.
    Ranges(IpSet, Vec<Limit>),
}

/// Which keys a limit is for.
pub enum Pattern {
    /// `*`: all.
    Any,
    /// `regexp:…`: those in which it is found.
    Regexp(Regexes),
}

/// How an entry's keys are meant.
#[derive(Clone, Copy)]
enum Kind {
    /// `limit_by_…`.
    Exact,
    /// `limit_by_per_…`.
    Per,
}

impl Item {
    /// Checks an entry, whose fields stand at `place`: empty, or ending in a dot.
    pub fn new(rule_name: &str, place: &str, fields: ItemFields) -> Result<Self, FieldError> {
        let here = place.trim_end_matches('.');
        let param = |name: NonEmptyString| Source::Param(name.into());
        let cookie = |field: &str, name: Option<NonEmptyString>| {
            let Some(name) = name else { return Ok(None) };
            match is_cookie_name(&name) {
                true => Ok(Some(Source::Cookie(name.into()))),
                false => Err(FieldError::new(
                    format!("{place}{field}"),
                    "is not the name of a cookie: write it without spaces, `=` and `;`",
                )),
            }
        };
        let consumer = |_: String| Source::Consumer;
        let address = |text: NonEmptyString| {
            AddressSource::read(&text, fields.trusted_hops)
                .map(Source::Address)
                .map_err(|message| FieldError::new(format!("{place}limit_by_per_ip"), message))
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
        let mut there = sources.into_iter().filter_map(|(name, kind, source)| Some((name, kind, source?)));
        let (name, kind, source) = match (there.next(), there.next()) {
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
                    "does not say where the key comes from: add `limit_by_header`, `limit_by_param`, `limit_by_cookie`, \
                     `limit_by_consumer`, `limit_by_per_ip`, or `limit_by_per_…` of one of the others",
                ));
            }
        };
        if fields.trusted_hops.is_some() && !matches!(source, Source::Address(AddressSource::Header(..))) {
            return Err(FieldError::new(
                format!("{place}trusted_hops"),
                "is for `limit_by_per_ip: from-header-…`: remove it",
            ));
        }
        if fields.limit_keys.is_empty() {
            return Err(FieldError::new(format!("{place}limit_keys"), "is empty: add a key with its limit"));
        }
        let detail = format!("{source:?}");
        let mut entries = Vec::new();
        for (index, fields) in fields.limit_keys.into_iter().enumerate() {
            let place = format!("{place}limit_keys[{index}]");
            let (key, quota) = fields.split();
            if key.is_empty() {
                let message = "must not be empty: write the key that the limit is for";
                return Err(FieldError::new(format!("{place}.key"), message));
            }
            let limit = Limit::new([rule_name, name, &detail, &key], place, &quota)?;
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
        name.map(|name| AddressSource::Header(name, trusted_hops)).ok_or(
            "must be `from-remote-addr` or `from-header-` and the name of a header: write for example \
             from-header-x-forwarded-for",
        )
    }
}

/// Whether a cookie may have that name, of those that are told apart in a `cookie` header.
fn is_cookie_name(name: &str) -> bool {
    !name.bytes().any(|byte| byte <= b' ' || byte == 0x7f || byte == b'=' || byte == b';')
}

impl Source {
    /// The key as requests have it, or why none has.
    fn key(&self, key: String) -> Result<String, String> {
        let is_value = key.trim() == key && !key.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control());
        let name = match self {
            Source::Param(_) | Source::Address(_) => return Ok(key),
            _ if !is_value => {
                return Err(
                    "has spaces at an end or control characters, and no request has them there: write it \
                            without"
                        .into(),
                );
            }
            Source::Cookie(_) if key.contains(';') => {
                return Err("contains `;`, where a cookie ends: write it without, or as `%3B`".into());
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
                        "is for many hosts: write `limit_by_per_header`, and the hosts as `regexp:`".into()
                    );
                }
                Ok(String::from_utf8_lossy(&normalise(key.as_bytes())).into_owned())
            }
            RequestHeaderName::PATH if !key.starts_with('/') && key != "*" => {
                Err(format!("does not begin with `/`, as every path does: write `/{key}`"))
            }
            RequestHeaderName::PATH if key.contains(['#', ' ']) => {
                Err("contains `#` or a space, which paths have encoded: write `%23` or `%20`".into())
            }
            // With a query it is for the path with just that one, as it is sent.
            RequestHeaderName::PATH if !key.contains('?') => {
                Ok(String::from_utf8(path_key(key.as_bytes()).into_owned()).unwrap_or(key))
            }
            RequestHeaderName::METHOD if METHODS.contains(&key.to_ascii_uppercase().as_str()) => {
                let method = key.to_ascii_uppercase();
                if method == key {
                    Ok(key)
                } else {
                    Err(format!("is not how the method is sent: write `{method}`"))
                }
            }
            ":scheme" if !matches!(key.as_str(), "http" | "https") => {
                Err("is not a scheme of requests: write `http` or `https`".into())
            }
            _ => Ok(key),
        }
    }
}

/// The methods of HTTP, whose case counts.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// What marks a regular expression.
const REGEXP: &str = "regexp:";

/// An error about the key of a limit.
fn wrong(limit: &Limit, message: impl Into<String>) -> FieldError {
    FieldError::new(format!("{}.key", limit.place), message)
}

impl Keys {
    fn exact(field: &str, source: &Source, entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
        let mut keys = Vec::new();
        let mut limits = Vec::new();
        for (key, limit) in entries {
            if key == "*" || key.starts_with(REGEXP) {
                let per = field.replace("limit_by_", "limit_by_per_");
                return Err(wrong(&limit, format!("is for many keys: write `{per}` instead of `{field}`")));
            }
            keys.push(source.key(key).map_err(|message| wrong(&limit, message))?);
            limits.push(limit);
        }
        // The first of two equal keys counts; an empty one has been refused.
        let set = ExactSet::new(&keys, Case::Sensitive)
            .map_err(|error| FieldError::in_list("limit_keys", error.index, error.to_string()))?;
        for (index, (key, limit)) in keys.iter().zip(&limits).enumerate() {
            if set.find(key.as_bytes()) != Some(index) {
                return Err(wrong(limit, "stands there twice, and the first entry decides: remove one"));
            }
        }
        Ok(Keys::Exact(Box::new(set), limits))
    }

    fn patterns(field: &str, source: &Source, entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
        let of_path = matches!(source, Source::Header(name) if &**name == RequestHeaderName::PATH);
        let mut patterns: Vec<(Pattern, Limit)> = Vec::new();
        for (key, limit) in entries {
            if let Some((Pattern::Any, _)) = patterns.last() {
                return Err(wrong(
                    &limit,
                    "is never asked, since the `*` before it fits every key: move the `*` to the end",
                ));
            }
            let pattern = match (key.as_str(), key.strip_prefix(REGEXP)) {
                ("*", _) => Pattern::Any,
                (_, Some(regexp)) if of_path && begins_otherwise(regexp, '/') => {
                    return Err(wrong(
                        &limit,
                        "never matches, because every path begins with `/`: write `regexp:^/`",
                    ));
                }
                (_, Some(regexp)) => Pattern::Regexp(
                    Regexes::new(&[regexp], Case::Sensitive).map_err(|error| wrong(&limit, error.message))?,
                ),
                _ => {
                    let exact = field.replace("_per_", "_");
                    return Err(wrong(
                        &limit,
                        format!("must be `*` or begin with `{REGEXP}`: for one key write `{exact}`"),
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
            let range = IpRange::parse(&key).map_err(|error| wrong(&limit, error.to_string()))?;
            if let Some(before) = ranges.iter().position(|before| before.covers(&range)) {
                let before = limits.get(before).map(|limit| limit.place.as_str()).unwrap_or_default();
                return Err(wrong(
                    &limit,
                    format!(
                        "is never asked, since all of it is in `{before}.key`, which is asked first: move it before that"
                    ),
                ));
            }
            ranges.push(range);
            limits.push(limit);
        }
        Ok(Keys::Ranges(IpSet::new(ranges), limits))
    }
}
