//! Shares of budgets that the process takes from a service in advance.
//!
//! Shares are in the shared data, so all workers of the process use them, in tables of fixed size like the counts of the
//! process. A share belongs to one window and ends with it. One worker at a time fetches the next share of a budget: the
//! request that finds none waits for it, and the request that leaves a quarter of a share starts a fetch in the
//! background. Requests that arrive meanwhile and find nothing left wait for the same fetch.
//!
//! The size of a share is what the process used in the last second, at most a sixteenth of the limit, so that a process
//! with few requests does not hoard what others need. A refused share is halved. When one of a single unit is refused, the
//! budget is exhausted, and the service is not queried again in this window.

use super::service::Span;
use super::window::take;

/// Budgets per row that can have shares. Requests of further budgets query the service.
const SLOTS: usize = 8;

/// Limits below this amount have no shares: they would be too small.
const MIN_LIMIT: u32 = 100;

/// The part of a limit that a share may be.
const MAX_PART: u32 = 16;

/// The part of a limit that the first share of a window is, before the rate is known.
const FIRST_PART: u32 = 32;

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// For how long a service that has failed is not queried again.
const PAUSE: u64 = SECOND;

/// The shares of one budget in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    id: u64,
    /// The end of the window.
    end: u64,
    /// What is left of the shares.
    left: u32,
    /// What was left when the last one had arrived.
    size: u32,
    /// The smallest amount that the service has refused. It refuses it until the end of the window.
    refused: u32,
    /// What the service had left after the last one.
    rest: Option<u32>,
    /// The time of the last one; 0 before the first.
    since: u64,
    /// The time until which a fetch is expected to end; 0 if there is none.
    fetched_until: u64,
    /// The time until which the service is not queried, because it has failed; 0 if it has not.
    paused_until: u64,
}

/// Shares that are stored together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shares(Vec<Share>);

/// The result of taking an amount from a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) step: Step,
    /// The size of a share that must be fetched now.
    pub(super) fetch: Option<u32>,
    /// True if the shares have changed.
    pub(super) changed: bool,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It passes, with what is left of the budget, if that is known.
    Granted { left: Option<u32> },
    /// It is refused: the budget has less until the end of the window.
    Refused,
    /// It waits for the fetch of a share and tries again.
    Wait,
    /// It queries the service itself.
    Query,
    /// The service has just failed.
    Unavailable,
}

/// The result of fetching a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// The service has granted it, and has `rest` left, if that is known.
    Granted { rest: Option<u32> },
    /// The service has refused it.
    Refused { rest: Option<u32> },
    /// The service is unavailable.
    Failed,
    /// There is no response, because the fetch was aborted.
    Aborted,
}

/// What happens after a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A share of this size is fetched.
    Fetch(u32),
    /// Nothing.
    Done,
}

impl Share {
    fn new(id: u64, end: u64) -> Self {
        Share {
            id,
            end,
            left: 0,
            size: 0,
            refused: u32::MAX,
            rest: None,
            since: 0,
            fetched_until: 0,
            paused_until: 0,
        }
    }

    /// Returns the size of the next share, of which `amount` is needed.
    fn next(&self, limit: u32, amount: u32, now: u64) -> u32 {
        let rate = match now.checked_sub(self.since) {
            _ if self.since == 0 => limit / FIRST_PART,
            None | Some(0) => u32::MAX,
            Some(elapsed) => {
                let used = u64::from(self.size.saturating_sub(self.left));
                u32::try_from(used.saturating_mul(SECOND) / elapsed).unwrap_or(u32::MAX)
            }
        };
        // A service that reports what is left also counts what it refuses: if two gateways wanted all of it, one share would be lost.
        let known = self.rest.map_or(u32::MAX, |rest| rest.div_ceil(4)).min(self.refused / 2);
        rate.min(known).min(limit / MAX_PART).max(amount).max(1)
    }

    fn is_fetched(&self, now: u64, fetch_time: u64) -> bool {
        // A later time was set before the clock was set back.
        self.fetched_until > now && self.fetched_until - now <= fetch_time
    }

    fn is_paused(&self, now: u64) -> bool {
        self.paused_until > now && self.paused_until - now <= PAUSE
    }

    /// Records what the service has left, if that is known.
    fn has_left(&mut self, rest: Option<u32>) {
        self.rest = rest;
        self.refused = self.refused.min(rest.map_or(u32::MAX, |rest| rest.saturating_add(1)));
    }
}

