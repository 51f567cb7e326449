//! Keywords against the definition: one is found if it is equal to the text from some place on.

use matcher::case::Case;
use matcher::literal::Literals;
use proptest::prelude::*;

use crate::texts::{chunks, cuts, length_at_start, pattern, text};

/// The occurrence that ends first; of these the longest; of these the one listed first.
fn find(patterns: &[String], text: &[u8], ignore_case: bool) -> Option<usize> {
    let mut occurrences = Vec::new();
    for start in 0..text.len() {
        for (index, pattern) in patterns.iter().enumerate() {
            if let Some(length) = length_at_start(pattern, &text[start..], ignore_case) {
                occurrences.push((start + length, start, index));
            }
        }
    }
    occurrences.into_iter().min().map(|(_, _, index)| index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn found_whole_and_in_any_chunks(
        mut patterns in prop::collection::vec(pattern(), 0..6),
        text in text(),
        cuts in cuts(),
        ignore_case: bool,
        many: bool,
    ) {
        if many {
            // As much as makes the set choose its other automaton.
            patterns.push("z".repeat(5_000));
        }
        let case = if ignore_case { Case::Insensitive } else { Case::Sensitive };
        let literals = Literals::new(&patterns, case).unwrap();
        prop_assert_eq!(literals.find(&text), find(&patterns, &text, ignore_case));

        let mut scanner = literals.scanner();
        let mut so_far = 0;
        for chunk in chunks(&text, &cuts) {
            so_far += chunk.len();
            prop_assert_eq!(scanner.feed(&literals, chunk), find(&patterns, &text[..so_far], ignore_case));
        }
    }

    #[test]
    fn found_in_long_texts_wherever_they_are(
        patterns in prop::collection::vec("[a-d]{1,9}", 1..20),
        text in "[a-e]{0,400}",
        cuts in cuts(),
    ) {
        let literals = Literals::new(&patterns, Case::Sensitive).unwrap();
        let expected = patterns.iter().any(|pattern| text.contains(pattern));
        prop_assert_eq!(literals.is_match(text.as_bytes()), expected);
        let mut scanner = literals.scanner();
        let found = chunks(text.as_bytes(), &cuts).into_iter().fold(None, |_, chunk| scanner.feed(&literals, chunk));
        prop_assert_eq!(found.is_some(), expected);
    }
}

proptest! {
    #[test]
    fn any_patterns_and_bytes_are_harmless(
        patterns in prop::collection::vec(any::<String>(), 0..8),
        chunks in prop::collection::vec(any::<Vec<u8>>(), 0..8),
        ignore_case: bool,
    ) {
        let case = if ignore_case { Case::Insensitive } else { Case::Sensitive };
        match Literals::new(&patterns, case) {
            Ok(literals) => {
                let mut scanner = literals.scanner();
                let found = chunks.iter().fold(None, |_, chunk| scanner.feed(&literals, chunk));
                prop_assert_eq!(found, literals.find(&chunks.concat()));
            }
            Err(_) => prop_assert!(patterns.iter().any(String::is_empty)),
        }
    }
}
