//! What is a word, by example, and that the tables carry many words.

use super::*;

fn found<'a>(words: &[&str], text: &'a str) -> Option<&'a str> {
    match Words::new(words).unwrap().find(text, 0, true) {
        WordMatch::Word { start, end } => text.get(start..end),
        _ => None,
    }
}

#[test]
fn scripts_with_spaces_are_found_as_whole_words() {
    for text in
        ["ass", "Ass!", "an ASS", "an-ass", "damn_ass", "ass's", "你ass好", "ａｓｓ", "ass\u{200b}", "aſs"]
    {
        assert!(found(&["ass"], text).is_some(), "{text}");
    }
    for text in ["class", "asses", "ass1", "1ass", "ässe", "ass\u{301}", "assя", "a ss"] {
        assert_eq!(found(&["ass"], text), None, "{text}");
    }
    assert_eq!(found(&["нет"], "Нет!"), Some("Нет"));
    assert_eq!(found(&["нет"], "нету"), None);
    assert_eq!(found(&["हिन्द"], "हिन्दी"), None, "a mark goes with its letter");
}

#[test]
fn scripts_without_spaces_are_found_anywhere() {
    assert_eq!(found(&["代理"], "我的代理商"), Some("代理"));
    assert_eq!(found(&["カジノ"], "オンラインカジノへ"), Some("カジノ"));
    assert_eq!(found(&["도박"], "온라인도박을"), Some("도박"));
    assert_eq!(found(&["พนัน"], "เล่นการพนันออนไลน์"), Some("พนัน"));
}

#[test]
fn each_end_depends_on_its_own_character() {
    assert_eq!(found(&["VPN代理"], "用vpn代理商"), Some("vpn代理"));
    assert_eq!(found(&["VPN代理"], "myvpn代理"), None);
    assert_eq!(found(&["C++"], "c++11"), Some("c++"));
    assert_eq!(found(&["C++"], "abc++"), None);
    assert_eq!(found(&["hello world"], "Hello\u{3000}World."), Some("Hello\u{3000}World"));
    assert_eq!(found(&["hello world"], "hello  world"), None);
    assert_eq!(found(&["$$$"], "a$$$$"), Some("$$$"));
}

#[test]
fn the_leftmost_is_found_and_of_those_the_shortest_whole_one() {
    assert_eq!(found(&["文中", "中文字", "中文"], "看中文字中"), Some("中文"));
    assert_eq!(found(&["go", "go home"], "go home"), Some("go"));
    assert_eq!(found(&["go", "gone"], "gone go"), Some("gone"));
    let words = Words::new(&["ab cd ef", "cd"]).unwrap();
    assert_eq!(words.find("ab cd", 0, false), WordMatch::Open { start: 0 });
    assert_eq!(words.find("ab cd e", 0, true), WordMatch::Word { start: 3, end: 5 });
}

#[test]
fn the_text_before_the_start_determines_the_boundary_of_a_word() {
    let words = Words::new(&["ass"]).unwrap();
    assert_eq!(words.find("class", 2, true), WordMatch::None);
    assert_eq!(words.find("cl ass", 3, true), WordMatch::Word { start: 3, end: 6 });
    assert_eq!(words.find("中ass", 2, true), WordMatch::Word { start: 3, end: 6 }, "inside of a character");
    assert_eq!(words.find("ass", 9, true), WordMatch::None, "beyond the end");
}

#[test]
fn a_word_stays_open_until_it_is_known_to_be_whole() {
    let words = Words::new(&["ass", "代理"]).unwrap();
    assert_eq!(words.find("an ass", 0, false), WordMatch::Open { start: 3 });
    assert_eq!(words.find("an assn", 0, false), WordMatch::None);
    assert_eq!(words.find("an ass ", 0, false), WordMatch::Word { start: 3, end: 6 });
    assert_eq!(words.find("代", 0, false), WordMatch::Open { start: 0 });
    assert_eq!(words.find("代理", 0, false), WordMatch::Word { start: 0, end: 6 });
    assert_eq!(words.find("", 0, false), WordMatch::None);
}

#[test]
fn errors_contain_the_index_of_the_word() {
    let long = "很".repeat(MAX_WORD_CHARS + 1);
    assert_eq!(Words::new(&["a", " \u{3000}"]).err(), Some(WordError::Empty { index: 1 }));
    assert_eq!(Words::new(&["a", &long]).err(), Some(WordError::TooLong { index: 1 }));
    assert!(Words::new(&[long.trim_end_matches('很'), "a"]).is_err());
    let seventeen = [("a", &["b"][..]); 17];
    assert_eq!(tables(&seventeen).err(), Some(WordError::Categories));
    assert_eq!(tables(&[("", &[])]).err(), Some(WordError::Categories));
}

#[test]
fn invalid_tables_are_rejected() {
    let tables = tables(&[("a", &["word", "word again", "字"])]).unwrap();
    for length in 0..tables.len() {
        assert!(Dictionary::from_tables(tables.get(..length).unwrap()).is_err(), "{length}");
    }
    assert!(Dictionary::from_tables(&tables).is_ok());
    assert!(Dictionary::from_tables(&[7; 64]).is_err());
}

/// Words of two to five characters, or of one to three parts, as they are in large lists.
fn many(count: usize) -> Vec<String> {
    let mut state = 1u64;
    let mut below = move |bound: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as u32 % bound
    };
    let mut words = std::collections::BTreeSet::new();
    while words.len() < count {
        let word: String = if below(4) > 0 {
            (0..2 + below(4)).filter_map(|_| char::from_u32(0x4e00 + below(3_000))).collect()
        } else {
            let parts = (0..1 + below(3)).map(|_| {
                (0..3 + below(6))
                    .filter_map(|_| char::from_u32(u32::from('a') + below(26)))
                    .collect::<String>()
            });
            parts.collect::<Vec<_>>().join(" ")
        };
        words.insert(word);
    }
    words.into_iter().collect()
}

#[test]
fn tables_are_small_for_few_words_and_support_64_000() {
    let few = tables(&[("few", &["赌博", "online casino", "C++"])]).unwrap();
    assert!(few.len() < 200, "{} bytes", few.len());

    let words = many(64_000);
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    let tables = tables(&[("many", &borrowed)]).unwrap();
    assert!(tables.len() < 2_500_000, "{} bytes", tables.len());
    let dictionary = Dictionary::from_tables(&tables).unwrap();
    let mut text = String::new();
    for word in &words {
        text.push('；');
        text.push_str(word);
        let found = dictionary.find(Categories::ALL, word, 0, true);
        assert!(matches!(found, WordMatch::Word { start: 0, .. }), "{word}");
    }
    // Each of them begins a word, if only a shorter one.
    let (mut from, mut count) = (0, 0);
    while let WordMatch::Word { end, .. } = dictionary.find(Categories::ALL, &text, from, true) {
        (from, count) = (end, count + 1);
    }
    assert!(count >= words.len(), "{count}");
}

#[test]
fn the_order_of_words_does_not_change_the_tables() {
    let mut words = vec!["赌博", "online casino", "online", "Kelvin", "中"];
    let one = tables(&[("a", &words)]).unwrap();
    words.reverse();
    assert_eq!(tables(&[("a", &words)]).unwrap(), one);
}
