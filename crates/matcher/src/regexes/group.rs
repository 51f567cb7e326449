//! Grouping of expressions that share an automaton.
//!
//! In one automaton, a hundred expressions have the same cost per byte as one. But an automaton has a state for each set of
//! expressions that may be partly matched at a position. There are few such sets if most bytes end a match. Nothing ends a
//! match after the dots of `a.*b`, `c.*d`, …: ten such expressions have a thousand sets, and a client that knows them can
//! cause a new state for each byte. So only a few of them share an automaton.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::engine::Engine;
use super::{NFA_BYTES, compile};

/// The maximum size of the cached states of an engine in bytes.
const CACHE_BYTES: usize = 1 << 20;

/// The maximum number of expressions with open repetitions that share an automaton.
const MAX_LINGERING: usize = 4;

/// The groups that are not full.
#[derive(Default)]
pub(super) struct Groups {
    ordinary: Group,
    lingering: Group,
}

/// Expressions that share an automaton.
#[derive(Default)]
pub(super) struct Group {
    hirs: Vec<Hir>,
    /// Their numbers in the whole set.
    numbers: Vec<usize>,
    /// The sum of their sizes in bytes.
    bytes: usize,
}

impl Groups {
    /// Adds an expression with its size in bytes to its group. If the group was full, returns it and starts a new one.
    pub(super) fn add(&mut self, number: usize, hir: Hir, bytes: usize) -> Option<Group> {
        let (group, most) = match lingers(&hir) {
            true => (&mut self.lingering, MAX_LINGERING),
            false => (&mut self.ordinary, usize::MAX),
        };
        let full =
            group.numbers.len() == most || (group.bytes + bytes > NFA_BYTES && !group.numbers.is_empty());
        let before = full.then(|| std::mem::take(group));
        group.hirs.push(hir);
        group.numbers.push(number);
        group.bytes += bytes;
        before
    }

    pub(super) fn into_rest(self) -> impl Iterator<Item = Group> {
        [self.ordinary, self.lingering].into_iter().filter(|group| !group.numbers.is_empty())
    }
}

impl Group {
    pub(super) fn engine(self) -> Result<Engine, String> {
        let hirs: Vec<&Hir> = self.hirs.iter().collect();
        Engine::new(compile(&hirs)?, self.numbers, CACHE_BYTES)
    }
}

/// Returns true if a match can stay undecided for long: if a part that matches nearly any byte is repeated many times or
/// without a limit.
fn lingers(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let long = repetition.max.is_none_or(|max| max > 8);
            (long && takes_most(&repetition.sub)) || lingers(&repetition.sub)
        }
        HirKind::Capture(capture) => lingers(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(lingers),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// Returns true if a part of `hir` is a class with at least three quarters of ASCII.
fn takes_most(hir: &Hir) -> bool {
    let count = |ranges: &mut dyn Iterator<Item = (u32, u32)>| {
        ranges.map(|(start, end)| end.min(127).saturating_add(1).saturating_sub(start)).sum::<u32>() >= 96
    };
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            count(&mut class.iter().map(|range| (range.start().into(), range.end().into())))
        }
        HirKind::Class(Class::Bytes(class)) => {
            count(&mut class.iter().map(|range| (range.start().into(), range.end().into())))
        }
        HirKind::Repetition(repetition) => takes_most(&repetition.sub),
        HirKind::Capture(capture) => takes_most(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(takes_most),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Look(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::case::Case;

    #[test]
    fn what_a_byte_can_end_does_not_linger() {
        for (pattern, expected) in [
            ("abc", false),
            (r"\d+x", false),
            (r"\w*", false),
            (r"a\s+b", false),
            ("a.b", false),
            ("a.{3}b", false),
            ("a.*b", true),
            ("(a.+)?b", true),
            ("(?:x[^>])*", true),
            ("a.{15}b", true),
            (r"(\C|x){2,}", true),
        ] {
            assert_eq!(lingers(&parse(pattern, Case::Sensitive).unwrap()), expected, "{pattern}");
        }
    }

    #[test]
    fn few_that_linger_come_together() {
        let mut groups = Groups::default();
        let mut full = Vec::new();
        for number in 0..10 {
            for pattern in ["a.*b", "ab"] {
                full.extend(groups.add(number, parse(pattern, Case::Sensitive).unwrap(), 1));
            }
        }
        full.extend(groups.into_rest());
        let sizes: Vec<usize> = full.iter().map(|group| group.numbers.len()).collect();
        assert_eq!(sizes, [4, 4, 10, 2]);
    }
}
