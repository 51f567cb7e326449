//! Masks of a request, and their restoration in the response.
//!
//! Only unambiguous masks are restored: not those shared by two originals, nor those in the client's own text.

use std::collections::BTreeMap;

/// The masks of a request and their originals.
#[derive(Default)]
pub struct Masks {
    /// `None` for an ambiguous mask. Sorted, so masks with a common prefix are adjacent.
    originals: BTreeMap<String, Option<String>>,
    /// The sorted masks, for binary search.
    sorted: Vec<String>,
}

/// The next mask in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    None,
    /// A mask.
    Match {
        start: usize,
        end: usize,
    },
    /// A mask may begin here, depending on the text that follows.
    Open {
        start: usize,
    },
}

impl Next {
    /// Returns the start of the mask.
    pub fn start(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Match { start, .. } | Self::Open { start } => Some(*start),
        }
    }
}

impl Masks {
    /// Records that `original` was replaced by `mask`.
    pub fn record(&mut self, mask: &str, original: &str) {
        match self.originals.get_mut(mask) {
            Some(before) if before.as_deref() == Some(original) => {}
            Some(before) => *before = None,
            None if mask.is_empty() => {}
            None => {
                self.originals.insert(mask.to_owned(), Some(original.to_owned()));
            }
        }
    }

    /// Completes the masks of a request. `client_texts` are its original texts: a mask in one of them is ambiguous.
    pub fn finish<'a>(&mut self, client_texts: impl Iterator<Item = &'a str>) {
        if self.originals.is_empty() {
            return;
        }
        self.sorted = self.originals.keys().cloned().collect();
        for text in client_texts {
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

    /// Returns the original of a mask.
    pub fn original(&self, mask: &str) -> Option<&str> {
        self.originals.get(mask)?.as_deref()
    }

    /// Finds the leftmost mask that begins at `from` or later, and the longest one there.
    pub fn find(&self, text: &str, from: usize, ended: bool) -> Next {
        if self.sorted.is_empty() {
            return Next::None;
        }
        let positions = (from..text.len()).filter(|position| text.is_char_boundary(*position));
        for start in positions {
            let rest = text.as_bytes().get(start..).unwrap_or_default();
            match self.longest_at(rest) {
                (_, true) if !ended => return Next::Open { start },
                (Some(length), _) => return Next::Match { start, end: start + length },
                (None, _) => {}
            }
        }
        Next::None
    }

    /// Returns the longest mask at the start of `text`, and true if a longer one is possible with more text.
    fn longest_at(&self, text: &[u8]) -> (Option<usize>, bool) {
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
        let may_continue = masks.last().is_some_and(|mask| mask.len() > text.len());
        (longest, may_continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(pairs: &[(&str, &str)], client_texts: &[&str]) -> Masks {
        let mut masks = Masks::default();
        pairs.iter().for_each(|(mask, original)| masks.record(mask, original));
        masks.finish(client_texts.iter().copied());
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
    fn ambiguous_masks_are_not_restored() {
        let masks =
            masks(&[("****", "a"), ("****", "b"), ("##", "c"), ("##", "c"), ("own", "d")], &["my own"]);
        assert_eq!(masks.original("****"), None);
        assert_eq!(masks.original("##"), Some("c"));
        assert_eq!(masks.original("own"), None);
        assert_eq!(masks.find("own ****", 0, true), Next::None);
    }
}
