//! Editing documents in place: values are found by path, and everything that no path names stays byte for byte.
//!
//! ```
//! use text::json::{DotPath, edit};
//!
//! let document = br#"{ "n": 1.0e0, "user": { "name": "a" } }"#;
//! let name = DotPath::parse("user.name")?;
//! assert_eq!(edit::get(document, &name)?.as_deref(), Some(br#""a""#.as_slice()));
//! let changed = edit::set(document, &name, b"null")?;
//! assert_eq!(changed.as_deref(), Some(br#"{ "n": 1.0e0, "user": { "name": null } }"#.as_slice()));
//! assert_eq!(edit::remove(document, &DotPath::parse("other")?)?, None, "nothing to change");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each function reads the document once and is linear in its size. If an object has duplicate keys, all of them are changed,
//! because readers differ in which they use; [`get`] returns the last, which most of them use. A client can write a key a
//! hundred thousand times, and each copy gets the new value: where documents come from clients, use [`get_last`] and
//! [`set_last`], which remove all but the last.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use super::dot::{DotPath, Step};
use super::{JsonError, Kind, Match, decode, encode, find, find_at};

/// An edited document, or `None` if nothing changes.
pub type Edited = Result<Option<Vec<u8>>, JsonError>;

/// Values of an array that are kept by [`dedupe`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    /// The first value.
    First,
    /// The last value.
    Last,
    /// Every value once, in order.
    Unique,
}

/// The handling of a value that exists.
#[derive(Clone, Copy)]
enum Existing {
    Replace,
    Keep,
    Append,
}

/// Returns the text of a value. A path with `#` returns an array of all values; one that ends with `#`, the number of values
/// of an array.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn get<'d>(document: &'d [u8], path: &DotPath) -> Result<Option<Cow<'d, [u8]>>, JsonError> {
    let found = find(document, path.prefixes())?;
    let last = path.steps().len();
    let text = |found: &Match| document.get(found.span.clone()).unwrap_or_default();
    let values = || found.iter().filter(|found| found.path == last);
    if !path.steps().contains(&Step::Each) {
        return Ok(values().next_back().map(|found| Cow::Borrowed(text(found))));
    }
    let is_array = |found: &&Match| found.kind == Kind::Array;
    if path.steps().last() == Some(&Step::Each) {
        let mut arrays = found.iter().filter(|found| found.path + 1 == last).filter(is_array);
        let Some(array) = arrays.next_back() else { return Ok(None) };
        let count = values().filter(|found| found.within == array.span.start).count();
        return Ok(Some(Cow::Owned(count.to_string().into_bytes())));
    }
    // Without any array, there is nothing to select from.
    let each = path.steps().iter().position(|step| *step == Step::Each).unwrap_or_default();
    if !found.iter().any(|found| found.path == each && found.kind == Kind::Array) {
        return Ok(None);
    }
    let values = values().map(text).collect::<Vec<_>>().join(b",".as_slice());
    Ok(Some(Cow::Owned([b"[", values.as_slice(), b"]"].concat())))
}

/// Returns true if no object has a duplicate key on a path, so that all readers find the same value.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn is_unambiguous(document: &[u8], path: &DotPath) -> Result<bool, JsonError> {
    let found = find(document, path.prefixes())?;
    let is_member = |found: &&Match| document.get(found.within) == Some(&b'{') && found.path > 0;
    let mut members = BTreeSet::new();
    Ok(found.iter().filter(is_member).all(|found| members.insert((found.path, found.within))))
}

/// Sets a value, which must be valid JSON. Objects and array entries that are missing on the path are added; a string, number,
/// `true`, `false` or `null` on the path is not replaced.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn set(document: &[u8], path: &DotPath, value: &[u8]) -> Edited {
    write(document, path, value, Existing::Replace)
}

/// Sets a value like [`set`] where there is none.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn insert(document: &[u8], path: &DotPath, value: &[u8]) -> Edited {
    write(document, path, value, Existing::Keep)
}

/// Appends a value to an array. Another value becomes an array of both, and a missing one is [`set`].
///
/// # Errors
///
/// The document is not valid JSON.
pub fn append(document: &[u8], path: &DotPath, value: &[u8]) -> Edited {
    write(document, path, value, Existing::Append)
}

