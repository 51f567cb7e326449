//! Denied words: an operator's own and the built-in ones, searched for together.

use config::FieldError;
use matcher::words::{Categories, Dictionary, WordMatch, Words};

use crate::fields::Fields;

/// The built-in words, as `build.rs` made them of `words/`.
static BUILT_IN: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/words.tables"));

/// What is denied.
pub struct Denied {
    words: Words,
    built_in: Option<(Dictionary<'static>, Categories)>,
}

/// Where a denied word is, and for the log whose it is; never the word itself, which may be a client's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    None,
    Word { start: usize, end: usize, cause: &'static str },
    Open(usize),
}

/// What is ahead of the last word in a text that does not change: see [`crate::roles::Ahead`].
#[derive(Default)]
pub struct Ahead {
    own: Option<WordMatch>,
    built_in: Option<WordMatch>,
}

impl Denied {
    /// Checks and compiles.
    pub fn new(fields: &Fields) -> Result<Self, FieldError> {
        let words: Vec<&str> = fields.deny_words.iter().map(|word| &**word).collect();
        let words = Words::new(&words).map_err(|error| FieldError::new("deny_words", error.to_string()))?;
        let dictionary = Dictionary::from_tables(BUILT_IN)
            .map_err(|_| FieldError::new("system_deny", "the built-in words cannot be read: write false"))?;
        let mut categories = Categories::NONE;
        for (index, name) in fields.system_deny_categories.iter().enumerate() {
            let category = dictionary.category(name).ok_or_else(|| {
                let names: Vec<String> =
                    dictionary.category_names().map(|name| format!("`{name}`")).collect();
                let message =
                    format!("there is no category `{}`: write one of {}", &**name, names.join(", "));
                FieldError::in_list("system_deny_categories", index, message)
            })?;
            categories = categories.and(category);
        }
        if categories.is_empty() {
            categories = Categories::ALL;
        } else if !fields.system_deny {
            return Err(FieldError::new(
                "system_deny_categories",
                "have no effect: write `system_deny: true`, or remove them",
            ));
        }
        Ok(Self { words, built_in: fields.system_deny.then_some((dictionary, categories)) })
    }

    /// Whether nothing is denied.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.built_in.is_none()
    }

    /// The first denied word that begins at `from` or later.
    pub fn find(&self, ahead: &mut Ahead, text: &str, from: usize, ended: bool) -> Next {
        let known = |found: &WordMatch| match found {
            WordMatch::None => true,
            WordMatch::Word { start, .. } | WordMatch::Open { start } => *start >= from,
        };
        let own = match ahead.own.filter(known) {
            Some(own) => own,
            None => *ahead.own.insert(self.words.find(text, from, ended)),
        };
        let built_in = match (ahead.built_in.filter(known), self.built_in) {
            (Some(built_in), _) => built_in,
            (None, Some((dictionary, categories))) => {
                *ahead.built_in.insert(dictionary.find(categories, text, from, ended))
            }
            (None, None) => WordMatch::None,
        };
        first(next(own, "deny_words"), next(built_in, "system_deny"))
    }

    /// Whose word is in a text that is whole.
    pub fn cause(&self, text: &str) -> Option<&'static str> {
        match self.find(&mut Ahead::default(), text, 0, true) {
            Next::Word { cause, .. } => Some(cause),
            Next::None | Next::Open(_) => None,
        }
    }
}

fn next(found: WordMatch, cause: &'static str) -> Next {
    match found {
        WordMatch::None => Next::None,
        WordMatch::Word { start, end } => Next::Word { start, end, cause },
        WordMatch::Open { start } => Next::Open(start),
    }
}

/// The one that begins first. A word is certain whatever is open before it: all it takes is one.
fn first(a: Next, b: Next) -> Next {
    match (a, b) {
        (Next::None, other) | (other, Next::None) => other,
        (Next::Word { .. }, Next::Open(_)) => a,
        (Next::Open(_), Next::Word { .. }) => b,
        (Next::Word { start, .. }, Next::Word { start: other, .. }) => {
            if start <= other {
                a
            } else {
                b
            }
        }
        (Next::Open(start), Next::Open(other)) => Next::Open(start.min(other)),
    }
}
