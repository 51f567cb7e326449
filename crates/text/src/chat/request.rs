//! Requests to models, read in place.

use std::borrow::Cow;

use crate::json::{self, DotPath, JsonError, Kind, Match, Paths, edit};

pub use crate::json::edit::Edited;

/// What a request says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The model. `None` without one, or if it is not a string.
    pub model: Option<String>,
    /// True if the client wants events.
    pub stream: bool,
    /// True if the client wants an event with `usage` (`stream_options.include_usage`).
    pub include_usage: bool,
}

impl Request {
    /// Reads a complete body. Unknown fields are ignored; of duplicate keys, the last counts.
    ///
    /// # Errors
    ///
    /// The body is not valid JSON.
    pub fn read(body: &[u8]) -> Result<Self, JsonError> {
        Self::read_with_stream(body).map(|(request, _)| request)
    }

    /// Reads a complete body, and returns also whether a server may take its `stream` for true.
    fn read_with_stream(body: &[u8]) -> Result<(Self, bool), JsonError> {
        thread_local! {
            static PATHS: Paths =
                Paths::new(&["$.model", "$.stream", "$.stream_options", "$.stream_options.include_usage"])
                    .unwrap_or_default();
        }
        let found = PATHS.with(|paths| json::find(body, paths))?;
        let last = |path| found.iter().rfind(|found| found.path == path);
        let literal = |found: &Match| body.get(found.span.clone()).unwrap_or_default();
        let is_true = |found: &&Match| literal(found) == b"true";
        let options = last(2).map(|options| options.span.start);
        let include = last(3).filter(|include| Some(include.within) == options);
        let request = Self {
            model: last(0).and_then(|model| json::decode(literal(model))).map(Cow::into_owned),
            stream: last(1).filter(is_true).is_some(),
            include_usage: include.filter(is_true).is_some(),
        };
        let is_false = |found: &Match| matches!(literal(found), b"false" | b"null");
        Ok((request, last(1).is_some_and(|stream| !is_false(stream))))
    }
}

/// Asks the server for an event with `usage` at the end of a stream of Chat Completions or Completions, which other APIs send
/// anyway. Returns `None` if the client does not want a stream, or has asked itself. Some servers take `1` and `"true"` for
/// true, so only a `stream` that is missing, `false` or `null` wants none.
///
/// # Errors
///
/// The body is not valid JSON.
pub fn ask_for_usage(body: &[u8]) -> Edited {
    thread_local! {
        static OPTIONS: Option<DotPath> = DotPath::parse("stream_options").ok();
        static INCLUDE: Option<DotPath> = DotPath::parse("stream_options.include_usage").ok();
    }
    let (request, may_stream) = Request::read_with_stream(body)?;
    if !may_stream || request.include_usage {
        return Ok(None);
    }
    let options = OPTIONS.with(|path| path.as_ref().map_or(Ok(None), |path| edit::get(body, path)))?;
    let is_object = options.is_some_and(|options| options.starts_with(b"{"));
    // What is not an object, such as `null`, is replaced.
    let (path, value) = match is_object {
        true => (&INCLUDE, &b"true"[..]),
        false => (&OPTIONS, &br#"{"include_usage":true}"#[..]),
    };
    path.with(|path| path.as_ref().map_or(Ok(None), |path| edit::set(body, path, value)))
}

/// Paths to texts and, after them, to values that are texts as they are written.
struct Texts {
    paths: Paths,
    texts: usize,
}

impl Texts {
    fn new(texts: &[&str], written: &[&str]) -> Self {
        let paths = Paths::new(&[texts, written].concat()).unwrap_or_default();
        Self { paths, texts: texts.len() }
    }

    fn read<'d>(&self, document: &'d [u8]) -> Result<Vec<Cow<'d, str>>, JsonError> {
        let found = json::find(document, &self.paths)?;
        let text = |found: &Match| {
            let literal = document.get(found.span.clone()).unwrap_or_default();
            match found.kind {
                Kind::String => json::decode(literal),
                Kind::Object | Kind::Array if found.path >= self.texts => {
                    str::from_utf8(literal).ok().map(Cow::Borrowed)
                }
                _ => None,
            }
        };
        Ok(found.iter().filter_map(text).collect())
    }
}

