//! Text for a terminal of 80 columns: JSON formatted, long lines broken.

use serde_json::Value;

/// The maximum width of a line.
pub(crate) const WIDTH: usize = 80;

/// The columns of a character: two for Chinese, Japanese, Korean and emoji.
fn width(c: char) -> usize {
    let wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}');
    if wide { 2 } else { 1 }
}

/// The columns of a text.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Breaks a text into lines of at most `max` columns, after a space where possible; `indent` goes before all but the
/// first.
pub(crate) fn fold(text: &str, max: usize, indent: &str) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for c in text.chars() {
        if columns(&line) + width(c) > max {
            // A break after a space that leaves the line at least half full.
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
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::new(), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// A text after a heading: on the same line if it fits, and otherwise below it, as JSON if it is JSON.
pub(crate) fn below(heading: &str, text: &str, json: Option<&Value>, max: usize) -> Vec<String> {
    let one_line = format!("{heading} {}", printable(text));
    if columns(&one_line) <= max {
        return vec![one_line];
    }
    let mut lines = fold(heading, max, "  ");
    match json {
        Some(value) => {
            for line in format!("{value:#}").lines() {
                let indent = " ".repeat(line.len() - line.trim_start().len() + 4);
                lines.extend(fold(&format!("  {}", printable(line)), max, &indent));
            }
        }
        None => lines.extend(fold(&format!("  {}", printable(text)), max, "  ")),
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_fits_stays_on_one_line_and_json_is_formatted() {
        let json: Value = serde_json::from_str(r#"{"a": "b"}"#).unwrap();
        assert_eq!(below("body:", r#"{"a": "b"}"#, Some(&json), 80), [r#"body: {"a": "b"}"#]);
        let lines = below("body:", r#"{"a": "b"}"#, Some(&json), 12);
        assert_eq!(lines, ["body:", "  {", "    \"a\": \"b\"", "  }"].map(str::to_owned));
        assert_eq!(below("body:", "a\nb\u{1b}", None, 80), ["body: a\\nb\\u{1b}"]);
    }

    #[test]
    fn lines_fit_the_terminal_and_nothing_is_lost() {
        let text = "a word and 很多很多很多很多字 then".to_owned() + &"x".repeat(300);
        for most in [20, 40, 80] {
            let lines = fold(&text, most, "    ");
            assert!(lines.iter().all(|line| columns(line) <= most), "{lines:#?}");
            let joined: String = lines.iter().map(|line| line.trim_start()).collect();
            assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }
    }
}