impl Shares {
    /// Takes an amount from the share of a budget. A fetch takes at most `fetch_time`.
    pub(super) fn take(
        &mut self,
        id: u64,
        limit: u32,
        amount: u32,
        span: Span,
        now: u64,
        fetch_time: u64,
    ) -> Taken {
        const QUERY: Taken = Taken { step: Step::Query, fetch: None, changed: false };
        if limit < MIN_LIMIT || amount > limit / MAX_PART {
            return QUERY;
        }
        // A window that ends later than this one began before the clock was set back.
        self.0.retain(|share| now < share.end && share.end <= span.end);
        if !self.0.iter().any(|share| share.id == id) && self.0.len() < SLOTS {
            self.0.push(Share::new(id, span.end));
        }
        let Some(share) = self.0.iter_mut().find(|share| share.id == id) else { return QUERY };
        let is_fetched = share.is_fetched(now, fetch_time);
        let may_fetch = !is_fetched && !share.is_paused(now);
        let next = share.next(limit, amount, now);
        let (step, fetch) = match share.left.checked_sub(amount) {
            Some(left) => {
                let wanted = may_fetch && left <= share.size / 4 && share.refused > 1;
                share.left = left;
                let left = share.rest.map(|rest| rest.saturating_add(left));
                (Step::Granted { left }, wanted.then_some(next))
            }
            None if amount >= share.refused => (Step::Refused, None),
            None if is_fetched => (Step::Wait, None),
            None if may_fetch => (Step::Wait, Some(next)),
            None => (Step::Unavailable, None),
        };
        if fetch.is_some() {
            share.fetched_until = now.saturating_add(fetch_time);
        }
        let changed = fetch.is_some() || matches!(step, Step::Granted { .. });
        Taken { step, fetch, changed }
    }

    /// Returns an amount that was taken from a share.
    pub(super) fn give_back(&mut self, id: u64, amount: u32) {
        if let Some(share) = self.0.iter_mut().find(|share| share.id == id) {
            share.left = share.left.saturating_add(amount);
        }
    }

    /// Records the result of a fetch of `size`, of which a request needs `amount`, in a window.
    pub(super) fn record(
        &mut self,
        id: u64,
        (size, amount): (u32, u32),
        span: Span,
        result: Fetched,
        now: u64,
        fetch_time: u64,
    ) -> Next {
        let Some(share) = self.0.iter_mut().find(|share| share.id == id && share.end == span.end) else {
            return Next::Done;
        };
        share.fetched_until = 0;
        match result {
            Fetched::Granted { rest } => {
                share.left = share.left.saturating_add(size);
                share.size = share.left;
                share.since = now;
                share.has_left(rest);
            }
            Fetched::Refused { rest } => {
                share.refused = share.refused.min(size);
                share.has_left(rest);
                let next = rest.unwrap_or(u32::MAX).min(size / 2).max(amount).max(1);
                if next < share.refused && now < share.end {
                    share.fetched_until = now.saturating_add(fetch_time);
                    return Next::Fetch(next);
                }
            }
            Fetched::Failed => share.paused_until = now.saturating_add(PAUSE),
            Fetched::Aborted => {}
        }
        Next::Done
    }

    /// Reads shares. Invalid bytes give none.
    pub(super) fn read(mut bytes: &[u8]) -> Self {
        let mut shares = Vec::new();
        while let Some(share) = read_share(&mut bytes) {
            shares.push(share);
        }
        Shares(shares)
    }

    /// Returns the bytes of the shares.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 60);
        for share in &self.0 {
            for number in [share.id, share.end, share.since, share.fetched_until, share.paused_until] {
                bytes.extend(number.to_le_bytes());
            }
            let rest = share.rest.map_or(u64::MAX, u64::from);
            bytes.extend(rest.to_le_bytes());
            for number in [share.left, share.size, share.refused] {
                bytes.extend(number.to_le_bytes());
            }
        }
        bytes
    }
}

