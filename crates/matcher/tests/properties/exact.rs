//! Whole strings against the definition: one is found if it is equal to the whole text.

use matcher::case::Case;
use matcher::exact::ExactSet;
use proptest::prelude::*;

use crate::texts::{length_at_start, pattern, text};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn found_if_equal(
        strings in prop::collection::vec(pattern(), 0..12),
        other in text(),
        chosen: prop::sample::Index,
        ignore_case: bool,
    ) {
        let case = if ignore_case { Case::Insensitive } else { Case::Sensitive };
        let set = ExactSet::new(&strings, case).unwrap();
        let mut texts = vec![other];
        if !strings.is_empty() {
            let string = &strings[chosen.index(strings.len())];
            texts.extend([string.to_uppercase(), string.to_lowercase(), string.clone()].map(String::into_bytes));
        }
        for text in texts {
            let equal = |string: &String| length_at_start(string, &text, ignore_case) == Some(text.len());
            prop_assert_eq!(set.find(&text), strings.iter().position(equal));
        }
    }
}
