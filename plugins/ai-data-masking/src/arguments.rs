//! The arguments of a tool, which come as JSON in pieces: what is in its strings and numbers is masked so that it stays
//! JSON, and goes on as soon as nothing that follows can change it.

use text::json;

use crate::config::Rules;
use crate::masks::Masks;
use crate::roles;
use crate::whole::seen;
use crate::window::{Piece, Window};

/// What has come of them.
#[derive(Default)]
pub struct Arguments {
    at: At,
    /// A number that may go on, or the first characters of an escape.
    begun: String,
    /// The string at hand.
    string: Window,
    /// All of what goes on, which is searched for words as it is.
    all: Window,
}

/// Where the next character is.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the start, which says whether they are JSON at all.
    #[default]
    Start,
    /// In what is no JSON, and a text like any other.
    Text,
    Between,
    Number,
    String,
}

impl Arguments {
    /// Takes the next piece, after which nothing comes if it has `ended`.
    pub fn push(&mut self, rules: &Rules, masks: &Masks, piece: &str, ended: bool) -> Piece {
        let mut shown = String::with_capacity(piece.len());
        match self.read(rules, masks, piece, ended, &mut shown) {
            Err(cause) => Piece::Denied(cause),
            // Each word has been told once.
            Ok(()) if rules.dry_run => Piece::Text(shown),
            Ok(()) => self.all.push(rules, None, masks, &shown, ended),
        }
    }

    /// How many bytes wait.
    pub fn held(&self) -> usize {
        self.begun.len() + self.string.held() + self.all.held()
    }

    /// Appends what goes on of a piece to `shown`.
    fn read(
        &mut self,
        rules: &Rules,
        masks: &Masks,
        piece: &str,
        ended: bool,
        shown: &mut String,
    ) -> Result<(), &'static str> {
        let mut rest = piece;
        while let Some(first) = rest.chars().next() {
            match self.at {
                At::Start => match first {
                    '{' | '[' => self.at = At::Between,
                    _ if first.is_ascii_whitespace() => rest = take(rest, first.len_utf8(), shown),
                    _ => self.at = At::Text,
                },
                At::Text => {
                    let text = std::mem::take(&mut rest);
                    self.text(rules, masks, text, text, false, shown)?;
                }
                At::Between => match first {
                    '"' => {
                        self.at = At::String;
                        self.string = Window::default();
                        rest = take(rest, 1, shown);
                    }
                    '0'..='9' | '-' => self.at = At::Number,
                    _ => rest = take(rest, first.len_utf8(), shown),
                },
                At::Number => {
                    let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
                    rest = take(rest, end.unwrap_or(rest.len()), &mut self.begun);
                    // What is so long is no number that anything reads.
                    if end.is_some() || self.begun.len() > rules.longest {
                        self.number(rules, masks, shown)?;
                    }
                }
                At::String => {
                    let end = self.string_end(rest);
                    rest = take(rest, end.unwrap_or(rest.len()), &mut self.begun);
                    self.string(rules, masks, end.is_some(), shown)?;
                    if end.is_some() {
                        self.at = At::Between;
                        rest = take(rest, 1, shown);
                    }
                }
            }
        }
        match self.at {
            At::Text if ended => self.text(rules, masks, "", "", true, shown),
            At::Number if ended => self.number(rules, masks, shown),
            At::String if ended => self.string(rules, masks, true, shown),
            _ => Ok(()),
        }
    }

    /// Where the string at hand ends.
    fn string_end(&self, rest: &str) -> Option<usize> {
        let mut escaped = self.begun.ends_with('\\');
        rest.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        })
    }

    /// The part of a string that has come, without an escape that may go on.
    fn string(
        &mut self,
        rules: &Rules,
        masks: &Masks,
        ended: bool,
        shown: &mut String,
    ) -> Result<(), &'static str> {
        let ready = if ended { self.begun.len() } else { complete(&self.begun) };
        let rest = self.begun.get(ready..).unwrap_or_default().to_owned();
        let mut written = std::mem::replace(&mut self.begun, rest);
        written.truncate(ready);
        let decoded = json::decode(format!("\"{written}\"").as_bytes()).map(|text| text.into_owned());
        self.text(rules, masks, &written, decoded.as_deref().unwrap_or(&written), ended, shown)
    }

    /// A piece of a text, as it is written and as it is meant.
    fn text(
        &mut self,
        rules: &Rules,
        masks: &Masks,
        written: &str,
        meant: &str,
        ended: bool,
        shown: &mut String,
    ) -> Result<(), &'static str> {
        let held = self.string.held();
        match self.string.push(rules, rules.roles.as_ref(), masks, meant, ended) {
            Piece::Denied(cause) => return Err(cause),
            Piece::Text(text) if held == 0 && text == meant => shown.push_str(written),
            Piece::Text(text) if self.at == At::Text => shown.push_str(&text),
            Piece::Text(text) => {
                let literal = json::encode(&text);
                shown.push_str(literal.get(1..literal.len() - 1).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// A number that is whole.
    fn number(&mut self, rules: &Rules, masks: &Masks, shown: &mut String) -> Result<(), &'static str> {
        self.at = At::Between;
        let number = std::mem::take(&mut self.begun);
        let edits = roles::edits(rules.roles.as_ref(), masks, &number);
        match seen(rules, &number, &edits) {
            Some(cause) if !rules.dry_run => return Err(cause),
            Some(cause) => crate::denied_in_dry_run(cause),
            None => {}
        }
        match edits.is_empty() {
            true => shown.push_str(&number),
            false => shown.push_str(&json::encode(&roles::apply(&number, &edits))),
        }
        Ok(())
    }
}

/// How much of the inside of a string can be read: without an escape at its end of which more may come.
fn complete(written: &str) -> usize {
    let mut at = 0;
    let byte = |at: usize| written.as_bytes().get(at).copied();
    while at < written.len() {
        at += match (byte(at), byte(at + 1)) {
            (Some(b'\\'), None) => return at,
            (Some(b'\\'), Some(b'u')) => {
                let Some(digits) = written.get(at + 2..at + 6) else { return at };
                let is_high =
                    u32::from_str_radix(digits, 16).is_ok_and(|unit| (0xd800..0xdc00).contains(&unit));
                // The other half of the character.
                match (byte(at + 6), byte(at + 7)) {
                    (None, _) | (Some(b'\\'), None) if is_high => return at,
                    (Some(b'\\'), Some(b'u')) if is_high && byte(at + 11).is_none() => return at,
                    (Some(b'\\'), Some(b'u')) if is_high => 12,
                    _ => 6,
                }
            }
            (Some(b'\\'), Some(_)) => 2,
            _ => 1,
        };
    }
    written.len()
}

/// Moves the first bytes of a text.
fn take<'t>(text: &'t str, length: usize, to: &mut String) -> &'t str {
    let (first, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    to.push_str(first);
    rest
}

