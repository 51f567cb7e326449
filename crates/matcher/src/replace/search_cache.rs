//! A cache for the searches of a text, so that they do not repeat unsuccessful work of earlier searches.
//!
//! A search continues after a match as long as a preferred expression could still match: with `a.*z|a`, to the end of the
//! line for each `a`. The state of the automaton is all that a search knows about the text that it has read. So if two searches
//! reach the same position in the same state, and the first finds nothing from there, neither does the second. Each position
//! is therefore read once per state, not once per match.

use std::collections::BTreeSet;
use std::ops::Range;

use regex_automata::Input;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};

/// The number of matches from which the cache is used.
const WORTH: usize = 16;

/// The distance, in bytes, of cached states.
const STRIDE: usize = 64;

/// A cache for the searches of one text, which must not change.
#[derive(Default)]
pub struct SearchCache {
    /// The number of matches so far.
    matches: usize,
    /// The start of the undecided part at the end of the text, once it is known.
    pub(super) open: Option<Option<usize>>,
    /// The end of the part of the text to which the states belong.
    end: usize,
    /// How often the cache of the automaton has been cleared, which renames its states.
    clears: usize,
    /// Positions and states from which nothing matches before the end.
    dead_ends: BTreeSet<(usize, LazyStateID)>,
}

impl SearchCache {
    /// Returns true if there are enough searches to use the cache.
    pub(super) fn counts(&mut self) -> bool {
        self.matches += 1;
        self.matches > WORTH
    }

    /// Returns the end of the leftmost match in a part of a text, or an error if the automaton fails.
    pub(super) fn end(
        &mut self,
        dfa: &DFA,
        cache: &mut Cache,
        text: &str,
        range: Range<usize>,
    ) -> Result<Option<usize>, GivenUp> {
        if self.end != range.end || self.clears != cache.clear_count() {
            self.dead_ends.clear();
            (self.end, self.clears) = (range.end, cache.clear_count());
        }
        let mut visited = Vec::new();
        let mut last = None;
        let input = Input::new(text).range(range.clone());
        let mut state = dfa.start_state_forward(cache, &input).map_err(|_| GivenUp)?;
        let bytes = text.as_bytes();
        let mut place = range.start;
        loop {
            // `\b` and `$` can see the text after the part.
            state = match bytes.get(place) {
                Some(byte) => dfa.next_state(cache, state, *byte),
                None => dfa.next_eoi_state(cache, state),
            }
            .map_err(|_| GivenUp)?;
            if state.is_tagged() {
                if state.is_match() {
                    // A match is reported one byte late.
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
                if self.dead_ends.contains(&(place, state)) {
                    break;
                }
                visited.push((place, state));
            }
        }
        if cache.clear_count() == self.clears {
            self.dead_ends.extend(visited);
        }
        Ok(last)
    }
}

/// The automaton cannot continue, or its cache has been cleared.
pub(super) struct GivenUp;
