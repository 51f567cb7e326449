//! Finds the limits and keys of a request, as pure functions over bytes.

use std::borrow::Cow;
use std::net::IpAddr;

use config::RequestHeaderName;
use config::host::normalise;
use matcher::ip::Client;
use sdk::HeaderMap;

use crate::config::{AddressSource, Config, Item, Keys, Limit, Pattern, Scope, Source};

/// The consumer header set by authentication plug-ins.
const CONSUMER: &str = "x-mse-consumer";

/// The maximum number of keys with limits per request. Each costs host calls, and only attackers send more.
const MAX_KEYS: usize = 16;

/// A limit of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyedLimit<'c> {
    /// The limit.
    pub limit: &'c Limit,
    /// The key, for a limit that applies to many keys separately.
    pub key: Option<Vec<u8>>,
}

/// The limits of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Limits<'c> {
    /// It counts under each of these. Most requests have one or none.
    Each(Vec<KeyedLimit<'c>>),
    /// It has more than [`MAX_KEYS`]; this is one of them.
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

/// Returns the limits of the first item that applies to the request. `address` is the client's.
pub fn find<'c>(config: &'c Config, headers: &HeaderMap, address: Option<IpAddr>) -> Limits<'c> {
    let items = match &config.scope {
        Scope::All(limit) => return Limits::Each(vec![KeyedLimit { limit, key: None }]),
        Scope::Items(items) => items,
    };
    for item in items {
        match item_limits(item, headers, address) {
            Limits::Each(found) if found.is_empty() => {}
            limits => return limits,
        }
    }
    Limits::Each(Vec::new())
}

/// Returns the limits of a request in an item: one for each of its keys, since an upstream may read any of them.
fn item_limits<'c>(item: &'c Item, headers: &HeaderMap, address: Option<IpAddr>) -> Limits<'c> {
    let mut keys = RequestKeys { keys: &item.keys, found: Vec::new() };
    let exceeded = match &item.source {
        Source::Header(name) => keys.add_header(headers, name),
        Source::Consumer => keys.add_all(headers.values(CONSUMER).map(Spelling::plain)),
        Source::Param(name) => keys.add_params(headers, name),
        Source::Cookie(name) => keys.add_cookies(headers, name),
        Source::Address(source) => {
            keys.add_address(headers, source, address);
            None
        }
    };
    exceeded.map_or(Limits::Each(keys.found), Limits::TooMany)
}

/// The distinct keys of a request.
struct RequestKeys<'c> {
    keys: &'c Keys,
    found: Vec<KeyedLimit<'c>>,
}

impl<'c> RequestKeys<'c> {
    #[inline(never)]
    fn add_header(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        self.add_all(headers.values(name).map(|value| header_key(name, value)))
    }

    #[inline(never)]
    fn add_params(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        let path = headers.get(":path").unwrap_or_default();
        let values = |separators| params(path, name.as_bytes(), separators).map(Spelling::plain);
        self.add_all(values(b"&")).or_else(|| {
            // Some servers treat `;` as a separator as well.
            let other = path.contains(&b';').then(|| values(b"&;"));
            self.add_all(other.into_iter().flatten())
        })
    }

    #[inline(never)]
    fn add_cookies(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        let cookies = headers.values("cookie").flat_map(|value| cookies(value, name.as_bytes()));
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
            self.found.push(KeyedLimit { limit, key: Some(address.to_string().into_bytes()) });
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
fn limit_of<'c>(keys: &'c Keys, spelling: Spelling<'_>) -> Option<KeyedLimit<'c>> {
    let Spelling { sent, key } = spelling;
    match keys {
        Keys::Exact(set, limits) => {
            let limit = set.find(&sent).or_else(|| set.find(&key)).and_then(|index| limits.get(index))?;
            Some(KeyedLimit { limit, key: None })
        }
        Keys::Patterns(patterns) => {
            let matches = |(pattern, _): &&(Pattern, Limit)| match pattern {
                Pattern::Any => true,
                Pattern::Regexp(regexp) => regexp.is_match(&sent) || regexp.is_match(&key),
            };
            let (_, limit) = patterns.iter().find(matches)?;
            Some(KeyedLimit { limit, key: Some(key.into_owned()) })
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

/// Returns the values of a parameter in the query of a path, form-decoded. `separators` end a parameter.
fn params<'a>(
    path: &'a [u8],
    name: &'a [u8],
    separators: &'static [u8],
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let query = path.iter().position(|byte| *byte == b'?').and_then(|mark| path.get(mark + 1..));
    let pairs = query.unwrap_or_default().split(|byte| separators.contains(byte));
    pairs.filter_map(move |pair| {
        let (key, value) = split_pair(pair);
        (*percent_decoded(key, b' ') == *name).then(|| percent_decoded(value, b' '))
    })
}

/// Returns the values of a cookie in a `cookie` header (RFC 6265, section 4.2.1).
fn cookies<'a>(header: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    header.split(|byte| *byte == b';').filter_map(move |pair| {
        let (key, value) = split_pair(pair);
        (key.trim_ascii() == name).then(|| value.trim_ascii())
    })
}

/// Splits a pair at the first `=`. Without one, the value is empty.
fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// Normalises a path: decodes it and removes the query.
pub fn path_key(path: &[u8]) -> Cow<'_, [u8]> {
    percent_decoded(path.split(|byte| *byte == b'?').next().unwrap_or_default(), b'+')
}

/// Normalises a cookie value: removes quotation marks and decodes it, as servers do.
pub fn cookie_key(value: &[u8]) -> Cow<'_, [u8]> {
    let inside = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    percent_decoded(inside.unwrap_or(value), b'+')
}

/// Decodes `%41` to its byte and `+` to `plus`. A `%` without two hexadecimal digits is kept (URL Standard, section 5.1).
fn percent_decoded(text: &[u8], plus: u8) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => plus,
            (b'%', [high, low, after @ ..]) => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    (high * 16 + low) as u8
                }
                _ => b'%',
            },
            (byte, _) => *byte,
        });
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<'a>(values: impl Iterator<Item = Cow<'a, [u8]>>) -> Vec<String> {
        values.map(|value| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    #[test]
    fn parameters_are_decoded() {
        let path = b"/a?k=1&K=2&x%6b=3&k=%41+b%2&%6B=&k&=k&kk=4?k=5";
        let params = |path, name| params(path, name, b"&");
        assert_eq!(all(params(path, b"k")), ["1", "A b%2", "", ""]);
        assert_eq!(all(params(path, b"xk")), ["3"]);
        assert_eq!(all(params(path, b"kk")), ["4?k=5"]);
        assert_eq!(all(params(path, b"none")), [""; 0]);
        assert_eq!(all(params(b"/k=1", b"k")), [""; 0]);
        assert_eq!(&*percent_decoded(b"%zz%4%%41%", b' '), b"%zz%4%A%");
    }

    #[test]
    fn a_semicolon_may_separate_parameters() {
        let path = b"/a?x=1;k=2&k=3;y=4";
        assert_eq!(all(params(path, b"k", b"&")), ["3;y=4"]);
        assert_eq!(all(params(path, b"k", b"&;")), ["2", "3"]);
    }

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

    #[test]
    fn cookie_names_are_case_sensitive_and_trimmed() {
        let header = b"a=1; key=v=2 ;key ; Key=3;\tkey=4";
        let values: Vec<_> = cookies(header, b"key").collect();
        assert_eq!(values, [b"v=2".as_slice(), b"", b"4"]);
    }
}
