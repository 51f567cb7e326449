//! The numbers of tokens that a server reports, read as the answer passes: in any chunks, and without holding it.

use std::ops::Range;

use crate::groups;
use crate::json::{self, Paths};
use crate::sse::{self, Piece, Similar, SimilarEvent};

/// Numbers of tokens as the server reports them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt: `prompt_tokens`, or `input_tokens`. OpenAI's includes those that were cached
    /// ([`cached`](Self::cached)); Anthropic's does not ([`cache_read`](Self::cache_read) and
    /// [`cache_written`](Self::cache_written)).
    pub input: u64,
    /// Tokens of the answer, with reasoning: `completion_tokens`, or `output_tokens`.
    pub output: u64,
    /// `total_tokens`, or the sum of input and output.
    pub total: u64,
    /// Tokens of `input` that were cached: `cached_tokens`.
    pub cached: u64,
    /// Tokens of the prompt that were cached: `cache_read_input_tokens`.
    pub cache_read: u64,
    /// Tokens of the prompt that are cached now: `cache_creation_input_tokens`.
    pub cache_written: u64,
    /// Tokens of the answer that are reasoning: `reasoning_tokens`.
    pub reasoning: u64,
    processed: u64,
}

impl Usage {
    /// Returns the number of all tokens that the server has processed, also those of Anthropic's cache, which
    /// [`total`](Self::total) lacks.
    #[must_use]
    pub fn processed(&self) -> u64 {
        self.processed
    }

    /// Returns the larger of each number. Servers repeat numbers in later events, and they never decrease; some write 0 for those
    /// that were reported before.
    fn larger(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            output: self.output.max(other.output),
            total: self.total.max(other.total),
            cached: self.cached.max(other.cached),
            cache_read: self.cache_read.max(other.cache_read),
            cache_written: self.cache_written.max(other.cache_written),
            reasoning: self.reasoning.max(other.reasoning),
            processed: 0,
        }
    }

    fn with_sums(self) -> Self {
        let total = self.total.max(self.input.saturating_add(self.output));
        // Servers that report a total include the cache in it, whatever they call its tokens.
        let beside = if self.total == 0 { self.cache_read.saturating_add(self.cache_written) } else { 0 };
        Self { total, processed: total.saturating_add(beside), ..self }
    }
}

/// What the events of one answer report.
#[derive(Debug, Default)]
pub struct Tally {
    usage: Option<Usage>,
    model: Option<String>,
}

impl Tally {
    /// Reads the data of an event, or a complete body. What is not JSON, such as `[DONE]`, reports nothing. Returns true if it
    /// has reported something.
    pub fn read(&mut self, document: &[u8]) -> bool {
        // Most events contain neither, and are not read.
        let wants_model = self.model.is_none() && contains_key(document, b"model");
        if !wants_model && !mentions_usage(document) {
            return false;
        }
        let mut scanner = Scanner::default();
        scanner.push(document);
        let reports = scanner.usage.is_some() || self.model.is_none() && scanner.model.is_some();
        self.add(scanner);
        reports
    }

    /// Returns the numbers of tokens, or `None` if the server has not reported any.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage.map(Usage::with_sums)
    }

    /// Returns the model that answers, as the server names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn add(&mut self, scanner: Scanner) {
        if let Some(new) = scanner.usage {
            self.usage = Some(self.usage.map_or(new, |usage| usage.larger(new)));
        }
        self.model = self.model.take().or(scanner.model);
    }
}

/// The size of an event up to which it is held.
const MAX_EVENT: usize = 1 << 20;

/// Keys whose values servers change in every event, and which neither report nor contain text: the padding and the numbers of
/// events of OpenAI's API. For [`Similar::new`].
pub const VARYING: &[&str] = &["obfuscation", "sequence_number"];

/// Reads events in any chunks. Of one that is too large to be held, only what the server reports is read.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) tally: Tally,
    reader: sse::Reader,
    /// Reads the current event, which is too large.
    large: Option<Scanner>,
    /// The form of an event with a single text that reported nothing.
    similar: Option<Similar>,
}

