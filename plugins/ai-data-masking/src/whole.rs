//! Bodies that are whole: requests, and responses that are no streams.

use std::ops::Range;

use text::json;

use crate::answer::{Denial, Shape};
use crate::config::{Config, Rules};
use crate::form::{Form, form};
use crate::inside::{Look, Seen, documents, look_at, look_at_all, spliced};
use crate::masks::Masks;
use crate::places::{Contents, Document, Places, decode};
use crate::roles::{self, Edit};
use crate::shapes::Api;

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

/// Looks at a request to that API, and notes what its response is to put back.
pub fn request(config: &Config, api: Api, body: &[u8], masks: &mut Masks) -> Result<Verdict, Unreadable> {
    let mut said: Vec<String> = Vec::new();
    let rules = &config.rules;
    let mut look = |text: &str| {
        let edits = rules.roles.as_ref().map_or_else(Vec::new, |roles| roles.mask(text, masks));
        if rules.roles.as_ref().is_some_and(|roles| roles.restores) {
            said.push(text.to_owned());
        }
        Seen { cause: rules.denied.cause(text), edits }
    };
    let reading = Reading { config, places: &config.request, document: Document::Request, api };
    let verdict = reading.verdict(body, &mut look)?;
    masks.finish(said.iter().map(|text| &**text));
    Ok(verdict)
}

/// Looks at a response.
pub fn response(config: &Config, body: &[u8], masks: &Masks) -> Result<Verdict, Unreadable> {
    let reading =
        Reading { config, places: &config.response, document: Document::Response, api: Api::default() };
    reading.verdict(body, &mut look(&config.rules, masks))
}

/// How a text of a response that is whole is looked at.
pub fn look<'r>(rules: &'r Rules, masks: &'r Masks) -> impl FnMut(&str) -> Seen + 'r {
    |text| {
        let edits = roles::edits(rules.roles.as_ref(), masks, text);
        Seen { cause: seen(rules, text, &edits), edits }
    }
}

/// Whose word is in what the client would see of a text of a response.
pub fn seen(rules: &Rules, text: &str, edits: &[Edit]) -> Option<&'static str> {
    match edits.is_empty() {
        true => rules.denied.cause(text),
        false => rules.denied.cause(&roles::apply(text, edits)),
    }
}

/// Looks at a text that may be JSON itself: at what is in it, and for words at all of it.
pub fn look_in(rules: &Rules, document: Document, text: &str, look: &mut Look<'_>) -> Seen {
    let Some(mut inside) = look_at_all(text, look) else { return look(text) };
    inside.cause = inside.cause.or_else(|| match document {
        Document::Request => rules.denied.cause(text),
        Document::Response | Document::Event => seen(rules, text, &inside.edits),
    });
    inside
}

/// Where a body that may go on is no JSON, nor lines of it.
pub fn mistake(places: &Places, body: &[u8]) -> Option<usize> {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) if error.error_len().is_some() => return Some(error.valid_up_to()),
        Err(error) => std::str::from_utf8(body.get(..error.valid_up_to())?).ok()?,
    };
    let mut at = 0;
    let read = documents(text, &mut |from| {
        let (_, end) = places.read_at(text, from)?;
        at = end;
        Ok(end)
    });
    match read {
        Ok(true) => None,
        Ok(false) => Some(at),
        Err(error) => Some(error.offset),
    }
}

/// Looks at a response that cannot be read: it stays as it is, but for words.
pub fn unread(rules: &Rules, body: &[u8]) -> Verdict {
    let cause = words(rules, body, false);
    Verdict { changed: None, denial: cause.map(|cause| Denial { shape: Shape::Raw, cause }) }
}

/// Whose word is in these bytes as they are, and in what the strings of JSON in them stand for. `is_json` says that it is
/// JSON.
pub fn words(rules: &Rules, bytes: &[u8], is_json: bool) -> Option<&'static str> {
    let plain = valid(bytes).find_map(|(_, text)| rules.denied.cause(text));
    if plain.is_some() || !is_json || rules.denied.is_empty() {
        return plain;
    }
    // A string without an escape has been looked at above.
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
    places: &'c Places,
    document: Document,
    /// Whose API a request is to.
    api: Api,
}

