//! Grok patterns: names for common regular expressions, as known from Logstash.
//!
//! `%{NAME}` is replaced by the expression with this name, and `%{NAME:group}` by the same as a group. The expressions are
//! for engines with linear cost, which do not support look-around, so they may match in the middle of a longer text where
//! other implementations do not.

mod patterns;

use std::error::Error;
use std::fmt;

use patterns::PATTERNS;

/// The error for an invalid pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrokError {
    /// The name is unknown.
    Unknown {
        /// The name.
        name: String,
        /// A similar name.
        near: Option<&'static str>,
    },
    /// The name of a group is not valid in a regular expression.
    Group(String),
}

impl fmt::Display for GrokError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, near: Some(near) } => {
                write!(f, "unknown grok pattern `{name}`: did you mean `{near}`?")
            }
            Self::Unknown { name, near: None } => {
                write!(f, "unknown grok pattern `{name}`: write one of {}, or an expression", list())
            }
            Self::Group(name) => write!(
                f,
                "`{name}` is not a valid name for a group: write letters, digits and underscores, not beginning with a digit"
            ),
        }
    }
}

impl Error for GrokError {}

/// Returns the names in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PATTERNS.iter().map(|(name, _)| *name)
}

fn list() -> String {
    names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Expands the grok patterns in a regular expression.
///
/// ```
/// let regex = matcher::grok::expand("%{INT:year}年")?;
/// assert_eq!(regex, "(?P<year>[+-]?[0-9]+)年");
/// # Ok::<(), matcher::grok::GrokError>(())
/// ```
///
/// # Errors
///
/// The name of a pattern is unknown, or that of a group is invalid.
pub fn expand(pattern: &str) -> Result<String, GrokError> {
    let mut regex = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, name, group, after)) = reference(rest) {
        regex.push_str(before);
        let Some((_, meaning)) = PATTERNS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = names().collect();
            return Err(GrokError::Unknown { name: name.into(), near: config::nearest(name, &known) });
        };
        match group {
            Some(group) if !is_group(group) => return Err(GrokError::Group(group.into())),
            Some(group) => {
                regex.push_str("(?P<");
                regex.push_str(group);
                regex.push('>');
            }
            None => regex.push_str("(?:"),
        }
        // Expressions refer to others, but never to themselves: a test checks this.
        regex.push_str(&expand(meaning)?);
        regex.push(')');
        rest = after;
    }
    regex.push_str(rest);
    Ok(regex)
}

/// Finds the first `%{NAME}`, `%{NAME:group}` or `%{NAME:group:type}` in a text, and returns the text before it, its parts,
/// and the text after it. `%{2}` is a repetition, and `\%{` is escaped.
fn reference(text: &str) -> Option<(&str, &str, Option<&str>, &str)> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find("%{")?;
        let (before, rest) = (text.get(..at)?, text.get(at + 2..)?);
        let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let name = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        match rest.split_once('}') {
            Some((inside, after)) if name && backslashes.is_multiple_of(2) => {
                let mut parts = inside.splitn(3, ':');
                return Some((before, parts.next()?, parts.next(), after));
            }
            _ => from = at + 2,
        }
    }
}

fn is_group(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests;
