//! Operators with all that can be prepared.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use matcher::ip::{IpRange, IpSet};
use seclang::{ByteSet, Filter, Operator, Template};

use crate::captures::Groups;
use crate::grams::{Grams, Starts};
use crate::regex::LazyRegex;
use crate::{injection, regex, sql};

/// An operator of the rules, ready for use.
pub(crate) enum Prepared {
    Rx(Expression),
    /// The last expression, and the text that it was compiled from.
    RxTemplate(Template<'static>, RefCell<LazyRegex>, RefCell<Vec<u8>>),
    Pm(Phrases),
    Text(Comparison, Template<'static>),
    Number(fn(&i64, &i64) -> bool, Template<'static>),
    Ip(IpSet),
    /// With a check whether detection is needed.
    DetectSqli(bool),
    DetectXss(bool),
    /// The bytes that are permitted.
    Bytes(ByteSet),
    UrlEncoding,
    Utf8Encoding,
    Always,
    Never,
}

/// An expression of a rule.
pub(crate) struct Expression {
    pub(crate) regex: LazyRegex,
    filter: Filter,
    /// A request has come to one of its rules.
    pub(crate) reached: Cell<bool>,
    /// It was compared since the memory was last checked.
    pub(crate) used: Cell<bool>,
}

/// Phrases, of which a value must contain one.
pub(crate) struct Phrases {
    text: Cow<'static, str>,
    filter: Filter,
    starts: OnceCell<Starts>,
    automaton: OnceCell<Option<AhoCorasick>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Contains,
    ContainsWord,
    BeginsWith,
    EndsWith,
    Within,
}

impl Prepared {
    /// Without `filters`, every value is compared.
    pub(crate) fn new(operator: &Operator<'static>, filters: bool) -> Result<Self, String> {
        Ok(match operator {
            Operator::Rx(pattern, filter) => {
                let filter = match filter {
                    _ if !filters => Filter::default(),
                    Some(filter) => filter.clone(),
                    None => regex::filter(pattern),
                };
                let (reached, used) = (Cell::new(false), Cell::new(false));
                Self::Rx(Expression { regex: LazyRegex::new(pattern), filter, reached, used })
            }
            Operator::RxTemplate(template) => {
                Self::RxTemplate(template.clone(), RefCell::new(LazyRegex::new("")), RefCell::default())
            }
            Operator::Pm(text, filter) => {
                let filter = if filters { filter.clone() } else { Filter::default() };
                let (starts, automaton) = (OnceCell::new(), OnceCell::new());
                Self::Pm(Phrases { text: text.clone(), filter, starts, automaton })
            }
            Operator::StrEq(text) => Self::Text(Comparison::Equal, text.clone()),
            Operator::Contains(text) => Self::Text(Comparison::Contains, text.clone()),
            Operator::ContainsWord(text) => Self::Text(Comparison::ContainsWord, text.clone()),
            Operator::BeginsWith(text) => Self::Text(Comparison::BeginsWith, text.clone()),
            Operator::EndsWith(text) => Self::Text(Comparison::EndsWith, text.clone()),
            Operator::Within(text) => Self::Text(Comparison::Within, text.clone()),
            Operator::Eq(number) => Self::Number(i64::eq, number.clone()),
            Operator::Ge(number) => Self::Number(i64::ge, number.clone()),
            Operator::Gt(number) => Self::Number(i64::gt, number.clone()),
            Operator::Le(number) => Self::Number(i64::le, number.clone()),
            Operator::Lt(number) => Self::Number(i64::lt, number.clone()),
            Operator::IpMatch(networks) => {
                let ranges = networks
                    .iter()
                    .map(|network| IpRange::parse(network).map_err(|error| format!("`{network}`: {error}")));
                Self::Ip(IpSet::new(ranges.collect::<Result<Vec<_>, _>>()?))
            }
            Operator::DetectSqli => Self::DetectSqli(filters),
            Operator::DetectXss => Self::DetectXss(filters),
            Operator::ValidateByteRange(ranges) => {
                let mut permitted = ByteSet::default();
                for (first, last) in ranges {
                    (*first..=*last).for_each(|byte| permitted.insert(byte));
                }
                Self::Bytes(permitted)
            }
            Operator::ValidateUrlEncoding => Self::UrlEncoding,
            Operator::ValidateUtf8Encoding => Self::Utf8Encoding,
            Operator::Always => Self::Always,
            Operator::Never => Self::Never,
        })
    }

    pub(crate) fn expression(&self) -> Option<&Expression> {
        match self {
            Self::Rx(expression) => Some(expression),
            _ => None,
        }
    }

    /// Returns the template of its argument, which must be expanded first.
    pub(crate) fn template(&self) -> Option<&Template<'static>> {
        match self {
            Self::RxTemplate(template, ..) | Self::Text(_, template) | Self::Number(_, template) => {
                Some(template)
            }
            _ => None,
        }
    }

    /// Returns false if no value with at most this length and only these bytes matches.
    pub(crate) fn may_match(&self, len: usize, bytes: &ByteSet) -> bool {
        match self {
            Self::Rx(expression) => {
                expression.reached.set(true);
                expression.filter.passes(len, bytes)
            }
            Self::Pm(phrases) => phrases.filter.passes(len, bytes),
            Self::DetectXss(true) => injection::may_be_html(bytes),
            Self::Bytes(permitted) => !bytes.is_subset(permitted),
            Self::Never => false,
            _ => true,
        }
    }

    /// Returns true if the operator matches a value for which [`Self::may_match`] returns true. `argument` is the expanded
    /// template.
    pub(crate) fn matches(&self, value: &[u8], argument: &[u8]) -> bool {
        match self {
            Self::Rx(expression) => {
                expression.used.set(true);
                expression.regex.is_match(value)
            }
            Self::RxTemplate(_, regex, text) => {
                if *text.borrow() != argument {
                    *regex.borrow_mut() = LazyRegex::new(&String::from_utf8_lossy(argument));
                    *text.borrow_mut() = argument.to_vec();
                }
                regex.borrow().is_match(value)
            }
            Self::Pm(phrases) => phrases.automaton().is_some_and(|automaton| automaton.is_match(value)),
            Self::Text(comparison, _) => compare(*comparison, value, argument),
            Self::Number(compare, _) => compare(&number(value), &number(argument)),
            Self::Ip(set) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.trim().parse::<IpAddr>().ok())
                .is_some_and(|address| set.contains(address)),
            Self::DetectSqli(filter) => {
                (!filter || injection::may_be_sql(value)) && sql::detect(value).is_some()
            }
            Self::DetectXss(_) => libinjectionrs::detect_xss(value).is_injection(),
            Self::Bytes(permitted) => value.iter().any(|byte| !permitted.contains(*byte)),
            Self::UrlEncoding => value.iter().enumerate().any(|(at, byte)| {
                let hex = |at: usize| value.get(at).is_some_and(u8::is_ascii_hexdigit);
                *byte == b'%' && !(hex(at + 1) && hex(at + 2))
            }),
            Self::Utf8Encoding => std::str::from_utf8(value).is_err(),
            Self::Always => true,
            Self::Never => false,
        }
    }

    /// Returns what `capture` stores of a match: the match, and its groups if they are read.
    pub(crate) fn captures(&self, value: &[u8], read: Groups) -> Vec<Option<Vec<u8>>> {
        match self {
            Self::Rx(expression) => expression.regex.captures(value, read),
            Self::RxTemplate(_, regex, _) => regex.borrow().captures(value, read),
            Self::Pm(phrases) => {
                let found = phrases.automaton().and_then(|automaton| automaton.find(value));
                vec![found.and_then(|found| value.get(found.range())).map(<[u8]>::to_vec)]
            }
            Self::DetectSqli(_) => {
                vec![sql::detect(value).map(|fingerprint| fingerprint.as_bytes().to_vec())]
            }
            _ => vec![Some(value.to_vec())],
        }
    }
}

impl Phrases {
    /// Returns false if a value with these sequences of bytes has none of the phrases.
    pub(crate) fn may_match(&self, grams: &Grams) -> bool {
        self.starts.get_or_init(|| Starts::of(&self.text)).may_match(&self.text, grams)
    }

