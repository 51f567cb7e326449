//! Regular expressions whose matches are replaced, in a text that may be incomplete.
//!
//! The leftmost match of a text is found; of several with the same start, that of the first expression in the list, and of
//! one expression the one that Perl prefers. Replacements are not searched again. The syntax is RE2's, as in
//! [`crate::regexes`], and there is no backtracking.
//!
//! A match has at most [`MAX_MATCH_BYTES`] bytes; a part of a longer one may match.
//!
//! In an incomplete text, a match is reported only when no further character can change it. Until then, its start is
//! [`Next::Open`], and the caller must hold back the text from there.
//!
//! ```
//! use matcher::replace::{Next, Replacer};
//!
//! let phone = Replacer::new(&[r"(1[3-9])(\d{9})"])?;
//! let found = phone.find("call 13812345678!", 0, true, 256);
//! assert_eq!(found, Next::Match { pattern: 0, start: 5, end: 16 });
//! assert_eq!(phone.expand("call 13812345678!", 0, 5..16, "$1*********"), "13*********");
//! assert_eq!(phone.find("call 138", 0, false, 256), Next::Open { start: 5 });
//! assert_eq!(phone.find("call 138", 0, true, 256), Next::None);
//! assert_eq!(phone.find("call 13812345678", 0, false, 256), Next::Match { pattern: 0, start: 5, end: 16 });
//! # Ok::<(), matcher::regexes::RegexError>(())
//! ```

use std::cell::RefCell;
use std::ops::Range;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::captures::Captures;
use regex_automata::util::interpolate;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::Hir;

use crate::case::Case;
use crate::regexes::{NFA_BYTES, RegexError, parse};

mod search_cache;

pub use search_cache::SearchCache;

/// The maximum length of a match, and of the part of a text that is searched at once. A search may read far past the match
/// that it finds, so that a text with many short matches could be read once for each of them. This constant and
/// [`SearchCache`] bound the cost.
pub const MAX_MATCH_BYTES: usize = 4 << 10;

/// The memory limit of each of the two lazily built automata, which always have space for a few states.
const CACHE_BYTES: usize = 256 << 10;

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is no match, also if the text continues.
    None,
    /// The next match.
    Match {
        /// The expression's position in the list.
        pattern: usize,
        /// Where it begins, in bytes.
        start: usize,
        /// Where it ends, in bytes.
        end: usize,
    },
    /// Undecided from `start`. There is no match before it, however the text continues.
    Open {
        /// The start of the possible match.
        start: usize,
    },
}

/// A list of expressions.
pub struct Replacer {
    /// Finds matches and their groups.
    regex: meta::Regex,
    /// Tests whether a match could continue.
    dfa: DFA,
    caches: RefCell<(meta::Cache, Cache)>,
}

