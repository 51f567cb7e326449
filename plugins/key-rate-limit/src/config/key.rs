//! A limit: the number of requests, the period and the key.

use std::cell::OnceCell;
use std::num::NonZeroU32;

use config::{FieldError, Text};
use sdk::configuration;

use crate::window::Period;

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

impl KeyFields {
    /// Splits the entry into its key and its quota.
    pub fn split(self) -> (String, QuotaFields) {
        let quota = QuotaFields {
            query_per_second: self.query_per_second,
            query_per_minute: self.query_per_minute,
            query_per_hour: self.query_per_hour,
            query_per_day: self.query_per_day,
        };
        (self.key.into(), quota)
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

impl QuotaFields {
    /// Returns the only quota that is set. `path` is the path of these fields.
    fn only(&self, path: &str) -> Result<(u32, Period), FieldError> {
        let written = [
            ("query_per_second", self.query_per_second, Period::Second),
            ("query_per_minute", self.query_per_minute, Period::Minute),
            ("query_per_hour", self.query_per_hour, Period::Hour),
            ("query_per_day", self.query_per_day, Period::Day),
        ];
        let mut present = written.iter().filter_map(|(name, count, period)| Some((name, (*count)?, *period)));
        match (present.next(), present.next()) {
            (Some((_, count, period)), None) => Ok((count.get(), period)),
            (None, _) => Err(FieldError::new(
                path,
                "has no limit: add one of `query_per_second`, `query_per_minute`, `query_per_hour` and `query_per_day`",
            )),
            (Some((one, ..)), Some((other, ..))) => {
                Err(FieldError::new(path, format!("has both `{one}` and `{other}`: keep one")))
            }
        }
    }
}

/// A limit.
#[derive(Debug, PartialEq, Eq)]
pub struct Limit {
    /// Number of requests per period.
    pub requests: u32,
    /// The period.
    pub period: Period,
    /// Identifies limits that share a count: everything configured about a limit except its position.
    pub identity: String,
    /// Path of the limit in the configuration, for the log.
    pub path: String,
    /// Name of its counts in the shared data, computed once by `store`.
    pub name: OnceCell<String>,
}

impl Limit {
    /// Creates the limit of `global_threshold`.
    pub fn global(rule_name: &str, quota: QuotaFields) -> Result<Self, FieldError> {
        Self::new([rule_name, "global_threshold"], "global_threshold".into(), &quota)
    }

    /// Creates a limit identified by `parts`. `path` is the path of its fields.
    pub fn new<'a>(
        parts: impl IntoIterator<Item = &'a str>,
        path: String,
        quota: &QuotaFields,
    ) -> Result<Self, FieldError> {
        let (requests, period) = quota.only(&path)?;
        let mut identity = format!("{requests} {period:?}");
        for part in parts {
            // The length prevents ambiguous concatenations.
            identity.push_str(&format!(" {}:{part}", part.len()));
        }
        Ok(Limit { requests, period, identity, path, name: OnceCell::new() })
    }
}
