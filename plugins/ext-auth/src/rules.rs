//! The decisions: pure functions over bytes.

use matcher::host;

use crate::config::{Config, Rule, Target};
use crate::fields::MatchType;
use crate::pattern::is_copied;

/// A name and a value.
pub type Header<'a> = (&'a [u8], &'a [u8]);

/// What is known of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    pub method: &'a [u8],
    /// With the query, as it came.
    pub path: &'a [u8],
    pub authority: &'a [u8],
    pub scheme: &'a [u8],
}

impl<'a> Request<'a> {
    /// Reads the pseudo-headers.
    pub fn new(headers: impl Iterator<Item = Header<'a>>) -> Self {
        let mut request = Request::default();
        for (name, value) in headers {
            match name {
                b":method" => request.method = value,
                b":path" => request.path = value,
                b":authority" => request.authority = value,
                b":scheme" => request.scheme = value,
                _ => {}
            }
        }
        request
    }
}

/// Whether the service is asked about a request.
pub fn is_asked(config: &Config, request: &Request<'_>) -> bool {
    let host = host::normalise(request.authority);
    let path = request.path.split(|byte| *byte == b'?').next().unwrap_or_default();
    // A path that an upstream may read as another one proves nothing: it is asked about, either way.
    let unclear = is_unclear(path);
    let holds = |rule: &Rule, path_holds: &dyn Fn(&Rule) -> bool| {
        rule.host.as_ref().is_none_or(|pattern| pattern.matches(&host))
            && (rule.methods.is_empty()
                || rule.methods.iter().any(|method| method.as_bytes() == request.method))
            && path_holds(rule)
    };
    let same = |rule: &Rule| rule.path.as_ref().is_none_or(|pattern| pattern.matches(path));
    match config.match_type {
        MatchType::Whitelist => !config
            .rules
            .iter()
            .any(|rule| holds(rule, &|rule| same(rule) && !(unclear && rule.path.is_some()))),
        MatchType::Blacklist => config.rules.iter().any(|rule| holds(rule, &|rule| same(rule) || unclear)),
    }
}

/// Whether servers differ on what a path means: `.` and `..` as segments, `//`, `\`, and percent-encoded
/// characters that need not be (RFC 3986, sections 2.3 and 6.2.2) or that would separate segments.
fn is_unclear(path: &[u8]) -> bool {
    if path.contains(&b'\\') || path.windows(2).any(|pair| pair == b"//") {
        return true;
    }
    if path.split(|byte| *byte == b'/').any(|segment| segment == b"." || segment == b"..") {
        return true;
    }
    path.windows(3).any(|escape| match escape {
        [b'%', high, low] => match (hexadecimal(*high), hexadecimal(*low)) {
            (Some(high), Some(low)) => {
                let byte = high * 16 + low;
                byte.is_ascii_alphanumeric() || b"-._~/\\%".contains(&byte)
            }
            _ => true,
        },
        _ => false,
    })
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// What goes to the service.
pub struct Question {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Puts a request to the service.
pub fn question<'a>(
    config: &Config,
    request: &Request<'_>,
    headers: impl Iterator<Item = Header<'a>>,
) -> Question {
    let goes_along = |name: &[u8]| name == b"authorization" || config.allowed_headers.matches(name);
    let mut out: Vec<(String, Vec<u8>)> = headers
        .filter(|(name, _)| goes_along(name))
        // The gateway takes no other names.
        .filter_map(|(name, value)| Some((String::from_utf8(name.to_vec()).ok()?, value.to_vec())))
        .collect();
    let mut set = |name: &str, value: &[u8]| {
        out.retain(|(other, _)| other != name);
        out.push((name.into(), value.to_vec()));
    };
    for (name, value) in &config.headers_to_add {
        set(name, value.as_ref());
    }
    let (method, path) = match &config.target {
        Target::Envoy { prefix } => {
            // Every path begins with a slash, but `*` and that of `CONNECT`.
            let slash: &[u8] = if request.path.starts_with(b"/") { b"" } else { b"/" };
            (request.method.to_vec(), [prefix.as_bytes(), slash, request.path].concat())
        }
        Target::ForwardAuth { method, path } => {
            for (name, value) in [
                ("x-forwarded-proto", request.scheme),
                ("x-forwarded-method", request.method),
                ("x-forwarded-host", request.authority),
                ("x-forwarded-uri", request.path),
                // The older names of the same.
                ("x-original-method", request.method),
                ("x-original-uri", request.path),
            ] {
                set(name, value);
            }
            (method.clone().into_bytes(), path.clone().into_bytes())
        }
    };
    Question { method, path, headers: out }
}

/// What the service says.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request passes.
    Allowed,
    /// The client gets this status, and the answer's body and headers.
    Refused(u16),
    /// Nothing that could be relied on.
    None,
}

/// Reads the status of an answer.
pub fn verdict(status: u16) -> Verdict {
    match status {
        200 => Verdict::Allowed,
        201..=499 => Verdict::Refused(status),
        _ => Verdict::None,
    }
}

/// Whether the client gets this header of a refusal.
pub fn is_relayed(config: &Config, name: &[u8]) -> bool {
    config.allowed_client_headers.as_ref().map_or_else(|| is_copied(name), |names| names.matches(name))
}

/// The header that tells of a request that passed without a verdict.
pub const FAILURE_ALLOWED: &str = "x-envoy-auth-failure-mode-allowed";

/// Whether a header can only come from the service: a client's own copy never reaches the upstream.
pub fn is_services_own(config: &Config, name: &[u8]) -> bool {
    name == FAILURE_ALLOWED.as_bytes() || config.allowed_upstream_headers.matches(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_unclear_when_servers_differ_on_it() {
        for path in [
            "/a/../b",
            "/a/..",
            "/./a",
            "/a//b",
            "/a\\b",
            "/%61",
            "/a%2fb",
            "/%2E%2e/a",
            "/%5c",
            "/%25",
            "/%zz",
        ] {
            assert!(is_unclear(path.as_bytes()), "{path}");
        }
        for path in ["/", "/a.b/..c/d..", "/a%20b", "/%e4%bd%a0", "/a/...", "/a;b", "/%", "/%4"] {
            assert!(!is_unclear(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn only_a_200_allows() {
        assert_eq!(verdict(200), Verdict::Allowed);
        for status in [201, 204, 302, 401, 403, 499] {
            assert_eq!(verdict(status), Verdict::Refused(status));
        }
        for status in [0, 100, 199, 500, 503, 599, 999] {
            assert_eq!(verdict(status), Verdict::None);
        }
    }
}
