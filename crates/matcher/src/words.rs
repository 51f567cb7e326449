//! Denied words: where the next one stands in a text, of which more may come.
//!
//! What is a word depends on its script, because not every script puts spaces between words:
//!
//! - In Chinese, Japanese, Korean (which writes particles onto its nouns), Thai, Lao, Khmer, Burmese, Tibetan
//!   and their like, a word is found **anywhere**: `代理` in `我的代理商`.
//! - In every other script, and for digits, **whole words** are found: `ass` is in `Ass!` and `an-ass`, and not in
//!   `class` or `ass1`. Letters, digits and the marks on them make a word; everything else ends it, `_` and `'` too
//!   (Unicode's UAX #29 keeps these inside of words, and here they would hide `damn_it` and `damn's`), and so does
//!   a change of script to one of the first kind: `VPN` is in `用VPN上网`.
//! - An end of a denied word that is neither, such as the last `+` of `C++`, may stand next to anything. Each end is
//!   judged by itself: `VPN代理` needs the end of a word before it and nothing after.
//!
//! Case does not count (simple folding, as in [`crate::case`]), full-width forms of ASCII are ASCII, and any
//! white space is a space; nothing else is made equal. Spaces around a denied word are not part of it.
//!
//! Of all words in a text the leftmost is found, and of those that begin together the shortest, which is known
//! first: a text may end before the longer ones do.
//!
//! ```
//! use matcher::words::{Categories, Dictionary, WordMatch, Words, tables};
//!
//! let words = Words::new(&["hello world", "代理", "C++"])?;
//! assert_eq!(words.find("Say: ＨＥＬＬＯ world", 0, true), WordMatch::Word { start: 5, end: 26 });
//! assert_eq!(words.find("say hello worlds", 0, true), WordMatch::None);
//! assert_eq!(words.find("say hello world", 0, false), WordMatch::Open { start: 4 });
//!
//! // Mostly in a `build.rs`, which writes the tables into a file that the plug-in includes.
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

/// How many characters a word may have. It bounds what one place in a text can cost, and what a text that is not
/// complete may hold back.
pub const MAX_WORD_CHARS: usize = 128;

/// What stands in a text from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordMatch {
    /// No word begins in the text, and none can once more text comes.
    None,
    /// The leftmost word; of several that begin there, the shortest.
    Word {
        /// Where it begins, in bytes.
        start: usize,
        /// Where it ends, in bytes.
        end: usize,
    },
    /// No word is certain yet, but the leftmost may begin at `start`, for instance where the text ends with a
    /// word and the next character decides whether it is a whole one. Only for a text of which more may come.
    Open {
        /// Where it would begin: what is before it has no word, whatever comes.
        start: usize,
    },
}

/// The denied words of a configuration.
pub struct Words {
    /// The same as of a [`Dictionary`], or none.
    tables: Vec<u8>,
}

/// Words in tables that were made at build time by [`tables`], used where they are: nothing is copied,
/// allocated or worked out at start.
#[derive(Clone, Copy)]
pub struct Dictionary<'a>(Tables<'a>);

/// Some of a dictionary's categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Categories(u16);

/// Why there are no tables of these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordError {
    /// A word has no characters but white space.
    Empty {
        /// Its position in its list.
        index: usize,
    },
    /// A word has more than [`MAX_WORD_CHARS`] characters.
    TooLong {
        /// Its position in its list.
        index: usize,
    },
    /// There are more words than tables can hold, which is some 500,000.
    TooMany,
    /// There are more than 16 categories, or one has no name or one of more than 255 bytes.
    Categories,
}

/// Why bytes are no tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablesError;

impl Words {
    /// A set of these words.
    pub fn new<S: AsRef<str>>(words: &[S]) -> Result<Self, WordError> {
        if words.is_empty() {
            return Ok(Self { tables: Vec::new() });
        }
        build::Builder::default().add(words, Categories::ALL)?.finish(&[]).map(|tables| Self { tables })
    }

    /// The leftmost word that begins in `text` at `from` or later. What is before `from` is only looked at for
    /// whether a word of the text begins there. `ended` is whether nothing follows the text.
    pub fn find(&self, text: &str, from: usize, ended: bool) -> WordMatch {
        match Tables::parse(&self.tables) {
            Some(tables) => tables.find(Categories::ALL, text, from, ended),
            None => WordMatch::None,
        }
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

impl<'a> Dictionary<'a> {
    /// Reads the head of tables that [`tables`] made.
    pub fn from_tables(tables: &'a [u8]) -> Result<Self, TablesError> {
        Tables::parse(tables).map(Self).ok_or(TablesError)
    }

    /// As [`Words::find`], for the words of some categories. Where the text may go on, a word of another category
    /// that has begun may be [`WordMatch::Open`] too.
    pub fn find(&self, categories: Categories, text: &str, from: usize, ended: bool) -> WordMatch {
        self.0.find(categories, text, from, ended)
    }

    /// The names of all categories, in the order in which they were given to [`tables`].
    pub fn category_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.names()
    }

    /// The category of that name.
    pub fn category(&self, name: &str) -> Option<Categories> {
        let index = self.0.names().position(|other| other == name)?;
        Some(Categories::numbered(index))
    }
}

impl Categories {
    /// No category: no word is found.
    pub const NONE: Self = Self(0);
    /// Every category.
    pub const ALL: Self = Self(u16::MAX);
    /// How many there can be.
    const MAX: usize = 16;

    fn numbered(index: usize) -> Self {
        Self(u32::try_from(index).ok().and_then(|index| 1u16.checked_shl(index)).unwrap_or(0))
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether these are none.
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
                "entry {index} has more than {MAX_WORD_CHARS} characters: write the part of it that is never innocent"
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
        f.write_str("these bytes are no tables of words: write what `matcher::words::tables` returned")
    }
}

impl std::error::Error for TablesError {}
