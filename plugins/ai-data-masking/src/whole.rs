//! Bodies that are whole: requests, and responses that are no streams.

use std::borrow::Cow;
use std::ops::Range;

use text::json;

use crate::answer::{Denial, Shape};
use crate::config::{Config, Rules};
use crate::masks::Masks;
use crate::places::{Form, Places, decode, form};
use crate::roles::{self, Edit};

/// What a body comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The body, where it is to be another.
    pub changed: Option<Vec<u8>>,
    pub denial: Option<Denial>,
}

/// It cannot be told what is in a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The parts of a body that become others, in order.
type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// Looks at a request, and notes what its response is to put back.
pub fn request(config: &Config, body: &[u8], masks: &mut Masks) -> Result<Verdict, Unreadable> {
    let mut said: Vec<Cow<'_, str>> = Vec::new();
    let rules = &config.rules;
    let verdict = body_of(config, &config.request, body, |text: Cow<'_, str>, words| {
        let cause = words.then(|| rules.denied.cause(&text)).flatten();
        let edits = rules.roles.as_ref().map_or_else(Vec::new, |roles| roles.mask(&text, masks));
        if rules.roles.as_ref().is_some_and(|roles| roles.restores) {
            said.push(text.into_owned().into());
        }
        (cause, edits)
    })?;
    masks.finish(said.iter().map(|text| &**text));
    Ok(verdict)
}

/// Looks at a response.
pub fn response(config: &Config, body: &[u8], masks: &Masks) -> Result<Verdict, Unreadable> {
    let rules = &config.rules;
    body_of(config, &config.response, body, |text: Cow<'_, str>, words| {
        let edits = roles::edits(rules.roles.as_ref(), masks, &text);
        let looks = words || !edits.is_empty();
        (looks.then(|| seen(rules, &text, &edits)).flatten(), edits)
    })
}

/// Whose word is in what the client would see of a text of a response.
pub fn seen(rules: &Rules, text: &str, edits: &[Edit]) -> Option<&'static str> {
    match edits.is_empty() {
        true => rules.denied.cause(text),
        false => rules.denied.cause(&roles::apply(text, edits)),
    }
}

/// Shows `look` every text of a body, and whether its words are still to be looked for.
fn body_of<'b>(
    config: &Config,
    places: &Places,
    body: &'b [u8],
    mut look: impl FnMut(Cow<'b, str>, bool) -> (Option<&'static str>, Vec<Edit>),
) -> Result<Verdict, Unreadable> {
    let mut changed = Edits::new();
    let mut denial = None;
    if places.any() {
        match form(body) {
            Form::Json => {
                let contents = places.read(body).map_err(|_| Unreadable)?;
                for text in &contents.texts {
                    let (cause, edits) = look(decode(body, &text.span), true);
                    let shape = match (text.openai, contents.stream) {
                        (true, true) => Shape::Stream(0),
                        (true, false) => Shape::Completion,
                        (false, _) => Shape::Raw,
                    };
                    denial = denial.or(cause.map(|cause| Denial { shape, cause }));
                    if denial.is_some() && !config.rules.dry_run {
                        return Ok(Verdict { changed: None, denial });
                    }
                    if let Some(literal) = spliced(body, &text.span, &edits) {
                        changed.push((text.span.clone(), literal));
                    }
                }
            }
            Form::Unreadable => return Err(Unreadable),
            Form::Other => {}
        }
    }
    if config.raw {
        // A word may begin in what is changed above, so words are looked for in all of it.
        let cause = valid(body, 0..body.len()).find_map(|(_, text)| config.rules.denied.cause(text));
        denial = denial.or(cause.map(|cause| Denial { shape: Shape::Raw, cause }));
        let edited: Vec<Range<usize>> = changed.iter().map(|(range, _)| range.clone()).collect();
        for gap in gaps(body.len(), &edited) {
            for (start, text) in valid(body, gap) {
                let (cause, edits) = look(text.into(), false);
                denial = denial.or(cause.map(|cause| Denial { shape: Shape::Raw, cause }));
                let moved = edits
                    .into_iter()
                    .map(|edit| (start + edit.range.start..start + edit.range.end, edit.text.into_bytes()));
                changed.extend(moved);
            }
        }
        changed.sort_by_key(|(range, _)| range.start);
    }
    let changed = (!changed.is_empty()).then(|| replaced(body, &changed));
    Ok(Verdict { changed, denial })
}

/// A literal with the edits of its text.
fn spliced(body: &[u8], span: &Range<usize>, edits: &[Edit]) -> Option<Vec<u8>> {
    if edits.is_empty() {
        return None;
    }
    let edits: Vec<(Range<usize>, &str)> =
        edits.iter().map(|edit| (edit.range.clone(), edit.text.as_str())).collect();
    json::splice(body.get(span.clone())?, &edits)
}

/// The body with parts of it replaced.
pub fn replaced(body: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut new = Vec::with_capacity(body.len());
    let mut from = 0;
    for (range, bytes) in edits {
        new.extend_from_slice(body.get(from..range.start).unwrap_or_default());
        new.extend_from_slice(bytes);
        from = range.end;
    }
    new.extend_from_slice(body.get(from..).unwrap_or_default());
    new
}

/// What is between ranges that are in order.
fn gaps(length: usize, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(ranges.iter().map(|range| range.end));
    let ends = ranges.iter().map(|range| range.start).chain(std::iter::once(length));
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

/// The parts that are UTF-8, with their places. Nothing goes on over a byte that is none.
fn valid(body: &[u8], range: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
    let mut place = range.start;
    body.get(range).unwrap_or_default().utf8_chunks().map(move |chunk| {
        let start = place;
        place += chunk.valid().len() + chunk.invalid().len();
        (start, chunk.valid())
    })
}
