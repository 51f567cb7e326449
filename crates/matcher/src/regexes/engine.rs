//! Several regular expressions in one lazily built automaton.
//!
//! A lazy DFA reads a text in one pass, with a constant cost per byte once the necessary states have been built. It stores
//! them in a cache of bounded size, which is cleared when it is full. A search that pauses between chunks refers to a state,
//! so it shares ownership of the cache with this state. A shared cache is never cleared: a search that needs space copies it
//! first.

use std::cell::RefCell;
use std::rc::Rc;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::NFA;
use regex_automata::util::look::Look;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

/// Typical parts of URLs, headers, forms and JSON.
const USUAL: &[u8] = br#"/index.html/api/v1/users?id=10&q=a%20b+c_d-e;f=~x,y:80#z http://www.example.com/ {"key": ["value", 1.5, true]}"#;

pub(super) struct Engine {
    dfa: DFA,
    /// The number of each expression in the set.
    numbers: Vec<usize>,
    /// True if a match may depend on the following text (`$`, `\b`).
    looks_ahead: bool,
    /// The cache for new searches.
    cache: RefCell<Rc<RefCell<Cache>>>,
}

/// The position of a search.
#[derive(Clone)]
pub(super) struct Position {
    cache: Rc<RefCell<Cache>>,
    /// `None` once the following text does not matter. Never a match state.
    state: Option<LazyStateID>,
}

/// The end of a run through the states of a cache.
enum Run {
    /// All bytes have been read.
    Paused(LazyStateID),
    /// A final state: a match, or a state from which nothing can match.
    Decided(LazyStateID),
    /// The cache has no space for the next state; this many bytes remain.
    Full(LazyStateID, usize),
}

impl Engine {
    /// Creates an engine for `nfa`, whose expressions have these `numbers`, with a cache of at most `cache_bytes` (but at least
    /// space for a few states).
    pub(super) fn new(nfa: NFA, numbers: Vec<usize>, cache_bytes: usize) -> Result<Self, String> {
        let looks = nfa.look_set_any();
        let looks_ahead =
            looks.iter().any(|look| !matches!(look, Look::Start | Look::StartLF | Look::StartCRLF));
        let config = DFA::config()
            // The preferences of Perl do not matter here.
            .match_kind(MatchKind::All)
            .cache_capacity(cache_bytes)
            .skip_cache_capacity_check(true)
            // Report a full cache instead of clearing it, unless `allow_clearing` has claimed that much was searched since
            // the last time.
            .minimum_cache_clear_count(Some(0))
            .minimum_bytes_per_state(Some(1));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|error| error.to_string())?;
        let cache = RefCell::new(Rc::new(RefCell::new(dfa.create_cache())));
        let engine = Self { dfa, numbers, looks_ahead, cache };
        engine.warm();
        Ok(engine)
    }

    /// Builds the states for typical texts in advance, so that requests do not pay for them.
    fn warm(&self) {
        for byte in 0..=u8::MAX {
            self.feed(&mut self.start(), &[byte]);
        }
        self.feed(&mut self.start(), USUAL);
    }

    pub(super) fn start(&self) -> Position {
        let mut position = Position { cache: self.cache.borrow().clone(), state: None };
        let config = start::Config::new().anchored(Anchored::No);
        let state = self.dfa.start_state(&mut position.cache.borrow_mut(), &config);
        position.state = state.ok().or_else(|| {
            self.make_room(&mut position);
            self.dfa.start_state(&mut position.cache.borrow_mut(), &config).ok()
        });
        position
    }

    /// Reads the next chunk, and returns the number of an expression that has matched.
    ///
    /// A match that depends on the next byte is reported with that byte, or by [`Self::finish`].
    pub(super) fn feed(&self, position: &mut Position, mut chunk: &[u8]) -> Option<usize> {
        loop {
            let state = position.state.take()?;
            let run = self.run(&mut position.cache.borrow_mut(), state, chunk);
            match run {
                Run::Paused(state) => {
                    position.state = Some(state);
                    return self.match_at_end(position);
                }
                Run::Decided(state) => return self.number(&position.cache.borrow(), state),
                Run::Full(state, read) => {
                    let (&byte, rest) = chunk.get(read..)?.split_first()?;
                    self.make_room(position);
                    // This call clears the cache, except `state`.
                    let next = self.dfa.next_state(&mut position.cache.borrow_mut(), state, byte).ok()?;
                    if next.is_tagged() {
                        return self.number(&position.cache.borrow(), next);
                    }
                    position.state = Some(next);
                    chunk = rest;
                }
            }
        }
    }

    fn run(&self, cache: &mut Cache, mut state: LazyStateID, text: &[u8]) -> Run {
        for (read, &byte) in text.iter().enumerate() {
            let mut next = self.dfa.next_state_untagged(cache, state, byte);
            if next.is_tagged() {
                if next.is_unknown() {
                    match self.dfa.next_state(cache, state, byte) {
                        Ok(built) => next = built,
                        Err(_) => return Run::Full(state, read),
                    }
                }
                if next.is_tagged() {
                    return Run::Decided(next);
                }
            }
            state = next;
        }
        Run::Paused(state)
    }

    /// Returns a match that ends with the chunk. The automaton reports a match one byte late for look-ahead; without
    /// look-ahead, the end of the text has the same result as any byte.
    fn match_at_end(&self, position: &Position) -> Option<usize> {
        if self.looks_ahead {
            return None;
        }
        let mut cache = position.cache.borrow_mut();
        // If the cache is full, the current state would be lost, so wait for the next byte.
        let end = self.dfa.next_eoi_state(&mut cache, position.state?).ok()?;
        self.number(&cache, end)
    }

    /// Ends the text, and returns the number of an expression that matches.
    pub(super) fn finish(&self, position: &mut Position) -> Option<usize> {
        let state = position.state.take()?;
        let end = self.dfa.next_eoi_state(&mut position.cache.borrow_mut(), state);
        let end = end.ok().or_else(|| {
            self.make_room(position);
            self.dfa.next_eoi_state(&mut position.cache.borrow_mut(), state).ok()
        });
        self.number(&position.cache.borrow(), end?)
    }

    fn number(&self, cache: &Cache, state: LazyStateID) -> Option<usize> {
        let pattern = state.is_match().then(|| self.dfa.match_pattern(cache, state, 0))?;
        self.numbers.get(pattern.as_usize()).copied()
    }

    /// Gives `position` its own copy of the full cache, which the next new state clears.
    #[cold]
    fn make_room(&self, position: &mut Position) {
        let mut current = self.cache.borrow_mut();
        let ours = 1 + usize::from(Rc::ptr_eq(&current, &position.cache));
        if Rc::strong_count(&position.cache) > ours {
            let copy = Rc::new(RefCell::new(position.cache.borrow().clone()));
            position.cache = Rc::clone(&copy);
            *current = copy;
        }
        allow_clearing(&mut position.cache.borrow_mut());
    }
}

