//! Requests and answers of the two protocols.

use hyper::StatusCode;
use serde_json::{Value, json};

/// A protocol, by the path of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// OpenAI's Chat Completions.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It has another path.
    Path,
    /// It is not a request of the protocol.
    Request(&'static str),
    /// There is no such model.
    Model(String),
}

/// A request, and the answer to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) model: String,
    pub(super) stream: bool,
    /// Whether a stream of OpenAI's protocol ends with `usage`.
    include_usage: bool,
    /// The words of all messages.
    input_tokens: usize,
    answer: Answer,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// A text in tokens, and whether `max_tokens` has cut it.
    Text(Vec<String>, bool),
    /// A call of a tool, without arguments.
    Tool(String),
}

impl Failure {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Path | Self::Model(_) => StatusCode::NOT_FOUND,
            Self::Request(_) => StatusCode::BAD_REQUEST,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Path => "this server has /v1/chat/completions and /v1/messages".into(),
            Self::Request(why) => (*why).into(),
            Self::Model(model) => format!("the model `{model}` does not exist"),
        }
    }
}

impl Prompt {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let body: Value =
            serde_json::from_slice(body).map_err(|_| Failure::Request("the body is not JSON"))?;
        let model = field(&body, "model").as_str().ok_or(Failure::Request("`model` is missing"))?;
        let messages =
            field(&body, "messages").as_array().ok_or(Failure::Request("`messages` is missing"))?;
        let stream = field(&body, "stream").as_bool().unwrap_or_default();
        let options = field(&body, "stream_options");
        if !stream && !options.is_null() {
            return Err(Failure::Request("`stream_options` is only for streams"));
        }
        let texts = messages.iter().map(|message| text(field(message, "content")));
        let words = |text: &str| text.split_whitespace().count();
        let input_tokens = texts.chain([text(field(&body, "system"))]).map(|text| words(&text)).sum();
        let tool = ["/tools/0/function/name", "/tools/0/name"].iter().find_map(|path| body.pointer(path));
        let answer = match tool.and_then(Value::as_str) {
            Some(name) if !messages.last().is_some_and(is_tool_result) => Answer::Tool(name.to_owned()),
            _ => {
                let is_of_user = |message: &&Value| *field(message, "role") == "user";
                let last = messages.iter().rfind(is_of_user).map(|message| text(field(message, "content")));
                let answer = format!("You wrote: {}", last.unwrap_or_default());
                let mut tokens: Vec<String> = answer.split_inclusive(' ').map(str::to_owned).collect();
                let limit =
                    ["max_completion_tokens", "max_tokens"].iter().find_map(|key| field(&body, key).as_u64());
                let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
                let is_cut = tokens.len() > limit;
                tokens.truncate(limit);
                Answer::Text(tokens, is_cut)
            }
        };
        let include_usage = field(options, "include_usage").as_bool().unwrap_or_default();
        Ok(Self { model: model.to_owned(), stream, include_usage, input_tokens, answer })
    }

    fn output_tokens(&self) -> usize {
        match &self.answer {
            Answer::Text(tokens, _) => tokens.len(),
            Answer::Tool(_) => 1,
        }
    }
}

/// A field of an object; `null` if there is none.
fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// The text of a message: a string, or parts.
fn text(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten().filter_map(|part| field(part, "text").as_str());
    content.as_str().map_or_else(|| parts.collect::<Vec<_>>().join(" "), str::to_owned)
}

/// Whether a message is the result of a tool: by its role in OpenAI's protocol, by its parts in Anthropic's.
fn is_tool_result(message: &Value) -> bool {
    let mut parts = field(message, "content").as_array().into_iter().flatten();
    *field(message, "role") == "tool" || parts.any(|part| *field(part, "type") == "tool_result")
}

