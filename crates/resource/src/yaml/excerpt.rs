//! A line of a file with its fault underlined.

use super::Span;

/// The line on which `span` begins with a line of carets below, under a margin as wide as its number.
///
/// ```text
///    |
///  7 |   blocked_code: 99
///    |   ^^^^^^^^^^^^^^^^
/// ```
///
/// Of what goes on in further lines, the first is underlined. Nothing for a line that is not there.
pub(super) fn excerpt(text: &str, span: Span) -> Option<[String; 3]> {
    let line = text.lines().nth(span.start.line - 1)?.trim_end();
    let before: String = line.chars().take(span.start.column - 1).collect();
    let shown = if span.end.line == span.start.line { span.end.column } else { usize::MAX };
    let under: String =
        line.chars().take(shown - 1).skip(span.start.column - 1).collect::<String>().trim_end().to_owned();
    let number = span.start.line.to_string();
    let margin = " ".repeat(number.len());
    // A tab is as wide as the terminal makes it, above and below.
    let indent: String =
        before.chars().map(|c| if c == '\t' { "\t".to_owned() } else { " ".repeat(width(c)) }).collect();
    let carets = "^".repeat(under.chars().map(width).sum::<usize>().max(1));
    Some([format!(" {margin} |"), format!(" {number} | {line}"), format!(" {margin} | {indent}{carets}")])
}

/// How many columns of a terminal a character takes: two for Chinese, Japanese and Korean, and pictures.
fn width(c: char) -> usize {
    let wide = matches!(c,
        '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff01}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}' | '\u{1f900}'..='\u{1f9ff}' | '\u{20000}'..='\u{3fffd}');
    if wide { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(text: &str, path: &str) -> String {
        let node = crate::yaml::read(text).unwrap().remove(0);
        excerpt(text, node.find(path)).unwrap().join("\n")
    }

    #[test]
    fn a_field_is_underlined_with_its_value() {
        let text = "a: 1\n  # x\nblocked_code: 99  # too low\n";
        assert_eq!(
            under(text, "blocked_code"),
            "   |\n 3 | blocked_code: 99  # too low\n   | ^^^^^^^^^^^^^^^^"
        );
    }

    #[test]
    fn of_several_lines_the_first_is_underlined() {
        let text = "\n\n\n\n\n\n\n\n\nrules:\n- a: x\n  b: y\n";
        assert_eq!(under(text, "rules[0]"), "    |\n 11 | - a: x\n    |   ^^^^");
    }

    #[test]
    fn wide_characters_have_wide_carets() {
        assert_eq!(under("插件: {名: x}", "插件.名"), "   |\n 1 | 插件: {名: x}\n   |        ^^^^^");
    }
}
