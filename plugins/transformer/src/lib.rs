//! Changes headers, query parameters and bodies of requests and responses.

use sdk::prelude::*;
use sdk::{HeaderMap, LiveHeaders};
use text::pairs::Pairs;
use text::query;

mod config;
mod multipart;
mod rules;

use crate::config::{Config, Steps};
use crate::multipart::Stream;
use crate::rules::{Captured, Document, Kind, Message, Phase};

struct Transformer;

/// What a request and its response need later.
#[derive(Default)]
struct State {
    request: Option<Pending>,
    /// A form with files, which is changed while it passes.
    stream: Option<Stream>,
    response: Option<Pending>,
    /// The host and the path of the request, if a value depends on them.
    host: Vec<u8>,
    path: Vec<u8>,
}

/// A body that will be changed.
struct Pending {
    kind: Kind,
    captured: Captured,
    /// The headers are held.
    held: bool,
}

#[plugin]
impl Plugin for Transformer {
    type Config = Config;
    type State = State;

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let steps = &config.request;
        if steps.steps.is_empty() && !config.response.body && !config.keeps_request() {
            return Flow::Continue;
        }
        let headers = request.all();
        let has_body = steps.body && !request.end_of_stream() && !request.kind().is_open_ended();
        let kind = readable(&headers).filter(|_| has_body);
        if config.keeps_request() {
            request.state.host = headers.get(":authority").unwrap_or_default().to_vec();
            request.state.path = headers.get(":path").unwrap_or_default().to_vec();
        }
        if let (Some(kind), true) = (kind, steps.hold) {
            request.state.request = Some(Pending { kind, captured: Captured::new(), held: true });
            return Flow::Hold;
        }
        let mut captured = Captured::new();
        let mut message = message(&headers, Document::Absent);
        rules::run(&steps.steps, Phase::Headers, &mut message, &mut captured);
        if config.response.body {
            // A compressed response could not be changed.
            message.headers.remove(b"accept-encoding");
        }
        if let Some(kind) = kind {
            message.headers.remove(b"content-length");
            request.state.request = Some(Pending { kind, captured, held: false });
        } else if has_body && let Some(content_type) = unencoded(&headers) {
            request.state.stream = Stream::new(content_type, &steps.steps, captured);
            if request.state.stream.is_some() {
                message.headers.remove(b"content-length");
            }
        }
        write(request, &headers, &mut message);
        Flow::Continue
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        if body.state.stream.is_some() {
            return change_stream(body, config);
        }
        if body.state.request.is_none() {
            return Flow::Continue;
        }
        if !body.is_last() {
            return Flow::Hold;
        }
        let Some(pending) = body.state.request.take() else { return Flow::Continue };
        let bytes = body.all();
        let document = Document::read(pending.kind, &bytes);
        if pending.held {
            let live = body.held_headers();
            let headers = live.all();
            let mut message = message(&headers, document);
            rules::run(&config.request.steps, Phase::Whole, &mut message, &mut Captured::new());
            message.headers.remove(b"content-length");
            if config.response.body {
                message.headers.remove(b"accept-encoding");
            }
            write(live, &headers, &mut message);
            replace(body, message.body);
        } else {
            let State { host, path, .. } = &*body.state;
            let document = change(&config.request, pending.captured, document, host, path);
            replace(body, document);
        }
        Flow::Continue
    }

    fn holds_request_body(config: &Config) -> bool {
        config.request.body
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        let steps = &config.response;
        if steps.steps.is_empty() {
            return Flow::Continue;
        }
        let headers = response.all();
        let is_whole = headers.get(":status") != Some(b"206");
        let kind = readable(&headers).filter(|kind| {
            steps.body
                && *kind == Kind::Json
                && is_whole
                && !response.end_of_stream()
                && !response.kind().is_open_ended()
        });
        let (host, path) = match &response.state {
            Some(state) => (state.host.clone(), state.path.clone()),
            None => Default::default(),
        };
        // Without a state, the body could not be found again: another plug-in has refused the request.
        if let (Some(kind), true, Some(state)) = (kind, steps.hold, &mut response.state) {
            state.response = Some(Pending { kind, captured: Captured::new(), held: true });
            return Flow::Hold;
        }
        let mut captured = Captured::new();
        let mut message = message(&headers, Document::Absent);
        (message.host, message.path) = (&host, &path);
        rules::run(&steps.steps, Phase::Headers, &mut message, &mut captured);
        if let (Some(kind), Some(state)) = (kind, &mut response.state) {
            message.headers.remove(b"content-length");
            state.response = Some(Pending { kind, captured, held: false });
        }
        write_headers(response, &headers, &message.headers);
        Flow::Continue
    }

    fn on_response_body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
        let is_last = body.is_last();
        let Some(state) = body.state.as_deref_mut().filter(|state| state.response.is_some()) else {
            return Flow::Continue;
        };
        if !is_last {
            return Flow::Hold;
        }
        let Some(pending) = state.response.take() else { return Flow::Continue };
        let (host, path) = (std::mem::take(&mut state.host), std::mem::take(&mut state.path));
        let bytes = body.all();
        let document = Document::read(pending.kind, &bytes);
        if pending.held {
            let live = body.held_headers();
            let headers = live.all();
            let mut message = message(&headers, document);
            (message.host, message.path) = (&host, &path);
            rules::run(&config.response.steps, Phase::Whole, &mut message, &mut Captured::new());
            message.headers.remove(b"content-length");
            write_headers(live, &headers, &message.headers);
            replace(body, message.body);
        } else {
            let document = change(&config.response, pending.captured, document, &host, &path);
            replace(body, document);
        }
        Flow::Continue
    }

    fn holds_response_body(config: &Config) -> bool {
        config.response.body
    }
}

