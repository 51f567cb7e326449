//! Tool arguments, which arrive as JSON in fragments. Their strings and numbers are masked such that they stay valid JSON,
//! and are released as soon as no later fragment can change them.

use text::json;

use crate::config::Rules;
use crate::masks::Masks;
use crate::roles;
use crate::whole::denied_cause;
use crate::window::{Released, Window};

/// The state of the arguments of one call.
#[derive(Default)]
pub struct Arguments {
    at: Position,
    /// An incomplete number, or the beginning of an escape.
    pending: String,
    /// The current string.
    string: Window,
    /// Everything that is released, searched for words.
    all: Window,
}

/// The position of the next character.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Position the start, which determines whether they are JSON.
    #[default]
    Start,
    /// In arguments that are not JSON, treated as an ordinary text.
    Text,
    Between,
    Number,
    String,
}

impl Arguments {
    /// Processes the next fragment. It is the last one if `ended` is true.
    pub fn push(&mut self, rules: &Rules, masks: &Masks, fragment: &str, ended: bool) -> Released {
        let mut out = String::with_capacity(fragment.len());
        match self.read(rules, masks, fragment, ended, &mut out) {
            Err(cause) => Released::Denied(cause),
            // Words have already been reported.
            Ok(()) if rules.dry_run => Released::Text(out),
            Ok(()) => self.all.push(rules, None, masks, &out, ended),
        }
    }

    /// Returns the number of held bytes.
    pub fn held(&self) -> usize {
        self.pending.len() + self.string.held() + self.all.held()
    }

    /// Appends the released part of a fragment to `out`.
    fn read(
        &mut self,
        rules: &Rules,
        masks: &Masks,
        fragment: &str,
        ended: bool,
        out: &mut String,
    ) -> Result<(), &'static str> {
        let mut rest = fragment;
        while let Some(first) = rest.chars().next() {
            match self.at {
                Position::Start => match first {
                    '{' | '[' => self.at = Position::Between,
                    _ if first.is_ascii_whitespace() => rest = take(rest, first.len_utf8(), out),
                    _ => self.at = Position::Text,
                },
                Position::Text => {
                    let text = std::mem::take(&mut rest);
                    self.text(rules, masks, text, text, false, out)?;
                }
                Position::Between => match first {
                    '"' => {
                        self.at = Position::String;
                        self.string = Window::default();
                        rest = take(rest, 1, out);
                    }
                    '0'..='9' | '-' => self.at = Position::Number,
                    _ => rest = take(rest, first.len_utf8(), out),
                },
                Position::Number => {
                    let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
                    rest = take(rest, end.unwrap_or(rest.len()), &mut self.pending);
                    // Nothing parses a number of this length.
                    if end.is_some() || self.pending.len() > rules.max_match {
                        self.number(rules, masks, out)?;
                    }
                }
                Position::String => {
                    let end = self.string_end(rest);
                    rest = take(rest, end.unwrap_or(rest.len()), &mut self.pending);
                    self.string(rules, masks, end.is_some(), out)?;
                    if end.is_some() {
                        self.at = Position::Between;
                        rest = take(rest, 1, out);
                    }
                }
            }
        }
        match self.at {
            Position::Text if ended => self.text(rules, masks, "", "", true, out),
            Position::Number if ended => self.number(rules, masks, out),
            Position::String if ended => self.string(rules, masks, true, out),
            _ => Ok(()),
        }
    }

    /// Returns the end of the current string.
    fn string_end(&self, rest: &str) -> Option<usize> {
        let mut escaped = self.pending.ends_with('\\');
        rest.bytes().position(|byte| {
            let is_end = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            is_end
        })
    }

    /// Processes the available part of a string, without an incomplete escape.
    fn string(
        &mut self,
        rules: &Rules,
        masks: &Masks,
        ended: bool,
        out: &mut String,
    ) -> Result<(), &'static str> {
        let ready = if ended { self.pending.len() } else { complete(&self.pending) };
        let rest = self.pending.get(ready..).unwrap_or_default().to_owned();
        let mut written = std::mem::replace(&mut self.pending, rest);
        written.truncate(ready);
        let decoded = json::decode(format!("\"{written}\"").as_bytes()).map(|text| text.into_owned());
        self.text(rules, masks, &written, decoded.as_deref().unwrap_or(&written), ended, out)
    }

    /// Processes a fragment of a text, in written and decoded form.
    fn text(
        &mut self,
        rules: &Rules,
        masks: &Masks,
        written: &str,
        decoded: &str,
        ended: bool,
        out: &mut String,
    ) -> Result<(), &'static str> {
        let held = self.string.held();
        match self.string.push(rules, rules.roles.as_ref(), masks, decoded, ended) {
            Released::Denied(cause) => return Err(cause),
            Released::Text(text) if held == 0 && text == decoded => out.push_str(written),
            Released::Text(text) if self.at == Position::Text => out.push_str(&text),
            Released::Text(text) => {
                let literal = json::encode(&text);
                out.push_str(literal.get(1..literal.len() - 1).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Processes a complete number.
    fn number(&mut self, rules: &Rules, masks: &Masks, out: &mut String) -> Result<(), &'static str> {
        self.at = Position::Between;
        let number = std::mem::take(&mut self.pending);
        let edits = roles::edits(rules.roles.as_ref(), masks, &number);
        match denied_cause(rules, &number, &edits) {
            Some(cause) if !rules.dry_run => return Err(cause),
            Some(cause) => crate::denied_in_dry_run(cause),
            None => {}
        }
        match edits.is_empty() {
            true => out.push_str(&number),
            false => out.push_str(&json::encode(&roles::apply(&number, &edits))),
        }
        Ok(())
    }
}

/// Returns the length of a string without an incomplete escape at its end.
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
                // The low surrogate.
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

/// Moves the first bytes of a text to `to`, and returns the rest.
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

    /// Returns the released text of arguments in fragments.
    fn out(rules: &Rules, fragments: &[&str]) -> Result<String, &'static str> {
        let mut arguments = Arguments::default();
        let mut out = String::new();
        for (index, fragment) in fragments.iter().enumerate() {
            match arguments.push(rules, &Masks::default(), fragment, index + 1 == fragments.len()) {
                Released::Text(text) => out.push_str(&text),
                Released::Denied(cause) => return Err(cause),
            }
        }
        assert_eq!(arguments.held(), 0);
        Ok(out)
    }

    /// Checks all divisions into three fragments.
    fn check(rules: &Rules, text: &str, expected: Result<&str, &'static str>) {
        for first in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            for second in (first..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                let fragments = [&text[..first], &text[first..second], &text[second..]];
                let out = out(rules, &fragments);
                // Held escapes may be written differently.
                let same = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.into());
                let out = out.as_deref().map(same).map_err(|cause| *cause);
                assert_eq!(out, expected.map(same), "{fragments:?}");
            }
        }
    }

    #[test]
    fn arguments_are_masked_and_stay_json_for_any_fragmentation() {
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
        assert_eq!(out(&rules, &[other]).unwrap(), other);
    }
}
