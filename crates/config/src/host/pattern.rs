//! Host patterns, as in `_match_domain_`.

use std::fmt;

use super::{bracketed, ipv6, without_trailing_dots};

/// A set of hosts, written `example.com`, `*.example.com`, `www.*` or `*`.
///
/// - a name matches itself, and an IPv6 address, with or without brackets, matches all its spellings;
/// - `*` and a suffix match all hosts with this suffix: `*.example.com` matches `a.b.example.com`, but not `example.com`;
/// - a prefix and `*` match all hosts with this prefix;
/// - `*` matches all hosts.
///
/// Case and a trailing dot are ignored, as in requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(pub(crate) Shape);

/// The texts are normalized with [`normalise`](super::normalise).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Any,
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
}

impl HostPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    ///
    /// [`HostPatternError`] for patterns that can never match, or that are misleading.
    pub fn parse(pattern: &str) -> Result<Self, HostPatternError> {
        let refuse = |problem| Err(HostPatternError { pattern: pattern.to_owned(), problem });
        if pattern.is_empty() {
            return refuse(Problem::Empty);
        }
        if pattern.bytes().any(|byte| byte == b' ' || byte.is_ascii_control()) {
            return refuse(Problem::Blank);
        }
        // By bytes: the standard library's search for a string costs a module 4 KB.
        if let Some(at) = pattern.as_bytes().windows(3).position(|bytes| bytes == b"://") {
            let rest = pattern.get(at + 3..).unwrap_or_default();
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return refuse(Problem::Scheme { host: host.to_owned() });
        }
        let host = pattern.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        let is_foreign =
            |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"-_.*:[]@".contains(byte);
        if host.as_bytes().iter().any(is_foreign) {
            return refuse(Problem::NotAName);
        }
        if host != pattern {
            return refuse(Problem::Path { host: host.to_owned() });
        }
        if let Some((_, host)) = pattern.rsplit_once('@') {
            return refuse(Problem::UserInformation { host: host.to_owned() });
        }
        if !pattern.is_ascii() {
            return refuse(Problem::NotAscii);
        }
        let shape = match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            _ if pattern == "*" => return Ok(Self(Shape::Any)),
            (Some(_), Some(_)) => return refuse(Problem::Stars),
            (Some(suffix), None) => Shape::Suffix(lower(without_trailing_dots(suffix.as_bytes()))),
            // No trimming: in `www.*` the dot is the end of a label, not of the host.
            (None, Some(prefix)) => Shape::Prefix(lower(prefix.as_bytes())),
            (None, None) => Shape::Exact(lower(without_trailing_dots(pattern.as_bytes()))),
        };
        match shape {
            Shape::Exact(host) => exact(&host).map(Self).or_else(refuse),
            Shape::Prefix(part) | Shape::Suffix(part) if part.contains(&b'*') => refuse(Problem::Stars),
            Shape::Prefix(part) | Shape::Suffix(part) if part.iter().any(|byte| b":[]".contains(byte)) => {
                refuse(Problem::WildcardPortOrAddress)
            }
            Shape::Prefix(part) | Shape::Suffix(part) if part.iter().all(|byte| *byte == b'.') => {
                refuse(Problem::OnlyDots)
            }
            shape => Ok(Self(shape)),
        }
    }

    /// Returns true if the pattern matches all hosts.
    pub fn is_any(&self) -> bool {
        self.0 == Shape::Any
    }

    /// Returns true if the pattern matches `host`, which is normalized with [`normalise`](super::normalise).
    pub fn matches(&self, host: &[u8]) -> bool {
        match &self.0 {
            Shape::Any => true,
            Shape::Exact(name) => host == name,
            Shape::Prefix(prefix) => host.starts_with(prefix),
            Shape::Suffix(suffix) => host.ends_with(suffix),
        }
    }
}

fn lower(text: &[u8]) -> Vec<u8> {
    text.to_ascii_lowercase()
}

/// Parses a pattern without a `*` at either end.
fn exact(host: &[u8]) -> Result<Shape, Problem> {
    if host.is_empty() {
        return Err(Problem::OnlyDots);
    }
    if host.contains(&b'*') {
        return Err(Problem::Stars);
    }
    let inside = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    if let Some(address) = ipv6(inside.unwrap_or(host)) {
        return Ok(Shape::Exact(bracketed(address)));
    }
    // It is ASCII by now.
    let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect();
    if host.contains(&b'[') || host.contains(&b']') {
        let closed = host.iter().position(|&byte| byte == b']').and_then(|end| host.get(..=end));
        let inside = closed.and_then(|part| part.strip_prefix(b"[")?.strip_suffix(b"]"));
        return Err(match (closed, inside.and_then(ipv6)) {
            (Some(closed), Some(_)) => Problem::Port { host: text(closed) },
            _ => Problem::Address,
        });
    }
    let mut parts = host.split(|&byte| byte == b':');
    match (parts.next(), parts.next(), parts.next()) {
        (_, None, _) if host.split(|&byte| byte == b'.').any(<[u8]>::is_empty) => Err(Problem::NotAName),
        (_, None, _) => Ok(Shape::Exact(host.to_vec())),
        (Some(name), Some(_), None) => Err(Problem::Port { host: text(name) }),
        _ => Err(Problem::Address),
    }
}

/// The error for an invalid [`HostPattern`]. The message explains what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPatternError {
    pattern: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Empty,
    Blank,
    Scheme {
        host: String,
    },
    Path {
        host: String,
    },
    UserInformation {
        host: String,
    },
    Port {
        host: String,
    },
    WildcardPortOrAddress,
    Address,
    Stars,
    OnlyDots,
    /// It contains invalid characters, or an empty label.
    NotAName,
    NotAscii,
}

