//! Searching a text, position by position.
//!
//! At most positions, the filter of first pairs shows that no word begins. At the others, a walk through the prefixes ends with
//! a word, with a character that does not continue any word, or with the text. It takes at most as many steps as the longest
//! word has characters, which bounds the cost of a text.

use super::characters::{fold_ascii, is_plain_lead, is_spaced};
use super::format::{Tables, packed};
use super::{Categories, WordMatch};

/// The result of a walk at a position.
enum Walk {
    Nothing,
    /// A word, after which so many bytes of the text are left.
    Word {
        left: usize,
    },
    Open,
}

/// Properties of the first character of a text.
struct Step {
    /// The number of bytes to advance.
    length: usize,
    /// True if the character belongs to a word that is separated by spaces.
    in_word: bool,
    /// True if a denied word may begin with the character.
    may_begin: bool,
}

impl Tables<'_> {
    pub(super) fn find(&self, wanted: Categories, text: &str, from: usize, ended: bool) -> WordMatch {
        let Some((before, rest)) = text.split_at_checked(text.floor_char_boundary(from)) else {
            return WordMatch::None;
        };
        if wanted.is_empty() {
            return WordMatch::None;
        }
        let mut in_word = before.chars().next_back().is_some_and(|c| is_spaced(self.fold(c)));
        let mut rest = rest;
        while let Some(step) = self.step(rest, in_word) {
            if step.may_begin {
                let start = text.len() - rest.len();
                match self.walk(wanted, rest, ended) {
                    Walk::Nothing => {}
                    Walk::Word { left } => return WordMatch::Word { start, end: text.len() - left },
                    Walk::Open => return WordMatch::Open { start },
                }
            }
            in_word = step.in_word;
            rest = rest.get(step.length..).unwrap_or_default();
        }
        WordMatch::None
    }

    /// Reads the first character of a text, and further ones at which no word can begin. `None` at the end.
    #[inline(always)]
    fn step(&self, text: &str, in_word: bool) -> Option<Step> {
        let bytes = text.as_bytes();
        let &first = bytes.first()?;
        if first.is_ascii() {
            if !first.is_ascii_alphanumeric() {
                let may_begin = first > b' ' && self.may_begin_here(bytes);
                return Some(Step { length: 1, in_word: false, may_begin });
            }
            if in_word {
                let length =
                    bytes.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(bytes.len());
                return Some(Step { length, in_word, may_begin: false });
            }
            return Some(Step { length: 1, in_word: true, may_begin: self.may_begin_here(bytes) });
        }
        if let Some(&eight) = bytes.first_chunk() {
            let both = u64::from_le_bytes(eight);
            if is_plain_lead(first) && is_plain_lead((both >> 24) as u8) {
                let [first, second] = [both, both >> 24].map(|c| (c & 0xff_ffff) as u32);
                return Some(Step {
                    length: 3,
                    in_word: false,
                    may_begin: self.may_begin_with(first, second),
                });
            }
        }
        let mut chars = text.chars();
        let first = self.fold(chars.next()?);
        let length = bytes.len() - chars.as_str().len();
        let spaced = is_spaced(first);
        let may_begin = match chars.next() {
            _ if spaced && in_word => false,
            // Four ASCII characters of any width may follow.
            _ if first.is_ascii() => u8::try_from(first).is_ok_and(|first| self.begins_with(first)),
            Some(second) => self.may_begin_with(packed(first), packed(self.fold(second))),
            None => true,
        };
        Some(Step { length, in_word: spaced, may_begin })
    }

    /// Returns true if a word may begin at a text that begins with ASCII.
    #[inline]
    fn may_begin_here(&self, text: &[u8]) -> bool {
        text.first().is_some_and(|&first| self.begins_with(fold_ascii(first)))
            && match text.first_chunk::<4>() {
                Some(four) if four.is_ascii() => self.may_begin_with_four(four.map(fold_ascii)),
                _ => true,
            }
    }

    #[inline(never)]
    fn walk(&self, wanted: Categories, text: &str, ended: bool) -> Walk {
        let mut chars = text.chars();
        let mut prefix = 0;
        let cut_short = if ended { Walk::Nothing } else { Walk::Open };
        loop {
            let Some(mut last) = chars.next().map(|c| self.fold(c)) else {
                return cut_short;
            };
            let Some((longer, record)) = self.longer(prefix, last) else {
                return Walk::Nothing;
            };
            prefix = longer;
            let Some(record) = record else {
                continue;
            };
            let is_wanted = record.categories.share(wanted);
            if !record.inner && !is_wanted {
                return Walk::Nothing;
            }
            // Most equal texts have equal bytes.
            let same = common_prefix(record.rest, chars.as_str());
            let Some((same, different)) = chars.as_str().split_at_checked(same) else {
                return Walk::Nothing;
            };
            let rest = record.rest.get(same.len()..).unwrap_or_default();
            // Most texts with the same beginning differ in the next character. The cost of reading the rest first depends on
            // the position of the tables in memory.
            if let (Some(&wanted), Some(&came)) = (rest.first(), different.as_bytes().first())
                && came.is_ascii()
                && fold_ascii(came) != wanted
            {
                return Walk::Nothing;
            }
            last = same.chars().next_back().map_or(last, |c| self.fold(c));
            chars = different.chars();
            // Valid tables contain UTF-8; others match nothing.
            let Ok(rest) = std::str::from_utf8(rest) else {
                return Walk::Nothing;
            };
            for expected in rest.chars() {
                match chars.next().map(|c| self.fold(c)) {
                    None => return cut_short,
                    Some(c) if c == expected => last = c,
                    Some(_) => return Walk::Nothing,
                }
            }
            if is_wanted {
                let next = chars.clone().next().map(|c| is_spaced(self.fold(c)));
                let is_whole = match next {
                    _ if !is_spaced(last) => true,
                    Some(goes_on) => !goes_on,
                    None if ended => true,
                    None => return Walk::Open,
                };
                if is_whole {
                    return Walk::Word { left: chars.as_str().len() };
                }
            }
            if !record.inner {
                return Walk::Nothing;
            }
        }
    }
}

/// Returns the length of a common prefix, in groups of eight bytes, that ends between characters of `text`.
fn common_prefix(word: &[u8], text: &str) -> usize {
    let (words, texts) = (word.as_chunks::<8>().0, text.as_bytes().as_chunks::<8>().0);
    let same = words.iter().zip(texts).take_while(|(one, other)| one == other).count() * 8;
    text.floor_char_boundary(same)
}
