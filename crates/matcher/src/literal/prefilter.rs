//! A filter that quickly skips positions in a text at which no keyword begins.
//!
//! It hashes the four bytes (fewer, if a keyword is shorter) at each position into a bitmap with a bit for the beginning of each
//! spelling of a keyword. It needs a few instructions per byte, which do not depend on the previous byte, so it is several times
//! faster than an automaton, and its size is a few kilobytes. If the bit is set, a keyword may begin at the position.

use crate::case::{Case, Folding};

/// The number of bytes that are hashed at a position.
const WINDOW: usize = 4;

pub(super) struct Prefilter {
    bitmap: Vec<u8>,
    /// The shift from a hash to the number of its bit.
    shift: u32,
    /// The mask of the bytes that every keyword has.
    mask: u32,
    /// The bits that distinguish the case of ASCII, if case is ignored.
    case: u32,
}

impl Prefilter {
    /// Creates a prefilter for patterns that are not empty. If case is ignored, they are folded by `folding`.
    pub(super) fn new(patterns: &[String], folding: &Folding, case: Case) -> Self {
        let mut beginnings = Vec::new();
        for pattern in patterns {
            spell(pattern.chars(), folding, &mut Vec::new(), &mut beginnings);
        }
        let length = beginnings.iter().map(|(_, length)| *length).min().unwrap_or(WINDOW);
        // With one bit in 128 set, a text without keywords rarely starts the automaton. 16 KiB fit into the first-level cache
        // of a processor, and with 10,000 keywords still skip more than nine positions in ten.
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

    /// Returns the rest of `text` from the first position at which a keyword may begin.
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

/// Adds the first bytes of each spelling of a pattern, and their number.
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
