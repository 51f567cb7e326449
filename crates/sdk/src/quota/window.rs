//! The algorithm: a sliding window in integer arithmetic.
//!
//! A window is divided into [`PARTS`], and requests are counted per part. The current part and the [`PARTS`] before it
//! count against the limit, slightly more than a window. So **no** window, wherever it begins, contains more requests
//! than the limit, and a refused request passes at the latest one window and one part after the requests that block it.
//! (What is charged regardless of the limit counts in the same way.)
//!
//! Alternatives: a token bucket (GCRA) needs a single number, but passes a full bucket at once and refills it meanwhile,
//! nearly twice the limit within one window. Counters for fixed windows pass twice the limit around their edge.

use std::time::Duration;

use super::Verdict;

/// Parts of a window. A part of a second is a whole number of nanoseconds, since 10⁹ is divisible by 2⁵.
const PARTS: usize = 32;

/// The period of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
}

impl Period {
    /// All periods.
    #[cfg(test)]
    pub const ALL: [Period; 4] = [Period::Second, Period::Minute, Period::Hour, Period::Day];

    /// Returns its length in nanoseconds.
    pub(super) const fn nanoseconds(self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        match self {
            Period::Second => SECOND,
            Period::Minute => 60 * SECOND,
            Period::Hour => 3_600 * SECOND,
            Period::Day => 86_400 * SECOND,
        }
    }

    /// Returns its length in seconds.
    pub const fn seconds(self) -> u64 {
        self.nanoseconds() / 1_000_000_000
    }

    /// Returns its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Period::Second => "second",
            Period::Minute => "minute",
            Period::Hour => "hour",
            Period::Day => "day",
        }
    }

    /// Returns the length of a part of the window in nanoseconds.
    const fn part(self) -> u64 {
        self.nanoseconds() / PARTS as u64
    }
}

/// The counts of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    period: Period,
    /// Index of the current part since 1970.
    part: u64,
    /// Counts of the current part and those before it.
    counts: [u32; PARTS + 1],
}

impl Window {
    /// Creates an empty window.
    pub fn new(period: Period) -> Self {
        Window { period, part: 0, counts: [0; PARTS + 1] }
    }

    /// Returns the index of the current part.
    pub fn part(&self) -> u64 {
        self.part
    }

    /// Advances the window to `now`, in nanoseconds since 1970. Returns true if the clock has been set back; the counts
    /// are then kept as if no time had passed.
    pub fn advance(&mut self, now: u64) -> bool {
        let part = now / self.period.part();
        if part == self.part {
            return false;
        }
        let set_back = part < self.part;
        match usize::try_from(part.saturating_sub(self.part)) {
            Ok(passed @ 0..=PARTS) => {
                self.counts.rotate_right(passed);
                self.counts.iter_mut().take(passed).for_each(|count| *count = 0);
            }
            _ => self.counts = [0; PARTS + 1],
        }
        self.part = part;
        set_back
    }

    /// Returns the amount that counts.
    fn total(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// Returns true if nothing counts any more.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Returns what `limit` has left. The window must have been advanced to the current time.
    pub fn left(&self, limit: u32) -> u32 {
        u32::try_from(u64::from(limit).saturating_sub(self.total())).unwrap_or(limit)
    }

    /// Returns whether `limit` has an amount left. The window must have been advanced to `now`.
    pub fn check(&self, limit: u32, amount: u32, now: u64) -> Verdict {
        match self.left(limit).checked_sub(amount) {
            left @ Some(_) => Verdict::Granted { left },
            None => Verdict::Refused { wait: self.wait(limit, amount, now).map(Duration::from_nanos) },
        }
    }

    /// Counts an amount. The window must have been advanced to the current time.
    pub fn add(&mut self, amount: u32) {
        if let Some(current) = self.counts.first_mut() {
            *current = current.saturating_add(amount);
        }
    }

    /// Removes an amount from the counts, the latest first.
    pub fn remove(&mut self, mut amount: u32) {
        for count in &mut self.counts {
            let removed = amount.min(*count);
            *count -= removed;
            amount -= removed;
        }
    }

    /// Returns the time until enough has expired for `amount`, or `None` if it exceeds the limit.
    fn wait(&self, limit: u32, amount: u32, now: u64) -> Option<u64> {
        let room = u64::from(limit.checked_sub(amount)?);
        let mut total = self.total();
        for (age, count) in self.counts.iter().enumerate().rev() {
            total -= u64::from(*count);
            if total <= room {
                // The first part in which it does not count.
                let leaves = (self.part + PARTS as u64 + 1).saturating_sub(age as u64);
                return Some(leaves.saturating_mul(self.period.part()).saturating_sub(now));
            }
        }
        Some(0)
    }

    /// Appends the non-zero counts, each after its age. The caller stores the period and the part.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let counts = || (0..).zip(&self.counts).filter(|(_, count)| **count > 0);
        bytes.push(counts().count() as u8);
        for (age, count) in counts() {
            bytes.push(age);
            write_number(*count, bytes);
        }
    }

    /// Reads the output of [`write`](Self::write) from the front of `bytes`.
    pub fn read(period: Period, part: u64, bytes: &mut &[u8]) -> Option<Self> {
        let mut window = Window { part, ..Window::new(period) };
        for _ in 0..byte(bytes)? {
            let age = usize::from(byte(bytes)?);
            *window.counts.get_mut(age)? = read_number(bytes)?;
        }
        Some(window)
    }
}

/// Appends a variable-length integer (LEB128); most counts are small.
fn write_number(mut number: u32, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number: u32 = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let byte = byte(bytes)?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    take::<1>(bytes).map(|[byte]| *byte)
}

