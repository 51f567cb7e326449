//! Directives: lines with continuations, split into words.

use std::rc::Rc;

use crate::Error;

/// A file, or another text with directives.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The name for errors.
    pub name: &'a str,
    /// The directives.
    pub text: &'a str,
}

/// A directive with its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name, as written.
    pub name: String,
    /// Its words, without their quotes.
    pub words: Vec<String>,
    /// The name of its source.
    pub file: Rc<str>,
    /// The line where it begins, from 1.
    pub line: u32,
}

impl Directive {
    pub(crate) fn error(&self, message: impl Into<String>) -> Error {
        Error { file: self.file.to_string(), line: self.line, message: message.into() }
    }

    /// Returns true if this is its name. Case does not matter.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Parses sources into directives, in order.
///
/// # Errors
///
/// The first directive with a quote that is not closed.
pub fn parse(sources: &[Source<'_>]) -> Result<Vec<Directive>, Error> {
    let mut directives = Vec::new();
    for source in sources {
        let file: Rc<str> = source.name.into();
        let mut lines = source.text.lines().zip(1u32..);
        while let Some((first, line)) = lines.next() {
            let first = first.trim();
            if first.is_empty() || first.starts_with('#') {
                continue;
            }
            let mut text = String::new();
            let mut next = Some(first);
            while let Some(part) = next.take() {
                match part.strip_suffix('\\') {
                    Some(part) => {
                        text.push_str(part);
                        next = lines.next().map(|(text, _)| text.trim());
                    }
                    None => text.push_str(part),
                }
            }
            let mut words = split(&text).map_err(|message| Error {
                file: source.name.to_owned(),
                line,
                message: message.to_owned(),
            })?;
            if words.is_empty() {
                continue;
            }
            let name = words.remove(0);
            directives.push(Directive { name, words, file: Rc::clone(&file), line });
        }
    }
    Ok(directives)
}

/// Splits a line at white space outside of quotes. In double quotes, `\"` is a quote; other backslashes belong to patterns.
fn split(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '#' && !words.is_empty() {
            break;
        }
        let quote = (first == '"' || first == '\'').then_some(first);
        let mut word = String::new();
        let mut end = None;
        let mut characters = rest.char_indices().skip(usize::from(quote.is_some())).peekable();
        while let Some((at, c)) = characters.next() {
            match quote {
                Some(quote) if c == quote => {
                    end = Some(at + 1);
                    break;
                }
                Some(quote) if c == '\\' => match characters.next_if(|(_, next)| *next == quote) {
                    Some(_) => word.push(quote),
                    None => {
                        word.push(c);
                        // `\\` before a quote ends the word.
                        if characters.next_if(|(_, next)| *next == '\\').is_some() {
                            word.push('\\');
                        }
                    }
                },
                None if c.is_whitespace() => {
                    end = Some(at);
                    break;
                }
                _ => word.push(c),
            }
        }
        let end = match (quote, end) {
            (Some('"'), None) => {
                return Err("a double quote is not closed: write `\\\"` for one inside of quotes");
            }
            (Some(_), None) => return Err("a single quote is not closed"),
            (_, end) => end.unwrap_or(rest.len()),
        };
        words.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        let directives = parse(&[Source { name: "a.conf", text }]).unwrap();
        directives.into_iter().map(|directive| directive.words).collect()
    }

    #[test]
    fn a_line_with_continuations_is_one_directive() {
        let text =
            "# comment\n\nSecRule ARGS \"@rx a\\\"b\\s\" \\\n    \"id:1,\\\n    pass\"\nSecMarker END\n";
        assert_eq!(words(text), [vec!["ARGS", "@rx a\"b\\s", "id:1,pass"], vec!["END"]]);
        let directives = parse(&[Source { name: "a.conf", text }]).unwrap();
        assert_eq!(directives.iter().map(|directive| directive.line).collect::<Vec<_>>(), [3, 6]);
    }

    #[test]
    fn a_doubled_backslash_does_not_escape_the_closing_quote() {
        assert_eq!(words(r#"SecRule ARGS "@rx a\\" "id:1""#), [vec!["ARGS", r"@rx a\\", "id:1"]]);
    }

    #[test]
    fn an_open_quote_is_an_error_with_its_line() {
        let error = parse(&[Source { name: "a.conf", text: "\nSecRule ARGS \"@rx a" }]).unwrap_err();
        assert_eq!((error.file.as_str(), error.line), ("a.conf", 2));
        assert!(error.to_string().starts_with("a.conf:2: a double quote is not closed"));
    }

    #[test]
    fn windows_line_ends_and_a_missing_last_line_end_do_not_matter() {
        assert_eq!(words("SecMarker A\r\nSecAction \"id:1,\\\r\npass\""), [vec!["A"], vec!["id:1,pass"]]);
    }
}
