//! Where the texts of a document are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use config::{FieldError, NonEmptyString};
use text::json::{self, Indexes, JsonError, Kind, Match, Names, Paths};

use crate::shapes::{AROUND, Api, EVENT, Field, List, NO_TEXT, REQUEST, RESPONSE};

/// Which documents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The body of a request.
    Request,
    /// The body of a response.
    Response,
    /// The data of a server-sent event.
    Event,
}

/// The places of texts in one kind of document.
pub struct Places {
    paths: Paths,
    /// What each path is.
    what: Vec<What>,
}

/// What a path names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A text of an API; the same text goes on in the next event.
    Text(Field, Api),
    /// A text of an API in a list of parts, with its `type` beside it.
    Part(Api),
    PartType,
    /// A text that is whole in an event.
    Whole(Field, Api),
    /// What is inside of the input of a tool, the strings of which are texts.
    Inside(Api),
    /// A piece of the text that an event's `type` names.
    Deltas,
    /// Whether the answer is to be a stream.
    Stream,
    /// All of a choice, and why it ends.
    Choice,
    Finish,
    /// The number of a choice, an item or a tool's call.
    Number(List),
    /// The number of a text in its item.
    ContentIndex,
    /// The `type` of an event, which says what ends with it.
    Ends,
    /// What an event says once, and one made after its shape must not say again.
    Once,
    /// A text that the configuration names.
    Named(usize),
}

/// The text that a piece belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Which path of the configuration names it, or which text of an API it is.
    place: Place,
    /// The `index` of the choice or the item that it is in, which tells them apart wherever they stand in an event.
    choice: Option<usize>,
    /// Where a path names several, in the choice if it is in one.
    indexes: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Api(Field),
    Named(usize),
}

/// A text.
#[derive(Debug)]
pub struct Text {
    /// Its literal in the document.
    pub span: Range<usize>,
    pub key: Key,
    /// The API whose text it is.
    pub api: Option<Api>,
    /// Whether it goes on in the next event.
    pub goes_on: bool,
    /// Whether it is JSON in a text.
    pub is_json: bool,
}

/// What a document holds.
#[derive(Debug, Default)]
pub struct Contents {
    pub texts: Vec<Text>,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// The choices that end with this event, by their `index`.
    finished: Numbers,
    /// Whether all of them end.
    ends: bool,
    /// See [`What::Once`].
    pub once: Vec<Range<usize>>,
}

impl Key {
    /// The `index` of the choice, where it is a text of one.
    pub fn choice(&self) -> usize {
        self.choice.unwrap_or_default()
    }
}

impl Contents {
    /// Adds a text. They are found in their order, and what two paths name is one text: an API's rather than a named one.
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

    /// A choice ends.
    fn finish(&mut self, choice: usize) {
        *self.finished.at(List::Choices, Indexes::from_iter([choice])) = choice;
    }

    /// Whether nothing follows of this text.
    pub fn finishes(&self, key: &Key) -> bool {
        let is_finished = |choice| self.finished.get(List::Choices, Indexes::from_iter([choice])).is_some();
        self.ends || key.choice.is_some_and(is_finished)
    }
}

impl Places {
    /// Those of the APIs, if they are looked at, and those that the configuration names.
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
        let mut what: Vec<What> = fixed().map(|(_, what)| *what).collect();
        what.extend((0..named.len()).map(What::Named));
        let named: Vec<&str> = named.iter().map(|path| &**path).collect();
        let paths = Paths::default()
            .with(&paths, Names::AnyCase)
            .and_then(|paths| paths.with(&named, Names::Exact))
            .map_err(|error| FieldError::new("deny_jsonpath", error.to_string()))?;
        Ok(Self { paths, what })
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.what.is_empty()
    }

    /// Reads a document.
    pub fn read(&self, document: &[u8]) -> Result<Contents, JsonError> {
        let found = json::find(document, &self.paths)?;
        Ok(self.contents(document, &found))
    }

    /// Reads the document of a text that begins at a place, and says where it ends.
    pub fn read_at(&self, text: &str, from: usize) -> Result<(Contents, usize), JsonError> {
        let (found, end) = json::find_at(text, from, &self.paths)?;
        Ok((self.contents(text.as_bytes(), &found), end))
    }

    fn contents(&self, document: &[u8], found: &[Match]) -> Contents {
        let beside = self.beside(document, found);
        let mut contents = Contents { ends: beside.ends, ..Contents::default() };
        if beside.finishes {
            contents.finish(beside.number(List::Top, Indexes::default(), 0));
        }
        for value in found {
            let literal = document.get(value.span.clone()).unwrap_or_default();
            let Some(what) = self.what.get(value.path).copied() else { continue };
            let text = match what {
                What::Stream => {
                    contents.stream |= literal == b"true";
                    continue;
                }
                What::Once => {
                    contents.once.push(value.span.clone());
                    continue;
                }
                // Some models say `""` where a choice goes on.
                What::Finish if value.kind != Kind::Null && literal != b"\"\"" => {
                    contents.finish(beside.choice(value));
                    contents.once.push(value.span.clone());
                    continue;
                }
                _ if value.kind != Kind::String => continue,
                What::Text(field, api) => (Place::Api(field), Some(api), true),
                What::Part(api) if beside.is_text(value) => (Place::Api(Field::Content), Some(api), true),
                What::Deltas if beside.responses && beside.is_text_event => {
                    let field = if beside.is_json { Field::Arguments } else { Field::Content };
                    (Place::Api(field), Some(Api::Responses), true)
                }
                What::Whole(_, Api::Responses) if !beside.responses => continue,
                What::Whole(field, api) => (Place::Api(field), Some(api), false),
                What::Inside(api) => (Place::Api(Field::Content), Some(api), false),
                What::Named(index) => (Place::Named(index), None, true),
                _ => continue,
            };
            contents.push(beside.text(text, value));
        }
        contents
    }

    /// What stands beside texts, read once: looking for it at each text would make many texts cost their square.
    fn beside(&self, document: &[u8], found: &[Match]) -> Beside {
        let mut beside = Beside::default();
        for value in found {
            let literal = document.get(value.span.clone()).unwrap_or_default();
            match self.what.get(value.path) {
                Some(What::Choice) => beside.choices.push(value.span.clone()),
                Some(What::Number(list)) => {
                    if let Some(number) = number(literal) {
                        *beside.numbers.at(*list, value.indexes) = number;
                    }
                }
                Some(What::ContentIndex) => beside.content = number(literal).unwrap_or_default(),
                Some(What::PartType) if !says_text(document, value) => {
                    beside.others = true;
                    *beside.numbers.at(List::Parts, within(value)) = 0;
                }
                Some(What::Ends) => beside.event(&json::decode(literal).unwrap_or_default()),
                _ => {}
            }
        }
        // Most documents have only texts, and need nothing noted of them.
        if beside.others {
            let is_type = |value: &&Match| self.what.get(value.path) == Some(&What::PartType);
            for value in found.iter().filter(is_type).filter(|value| says_text(document, value)) {
                *beside.numbers.at(List::Parts, within(value)) = 1;
            }
        }
        beside
    }
}

