//! The tokens of an answer that flows: as the server reports them, or else as estimated from what the model wrote.

use super::usage::{Answer, Events, Seen, Tally, Usage};
use super::{Estimate, is_events, is_json, output};

/// The size of a body up to which it is copied, to estimate it if the server reports nothing.
const MAX_COPY: usize = 1 << 20;

/// Reads an answer in any chunks, and counts the tokens that have flowed at any time: the answer may break off.
#[derive(Debug)]
pub struct Meter {
    format: Format,
    estimate: Estimate,
    /// The tokens that the server has reported so far, and the estimate at that time.
    reported: u64,
    estimate_then: u64,
}

#[derive(Debug)]
enum Format {
    /// A JSON body, with a copy of it as long as that is small.
    Body {
        answer: Box<Answer>,
        copy: Option<Vec<u8>>,
        length: usize,
    },
    Events(Box<Events>),
}

impl Meter {
    /// Begins an answer with this content type, or returns `None` if it is neither JSON nor events.
    #[must_use]
    pub fn new(content_type: &[u8]) -> Option<Self> {
        let format = if is_events(content_type) {
            Format::Events(Box::default())
        } else if is_json(content_type) {
            let answer = Box::new(Answer::new(content_type)?);
            Format::Body { answer, copy: Some(Vec::new()), length: 0 }
        } else {
            return None;
        };
        Some(Self { format, estimate: Estimate::default(), reported: 0, estimate_then: 0 })
    }

