//! Expands templates of prompts.

use sdk::WholeBody;
use sdk::prelude::*;
use text::chat;

mod config;
mod rules;

use crate::config::Config;
use crate::rules::Expanded;

struct AiPromptTemplate;

/// True if the body may select a template. It is held until it is complete, if it begins like JSON.
#[derive(Default)]
struct Reads(bool);

#[plugin]
impl Plugin for AiPromptTemplate {
    type Config = Config;
    type State = Reads;

    fn on_request_headers(request: &mut RequestHeaders<Reads>, _: &Config) -> Flow {
        if request.end_of_stream() || request.kind().is_open_ended() {
            return Flow::Continue;
        }
        let headers = request.all();
        let is_off = headers.get("template-enable") == Some(b"false");
        if is_off || !chat::may_be_json(headers.get("content-type")) {
            return Flow::Continue;
        }
        request.state.0 = true;
        if headers.get("content-length").is_some() {
            request.remove("content-length");
        }
        Flow::Continue
    }

    fn on_request_body(body: &mut RequestBody<Reads>, config: &Config) -> Flow {
        if !body.state.0 {
            return Flow::Continue;
        }
        let bytes = match body.whole(chat::may_begin_object) {
            WholeBody::Passes => {
                body.state.0 = false;
                return Flow::Continue;
            }
            WholeBody::Incomplete => return Flow::Hold,
            WholeBody::Complete(bytes) => bytes,
        };
        match rules::expand(config, chat::without_bom(&bytes)) {
            Expanded::Passes => Flow::Continue,
            Expanded::Body(expanded) => {
                if body.can_replace() {
                    body.replace(expanded);
                }
                Flow::Continue
            }
            Expanded::Unknown => Flow::Reply(
                Reply::new(StatusCode::BAD_REQUEST)
                    .details("ai-prompt-template.unknown_template")
                    .body("Unknown template"),
            ),
            Expanded::TooLarge => Flow::Reply(
                Reply::new(StatusCode::PAYLOAD_TOO_LARGE)
                    .details("ai-prompt-template.too_large")
                    .body("Payload Too Large"),
            ),
        }
    }
}
