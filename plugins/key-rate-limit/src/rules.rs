//! Which limit a request has, and under which key: pure functions over bytes.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU16;

use matcher::ip::parse_ip;
use sdk::Headers;

use crate::config::{AddressSource, Config, Item, Keys, Limit, Pattern, Scope, Source};

/// The header that authentication plug-ins set.
const CONSUMER: &str = "x-mse-consumer";

/// A limit that a request has.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'c> {
    /// The limit.
    pub limit: &'c Limit,
    /// Whose it is, when it is one limit for each of many keys.
    pub key: Option<Vec<u8>>,
}

/// The limit of the first item that is about the request. `address` is the client's.
pub fn find<'c>(config: &'c Config, headers: &Headers, address: Option<IpAddr>) -> Option<Found<'c>> {
    match &config.scope {
        Scope::All(limit) => Some(Found { limit, key: None }),
        Scope::Items(items) => items.iter().find_map(|item| in_item(item, headers, address)),
    }
}

fn in_item<'c>(item: &'c Item, headers: &Headers, address: Option<IpAddr>) -> Option<Found<'c>> {
    match &item.source {
        Source::Header(name) => headers.values(name).find_map(|value| limit_of(&item.keys, value)),
        Source::Consumer => headers.values(CONSUMER).find_map(|value| limit_of(&item.keys, value)),
        Source::Param(name) => {
            let path = headers.values(":path").next()?;
            params(path, name.as_bytes()).find_map(|value| limit_of(&item.keys, &value))
        }
        Source::Cookie(name) => {
            let mut cookies = headers.values("cookie").flat_map(|value| cookies(value, name.as_bytes()));
            cookies.find_map(|value| limit_of(&item.keys, value))
        }
        Source::Address(source) => {
            let Keys::Ranges(ranges, limits) = &item.keys else {
                return None;
            };
            let address = match source {
                AddressSource::Connection => address?,
                // Who sends no address, or none that is one, does not get around the limit.
                AddressSource::Header(name, hops) => forwarded(headers, name, *hops).or(address)?,
            };
            let limit = ranges.find(address).and_then(|index| limits.get(index))?;
            Some(Found { limit, key: Some(address.to_string().into_bytes()) })
        }
    }
}

/// The limit of a key.
fn limit_of<'c>(keys: &'c Keys, key: &[u8]) -> Option<Found<'c>> {
    match keys {
        Keys::Exact(set, limits) => {
            let limit = set.find(key).and_then(|index| limits.get(index))?;
            Some(Found { limit, key: None })
        }
        Keys::Patterns(patterns) => {
            let fits = |(pattern, _): &&(Pattern, Limit)| match pattern {
                Pattern::Any => true,
                Pattern::Regexp(regexp) => regexp.is_match(key),
            };
            let (_, limit) = patterns.iter().find(fits)?;
            Some(Found { limit, key: Some(key.to_vec()) })
        }
        Keys::Ranges(..) => None,
    }
}

/// The address in a header such as `x-forwarded-for`: the first, or the `hops`th from the right.
fn forwarded(headers: &Headers, name: &str, hops: Option<NonZeroU16>) -> Option<IpAddr> {
    let mut addresses: Vec<&[u8]> =
        headers.values(name).flat_map(|value| value.split(|byte| *byte == b',')).collect();
    if let Some(hops) = hops {
        // Fewer than the proxies add: the request did not come through them all.
        let from = addresses.len().checked_sub(usize::from(hops.get()))?;
        addresses.drain(..from);
    }
    parse_ip(addresses.first()?)
}

/// The values of a parameter in the query of a path, decoded as forms are.
fn params<'a>(path: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let query = path.iter().position(|byte| *byte == b'?').and_then(|mark| path.get(mark + 1..));
    let pairs = query.unwrap_or_default().split(|byte| *byte == b'&');
    pairs.filter_map(move |pair| {
        let (key, value) = halves(pair);
        (*decoded(key) == *name).then(|| decoded(value))
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

/// `+` as a space and `%41` as its byte; a `%` without two hexadecimal digits stays (URL Standard, section 5.1).
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (first, after) {
            (b'+', _) => b' ',
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
        assert_eq!(all(params(path, b"k")), ["1", "A b%2", "", ""]);
        assert_eq!(all(params(path, b"xk")), ["3"]);
        assert_eq!(all(params(path, b"kk")), ["4?k=5"]);
        assert_eq!(all(params(path, b"none")), [""; 0]);
        assert_eq!(all(params(b"/k=1", b"k")), [""; 0]);
        assert_eq!(&*decoded(b"%zz%4%%41%"), b"%zz%4%A%");
    }

    #[test]
    fn cookies_have_blanks_around_and_case() {
        let header = b"a=1; key=v=2 ;key ; Key=3;\tkey=4";
        let values: Vec<_> = cookies(header, b"key").collect();
        assert_eq!(values, [b"v=2".as_slice(), b"", b"4"]);
    }
}
