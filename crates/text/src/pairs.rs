//! Names with values, in order: the parameters of a query or a form, or headers. Those that nothing names stay byte for byte.
//!
//! ```
//! use text::pairs::Pairs;
//!
//! let mut form = Pairs::form(b"a=1&b=%7e&c");
//! form.rename(b"a", b"d");
//! form.set(b"c", b"x y");
//! assert_eq!(form.to_form(), b"d=1&b=%7e&c=x+y");
//! ```

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::json::edit::Retain;
use crate::percent::decode_form;
use crate::split_pair;

/// Names with values, in order. Names may be repeated, and are compared as bytes.
#[derive(Debug, Clone, Default)]
pub struct Pairs<'t> {
    pairs: Vec<Pair<'t>>,
    changed: bool,
}

#[derive(Debug, Clone)]
struct Pair<'t> {
    name: Cow<'t, [u8]>,
    value: Cow<'t, [u8]>,
    /// How the pair was written; absent if it has changed.
    written: Option<&'t [u8]>,
    /// How its value was written; absent if that has changed.
    written_value: Option<&'t [u8]>,
}

impl<'t> Pair<'t> {
    fn new(name: Cow<'t, [u8]>, value: Cow<'t, [u8]>) -> Self {
        Self { name, value, written: None, written_value: None }
    }
}

impl<'t> Pairs<'t> {
    /// Reads a form, or a query without its `?` (URL Standard, section 5.1).
    pub fn form(text: &'t [u8]) -> Self {
        let parts = text.split(|byte| *byte == b'&').filter(|_| !text.is_empty());
        let pair = |written: &'t [u8]| {
            let (name, value) = split_pair(written);
            Pair {
                name: decode_form(name),
                value: decode_form(value),
                written: Some(written),
                written_value: Some(value),
            }
        };
        Self { pairs: parts.map(pair).collect(), changed: false }
    }

    /// Reads names and values that are not encoded.
    pub fn plain(pairs: impl Iterator<Item = (&'t [u8], &'t [u8])>) -> Self {
        let pair = |(name, value)| Pair::new(Cow::Borrowed(name), Cow::Borrowed(value));
        Self { pairs: pairs.map(pair).collect(), changed: false }
    }

    /// Returns true if a change has been made.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Writes a form. Pairs that have not changed stay as they were written.
    #[must_use]
    pub fn to_form(&self) -> Vec<u8> {
        let mut form = Vec::new();
        for (index, pair) in self.pairs.iter().enumerate() {
            if index > 0 {
                form.push(b'&');
            }
            match pair.written {
                Some(written) => form.extend_from_slice(written),
                None => {
                    encode(&mut form, &pair.name);
                    form.push(b'=');
                    match pair.written_value {
                        Some(written) => form.extend_from_slice(written),
                        None => encode(&mut form, &pair.value),
                    }
                }
            }
        }
        form
    }

    /// Returns names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.pairs.iter().map(|pair| (&*pair.name, &*pair.value))
    }

    /// Returns the values of a name, in order.
    pub fn values<'p>(&'p self, name: &'p [u8]) -> impl Iterator<Item = &'p [u8]> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns true if the name exists.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.values(name).next().is_some()
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &[u8]) {
        let before = self.pairs.len();
        self.pairs.retain(|pair| *pair.name != *name);
        self.changed |= self.pairs.len() != before;
    }

    /// Gives the values of a name another one, and removes those that had it.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) {
        if from == to || !self.contains(from) {
            return;
        }
        self.remove(to);
        for pair in self.pairs.iter_mut().filter(|pair| *pair.name == *from) {
            pair.name = Cow::Owned(to.to_vec());
            pair.written = None;
        }
        self.changed = true;
    }

    /// Gives a name one value, in the place of its first one.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.set_all(name, vec![value.to_vec()]);
    }

    /// Gives a name these values, in the place of its first one.
    pub fn set_all(&mut self, name: &[u8], values: Vec<Vec<u8>>) {
        if self.values(name).eq(values.iter().map(Vec::as_slice)) {
            return;
        }
        let new = |value| Pair::new(Cow::Owned(name.to_vec()), Cow::Owned(value));
        let at = self.pairs.iter().position(|pair| *pair.name == *name).unwrap_or(self.pairs.len());
        self.pairs.retain(|pair| *pair.name != *name);
        self.pairs.splice(at..at, values.into_iter().map(new));
        self.changed = true;
    }

    /// Adds a value after those of the same name, or at the end.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        let last = self.pairs.iter().rposition(|pair| *pair.name == *name);
        let at = last.map_or(self.pairs.len(), |last| last + 1);
        self.pairs.insert(at, Pair::new(Cow::Owned(name.to_vec()), Cow::Owned(value.to_vec())));
        self.changed = true;
    }

    /// Removes values of a name.
    pub fn dedupe(&mut self, name: &[u8], retain: Retain) {
        let count = self.values(name).count();
        let mut index = 0;
        let mut seen = BTreeSet::new();
        let before = self.pairs.len();
        self.pairs.retain(|pair| {
            if *pair.name != *name {
                return true;
            }
            index += 1;
            match retain {
                Retain::First => index == 1,
                Retain::Last => index == count,
                Retain::Unique => seen.insert(pair.value.to_vec()),
            }
        });
        self.changed |= self.pairs.len() != before;
    }
}

