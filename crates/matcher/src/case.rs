//! Case sensitivity and case folding.
//!
//! Folding is Unicode's simple case folding, like in this crate's regular expressions: С and с are equal, as are k, K and the
//! Kelvin sign, s and ſ, σ, ς and Σ, ß and ẞ. It replaces single characters, and only those that occur in a pattern; other
//! bytes are unchanged.

use std::collections::BTreeMap;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// Case sensitivity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// Bytes are compared.
    #[default]
    Sensitive,
    /// Case is ignored, with Unicode's simple case folding. Bytes that are not UTF-8 are compared without folding.
    Insensitive,
}

/// The folding of patterns, and of the characters of texts that occur in them.
///
/// A folded text still has ASCII in both cases, because the search can ignore the case of ASCII at a lower cost.
pub(crate) struct Folding {
    /// The representative of each character of the patterns that is not ASCII, and of all other spellings.
    representatives: BTreeMap<char, char>,
    /// The spellings of representatives that have more than those in ASCII.
    spellings: BTreeMap<char, Vec<char>>,
    /// The characters that fold to another one: for each first byte from 0xc0, a bit for each second byte.
    seconds: [u64; 64],
}

/// An incomplete character of a text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Partial(Bytes);

/// Up to eight bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bytes {
    bytes: [u8; 8],
    len: u8,
}

impl Bytes {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Partial {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Returns the bytes so far. They are not folded if no more follow.
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl Default for Folding {
    fn default() -> Self {
        Self { representatives: BTreeMap::new(), spellings: BTreeMap::new(), seconds: [0; 64] }
    }
}

impl Folding {
    /// Folds a pattern, including ASCII to lower case, and adds the spellings of its characters.
    pub(crate) fn learn(&mut self, pattern: &str) -> String {
        pattern.chars().map(|c| self.learn_char(c)).collect()
    }

    /// Folds one character of a pattern.
    pub(crate) fn learn_char(&mut self, c: char) -> char {
        // Only these ASCII letters have spellings outside ASCII.
        if c.is_ascii() && !matches!(c, 'k' | 'K' | 's' | 'S') {
            return c.to_ascii_lowercase();
        }
        if let Some(&representative) = self.representatives.get(&c) {
            return representative;
        }
        let spellings = spellings_of(c);
        // Most texts are in lower case, and `learn` guarantees it for ASCII.
        let lower = || spellings.iter().copied().find(|c| c.is_lowercase());
        let representative = lower().or_else(|| spellings.first().copied()).unwrap_or(c);
        for &spelling in &spellings {
            self.representatives.insert(spelling, representative);
            if !spelling.is_ascii() && spelling != representative {
                let mut buffer = [0; 4];
                if let [lead, second, ..] = *spelling.encode_utf8(&mut buffer).as_bytes()
                    && let Some(seconds) = self.seconds.get_mut(usize::from(lead & 63))
                {
                    *seconds |= 1 << (second & 63);
                }
            }
        }
        if spellings.len() > 1 {
            self.spellings.insert(representative, spellings);
        }
        representative
    }

    /// Returns the spellings of a character of a pattern, if it has more than those in ASCII.
    pub(crate) fn spellings(&self, c: char) -> Option<&[char]> {
        self.spellings.get(&c).map(Vec::as_slice)
    }

    /// Returns the characters outside ASCII that fold to another one, in ascending order, with the other one.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (char, char)> + '_ {
        let pairs =
            self.representatives.iter().map(|(&spelling, &representative)| (spelling, representative));
        pairs.filter(|(spelling, representative)| !spelling.is_ascii() && spelling != representative)
    }

    /// Returns true if a character that folds to another one may begin with `byte` and, if known, `next`. Other bytes are not
    /// changed, unless they belong to a [`Partial`] character.
    #[inline(always)]
    fn may_begin(&self, byte: u8, next: Option<u8>) -> bool {
        if byte < 0xc0 {
            return false;
        }
        let seconds = self.seconds.get(usize::from(byte & 63)).copied().unwrap_or_default();
        seconds != 0 && next.is_none_or(|next| seconds >> (next & 63) & 1 == 1)
    }

    /// Returns the number of leading bytes of `text` that only ASCII folding can change. `text` must not continue a [`Partial`]
    /// character.
    #[inline]
    pub(crate) fn plain_prefix(&self, text: &[u8]) -> usize {
        let mut plain = 0;
        let mut rest = text.iter();
        while let Some(ascii) = rest.position(|byte| *byte >= 0xc0) {
            plain += ascii;
            let next = rest.as_slice().first().copied();
            if text.get(plain).is_some_and(|&byte| self.may_begin(byte, next)) {
                return plain;
            }
            plain += 1;
        }
        text.len()
    }

