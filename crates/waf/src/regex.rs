//! Regular expressions of rules: the syntax of PCRE as far as it is regular, over bytes.
//!
//! `.` matches every byte, and classes are ASCII. A search is linear in the text. Expressions are compiled when they are first
//! needed, because one request needs few of them, and with small caches, because there are hundreds. Whether there is a match
//! is the only question for nearly all values, so the automaton for it has no groups; the one with groups is built for the
//! first match of a rule that captures.

use std::cell::RefCell;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::captures::Captures;
use regex_automata::util::syntax;
use regex_automata::{Input, meta};
use regex_syntax::hir::Hir;
use seclang::Filter;

use crate::captures::Groups;
use crate::filter;

/// The size of the cache of an expression: many small ones are better than few large ones. It is larger where an automaton
/// needs more for a few states.
const CACHE_BYTES: usize = 64 << 10;

/// The size of the cache of an expression that needed more: without it, every byte of some texts would lead to a state that is
/// built again.
const LARGE_CACHE_BYTES: usize = 512 << 10;

/// A small cache is too small if it was emptied this often, and an expression looked at fewer bytes than this for each state of it.
const MAX_CLEARED: usize = 2;
const MIN_BYTES_PER_STATE: usize = 8;

/// The maximum size of the automaton of an expression.
const NFA_BYTES: usize = 4 << 20;

/// Expressions that match every text as a whole: rules capture names and values with them, which needs no search.
const ALL: [&str; 2] = ["^.*$", "^.*"];

/// An expression that is compiled when it is first used.
pub(crate) struct LazyRegex {
    pattern: String,
    state: RefCell<State>,
}

enum State {
    New,
    Invalid,
    /// One of [`ALL`].
    All,
    Ready(Box<Compiled>),
}

struct Compiled {
    dfa: DFA,
    cache: Cache,
    has_large_cache: bool,
    groups: Option<meta::Regex>,
}

impl Compiled {
    fn new(nfa: NFA, has_large_cache: bool) -> Result<Self, String> {
        let mut config = DFA::config().skip_cache_capacity_check(true);
        config = match has_large_cache {
            true => config.cache_capacity(LARGE_CACHE_BYTES),
            false => config
                .cache_capacity(CACHE_BYTES)
                .minimum_cache_clear_count(Some(MAX_CLEARED))
                .minimum_bytes_per_state(Some(MIN_BYTES_PER_STATE)),
        };
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|error| error.to_string())?;
        Ok(Self { cache: dfa.create_cache(), dfa, has_large_cache, groups: None })
    }

    fn is_match(&mut self, pattern: &str, text: &[u8]) -> bool {
        let input = Input::new(text).earliest(true);
        if let Ok(found) = self.dfa.try_search_fwd(&mut self.cache, &input) {
            return found.is_some();
        }
        // A small cache was too small. Nothing else ends a search: there is no byte that it stops at.
        match Self::new(self.dfa.get_nfa().clone(), true) {
            Ok(large) if !self.has_large_cache => {
                *self = Self { groups: self.groups.take(), ..large };
                self.is_match(pattern, text)
            }
            _ => groups(pattern, &mut self.groups).is_some_and(|regex| regex.is_match(text)),
        }
    }
}

impl LazyRegex {
    pub(crate) fn new(pattern: &str) -> Self {
        let state = if ALL.contains(&pattern) { State::All } else { State::New };
        Self { pattern: pattern.to_owned(), state: RefCell::new(state) }
    }

