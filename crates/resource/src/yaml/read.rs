//! From text to values: the parser's events, put together.

use std::collections::HashMap;
use std::vec;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Data, Entry, Node, Position, Span, YamlError, scalar};

/// How many values a text may come to: aliases of aliases must not fill the memory.
const MOST_VALUES: usize = 100_000;
/// How deep values may nest: as deep as in the JSON that a plug-in reads.
const DEEPEST: usize = 127;

/// The documents of a text; none when it has nothing but comments.
///
/// # Errors
///
/// The first thing that is wrong, with its place.
pub fn read(text: &str) -> Result<Vec<Node>, YamlError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A cluster reads JSON as JSON, which may be indented with tabs; its texts hold none. Places stay the same.
    if text.trim_start().starts_with('{')
        && text.contains('\t')
        && serde_json::from_str::<IgnoredAny>(text).is_ok()
    {
        return documents(&text.replace('\t', " "));
    }
    documents(text)
}

fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut events = Vec::new();
    for event in Parser::new_from_str(text) {
        // Behind an error the parser gives the same one for ever.
        let (event, span) = event.map_err(|error| {
            let position = position(error.marker());
            YamlError { message: syntax(error.info(), text, position), position }
        })?;
        events.push((event, Span { start: position(&span.start), end: position(&span.end) }));
    }
    let start = Position { line: 1, column: 1 };
    let end = Span { start, end: start };
    let mut reader = Reader { events: events.into_iter(), anchors: HashMap::new(), values: 0, end };
    let mut documents = Vec::new();
    while let Some((event, _)) = reader.events.next() {
        if let Event::DocumentStart(_) = event {
            reader.anchors.clear();
            documents.extend(reader.next(0)?);
        }
    }
    Ok(documents)
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// The parser's words with what to write instead, where they alone do not tell.
fn syntax(info: &str, text: &str, position: Position) -> String {
    let line = text.lines().nth(position.line - 1).unwrap_or_default();
    let next = text.lines().nth(position.line).unwrap_or_default();
    let indents_with_tab = |line: &str| line.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
    let remedy = if indents_with_tab(line) || (info.contains("tab") && indents_with_tab(next)) {
        "YAML is indented with spaces, replace the tab"
    } else if info.contains("mapping values are not allowed") {
        "put a text with `: ` in it in quotes, and indent keys of one object alike"
    } else if info.contains("unknown anchor") {
        "write `&name` before the value that is meant, in front of this place"
    } else if info.contains("unexpected character") {
        "put a text that begins so in quotes"
    } else if info.contains("unknown escape character") {
        "double a backslash in double quotes, or use single quotes"
    } else if info.contains("flow ") || info.contains("illegal placement of ':'") {
        "close the bracket or brace that was opened before"
    } else if info.contains("unexpected end of stream") {
        "close the quotation mark"
    } else {
        return format!("invalid YAML: {info}");
    };
    format!("invalid YAML: {info}: {remedy}")
}

struct Reader<'t> {
    events: vec::IntoIter<(Event<'t>, Span)>,
    anchors: HashMap<usize, Node>,
    /// How many values there are so far, those of aliases counted each time.
    values: usize,
    /// What ended the list or object that was read last: its bracket or brace, and otherwise nothing.
    end: Span,
}

