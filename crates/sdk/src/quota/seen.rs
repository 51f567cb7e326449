//! Keys that were seen, such as nonces, which may occur only once.

use super::table::{hash, row_name, seed};
use super::window::take;
use crate::{Status, shared, time};

/// Rows of a store.
const ROWS: u64 = 16_384;

/// Keys per row. The fullest of the rows decides when keys are refused, so a store holds some 600,000 keys.
const SLOTS: usize = 64;

/// Attempts to add a key while other workers add others.
const ATTEMPTS: u32 = 1_000;

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// A store of keys in the gateway's memory, for a time each: exact across the workers of a process, and lost when the
/// process ends. Memory is bounded: it holds at most 1,048,576 keys, and never forgets one before its time.
///
/// ```no_run
/// use sdk::quota::{First, Seen};
///
/// let nonces = Seen::new("my-plugin.nonces");
/// match nonces.add(b"b1946ac92492d234", 900)? {
///     First::Yes => println!("it is new"),
///     First::No => println!("a replay"),
///     First::Full => println!("try again later"),
/// }
/// # Ok::<(), sdk::Status>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    name: &'static str,
}

/// The result of adding a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// It was not there.
    Yes,
    /// It was there.
    No,
    /// It was not there, and there is no room for it.
    Full,
}

impl Seen {
    /// Creates a store. Stores with the same name, `<plug-in>.<name>`, share their keys.
    pub const fn new(name: &'static str) -> Self {
        Seen { name }
    }

    /// Adds a key for a number of seconds, unless it is there.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn add(&self, key: &[u8], seconds: u32) -> Result<First, Status> {
        let id = hash(seed()?, key);
        let row = row_name(self.name, id % ROWS);
        shared::update(&row, ATTEMPTS, |old| {
            let now = match time::nanoseconds() {
                Ok(now) => now / SECOND,
                Err(status) => return (None, Err(status)),
            };
            let mut row = Row::read(old.unwrap_or_default());
            let first = row.add(id, now, seconds);
            ((first == First::Yes).then(|| row.write()), Ok(first))
        })?
    }
}

/// The keys of a row, each with the second in which it may occur again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row(Vec<(u64, u64)>);

impl Row {
    fn add(&mut self, id: u64, now: u64, seconds: u32) -> First {
        self.0.retain(|(_, until)| *until > now);
        if self.0.iter().any(|(other, _)| *other == id) {
            return First::No;
        }
        if self.0.len() >= SLOTS {
            return First::Full;
        }
        // The current second has begun before.
        self.0.push((id, now.saturating_add(u64::from(seconds)).saturating_add(1)));
        First::Yes
    }

    /// Reads a row. Invalid bytes give an empty one.
    fn read(mut bytes: &[u8]) -> Self {
        let mut keys = Vec::with_capacity(bytes.len() / 16 + 1);
        while let (Some(id), Some(until)) = (take(&mut bytes), take(&mut bytes)) {
            keys.push((u64::from_le_bytes(*id), u64::from_le_bytes(*until)));
        }
        Row(keys)
    }

    fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(id, until)| [id.to_le_bytes(), until.to_le_bytes()].concat()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_row_refuses_new_keys_and_forgets_none() {
        let mut row = Row::default();
        for id in 0..64 {
            assert_eq!(row.add(id, 100, 10), First::Yes);
        }
        assert_eq!(row.add(64, 110, 10), First::Full);
        assert_eq!(row.add(63, 110, 10), First::No);
        assert_eq!(row.add(64, 111, 10), First::Yes);
        assert_eq!(row.add(63, 111, 10), First::Yes, "its time is over");
        assert_eq!(Row::read(&row.write()), row);
    }

    proptest! {
        #[test]
        fn no_key_occurs_twice_within_its_time(
            requests in prop::collection::vec((0_u64..100, 0_u64..3), 1..500),
        ) {
            let (mut row, mut now) = (Row::default(), 1_000);
            let mut last: BTreeMap<u64, u64> = BTreeMap::new();
            for (id, pause) in requests {
                now += pause;
                let seen = last.get(&id).is_some_and(|time| now - time <= 20);
                match row.add(id, now, 20) {
                    First::Yes => {
                        prop_assert!(!seen);
                        last.insert(id, now);
                    }
                    First::No => prop_assert!(seen),
                    First::Full => prop_assert!(row.0.len() == SLOTS && !seen),
                }
                row = Row::read(&row.write());
            }
        }

        #[test]
        fn arbitrary_bytes_are_read(bytes: Vec<u8>, id: u64, now: u64, seconds: u32) {
            Row::read(&bytes).add(id, now, seconds);
        }
    }
}