    /// Compiles it if it is not compiled.
    pub(crate) fn prepare(&self) {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::New) {
            *state = match compile(&self.pattern) {
                Ok(compiled) => State::Ready(Box::new(compiled)),
                Err(_) => State::Invalid,
            };
        }
    }

    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        self.prepare();
        match &mut *self.state.borrow_mut() {
            State::Ready(compiled) => compiled.is_match(&self.pattern, text),
            state => matches!(state, State::All),
        }
    }

    /// Returns the whole match, and the groups up to ten if they are read.
    pub(crate) fn captures(&self, text: &[u8], read: Groups) -> Vec<Option<Vec<u8>>> {
        self.prepare();
        let mut state = self.state.borrow_mut();
        let compiled = match &mut *state {
            State::Ready(compiled) => compiled,
            State::All => return vec![Some(text.to_vec())],
            State::New | State::Invalid => return Vec::new(),
        };
        let Some(regex) = groups(&self.pattern, &mut compiled.groups) else { return Vec::new() };
        // The whole match alone is found by automata.
        let mut captures = match read.has_parts() {
            true => regex.create_captures(),
            false => Captures::matches(regex.group_info().clone()),
        };
        regex.captures(text, &mut captures);
        let part =
            |group| captures.get_group(group).and_then(|span| text.get(span.range())).map(<[u8]>::to_vec);
        let count = if read.has_parts() { captures.group_len().min(10) } else { 1 };
        (0..count).map(part).collect()
    }

    /// Returns true if it is compiled, or cannot be.
    pub(crate) fn is_prepared(&self) -> bool {
        !matches!(*self.state.borrow(), State::New)
    }

    /// Returns the size of what is compiled, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match &*self.state.borrow() {
            State::Ready(compiled) => {
                let groups =
                    compiled.groups.as_ref().map_or(0, |regex| regex.memory_usage() + 2 * CACHE_BYTES);
                compiled.dfa.memory_usage() + compiled.cache.memory_usage() + groups
            }
            _ => 0,
        }
    }

    /// Frees what is compiled: it is compiled again when it is needed.
    pub(crate) fn free(&self) {
        let mut state = self.state.borrow_mut();
        if matches!(*state, State::Ready(_)) {
            *state = State::New;
        }
    }
}

/// Returns the expression with its groups.
fn groups<'a>(pattern: &str, groups: &'a mut Option<meta::Regex>) -> Option<&'a meta::Regex> {
    if groups.is_none() {
        let config = meta::Config::new()
            .utf8_empty(false)
            .hybrid_cache_capacity(CACHE_BYTES)
            .nfa_size_limit(Some(NFA_BYTES))
            .onepass(false);
        *groups = with_syntax(pattern, |hir| {
            let builder = meta::Builder::new().configure(config.clone()).build_from_hir(hir);
            builder.map_err(|error| error.to_string())
        })
        .ok();
    }
    groups.as_ref()
}

/// Checks an expression.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(pattern: &str) -> Result<(), String> {
    compile(pattern).map(drop)
}

/// Returns the filter of an expression. One that is not valid has none.
pub(crate) fn filter(pattern: &str) -> Filter {
    with_syntax(pattern, |hir| Ok(filter::of(hir))).unwrap_or_default()
}

fn compile(pattern: &str) -> Result<Compiled, String> {
    with_syntax(pattern, |hir| {
        let config = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(NFA_BYTES))
            .which_captures(WhichCaptures::None);
        let nfa = thompson::Compiler::new().configure(config).build_from_hir(hir);
        Compiled::new(nfa.map_err(|error| error.to_string())?, false)
    })
}

/// Uses the syntax tree of an expression.
pub(crate) fn with_syntax<T>(
    pattern: &str,
    mut using: impl FnMut(&Hir) -> Result<T, String>,
) -> Result<T, String> {
    let translated = translate(pattern);
    let mut parse = |unicode| {
        let syntax =
            syntax::Config::new().unicode(unicode).utf8(false).dot_matches_new_line(true).nest_limit(60);
        let hir = syntax::parse_with(&translated, &syntax).map_err(|error| error.to_string())?;
        using(&hir)
    };
    // Characters beyond ASCII in classes are characters, not the bytes of their encoding.
    parse(false).or_else(|_| parse(true))
}

/// Translates what the parser would read differently.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '\\' => rest = escape(rest, false, &mut out),
            '[' => rest = class(rest, &mut out),
            '{' if !begins_repetition(rest) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

fn begins_repetition(rest: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let Some((inside, _)) = rest.split_once('}') else { return false };
    match inside.split_once(',') {
        Some((from, to)) => !from.is_empty() && digits(from) && digits(to),
        None => !inside.is_empty() && digits(inside),
    }
}