/// What reading a body has come to so far.
#[derive(Default)]
struct Progress {
    edits: Edits,
    denial: Option<Denial>,
    /// Whether nothing more needs to be looked at.
    done: bool,
}

impl Reading<'_> {
    fn verdict(&self, body: &[u8], look: &mut Look<'_>) -> Result<Verdict, Unreadable> {
        let raw = self.config.raw;
        let mut progress = Progress::default();
        let is_json = match form(body, true) {
            Form::Json if self.places.any() => {
                self.named(body, look, &mut progress)?;
                true
            }
            Form::Json => self.all(body, look, &mut progress),
            Form::Unreadable if self.places.any() => return Err(Unreadable),
            Form::Unreadable | Form::Other | Form::Open => false,
        };
        if raw && !is_json {
            progress = Progress::default();
            for (start, text) in valid(body) {
                let seen = look(text);
                self.deny(&mut progress, seen.cause, Shape::Raw);
                let moved = seen
                    .edits
                    .into_iter()
                    .map(|edit| (start + edit.range.start..start + edit.range.end, edit.text.into_bytes()));
                progress.edits.extend(moved);
            }
        }
        let mut changed = (!progress.edits.is_empty()).then(|| replaced(body, &progress.edits));
        if raw && is_json && !progress.done {
            // Words of a request are denied in what the client wrote, others in what the client would see.
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

    /// The texts that places name, in a body that is to be JSON.
    fn named(&self, body: &[u8], look: &mut Look<'_>, progress: &mut Progress) -> Result<(), Unreadable> {
        let text = std::str::from_utf8(body).map_err(|_| Unreadable)?;
        let all = documents(text, &mut |at| {
            let (contents, end) = self.places.read_at(text, at)?;
            self.texts(body, &contents, look, progress);
            Ok(end)
        });
        // A denied body is not read on, and has been looked at as far as it is JSON.
        if all.unwrap_or(false) || progress.done { Ok(()) } else { Err(Unreadable) }
    }

    fn texts(&self, body: &[u8], contents: &Contents, look: &mut Look<'_>, progress: &mut Progress) {
        for text in &contents.texts {
            if progress.done {
                return;
            }
            let came = decode(body, &text.span);
            let seen = match text.is_json {
                true => look_in(&self.config.rules, self.document, &came, look),
                false => look(&came),
            };
            let shape = match text.api {
                None => Shape::Raw,
                // The texts of a chat could be of Anthropic's API as well.
                Some(api) => {
                    let api = if api == Api::Chat { self.api } else { api };
                    if contents.stream { Shape::Stream(api, 0) } else { Shape::Completion(api) }
                }
            };
            self.deny(progress, seen.cause, shape);
            if !seen.edits.is_empty() {
                let literal =
                    body.get(text.span.clone()).and_then(|literal| std::str::from_utf8(literal).ok());
                let changed = literal.and_then(|literal| spliced(literal, &seen.edits));
                progress.edits.extend(changed.map(|changed| (text.span.clone(), changed.into_bytes())));
            }
        }
    }

    /// All strings and numbers of a body, where nothing else names some. False if it is not JSON.
    fn all(&self, body: &[u8], look: &mut Look<'_>, progress: &mut Progress) -> bool {
        let Ok(text) = std::str::from_utf8(body) else { return false };
        if !self.config.raw {
            return false;
        }
        let read = documents(text, &mut |at| {
            let (seen, end) = look_at(text, at, look)?;
            self.deny(progress, seen.cause, Shape::Raw);
            progress.edits.extend(seen.edits.into_iter().map(|edit| (edit.range, edit.text.into_bytes())));
            Ok(end)
        });
        read.unwrap_or(false)
    }
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

/// The parts that are UTF-8, with their places. Nothing goes on over a byte that is none.
pub fn valid(body: &[u8]) -> impl Iterator<Item = (usize, &str)> {
    let mut place = 0;
    body.utf8_chunks().map(move |chunk| {
        let start = place;
        place += chunk.valid().len() + chunk.invalid().len();
        (start, chunk.valid())
    })
}
