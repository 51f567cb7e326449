//! Where the texts of a document are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use config::{FieldError, NonEmptyString};
use text::json::{self, Found, JsonError, Kind, Paths};

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
enum What {
    /// A text of OpenAI's API; in a list of parts, with its `type` beside it.
    Content,
    Part,
    PartType,
    /// A text of an event that is whole.
    Whole,
    /// Whether the answer is to be a stream.
    Stream,
    /// All of a choice, its number, and why it ends.
    Choice,
    Number,
    Finish,
    /// What an event says once, and one made after its shape must not say again.
    Once,
    /// A text that the configuration names.
    Named(usize),
}

const REQUEST: &[(&str, What)] = &[
    ("$.messages[*].content", What::Content),
    ("$.messages[*].content[*].text", What::Part),
    ("$.messages[*].content[*].type", What::PartType),
    ("$.stream", What::Stream),
];
const RESPONSE: &[(&str, What)] = &[
    ("$.choices[*].message.content", What::Content),
    ("$.choices[*].message.content[*].text", What::Part),
    ("$.choices[*].message.content[*].type", What::PartType),
];
const EVENT: &[(&str, What)] = &[
    ("$.choices[*].delta.content", What::Content),
    ("$.choices[*].delta.content[*].text", What::Part),
    ("$.choices[*].delta.content[*].type", What::PartType),
    ("$.choices[*].message.content", What::Whole),
];
/// What is around the texts of an event, those too that the configuration names.
const AROUND: &[(&str, What)] = &[
    ("$.choices[*]", What::Choice),
    ("$.choices[*].index", What::Number),
    ("$.choices[*].finish_reason", What::Finish),
    ("$.choices[*].delta.tool_calls", What::Once),
    ("$.choices[*].delta.function_call", What::Once),
    ("$.choices[*].delta.refusal", What::Once),
    ("$.choices[*].delta.reasoning_content", What::Once),
    ("$.usage", What::Once),
];

/// The text that a piece belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Which path of the configuration names it; none for a text of OpenAI's API.
    named: Option<usize>,
    /// The `index` of the choice that it is in, which tells choices apart wherever they stand in an event.
    choice: Option<usize>,
    /// Where a path names several, in the choice if it is in one.
    indexes: Vec<usize>,
}

/// A text.
#[derive(Debug)]
pub struct Text {
    /// Its literal in the document.
    pub span: Range<usize>,
    pub key: Key,
    /// Whether it is one of OpenAI's API.
    pub openai: bool,
    /// Whether it goes on in the next event.
    pub goes_on: bool,
}

/// What a document holds.
#[derive(Debug, Default)]
pub struct Contents {
    pub texts: Vec<Text>,
    /// Whether the answer is to be a stream.
    pub stream: bool,
    /// The choices that end with this event, by their `index`.
    finished: BTreeSet<usize>,
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
    /// Whether nothing follows of this text.
    pub fn finishes(&self, key: &Key) -> bool {
        key.choice.is_some_and(|choice| self.finished.contains(&choice))
    }
}

