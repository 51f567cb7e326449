//! Sets, removes and renames a field of a resource in its text.
//!
//! Only the bytes of that field change: comments, order and style of everything else stay as they are.
//! The result is parsed again and compared with the intended value, so a text in an unsupported style is rejected
//! instead of damaged.

use std::ops::Range;

use resource::yaml::{self, Node, Position};
use serde_json::{Map, Value};

use super::{EditError, Place};

/// A text that is being changed.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    place: Place,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A replacement of some bytes.
type Replacement = (Range<usize>, String);

/// A key of an object with its value.
struct Field<'n> {
    key: yaml::Span,
    value: &'n Node,
    /// The field after it.
    next: Option<yaml::Span>,
    first: bool,
    alone: bool,
}

impl Text {
    pub(super) fn new(text: &str, place: Place) -> Self {
        Self { text: text.into(), place, lines: lines(text) }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn into_inner(self) -> String {
        self.text
    }

    /// The value of a field, if present.
    pub(super) fn get(&self, path: &[&str]) -> Result<Option<Value>, EditError> {
        let documents = yaml::read(&self.text)?;
        Ok(walk(self.place.resource(&documents)?, path).map(Node::to_json))
    }

    /// Sets the value of a field, which is created if necessary.
    pub(super) fn set(&mut self, path: &[&str], value: &Value) -> Result<(), EditError> {
        self.change(&[(path, Some(value.clone()))])
    }

    /// Removes a field, if present.
    pub(super) fn unset(&mut self, path: &[&str]) -> Result<(), EditError> {
        self.change(&[(path, None)])
    }

    /// Sets fields, or removes those without a value. The text is parsed once for all of them if possible, because a
    /// resource may have thousands of rules.
    pub(super) fn change(&mut self, fields: &[(&[&str], Option<Value>)]) -> Result<(), EditError> {
        if let [_, _, ..] = fields
            && self.at_once(fields).is_ok()
        {
            return Ok(());
        }
        for field in fields {
            self.at_once(std::slice::from_ref(field))?;
        }
        Ok(())
    }

    fn at_once(&mut self, fields: &[(&[&str], Option<Value>)]) -> Result<(), EditError> {
        let documents = yaml::read(&self.text)?;
        let root = self.place.resource(&documents)?;
        let mut wanted = json(&documents);
        let resource = self.place.value(&mut wanted)?;
        for (path, value) in fields {
            match value {
                Some(value) => put(resource, path, value),
                None => remove(resource, path),
            }
        }
        let first = fields.first().map(|(path, _)| *path).unwrap_or_default();
        let mut last = Err(EditError::style(first));
        for block in [true, false] {
            let mut replacements = Vec::new();
            for (path, value) in fields {
                match value {
                    Some(value) => replacements.push(self.with(root, path, value, block)?),
                    None => replacements.extend(self.without(root, path)),
                }
            }
            last = self.take(self.replaced(replacements), &wanted, first);
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// The text with replacements that do not overlap.
    fn replaced(&self, mut replacements: Vec<Replacement>) -> String {
        replacements.sort_by_key(|(range, _)| range.start);
        let mut changed = self.text.clone();
        for (range, text) in replacements.iter().rev() {
            changed.replace_range(range.clone(), text);
        }
        changed
    }

    /// The removal of a field, if present.
    fn without(&self, root: &Node, path: &[&str]) -> Option<Replacement> {
        let (key, parents) = path.split_last()?;
        let field = walk(root, parents).and_then(|parent| field(parent, key))?;
        Some((self.extent(&field), String::new()))
    }

    /// Renames a field.
    pub(super) fn rename(&mut self, path: &[&str], new: &str) -> Result<(), EditError> {
        let documents = yaml::read(&self.text)?;
        let root = self.place.resource(&documents)?;
        let Some((key, parents)) = path.split_last() else { return Ok(()) };
        let Some(field) = walk(root, parents).and_then(|parent| field(parent, key)) else {
            return Ok(());
        };
        let mut wanted = json(&documents);
        let resource = self.place.value(&mut wanted)?;
        remove(resource, path);
        put(resource, &[parents, &[new]].concat(), &field.value.to_json());
        let mut changed = self.text.clone();
        let range = self.offset(field.key.start)..self.offset(field.key.end);
        let quoted = changed.get(range.clone()).unwrap_or_default().replace(key, new);
        changed.replace_range(range, &quoted);
        self.take(changed, &wanted, path)
    }

    /// The replacement that writes a value, as a block if the surrounding style is one, or in one line.
    fn with(&self, root: &Node, path: &[&str], value: &Value, block: bool) -> Result<Replacement, EditError> {
        let mut parent = root;
        let mut rest = path;
        while let Some((key, tail)) = rest.split_first() {
            let Some(field) = field(parent, key) else { break };
            let start = self.offset(field.value.span().start);
            let end = self.offset(field.value.span().end);
            let current = field.value.to_json();
            if !tail.is_empty() && !current.is_null() {
                (parent, rest) = (field.value, tail);
                continue;
            }
            if tail.is_empty() && !value.is_object() && !current.is_null() && !current.is_object() {
                return Ok((start..end, yaml::write_inline(value)?));
            }
            let written = if block && !self.is_flow(parent) {
                self.block(key, tail, value, field.key.start.column)
            } else {
                flow(key, tail, value)
            };
            let whole = self.offset(field.key.start)..end.max(self.offset(field.key.end) + 1);
            return Ok((whole, written));
        }
        let Some((key, tail)) = rest.split_first() else { return Err(EditError::style(path)) };
        if !parent.to_json().is_object() {
            return Err(EditError::style(path));
        }
        let at = self.offset(parent.span().start);
        if self.is_flow(parent) {
            let first = parent.fields().next().map(|(_, key, _)| self.offset(key.start));
            let glue = match first.and_then(|first| self.text.get(at + 1..first)) {
                // On a separate line, if the others are.
                Some(before) if before.contains('\n') && before.trim().is_empty() => format!(",{before}"),
                Some(_) => ", ".into(),
                None => String::new(),
            };
            let at = first.unwrap_or(at + 1);
            Ok((at..at, format!("{}{glue}", flow(key, tail, value))))
        } else {
            let column = parent.span().start.column;
            let written = if block { self.block(key, tail, value, column) } else { flow(key, tail, value) };
            let indent = " ".repeat(column - 1);
            Ok((at..at, format!("{written}{}{indent}", self.line_end())))
        }
    }

    /// `key:` with its value, in lines with the indentation of the key.
    fn block(&self, key: &str, tail: &[&str], value: &Value, column: usize) -> String {
        let nested = tail
            .iter()
            .rev()
            .fold(value.clone(), |value, key| Value::Object(Map::from_iter([((*key).to_owned(), value)])));
        let whole = Value::Object(Map::from_iter([(key.to_owned(), nested)]));
        let written = yaml::write(&whole).unwrap_or_else(|_| flow(key, tail, value));
        let glue = format!("{}{}", self.line_end(), " ".repeat(column - 1));
        written.trim_end().lines().collect::<Vec<_>>().join(&glue)
    }

    /// The text of a field alone: from its key to the next one, or its lines.
    fn extent(&self, field: &Field<'_>) -> Range<usize> {
        let (start, end) = (self.offset(field.key.start), self.offset(field.value.span().end));
        let between = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
        if let Some(next) = field.next.map(|next| self.offset(next.start))
            && between(end, next).chars().all(|c| c.is_whitespace() || c == ',')
        {
            return start..next;
        }
        let line = self.text.get(..start).unwrap_or_default().rfind('\n').map_or(0, |at| at + 1);
        let line_end =
            self.text.get(end..).unwrap_or_default().find('\n').map_or(self.text.len(), |at| end + at + 1);
        let own_lines = between(line, start).trim().is_empty();
        if own_lines && !field.alone {
            line..line_end
        } else if !field.first {
            // The last field of an object in braces, with the comma before it.
            let before = self.text.get(..start).unwrap_or_default().trim_end();
            before.strip_suffix(',').unwrap_or(before).len()..end
        } else {
            start..end
        }
    }

    /// Returns true if an object is in braces.
    fn is_flow(&self, node: &Node) -> bool {
        self.text.get(self.offset(node.span().start)..).is_some_and(|rest| rest.starts_with('{'))
    }

    pub(super) fn line_end(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// Whether the line contains only a dash before this position.
    pub(super) fn begins_with_dash(&self, at: usize) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        before.rsplit('\n').next().is_some_and(|line| line.trim() == "-")
    }

    /// The start of the line of this position, or of the comment directly above it.
    pub(super) fn above(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        let mut start = before.rfind('\n').map_or(0, |end| end + 1);
        while let Some(line) =
            self.text.get(..start).and_then(|before| before.split_inclusive('\n').next_back())
            && line.trim_start().starts_with('#')
        {
            start -= line.len();
        }
        start
    }

    /// The end of the last line with content before this place.
    pub(super) fn line_behind(&self, at: usize) -> usize {
        let own = self.text.get(..at).unwrap_or_default().trim_end().len();
        let rest = self.text.get(own..).unwrap_or_default();
        rest.find('\n').map_or(self.text.len(), |end| own + end + 1)
    }

    pub(super) fn offset(&self, position: Position) -> usize {
        let line = self.lines.get(position.line - 1).copied().unwrap_or(self.text.len());
        let rest = self.text.get(line..).unwrap_or_default();
        line + rest.chars().take(position.column - 1).map(char::len_utf8).sum::<usize>()
    }

    /// Accepts a changed text if it has the intended meaning.
    fn take(&mut self, changed: String, wanted: &[Value], path: &[&str]) -> Result<(), EditError> {
        let is = yaml::read(&changed).map(|documents| json(&documents));
        if is.is_ok_and(|is| is == wanted) {
            self.lines = lines(&changed);
            self.text = changed;
            return Ok(());
        }
        Err(EditError::style(path))
    }
}

/// Where each line of a text begins.
fn lines(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

pub(super) fn json(documents: &[Node]) -> Vec<Value> {
    documents.iter().map(Node::to_json).collect()
}

/// `"key": value` in one line.
fn flow(key: &str, tail: &[&str], value: &Value) -> String {
    let nested = tail
        .iter()
        .rev()
        .fold(value.clone(), |value, key| Value::Object(Map::from_iter([((*key).to_owned(), value)])));
    // An error is noticed when the text is read again.
    let inline = |value: &Value| yaml::write_inline(value).unwrap_or_default();
    format!("{}: {}", inline(&key.into()), inline(&nested))
}

/// The value at a path; a key of digits in brackets is an index.
pub(super) fn walk<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| match index(key) {
        Some(index) => node.entries().get(index),
        None => node.get(key),
    })
}

fn index(key: &str) -> Option<usize> {
    key.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn field<'n>(parent: &'n Node, key: &str) -> Option<Field<'n>> {
    if let Some(value) = index(key).and_then(|index| parent.entries().get(index)) {
        return Some(Field { key: value.span(), value, next: None, first: false, alone: false });
    }
    let fields: Vec<_> = parent.fields().collect();
    let at = fields.iter().position(|(name, ..)| *name == key)?;
    let (_, span, value) = fields.get(at)?;
    let next = fields.get(at + 1).map(|(_, next, _)| *next);
    Some(Field { key: *span, value, next, first: at == 0, alone: fields.len() == 1 })
}

pub(super) fn put(place: &mut Value, path: &[&str], value: &Value) {
    let Some((key, rest)) = path.split_first() else {
        value.clone_into(place);
        return;
    };
    if let Some(index) = index(key) {
        if let Some(entry) = place.get_mut(index) {
            put(entry, rest, value);
        }
        return;
    }
    if place.is_null() {
        *place = Value::Object(Map::new());
    }
    if let Some(object) = place.as_object_mut() {
        put(object.entry(*key).or_insert(Value::Null), rest, value);
    }
}

fn remove(place: &mut Value, path: &[&str]) {
    match path {
        [] => {}
        [key] => {
            if let Some(object) = place.as_object_mut() {
                object.shift_remove(*key);
            }
        }
        [key, rest @ ..] => {
            let next = match index(key) {
                Some(index) => place.get_mut(index),
                None => place.get_mut(*key),
            };
            if let Some(next) = next {
                remove(next, rest);
            }
        }
    }
}
