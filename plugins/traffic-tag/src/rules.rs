//! The header of a request.

use std::borrow::Cow;

use sdk::HeaderMap;
use sha2::{Digest, Sha256};
use text::{cookies, query};

use crate::config::{Condition, Config, Group, Key, Logic, Tag, Test};

/// Returns the header of a request. `random` is called for a share that no client's value decides.
pub fn tag<'c>(config: &'c Config, headers: &HeaderMap, random: impl FnOnce() -> u64) -> Option<&'c Tag> {
    let group = config.groups.iter().find(|group| is_met(group, headers));
    let tag = group.map(|group| &group.tag).or_else(|| share(config, headers, random));
    tag.or(config.default.as_ref())
}

fn is_met(group: &Group, headers: &HeaderMap) -> bool {
    let met = |condition: &Condition| condition.test.is_met(value(headers, &condition.key).as_deref());
    match group.logic {
        Logic::And => group.conditions.iter().all(met),
        Logic::Or => group.conditions.iter().any(met),
    }
}

fn share<'c>(config: &'c Config, headers: &HeaderMap, random: impl FnOnce() -> u64) -> Option<&'c Tag> {
    let (total, _) = config.weights.last()?;
    if *total == 0 {
        return None;
    }
    let value = config.hash_on.as_ref().and_then(|key| value(headers, key));
    // Other bytes than those of `percentage`, so that shares are even among clients that meet no condition.
    let number = value.map_or_else(random, |value| hash(&value, 8)) % 100;
    config.weights.iter().find(|(sum, _)| number < *sum).map(|(_, tag)| tag)
}

/// Returns the first value of a request.
fn value<'h>(headers: &'h HeaderMap, key: &'h Key) -> Option<Cow<'h, [u8]>> {
    match key {
        Key::Header(name) => headers.get(name).map(Cow::Borrowed),
        Key::Parameter(name) => {
            let path = headers.get(":path").unwrap_or_default();
            query::values(path, name.as_bytes()).next().map(|value| Cow::Owned(value.into_owned()))
        }
        Key::Cookie(name) => {
            let mut found = headers.values("cookie");
            found.find_map(|header| cookies::values(header, name.as_bytes()).next()).map(Cow::Borrowed)
        }
    }
}

impl Test {
    /// Returns true if a value passes. A missing one passes only `not_exists`, as in Higress.
    pub fn is_met(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else { return matches!(self, Self::NotExists) };
        match self {
            Self::In(values) => values.iter().any(|known| known.as_bytes() == value),
            Self::NotIn(values) => values.iter().all(|known| known.as_bytes() != value),
            Self::Prefix(prefix) => value.starts_with(prefix.as_bytes()),
            Self::Regex(regex) => regex.is_match(value),
            Self::Percentage(percentage) => hash(value, 0) % 100 < *percentage,
            Self::Exists => true,
            Self::NotExists => false,
        }
    }
}

/// Returns eight bytes of a value's SHA-256 as a number. The first eight are those of Higress, so that a client stays in its
/// percentage.
fn hash(value: &[u8], from: usize) -> u64 {
    let digest = Sha256::digest(value);
    let bytes = digest.get(from..).and_then(|rest| rest.first_chunk::<8>());
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_that_of_higress() {
        // printf abc | sha256sum: ba7816bf8f01cfea414140de5dae2223…
        assert_eq!(hash(b"abc", 0), 0xba78_16bf_8f01_cfea);
        assert_eq!(hash(b"abc", 8), 0x4141_40de_5dae_2223);
    }

    #[test]
    fn percentages_are_even() {
        let test = Test::Percentage(30);
        let met = (0..10_000).filter(|number| test.is_met(Some(format!("user-{number}").as_bytes()))).count();
        assert!((2_800..3_200).contains(&met), "{met}");
    }
}
