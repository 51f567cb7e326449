//! Replaces the names of models in requests.

use sdk::prelude::*;
use text::chat::{self, ModelForm};

mod config;
mod rules;

use crate::config::Config;

struct ModelMapper;

/// How a body is read.
#[derive(Default)]
enum Reading {
    /// It is passed on unchanged.
    #[default]
    Passes,
    /// Held until it is complete, if it begins like JSON.
    Json,
    /// A form, which is changed while it passes.
    Form(Box<ModelForm>),
}

#[plugin]
impl Plugin for ModelMapper {
    type Config = Config;
    type State = Reading;

    const ON_FAILURE: Failure = Failure::Open;

    fn on_request_headers(request: &mut RequestHeaders<Reading>, config: &Config) -> Flow {
        if request.end_of_stream() || request.kind().is_open_ended() {
            return Flow::Continue;
        }
        let headers = request.all();
        let is_encoded =
            headers.values("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
        if is_encoded || !chat::has_suffix(headers.get(":path").unwrap_or_default(), &config.paths) {
            return Flow::Continue;
        }
        let content_type = headers.get("content-type");
        let form = content_type.and_then(|content_type| ModelForm::new(content_type, &config.key));
        *request.state = match form {
            Some(form) => Reading::Form(Box::new(form)),
            None if chat::may_be_json(content_type) => Reading::Json,
            None => return Flow::Continue,
        };
        if headers.get("content-length").is_some() {
            request.remove("content-length");
        }
        Flow::Continue
    }

    fn on_request_body(body: &mut RequestBody<Reading>, config: &Config) -> Flow {
        match std::mem::take(body.state) {
            Reading::Passes => Flow::Continue,
            Reading::Form(mut form) => {
                let (chunk, is_last) = (body.chunk(), body.is_last());
                let new = form
                    .push(&chunk, is_last, |model| config.mapping.new_name(Some(model)).map(str::to_owned));
                if new != chunk && body.can_replace() {
                    body.replace(new);
                }
                *body.state = Reading::Form(form);
                Flow::Continue
            }
            Reading::Json if !body.is_last() => {
                if body.held() == 0 && !chat::may_begin_object(&body.chunk()) {
                    return Flow::Continue;
                }
                *body.state = Reading::Json;
                Flow::Hold
            }
            Reading::Json => {
                let bytes = body.all();
                // What is not JSON has no model.
                let Ok(model) = config.key.read(&bytes) else { return Flow::Continue };
                let new = config.mapping.new_name(model.as_deref());
                if let Ok(Some(changed)) = config.key.write(&bytes, new)
                    && body.can_replace()
                {
                    body.replace(changed);
                }
                Flow::Continue
            }
        }
    }
}
