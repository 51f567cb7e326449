//! JSON in which every string and number is a text: bodies with only `deny_raw`, and tool arguments.

use std::ops::Range;

use text::json::{self, JsonError};

use crate::roles::{self, Edit};

/// The result of inspecting a text.
#[derive(Default)]
pub struct Inspection {
    /// The field of a denied word.
    pub cause: Option<&'static str>,
    pub edits: Vec<Edit>,
}

/// Inspects a text.
pub type Inspect<'l> = dyn FnMut(&str) -> Inspection + 'l;

/// Inspects the texts of the document that begins at `from`. Returns edits of the document that keep it valid JSON (a
/// masked number becomes a string), and the end of the document.
pub fn inspect_at(
    text: &str,
    from: usize,
    inspect: &mut Inspect<'_>,
) -> Result<(Inspection, usize), JsonError> {
    let (literals, end) = json::literals_at(text, from)?;
    let mut all = Inspection::default();
    for literal in literals {
        let written = text.get(literal.span.clone()).unwrap_or_default();
        let decoded = if literal.is_string { json::decode(written.as_bytes()) } else { Some(written.into()) };
        let Some(decoded) = decoded else { continue };
        let inspection = inspect(&decoded);
        all.cause = all.cause.or(inspection.cause);
        if inspection.edits.is_empty() {
            continue;
        }
        let text = match literal.is_string {
            true => spliced(written, &inspection.edits),
            false => Some(json::encode(&roles::apply(written, &inspection.edits))),
        };
        all.edits.extend(text.map(|text| Edit { range: literal.span, text }));
    }
    Ok((all, end))
}

/// Like [`inspect_at`], for a text that is a single document. Returns `None` if it is not.
pub fn inspect_document(text: &str, inspect: &mut Inspect<'_>) -> Option<Inspection> {
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        return None;
    }
    let (inspection, end) = inspect_at(text, 0, inspect).ok()?;
    text.get(end..)?.trim_ascii_start().is_empty().then_some(inspection)
}

/// Applies edits of a text to its literal.
pub fn spliced(literal: &str, edits: &[Edit]) -> Option<String> {
    let edits: Vec<(Range<usize>, &str)> =
        edits.iter().map(|edit| (edit.range.clone(), edit.text.as_str())).collect();
    String::from_utf8(json::splice(literal.as_bytes(), &edits)?).ok()
}

/// Reads one document, or JSON lines. `each` reads the document at a position and returns its end. Returns false if two
/// documents are on one line.
pub fn documents(
    text: &str,
    each: &mut dyn FnMut(usize) -> Result<usize, JsonError>,
) -> Result<bool, JsonError> {
    let space = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len()
    };
    let mut at = space(0);
    while at < text.len() {
        let end = each(at)?;
        let next = end + space(end);
        if next < text.len() && !text.get(end..next).is_some_and(|between| between.contains('\n')) {
            return Ok(false);
        }
        at = next;
    }
    Ok(true)
}
