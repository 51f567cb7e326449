//! The texts of a document with their positions, for plug-ins that change them in place: of requests, whole answers and
//! events. A text of a stream continues in later events, so it has a [`Key`] that identifies it.
//!
//! ```
//! use text::chat::texts::{Document, TextPaths, decode};
//!
//! let paths = TextPaths::new(Document::Event, true, &[])?;
//! let first = paths.read(br#"{"choices": [{"index": 1, "delta": {"content": "Hel"}}]}"#)?;
//! let event = br#"{"choices": [{"index": 1, "delta": {"content": "lo"}, "finish_reason": "stop"}]}"#;
//! let second = paths.read(event)?;
//! let (first, text) = (first.texts.first().ok_or("a text")?, second.texts.first().ok_or("a text")?);
//! assert!(first.key == text.key && second.finishes(&text.key));
//! assert_eq!(decode(event, &text.span), "lo");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::Api;
use super::shapes::{AROUND, EVENT, Field, List, OTHER_PARTS, REQUEST, RESPONSE};
use crate::json::{self, Indexes, JsonError, Kind, Match, Names, PathError, Paths};

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The body of a request.
    Request,
    /// The body of a response.
    Response,
    /// The data of a server-sent event.
    Event,
}

/// The paths of texts in a kind of document.
#[derive(Debug)]
pub struct TextPaths {
    paths: Paths,
    /// The kind of each path.
    kinds: Vec<PathKind>,
}

/// The kind of value that a path selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathKind {
    /// A text of an API, which continues in the next event.
    Text(Field, Api),
    /// A text of an API in a list of parts, next to its `type`.
    Part(Api),
    PartType,
    /// A text that is complete in an event.
    Whole(Field, Api),
    /// Values inside the input of a tool, whose strings are texts.
    Inside(Api),
    /// A fragment of the text identified by the `type` of an event.
    Deltas,
    /// True to request a stream.
    Stream,
    /// A choice.
    Choice,
    /// The reason that a choice ends.
    Finish,
    /// The index of a choice, an item or a tool call.
    Number(List),
    /// The index of a text in its item.
    ContentIndex,
    /// The `type` of an event, which determines what ends with it.
    Ends,
    /// A value that must not be repeated in an event generated from this one.
    Once,
    /// A text selected by the configuration.
    Selected(usize),
}

/// Identifies the text that a fragment belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The text of an API, or the path of the configuration.
    origin: Origin,
    /// The `index` of its choice or item.
    choice: Option<usize>,
    /// Indexes of the value, relative to its choice if it is in one.
    indexes: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Api(Field),
    Selected(usize),
}

/// A text in a document.
#[derive(Debug, Clone)]
pub struct Text {
    /// Position of its literal in the document.
    pub span: Range<usize>,
    /// Identifies the text in a stream.
    pub key: Key,
    /// The API that it belongs to.
    pub api: Option<Api>,
    /// True if it continues in the next event.
    pub continues: bool,
    /// True if the text is JSON.
    pub is_json: bool,
}

/// The contents of a document.
#[derive(Debug, Default)]
pub struct Contents {
    /// The texts, in order.
    pub texts: Vec<Text>,
    /// True if the document requests a stream.
    pub stream: bool,
    /// Choices that end with this event, by their `index`.
    finished: Numbers,
    /// True if all choices end.
    ends: bool,
    /// Values that must not be repeated in an event generated from this one, such as the reason that a choice ends.
    pub once: Vec<Range<usize>>,
}

impl Key {
    /// Returns the `index` of the choice, or 0.
    #[must_use]
    pub fn choice(&self) -> usize {
        self.choice.unwrap_or_default()
    }
}

impl Contents {
    /// Adds a text. Texts are found in order. A text selected by two paths is one text, preferably of an API.
    fn push(&mut self, text: Text) {
        match self.texts.last_mut() {
            Some(last) if last.span.start == text.span.start => {
                if last.api.is_none() && text.api.is_some() {
                    *last = text;
                }
            }
            _ => self.texts.push(text),
        }
    }

    /// Records the end of a choice.
    fn finish(&mut self, choice: usize) {
        *self.finished.at(List::Choices, Indexes::from_iter([choice])) = choice;
    }

    /// Returns true if the text ends with this document.
    #[must_use]
    pub fn finishes(&self, key: &Key) -> bool {
        let is_finished = |choice| self.finished.get(List::Choices, Indexes::from_iter([choice])).is_some();
        self.ends || key.choice.is_some_and(is_finished)
    }

    /// Returns true if a text may end with this document.
    #[must_use]
    pub fn finishes_any(&self) -> bool {
        self.ends || !self.finished.0.is_empty()
    }
}

