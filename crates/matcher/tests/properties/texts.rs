//! Characters that are awkward together, texts made of them, and the plain definition of equality without case.

use proptest::prelude::*;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// Few enough that patterns occur in texts, and among them every kind of change of case: from and to ASCII, of
/// different lengths, with three spellings, with none.
const CHARS: &[char] = &[
    'a', 'A', 'b', 'k', 'K', '\u{212a}', 's', 'S', 'ſ', 'σ', 'ς', 'Σ', 'ß', 'ẞ', 'с', 'С', 'ⱥ', 'Ⱥ', '中',
    '𐐀', '𐐨',
];

pub fn character() -> impl Strategy<Value = char> {
    prop::sample::select(CHARS)
}

pub fn pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 1..6).prop_map(|chars| chars.into_iter().collect())
}

/// Bytes that are mostly characters, and some pieces of them.
pub fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => character().prop_map(|c| c.to_string().into_bytes()),
        1 => prop::sample::select(vec![&b"\xe2\x84"[..], b"\xe2", b"\xd0", b"\x84", b"\xf0\x90", b"\xff", b"\x00"])
            .prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// `text` cut at some places.
pub fn chunks<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

pub fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..8)
}

/// How many bytes at the beginning of `text` are `pattern`, case aside or not.
pub fn length_at_start(pattern: &str, text: &[u8], ignore_case: bool) -> Option<usize> {
    let mut rest = text;
    for wanted in pattern.chars() {
        let found = (1..=rest.len().min(4)).find_map(|length| {
            let mut chars = std::str::from_utf8(&rest[..length]).ok()?.chars();
            chars.next()
        })?;
        if wanted != found && !(ignore_case && same_without_case(wanted, found)) {
            return None;
        }
        rest = &rest[found.len_utf8()..];
    }
    Some(text.len() - rest.len())
}

fn same_without_case(one: char, other: char) -> bool {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(one, one)]);
    class.case_fold_simple();
    class.ranges().iter().any(|range| range.start() <= other && other <= range.end())
}
