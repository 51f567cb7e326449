//! Sets of keywords, which are found anywhere in a text in one pass.
//!
//! An Aho-Corasick automaton reads the text byte by byte, so a text in chunks needs only the memory of the state. In the
//! initial state, a prefilter skips to the next position at which a keyword may begin. It never goes back, so the cost is
//! linear in the length of the text.

use std::fmt;

use aho_corasick::automaton::{Automaton, StateID};
use aho_corasick::nfa::contiguous::NFA;
use aho_corasick::{Anchored, dfa::DFA};

use crate::case::{Case, Folding, Partial};
use crate::identity::Identity;

mod prefilter;
#[cfg(test)]
mod tests;

use prefilter::Prefilter;

/// The number of bytes that the automaton reads before the prefilter is used again.
const BLOCK: usize = 16;

/// A set of keywords.
///
/// It has the size of a pointer, because a configuration has many sets, most of them empty.
#[derive(Default)]
pub struct Literals(Option<Box<Set>>);

/// The keywords of a set that is not empty.
struct Set {
    prefilter: Prefilter,
    /// The length of the shortest spelling of a keyword in bytes. Shorter texts cannot match.
    shortest: usize,
    identity: Identity,
    start: StateID,
    engine: Engine,
    /// The folding of texts if case is ignored. The automaton contains only folded keywords.
    folding: Option<Folding>,
}

enum Engine {
    Dfa(DFA),
    Nfa(NFA),
}

/// The error for an invalid set of keywords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiteralsError {
    /// A keyword is empty, and would match every text.
    Empty {
        /// Its position in the list.
        index: usize,
    },
    /// There are too many keywords for an automaton.
    TooLarge,
}

/// The progress of a search of [`Literals`] in a text.
///
/// It belongs to the set that it is first used with. With another set it starts over.
#[derive(Debug, Clone, Copy, Default)]
pub struct LiteralScanner {
    set: Option<Identity>,
    state: StateID,
    partial: Partial,
    found: Option<usize>,
}

impl Literals {
    /// Creates a set of `patterns`, numbered from 0.
    ///
    /// # Errors
    ///
    /// An empty pattern, or more than 2³¹ bytes of patterns.
    pub fn new(
        patterns: impl IntoIterator<Item = impl AsRef<str>>,
        case: Case,
    ) -> Result<Self, LiteralsError> {
        let mut folding = Folding::default();
        let mut prepared = Vec::new();
        for (index, pattern) in patterns.into_iter().enumerate() {
            let pattern = pattern.as_ref();
            if pattern.is_empty() {
                return Err(LiteralsError::Empty { index });
            }
            prepared.push(match case {
                Case::Sensitive => pattern.to_owned(),
                Case::Insensitive => folding.learn(pattern),
            });
        }
        if prepared.is_empty() {
            return Ok(Self::default());
        }
        let engine = Engine::new(&prepared)?;
        let start = match &engine {
            Engine::Dfa(dfa) => dfa.start_state(Anchored::No),
            Engine::Nfa(nfa) => nfa.start_state(Anchored::No),
        };
        let shortest = prepared.iter().map(|pattern| shortest_spelling(pattern, &folding)).min();
        Ok(Self(Some(Box::new(Set {
            prefilter: Prefilter::new(&prepared, &folding, case),
            shortest: shortest.unwrap_or_default(),
            identity: Identity::new(),
            start: start.map_err(|_| LiteralsError::TooLarge)?,
            engine,
            folding: (case == Case::Insensitive).then_some(folding),
        }))))
    }

    /// Returns a keyword that occurs in `text`: that of the first occurrence to end, the longest of those with the same end, and
    /// the first of equal keywords.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        let set = self.0.as_deref()?;
        // A keyword that begins too late cannot end in the text. Most texts are rejected here, without the automaton.
        let rest = set.prefilter.skip(text);
        if rest.len() < set.shortest {
            return None;
        }
        self.scanner().feed(self, rest)
    }

    /// Returns true if any keyword occurs in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// Creates a scanner for a text in chunks.
    pub fn scanner(&self) -> LiteralScanner {
        LiteralScanner::default()
    }
}

