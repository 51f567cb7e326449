//! Translation of RE2's syntax into that of the `regex-syntax` crate.
//!
//! The languages are nearly equal. Where they differ, expressions from Envoy or from plug-ins in Go or C++ keep their meaning
//! (<https://github.com/google/re2/wiki/Syntax>):
//!
//! - `\d`, `\w`, `\s` and `\b` are ASCII only;
//! - `\Q…\E`, octal escapes, `\C` and `\p{^Greek}` are supported;
//! - a `{` that does not begin a repetition is a literal, and `\<` is `<`;
//! - in brackets, `[`, `&&`, `--` and `~~` are literals.

use std::iter::Peekable;
use std::str::Chars;

use regex_syntax::escape_into;

const PERL_CLASSES: [(char, &str); 6] = [
    ('d', "[0-9]"),
    ('D', "[^0-9]"),
    ('w', "[0-9A-Za-z_]"),
    ('W', "[^0-9A-Za-z_]"),
    ('s', r"[\t\n\f\r ]"),
    ('S', r"[^\t\n\f\r ]"),
];

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Translates `pattern`. Errors of both languages are reported by the parser.
///
/// # Errors
///
/// A message with what to write instead.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut reader =
        Reader { rest: pattern.chars().peekable(), out: String::with_capacity(pattern.len() + 16) };
    while let Some(c) = reader.rest.next() {
        match c {
            '\\' => reader.escape()?,
            '[' => reader.class()?,
            '(' => reader.group()?,
            '{' if !reader.begins_repetition() => reader.out.push_str(r"\{"),
            c => reader.out.push(c),
        }
    }
    Ok(reader.out)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

/// An item in brackets.
enum Item {
    Char(char),
    /// Already translated.
    Class(String),
}

