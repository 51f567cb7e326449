//! Matches, what is open, and that searches which have seen a text find what others find.

use super::*;

fn open(patterns: &[&str], text: &str) -> Next {
    Replacer::new(patterns).unwrap().find(text, 0, false, 256)
}

#[test]
fn only_possible_matches_are_open() {
    for (pattern, text, expected) in [
        (r"\d{11}", "tel 1234567890", Next::Open { start: 4 }),
        (r"\d{11}", "tel 12345678901", Next::Match { pattern: 0, start: 4, end: 15 }),
        (r"\d{11}", "tel 1234567890 ", Next::None),
        (r"\d{5,6}", "tel 12345", Next::Open { start: 4 }),
        (r"\d{5,6}", "tel 123456", Next::Match { pattern: 0, start: 4, end: 10 }),
        (r"\d{5}\b", "tel 12345", Next::Open { start: 4 }),
        (r"\bab", "xab", Next::None),
        (r"\bab", "x a", Next::Open { start: 2 }),
        (r"ab$", "xab", Next::Open { start: 1 }),
        (r"^ab", "xa", Next::None),
        (r"[a-z]+@", "12 ab", Next::Open { start: 3 }),
        ("你好", "说你", Next::Open { start: 3 }),
        ("你好", "说他", Next::None),
    ] {
        assert_eq!(open(&[pattern], text), expected, "{pattern} in {text}");
    }
}

#[test]
fn a_match_that_nothing_can_change_does_not_wait_for_a_later_one() {
    let text = "12345, a";
    assert_eq!(open(&[r"a+b", r"\d{5}"], text), Next::Match { pattern: 1, start: 0, end: 5 });
    // The first expression has begun before, and could still win.
    assert_eq!(open(&[r"\d{5},? ?a+b", r"\d{5}"], text), Next::Open { start: 0 });
    assert_eq!(open(&[r"\d{5}", r"\d{5},? ?a+b"], text), Next::Match { pattern: 0, start: 0, end: 5 });
}

#[test]
fn open_matches_have_a_maximum_length() {
    let replacer = Replacer::new(&["a+b"]).unwrap();
    let text = "a".repeat(300);
    assert_eq!(replacer.find(&text, 0, false, 256), Next::Open { start: 44 });
    assert_eq!(replacer.find(&text, 0, true, 256), Next::None);
}

#[test]
fn templates_know_groups_by_number_and_name() {
    let replacer = Replacer::new(&["x", r"(?P<user>\w+)@(\w+)"]).unwrap();
    let text = "to me@home!";
    assert_eq!(replacer.find(text, 0, true, 256), Next::Match { pattern: 1, start: 3, end: 10 });
    assert_eq!(replacer.expand(text, 1, 3..10, "${user}:$2 $$1 $0"), "me:home $1 me@home");
    assert_eq!(replacer.unknown_groups(1, "$user $2"), Vec::<String>::new());
    assert_eq!(replacer.unknown_groups(1, "$name $3"), ["name", "3"]);
}

#[test]
fn expressions_that_match_the_empty_text_are_rejected() {
    for pattern in ["", "a*", "a|"] {
        assert!(Replacer::new(&[pattern]).is_err(), "{pattern}");
    }
}

#[test]
fn cuts_change_nothing() {
    let patterns = [r"\b1[3-9]\d{9}\b", r"[a-z0-9]+@[a-z0-9]+\.[a-z]{2,4}", r"ab|abc", "你好吗?"];
    let replacer = Replacer::new(&patterns).unwrap();
    let text = "x 13812345678, 138123456789 me@home.com abc abca 你好吗你好 me@x.c 13912345678";
    let rewrite = |pieces: &[&str]| {
        let (mut out, mut held, mut from) = (String::new(), String::new(), 0);
        for (index, piece) in pieces.iter().enumerate() {
            held.push_str(piece);
            loop {
                match replacer.find(&held, from, index + 1 == pieces.len(), 256) {
                    Next::Match { pattern, start, end } => {
                        out.push_str(&held[from..start]);
                        out.push_str(&format!("<{pattern}>"));
                        from = end;
                    }
                    Next::Open { start } => {
                        out.push_str(&held[from..start]);
                        from = start;
                        break;
                    }
                    Next::None => {
                        out.push_str(&held[from..]);
                        from = held.len();
                        break;
                    }
                }
            }
        }
        out
    };
    let whole = rewrite(&[text]);
    assert_eq!(whole, "x <0>, 138123456789 <1> <2>c <2>ca <3><3> me@x.c <0>");
    let places: Vec<usize> = text.char_indices().map(|(place, _)| place).collect();
    for &first in &places {
        for &second in places.iter().filter(|second| **second >= first) {
            let pieces = [&text[..first], &text[first..second], &text[second..]];
            assert_eq!(rewrite(&pieces), whole, "{pieces:?}");
        }
    }
}

#[test]
fn the_cache_does_not_change_matches() {
    let patterns = [
        &[r"a.*z|a"][..],
        &["(a|aa)+c", "b", r"\bc"],
        &["[ab]+c|a", ".*z", "(?s)c.*y|c"],
        &["a.{3,9}y|a", r"c\b", "b$", "你.*好|你"],
        &["ab|a.*?c|b.*z"],
    ];
    let letters = ["a", "b", "c", " ", "\n", "z", "y", "你", "好"];
    let mut seed = 7_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % limit
    };
    for round in 0..60 {
        let replacer = Replacer::new(patterns[round % patterns.len()]).unwrap();
        // Few letters, now and then one of those that end what has been open for long.
        let few = 2 + below(4);
        let mut text = String::new();
        for _ in 0..400 + below(6_000) {
            let rare = below(300) == 0;
            text.push_str(letters[below(if rare { letters.len() } else { few })]);
        }
        let (mut seen, mut from, mut count) = (SearchCache::default(), 0, 0);
        loop {
            let next = replacer.find_again(&mut seen, &text, from, true, 0);
            assert_eq!(next, replacer.find(&text, from, true, 0), "{round}: {from} of {}", text.len());
            let Next::Match { end, .. } = next else { break };
            (from, count) = (end, count + 1);
        }
        assert!(count > 16, "{round}");
    }
}