fn write(document: &[u8], path: &DotPath, value: &[u8], existing: Existing) -> Edited {
    let found = find(document, path.prefixes())?;
    let text = str::from_utf8(document).unwrap_or_default();
    let last = path.steps().len();
    let parents: BTreeSet<(usize, usize)> =
        found.iter().filter_map(|found| Some((found.path.checked_sub(1)?, found.within))).collect();
    let mut edits = Edits::default();
    for found in &found {
        if found.path == last {
            match (existing, found.kind) {
                (Existing::Keep, _) => {}
                (Existing::Replace, _) => edits.replace(found.span.clone(), value.to_vec()),
                (Existing::Append, Kind::Array) => edits.insert_last(document, &found.span, value.to_vec()),
                (Existing::Append, _) => {
                    edits.replace(found.span.start..found.span.start, b"[".to_vec());
                    edits.replace(found.span.end..found.span.end, [b",", value, b"]"].concat());
                }
            }
        } else if !parents.contains(&(found.path, found.span.start))
            && let Some(entry) = missing(text, path, found, value)
        {
            edits.insert_last(document, &found.span, entry);
        }
    }
    Ok(edits.apply(document))
}

/// Returns what to add to an object or array that does not have the next value of a path.
fn missing(text: &str, path: &DotPath, within: &Match, value: &[u8]) -> Option<Vec<u8>> {
    let (step, rest) = path.steps().get(within.path..)?.split_first()?;
    let value = nested(rest, value)?;
    match (within.kind, step) {
        (Kind::Object, Step::Key(key) | Step::Index(key, _)) => Some(member(key, &value)),
        (Kind::Array, Step::Index(_, index)) => {
            let (entries, _) = find_at(text, within.span.start, path.entries()).ok()?;
            Some(padded(index.saturating_sub(entries.len()), &value))
        }
        _ => None,
    }
}

/// Returns a value inside of the objects and arrays of a path.
fn nested(steps: &[Step], value: &[u8]) -> Option<Vec<u8>> {
    steps.iter().rev().try_fold(value.to_vec(), |value, step| match step {
        Step::Key(key) => Some([b"{", member(key, &value).as_slice(), b"}"].concat()),
        Step::Index(_, index) => Some([b"[", padded(*index, &value).as_slice(), b"]"].concat()),
        Step::Each => None,
    })
}

fn member(key: &str, value: &[u8]) -> Vec<u8> {
    [encode(key).as_bytes(), b":", value].concat()
}

/// Returns an entry of an array after others, which are `null`.
fn padded(others: usize, value: &[u8]) -> Vec<u8> {
    [b"null,".repeat(others).as_slice(), value].concat()
}

/// Returns the text of a value where the last of duplicate keys counts at each step: of `{"a":{"b":1},"a":{}}`, `a.b` has no
/// value.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn get_last<'d>(document: &'d [u8], path: &DotPath) -> Result<Option<&'d [u8]>, JsonError> {
    let found = find(document, path.prefixes())?;
    let (kept, _) = last_of_duplicates(&found, path);
    let value = kept.last().filter(|found| found.path == path.steps().len());
    Ok(value.and_then(|found| document.get(found.span.clone())))
}

/// Sets a value like [`set`], but of duplicate keys on the path only the last is kept, as by [`keep_last`].
///
/// # Errors
///
/// The document is not valid JSON.
pub fn set_last(document: &[u8], path: &DotPath, value: &[u8]) -> Edited {
    write_last(document, path, Some(value))
}

/// Removes all but the last of duplicate keys at each step of a path, so that every reader uses the same value. If the path
/// is [in any case](DotPath::in_any_case), so are duplicates, and the last one gets the key of the path. Duplicates below `#`
/// stay.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn keep_last(document: &[u8], path: &DotPath) -> Edited {
    write_last(document, path, None)
}

fn write_last(document: &[u8], path: &DotPath, value: Option<&[u8]>) -> Edited {
    let found = find(document, path.prefixes())?;
    let (kept, others) = last_of_duplicates(&found, path);
    let mut edits = Edits::default();
    for other in others {
        edits.cut(document, other);
    }
    for (found, step) in kept.iter().skip(1).zip(path.steps()) {
        if document.get(found.within) == Some(&b'{')
            && let Step::Key(key) | Step::Index(key, _) = step
        {
            let written = key_before(document, found.span.start);
            if decode(document.get(written.clone()).unwrap_or_default()).as_deref() != Some(key) {
                edits.replace(written, encode(key).into_bytes());
            }
        }
    }
    if let (Some(value), Some(found)) = (value, kept.last()) {
        if found.path == path.steps().len() {
            edits.replace(found.span.clone(), value.to_vec());
        } else if let Some(entry) = missing(str::from_utf8(document).unwrap_or_default(), path, found, value)
        {
            edits.insert_last(document, &found.span, entry);
        }
    }
    Ok(edits.apply(document))
}

