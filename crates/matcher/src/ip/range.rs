//! Addresses and networks in a configuration.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse_ip;

/// An address, `192.0.2.1`, or a network in CIDR notation, `192.0.2.0/24` or `2001:db8::/32` (RFC 4632, section 3.1;
/// RFC 4291, section 2.3).
///
/// An IPv4-mapped network, `::ffff:192.0.2.0/120`, is equal to the IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange(pub(super) Bounds);

/// The first and the last address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounds {
    V4(u32, u32),
    V6(u128, u128),
}

impl IpRange {
    /// Parses an address or a network.
    ///
    /// # Errors
    ///
    /// [`IpRangeError`] for invalid texts, and for ambiguous ones such as `192.0.2.1/24`, which may mean the address or the
    /// network.
    pub fn parse(text: &str) -> Result<Self, IpRangeError> {
        read(text).map(Self).map_err(|problem| IpRangeError { text: text.to_owned(), problem })
    }

    /// Returns true if the range contains `address`.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.0, address.to_canonical()) {
            (Bounds::V4(first, last), IpAddr::V4(address)) => (first..=last).contains(&address.to_bits()),
            (Bounds::V6(first, last), IpAddr::V6(address)) => (first..=last).contains(&address.to_bits()),
            _ => false,
        }
    }

    /// Returns true if the range contains all addresses of `other`.
    pub fn covers(&self, other: &IpRange) -> bool {
        match (self.0, other.0) {
            (Bounds::V4(first, last), Bounds::V4(from, to)) => first <= from && to <= last,
            (Bounds::V6(first, last), Bounds::V6(from, to)) => first <= from && to <= last,
            _ => false,
        }
    }
}

fn read(text: &str) -> Result<Bounds, Problem> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(written) = address.parse::<IpAddr>() else {
        return Err(parse_ip(text.as_bytes()).map_or(Problem::NoAddress, Problem::MoreThanAddress));
    };
    let bits = match written {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let length = match prefix {
        None => bits,
        Some(prefix) => match number(prefix).filter(|length| *length <= bits) {
            Some(length) => length,
            None => return Err(Problem::Prefix { address: written, bits, mask: mask(prefix) }),
        },
    };
    // How many bits are free, of as many as the address has when a mapped one has become IPv4.
    let free = bits - length;
    let address = match written.to_canonical() {
        IpAddr::V4(address) if free > 32 => return Err(Problem::Mapped { address }),
        address => address,
    };
    // A shift by the whole width does not exist.
    let host = u128::MAX.checked_shr(128 - free).unwrap_or(0);
    let (bounds, network) = match address {
        IpAddr::V4(address) => {
            let (address, host) = (address.to_bits(), u32::try_from(host).unwrap_or(u32::MAX));
            let first = address & !host;
            (Bounds::V4(first, first | host), IpAddr::V4(Ipv4Addr::from_bits(first)))
        }
        IpAddr::V6(address) => {
            let first = address.to_bits() & !host;
            (Bounds::V6(first, first | host), IpAddr::V6(Ipv6Addr::from_bits(first)))
        }
    };
    if network == address {
        Ok(bounds)
    } else {
        let length = if network.is_ipv4() { 32 - free } else { length };
        Err(Problem::HostBits { address, network, length })
    }
}

/// Parses a decimal number: `24`, but not `024` or `+24`.
fn number(text: &str) -> Option<u32> {
    let plain = !text.starts_with(['0', '+']) || text == "0";
    plain.then(|| text.parse().ok())?
}

/// Returns the length of the prefix of a mask such as `255.255.255.0`.
fn mask(text: &str) -> Option<u32> {
    let mask = text.parse::<Ipv4Addr>().ok()?.to_bits();
    (mask.leading_ones() == mask.count_ones()).then(|| mask.count_ones())
}

/// The error for an invalid [`IpRange`]. The message explains what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpRangeError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    NoAddress,
    /// A port, brackets, blanks or a zone.
    MoreThanAddress(IpAddr),
    Prefix {
        address: IpAddr,
        /// The longest.
        bits: u32,
        /// The length that was written as a mask.
        mask: Option<u32>,
    },
    /// A prefix that is shorter than what all mapped addresses have in common.
    Mapped {
        address: Ipv4Addr,
    },
    HostBits {
        address: IpAddr,
        network: IpAddr,
        length: u32,
    },
}

