//! Which limit a request has, and under which key: pure functions over bytes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU16;

use config::RequestHeaderName;
use config::host::normalise;
use matcher::ip::parse_ip;
use sdk::HeaderMap;

use crate::config::{AddressSource, Config, Item, Keys, Limit, Pattern, Scope, Source};

/// The header that authentication plug-ins set.
const CONSUMER: &str = "x-mse-consumer";

/// How many keys of one limit a request may have. Each costs host calls, and nobody but an attacker sends that many.
const MAX_KEYS: usize = 16;

/// A limit that a request has.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'c> {
    /// The limit.
    pub limit: &'c Limit,
    /// Whose it is, when it is one limit for each of many keys.
    pub key: Option<Vec<u8>>,
}

/// The limits that a request has.
#[derive(Debug, PartialEq, Eq)]
pub enum Limits<'c> {
    /// It counts under each of these; most requests have one, or none.
    Each(Vec<Found<'c>>),
    /// More than [`MAX_KEYS`], of which this is one.
    TooMany(&'c Limit),
}

/// A key as a request has it.
struct Spelling<'a> {
    /// As it was sent.
    sent: Cow<'a, [u8]>,
    /// What all spellings of the same key have in common.
    key: Cow<'a, [u8]>,
}

impl<'a> Spelling<'a> {
    fn plain(sent: impl Into<Cow<'a, [u8]>>) -> Self {
        let sent = sent.into();
        Spelling { key: sent.clone(), sent }
    }
}

/// The limits of the first item that is about the request. `address` is the client's.
pub fn find<'c>(config: &'c Config, headers: &HeaderMap, address: Option<IpAddr>) -> Limits<'c> {
    let items = match &config.scope {
        Scope::All(limit) => return Limits::Each(vec![Found { limit, key: None }]),
        Scope::Items(items) => items,
    };
    for item in items {
        match in_item(item, headers, address) {
            Limits::Each(found) if found.is_empty() => {}
            limits => return limits,
        }
    }
    Limits::Each(Vec::new())
}

/// The limits of an item that a request has: one for each of its keys, since an upstream may read any of them.
fn in_item<'c>(item: &'c Item, headers: &HeaderMap, address: Option<IpAddr>) -> Limits<'c> {
    let mut keys = KeysOfRequest { keys: &item.keys, found: Vec::new() };
    let many = match &item.source {
        Source::Header(name) => keys.add_header(headers, name),
        Source::Consumer => keys.add_all(headers.values(CONSUMER).map(Spelling::plain)),
        Source::Param(name) => keys.add_params(headers, name),
        Source::Cookie(name) => keys.add_cookies(headers, name),
        Source::Address(source) => {
            keys.add_address(headers, source, address);
            None
        }
    };
    many.map_or(Limits::Each(keys.found), Limits::TooMany)
}

/// The keys of a request, each once.
struct KeysOfRequest<'c> {
    keys: &'c Keys,
    found: Vec<Found<'c>>,
}

impl<'c> KeysOfRequest<'c> {
    #[inline(never)]
    fn add_header(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        self.add_all(headers.values(name).map(|value| spelling(name, value)))
    }

    #[inline(never)]
    fn add_params(&mut self, headers: &HeaderMap, name: &str) -> Option<&'c Limit> {
        let path = headers.get(":path").unwrap_or_default();
        let values = |separators| params(path, name.as_bytes(), separators).map(Spelling::plain);
        self.add_all(values(b"&")).or_else(|| {
            // Some servers take `;` for a separator too.
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
            // Who sends no address, or none that is one, does not get around the limit.
            AddressSource::Header(name, hops) => forwarded(headers, name, *hops).or(connection),
        };
        if let (Some(address), Keys::Ranges(ranges, limits)) = (address, self.keys)
            && let Some(limit) = ranges.find(address).and_then(|index| limits.get(index))
        {
            self.found.push(Found { limit, key: Some(address.to_string().into_bytes()) });
        }
    }