/// Returns the document and the values on a path, of duplicate keys the last, and the other values with these keys, in order.
fn last_of_duplicates<'m>(found: &'m [Match], path: &DotPath) -> (Vec<&'m Match>, Vec<&'m Match>) {
    let (mut kept, mut others): (Vec<&Match>, Vec<&Match>) = (Vec::new(), Vec::new());
    let steps = std::iter::once(None).chain(path.steps().iter().map(Some));
    for (length, _) in steps.enumerate().take_while(|(_, step)| *step != Some(&Step::Each)) {
        let within = kept.last().map(|found| found.span.start);
        let mut here: Vec<&Match> = found
            .iter()
            .filter(|found| found.path == length && within.is_none_or(|within| found.within == within))
            .collect();
        let Some(last) = here.pop() else { break };
        kept.push(last);
        others.extend(here);
    }
    (kept, others)
}

/// Removes a value with its key and one comma.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn remove(document: &[u8], path: &DotPath) -> Edited {
    let found = find(document, path.prefixes())?;
    let mut edits = Edits::default();
    for found in found.iter().filter(|found| found.path == path.steps().len()) {
        edits.cut(document, found);
    }
    Ok(edits.apply(document))
}

/// Gives a value another path. The value that had it is removed. If only the last key differs, the value stays in its place.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn rename(document: &[u8], from: &DotPath, to: &DotPath) -> Edited {
    let Some(key) = from.sibling(to) else {
        if from == to {
            return Ok(None);
        }
        let Some(value) = get(document, from)? else { return Ok(None) };
        let Some(removed) = remove(document, from)? else { return Ok(None) };
        return Ok(Some(set(&removed, to, &value)?.unwrap_or(removed)));
    };
    let last = from.steps().len();
    let ends = |found: &Match| found.path == last;
    let renamed: Vec<Match> = find(document, from.prefixes())?.into_iter().filter(ends).collect();
    let objects: BTreeSet<usize> = renamed.iter().map(|found| found.within).collect();
    let replaced = find(document, to.prefixes())?;
    let replaced = replaced.into_iter().filter(|found| ends(found) && objects.contains(&found.within));
    let mut all: Vec<(Match, bool)> =
        renamed.into_iter().map(|found| (found, true)).chain(replaced.map(|found| (found, false))).collect();
    all.sort_by_key(|(found, _)| found.span.start);
    let mut edits = Edits::default();
    for (found, is_renamed) in all {
        match is_renamed {
            true => edits.replace(key_before(document, found.span.start), encode(key).into_bytes()),
            false => edits.cut(document, &found),
        }
    }
    Ok(edits.apply(document))
}

/// Removes values of an array. If one value is left, it replaces the array. Other values stay as they are.
///
/// # Errors
///
/// The document is not valid JSON.
pub fn dedupe(document: &[u8], path: &DotPath, retain: Retain) -> Edited {
    let found = find(document, path.prefixes())?;
    let text = str::from_utf8(document).unwrap_or_default();
    let is_array = |found: &&Match| found.path == path.steps().len() && found.kind == Kind::Array;
    let mut edits = Edits::default();
    for array in found.iter().filter(is_array) {
        let (entries, _) = find_at(text, array.span.start, path.entries())?;
        let mut seen = BTreeSet::new();
        let kept: Vec<&Match> = match retain {
            Retain::First => entries.first().into_iter().collect(),
            Retain::Last => entries.last().into_iter().collect(),
            Retain::Unique => {
                entries.iter().filter(|entry| seen.insert(identity(document, &entry.span))).collect()
            }
        };
        match kept.as_slice() {
            [one] => {
                let value = document.get(one.span.clone()).unwrap_or_default().to_vec();
                edits.replace(array.span.clone(), value);
            }
            kept if kept.len() < entries.len() => {
                let kept: BTreeSet<usize> = kept.iter().map(|entry| entry.span.start).collect();
                for entry in entries.iter().filter(|entry| !kept.contains(&entry.span.start)) {
                    edits.cut(document, entry);
                }
            }
            _ => {}
        }
    }
    Ok(edits.apply(document))
}