impl Replacer {
    /// Compiles `patterns`, numbered from 0.
    ///
    /// # Errors
    ///
    /// The first pattern that is empty, not RE2 syntax, matches the empty text, or is too large.
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Self, RegexError> {
        let mut hirs = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            hirs.push(checked(pattern.as_ref()).map_err(|message| RegexError { index, message })?);
        }
        let last = patterns.len().saturating_sub(1);
        Self::of(&hirs).map_err(|message| RegexError { index: last, message })
    }

    fn of(hirs: &[Hir]) -> Result<Self, String> {
        let config = meta::Config::new()
            .hybrid_cache_capacity(CACHE_BYTES)
            .nfa_size_limit(Some(4 * NFA_BYTES))
            .utf8_empty(true);
        let regex = meta::Builder::new().configure(config).build_many_from_hir(hirs);
        let regex = regex.map_err(|error| too_large(error.size_limit().is_some(), &error))?;
        let config = thompson::Config::new()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(4 * NFA_BYTES));
        let nfa = thompson::Compiler::new().configure(config).build_many_from_hir(hirs);
        let nfa = nfa.map_err(|error| too_large(error.size_limit().is_some(), &error))?;
        let config = DFA::config()
            .match_kind(MatchKind::LeftmostFirst)
            .cache_capacity(CACHE_BYTES)
            .skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|error| error.to_string())?;
        let caches = RefCell::new((regex.create_cache(), dfa.create_cache()));
        let replacer = Self { regex, dfa, caches };
        replacer.warm();
        Ok(replacer)
    }

    /// Builds the states for typical texts in advance, so that requests do not pay for them.
    fn warm(&self) {
        const USUAL: &str = "The quick brown fox, 13 jumps: over (the) \"lazy\" dog's 2.5 km at a@b.example.com, \
                             10:30 on 2024-01-02; http://example.com/a?b=c 你好，世界。1234567890";
        self.find(USUAL, 0, true, 0);
        self.find(USUAL, 0, false, 64);
    }

    /// Finds the next match that begins in `text` at `from` or later. The text before `from` is only used by `\b` and `^`.
    /// `ended` is true if the text is complete. Only matches that begin in the last `longest` bytes of an incomplete text can
    /// be [`Next::Open`]; a longer match is reported as it is.
    pub fn find(&self, text: &str, from: usize, ended: bool, longest: usize) -> Next {
        self.find_again(&mut SearchCache::default(), text, from, ended, longest)
    }

    /// Like [`find`](Self::find), for one of many searches of a text. Create a new `seen` for each text, and do not change
    /// `ended` and `longest`.
    pub fn find_again(
        &self,
        seen: &mut SearchCache,
        text: &str,
        from: usize,
        ended: bool,
        longest: usize,
    ) -> Next {
        let (cache, dfa_cache) = &mut *self.caches.borrow_mut();
        let found = self.search(cache, dfa_cache, seen, text, from);
        let open = match seen.open {
            _ if ended => None,
            Some(open) if open.is_none_or(|start| start >= from) => open,
            _ => *seen.open.insert(self.first_open(dfa_cache, text, from, longest)),
        };
        match (found, open) {
            (Some((pattern, start, end)), open) if open.is_none_or(|open| start < open) => {
                Next::Match { pattern, start, end }
            }
            (_, Some(start)) => Next::Open { start },
            (_, None) => Next::None,
        }
    }

    fn search(
        &self,
        cache: &mut meta::Cache,
        dfa_cache: &mut Cache,
        seen: &mut SearchCache,
        text: &str,
        mut from: usize,
    ) -> Option<(usize, usize, usize)> {
        let again = seen.counts();
        while from < text.len() {
            // The parts of a text are the same for all of its searches, and overlap by the maximum length of a match.
            let late = (from / MAX_MATCH_BYTES + 1) * MAX_MATCH_BYTES;
            let end = ceil(text, late + MAX_MATCH_BYTES);
            let late = if end < text.len() { ceil(text, late) } else { end };
            let known = match again {
                true => seen.end(&self.dfa, dfa_cache, text, from..end).ok(),
                false => None,
            };
            // `\b` and `$` can see the text after the part.
            let found = match known {
                Some(None) => None,
                // A part that ends at the end of its match has the same match.
                known => {
                    let end = known.flatten().unwrap_or(end);
                    self.regex.search_with(cache, &Input::new(text).range(from..end))
                }
            };
            match found {
                // A late match may be longer than the rest of the part.
                Some(found) if found.start() < late => {
                    return Some((
                        found.pattern().as_usize(),
                        floor(text, found.start()),
                        ceil(text, found.end()),
                    ));
                }
                _ => from = late,
            }
        }
        None
    }

    /// Expands a template for a match: `$1`, `$name` and `${name}` are its groups, and `$$` is a dollar sign.
    pub fn expand(&self, text: &str, pattern: usize, found: Range<usize>, template: &str) -> String {
        let mut expanded = String::new();
        if !template.contains('$') {
            return template.to_owned();
        }
        let mut groups = self.regex.create_captures();
        let (cache, _) = &mut *self.caches.borrow_mut();
        let input = Input::new(text).range(found.start..found.end.min(text.len())).anchored(Anchored::Yes);
        self.regex.search_captures_with(cache, &input, &mut groups);
        let number = |name: &str| self.group(pattern, name);
        interpolate::string(
            template,
            |index, out| push_group(&groups, text, index, out),
            number,
            &mut expanded,
        );
        expanded
    }

    /// Returns the groups of a template that the expression does not have.
    pub fn unknown_groups(&self, pattern: usize, template: &str) -> Vec<String> {
        let unknown = RefCell::new(Vec::new());
        let count =
            self.regex.group_info().group_len(regex_automata::PatternID::new(pattern).unwrap_or_default());
        interpolate::string(
            template,
            |index, _| {
                if index >= count {
                    unknown.borrow_mut().push(index.to_string());
                }
            },
            |name| {
                let index = self.group(pattern, name);
                if index.is_none() {
                    unknown.borrow_mut().push(name.to_owned());
                }
                index
            },
            &mut String::new(),
        );
        unknown.into_inner()
    }

    fn group(&self, pattern: usize, name: &str) -> Option<usize> {
        self.regex.group_info().to_index(regex_automata::PatternID::new(pattern).ok()?, name)
    }

    /// Returns the first position in the last `longest` bytes from which a match could continue past the end of the text.
    fn first_open(&self, cache: &mut Cache, text: &str, from: usize, longest: usize) -> Option<usize> {
        let first = from.max(text.len().saturating_sub(longest));
        let places = (first..text.len()).filter(|place| text.is_char_boundary(*place));
        places.into_iter().find(|place| self.is_open(cache, text, *place))
    }

    /// Returns true if a match at `start` depends on the continuation of the text.
    fn is_open(&self, cache: &mut Cache, text: &str, start: usize) -> bool {
        let input = Input::new(text).range(start..).anchored(Anchored::Yes);
        // If the automaton fails, it cannot be ruled out.
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else { return true };
        for byte in text.as_bytes().iter().skip(start) {
            match self.dfa.next_state(cache, state, *byte) {
                Ok(next) if next.is_dead() => return false,
                Ok(next) => state = next,
                Err(_) => return true,
            }
        }
        self.depends(cache, state)
    }

    /// Returns true if the state is undecided. The automaton reports a match one byte late: after a complete match, every byte
    /// leads to a match state, and from there to a dead state.
    fn depends(&self, cache: &mut Cache, state: LazyStateID) -> bool {
        // Clearing the cache invalidates states.
        let clears = cache.clear_count();
        let Ok(end) = self.dfa.next_eoi_state(cache, state) else { return true };
        let matches = end.is_match();
        if cache.clear_count() != clears {
            return true;
        }
        let bytes = || self.dfa.byte_classes().representatives(0..=u8::MAX).filter_map(|unit| unit.as_u8());
        for byte in bytes() {
            let Ok(next) = self.dfa.next_state(cache, state, byte) else { return true };
            if next.is_match() != matches || cache.clear_count() != clears {
                return true;
            }
            if next.is_dead() {
                continue;
            }
            for after in bytes() {
                match self.dfa.next_state(cache, next, after) {
                    Ok(after) if after.is_dead() && cache.clear_count() == clears => {}
                    _ => return true,
                }
            }
        }
        false
    }
}