impl Reader<'_> {
    fn literal(&mut self, c: char) {
        escape_into(c.encode_utf8(&mut [0; 4]), &mut self.out);
    }

    /// Translates the rest of an escape outside brackets.
    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek().copied() {
            Some('Q') => {
                self.rest.next();
                while let Some(c) = self.rest.next() {
                    if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    self.literal(c);
                }
            }
            Some('C') => {
                self.rest.next();
                self.out.push_str("(?s-u:.)");
            }
            Some(c @ ('b' | 'B')) => {
                self.rest.next();
                self.out.push_str("(?-u:\\");
                self.out.push(c);
                self.out.push(')');
            }
            Some(c @ ('A' | 'z')) => {
                self.rest.next();
                self.out.push('\\');
                self.out.push(c);
            }
            _ => match self.escaped_item()? {
                Item::Char(c) => self.literal(c),
                Item::Class(class) => self.out.push_str(&class),
            },
        }
        Ok(())
    }

    /// Translates the rest of an escape that has the same meaning in and outside brackets.
    fn escaped_item(&mut self) -> Result<Item, String> {
        let Some(c) = self.rest.next() else {
            return Err(r"it ends in a backslash: write `\\` for a backslash".to_owned());
        };
        if let Some((_, class)) = PERL_CLASSES.iter().find(|(name, _)| *name == c) {
            return Ok(Item::Class((*class).to_owned()));
        }
        Ok(Item::Char(match c {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'p' | 'P' => return self.unicode_class(c == 'P').map(Item::Class),
            'x' => return self.hexadecimal().map(Item::Char),
            '1'..='9' if !matches!((c, self.rest.peek()), ('1'..='7', Some('0'..='7'))) => {
                return Err(format!(
                    r"the back-reference `\{c}` is not supported: write the expression of the group again"
                ));
            }
            '0'..='7' => return Ok(Item::Char(self.octal(c))),
            c if c.is_ascii_punctuation() => c,
            c => {
                return Err(format!(
                    r"the escape `\{c}` does not exist: write `{c}` for the character itself"
                ));
            }
        }))
    }

    /// Translates up to three octal digits, after reading `first`.
    fn octal(&mut self, first: char) -> char {
        let mut value = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(8)) else {
                break;
            };
            self.rest.next();
            value = value * 8 + digit;
        }
        char::from_u32(value).unwrap_or_default()
    }

    fn hexadecimal(&mut self) -> Result<char, String> {
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            self.rest.by_ref().take_while(|c| *c != '}').collect()
        } else {
            self.rest.by_ref().take(2).collect()
        };
        let value = u32::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+'));
        value.and_then(char::from_u32).ok_or_else(|| {
            format!(r"`{digits}` after `\x` is not a character's number: write `\x7F` or `\x{{10FFFF}}`")
        })
    }

    /// Translates `\pN`, `\p{Greek}` and `\p{^Greek}`, after reading `\p`.
    fn unicode_class(&mut self, mut negated: bool) -> Result<String, String> {
        let name: String = match self.rest.next() {
            Some('{') => {
                negated ^= self.rest.next_if_eq(&'^').is_some();
                self.rest.by_ref().take_while(|c| *c != '}').collect()
            }
            c => c.into_iter().collect(),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                r"`{name}` is not a Unicode category or script: write `\p{{L}}` or `\p{{Greek}}`"
            ));
        }
        Ok(format!(r"\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// Translates the rest of a class in brackets.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if !first && self.rest.next_if_eq(&']').is_some() {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let low = match self.item()? {
                Item::Char(c) => c,
                Item::Class(class) => {
                    self.out.push_str(&class);
                    continue;
                }
            };
            self.literal(low);
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
                self.rest.next();
                let Item::Char(high) = self.item()? else {
                    return Err(format!(
                        r"in brackets, `{low}-` is followed by a class: write `\-` for the character `-`"
                    ));
                };
                self.out.push('-');
                self.literal(high);
            }
        }
    }

    /// Reads the next item in brackets.
    fn item(&mut self) -> Result<Item, String> {
        match self.rest.next() {
            None => Err(r"a `[` has no `]`: write `\[` for the character `[`".to_owned()),
            Some('\\') => self.escaped_item(),
            Some('[') if self.rest.peek() == Some(&':') => self.posix_class(),
            Some(c) => Ok(Item::Char(c)),
        }
    }

    /// Translates `[:alpha:]` and `[:^alpha:]`, after reading `[`. Without `:]` the bracket is a literal.
    fn posix_class(&mut self) -> Result<Item, String> {
        let text: String = self.rest.clone().skip(1).collect();
        let Some((name, _)) = text.split_once(":]") else {
            return Ok(Item::Char('['));
        };
        if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("`[:{name}:]` is not a class: write one of {}", POSIX_CLASSES.join(", ")));
        }
        self.rest.by_ref().take(name.len() + 3).for_each(drop);
        Ok(Item::Class(format!("[:{name}:]")))
    }

    /// Translates the rest of `(`. Flags that RE2 does not have are errors.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('?') {
            return Ok(());
        }
        if let Some(c @ ('=' | '!')) = ahead.peek() {
            return Err(format!(
                "look-ahead, `(?{c}`, is not supported: write two expressions, or list what may follow"
            ));
        }
        if ahead.next_if_eq(&'<').is_some() && matches!(ahead.peek(), Some('=' | '!')) {
            return Err(
                "look-behind, `(?<`, is not supported: write two expressions, or list what may come before"
                    .to_owned(),
            );
        }
        let mut flags = self.rest.clone().skip(1).take_while(|c| c.is_ascii_alphabetic() || *c == '-');
        match flags.find(|c| !"imsUP-".contains(*c)) {
            Some(_) if self.rest.clone().nth(1) == Some('<') => Ok(()),
            Some(c) => Err(format!("the flag `{c}` does not exist: the flags are i, m, s and U")),
            None => Ok(()),
        }
    }

    /// Returns true if the `{` that was read is followed by `n}`, `n,}` or `n,m}`.
    fn begins_repetition(&self) -> bool {
        let mut ahead = self.rest.clone();
        let mut digits = 0;
        while ahead.next_if(char::is_ascii_digit).is_some() {
            digits += 1;
        }
        if ahead.next_if_eq(&',').is_some() {
            while ahead.next_if(char::is_ascii_digit).is_some() {}
        }
        digits > 0 && ahead.next() == Some('}')
    }
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn what_is_the_same_stays() {
        for pattern in
            ["", "a+b*?", "^(?i)a|b$", r"\Aa\z", "(?P<n>x)", "(?<n>x)", "a{2}b{2,}c{2,3}", "中+", "(?i-s:x)"]
        {
            assert_eq!(translate(pattern).unwrap(), pattern);
        }
    }

    #[test]
    fn what_differs_is_rewritten() {
        for (pattern, expected) in [
            (r"\d\D", "[0-9][^0-9]"),
            (r"[\d\-x]", r"[[0-9]\-x]"),
            (r"[^\W]", "[^[^0-9A-Za-z_]]"),
            (r"\bx\B", r"(?-u:\b)x(?-u:\B)"),
            (r"\b{start}", r"(?-u:\b)\{start}"),
            (r"\Qa.b\E+", r"a\.b+"),
            (r"\Qa.\", r"a\.\\"),
            (r"\C", "(?s-u:.)"),
            (r"\101\0\1011", "A\0A1"),
            (r"\p{^Greek}\PL\P{^L}", r"\P{Greek}\P{L}\p{L}"),
            (r#"{"a":{1}}"#, r#"\{"a":{1}}"#),
            ("a{,2}", r"a\{,2}"),
            (r"\<\>", "<>"),
            ("[[a]", r"[\[a]"),
            ("[a&&b]", r"[a\&\&b]"),
            ("[a--]", r"[a-\-]"),
            ("[]a]", r"[\]a]"),
            ("[^]a]", r"[^\]a]"),
            ("[a-]", r"[a\-]"),
            ("[[:alpha:][:^digit:]_]", "[[:alpha:][:^digit:]_]"),
            ("[[:x]", r"[\[:x]"),
            (r"\x41\x{4e2d}", "A中"),
            ("[\\x41-\\x{5a}]", "[A-Z]"),
        ] {
            assert_eq!(translate(pattern).as_deref(), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn unsupported_syntax_is_rejected_with_advice() {
        for (pattern, remedy) in [
            (r"(a)\1", "write the expression"),
            (r"\8", "write the expression"),
            ("a(?=b)", "two expressions"),
            ("a(?!b)", "two expressions"),
            ("(?<=b)a", "two expressions"),
            ("(?<!b)a", "two expressions"),
            ("(?x)a", "flags are i, m, s and U"),
            ("(?i-u:a)", "flags are i, m, s and U"),
            (r"\y", "write `y`"),
            (r"\xZZ", r"write `\x7F`"),
            (r"\x{110000}", r"write `\x7F`"),
            (r"\x{+41}", r"write `\x7F`"),
            (r"\p{a b}", r"write `\p{L}`"),
            (r"\", r"write `\\`"),
            ("[a", r"write `\[`"),
            (r"[a-\d]", r"write `\-`"),
            ("[[:foo:]]", "write one of alnum"),
        ] {
            let message = translate(pattern).expect_err(pattern);
            assert!(message.contains(remedy), "{pattern}: {message}");
        }
    }
}
