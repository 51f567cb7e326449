//! Counters that the gateway collects.

use std::cell::RefCell;

use crate::host;

thread_local! {
    /// Counters that this VM has defined. There are few, so a list is searched.
    static DEFINED: RefCell<Vec<(String, u32)>> = const { RefCell::new(Vec::new()) };
}

/// A number that only grows, kept by the gateway across its workers. Envoy shows it as
/// `wasmcustom.<name>`.
///
/// ```
/// use sdk::Counter;
///
/// static SEEN: Counter = Counter::new("my-plugin.seen");
/// SEEN.add(1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Counter(&'static str);

impl Counter {
    /// A counter named `<plug-in>.<what>`. The gateway learns of it when it is first used.
    pub const fn new(name: &'static str) -> Self {
        Counter(name)
    }

    /// Adds to it. A host that refuses loses the count, never the request.
    pub fn add(&self, amount: u32) {
        add(self.0, amount);
    }
}

/// Adds to the counter of that name.
pub(crate) fn add(name: &str, amount: u32) {
    let known =
        DEFINED.with_borrow(|defined| defined.iter().find(|(other, _)| other == name).map(|(_, id)| *id));
    let id = match known {
        Some(id) => id,
        None => {
            let Ok(id) = host::define_counter(name) else {
                return;
            };
            DEFINED.with_borrow_mut(|defined| defined.push((name.to_string(), id)));
            id
        }
    };
    let _ = host::increment_metric(id, i64::from(amount));
}
