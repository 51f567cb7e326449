//! The URLs and header lines that people write for requests.

use std::fmt;

/// A URL, or a path that begins with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'u> {
    /// The scheme, if the URL has one.
    pub scheme: Option<&'u str>,
    /// The host with its port; none for a path.
    pub host: Option<&'u str>,
    /// The path with the query, without the fragment.
    pub path: String,
}

/// A text is not a URL to which a request can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetError {
    /// It has no host.
    NoHost(String),
    /// It names a user, which is a header of a request.
    User(String),
    /// Its scheme is not one of HTTP or WebSockets.
    Scheme(String),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost(url) => {
                write!(f, "`{url}` has no host: write a URL, or a path that begins with a slash")
            }
            Self::User(url) => {
                write!(f, "`{url}` names a user: remove it, and send the header `authorization` instead")
            }
            Self::Scheme(url) => write!(f, "`{url}` is not a URL of HTTP: write http://"),
        }
    }
}

impl std::error::Error for TargetError {}

impl<'u> Target<'u> {
    /// Parses a URL, with or without its scheme, or a path.
    ///
    /// # Errors
    ///
    /// It has no host, or another scheme.
    pub fn parse(url: &'u str) -> Result<Self, TargetError> {
        let whole = url.split('#').next().unwrap_or_default();
        if whole.starts_with('/') {
            return Ok(Self { scheme: None, host: None, path: whole.to_owned() });
        }
        let (scheme, rest) = match whole.split_once("://") {
            // The query of a URL without a scheme may contain another URL.
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => (Some(scheme), rest),
            _ => (None, whole),
        };
        if scheme.is_some_and(|scheme| !["http", "https", "ws", "wss"].contains(&scheme)) {
            return Err(TargetError::Scheme(url.to_owned()));
        }
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if host.is_empty() {
            return Err(TargetError::NoHost(url.to_owned()));
        }
        if host.contains('@') {
            return Err(TargetError::User(url.to_owned()));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { scheme, host: Some(host), path: format!("{slash}{path}") })
    }
}

/// Splits a header as curl takes it: `Name: value`, or `Name;` for an empty value.
#[must_use]
pub fn header_line(line: &str) -> Option<(&str, &str)> {
    match line.split_once(':') {
        Some((name, value)) => Some((name.trim(), value.trim())),
        None => Some((line.strip_suffix(';')?.trim(), "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_are_split() {
        for (url, scheme, host, path) in [
            ("http://a.com:8080/x?y=1#z", Some("http"), Some("a.com:8080"), "/x?y=1"),
            ("wss://a.com", Some("wss"), Some("a.com"), "/"),
            ("a.com?x=http://b.com/", None, Some("a.com"), "/?x=http://b.com/"),
            ("/x?y=http://b", None, None, "/x?y=http://b"),
        ] {
            let expected = Target { scheme, host, path: path.to_owned() };
            assert_eq!(Target::parse(url), Ok(expected), "{url}");
        }
        for url in ["http:///x", "", "#x"] {
            assert_eq!(Target::parse(url), Err(TargetError::NoHost(url.to_owned())), "{url}");
        }
        assert_eq!(Target::parse("http://me@a/"), Err(TargetError::User("http://me@a/".to_owned())));
        assert_eq!(Target::parse("ftp://a"), Err(TargetError::Scheme("ftp://a".to_owned())));
    }

    #[test]
    fn headers_are_split_as_curl_does() {
        assert_eq!(header_line("X-A:  b: c "), Some(("X-A", "b: c")));
        assert_eq!(header_line("X-A;"), Some(("X-A", "")));
        assert_eq!(header_line("nothing"), None);
    }
}
