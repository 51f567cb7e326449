//! Tokens of SQL, in any dialect.

use super::words::kind_of;
use super::{Dialect, Reading};

/// Kinds of tokens: the letters of fingerprints.
pub(super) mod kind {
    /// What is ignored.
    pub(in super::super) const NONE: u8 = 0;
    pub(in super::super) const KEYWORD: u8 = b'k';
    pub(in super::super) const UNION: u8 = b'U';
    pub(in super::super) const GROUP: u8 = b'B';
    pub(in super::super) const EXPRESSION: u8 = b'E';
    pub(in super::super) const SQL_TYPE: u8 = b't';
    pub(in super::super) const FUNCTION: u8 = b'f';
    pub(in super::super) const BAREWORD: u8 = b'n';
    pub(in super::super) const NUMBER: u8 = b'1';
    pub(in super::super) const VARIABLE: u8 = b'v';
    pub(in super::super) const STRING: u8 = b's';
    pub(in super::super) const OPERATOR: u8 = b'o';
    pub(in super::super) const LOGIC: u8 = b'&';
    pub(in super::super) const COMMENT: u8 = b'c';
    pub(in super::super) const COLLATE: u8 = b'A';
    pub(in super::super) const DOT: u8 = b'.';
    pub(in super::super) const TSQL: u8 = b'T';
    pub(in super::super) const UNKNOWN: u8 = b'?';
    /// What databases read differently.
    pub(in super::super) const EVIL: u8 = b'X';
    pub(in super::super) const FINGERPRINT: u8 = b'F';
    pub(in super::super) const BACKSLASH: u8 = b'\\';
}

/// A set of kinds.
#[derive(Clone, Copy)]
pub(super) struct Kinds(u128);

impl Kinds {
    pub(super) const fn of(mut kinds: &[u8]) -> Self {
        let mut set = 0;
        while let [kind, rest @ ..] = kinds {
            set |= 1 << *kind;
            kinds = rest;
        }
        Self(set)
    }
}

/// The most bytes of a token that are looked at.
pub(super) const MAX_TEXT: usize = 31;

/// One token.
#[derive(Clone, Copy, Default)]
pub(super) struct Token<'a> {
    /// One of [`kind`], or the punctuation itself.
    pub(super) kind: u8,
    /// At most [`MAX_TEXT`] bytes; of a string without its quotes.
    pub(super) text: &'a [u8],
    /// The quote that begins a string; 0 if it began before the value.
    pub(super) open: u8,
    /// The quote that ends a string; 0 if none does.
    pub(super) close: u8,
}

impl Token<'_> {
    pub(super) fn is(&self, kinds: Kinds) -> bool {
        kinds.0 & 1_u128.wrapping_shl(self.kind.into()) != 0
    }

    /// `word` is in capital letters.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Returns true if it is an operator that may stand before a value.
    pub(super) fn is_unary(&self) -> bool {
        self.kind == kind::OPERATOR
            && (matches!(self.text, [b'+' | b'-' | b'!' | b'~'] | b"!!") || self.is_word("NOT"))
    }

    pub(super) fn is_arithmetic(&self) -> bool {
        self.kind == kind::OPERATOR && matches!(self.text, [b'*' | b'/' | b'-' | b'+' | b'%'])
    }
}