/// What stands beside the texts of a document.
#[derive(Default)]
struct Beside {
    /// Where choices are, in order.
    choices: Vec<Range<usize>>,
    /// The numbers of choices, items and calls, and whether a part may be a text: 1, or 0.
    numbers: Numbers,
    /// Whether any part says that it is something else.
    others: bool,
    /// The number of the text in its item.
    content: usize,
    /// Whether it is an event of OpenAI's responses; whether its piece is one of JSON, or not one of sound.
    responses: bool,
    is_json: bool,
    is_text_event: bool,
    /// Whether the event ends its item, or all of them.
    finishes: bool,
    ends: bool,
}

/// Numbers by their place. All that is looked up in a document is one, so that there is one map's code in the module.
#[derive(Debug, Default)]
struct Numbers(BTreeMap<(List, Indexes), usize>);

impl Numbers {
    /// The one at a place, to be set: 0 where there is none.
    fn at(&mut self, list: List, place: Indexes) -> &mut usize {
        self.0.entry((list, place)).or_default()
    }

    fn get(&self, list: List, place: Indexes) -> Option<usize> {
        self.0.get(&(list, place)).copied()
    }
}

/// The place of the object that a value is in. Indexes would not tell a part from that of a list with the same name.
fn within(value: &Match) -> Indexes {
    Indexes::from_iter([value.within])
}

/// Whether the `type` of a part does not say that it is something else than a text.
fn says_text(document: &[u8], value: &Match) -> bool {
    let kind = document.get(value.span.clone()).and_then(json::decode);
    if kind.is_none_or(|kind| !NO_TEXT.contains(&&*kind)) {
        return true;
    }
    // A server that compares names exactly does not see `Type`, and may take the part for a text.
    let before = document.get(..value.span.start).unwrap_or_default().trim_ascii_end();
    let name = before.strip_suffix(b":").map(<[u8]>::trim_ascii_end);
    !name.is_some_and(|name| name.ends_with(b"\"type\""))
}

/// A number as it is written.
fn number(literal: &[u8]) -> Option<usize> {
    std::str::from_utf8(literal).ok()?.parse().ok()
}

impl Beside {
    /// Notes the type of an event.
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

    /// The `index` of the choice that a value is in, or its place where it has none.
    fn choice(&self, value: &Match) -> usize {
        let place = value.indexes.first().copied().unwrap_or_default();
        self.number(List::Choices, Indexes::from_iter([place]), place)
    }

    /// The text that a value is.
    fn text(&self, (place, api, goes_on): (Place, Option<Api>, bool), value: &Match) -> Text {
        let key = match place {
            Place::Api(field) => self.key(field, api.unwrap_or_default(), value),
            Place::Named(path) => self.named(path, value),
        };
        let is_json = matches!(place, Place::Api(field) if field.is_json());
        Text { span: value.span.clone(), key, api, goes_on, is_json }
    }

    /// The text of an API that a value belongs to.
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
        Key { place: Place::Api(field), choice: Some(choice), indexes: vec![within] }
    }

    /// The text that a value belongs to which the configuration names.
    fn named(&self, path: usize, value: &Match) -> Key {
        let before = self.choices.partition_point(|choice| choice.start <= value.span.start);
        let choice = before.checked_sub(1).and_then(|place| self.choices.get(place));
        let is_inside = choice.is_some_and(|choice| value.span.end <= choice.end);
        let inner = usize::from(is_inside);
        Key {
            place: Place::Named(path),
            choice: is_inside.then(|| self.choice(value)),
            indexes: value.indexes.get(inner..).unwrap_or_default().to_vec(),
        }
    }

    /// Whether a part does not say that it is something else than a text.
    fn is_text(&self, part: &Match) -> bool {
        !self.others || self.numbers.get(List::Parts, within(part)) != Some(0)
    }
}

/// The text of a literal.
pub fn decode<'d>(document: &'d [u8], span: &Range<usize>) -> Cow<'d, str> {
    document.get(span.clone()).and_then(json::decode).unwrap_or_default()
}
