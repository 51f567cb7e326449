//! Responses to denied requests and in place of denied responses.

use config::{HeaderValue, StatusCode};
use sdk::Reply;
use text::chat::Api;
use text::{json, sse};

/// The configured responses.
pub struct Denials {
    pub status: StatusCode,
    pub message: String,
    pub raw_message: String,
    pub raw_content_type: HeaderValue,
}

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A complete response of an API.
    Completion(Api),
    /// A stream of an API, in the choice, block or item of this index.
    Stream(Api, usize),
    /// `deny_raw_message`.
    Raw,
}

/// A denial: its reason and the format of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    pub shape: Shape,
    /// The field that the denied word comes from.
    pub cause: &'static str,
}

impl Denials {
    /// Creates the response.
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

    /// Creates the body of the response.
    pub fn body(&self, shape: Shape) -> Vec<u8> {
        let message = json::encode(&self.message);
        match shape {
            Shape::Completion(Api::Chat | Api::Completions | Api::Embeddings) => format!(
                r#"{{"id":"chatcmpl-denied","object":"chat.completion","created":0,"model":"ai-data-masking","choices":[{{"index":0,"message":{{"role":"assistant","content":{message}}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}}}"#
            )
            .into(),
            Shape::Completion(Api::Messages) => message_of(&text_block(&message), "\"end_turn\"").into(),
            Shape::Completion(Api::Responses) => response_of("completed", &item("completed", &part(&message))).into(),
            Shape::Stream(Api::Chat | Api::Completions | Api::Embeddings, index) => {
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

/// A text block of Anthropic's API.
fn text_block(message: &str) -> String {
    format!(r#"{{"type":"text","text":{message}}}"#)
}

/// A message of Anthropic's API.
fn message_of(content: &str, stop_reason: &str) -> String {
    format!(
        r#"{{"id":"msg_denied","type":"message","role":"assistant","model":"ai-data-masking","content":[{content}],"stop_reason":{stop_reason},"stop_sequence":null,"usage":{{"input_tokens":0,"output_tokens":0}}}}"#
    )
}

/// Events with their type as event name and in the data.
fn typed<const N: usize>(events: [(&str, String); N]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (kind, rest) in events {
        let data = format!(r#"{{"type":"{kind}"{rest}}}"#);
        stream.extend(sse::named_event(Some(kind.as_bytes()), data.as_bytes()));
    }
    stream
}

/// A complete stream of Anthropic's API, since clients restart at `message_start`.
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

/// A part of a message of OpenAI's Responses API.
fn part(message: &str) -> String {
    format!(r#"{{"type":"output_text","text":{message},"annotations":[]}}"#)
}

/// A message of OpenAI's Responses API.
fn item(status: &str, content: &str) -> String {
    format!(
        r#"{{"type":"message","id":"msg_denied","status":"{status}","role":"assistant","content":[{content}]}}"#
    )
}

/// A response of OpenAI's Responses API.
fn response_of(status: &str, output: &str) -> String {
    format!(
        r#"{{"id":"resp_denied","object":"response","created_at":0,"status":"{status}","error":null,"incomplete_details":null,"instructions":null,"model":"ai-data-masking","output":[{output}],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"metadata":{{}},"usage":{{"input_tokens":0,"output_tokens":0,"total_tokens":0}}}}"#
    )
}

/// A stream of OpenAI's Responses API.
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