/// An event.
pub(super) enum Seen<'a> {
    /// The data of an event.
    Event(&'a [u8]),
    /// One that reports nothing, and has the same form as an earlier one with a single text.
    Similar(&'a SimilarEvent<'a>),
    /// One that is too large to be held.
    Large,
}

impl Events {
    /// Reads the next chunk. `each` is called for every event that it completes, and returns the position of the event's text if it
    /// has a single one.
    pub(super) fn push(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(Seen<'_>, &Tally) -> Option<Range<usize>>,
    ) {
        loop {
            let similar = self.similar.as_ref().filter(|_| self.large.is_none());
            let Some(piece) = self.reader.read(&mut chunk, similar) else { break };
            match piece {
                Piece::Event(event) => self.read(&event, &mut each),
                Piece::Similar(event) => {
                    each(Seen::Similar(&event), &self.tally);
                }
            }
        }
        if self.reader.held() > MAX_EVENT
            && let Some(part) = self.reader.split()
        {
            self.large.get_or_insert_default().push(&part.data().unwrap_or_default());
        }
    }

    /// Reads the end.
    pub(super) fn finish(&mut self, mut each: impl FnMut(Seen<'_>, &Tally) -> Option<Range<usize>>) {
        if let Some(event) = self.reader.finish() {
            self.read(&event, &mut each);
        } else if let Some(large) = self.large.take() {
            self.tally.add(large);
            each(Seen::Large, &self.tally);
        }
    }

    fn read(&mut self, event: &sse::Event, each: &mut impl FnMut(Seen<'_>, &Tally) -> Option<Range<usize>>) {
        let data = event.data();
        if let Some(mut large) = self.large.take() {
            large.push(&data.unwrap_or_default());
            self.tally.add(large);
            each(Seen::Large, &self.tally);
        } else if let Some(data) = data {
            let reports = self.tally.read(&data);
            let text = each(Seen::Event(&data), &self.tally);
            if let (Some(text), false) = (text, reports) {
                self.similar = Similar::new(event, &text, VARYING).or(self.similar.take());
            }
        }
    }
}

/// Reads an answer in any chunks: a JSON body or server-sent events. Nothing of a body is kept, and of events the incomplete
/// one, up to 1 MiB.
#[derive(Debug)]
pub struct Answer(Format);

#[derive(Debug)]
enum Format {
    Body(Scanner, Tally),
    Events(Events),
}

impl Answer {
    /// Begins an answer with this content type, or returns `None` if it is neither JSON nor events.
    #[must_use]
    pub fn new(content_type: &[u8]) -> Option<Self> {
        match () {
            () if super::is_json(content_type) => {
                Some(Self(Format::Body(Scanner::default(), Tally::default())))
            }
            () if super::is_events(content_type) => Some(Self(Format::Events(Events::default()))),
            () => None,
        }
    }

    /// Reads the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        match &mut self.0 {
            Format::Body(scanner, _) => scanner.push(chunk),
            Format::Events(events) => events.push(chunk, |_, _| None),
        }
    }

    /// Reads the end. Without it, [`usage`](Self::usage) lacks what a body reports, and an event that no empty line follows.
    pub fn finish(&mut self) {
        match &mut self.0 {
            Format::Body(scanner, tally) => tally.add(std::mem::take(scanner)),
            Format::Events(events) => events.finish(|_, _| None),
        }
    }

    fn tally(&self) -> &Tally {
        match &self.0 {
            Format::Body(_, tally) | Format::Events(Events { tally, .. }) => tally,
        }
    }

    /// Returns the numbers of tokens, or `None` if the server has not reported any.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.tally().usage()
    }

    /// Returns the model that answers, as the server names it.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.tally().model()
    }
}

/// Returns true if bytes contain the key `usage`. Without it, none of their events reports tokens.
#[must_use]
pub fn mentions_usage(bytes: &[u8]) -> bool {
    contains_key(bytes, b"usage")
}

