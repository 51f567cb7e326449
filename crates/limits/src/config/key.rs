//! A limit: the number of requests, the period and the key.

use std::num::NonZeroU32;

use config::{FieldError, Text};
use sdk::configuration;
use sdk::quota::{Limit, Period};

/// The fields of an entry of `limit_keys`.
#[configuration]
pub struct KeyFields {
    /// The key or keys with this limit, see below. The first entry that matches is used. Numbers need no quotes.
    /// zh: 适用此限额的 key，见下文；使用第一个匹配的条目。数字不需要引号
    pub key: Text,
    /// Requests per second. Set exactly one of the four.
    /// zh: 每秒的请求数；四者须设置且只能设置其一
    #[serde(default)]
    query_per_second: Option<NonZeroU32>,
    /// Requests per minute.
    /// zh: 每分钟的请求数
    #[serde(default)]
    query_per_minute: Option<NonZeroU32>,
    /// Requests per hour.
    /// zh: 每小时的请求数
    #[serde(default)]
    query_per_hour: Option<NonZeroU32>,
    /// Requests per day.
    /// zh: 每天的请求数
    #[serde(default)]
    query_per_day: Option<NonZeroU32>,
}

/// An entry of `limit_keys`, with the fields of a plug-in.
pub trait KeyEntry {
    /// Splits the entry into its key and its quota. `path` is the path of its fields.
    ///
    /// # Errors
    ///
    /// An error about a field.
    fn split(self, path: &str) -> Result<(String, Quotas), FieldError>;
}

impl KeyEntry for KeyFields {
    fn split(self, _: &str) -> Result<(String, Quotas), FieldError> {
        let quota = QuotaFields {
            query_per_second: self.query_per_second,
            query_per_minute: self.query_per_minute,
            query_per_hour: self.query_per_hour,
            query_per_day: self.query_per_day,
        };
        Ok((self.key.into(), quota.into()))
    }
}

/// The fields for the amount of each period, of which one is set.
pub struct Quotas([(&'static str, Option<NonZeroU32>, Period); 4]);

impl Quotas {
    /// Names the fields, for a second, a minute, an hour and a day.
    pub fn new(fields: [(&'static str, Option<NonZeroU32>); 4]) -> Self {
        let mut periods = [Period::Second, Period::Minute, Period::Hour, Period::Day].into_iter();
        Quotas(fields.map(|(name, amount)| (name, amount, periods.next().unwrap_or(Period::Day))))
    }

    /// Returns the only quota that is set. `path` is the path of these fields.
    fn only(&self, path: &str) -> Result<(u32, Period), FieldError> {
        let Quotas(written) = self;
        let mut present = written.iter().filter_map(|(name, count, period)| Some((name, (*count)?, *period)));
        match (present.next(), present.next()) {
            (Some((_, count, period)), None) => Ok((count.get(), period)),
            (None, _) => {
                let [a, b, c, d] = written.each_ref().map(|(name, ..)| *name);
                Err(FieldError::new(path, format!("has no limit: add one of `{a}`, `{b}`, `{c}` and `{d}`")))
            }
            (Some((one, ..)), Some((other, ..))) => {
                Err(FieldError::new(path, format!("has both `{one}` and `{other}`: keep one")))
            }
        }
    }
}

impl From<QuotaFields> for Quotas {
    fn from(fields: QuotaFields) -> Self {
        Quotas::new([
            ("query_per_second", fields.query_per_second),
            ("query_per_minute", fields.query_per_minute),
            ("query_per_hour", fields.query_per_hour),
            ("query_per_day", fields.query_per_day),
        ])
    }
}

/// The fields of `global_threshold`.
#[configuration]
pub struct QuotaFields {
    /// Requests per second. Set exactly one of the four.
    /// zh: 每秒的请求数；四者须设置且只能设置其一
    #[serde(default)]
    query_per_second: Option<NonZeroU32>,
    /// Requests per minute.
    /// zh: 每分钟的请求数
    #[serde(default)]
    query_per_minute: Option<NonZeroU32>,
    /// Requests per hour.
    /// zh: 每小时的请求数
    #[serde(default)]
    query_per_hour: Option<NonZeroU32>,
    /// Requests per day.
    /// zh: 每天的请求数
    #[serde(default)]
    query_per_day: Option<NonZeroU32>,
}

/// Returns the limit of `global_threshold`.
///
/// # Errors
///
/// An error about a field.
pub fn global(rule_name: &str, quota: &Quotas) -> Result<Limit, FieldError> {
    let limit = limit([rule_name, "global_threshold"], "global_threshold".into(), quota)?;
    #[cfg(feature = "redis")]
    let limit = {
        let key = format!("{REDIS_PREFIX}:{rule_name}:global_threshold:{}", limit.period.seconds());
        limit.with_redis_key(key)
    };
    Ok(limit)
}

/// What begins the keys in Redis. Keys and values are those of one version of Higress's own plug-in: its versions before have
/// the amount in the key and store what is left, and its versions after have braces around the name of the rule.
#[cfg(feature = "redis")]
pub const REDIS_PREFIX: &str = "higress-cluster-key-rate-limit";

/// Returns the limit identified by `parts`: everything configured about it except its position, because equal limits
/// share a count. `path` is the path of its fields.
pub fn limit<'a>(
    parts: impl IntoIterator<Item = &'a str>,
    path: String,
    quota: &Quotas,
) -> Result<Limit, FieldError> {
    let (requests, period) = quota.only(&path)?;
    // It is also the name of the limit in a rate limit service, so it is readable. Colons inside of parts are escaped.
    let parts = parts.into_iter().map(|part| part.replace('%', "%25").replace(':', "%3A"));
    let identity = parts.collect::<Vec<_>>().join(":");
    Ok(Limit::new(requests, period, identity, path))
}
