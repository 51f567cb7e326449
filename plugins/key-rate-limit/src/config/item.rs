//! One entry of `rule_items`: where a request's key comes from, and which limits keys have.

use std::num::NonZeroU16;

use config::{FieldError, HeaderName, NonEmptyString};
use matcher::case::Case;
use matcher::exact::ExactSet;
use matcher::ip::{IpRange, IpSet};
use matcher::regexes::Regexes;
use sdk::configuration;

use super::key::{KeyFields, Limit};

/// An entry of `rule_items`, as it is written.
#[configuration]
#[derive(Default)]
pub struct ItemFields {
    /// The key is this header's value.
    /// zh: key 是该请求头的值
    #[serde(default)]
    limit_by_header: Option<HeaderName>,
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
    limit_by_per_header: Option<HeaderName>,
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
        limit_by_header: Option<HeaderName>,
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
    Header(HeaderName),
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
    Header(HeaderName, Option<NonZeroU16>),
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
        let cookie = |name: NonEmptyString| Source::Cookie(name.into());
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
            ("limit_by_cookie", Kind::Exact, fields.limit_by_cookie.map(cookie)),
            ("limit_by_per_header", Kind::Per, fields.limit_by_per_header.map(Source::Header)),
            ("limit_by_per_param", Kind::Per, fields.limit_by_per_param.map(param)),
            ("limit_by_per_consumer", Kind::Per, fields.limit_by_per_consumer.map(consumer)),
            ("limit_by_per_cookie", Kind::Per, fields.limit_by_per_cookie.map(cookie)),
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
            (Kind::Per, _) => Keys::patterns(name, entries)?,
            (Kind::Exact, _) => Keys::exact(name, entries)?,
        };
        Ok(Item { source, keys })
    }
}

impl AddressSource {
    fn read(text: &str, trusted_hops: Option<NonZeroU16>) -> Result<Self, &'static str> {
        if text == "from-remote-addr" {
            return Ok(AddressSource::Connection);
        }
        let name =
            text.strip_prefix("from-header-").and_then(|name| HeaderName::try_from(name.to_owned()).ok());
        name.map(|name| AddressSource::Header(name, trusted_hops)).ok_or(
            "must be `from-remote-addr` or `from-header-` and the name of a header: write for example \
             from-header-x-forwarded-for",
        )
    }
}

/// What marks a regular expression.
const REGEXP: &str = "regexp:";

/// An error about the key of a limit.
fn wrong(limit: &Limit, message: impl Into<String>) -> FieldError {
    FieldError::new(format!("{}.key", limit.place), message)
}

impl Keys {
    fn exact(field: &str, entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
        let mut keys = Vec::new();
        let mut limits = Vec::new();
        for (key, limit) in entries {
            if key == "*" || key.starts_with(REGEXP) {
                let per = field.replace("limit_by_", "limit_by_per_");
                return Err(wrong(&limit, format!("is for many keys: write `{per}` instead of `{field}`")));
            }
            keys.push(key);
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

    fn patterns(field: &str, entries: Vec<(String, Limit)>) -> Result<Self, FieldError> {
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
        let mut ranges = Vec::new();
        let mut limits = Vec::new();
        for (key, limit) in entries {
            ranges.push(IpRange::parse(&key).map_err(|error| wrong(&limit, error.to_string()))?);
            limits.push(limit);
        }
        Ok(Keys::Ranges(IpSet::new(ranges), limits))
    }
}
