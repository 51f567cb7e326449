//! Detection of injections of SQL: the fingerprints of libinjection (BSD-3-Clause), whose tables `libinjectionrs` contains.
//!
//! A value is read as a sequence of tokens, as it is and as if it continued a string. What is redundant is folded away, and the kinds
//! of the first five tokens that remain are the fingerprint, which is compared with those of known injections. Rules of the Core Rule
//! Set expect exactly the decisions of libinjection, so its peculiarities are kept, also those that look like mistakes; tests compare
//! both.
//!
//! This is written anew because the crate allocates and converts for every token: a value of 8,000 backslashes cost 266 times as much
//! as prose.

mod fold;
mod tokens;
mod words;

use fold::{Folded, MAX_TOKENS, fold};
use tokens::{Tokens, kind};

/// How a value is read.
#[derive(Clone, Copy)]
struct Reading {
    /// The quote of the string that the value is assumed to continue.
    quote: Option<u8>,
    dialect: Dialect,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// `--` begins a comment, whatever follows it, and `#` is an operator.
    Ansi,
    /// `#` begins a comment, and `--` does only before white space.
    MySql,
}

/// Kinds of the tokens of an injection, one letter each, as libinjection prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    kinds: [u8; MAX_TOKENS],
    len: usize,
}

impl Fingerprint {
    /// Returns one letter for each token.
    pub fn as_bytes(&self) -> &[u8] {
        self.kinds.get(..self.len).unwrap_or_default()
    }
}

/// Returns the fingerprint of a value that is an injection of SQL.
pub fn detect(value: &[u8]) -> Option<Fingerprint> {
    let in_mysql = |quote| detect_in(value, Reading { quote, dialect: Dialect::MySql }).0;
    let in_both = |quote| {
        let (found, differs) = detect_in(value, Reading { quote, dialect: Dialect::Ansi });
        found.or_else(|| if differs { in_mysql(quote) } else { None })
    };
    let has = |quote| value.contains(&quote).then_some(Some(quote));
    in_both(None)
        .or_else(|| has(b'\'').and_then(in_both))
        // Only MySQL has strings in such quotes.
        .or_else(|| has(b'"').and_then(in_mysql))
}

/// Returns the fingerprint of an injection, and whether MySQL would read the value differently.
fn detect_in(value: &[u8], reading: Reading) -> (Option<Fingerprint>, bool) {
    let mut tokens = Tokens::new(value, reading);
    let folded = fold(&mut tokens);
    let fingerprint = fingerprint(&folded);
    let found =
        words::is_injection(fingerprint.as_bytes()) && !is_harmless(value, &folded, &fingerprint, &tokens);
    (found.then_some(fingerprint), tokens.differs_in_mysql)
}

fn fingerprint(folded: &Folded) -> Fingerprint {
    let mut kinds = [0; MAX_TOKENS];
    for (kind, token) in kinds.iter_mut().zip(folded.tokens()) {
        *kind = token.kind;
    }
    // An empty quotation that is not closed comments out the rest, in PHP.
    if let [_, _, .., last] = folded.tokens()
        && folded.tokens().len() > 2
        && last.kind == kind::BAREWORD
        && last.open == b'`'
        && last.close == 0
        && last.text.is_empty()
        && let Some(kind) = kinds.get_mut(folded.tokens().len() - 1)
    {
        *kind = kind::COMMENT;
    }
    // What databases read differently is an injection, whatever is around it.
    if folded.is_evil || kinds.contains(&kind::EVIL) {
        return Fingerprint { kinds: [kind::EVIL, 0, 0, 0, 0], len: 1 };
    }
    Fingerprint { kinds, len: folded.tokens().len() }
}

/// Returns true if a value with the fingerprint of an injection is more likely something else.
fn is_harmless(value: &[u8], folded: &Folded, fingerprint: &Fingerprint, tokens: &Tokens) -> bool {
    let kinds = fingerprint.as_bytes();
    let is_commented = kinds.len() > 1 && kinds.last() == Some(&kind::COMMENT);
    // Microsoft's SQL Server keeps what contains this word out of its logs.
    if is_commented && value.windows(11).any(|window| window == b"sp_password") {
        return false;
    }
    let only = |count: usize| tokens.count == count;
    match (kinds, folded.tokens()) {
        ([_, kind::UNION], _) => only(2),
        ([_, _], [first, second]) => {
            let starts = second.text.first().copied().unwrap_or_default();
            match (first.kind, second.kind) {
                _ if starts == b'#' => true,
                (kind::BAREWORD, kind::COMMENT) if starts != b'/' => true,
                (kind::NUMBER, kind::COMMENT) if starts == b'/' => false,
                // Base64 ends in `--`, too. As the original does, the byte is looked for as if the number began the value.
                (kind::NUMBER, kind::COMMENT) => {
                    let rest = value.get(first.text.len()..).unwrap_or_default();
                    let is_space = rest.first().is_none_or(|byte| *byte <= b' ' || *byte > 0x7f);
                    only(2) && !is_space && !rest.starts_with(b"/*") && !rest.starts_with(b"--")
                }
                _ => starts == b'-' && second.text.len() > 2,
            }
        }
        (b"sos" | b"s&s", [first, _, last]) => {
            !(first.open == 0 && last.close == 0 && first.close == last.open)
        }
        (b"s&n" | b"n&1" | b"1&1" | b"1&v" | b"1&s", _) => only(3),
        ([_, _, _], [_, second, _]) if second.kind == kind::KEYWORD => {
            second.text.len() < 5
                || !second.text.get(..4).is_some_and(|text| text.eq_ignore_ascii_case(b"INTO"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(value: &[u8]) -> String {
        detect(value).map(|found| String::from_utf8_lossy(found.as_bytes()).into_owned()).unwrap_or_default()
    }

    /// The fingerprints are those that libinjection prints; the tests with libmodsecurity compare many more.
    #[test]
    fn injections_have_the_fingerprints_of_libinjection() {
        for (value, fingerprint) in [
            (&b"1' OR '1'='1"[..], "s&sos"),
            (b"1 union select 1", "1UE1"),
            // An exponent without digits is ignored, as by MySQL.
            (b"1 union select 1.e", "1UE"),
            (b"a'+1.e'b", "sos"),
            (b"1e(1)/*", "1)c"),
            (b"1 /*! union */", "X"),
            (b"/* a /* b */", "X"),
            (b"sp_password\xff#foo", "nc"),
            (b"1;if(1=1)", "1;T(1"),
            (b"{``.``.id}", "X"),
            (b"$tag$text$tag$ union select 1", "sUE1"),
        ] {
            assert_eq!(detected(value), fingerprint, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn other_values_are_no_injections() {
        for value in [
            &b""[..],
            b"garden",
            b"1.e'",
            b"it's five o'clock",
            b"O'Neill and sons",
            b"select the union of both",
            b"\\\\\\\\\\\\\\\\",
        ] {
            assert_eq!(detected(value), "", "{}", value.escape_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_cause_a_panic(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80)) {
            detect(&value);
        }

        #[test]
        fn no_sql_causes_a_panic(value in "(q'|n'|nq'<|u&'|x'|b'0|e'|\\$a\\$|\\$\\$|\\$1|0x|0b|1e|\\.|@@|@|`|'|\"|/\\*|\\*/|--|#|\\\\|\\[|\\]|\\{|\\}|group| by |\u{0}|\u{e9}){0,12}") {
            detect(value.as_bytes());
        }
    }
}
