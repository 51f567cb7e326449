//! Complete bodies: requests, and responses that are not streams.

use std::ops::Range;

use text::chat::Api;
use text::chat::texts::{Contents, Document, TextPaths, decode};
use text::json;

use crate::config::{Config, Rules};
use crate::denial::{Denial, Shape};
use crate::embedded::{Inspect, Inspection, documents, inspect_at, inspect_document, spliced};
use crate::form::{Form, form};
use crate::masks::Masks;
use crate::roles::{self, Edit};

/// The result of inspecting a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The new body, if it changes.
    pub changed: Option<Vec<u8>>,
    pub denial: Option<Denial>,
}

/// The body cannot be inspected.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Replacements of parts of a body, in order.
type Edits = Vec<(Range<usize>, Vec<u8>)>;

/// Inspects a request to an API, and records the masks to restore in its response.
pub fn request(config: &Config, api: Api, body: &[u8], masks: &mut Masks) -> Result<Verdict, Unreadable> {
    let mut client_texts: Vec<String> = Vec::new();
    let rules = &config.rules;
    let mut inspect = |text: &str| {
        let edits = rules.roles.as_ref().map_or_else(Vec::new, |roles| roles.mask(text, masks));
        if rules.roles.as_ref().is_some_and(|roles| roles.restores) {
            client_texts.push(text.to_owned());
        }
        Inspection { cause: rules.denied.cause(text), edits }
    };
    let reading = Reading { config, paths: &config.request, document: Document::Request, api };
    let verdict = reading.verdict(body, &mut inspect)?;
    masks.finish(client_texts.iter().map(|text| &**text));
    Ok(verdict)
}

/// Inspects a response.
pub fn response(config: &Config, body: &[u8], masks: &Masks) -> Result<Verdict, Unreadable> {
    let reading =
        Reading { config, paths: &config.response, document: Document::Response, api: Api::default() };
    reading.verdict(body, &mut inspector(&config.rules, masks))
}

/// Returns a function that inspects complete texts of a response.
pub fn inspector<'r>(rules: &'r Rules, masks: &'r Masks) -> impl FnMut(&str) -> Inspection + 'r {
    |text| {
        let edits = roles::edits(rules.roles.as_ref(), masks, text);
        Inspection { cause: denied_cause(rules, text, &edits), edits }
    }
}

/// Returns the field of a denied word in the edited text of a response.
pub fn denied_cause(rules: &Rules, text: &str, edits: &[Edit]) -> Option<&'static str> {
    match edits.is_empty() {
        true => rules.denied.cause(text),
        false => rules.denied.cause(&roles::apply(text, edits)),
    }
}

/// Inspects a text that may be JSON: the texts in it, and all of it for words.
pub fn inspect_embedded(
    rules: &Rules,
    document: Document,
    text: &str,
    inspect: &mut Inspect<'_>,
) -> Inspection {
    let Some(mut inspection) = inspect_document(text, inspect) else { return inspect(text) };
    inspection.cause = inspection.cause.or_else(|| match document {
        Document::Request => rules.denied.cause(text),
        Document::Response | Document::Event => denied_cause(rules, text, &inspection.edits),
    });
    inspection
}

/// Returns the offset of an error in an incomplete body of JSON or JSON lines.
pub fn error_offset(paths: &TextPaths, body: &[u8]) -> Option<usize> {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) if error.error_len().is_some() => return Some(error.valid_up_to()),
        Err(error) => std::str::from_utf8(body.get(..error.valid_up_to())?).ok()?,
    };
    let mut at = 0;
    let read = documents(text, &mut |from| {
        let (_, end) = paths.read_at(text, from)?;
        at = end;
        Ok(end)
    });
    match read {
        Ok(true) => None,
        Ok(false) => Some(at),
        Err(error) => Some(error.offset),
    }
}

/// Searches a response that cannot be parsed for words.
pub fn search_unparsed(rules: &Rules, body: &[u8]) -> Verdict {
    let cause = words(rules, body, false);
    Verdict { changed: None, denial: cause.map(|cause| Denial { shape: Shape::Raw, cause }) }
}

/// Returns the field of a denied word in these bytes or, if `is_json` is true, in the decoded strings of JSON.
pub fn words(rules: &Rules, bytes: &[u8], is_json: bool) -> Option<&'static str> {
    let plain = valid(bytes).find_map(|(_, text)| rules.denied.cause(text));
    if plain.is_some() || !is_json || rules.denied.is_empty() {
        return plain;
    }
    // Strings without escapes have been searched above.
    let escaped = |text: &str| text.contains('\\');
    let text = std::str::from_utf8(bytes).ok()?;
    let mut cause = None;
    let read = documents(text, &mut |at| {
        let (literals, end) = json::literals_at(text, at)?;
        let spans = literals.into_iter().filter_map(|literal| text.get(literal.span));
        let mut words = spans.filter(|span| escaped(span)).filter_map(|span| json::decode(span.as_bytes()));
        cause = cause.or_else(|| words.find_map(|text| rules.denied.cause(&text)));
        Ok(end)
    });
    read.ok().and(cause)
}