/// Returns the format of a body that can be read.
fn readable(headers: &HeaderMap) -> Option<Kind> {
    Kind::of(unencoded(headers)?)
}

/// Returns the content type of a body that is not compressed.
fn unencoded(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get("content-type").filter(|_| !headers.is_encoded())
}

/// A message with its headers, and the query of a request.
fn message<'m>(headers: &'m HeaderMap, body: Document<'m>) -> Message<'m> {
    let path = headers.get(":path").unwrap_or_default();
    Message {
        headers: Pairs::plain(headers.iter()),
        query: Pairs::form(query::split(path).1.unwrap_or_default()),
        body,
        host: headers.get(":authority").unwrap_or_default(),
        path,
    }
}

/// Writes the headers of a request, and its query.
fn write(live: &LiveHeaders, headers: &HeaderMap, message: &mut Message<'_>) {
    // `OPTIONS *` and CONNECT have no path that a query could follow.
    if message.query.is_changed() && message.path.starts_with(b"/") {
        let before = query::split(message.path).0;
        let query = message.query.to_form();
        let path = if query.is_empty() { before.to_vec() } else { [before, b"?", &query].concat() };
        message.headers.set(b":path", &path);
    }
    write_headers(live, headers, &message.headers);
}

fn write_headers(live: &LiveHeaders, before: &HeaderMap, after: &Pairs<'_>) {
    if after.is_changed() {
        let pairs: Vec<_> = after.iter().collect();
        live.write(before, pairs.iter().copied());
    }
}

/// Changes a body whose headers have been sent.
fn change<'m>(
    steps: &Steps,
    mut captured: Captured,
    body: Document<'m>,
    host: &'m [u8],
    path: &'m [u8],
) -> Document<'m> {
    let (headers, query) = (Pairs::default(), Pairs::default());
    let mut message = Message { headers, query, body, host, path };
    rules::run(&steps.steps, Phase::Body, &mut message, &mut captured);
    message.body
}

fn replace(body: &sdk::Body, document: Document<'_>) {
    if let Some(new) = document.changed()
        && body.can_replace()
    {
        body.replace(new);
    }
}

fn change_stream(body: &mut RequestBody<State>, config: &Config) -> Flow {
    let (chunk, is_last) = (body.chunk(), body.is_last());
    let State { stream, host, path, .. } = &mut *body.state;
    let Some(stream) = stream else { return Flow::Continue };
    let new = stream.change(&config.request.steps, &chunk, is_last, |value| value.expand(host, path));
    if new != chunk && body.can_replace() {
        body.replace(new);
    }
    Flow::Continue
}