impl LiteralScanner {
    /// Searches the next chunk of the text, and returns the same as [`Literals::find`] for all chunks so far.
    ///
    /// A keyword is found with the chunk that contains its last byte, so there is nothing to do at the end of a text.
    pub fn feed(&mut self, literals: &Literals, chunk: &[u8]) -> Option<usize> {
        let set = literals.0.as_deref()?;
        if self.set != Some(set.identity) {
            *self = Self { set: Some(set.identity), state: set.start, ..Self::default() };
        }
        if self.found.is_none() {
            self.found = match &set.engine {
                Engine::Dfa(dfa) => self.search(set, dfa, chunk),
                Engine::Nfa(nfa) => self.search(set, nfa, chunk),
            };
        }
        self.found
    }

    fn search(&mut self, set: &Set, automaton: &impl Automaton, chunk: &[u8]) -> Option<usize> {
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.state == set.start && self.partial.is_empty() {
                rest = set.prefilter.skip(rest);
            }
            // Without a match, the automaton reads a whole block: leaving it as soon as it is back in the initial state costs
            // more than it saves if keywords begin often.
            let block;
            (block, rest) = rest.split_at(rest.len().min(BLOCK));
            let found = match &set.folding {
                Some(folding) => self.walk_folded(automaton, folding, block),
                None => self.walk(automaton, block, |byte| byte),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    #[inline(always)]
    fn walk(&mut self, automaton: &impl Automaton, bytes: &[u8], fold: impl Fn(u8) -> u8) -> Option<usize> {
        let mut state = self.state;
        for &byte in bytes {
            state = automaton.next_state(Anchored::No, state, fold(byte));
            if automaton.is_special(state) && automaton.is_match(state) {
                return Some(automaton.match_pattern(state, 0).as_usize());
            }
        }
        self.state = state;
        None
    }

    fn walk_folded(&mut self, automaton: &impl Automaton, folding: &Folding, block: &[u8]) -> Option<usize> {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        let mut rest = block;
        loop {
            let plain = if self.partial.is_empty() { folding.plain_prefix(rest) } else { 0 };
            let (run, after) = rest.split_at(plain.min(rest.len()));
            if let Some(found) = self.walk(automaton, run, lower) {
                return Some(found);
            }
            let (&byte, after) = after.split_first()?;
            let folded = folding.push(&mut self.partial, byte);
            if let Some(found) = self.walk(automaton, folded.as_slice(), lower) {
                return Some(found);
            }
            rest = after;
        }
    }
}

/// Returns the length of the shortest spelling of a folded pattern in bytes.
fn shortest_spelling(pattern: &str, folding: &Folding) -> usize {
    let shortest = |c: char| {
        let spellings = folding.spellings(c).unwrap_or_default();
        spellings.iter().map(|spelling| spelling.len_utf8()).fold(c.len_utf8(), usize::min)
    };
    pattern.chars().map(shortest).sum()
}

impl Engine {
    /// With more bytes of patterns, building a DFA takes too much time and memory.
    const DFA_BYTES: usize = 4_000;

    fn new(patterns: &[String]) -> Result<Self, LiteralsError> {
        let engine = if patterns.iter().map(String::len).sum::<usize>() <= Self::DFA_BYTES {
            DFA::builder().prefilter(false).build(patterns).map(Self::Dfa)
        } else {
            NFA::builder().prefilter(false).build(patterns).map(Self::Nfa)
        };
        engine.map_err(|_| LiteralsError::TooLarge)
    }
}

impl fmt::Display for LiteralsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { index } => write!(
                f,
                "entry {index} is empty and would be found in every text: write a keyword, or remove the entry"
            ),
            Self::TooLarge => f.write_str("too many keywords for one set: write fewer or shorter ones"),
        }
    }
}

impl std::error::Error for LiteralsError {}