impl TextPaths {
    /// Compiles the paths of the APIs, if `apis` is true, and of other strings that are `selected`.
    ///
    /// # Errors
    ///
    /// An error of a selected path, or of their number.
    pub fn new(document: Document, apis: bool, selected: &[&str]) -> Result<Self, PathError> {
        let fixed = match document {
            _ if !apis => &[],
            Document::Request => REQUEST,
            Document::Response => RESPONSE,
            Document::Event => EVENT,
        };
        let around = match document {
            Document::Event if apis || !selected.is_empty() => AROUND,
            _ => &[],
        };
        let fixed = || fixed.iter().chain(around);
        let paths: Vec<&str> = fixed().map(|(path, _)| *path).collect();
        let mut kinds: Vec<PathKind> = fixed().map(|(_, kind)| *kind).collect();
        kinds.extend((0..selected.len()).map(PathKind::Selected));
        let paths = Paths::default().with(&paths, Names::AnyCase)?.with(selected, Names::Exact)?;
        Ok(Self { paths, kinds })
    }

    /// Returns true if there are any paths.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Parses a document.
    ///
    /// # Errors
    ///
    /// The document is not valid JSON.
    pub fn read(&self, document: &[u8]) -> Result<Contents, JsonError> {
        let found = json::find(document, &self.paths)?;
        Ok(self.contents(document, &found))
    }

    /// Parses the document at a position of a text. Returns its end as well.
    ///
    /// # Errors
    ///
    /// The document is not valid JSON.
    pub fn read_at(&self, text: &str, from: usize) -> Result<(Contents, usize), JsonError> {
        let (found, end) = json::find_at(text, from, &self.paths)?;
        Ok((self.contents(text.as_bytes(), &found), end))
    }

    fn contents(&self, document: &[u8], found: &[Match]) -> Contents {
        let siblings = self.siblings(document, found);
        let mut contents = Contents { ends: siblings.ends, ..Contents::default() };
        if siblings.finishes {
            contents.finish(siblings.number(List::Top, Indexes::default(), 0));
        }
        for value in found {
            let literal = document.get(value.span.clone()).unwrap_or_default();
            let Some(kind) = self.kinds.get(value.path).copied() else { continue };
            let text = match kind {
                PathKind::Stream => {
                    contents.stream |= literal == b"true";
                    continue;
                }
                PathKind::Once => {
                    contents.once.push(value.span.clone());
                    continue;
                }
                // Some models send `""` if a choice continues.
                PathKind::Finish if value.kind != Kind::Null && literal != b"\"\"" => {
                    contents.finish(siblings.choice(value));
                    contents.once.push(value.span.clone());
                    continue;
                }
                _ if value.kind != Kind::String => continue,
                PathKind::Text(field, api) => (Origin::Api(field), Some(api), true),
                PathKind::Part(api) if siblings.is_text(value) => {
                    (Origin::Api(Field::Content), Some(api), true)
                }
                PathKind::Deltas if siblings.responses && siblings.is_text_event => {
                    let field = if siblings.is_json { Field::Arguments } else { Field::Content };
                    (Origin::Api(field), Some(Api::Responses), true)
                }
                PathKind::Whole(_, Api::Responses) if !siblings.responses => continue,
                PathKind::Whole(field, api) => (Origin::Api(field), Some(api), false),
                PathKind::Inside(api) => (Origin::Api(Field::Content), Some(api), false),
                PathKind::Selected(index) => (Origin::Selected(index), None, true),
                _ => continue,
            };
            contents.push(siblings.text(text, value));
        }
        contents
    }

    /// Collects the values next to texts once. Searching for them at each text would take quadratic time.
    fn siblings(&self, document: &[u8], found: &[Match]) -> Siblings {
        let mut siblings = Siblings::default();
        for value in found {
            let literal = document.get(value.span.clone()).unwrap_or_default();
            match self.kinds.get(value.path) {
                Some(PathKind::Choice) => siblings.choices.push(value.span.clone()),
                Some(PathKind::Number(list)) => {
                    if let Some(number) = number(literal) {
                        *siblings.numbers.at(*list, value.indexes) = number;
                    }
                }
                Some(PathKind::ContentIndex) => siblings.content = number(literal).unwrap_or_default(),
                Some(PathKind::PartType) if !may_be_text(document, value) => {
                    siblings.others = true;
                    *siblings.numbers.at(List::Parts, within(value)) = 0;
                }
                Some(PathKind::Ends) => siblings.event(&json::decode(literal).unwrap_or_default()),
                _ => {}
            }
        }
        // Most documents have only text parts, which need no entries.
        if siblings.others {
            let is_type = |value: &&Match| self.kinds.get(value.path) == Some(&PathKind::PartType);
            for value in found.iter().filter(is_type).filter(|value| may_be_text(document, value)) {
                *siblings.numbers.at(List::Parts, within(value)) = 1;
            }
        }
        siblings
    }
}

