//! IP addresses of requests, and sets of networks.
//!
//! IPv4 and IPv6 are separate: `::/0` does not contain IPv4 addresses, nor `0.0.0.0/0` IPv6 addresses. An IPv4-mapped IPv6
//! address (`::ffff:192.0.2.1`, RFC 4291, section 2.5.5.2) is always equal to the IPv4 address, because a gateway reports
//! either of them depending on its socket, not on the client.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv6Addr};

mod forwarded;
mod range;

use range::Bounds;

pub use forwarded::{Client, Trust};
pub use range::{IpRange, IpRangeError};

/// Ranges of addresses, numbered from 0, with one lookup for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpSet {
    v4: Segments<u32>,
    v6: Segments<u128>,
}

/// The start of each segment, in ascending order, and the range that applies to it: the first of those that overlap.
type Segments<T> = Vec<(T, Option<usize>)>;

impl IpSet {
    /// Creates a set of ranges, which may overlap.
    pub fn new(ranges: impl IntoIterator<Item = IpRange>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (number, range) in ranges.into_iter().enumerate() {
            match range.0 {
                Bounds::V4(first, last) => v4.push((first.into(), last.into(), number)),
                Bounds::V6(first, last) => v6.push((first, last, number)),
            }
        }
        // Both families use the same code with numbers of one width. There is no segment after the last IPv4 address.
        let narrow = |(first, number)| Some((u32::try_from(first).ok()?, number));
        Self { v4: segments(v4).into_iter().filter_map(narrow).collect(), v6: segments(v6) }
    }

    /// Returns the number of the first range that contains `address`.
    pub fn find(&self, address: IpAddr) -> Option<usize> {
        match address.to_canonical() {
            IpAddr::V4(address) => find(&self.v4, address.to_bits()),
            IpAddr::V6(address) => find(&self.v6, address.to_bits()),
        }
    }

    /// Returns true if one of the ranges contains `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.find(address).is_some()
    }

    /// Returns true if the set is empty.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Splits ranges, each with its number, at all starts and ends.
fn segments(mut ranges: Vec<(u128, u128, usize)>) -> Segments<u128> {
    ranges.sort_unstable();
    let mut borders: Vec<u128> =
        ranges.iter().flat_map(|(first, last, _)| [Some(*first), last.checked_add(1)]).flatten().collect();
    borders.sort_unstable();
    borders.dedup();
    let mut segments = Segments::new();
    let mut coming = ranges.into_iter().peekable();
    // The current ranges, with the lowest number on top. Ranges that have ended are removed when they are on top.
    let mut current = BinaryHeap::new();
    for border in borders {
        while let Some((_, last, number)) = coming.next_if(|(first, ..)| *first <= border) {
            current.push(Reverse((number, last)));
        }
        while current.peek().is_some_and(|Reverse((_, last))| *last < border) {
            current.pop();
        }
        let number = current.peek().map(|Reverse((number, _))| *number);
        if segments.last().is_none_or(|(_, before)| *before != number) {
            segments.push((border, number));
        }
    }
    segments
}

fn find<T: Copy + Ord>(segments: &[(T, Option<usize>)], address: T) -> Option<usize> {
    let after = segments.partition_point(|(first, _)| *first <= address);
    segments.get(after.checked_sub(1)?)?.1
}

/// Parses the address of a peer, from a gateway or a header: `192.0.2.1:51234`, `[2001:db8::1]:443`, `[2001:db8::1]`, or only
/// the address. White space, a port and a zone (`fe80::1%eth0`) are removed, and an IPv4-mapped IPv6 address is converted to
/// IPv4.
///
/// An IPv6 address without brackets has no port: `2001:db8::1:443` is an address.
pub fn parse_ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        if !after.is_empty() {
            port(after.strip_prefix(':')?)?;
        }
        IpAddr::V6(ipv6(inside)?)
    } else {
        match text.split_once(':') {
            None => text.parse().ok()?,
            Some((address, after)) if !after.contains(':') => {
                port(after)?;
                IpAddr::V4(address.parse().ok()?)
            }
            Some(_) => IpAddr::V6(ipv6(text)?),
        }
    };
    Some(address.to_canonical())
}