impl Places {
    /// Those of OpenAI's API, if they are looked at, and those that the configuration names.
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
        let mut paths: Vec<&str> = fixed().map(|(path, _)| *path).collect();
        let mut what: Vec<What> = fixed().map(|(_, what)| *what).collect();
        for (index, path) in named.iter().enumerate() {
            paths.push(path);
            what.push(What::Named(index));
        }
        let paths =
            Paths::new(&paths).map_err(|error| FieldError::new("deny_jsonpath", error.to_string()))?;
        Ok(Self { paths, what })
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.what.is_empty()
    }

    /// Reads a document.
    pub fn read(&self, document: &[u8]) -> Result<Contents, JsonError> {
        let found = json::find(document, &self.paths)?;
        let what = |found: &Found| self.what.get(found.path).copied();
        let beside = self.beside(document, &found);
        let mut contents = Contents::default();
        for value in &found {
            let literal = document.get(value.span.clone()).unwrap_or_default();
            match what(value) {
                Some(What::Stream) => contents.stream |= literal == b"true",
                Some(What::Once) => contents.once.push(value.span.clone()),
                Some(What::Finish) if value.kind != Kind::Null => {
                    contents.finished.insert(beside.number(value));
                    contents.once.push(value.span.clone());
                }
                Some(What::Content | What::Whole) if value.kind == Kind::String => {
                    let goes_on = what(value) == Some(What::Content);
                    let key = beside.openai(value);
                    contents.texts.push(Text { span: value.span.clone(), key, openai: true, goes_on });
                }
                Some(What::Part) if value.kind == Kind::String && beside.is_text(value) => {
                    let key = beside.openai(value);
                    contents.texts.push(Text { span: value.span.clone(), key, openai: true, goes_on: true });
                }
                Some(What::Named(index)) if value.kind == Kind::String => {
                    let key = beside.named(index, value);
                    contents.texts.push(Text { span: value.span.clone(), key, openai: false, goes_on: true });
                }
                _ => {}
            }
        }
        // What two paths name is one text, and OpenAI's before a named one.
        contents.texts.sort_by_key(|text| (text.span.start, !text.openai));
        contents.texts.dedup_by_key(|text| text.span.start);
        Ok(contents)
    }

    /// What stands beside texts, read once: looking for it at each text would make many texts cost their square.
    fn beside<'f>(&self, document: &[u8], found: &'f [Found]) -> Beside<'f> {
        let mut beside = Beside::default();
        for value in found {
            let literal = document.get(value.span.clone()).unwrap_or_default();
            match self.what.get(value.path) {
                Some(What::Choice) => beside.choices.push(value.span.clone()),
                Some(What::Number) if value.kind == Kind::Number => {
                    let number = std::str::from_utf8(literal).ok().and_then(|number| number.parse().ok());
                    beside.numbers.extend(value.indexes.first().copied().zip(number));
                }
                Some(What::PartType) => {
                    let is_text = json::decode(literal).is_some_and(|kind| kind == "text");
                    *beside.parts.entry(&value.indexes).or_default() |= is_text;
                }
                _ => {}
            }
        }
        beside
    }
}

/// What stands beside the texts of a document.
#[derive(Default)]
struct Beside<'f> {
    /// Where choices are, in order.
    choices: Vec<Range<usize>>,
    /// The `index` of choices, by their place.
    numbers: BTreeMap<usize, usize>,
    /// Whether a part says that it is a text, by its place.
    parts: BTreeMap<&'f [usize], bool>,
}

impl Beside<'_> {
    /// The `index` of the choice that a value is in, or its place where it has none.
    fn number(&self, value: &Found) -> usize {
        let place = value.indexes.first().copied().unwrap_or_default();
        self.numbers.get(&place).copied().unwrap_or(place)
    }

    /// The text of OpenAI's API that a value belongs to.
    fn openai(&self, value: &Found) -> Key {
        Key { named: None, choice: Some(self.number(value)), indexes: Vec::new() }
    }

    /// The text that a value belongs to which the configuration names.
    fn named(&self, path: usize, value: &Found) -> Key {
        let before = self.choices.partition_point(|choice| choice.start <= value.span.start);
        let choice = before.checked_sub(1).and_then(|place| self.choices.get(place));
        let is_inside = choice.is_some_and(|choice| value.span.end <= choice.end);
        let inner = usize::from(is_inside);
        Key {
            named: Some(path),
            choice: is_inside.then(|| self.number(value)),
            indexes: value.indexes.get(inner..).unwrap_or_default().to_vec(),
        }
    }

    /// Whether a part is one of type text, or does not say what it is.
    fn is_text(&self, part: &Found) -> bool {
        self.parts.get(part.indexes.as_slice()).copied().unwrap_or(true)
    }
}

/// What a body is.
#[derive(Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    /// Something else, in which no path finds anything.
    Other,
    /// What some readers take for JSON, and this one does not.
    Unreadable,
}

/// What a body is, by its first bytes: its content type is the sender's word alone.
pub fn form(body: &[u8]) -> Form {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match (first, body) {
        (Some(b'{' | b'['), _) if !body.iter().take(4).any(|byte| *byte == 0) => Form::Json,
        // UTF-16 and UTF-32, and UTF-8 with a mark.
        (_, [0xef, 0xbb, 0xbf, ..] | [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) => Form::Unreadable,
        (_, [0, ..] | [_, 0, ..]) => Form::Unreadable,
        _ => Form::Other,
    }
}

/// The text of a literal.
pub fn decode<'d>(document: &'d [u8], span: &Range<usize>) -> Cow<'d, str> {
    document.get(span.clone()).and_then(json::decode).unwrap_or_default()
}
