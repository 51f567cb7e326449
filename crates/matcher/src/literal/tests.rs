//! The traps: case in and outside ASCII, chunks that end inside a character, misuse of a scanner.

use super::*;

fn find(patterns: &[&str], case: Case, text: &str) -> Option<usize> {
    let literals = Literals::new(patterns, case).unwrap();
    let whole = literals.find(text.as_bytes());
    let mut scanner = literals.scanner();
    let by_bytes = text.bytes().fold(None, |_, byte| scanner.feed(&literals, &[byte]));
    assert_eq!(whole, by_bytes, "{patterns:?} {text}");
    whole
}

#[test]
fn a_keyword_is_found_anywhere() {
    for text in ["swear", "a swear", "swear b", "ssswear", "sweswear"] {
        assert_eq!(find(&["x", "swear"], Case::Sensitive, text), Some(1), "{text}");
    }
    assert_eq!(find(&["swear"], Case::Sensitive, "swea"), None);
    assert_eq!(find(&["swear"], Case::Sensitive, "Swear"), None);
}

#[test]
fn the_first_to_end_then_the_longest_is_named() {
    assert_eq!(find(&["bc", "abc", "c", "abcd"], Case::Sensitive, "xabcd"), Some(1));
    assert_eq!(find(&["abcd", "bc"], Case::Sensitive, "abcd"), Some(1));
    assert_eq!(find(&["a", "a"], Case::Sensitive, "a"), Some(0));
}

#[test]
fn case_is_ignored_on_both_sides() {
    for (pattern, text) in [
        ("SeCret", "xsEcReTx"),
        ("ſecret", "SECRET"),
        ("kilo", "\u{212a}ILO"),
        ("\u{212a}ILO", "kilo"),
        ("МОСКВА", "в москве и москва"),
        ("οδος", "ΟΔΟΣ"),
        ("STRAẞE", "straße"),
    ] {
        assert_eq!(find(&[pattern], Case::Insensitive, text), Some(0), "{pattern} {text}");
        assert_eq!(find(&[pattern], Case::Sensitive, text), None, "{pattern} {text}");
    }
}

#[test]
fn an_empty_set_finds_nothing() {
    assert_eq!(find(&[], Case::Sensitive, "anything at all"), None);
    assert_eq!(find(&[], Case::Insensitive, "anything at all"), None);
}

#[test]
fn an_empty_keyword_is_rejected() {
    let error = Literals::new(["a", ""], Case::Sensitive).err().unwrap();
    assert_eq!(error, LiteralsError::Empty { index: 1 });
    assert!(error.to_string().contains("entry 1"));
}

#[test]
fn a_match_stays_found() {
    let literals = Literals::new(["bad"], Case::Sensitive).unwrap();
    let mut scanner = literals.scanner();
    assert_eq!(scanner.feed(&literals, b"b"), None);
    assert_eq!(scanner.feed(&literals, b"ad"), Some(0));
    assert_eq!(scanner.feed(&literals, b""), Some(0));
    assert_eq!(scanner.feed(&literals, b"good"), Some(0));
}

#[test]
fn a_scanner_starts_over_with_another_set() {
    let small = Literals::new(["ab"], Case::Sensitive).unwrap();
    let large = Literals::new((0..2_000).map(|i| format!("word{i}")), Case::Insensitive).unwrap();
    let mut scanner = large.scanner();
    assert_eq!(scanner.feed(&large, b"word199"), None.or(scanner.found));
    assert_eq!(scanner.feed(&small, b"b"), None);
    assert_eq!(scanner.feed(&small, b"ab"), Some(0));
    assert_eq!(scanner.feed(&large, b"or"), None);
}
