//! Rows of a table: the windows of several keys in one value of the shared data.
//!
//! Clients must not control the gateway's memory use, so the keys of a limit are stored in a hash table of fixed size.
//! Each limit has its own table: requests under one limit take no slots from another. The hash of a key selects its row,
//! and a row has slots for [`SLOTS`] keys. A slot is freed when nothing of its key counts any more, so no relevant
//! count is lost. When a row is full, further keys share one window, and a key that gets a slot later starts with a copy
//! of that window. Colliding keys of a limit may therefore be refused too early, but no key exceeds its limit.

use super::window::{Period, Window, take};

/// Keys per row with their own window.
const SLOTS: usize = 8;

/// The ID of the window shared by keys without a slot. No key has it.
const SHARED: u64 = 0;

/// A row of a limit's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    period: Period,
    windows: Vec<(u64, Window)>,
}

impl Row {
    /// Reads a row of windows over `period`. Invalid bytes give an empty row.
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

    /// Returns the row's bytes. All of its windows must have been advanced to the same time.
    pub fn write(&self) -> Vec<u8> {
        // Enough for a few counts per window.
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

    /// Advances all windows to `now`. Returns true if the clock has been set back.
    pub fn advance(&mut self, now: u64) -> bool {
        let set_back = self.windows.iter_mut().fold(false, |any, (_, window)| window.advance(now) || any);
        self.windows.retain(|(_, window)| !window.is_empty());
        set_back
    }

    /// Changes the window of the key with this ID. The row must have been advanced to `now`.
    pub fn change<T>(&mut self, id: u64, now: u64, change: impl FnOnce(&mut Window) -> T) -> T {
        let id = id.max(SHARED + 1);
        if let Some(window) = self.find(id) {
            return change(window);
        }
        let shared = self.find(SHARED).cloned();
        let taken = self.windows.iter().filter(|(other, _)| *other != SHARED).count();
        let mut window = shared.unwrap_or(Window::new(self.period));
        window.advance(now);
        let result = change(&mut window);
        if taken < SLOTS {
            self.windows.push((id, window));
        } else if let Some(shared) = self.find(SHARED) {
            *shared = window;
        } else {
            self.windows.push((SHARED, window));
        }
        result
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
    use crate::quota::Verdict;

    const SECOND: u64 = 1_000_000_000;

    fn take(row: &mut Row, id: u64, limit: u32, now: u64) -> Verdict {
        row.change(id, now, |window| {
            let verdict = window.check(limit, 1, now);
            if let Verdict::Granted { .. } = verdict {
                window.add(1);
            }
            verdict
        })
    }

    fn row() -> Row {
        Row::read(Period::Second, b"")
    }

    fn passes(row: &mut Row, id: u64, now: u64) -> bool {
        row.advance(now);
        matches!(take(row, id, 2, now), Verdict::Granted { .. })
    }

    #[test]
    fn keys_in_a_full_row_share_a_count_and_inherit_it() {
        let mut row = row();
        let start = 100 * SECOND;
        for id in 1..=8 {
            assert!(passes(&mut row, id, start));
        }
        let later = start + SECOND / 2;
        assert!(passes(&mut row, 9, later));
        assert!(passes(&mut row, 10, later));
        assert!(!passes(&mut row, 9, later), "9 and 10 share the limit of two");
        assert!(passes(&mut row, 1, later), "a key with a slot keeps its own count");

        let free = start + SECOND + SECOND / 16;
        assert!(!passes(&mut row, 9, free), "it gets a slot with the shared count");
        assert!(passes(&mut row, 9, later + SECOND + SECOND / 16));
    }

    #[test]
    fn a_row_is_bounded() {
        for period in Period::ALL {
            let mut row = Row::read(period, b"");
            for id in 0..10_000 {
                // Every one of the 33 parts of a second has requests, with the largest possible counts.
                let now = 100 * SECOND + id * 3_000_000;
                row.advance(now);
                take(&mut row, id % 9, u32::MAX, now);
            }
            assert!(row.windows.len() <= SLOTS + 1);
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
                    // IDs 0 and 1 are the same key.
                    let times = passed.entry(id.max(1)).or_default();
                    times.push(now);
                    let within = times.iter().filter(|time| now - **time < SECOND).count();
                    prop_assert!(within <= 2);
                }
            }
        }

        #[test]
        fn arbitrary_bytes_are_read(bytes: Vec<u8>, id: u64, now: u64) {
            let mut row = Row::read(Period::Day, &bytes);
            row.advance(now);
            take(&mut row, id, 1, now);
        }
    }
}
