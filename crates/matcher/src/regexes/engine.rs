//! Several regular expressions in one automaton, built as far as texts need it.
//!
//! A lazy DFA reads a text in one pass, whatever the expressions are, and takes a constant time per byte once
//! the states that occur have been built. It keeps them in a cache of bounded size and forgets them all when
//! the cache is full. A search that pauses between chunks holds on to one state, so it keeps the cache alive
//! in which that state is, and a cache that others hold is never cleared: whoever needs room copies it first.

use std::cell::RefCell;
use std::rc::Rc;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::NFA;
use regex_automata::util::look::Look;
use regex_automata::util::start;
use regex_automata::{Anchored, MatchKind};

/// Some of what URLs, headers, forms and JSON are made of.
const USUAL: &[u8] = br#"/index.html/api/v1/users?id=10&q=a%20b+c_d-e;f=~x,y:80#z http://www.example.com/ {"key": ["value", 1.5, true]}"#;

pub(super) struct Engine {
    dfa: DFA,
    /// The number of each expression in the whole set.
    numbers: Vec<usize>,
    /// Whether a match may depend on what follows it (`$`, `\b`).
    looks_ahead: bool,
    /// What new searches use.
    cache: RefCell<Rc<RefCell<Cache>>>,
}

/// Where one search stands.
#[derive(Clone)]
pub(super) struct Position {
    cache: Rc<RefCell<Cache>>,
    /// `None` once nothing that follows matters. Never a state in which an expression has matched.
    state: Option<LazyStateID>,
}

/// How a run through the states of a cache ends.
enum Run {
    /// All is read.
    Paused(LazyStateID),
    /// In a state from which the search need not go on: a match, or nothing that can match.
    Decided(LazyStateID),
    /// Before this many bytes, since the cache has no room for the next state.
    Full(LazyStateID, usize),
}

impl Engine {
    /// An engine for `nfa`, whose expressions have these `numbers`, with a cache of at most `cache_bytes`
    /// (or what a handful of states need).
    pub(super) fn new(nfa: NFA, numbers: Vec<usize>, cache_bytes: usize) -> Result<Self, String> {
        let looks = nfa.look_set_any();
        let looks_ahead =
            looks.iter().any(|look| !matches!(look, Look::Start | Look::StartLF | Look::StartCRLF));
        let config = DFA::config()
            // Which of several matches Perl would prefer means nothing here.
            .match_kind(MatchKind::All)
            .cache_capacity(cache_bytes)
            .skip_cache_capacity_check(true)
            // Report a full cache instead of clearing it, unless much was searched since the last time:
            // that is what `allow_clearing` says.
            .minimum_cache_clear_count(Some(0))
            .minimum_bytes_per_state(Some(1));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|error| error.to_string())?;
        let cache = RefCell::new(Rc::new(RefCell::new(dfa.create_cache())));
        let engine = Self { dfa, numbers, looks_ahead, cache };
        engine.warm();
        Ok(engine)
    }

    /// Builds the states that texts usually need, so that no request pays for them.
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

    /// Reads the next chunk, and gives the number of an expression that has matched.
    ///
    /// What may depend on the byte after a match is known with that byte, or with [`Self::finish`].
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
                    // With this call the cache is cleared, all but `state`.
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

    /// A match that ends with the chunk. The automaton tells one byte late, so that it can look ahead; where
    /// nothing does, the end of the text is as good as any byte.
    fn match_at_end(&self, position: &Position) -> Option<usize> {
        if self.looks_ahead {
            return None;
        }
        let mut cache = position.cache.borrow_mut();
        // Where the cache is full there is no way back to the present state, so the next byte has to tell.
        let end = self.dfa.next_eoi_state(&mut cache, position.state?).ok()?;
        self.number(&cache, end)
    }

    /// The text has ended: the number of an expression that matches there.
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

    /// Gives `position` a full cache that the next new state will clear, and that contains no other state.
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

/// Claims that a lot has been searched since the cache was last cleared; clearing it takes the claim back.
fn allow_clearing(cache: &mut Cache) {
    cache.search_start(0);
    cache.search_update(1 << 30);
}

#[cfg(test)]
mod tests {
    use regex_automata::nfa::thompson;

    use super::*;

    /// With no more room than for a handful of states, so that the cache is cleared again and again.
    fn cramped(pattern: &str) -> Engine {
        let config = thompson::Config::new().utf8(false).which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build(pattern).unwrap();
        Engine::new(nfa, vec![0], 0).unwrap()
    }

    #[test]
    fn paused_searches_survive_the_clearing_of_a_cache() {
        // Thousands of states: which of the last ten bytes were `a`.
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