/// Returns true if an event contains only `usage`: the one that OpenAI's API adds at the end if asked by
/// [`ask_for_usage`](super::ask_for_usage). Clients that did not ask for it may not expect an event without choices.
#[must_use]
pub fn is_usage_event(data: &[u8]) -> bool {
    thread_local! {
        static PATHS: Paths = Paths::new(&["$.usage", "$.choices", "$.choices[*]"]).unwrap_or_default();
    }
    if !mentions_usage(data) {
        return false;
    }
    let Ok(found) = PATHS.with(|paths| json::find(data, paths)) else { return false };
    let last = |path| found.iter().rfind(|found| found.path == path);
    let has_usage = last(0).is_some_and(|usage| usage.kind == json::Kind::Object);
    let is_empty = last(1).is_some_and(|choices| choices.kind == json::Kind::Array) && last(2).is_none();
    has_usage && is_empty
}

/// Returns true if a document contains a text in quotes. Its first letter is searched for, because quotes are frequent.
fn contains_key(document: &[u8], key: &[u8]) -> bool {
    let Some(first) = key.first() else { return false };
    let mut start = 0;
    while let Some(at) = groups::position(document.get(start..).unwrap_or_default(), *first, *first) {
        let (before, rest) = document.split_at_checked(start + at).unwrap_or_default();
        if before.ends_with(b"\"") && rest.strip_prefix(key).is_some_and(|rest| rest.starts_with(b"\"")) {
            return true;
        }
        start += at + 1;
    }
    false
}

/// How many nested objects are distinguished: `$.response.usage.input_tokens_details.cached_tokens`.
const LEVELS: usize = 4;

/// The length of a key, number or name of a model that is read.
const MAX_TOKEN: usize = 256;

/// A key that is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Key {
    #[default]
    Other,
    Model,
    /// `response` in events of Responses, `message` in those of Messages.
    Envelope,
    Usage,
    Input,
    Output,
    Total,
    CacheRead,
    CacheWritten,
    Details,
    Cached,
    Reasoning,
}

impl Key {
    fn of(name: &str) -> Self {
        match name {
            "model" => Self::Model,
            "response" | "message" => Self::Envelope,
            "usage" => Self::Usage,
            "prompt_tokens" | "input_tokens" => Self::Input,
            "completion_tokens" | "output_tokens" => Self::Output,
            "total_tokens" => Self::Total,
            "cache_read_input_tokens" => Self::CacheRead,
            "cache_creation_input_tokens" => Self::CacheWritten,
            "prompt_tokens_details"
            | "input_tokens_details"
            | "completion_tokens_details"
            | "output_tokens_details" => Self::Details,
            "cached_tokens" => Self::Cached,
            "reasoning_tokens" => Self::Reasoning,
            _ => Self::Other,
        }
    }
}

/// A token that may continue in the next chunk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    Key,
    Text,
    Skipped,
    Number,
}

/// Reads a document in any chunks, in constant memory. Its grammar is not validated: the answer has been passed on, and one
/// that is not JSON has no usage.
#[derive(Debug, Default)]
struct Scanner {
    /// How many arrays and objects are open, and the current key in each of the outer ones.
    depth: usize,
    keys: [Key; LEVELS],
    is_object: [bool; LEVELS],
    expects_key: bool,
    token: Token,
    /// The previous byte of a string is a backslash.
    escaped: bool,
    captured: Vec<u8>,
    usage: Option<Usage>,
    model: Option<String>,
}