/// Returns the texts of a prompt: those of messages of all roles, and of tools. Images and other files have none. Texts under
/// duplicate keys are all returned.
///
/// # Errors
///
/// The body is not valid JSON.
pub fn prompt(body: &[u8]) -> Result<Vec<Cow<'_, str>>, JsonError> {
    thread_local! {
        static TEXTS: Texts = Texts::new(
            &[
                "$.messages[*]['content','reasoning_content']",
                "$.messages[*].content[*]['text','thinking']",
                "$.messages[*].content[*].content",
                "$.messages[*].content[*].content[*].text",
                "$.messages[*].tool_calls[*].function['name','arguments']",
                "$['system','instructions','input','prompt']",
                "$['system','input','prompt'][*]",
                "$.system[*].text",
                "$.input[*]['content','output','arguments']",
                "$.input[*]['content','output'][*].text",
            ],
            &["$.messages[*].content[*].input", "$.tools"],
        );
    }
    TEXTS.with(|texts| texts.read(body))
}

/// Returns the last text of the user: of the last message with the role `user` in Chat Completions and Messages, or of the
/// input of Responses. If the message has parts, it is the last one that is a text.
///
/// # Errors
///
/// The body is not valid JSON.
pub fn last_user_text(body: &[u8]) -> Result<Option<Cow<'_, str>>, JsonError> {
    thread_local! {
        static PATHS: Paths = Paths::new(&[
            "$['messages','input']",
            "$['messages','input'][*].role",
            "$['messages','input'][*].content",
            "$['messages','input'][*].content[*].text",
        ])
        .unwrap_or_default();
    }
    let found = PATHS.with(|paths| json::find(body, paths))?;
    let text = |found: &Match| json::decode(body.get(found.span.clone()).unwrap_or_default());
    let Some(list) = found.iter().rfind(|found| found.path == 0) else { return Ok(None) };
    if list.kind == Kind::String {
        return Ok(text(list));
    }
    // Entries of an earlier list with the same key are before the last one.
    let found = found.iter().filter(|found| list.span.contains(&found.span.start));
    let is_user = |found: &&Match| found.path == 1 && text(found).as_deref() == Some("user");
    let Some(message) = found.clone().rfind(is_user) else { return Ok(None) };
    let of_message = |found: &&Match| found.indexes.first() == message.indexes.first();
    let mut texts = found.filter(|found| found.path >= 2 && found.kind == Kind::String);
    Ok(texts.rfind(of_message).and_then(text))
}