/// Reads the tokens of a value.
pub(super) struct Tokens<'a> {
    input: &'a [u8],
    reading: Reading,
    at: usize,
    /// How many were read, comments too.
    pub(super) count: usize,
    /// True if MySQL would read a comment differently.
    pub(super) differs_in_mysql: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(input: &'a [u8], reading: Reading) -> Self {
        Self { input, reading, at: 0, count: 0, differs_in_mysql: false }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.input.get(at).copied()
    }

    fn from(&self, at: usize) -> &'a [u8] {
        self.input.get(at..).unwrap_or_default()
    }

    /// Returns a token of the bytes from `start`, and goes on behind them.
    fn take(&mut self, kind: u8, start: usize, end: usize) -> Token<'a> {
        self.at = end;
        let text = self.input.get(start..end.min(start + MAX_TEXT)).unwrap_or_default();
        Token { kind, text, ..Token::default() }
    }

    fn take_bytes(&mut self, kind: u8, count: usize) -> Token<'a> {
        self.take(kind, self.at, self.at + count)
    }

    /// Returns how many bytes from `at` are accepted; a byte of zero always is, as in the original.
    fn span(&self, at: usize, accept: impl Fn(u8) -> bool) -> usize {
        let is_other = |byte: &u8| *byte != 0 && !accept(*byte);
        self.from(at).iter().position(is_other).unwrap_or(self.from(at).len())
    }

    /// Returns how many bytes from `at` come before one of those that end them.
    fn length(&self, at: usize, ends: &[bool; 256]) -> usize {
        let rest = self.from(at);
        let is_end = |byte: &u8| ends.get(usize::from(*byte)).is_some_and(|ends| *ends);
        rest.iter().position(is_end).unwrap_or(rest.len())
    }

    fn digits(&self, at: usize) -> usize {
        let rest = self.from(at);
        rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    }

    fn operator(&mut self) -> Token<'a> {
        let two = self.from(self.at).get(..2);
        if self.from(self.at).starts_with(b"<=>") {
            return self.take_bytes(kind::OPERATOR, 3);
        }
        if let Some(kind) = two.and_then(kind_of) {
            return self.take_bytes(kind, 2);
        }
        let is_colon = two.is_some_and(|two| two.starts_with(b":"));
        self.take_bytes(if is_colon { b':' } else { kind::OPERATOR }, 1)
    }

    fn line_comment(&mut self) -> Token<'a> {
        let start = self.at;
        let end = find(self.input, start, b'\n').unwrap_or(self.input.len());
        let token = self.take(kind::COMMENT, start, end);
        self.at = self.input.len().min(end + 1);
        token
    }

    fn dash(&mut self) -> Token<'a> {
        let is_ansi = self.reading.dialect == Dialect::Ansi;
        match self.from(self.at) {
            [b'-', b'-'] => self.line_comment(),
            [b'-', b'-', next, ..] if is_white(*next) => self.line_comment(),
            [b'-', b'-', ..] if is_ansi => {
                self.differs_in_mysql = true;
                self.line_comment()
            }
            _ => self.take_bytes(kind::OPERATOR, 1),
        }
    }

    fn hash(&mut self) -> Token<'a> {
        self.differs_in_mysql = true;
        match self.reading.dialect {
            Dialect::MySql => self.line_comment(),
            Dialect::Ansi => self.take_bytes(kind::OPERATOR, 1),
        }
    }

    fn slash(&mut self) -> Token<'a> {
        let start = self.at;
        if self.byte(start + 1) != Some(b'*') {
            return self.take_bytes(kind::OPERATOR, 1);
        }
        let end = find_pair(self.input, start + 2, *b"*/");
        // PostgreSQL's comments nest. The original looks one byte too far, at `/*` that overlaps the end.
        let inner = end.and_then(|end| self.input.get(start + 2..=end)).unwrap_or_default();
        let is_evil = find_pair(inner, 0, *b"/*").is_some() || self.byte(start + 2) == Some(b'!');
        let end = end.map_or(self.input.len(), |end| end + 2);
        self.take(if is_evil { kind::EVIL } else { kind::COMMENT }, start, end)
    }

    fn backslash(&mut self) -> Token<'a> {
        // MySQL's `\N` is NULL.
        match self.byte(self.at + 1) {
            Some(b'N') => self.take_bytes(kind::NUMBER, 2),
            _ => self.take_bytes(kind::BACKSLASH, 1),
        }
    }

    /// Reads a string whose text begins at `start`, and whose quotes are doubled or escaped within it.
    fn string(&mut self, start: usize, quote: u8, open: u8) -> Token<'a> {
        let mut from = start;
        while let Some(end) = find(self.input, from, quote) {
            let before = self.input.get(start..end).unwrap_or_default();
            let escapes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            from = if escapes % 2 == 1 {
                end + 1
            } else if self.byte(end + 1) == Some(quote) {
                end + 2
            } else {
                let token = self.take(kind::STRING, start, end);
                self.at = end + 1;
                return Token { open, close: quote, ..token };
            };
        }
        Token { open, ..self.take(kind::STRING, start, self.input.len()) }
    }

    /// Reads a string up to a pair of bytes.
    fn string_to(&mut self, start: usize, end: Option<usize>, skip: usize, quote: u8) -> Token<'a> {
        let token = self.take(kind::STRING, start, end.unwrap_or(self.input.len()));
        self.at = end.map_or(self.at, |end| end + skip);
        Token { open: quote, close: if end.is_some() { quote } else { 0 }, ..token }
    }

    fn tick(&mut self) -> Token<'a> {
        let token = self.string(self.at + 1, b'`', b'`');
        let is_function = kind_of(token.text) == Some(kind::FUNCTION);
        Token { kind: if is_function { kind::FUNCTION } else { kind::BAREWORD }, ..token }
    }

    /// Reads `@name`, `@@name`, and names in quotes, without the signs.
    fn variable(&mut self) -> Token<'a> {
        self.at += if self.byte(self.at + 1) == Some(b'@') { 2 } else { 1 };
        let start = self.at;
        let token = match self.byte(start) {
            Some(b'`') => self.tick(),
            Some(quote @ (b'\'' | b'"')) => self.string(start + 1, quote, quote),
            _ => {
                let len = self.length(start, &ENDS_VARIABLES);
                self.take_bytes(kind::VARIABLE, len)
            }
        };
        Token { kind: kind::VARIABLE, ..token }
    }

    fn dollar(&mut self) -> Token<'a> {
        let start = self.at;
        if start + 1 == self.input.len() {
            return self.take_bytes(kind::BAREWORD, 1);
        }
        match self.span(start + 1, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')) {
            0 if self.byte(start + 1) == Some(b'$') => {
                let end = find_pair(self.input, start + 2, *b"$$");
                self.string_to(start + 2, end, 2, b'$')
            }
            // PostgreSQL's `$tag$text$tag$`.
            0 => match self.span(start + 1, |byte| byte.is_ascii_alphabetic()) {
                0 => self.take_bytes(kind::BAREWORD, 1),
                len if self.byte(start + len + 1) != Some(b'$') => self.take_bytes(kind::BAREWORD, 1),
                len => {
                    let tag = self.input.get(start..start + len + 2).unwrap_or_default();
                    let text = start + tag.len();
                    let end = self.from(text).windows(tag.len()).position(|window| window == tag);
                    self.string_to(text, end.map(|end| text + end), tag.len(), b'$')
                }
            },
            1 if self.byte(start + 1) == Some(b'.') => self.word(),
            len => self.take_bytes(kind::NUMBER, 1 + len),
        }
    }

    /// Reads `B'01'` and `X'0F'`.
    fn digits_in_quotes(&mut self, is_digit: impl Fn(u8) -> bool) -> Token<'a> {
        let start = self.at;
        if start + 2 >= self.input.len() || self.byte(start + 1) != Some(b'\'') {
            return self.word();
        }
        let len = self.span(start + 2, is_digit);
        match self.byte(start + 2 + len) {
            Some(b'\'') => self.take_bytes(kind::NUMBER, len + 3),
            _ => self.word(),
        }
    }

    /// Reads `E'text'`.
    fn escaped_string(&mut self) -> Token<'a> {
        let start = self.at;
        match self.byte(start + 1) {
            Some(b'\'') if start + 2 < self.input.len() => self.string(start + 2, b'\'', b'\''),
            _ => self.word(),
        }
    }

    /// Reads `N'text'` and `NQ'(text)'`.
    fn national_string(&mut self) -> Token<'a> {
        match self.byte(self.at + 1) {
            Some(b'\'') if self.at + 2 < self.input.len() => self.escaped_string(),
            _ => self.delimited_string(1),
        }
    }

    /// Reads `U&'text'`.
    fn unicode_string(&mut self) -> Token<'a> {
        if !self.from(self.at + 1).starts_with(b"&'") {
            return self.word();
        }
        let token = self.string(self.at + 3, b'\'', b'u');
        Token { close: if token.close == 0 { 0 } else { b'u' }, ..token }
    }

    /// Reads Oracle's `Q'(text)'`, which begins behind `prefix` bytes.
    fn delimited_string(&mut self, prefix: usize) -> Token<'a> {
        match self.from(self.at + prefix) {
            [b'q' | b'Q', b'\'', open @ b'!'..=0x7f, ..] => {
                let close = match *open {
                    b'(' => b')',
                    b'[' => b']',
                    b'{' => b'}',
                    b'<' => b'>',
                    other => other,
                };
                let start = self.at + prefix + 3;
                let end = find_pair(self.input, start, [close, b'\'']);
                self.string_to(start, end, 2, b'q')
            }
            _ => self.word(),
        }
    }

    /// Reads `[name]`, with its brackets.
    fn bracketed_word(&mut self) -> Token<'a> {
        let end = find(self.input, self.at, b']').map_or(self.input.len(), |end| end + 1);
        self.take(kind::BAREWORD, self.at, end)
    }

    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        let len = self.length(start, &ENDS_WORDS);
        let text = self.input.get(start..start + len.min(MAX_TEXT)).unwrap_or_default();
        // A keyword ends before a dot or a quotation.
        for (at, _) in text.iter().enumerate().filter(|(_, byte)| matches!(byte, b'.' | b'`')) {
            if let Some(kind) = text.get(..at).and_then(kind_of).filter(|kind| *kind != kind::BAREWORD) {
                return self.take_bytes(kind, at);
            }
        }
        let kind = if len <= MAX_TEXT { kind_of(text) } else { None };
        self.take_bytes(kind.unwrap_or(kind::BAREWORD), len)
    }

    fn number(&mut self) -> Token<'a> {
        let start = self.at;
        let radix = match self.from(start) {
            [b'0', b'x' | b'X', ..] => Some(self.span(start + 2, |byte| byte.is_ascii_hexdigit())),
            [b'0', b'b' | b'B', ..] => Some(self.span(start + 2, |byte| matches!(byte, b'0' | b'1'))),
            _ => None,
        };
        match radix {
            Some(0) => return self.take_bytes(kind::BAREWORD, 2),
            Some(len) => return self.take_bytes(kind::NUMBER, len + 2),
            None => {}
        }
        let mut end = start + self.digits(start);
        if self.byte(end) == Some(b'.') {
            end += 1 + self.digits(end + 1);
            if end - start == 1 {
                return self.take_bytes(kind::DOT, 1);
            }
        }
        let mut is_number = true;
        if let Some(b'e' | b'E') = self.byte(end) {
            end += if let Some(b'+' | b'-') = self.byte(end + 1) { 2 } else { 1 };
            let digits = self.digits(end);
            end += digits;
            is_number = digits > 0;
        }
        // Oracle's suffixes; and in `1fUNION`, the suffix ends the number, too.
        end += match self.from(end) {
            [b'd' | b'D' | b'f' | b'F'] => 1,
            [b'd' | b'D' | b'f' | b'F', next, ..]
                if is_white(*next) || matches!(next, b';' | b'u' | b'U') =>
            {
                1
            }
            _ => 0,
        };
        // MySQL ignores an exponent without digits together with its number, as in `1.e(1)`.
        self.take(if is_number { kind::NUMBER } else { kind::NONE }, start, end)
    }

    fn read(&mut self) -> Option<Token<'a>> {
        if let (0, Some(quote)) = (self.at, self.reading.quote) {
            return (!self.input.is_empty()).then(|| self.string(0, quote, 0));
        }
        loop {
            let byte = self.byte(self.at)?;
            let token = match byte {
                0..=b' ' | 0x7f | 0xa0 => self.take_bytes(kind::NONE, 1),
                b'\'' | b'"' => self.string(self.at + 1, byte, byte),
                b'#' => self.hash(),
                b'$' => self.dollar(),
                b'%' | b'+' | b'^' | b'~' => self.take_bytes(kind::OPERATOR, 1),
                b'!' | b'&' | b'*' | b':' | b'<' | b'=' | b'>' | b'|' => self.operator(),
                b'(' | b')' | b',' | b';' | b'{' | b'}' => self.take_bytes(byte, 1),
                b'-' => self.dash(),
                b'.' | b'0'..=b'9' => self.number(),
                b'/' => self.slash(),
                b'?' | b']' => self.take_bytes(kind::UNKNOWN, 1),
                b'@' => self.variable(),
                b'[' => self.bracketed_word(),
                b'\\' => self.backslash(),
                b'`' => self.tick(),
                b'b' | b'B' => self.digits_in_quotes(|byte| matches!(byte, b'0' | b'1')),
                b'e' | b'E' => self.escaped_string(),
                b'n' | b'N' => self.national_string(),
                b'q' | b'Q' => self.delimited_string(0),
                b'u' | b'U' => self.unicode_string(),
                b'x' | b'X' => self.digits_in_quotes(|byte| byte.is_ascii_hexdigit()),
                _ => self.word(),
            };
            if token.kind != kind::NONE {
                return Some(token);
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.read();
        self.count += usize::from(token.is_some());
        token
    }
}

/// What ends the name of a variable.
static ENDS_VARIABLES: [bool; 256] = table(b" <>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r'`\"\0");

/// What ends a word.
static ENDS_WORDS: [bool; 256] = table(b" []{}<>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r\"\xa0\0");

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn table(mut bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    while let [byte, rest @ ..] = bytes {
        table[*byte as usize] = true;
        bytes = rest;
    }
    table
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0 | 0)
}

/// Returns where the first such byte is at or behind `from`.
fn find(input: &[u8], from: usize, byte: u8) -> Option<usize> {
    input.get(from..)?.iter().position(|found| *found == byte).map(|at| from + at)
}

/// Returns where the first such pair begins at or behind `from`.
fn find_pair(input: &[u8], from: usize, pair: [u8; 2]) -> Option<usize> {
    input.get(from..)?.windows(2).position(|found| found == pair).map(|at| from + at)
}
