//! One limit: how many requests in which time, and whose.

use std::fmt;

use config::FieldError;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::window::Period;

/// An entry of `limit_keys`, as it is written.
#[derive(Deserialize)]
pub struct KeyFields {
    /// Which keys have the limit.
    pub key: KeyText,
    /// How many requests of such a key pass in a second.
    #[serde(default)]
    query_per_second: Option<u32>,
    /// … in a minute.
    #[serde(default)]
    query_per_minute: Option<u32>,
    /// … in an hour.
    #[serde(default)]
    query_per_hour: Option<u32>,
    /// … in a day.
    #[serde(default)]
    query_per_day: Option<u32>,
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
        (self.key.0, quota)
    }
}

/// `global_threshold`, as it is written.
#[derive(Deserialize)]
pub struct QuotaFields {
    /// How many requests pass in a second.
    #[serde(default)]
    query_per_second: Option<u32>,
    /// … in a minute.
    #[serde(default)]
    query_per_minute: Option<u32>,
    /// … in an hour.
    #[serde(default)]
    query_per_hour: Option<u32>,
    /// … in a day.
    #[serde(default)]
    query_per_day: Option<u32>,
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
            (Some((name, 0, _)), _) => Err(FieldError::new(
                format!("{place}.{name}"),
                "must be 1 or more: write how many requests pass",
            )),
            (Some((_, count, period)), None) => Ok((count, period)),
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

/// A key: text, or a whole number, which is often written without quotes.
#[derive(Debug)]
pub struct KeyText(String);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber;

        impl Visitor<'_> for TextOrNumber {
            type Value = KeyText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyText, E> {
                if text.is_empty() {
                    return Err(E::custom("must not be empty: write the key that the limit is for"));
                }
                Ok(KeyText(text.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<KeyText, E> {
                Ok(KeyText(number.to_string()))
            }
        }

        deserializer.deserialize_any(TextOrNumber)
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
        Ok(Limit { requests, period, identity, place })
    }
}