/// Claims that much has been searched since the cache was last cleared. Clearing it resets the claim.
fn allow_clearing(cache: &mut Cache) {
    cache.search_start(0);
    cache.search_update(1 << 30);
}

#[cfg(test)]
mod tests {
    use regex_automata::nfa::thompson;

    use super::*;

    /// Creates an engine with space for a few states, so that its cache is cleared often.
    fn cramped(pattern: &str) -> Engine {
        let config = thompson::Config::new().utf8(false).which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build(pattern).unwrap();
        Engine::new(nfa, vec![0], 0).unwrap()
    }

    #[test]
    fn paused_searches_survive_the_clearing_of_a_cache() {
        // Thousands of states: the set of the last ten bytes that were `a`.
        let engine = cramped("(?-u)a[ab]{10}c");
        let texts: Vec<Vec<u8>> = (0..64u64)
            .map(|seed| {
                let mut bits = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                let letters = (0..200).map(|_| {
                    bits ^= bits << 13;
                    bits ^= bits >> 7;
                    bits ^= bits << 17;
                    if bits % 20 == 0 {
                        b'c'
                    } else if bits & 32 == 0 {
                        b'a'
                    } else {
                        b'b'
                    }
                });
                letters.collect()
            })
            .collect();
        let matches = |text: &[u8]| {
            text.windows(12)
                .any(|window| window[0] == b'a' && window[11] == b'c' && !window[1..11].contains(&b'c'))
        };
        let mut positions: Vec<Position> = texts.iter().map(|_| engine.start()).collect();
        let mut found = vec![false; texts.len()];
        for at in (0..200).step_by(5) {
            for (number, text) in texts.iter().enumerate() {
                found[number] |= engine.feed(&mut positions[number], &text[at..at + 5]).is_some();
            }
        }
        for (number, text) in texts.iter().enumerate() {
            found[number] |= engine.finish(&mut positions[number]).is_some();
            assert_eq!(found[number], matches(text), "{number}");
        }
        assert!(found.contains(&true) && found.contains(&false));
        assert!(positions.iter().any(|position| position.cache.borrow().clear_count() > 0));
    }
}
