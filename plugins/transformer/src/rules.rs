//! The changes of a message.

use std::borrow::Cow;

use text::json;
use text::json::edit;
use text::pairs::Pairs;

use crate::config::{Action, Name, Part, Step, Value, ValueType, encode};

/// A body that can be changed.
pub enum Document<'m> {
    /// There is none, or it is changed later.
    Absent,
    /// JSON.
    Json(Cow<'m, [u8]>),
    /// A form.
    Form(Pairs<'m>),
}

impl<'m> Document<'m> {
    /// Reads a body. JSON is validated by whatever reads or changes it; nothing changes if it is not valid.
    pub fn read(kind: Kind, body: &'m [u8]) -> Self {
        match kind {
            Kind::Json => Self::Json(Cow::Borrowed(body)),
            Kind::Form => Self::Form(Pairs::form(body)),
        }
    }

    /// Returns the new body, if it has changed.
    pub fn changed(self) -> Option<Vec<u8>> {
        match self {
            Self::Json(Cow::Owned(body)) => Some(body),
            Self::Form(form) if form.is_changed() => Some(form.to_form()),
            _ => None,
        }
    }
}

/// The format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
}

impl Kind {
    /// The format of a content type, if it can be changed.
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let media = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let media = media.trim_ascii().to_ascii_lowercase();
        let is_json =
            media == b"application/json" || (media.starts_with(b"application/") && media.ends_with(b"+json"));
        if is_json {
            Some(Self::Json)
        } else {
            (media == b"application/x-www-form-urlencoded").then_some(Self::Form)
        }
    }
}

/// A message, and the request's host and path, which patterns match.
pub struct Message<'m> {
    /// Its headers.
    pub headers: Pairs<'m>,
    /// The query of a request.
    pub query: Pairs<'m>,
    /// Its body.
    pub body: Document<'m>,
    /// The host of the request.
    pub host: &'m [u8],
    /// The path of the request, with its query.
    pub path: &'m [u8],
}

/// Values that are copied to the body later, each with the number of its step.
pub type Captured = Vec<(usize, Vec<Vec<u8>>)>;

/// The part of a message that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its headers; the body comes later.
    Headers,
    /// Its body; the headers have been sent.
    Body,
    /// Both.
    Whole,
}

/// Changes a message. `captured` receives values in the phase of the headers, for that of the body.
pub fn run(steps: &[Step], phase: Phase, message: &mut Message<'_>, captured: &mut Captured) {
    for (index, step) in steps.iter().enumerate() {
        match (phase, step.target) {
            (Phase::Body, Part::Headers | Part::Querys) => continue,
            (Phase::Headers, Part::Body) => {
                if let Action::Map(source @ (Part::Headers | Part::Querys), from, _) = &step.action {
                    captured.push((index, values(message, *source, from)));
                }
                continue;
            }
            _ => {}
        }
        let copied = match &step.action {
            Action::Map(Part::Body, ..) if step.target == Part::Body => Vec::new(),
            Action::Map(source, from, _) => match captured.iter_mut().find(|(known, _)| *known == index) {
                Some((_, values)) => std::mem::take(values),
                None => values(message, *source, from),
            },
            _ => Vec::new(),
        };
        let Message { headers, query, body, host, path } = message;
        let expand = |value: &Value| value.expand(host, path);
        match (step.target, body) {
            (Part::Headers, _) => change_pairs(headers, &step.action, copied, expand, is_header_value),
            (Part::Querys, _) => change_pairs(query, &step.action, copied, expand, |_| true),
            (Part::Body, Document::Form(form)) => change_form(form, &step.action, copied, expand),
            (Part::Body, Document::Json(document)) => {
                if let Some(new) = change_json(document, &step.action, &copied, expand) {
                    *document = Cow::Owned(new);
                }
            }
            (Part::Body, Document::Absent) => {}
        }
    }
}

