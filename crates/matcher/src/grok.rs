//! Grok patterns: names for regular expressions that many people need, as Logstash made them known.
//!
//! `%{NAME}` stands for the expression of that name, and `%{NAME:group}` for the same as a group. The expressions are
//! written for engines that are linear in their input, which have no look-around: where others look at what is around a
//! match, these may match in the middle of something longer.

mod patterns;

use std::error::Error;
use std::fmt;

use patterns::PATTERNS;

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrokError {
    /// Nobody knows the name.
    Unknown {
        /// The name.
        name: String,
        /// What may have been meant.
        near: Option<&'static str>,
    },
    /// The name of a group is none for a regular expression.
    Group(String),
}

impl fmt::Display for GrokError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, near: Some(near) } => {
                write!(f, "there is no grok pattern `{name}`: did you mean `{near}`?")
            }
            Self::Unknown { name, near: None } => {
                write!(f, "there is no grok pattern `{name}`: write one of {}, or an expression", list())
            }
            Self::Group(name) => write!(
                f,
                "`{name}` cannot be a group: write letters, digits and underscores, a digit not being the first"
            ),
        }
    }
}

impl Error for GrokError {}

/// The names, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    PATTERNS.iter().map(|(name, _)| *name)
}

fn list() -> String {
    names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A pattern as the regular expression that it stands for. What is no grok pattern stays as it is.
///
/// ```
/// let regex = matcher::grok::expand("%{INT:year}年")?;
/// assert_eq!(regex, "(?P<year>[+-]?[0-9]+)年");
/// # Ok::<(), matcher::grok::GrokError>(())
/// ```
///
/// # Errors
///
/// It names a pattern that there is not, or a group that cannot be.
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
        // The meanings name others, and none of them itself: a test follows them all.
        regex.push_str(&expand(meaning)?);
        regex.push(')');
        rest = after;
    }
    regex.push_str(rest);
    Ok(regex)
}

/// The first `%{NAME}`, `%{NAME:group}` or `%{NAME:group:type}` of a text: what is before it, its parts, and what is
/// behind it. `%{2}` is a regular expression's two percent signs, and `\%{` begins none.
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
