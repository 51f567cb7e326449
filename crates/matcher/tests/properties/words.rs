//! Denied words against the definition: one is found where it is equal to the text and its ends are free.

use matcher::words::{Categories, Dictionary, MAX_WORD_CHARS, WordMatch, Words, tables};
use proptest::prelude::*;

/// Few enough that words occur: letters in all their spellings, a mark, digits, scripts without spaces, an
/// astral character of either kind, and what is between words.
const CHARS: &[char] = &[
    'a', 'A', 'ａ', 'Ａ', 'b', 'k', 'K', '\u{212a}', 's', 'ſ', 'я', 'Я', '\u{301}', '1', '１', '中', '文',
    'あ', '도', 'ก', '𠀀', '𐐀', '𐐨', '+', '＋', ' ', '\n', '\u{3000}', '_', '\u{a0}', '。', '😀',
];

fn word() -> impl Strategy<Value = String> {
    let chars = prop::collection::vec(prop::sample::select(CHARS), 1..6);
    chars
        .prop_map(|chars| chars.into_iter().collect())
        .prop_filter("is empty", |word: &String| !word.trim().is_empty())
}

/// Words of few characters, so that many begin alike.
fn words() -> impl Strategy<Value = Vec<String>> {
    let alike = prop_oneof!["[ab ]{0,5}[ab]", "[ab中]{1,6}", "[中文]{1,5}", "[a+ ]{0,4}[a+]"];
    let alike = alike.prop_filter("is empty", |word: &String| !word.trim().is_empty());
    prop::collection::vec(prop_oneof![word(), alike], 0..12)
}

fn text() -> impl Strategy<Value = String> {
    let any = prop::collection::vec(prop::sample::select(CHARS), 0..30);
    prop_oneof![
        any.prop_map(|chars| chars.into_iter().collect()),
        "[ab 中+]{0,30}",
        "[中文a]{0,30}",
        "[ab ]{0,30}"
    ]
}

fn folded(c: char) -> char {
    match c {
        'A' | 'ａ' | 'Ａ' => 'a',
        'K' | '\u{212a}' => 'k',
        'ſ' => 's',
        'Я' => 'я',
        '１' => '1',
        '𐐀' => '𐐨',
        '＋' => '+',
        '\n' | '\u{3000}' | '\u{a0}' => ' ',
        _ => c,
    }
}

fn is_spaced(c: char) -> bool {
    matches!(folded(c), 'a' | 'b' | 'k' | 's' | 'я' | '\u{301}' | '1' | '𐐨')
}

/// The definition.
fn find(words: &[String], text: &str, from: usize, ended: bool) -> WordMatch {
    for (start, _) in text.char_indices().filter(|(start, _)| *start >= from) {
        let rest: Vec<char> = text[start..].chars().collect();
        let before = text[..start].chars().next_back().is_some_and(is_spaced);
        let mut shortest = None;
        let mut open = false;
        for word in words {
            let word: Vec<char> = word.trim().chars().collect();
            let same = word.iter().zip(&rest).all(|(one, other)| folded(*one) == folded(*other));
            if !same || before && is_spaced(word[0]) {
                continue;
            }
            if word.len() > rest.len() {
                open |= !ended;
            } else if !is_spaced(word[word.len() - 1]) {
                shortest = shortest.into_iter().chain([word.len()]).min();
            } else {
                match rest.get(word.len()) {
                    Some(next) if is_spaced(*next) => {}
                    None if !ended => open = true,
                    _ => shortest = shortest.into_iter().chain([word.len()]).min(),
                }
            }
        }
        if let Some(chars) = shortest {
            let end = start + rest[..chars].iter().map(|c| c.len_utf8()).sum::<usize>();
            return WordMatch::Word { start, end };
        }
        if open {
            return WordMatch::Open { start };
        }
    }
    WordMatch::None
}

