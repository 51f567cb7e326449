//! Patterns for names of headers and for paths.

use config::reserved::why_not_settable;
use config::{FieldError, HeaderName};
use matcher::case::Case;
use matcher::literal::Literals;
use matcher::regexes::Regexes;

use crate::fields::{MatchRuleType, StringMatcher};

/// One pattern.
pub enum Pattern {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Contains(Box<Literals>),
    Regex(Box<Regexes>),
}

impl Pattern {
    /// Whether it meets a text; one for a pattern without case comes in lower case.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self {
            Pattern::Exact(whole) => text == whole,
            Pattern::Prefix(start) => text.starts_with(start),
            Pattern::Suffix(end) => text.ends_with(end),
            Pattern::Contains(part) => part.is_match(text),
            Pattern::Regex(regex) => regex.is_match(text),
        }
    }

    /// Compiles a pattern.
    pub fn new(kind: MatchRuleType, text: &str, case: Case) -> Result<Self, String> {
        let bytes = || match case {
            Case::Sensitive => text.as_bytes().to_vec(),
            Case::Insensitive => text.to_ascii_lowercase().into_bytes(),
        };
        Ok(match kind {
            MatchRuleType::Exact => Pattern::Exact(bytes()),
            MatchRuleType::Prefix => Pattern::Prefix(bytes()),
            MatchRuleType::Suffix => Pattern::Suffix(bytes()),
            MatchRuleType::Contains => {
                Pattern::Contains(Box::new(Literals::new([text], case).map_err(|error| error.to_string())?))
            }
            MatchRuleType::Regex => {
                Pattern::Regex(Box::new(Regexes::new(&[text], case).map_err(|error| error.message)?))
            }
        })
    }
}

/// Patterns for names of headers.
#[derive(Default)]
pub struct HeaderNames(Vec<Pattern>);

impl HeaderNames {
    /// Reads a list of patterns; `field` is its place.
    pub fn new(field: &str, matchers: &[StringMatcher]) -> Result<Self, FieldError> {
        let pattern = |(index, matcher): (usize, &StringMatcher)| {
            let error = |message: String| FieldError::in_list(field, index, message);
            let kinds = [
                (MatchRuleType::Exact, &matcher.exact),
                (MatchRuleType::Prefix, &matcher.prefix),
                (MatchRuleType::Suffix, &matcher.suffix),
                (MatchRuleType::Contains, &matcher.contains),
                (MatchRuleType::Regex, &matcher.regex),
            ];
            let mut written = kinds.into_iter().filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
            match (written.next(), written.next()) {
                (Some((kind, text)), None) => {
                    check_name(kind, text).map_err(error)?;
                    Pattern::new(kind, text, Case::Insensitive).map_err(error)
                }
                _ => Err(error(
                    "must be one pattern: write exactly one of `exact`, `prefix`, `suffix`, `contains` and `regex`"
                        .into(),
                )),
            }
        };
        matchers.iter().enumerate().map(pattern).collect::<Result<_, _>>().map(HeaderNames)
    }

    /// Whether one of them meets the name of a header, which is never a pseudo-header nor one that frames a
    /// message or belongs to a connection (RFC 9110, section 7.6.1): those are not anybody's to copy.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name)) && is_copied(name)
    }
}

/// Refuses what no name of a header that is copied could meet.
fn check_name(kind: MatchRuleType, text: &str) -> Result<(), String> {
    if kind == MatchRuleType::Regex {
        return Ok(());
    }
    let name = HeaderName::try_from(String::from(text))?;
    match kind == MatchRuleType::Exact && !is_copied(name.as_ref()) {
        true => {
            Err("is never copied, because it belongs to one message or connection: remove the entry".into())
        }
        false => Ok(()),
    }
}

/// Whether a header of one message can be copied into another.
pub fn is_copied(name: &[u8]) -> bool {
    const NEVER: [&[u8]; 2] = [
        // The gateway's own measure of a call.
        b"x-envoy-upstream-service-time",
        // The gateway's own decision, which this plug-in takes too.
        b"x-envoy-auth-failure-mode-allowed",
    ];
    why_not_settable(name).is_none() && !NEVER.contains(&name)
}
