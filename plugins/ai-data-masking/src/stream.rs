//! Responses that are streams of server-sent events.
//!
//! An event goes on as soon as it is there, with the text of it that nothing that follows can change. What is held back
//! goes out in the next event of the same text, or in one made after the shape of the last.

use std::borrow::Cow;
use std::ops::Range;

use text::json;
use text::sse::{self, Event, Reader};

use crate::answer::{Denial, Shape};
use crate::config::Config;
use crate::masks::Masks;
use crate::places::{Contents, Form, Key, Text, decode, form};
use crate::raw::RawStream;
use crate::roles;
use crate::whole::{replaced, seen};
use crate::window::{Piece, Window};

/// The largest event. What is larger is no event of a model.
const LARGEST: usize = 1 << 20;

/// The most texts of an event, and of a stream: OpenAI's API has 128 choices at most. Each costs memory and time, and the
/// upstream says how many there are.
const MOST_TEXTS: usize = 128;

/// One response.
#[derive(Default)]
pub struct Stream {
    reader: Reader,
    texts: Vec<Choice>,
    raw: RawStream,
    /// Whether a text has gone on to the client.
    pub shown: bool,
    /// Events that could not be read, and were dropped.
    pub dropped: u32,
}

/// One text, and an event to make another one of.
struct Choice {
    key: Key,
    window: Window,
    shape: Option<EventShape>,
}