/// Takes `SIZE` bytes off the front.
pub fn take<'a, const SIZE: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; SIZE]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const PART: u64 = SECOND / PARTS as u64;

    fn take(window: &mut Window, limit: u32, amount: u32, now: u64) -> Verdict {
        window.advance(now);
        let verdict = window.check(limit, amount, now);
        if let Verdict::Granted { .. } = verdict {
            window.add(amount);
        }
        verdict
    }

    fn passes(window: &mut Window, limit: u32, now: u64) -> bool {
        matches!(take(window, limit, 1, now), Verdict::Granted { .. })
    }

    #[test]
    fn the_limit_passes_in_a_burst_and_again_after_a_window() {
        let mut window = Window::new(Period::Second);
        let now = 7 * SECOND;
        for left in [2, 1, 0] {
            assert_eq!(take(&mut window, 3, 1, now), Verdict::Granted { left: Some(left) });
        }
        assert_eq!(
            take(&mut window, 3, 1, now + PART),
            Verdict::Refused { wait: Some(Duration::from_nanos(SECOND)) }
        );
        assert!(!passes(&mut window, 3, now + SECOND + PART - 1));
        assert_eq!(take(&mut window, 3, 1, now + SECOND + PART), Verdict::Granted { left: Some(2) });
    }

    #[test]
    fn setting_the_clock_back_keeps_the_count_for_one_window() {
        let mut window = Window::new(Period::Second);
        assert!(passes(&mut window, 1, 1_000 * SECOND));
        assert!(!passes(&mut window, 1, 500 * SECOND));
        assert!(!passes(&mut window, 1, 501 * SECOND));
        assert!(passes(&mut window, 1, 501 * SECOND + PART));
    }

    #[test]
    fn an_amount_is_taken_whole_or_not_at_all() {
        let mut window = Window::new(Period::Second);
        let now = 7 * SECOND;
        assert_eq!(take(&mut window, 10, 7, now), Verdict::Granted { left: Some(3) });
        let wait = Some(Duration::from_nanos(SECOND + PART));
        assert_eq!(take(&mut window, 10, 4, now), Verdict::Refused { wait });
        assert_eq!(take(&mut window, 10, 3, now + PART), Verdict::Granted { left: Some(0) });
        // Only the first seven have to expire for 7, and all ten for 8.
        assert_eq!(
            take(&mut window, 10, 7, now + PART),
            Verdict::Refused { wait: Some(Duration::from_nanos(SECOND)) }
        );
        assert_eq!(take(&mut window, 10, 8, now + PART), Verdict::Refused { wait });
        assert_eq!(take(&mut window, 10, 11, now), Verdict::Refused { wait: None });
    }

    #[test]
    fn a_charge_may_exceed_the_limit_and_what_is_given_back_is_free_again() {
        let mut window = Window::new(Period::Second);
        let now = 7 * SECOND;
        window.advance(now);
        window.add(5);
        window.advance(now + PART);
        window.add(7);
        assert_eq!((window.left(10), window.left(20)), (0, 8));
        assert!(!passes(&mut window, 10, now + PART));
        window.remove(8);
        assert_eq!(window.left(10), 6);
        // The latest went first: what is left expires with the older part.
        assert!(matches!(take(&mut window.clone(), 4, 1, now + SECOND), Verdict::Refused { .. }));
        window.advance(now + SECOND + PART);
        assert!(window.is_empty());
        window.remove(u32::MAX);
        assert_eq!(window.left(10), 10);
    }

    fn periods() -> impl Strategy<Value = Period> {
        prop::sample::select(Period::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn no_window_exceeds_the_limit_and_refusals_are_necessary(
            period in periods(),
            limit in 1_u32..8,
            // In units of 1/256 of a window.
            pauses in prop::collection::vec(prop_oneof![0_u64..4, 0_u64..64, 0_u64..600], 1..200),
            start: u32,
        ) {
            let part = period.part();
            let span = part * PARTS as u64;
            let mut window = Window::new(period);
            let mut now = u64::from(start) * 1_000_000_007;
            let mut passed: Vec<u64> = Vec::new();
            for pause in pauses {
                now += pause * (span / 256);
                let since = |age: u64| passed.iter().filter(|time| now - **time < age).count();
                let (within, around) = (since(span), since(span + part));
                match take(&mut window.clone(), limit, 1, now) {
                    Verdict::Granted { left } => {
                        prop_assert!(within < limit as usize);
                        prop_assert!(left.unwrap() < limit);
                    }
                    Verdict::Refused { wait } => {
                        let wait = u64::try_from(wait.unwrap().as_nanos()).unwrap();
                        prop_assert!(around >= limit as usize);
                        prop_assert!(wait > 0 && wait <= span + part);
                        prop_assert!(!passes(&mut window.clone(), limit, now + wait - 1));
                        prop_assert!(passes(&mut window.clone(), limit, now + wait));
                    }
                }
                if passes(&mut window, limit, now) {
                    passed.push(now);
                }
                let mut bytes = Vec::new();
                window.write(&mut bytes);
                prop_assert_eq!(Window::read(period, window.part(), &mut bytes.as_slice()), Some(window.clone()));
            }
        }

        #[test]
        fn numbers_round_trip(number: u32) {
            let mut bytes = Vec::new();
            write_number(number, &mut bytes);
            prop_assert_eq!(read_number(&mut bytes.as_slice()), Some(number));
        }

        #[test]
        fn arbitrary_bytes_are_read(bytes: Vec<u8>, part: u64, now: u64, limit in 1_u32..) {
            if let Some(mut window) = Window::read(Period::Day, part, &mut bytes.as_slice()) {
                take(&mut window, limit, 1, now);
            }
        }
    }
}
