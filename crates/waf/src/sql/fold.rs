//! Folding: what does not change the structure of a statement is removed, so that few fingerprints stand for many values.

use super::tokens::{Kinds, MAX_TEXT, Token, Tokens, kind};
use super::words;

/// How many tokens a fingerprint has at most.
pub(super) const MAX_TOKENS: usize = 5;

/// Words that are functions before a parenthesis, and names otherwise.
const FUNCTIONS: [&str; 11] = [
    "USER_ID",
    "USER_NAME",
    "DATABASE",
    "PASSWORD",
    "USER",
    "CURRENT_USER",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
];

/// The tokens of a value that remain.
pub(super) struct Folded<'a> {
    tokens: [Token<'a>; MAX_TOKENS + 1],
    len: usize,
    /// The first token that may not be foldable with what precedes it.
    left: usize,
    /// The first token that changed since folding began at a token before it.
    changed: usize,
    /// The comment behind the last token.
    comment: Option<Token<'a>>,
    ended: bool,
    /// True if databases read the value differently.
    pub(super) is_evil: bool,
}

/// Reads tokens and folds them.
pub(super) fn fold<'a>(source: &mut Tokens<'a>) -> Folded<'a> {
    let mut folded = Folded {
        tokens: [Token::default(); MAX_TOKENS + 1],
        len: 0,
        left: 0,
        changed: usize::MAX,
        comment: None,
        ended: false,
        is_evil: false,
    };
    // Comments, parentheses, types and signs in front are of no importance.
    let is_redundant = |token: &Token| token.is(REDUNDANT) || token.is_unary();
    if let Some(first) = source.find(|token| !is_redundant(token)) {
        folded.push(first);
        folded.fold(source);
    }
    folded
}

/// Kinds of tokens that are of no importance in front.
const REDUNDANT: Kinds = Kinds::of(&[kind::COMMENT, b'(', kind::SQL_TYPE]);
/// Kinds of tokens that are values.
const VALUES: Kinds = Kinds::of(&[kind::BAREWORD, kind::NUMBER, kind::STRING, kind::VARIABLE]);
/// Kinds of tokens that may be the first of several words that the table contains.
const FIRST_WORDS: Kinds = Kinds::of(&[
    kind::KEYWORD,
    kind::BAREWORD,
    kind::OPERATOR,
    kind::UNION,
    kind::FUNCTION,
    kind::EXPRESSION,
    kind::TSQL,
    kind::SQL_TYPE,
]);

impl<'a> Folded<'a> {
    /// Returns at most [`MAX_TOKENS`].
    pub(super) fn tokens(&self) -> &[Token<'a>] {
        self.tokens.get(..self.len.min(MAX_TOKENS)).unwrap_or_default()
    }

    fn push(&mut self, token: Token<'a>) {
        if let Some(place) = self.tokens.get_mut(self.len) {
            *place = token;
            self.len += 1;
        }
    }

