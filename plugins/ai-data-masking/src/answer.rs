//! What a client gets in the place of what is denied.

use config::{HeaderValue, StatusCode};
use sdk::Reply;
use text::{json, sse};

use crate::shapes::Api;

/// The answers of a configuration.
pub struct Answers {
    pub status: StatusCode,
    pub message: String,
    pub raw_message: String,
    pub raw_content_type: HeaderValue,
}

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// As a model answers.
    Completion(Api),
    /// As a model answers in a stream, in the choice, block or item of this index.
    Stream(Api, usize),
    /// `deny_raw_message`.
    Raw,
}

/// Why, and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    pub shape: Shape,
    /// The field whose word it is.
    pub cause: &'static str,
}

impl Answers {
    /// The whole answer.
    pub fn reply(&self, denial: Denial, details: &'static str) -> Reply {
        let content_type: &[u8] = match denial.shape {
            Shape::Completion(_) => b"application/json",
            Shape::Stream(..) => b"text/event-stream",
            Shape::Raw => self.raw_content_type.as_ref(),
        };
        Reply::new(self.status)
            .details(details)
            .cause(denial.cause)
            .header("content-type", content_type)
            .body(self.body(denial.shape))
    }

    /// Its body.
    pub fn body(&self, shape: Shape) -> Vec<u8> {
        let message = json::encode(&self.message);
        match shape {
            Shape::Completion(Api::Chat) => format!(
                r#"{{"id":"chatcmpl-denied","object":"chat.completion","created":0,"model":"ai-data-masking","choices":[{{"index":0,"message":{{"role":"assistant","content":{message}}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}}}"#
            )
            .into(),
            Shape::Completion(Api::Messages) => message_of(&text_block(&message), "\"end_turn\"").into(),
            Shape::Completion(Api::Responses) => response_of("completed", &item("completed", &part(&message))).into(),
            Shape::Stream(Api::Chat, index) => {
                let data = format!(
                    r#"{{"id":"chatcmpl-denied","object":"chat.completion.chunk","created":0,"model":"ai-data-masking","choices":[{{"index":{index},"delta":{{"role":"assistant","content":{message}}},"logprobs":null,"finish_reason":"stop"}}]}}"#
                );
                [sse::event(data.as_bytes()), sse::event(b"[DONE]")].concat()
            }
            Shape::Stream(Api::Messages, index) => messages_stream(&message, index),
            Shape::Stream(Api::Responses, index) => responses_stream(&message, index),
            Shape::Raw => self.raw_message.clone().into(),
        }
    }
}

/// Anthropic's block of a text.
fn text_block(message: &str) -> String {
    format!(r#"{{"type":"text","text":{message}}}"#)
}

/// Anthropic's message.
fn message_of(content: &str, stop_reason: &str) -> String {
    format!(
        r#"{{"id":"msg_denied","type":"message","role":"assistant","model":"ai-data-masking","content":[{content}],"stop_reason":{stop_reason},"stop_sequence":null,"usage":{{"input_tokens":0,"output_tokens":0}}}}"#
    )
}

/// Events that each say their type in front of their data, and in them.
fn typed<const N: usize>(events: [(&str, String); N]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (kind, rest) in events {
        let data = format!(r#"{{"type":"{kind}"{rest}}}"#);
        stream.extend(sse::named_event(Some(kind.as_bytes()), data.as_bytes()));
    }
    stream
}

/// The message as a stream of Anthropic's API: as a whole one, since a client starts anew at `message_start`.
fn messages_stream(message: &str, index: usize) -> Vec<u8> {
    typed([
        ("message_start", format!(r#","message":{}"#, message_of("", "null"))),
        ("content_block_start", format!(r#","index":{index},"content_block":{{"type":"text","text":""}}"#)),
        (
            "content_block_delta",
            format!(r#","index":{index},"delta":{{"type":"text_delta","text":{message}}}"#),
        ),
        ("content_block_stop", format!(r#","index":{index}"#)),
        (
            "message_delta",
            r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":0}"#.into(),
        ),
        ("message_stop", String::new()),
    ])
}

/// The part of a message in OpenAI's responses.
fn part(message: &str) -> String {
    format!(r#"{{"type":"output_text","text":{message},"annotations":[]}}"#)
}

/// The message in OpenAI's responses.
fn item(status: &str, content: &str) -> String {
    format!(
        r#"{{"type":"message","id":"msg_denied","status":"{status}","role":"assistant","content":[{content}]}}"#
    )
}

/// OpenAI's response.
fn response_of(status: &str, output: &str) -> String {
    format!(
        r#"{{"id":"resp_denied","object":"response","created_at":0,"status":"{status}","error":null,"incomplete_details":null,"instructions":null,"model":"ai-data-masking","output":[{output}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"metadata":{{}},"usage":{{"input_tokens":0,"output_tokens":0,"total_tokens":0}}}}"#
    )
}

/// The message as a stream of OpenAI's responses.
fn responses_stream(message: &str, index: usize) -> Vec<u8> {
    let place = format!(r#","item_id":"msg_denied","output_index":{index},"content_index":0"#);
    let done = item("completed", &part(message));
    typed([
        (
            "response.created",
            format!(r#","sequence_number":0,"response":{}"#, response_of("in_progress", "")),
        ),
        (
            "response.output_item.added",
            format!(r#","sequence_number":1,"output_index":{index},"item":{}"#, item("in_progress", "")),
        ),
        ("response.content_part.added", format!(r#","sequence_number":2{place},"part":{}"#, part("\"\""))),
        ("response.output_text.delta", format!(r#","sequence_number":3{place},"delta":{message}"#)),
        ("response.output_text.done", format!(r#","sequence_number":4{place},"text":{message}"#)),
        ("response.content_part.done", format!(r#","sequence_number":5{place},"part":{}"#, part(message))),
        (
            "response.output_item.done",
            format!(r#","sequence_number":6,"output_index":{index},"item":{done}"#),
        ),
        (
            "response.completed",
            format!(r#","sequence_number":7,"response":{}"#, response_of("completed", &done)),
        ),
    ])
}
