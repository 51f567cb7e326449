//! Texts with the groups of a regular expression in them: `host-$1`.
//!
//! ```
//! use matcher::template::Template;
//!
//! let template = Template::new(r"^(.*)\.com$", "host-$1")?;
//! assert_eq!(template.expand(b"foo.com").as_deref(), Some(b"host-foo".as_slice()));
//! assert_eq!(template.expand(b"foo.org"), None);
//! # Ok::<(), String>(())
//! ```

use std::cell::RefCell;

use regex_automata::PatternID;
use regex_automata::nfa::thompson::pikevm::{Cache, PikeVM};
use regex_automata::nfa::thompson::{self, WhichCaptures};

use crate::case::Case;
use crate::regexes::{NFA_BYTES, parse};

/// An expression, and a text with its groups.
pub struct Template {
    // The only engine: subjects are short, and the others add 400 KB to a module.
    regex: PikeVM,
    cache: RefCell<Cache>,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    Group(usize),
}

impl Template {
    /// Compiles an expression (RE2 syntax) and a text, in which `$1`, `${1}`, `$name` and `${name}` are groups and `$$` is a
    /// dollar sign.
    ///
    /// # Errors
    ///
    /// What is wrong with the expression, or the group that it does not have.
    pub fn new(pattern: &str, text: &str) -> Result<Self, String> {
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::All)
            .nfa_size_limit(Some(4 * NFA_BYTES));
        let nfa = thompson::Compiler::new()
            .configure(config)
            .build_from_hir(&parse(pattern, Case::Sensitive)?)
            .map_err(
                |_| "it is too large once its repetitions are written out: write smaller counts, `*` or `+`",
            )?;
        let regex = PikeVM::new_from_nfa(nfa).map_err(|error| error.to_string())?;
        let cache = RefCell::new(regex.create_cache());
        let parts = parts(text, &regex)?;
        Ok(Self { regex, cache, parts })
    }

    /// Returns the text with the groups of the first match, or `None` if the expression does not match. A group that has not
    /// taken part is empty. The cost is linear.
    pub fn expand(&self, subject: &[u8]) -> Option<Vec<u8>> {
        let mut groups = self.regex.create_captures();
        let cache = &mut *self.cache.borrow_mut();
        self.regex.captures(cache, subject, &mut groups);
        if !groups.is_match() {
            return None;
        }
        let mut text = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.extend_from_slice(part.as_bytes()),
                Part::Group(index) => {
                    let span = groups.get_group(*index);
                    let group = span.and_then(|span| subject.get(span.start..span.end));
                    text.extend_from_slice(group.unwrap_or_default());
                }
            }
        }
        Some(text)
    }
}

fn parts(text: &str, regex: &PikeVM) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('$') {
            parts.push(Part::Text("$".to_owned()));
            rest = after;
            continue;
        }
        let (name, after) = match after.strip_prefix('{') {
            Some(inside) => inside
                .split_once('}')
                .ok_or_else(|| "has a `${` without `}`: write for example ${1}".to_owned())?,
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at_checked(end).unwrap_or_default()
            }
        };
        if name.is_empty() {
            return Err("has a dollar sign without a group: write `$$` for the character".to_owned());
        }
        parts.push(Part::Group(group(name, regex)?));
        rest = after;
    }
    parts.push(Part::Text(rest.to_owned()));
    Ok(parts)
}

fn group(name: &str, regex: &PikeVM) -> Result<usize, String> {
    let groups = regex.get_nfa().group_info();
    let index = match name.parse::<usize>() {
        Ok(index) => Some(index).filter(|index| *index < groups.group_len(PatternID::ZERO)),
        Err(_) => groups.to_index(PatternID::ZERO, name),
    };
    index.ok_or_else(|| {
        format!(
            "has the group `{name}`, which the expression does not have: write ${{1}} for its first group"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_the_first_match_are_inserted() {
        for (pattern, text, subject, expected) in [
            (r"^(.*)\.com$", "host-$1", "foo.bar.com", Some("host-foo.bar")),
            (r"^.*?\/(\w+)[\?]{0,1}.*$", "path-$1", "/get?k1=v11", Some("path-get")),
            ("(?P<a>x)(y)?", "$a-${2}-$$", "axb", Some("x--$")),
            ("x", "plain", "x", Some("plain")),
            ("(a)|b", "[$0$1]", "cba", Some("[b]")),
            (".*", "<$0>", "", Some("<>")),
            ("x", "a", "y", None),
        ] {
            let template = Template::new(pattern, text).unwrap();
            let expanded = template.expand(subject.as_bytes());
            assert_eq!(expanded.as_deref(), expected.map(str::as_bytes), "{pattern} {text}");
        }
        for (pattern, text) in
            [("(a)", "$2"), ("a", "$name"), ("a", "$"), ("a", "${1"), ("a(", "b"), ("(a)", "$1x")]
        {
            assert!(Template::new(pattern, text).is_err(), "{pattern} {text}");
        }
        let template = Template::new("a", "b").unwrap();
        assert_eq!(template.expand(b"\xffa\xff").as_deref(), Some(b"b".as_slice()));
    }
}
