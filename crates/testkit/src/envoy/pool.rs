//! A few costly things by key: one user at a time each, kept for the next user, and never too many.

use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Things by key, which threads borrow one after the other.
pub(super) struct Pool<K, V> {
    /// The one longest unused first.
    entries: Mutex<Vec<Entry<K, V>>>,
    changed: Condvar,
    capacity: usize,
}

struct Entry<K, V> {
    key: K,
    /// Nothing while it is being made.
    thing: Option<Arc<V>>,
    busy: bool,
}

impl<K: Clone + Eq, V> Pool<K, V> {
    /// At most `capacity` objects, including unused ones.
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { entries: Mutex::new(Vec::new()), changed: Condvar::new(), capacity })
    }

    /// Borrows what has this key, or makes it. Waits while another thread has it, and until there is room for
    /// a new one, which replaces an unused one.
    pub(super) fn borrow<E>(
        self: &Arc<Self>,
        key: &K,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Lease<K, V>, E> {
        let (thing, evicted) = self.claim(key);
        // Whatever happens from here on, the key is given back.
        let slot = Slot { pool: Arc::clone(self), key: key.clone() };
        drop(evicted);
        let thing = match thing {
            Some(thing) => thing,
            None => Arc::new(make()?),
        };
        if let Some(entry) = self.lock().iter_mut().find(|entry| entry.key == *key) {
            entry.thing = Some(Arc::clone(&thing));
        }
        Ok(Lease { thing, _slot: slot })
    }

    /// Marks a key as busy: with its thing if there is one, else with the one that made room.
    fn claim(&self, key: &K) -> (Option<Arc<V>>, Option<Entry<K, V>>) {
        let mut entries = self.lock();
        loop {
            match entries.iter_mut().find(|entry| entry.key == *key) {
                Some(entry) if !entry.busy => {
                    entry.busy = true;
                    return (entry.thing.clone(), None);
                }
                Some(_) => {}
                None => {
                    let unused = entries.iter().position(|entry| !entry.busy);
                    let full = entries.len() >= self.capacity;
                    if !full || unused.is_some() {
                        let evicted = unused.filter(|_| full).map(|index| entries.remove(index));
                        entries.push(Entry { key: key.clone(), thing: None, busy: true });
                        return (None, evicted);
                    }
                }
            }
            entries = self.changed.wait(entries).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, key: &K) {
        let mut entries = self.lock();
        let Some(index) = entries.iter().position(|entry| entry.key == *key) else {
            return;
        };
        let entry = entries.remove(index);
        // What could not be made leaves nothing behind.
        if entry.thing.is_some() {
            entries.push(Entry { busy: false, ..entry });
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry<K, V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A borrowed thing; dropped, it goes back.
pub(super) struct Lease<K: Clone + Eq, V> {
    // Let go of before the slot, so that a thing that is evicted ends there and then.
    thing: Arc<V>,
    _slot: Slot<K, V>,
}

impl<K: Clone + Eq, V> Deref for Lease<K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.thing
    }
}

struct Slot<K: Clone + Eq, V> {
    pool: Arc<Pool<K, V>>,
    key: K,
}

impl<K: Clone + Eq, V> Drop for Slot<K, V> {
    fn drop(&mut self) {
        self.pool.give_back(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Counts {
        made: AtomicUsize,
        alive: AtomicUsize,
        most: AtomicUsize,
    }

    struct Thing<'a>(&'a Counts, AtomicUsize);

    impl<'a> Thing<'a> {
        fn new(counts: &'a Counts) -> Result<Self, Infallible> {
            counts.made.fetch_add(1, SeqCst);
            let alive = counts.alive.fetch_add(1, SeqCst) + 1;
            counts.most.fetch_max(alive, SeqCst);
            Ok(Self(counts, AtomicUsize::new(0)))
        }
    }

    impl Drop for Thing<'_> {
        fn drop(&mut self) {
            self.0.alive.fetch_sub(1, SeqCst);
        }
    }

    #[test]
    fn there_are_never_too_many_and_never_two_users_of_one() {
        let counts = Counts::default();
        let pool = Pool::new(2);
        thread::scope(|scope| {
            for start in 0..8 {
                let (pool, counts) = (&pool, &counts);
                scope.spawn(move || {
                    for round in 0..50 {
                        let thing = pool.borrow(&((start + round) % 5), || Thing::new(counts)).unwrap();
                        assert_eq!(thing.1.fetch_add(1, SeqCst), 0, "a second user");
                        thread::yield_now();
                        thing.1.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
        assert!(counts.most.load(SeqCst) <= 2);
        drop(pool);
        assert_eq!(counts.alive.load(SeqCst), 0);
    }

    #[test]
    fn a_thing_is_made_once_until_it_has_to_make_room() {
        let counts = Counts::default();
        let pool = Pool::new(2);
        for key in [1, 1, 2, 1, 3, 1] {
            pool.borrow(&key, || Thing::new(&counts)).unwrap();
        }
        assert_eq!(counts.made.load(SeqCst), 3, "2 was longer unused than 1 when 3 came");
    }

    #[test]
    fn what_cannot_be_made_leaves_its_room() {
        let pool = Pool::<_, ()>::new(1);
        for key in [1, 1, 2] {
            assert_eq!(pool.borrow(&key, || Err("no")).err(), Some("no"));
        }
        assert!(pool.borrow(&3, || Ok::<_, ()>(())).is_ok());
    }
}
