//! Responses that are streams: of server-sent events, and of lines of JSON.
//!
//! An event goes on as soon as it is there, with the text of it that nothing that follows can change. What is held back
//! goes out in the next event of the same text, or in one made after the shape of the last. Each line of JSON is a text
//! of its own.

use std::ops::Range;
use std::rc::Rc;

use text::json;
use text::sse::{self, Event, Reader};

use crate::answer::{Denial, Shape};
use crate::arguments::Arguments;
use crate::config::Config;
use crate::form::{Form, form};
use crate::inside::{look_at_all, spliced};
use crate::masks::Masks;
use crate::places::{Contents, Document, Key, Text, decode};
use crate::raw::Words;
use crate::roles::Edit;
use crate::shapes::Api;
use crate::whole::{self, look, look_in, replaced, valid};
use crate::window::{Piece, Window};

/// The largest event. What is larger is no event of a model.
const LARGEST: usize = 1 << 20;

/// The most texts of an event, and of a stream: OpenAI's API has 128 choices at most. Each costs memory and time, and the
/// upstream says how many there are.
const MOST_TEXTS: usize = 128;

/// One response of server-sent events.
#[derive(Default)]
pub struct Stream {
    reader: Reader,
    texts: Vec<Choice>,
    words: Words,
    /// Whose API its events are of.
    api: Api,
    /// Whether a text has gone on to the client.
    pub shown: bool,
    /// Events that could not be read, and were dropped.
    pub dropped: u32,
}

/// One text, and an event to make another one of.
struct Choice {
    key: Key,
    text: Pieces,
    /// The last event of which something waits, and where the text is in it.
    shape: Option<(Rc<EventShape>, usize)>,
}

/// What has come of a text.
enum Pieces {
    Text(Window),
    Json(Box<Arguments>),
}

/// An event as it came, in which all texts are empty, and what is said once is not said again.
struct EventShape {
    name: Option<Vec<u8>>,
    data: Vec<u8>,
}

/// What goes on to the client, and whether the stream ends with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub denial: Option<Denial>,
    /// The stream is not one of a model's events.
    pub broken: bool,
}

