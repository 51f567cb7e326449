//! Responses of server-sent events.
//!
//! An event is released as soon as it is complete, with the part of its text that later events cannot change. Held text is
//! released in the next event of the same text, or in an event generated from the last one.

use std::ops::Range;
use std::rc::Rc;

use text::chat::texts::{Contents, Document, Key, Text, decode};
use text::chat::{Api, VARYING};
use text::json;
use text::sse::{self, Event, Piece, Reader, Similar, SimilarEvent};

use crate::arguments::Arguments;
use crate::config::Config;
use crate::denial::{Denial, Shape};
use crate::embedded::{inspect_document, spliced};
use crate::form::{Form, form};
use crate::masks::Masks;
use crate::raw::Words;
use crate::roles::Edit;
use crate::whole::{self, inspect_embedded, inspector, replaced, valid};
use crate::window::{Released, Window};

/// The maximum size of an event. Models send smaller ones.
const MAX_EVENT: usize = 1 << 20;

/// The maximum number of texts of an event and of a stream. OpenAI's API has at most 128 choices. Each takes memory and
/// time, and the upstream controls the number.
const MAX_TEXTS: usize = 128;

/// State of a response.
#[derive(Default)]
pub struct Stream {
    reader: Reader,
    texts: Vec<OpenText>,
    words: Words,
    /// The form of the last event with a single text that goes on, and that text.
    similar: Option<(Similar, Text)>,
    /// The API of its events.
    api: Api,
    /// True if a text has been sent to the client.
    pub sent_text: bool,
    /// Number of dropped events.
    pub dropped: u32,
}

/// An open text, and the event from which to generate another one.
struct OpenText {
    key: Key,
    text: TextBuffer,
    /// From what to generate another event, if text is held.
    last: Last,
}

/// The last event of a text.
#[derive(Default)]
enum Last {
    #[default]
    None,
    /// Its shape, and the position of the text in it.
    Shape(Rc<EventShape>, usize),
    /// The whole event, and the position of the text in its data. Its shape is seldom needed.
    Event(Vec<u8>, usize),
}

/// The state of a text.
enum TextBuffer {
    Text(Window),
    Json(Box<Arguments>),
}

/// An event with empty texts, and without values that must not be repeated.
struct EventShape {
    name: Option<Vec<u8>>,
    data: Vec<u8>,
}

/// Bytes released to the client, and the end of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub denial: Option<Denial>,
    /// True if this is not a stream of a model.
    pub broken: bool,
}

impl TextBuffer {
    fn push(&mut self, config: &Config, masks: &Masks, fragment: &str, ended: bool) -> Released {
        let rules = &config.rules;
        match self {
            Self::Text(window) => window.push(rules, rules.roles.as_ref(), masks, fragment, ended),
            Self::Json(arguments) => arguments.push(rules, masks, fragment, ended),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Text(window) => window.held(),
            Self::Json(arguments) => arguments.held(),
        }
    }
}

impl Stream {
    /// Processes the next bytes.
    pub fn push(&mut self, config: &Config, masks: &Masks, bytes: &[u8], ended: bool) -> Output {
        let mut output = Output { bytes: Vec::with_capacity(bytes.len()), ..Output::default() };
        let mut rest = bytes;
        loop {
            let form = self.similar.as_ref().map(|(form, _)| form);
            let is_over = match self.reader.read(&mut rest, form) {
                None => break,
                Some(Piece::Event(event)) => self.event(config, masks, &event, &mut output),
                Some(Piece::Similar(event)) => self.similar_event(config, masks, &event, &mut output),
            };
            if is_over {
                // What follows is not for the client.
                self.reader.push(rest);
                return output;
            }
        }
        if self.reader.held() > MAX_EVENT {
            output.broken = true;
            return output;
        }
        if ended {
            if let Some(event) = self.reader.finish() {
                if self.event(config, masks, &event, &mut output) {
                    return output;
                }
                if self.holds_text() {
                    // The event was unterminated, and another one follows.
                    output.bytes.extend_from_slice(b"\n\n");
                }
            }
            if self.flush(config, masks, &mut output) {
                return output;
            }
        }
        self.pass(config, ended, &[], &mut output);
        output
    }

    /// Returns the unreleased bytes of a broken stream.
    pub fn rest(&mut self) -> Vec<u8> {
        self.reader.finish().map(|event| event.raw().to_vec()).unwrap_or_default()
    }

    fn holds_text(&self) -> bool {
        self.texts.iter().any(|text| text.text.held() > 0)
    }