/// Returns the texts that a model wrote, in a complete body or in the data of an event: the answer, reasoning, and calls of
/// tools. Events that repeat earlier ones have none.
///
/// # Errors
///
/// The document is not valid JSON. The same applies to `[DONE]`.
pub fn output(document: &[u8]) -> Result<Vec<Cow<'_, str>>, JsonError> {
    thread_local! {
        static TEXTS: Texts = Texts::new(
            &[
                "$.choices[*]['message','delta']['content','reasoning_content','reasoning','refusal']",
                "$.choices[*]['message','delta'].content[*].text",
                "$.choices[*]['message','delta'].tool_calls[*].function['name','arguments']",
                "$.choices[*].text",
                "$.content[*]['text','thinking']",
                "$.delta",
                "$.delta['text','thinking','partial_json']",
                "$.output[*].content[*].text",
                "$.output[*].summary[*].text",
                "$.output[*]['name','arguments']",
            ],
            &["$.content[*].input"],
        );
    }
    TEXTS.with(|texts| texts.read(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_the_last_of_duplicate_keys_counts() {
        let read = |body: &str| {
            Request::read(body.as_bytes())
                .map(|request| (request.model.unwrap_or_default(), request.stream, request.include_usage))
        };
        for (body, model, stream, include) in [
            (r#"{}"#, "", false, false),
            (r#"[]"#, "", false, false),
            (r#"{"model":"a","stream":true,"stream_options":{"include_usage":true}}"#, "a", true, true),
            (r#"{"mod\u0065l":"a","model":"\u0062","stream":true,"stream":false}"#, "b", false, false),
            (r#"{"model":1,"stream":"true","messages":[{"model":"a"}]}"#, "", false, false),
            (r#"{"model":"a","model":null}"#, "", false, false),
            (r#"{"stream_options":{"include_usage":true},"stream_options":{}}"#, "", false, false),
            (r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#, "", false, false),
        ] {
            assert_eq!(read(body), Ok((model.to_owned(), stream, include)), "{body}");
        }
        for body in ["", "{", r#"{"model":"a"}}"#, "model=a"] {
            assert!(read(body).is_err(), "{body}");
        }
    }

    #[test]
    fn usage_is_asked_for_in_streams_only() {
        let asked =
            |body: &str| ask_for_usage(body.as_bytes()).unwrap().map(|body| String::from_utf8(body).unwrap());
        for body in [
            "{}",
            r#"{"stream":false}"#,
            r#"{"stream":null}"#,
            r#"{"stream":1,"stream":false}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        ] {
            assert_eq!(asked(body), None, "{body}");
        }
        for (body, expected) in [
            (r#"{"stream":true}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
            (r#"{"stream":1}"#, r#"{"stream":1,"stream_options":{"include_usage":true}}"#),
            (r#"{"stream":"true"}"#, r#"{"stream":"true","stream_options":{"include_usage":true}}"#),
            (
                r#"{"stream":true, "stream_options": null}"#,
                r#"{"stream":true, "stream_options": {"include_usage":true}}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"a":1}}"#,
                r#"{"stream":true,"stream_options":{"a":1,"include_usage":true}}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_usage":0}}"#,
                r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
        ] {
            assert_eq!(asked(body).as_deref(), Some(expected), "{body}");
        }
        assert!(ask_for_usage(b"{").is_err());
    }

    #[test]
    fn the_last_text_of_the_user() {
        for (body, text) in [
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"content":"c","role":"user"},{"role":"system","content":"d"}]}"#,
                Some("c"),
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"\u0062"},{"type":"image_url","image_url":{"url":"x"}}]}]}"#,
                Some("b"),
            ),
            (
                r#"{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"b"},{"role":"tool","content":"c"}]}"#,
                Some("b"),
            ),
            (r#"{"messages":[{"role":"user","content":"a"}],"messages":[]}"#, None),
            (r#"{"input":"a"}"#, Some("a")),
            (r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]}]}"#, Some("a")),
            (r#"{"messages":[{"role":"user","content":null}]}"#, None),
            (r#"{"messages":[{"role":"system","content":"a"}]}"#, None),
            (r#"{"messages":{"role":"user","content":"a"}}"#, None),
            ("{}", None),
        ] {
            assert_eq!(last_user_text(body.as_bytes()).unwrap().as_deref(), text, "{body}");
        }
        assert!(last_user_text(b"{").is_err());
    }

    #[test]
    fn texts_of_all_apis() {
        for (body, texts) in [
            (
                r#"{"messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b\n"},
                  {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
                  {"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}],"tools":[1]}"#,
                vec!["a", "b\n", "f", "{}", "[1]"],
            ),
            (
                r#"{"system":[{"text":"a"}],"messages":[{"content":[{"type":"tool_use","input":{"x":1}},
                  {"type":"tool_result","content":"b"},{"type":"tool_result","content":[{"text":"c"}]}]}]}"#,
                vec!["a", r#"{"x":1}"#, "b", "c"],
            ),
            (
                r#"{"instructions":"a","input":[{"content":"b"},{"content":[{"text":"c"}]}]}"#,
                vec!["a", "b", "c"],
            ),
            (r#"{"input":["a","b"]}"#, vec!["a", "b"]),
            (r#"{"input":[1,2],"prompt":"a"}"#, vec!["a"]),
            (r#"{"model":"m"}"#, vec![]),
        ] {
            assert_eq!(prompt(body.as_bytes()).unwrap(), texts, "{body}");
        }
        for (document, texts) in [
            (
                r#"{"choices":[{"message":{"content":"a","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}"#,
                vec!["a", "f", "{}"],
            ),
            (r#"{"choices":[{"delta":{"content":"a"}},{"text":"b"}]}"#, vec!["a", "b"]),
            (r#"{"content":[{"text":"a"},{"type":"tool_use","input":{}}]}"#, vec!["a", "{}"]),
            (r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#, vec!["a"]),
            (r#"{"type":"response.output_text.delta","delta":"a"}"#, vec!["a"]),
            (r#"{"type":"response.output_text.done","text":"a"}"#, vec![]),
            (r#"{"type":"response.completed","response":{"output":[{"content":[{"text":"a"}]}]}}"#, vec![]),
            (r#"{"output":[{"content":[{"text":"a"}]}]}"#, vec!["a"]),
        ] {
            assert_eq!(output(document.as_bytes()).unwrap(), texts, "{document}");
        }
        assert!(output(b"[DONE]").is_err());
    }
}
