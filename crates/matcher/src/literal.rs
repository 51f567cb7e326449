//! Sets of keywords, found anywhere in a text, in one pass however many there are.
//!
//! An Aho-Corasick automaton reads the text byte by byte, so a text that comes in chunks needs no more memory
//! than the automaton's state. As long as that state is the first one, a prefilter skips ahead to where a
//! keyword may begin; since it never goes back, the cost stays linear in the text, whatever the text is.

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

/// How many bytes the automaton reads before the prefilter is asked again.
const BLOCK: usize = 16;

/// A set of keywords.
///
/// One pointer in size: a configuration has many sets, most of them empty or not asked.
#[derive(Default)]
pub struct Literals(Option<Box<Set>>);

/// The keywords of a set that has any.
struct Set {
    prefilter: Prefilter,
    /// The length of the shortest keyword in bytes, in whatever spelling: no shorter text has one.
    shortest: usize,
    identity: Identity,
    start: StateID,
    engine: Engine,
    /// Without case, what a text is folded with: the automaton knows the folded keywords only.
    folding: Option<Folding>,
}

enum Engine {
    Dfa(DFA),
    Nfa(NFA),
}

/// Why there is no set of these keywords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiteralsError {
    /// A keyword is empty: it would be found in every text.
    Empty {
        /// Its position in the list.
        index: usize,
    },
    /// The keywords together are too many for an automaton.
    TooLarge,
}

/// How far one text has been searched for [`Literals`].
///
/// It belongs to the set that it is first fed with; fed with another one, it starts afresh.
#[derive(Debug, Clone, Copy, Default)]
pub struct LiteralScanner {
    set: Option<Identity>,
    state: StateID,
    partial: Partial,
    found: Option<usize>,
}

impl Literals {
    /// Makes a set of `patterns`, numbered from 0.
    ///
    /// # Errors
    ///
    /// An empty pattern, or more text than an automaton has states for (2³¹).
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

    /// A keyword that occurs in `text`: of the first occurrence to end, and the longest of those that end
    /// together; of two equal keywords the first.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        let set = self.0.as_deref()?;
        // Where nothing follows, a keyword that begins too late does not end. Most texts are left here, without
        // a look at the automaton.
        let rest = set.prefilter.skip(text);
        if rest.len() < set.shortest {
            return None;
        }
        self.scanner().feed(self, rest)
    }

    /// Whether any keyword occurs in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// A scanner at the beginning of a text that comes in chunks.
    pub fn scanner(&self) -> LiteralScanner {
        LiteralScanner::default()
    }
}

impl LiteralScanner {
    /// Searches the next chunk of the text, and gives what [`Literals::find`] would for all chunks so far.
    ///
    /// Nothing can be pending at the end of a text: a keyword is found with the chunk that its last byte is in.
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
            // Short of a match, the automaton keeps a whole block: leaving it as soon as it is back at the start
            // costs more than it saves where keywords begin often.
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

/// How many bytes the shortest spelling of a folded pattern has.
fn shortest_spelling(pattern: &str, folding: &Folding) -> usize {
    let shortest = |c: char| {
        let spellings = folding.spellings(c).unwrap_or_default();
        spellings.iter().map(|spelling| spelling.len_utf8()).fold(c.len_utf8(), usize::min)
    };
    pattern.chars().map(shortest).sum()
}

impl Engine {
    /// Above this many bytes of patterns a DFA takes too long to build and too much memory.
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