/// Translates the rest of an escape, and returns the text after it.
fn escape<'a>(rest: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = rest.chars().next() else {
        out.push('\\');
        return rest;
    };
    let after = rest.get(c.len_utf8()..).unwrap_or_default();
    let perl = match c {
        'd' => Some(("0-9", false)),
        'D' => Some(("0-9", true)),
        'w' => Some(("0-9A-Za-z_", false)),
        'W' => Some(("0-9A-Za-z_", true)),
        's' => Some(("\\t\\n\\x0b\\x0c\\r ", false)),
        'S' => Some(("\\t\\n\\x0b\\x0c\\r ", true)),
        'h' => Some(("\\t ", false)),
        'H' => Some(("\\t ", true)),
        _ => None,
    };
    match (c, perl) {
        (_, Some((items, false))) if in_class => out.push_str(items),
        (_, Some((items, negated))) => {
            out.push_str(if negated { "[^" } else { "[" });
            out.push_str(items);
            out.push(']');
        }
        ('b', None) if in_class => out.push_str("\\x08"),
        ('b' | 'B', None) => {
            out.push_str("(?-u:\\");
            out.push(c);
            out.push(')');
        }
        ('Z', None) if !in_class => out.push_str("\\n?\\z"),
        ('e', None) => out.push_str("\\x1b"),
        ('x', None) => {
            // `\x{bc}` is a byte, not a character.
            let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            match braced {
                Some((digits, after)) if digits.len() <= 2 && u8::from_str_radix(digits, 16).is_ok() => {
                    out.push_str("\\x");
                    out.push_str(if digits.len() < 2 { "0" } else { "" });
                    out.push_str(digits);
                    return after;
                }
                _ => out.push_str("\\x"),
            }
        }
        ('0', None) => out.push_str("\\x00"),
        // Other punctuation is itself, and `\<` is not the start of a word.
        (c, None) if c.is_ascii_punctuation() => {
            out.push_str(&escape_literal(c));
        }
        (c, None) => {
            out.push('\\');
            out.push(c);
        }
    }
    after
}

fn escape_literal(c: char) -> String {
    if c.is_ascii() && (c == '<' || c == '>' || !c.is_ascii_punctuation()) {
        c.to_string()
    } else {
        format!("\\{c}")
    }
}

/// Translates the rest of a class, in which `[`, `&&`, `--` and `~~` are ordinary.
fn class<'a>(mut rest: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut first = true;
    // The last item can begin a range.
    let mut can_begin = false;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            ']' if !first => {
                out.push(']');
                return after;
            }
            '[' if after.starts_with(':') && after.contains(":]") => {
                let (name, after) = after.split_once(":]").unwrap_or((after, ""));
                out.push('[');
                out.push_str(name);
                out.push_str(":]");
                rest = after;
                can_begin = false;
            }
            '\\' => {
                let is_set = after.starts_with(['d', 'D', 'w', 'W', 's', 'S', 'h', 'H']);
                rest = escape(after, true, out);
                can_begin = !is_set;
            }
            '-' if can_begin && !after.starts_with(']') => {
                let end = after.starts_with("\\d") || after.starts_with("\\w") || after.starts_with("\\s");
                out.push_str(if end { "\\-" } else { "-" });
                // The end of the range is copied now.
                rest = after;
                if !end {
                    match after.chars().next() {
                        Some('\\') => rest = escape(after.get(1..).unwrap_or_default(), true, out),
                        Some(last) => {
                            item(last, out);
                            rest = after.get(last.len_utf8()..).unwrap_or_default();
                        }
                        None => {}
                    }
                }
                can_begin = false;
            }
            c => {
                item(c, out);
                rest = after;
                can_begin = true;
            }
        }
        first = false;
    }
    rest
}

