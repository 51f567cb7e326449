//! Templates, and the requests that they become.

use config::Json;
use text::json::{self, Kind, Match, Paths};

use crate::config::Config;

/// The maximum size of a body. A property of a megabyte could otherwise be written a thousand times.
const MAX_BODY: usize = 16 << 20;

/// A body with variables in its texts.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
    /// `properties` of requests, and the values of variables by their numbers from 1.
    values: Paths,
}

#[derive(Debug, PartialEq)]
enum Part {
    /// JSON as it is.
    Written(String),
    /// A variable in a string: its number, and what is written without a value.
    Variable(usize, String),
}

impl Template {
    /// Encodes a template.
    ///
    /// # Errors
    ///
    /// A variable whose name has spaces around it, which no property has.
    pub fn new(template: &Json) -> Result<Self, String> {
        let mut builder = Builder { parts: Vec::new(), paths: vec!["$.properties".to_owned()], padded: None };
        builder.push_value(template);
        match builder.padded {
            Some(name) => Err(name),
            // Names are quoted, so that every path is valid.
            None => Ok(Self { parts: builder.parts, values: Paths::new(&builder.paths).unwrap_or_default() }),
        }
    }

    fn expand(&self, body: &[u8]) -> Expanded {
        let Ok(found) = json::find(body, &self.values) else { return Expanded::Passes };
        let last = |path| found.iter().rfind(move |found: &&Match| found.path == path);
        let properties = last(0).map(|properties| properties.span.start);
        let value = |variable: usize| last(variable).filter(|value| Some(value.within) == properties);
        let mut expanded = Vec::new();
        for part in &self.parts {
            match part {
                Part::Written(text) => expanded.extend_from_slice(text.as_bytes()),
                Part::Variable(number, unknown) => match value(*number) {
                    Some(value) => push_text(&mut expanded, body, value),
                    None => expanded.extend_from_slice(unknown.as_bytes()),
                },
            }
            if expanded.len() > MAX_BODY {
                return Expanded::TooLarge;
            }
        }
        Expanded::Body(expanded)
    }
}

struct Builder {
    parts: Vec<Part>,
    paths: Vec<String>,
    /// A name with spaces around it.
    padded: Option<String>,
}

impl Builder {
    fn push(&mut self, written: &str) {
        match self.parts.last_mut() {
            Some(Part::Written(text)) => text.push_str(written),
            _ => self.parts.push(Part::Written(written.to_owned())),
        }
    }

    fn push_value(&mut self, value: &Json) {
        match value {
            Json::Null => self.push("null"),
            Json::Bool(true) => self.push("true"),
            Json::Bool(false) => self.push("false"),
            Json::Number(number) => self.push(number),
            Json::String(text) => self.push_text(text),
            Json::List(values) => {
                self.push("[");
                for (index, value) in values.iter().enumerate() {
                    self.push(if index == 0 { "" } else { "," });
                    self.push_value(value);
                }
                self.push("]");
            }
            Json::Object(values) => {
                self.push("{");
                for (index, (key, value)) in values.iter().enumerate() {
                    self.push(if index == 0 { "" } else { "," });
                    self.push(&json::encode(key));
                    self.push(":");
                    self.push_value(value);
                }
                self.push("}");
            }
        }
    }

    fn push_text(&mut self, text: &str) {
        self.push("\"");
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("}}") {
            rest = after;
            let Some((before, name)) = before.rsplit_once("{{") else {
                self.push(&encoded(before));
                self.push("}}");
                continue;
            };
            self.push(&encoded(before));
            if name.trim() != name && !name.trim().is_empty() {
                self.padded.get_or_insert_with(|| name.to_owned());
            }
            let path = format!("$.properties[{}]", json::encode(name));
            let number = self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
                self.paths.push(path);
                self.paths.len() - 1
            });
            self.parts.push(Part::Variable(number, format!("{{{{{}}}}}", encoded(name))));
        }
        self.push(&encoded(rest));
        self.push("\"");
    }
}

/// Returns a text as it is written in a string.
fn encoded(text: &str) -> String {
    let literal = json::encode(text);
    literal.get(1..literal.len() - 1).unwrap_or_default().to_owned()
}

/// Writes a value into a string: the text of a string, which is escaped already, and others as they are written.
fn push_text(expanded: &mut Vec<u8>, body: &[u8], value: &Match) {
    let literal = body.get(value.span.clone()).unwrap_or_default();
    match value.kind {
        Kind::Null => {}
        Kind::Number | Kind::Bool => expanded.extend_from_slice(literal),
        Kind::String => expanded.extend_from_slice(literal.get(1..literal.len() - 1).unwrap_or_default()),
        Kind::Array | Kind::Object => {
            expanded.extend_from_slice(encoded(str::from_utf8(literal).unwrap_or_default()).as_bytes());
        }
    }
}

/// The handling of a request.
#[derive(Debug, PartialEq)]
pub enum Expanded {
    /// It does not select a template.
    Passes,
    /// Its new body.
    Body(Vec<u8>),
    /// It selects a template that does not exist.
    Unknown,
    /// The new body would be too large.
    TooLarge,
}

/// Expands the template that a body selects by `template`, with `properties`. Of duplicate keys, the last counts.
pub fn expand(config: &Config, body: &[u8]) -> Expanded {
    thread_local! {
        static PATHS: Paths = Paths::new(&["$.template", "$.properties"]).unwrap_or_default();
    }
    let Ok(found) = PATHS.with(|paths| json::find(body, paths)) else { return Expanded::Passes };
    let last =
        |path, kind| found.iter().rfind(move |found| found.path == path).filter(|found| found.kind == kind);
    let (Some(name), Some(_)) = (last(0, Kind::String), last(1, Kind::Object)) else {
        return Expanded::Passes;
    };
    let name = json::decode(body.get(name.span.clone()).unwrap_or_default()).unwrap_or_default();
    config.templates.get(&*name).map_or(Expanded::Unknown, |template| template.expand(body))
}
