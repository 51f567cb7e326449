//! What RE2 users expect, limits, and matches that a chunk's end could hide.

use super::*;

fn find(patterns: &[&str], case: Case, text: impl AsRef<[u8]>) -> Option<usize> {
    let text = text.as_ref();
    let regexes = Regexes::new(patterns, case).unwrap();
    let whole = regexes.find(text);
    let mut scanner = regexes.scanner();
    for &byte in text {
        scanner.feed(&regexes, &[byte]);
    }
    assert_eq!(scanner.finish(&regexes).is_some(), whole.is_some(), "{patterns:?} {text:?}");
    whole
}

fn matches(pattern: &str, text: impl AsRef<[u8]>) -> bool {
    find(&[pattern], Case::Sensitive, text).is_some()
}

#[test]
fn it_searches_and_is_not_anchored() {
    assert!(matches("b+", "abbc"));
    assert!(!matches("^b", "ab"));
    assert!(matches("c$", "abc"));
    assert!(!matches("b$", "abc"));
    assert!(matches("(?m)b$", "ab\nc"));
    assert_eq!(find(&["x", "b.*d", "y"], Case::Sensitive, "abcd"), Some(1));
    assert_eq!(find(&["x.*", "b.*e", "y"], Case::Sensitive, "abcd"), None);
    assert_eq!(Regexes::new(&[""; 0], Case::Sensitive).unwrap().find(b""), None);
}

#[test]
fn perl_classes_are_ascii_and_the_rest_is_unicode() {
    assert!(matches(r"^\d$", "1") && !matches(r"^\d$", "٣"));
    assert!(matches(r"^\D$", "٣"));
    assert!(!matches(r"^\w$", "é") && matches(r"^[\w-]+$", "a-1"));
    assert!(!matches(r"^\s$", "\u{a0}") && !matches(r"^\s$", "\x0b"));
    assert!(matches(r"é\b", "éa") && !matches(r"é\b", "é"));
    assert!(matches("^.$", "中"));
    assert!(matches(r"^\p{Han}+$", "中文") && matches(r"^\p{^Han}$", "a") && matches(r"^\pL$", "é"));
    assert!(matches("^[^a]$", "中"));
    assert!(matches(r"^\C$", [0xff]) && !matches("^.$", [0xff]));
}

#[test]
fn case_is_ignored_without_touching_classes() {
    let found = |pattern, text| find(&[pattern], Case::Insensitive, text).is_some();
    assert!(found(r"^\D$", "x") && !found(r"^\D$", "1"));
    assert!(found("^select$", "SeLeCt") && found("привет", "ПРИВЕТ") && found("^k$", "\u{212a}"));
    assert!(found("(?-i:a)", "a") && !found("(?-i:a)", "A"));
    assert!(matches("(?i)ab", "AB"));
}

#[test]
fn a_match_is_reported_with_its_last_byte_unless_it_looks_ahead() {
    let feed = |pattern: &str, chunks: &[&[u8]]| {
        let regexes = Regexes::new(&[pattern], Case::Sensitive).unwrap();
        let mut scanner = regexes.scanner();
        let mut found: Vec<bool> =
            chunks.iter().map(|chunk| scanner.feed(&regexes, chunk).is_some()).collect();
        found.push(scanner.finish(&regexes).is_some());
        found
    };
    assert_eq!(feed("evil", &[b"ev", b"il", b""]), [false, true, true, true]);
    assert_eq!(feed("evil$", &[b"evil", b"x"]), [false, false, false]);
    assert_eq!(feed("evil$", &[b"evil", b""]), [false, false, true]);
    assert_eq!(feed(r"evil\b", &[b"evil", b"x", b"evil", b" "]), [false, false, false, true, true]);
    assert_eq!(feed("^evil", &[b"e", b"vil"]), [false, true, true]);
    assert_eq!(feed("^evil", &[b"x", b"evil"]), [false, false, false]);
    assert_eq!(feed("^$", &[]), [true]);
    assert_eq!(feed("a{3}.*b", &[b"aa", b"a", b"\xff", b"b"]), [false, false, false, false, false]);
}

#[test]
fn errors_contain_advice() {
    for (pattern, remedy) in [
        ("", "write an expression"),
        ("a(?=b)", "write two expressions"),
        ("(a", "unclosed group"),
        ("a)", "unopened group"),
        ("*", "missing expression"),
        ("[z-a]", "invalid character class range"),
        (r"\p{Klingon}", "Unicode property not found"),
        (r"(\pL{100}){100}", "write smaller counts"),
        ("(((a{1000}){1000}){1000}){1000}", "write smaller counts"),
    ] {
        let message = check(pattern).expect_err(pattern);
        assert!(message.contains(remedy), "{pattern}: {message}");
        assert_eq!(
            Regexes::new(&["a", pattern], Case::Sensitive).err(),
            Some(RegexError { index: 1, message })
        );
    }
    let deep = "(".repeat(10_000) + &")".repeat(10_000);
    assert!(check(&deep).is_err());
}

#[test]
fn a_scanner_starts_over_with_another_set() {
    let one = Regexes::new(&["ab"], Case::Sensitive).unwrap();
    let other = Regexes::new(&["x{3}", "y.*z", "[0-9]{4}.*q"], Case::Sensitive).unwrap();
    let mut scanner = other.scanner();
    assert_eq!(scanner.feed(&other, b"xxy1234"), None);
    assert_eq!(scanner.feed(&one, b"b"), None);
    assert_eq!(scanner.feed(&one, b"ab"), Some(0));
}

#[test]
fn expressions_that_never_match_are_rejected() {
    for pattern in ["$a", "a^", "a$b", "(a|b)^c", "x(^a|^b)", "(a$)(b)", "(?:a^)+", r"[^\s\S]", "a^|$b"] {
        let refused = check(pattern).expect_err(pattern);
        assert!(refused.contains("never matches"), "{pattern}: {refused}");
    }
    for pattern in
        ["$^", "^$", "a*^b", "(?m)a$\nb", "(?m:^)a", "(a^)*", "(a^)?b", "a^|b", r"\$a", r"a\^", "a$", "^^a"]
    {
        assert_eq!(check(pattern), Ok(()), "{pattern}");
    }
}

#[test]
fn expressions_with_another_beginning_match_no_path() {
    for pattern in ["^admin", "^https?://", "^a+"] {
        assert!(begins_otherwise(pattern, '/'), "{pattern}");
    }
    for pattern in ["^/admin", "admin", "^a?/", "^a*", "^a{0,2}/", "^a|/b", "^", "^[a/]", "^.", "^(?i)x", ""]
    {
        assert!(!begins_otherwise(pattern, '/'), "{pattern}");
    }
}