/// Encodes a name or a value of a form (URL Standard, section 5.2).
fn encode(form: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |number: u8| HEX.get(usize::from(number)).copied().unwrap_or(b'0');
    for byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => form.push(*byte),
            b' ' => form.push(b'+'),
            byte => form.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, change: impl FnOnce(&mut Pairs)) -> String {
        let mut pairs = Pairs::form(text.as_bytes());
        change(&mut pairs);
        let form = String::from_utf8(pairs.to_form()).unwrap();
        assert_eq!(pairs.is_changed(), form != text, "{text}");
        form
    }

    #[test]
    fn unchanged_pairs_stay_as_they_are_written() {
        for text in ["", "a", "a=", "=", "&", "a=1&&b", "%61=%zz+%20&a=b=c", "é=~'"] {
            assert_eq!(edit(text, |_| {}), text);
            assert_eq!(edit(text, |pairs| pairs.remove(b"none")), text);
            assert_eq!(edit(text, |pairs| pairs.rename(b"none", b"a")), text);
            assert_eq!(edit(text, |pairs| pairs.dedupe(b"none", Retain::Unique)), text);
        }
    }

    #[test]
    fn names_are_compared_decoded() {
        let text = "x=~&%61=1&a=%2B&y=%7e";
        assert_eq!(edit(text, |pairs| pairs.remove(b"a")), "x=~&y=%7e");
        assert_eq!(edit(text, |pairs| pairs.rename(b"a", b"b c")), "x=~&b+c=1&b+c=%2B&y=%7e");
        assert_eq!(edit(text, |pairs| pairs.rename(b"a", b"x")), "x=1&x=%2B&y=%7e");
        assert_eq!(edit(text, |pairs| pairs.rename(b"y", b"z")), "x=~&%61=1&a=%2B&z=%7e");
        assert_eq!(edit(text, |pairs| pairs.set(b"a", b"\xff&=")), "x=~&a=%FF%26%3D&y=%7e");
        assert_eq!(edit(text, |pairs| pairs.set(b"new", b"")), "x=~&%61=1&a=%2B&y=%7e&new=");
        assert_eq!(edit(text, |pairs| pairs.append(b"a", b"3")), "x=~&%61=1&a=%2B&a=3&y=%7e");
        assert_eq!(edit(text, |pairs| pairs.append(b"z", b"3")), "x=~&%61=1&a=%2B&y=%7e&z=3");
        assert_eq!(edit("", |pairs| pairs.append(b"z", b"3")), "z=3");
        assert_eq!(edit(text, |pairs| pairs.set_all(b"a", vec![b"1".to_vec(), b"+".to_vec()])), text);
    }

    #[test]
    fn values_are_deduplicated() {
        let text = "a=1&b=1&a=2&a=%31&a=3";
        assert_eq!(edit(text, |pairs| pairs.dedupe(b"a", Retain::First)), "a=1&b=1");
        assert_eq!(edit(text, |pairs| pairs.dedupe(b"a", Retain::Last)), "b=1&a=3");
        assert_eq!(edit(text, |pairs| pairs.dedupe(b"a", Retain::Unique)), "a=1&b=1&a=2&a=3");
    }
}