impl Scanner {
    fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        loop {
            rest = match self.token {
                Token::None => self.between(rest),
                Token::Number => self.number(rest),
                Token::Key | Token::Text | Token::Skipped => self.string(rest),
            };
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Reads up to the next token, and returns the rest.
    fn between<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        for (index, byte) in chunk.iter().enumerate() {
            match byte {
                b'"' => {
                    self.token = match () {
                        () if self.expects_key => Token::Key,
                        () if self.is_model() => Token::Text,
                        () => Token::Skipped,
                    };
                    self.captured.clear();
                    return chunk.get(index + 1..).unwrap_or_default();
                }
                b'{' | b'[' => self.open(*byte == b'{'),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.expects_key = false;
                }
                b',' => self.expects_key = self.is_in_object(),
                b':' => self.expects_key = false,
                b'0'..=b'9' | b'-' if self.field().is_some() => {
                    self.token = Token::Number;
                    self.captured.clear();
                    return chunk.get(index..).unwrap_or_default();
                }
                _ => {}
            }
        }
        b""
    }

    fn open(&mut self, is_object: bool) {
        // Of duplicate keys, the last counts, and each event reports all of its numbers at once.
        if is_object && self.is_usage() {
            self.usage = Some(Usage::default());
        }
        if let (Some(key), Some(kind)) = (self.keys.get_mut(self.depth), self.is_object.get_mut(self.depth)) {
            (*key, *kind) = (Key::Other, is_object);
        }
        self.depth += 1;
        self.expects_key = self.is_in_object();
    }

    /// Reads a string up to its end, and returns the rest.
    fn string<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let mut at = 0;
        if self.escaped && !chunk.is_empty() {
            self.escaped = false;
            at = 1;
        }
        loop {
            at += json::plain(chunk.get(at..).unwrap_or_default());
            match chunk.get(at) {
                Some(b'"') => {
                    self.capture(chunk.get(..at).unwrap_or_default());
                    self.end_string();
                    return chunk.get(at + 1..).unwrap_or_default();
                }
                Some(b'\\') => at += 2,
                Some(_) => at += 1,
                None => {
                    // A backslash at the end of the chunk.
                    self.escaped = at > chunk.len();
                    self.capture(chunk);
                    return b"";
                }
            }
        }
    }

    fn capture(&mut self, bytes: &[u8]) {
        if self.token != Token::Skipped && self.captured.len() <= MAX_TOKEN {
            let space = MAX_TOKEN + 1 - self.captured.len();
            self.captured.extend_from_slice(bytes.get(..space).unwrap_or(bytes));
        }
    }

    fn end_string(&mut self) {
        let token = std::mem::take(&mut self.token);
        if token == Token::Skipped {
            return;
        }
        let literal = [b"\"", self.captured.as_slice(), b"\""].concat();
        let text = json::decode(&literal).filter(|_| self.captured.len() <= MAX_TOKEN);
        match (token, text) {
            (Token::Text, Some(text)) => self.model = Some(text.into_owned()),
            (Token::Key, text) => {
                let key = text.map_or(Key::Other, |text| Key::of(&text));
                if let Some(current) = self.depth.checked_sub(1).and_then(|level| self.keys.get_mut(level)) {
                    *current = key;
                }
            }
            _ => {}
        }
    }

    fn number<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = chunk.iter().take_while(|byte| part(byte)).count();
        let (digits, rest) = chunk.split_at_checked(length).unwrap_or_default();
        self.capture(digits);
        if !rest.is_empty() {
            self.token = Token::None;
            let number = tokens(&self.captured);
            if let (Some(number), Some(field)) = (number, self.field()) {
                *field = number;
            }
        }
        rest
    }

    fn is_in_object(&self) -> bool {
        self.depth.checked_sub(1).and_then(|level| self.is_object.get(level)).copied().unwrap_or_default()
    }

    /// Returns the keys of the current value, without `response` or `message`.
    fn path(&self) -> &[Key] {
        let path = self.keys.get(..self.depth).unwrap_or_default();
        path.strip_prefix(&[Key::Envelope]).unwrap_or(path)
    }

    fn is_usage(&self) -> bool {
        self.path() == [Key::Usage]
    }

    fn is_model(&self) -> bool {
        self.path() == [Key::Model]
    }

    /// Returns the number of tokens that the current value is.
    fn field(&mut self) -> Option<&mut u64> {
        let [Key::Usage, path @ ..] = self.path() else { return None };
        let path = match path {
            [key] => (*key, Key::Other),
            [Key::Details, key] => (Key::Details, *key),
            _ => return None,
        };
        let usage = self.usage.as_mut()?;
        Some(match path {
            (Key::Input, _) => &mut usage.input,
            (Key::Output, _) => &mut usage.output,
            (Key::Total, _) => &mut usage.total,
            (Key::CacheRead, _) => &mut usage.cache_read,
            (Key::Details, Key::Cached) => &mut usage.cached,
            (Key::CacheWritten, _) => &mut usage.cache_written,
            (Key::Details, Key::Reasoning) => &mut usage.reasoning,
            _ => return None,
        })
    }
}

