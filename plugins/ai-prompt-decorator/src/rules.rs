//! The messages of a request after the changes.

use std::borrow::Cow;
use std::ops::Range;

use matcher::replace::{Next, Replacer, SearchCache};
use text::json::{self, DotPath, Kind, Match, Names, Paths, edit};

use crate::config::Config;

/// The variables of messages, which are properties that geo-ip sets.
pub const VARIABLES: [&str; 4] = ["geo-country", "geo-province", "geo-city", "geo-isp"];

/// A message of the configuration.
pub struct Message {
    role: String,
    parts: Vec<Part>,
}

enum Part {
    Text(String),
    /// The index of a variable.
    Variable(usize),
}

impl Message {
    /// Creates a message, and finds the variables of its content.
    pub fn new(role: String, content: &str) -> Self {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = content;
        while let Some(first) = rest.chars().next() {
            let variable = VARIABLES.iter().enumerate().find_map(|(index, name)| {
                let rest = rest.strip_prefix("${")?.strip_prefix(name)?.strip_prefix('}')?;
                Some((index, rest))
            });
            match variable {
                Some((index, after)) => {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Variable(index));
                    rest = after;
                }
                None => {
                    text.push(first);
                    rest = rest.get(first.len_utf8()..).unwrap_or_default();
                }
            }
        }
        parts.push(Part::Text(text));
        Self { role, parts }
    }

    fn content(&self, variable: &impl Fn(usize) -> String) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Cow::Borrowed(text.as_str()),
            Part::Variable(index) => Cow::Owned(variable(*index)),
        });
        parts.collect()
    }
}

/// A text to replace.
pub struct Replacement {
    /// What is replaced.
    pub pattern: Pattern,
    /// The new text.
    pub new: String,
    /// The role of messages in which it is replaced.
    pub role: Option<String>,
}

/// What is replaced.
pub enum Pattern {
    /// A text.
    Text(String),
    /// A regular expression.
    Regex(Box<Replacer>),
}

impl Replacement {
    /// Returns the text with every match replaced, or `None` without one.
    fn apply(&self, text: &str) -> Option<String> {
        match &self.pattern {
            Pattern::Text(pattern) => {
                text.contains(pattern.as_str()).then(|| text.replace(pattern, &self.new))
            }
            Pattern::Regex(regex) => {
                let mut cache = SearchCache::default();
                let (mut result, mut from) = (String::new(), 0);
                while let Next::Match { start, end, .. } = regex.find_again(&mut cache, text, from, true, 0) {
                    result.push_str(text.get(from..start)?);
                    result.push_str(&regex.expand(text, 0, start..end, &self.new));
                    from = end;
                }
                (from > 0).then(|| result + text.get(from..).unwrap_or_default())
            }
        }
    }
}

/// Returns a body with the messages of the configuration, and all texts replaced. `None` if it stays as it is, which it does
/// without `messages`. Keys are read in any case, as by Go's `encoding/json`.
///
/// `variable` returns the value of a variable.
pub fn decorate(config: &Config, body: &[u8], variable: impl Fn(usize) -> String) -> Option<Vec<u8>> {
    thread_local! {
        static PATHS: Paths = {
            let paths = [
                "$.messages",
                "$.messages[*]",
                "$.messages[*].role",
                "$.messages[*].content",
                "$.messages[*].content[*].text",
            ];
            Paths::default().with(&paths, Names::AnyCase).unwrap_or_default()
        };
        static MESSAGES: Option<DotPath> = DotPath::parse("messages").and_then(DotPath::in_any_case).ok();
    }
    let mut found = PATHS.with(|paths| json::find(body, paths)).ok()?;
    // Servers differ in which of duplicate keys they use, and a client can write very many.
    let unique = match found.iter().filter(|found| found.path == 0).count() > 1 {
        true => MESSAGES.with(|path| edit::keep_last(body, path.as_ref()?).ok()?),
        false => None,
    };
    let body = unique.as_deref().unwrap_or(body);
    if unique.is_some() {
        found = PATHS.with(|paths| json::find(body, paths)).ok()?;
    }
    let mut edits = Vec::new();
    if let Some(list) = found.iter().find(|found| found.path == 0 && found.kind == Kind::Array) {
        let is_empty = !found.iter().any(|found| found.path == 1 && found.within == list.span.start);
        let encoded = |messages: &[Message]| encode(config, messages, &variable);
        let (before, after) = (encoded(&config.prepend), encoded(&config.append));
        // The comma between the new messages of an empty list belongs to the last.
        let comma: &[u8] = if is_empty || before.is_empty() { b"" } else { b"," };
        edits.push((list.span.start + 1..list.span.start + 1, [&before, comma].concat()));
        let comma: &[u8] = if after.is_empty() || is_empty && before.is_empty() { b"" } else { b"," };
        edits.push((list.span.end - 1..list.span.end - 1, [comma, &after].concat()));
    }
    if !config.replace.is_empty() {
        replace(config, body, &found, &mut edits);
    }
    edit::replace_ranges(body, edits).or(unique)
}

/// Replaces the texts of all messages.
fn replace(config: &Config, body: &[u8], found: &[Match], edits: &mut Vec<(Range<usize>, Vec<u8>)>) {
    let literal = |found: &Match| body.get(found.span.clone()).unwrap_or_default();
    // The roles of a message may come after its content, and be duplicated.
    let mut roles: Vec<Vec<Cow<'_, str>>> = Vec::new();
    for found in found {
        match found.path {
            1 => roles.push(Vec::new()),
            2 => {
                if let Some(roles) = roles.last_mut() {
                    roles.extend(json::decode(literal(found)));
                }
            }
            _ => {}
        }
    }
    let mut roles = roles.iter();
    let mut of_message: &[Cow<'_, str>] = &[];
    for found in found {
        if found.path == 1 {
            of_message = roles.next().map(Vec::as_slice).unwrap_or_default();
        }
        if found.path >= 3 && found.kind == Kind::String {
            let Some(text) = json::decode(literal(found)) else { continue };
            if let Some(new) = replaced(config, &text, |role| of_message.iter().any(|known| known == role)) {
                edits.push((found.span.clone(), json::encode(&new).into_bytes()));
            }
        }
    }
}

/// Returns a text of a message with everything replaced, or `None` if it stays as it is.
fn replaced(config: &Config, text: &str, has_role: impl Fn(&str) -> bool) -> Option<String> {
    let mut result: Option<String> = None;
    for replacement in &config.replace {
        if replacement.role.as_deref().is_none_or(&has_role)
            && let Some(new) = replacement.apply(result.as_deref().unwrap_or(text))
        {
            result = Some(new);
        }
    }
    result
}

/// Returns messages as JSON, separated by commas.
fn encode(config: &Config, messages: &[Message], variable: &impl Fn(usize) -> String) -> Vec<u8> {
    let encoded = messages.iter().map(|message| {
        let content = message.content(variable);
        let content = replaced(config, &content, |role| role == message.role).unwrap_or(content);
        format!(r#"{{"role":{},"content":{}}}"#, json::encode(&message.role), json::encode(&content))
    });
    encoded.collect::<Vec<_>>().join(",").into_bytes()
}