/// An event as it came: before its text, and after it.
struct EventShape {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// What goes on to the client, and whether the stream ends with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub denial: Option<Denial>,
    /// The stream is not one of a model's events.
    pub broken: bool,
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
                if self.texts.iter().any(|text| text.window.held() > 0) {
                    // The event was not ended, and another one follows.
                    output.bytes.extend_from_slice(b"\n\n");
                }
            }
            if self.flush(config, masks, &mut output) {
                return output;
            }
        }
        self.pass(config, masks, ended, &[], &mut output);
        output
    }

    /// Whether there is text that waits for more.
    #[cfg(test)]
    pub fn holds(&self) -> bool {
        self.reader.held() > 0 || self.raw.held() > 0 || self.texts.iter().any(|text| text.window.held() > 0)
    }

    /// Lets bytes go on, past what looks at all of them. True when the stream is denied.
    fn pass(
        &mut self,
        config: &Config,
        masks: &Masks,
        ended: bool,
        bytes: &[u8],
        output: &mut Output,
    ) -> bool {
        if !config.raw {
            output.bytes.extend_from_slice(bytes);
            return false;
        }
        match self.raw.push(config, masks, bytes, ended, &mut output.bytes) {
            Some(cause) => {
                // It may be in the middle of an event.
                output.bytes.extend_from_slice(b"\n\n");
                deny(config, Denial { shape: Shape::Stream(0), cause }, output)
            }
            None => false,
        }
    }

    /// Lets one event go on. True when the stream ends here, denied or broken.
    fn event(&mut self, config: &Config, masks: &Masks, event: &Event, output: &mut Output) -> bool {
        let Some(data) = event.data() else { return self.pass(config, masks, false, event.raw(), output) };
        if data.trim_ascii() == b"[DONE]" {
            return self.flush(config, masks, output) || self.pass(config, masks, false, event.raw(), output);
        }
        if !config.event.any() {
            return self.pass(config, masks, false, event.raw(), output);
        }
        let contents = match form(&data) {
            Form::Json => config.event.read(&data),
            Form::Other => return self.pass(config, masks, false, event.raw(), output),
            Form::Unreadable => {
                self.dropped += 1;
                return false;
            }
        };
        let Ok(contents) = contents else {
            self.dropped += 1;
            return false;
        };
        if contents.texts.len() > MOST_TEXTS || self.texts.len() > MOST_TEXTS {
            output.broken = true;
            return true;
        }
        let mut edits: Vec<(Range<usize>, Vec<u8>)> = Vec::new();
        for text in &contents.texts {
            match self.text(config, masks, &data, &contents, text) {
                Ok(Some(literal)) => edits.push((text.span.clone(), literal)),
                Ok(None) => {}
                Err(cause) => {
                    let shape = Shape::Stream(text.key.choice());
                    return deny(config, Denial { shape, cause }, output);
                }
            }
        }
        // What ends with this event and has no text in it goes before it: behind its end nobody reads on.
        let goes_on = |key: &Key| contents.texts.iter().any(|text| text.goes_on && text.key == *key);
        let ended = self.texts.iter().map(|text| &text.key);
        let ended: Vec<Key> = ended.filter(|key| contents.finishes(key) && !goes_on(key)).cloned().collect();
        if ended.iter().any(|key| self.flush_one(config, masks, key, output)) {
            return true;
        }
        match edits.is_empty() {
            true => self.pass(config, masks, false, event.raw(), output),
            false => {
                let changed = event.with_data(&replaced(&data, &edits));
                self.pass(config, masks, false, &changed, output)
            }
        }
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
            let edits = roles::edits(config.rules.roles.as_ref(), masks, &came);
            return match seen(&config.rules, &came, &edits) {
                Some(cause) if !config.rules.dry_run => Err(cause),
                _ => {
                    self.shown |= !came.is_empty();
                    let edits: Vec<_> =
                        edits.iter().map(|edit| (edit.range.clone(), edit.text.as_str())).collect();
                    Ok(data
                        .get(text.span.clone())
                        .filter(|_| !edits.is_empty())
                        .and_then(|literal| json::splice(literal, &edits)))
                }
            };
        }
        let mut of_key = contents.texts.iter().rev().filter(|other| other.goes_on && other.key == text.key);
        let ended = contents.finishes(&text.key) && of_key.next().is_some_and(|last| last.span == text.span);
        let place = self.place(&text.key);
        let Some(choice) = self.texts.get_mut(place) else { return Ok(None) };
        match choice.window.push(&config.rules, masks, &came, ended) {
            Piece::Denied(cause) => Err(cause),
            Piece::Text(goes_on) => {
                choice.shape =
                    (choice.window.held() > 0).then(|| EventShape::new(data, contents, &text.span));
                self.shown |= !goes_on.is_empty();
                Ok((goes_on != came).then(|| json::encode(&goes_on).into_bytes()))
            }
        }
    }

    fn place(&mut self, key: &Key) -> usize {
        self.texts.iter().position(|text| text.key == *key).unwrap_or_else(|| {
            self.texts.push(Choice { key: key.clone(), window: Window::default(), shape: None });
            self.texts.len() - 1
        })
    }

    /// Lets go of everything that is held. True when the stream is denied.
    fn flush(&mut self, config: &Config, masks: &Masks, output: &mut Output) -> bool {
        let keys: Vec<Key> = self.texts.iter().map(|text| text.key.clone()).collect();
        keys.iter().any(|key| self.flush_one(config, masks, key, output))
    }

    fn flush_one(&mut self, config: &Config, masks: &Masks, key: &Key, output: &mut Output) -> bool {
        let Some(choice) = self.texts.iter_mut().find(|text| text.key == *key) else { return false };
        let Some(shape) = choice.shape.take() else { return false };
        match choice.window.push(&config.rules, masks, "", true) {
            Piece::Denied(cause) => {
                deny(config, Denial { shape: Shape::Stream(key.choice()), cause }, output)
            }
            Piece::Text(text) => {
                self.shown |= !text.is_empty();
                self.pass(config, masks, false, &shape.event(&text), output)
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

impl EventShape {
    /// The event around a text, in which all other texts are empty, and what is said once is not said again.
    fn new(data: &[u8], contents: &Contents, span: &Range<usize>) -> Self {
        let mut blanks: Vec<(Range<usize>, Vec<u8>)> = contents
            .texts
            .iter()
            .filter(|text| text.span != *span)
            .map(|text| (text.span.clone(), b"\"\"".to_vec()))
            .chain(contents.once.iter().map(|span| (span.clone(), b"null".to_vec())))
            .collect();
        blanks.sort_by_key(|(range, _)| range.start);
        // A text that a path of the configuration names may be inside of what is said once.
        let mut end = 0;
        blanks.retain(|(range, _)| {
            let apart = range.start >= end && (range.end <= span.start || range.start >= span.end);
            end = if apart { range.end } else { end };
            apart
        });
        let (before, after): (Vec<_>, Vec<_>) =
            blanks.into_iter().partition(|(range, _)| range.end <= span.start);
        let after: Vec<_> = after
            .into_iter()
            .map(|(range, bytes)| (range.start - span.end..range.end - span.end, bytes))
            .collect();
        Self {
            before: replaced(data.get(..span.start).unwrap_or_default(), &before),
            after: replaced(data.get(span.end..).unwrap_or_default(), &after),
        }
    }

    fn event(&self, text: &str) -> Vec<u8> {
        let literal: Cow<'_, str> = json::encode(text).into();
        sse::event(&[&self.before, literal.as_bytes(), &self.after].concat())
    }
}
