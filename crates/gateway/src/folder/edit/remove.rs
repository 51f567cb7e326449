//! Removal of a resource from a text: a document, or an entry of a list.

use std::ops::Range;

use resource::yaml::{self, Node};
use serde_json::Value;

use super::text::{self, Text};
use super::{EditError, Place};

/// Returns the text without one of its resources, or nothing if it was the last one. A comment directly above the
/// resource is removed as well.
///
/// # Errors
///
/// It cannot be separated from the rest of the text.
pub fn remove(text: &str, place: Place) -> Result<Option<String>, EditError> {
    let documents = yaml::read(text)?;
    let resource = place.resource(&documents)?;
    let mut wanted = text::json(&documents);
    let list = place.item.and_then(|item| {
        let entries = documents.get(place.document)?.get("items")?.entries();
        (entries.len() > 1).then_some((entries, item))
    });
    let candidates = match list {
        Some((entries, item)) => {
            let items = wanted.get_mut(place.document).and_then(|list| list.get_mut("items")?.as_array_mut());
            items.ok_or(EditError::Gone)?.remove(item);
            let text = Text::new(text, place);
            vec![entry_lines(&text, entries, item), entry_in_line(&text, entries, item)]
        }
        // An empty list is removed as a whole.
        None => {
            wanted.remove(place.document);
            if wanted.iter().all(Value::is_null) {
                return Ok(None);
            }
            vec![Some(document(text, resource.span().start.line))]
        }
    };
    let significant = |all: Vec<Value>| all.into_iter().filter(|value| !value.is_null()).collect::<Vec<_>>();
    let wanted = significant(wanted);
    for range in candidates.into_iter().flatten() {
        let mut kept = text.to_owned();
        kept.replace_range(range, "");
        if yaml::read(&kept).is_ok_and(|is| significant(text::json(&is)) == wanted) {
            return Ok(Some(kept));
        }
    }
    let message = "cannot be separated from the others: remove it by hand";
    Err(EditError::Refused(message.into()))
}

/// The document with content on this line (from 1), and the `---` before it.
fn document(text: &str, line: usize) -> Range<usize> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let separates = |line: &&str| line.starts_with("---");
    let first = lines.iter().take(line).rposition(separates).unwrap_or_default();
    let last = lines.iter().skip(line).position(separates).map_or(lines.len(), |at| line + at);
    let length = |lines: &[&str]| lines.iter().map(|line| line.len()).sum::<usize>();
    let start = length(lines.get(..first).unwrap_or_default());
    start..start + length(lines.get(first..last).unwrap_or_default())
}

/// The lines of an entry that begins with a dash: up to the comment of the next entry, or to its own last line.
fn entry_lines(text: &Text, entries: &[Node], item: usize) -> Option<Range<usize>> {
    let first = text.offset(entries.get(item)?.span().start);
    if !text.begins_with_dash(first) {
        return None;
    }
    let start = text.above(first);
    let end = match entries.get(item + 1) {
        Some(next) => text.above(text.offset(next.span().start)),
        None => text.line_behind(text.offset(entries.get(item)?.span().end)),
    };
    (start < end).then_some(start..end)
}

/// An entry of a list in brackets, with one of the commas around it.
fn entry_in_line(text: &Text, entries: &[Node], item: usize) -> Option<Range<usize>> {
    let span = entries.get(item)?.span();
    Some(match (entries.get(item + 1), item.checked_sub(1).and_then(|before| entries.get(before))) {
        (Some(next), _) => text.offset(span.start)..text.offset(next.span().start),
        (None, Some(before)) => text.offset(before.span().end)..text.offset(span.end),
        (None, None) => return None,
    })
}
