//! Paths with dots, as in gjson: `user.name`, `items.0.id`, `items.#.id`, `file\.name`.

use std::error::Error;
use std::fmt;

use super::{Names, Paths, encode};

/// The maximum number of steps of a path.
const MAX_STEPS: usize = 32;

/// The maximum index. Entries before it that an array does not have are added as `null`.
const MAX_INDEX: usize = 1000;

/// A path to a value: keys separated by dots. A number is also an index of an array, `#` is every entry of an array, and a
/// backslash escapes the next character.
#[derive(Debug, Clone)]
pub struct DotPath {
    steps: Vec<Step>,
    /// The path of each length, from the whole document.
    prefixes: Paths,
    /// The entries of an array.
    entries: Paths,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// A key that is also an index.
    Index(String, usize),
    Each,
}

/// The error for an invalid path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotPathError(pub(crate) &'static str);

impl fmt::Display for DotPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for DotPathError {}

impl PartialEq for DotPath {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

impl DotPath {
    /// Parses a path.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Self, DotPathError> {
        let mut steps = Vec::new();
        let mut key = String::new();
        let mut is_escaped = false;
        let mut characters = text.chars();
        loop {
            match characters.next() {
                Some('\\') => {
                    let Some(next) = characters.next() else {
                        return Err(DotPathError("ends with a backslash: write `\\\\` for the character"));
                    };
                    is_escaped = true;
                    key.push(next);
                }
                Some('*' | '?' | '|') => {
                    return Err(DotPathError(
                        "has a wildcard or a pipe, which are not supported: name the keys, or write `\\*`, `\\?` or `\\|` \
                         for the character",
                    ));
                }
                Some('@' | '!') if key.is_empty() => {
                    return Err(DotPathError(
                        "has a modifier, which are not supported: name a key, or write `\\@` or `\\!` for the character",
                    ));
                }
                Some('(') if key == "#" && !is_escaped => {
                    return Err(DotPathError(
                        "has a query, which are not supported: write an index, or `#` for all",
                    ));
                }
                Some(character) if character != '.' => key.push(character),
                end => {
                    steps.push(step(std::mem::take(&mut key), std::mem::take(&mut is_escaped))?);
                    if end.is_none() {
                        break;
                    }
                }
            }
        }
        if steps.len() > MAX_STEPS {
            return Err(DotPathError("has more than 32 steps: write a shorter path"));
        }
        let prefixes = prefixes(&steps, Names::Exact)?;
        Ok(Self { steps, prefixes, entries: Paths::new(&["$[0:]"]).map_err(|_| INVALID)? })
    }

    /// Parses a path for JSON alone, where the notation of JSONPath would be a key that no document has. Fields of forms may
    /// have such names.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write.
    pub fn in_json(text: &str) -> Result<Self, DotPathError> {
        let has_index = text.split('[').skip(1).any(|rest| {
            let index = rest.split_once(']').map(|(index, _)| index);
            index.is_some_and(|index| index == "*" || index.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if text == "$" || text.starts_with("$.") || (has_index && !text.contains("\\[")) {
            return Err(DotPathError(
                "is written like JSONPath: write keys and indexes separated by dots, such as `messages.0.content`",
            ));
        }
        Self::parse(text)
    }

    /// Returns the same path with [keys in any case](Names::AnyCase).
    ///
    /// # Errors
    ///
    /// None for a path that has been parsed.
    pub fn in_any_case(mut self) -> Result<Self, DotPathError> {
        self.prefixes = prefixes(&self.steps, Names::AnyCase)?;
        Ok(self)
    }

    /// Returns true if the path has `#`.
    #[must_use]
    pub fn has_each(&self) -> bool {
        self.steps.contains(&Step::Each)
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn prefixes(&self) -> &Paths {
        &self.prefixes
    }

    pub(super) fn entries(&self) -> &Paths {
        &self.entries
    }

    /// Returns the last key of another path that differs in nothing else.
    pub(super) fn sibling<'o>(&self, other: &'o Self) -> Option<&'o str> {
        let (Step::Key(own), parent) = self.steps.split_last()? else { return None };
        let (Step::Key(key), others) = other.steps.split_last()? else { return None };
        (own != key && parent == others).then_some(key.as_str())
    }
}

const INVALID: DotPathError = DotPathError("is not a path: write keys separated by dots");

/// Returns the path of each length.
fn prefixes(steps: &[Step], names: Names) -> Result<Paths, DotPathError> {
    let mut prefix = String::from("$");
    let mut prefixes = vec![prefix.clone()];
    for step in steps {
        prefix += &match step {
            Step::Key(key) => format!("[{}]", encode(key)),
            Step::Index(key, index) => format!("[{},{index}]", encode(key)),
            Step::Each => "[0:]".to_owned(),
        };
        prefixes.push(prefix.clone());
    }
    Paths::default().with(&prefixes, names).map_err(|_| INVALID)
}

fn step(key: String, is_escaped: bool) -> Result<Step, DotPathError> {
    if key.is_empty() {
        return Err(DotPathError("has an empty step: write keys separated by single dots"));
    }
    if is_escaped {
        return Ok(Step::Key(key));
    }
    if key == "#" {
        return Ok(Step::Each);
    }
    let is_index = key.bytes().all(|byte| byte.is_ascii_digit()) && (key == "0" || !key.starts_with('0'));
    match key.parse() {
        Ok(index) if is_index && index <= MAX_INDEX => Ok(Step::Index(key, index)),
        _ if is_index => Err(DotPathError("has an index of more than 1000: write a smaller one")),
        _ => Ok(Step::Key(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_parsed() {
        let key = |key: &str| Step::Key(key.to_owned());
        for (text, steps) in [
            ("a", vec![key("a")]),
            ("a.b-c.é", vec![key("a"), key("b-c"), key("é")]),
            (r"fav\.movie", vec![key("fav.movie")]),
            (r"a\\.b\*", vec![key(r"a\"), key("b*")]),
            ("a.0.#", vec![key("a"), Step::Index("0".into(), 0), Step::Each]),
            (r"\0.\#.01", vec![key("0"), key("#"), key("01")]),
            ("a#.#b.x@y!", vec![key("a#"), key("#b"), key("x@y!")]),
            ("1000", vec![Step::Index("1000".into(), 1000)]),
        ] {
            assert_eq!(DotPath::parse(text).unwrap().steps, steps, "{text}");
        }
        for text in ["", ".", "a.", ".a", "a..b", "a\\", "a*", "?", "a|b", "@this", "!x", "a.#(b=1)", "1001"]
        {
            assert!(DotPath::parse(text).is_err(), "{text}");
        }
        assert!(DotPath::parse(&vec!["a"; 33].join(".")).is_err());
        assert!(DotPath::parse("99999999999999999999").is_err());
    }

    #[test]
    fn paths_for_json_are_not_jsonpath() {
        for text in ["$", "$.a", "a[0]", "a[0].b", "a[*]", "a.b[]", "$[0]"] {
            assert!(DotPath::in_json(text).unwrap_err().to_string().contains("messages.0.content"), "{text}");
        }
        for text in ["a.0", "a$", "$a", "[a]", r"a\[0]"] {
            assert_eq!(DotPath::in_json(text), DotPath::parse(text), "{text}");
        }
    }
}