fn read_share(bytes: &mut &[u8]) -> Option<Share> {
    let mut long = || take(bytes).map(|number| u64::from_le_bytes(*number));
    let (id, end, since, fetched_until, paused_until, rest) =
        (long()?, long()?, long()?, long()?, long()?, long()?);
    let mut short = || take(bytes).map(|number| u32::from_le_bytes(*number));
    let (left, size, refused) = (short()?, short()?, short()?);
    let rest = u32::try_from(rest).ok();
    Some(Share { id, end, left, size, refused, rest, since, fetched_until, paused_until })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quota::Period;

    const TIMEOUT: u64 = 600_000_000;
    const LIMIT: u32 = 1_000;

    /// Takes one unit in the minute of `now`.
    fn one(shares: &mut Shares, now: u64) -> (Step, Option<u32>) {
        let taken = shares.take(7, LIMIT, 1, Span::of(Period::Minute, now), now, TIMEOUT);
        (taken.step, taken.fetch)
    }

    fn record(shares: &mut Shares, size: u32, result: Fetched, now: u64) -> Next {
        shares.record(7, (size, 1), Span::of(Period::Minute, now), result, now, TIMEOUT)
    }

    const GRANTED: Fetched = Fetched::Granted { rest: None };
    const REFUSED: Fetched = Fetched::Refused { rest: None };
    const START: u64 = 600 * SECOND;

    #[test]
    fn the_first_request_fetches_and_others_wait_for_it() {
        let mut shares = Shares::default();
        assert_eq!(one(&mut shares, START), (Step::Wait, Some(31)));
        assert_eq!(one(&mut shares, START + 1), (Step::Wait, None));
        assert_eq!(record(&mut shares, 31, GRANTED, START + 2), Next::Done);
        for _ in 0..23 {
            assert_eq!(one(&mut shares, START + SECOND), (Step::Granted { left: None }, None));
        }
        // A quarter is left, and 24 were used in a second and a half.
        let (step, fetch) = one(&mut shares, START + SECOND + SECOND / 2);
        assert_eq!((step, fetch), (Step::Granted { left: None }, Some(15)));
        assert_eq!(one(&mut shares, START + 2 * SECOND).1, None, "one fetch at a time");
    }

    #[test]
    fn a_fetch_that_does_not_end_is_replaced() {
        let mut shares = Shares::default();
        assert_eq!(one(&mut shares, START).1, Some(31));
        assert_eq!(one(&mut shares, START + TIMEOUT - 1), (Step::Wait, None));
        assert_eq!(one(&mut shares, START + TIMEOUT), (Step::Wait, Some(31)));
        // The clock is set back.
        assert_eq!(one(&mut shares, START + 1), (Step::Wait, Some(31)));
    }

    #[test]
    fn a_refused_share_is_halved_until_the_budget_is_exhausted() {
        let mut shares = Shares::default();
        assert_eq!(one(&mut shares, START).1, Some(31));
        for (size, next) in [(31, 15), (15, 7), (7, 3), (3, 1)] {
            assert_eq!(record(&mut shares, size, REFUSED, START), Next::Fetch(next));
            assert_eq!(one(&mut shares, START), (Step::Wait, None));
        }
        assert_eq!(record(&mut shares, 1, REFUSED, START), Next::Done);
        assert_eq!(one(&mut shares, START + SECOND), (Step::Refused, None));
        assert_eq!(one(&mut shares, START + 60 * SECOND), (Step::Wait, Some(31)), "the next window");
    }

    #[test]
    fn a_service_that_reports_what_is_left_is_not_queried_in_vain() {
        let mut shares = Shares::default();
        one(&mut shares, START);
        assert_eq!(record(&mut shares, 31, Fetched::Refused { rest: Some(5) }, START), Next::Fetch(5));
        assert_eq!(record(&mut shares, 5, Fetched::Granted { rest: Some(0) }, START), Next::Done);
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(one(&mut shares, START), (Step::Granted { left: Some(left) }, None));
        }
        assert_eq!(one(&mut shares, START), (Step::Refused, None));
    }

    #[test]
    fn a_share_is_at_most_a_quarter_of_what_a_service_has_left() {
        let mut shares = Shares::default();
        one(&mut shares, START);
        assert_eq!(record(&mut shares, 31, Fetched::Granted { rest: Some(37) }, START), Next::Done);
        let fetch = std::iter::repeat_with(|| one(&mut shares, START).1).take(31).find_map(|fetch| fetch);
        assert_eq!(fetch, Some(10));
    }

    #[test]
    fn a_service_that_fails_is_not_queried_for_a_second() {
        let mut shares = Shares::default();
        one(&mut shares, START);
        assert_eq!(record(&mut shares, 31, Fetched::Failed, START), Next::Done);
        assert_eq!(one(&mut shares, START + SECOND - 1), (Step::Unavailable, None));
        assert_eq!(one(&mut shares, START + SECOND), (Step::Wait, Some(31)));
    }

    #[test]
    fn an_aborted_fetch_is_left_to_the_next_request() {
        let mut shares = Shares::default();
        one(&mut shares, START);
        assert_eq!(record(&mut shares, 0, Fetched::Aborted, START), Next::Done);
        assert_eq!(one(&mut shares, START), (Step::Wait, Some(31)));
    }

    #[test]
    fn a_share_ends_with_its_window() {
        let mut shares = Shares::default();
        one(&mut shares, START);
        record(&mut shares, 31, GRANTED, START);
        assert_eq!(one(&mut shares, START + 59 * SECOND).0, Step::Granted { left: None });
        assert_eq!(one(&mut shares, START + 60 * SECOND), (Step::Wait, Some(31)));
        // A share of the previous window arrives.
        let late = Span::of(Period::Minute, START);
        assert_eq!(shares.record(7, (31, 1), late, GRANTED, START + 60 * SECOND, TIMEOUT), Next::Done);
        assert_eq!(one(&mut shares, START + 60 * SECOND), (Step::Wait, None));
    }

    #[test]
    fn small_limits_large_amounts_and_full_rows_query_the_service() {
        let span = Span::of(Period::Minute, START);
        let mut shares = Shares::default();
        let step = |shares: &mut Shares, id, limit, amount| {
            shares.take(id, limit, amount, span, START, TIMEOUT).step
        };
        assert_eq!(step(&mut shares, 1, 99, 1), Step::Query);
        assert_eq!(step(&mut shares, 1, 1_000, 63), Step::Query);
        for id in 1..=8 {
            assert_eq!(step(&mut shares, id, 1_000, 62), Step::Wait);
        }
        assert_eq!(step(&mut shares, 9, 1_000, 1), Step::Query);
        assert_eq!(Shares::read(&shares.write()), shares);
    }

    #[test]
    fn a_large_amount_is_refused_while_small_ones_pass() {
        let span = Span::of(Period::Minute, START);
        let mut shares = Shares::default();
        let take = |shares: &mut Shares, amount| {
            let taken = shares.take(7, LIMIT, amount, span, START, TIMEOUT);
            (taken.step, taken.fetch)
        };
        assert_eq!(take(&mut shares, 40), (Step::Wait, Some(40)));
        assert_eq!(shares.record(7, (40, 40), span, REFUSED, START, TIMEOUT), Next::Done);
        assert_eq!(take(&mut shares, 40), (Step::Refused, None));
        assert_eq!(take(&mut shares, 1), (Step::Wait, Some(20)));
    }

    proptest! {
        #[test]
        fn two_processes_never_exceed_the_limit_and_use_nearly_all_of_it(
            limit in 100_u32..3_000,
            reports: bool,
            order in prop::collection::vec((any::<bool>(), 0_u64..2_000_000), 1..4_000),
        ) {
            let mut processes = [Shares::default(), Shares::default()];
            let mut open: [Option<u32>; 2] = [None, None];
            let (mut used, mut passed, mut calls, mut now) = (0_u32, 0_u32, 0_u32, START);
            let span = Span::of(Period::Hour, START);
            let mut requests = order;
            // More than enough requests to use everything.
            requests.extend((0..limit * 2).map(|index| (index % 2 == 0, 1_000)));
            for (process, pause) in requests {
                now += pause;
                let process = usize::from(process);
                for _ in 0..20 {
                    let taken = processes[process].take(7, limit, 1, span, now, TIMEOUT);
                    open[process] = open[process].or(taken.fetch);
                    // The service answers at once.
                    while let Some(size) = open[process].take() {
                        calls += 1;
                        let granted = used + size <= limit;
                        used += if granted { size } else { 0 };
                        let rest = reports.then_some(limit - used);
                        let result = if granted { Fetched::Granted { rest } } else { Fetched::Refused { rest } };
                        match processes[process].record(7, (size, 1), span, result, now, TIMEOUT) {
                            Next::Fetch(size) => open[process] = Some(size),
                            Next::Done => {}
                        }
                    }
                    match taken.step {
                        Step::Granted { .. } => {
                            passed += 1;
                            break;
                        }
                        Step::Refused => break,
                        step => prop_assert_eq!(step, Step::Wait),
                    }
                }
                processes[process] = Shares::read(&processes[process].write());
            }
            prop_assert!(passed <= limit);
            prop_assert!(passed == limit, "{} of {}", passed, limit);
            prop_assert!(calls < limit, "{} calls", calls);
        }

        #[test]
        fn arbitrary_bytes_are_read(bytes: Vec<u8>, id: u64, now: u64) {
            let mut shares = Shares::read(&bytes);
            let span = Span::of(Period::Day, now);
            shares.take(id, 1_000, 1, span, now, TIMEOUT);
            shares.record(id, (5, 1), span, REFUSED, now, TIMEOUT);
        }
    }
}
