//! The sequences of three bytes in a long value: a phrase that it contains has no others.
//!
//! They are found once for a value. To look up the phrases of a rule then costs a few instructions for each phrase, where an
//! automaton costs some thirty for each byte of the value.

/// The length from which it is cheaper to look for sequences than to search for phrases at once.
pub(crate) const MIN_LEN: usize = 512;

/// The number of bits for hashes of sequences.
const BITS: usize = 1 << 16;

/// The sequences of a value, without the case of letters.
pub(crate) struct Grams(Box<[u64]>);

impl Grams {
    pub(crate) fn of(value: &[u8]) -> Self {
        let mut bits = vec![0u64; BITS / 64].into_boxed_slice();
        for gram in grams(value) {
            if let Some(word) = bits.get_mut(usize::from(gram >> 6)) {
                *word |= 1 << (gram & 63);
            }
        }
        Self(bits)
    }

    fn contains(&self, gram: u16) -> bool {
        self.0.get(usize::from(gram >> 6)).is_some_and(|word| word >> (gram & 63) & 1 == 1)
    }
}

/// The hashes of the sequences of a value.
fn grams(value: &[u8]) -> impl Iterator<Item = u16> {
    let mut last = 0u32;
    let rolling = value.iter().map(move |byte| {
        last = (last << 8 | u32::from(byte.to_ascii_lowercase())) & 0x00ff_ffff;
        let [.., c, d] = last.wrapping_mul(0x9e37_79b1).to_le_bytes();
        u16::from_le_bytes([c, d])
    });
    rolling.skip(2)
}

/// Phrases with the sequence at the beginning of each, in lower case.
pub(crate) struct Starts {
    /// Hashes, and the ranges of the phrases in the text.
    starts: Vec<(u16, u32, u32)>,
    /// True if phrases are too short for a sequence.
    any: bool,
}

impl Starts {
    /// Reads phrases, which are separated by line ends.
    pub(crate) fn of(text: &str) -> Self {
        let mut starts = Vec::new();
        let (mut any, mut at) = (false, 0);
        for phrase in text.split('\n') {
            let end = at + phrase.len();
            match (grams(phrase.as_bytes()).next(), u32::try_from(at), u32::try_from(end)) {
                (Some(gram), Ok(at), Ok(end)) => starts.push((gram, at, end)),
                _ => any = true,
            }
            at = end + 1;
        }
        Self { starts, any }
    }

    /// Returns false if a value with these sequences contains none of the phrases.
    pub(crate) fn may_match(&self, text: &str, grams_of_value: &Grams) -> bool {
        let phrase = |at: u32, end: u32| {
            let range = usize::try_from(at).ok()?..usize::try_from(end).ok()?;
            text.as_bytes().get(range)
        };
        let may_contain = |(start, at, end): &(u16, u32, u32)| {
            grams_of_value.contains(*start)
                && phrase(*at, *end)
                    .is_none_or(|phrase| grams(phrase).all(|gram| grams_of_value.contains(gram)))
        };
        self.any || self.starts.iter().any(may_contain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_without_the_sequences_of_a_phrase_is_spared() {
        let text = "etc/passwd\ncurl";
        let starts = Starts::of(text);
        assert!(!starts.may_match(text, &Grams::of(b"the curtain is a passage, etc.")));
        assert!(starts.may_match(text, &Grams::of(b"x CURL")));
        assert!(starts.may_match(text, &Grams::of(b"/etc/passwd")));
        // Phrases of one or two bytes have none.
        assert!(Starts::of("curl\nls").may_match("curl\nls", &Grams::of(b"abc")));
    }

    proptest::proptest! {
        #[test]
        fn a_value_with_a_phrase_is_not_spared(phrases in proptest::collection::vec("[a-c/\u{e9}]{1,6}", 1..6), at in 0..6usize, before in "[A-C]{0,3}", after in "[a-c]{0,3}") {
            let text = phrases.join("\n");
            let value = format!("{before}{}{after}", phrases[at % phrases.len()].to_ascii_uppercase());
            proptest::prop_assert!(Starts::of(&text).may_match(&text, &Grams::of(value.as_bytes())));
        }
    }
}
