//! Adds messages to prompts, and replaces texts in them.

use sdk::WholeBody;
use sdk::prelude::*;
use sdk::property::Property;
use text::chat;

mod config;
mod rules;

use crate::config::Config;

struct AiPromptDecorator;

/// The properties of [`rules::VARIABLES`].
const PROPERTIES: [Property<Vec<u8>>; 4] = [
    Property::new("geo-country"),
    Property::new("geo-province"),
    Property::new("geo-city"),
    Property::new("geo-isp"),
];

/// True if the body may have messages. It is held until it is complete, if it begins like JSON.
#[derive(Default)]
struct Reads(bool);

#[plugin]
impl Plugin for AiPromptDecorator {
    type Config = Config;
    type State = Reads;

    fn on_request_headers(request: &mut RequestHeaders<Reads>, _: &Config) -> Flow {
        if request.end_of_stream() || request.kind().is_open_ended() {
            return Flow::Continue;
        }
        let headers = request.all();
        let path = headers.get(":path").unwrap_or_default();
        if !chat::reads_json::<&str>(path, &[], headers.get("content-type")) {
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
        let variable = |index: usize| {
            let value = PROPERTIES.get(index).and_then(Property::get).unwrap_or_default();
            String::from_utf8_lossy(&value).into_owned()
        };
        if let Some(changed) = rules::decorate(config, chat::without_bom(&bytes), variable)
            && body.can_replace()
        {
            body.replace(changed);
        }
        Flow::Continue
    }
}