/// Values next to the texts of a document.
#[derive(Default)]
struct Siblings {
    /// Positions of choices, in order.
    choices: Vec<Range<usize>>,
    /// Indexes of choices, items and calls; 1 for a part that may be a text, otherwise 0.
    numbers: Numbers,
    /// True if any part is not a text.
    others: bool,
    /// The index of the text in its item.
    content: usize,
    /// True for events of OpenAI's Responses API; for fragments of JSON; for fragments that are not audio.
    responses: bool,
    is_json: bool,
    is_text_event: bool,
    /// True if the event ends its item, or all items.
    finishes: bool,
    ends: bool,
}

/// Numbers by position. A single map type for all lookups keeps the module small.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<(List, Indexes), usize>);

impl Numbers {
    /// Returns the entry of a position, initially 0.
    fn at(&mut self, list: List, place: Indexes) -> &mut usize {
        self.0.entry((list, place)).or_default()
    }

    fn get(&self, list: List, place: Indexes) -> Option<usize> {
        self.0.get(&(list, place)).copied()
    }
}

/// Returns the position of the object that contains a value. Indexes are ambiguous for lists of the same name.
fn within(value: &Match) -> Indexes {
    Indexes::from_iter([value.within])
}

/// Returns true unless the `type` of a part identifies something other than a text.
fn may_be_text(document: &[u8], value: &Match) -> bool {
    let kind = document.get(value.span.clone()).and_then(json::decode);
    if kind.is_none_or(|kind| !OTHER_PARTS.contains(&&*kind)) {
        return true;
    }
    // A server with case-sensitive names ignores `Type` and may treat the part as a text.
    let before = document.get(..value.span.start).unwrap_or_default().trim_ascii_end();
    let name = before.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    !name.is_some_and(|name| name.ends_with(b"\"type\""))
}

/// Parses a number.
fn number(literal: &[u8]) -> Option<usize> {
    str::from_utf8(literal).ok()?.parse().ok()
}

impl Siblings {
    /// Records the type of an event.
    fn event(&mut self, kind: &str) {
        self.responses |= kind.starts_with("response.");
        self.is_json |= kind.contains("arguments");
        self.is_text_event |= !kind.contains("audio.delta");
        self.finishes |= kind == "content_block_stop" || kind.ends_with(".done");
        self.ends |= matches!(
            kind,
            "message_delta"
                | "message_stop"
                | "response.completed"
                | "response.incomplete"
                | "response.failed"
        );
    }

    fn number(&self, list: List, place: Indexes, otherwise: usize) -> usize {
        self.numbers.get(list, place).unwrap_or(otherwise)
    }

    /// Returns the `index` of the choice that contains a value, or its position in the list.
    fn choice(&self, value: &Match) -> usize {
        let place = value.indexes.first().copied().unwrap_or_default();
        self.number(List::Choices, Indexes::from_iter([place]), place)
    }

    /// Creates the text of a value.
    fn text(&self, (origin, api, continues): (Origin, Option<Api>, bool), value: &Match) -> Text {
        let key = match origin {
            Origin::Api(field) => self.key(field, api.unwrap_or_default(), value),
            Origin::Selected(path) => self.selected(path, value),
        };
        let is_json = matches!(origin, Origin::Api(field) if field.is_json());
        Text { span: value.span.clone(), key, api, continues, is_json }
    }

    /// Identifies the text of an API.
    fn key(&self, field: Field, api: Api, value: &Match) -> Key {
        let second = || value.indexes.get(1).copied().unwrap_or_default();
        let (choice, within) = match (api, field) {
            (Api::Chat, Field::Arguments) => {
                (self.choice(value), self.number(List::Tools, value.indexes, second()))
            }
            (Api::Chat, Field::Details | Field::Summaries) => (self.choice(value), second()),
            (Api::Chat | Api::Completions | Api::Embeddings, _) => (self.choice(value), 0),
            (Api::Messages | Api::Responses, _) => {
                (self.number(List::Top, Indexes::default(), 0), self.content)
            }
        };
        Key { origin: Origin::Api(field), choice: Some(choice), indexes: vec![within] }
    }

    /// Identifies a text selected by the configuration.
    fn selected(&self, path: usize, value: &Match) -> Key {
        let before = self.choices.partition_point(|choice| choice.start <= value.span.start);
        let choice = before.checked_sub(1).and_then(|place| self.choices.get(place));
        let is_inside = choice.is_some_and(|choice| value.span.end <= choice.end);
        let inner = usize::from(is_inside);
        Key {
            origin: Origin::Selected(path),
            choice: is_inside.then(|| self.choice(value)),
            indexes: value.indexes.get(inner..).unwrap_or_default().to_vec(),
        }
    }

