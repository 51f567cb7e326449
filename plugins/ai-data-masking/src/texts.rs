//! The texts of a document.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use config::{FieldError, NonEmptyString};
use text::json::{self, Indexes, JsonError, Kind, Match, Names, Paths};

use crate::shapes::{AROUND, Api, EVENT, Field, List, OTHER_PARTS, REQUEST, RESPONSE};

/// The kind of a document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The body of a request.
    Request,
    /// The body of a response.
    Response,
    /// The data of a server-sent event.
    Event,
}

/// The paths of texts in a kind of document.
pub struct TextPaths {
    paths: Paths,
    /// The kind of each path.
    kinds: Vec<PathKind>,
}

/// The kind of value that a path selects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
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
#[derive(Debug)]
pub struct Text {
    /// Position of its literal in the document.
    pub span: Range<usize>,
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
    pub texts: Vec<Text>,
    /// True if the document requests a stream.
    pub stream: bool,
    /// Choices that end with this event, by their `index`.
    finished: Numbers,
    /// True if all choices end.
    ends: bool,
    /// See [`PathKind::Once`].
    pub once: Vec<Range<usize>>,
}

impl Key {
    /// Returns the `index` of the choice, or 0.
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
    pub fn finishes(&self, key: &Key) -> bool {
        let is_finished = |choice| self.finished.get(List::Choices, Indexes::from_iter([choice])).is_some();
        self.ends || key.choice.is_some_and(is_finished)
    }
}

impl TextPaths {
    /// Compiles the paths of the APIs, if `openai` is true, and of the configuration.
    pub fn new(document: Document, openai: bool, named: &[NonEmptyString]) -> Result<Self, FieldError> {
        for (index, path) in named.iter().enumerate() {
            Paths::new(&[&**path])
                .map_err(|error| FieldError::in_list("deny_jsonpath", index, error.to_string()))?;
        }
        let fixed = match document {
            _ if !openai => &[],
            Document::Request => REQUEST,
            Document::Response => RESPONSE,
            Document::Event => EVENT,
        };
        let around = match document {
            Document::Event if openai || !named.is_empty() => AROUND,
            _ => &[],
        };
        let fixed = || fixed.iter().chain(around);
        let paths: Vec<&str> = fixed().map(|(path, _)| *path).collect();
        let mut kinds: Vec<PathKind> = fixed().map(|(_, kind)| *kind).collect();
        kinds.extend((0..named.len()).map(PathKind::Selected));
        let named: Vec<&str> = named.iter().map(|path| &**path).collect();
        let paths = Paths::default()
            .with(&paths, Names::AnyCase)
            .and_then(|paths| paths.with(&named, Names::Exact))
            .map_err(|error| FieldError::new("deny_jsonpath", error.to_string()))?;
        Ok(Self { paths, kinds })
    }

    /// Returns true if there are any paths.
    pub fn any(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Parses a document.
    pub fn read(&self, document: &[u8]) -> Result<Contents, JsonError> {
        let found = json::find(document, &self.paths)?;
        Ok(self.contents(document, &found))
    }

    /// Parses the document at a position of a text. Returns its end as well.
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
    std::str::from_utf8(literal).ok()?.parse().ok()
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
            (Api::Chat, _) => (self.choice(value), 0),
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
pub fn decode<'d>(document: &'d [u8], span: &Range<usize>) -> Cow<'d, str> {
    document.get(span.clone()).and_then(json::decode).unwrap_or_default()
}
