//! Hosts: what may differ between two spellings of one, and patterns against the definition.

use std::net::Ipv6Addr;

use config::host::{HostPattern, normalise};
use proptest::prelude::*;

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{1,4}(\\.[a-z0-9-]{1,3}){0,3}"
}

/// Some way to write `host` that means the same.
fn spelling(host: String) -> impl Strategy<Value = String> {
    let userinfo = prop::sample::select(vec!["", "u@", "u:p@", "a@b@", ":1@"]);
    let end = prop::sample::select(vec!["", ".", "..", ":80", ":", ".:8443", ":80.", ":http", ":1:2"]);
    (prop::collection::vec(any::<bool>(), host.len()), userinfo, end).prop_map(
        move |(upper, userinfo, end)| {
            let raise = |(c, upper): (char, bool)| if upper { c.to_ascii_uppercase() } else { c };
            userinfo.to_owned() + &host.chars().zip(upper).map(raise).collect::<String>() + end
        },
    )
}

/// Some way to write the address, without brackets.
fn address_spelling(address: Ipv6Addr) -> impl Strategy<Value = String> {
    let groups = address.segments();
    prop_oneof![
        Just(address.to_string()),
        Just(groups.map(|group| format!("{group:04X}")).join(":")),
        Just(groups.map(|group| format!("{group:x}")).join(":")),
        Just(format!(
            "{}:{}.{}.{}.{}",
            groups[..6].iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":"),
            groups[6] >> 8,
            groups[6] & 255,
            groups[7] >> 8,
            groups[7] & 255,
        )),
    ]
}

fn address() -> impl Strategy<Value = Ipv6Addr> {
    prop::array::uniform8(prop_oneof![Just(0u16), any::<u16>()]).prop_map(Ipv6Addr::from)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn normalising_twice_changes_nothing(
        authority in prop_oneof![any::<Vec<u8>>(), "[a-f0-9A-F:@.\\[\\]]{0,24}".prop_map(String::into_bytes)],
    ) {
        let once = normalise(&authority).into_owned();
        prop_assert_eq!(&*normalise(&once), &*once);
        prop_assert!(!once.iter().any(u8::is_ascii_uppercase) && !once.contains(&b'@') && !once.ends_with(b"."));
    }

    #[test]
    fn spellings_of_a_name_are_one(
        (host, spelling) in label().prop_flat_map(|host| (Just(host.clone()), spelling(host))),
    ) {
        prop_assert_eq!(&*normalise(spelling.as_bytes()), host.as_bytes());
    }

    #[test]
    fn spellings_of_an_address_are_one(
        (one, other) in address().prop_flat_map(|ip| (address_spelling(ip), address_spelling(ip))),
        end in prop::sample::select(vec!["", ":8080", ".", ".:1"]),
    ) {
        let bracketed = format!("[{other}]");
        for pattern in [&other, &bracketed] {
            let pattern = HostPattern::parse(pattern).unwrap();
            prop_assert!(pattern.matches(&normalise(one.as_bytes())));
            let authority = format!("[{one}]{end}");
            prop_assert!(pattern.matches(&normalise(authority.as_bytes())));
        }
    }

    #[test]
    fn patterns_are_what_they_say(
        part in label(),
        (host, authority) in label().prop_flat_map(|host| (Just(host.clone()), spelling(host))),
    ) {
        let matches =
            |pattern: String| HostPattern::parse(&pattern).unwrap().matches(&normalise(authority.as_bytes()));
        prop_assert_eq!(matches(part.to_uppercase()), part == host);
        prop_assert_eq!(matches(format!("{part}*")), host.starts_with(&part));
        prop_assert_eq!(matches(format!("*{part}.")), host.ends_with(&part));
        prop_assert_eq!(matches(format!("*.{part}")), host.ends_with(&format!(".{part}")));
        prop_assert!(matches(host.clone()) && matches("*".to_owned()));
        let below = format!("*.{host}");
        prop_assert!(!matches(below));
    }

    #[test]
    fn any_pattern_is_harmless(
        pattern in prop_oneof![any::<String>(), "[a*:.@/\\[\\]0]{0,8}"],
        authority in any::<Vec<u8>>(),
    ) {
        match HostPattern::parse(&pattern) {
            Ok(pattern) => drop(pattern.matches(&normalise(&authority))),
            Err(error) => prop_assert!(error.to_string().contains("write")),
        }
    }
}
