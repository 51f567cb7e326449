//! One limit: how many requests in which time, and whose.

use std::cell::OnceCell;
use std::num::NonZeroU32;

use config::{FieldError, Text};
use sdk::configuration;

use crate::window::Period;

/// An entry of `limit_keys`, as it is written.
#[configuration]
pub struct KeyFields {
    /// The keys that have the limit, see below; the first entry that fits decides. A number needs no quotes.
    /// zh: 适用此限额的 key，见下文；第一个相符的条目决定结果。数字不需要引号
    pub key: Text,
    /// How many requests of such a key pass in a second. Write one of the four.
    /// zh: 每秒允许此 key 通过的请求数，四者写其一
    #[serde(default)]
    query_per_second: Option<NonZeroU32>,
    /// … in a minute.
    /// zh: 每分钟的数量
    #[serde(default)]
    query_per_minute: Option<NonZeroU32>,
    /// … in an hour.
    /// zh: 每小时的数量
    #[serde(default)]
    query_per_hour: Option<NonZeroU32>,
    /// … in a day.
    /// zh: 每天的数量
    #[serde(default)]
    query_per_day: Option<NonZeroU32>,
}

impl KeyFields {
    /// The key, and the quota without it.
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

/// `global_threshold`, as it is written.
#[configuration]
pub struct QuotaFields {
    /// How many requests pass in a second. Write one of the four.
    /// zh: 每秒允许通过的请求数，四者写其一
    #[serde(default)]
    query_per_second: Option<NonZeroU32>,
    /// … in a minute.
    /// zh: 每分钟的数量
    #[serde(default)]
    query_per_minute: Option<NonZeroU32>,
    /// … in an hour.
    /// zh: 每小时的数量
    #[serde(default)]
    query_per_hour: Option<NonZeroU32>,
    /// … in a day.
    /// zh: 每天的数量
    #[serde(default)]
    query_per_day: Option<NonZeroU32>,
}

impl QuotaFields {
    /// The one quota that is there. `place` is that of these fields.
    fn only(&self, place: &str) -> Result<(u32, Period), FieldError> {
        let written = [
            ("query_per_second", self.query_per_second, Period::Second),
            ("query_per_minute", self.query_per_minute, Period::Minute),
            ("query_per_hour", self.query_per_hour, Period::Hour),
            ("query_per_day", self.query_per_day, Period::Day),
        ];
        let mut there = written.iter().filter_map(|(name, count, period)| Some((name, (*count)?, *period)));
        match (there.next(), there.next()) {
            (Some((_, count, period)), None) => Ok((count.get(), period)),
            (None, _) => Err(FieldError::new(
                place,
                "has no limit: add one of `query_per_second`, `query_per_minute`, `query_per_hour` and `query_per_day`",
            )),
            (Some((one, ..)), Some((other, ..))) => {
                Err(FieldError::new(place, format!("has both `{one}` and `{other}`: keep one")))
            }
        }
    }
}

/// A limit.
#[derive(Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many requests pass.
    pub requests: u32,
    /// In which time.
    pub period: Period,
    /// What limits have in common that count together: all that an operator wrote about one, but not where.
    pub identity: String,
    /// Where it stands in the configuration, for the log.
    pub place: String,
    /// What its counts are called in the shared data; `store` finds that out once.
    pub name: OnceCell<String>,
}

impl Limit {
    /// `global_threshold`.
    pub fn global(rule_name: &str, quota: QuotaFields) -> Result<Self, FieldError> {
        Self::new([rule_name, "global_threshold"], "global_threshold".into(), &quota)
    }

    /// A limit for what `parts` tell; `place` is where its fields stand.
    pub fn new<'a>(
        parts: impl IntoIterator<Item = &'a str>,
        place: String,
        quota: &QuotaFields,
    ) -> Result<Self, FieldError> {
        let (requests, period) = quota.only(&place)?;
        let mut identity = format!("{requests} {period:?}");
        for part in parts {
            // With its length no part can be taken for two.
            identity.push_str(&format!(" {}:{part}", part.len()));
        }
        Ok(Limit { requests, period, identity, place, name: OnceCell::new() })
    }
}
