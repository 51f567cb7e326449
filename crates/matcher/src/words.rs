//! Denied words: finding the next one in a text that may be incomplete.
//!
//! The definition of a word depends on its script, because not all scripts separate words with spaces:
//!
//! - In Chinese, Japanese, Korean (where particles are attached to nouns), Thai, Lao, Khmer, Burmese, Tibetan and similar
//!   scripts, a word is found **anywhere**: `代理` in `我的代理商`.
//! - In all other scripts, and for digits, **whole words** are found: `ass` is in `Ass!` and `an-ass`, but not in `class` or
//!   `ass1`. A word consists of letters, digits and their marks; all other characters end it, also `_` and `'` (which
//!   Unicode's UAX #29 keeps inside of words, so that `damn_it` and `damn's` would not be found), and a change to a script of
//!   the first kind: `VPN` is in `用VPN上网`.
//! - An end of a denied word that is neither, such as the last `+` of `C++`, may be next to any character. The ends are
//!   independent: `VPN代理` needs the end of a word before it, but not after it.
//!
//! Case is ignored (simple folding, see [`crate::case`]), full-width forms of ASCII are equal to ASCII, and all white space is
//! equal to a space. Spaces around a denied word are not part of it.
//!
//! The leftmost word of a text is found, and of those with the same beginning the shortest, because an incomplete text may
//! end before the longer ones.
//!
//! ```
//! use matcher::words::{Categories, Dictionary, WordMatch, Words, tables};
//!
//! let words = Words::new(&["hello world", "代理", "C++"])?;
//! assert_eq!(words.find("Say: ＨＥＬＬＯ world", 0, true), WordMatch::Word { start: 5, end: 26 });
//! assert_eq!(words.find("say hello worlds", 0, true), WordMatch::None);
//! assert_eq!(words.find("say hello world", 0, false), WordMatch::Open { start: 4 });
//!
//! // Usually in a `build.rs`, which writes the tables into a file that the plug-in includes.
//! let tables = tables(&[("gambling", &["online casino", "赌博"]), ("drugs", &["冰毒"])])?;
//! let dictionary = Dictionary::from_tables(&tables)?;
//! let gambling = dictionary.category("gambling").ok_or("no such category")?;
//! assert_eq!(dictionary.find(gambling, "买冰毒和赌博", 0, true), WordMatch::Word { start: 12, end: 18 });
//! assert_eq!(dictionary.find(Categories::ALL, "买冰毒和赌博", 0, true), WordMatch::Word { start: 3, end: 9 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

mod build;
mod characters;
mod format;
mod search;
#[cfg(test)]
mod tests;

pub use build::tables;
use format::Tables;

/// The maximum number of characters of a word. It bounds the cost of a position in a text, and the size of the undecided part
/// of an incomplete text.
pub const MAX_WORD_CHARS: usize = 128;

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordMatch {
    /// There is no word, also if the text continues.
    None,
    /// The leftmost word; the shortest if several begin there.
    Word {
        /// Where it begins, in bytes.
        start: usize,
        /// Where it ends, in bytes.
        end: usize,
    },
    /// Undecided: a word may begin at `start`, for example if the text ends with a word and the next character decides whether
    /// it is a whole word. Only for incomplete texts.
    Open {
        /// The start of the possible word. There is no word before it, however the text continues.
        start: usize,
    },
}

/// The denied words of a configuration.
pub struct Words {
    /// Tables like those of a [`Dictionary`], or empty.
    tables: Vec<u8>,
}

/// Words in precomputed tables, which [`tables`] creates at build time. They are used in place, without copies or
/// allocations.
#[derive(Clone, Copy)]
pub struct Dictionary<'a>(Tables<'a>);

/// A set of categories of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Categories(u16);

/// The error for words that cannot be compiled into tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordError {
    /// A word is empty, or only white space.
    Empty {
        /// Its position in its list.
        index: usize,
    },
    /// A word has more than [`MAX_WORD_CHARS`] characters.
    TooLong {
        /// Its position in its list.
        index: usize,
    },
    /// There are too many words for tables; the limit is about 500,000.
    TooMany,
    /// There are more than 16 categories, or the name of one is empty or longer than 255 bytes.
    Categories,
}

/// The error for invalid tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablesError;

impl Words {
    /// Compiles a set of words.
    pub fn new<S: AsRef<str>>(words: &[S]) -> Result<Self, WordError> {
        if words.is_empty() {
            return Ok(Self { tables: Vec::new() });
        }
        build::Builder::default().add(words, Categories::ALL)?.finish(&[]).map(|tables| Self { tables })
    }

    /// Finds the leftmost word that begins in `text` at `from` or later. The text before `from` is only used to find the
    /// boundaries of words. `ended` is true if the text is complete.
    pub fn find(&self, text: &str, from: usize, ended: bool) -> WordMatch {
        match Tables::parse(&self.tables) {
            Some(tables) => tables.find(Categories::ALL, text, from, ended),
            None => WordMatch::None,
        }
    }

    /// Returns true if there are no words.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

impl<'a> Dictionary<'a> {
    /// Reads tables of [`tables`].
    pub fn from_tables(tables: &'a [u8]) -> Result<Self, TablesError> {
        Tables::parse(tables).map(Self).ok_or(TablesError)
    }

    /// Like [`Words::find`], for the words of some categories. In an incomplete text, the beginning of a word of another category
    /// may be [`WordMatch::Open`] too.
    pub fn find(&self, categories: Categories, text: &str, from: usize, ended: bool) -> WordMatch {
        self.0.find(categories, text, from, ended)
    }

    /// Returns the names of all categories, in the order in which they were passed to [`tables`].
    pub fn category_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.names()
    }

    /// Returns the category with this name.
    pub fn category(&self, name: &str) -> Option<Categories> {
        let index = self.0.names().position(|other| other == name)?;
        Some(Categories::numbered(index))
    }
}

impl Categories {
    /// No category.
    pub const NONE: Self = Self(0);
    /// Every category.
    pub const ALL: Self = Self(u16::MAX);
    /// The maximum number of categories.
    const MAX: usize = 16;

    fn numbered(index: usize) -> Self {
        Self(u32::try_from(index).ok().and_then(|index| 1u16.checked_shl(index)).unwrap_or(0))
    }

    /// Returns the union of two sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if there are no categories.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn share(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { index } => {
                write!(f, "entry {index} is empty: write a word, or remove the entry")
            }
            Self::TooLong { index } => write!(
                f,
                "entry {index} has more than {MAX_WORD_CHARS} characters: write a part of it that is specific enough"
            ),
            Self::TooMany => f.write_str("too many words for one set: write fewer"),
            Self::Categories => {
                write!(f, "write at most {} categories, with names of 1 to 255 bytes", Categories::MAX)
            }
        }
    }
}

impl std::error::Error for WordError {}

impl fmt::Display for TablesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid tables of words: use the result of `matcher::words::tables`")
    }
}

impl std::error::Error for TablesError {}
