//! Decisions as pure functions over bytes.

use std::fmt;

use crate::config::{Config, HeaderPatterns};

/// The pattern that matched: its list and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// `block_exact_urls`.
    ExactUrl(usize),
    /// `block_urls`.
    Url(usize),
    /// `block_regexp_urls`.
    RegexpUrl(usize),
    /// `block_headers`.
    Header(usize),
    /// `block_bodies`.
    Body(usize),
}

impl Match {
    /// Returns the response-code details, which also name the counter.
    pub fn details(self) -> &'static str {
        match self {
            Match::ExactUrl(_) | Match::Url(_) | Match::RegexpUrl(_) => "request-block.url_blocked",
            Match::Header(_) => "request-block.header_blocked",
            Match::Body(_) => "request-block.body_blocked",
        }
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (list, index) = match self {
            Match::ExactUrl(index) => ("block_exact_urls", index),
            Match::Url(index) => ("block_urls", index),
            Match::RegexpUrl(index) => ("block_regexp_urls", index),
            Match::Header(index) => ("block_headers", index),
            Match::Body(index) => ("block_bodies", index),
        };
        write!(f, "{list}[{index}]")
    }
}

/// Searches a URL: path and query as sent by the client.
#[inline(never)]
pub fn url(config: &Config, url: &[u8]) -> Option<Match> {
    let exact = || config.exact_urls.find(url).map(Match::ExactUrl);
    let keyword = || config.urls.find(url).map(Match::Url);
    let regexp = || config.regexp_urls.find(url).map(Match::RegexpUrl);
    exact().or_else(keyword).or_else(regexp)
}

/// Searches every header, including repeated ones. `all` holds all of them in sequence: most requests contain no
/// keyword in any case, which a single search shows.
pub fn headers<'a>(
    patterns: &HeaderPatterns,
    all: &[u8],
    mut headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
) -> Option<Match> {
    if !patterns.names.is_match(all) {
        return None;
    }
    headers
        .find_map(|(name, value)| patterns.names.find(name).or_else(|| patterns.values.find(value)))
        .map(Match::Header)
}