    /// Returns true unless a part is something other than a text.
    fn is_text(&self, part: &Match) -> bool {
        !self.others || self.numbers.get(List::Parts, within(part)) != Some(0)
    }
}

/// Decodes a literal.
#[must_use]
pub fn decode<'d>(document: &'d [u8], span: &Range<usize>) -> Cow<'d, str> {
    document.get(span.clone()).and_then(json::decode).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the texts of a document, and whether each continues.
    fn read(kind: Document, selected: &[&str], document: &str) -> Vec<(String, bool)> {
        let contents = TextPaths::new(kind, true, selected).unwrap().read(document.as_bytes()).unwrap();
        let text = |text: &Text| {
            (decode(document.as_bytes(), &text.span).into_owned(), text.continues && !text.is_json)
        };
        contents.texts.iter().map(text).collect()
    }

    #[test]
    fn texts_of_requests_and_answers() {
        for (kind, document, texts) in [
            (
                Document::Request,
                r#"{"model": "m", "messages": [{"role": "user", "Content": "\u0061"}, {"content": [{"type": "text", "text": "b"},
                  {"type": "image_url", "text": "data:"}, {"type": "tool_use", "input": {"x": ["c"]}}]},
                  {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]}"#,
                &["a", "b", "c", "{}"][..],
            ),
            (Document::Request, r#"{"system": [{"text": "a"}], "input": [{"content": "b"}]}"#, &["a", "b"]),
            (
                Document::Response,
                r#"{"choices": [{"message": {"content": "a", "reasoning": "b"}}]}"#,
                &["a", "b"],
            ),
            (
                Document::Response,
                r#"{"content": [{"text": "a"}], "output": [{"content": [{"text": "b"}]}]}"#,
                &["a", "b"],
            ),
            (Document::Event, r#"{"type": "response.output_text.delta", "delta": "a"}"#, &["a"]),
            (Document::Event, r#"{"type": "response.audio.delta", "delta": "a"}"#, &[]),
            (Document::Event, r#"{"type": "content_block_delta", "delta": {"text": "a"}}"#, &["a"]),
        ] {
            let found: Vec<String> = read(kind, &[], document).into_iter().map(|(text, _)| text).collect();
            assert_eq!(found, texts, "{document}");
        }
        assert_eq!(read(Document::Response, &["$.a"], r#"{"a": "x"}"#), [("x".to_owned(), true)]);
        assert!(TextPaths::new(Document::Request, true, &["a"]).is_err());
        assert!(!TextPaths::new(Document::Event, false, &[]).unwrap().any());
        let paths = TextPaths::new(Document::Request, true, &[]).unwrap();
        assert!(paths.any() && paths.read(b"{").is_err());
        assert!(paths.read(br#"{"stream": true}"#).unwrap().stream);
    }

    #[test]
    fn fragments_of_a_text_have_its_key_in_every_event() {
        let paths = TextPaths::new(Document::Event, true, &[]).unwrap();
        let key = |event: &str| paths.read(event.as_bytes()).unwrap().texts.first().unwrap().key.clone();
        for (first, other, is_same) in [
            (
                r#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"index":0},{"index":1,"delta":{"content":"b"}}]}"#,
                true,
            ),
            (
                r#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#,
                r#"{"choices":[{"index":1,"delta":{"reasoning":"b"}}]}"#,
                false,
            ),
            (
                r#"{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"a"}}]}}]}"#,
                r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"a"}}]}}]}"#,
                false,
            ),
            (
                r#"{"type":"content_block_delta","index":1,"delta":{"text":"a"}}"#,
                r#"{"type":"content_block_delta","index":2,"delta":{"text":"a"}}"#,
                false,
            ),
            (
                r#"{"type":"response.output_text.delta","output_index":0,"content_index":1,"delta":"a"}"#,
                r#"{"type":"response.output_text.delta","output_index":0,"content_index":1,"delta":"b"}"#,
                true,
            ),
        ] {
            assert_eq!(key(first) == key(other), is_same, "{first} {other}");
        }
        let text = key(r#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#);
        assert_eq!(text.choice(), 1);
        for (event, finishes) in [
            (r#"{"choices":[{"index":1,"finish_reason":"stop"}]}"#, true),
            (r#"{"choices":[{"index":1,"finish_reason":""}]}"#, false),
            (r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#, false),
            (r#"{"type":"message_stop"}"#, true),
            (r#"{"type":"content_block_stop","index":1}"#, true),
            (r#"{"type":"content_block_stop","index":0}"#, false),
        ] {
            assert_eq!(paths.read(event.as_bytes()).unwrap().finishes(&text), finishes, "{event}");
        }
    }
}