    /// Returns the token that follows the left one by this distance.
    fn at(&self, distance: usize) -> Token<'a> {
        self.tokens.get(self.left + distance).copied().unwrap_or_default()
    }

    fn set(&mut self, distance: usize, token: Token<'a>) {
        self.changes(distance);
        if let Some(place) = self.tokens.get_mut(self.left + distance) {
            *place = token;
        }
    }

    fn set_kind(&mut self, distance: usize, kind: u8) {
        self.set(distance, Token { kind, ..self.at(distance) });
    }

    /// Removes tokens at the end, and lets folding begin anew where a rule may find something that it has not found before: two
    /// tokens before the first that changed.
    fn restart(&mut self, removed: usize) {
        self.changes(1);
        self.len = self.len.saturating_sub(removed);
        self.left = self.changed.saturating_sub(2);
        self.changed = usize::MAX;
    }

    fn changes(&mut self, distance: usize) {
        self.changed = self.changed.min(self.left + distance);
    }

    /// Reads until there are `count` tokens from the left one on; returns false if there are fewer.
    fn fill(&mut self, source: &mut Tokens<'a>, count: usize) -> bool {
        while !self.ended && self.len <= MAX_TOKENS && self.len < self.left + count {
            match source.next() {
                Some(token) if token.kind == kind::COMMENT => self.comment = Some(token),
                Some(token) => {
                    self.comment = None;
                    self.push(token);
                }
                None => self.ended = true,
            }
        }
        self.len >= self.left + count
    }

    fn fold(&mut self, source: &mut Tokens<'a>) {
        loop {
            if self.len >= MAX_TOKENS && self.is_calculation() {
                // The sixth token, if there is one, goes on after the first.
                let [_, second, .., sixth] = &mut self.tokens;
                *second = *sixth;
                self.len -= MAX_TOKENS - 1;
                self.left = 0;
            }
            if self.ended || self.left >= MAX_TOKENS {
                break;
            }
            if !self.fill(source, 2) {
                self.left = self.len;
            } else if self.fold_two() {
                // Again, with what is left.
            } else if self.is_evil {
                return;
            } else if !self.fill(source, 3) {
                self.left = self.len;
            } else if !self.fold_three() {
                self.left += 1;
            }
        }
        if self.len < MAX_TOKENS
            && let Some(comment) = self.comment
        {
            self.push(comment);
        }
    }

    /// Returns true if the five tokens are a calculation that stands for its first token.
    fn is_calculation(&self) -> bool {
        let kinds = self.tokens.map(|token| token.kind);
        matches!(
            kinds,
            [kind::NUMBER, kind::OPERATOR | b',', b'(', kind::NUMBER, b')', _]
                | [kind::BAREWORD, kind::OPERATOR, b'(', kind::BAREWORD | kind::NUMBER, b')', _]
                | [kind::NUMBER, b')', b',', b'(', kind::NUMBER, _]
                | [kind::BAREWORD, b')', kind::OPERATOR, b'(', kind::BAREWORD, _]
        )
    }

    /// Folds the two tokens from the left one on; returns false if there is nothing to fold.
    fn fold_two(&mut self) -> bool {
        let (first, second) = (self.at(0), self.at(1));
        match (first.kind, second.kind) {
            // Strings side by side are one.
            (kind::STRING, kind::STRING) | (b';', b';') => {
                self.changes(1);
                self.len -= 1;
            }
            (kind::OPERATOR | kind::LOGIC, _) if second.is_unary() || second.kind == kind::SQL_TYPE => {
                self.restart(1);
            }
            (b'(', _) if second.is_unary() => {
                self.changes(1);
                self.len -= 1;
                self.left = self.left.saturating_sub(1);
            }
            _ if self.merge_words(&first, &second) => {
                self.len -= 1;
                self.left = self.left.saturating_sub(1);
            }
            // `IF` is a statement in Transact-SQL, behind a semicolon.
            (b';', kind::FUNCTION)
                if second.text.get(..2).is_some_and(|text| text.eq_ignore_ascii_case(b"IF")) =>
            {
                self.set_kind(1, kind::TSQL);
            }
            (kind::BAREWORD | kind::VARIABLE, b'(') if FUNCTIONS.iter().any(|word| first.is_word(word)) => {
                self.set_kind(0, kind::FUNCTION);
            }
            (kind::KEYWORD, _) if first.is_word("IN") || first.is_word("NOT IN") => {
                self.set_kind(0, if second.kind == b'(' { kind::OPERATOR } else { kind::BAREWORD });
            }
            (kind::OPERATOR, _) if first.is_word("LIKE") || first.is_word("NOT LIKE") => {
                if second.kind == b'(' {
                    self.set_kind(0, kind::FUNCTION);
                }
                return false;
            }
            (
                kind::SQL_TYPE,
                kind::BAREWORD
                | kind::NUMBER
                | kind::SQL_TYPE
                | b'('
                | kind::FUNCTION
                | kind::VARIABLE
                | kind::STRING,
            ) => {
                self.set(0, second);
                self.restart(1);
            }
            // Collations are too many to be known; nearly all have an underscore.
            (kind::COLLATE, kind::BAREWORD) => {
                if second.text.iter().take_while(|byte| **byte != 0).any(|byte| *byte == b'_') {
                    self.set_kind(1, kind::SQL_TYPE);
                    self.left = 0;
                }
                return false;
            }
            // In Transact-SQL, `\%1` is `0 % 1`, and `\1` is `1`.
            (kind::BACKSLASH, _) if second.is_arithmetic() => {
                self.set_kind(0, kind::NUMBER);
                self.restart(0);
            }
            (kind::BACKSLASH, kind::BACKSLASH) => self.restart(1),
            (kind::BACKSLASH, _) => {
                self.set(0, second);
                self.restart(1);
            }
            (b'(', b'(') | (b')', b')') => self.restart(1),
            // MySQL takes {``.``.id}; what else does is uncertain.
            (b'{', kind::BAREWORD) if second.text.is_empty() => {
                self.is_evil = true;
                return false;
            }
            // `{word expression}` is the expression.
            (b'{', kind::BAREWORD) => {
                self.changes(0);
                self.restart(2);
            }
            (_, b'}') => self.restart(1),
            _ => return false,
        }
        true
    }

    /// Joins two words to one that the table contains, as `GROUP BY`.
    fn merge_words(&mut self, first: &Token<'a>, second: &Token<'a>) -> bool {
        if !(first.is(FIRST_WORDS) && (second.is(FIRST_WORDS) || second.kind == kind::LOGIC))
            || first.text.len() + second.text.len() >= MAX_TEXT
        {
            return false;
        }
        let (Some(start), next) = (first.text.first(), first.text.get(1).unwrap_or(&b' ')) else {
            return false;
        };
        if !words::may_begin(*start, *next) {
            return false;
        }
        match words::find(&[first.text, b" ", second.text].concat()) {
            Some((kind, text)) => {
                self.set(0, Token { kind, text: text.as_bytes(), ..*first });
                true
            }
            None => false,
        }
    }

    /// Folds the three tokens from the left one on; returns false if there is nothing to fold.
    fn fold_three(&mut self) -> bool {
        let (first, second, third) = (self.at(0), self.at(1), self.at(2));
        let is_sign = second.is_unary();
        match (first.kind, second.kind, third.kind) {
            (kind::NUMBER, kind::OPERATOR, kind::NUMBER) => self.restart(2),
            (kind::OPERATOR, other, kind::OPERATOR) if other != b'(' => self.restart(2),
            (kind::LOGIC, _, kind::LOGIC) => self.restart(2),
            (
                kind::VARIABLE | kind::BAREWORD | kind::NUMBER,
                kind::OPERATOR,
                kind::NUMBER | kind::BAREWORD,
            )
            | (kind::VARIABLE, kind::OPERATOR, kind::VARIABLE) => self.restart(2),
            // PostgreSQL's cast.
            (_, kind::OPERATOR, kind::SQL_TYPE) if first.is(VALUES) && second.text == b"::" => {
                self.restart(2);
            }
            (_, b',', _) if first.is(VALUES) && third.is(VALUES) => self.restart(2),
            (kind::EXPRESSION | kind::GROUP | b',', _, b'(') if is_sign => {
                self.set(1, third);
                self.restart(1);
            }
            (kind::KEYWORD | kind::EXPRESSION | kind::GROUP, _, _)
                if is_sign && (third.is(VALUES) || third.kind == kind::FUNCTION) =>
            {
                self.set(1, third);
                self.restart(1);
            }
            // `1,-1` is `1,1`, which is `1`.
            (b',', _, _) if is_sign && third.is(VALUES) => {
                self.set(1, third);
                self.changes(0);
                self.restart(3);
            }
            (b',', _, kind::FUNCTION) if is_sign => {
                self.set(1, third);
                self.restart(1);
            }
            (kind::BAREWORD, kind::DOT, kind::BAREWORD) => self.restart(2),
            (kind::EXPRESSION, kind::DOT, kind::BAREWORD) => {
                self.set(1, third);
                self.restart(1);
            }
            // `USER()` takes no arguments.
            (kind::FUNCTION, b'(', other) if other != b')' => {
                if first.is_word("USER") {
                    self.set_kind(0, kind::BAREWORD);
                }
                return false;
            }
            _ => return false,
        }
        true
    }
}
