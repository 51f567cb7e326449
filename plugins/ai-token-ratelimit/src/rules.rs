//! Amounts that are taken before a cost is known, as pure functions.

use sdk::quota::Budget;

/// Returns the smallest of the limits.
fn smallest(budgets: &[Budget<'_>]) -> u32 {
    budgets.iter().map(|budget| budget.limit.amount).min().unwrap_or(u32::MAX).max(1)
}

/// Returns what is taken before the body is known. Limits that are smaller than the reserve need an unused window.
pub fn first_amount(reserve: u32, budgets: &[Budget<'_>]) -> u32 {
    reserve.clamp(1, smallest(budgets))
}

/// Returns what is taken of a prompt, so that all that is taken does not exceed a limit.
pub fn prompt_amount(prompt: u32, taken: u32, budgets: &[Budget<'_>]) -> u32 {
    prompt.min(smallest(budgets).saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    use sdk::quota::{Limit, Period};

    use super::*;

    #[test]
    fn no_more_than_a_limit_is_taken() {
        let limits = [300, 200].map(|amount| Limit::new(amount, Period::Day, "a", "a"));
        let budgets = limits.each_ref().map(|limit| Budget { limit, key: None });
        assert_eq!(first_amount(256, &budgets), 200);
        assert_eq!(first_amount(0, &budgets), 1);
        assert_eq!(first_amount(100, &budgets), 100);
        assert_eq!(prompt_amount(500, 150, &budgets), 50);
        assert_eq!(prompt_amount(5, 150, &budgets), 5);
        assert_eq!(prompt_amount(5, 250, &budgets), 0);
    }
}