/// A line break would end the header.
fn is_header_value(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

/// Returns the values of a name in a part of a message.
fn values(message: &Message<'_>, part: Part, name: &Name) -> Vec<Vec<u8>> {
    let all = |pairs: &Pairs<'_>| pairs.values(&name.plain).map(<[u8]>::to_vec).collect();
    match (part, &message.body) {
        (Part::Headers, _) => all(&message.headers),
        (Part::Querys, _) => all(&message.query),
        (Part::Body, Document::Form(form)) => all(form),
        (Part::Body, Document::Json(document)) => {
            let value = name.path.as_ref().and_then(|path| edit::get(document, path).ok().flatten());
            value.map(|value| text_of(&value)).into_iter().collect()
        }
        (Part::Body, Document::Absent) => Vec::new(),
    }
}

/// Returns the text of a JSON value: that of a string, or the value as it is written.
fn text_of(value: &[u8]) -> Vec<u8> {
    json::decode(value).map_or_else(|| value.to_vec(), |text| text.into_owned().into_bytes())
}

fn change_form(
    form: &mut Pairs<'_>,
    action: &Action,
    copied: Vec<Vec<u8>>,
    expand: impl Fn(&Value) -> Option<Vec<u8>>,
) {
    let copied = match action {
        Action::Map(Part::Body, from, _) => form.values(&from.plain).map(<[u8]>::to_vec).collect(),
        _ => copied,
    };
    change_pairs(form, action, copied, expand, |_| true);
}

/// Changes headers or parameters. Values that are not `valid` there are not set.
fn change_pairs(
    pairs: &mut Pairs<'_>,
    action: &Action,
    copied: Vec<Vec<u8>>,
    expand: impl Fn(&Value) -> Option<Vec<u8>>,
    valid: impl Fn(&[u8]) -> bool,
) {
    let expand = |value| expand(value).filter(|value| valid(value));
    match action {
        Action::Remove(name) => pairs.remove(&name.plain),
        Action::Rename(from, to) => pairs.rename(&from.plain, &to.plain),
        Action::Replace(name, value, _) => {
            if let Some(value) = expand(value) {
                pairs.set(&name.plain, &value);
            }
        }
        Action::Add(name, value, _) => {
            if let Some(value) = expand(value).filter(|_| !pairs.contains(&name.plain)) {
                pairs.append(&name.plain, &value);
            }
        }
        Action::Append(name, value, _) => {
            if let Some(value) = expand(value) {
                pairs.append(&name.plain, &value);
            }
        }
        Action::Map(_, _, to) => {
            if !copied.is_empty() && copied.iter().all(|value| valid(value)) {
                pairs.set_all(&to.plain, copied);
            }
        }
        Action::Dedupe(name, strategy) => {
            pairs.dedupe(&name.plain, strategy.retain());
            let part = pairs.values(&name.plain).next().and_then(|value| strategy.part(value));
            if let Some(part) = part.map(<[u8]>::to_vec) {
                pairs.set(&name.plain, &part);
            }
        }
    }
}

/// Returns a document after a change, or `None` if it stays as it is.
fn change_json(
    document: &[u8],
    action: &Action,
    copied: &[Vec<u8>],
    expand: impl Fn(&Value) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let path = |name: &Name| name.path.clone();
    let value = |value: &Value, kind: ValueType| {
        let value = expand(value)?;
        // A value with groups of a pattern is known only now.
        encode(&value, kind).or_else(|| encode(&value, ValueType::String))
    };
    let edited = match action {
        Action::Remove(name) => edit::remove(document, &path(name)?),
        Action::Rename(from, to) => edit::rename(document, &path(from)?, &path(to)?),
        Action::Replace(name, new, kind) => edit::set(document, &path(name)?, &value(new, *kind)?),
        Action::Add(name, new, kind) => edit::insert(document, &path(name)?, &value(new, *kind)?),
        Action::Append(name, new, kind) => edit::append(document, &path(name)?, &value(new, *kind)?),
        Action::Map(Part::Body, from, to) => {
            let value = edit::get(document, &path(from)?).ok().flatten()?;
            edit::set(document, &path(to)?, &value)
        }
        Action::Map(_, _, to) => {
            let texts = copied.iter().filter_map(|text| encode(text, ValueType::String)).collect::<Vec<_>>();
            let value = match texts.as_slice() {
                [] => return None,
                [one] => one.clone(),
                _ => [b"[", texts.join(b",".as_slice()).as_slice(), b"]"].concat(),
            };
            edit::set(document, &path(to)?, &value)
        }
        Action::Dedupe(name, strategy) => {
            let path = path(name)?;
            let reduced = edit::dedupe(document, &path, strategy.retain()).ok().flatten();
            let reduced_document = reduced.as_deref().unwrap_or(document);
            let value = edit::get(reduced_document, &path).ok().flatten();
            let text = value.as_deref().and_then(json::decode);
            match text.as_deref().and_then(|text| strategy.part(text.as_bytes())) {
                Some(part) => {
                    let part = encode(part, ValueType::String)?;
                    return edit::set(reduced_document, &path, &part).ok().flatten().or(reduced);
                }
                None => return reduced,
            }
        }
    };
    edited.ok().flatten()
}