fn checked(pattern: &str) -> Result<Hir, String> {
    let hir = parse(pattern, Case::Sensitive)?;
    if hir.properties().minimum_len() == Some(0) {
        return Err("matches the empty text: write an expression that needs a character".into());
    }
    // Compiled alone, so that errors refer to this pattern.
    let config = thompson::Config::new().utf8(false).nfa_size_limit(Some(NFA_BYTES));
    let built = thompson::Compiler::new().configure(config).build_from_hir(&hir);
    built.map_err(|error| too_large(error.size_limit().is_some(), &error))?;
    Ok(hir)
}

fn too_large(is_size: bool, error: &dyn std::error::Error) -> String {
    match is_size {
        true => "it is too large once its repetitions are written out: write smaller counts, `*` or `+` for large \
                 ones, or fewer expressions"
            .into(),
        false => error.to_string(),
    }
}

fn push_group(groups: &Captures, text: &str, index: usize, out: &mut String) {
    let group = groups.get_group(index).and_then(|span| text.get(span.range()));
    out.push_str(group.unwrap_or_default());
}

/// Expressions may match single bytes (`\C`), but texts are split between characters.
fn floor(text: &str, place: usize) -> usize {
    (0..=place).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

fn ceil(text: &str, place: usize) -> usize {
    (place.min(text.len())..text.len()).find(|place| text.is_char_boundary(*place)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
