//! Values of `format`.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A format that is validated. Others only describe.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    Date,
    Time,
    DateTime,
    Email,
    Hostname,
    Ipv4,
    Ipv6,
    Uri,
    Uuid,
}

impl Format {
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Format::Date,
            "time" => Format::Time,
            "date-time" => Format::DateTime,
            "email" => Format::Email,
            "hostname" => Format::Hostname,
            "ipv4" => Format::Ipv4,
            "ipv6" => Format::Ipv6,
            "uri" => Format::Uri,
            "uuid" => Format::Uuid,
            _ => return None,
        })
    }

    pub fn allows(self, text: &str) -> bool {
        match self {
            Format::Date => is_date(text.as_bytes()),
            Format::Time => is_time(text.as_bytes()),
            Format::DateTime => match text.as_bytes().split_at_checked(10) {
                Some((date, [b'T' | b't', time @ ..])) => is_date(date) && is_time(time),
                _ => false,
            },
            Format::Email => is_email(text),
            Format::Hostname => is_hostname(text),
            Format::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Format::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Format::Uri => is_uri(text),
            Format::Uuid => is_uuid(text),
        }
    }
}

/// Reads a number of exactly these digits.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(digits).ok()?.parse().ok())?
}

/// `full-date` of RFC 3339.
fn is_date(text: &[u8]) -> bool {
    let &[a, b, c, d, b'-', e, f, b'-', g, h] = text else { return false };
    let (Some(year), Some(month), Some(day)) = (number(&[a, b, c, d]), number(&[e, f]), number(&[g, h]))
    else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

/// `full-time` of RFC 3339, with leap seconds at the end of a day in UTC.
fn is_time(text: &[u8]) -> bool {
    let &[a, b, b':', c, d, b':', e, f, ref rest @ ..] = text else { return false };
    let (Some(hour), Some(minute), Some(second)) = (number(&[a, b]), number(&[c, d]), number(&[e, f])) else {
        return false;
    };
    let rest = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            match fraction.get(digits..) {
                Some(rest) if digits > 0 => rest,
                _ => return false,
            }
        }
        rest => rest,
    };
    let offset = match *rest {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => match (number(&[a, b]), number(&[c, d])) {
            (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => {
                let offset = hours * 60 + minutes;
                Some(if sign == b'+' { 24 * 60 - offset } else { offset })
            }
            _ => None,
        },
        _ => None,
    };
    let Some(offset) = offset else { return false };
    hour < 24
        && minute < 60
        && (second < 60 || (second == 60 && (hour * 60 + minute + offset) % (24 * 60) == 23 * 60 + 59))
}

/// The mailboxes of RFC 5321 without comments.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_local = match local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.bytes().all(|byte| matches!(byte, 32..=126) && byte != b'"'),
        None => local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
        }),
    };
    let is_domain = match domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => match literal.strip_prefix("IPv6:") {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => literal.parse::<Ipv4Addr>().is_ok(),
        },
        None => is_hostname(domain),
    };
    is_local && is_domain
}

/// A name of RFC 1123. `A`-labels are not decoded.
fn is_hostname(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                // RFC 5891 reserves these.
                && (label.get(2..4) != Some("--") || label.get(..4).is_some_and(|xn| xn.eq_ignore_ascii_case("xn--")))
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// A URI of RFC 3986 with a scheme.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = before.split_once('?').unwrap_or((before, ""));
    let (authority, path) = match path.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", path),
    };
    is_scheme
        && is_authority(authority)
        && consists_of(path, b"/:@")
        && consists_of(query, b"/:@?")
        && consists_of(fragment, b"/:@?")
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = match host.strip_prefix('[') {
        Some(literal) => match literal.split_once(']') {
            Some((address, "")) => address.parse::<Ipv6Addr>().is_ok(),
            Some((address, port)) => {
                address.parse::<Ipv6Addr>().is_ok() && port.strip_prefix(':').is_some_and(is_port)
            }
            None => false,
        },
        None => {
            let (name, port) = host.split_once(':').unwrap_or((host, ""));
            consists_of(name, b"") && is_port(port)
        }
    };
    is_host && consists_of(user, b":")
}

/// Returns true for unreserved characters, subdelimiters, these others, and valid percent-encoding.
fn consists_of(text: &str, others: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_valid = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            byte => {
                byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) || others.contains(&byte)
            }
        };
        if !is_valid {
            return false;
        }
    }
    true
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