impl Protocol {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            path if path.ends_with("/chat/completions") => Some(Self::OpenAi),
            path if path.ends_with("/messages") => Some(Self::Anthropic),
            _ => None,
        }
    }

    pub(super) fn error(self, failure: &Failure) -> Value {
        let kind = match failure {
            Failure::Request(_) => "invalid_request_error",
            Failure::Path | Failure::Model(_) => "not_found_error",
        };
        let error = json!({ "type": kind, "message": failure.message() });
        match self {
            Self::OpenAi => json!({ "error": error }),
            Self::Anthropic => json!({ "type": "error", "error": error }),
        }
    }

    fn usage(self, prompt: &Prompt) -> Value {
        let (input, output) = (prompt.input_tokens, prompt.output_tokens());
        match self {
            Self::OpenAi => json!({
                "prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output,
            }),
            Self::Anthropic => json!({ "input_tokens": input, "output_tokens": output }),
        }
    }

    /// Why the answer ends.
    fn end(self, answer: &Answer) -> &'static str {
        match (self, answer) {
            (Self::OpenAi, Answer::Text(_, false)) => "stop",
            (Self::OpenAi, Answer::Text(_, true)) => "length",
            (Self::OpenAi, Answer::Tool(_)) => "tool_calls",
            (Self::Anthropic, Answer::Text(_, false)) => "end_turn",
            (Self::Anthropic, Answer::Text(_, true)) => "max_tokens",
            (Self::Anthropic, Answer::Tool(_)) => "tool_use",
        }
    }

    /// A whole answer.
    pub(super) fn answer(self, prompt: &Prompt) -> Value {
        let end = self.end(&prompt.answer);
        let usage = self.usage(prompt);
        match self {
            Self::OpenAi => {
                let message = match &prompt.answer {
                    Answer::Text(tokens, _) => json!({ "role": "assistant", "content": tokens.concat() }),
                    Answer::Tool(name) => {
                        let function = json!({ "name": name, "arguments": "{}" });
                        let call = json!({ "id": "call_1", "type": "function", "function": function });
                        json!({ "role": "assistant", "content": null, "tool_calls": [call] })
                    }
                };
                json!({
                    "id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": prompt.model,
                    "choices": [{ "index": 0, "message": message, "finish_reason": end }],
                    "usage": usage,
                })
            }
            Self::Anthropic => {
                let part = match &prompt.answer {
                    Answer::Text(tokens, _) => json!({ "type": "text", "text": tokens.concat() }),
                    Answer::Tool(name) => {
                        json!({ "type": "tool_use", "id": "toolu_1", "name": name, "input": {} })
                    }
                };
                json!({
                    "id": "msg_1", "type": "message", "role": "assistant", "model": prompt.model,
                    "content": [part], "stop_reason": end, "stop_sequence": null, "usage": usage,
                })
            }
        }
    }

    /// The events of an answer.
    pub(super) fn events(self, prompt: &Prompt) -> Vec<String> {
        match self {
            Self::OpenAi => chunks(prompt),
            Self::Anthropic => {
                let name = |data: Value| {
                    let kind = field(&data, "type").as_str().unwrap_or_default();
                    format!("event: {kind}\ndata: {data}\n\n")
                };
                anthropic(prompt).into_iter().map(name).collect()
            }
        }
    }
}

/// The events of OpenAI's protocol.
fn chunks(prompt: &Prompt) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let mut data = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": prompt.model,
            "choices": choices,
        });
        // `null` in every event but the last, as OpenAI's server sends it.
        if let (true, Some(data)) = (prompt.include_usage, data.as_object_mut()) {
            data.insert("usage".into(), usage);
        }
        format!("data: {data}\n\n")
    };
    let part = |delta: Value, end: Option<&str>| {
        chunk(json!([{ "index": 0, "delta": delta, "finish_reason": end }]), Value::Null)
    };
    let mut events = vec![part(json!({ "role": "assistant", "content": "" }), None)];
    match &prompt.answer {
        Answer::Text(tokens, _) => {
            events.extend(tokens.iter().map(|token| part(json!({ "content": token }), None)));
        }
        Answer::Tool(name) => {
            let call = |call: Value| part(json!({ "tool_calls": [call] }), None);
            let function = json!({ "name": name, "arguments": "" });
            events
                .push(call(json!({ "index": 0, "id": "call_1", "type": "function", "function": function })));
            events.push(call(json!({ "index": 0, "function": { "arguments": "{}" } })));
        }
    }
    events.push(part(json!({}), Some(Protocol::OpenAi.end(&prompt.answer))));
    if prompt.include_usage {
        events.push(chunk(json!([]), Protocol::OpenAi.usage(prompt)));
    }
    events.push("data: [DONE]\n\n".into());
    events
}