    /// Returns true if any text is held.
    #[cfg(test)]
    pub fn holds(&self) -> bool {
        self.reader.held() > 0 || self.words.held() > 0 || self.holds_text()
    }

    /// Releases bytes after searching them for words. Returns true if the stream is denied.
    fn pass(&mut self, config: &Config, ended: bool, bytes: &[u8], output: &mut Output) -> bool {
        if !config.raw {
            output.bytes.extend_from_slice(bytes);
            return false;
        }
        match self.words.push(config, bytes, ended, &mut output.bytes) {
            Some(cause) => {
                // This may be in the middle of an event.
                output.bytes.extend_from_slice(b"\n\n");
                deny(config, Denial { shape: Shape::Stream(self.api, 0), cause }, output)
            }
            None => false,
        }
    }

    /// Processes an event. Returns true if the stream ends here, denied or broken.
    fn event(&mut self, config: &Config, masks: &Masks, event: &Event, output: &mut Output) -> bool {
        if !config.event.any() {
            return self.raw_event(config, masks, event, output);
        }
        let Some(data) = event.data() else { return self.pass(config, false, event.raw(), output) };
        if data.trim_ascii() == b"[DONE]" {
            return self.flush(config, masks, output) || self.pass(config, false, event.raw(), output);
        }
        let contents = match form(&data, true) {
            Form::Json => config.event.read(&data).ok(),
            Form::Unreadable => None,
            Form::Other | Form::Open => return self.pass(config, false, event.raw(), output),
        };
        let Some(contents) = contents else {
            // The raw event is searched, and dropped if it contains a word.
            match whole::words(&config.rules, event.raw(), false) {
                Some(cause) if config.rules.dry_run => crate::denied_in_dry_run(cause),
                Some(_) => {
                    self.dropped += 1;
                    return false;
                }
                None => {}
            }
            return self.pass(config, false, event.raw(), output);
        };
        let count = contents.texts.iter().filter(|text| text.continues).count();
        if count > MAX_TEXTS || self.texts.len() > MAX_TEXTS {
            output.broken = true;
            return true;
        }
        self.api = contents.texts.iter().find_map(|text| text.api).unwrap_or(self.api);
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        let mut waiting = Vec::new();
        for text in &contents.texts {
            match self.text(config, masks, &data, &contents, text) {
                Ok(edit) => edits.extend(edit.map(|literal| (text.span.clone(), literal))),
                Err(cause) => {
                    let shape = Shape::Stream(self.api, text.key.choice());
                    return deny(config, Denial { shape, cause }, output);
                }
            }
            if text.continues {
                waiting.push((text.span.start, place(&mut self.texts, text)));
            }
        }
        self.remember(event, &data, &contents, &waiting);
        if let [text] = contents.texts.as_slice()
            && text.continues
            && !text.is_json
            && !contents.finishes_any()
        {
            let form = Similar::new(event, &text.span, VARYING);
            self.similar = form.map(|form| (form, text.clone())).or(self.similar.take());
        }
        // Texts that end with this event without a fragment in it are flushed before it, since clients stop reading at the end.
        let has_fragment = |key: &Key| contents.texts.iter().any(|text| text.continues && text.key == *key);
        let ended = self.texts.iter().map(|text| &text.key);
        let ended: Vec<Key> =
            ended.filter(|key| contents.finishes(key) && !has_fragment(key)).cloned().collect();
        if ended.iter().any(|key| self.flush_one(config, masks, key, output)) {
            return true;
        }
        // A message may have any number of blocks, few of which are open at once.
        self.texts.retain(|text| !contents.finishes(&text.key));
        match edits.is_empty() {
            true => self.pass(config, false, event.raw(), output),
            false => {
                let changed = event.with_data(&replaced(&data, &edits));
                self.pass(config, false, &changed, output)
            }
        }
    }

    /// Processes an event that has the same form as an earlier one, so that only the text has to be read. Returns true if the stream
    /// ends here, denied or broken.
    fn similar_event(
        &mut self,
        config: &Config,
        masks: &Masks,
        event: &SimilarEvent<'_>,
        output: &mut Output,
    ) -> bool {
        if self.texts.len() > MAX_TEXTS {
            output.broken = true;
            return true;
        }
        let Some((_, text)) = &self.similar else { return false };
        self.api = text.api.unwrap_or(self.api);
        let (choice, place) = (text.key.choice(), place(&mut self.texts, text));
        let Some(open) = self.texts.get_mut(place) else { return false };
        match open.text.push(config, masks, event.text, false) {
            Released::Denied(cause) => {
                deny(config, Denial { shape: Shape::Stream(self.api, choice), cause }, output)
            }
            Released::Text(released) => {
                self.sent_text |= !released.is_empty();
                open.remember(event);
                if released == event.text {
                    return self.pass(config, false, event.raw, output);
                }
                let literal = json::encode(&released);
                if !config.raw {
                    event.write_with(&literal, &mut output.bytes);
                    return false;
                }
                let mut changed = Vec::with_capacity(event.raw.len());
                event.write_with(&literal, &mut changed);
                self.pass(config, false, &changed, output)
            }
        }
    }

