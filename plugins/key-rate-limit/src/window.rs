//! The algorithm: a sliding window in whole numbers.
//!
//! A window is cut into [`PARTS`], and requests are counted by the part that they came in. What counts against the
//! limit is the current part and the [`PARTS`] before it, a little more than a window. So in **no** window, wherever
//! it begins, do more requests pass than the limit, and one that was refused passes at the latest a window and
//! one part after the requests that stand in its way.
//!
//! Why not a token bucket (GCRA), which needs one number: it lets a full bucket pass at once and refills it meanwhile,
//! nearly twice the limit within one window. Why not counters for fixed windows: twice the limit at their edge.

/// Parts of a window: a multiple of none of them is lost, since 10⁹ is divisible by 2⁵.
const PARTS: usize = 32;

/// What a limit is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// `query_per_second`.
    Second,
    /// `query_per_minute`.
    Minute,
    /// `query_per_hour`.
    Hour,
    /// `query_per_day`.
    Day,
}

impl Period {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Period; 4] = [Period::Second, Period::Minute, Period::Hour, Period::Day];

    /// A part of the window, in nanoseconds.
    const fn part(self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let window = match self {
            Period::Second => SECOND,
            Period::Minute => 60 * SECOND,
            Period::Hour => 3_600 * SECOND,
            Period::Day => 86_400 * SECOND,
        };
        window / PARTS as u64
    }
}

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passes.
    Passes {
        /// How many more would pass now.
        left: u32,
    },
    /// It is one too many.
    Refused {
        /// In how many nanoseconds one passes again, if none comes before.
        wait: u64,
    },
}

/// The requests of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    period: Period,
    /// The number of the current part, counted from 1970.
    part: u64,
    /// The requests of the current part and those before it.
    counts: [u32; PARTS + 1],
}

impl Window {
    /// A window without requests.
    pub fn new(period: Period) -> Self {
        Window { period, part: 0, counts: [0; PARTS + 1] }
    }

    /// The number of its current part.
    pub fn part(&self) -> u64 {
        self.part
    }

    /// Lets the time come that is `now`, in nanoseconds since 1970; whether it is before the last request, because
    /// somebody has set the clock back. Then it is as if no time had passed.
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

    /// The requests that count.
    fn total(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// Whether no request counts any more.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Counts a request, unless it is more than `limit`.
    pub fn take(&mut self, limit: u32, now: u64) -> Verdict {
        self.advance(now);
        let left = u64::from(limit).saturating_sub(self.total());
        match (u32::try_from(left).ok().and_then(|left| left.checked_sub(1)), self.counts.first_mut()) {
            (Some(left), Some(current)) => {
                *current = current.saturating_add(1);
                Verdict::Passes { left }
            }
            _ => Verdict::Refused { wait: self.wait(limit, now) },
        }
    }

    /// When so many have left that one passes again.
    fn wait(&self, limit: u32, now: u64) -> u64 {
        let mut total = self.total();
        for (age, count) in self.counts.iter().enumerate().rev() {
            total -= u64::from(*count);
            if total < u64::from(limit) {
                // The part after the last one in which it counts.
                let leaves = (self.part + PARTS as u64 + 1).saturating_sub(age as u64);
                return leaves.saturating_mul(self.period.part()).saturating_sub(now);
            }
        }
        0
    }

    /// Appends its counts that are not 0, each after its age. Its period and its part are written by whoever keeps it.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        let counts = || (0..).zip(&self.counts).filter(|(_, count)| **count > 0);
        bytes.push(counts().count() as u8);
        for (age, count) in counts() {
            bytes.push(age);
            write_number(*count, bytes);
        }
    }

    /// Reads what [`write`](Self::write) has appended, from the front of `bytes`.
    pub fn read(period: Period, part: u64, bytes: &mut &[u8]) -> Option<Self> {
        let mut window = Window { part, ..Window::new(period) };
        for _ in 0..byte(bytes)? {
            let age = usize::from(byte(bytes)?);
            *window.counts.get_mut(age)? = read_number(bytes)?;
        }
        Some(window)
    }
}

/// Seven bits a byte, the lowest first; most counts are small.
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

/// Takes so many bytes off the front.
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

    fn passes(window: &mut Window, limit: u32, now: u64) -> bool {
        matches!(window.take(limit, now), Verdict::Passes { .. })
    }

    #[test]
    fn the_limit_passes_at_once_and_again_a_window_later() {
        let mut window = Window::new(Period::Second);
        let now = 7 * SECOND;
        for left in [2, 1, 0] {
            assert_eq!(window.take(3, now), Verdict::Passes { left });
        }
        assert_eq!(window.take(3, now + PART), Verdict::Refused { wait: SECOND });
        assert!(!passes(&mut window, 3, now + SECOND + PART - 1));
        assert_eq!(window.take(3, now + SECOND + PART), Verdict::Passes { left: 2 });
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_the_count_and_waits_for_one_window() {
        let mut window = Window::new(Period::Second);
        assert!(passes(&mut window, 1, 1_000 * SECOND));
        assert!(!passes(&mut window, 1, 500 * SECOND));
        assert!(!passes(&mut window, 1, 501 * SECOND));
        assert!(passes(&mut window, 1, 501 * SECOND + PART));
    }

    fn periods() -> impl Strategy<Value = Period> {
        prop::sample::select(Period::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn no_window_has_more_and_what_is_refused_had_to_be(
            period in periods(),
            limit in 1_u32..8,
            // In 1/256 of a window.
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
                match window.clone().take(limit, now) {
                    Verdict::Passes { left } => {
                        prop_assert!(within < limit as usize);
                        prop_assert!(left < limit);
                    }
                    Verdict::Refused { wait } => {
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
        fn numbers_of_any_size_come_back(number: u32) {
            let mut bytes = Vec::new();
            write_number(number, &mut bytes);
            prop_assert_eq!(read_number(&mut bytes.as_slice()), Some(number));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes: Vec<u8>, part: u64, now: u64, limit in 1_u32..) {
            if let Some(mut window) = Window::read(Period::Day, part, &mut bytes.as_slice()) {
                window.take(limit, now);
            }
        }
    }
}