    /// Returns true if the answer is a stream of events.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.format, Format::Events(_))
    }

    /// Reads the next chunk, and calls `each` with the data of every event that it completes. Of an event over 1 MiB, only what
    /// the server reports is read.
    pub fn push(&mut self, chunk: &[u8], each: impl FnMut(&[u8])) {
        self.read(Some(chunk), each);
    }

    /// Reads the end, or that the answer has broken off.
    pub fn finish(&mut self, each: impl FnMut(&[u8])) {
        self.read(None, each);
    }

    /// Reads a chunk, or the end.
    fn read(&mut self, chunk: Option<&[u8]>, mut each: impl FnMut(&[u8])) {
        let Self { format, estimate, reported, estimate_then } = self;
        match (format, chunk) {
            (Format::Body { answer, copy, length }, Some(chunk)) => {
                answer.push(chunk);
                *length += chunk.len();
                match copy {
                    Some(bytes) if bytes.len() + chunk.len() <= MAX_COPY => bytes.extend_from_slice(chunk),
                    _ => *copy = None,
                }
            }
            (Format::Body { answer, copy, length }, None) => {
                answer.finish();
                if answer.usage().is_some() {
                    return;
                }
                // An answer that is not JSON, or ends unexpectedly, is about as many tokens as a fourth of its bytes.
                let texts = copy.as_deref().and_then(|copy| output(copy).ok());
                match texts {
                    Some(texts) => texts.iter().for_each(|text| estimate.push(text)),
                    None => estimate.add(*length as u64 / 4),
                }
            }
            (Format::Events(events), chunk) => {
                let read = |event: Seen<'_>, tally: &Tally| {
                    let text = match event {
                        Seen::Large => None,
                        Seen::Event(data) => {
                            let text = estimate.push_event(data);
                            each(data);
                            text
                        }
                        Seen::Similar(event) => {
                            estimate.push(event.text);
                            each(event.data);
                            return None;
                        }
                    };
                    // Some servers report zeros, or the same numbers, in each event.
                    let total = tally.usage().map_or(0, |usage| usage.total);
                    if total > *reported {
                        (*reported, *estimate_then) = (total, estimate.tokens());
                    }
                    text
                };
                match chunk {
                    Some(chunk) => events.push(chunk, read),
                    None => events.finish(read),
                }
            }
        }
    }

    /// Returns the complete body, if it is JSON of at most 1 MiB.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        match &self.format {
            Format::Body { copy, .. } => copy.as_deref(),
            Format::Events(_) => None,
        }
    }

    /// Returns the numbers of tokens, or `None` if the server has not reported any.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match &self.format {
            Format::Body { answer, .. } => answer.usage(),
            Format::Events(events) => events.tally.usage(),
        }
    }

    /// Returns the estimated number of tokens that the model has written.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        self.estimate.tokens()
    }

    /// Returns the estimated number of tokens that the model has written since the server last reported: all of them if it has
    /// not. Anthropic's servers report the prompt before their answer, and the answer after it, so one that ends early has been
    /// reported as a single token.
    #[must_use]
    pub fn unreported(&self) -> u64 {
        self.estimate.tokens().saturating_sub(self.estimate_then)
    }

    /// Returns the model that answers, as the server names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match &self.format {
            Format::Body { answer, .. } => answer.model(),
            Format::Events(events) => events.tally.model(),
        }
    }
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

    #[test]
    fn events_of_the_same_form_are_counted_as_others() {
        let event = |content: &str, number: u32| {
            format!(
                "data: {{\"model\":\"m\",\"sequence_number\":{number},\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}}}],\
                 \"usage\":null,\"obfuscation\":\"{}\"}}\n\n",
                "k".repeat(number as usize % 7)
            )
        };
        let texts =
            ["The", " quick", " brown", "", " fo", "x\\n", " \u{4e2d}\u{6587}", " and usage", " model"];
        let mut stream: String = texts.iter().zip(0..).map(|(text, number)| event(text, number)).collect();
        stream += "data: {\"type\":\"x.done\",\"choices\":[{\"delta\":{\"content\":\"no\"}}]}\n\n";
        stream += &event(" dog", 4).replace("null", "{\"prompt_tokens\":3,\"completion_tokens\":4}");
        stream += &event(" jumps", 5);
        let mut plain = Estimate::default();
        plain.push("The quick brown fox\n \u{4e2d}\u{6587} and usage model dog jumps");
        for chunk in 1..=stream.len() {
            let mut meter = Meter::new(b"text/event-stream").unwrap();
            let mut events = 0;
            stream.as_bytes().chunks(chunk).for_each(|chunk| meter.push(chunk, |_| events += 1));
            assert_eq!(meter.usage().map(|usage| usage.total), Some(7), "in chunks of {chunk}");
            assert_eq!((meter.estimate(), meter.unreported()), (plain.tokens(), 1), "in chunks of {chunk}");
            assert_eq!((events, meter.model()), (texts.len() + 3, Some("m")), "in chunks of {chunk}");
        }
    }

    #[test]
    fn what_follows_a_report_is_estimated() {
        const TEXT: &str = "{\"delta\":{\"text\":\"The quick brown fox\"}}";
        let start = "{\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}";
        let end = "{\"usage\":{\"output_tokens\":15}}";
        let same = "{\"usage\":{\"output_tokens\":1},\"delta\":{\"text\":\"The quick brown fox\"}}";
        let more = "{\"usage\":{\"output_tokens\":6},\"delta\":{\"text\":\"The quick brown fox\"}}";
        let large = format!("{{\"a\":\"{}\",\"usage\":{{\"output_tokens\":15}}}}", "x".repeat(MAX_COPY));
        for (events, total, unreported) in [
            (&[TEXT][..], None, 5),
            (&[start, TEXT], Some(26), 5),
            (&[start, TEXT, end], Some(40), 0),
            (&[start, TEXT, &large], Some(40), 0),
            (&[start, same], Some(26), 5),
            (&[start, more, TEXT], Some(31), 4),
        ] {
            let mut meter = Meter::new(b"text/event-stream").unwrap();
            for event in events {
                meter.push(format!("data: {event}\n\n").as_bytes(), |_| {});
            }
            assert_eq!(meter.usage().map(|usage| usage.total), total, "{}", events.len());
            assert_eq!(meter.unreported(), unreported, "{}", events.len());
        }
        let mut body = Meter::new(b"application/json").unwrap();
        body.push(
            b"{\"content\":[{\"text\":\"The quick brown fox\"}],\"usage\":{\"output_tokens\":1}}",
            |_| {},
        );
        body.finish(|_| {});
        assert_eq!(body.unreported(), 0);
    }
}
