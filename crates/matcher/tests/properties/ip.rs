//! Addresses against the definition: one is in a network if it begins with the network's bits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use matcher::ip::{IpRange, IpSet, parse_ip};
use proptest::prelude::*;

/// A network as an operator may write it, and what it means.
#[derive(Debug, Clone)]
struct Network {
    text: String,
    address: IpAddr,
    length: u32,
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let bit = |octets: &[u8], at: usize| octets[at / 8] >> (7 - at % 8) & 1;
        let (own, other) = (bits(self.address), bits(address));
        own.len() == other.len() && (0..self.length as usize).all(|at| bit(&own, at) == bit(&other, at))
    }

    /// The addresses at its ends and right beyond them, where an off-by-one shows.
    fn edges(&self) -> Vec<IpAddr> {
        match self.address {
            IpAddr::V4(address) => {
                let first = address.to_bits();
                let last = first | u32::MAX.checked_shr(self.length).unwrap_or(0);
                [first.wrapping_sub(1), first, last, last.wrapping_add(1)]
                    .map(|bits| Ipv4Addr::from_bits(bits).into())
                    .to_vec()
            }
            IpAddr::V6(address) => {
                let first = address.to_bits();
                let last = first | u128::MAX.checked_shr(self.length).unwrap_or(0);
                [first.wrapping_sub(1), first, last, last.wrapping_add(1)]
                    .map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical())
                    .to_vec()
            }
        }
    }
}

/// Bits near each other, so that networks nest and touch, at either end of all addresses, or anywhere.
fn bits(width: u32) -> impl Strategy<Value = u128> {
    let all = u128::MAX >> (128 - width);
    prop_oneof![0..64u128, (0..64u128).prop_map(move |low| all - low), any::<u128>()]
        .prop_map(move |bits| bits & all)
}

/// Every length, the shortest and the longest more often.
fn length(width: u32) -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 3 => Just(width), 8 => width - 7..=width, 2 => 1..=width]
}

fn network() -> impl Strategy<Value = Network> {
    let v4 = (bits(32), length(32), any::<bool>()).prop_map(|(bits, length, mapped)| {
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        let address = Ipv4Addr::from_bits(bits as u32 & mask);
        let text = match mapped {
            true => format!("{}/{}", address.to_ipv6_mapped(), 96 + length),
            false if length == 32 => address.to_string(),
            false => format!("{address}/{length}"),
        };
        Network { text, address: address.into(), length }
    });
    let v6 = (bits(128), length(128)).prop_map(|(bits, length)| {
        let address = Ipv6Addr::from_bits(bits & u128::MAX.checked_shl(128 - length).unwrap_or(0));
        Network { text: format!("{address}/{length}"), address: address.into(), length }
    });
    prop_oneof![v4, v6.prop_filter("is IPv4", |network| network.address.to_canonical() == network.address)]
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        bits(32).prop_map(|bits| Ipv4Addr::from_bits(bits as u32).into()),
        bits(128).prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits)).to_canonical()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_set_finds_the_first_of_its_networks_that_holds_an_address(
        networks in prop::collection::vec(network(), 0..12),
        others in prop::collection::vec(address(), 8),
    ) {
        let ranges = networks.iter().map(|network| IpRange::parse(&network.text).unwrap());
        let set = IpSet::new(ranges.clone());
        prop_assert_eq!(set.is_empty(), networks.is_empty());
        for address in networks.iter().flat_map(Network::edges).chain(others) {
            let expected = networks.iter().position(|network| network.contains(address));
            prop_assert_eq!(set.find(address), expected, "{}", address);
            prop_assert_eq!(set.contains(address), expected.is_some(), "{}", address);
            prop_assert_eq!(ranges.clone().position(|range| range.contains(address)), expected, "{}", address);
            if let IpAddr::V4(address) = address {
                prop_assert_eq!(set.find(address.to_ipv6_mapped().into()), expected);
            }
        }
    }

    #[test]
    fn an_address_inside_a_network_is_corrected_to_the_network(network in network()) {
        let inside = |address: &IpAddr| *address != network.address && network.contains(*address);
        for address in network.edges().into_iter().filter(inside) {
            let error = IpRange::parse(&format!("{address}/{}", network.length)).unwrap_err().to_string();
            let corrected = format!("write `{}/{}`", network.address, network.length);
            prop_assert!(error.contains(&corrected), "{}", error);
            prop_assert!(error.ends_with(&format!("`{address}` for the address alone")), "{}", error);
        }
    }

    #[test]
    fn a_peer_is_its_address(address in address(), port: u16) {
        let spellings = match address {
            IpAddr::V4(v4) => {
                let mapped = v4.to_ipv6_mapped();
                vec![format!("{v4}"), format!("{v4}:{port}"), format!("{mapped}"), format!("[{mapped}]:{port}")]
            }
            IpAddr::V6(v6) => vec![format!("{v6}"), format!("[{v6}]"), format!("[{v6}]:{port}")],
        };
        for spelling in spellings {
            prop_assert_eq!(parse_ip(spelling.as_bytes()), Some(address), "{}", spelling);
        }
    }

    #[test]
    fn any_text_is_harmless(
        text in prop_oneof![any::<String>(), "[0-9a-f:./%\\[\\]]{0,24}"],
        bytes in any::<Vec<u8>>(),
    ) {
        let _ = (parse_ip(text.as_bytes()), parse_ip(&bytes));
        if let Err(error) = IpRange::parse(&text) {
            prop_assert!(error.to_string().contains("write"));
        }
    }
}
