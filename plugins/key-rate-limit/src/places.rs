//! Places for keys: as many windows as have room in one value of the shared data.
//!
//! What a client sends must not decide how much memory the gateway needs, so the keys of a limit share a table of fixed
//! size, which is that limit's own: what is sent under one limit takes no place from another. The hash of a key says in
//! which row of the table its window is, and a row has places for [`PLACES`] keys. A place is free again when no request
//! of its key counts any more, so nothing is ever forgotten that matters. When a row is full, the keys that come last are
//! counted together, in a window that they share, and a key that finds a place later begins with what that window holds.
//! So keys of one limit that meet may be refused too early, and no key ever passes more often than its limit.

use crate::window::{Period, Verdict, Window, take};

/// Keys with a window of their own in a row.
const PLACES: usize = 8;

/// The number of the window for keys without a place; no key has it.
const TOGETHER: u64 = 0;

/// A row of a limit's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    period: Period,
    windows: Vec<(u64, Window)>,
}

impl Row {
    /// Reads a row of windows over `period`; one that is not of this form has nothing in it.
    pub fn read(period: Period, mut bytes: &[u8]) -> Self {
        let mut windows = Vec::new();
        if let Some(part) = take(&mut bytes) {
            let part = u64::from_le_bytes(*part);
            while let Some(id) = take(&mut bytes) {
                match Window::read(period, part, &mut bytes) {
                    Some(window) => windows.push((u64::from_le_bytes(*id), window)),
                    None => break,
                }
            }
        }
        Row { period, windows }
    }

    /// The row's bytes. The time has come to the same moment for all of its windows.
    pub fn write(&self) -> Vec<u8> {
        // Enough for a few counts in each window.
        let mut bytes = Vec::with_capacity(8 + self.windows.len() * 32);
        if let Some((_, window)) = self.windows.first() {
            bytes.extend(window.part().to_le_bytes());
        }
        for (id, window) in &self.windows {
            bytes.extend(id.to_le_bytes());
            window.write(&mut bytes);
        }
        bytes
    }

    /// Lets the time come that is `now`; whether somebody has set the clock back.
    pub fn advance(&mut self, now: u64) -> bool {
        let set_back = self.windows.iter_mut().fold(false, |any, (_, window)| window.advance(now) || any);
        self.windows.retain(|(_, window)| !window.is_empty());
        set_back
    }

    /// Counts a request of the key with this number, unless it is more than `limit`. The time has come to `now`.
    pub fn take(&mut self, id: u64, limit: u32, now: u64) -> Verdict {
        let id = id.max(TOGETHER + 1);
        if let Some(window) = self.find(id) {
            return window.take(limit, now);
        }
        let together = self.find(TOGETHER).cloned();
        let taken = self.windows.iter().filter(|(other, _)| *other != TOGETHER).count();
        let mut window = together.unwrap_or(Window::new(self.period));
        let verdict = window.take(limit, now);
        if taken < PLACES {
            self.windows.push((id, window));
        } else if let Some(together) = self.find(TOGETHER) {
            *together = window;
        } else {
            self.windows.push((TOGETHER, window));
        }
        verdict
    }

    fn find(&mut self, id: u64) -> Option<&mut Window> {
        let mut windows = self.windows.iter_mut();
        windows.find(|(other, _)| *other == id).map(|(_, window)| window)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn row() -> Row {
        Row::read(Period::Second, b"")
    }

    fn passes(row: &mut Row, id: u64, now: u64) -> bool {
        row.advance(now);
        matches!(row.take(id, 2, now), Verdict::Passes { .. })
    }

    #[test]
    fn keys_in_a_full_row_are_counted_together_and_inherit_that_count() {
        let mut row = row();
        let start = 100 * SECOND;
        for id in 1..=8 {
            assert!(passes(&mut row, id, start));
        }
        let later = start + SECOND / 2;
        assert!(passes(&mut row, 9, later));
        assert!(passes(&mut row, 10, later));
        assert!(!passes(&mut row, 9, later), "9 and 10 have two together");
        assert!(passes(&mut row, 1, later), "who has a place keeps its own count");

        let free = start + SECOND + SECOND / 16;
        assert!(!passes(&mut row, 9, free), "it finds a place, and the count that it shared");
        assert!(passes(&mut row, 9, later + SECOND + SECOND / 16));
    }

    #[test]
    fn a_row_is_bounded() {
        for period in Period::ALL {
            let mut row = Row::read(period, b"");
            for id in 0..10_000 {
                // Each of the 33 parts of a second has requests, and as many as there can be.
                let now = 100 * SECOND + id * 3_000_000;
                row.advance(now);
                row.take(id % 9, u32::MAX, now);
            }
            assert!(row.windows.len() <= PLACES + 1);
            assert!(row.write().len() <= 8 + 9 * (8 + 1 + 33 * 6), "{}", row.write().len());
        }
    }

    proptest! {
        #[test]
        fn no_key_passes_more_often_than_its_limit(
            requests in prop::collection::vec((0_u64..14, 0_u64..200_000_000), 1..400),
        ) {
            let mut row = row();
            let mut now = 100 * SECOND;
            let mut passed: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for (id, pause) in requests {
                now += pause;
                let mut read = Row::read(Period::Second, &row.write());
                prop_assert_eq!(&read, &row);
                if passes(&mut read, id, now) {
                    row = read;
                    // 0 and 1 are one key.
                    let times = passed.entry(id.max(1)).or_default();
                    times.push(now);
                    let within = times.iter().filter(|time| now - **time < SECOND).count();
                    prop_assert!(within <= 2);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, id: u64, now: u64) {
            let mut row = Row::read(Period::Day, &bytes);
            row.advance(now);
            row.take(id, 1, now);
        }
    }
}
