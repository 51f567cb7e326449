//! IP addresses: of a request as a gateway gives them, and sets of them as an operator writes them.
//!
//! IPv4 and IPv6 are apart: `::/0` holds no IPv4 address, and `0.0.0.0/0` no IPv6 one. An IPv4 address that is
//! mapped into IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is that IPv4 address wherever it stands, since
//! which of the two a gateway reports depends on how its socket is bound, not on the client.

use std::net::{IpAddr, Ipv6Addr};

mod range;

use range::Bounds;
pub use range::{IpRange, IpRangeError};

/// Addresses, in one look-up however many ranges there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpSet {
    /// First and last address of each range, ascending, no two of which touch.
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl IpSet {
    /// The addresses of all `ranges`, which may overlap and come in any order.
    pub fn new(ranges: impl IntoIterator<Item = IpRange>) -> Self {
        let mut set = Self::default();
        for range in ranges {
            match range.0 {
                Bounds::V4(first, last) => set.v4.push((first, last)),
                Bounds::V6(first, last) => set.v6.push((first, last)),
            }
        }
        merge(&mut set.v4, |last| last.checked_add(1));
        merge(&mut set.v6, |last| last.checked_add(1));
        set
    }

    /// Whether `address` is in one of the ranges.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
        }
    }

    /// Whether there is no address in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Sorts ranges and joins those that overlap or touch; `next` is the address after one, if there is any.
fn merge<T: Copy + Ord>(ranges: &mut Vec<(T, T)>, next: impl Fn(T) -> Option<T>) {
    ranges.sort_unstable();
    ranges.dedup_by(|(first, last), (_, reached)| {
        // Nothing comes after the last address of all, so whatever is left lies in the range that reaches it.
        let joined = next(*reached).is_none_or(|after| *first <= after);
        if joined {
            *reached = (*reached).max(*last);
        }
        joined
    });
}

fn holds<T: Copy + Ord>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
}

/// The address in what a gateway or a header says of a peer: `192.0.2.1:51234`, `[2001:db8::1]:443`,
/// `[2001:db8::1]`, or the address alone. Blanks around it, a port and a zone (`fe80::1%eth0`) are left out, and
/// an IPv4-mapped IPv6 address is the IPv4 one.
///
/// An IPv6 address without brackets has no port: `2001:db8::1:443` is an address as a whole.
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

/// An IPv6 address, with or without a zone (RFC 4007 §11).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    let (address, zone) = text.split_once('%').unwrap_or((text, "zone"));
    if zone.is_empty() {
        return None;
    }
    address.parse().ok()
}

fn port(text: &str) -> Option<u16> {
    // The standard library's numbers may begin with a plus.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_peer_is_found_in_every_form() {
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
    fn what_is_no_address_is_none() {
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
    fn ranges_that_overlap_or_touch_are_one() {
        let set = |ranges: &[&str]| IpSet::new(ranges.iter().map(|range| IpRange::parse(range).unwrap()));
        let halves = set(&["10.0.0.128/25", "10.0.0.0/25", "10.0.0.7", "::ffff:10.0.0.0/121"]);
        assert_eq!(halves, set(&["10.0.0.0/24"]));
        assert_eq!(set(&["128.0.0.0/1", "255.255.255.255", "0.0.0.0/1"]), set(&["0.0.0.0/0"]));
        assert_eq!(set(&["8000::/1", "::/1", "ffff::/16"]), set(&["::/0"]));
        assert_eq!(halves.v4.len(), 1);
        assert!(set(&[]).is_empty() && !halves.is_empty());
    }

    #[test]
    fn the_families_are_apart_and_mapped_addresses_are_ipv4() {
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