#[cfg(test)]
mod tests {
    use ::config::Document;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;

    fn rules(fields: &Value) -> Rules {
        Document::<Config>::from_json(fields.to_string().as_bytes()).unwrap().global.unwrap().rules
    }

    /// What goes on of arguments in pieces.
    fn shown(rules: &Rules, pieces: &[&str]) -> Result<String, &'static str> {
        let mut arguments = Arguments::default();
        let mut shown = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            match arguments.push(rules, &Masks::default(), piece, index + 1 == pieces.len()) {
                Piece::Text(text) => shown.push_str(&text),
                Piece::Denied(cause) => return Err(cause),
            }
        }
        assert_eq!(arguments.held(), 0);
        Ok(shown)
    }

    /// In any two cuts.
    fn check(rules: &Rules, text: &str, expected: Result<&str, &'static str>) {
        for first in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for second in (first..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let shown = shown(rules, &pieces);
                // An escape may be written in another way where what it stands for has waited.
                let same = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.into());
                let shown = shown.as_deref().map(same).map_err(|cause| *cause);
                assert_eq!(shown, expected.map(same), "{pieces:?}");
            }
        }
    }

    #[test]
    fn arguments_are_masked_and_stay_json_in_any_pieces() {
        let rules = rules(&json!({"deny_words": ["badword"], "replace_roles": [
            {"regex": r"1[3-9]\d{9}", "value": "\"phone\""}]}));
        for (text, expected) in [
            (r#"{"n": 13812345678, "s": "at 13812345678."}"#, r#"{"n": "\"phone\"", "s": "at \"phone\"."}"#),
            (r#"[-1.5e3, 8613812345678, true]"#, r#"[-1.5e3, "86\"phone\"", true]"#),
            (r#"{"a\u0022": "\u0031\u00338123\u00345678 \ud83d\ude00\\"}"#, r#"{"a\"": "\"phone\" 😀\\"}"#),
            (r#" {"13812345678": []}"#, r#" {"\"phone\"": []}"#),
            ("call 13812345678 \"", "call \"phone\" \""),
            (r#"{"a": "unended 1381234"#, r#"{"a": "unended 1381234"#),
        ] {
            check(&rules, text, Ok(expected));
        }
        for text in [
            r#"{"a": "a badword"}"#,
            r#"{"a": "a \u0062adw\u006frd!"}"#,
            r#"{"badword": 1}"#,
            "badword",
            "{badword}",
            "{badword",
        ] {
            check(&rules, text, Err("deny_words"));
        }
        let other = r#"{"a": "\u4f60\/\ud83d x", "b": "bad words"}"#;
        assert_eq!(shown(&rules, &[other]).unwrap(), other);
    }
}