    /// Adds the next byte of a text, and returns the next bytes of the folded text.
    ///
    /// Folding single characters is enough: in any bytes, valid UTF-8 or not, a sequence that is a valid character from its
    /// first byte on is one, because no first byte occurs inside another character.
    pub(crate) fn push(&self, partial: &mut Partial, byte: u8) -> Bytes {
        let mut folded = Bytes::default();
        if !partial.is_empty() && !is_continuation(byte) {
            folded = std::mem::take(partial).0;
        }
        if partial.is_empty() && !self.may_begin(byte, None) {
            folded.push(byte);
            return folded;
        }
        partial.0.push(byte);
        let lead = partial.as_slice().first().copied().unwrap_or_default();
        if partial.as_slice().len() == width(lead) {
            folded = self.fold_char(std::mem::take(partial).0);
        }
        folded
    }

    fn fold_char(&self, bytes: Bytes) -> Bytes {
        let c = std::str::from_utf8(bytes.as_slice()).ok().and_then(|text| text.chars().next());
        let Some(representative) = c.and_then(|c| self.representatives.get(&c)) else {
            return bytes;
        };
        let mut folded = Bytes::default();
        representative.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| folded.push(byte));
        folded
    }

    /// Folds a whole text, including ASCII to lower case.
    pub(crate) fn fold(&self, text: &[u8]) -> Vec<u8> {
        let mut folded = Vec::with_capacity(text.len());
        let mut partial = Partial::default();
        let mut rest = text;
        loop {
            let plain = if partial.is_empty() { self.plain_prefix(rest) } else { 0 };
            let (run, after) = rest.split_at(plain.min(rest.len()));
            folded.extend_from_slice(run);
            let Some((&byte, after)) = after.split_first() else {
                break;
            };
            folded.extend_from_slice(self.push(&mut partial, byte).as_slice());
            rest = after;
        }
        folded.extend_from_slice(partial.as_slice());
        folded.make_ascii_lowercase();
        folded
    }
}

/// Returns the characters that differ from `c` only in case, including `c`, in ascending order.
fn spellings_of(c: char) -> Vec<char> {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    // This fails only if the tables are not compiled in; there is no folding then.
    if class.try_case_fold_simple().is_err() {
        return vec![c];
    }
    class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect()
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Returns the length of the character that begins with `lead`, the first byte of a character outside ASCII.
fn width(lead: u8) -> usize {
    match lead {
        0xf0.. => 4,
        0xe0.. => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(pattern: &str, text: &[u8]) -> bool {
        let mut folding = Folding::default();
        let pattern = folding.learn(pattern);
        folding.fold(text) == pattern.as_bytes()
    }

    #[test]
    fn every_spelling_folds_to_one() {
        for class in ["kK\u{212a}", "sSſ", "σςΣ", "ßẞ", "сС", "µμΜ", "åÅ\u{212b}", "ǆǅǄ", "aA", "中", "1"]
        {
            for pattern in class.chars() {
                for text in class.chars() {
                    assert!(same(&pattern.to_string(), text.to_string().as_bytes()), "{pattern} {text}");
                }
            }
        }
        assert!(!same("ss", "ß".as_bytes()), "simple folding keeps the number of characters");
        assert!(!same("i", "İ".as_bytes()));
    }

    #[test]
    fn only_ascii_k_and_s_have_spellings_outside_ascii() {
        for c in (0..128u8).map(char::from) {
            let outside = spellings_of(c).iter().any(|spelling| !spelling.is_ascii());
            assert_eq!(outside, matches!(c, 'k' | 'K' | 's' | 'S'), "{c}");
            if c.is_ascii() {
                assert!(same(&c.to_string(), &[c.to_ascii_uppercase() as u8]));
            }
        }
    }

    #[test]
    fn invalid_utf8_is_unchanged() {
        let mut folding = Folding::default();
        folding.learn("kс");
        assert_eq!(folding.fold(b"\xe2\x84"), b"\xe2\x84");
        assert_eq!(folding.fold(b"\xe2\x84\xe2\x84\xaaK"), b"\xe2\x84kk");
        assert_eq!(folding.fold(b"\xe2A\xd0\xd0\xa1\xff"), b"\xe2a\xd0\xd1\x81\xff");
    }
}