/// Replaces ranges of a document, which must not overlap; an empty range is where bytes are inserted. Returns `None` if nothing
/// changes.
#[must_use]
pub fn replace_ranges(
    document: &[u8],
    edits: impl IntoIterator<Item = (Range<usize>, Vec<u8>)>,
) -> Option<Vec<u8>> {
    Edits { edits: edits.into_iter().collect(), cut: 0 }.apply(document)
}

/// Returns what makes two values equal: the text of a string, and the bytes of others.
fn identity<'d>(document: &'d [u8], span: &Range<usize>) -> (bool, Cow<'d, [u8]>) {
    let literal = document.get(span.clone()).unwrap_or_default();
    match decode(literal) {
        Some(Cow::Borrowed(text)) => (true, Cow::Borrowed(text.as_bytes())),
        Some(Cow::Owned(text)) => (true, Cow::Owned(text.into_bytes())),
        None => (false, Cow::Borrowed(literal)),
    }
}

/// Changes of a document, in order, without overlap.
#[derive(Default)]
struct Edits {
    edits: Vec<(Range<usize>, Vec<u8>)>,
    /// The end of the last cut.
    cut: usize,
}

impl Edits {
    fn replace(&mut self, range: Range<usize>, by: Vec<u8>) {
        self.edits.push((range, by));
    }

    /// Adds an entry after the last value of an object or array.
    fn insert_last(&mut self, document: &[u8], container: &Range<usize>, entry: Vec<u8>) {
        let end = before_space(document, container.end.saturating_sub(1));
        let is_empty = end == container.start + 1;
        let entry = if is_empty { entry } else { [b",", entry.as_slice()].concat() };
        self.replace(end..end, entry);
    }

    /// Removes a value with its key, and the comma before it, or the one after the first value.
    fn cut(&mut self, document: &[u8], found: &Match) {
        let is_member = document.get(found.within) == Some(&b'{');
        let start = if is_member { key_before(document, found.span.start).start } else { found.span.start };
        let before = before_space(document, start);
        let comma = before.checked_sub(1).filter(|at| document.get(*at) == Some(&b',') && *at >= self.cut);
        let range = match comma {
            Some(comma) => comma..found.span.end,
            None => {
                let after = after_space(document, found.span.end);
                let end = match document.get(after) {
                    Some(b',') => after_space(document, after + 1),
                    _ => found.span.end,
                };
                start..end
            }
        };
        self.cut = range.end;
        self.replace(range, Vec::new());
    }

    fn apply(mut self, document: &[u8]) -> Option<Vec<u8>> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let added: usize = self.edits.iter().map(|(_, by)| by.len()).sum();
        let mut result = Vec::with_capacity(document.len() + added);
        let mut at = 0;
        for (range, by) in self.edits {
            result.extend_from_slice(document.get(at..range.start).unwrap_or_default());
            result.extend_from_slice(&by);
            at = range.end;
        }
        result.extend_from_slice(document.get(at..).unwrap_or_default());
        (result != document).then_some(result)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Returns the end of what is before white space.
fn before_space(document: &[u8], end: usize) -> usize {
    let before = document.get(..end).unwrap_or_default();
    before.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1)
}

/// Returns the start of what is after white space.
fn after_space(document: &[u8], start: usize) -> usize {
    let after = document.get(start..).unwrap_or_default();
    start + after.iter().take_while(|byte| is_space(**byte)).count()
}

/// Returns the key of the value that begins at `value`.
fn key_before(document: &[u8], value: usize) -> Range<usize> {
    let colon = before_space(document, value).saturating_sub(1);
    let end = before_space(document, colon);
    // A quotation mark inside of a key is after an odd number of backslashes.
    let mut start = end.saturating_sub(1);
    loop {
        let before = document.get(..start).unwrap_or_default();
        let Some(quote) = before.iter().rposition(|byte| *byte == b'"') else { return 0..end };
        let backslashes = before.get(..quote).unwrap_or_default().iter().rev();
        if backslashes.take_while(|byte| **byte == b'\\').count().is_multiple_of(2) {
            return quote..end;
        }
        start = quote;
    }
}
