//! What the searches of one text have seen, so that none of them reads again what another has read in vain.
//!
//! A search reads on from its match as long as an expression that would be preferred could still match: with `a.*z|a`,
//! to the end of the line for each `a`. The automaton's state is all that a search knows of what it has read. So where
//! two searches come to the same place in the same state, and the first found nothing from there on, the second finds
//! nothing either, and each place is read once for each state that it can be read in, not once for each match.

use std::collections::BTreeSet;
use std::ops::Range;

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};

/// How many matches a text has before it is worth the effort.
const WORTH: usize = 16;

/// Every how many bytes a state is noted.
const STRIDE: usize = 64;

/// For the searches of one text, which does not change meanwhile.
#[derive(Default)]
pub struct SearchCache {
    /// Matches so far.
    matches: usize,
    /// Whether something is open at the end of the text, and where.
    pub(super) open: Option<Option<usize>>,
    /// Where the part of the text ends that the states are about.
    end: usize,
    /// How often the automaton's cache had been cleared: its states had other names before.
    clears: usize,
    /// Places, and states from which nothing matches there before the end.
    vain: BTreeSet<(usize, LazyStateID)>,
}

impl SearchCache {
    /// Whether the searches are many enough.
    pub(super) fn counts(&mut self) -> bool {
        self.matches += 1;
        self.matches > WORTH
    }

    /// Where the leftmost match in a part of a text ends; or that the automaton has given up.
    pub(super) fn end(
        &mut self,
        dfa: &DFA,
        cache: &mut Cache,
        text: &str,
        range: Range<usize>,
    ) -> Result<Option<usize>, GivenUp> {
        if self.end != range.end || self.clears != cache.clear_count() {
            self.vain.clear();
            (self.end, self.clears) = (range.end, cache.clear_count());
        }
        let mut visited = Vec::new();
        let mut last = None;
        let input = Input::new(text).range(range.clone());
        let mut state = dfa.start_state_forward(cache, &input).map_err(|_| GivenUp)?;
        let bytes = text.as_bytes();
        let mut place = range.start;
        loop {
            // What is behind the part is still seen by `\b` and `$`.
            state = match bytes.get(place) {
                Some(byte) => dfa.next_state(cache, state, *byte),
                None => dfa.next_eoi_state(cache, state),
            }
            .map_err(|_| GivenUp)?;
            if state.is_tagged() {
                if state.is_match() {
                    // It is told one byte late.
                    last = Some(place);
                    visited.clear();
                } else if state.is_dead() {
                    break;
                } else if state.is_quit() {
                    return Err(GivenUp);
                }
            }
            if place >= range.end {
                break;
            }
            place += 1;
            if place.is_multiple_of(STRIDE) {
                if cache.clear_count() != self.clears {
                    return Err(GivenUp);
                }
                if self.vain.contains(&(place, state)) {
                    break;
                }
                visited.push((place, state));
            }
        }
        if cache.clear_count() == self.clears {
            self.vain.extend(visited);
        }
        Ok(last)
    }
}

/// The automaton has met what it cannot read, or has forgotten its states meanwhile.
pub(super) struct GivenUp;
