//! Finds the limits and keys of a request, as pure functions over bytes.

use std::borrow::Cow;
use std::net::IpAddr;

use config::RequestHeaderName;
use config::host::normalise;
use matcher::ip::Client;
use sdk::quota::{Budget, Limit};
use sdk::{HeaderMap, consumer};
use text::{cookies, percent, query};

use crate::config::{AddressSource, Item, Keys, Pattern, Scope, Source};

/// The maximum number of keys with limits per request. Each costs host calls, and only attackers send more.
const MAX_KEYS: usize = 16;

/// The limits of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Limits<'c> {
    /// It counts under each of these. Most requests have one or none.
    Each(Vec<Budget<'c>>),
    /// It has more than 16 with a limit; this is one of them.
    TooMany(&'c Limit),
}

/// A key in a request.
struct Spelling<'a> {
    /// The bytes as sent.
    sent: Cow<'a, [u8]>,
    /// The normalised form, equal for all spellings of a key.
    key: Cow<'a, [u8]>,
}

impl<'a> Spelling<'a> {
    fn plain(sent: impl Into<Cow<'a, [u8]>>) -> Self {
        let sent = sent.into();
        Spelling { key: sent.clone(), sent }
    }
}

/// What limits can depend on.
#[derive(Debug, Default)]
pub struct Facts {
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The consumer that an authentication plug-in has verified.
    pub consumer: Option<Vec<u8>>,
}

/// Returns the limits of the first item that applies to the request.
pub fn find<'c>(scope: &'c Scope, facts: &Facts) -> Limits<'c> {
    let items = match scope {
        Scope::All(limit) => return Limits::Each(vec![Budget { limit, key: None }]),
        Scope::Items(items) => items,
    };
    for item in items {
        match item_limits(item, facts) {
            Limits::Each(found) if found.is_empty() => {}
            limits => return limits,
        }
    }
    Limits::Each(Vec::new())
}

/// Returns the limits of a request in an item: one for each of its keys, since an upstream may read any of them.
fn item_limits<'c>(item: &'c Item, facts: &Facts) -> Limits<'c> {
    let headers = &facts.headers;
    let mut keys = RequestKeys { keys: &item.keys, found: Vec::new() };
    let exceeded = match &item.source {
        Source::Header(name) => keys.add_header(headers, name),
        Source::Consumer => match &facts.consumer {
            Some(consumer) => keys.add_all([Spelling::plain(consumer.as_slice())].into_iter()),
            None => keys.add_all(headers.values(consumer::HEADER).map(Spelling::plain)),
        },
        Source::Param(name) => keys.add_params(headers, name),
        Source::Cookie(name) => keys.add_cookies(headers, name),
        Source::Address(source) => {
            keys.add_address(headers, source, facts.address);
            None
        }
    };
    exceeded.map_or(Limits::Each(keys.found), Limits::TooMany)
}

/// The distinct keys of a request.
struct RequestKeys<'c> {
    keys: &'c Keys,
    found: Vec<Budget<'c>>,
}

impl<'c> RequestKeys<'c> {
    #[inline(never)]
    fn add_header(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        self.add_all(headers.values(name).map(|value| header_key(name, value)))
    }

    #[inline(never)]
    fn add_params(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        let path = headers.get(":path").unwrap_or_default();
        let values =
            |separators| query::values_between(path, name.as_bytes(), separators).map(Spelling::plain);
        self.add_all(values(b"&")).or_else(|| {
            // Some servers treat `;` as a separator as well.
            let other = path.contains(&b';').then(|| values(b"&;"));
            self.add_all(other.into_iter().flatten())
        })
    }

    #[inline(never)]
    fn add_cookies(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        let cookies = headers.values("cookie").flat_map(|value| cookies::values(value, name.as_bytes()));
        self.add_all(cookies.map(|value| Spelling { sent: value.into(), key: cookie_key(value) }))
    }

    #[inline(never)]
    fn add_address(&mut self, headers: &HeaderMap, source: &AddressSource, connection: Option<IpAddr>) {
        let address = match source {
            AddressSource::Connection => connection,
            // A missing or invalid address must not bypass the limit.
            AddressSource::Header(name, trust) => match trust.client(headers.values(name), connection) {
                Client::Address(address) => Some(address),
                Client::Unknown | Client::Invalid => connection,
            },
        };
        if let (Some(address), Keys::Ranges(ranges, limits)) = (address, self.keys)
            && let Some(limit) = ranges.find(address).and_then(|index| limits.get(index))
        {
            self.found.push(Budget { limit, key: Some(address.to_string().into_bytes()) });
        }
    }

    /// Adds the keys that have a limit. Returns the limit of the first key beyond [`MAX_KEYS`].
    fn add_all<'a>(&mut self, keys: impl Iterator<Item = Spelling<'a>>) -> Option<&'c Limit> {
        for spelling in keys {
            let Some(found) = limit_of(self.keys, spelling) else { continue };
            if self.found.contains(&found) {
                continue;
            }
            if self.found.len() == MAX_KEYS {
                return Some(found.limit);
            }
            self.found.push(found);
        }
        None
    }
}

/// Returns the limit of a key.
fn limit_of<'c>(keys: &'c Keys, spelling: Spelling<'_>) -> Option<Budget<'c>> {
    let Spelling { sent, key } = spelling;
    match keys {
        Keys::Exact(set, limits) => {
            let limit = set.find(&sent).or_else(|| set.find(&key)).and_then(|index| limits.get(index))?;
            Some(Budget { limit, key: None })
        }
        Keys::Patterns(patterns) => {
            let matches = |(pattern, _): &&(Pattern, Limit)| match pattern {
                Pattern::Any => true,
                Pattern::Regexp(regexp) => regexp.is_match(&sent) || regexp.is_match(&key),
            };
            let (_, limit) = patterns.iter().find(matches)?;
            Some(Budget { limit, key: Some(key.into_owned()) })
        }
        Keys::Ranges(..) => None,
    }
}

/// Normalises a header value. All spellings of a host or path are one key; otherwise each would have its own limit.
fn header_key<'a>(name: &str, value: &'a [u8]) -> Spelling<'a> {
    let key = match name {
        RequestHeaderName::AUTHORITY => normalise(value),
        RequestHeaderName::PATH => path_key(value),
        _ => value.into(),
    };
    Spelling { sent: value.into(), key }
}

/// Normalises a path: decodes it and removes the query.
pub fn path_key(path: &[u8]) -> Cow<'_, [u8]> {
    percent::decode(query::split(path).0)
}

/// Normalises a cookie value: removes quotation marks and decodes it, as servers do.
pub fn cookie_key(value: &[u8]) -> Cow<'_, [u8]> {
    let inside = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    percent::decode(inside.unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_a_path_are_one_key() {
        for path in ["/a b+c", "/%61%20b+c", "/a b%2Bc?x=1", "/a b+c?"] {
            assert_eq!(&*path_key(path.as_bytes()), b"/a b+c", "{path}");
        }
    }

    #[test]
    fn spellings_of_a_cookie_are_one_key() {
        for value in ["s:1+2", "s%3A1+2", "\"s:1+2\"", "\"%73%3a1%2B2\""] {
            assert_eq!(&*cookie_key(value.as_bytes()), b"s:1+2", "{value}");
        }
        assert_eq!(&*cookie_key(b"\""), b"\"");
    }
}
