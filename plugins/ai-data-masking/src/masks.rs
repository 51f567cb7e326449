//! What was masked in a request, and where the response has it.
//!
//! A mask is put back only where it can mean one thing: two originals that became the same mask, and a mask that the
//! request said by itself, are left alone.

use std::collections::BTreeMap;

/// What a request's masks stand for.
#[derive(Default)]
pub struct Masks {
    /// None for a mask that could mean several things. In order, so that those that begin alike stand together.
    originals: BTreeMap<String, Option<String>>,
    /// The masks alone, in order, to search by halves.
    sorted: Vec<String>,
}

/// What stands in a text from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    None,
    /// A mask.
    Match {
        start: usize,
        end: usize,
    },
    /// A mask may begin here, if more text comes.
    Open {
        start: usize,
    },
}

impl Next {
    /// Where it begins.
    pub fn start(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Match { start, .. } | Self::Open { start } => Some(*start),
        }
    }
}

impl Masks {
    /// Notes that `original` became `mask`.
    pub fn note(&mut self, mask: &str, original: &str) {
        match self.originals.get_mut(mask) {
            Some(before) if before.as_deref() == Some(original) => {}
            Some(before) => *before = None,
            None if mask.is_empty() => {}
            None => {
                self.originals.insert(mask.to_owned(), Some(original.to_owned()));
            }
        }
    }

    /// All of the request has been masked. `said` are its texts, as they came: a mask that is in one of them could be
    /// the client's own words.
    pub fn finish<'a>(&mut self, said: impl Iterator<Item = &'a str>) {
        if self.originals.is_empty() {
            return;
        }
        self.sorted = self.originals.keys().cloned().collect();
        for text in said {
            let mut from = 0;
            while let Next::Match { start, end } = self.find(text, from, true) {
                if let Some(original) = text.get(start..end).and_then(|mask| self.originals.get_mut(mask)) {
                    *original = None;
                }
                from = end;
            }
        }
        self.originals.retain(|_, original| original.is_some());
        self.sorted = self.originals.keys().cloned().collect();
    }

    /// What a mask stands for.
    pub fn original(&self, mask: &str) -> Option<&str> {
        self.originals.get(mask)?.as_deref()
    }

    /// The leftmost mask that begins at `from` or later, and of several the longest.
    pub fn find(&self, text: &str, from: usize, ended: bool) -> Next {
        if self.sorted.is_empty() {
            return Next::None;
        }
        let places = (from..text.len()).filter(|place| text.is_char_boundary(*place));
        for start in places {
            let rest = text.as_bytes().get(start..).unwrap_or_default();
            match self.begin(rest) {
                (_, true) if !ended => return Next::Open { start },
                (Some(length), _) => return Next::Match { start, end: start + length },
                (None, _) => {}
            }
        }
        Next::None
    }

    /// The longest mask that `text` begins with, and whether a longer one could once `text` goes on.
    fn begin(&self, text: &[u8]) -> (Option<usize>, bool) {
        let mut longest = None;
        let mut masks = self.sorted.as_slice();
        for (depth, byte) in text.iter().enumerate() {
            let at = |mask: &String| mask.as_bytes().get(depth).copied();
            let first = masks.partition_point(|mask| at(mask) < Some(*byte));
            let end = masks.partition_point(|mask| at(mask) <= Some(*byte));
            masks = masks.get(first..end).unwrap_or_default();
            match masks.first() {
                None => return (longest, false),
                Some(mask) if mask.len() == depth + 1 => longest = Some(depth + 1),
                Some(_) => {}
            }
        }
        let may_go_on = masks.last().is_some_and(|mask| mask.len() > text.len());
        (longest, may_go_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(pairs: &[(&str, &str)], said: &[&str]) -> Masks {
        let mut masks = Masks::default();
        pairs.iter().for_each(|(mask, original)| masks.note(mask, original));
        masks.finish(said.iter().copied());
        masks
    }

    #[test]
    fn the_leftmost_and_longest_mask_is_found() {
        let masks = masks(&[("ab", "1"), ("abcd", "2"), ("你好", "3")], &[]);
        assert_eq!(masks.find("xabcx", 0, false), Next::Match { start: 1, end: 3 });
        assert_eq!(masks.find("xabcd", 0, false), Next::Match { start: 1, end: 5 });
        assert_eq!(masks.find("xabc", 0, false), Next::Open { start: 1 });
        assert_eq!(masks.find("xabc", 0, true), Next::Match { start: 1, end: 3 });
        assert_eq!(masks.find("xa", 0, true), Next::None);
        assert_eq!(masks.find("说你", 0, false), Next::Open { start: 3 });
        assert_eq!(masks.find("你好ab", 6, true), Next::Match { start: 6, end: 8 });
    }

    #[test]
    fn what_could_mean_two_things_is_not_put_back() {
        let masks =
            masks(&[("****", "a"), ("****", "b"), ("##", "c"), ("##", "c"), ("own", "d")], &["my own"]);
        assert_eq!(masks.original("****"), None);
        assert_eq!(masks.original("##"), Some("c"));
        assert_eq!(masks.original("own"), None);
        assert_eq!(masks.find("own ****", 0, true), Next::None);
    }
}