    /// Processes an event without paths: the texts of its JSON, or all of its bytes.
    fn raw_event(&mut self, config: &Config, masks: &Masks, event: &Event, output: &mut Output) -> bool {
        let mut inspect = inspector(&config.rules, masks);
        let data = event.data().unwrap_or_default();
        let text = std::str::from_utf8(&data).unwrap_or_default();
        let changed = match inspect_document(text, &mut inspect) {
            Some(inspection) => {
                if let Some(cause) = inspection.cause.filter(|_| !config.rules.dry_run) {
                    return deny(config, Denial { shape: Shape::Stream(self.api, 0), cause }, output);
                }
                (!inspection.edits.is_empty())
                    .then(|| event.with_data(&with_edits(data.as_ref(), 0, inspection.edits)))
            }
            None => {
                let edits = valid(event.raw()).flat_map(|(start, text)| {
                    inspect(text).edits.into_iter().map(move |Edit { range, text }| {
                        (start + range.start..start + range.end, text.into_bytes())
                    })
                });
                Some(replaced(event.raw(), &edits.collect::<Vec<_>>()))
            }
        };
        self.pass(config, false, changed.as_deref().unwrap_or(event.raw()), output)
    }

    /// Returns the new literal of a text, or `None` if it is unchanged.
    fn text(
        &mut self,
        config: &Config,
        masks: &Masks,
        data: &[u8],
        contents: &Contents,
        text: &Text,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let received = decode(data, &text.span);
        if !text.continues {
            let mut inspect = inspector(&config.rules, masks);
            let inspection = match text.is_json {
                true => inspect_embedded(&config.rules, Document::Event, &received, &mut inspect),
                false => inspect(&received),
            };
            match inspection.cause {
                Some(cause) if !config.rules.dry_run => return Err(cause),
                Some(cause) => crate::denied_in_dry_run(cause),
                None => {}
            }
            self.sent_text |= !received.is_empty();
            let literal = data.get(text.span.clone()).and_then(|literal| std::str::from_utf8(literal).ok());
            let literal = literal.filter(|_| !inspection.edits.is_empty());
            return Ok(literal
                .and_then(|literal| spliced(literal, &inspection.edits))
                .map(String::into_bytes));
        }
        let mut same_key =
            contents.texts.iter().rev().filter(|other| other.continues && other.key == text.key);
        let ended =
            contents.finishes(&text.key) && same_key.next().is_some_and(|last| last.span == text.span);
        let place = place(&mut self.texts, text);
        let Some(choice) = self.texts.get_mut(place) else { return Ok(None) };
        match choice.text.push(config, masks, &received, ended) {
            Released::Denied(cause) => Err(cause),
            Released::Text(released) => {
                self.sent_text |= !released.is_empty();
                Ok((released != received).then(|| json::encode(&released).into_bytes()))
            }
        }
    }

    /// Stores the shape of an event for its held texts. They share it, since it may be large.
    fn remember(&mut self, event: &Event, data: &[u8], contents: &Contents, waiting: &[(usize, usize)]) {
        let mut shape = None;
        for (start, place) in waiting {
            let Some(choice) = self.texts.get_mut(*place) else { continue };
            choice.last = Last::None;
            if choice.text.held() > 0 {
                let (shape, places) = shape.get_or_insert_with(|| EventShape::new(event, data, contents));
                let text = places.binary_search_by_key(start, |(before, _)| *before).ok();
                let text = text.and_then(|text| places.get(text));
                choice.last = text.map_or(Last::None, |(_, after)| Last::Shape(Rc::clone(shape), *after));
            }
        }
    }

    /// Releases all held text. Returns true if the stream is denied.
    fn flush(&mut self, config: &Config, masks: &Masks, output: &mut Output) -> bool {
        let keys: Vec<Key> = self.texts.iter().map(|text| text.key.clone()).collect();
        keys.iter().any(|key| self.flush_one(config, masks, key, output))
    }