/// All words of a text one after another, whole.
fn all(words: &Words, text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let WordMatch::Word { start, end } = words.find(text, from, true) {
        found.push((start, end));
        from = end;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn words_are_found_according_to_the_definition(words in words(), text in text(), from: prop::sample::Index, ended: bool) {
        let mut from = from.index(text.len() + 1);
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        let set = Words::new(&words).unwrap();
        prop_assert_eq!(set.is_empty(), words.is_empty());
        prop_assert_eq!(set.find(&text, from, ended), find(&words, &text, from, ended));
    }

    #[test]
    fn long_words_are_found_in_any_spelling(
        word in prop::collection::vec(prop::sample::select(CHARS), 1..=MAX_WORD_CHARS),
        others in words(),
        respell in prop::collection::vec(any::<Option<prop::sample::Index>>(), MAX_WORD_CHARS),
        ended: bool,
    ) {
        let text: String = word.iter().zip(&respell).map(|(c, respell)| {
            let same: Vec<char> = CHARS.iter().copied().filter(|other| folded(*other) == folded(*c)).collect();
            respell.map_or(*c, |respell| same[respell.index(same.len())])
        }).collect();
        let word: String = word.into_iter().collect();
        prop_assume!(!word.trim().is_empty());
        let words: Vec<String> = others.into_iter().chain([word]).collect();
        let set = Words::new(&words).unwrap();
        for text in [&text, &format!("。{text}。"), &text[..text.floor_char_boundary(text.len() - 1)]] {
            prop_assert_eq!(set.find(text, 0, ended), find(&words, text, 0, ended));
        }
    }

    #[test]
    fn found_the_same_in_any_pieces(
        words in words(),
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let set = Words::new(&words).unwrap();
        let longest = words.iter().map(|word| word.trim().chars().count()).max().unwrap_or(0);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.retain(|cut| text.is_char_boundary(*cut));
        cuts.push(text.len());
        cuts.sort_unstable();
        let last = cuts.len() - 1;

        let mut from = 0;
        let mut found = Vec::new();
        for (at, cut) in cuts.into_iter().enumerate() {
            let so_far = &text[..cut];
            loop {
                match set.find(so_far, from, at == last) {
                    WordMatch::Word { start, end } => {
                        found.push((start, end));
                        from = end;
                    }
                    WordMatch::Open { start } => {
                        prop_assert!(at < last && start >= from);
                        prop_assert!(so_far[start..].chars().count() <= longest);
                        from = start;
                        break;
                    }
                    WordMatch::None => {
                        from = cut;
                        break;
                    }
                }
            }
        }
        prop_assert_eq!(found, all(&set, &text));
    }

    #[test]
    fn categories_are_as_if_alone(
        one in words(),
        other in words(),
        text in text(),
    ) {
        let [some, more] = [&one, &other].map(|words| words.iter().map(String::as_str).collect::<Vec<_>>());
        let tables = tables(&[("one", &some), ("other", &more)]).unwrap();
        let dictionary = Dictionary::from_tables(&tables).unwrap();
        prop_assert_eq!(dictionary.category_names().collect::<Vec<_>>(), ["one", "other"]);
        prop_assert_eq!(dictionary.find(Categories::NONE, &text, 0, true), WordMatch::None);
        let categories = [dictionary.category("one").unwrap(), dictionary.category("other").unwrap()];
        prop_assert_eq!(dictionary.find(categories[0], &text, 0, true), find(&one, &text, 0, true));
        prop_assert_eq!(dictionary.find(categories[1], &text, 0, true), find(&other, &text, 0, true));
        let both: Vec<String> = one.into_iter().chain(other).collect();
        let all = categories[0].and(categories[1]);
        for ended in [true, false] {
            prop_assert_eq!(dictionary.find(all, &text, 0, ended), find(&both, &text, 0, ended));
            prop_assert_eq!(dictionary.find(Categories::ALL, &text, 0, ended), find(&both, &text, 0, ended));
        }
    }
}

proptest! {
    #[test]
    fn any_words_texts_and_tables_are_harmless(
        words in prop::collection::vec(any::<String>(), 0..8),
        text in any::<String>(),
        from in 0..40usize,
        ended: bool,
        spoilt: prop::sample::Index,
        byte: u8,
    ) {
        match Words::new(&words) {
            Ok(set) => {
                let _ = set.find(&text, from, ended);
            }
            Err(error) => prop_assert!(error.to_string().contains("write")),
        }
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.trim().is_empty()).collect();
        let mut tables = tables(&[("all", &words)]).unwrap();
        for word in &words {
            let dictionary = Dictionary::from_tables(&tables).unwrap();
            let is_found = matches!(dictionary.find(Categories::ALL, word, 0, true), WordMatch::Word { .. });
            prop_assert!(is_found, "{}", word);
        }
        let at = spoilt.index(tables.len());
        tables[at] = byte;
        for tables in [&tables[..], &tables[..at]] {
            if let Ok(dictionary) = Dictionary::from_tables(tables) {
                let _ = dictionary.find(Categories::ALL, &text, from, ended);
                let _ = dictionary.category_names().count();
            }
        }
    }
}
