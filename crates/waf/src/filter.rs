//! The filter of an expression, which is derived from its syntax tree.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;
use seclang::{ByteSet, Filter};

/// Returns the filter of an expression.
pub(crate) fn of(hir: &Hir) -> Filter {
    Filter::new(hir.properties().minimum_len().unwrap_or_default(), sets(hir))
}

/// Returns sets of bytes, of each of which a match contains at least one.
fn sets(hir: &Hir) -> Vec<ByteSet> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => literal.0.iter().map(|byte| ByteSet::of(&[*byte])).collect(),
        HirKind::Class(class) => vec![first_bytes(class)],
        HirKind::Repetition(repetition) if repetition.min == 0 => Vec::new(),
        HirKind::Repetition(repetition) => sets(&repetition.sub),
        HirKind::Capture(capture) => sets(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(sets).collect(),
        HirKind::Alternation(branches) => {
            // A match of any branch is a match, so the branches join their sets: the best of each, the second best of each …
            let branches: Vec<Vec<ByteSet>> =
                branches.iter().map(|branch| Filter::new(0, sets(branch)).sets).collect();
            let count = branches.iter().map(Vec::len).min().unwrap_or_default();
            let joined = |rank: usize| {
                let sets = branches.iter().filter_map(|sets| sets.get(rank));
                sets.fold(ByteSet::default(), |joined, set| joined.union(set))
            };
            (0..count).map(joined).collect()
        }
    }
}

/// Returns the bytes with which the characters of a class begin.
fn first_bytes(class: &Class) -> ByteSet {
    let mut set = ByteSet::default();
    match class {
        Class::Bytes(class) => {
            let bytes = class.iter().flat_map(|range| range.start()..=range.end());
            bytes.for_each(|byte| set.insert(byte));
        }
        Class::Unicode(class) => {
            let sequences = class.iter().flat_map(|range| Utf8Sequences::new(range.start(), range.end()));
            for first in sequences.filter_map(|sequence| sequence.as_slice().first().copied()) {
                (first.start..=first.end).for_each(|byte| set.insert(byte));
            }
        }
    }
    set
}

#[cfg(test)]
mod tests;