fn item(c: char, out: &mut String) {
    if matches!(c, '[' | ']' | '&' | '~' | '-' | '^') {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &[u8]) -> bool {
        check(pattern).unwrap();
        LazyRegex::new(pattern).is_match(text)
    }

    #[test]
    fn expressions_match_bytes() {
        for (pattern, text, expected) in [
            ("a.b", &b"a\nb"[..], true),
            ("^a.b$", b"a\xffb", true),
            (r"\x{bc}", b"\xbc", true),
            (r"\xbc", b"\xbc", true),
            (r"\xbc", b"\xc2\xbc", true),
            (r"^\xbc", b"\xc2\xbc", false),
            (r"\s", b"\x0b", true),
            (r"[\s]", b"\x0b", true),
            (r"[^\s]", b"\x0b", false),
            (r"\w", "é".as_bytes(), false),
            (r"(?i)STRASSE", b"strasse", true),
            (r"\<a\>", b"<a>", true),
            (r"[[]", b"[", true),
            (r"[]a]", b"]", true),
            (r"[a&&b]", b"&", true),
            (r"[+--]", b",", true),
            (r"[a-\d]", b"-", true),
            (r"[\w-]", b"-", true),
            (r"[a-f-z]", b"-", true),
            (r"[[:alpha:]_]", b"q", true),
            (r"[~~]", b"~", true),
            (r"a{", b"a{", true),
            (r"a{,2}", b"a{,2}", true),
            (r"^a{2}$", b"aa", true),
            (r"[①-⑳]", "⑤".as_bytes(), true),
            (r"\bor\b", b"x or y", true),
            (r"\bor\b", b"xor", false),
            (r"a$", b"a\n", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {}", text.escape_ascii());
        }
    }

    #[test]
    fn captures_are_the_parts_of_the_first_match() {
        let captures = LazyRegex::new("(a)(x)?(b+)").captures(b"zabb ab", Groups::ALL);
        assert_eq!(captures, [Some(b"abb".to_vec()), Some(b"a".to_vec()), None, Some(b"bb".to_vec())]);
    }

    /// The automaton has 8,192 states with as many sets of positions.
    #[test]
    fn a_text_with_more_states_than_fit_gets_a_larger_cache_once() {
        let lazy = LazyRegex::new("a[ab]{12}c");
        let mut random = 1_u32;
        let mut text: Vec<u8> = Vec::new();
        for _ in 0..100_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(if random >> 31 == 0 { b'a' } else { b'b' });
        }
        let has_large_cache =
            || matches!(&*lazy.state.borrow(), State::Ready(compiled) if compiled.has_large_cache);
        assert!(!lazy.is_match(b"ababab") && !has_large_cache());
        assert!(!lazy.is_match(&text) && has_large_cache());
        text.extend_from_slice(b"aaaaaaaaaaaaac");
        assert!(lazy.is_match(&text));
        assert!(lazy.memory() < 2 * LARGE_CACHE_BYTES, "{}", lazy.memory());
        lazy.free();
        assert!(lazy.is_match(b"aaaaaaaaaaaaac") && !has_large_cache());
    }

    #[test]
    fn what_matches_everything_is_what_the_search_finds() {
        for pattern in ALL {
            for text in [&b""[..], b"a", b"a\nb\n", b"\xff"] {
                let mut regex = None;
                let regex = groups(pattern, &mut regex).unwrap();
                let mut captures = regex.create_captures();
                regex.captures(text, &mut captures);
                let span = captures.get_group(0).unwrap();
                assert_eq!((captures.group_len(), &text[span.range()]), (1, text), "{pattern}");
                let lazy = LazyRegex::new(pattern);
                assert!(lazy.is_match(text) && lazy.is_prepared());
                assert_eq!(lazy.captures(text, Groups::ALL), [Some(text.to_vec())]);
            }
        }
    }

    #[test]
    fn what_is_not_regular_is_an_error() {
        assert!(check("(?=a)b").unwrap_err().contains("look-around"));
        assert!(check(r"(a)\1").is_err());
        assert!(check("(").is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_class_is_translated_or_refused(items in "[]a\\[&~^-]{0,8}") {
            let _ = check(&format!("[{items}]"));
        }
    }
}
