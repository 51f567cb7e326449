//! Requests to models and their answers: OpenAI's Chat Completions, Completions, Embeddings and Responses, and Anthropic's
//! Messages.
//!
//! | question | answer |
//! |---|---|
//! | Is this a request to a model, and of which API? | [`Api::of`] |
//! | Which model, and does the client want a stream? | [`Request::read`] |
//! | How is the model changed, in JSON and in forms? | [`ModelKey`], [`ModelForm`] |
//! | What is the prompt? | [`prompt`], [`last_user_text`] |
//! | How many tokens did the server count? | [`Answer`] for whole answers in any chunks, [`Tally`] for single events |
//! | How many tokens have flowed, also without a report? | [`Meter`], with an [`Estimate`] |
//! | What did the model write? | [`output`] |
//! | Where are the texts, to change them in place, also across events? | [`texts`] |
//!
//! ```
//! use text::chat::{Answer, Api, Request};
//!
//! assert_eq!(Api::of(b"/openai/v1/chat/completions?api-version=1"), Some(Api::Chat));
//! let request = Request::read(br#"{"model": "small", "stream": true, "messages": []}"#)?;
//! assert_eq!((request.model.as_deref(), request.stream), (Some("small"), true));
//!
//! let mut answer = Answer::new(b"text/event-stream").ok_or("events")?;
//! answer.push(b"data: {\"choices\": [{\"delta\": {\"content\": \"Hi\"}}]}\n\n");
//! answer.push(b"data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 9, \"comple");
//! answer.push(b"tion_tokens\": 2}}\n\ndata: [DONE]\n\n");
//! answer.finish();
//! let usage = answer.usage().ok_or("usage")?;
//! assert_eq!((usage.input, usage.output, usage.total), (9, 2, 11));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Duplicate keys.** The last value counts, as in most servers (Python, JavaScript, Go, Java). A plug-in that decides by a
//! value which the client may have written twice removes the others with [`edit::keep_last`](crate::json::edit::keep_last) or
//! [`edit::set_last`](crate::json::edit::set_last), so that the upstream reads the same whichever it uses.

mod estimate;
mod meter;
mod model;
mod request;
mod shapes;
pub mod texts;
mod usage;

pub use estimate::Estimate;
pub use meter::Meter;
pub use model::{
    MODEL_PATHS, ModelForm, ModelKey, begins_object, has_suffix, may_be_json, may_begin_object, model_paths,
    reads_json, token_paths, without_bom,
};
pub use request::{Edited, Request, ask_for_usage, last_user_text, output, prompt};
pub use usage::{Answer, Tally, Usage, VARYING, is_usage_event, mentions_usage};

use std::borrow::Cow;

use crate::{percent, query};

/// An API of models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// OpenAI's Chat Completions, which most servers and clients speak.
    #[default]
    Chat,
    /// OpenAI's older Completions.
    Completions,
    /// OpenAI's Embeddings.
    Embeddings,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

impl Api {
    /// Returns the API of a path, with or without a query, by its last segments: gateways and servers differ in what is
    /// before them. Spellings that some servers read as the same path are the same, see [`path_ends_with`].
    ///
    /// The content type is not considered: many servers accept JSON with any, so it would let clients choose whether they are
    /// counted. See [`is_json`].
    #[must_use]
    pub fn of(path: &[u8]) -> Option<Self> {
        const SUFFIXES: [(&str, Api); 5] = [
            ("/chat/completions", Api::Chat),
            ("/completions", Api::Completions),
            ("/embeddings", Api::Embeddings),
            ("/responses", Api::Responses),
            ("/messages", Api::Messages),
        ];
        let path = Spellings::new(path);
        SUFFIXES.iter().find(|(suffix, _)| path.end_with(suffix)).map(|(_, api)| *api)
    }
}

/// Returns true if a path, without its query, ends with a suffix. What some servers ignore does not matter, because clients
/// could choose by it whether a plug-in sees their request: percent-encoding, case, trailing and repeated slashes,
/// backslashes instead of slashes, segments of dots, and parameters of segments (`;v=1`).
#[must_use]
pub fn path_ends_with(path: &[u8], suffix: &str) -> bool {
    Spellings::new(path).end_with(suffix)
}

/// A path without its query, decoded, and as the most lenient server reads it.
struct Spellings<'a> {
    decoded: Cow<'a, [u8]>,
    /// Without a slash at its end. `None` if it is the same.
    folded: Option<Vec<u8>>,
}

