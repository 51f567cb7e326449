//! Host names: one normalized form for all spellings of a host.
//!
//! `H0.Example.com`, `h0.example.com.` and `h0.example.com:8443` reach the same upstream, so a rule for one of them must match
//! all of them. Otherwise clients could bypass it.

use std::borrow::Cow;
use std::net::Ipv6Addr;

mod pattern;

pub(crate) use pattern::Shape;
pub use pattern::{HostPattern, HostPatternError};

/// Normalizes the authority of a request (`:authority`, `Host`; RFC 9110, section 7.2) for comparison with a
/// [`HostPattern`].
///
/// The result is the host, without user information (all up to the last `@`), port or trailing dots, in lower-case ASCII.
/// All spellings of an IPv6 address, with or without brackets, have the same result, in brackets: `[0:0::1]:8080` and `::1`
/// are equal.
///
/// The port begins at the first `:` outside brackets, like in Envoy. A valid authority has at most one; `example.com:1:2` is
/// not valid, and is normalized to `example.com` so that it cannot bypass a rule. Any bytes are accepted, and the function is
/// idempotent.
pub fn normalise(authority: &[u8]) -> Cow<'_, [u8]> {
    let host = match authority.iter().rposition(|&byte| byte == b'@') {
        Some(at) => authority.get(at + 1..).unwrap_or_default(),
        None => authority,
    };
    let host = without_trailing_dots(host);
    if let Some(address) = ipv6(host) {
        return Cow::Owned(bracketed(address));
    }
    let host = without_trailing_dots(without_port(host));
    let inside = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    if let Some(address) = inside.and_then(ipv6) {
        return Cow::Owned(bracketed(address));
    }
    if host.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// Returns true for an authority that servers may read as another host than [`normalise`] does: it has user information,
/// several ports, or a character that no host has. A rule that lets a request through by its host must not hold for it;
/// one that stops a request holds for what [`normalise`] makes of it.
#[must_use]
pub fn is_ambiguous(authority: &[u8]) -> bool {
    let outside = authority.iter().rposition(|&byte| byte == b']').map_or(0, |at| at + 1);
    let colons = authority.iter().skip(outside).filter(|&&byte| byte == b':').count();
    colons > 1 || !authority.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._~:[]*".contains(&byte))
}

fn without_trailing_dots(mut host: &[u8]) -> &[u8] {
    while let Some(rest) = host.strip_suffix(b".") {
        host = rest;
    }
    host
}

fn without_port(host: &[u8]) -> &[u8] {
    let outside = host.iter().rposition(|&byte| byte == b']').map_or(0, |at| at + 1);
    let colon = host.iter().skip(outside).position(|&byte| byte == b':');
    colon.and_then(|at| host.get(..outside + at)).unwrap_or(host)
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    // The longest spelling has 45 bytes, and most names do not contain a colon.
    if text.len() > 45 || !text.contains(&b':') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Formats an address in full, `[2001:0db8:0000:…]`. It is only compared, so the shortest form is not needed.
fn bracketed(address: Ipv6Addr) -> Vec<u8> {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + (value - 10) };
    let mut text = Vec::with_capacity(41);
    for (index, octet) in address.octets().into_iter().enumerate() {
        match index {
            0 => text.push(b'['),
            _ if index % 2 == 0 => text.push(b':'),
            _ => {}
        }
        text.extend([digit(octet >> 4), digit(octet & 15)]);
    }
    text.push(b']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(authority: &str) -> String {
        String::from_utf8(normalise(authority.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn one_name_has_one_form() {
        for spelling in [
            "h0.example.com",
            "H0.Example.COM",
            "h0.example.com.",
            "h0.example.com..",
            "h0.example.com:443",
            "h0.example.com.:443",
            "h0.example.com:",
            "h0.example.com:any",
            "h0.example.com:443.",
            "h0.example.com:1:2",
            "user@h0.example.com",
            "user:pass@h0.example.com:443",
            "a@b@h0.example.com",
            "x:80@h0.example.com",
        ] {
            assert_eq!(normal(spelling), "h0.example.com", "{spelling}");
        }
    }

    #[test]
    fn one_ipv6_address_has_one_form() {
        for spelling in [
            "::1",
            "::1.",
            "[::1]",
            "[::1]:8080",
            "[::1].:8080",
            "[::1]:",
            "[0:0::1]",
            "[0:0:0:0:0:0:0:1]",
            "0:0:0:0:0:0:0.0.0.1",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "u@[::1]:80",
        ] {
            assert_eq!(normal(spelling), "[0000:0000:0000:0000:0000:0000:0000:0001]", "{spelling}");
        }
        assert_eq!(normal("[2001:DB8::A]:1"), "[2001:0db8:0000:0000:0000:0000:0000:000a]");
        assert_eq!(normal("[::FFFF:192.0.2.1]"), "[0000:0000:0000:0000:0000:ffff:c000:0201]");
    }

    #[test]
    fn what_servers_may_take_for_another_host_is_ambiguous() {
        for authority in [
            "a@b",
            "a:80@b",
            "@b",
            "b:1:2",
            "b:80:",
            "a,b",
            "a b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a;b",
            "a%2eb",
            "\u{e4}",
            "a\0",
            "::1",
            "[::1]:1:2",
        ] {
            assert!(is_ambiguous(authority.as_bytes()), "{authority}");
        }
        for authority in
            ["", "b", "B.example.com.:443", "b:", "[::1]", "[::1]:80", "x_y-z.example.com", "192.0.2.1:1"]
        {
            assert!(!is_ambiguous(authority.as_bytes()), "{authority}");
        }
    }

    #[test]
    fn what_is_no_host_is_only_trimmed() {
        assert_eq!(normal(""), "");
        assert_eq!(normal("."), "");
        assert_eq!(normal("@"), "");
        assert_eq!(normal(":80"), "");
        assert_eq!(normal("[::1"), "[");
        assert_eq!(normal("[nonsense]:80"), "[nonsense]");
        assert_eq!(normal("[::1]x:80"), "[::1]x");
        assert_eq!(&*normalise(b"\xff\x00A:1"), b"\xff\x00a");
    }
}