/// The data of the events of Anthropic's protocol.
fn anthropic(prompt: &Prompt) -> Vec<Value> {
    let usage = json!({ "input_tokens": prompt.input_tokens, "output_tokens": 0 });
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": prompt.model,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let start = |part: Value| json!({ "type": "content_block_start", "index": 0, "content_block": part });
    let delta = |delta: Value| json!({ "type": "content_block_delta", "index": 0, "delta": delta });
    let mut events = vec![json!({ "type": "message_start", "message": message })];
    match &prompt.answer {
        Answer::Text(tokens, _) => {
            events.push(start(json!({ "type": "text", "text": "" })));
            events.push(json!({ "type": "ping" }));
            events.extend(tokens.iter().map(|token| delta(json!({ "type": "text_delta", "text": token }))));
        }
        Answer::Tool(name) => {
            events.push(start(json!({ "type": "tool_use", "id": "toolu_1", "name": name, "input": {} })));
            events.push(delta(json!({ "type": "input_json_delta", "partial_json": "{}" })));
        }
    }
    events.push(json!({ "type": "content_block_stop", "index": 0 }));
    let end = json!({ "stop_reason": Protocol::Anthropic.end(&prompt.answer), "stop_sequence": null });
    let usage = json!({ "output_tokens": prompt.output_tokens() });
    events.push(json!({ "type": "message_delta", "delta": end, "usage": usage }));
    events.push(json!({ "type": "message_stop" }));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(body: Value) -> Prompt {
        Prompt::parse(body.to_string().as_bytes()).unwrap()
    }

    fn hello(more: Value) -> Prompt {
        let mut body = json!({
            "model": "small",
            "messages": [{ "role": "system", "content": "Be kind." }, { "role": "user", "content": "Hello, model!" }],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        prompt(body)
    }

    /// The JSON of the events, without the end of the stream.
    fn data(events: &[String]) -> Vec<Value> {
        let lines = events.iter().flat_map(|event| event.lines());
        let data = lines.filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    #[test]
    fn a_stream_has_the_text_and_the_tokens_of_a_whole_answer() {
        let whole = Protocol::OpenAi.answer(&hello(json!({})));
        assert_eq!(whole["choices"][0]["message"]["content"], "You wrote: Hello, model!");
        assert_eq!(whole["usage"], json!({ "prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8 }));
        let events = Protocol::OpenAi
            .events(&hello(json!({ "stream": true, "stream_options": { "include_usage": true } })));
        assert_eq!(events.last().unwrap(), "data: [DONE]\n\n");
        let events = data(&events);
        let text: String =
            events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(text, "You wrote: Hello, model!");
        assert_eq!(events.last().unwrap()["usage"], whole["usage"]);
        let unasked = data(&Protocol::OpenAi.events(&hello(json!({ "stream": true }))));
        assert!(unasked.iter().all(|event| event.get("usage").is_none()), "{unasked:?}");
        assert_eq!(unasked.len(), events.len() - 1);
    }

    #[test]
    fn messages_have_their_system_and_their_parts() {
        let prompt = prompt(json!({
            "model": "small", "system": "Be kind.", "max_tokens": 3, "stream": true,
            "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Hello, model!" }] }],
        }));
        let whole = Protocol::Anthropic.answer(&prompt);
        assert_eq!(whole["content"][0]["text"], "You wrote: Hello, ");
        assert_eq!(whole["usage"], json!({ "input_tokens": 4, "output_tokens": 3 }));
        assert_eq!(whole["stop_reason"], "max_tokens");
        let events = data(&Protocol::Anthropic.events(&prompt));
        assert_eq!(events[0]["message"]["usage"]["input_tokens"], 4);
        let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        assert_eq!(text, "You wrote: Hello, ");
        assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 3);
    }

    #[test]
    fn a_tool_is_called_until_its_result_comes() {
        let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
        let call = hello(json!({ "tools": tools }));
        let message = &Protocol::OpenAi.answer(&call)["choices"][0]["message"];
        assert_eq!(message["tool_calls"][0]["function"], json!({ "name": "weather", "arguments": "{}" }));
        let events = data(&Protocol::OpenAi.events(&call));
        assert_eq!(events[1]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"], "weather");
        let result = |message: Value| {
            prompt(json!({ "model": "small", "tools": [{ "name": "weather" }], "messages": [message] }))
                .answer
        };
        assert_eq!(result(json!({ "role": "user", "content": "Hi" })), Answer::Tool("weather".into()));
        let part = json!({ "type": "tool_result", "tool_use_id": "toolu_1", "content": "sun" });
        for message in
            [json!({ "role": "tool", "content": "sun" }), json!({ "role": "user", "content": [part] })]
        {
            assert!(matches!(result(message), Answer::Text(..)));
        }
    }

    #[test]
    fn what_is_not_a_request_is_refused_in_the_format_of_its_protocol() {
        for (body, why) in [
            ("", "the body is not JSON"),
            ("{}", "`model` is missing"),
            (r#"{"model": "small"}"#, "`messages` is missing"),
            (
                r#"{"model": "small", "messages": [], "stream_options": {}}"#,
                "`stream_options` is only for streams",
            ),
        ] {
            assert_eq!(Prompt::parse(body.as_bytes()), Err(Failure::Request(why)));
        }
        let error = Protocol::Anthropic.error(&Failure::Model("huge".into()));
        let inner = json!({ "type": "not_found_error", "message": "the model `huge` does not exist" });
        assert_eq!(error, json!({ "type": "error", "error": inner }));
        assert_eq!(Protocol::OpenAi.error(&Failure::Model("huge".into())), json!({ "error": inner }));
    }
}