    /// Adds keys that have a limit. The limit of one that is too much.
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

/// The limit of a key.
fn limit_of<'c>(keys: &'c Keys, spelling: Spelling<'_>) -> Option<Found<'c>> {
    let Spelling { sent, key } = spelling;
    match keys {
        Keys::Exact(set, limits) => {
            let limit = set.find(&sent).or_else(|| set.find(&key)).and_then(|index| limits.get(index))?;
            Some(Found { limit, key: None })
        }
        Keys::Patterns(patterns) => {
            let fits = |(pattern, _): &&(Pattern, Limit)| match pattern {
                Pattern::Any => true,
                Pattern::Regexp(regexp) => regexp.is_match(&sent) || regexp.is_match(&key),
            };
            let (_, limit) = patterns.iter().find(fits)?;
            Some(Found { limit, key: Some(key.into_owned()) })
        }
        Keys::Ranges(..) => None,
    }
}

/// A header's value. Spellings of a host or a path are one key, or clients would have a limit for each of them.
fn spelling<'a>(name: &str, value: &'a [u8]) -> Spelling<'a> {
    let key = match name {
        RequestHeaderName::AUTHORITY => normalise(value),
        RequestHeaderName::PATH => path_key(value),
        _ => value.into(),
    };
    Spelling { sent: value.into(), key }
}

/// The address in a header such as `x-forwarded-for`: the first, or the `hops`th from the right.
fn forwarded(headers: &HeaderMap, name: &str, hops: Option<NonZeroU16>) -> Option<IpAddr> {
    let mut addresses: Vec<&[u8]> =
        headers.values(name).flat_map(|value| value.split(|byte| *byte == b',')).collect();
    if let Some(hops) = hops {
        // Fewer than the proxies add: the request did not come through them all.
        let from = addresses.len().checked_sub(usize::from(hops.get()))?;
        addresses.drain(..from);
    }
    parse_ip(addresses.first()?)
}

/// The values of a parameter in the query of a path, decoded as forms are. `separators` end a parameter.
fn params<'a>(
    path: &'a [u8],
    name: &'a [u8],
    separators: &'static [u8],
) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let query = path.iter().position(|byte| *byte == b'?').and_then(|mark| path.get(mark + 1..));
    let pairs = query.unwrap_or_default().split(|byte| separators.contains(byte));
    pairs.filter_map(move |pair| {
        let (key, value) = halves(pair);
        (*decoded(key, b' ') == *name).then(|| decoded(value, b' '))
    })
}

/// The values of a cookie in a `cookie` header (RFC 6265, section 4.2.1).
fn cookies<'a>(header: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    header.split(|byte| *byte == b';').filter_map(move |pair| {
        let (key, value) = halves(pair);
        (key.trim_ascii() == name).then(|| value.trim_ascii())
    })
}

/// What is before and after the first `=`; all before it when there is none.
fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

/// What all spellings of a path have in common: servers decode it, and its query is no part of it.
pub fn path_key(path: &[u8]) -> Cow<'_, [u8]> {
    decoded(path.split(|byte| *byte == b'?').next().unwrap_or_default(), b'+')
}

/// What all spellings of a cookie's value have in common: servers take quotation marks off, and decode it.
pub fn cookie_key(value: &[u8]) -> Cow<'_, [u8]> {
    let inside = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    decoded(inside.unwrap_or(value), b'+')
}

/// `%41` as its byte, and `+` as `plus`; a `%` without two hexadecimal digits stays (URL Standard, section 5.1).
fn decoded(text: &[u8], plus: u8) -> Cow<'_, [u8]> {
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
        assert_eq!(&*decoded(b"%zz%4%%41%", b' '), b"%zz%4%A%");
    }

    #[test]
    fn a_semicolon_may_end_a_parameter() {
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
    fn cookies_have_blanks_around_and_case() {
        let header = b"a=1; key=v=2 ;key ; Key=3;\tkey=4";
        let values: Vec<_> = cookies(header, b"key").collect();
        assert_eq!(values, [b"v=2".as_slice(), b"", b"4"]);
    }
}
