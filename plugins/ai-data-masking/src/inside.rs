//! JSON in which every string and number is a text: what `deny_raw` alone reads, and the arguments of a tool.

use std::ops::Range;

use text::json::{self, JsonError};

use crate::roles::{self, Edit};

/// What is in a text.
#[derive(Default)]
pub struct Seen {
    /// Whose denied word.
    pub cause: Option<&'static str>,
    pub edits: Vec<Edit>,
}

/// How a text is looked at.
pub type Look<'l> = dyn FnMut(&str) -> Seen + 'l;

/// Shows `look` the texts of the document that begins at `from`, and makes of its edits those of the document, which is
/// JSON with them too: a number of which something is masked becomes a string. Where the document ends is told, too.
pub fn look_at(text: &str, from: usize, look: &mut Look<'_>) -> Result<(Seen, usize), JsonError> {
    let (literals, end) = json::literals_at(text, from)?;
    let mut all = Seen::default();
    for literal in literals {
        let written = text.get(literal.span.clone()).unwrap_or_default();
        let decoded = if literal.is_string { json::decode(written.as_bytes()) } else { Some(written.into()) };
        let Some(decoded) = decoded else { continue };
        let seen = look(&decoded);
        all.cause = all.cause.or(seen.cause);
        if seen.edits.is_empty() {
            continue;
        }
        let text = match literal.is_string {
            true => spliced(written, &seen.edits),
            false => Some(json::encode(&roles::apply(written, &seen.edits))),
        };
        all.edits.extend(text.map(|text| Edit { range: literal.span, text }));
    }
    Ok((all, end))
}

/// As [`look_at`], of a text that is one document; none where it is not.
pub fn look_at_all(text: &str, look: &mut Look<'_>) -> Option<Seen> {
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        return None;
    }
    let (seen, end) = look_at(text, 0, look).ok()?;
    text.get(end..)?.trim_ascii_start().is_empty().then_some(seen)
}

/// A literal with the edits of its text.
pub fn spliced(literal: &str, edits: &[Edit]) -> Option<String> {
    let edits: Vec<(Range<usize>, &str)> =
        edits.iter().map(|edit| (edit.range.clone(), edit.text.as_str())).collect();
    String::from_utf8(json::splice(literal.as_bytes(), &edits)?).ok()
}

/// Reads documents of which each begins on a line of its own: one, or lines of JSON. `each` reads the one at a place,
/// and says where it ends.
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
