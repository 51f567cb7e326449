//! Regular expressions against the `regex` crate, and a text in chunks against the whole.

use matcher::case::Case;
use matcher::regexes::{Regexes, check};
use proptest::prelude::*;

use crate::texts::{chunks, cuts, text};

/// An expression, and the same for the `regex` crate.
fn expression() -> impl Strategy<Value = (String, String)> {
    let same = |text: &'static str| (text.to_owned(), text.to_owned());
    let leaf = prop::sample::select(vec![
        same("a"),
        same("b"),
        same("k"),
        same("с"),
        same("中"),
        same("."),
        same("[ab]"),
        same("[^a]"),
        same("(?i:s)"),
        same("^"),
        same("$"),
        same("(?m:^)"),
        same(r"\p{L}"),
        (r"\w".to_owned(), "[0-9A-Za-z_]".to_owned()),
        (r"[\W中]".to_owned(), "[[^0-9A-Za-z_]中]".to_owned()),
        (r"\b".to_owned(), r"(?-u:\b)".to_owned()),
        (r"\B".to_owned(), r"(?-u:\B)".to_owned()),
        (r"\C".to_owned(), "(?s-u:.)".to_owned()),
        (r"\Qa.\E".to_owned(), r"(?:a\.)".to_owned()),
    ]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let both = |(one, other): (String, String), template: &str| {
            (template.replace('#', &one), template.replace('#', &other))
        };
        let repeated =
            (inner.clone(), prop::sample::select(vec!["(#)*", "(?:#)+", "(#)?", "(#){2}", "(#){1,3}?"]));
        prop_oneof![
            repeated.prop_map(move |(expression, template)| both(expression, template)),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| parts.into_iter().unzip::<_, _, String, String>()),
            (inner.clone(), inner)
                .prop_map(|(a, b)| (format!("(?:{}|{})", a.0, b.0), format!("(?:{}|{})", a.1, b.1))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn found_as_the_regex_crate_does_whole_and_in_any_chunks(
        expressions in prop::collection::vec(expression(), 1..4),
        text in text(),
        cuts in cuts(),
        ignore_case: bool,
    ) {
        let (ours, theirs): (Vec<String>, Vec<String>) = expressions.into_iter().unzip();
        let case = if ignore_case { Case::Insensitive } else { Case::Sensitive };
        let theirs: Vec<regex::bytes::Regex> = theirs
            .iter()
            .map(|pattern| regex::bytes::RegexBuilder::new(pattern).case_insensitive(ignore_case).build().unwrap())
            .collect();

        // What is refused because it never matches never does.
        let regexes = match Regexes::new(&ours, case) {
            Ok(regexes) => regexes,
            Err(error) => {
                prop_assert!(error.message.contains("never matches"), "{}", error);
                prop_assert!(!theirs[error.index].is_match(&text));
                return Ok(());
            }
        };
        let expected = theirs.iter().any(|regex| regex.is_match(&text));
        let whole = regexes.find(&text);
        prop_assert_eq!(whole.is_some(), expected);
        prop_assert!(whole.is_none_or(|index| theirs[index].is_match(&text)));

        let mut scanner = regexes.scanner();
        let mut so_far = 0;
        for chunk in chunks(&text, &cuts) {
            so_far += chunk.len();
            if let Some(index) = scanner.feed(&regexes, chunk) {
                // Whatever may follow, this has matched.
                let longest = theirs[index].find_iter(&text).map(|found| found.start()).min();
                prop_assert!(longest.is_some_and(|start| start <= so_far));
            }
        }
        prop_assert_eq!(scanner.finish(&regexes).is_some(), expected);
    }

    #[test]
    fn any_expression_and_bytes_are_harmless(
        pattern in prop_oneof![
            any::<String>(),
            r"[a-c\\QEdpPxbBC{}\[\]()*+?|^$.,:<>=!i0-9&~-]{0,16}",
        ],
        text in any::<Vec<u8>>(),
    ) {
        let checked = check(&pattern);
        let compiled = Regexes::new(&[&pattern], Case::Sensitive);
        prop_assert_eq!(checked.is_ok(), compiled.is_ok());
        if let Ok(regexes) = compiled {
            let mut scanner = regexes.scanner();
            text.chunks(3).for_each(|chunk| { scanner.feed(&regexes, chunk); });
            prop_assert_eq!(scanner.finish(&regexes).is_some(), regexes.is_match(&text));
        }
    }
}
