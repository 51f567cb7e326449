//! Sets of strings that are compared with whole texts.

use std::fmt;

use config::table::{Hash, Table};

use crate::case::{Case, Folding};

/// Strings that are compared with a whole text, in one lookup.
#[derive(Default)]
pub struct ExactSet {
    table: Table,
    /// Boxed, because most sets do not have it.
    folding: Option<Box<Folding>>,
    /// The maximum length, in bytes, of an equal text.
    max_length: usize,
}

/// The error for an empty entry of an [`ExactSet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExactSetError {
    /// Its position in the list.
    pub index: usize,
}

impl ExactSet {
    /// Creates a set of `strings`, numbered from 0.
    ///
    /// # Errors
    ///
    /// An empty string.
    pub fn new(
        strings: impl IntoIterator<Item = impl AsRef<str>>,
        case: Case,
    ) -> Result<Self, ExactSetError> {
        let mut set =
            Self { folding: (case == Case::Insensitive).then(Box::<Folding>::default), ..Self::default() };
        for (number, string) in (0..).zip(strings) {
            let string = string.as_ref();
            if string.is_empty() {
                return Err(ExactSetError { index: number as usize });
            }
            match &mut set.folding {
                Some(folding) => {
                    let folded = folding.learn(string);
                    set.table.add(Hash::of(folded.as_bytes()), folded.as_bytes(), number);
                    // A character may take four bytes in another case.
                    set.max_length = set.max_length.max(folded.chars().count().saturating_mul(4));
                }
                None => {
                    set.table.add(Hash::of(string.as_bytes()), string.as_bytes(), number);
                    set.max_length = set.max_length.max(string.len());
                }
            }
        }
        Ok(set)
    }

    /// Returns the number of the first string that is equal to `text`.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        if text.len() > self.max_length {
            return None;
        }
        let numbers = match &self.folding {
            Some(folding) => {
                let folded = folding.fold(text);
                self.table.get(Hash::of(&folded), &folded)
            }
            None => self.table.get(Hash::of(text), text),
        };
        numbers.first().map(|&number| number as usize)
    }
}

impl fmt::Display for ExactSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} is empty: write the text to compare with, or remove the entry", self.index)
    }
}

impl std::error::Error for ExactSetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_is_compared() {
        let set = ExactSet::new(["/a", "/b?x=1", "/a"], Case::Sensitive).unwrap();
        assert_eq!(set.find(b"/a"), Some(0));
        assert_eq!(set.find(b"/b?x=1"), Some(1));
        for text in ["/A", "/a/", "/", "", "/b?x=12"] {
            assert_eq!(set.find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn without_case() {
        let set = ExactSet::new(["/Москва", "K\u{212a}k"], Case::Insensitive).unwrap();
        assert_eq!(set.find("/МОСКВА".as_bytes()), Some(0));
        assert_eq!(set.find("\u{212a}\u{212a}\u{212a}".as_bytes()), Some(1));
        assert_eq!(set.find(b"kKK"), Some(1));
    }

    #[test]
    fn an_empty_set_finds_nothing_and_an_empty_string_is_rejected() {
        assert_eq!(ExactSet::default().find(b""), None);
        let error = ExactSet::new(["a", ""], Case::Sensitive).err().unwrap();
        assert_eq!(error, ExactSetError { index: 1 });
    }
}