impl<'a> Spellings<'a> {
    fn new(path: &'a [u8]) -> Self {
        let decoded = percent::decode(query::split(path).0);
        // Most paths have one spelling, and are not copied.
        let mut before = b'/';
        let is_plain = decoded.first() == Some(&b'/')
            && decoded.get(1..).unwrap_or_default().iter().all(|byte| {
                let begins = std::mem::replace(&mut before, *byte) == b'/';
                !(begins && matches!(byte, b'/' | b'.') || matches!(byte, b';' | b'\\' | b'A'..=b'Z'))
            })
            && before != b'/';
        let folded = if is_plain { None } else { Some(fold(&decoded)) };
        Self { decoded, folded }
    }

    fn end_with(&self, suffix: &str) -> bool {
        if self.decoded.ends_with(suffix.as_bytes()) {
            return true;
        }
        let folded = self.folded.as_deref().unwrap_or(&self.decoded);
        let rest = folded.len().checked_sub(suffix.len()).and_then(|start| folded.get(start..));
        if rest.is_some_and(|rest| rest.eq_ignore_ascii_case(suffix.as_bytes())) {
            return true;
        }
        let end = self.decoded.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        self.folded.is_some() && self.decoded.get(..end).is_some_and(|path| path.ends_with(suffix.as_bytes()))
    }
}

fn fold(path: &[u8]) -> Vec<u8> {
    let mut folded = Vec::with_capacity(path.len());
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => folded.truncate(folded.iter().rposition(|byte| *byte == b'/').unwrap_or(0)),
            name => {
                folded.push(b'/');
                folded.extend(name.iter().map(u8::to_ascii_lowercase));
            }
        }
    }
    folded
}

/// Returns true if a content type is JSON.
#[must_use]
pub fn is_json(content_type: &[u8]) -> bool {
    let media = media_type(content_type);
    let (kind, rest) = media.split_at_checked(b"application/".len()).unwrap_or_default();
    let ends = rest.len().checked_sub(b"+json".len()).and_then(|start| rest.get(start..));
    kind.eq_ignore_ascii_case(b"application/")
        && (rest.eq_ignore_ascii_case(b"json") || ends.is_some_and(|end| end.eq_ignore_ascii_case(b"+json")))
}

/// Returns true if a content type is server-sent events.
#[must_use]
pub fn is_events(content_type: &[u8]) -> bool {
    media_type(content_type).eq_ignore_ascii_case(b"text/event-stream")
}

/// Returns the media type of a content type, without parameters, as it is written.
#[must_use]
pub fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segments_of_a_path_determine_the_api() {
        for (path, api) in [
            ("/v1/chat/completions", Some(Api::Chat)),
            ("/chat/completions?a=/v1/messages", Some(Api::Chat)),
            ("/openai/deployments/x/completions?api-version=1", Some(Api::Completions)),
            ("/v1/embeddings/", Some(Api::Embeddings)),
            ("/v1/respons%65s//", Some(Api::Responses)),
            ("/anthropic/v1/messages", Some(Api::Messages)),
            ("/v1//chat///completions", Some(Api::Chat)),
            ("/v1/chat/completions;x=/a", None),
            ("/v1/chat/completions;x=1", Some(Api::Chat)),
            ("/v1/chat;a/completions;/;x", Some(Api::Chat)),
            ("/v1/chat/completions%3bx", Some(Api::Chat)),
            ("/v1/Chat/COMPLETIONS", Some(Api::Chat)),
            ("/v1/chat\\completions", Some(Api::Chat)),
            ("\\v1%5cembeddings\\", Some(Api::Embeddings)),
            ("/v1/chat/./completions/.", Some(Api::Chat)),
            ("/v1/messages/x/..;/", Some(Api::Messages)),
            ("/v1/messages/../models", None),
            ("/../messages", Some(Api::Messages)),
            ("/v1/messages/count_tokens", None),
            ("/v1/xcompletions", None),
            ("/v1/models", None),
            ("/", None),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(Api::of(path.as_bytes()), api, "{path}");
        }
        assert!(path_ends_with(b"/a/", "/a/") && path_ends_with(b"/a/b", "b") && path_ends_with(b"/", ""));
        assert!(path_ends_with(b"/v1//A/b", "/a/B") && !path_ends_with(b"/b", "/a/b"));
        assert!(
            path_ends_with(b"/a;b", "/a;b") && path_ends_with(b"//a", "//a"),
            "suffixes as they are written"
        );
    }

    #[test]
    fn content_types() {
        for (text, json, events) in [
            ("application/json", true, false),
            ("Application/JSON ;charset=utf-8", true, false),
            ("application/vnd.api+json", true, false),
            ("application/jsonl", false, false),
            ("application/", false, false),
            ("text/json", false, false),
            ("text/event-stream; charset=utf-8", false, true),
            ("", false, false),
        ] {
            assert_eq!((is_json(text.as_bytes()), is_events(text.as_bytes())), (json, events), "{text}");
        }
    }
}
