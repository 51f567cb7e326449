//! Patterns for header names and paths.

use config::reserved::{is_pseudo, why_not_settable};
use config::{FieldError, HeaderName};
use matcher::case::Case;
use matcher::literal::Literals;
use matcher::regexes::Regexes;

use crate::fields::{MatchRuleType, StringMatcher};

/// A pattern.
pub enum Pattern {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Contains(Box<Literals>),
    Regex(Box<Regexes>),
}

impl Pattern {
    /// Returns true if the pattern matches. The text must be in lower case for a case-insensitive pattern.
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

/// Patterns for header names.
#[derive(Default)]
pub struct HeaderNames {
    patterns: Vec<Pattern>,
    /// The texts of patterns that contain other punctuation than `-`, with `-` in its place.
    folded: Vec<Pattern>,
}

impl HeaderNames {
    /// Compiles a list of patterns. `field` is its path.
    pub fn new(field: &str, matchers: &[StringMatcher]) -> Result<Self, FieldError> {
        let mut names = Self::default();
        for (index, matcher) in matchers.iter().enumerate() {
            let error = |message: String| FieldError::in_list(field, index, message);
            let kinds = [
                (MatchRuleType::Exact, &matcher.exact),
                (MatchRuleType::Prefix, &matcher.prefix),
                (MatchRuleType::Suffix, &matcher.suffix),
                (MatchRuleType::Contains, &matcher.contains),
                (MatchRuleType::Regex, &matcher.regex),
            ];
            let mut written = kinds.into_iter().filter_map(|(kind, text)| Some((kind, text.as_ref()?)));
            let (Some((kind, text)), None) = (written.next(), written.next()) else {
                return Err(error(
                    "must be one pattern: write exactly one of `exact`, `prefix`, `suffix`, `contains` and `regex`"
                        .into(),
                ));
            };
            check_name(kind, text).map_err(error)?;
            names.patterns.push(Pattern::new(kind, text, Case::Insensitive).map_err(error)?);
            // Punctuation alone would match nearly every name.
            let has_letter = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
            if kind != MatchRuleType::Regex && has_letter && text.bytes().any(is_folded) {
                // A name of a header is ASCII.
                let text = text.replace(|c: char| u8::try_from(c).is_ok_and(is_folded), "-");
                names.folded.push(Pattern::new(kind, &text, Case::Insensitive).map_err(error)?);
            }
        }
        Ok(names)
    }

    /// Returns true if a pattern matches and the header may be copied: pseudo-headers and headers of the message framing
    /// or connection (RFC 9110, section 7.6.1) may not.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name)) && is_copied(name)
    }

    /// Returns true if an upstream may read a header as one that [`matches`](Self::matches), because it maps punctuation in
    /// names to one character ([`sdk::names::may_be_read_as`]). For regular expressions, this character is `-`.
    pub fn may_be_read(&self, name: &[u8]) -> bool {
        let may_differ = || !self.folded.is_empty() || name.iter().any(|byte| is_folded(*byte));
        self.matches(name) || (may_differ() && !is_pseudo(name) && self.matches_folded(name))
    }

    // Few names and few patterns have other punctuation than `-`.
    #[inline(never)]
    fn matches_folded(&self, name: &[u8]) -> bool {
        let folded: Vec<u8> = name.iter().map(|byte| if is_folded(*byte) { b'-' } else { *byte }).collect();
        let all = self.patterns.iter().chain(&self.folded);
        all.into_iter().any(|pattern| pattern.matches(&folded)) && is_copied(&folded)
    }
}

/// Returns true for punctuation that an upstream may map to `-`.
fn is_folded(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && byte != b'-'
}

/// Rejects patterns that match no header that may be copied.
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

/// Returns true if a header may be copied to another message.
pub fn is_copied(name: &[u8]) -> bool {
    const NEVER: [&[u8]; 2] = [
        // Timing of a call, set by the gateway.
        b"x-envoy-upstream-service-time",
        // Set by gateways and by this plug-in.
        b"x-envoy-auth-failure-mode-allowed",
    ];
    why_not_settable(name).is_none() && !NEVER.contains(&name)
}
