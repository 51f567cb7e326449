//! Errors in a cases file, with the line, the case, the field and the remedy.

use serde::Deserialize;

use super::Case;

/// An error in a file, and its line if known.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

impl Mistake {
    /// A mistake that is in no line.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    /// A mistake in the case at this place.
    pub(super) fn in_case(text: &str, place: usize, message: String) -> Self {
        Self { line: line_of(text, place), message }
    }

    /// Converts an error of YAML in a list of cases.
    pub(super) fn read(text: &str, error: &serde_yaml::Error) -> Self {
        let line = error.location().map(|location| location.line());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        let Some((place, name)) = case_at_fault(text) else {
            return Self { line, message: in_words(message) };
        };
        let message = message.strip_prefix("cases: ").unwrap_or(message);
        let inside = message.strip_prefix(&format!("cases[{place}]")).unwrap_or(message);
        let inside = inside.trim_start_matches([':', '.', ' ']);
        // An error about several fields names its case; its position in YAML is that of the list.
        match name.map(|name| format!("case `{name}`: ")) {
            Some(case) if inside.starts_with(&case) => Self::in_case(text, place, inside.to_owned()),
            Some(case) => Self { line, message: format!("{case}{}", in_words(inside)) },
            None => Self { line, message: format!("case {}: {}", place + 1, in_words(inside)) },
        }
    }
}

/// The place and the name of the first case that cannot be read.
fn case_at_fault(text: &str) -> Option<(usize, Option<String>)> {
    let file: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    let mut cases = file.get("cases")?.as_sequence()?.iter().enumerate();
    let (place, case) = cases.find(|(_, case)| Case::deserialize(*case).is_err())?;
    Some((place, case.get("name").and_then(|name| name.as_str()).map(str::to_owned)))
}

/// The line in which a case begins: the list's items are the lines that begin as its first one does.
fn line_of(text: &str, place: usize) -> Option<usize> {
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("cases:")).skip(1);
    let begins = |line: &str| line.trim_start().starts_with("- ");
    let (first, indented) = lines.by_ref().find(|(_, line)| begins(line))?;
    let item: String = indented.chars().take_while(|space| *space == ' ').chain("- ".chars()).collect();
    let others = lines.filter(|(_, line)| line.starts_with(&item)).map(|(number, _)| number);
    std::iter::once(first).chain(others).nth(place).map(|number| number + 1)
}

/// The YAML parser's terms for the actual and expected types.
fn in_words(message: &str) -> String {
    let (field, problem) = match message.rsplit_once(": invalid type: ") {
        Some((field, problem)) => (format!("{field}: "), problem),
        None => match message.strip_prefix("invalid type: ") {
            Some(problem) => (String::new(), problem),
            None => return others_in_words(message),
        },
    };
    let Some((has, expected)) = problem.split_once(", expected ") else { return message.to_owned() };
    let has = match has.split_once(' ') {
        Some(("string", text)) => format!("text {text}"),
        Some(("integer" | "floating", rest)) => format!("the number {}", rest.trim_start_matches("point ")),
        Some(("boolean", value)) => value.to_owned(),
        Some(("unit", _)) => "empty".to_owned(),
        _ if has == "sequence" => "a list".to_owned(),
        _ if has == "map" => "a mapping".to_owned(),
        _ => has.to_owned(),
    };
    let expected = match expected {
        "struct File" => "`cases:`, and below it a list of cases",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a string" => "text (a number goes in quotes)",
        "a sequence" => "a list: [ … ]",
        "a tuple of size 2" => "a pair: [name, value]",
        "a map" => "a mapping: { key: value }",
        _ if expected.starts_with("struct ") => "a mapping: { key: value }",
        _ => expected,
    };
    format!("{field}is {has}: write {expected}")
}

fn others_in_words(message: &str) -> String {
    let message = message.replace(", expected one of ", ": write one of ").replace(", expected ", ": write ");
    match message.rsplit_once("missing field ") {
        Some((field, name)) => format!("{field}{name} is missing: add it"),
        None => match message.rsplit_once("duplicate field ") {
            Some((field, name)) => format!("duplicate {field}{name}: keep one"),
            None => message,
        },
    }
}