    fn flush_one(&mut self, config: &Config, masks: &Masks, key: &Key, output: &mut Output) -> bool {
        let Some(choice) = self.texts.iter_mut().find(|text| text.key == *key) else { return false };
        let (shape, place) = match std::mem::take(&mut choice.last) {
            Last::None => return false,
            Last::Shape(shape, place) => (shape, place),
            Last::Event(raw, start) => match EventShape::of_raw(config, &raw, start) {
                Some(found) => found,
                None => return false,
            },
        };
        match choice.text.push(config, masks, "", true) {
            Released::Denied(cause) => {
                deny(config, Denial { shape: Shape::Stream(self.api, key.choice()), cause }, output)
            }
            Released::Text(text) => {
                self.sent_text |= !text.is_empty();
                self.pass(config, false, &shape.event(place, &text), output)
            }
        }
    }
}

impl OpenText {
    /// Stores an event, if text is held.
    fn remember(&mut self, event: &SimilarEvent<'_>) {
        if self.text.held() == 0 {
            self.last = Last::None;
            return;
        }
        let mut raw = match std::mem::take(&mut self.last) {
            Last::Event(raw, _) => raw,
            Last::None | Last::Shape(..) => Vec::with_capacity(event.raw.len()),
        };
        raw.clear();
        raw.extend_from_slice(event.raw);
        self.last = Last::Event(raw, event.literal_in_data().start);
    }
}

/// Returns the position of a text among those that are open, which it opens if necessary.
fn place(texts: &mut Vec<OpenText>, text: &Text) -> usize {
    texts.iter().position(|open| open.key == text.key).unwrap_or_else(|| {
        let buffer = match text.is_json {
            true => TextBuffer::Json(Box::default()),
            false => TextBuffer::Text(Window::default()),
        };
        texts.push(OpenText { key: text.key.clone(), text: buffer, last: Last::None });
        texts.len() - 1
    })
}

/// Ends the stream.
fn deny(config: &Config, denial: Denial, output: &mut Output) -> bool {
    output.bytes.extend(config.denials.body(denial.shape));
    output.denial = Some(denial);
    true
}

/// Applies edits of a text that begins at a position of `bytes`.
fn with_edits(bytes: &[u8], start: usize, edits: Vec<Edit>) -> Vec<u8> {
    let moved = |Edit { range, text }| (start + range.start..start + range.end, String::into_bytes(text));
    replaced(bytes, &edits.into_iter().map(moved).collect::<Vec<_>>())
}

impl EventShape {
    /// Creates the shape of an event, and the position in it of the text that begins at `start` of its data.
    fn of_raw(config: &Config, raw: &[u8], start: usize) -> Option<(Rc<Self>, usize)> {
        let mut reader = Reader::default();
        reader.push(raw);
        let event = reader.next()?;
        let data = event.data()?;
        let contents = config.event.read(&data).ok()?;
        let (shape, places) = Self::new(&event, &data, &contents);
        let (_, after) = places.into_iter().find(|(before, _)| *before == start)?;
        Some((shape, after))
    }

    /// Creates the shape, and the position of each text in it.
    fn new(event: &Event, data: &[u8], contents: &Contents) -> (Rc<Self>, Vec<(usize, usize)>) {
        let texts = &contents.texts;
        let has_text = |range: &Range<usize>| {
            let next = texts.partition_point(|text| text.span.start < range.start);
            texts.get(next).is_some_and(|text| text.span.start < range.end)
        };
        let mut once = contents.once.iter().filter(|range| !has_text(range)).peekable();
        let mut texts = texts.iter().map(|text| &text.span).peekable();
        let mut shape = Self { name: event.name().map(<[u8]>::to_vec), data: Vec::with_capacity(data.len()) };
        let (mut places, mut from) = (Vec::new(), 0);
        // Both are in order.
        loop {
            let next = texts.peek().map_or(usize::MAX, |text| text.start);
            let (range, blank): (_, &[u8]) = match once.next_if(|range| range.start < next) {
                Some(range) => (range, b"null"),
                None => match texts.next() {
                    Some(text) => (text, b"\"\""),
                    None => break,
                },
            };
            // Inside a removed value.
            if range.start < from {
                continue;
            }
            shape.data.extend_from_slice(data.get(from..range.start).unwrap_or_default());
            places.push((range.start, shape.data.len()));
            shape.data.extend_from_slice(blank);
            from = range.end;
        }
        shape.data.extend_from_slice(data.get(from..).unwrap_or_default());
        (Rc::new(shape), places)
    }

    /// Creates an event with a text at a position.
    fn event(&self, place: usize, text: &str) -> Vec<u8> {
        let literal = json::encode(text).into_bytes();
        let data = replaced(&self.data, &[(place..place + 2, literal)]);
        sse::named_event(self.name.as_deref(), &data)
    }
}
