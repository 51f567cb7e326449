//! The client's address in a header to which proxies append, such as `x-forwarded-for`.

use std::net::IpAddr;
use std::num::NonZeroU16;

use super::{IpSet, parse_ip};

/// Which address of a header is the client's.
#[derive(Debug, PartialEq, Eq)]
pub enum Trust {
    /// The first. A client that can send the header can forge it.
    First,
    /// The n-th from the right: this many proxies in front of the gateway append to the header.
    Hops(NonZeroU16),
    /// The first from the right that is not one of these proxies.
    Proxies(IpSet),
}

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Its address.
    Address(IpAddr),
    /// The header does not tell: it is absent, or has fewer addresses than proxies append, because the request did not pass
    /// all of them.
    Unknown,
    /// There is no address where it should be.
    Invalid,
}

impl Trust {
    /// Returns the client of a request with these values of the header, that came from `peer`.
    pub fn client<'v>(&self, values: impl Iterator<Item = &'v [u8]>, peer: Option<IpAddr>) -> Client {
        let entries: Vec<&[u8]> = values
            .flat_map(|value| value.split(|byte| *byte == b','))
            .filter(|entry| !entry.trim_ascii().is_empty())
            .collect();
        let read = |entry: Option<&&[u8]>| match entry {
            None => Client::Unknown,
            Some(entry) => parse_ip(entry).map_or(Client::Invalid, Client::Address),
        };
        match self {
            Self::First => read(entries.first()),
            Self::Hops(hops) => {
                let index = entries.len().checked_sub(usize::from(hops.get()));
                read(index.and_then(|index| entries.get(index)))
            }
            Self::Proxies(proxies) => {
                let mut client = peer.map_or(Client::Unknown, Client::Address);
                for entry in entries.iter().rev() {
                    match client {
                        Client::Address(address) if !proxies.contains(address) => break,
                        _ => client = read(Some(entry)),
                    }
                    if client == Client::Invalid {
                        break;
                    }
                }
                client
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::IpRange;

    fn client(trust: &Trust, values: &[&str], peer: &str) -> String {
        match trust.client(values.iter().map(|value| value.as_bytes()), peer.parse().ok()) {
            Client::Address(address) => address.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn hops_are_counted_from_the_right() {
        let trust = Trust::Hops(NonZeroU16::new(2).unwrap());
        for (values, expected) in [
            (&["192.0.2.9, 192.0.2.1, 10.0.0.1"][..], "192.0.2.1"),
            (&["192.0.2.9", "192.0.2.1,10.0.0.1"], "192.0.2.1"),
            (&["192.0.2.1", ", ,", "10.0.0.1"], "192.0.2.1"),
            (&["10.0.0.1"], "Unknown"),
            (&[], "Unknown"),
            (&["evil, 10.0.0.1"], "Invalid"),
            (&["[2001:db8::1]:443, 10.0.0.1"], "2001:db8::1"),
            (&["::ffff:192.0.2.1, 10.0.0.1"], "192.0.2.1"),
        ] {
            assert_eq!(client(&trust, values, "10.0.0.1"), expected, "{values:?}");
        }
    }

    #[test]
    fn trusted_proxies_are_passed_from_the_peer_on() {
        let trust = Trust::Proxies(IpSet::new([IpRange::parse("10.0.0.0/8").unwrap()]));
        for (values, peer, expected) in [
            (&["192.0.2.9, 192.0.2.1, 10.0.0.2"][..], "10.0.0.1", "192.0.2.1"),
            // Whoever connects directly decides nothing.
            (&["192.0.2.9"], "198.51.100.1", "198.51.100.1"),
            (&["10.0.0.9, 10.0.0.2"], "10.0.0.1", "10.0.0.9"),
            (&["192.0.2.9, what, 10.0.0.2"], "10.0.0.1", "Invalid"),
            (&[], "10.0.0.1", "10.0.0.1"),
            (&["192.0.2.9"], "none", "192.0.2.9"),
        ] {
            assert_eq!(client(&trust, values, peer), expected, "{values:?}");
        }
    }

    #[test]
    fn the_first_address_is_taken_as_it_is() {
        assert_eq!(client(&Trust::First, &["192.0.2.9, 10.0.0.1"], "10.0.0.1"), "192.0.2.9");
        assert_eq!(client(&Trust::First, &["unknown, 10.0.0.1"], "10.0.0.1"), "Invalid");
    }
}
