//! The texts that bodies are made of: the same bytes on every machine.
//!
//! Words are drawn from the lists in `corpus/`, common ones often and rare ones seldom, as in real texts.

use serde::Deserialize;

/// The kinds of text.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Text {
    /// English prose.
    English,
    /// Chinese prose, three bytes to a character.
    Chinese,
    /// A list of records.
    Json,
    /// Any bytes.
    Random,
}

const ENGLISH: &str = include_str!("corpus/english.txt");
const CHINESE: &str = include_str!("corpus/chinese.txt");

/// So many bytes of a text.
pub(crate) fn text(kind: Text, bytes: usize) -> Vec<u8> {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let mut text = match kind {
        Text::English => prose(&mut dice, ENGLISH, bytes, " ", ". "),
        Text::Chinese => prose(&mut dice, CHINESE, bytes, "", "。"),
        Text::Json => json(&mut dice, bytes),
        Text::Random => (0..bytes).map(|_| (dice.throw() >> 24) as u8).collect(),
    };
    text.truncate(bytes);
    text
}

fn prose(dice: &mut Dice, words: &str, bytes: usize, space: &str, stop: &str) -> Vec<u8> {
    let words: Vec<&str> = words.lines().collect();
    let mut text = String::new();
    while text.len() < bytes {
        let length = 4 + dice.below(14);
        for number in 0..length {
            if number > 0 {
                text.push_str(space);
            }
            text.push_str(dice.word(&words));
        }
        text.push_str(stop);
    }
    text.into_bytes()
}

fn json(dice: &mut Dice, bytes: usize) -> Vec<u8> {
    let words: Vec<&str> = ENGLISH.lines().collect();
    let mut text = String::from("[");
    while text.len() < bytes {
        let (id, price) = (dice.below(1_000_000), dice.below(100_000));
        let (name, first, second) = (dice.word(&words), dice.word(&words), dice.word(&words));
        text.push_str(&format!(
            "{{\"id\":{id},\"name\":\"{name} {first}\",\"price\":{}.{:02},\"tags\":[\"{second}\",\"{first}\"],\"in_stock\":{}}},",
            price / 100,
            price % 100,
            price % 2 == 0
        ));
    }
    text.into_bytes()
}

/// Marsaglia's xorshift64*: short, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        self.throw() as usize % end.max(1)
    }

    /// The lists begin with the most common words, and half of the text is made of the first eighth.
    fn word<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let range = words.len() >> self.below(4);
        words.get(self.below(range)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_asked_and_always_the_same() {
        for kind in [Text::English, Text::Chinese, Text::Json, Text::Random] {
            let long = text(kind, 65_536);
            assert_eq!(long.len(), 65_536);
            assert_eq!(text(kind, 1_000), long[..1_000]);
        }
    }
}