    fn automaton(&self) -> Option<&AhoCorasick> {
        let build = || {
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(self.text.split('\n'))
                .ok()
        };
        self.automaton.get_or_init(build).as_ref()
    }
}

fn compare(comparison: Comparison, value: &[u8], argument: &[u8]) -> bool {
    match comparison {
        Comparison::Equal => value == argument,
        Comparison::Contains => contains(value, argument),
        Comparison::ContainsWord => {
            let border =
                |byte: Option<&u8>| !byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
            argument.is_empty()
                || value.windows(argument.len()).enumerate().any(|(at, window)| {
                    let before = at.checked_sub(1).and_then(|at| value.get(at));
                    window == argument && border(before) && border(value.get(at + argument.len()))
                })
        }
        Comparison::BeginsWith => value.starts_with(argument),
        Comparison::EndsWith => value.ends_with(argument),
        Comparison::Within => contains(argument, value),
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    let Some((first, rest)) = what.split_first() else { return true };
    let mut text = text;
    while let Some(at) = text.iter().position(|byte| byte == first) {
        text = text.get(at + 1..).unwrap_or_default();
        if text.starts_with(rest) {
            return true;
        }
        if text.len() < rest.len() {
            return false;
        }
    }
    false
}

/// Reads a number as C does: the digits at the beginning, or 0.
pub(crate) fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text.split_first() {
        Some((b'-', digits)) => (-1, digits),
        Some((b'+', digits)) => (1, digits),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    sign * digits
        .fold(0i64, |number, digit| number.saturating_mul(10).saturating_add(i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(operator: &Operator<'static>, value: &[u8], argument: &[u8]) -> bool {
        let prepared = Prepared::new(operator, true).unwrap();
        let matches =
            prepared.may_match(value.len(), &ByteSet::of(value)) && prepared.matches(value, argument);
        let unfiltered = Prepared::new(operator, false).unwrap();
        assert_eq!(unfiltered.matches(value, argument), matches, "{}", value.escape_ascii());
        matches
    }

    fn text(text: &'static str) -> Template<'static> {
        Template { parts: vec![seclang::Part::Text(text.into())] }
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, expected) in
            [("", 0), ("12", 12), (" 12a", 12), ("-3", -3), ("x", 0), ("99999999999999999999", i64::MAX)]
        {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn texts_are_compared() {
        assert!(matches(&Operator::Within(text("")), b"GET", b"GET POST"));
        assert!(!matches(&Operator::Within(text("")), b"PUT", b"GET POST"));
        assert!(matches(&Operator::ContainsWord(text("")), b"a or b", b"or"));
        assert!(!matches(&Operator::ContainsWord(text("")), b"for b", b"or"));
        assert!(matches(&Operator::EndsWith(text("")), b"abc", b"bc"));
        assert!(matches(&Operator::Lt(text("")), b"2", b"10"));
    }

    #[test]
    fn phrases_match_in_any_case_and_are_captured() {
        let phrases = ["curl", "wget", "wget2"];
        let operator = Operator::Pm(phrases.join("\n").into(), Filter::of_phrases(phrases.into_iter()));
        let prepared = Prepared::new(&operator, true).unwrap();
        assert!(prepared.matches(b"a WGET2 b", b""));
        assert_eq!(prepared.captures(b"a WGET2 b", Groups::ALL), [Some(b"WGET2".to_vec())]);
        assert!(!prepared.matches(b"wge", b""));
    }

    #[test]
    fn encodings_are_validated() {
        assert!(matches(&Operator::ValidateUrlEncoding, b"a%4", b""));
        assert!(matches(&Operator::ValidateUrlEncoding, b"%zz", b""));
        assert!(!matches(&Operator::ValidateUrlEncoding, b"a%41", b""));
        assert!(matches(&Operator::ValidateUtf8Encoding, b"\xff", b""));
        assert!(!matches(&Operator::ValidateUtf8Encoding, "é".as_bytes(), b""));
        assert!(matches(&Operator::ValidateByteRange(vec![(32, 126)]), b"a\n", b""));
        assert!(!matches(&Operator::ValidateByteRange(vec![(32, 126), (10, 10)]), b"a\n", b""));
    }

    #[test]
    fn addresses_are_matched_by_network() {
        let operator = Operator::IpMatch(vec!["127.0.0.1".into(), "10.0.0.0/8".into(), "::1".into()]);
        assert!(matches(&operator, b"10.1.2.3", b""));
        assert!(matches(&operator, b"::1", b""));
        assert!(!matches(&operator, b"11.1.2.3", b""));
        assert!(!matches(&operator, b"x", b""));
        assert!(Prepared::new(&Operator::IpMatch(vec!["x".into()]), true).is_err());
    }

    #[test]
    fn injections_are_detected() {
        assert!(matches(&Operator::DetectSqli, b"1' OR '1'='1", b""));
        assert!(!matches(&Operator::DetectSqli, b"hello world", b""));
        assert!(matches(&Operator::DetectXss, b"<script>alert(1)</script>", b""));
        assert!(!matches(&Operator::DetectXss, b"a < b", b""));
    }

    proptest::proptest! {
        /// The detectors are code of another project: no input may make them panic.
        #[test]
        fn detectors_accept_every_input(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            matches(&Operator::DetectSqli, &value, b"");
            matches(&Operator::DetectXss, &value, b"");
        }

        #[test]
        fn detectors_accept_pieces_of_attacks(value in "('|\"|`|--|#|/\\*|\\*/|;|@|@@|\\$|\\{|0x|[0-9]e|union|select|or|<|>|!|-->|<!|\\[|%|\\?|svg|on|=|\\(|\\)|,|\\.|q'|n'|\\\\|\u{0}| ){0,12}") {
            matches(&Operator::DetectSqli, value.as_bytes(), b"");
            matches(&Operator::DetectXss, value.as_bytes(), b"");
        }
    }
}
