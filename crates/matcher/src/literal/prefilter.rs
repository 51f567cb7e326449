//! A quick look for the places in a text where no keyword begins.
//!
//! It hashes the four bytes (fewer, if a keyword is shorter) at each place into a bitmap that has a bit for
//! the beginning of every keyword, in each of its spellings. A few instructions per byte, which do not depend
//! on those of the byte before, make it several times as fast as an automaton, and its size is some
//! kilobytes. Where the bit is set a keyword may begin, or not.

use crate::case::{Case, Folding};

/// The bytes at a place that are looked at.
const WINDOW: usize = 4;

pub(super) struct Prefilter {
    bitmap: Vec<u8>,
    /// From a hash to the number of its bit.
    shift: u32,
    /// The bytes that every keyword has.
    mask: u32,
    /// The bit that tells ASCII's cases apart, four times, where case is ignored.
    case: u32,
}

impl Prefilter {
    /// A prefilter for patterns that are not empty and, without case, folded by `folding`.
    pub(super) fn new(patterns: &[String], folding: &Folding, case: Case) -> Self {
        let mut beginnings = Vec::new();
        for pattern in patterns {
            spell(pattern.chars(), folding, &mut Vec::new(), &mut beginnings);
        }
        let length = beginnings.iter().map(|(_, length)| *length).min().unwrap_or(WINDOW);
        // With one bit in 128 set, a text without keywords rarely wakes the automaton. 16 KiB stay in a
        // processor's first cache, and at 10,000 keywords still let more than nine places in ten pass.
        let bits = (beginnings.len() * 128).next_power_of_two().clamp(1 << 9, 1 << 17);
        let mut prefilter = Self {
            bitmap: vec![0; bits / 8],
            shift: u32::BITS - bits.trailing_zeros(),
            mask: u32::MAX >> (8 * (WINDOW - length)),
            case: if case == Case::Insensitive { 0x2020_2020 } else { 0 },
        };
        for (window, _) in beginnings {
            let (byte, bit) = prefilter.place(window);
            if let Some(byte) = prefilter.bitmap.get_mut(byte) {
                *byte |= 1 << bit;
            }
        }
        prefilter
    }

    /// The rest of `text` from the first place where a keyword may begin.
    #[inline]
    pub(super) fn skip<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        let windows = text.len().saturating_sub(WINDOW - 1);
        let free = text.windows(WINDOW).position(|window| {
            let window = window.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            let (byte, bit) = self.place(window);
            self.bitmap.get(byte).is_some_and(|byte| byte >> bit & 1 == 1)
        });
        text.get(free.unwrap_or(windows)..).unwrap_or_default()
    }

    #[inline(always)]
    fn place(&self, window: u32) -> (usize, u32) {
        let hash = ((window & self.mask) | self.case).wrapping_mul(0x9e37_79b1) >> self.shift;
        ((hash / 8) as usize, hash % 8)
    }
}

/// Adds the first bytes of every spelling of a pattern, and how many of them there are.
fn spell(
    mut rest: std::str::Chars<'_>,
    folding: &Folding,
    so_far: &mut Vec<u8>,
    beginnings: &mut Vec<(u32, usize)>,
) {
    let next = rest.next().filter(|_| so_far.len() < WINDOW);
    let Some(c) = next else {
        let mut window = [0; WINDOW];
        window.iter_mut().zip(&*so_far).for_each(|(place, byte)| *place = *byte);
        beginnings.push((u32::from_le_bytes(window), so_far.len().min(WINDOW)));
        return;
    };
    for &spelling in folding.spellings(c).unwrap_or(&[c]) {
        let length = so_far.len();
        so_far.extend_from_slice(spelling.encode_utf8(&mut [0; 4]).as_bytes());
        spell(rest.clone(), folding, so_far, beginnings);
        so_far.truncate(length);
    }
}