/// Parses a number of tokens, which some servers write as `12.0`.
fn tokens(number: &[u8]) -> Option<u64> {
    let number = str::from_utf8(number).ok()?;
    if let Ok(number) = number.parse() {
        return Some(number);
    }
    let number: f64 = number.parse().ok()?;
    (number >= 0.0 && number.is_finite()).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, answer: &str, chunk: usize) -> (Option<Usage>, Option<String>) {
        let mut reader = Answer::new(content_type.as_bytes()).unwrap();
        for chunk in answer.as_bytes().chunks(chunk.max(1)) {
            reader.push(chunk);
        }
        reader.finish();
        (reader.usage(), reader.model().map(str::to_owned))
    }

    fn usage(input: u64, output: u64, total: u64) -> Usage {
        Usage { input, output, total, processed: total, ..Usage::default() }
    }

    #[test]
    fn bodies_are_counted_in_any_chunks() {
        let chat = r#"{"id":"1","model":"gpt \"x\"","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":5} \\",
            "model":"no","usage":{"prompt_tokens":7}}}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,
            "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":3}}}"#;
        let chat_usage = Usage { cached: 4, reasoning: 3, ..usage(19, 10, 29) };
        let messages = r#"{"type":"message","content":[],"model":"claude","usage":{"input_tokens":2,"cache_creation":{"input_tokens":9},
            "cache_creation_input_tokens":5,"cache_read_input_tokens":6,"output_tokens":3}}"#;
        let messages_usage = Usage { cache_read: 6, cache_written: 5, processed: 16, ..usage(2, 3, 5) };
        let responses = r#"{"object":"response","model":"o","output":[],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":1},
            "output_tokens":87,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":123}}"#;
        let responses_usage = Usage { cached: 1, reasoning: 2, ..usage(36, 87, 123) };
        let both = r#"{"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"cache_read_input_tokens":6}}"#;
        let both_usage = Usage { cache_read: 6, ..usage(9, 3, 12) };
        let embeddings = r#"{"data":[{"embedding":[1,-2.5]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#;
        for (body, expected, model) in [
            (chat, Some(chat_usage), Some("gpt \"x\"")),
            (messages, Some(messages_usage), Some("claude")),
            (responses, Some(responses_usage), Some("o")),
            (both, Some(both_usage), None),
            (embeddings, Some(usage(8, 0, 8)), None),
            (
                r#"{"usage":{"prompt_tokens":1,"completion_tokens":9},"usage":{"prompt_tokens":2}}"#,
                Some(usage(2, 0, 2)),
                None,
            ),
            (
                r#"{"us\u0061ge":{"prompt_tokens":1e1,"completion_tokens":2.0,"total_tokens":-4}}"#,
                Some(usage(10, 2, 12)),
                None,
            ),
            (
                r#"{"usage":{"prompt_tokens":99999999999999999999,"completion_tokens":1}}"#,
                Some(usage(u64::MAX, 1, u64::MAX)),
                None,
            ),
            (r#"{"usage":null}"#, None, None),
            (r#"{"usage":[{"prompt_tokens":1}],"a":{"usage":{"prompt_tokens":1}}}"#, None, None),
            (r#"{"usage":{"prompt_tokens":"1"}}"#, Some(usage(0, 0, 0)), None),
            (r#"[{"usage":{"prompt_tokens":1}}]"#, None, None),
            (r#"{"usage":{"prompt_tokens":12"#, Some(usage(0, 0, 0)), None),
            (r#"}}]]{"usage":{"prompt_tokens":3,}"#, Some(usage(3, 0, 3)), None),
            ("", None, None),
        ] {
            for chunk in 1..=body.len().max(1) {
                let found = read("application/json", body, chunk);
                assert_eq!(found, (expected, model.map(str::to_owned)), "{body} in chunks of {chunk}");
            }
        }
        let nested = format!("{}{}{}", r#"{"a":"#, "[".repeat(100_000), r#"{"usage":{"prompt_tokens":1}}"#);
        assert_eq!(read("application/json", &nested, 1000).0, None);
        let long = format!(
            r#"{{"{}":1,"model":"{}","usage":{{"prompt_tokens":1}}}}"#,
            "k".repeat(999),
            "m".repeat(999)
        );
        assert_eq!(read("application/json", &long, 100), (Some(usage(1, 0, 1)), None));
    }

    #[test]
    fn events_are_counted_in_any_chunks() {
        let chat = "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\r\n\r\n: wait\r\n\r\n\
            data: {\"choices\":[],\r\ndata: \"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\r\n\r\n\
            data: [DONE]\r\n\r\n";
        let unfinished = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}";
        let messages = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"c\",\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n\
            event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"input_tokens\":0,\"output_tokens\":15}}\n\n";
        let responses = "event: response.created\ndata: {\"response\":{\"model\":\"o\",\"usage\":null}}\n\n\
            event: response.completed\ndata: {\"response\":{\"model\":\"o\",\"usage\":{\"input_tokens\":37,\"output_tokens\":11,\"total_tokens\":48}}}\n\n";
        for (stream, expected, model) in [
            (chat, Some(usage(9, 2, 11)), Some("m")),
            (unfinished, Some(usage(9, 2, 11)), None),
            (messages, Some(usage(25, 15, 40)), Some("c")),
            (responses, Some(usage(37, 11, 48)), Some("o")),
            ("data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\": 1\"}}]}\n\n", None, None),
            ("data: \"usage\"\n\ndata: {\"usage\"\n\n", None, None),
        ] {
            for chunk in 1..=stream.len() {
                let found = read("text/event-stream", stream, chunk);
                assert_eq!(found, (expected, model.map(str::to_owned)), "{stream} in chunks of {chunk}");
            }
        }
        assert!(Answer::new(b"text/html").is_none());
    }

    #[test]
    fn what_a_large_event_reports_is_read() {
        let start = r#"data: {"response":{"model":"o","instructions":""#;
        let long = "x".repeat(MAX_EVENT);
        let end = r#"","usage":{"input_tokens":300000,"output_tokens":"#;
        for (stream, output) in [
            (format!("data: 1\n\n{start}{long}{end}11}}}}}}\n\ndata: 2\n\n"), 11),
            (
                format!("{start}{long}\"}}}}\r\n\r\ndata: {{\"usage\":{{\"input_tokens\":300000}}}}\r\n\r\n"),
                0,
            ),
            (format!(": {long}{long}\ndata: {{\ndata: \"usage\":{{\"input_tokens\":300000}}}}\n: {long}"), 0),
            (format!("{start}{long}{end}12"), 0),
            (format!("{start}{long}{end}12}}}}}}"), 12),
        ] {
            for chunk in [1000, MAX_EVENT - 1, MAX_EVENT + start.len() + end.len() + 7, 4 * MAX_EVENT] {
                let (found, _) = read("text/event-stream", &stream, chunk);
                let expected = usage(300_000, output, 300_000 + output);
                assert_eq!(found, Some(expected), "{} in chunks of {chunk}", &stream[stream.len() - 60..]);
            }
        }
    }

    #[test]
    fn an_event_with_usage_alone_is_recognised() {
        for (data, is_alone) in [
            (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, true),
            (r#"{"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#, false),
            (r#"{"choices":[],"usage":null}"#, false),
            (r#"{"usage":{"prompt_tokens":1}}"#, false),
            (r#"{"choices":[]}"#, false),
            ("[DONE]", false),
        ] {
            assert_eq!(is_usage_event(data.as_bytes()), is_alone, "{data}");
        }
    }
}
