//! Sets headers by the model of requests, for routes.

use std::borrow::Cow;

use sdk::prelude::*;
use sdk::{LiveHeaders, WholeBody};
use text::chat::{self, ModelForm};

mod config;
mod rules;

use crate::config::Config;
use crate::rules::Route;

struct ModelRouter;

/// The model of requests whose model the plug-in selects.
const AUTO_MODEL: &str = "higress/auto";

/// How a body is read.
#[derive(Default)]
enum Reading {
    /// It is passed on unchanged.
    #[default]
    Passes,
    /// Held with the headers until it is complete, if it begins like JSON.
    Json,
    /// A form by its content type, held until it does not begin like JSON, which some servers read whatever the type.
    Begins(Box<ModelForm>),
    /// A form, held with the headers until its model has arrived; with what to send instead.
    Form(Box<ModelForm>, Vec<u8>),
    /// The rest of a form.
    Rest(Box<ModelForm>),
}

#[plugin]
impl Plugin for ModelRouter {
    type Config = Config;
    type State = Reading;

    fn on_request_headers(request: &mut RequestHeaders<Reading>, config: &Config) -> Flow {
        let headers = request.all();
        // Clients do not choose the route by a header, on any path: a route's conditions may be wider than ours.
        for name in [&config.model_header, &config.provider_header].into_iter().flatten() {
            if headers.get(name).is_some() {
                request.remove(&**name);
            }
        }
        let path = headers.get(":path").unwrap_or_default();
        if request.end_of_stream() || request.kind().is_open_ended() || !chat::has_suffix(path, &config.paths)
        {
            return Flow::Continue;
        }
        let content_type = headers.get("content-type");
        let form = content_type.and_then(|content_type| ModelForm::new(content_type, &config.key));
        *request.state = match form {
            Some(form) => Reading::Begins(Box::new(form)),
            None if chat::reads_json(path, &config.paths, content_type) => Reading::Json,
            None => return Flow::Continue,
        };
        Flow::Hold
    }

    fn on_request_body(body: &mut RequestBody<Reading>, config: &Config) -> Flow {
        let mut is_start = false;
        let reading = match std::mem::take(body.state) {
            Reading::Begins(form) => match chat::begins_object(&body.all()) {
                None if !body.is_last() => {
                    *body.state = Reading::Begins(form);
                    return Flow::Hold;
                }
                Some(true) => Reading::Json,
                _ => {
                    is_start = true;
                    Reading::Form(form, Vec::new())
                }
            },
            reading => reading,
        };
        match reading {
            Reading::Passes | Reading::Begins(_) => Flow::Continue,
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
                    let decided = model
                        .map(|model| decide(config, &model, || chat::last_user_text(bytes).ok().flatten()));
                    let (route, new) = decided.unwrap_or_default();
                    set_headers(body.held_headers(), config, &route);
                    if let Ok(Some(changed)) = config.key.write(bytes, new.as_deref())
                        && body.can_replace()
                    {
                        body.held_headers().remove("content-length");
                        body.replace(changed);
                    }
                    Flow::Continue
                }
            },
            Reading::Form(mut form, mut held) => {
                let chunk = if is_start { body.all() } else { body.chunk() };
                let is_last = body.is_last();
                let mut route = None;
                held.extend(form.push(&chunk, is_last, |model| {
                    let (found, new) = decide(config, model, || None);
                    route = Some(found);
                    new
                }));
                if form.model().is_none() {
                    if is_last {
                        return Flow::Continue;
                    }
                    *body.state = Reading::Form(form, held);
                    return Flow::Hold;
                }
                body.held_headers().remove("content-length");
                set_headers(body.held_headers(), config, &route.unwrap_or_default());
                if body.can_replace() {
                    body.replace(held);
                }
                *body.state = Reading::Rest(form);
                Flow::Continue
            }
            Reading::Rest(mut form) => {
                let (chunk, is_last) = (body.chunk(), body.is_last());
                let new = form.push(&chunk, is_last, |_| None);
                if new != chunk && body.can_replace() {
                    body.replace(new);
                }
                *body.state = Reading::Rest(form);
                Flow::Continue
            }
        }
    }
}

/// Returns the route of a model, and its new name, if it has one.
fn decide<'t>(
    config: &Config,
    model: &str,
    text: impl FnOnce() -> Option<Cow<'t, str>>,
) -> (Route, Option<String>) {
    let selected = match &config.auto {
        Some(auto) if model == AUTO_MODEL => auto.model(text().as_deref()),
        _ => None,
    };
    let mut route = rules::route(selected.unwrap_or(model), config.provider_header.is_some());
    let new = route.rest.take().or_else(|| selected.map(str::to_owned));
    debug!("model-router: the model is {:?}, its provider {:?}", route.model, route.provider);
    (route, new)
}

fn set_headers(live: &LiveHeaders, config: &Config, route: &Route) {
    for (name, value) in [(&config.model_header, &route.model), (&config.provider_header, &route.provider)] {
        if let (Some(name), Some(value)) = (name, value) {
            live.set(&**name, value);
        }
    }
}
