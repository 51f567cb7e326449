//! Counts in the gateway's shared data, across all workers.

use super::row::Row;
use super::table::place;
use super::window::Window;
use super::{Budget, Limit, Verdict};
use crate::{Status, shared, time};

/// Attempts to update a count that other workers update as well. One of the competing workers always succeeds, so this
/// is far more than needed.
const ATTEMPTS: u32 = 1_000;

/// The store in the gateway's memory: exact across the workers of a process, and lost when the process ends.
///
/// Windows slide: no window, wherever it begins, grants more than the limit. Memory is bounded for each limit, however
/// many keys it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    prefix: &'static str,
}

/// What a change does to the counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// They are stored.
    Stored,
    /// They are not stored, unless the clock was set back: otherwise a wait would never end.
    Dropped,
}

impl Process {
    /// Creates the store of a plug-in. Stores with the same name share their counts.
    pub const fn new(plugin: &'static str) -> Self {
        Process { prefix: plugin }
    }

    /// Takes an amount from each budget, or from none if one of them has less. Returns the limit of that budget, or the
    /// limit with the least left, or `None` without budgets.
    ///
    /// # Errors
    ///
    /// Returns the host's status. The amount may have been taken from some of the budgets.
    pub fn take<'l>(
        &self,
        budgets: &[Budget<'l>],
        amount: u32,
    ) -> Result<Option<(&'l Limit, Verdict)>, Status> {
        if budgets.len() > 1 {
            // What one budget refuses is not taken from the others.
            for budget in budgets {
                if let refused @ Verdict::Refused { .. } = self.take_one(budget, amount, false)? {
                    return Ok(Some((budget.limit, refused)));
                }
            }
        }
        let mut least: Option<(&Limit, u32)> = None;
        for (index, budget) in budgets.iter().enumerate() {
            match self.take_one(budget, amount, true)? {
                Verdict::Granted { left: Some(left) } if least.is_none_or(|(_, least)| left < least) => {
                    least = Some((budget.limit, left));
                }
                Verdict::Granted { .. } => {}
                // Another worker was faster.
                refused @ Verdict::Refused { .. } => {
                    for taken in budgets.iter().take(index) {
                        self.give_back(taken, amount)?;
                    }
                    return Ok(Some((budget.limit, refused)));
                }
            }
        }
        Ok(least.map(|(limit, left)| (limit, Verdict::Granted { left: Some(left) })))
    }

    /// Counts an amount even if the budget has less, and returns what is left. Use it for costs that are known afterwards.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn charge(&self, budget: &Budget<'_>, amount: u32) -> Result<u32, Status> {
        self.change(budget, |window, _| {
            window.add(amount);
            (Effect::Stored, window.left(budget.limit.amount))
        })
    }

    /// Returns what the budget has left.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn peek(&self, budget: &Budget<'_>) -> Result<u32, Status> {
        self.change(budget, |window, _| (Effect::Dropped, window.left(budget.limit.amount)))
    }

    /// Returns an amount that was taken and not used to the budget.
    ///
    /// # Errors
    ///
    /// The host's status.
    pub fn give_back(&self, budget: &Budget<'_>, amount: u32) -> Result<(), Status> {
        self.change(budget, |window, _| {
            window.remove(amount);
            (Effect::Stored, ())
        })
    }

    /// Takes an amount from one budget; only checks it if `counts` is false.
    fn take_one(&self, budget: &Budget<'_>, amount: u32, counts: bool) -> Result<Verdict, Status> {
        self.change(budget, |window, now| {
            let verdict = window.check(budget.limit.amount, amount, now);
            if counts && matches!(verdict, Verdict::Granted { .. }) {
                window.add(amount);
                return (Effect::Stored, verdict);
            }
            (Effect::Dropped, verdict)
        })
    }

    /// Changes the window of a budget, which has been advanced to the time that the closure receives.
    fn change<T>(
        &self,
        budget: &Budget<'_>,
        mut change: impl FnMut(&mut Window, u64) -> (Effect, T),
    ) -> Result<T, Status> {
        let (name, id) = place(self.prefix, ("table", "count"), budget)?;
        let limit = budget.limit;
        shared::update(&name, ATTEMPTS, |old| {
            // Read the time after the count, so counts and times have the same order.
            let now = match time::nanoseconds() {
                Ok(now) => now,
                Err(status) => return (None, Err(status)),
            };
            let mut row = Row::read(limit.period, old.unwrap_or_default());
            let set_back = row.advance(now);
            let (effect, result) = row.change(id, now, |window| change(window, now));
            ((effect == Effect::Stored || set_back).then(|| row.write()), Ok(result))
        })?
    }
}
