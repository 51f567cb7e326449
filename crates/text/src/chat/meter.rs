//! The tokens of an answer that flows: as the server reports them, or else as estimated from what the model wrote.

use super::usage::{Answer, Tally, Usage};
use super::{Estimate, is_events, is_json, output};
use crate::sse;

/// The size of a body up to which it is copied, to estimate it if the server reports nothing, and the size of an event beyond
/// which the rest of a stream is not read.
const MAX_COPY: usize = 1 << 20;

/// Reads an answer in any chunks, and counts the tokens that have flowed at any time: the answer may break off.
#[derive(Debug)]
pub struct Meter {
    format: Format,
    estimate: Estimate,
}

#[derive(Debug)]
enum Format {
    /// A JSON body, with a copy of it as long as that is small.
    Body {
        answer: Box<Answer>,
        copy: Option<Vec<u8>>,
        length: usize,
    },
    Events {
        tally: Tally,
        reader: sse::Reader,
    },
}

impl Meter {
    /// Begins an answer with this content type, or returns `None` if it is neither JSON nor events.
    #[must_use]
    pub fn new(content_type: &[u8]) -> Option<Self> {
        let format = if is_events(content_type) {
            Format::Events { tally: Tally::default(), reader: sse::Reader::default() }
        } else if is_json(content_type) {
            let answer = Box::new(Answer::new(content_type)?);
            Format::Body { answer, copy: Some(Vec::new()), length: 0 }
        } else {
            return None;
        };
        Some(Self { format, estimate: Estimate::default() })
    }

    /// Returns true if the answer is a stream of events.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.format, Format::Events { .. })
    }

    /// Reads the next chunk, and calls `each` with the data of every event that it completes.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) {
        match &mut self.format {
            Format::Body { answer, copy, length } => {
                answer.push(chunk);
                *length += chunk.len();
                match copy {
                    Some(bytes) if bytes.len() + chunk.len() <= MAX_COPY => bytes.extend_from_slice(chunk),
                    _ => *copy = None,
                }
            }
            Format::Events { tally, reader } => {
                if reader.held() > MAX_COPY {
                    return;
                }
                reader.push(chunk);
                while let Some(event) = reader.next() {
                    read_event(&event, tally, &mut self.estimate, &mut each);
                }
            }
        }
    }

    /// Reads the end, or that the answer has broken off.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        match &mut self.format {
            Format::Body { answer, copy, length } => {
                answer.finish();
                if answer.usage().is_some() {
                    return;
                }
                // An answer that is not JSON, or ends unexpectedly, is about as many tokens as a fourth of its bytes.
                let texts = copy.as_deref().and_then(|copy| output(copy).ok());
                match texts {
                    Some(texts) => texts.iter().for_each(|text| self.estimate.push(text)),
                    None => self.estimate.add(*length as u64 / 4),
                }
            }
            Format::Events { tally, reader } => {
                if let Some(event) = reader.finish() {
                    read_event(&event, tally, &mut self.estimate, &mut each);
                }
            }
        }
    }

    /// Returns the complete body, if it is JSON of at most 1 MiB.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        match &self.format {
            Format::Body { copy, .. } => copy.as_deref(),
            Format::Events { .. } => None,
        }
    }

    /// Returns the numbers of tokens, or `None` if the server has not reported any.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match &self.format {
            Format::Body { answer, .. } => answer.usage(),
            Format::Events { tally, .. } => tally.usage(),
        }
    }

    /// Returns the estimated number of tokens that the model has written.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.estimate.tokens()
    }

    /// Returns the model that answers, as the server names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match &self.format {
            Format::Body { answer, .. } => answer.model(),
            Format::Events { tally, .. } => tally.model(),
        }
    }
}

fn read_event(event: &sse::Event, tally: &mut Tally, estimate: &mut Estimate, each: &mut impl FnMut(&[u8])) {
    let Some(data) = event.data() else { return };
    tally.read(&data);
    estimate.push_event(&data);
    each(&data);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what the meter reports for an answer in chunks of this size, and the number of events.
    fn read(content_type: &str, answer: &str, chunk: usize) -> (Option<u64>, u64, usize) {
        let mut meter = Meter::new(content_type.as_bytes()).unwrap();
        let mut events = 0;
        answer.as_bytes().chunks(chunk).for_each(|chunk| meter.push(chunk, |_| events += 1));
        meter.finish(|_| events += 1);
        (meter.usage().map(|usage| usage.total), meter.estimate(), events)
    }

    #[test]
    fn an_answer_without_usage_is_estimated() {
        let body = r#"{"choices":[{"message":{"content":"The quick brown fox"}}]}"#;
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"The quick \"}}]}\r\n\r\n: wait\r\n\r\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"brown fox\"}}]}";
        for chunk in 1..=stream.len() {
            assert_eq!(read("application/json", body, chunk), (None, 5, 0));
            assert_eq!(read("text/event-stream", stream, chunk), (None, 5, 2));
            assert_eq!(read("application/json", &body[..40], chunk), (None, 10, 0), "broken off");
        }
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_COPY));
        assert_eq!(read("application/json", &long, 1000).1, long.len() as u64 / 4);
    }

    #[test]
    fn usage_replaces_the_estimate() {
        let body =
            r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
        assert_eq!(read("application/json; charset=utf-8", body, 3), (Some(7), 0, 0));
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
        assert_eq!(read("text/event-stream", stream, 7), (Some(7), 2, 3));
        assert!(Meter::new(b"text/html").is_none());
    }
}