impl fmt::Display for IpRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match &self.problem {
            Problem::NoAddress => write!(
                f,
                "`{text}` is neither an IP address nor a network: write an address, such as `192.0.2.1` or \
                 `2001:db8::1`, or a network, such as `192.0.2.0/24` or `2001:db8::/32`"
            ),
            Problem::MoreThanAddress(address) => {
                write!(f, "`{text}` has more in it than an address: write `{address}`")
            }
            Problem::Prefix { address: address @ IpAddr::V4(_), mask: Some(length), .. } => {
                write!(f, "`{text}` has a mask: write the length of the prefix, `{address}/{length}`")
            }
            Problem::Prefix { address, bits, .. } => write!(
                f,
                "`{text}` has no length of a prefix after the `/`: write a number from 0 to {bits}, or \
                 `{address}` for the address alone"
            ),
            Problem::Mapped { address } => write!(
                f,
                "`{text}` reaches beyond the IPv4 addresses that IPv6 has mapped: write an IPv4 network, such as \
                 `{address}/32`"
            ),
            Problem::HostBits { address, network, length } => write!(
                f,
                "`{text}` is an address inside a network: write `{network}/{length}` for the network, or \
                 `{address}` for the address alone"
            ),
        }
    }
}

impl std::error::Error for IpRangeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks() {
        let bounds = |text| IpRange::parse(text).unwrap().0;
        assert_eq!(bounds("192.0.2.1"), Bounds::V4(0xc000_0201, 0xc000_0201));
        assert_eq!(bounds("192.0.2.1/32"), bounds("192.0.2.1"));
        assert_eq!(bounds("192.0.2.0/24"), Bounds::V4(0xc000_0200, 0xc000_02ff));
        assert_eq!(bounds("0.0.0.0/0"), Bounds::V4(0, u32::MAX));
        assert_eq!(bounds("::/0"), Bounds::V6(0, u128::MAX));
        assert_eq!(bounds("::1"), Bounds::V6(1, 1));
        assert_eq!(bounds("2001:DB8::/32"), Bounds::V6(0x2001_0db8 << 96, (0x2001_0db9 << 96) - 1));
        assert_eq!(bounds("::ffff:192.0.2.0/120"), bounds("192.0.2.0/24"));
        assert_eq!(bounds("::ffff:192.0.2.1"), bounds("192.0.2.1"));
        assert_eq!(bounds("::ffff:0:0/96"), bounds("0.0.0.0/0"));
    }

    #[test]
    fn a_range_covers_what_is_inside() {
        let covers =
            |one: &str, other: &str| IpRange::parse(one).unwrap().covers(&IpRange::parse(other).unwrap());
        assert!(covers("192.0.2.0/24", "192.0.2.7") && covers("0.0.0.0/0", "10.0.0.0/8"));
        assert!(covers("::/0", "2001:db8::/32") && covers("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(!covers("192.0.2.7", "192.0.2.0/24") && !covers("::/0", "0.0.0.0/0"));
        assert!(!covers("10.0.0.0/25", "10.0.0.128/25"));
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_remedy() {
        for (text, remedy) in [
            ("", "write an address"),
            ("example.com", "write an address"),
            ("10/8", "such as `192.0.2.0/24`"),
            ("192.0.02.1", "such as `192.0.2.1`"),
            ("192.0.2.1-192.0.2.9", "a network, such as"),
            ("192.0.2.0/24 ", "from 0 to 32"),
            (" 192.0.2.1", "write `192.0.2.1`"),
            ("192.0.2.1:80", "write `192.0.2.1`"),
            ("[2001:db8::1]", "write `2001:db8::1`"),
            ("[2001:db8::1]:443", "write `2001:db8::1`"),
            ("fe80::1%eth0", "write `fe80::1`"),
            ("192.0.2.0/", "from 0 to 32, or `192.0.2.0`"),
            ("192.0.2.0/33", "from 0 to 32, or `192.0.2.0`"),
            ("192.0.2.0/-1", "from 0 to 32"),
            ("192.0.2.0/+24", "from 0 to 32"),
            ("192.0.2.0/024", "from 0 to 32"),
            ("192.0.2.0/24/24", "from 0 to 32"),
            ("192.0.2.0/99999999999", "from 0 to 32"),
            ("2001:db8::/129", "from 0 to 128, or `2001:db8::`"),
            ("2001:db8::/255.0.0.0", "from 0 to 128"),
            ("192.0.2.0/255.255.255.0", "write the length of the prefix, `192.0.2.0/24`"),
            ("192.0.2.0/255.0.255.0", "from 0 to 32"),
            ("192.0.2.1/24", "write `192.0.2.0/24` for the network, or `192.0.2.1` for"),
            ("192.0.2.1/0", "write `0.0.0.0/0` for"),
            ("2001:db8::1/32", "write `2001:db8::/32` for the network, or `2001:db8::1` for"),
            ("::1/0", "write `::/0` for"),
            ("::ffff:192.0.2.1/120", "write `192.0.2.0/24` for the network, or `192.0.2.1` for"),
            ("::ffff:192.0.2.0/24", "write an IPv4 network"),
        ] {
            let message = IpRange::parse(text).expect_err(text).to_string();
            assert!(message.contains(remedy), "{text:?}: {message}");
        }
    }
}
