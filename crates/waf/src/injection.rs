//! Cheap conditions of the detectors of injections: most values of ordinary requests do not fulfil them.

use seclang::ByteSet;

/// Returns false if no value with these bytes is an injection of HTML. The detector follows the tokenizer of browsers: to it,
/// only tags, comments and values of attributes are dangerous, and a value follows a `=`.
pub(crate) fn may_be_html(bytes: &ByteSet) -> bool {
    bytes.contains(b'<') || bytes.contains(b'=')
}

/// Returns false if a value is not an injection of SQL: a word and a number are one token each, which is not an injection alone.
pub(crate) fn may_be_sql(value: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match value.first() {
        Some(b'0'..=b'9') => !value.iter().all(u8::is_ascii_digit),
        _ => !value.iter().all(is_word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is compared: every condition against its detector.
    fn check(value: &[u8]) -> Result<(), String> {
        let sql = crate::sql::detect(value).is_some() && !may_be_sql(value);
        let html = libinjectionrs::detect_xss(value).is_injection() && !may_be_html(&ByteSet::of(value));
        if sql || html { Err(format!("sql: {sql}, html: {html}: {}", value.escape_ascii())) } else { Ok(()) }
    }

    #[test]
    fn conditions_spare_most_values() {
        for value in
            [&b""[..], b"garden", b"select", b"x1", b"12345678901234567890123456789012345678901234567890"]
        {
            assert!(!may_be_sql(value) && !may_be_html(&ByteSet::of(value)), "{}", value.escape_ascii());
            check(value).unwrap();
        }
        for value in [&b"1a"[..], b"or 1", b"1' or '1'='1", b"0x41"] {
            assert!(may_be_sql(value), "{}", value.escape_ascii());
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

        #[test]
        fn no_injection_is_spared(value in "('|\"|`|--|#|/\\*|;|@|\\$|0x|[0-9]e|union|select|or|sp_password|<|>|!|\\[|%|\\?|svg|onload|href|style|javascript:|=|\\(|,|\\.|q'|\\\\|\u{0}| |/){0,8}") {
            check(value.as_bytes()).map_err(proptest::test_runner::TestCaseError::fail)?;
        }

        #[test]
        fn no_word_is_an_injection(value in "[A-Za-z_][A-Za-z0-9_]{0,40}|[0-9]{0,40}|(b|e|n|q|u|x|select|union|or|sleep|0x)[a-z0-9_]{0,4}") {
            check(value.as_bytes()).map_err(proptest::test_runner::TestCaseError::fail)?;
        }

        /// Without `<` and `=`, nothing is dangerous in HTML.
        #[test]
        fn no_text_without_tags_and_values_is_html(value in "('|\"|`|--|>|!|\\[|\\?|svg|onload|href|style|javascript:|[ -;>-~]|\u{0}| |/|\t){0,12}") {
            check(value.as_bytes()).map_err(proptest::test_runner::TestCaseError::fail)?;
        }
    }
}
