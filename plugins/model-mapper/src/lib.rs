//! Replaces the names of models in requests.

use sdk::WholeBody;
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
    /// A form by its content type, held until it does not begin like JSON, which some servers read whatever the type.
    Begins(Box<ModelForm>),
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
        let path = headers.get(":path").unwrap_or_default();
        if !chat::has_suffix(path, &config.paths) {
            return Flow::Continue;
        }
        let content_type = headers.get("content-type");
        let form = content_type.and_then(|content_type| ModelForm::new(content_type, &config.key));
        *request.state = match form {
            Some(form) => Reading::Begins(Box::new(form)),
            None if chat::reads_json(path, &config.paths, content_type) => Reading::Json,
            None => return Flow::Continue,
        };
        if headers.get("content-length").is_some() {
            request.remove("content-length");
        }
        Flow::Continue
    }

    fn on_request_body(body: &mut RequestBody<Reading>, config: &Config) -> Flow {
        let reading = match std::mem::take(body.state) {
            Reading::Begins(form) => match chat::begins_object(&body.all()) {
                None if !body.is_last() => {
                    *body.state = Reading::Begins(form);
                    return Flow::Hold;
                }
                Some(true) => Reading::Json,
                _ => Reading::Form(form),
            },
            reading => reading,
        };
        match reading {
            Reading::Passes | Reading::Begins(_) => Flow::Continue,
            Reading::Form(mut form) => {
                // Only what came while the form began is held.
                let (chunk, is_last) = (body.all(), body.is_last());
                let new = form
                    .push(&chunk, is_last, |model| config.mapping.new_name(Some(model)).map(str::to_owned));
                if new != chunk && body.can_replace() {
                    body.replace(new);
                }
                *body.state = Reading::Form(form);
                Flow::Continue
            }
            Reading::Json => match body.whole(chat::may_begin_object) {
                WholeBody::Passes => Flow::Continue,
                WholeBody::Incomplete => {
                    *body.state = Reading::Json;
                    Flow::Hold
                }
                WholeBody::Complete(bytes) => {
                    let bytes = chat::without_bom(&bytes);
                    // What is not JSON has no model.
                    let Ok(model) = config.key.read(bytes) else { return Flow::Continue };
                    let new = config.mapping.new_name(model.as_deref());
                    if let Ok(Some(changed)) = config.key.write(bytes, new)
                        && body.can_replace()
                    {
                        body.replace(changed);
                    }
                    Flow::Continue
                }
            },
        }
    }
}