impl fmt::Display for HostPatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = &self.pattern;
        match &self.problem {
            Problem::Empty => {
                f.write_str("an empty host matches nothing: write a host name, or `*` for every host")
            }
            Problem::Blank => f.write_str(
                "the host contains a space or a control character: write the host name alone, and one host per \
                 list item",
            ),
            Problem::Scheme { host } => {
                write!(
                    f,
                    "host `{pattern}` begins with a scheme: write the host alone, `{host}`"
                )
            }
            Problem::Path { host } if host.is_empty() => {
                write!(
                    f,
                    "host `{pattern}` is a path: write a host name, such as `example.com`"
                )
            }
            Problem::Path { host } => {
                write!(
                    f,
                    "host `{pattern}` contains a path: write the host alone, `{host}`"
                )
            }
            Problem::UserInformation { host } => {
                write!(
                    f,
                    "host `{pattern}` contains user information: write the host alone, `{host}`"
                )
            }
            Problem::Port { host } if host.is_empty() => {
                write!(
                    f,
                    "host `{pattern}` is a port: write a host name, such as `example.com`"
                )
            }
            Problem::Port { host } => write!(
                f,
                "host `{pattern}` contains a port, and hosts are compared without it: write `{host}`"
            ),
            Problem::WildcardPortOrAddress => write!(
                f,
                "host `{pattern}` has a `*` and a port or an IPv6 address: hosts are compared without port, and \
                 addresses in full, so write the name without port or the whole address"
            ),
            Problem::Address => write!(
                f,
                "host `{pattern}` is neither a host name nor an IPv6 address: write an address as `[2001:db8::1]`"
            ),
            Problem::Stars => write!(
                f,
                "host `{pattern}` has a misplaced `*`: write `*`, `*.example.com` or `www.*`"
            ),
            Problem::OnlyDots => write!(f, "host `{pattern}` has no name: write `*` for every host"),
            Problem::NotAName => {
                write!(f, "host `{pattern}` is not a valid host: write one name, `*.example.com` or `www.*`")
            }
            Problem::NotAscii => write!(
                f,
                "host `{pattern}` is not ASCII, and requests contain the encoded form: write the form that begins with `xn--`"
            ),
        }
    }
}

impl std::error::Error for HostPatternError {}

#[cfg(test)]
mod tests {
    use super::super::normalise;
    use super::*;

    fn matches(pattern: &str, authority: &str) -> bool {
        HostPattern::parse(pattern).unwrap().matches(&normalise(authority.as_bytes()))
    }

    #[test]
    fn a_suffix_is_not_its_own_subdomain() {
        assert!(matches("*.example.com", "a.example.com"));
        assert!(matches("*.example.com", "a.b.EXAMPLE.com.:443"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", "badexample.com"));
        assert!(matches("*example.com", "badexample.com"));
    }

    #[test]
    fn prefixes_and_any() {
        assert!(matches("www.*", "www.example.com"));
        assert!(!matches("www.*", "wwwx.example.com"));
        assert!(matches("*", ""));
        assert!(matches("WWW.Example.com.", "www.example.com"));
    }

    #[test]
    fn an_address_matches_every_spelling() {
        for pattern in ["::1", "[::1]", "[0:0::1]", "0:0:0:0:0:0:0:1"] {
            for authority in ["[::1]:8080", "[::1]", "::1", "[0000::0001]"] {
                assert!(matches(pattern, authority), "{pattern} {authority}");
            }
        }
    }

    #[test]
    fn invalid_patterns_are_rejected_with_advice() {
        for (pattern, remedy) in [
            ("", "write a host name"),
            ("exa mple.com", "one host per list item"),
            ("example.com\n", "write the host name alone"),
            ("https://example.com/a", "write the host alone, `example.com`"),
            ("/x", "write a host name"),
            ("example.com/x", "`example.com`"),
            ("u@example.com", "`example.com`"),
            ("example.com:8080", "write `example.com`"),
            (":8080", "write a host name"),
            ("[::1]:8080", "write `[::1]`"),
            ("[::1", "`[2001:db8::1]`"),
            ("1:2:3", "`[2001:db8::1]`"),
            ("2001:db8:*", "the whole address"),
            ("example.com:*", "without port"),
            ("a*b", "`*.example.com` or `www.*`"),
            ("*.example.*", "`*.example.com` or `www.*`"),
            ("**", "`*.example.com` or `www.*`"),
            ("*a*b", "`*.example.com` or `www.*`"),
            (".", "write `*`"),
            ("*.", "write `*`"),
            (".*", "write `*`"),
            ("中文.com", "`xn--`"),
            ("~^a.*", "write one name"),
            ("^a\\.example\\.com$", "write one name"),
            ("^a.example.com$", "write one name"),
            ("(a|b).example.com", "write one name"),
            ("a.com|b.com", "write one name"),
            ("a.com,b.com", "write one name"),
            ("a.*,b.*", "write one name"),
            ("a+.example.com", "write one name"),
            ("{tenant}.example.com", "write one name"),
            ("%2a.example.com", "write one name"),
            (".example.com", "write one name"),
            ("a..example.com", "write one name"),
        ] {
            let message = HostPattern::parse(pattern).expect_err(pattern).to_string();
            assert!(message.contains(remedy), "{pattern:?}: {message}");
        }
    }
}