/// Parses an IPv6 address with or without a zone (RFC 4007, section 11).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "zone"));
    if zone.is_empty() {
        return None;
    }
    address.parse().ok()
}

fn port(text: &str) -> Option<u16> {
    // The standard library accepts numbers with a plus sign.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_peers_are_parsed_in_all_forms() {
        let v4 = Some("192.0.2.1".parse().unwrap());
        let v6 = Some("2001:db8::1".parse().unwrap());
        for (text, address) in [
            ("192.0.2.1", v4),
            ("192.0.2.1:51234", v4),
            (" 192.0.2.1\t", v4),
            ("::ffff:192.0.2.1", v4),
            ("::FFFF:c000:201", v4),
            ("[::ffff:192.0.2.1]:443", v4),
            ("2001:db8::1", v6),
            ("[2001:db8::1]", v6),
            ("[2001:DB8:0::1]:443", v6),
            ("[2001:db8::1%eth0]:443", v6),
            ("2001:db8::1%2", v6),
            ("2001:db8::1:443", Some("2001:db8::1:443".parse().unwrap())),
        ] {
            assert_eq!(parse_ip(text.as_bytes()), address, "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_none() {
        for text in [
            "",
            ":80",
            "localhost",
            "unknown",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:+80",
            "192.0.2.1:65536",
            "192.0.2.01",
            "192.0.2.1, 192.0.2.2",
            "192.0.2.0/24",
            "[192.0.2.1]:80",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "[2001:db8::1]:x",
            "2001:db8::1%",
            "/run/envoy.sock",
        ] {
            assert_eq!(parse_ip(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_ip(b"192.0.2.1\xff"), None);
    }

    #[test]
    fn the_first_range_that_contains_an_address_is_found() {
        let ranges: Vec<IpRange> = [
            "10.0.0.128/25",
            "10.0.0.0/24",
            "10.0.0.7",
            "10.0.0.0/8",
            "255.255.255.255",
            "0.0.0.0",
            "2001:db8::/32",
            "::/0",
            "2001:db8::1",
            "10.0.1.0/24",
        ]
        .map(|range| IpRange::parse(range).unwrap())
        .to_vec();
        let set = IpSet::new(ranges.iter().copied());
        // At every border, and beside it.
        for text in [
            "0.0.0.0",
            "0.0.0.1",
            "9.255.255.255",
            "10.0.0.0",
            "10.0.0.6",
            "10.0.0.7",
            "10.0.0.8",
            "10.0.0.127",
            "10.0.0.128",
            "10.0.0.255",
            "10.0.1.0",
            "10.0.2.0",
            "10.255.255.255",
            "11.0.0.0",
            "255.255.255.254",
            "255.255.255.255",
            "::",
            "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db8::",
            "2001:db8::1",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db9::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            let address = text.parse().unwrap();
            assert_eq!(set.find(address), ranges.iter().position(|range| range.contains(address)), "{text}");
        }
        assert!(IpSet::new([]).is_empty() && !set.is_empty());
        assert!(!IpSet::new([]).contains("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn families_are_separate_and_mapped_addresses_are_ipv4() {
        let contains = |range: &str, address: &str| {
            IpSet::new([IpRange::parse(range).unwrap()]).contains(address.parse().unwrap())
        };
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.9"));
        assert!(contains("::ffff:192.0.2.0/120", "192.0.2.9"));
        assert!(contains("::ffff:0:0/96", "255.255.255.255"));
        assert!(!contains("::/0", "192.0.2.9"));
        assert!(!contains("::/0", "::ffff:192.0.2.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    }
}
