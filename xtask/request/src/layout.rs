//! Text for a terminal of 80 columns: JSON laid out, long lines broken.

use serde_json::Value;

/// The width that lines keep to.
pub const WIDTH: usize = 80;

/// How many columns a character takes: two for Chinese, Japanese and Korean, and pictures.
fn width(c: char) -> usize {
    let wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}');
    if wide { 2 } else { 1 }
}

/// The columns that a text takes.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// The text in lines of at most so many columns, broken behind a space where there is one; `indent` goes before all but the
/// first.
#[must_use]
pub fn fold(text: &str, most: usize, indent: &str) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for c in text.chars() {
        if columns(&line) + width(c) > most {
            // A break behind a space that leaves the line at least half full.
            let space = line.char_indices().rev().find(|(at, c)| *c == ' ' && *at > line.len() / 2);
            let rest = space.map_or_else(String::new, |(at, _)| line.split_off(at + 1));
            let next = format!("{indent}{rest}");
            lines.push(std::mem::replace(&mut line, next).trim_end().to_owned());
        }
        line.push(c);
    }
    lines.push(line);
    lines
}

/// A text without characters that would move the cursor.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// A text behind a heading: in its line where it fits, and otherwise below it, as JSON where it is some.
#[must_use]
pub fn below(heading: &str, text: &str, json: Option<&Value>, most: usize) -> Vec<String> {
    let one_line = format!("{heading} {}", printable(text));
    if columns(&one_line) <= most {
        return vec![one_line];
    }
    let mut lines = fold(heading, most, "  ");
    match json {
        Some(value) => {
            for line in format!("{value:#}").lines() {
                let indent = " ".repeat(line.len() - line.trim_start().len() + 4);
                lines.extend(fold(&format!("  {}", printable(line)), most, &indent));
            }
        }
        None => lines.extend(fold(&format!("  {}", printable(text)), most, "  ")),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_in_one_line_and_json_is_laid_out() {
        let json: Value = serde_json::from_str(r#"{"a": "b"}"#).unwrap();
        assert_eq!(below("body:", r#"{"a": "b"}"#, Some(&json), 80), [r#"body: {"a": "b"}"#]);
        let lines = below("body:", r#"{"a": "b"}"#, Some(&json), 12);
        assert_eq!(lines, ["body:", "  {", "    \"a\": \"b\"", "  }"].map(str::to_owned));
        assert_eq!(below("body:", "a\nb\u{1b}", None, 80), ["body: a\\nb\\u{1b}"]);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_is_wide_and_nothing_is_lost() {
        let text = "a word and 很多很多很多很多字 then".to_owned() + &"x".repeat(300);
        for most in [20, 40, 80] {
            let lines = fold(&text, most, "    ");
            assert!(lines.iter().all(|line| columns(line) <= most), "{lines:#?}");
            let joined: String = lines.iter().map(|line| line.trim_start()).collect();
            assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }
    }
}