struct Reading<'c> {
    config: &'c Config,
    paths: &'c TextPaths,
    document: Document,
    /// The API of a request.
    api: Api,
}

/// Intermediate result of inspecting a body.
#[derive(Default)]
struct Progress {
    edits: Edits,
    denial: Option<Denial>,
    /// True if nothing more needs to be inspected.
    done: bool,
}

impl Reading<'_> {
    fn verdict(&self, body: &[u8], inspect: &mut Inspect<'_>) -> Result<Verdict, Unreadable> {
        let raw = self.config.raw;
        let mut progress = Progress::default();
        let is_json = match form(body, true) {
            Form::Json if self.paths.any() => {
                self.selected(body, inspect, &mut progress)?;
                true
            }
            Form::Json => self.all(body, inspect, &mut progress),
            Form::Unreadable if self.paths.any() => return Err(Unreadable),
            Form::Unreadable | Form::Other | Form::Open => false,
        };
        if raw && !is_json {
            progress = Progress::default();
            for (start, text) in valid(body) {
                let inspection = inspect(text);
                self.deny(&mut progress, inspection.cause, Shape::Raw);
                let moved = inspection
                    .edits
                    .into_iter()
                    .map(|edit| (start + edit.range.start..start + edit.range.end, edit.text.into_bytes()));
                progress.edits.extend(moved);
            }
        }
        let mut changed = (!progress.edits.is_empty()).then(|| replaced(body, &progress.edits));
        if raw && is_json && !progress.done {
            // Requests are searched before masking, responses after it.
            let shown = changed.as_deref().filter(|_| self.document != Document::Request).unwrap_or(body);
            self.deny(&mut progress, words(&self.config.rules, shown, true), Shape::Raw);
        }
        if progress.done {
            changed = None;
        }
        Ok(Verdict { changed, denial: progress.denial })
    }

    fn deny(&self, progress: &mut Progress, cause: Option<&'static str>, shape: Shape) {
        progress.denial = progress.denial.or(cause.map(|cause| Denial { shape, cause }));
        progress.done = progress.denial.is_some() && !self.config.rules.dry_run;
    }

    /// Inspects the texts selected by paths in a body of JSON.
    fn selected(
        &self,
        body: &[u8],
        inspect: &mut Inspect<'_>,
        progress: &mut Progress,
    ) -> Result<(), Unreadable> {
        let text = std::str::from_utf8(body).map_err(|_| Unreadable)?;
        let all = documents(text, &mut |at| {
            let (contents, end) = self.paths.read_at(text, at)?;
            self.texts(body, &contents, inspect, progress);
            Ok(end)
        });
        // The rest of a denied body is not parsed.
        if all.unwrap_or(false) || progress.done { Ok(()) } else { Err(Unreadable) }
    }

    fn texts(&self, body: &[u8], contents: &Contents, inspect: &mut Inspect<'_>, progress: &mut Progress) {
        for text in &contents.texts {
            if progress.done {
                return;
            }
            let received = decode(body, &text.span);
            let inspection = match text.is_json {
                true => inspect_embedded(&self.config.rules, self.document, &received, inspect),
                false => inspect(&received),
            };
            let shape = match text.api {
                None => Shape::Raw,
                // Texts of a chat may be of Anthropic's API as well.
                Some(api) => {
                    let api = if api == Api::Chat { self.api } else { api };
                    if contents.stream { Shape::Stream(api, 0) } else { Shape::Completion(api) }
                }
            };
            self.deny(progress, inspection.cause, shape);
            if !inspection.edits.is_empty() {
                let literal =
                    body.get(text.span.clone()).and_then(|literal| std::str::from_utf8(literal).ok());
                let changed = literal.and_then(|literal| spliced(literal, &inspection.edits));
                progress.edits.extend(changed.map(|changed| (text.span.clone(), changed.into_bytes())));
            }
        }
    }

    /// Inspects all strings and numbers of a body without paths. Returns false if it is not JSON.
    fn all(&self, body: &[u8], inspect: &mut Inspect<'_>, progress: &mut Progress) -> bool {
        let Ok(text) = std::str::from_utf8(body) else { return false };
        if !self.config.raw {
            return false;
        }
        let read = documents(text, &mut |at| {
            let (inspection, end) = inspect_at(text, at, inspect)?;
            self.deny(progress, inspection.cause, Shape::Raw);
            progress
                .edits
                .extend(inspection.edits.into_iter().map(|edit| (edit.range, edit.text.into_bytes())));
            Ok(end)
        });
        read.unwrap_or(false)
    }
}

/// Applies replacements to a body.
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

/// Returns the parts of valid UTF-8 with their positions.
pub fn valid(body: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    let mut position = 0;
    body.utf8_chunks().map(move |chunk| {
        let start = position;
        position += chunk.valid().len() + chunk.invalid().len();
        (start, chunk.valid())
    })
}
