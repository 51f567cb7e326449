//! Filters against matches: every match passes the filter of its expression.

use std::env;

use regex_syntax::hir::HirKind;
use seclang::Operator;

use super::*;
use crate::regex::{self, LazyRegex};

#[path = "../../../seclang/tests/support/mod.rs"]
mod support;

/// Numbers that look random, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// Writes a text that matches, unless an anchor forbids it.
fn sample(hir: &Hir, random: &mut Random, out: &mut Vec<u8>) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.extend_from_slice(&literal.0),
        HirKind::Class(Class::Bytes(class)) => {
            let Some(range) = class.ranges().get(random.below(class.ranges().len())) else { return };
            let width = usize::from(range.end() - range.start()) + 1;
            out.push(range.start() + u8::try_from(random.below(width)).unwrap());
        }
        HirKind::Class(Class::Unicode(class)) => {
            let Some(range) = class.ranges().get(random.below(class.ranges().len())) else { return };
            let c = if random.below(2) == 0 { range.start() } else { range.end() };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(2));
            let more = usize::try_from(most - repetition.min).unwrap();
            for _ in 0..usize::try_from(repetition.min).unwrap() + random.below(more + 1) {
                sample(&repetition.sub, random, out);
            }
        }
        HirKind::Capture(capture) => sample(&capture.sub, random, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| sample(part, random, out)),
        HirKind::Alternation(branches) => sample(&branches[random.below(branches.len())], random, out),
    }
}

/// Checks that what matches passes the filter, and returns how many samples match, and how many there are.
fn check(pattern: &str) -> (usize, usize) {
    let compiled = LazyRegex::new(pattern);
    let filter = regex::filter(pattern);
    let mut random = Random(u64::try_from(pattern.len()).unwrap());
    let samples = regex::with_syntax(pattern, |hir| {
        let one = |_| {
            let mut value = Vec::new();
            sample(hir, &mut random, &mut value);
            value
        };
        Ok((0..40).map(one).collect::<Vec<_>>())
    });
    let mut matching = 0;
    for (round, mut value) in samples.unwrap().into_iter().enumerate() {
        if round % 4 == 3 && !value.is_empty() {
            // Not far from a match.
            let at = random.below(value.len());
            match random.below(2) {
                0 => value.truncate(at),
                _ => value[at] = u8::try_from(random.below(256)).unwrap(),
            }
        }
        if compiled.is_match(&value) {
            matching += 1;
            let passes = filter.passes(value.len(), &ByteSet::of(&value));
            assert!(passes, "{pattern} matches {}, but not its filter {filter:?}", value.escape_ascii());
        }
    }
    (matching, 40)
}

#[test]
fn a_filter_has_what_every_match_has() {
    let filter = |pattern: &str| regex::filter(pattern);
    let sets = |pattern: &str| -> Vec<Vec<u8>> {
        filter(pattern).sets.iter().map(|set| set.bytes().collect()).collect()
    };
    assert_eq!(sets("<%x?"), [b"%".to_vec(), b"<".to_vec()]);
    assert_eq!(filter("<%x?").min_len, 2);
    assert_eq!(sets("(?i)k"), [b"Kk".to_vec()]);
    assert_eq!(sets("a!|#b"), [b"!#".to_vec(), b"ab".to_vec()]);
    assert_eq!(sets("[0-9]+"), [b"0123456789".to_vec()]);
    assert_eq!(sets("é"), [vec![0xc3], vec![0xa9]]);
    assert_eq!(sets("[①-⑳]"), [vec![0xe2]]);
    for everything in ["", "a*", "a|", "^$", ".", r"\b"] {
        assert_eq!(sets(everything), [[0u8; 0]; 0], "{everything}");
    }
}

/// Patterns of the project's own, with what filters are derived from.
const PATTERNS: &[&str] = &[
    "a",
    "(?i)union\\s+select",
    "(?:a|bc|)d",
    "^[^a-z]{2,4}$",
    "\\bx(?:y{0,2}|z+)\\b",
    "(?i)[k-s]{3}|\\x{bc}.",
    "[①-⑳]|é+",
    "(a(b(c)?)+|[[:punct:]])$",
    "\\.\\./|%2e(?:%2f|/)",
    "",
];

#[test]
fn what_matches_passes_the_filter() {
    for pattern in PATTERNS {
        assert!(check(pattern).0 > 0, "no sample matches {pattern}");
    }
}

/// All expressions of the release in `CRS`, or of Debian's older one, three of which have look-arounds or back-references.
#[test]
fn what_matches_an_expression_of_the_core_rule_set_passes_its_filter() {
    let is_release = env::var_os("CRS").is_some_and(|folder| !folder.is_empty());
    let (least, unusable) = if is_release { (10_000, 0) } else { (9_000, 3) };
    let program = seclang::compile_folder(&support::folder().unwrap(), "", "").unwrap().program;
    let (mut matching, mut all, mut others) = (0, 0, 0);
    for operator in &program.operators {
        match operator {
            Operator::Rx(pattern, _) if regex::check(pattern).is_err() => others += 1,
            Operator::Rx(pattern, _) => {
                let (some, samples) = check(pattern);
                matching += some;
                all += samples;
            }
            _ => {}
        }
    }
    assert_eq!(others, unusable);
    assert!(all > least && matching > all / 2, "{matching} of {all} samples match");
}