impl Pieces {
    fn push(&mut self, config: &Config, masks: &Masks, piece: &str, ended: bool) -> Piece {
        let rules = &config.rules;
        match self {
            Self::Text(window) => window.push(rules, rules.roles.as_ref(), masks, piece, ended),
            Self::Json(arguments) => arguments.push(rules, masks, piece, ended),
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
    /// Takes what has arrived.
    pub fn push(&mut self, config: &Config, masks: &Masks, bytes: &[u8], ended: bool) -> Output {
        let mut output = Output::default();
        self.reader.push(bytes);
        while let Some(event) = self.reader.next() {
            if self.event(config, masks, &event, &mut output) {
                return output;
            }
        }
        if self.reader.held() > LARGEST {
            output.broken = true;
            return output;
        }
        if ended {
            if let Some(event) = self.reader.finish() {
                if self.event(config, masks, &event, &mut output) {
                    return output;
                }
                if self.holds_text() {
                    // The event was not ended, and another one follows.
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

    /// What has come of a stream that is broken, and has not gone on.
    pub fn rest(&mut self) -> Vec<u8> {
        self.reader.finish().map(|event| event.raw().to_vec()).unwrap_or_default()
    }

    fn holds_text(&self) -> bool {
        self.texts.iter().any(|text| text.text.held() > 0)
    }

    /// Whether there is text that waits for more.
    #[cfg(test)]
    pub fn holds(&self) -> bool {
        self.reader.held() > 0 || self.words.held() > 0 || self.holds_text()
    }

    /// Lets bytes go on, past what looks for words in all of them. True when the stream is denied.
    fn pass(&mut self, config: &Config, ended: bool, bytes: &[u8], output: &mut Output) -> bool {
        if !config.raw {
            output.bytes.extend_from_slice(bytes);
            return false;
        }
        match self.words.push(config, bytes, ended, &mut output.bytes) {
            Some(cause) => {
                // It may be in the middle of an event.
                output.bytes.extend_from_slice(b"\n\n");
                deny(config, Denial { shape: Shape::Stream(self.api, 0), cause }, output)
            }
            None => false,
        }
    }

    /// Lets one event go on. True when the stream ends here, denied or broken.
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
            // It is looked at as it is, and what has a word in it is dropped.
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
        let count = contents.texts.iter().filter(|text| text.goes_on).count();
        if count > MOST_TEXTS || self.texts.len() > MOST_TEXTS {
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
            if text.goes_on {
                waiting.push((text.span.start, self.place(text)));
            }
        }
        self.remember(event, &data, &contents, &waiting);
        // What ends with this event and has no text in it goes before it: behind its end nobody reads on.
        let goes_on = |key: &Key| contents.texts.iter().any(|text| text.goes_on && text.key == *key);
        let ended = self.texts.iter().map(|text| &text.key);
        let ended: Vec<Key> = ended.filter(|key| contents.finishes(key) && !goes_on(key)).cloned().collect();
        if ended.iter().any(|key| self.flush_one(config, masks, key, output)) {
            return true;
        }
        // A message may have any number of blocks, of which few are open at once.
        self.texts.retain(|text| !contents.finishes(&text.key));
        match edits.is_empty() {
            true => self.pass(config, false, event.raw(), output),
            false => {
                let changed = event.with_data(&replaced(&data, &edits));
                self.pass(config, false, &changed, output)
            }
        }
    }

    /// An event in which nothing is named: what is in its JSON, or all of its bytes.
    fn raw_event(&mut self, config: &Config, masks: &Masks, event: &Event, output: &mut Output) -> bool {
        let mut look = look(&config.rules, masks);
        let data = event.data().unwrap_or_default();
        let text = std::str::from_utf8(&data).unwrap_or_default();
        let changed = match look_at_all(text, &mut look) {
            Some(seen) => {
                if let Some(cause) = seen.cause.filter(|_| !config.rules.dry_run) {
                    return deny(config, Denial { shape: Shape::Stream(self.api, 0), cause }, output);
                }
                (!seen.edits.is_empty()).then(|| event.with_data(&with(data.as_ref(), 0, seen.edits)))
            }
            None => {
                let edits = valid(event.raw()).flat_map(|(start, text)| {
                    look(text).edits.into_iter().map(move |Edit { range, text }| {
                        (start + range.start..start + range.end, text.into_bytes())
                    })
                });
                Some(replaced(event.raw(), &edits.collect::<Vec<_>>()))
            }
        };
        self.pass(config, false, changed.as_deref().unwrap_or(event.raw()), output)
    }

    /// What a text's literal becomes; nothing when it stays.
    fn text(
        &mut self,
        config: &Config,
        masks: &Masks,
        data: &[u8],
        contents: &Contents,
        text: &Text,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let came = decode(data, &text.span);
        if !text.goes_on {
            let mut look = look(&config.rules, masks);
            let seen = match text.is_json {
                true => look_in(&config.rules, Document::Event, &came, &mut look),
                false => look(&came),
            };
            match seen.cause {
                Some(cause) if !config.rules.dry_run => return Err(cause),
                Some(cause) => crate::denied_in_dry_run(cause),
                None => {}
            }
            self.shown |= !came.is_empty();
            let literal = data.get(text.span.clone()).and_then(|literal| std::str::from_utf8(literal).ok());
            let literal = literal.filter(|_| !seen.edits.is_empty());
            return Ok(literal.and_then(|literal| spliced(literal, &seen.edits)).map(String::into_bytes));
        }
        let mut of_key = contents.texts.iter().rev().filter(|other| other.goes_on && other.key == text.key);
        let ended = contents.finishes(&text.key) && of_key.next().is_some_and(|last| last.span == text.span);
        let place = self.place(text);
        let Some(choice) = self.texts.get_mut(place) else { return Ok(None) };
        match choice.text.push(config, masks, &came, ended) {
            Piece::Denied(cause) => Err(cause),
            Piece::Text(goes_on) => {
                self.shown |= !goes_on.is_empty();
                Ok((goes_on != came).then(|| json::encode(&goes_on).into_bytes()))
            }
        }
    }

    fn place(&mut self, text: &Text) -> usize {
        self.texts.iter().position(|known| known.key == text.key).unwrap_or_else(|| {
            let pieces = match text.is_json {
                true => Pieces::Json(Box::default()),
                false => Pieces::Text(Window::default()),
            };
            self.texts.push(Choice { key: text.key.clone(), text: pieces, shape: None });
            self.texts.len() - 1
        })
    }

    /// Keeps the shape of an event for those of its texts that wait: once for all of them, since it may be large.
    fn remember(&mut self, event: &Event, data: &[u8], contents: &Contents, waiting: &[(usize, usize)]) {
        let mut shape = None;
        for (start, place) in waiting {
            let Some(choice) = self.texts.get_mut(*place) else { continue };
            choice.shape = None;
            if choice.text.held() > 0 {
                let (shape, places) = shape.get_or_insert_with(|| EventShape::new(event, data, contents));
                let text = places.binary_search_by_key(start, |(before, _)| *before).ok();
                let text = text.and_then(|text| places.get(text));
                choice.shape = text.map(|(_, after)| (Rc::clone(shape), *after));
            }
        }
    }

    /// Lets go of everything that is held. True when the stream is denied.
    fn flush(&mut self, config: &Config, masks: &Masks, output: &mut Output) -> bool {
        let keys: Vec<Key> = self.texts.iter().map(|text| text.key.clone()).collect();
        keys.iter().any(|key| self.flush_one(config, masks, key, output))
    }

    fn flush_one(&mut self, config: &Config, masks: &Masks, key: &Key, output: &mut Output) -> bool {
        let Some(choice) = self.texts.iter_mut().find(|text| text.key == *key) else { return false };
        let Some((shape, place)) = choice.shape.take() else { return false };
        match choice.text.push(config, masks, "", true) {
            Piece::Denied(cause) => {
                deny(config, Denial { shape: Shape::Stream(self.api, key.choice()), cause }, output)
            }
            Piece::Text(text) => {
                self.shown |= !text.is_empty();
                self.pass(config, false, &shape.event(place, &text), output)
            }
        }
    }
}

/// Ends the stream.
fn deny(config: &Config, denial: Denial, output: &mut Output) -> bool {
    output.bytes.extend(config.answers.body(denial.shape));
    output.denial = Some(denial);
    true
}

/// Bytes with the edits of a text in them that begins at a place.
fn with(bytes: &[u8], start: usize, edits: Vec<Edit>) -> Vec<u8> {
    let moved = |Edit { range, text }| (start + range.start..start + range.end, String::into_bytes(text));
    replaced(bytes, &edits.into_iter().map(moved).collect::<Vec<_>>())
}

impl EventShape {
    /// The shape, and where each text of the event is in it.
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
            // What is inside of what is not said again.
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

    /// An event of this shape that has a text at that place.
    fn event(&self, place: usize, text: &str) -> Vec<u8> {
        let literal = json::encode(text).into_bytes();
        let data = replaced(&self.data, &[(place..place + 2, literal)]);
        sse::named_event(self.name.as_deref(), &data)
    }
}