impl Reader<'_> {
    /// The next value, or nothing at the end of what holds it.
    fn next(&mut self, depth: usize) -> Result<Option<Node>, YamlError> {
        let Some((event, span)) = self.events.next() else {
            return Ok(None);
        };
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value =
                    scalar::resolve(&text, style, tag.as_deref()).map_err(|message| error(span, message))?;
                (Node { span, data: Data::Scalar(value) }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                collection(span, tag.as_deref(), "seq")?;
                (self.list(span, depth)?, anchor)
            }
            Event::MappingStart(anchor, tag) => {
                collection(span, tag.as_deref(), "map")?;
                (self.map(span, depth)?, anchor)
            }
            Event::Alias(anchor) => {
                let Some(meant) = self.anchors.get(&anchor) else {
                    return Err(error(span, "is an alias of the value that it stands in: name another one"));
                };
                let node = Node { span, data: meant.data.clone() };
                self.count(span, node.size())?;
                return Ok(Some(node));
            }
            _ => {
                self.end = span;
                return Ok(None);
            }
        };
        self.count(span, 1)?;
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(Some(node))
    }

    fn count(&mut self, span: Span, values: usize) -> Result<(), YamlError> {
        self.values += values;
        if self.values > MOST_VALUES {
            return Err(error(
                span,
                format!("has more than {MOST_VALUES} values, aliases counted: write less"),
            ));
        }
        Ok(())
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, YamlError> {
        check_depth(start, depth)?;
        let mut entries = Vec::new();
        while let Some(entry) = self.next(depth + 1)? {
            entries.push(entry);
        }
        let end = self.end(entries.last().map_or(start, |entry| entry.span));
        Ok(Node { span: start.to(end), data: Data::List(entries) })
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, YamlError> {
        check_depth(start, depth)?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged = Vec::new();
        loop {
            // In quotes it is a text, and no order to merge.
            let is_plain =
                matches!(self.events.as_slice().first(), Some((Event::Scalar(_, ScalarStyle::Plain, ..), _)));
            let Some(key) = self.next(depth + 1)? else { break };
            let key_span = key.span;
            let Some(value) = self.next(depth + 1)? else { break };
            let key = name(&key)?;
            if key == "<<" && is_plain {
                merged.extend(self.merge(value)?);
                continue;
            }
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                let line = first.key_span.start.line;
                let message = format!("duplicate key `{key}` (first defined on line {line}): remove one");
                return Err(error(key_span, message));
            }
            entries.push(Entry { key, key_span, value });
        }
        let end = self.end(entries.last().map_or(start, Entry::span));
        for entry in merged {
            // Own keys take precedence over merged ones, and earlier merges over later ones.
            if entries.iter().all(|own| own.key != entry.key) {
                entries.push(entry);
            }
        }
        Ok(Node { span: start.to(end), data: Data::Map(entries) })
    }

    /// Where a collection ends: with its bracket or brace where it has one, and otherwise with its last entry.
    fn end(&self, last: Span) -> Span {
        if self.end.start == self.end.end { last } else { self.end }
    }

    /// The entries that `<<` brings in: those of an object, or of several.
    fn merge(&mut self, value: Node) -> Result<Vec<Entry>, YamlError> {
        let span = value.span;
        let objects = match value.data {
            Data::List(objects) => objects,
            Data::Map(_) | Data::Scalar(_) => vec![value],
        };
        let mut entries = Vec::new();
        for object in objects {
            let Data::Map(own) = object.data else {
                return Err(error(span, "cannot be merged: write `<<: *name` with the name of an object"));
            };
            entries.extend(own);
        }
        Ok(entries)
    }
}

impl Node {
    /// How many values this is, itself included.
    fn size(&self) -> usize {
        1 + match &self.data {
            Data::Scalar(_) => 0,
            Data::List(entries) => entries.iter().map(Node::size).sum(),
            Data::Map(entries) => entries.iter().map(|entry| entry.value.size()).sum(),
        }
    }
}

/// A key as it stands in JSON: `404` and `on` become texts too.
fn name(key: &Node) -> Result<String, YamlError> {
    match &key.data {
        Data::Scalar(Value::String(text)) => Ok(text.clone()),
        Data::Scalar(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        _ => Err(error(key.span, "is not a valid key: write a word, in quotes if necessary")),
    }
}

fn check_depth(span: Span, depth: usize) -> Result<(), YamlError> {
    if depth >= DEEPEST {
        return Err(error(span, format!("is nested deeper than {DEEPEST} levels: write it flatter")));
    }
    Ok(())
}

/// Refuses a collection with a tag of its own.
fn collection(span: Span, tag: Option<&Tag>, natural: &str) -> Result<(), YamlError> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == natural) => {
            Err(error(span, scalar::foreign_tag(tag)))
        }
        _ => Ok(()),
    }
}

fn error(span: Span, message: impl Into<String>) -> YamlError {
    YamlError { position: span.start, message: message.into() }
}
