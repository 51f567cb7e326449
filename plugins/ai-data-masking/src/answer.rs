//! What a client gets in the place of what is denied.

use config::{HeaderValue, StatusCode};
use sdk::Reply;
use text::{json, sse};

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
    Completion,
    /// As a model answers in a stream, in the choice of this index.
    Stream(usize),
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
            Shape::Completion => b"application/json",
            Shape::Stream(_) => b"text/event-stream",
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
            Shape::Completion => format!(
                r#"{{"id":"chatcmpl-denied","object":"chat.completion","created":0,"model":"ai-data-masking","choices":[{{"index":0,"message":{{"role":"assistant","content":{message}}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}}}"#
            )
            .into(),
            Shape::Stream(index) => {
                let data = format!(
                    r#"{{"id":"chatcmpl-denied","object":"chat.completion.chunk","created":0,"model":"ai-data-masking","choices":[{{"index":{index},"delta":{{"role":"assistant","content":{message}}},"logprobs":null,"finish_reason":"stop"}}]}}"#
                );
                [sse::event(data.as_bytes()), sse::event(b"[DONE]")].concat()
            }
            Shape::Raw => self.raw_message.clone().into(),
        }
    }
}
