//! Requests: what they are is decided by their first bytes, since their headers are the client's word alone.

use ::config::StatusCode;
use sdk::prelude::*;

use crate::config::Config;
use crate::form::{Form, form};
use crate::shapes::Api;
use crate::values::Values;
use crate::{MASKED, REQUEST_DENIED, REQUEST_UNREADABLE, State, is_due, is_encoded, whole};

/// How much is kept of a body that only is looked at.
const LARGEST: usize = 1 << 20;

/// How much of its start may say what it is.
const BEGINNING: usize = 64;

/// How a body is looked at.
#[derive(Default)]
pub enum Reading {
    /// Its first bytes decide; of so many it could not be told.
    #[default]
    Begins,
    Begun(usize),
    /// When all of it is there.
    Whole,
    /// Not at all.
    Passes,
    /// When all of it is there, of which this is a copy: it goes on meanwhile.
    Copy(Vec<u8>),
    /// As it comes, because it may have no end.
    Values(Box<Values>),
}

/// The head of a request.
pub fn headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
    let headers = request.all();
    let (mut path, mut length, mut codings) = (&b""[..], false, false);
    let (mut encoded, mut anthropic) = (false, false);
    for (name, value) in headers.iter() {
        match name {
            b":path" => path = value,
            b"accept-encoding" => codings = true,
            b"content-encoding" => encoded |= is_encoded(value),
            b"content-length" => length = true,
            b"anthropic-version" => anthropic = true,
            _ => {}
        }
    }
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    if codings {
        let is_other = is_other(path, first(&headers, "sec-fetch-dest"), first(&headers, "accept"));
        if config.raw || !is_other {
            request.set("accept-encoding", "identity");
        }
    }
    if request.end_of_stream() {
        return Flow::Continue;
    }
    if encoded {
        request.state.answered = !config.rules.dry_run;
        request.state.request = Reading::Passes;
        return Flow::Reply(
            Reply::new(StatusCode::SERVICE_UNAVAILABLE)
                .details(REQUEST_UNREADABLE)
                .cause("content-encoding")
                .dry_run(config.rules.dry_run),
        );
    }
    request.state.api = api(path, anthropic);
    if config.rules.roles.is_some() && length {
        // The body may become another.
        request.remove("content-length");
    }
    if config.only_looks() {
        return Flow::Continue;
    }
    if request.kind().is_open_ended() {
        request.state.request = Reading::Values(Box::new(Values::of_request()));
        return Flow::Continue;
    }
    if config.hold_headers { Flow::Hold } else { Flow::Continue }
}

fn first<'h>(headers: &'h sdk::HeaderMap, name: &'h str) -> Option<&'h [u8]> {
    headers.values(name).next()
}

/// What has arrived of the body.
pub fn body(body: &mut RequestBody<State>, config: &Config) -> Flow {
    let last = body.is_last();
    match std::mem::take(&mut body.state.request) {
        Reading::Passes => {
            body.state.request = Reading::Passes;
            Flow::Continue
        }
        Reading::Values(values) => values_of(body, config, values),
        Reading::Begins if config.only_looks() => copy(body, config, Vec::new()),
        Reading::Copy(bytes) => copy(body, config, bytes),
        Reading::Begins | Reading::Begun(_) | Reading::Whole if last => whole(body, config),
        Reading::Begins if !config.request.any() => held(body, Reading::Whole),
        Reading::Begins => begin(body, config, 0),
        Reading::Begun(looked_at) if is_due(body.held(), looked_at) => begin(body, config, looked_at),
        reading => held(body, reading),
    }
}

fn held(body: &mut RequestBody<State>, reading: Reading) -> Flow {
    body.state.request = reading;
    Flow::Hold
}

/// The first bytes of a body of which more comes.
fn begin(body: &mut RequestBody<State>, config: &Config, looked_at: usize) -> Flow {
    let bytes = body.all();
    match form(&bytes, false) {
        Form::Open => held(body, Reading::Begun(bytes.len().max(looked_at))),
        Form::Unreadable => unreadable(body, config),
        Form::Other if !config.raw => {
            body.state.request = Reading::Passes;
            Flow::Continue
        }
        Form::Json | Form::Other => held(body, Reading::Whole),
    }
}

/// The verdict on a body that is whole.
fn whole(body: &mut RequestBody<State>, config: &Config) -> Flow {
    let bytes = body.all();
    let api = body.state.api;
    let Ok(verdict) = whole::request(config, api, &bytes, &mut body.state.masks) else {
        return unreadable(body, config);
    };
    if let Some(changed) = verdict.changed.filter(|_| body.can_replace()) {
        MASKED.add(1);
        body.replace(changed);
    }
    match verdict.denial {
        Some(denial) => denied(body, config, denial),
        None => Flow::Continue,
    }
}

/// A body that goes on as it comes, since nothing is denied in a dry run.
fn copy(body: &mut RequestBody<State>, config: &Config, mut bytes: Vec<u8>) -> Flow {
    let begins = bytes.len() < BEGINNING;
    bytes.extend(body.chunk());
    let is_other = !config.raw && begins && form(&bytes, false) == Form::Other;
    if is_other || bytes.len() > LARGEST {
        return if is_other { passes(body) } else { unreadable(body, config) };
    }
    if !body.is_last() {
        body.state.request = Reading::Copy(bytes);
        return Flow::Continue;
    }
    let api = body.state.api;
    match whole::request(config, api, &bytes, &mut body.state.masks) {
        Ok(verdict) => verdict.denial.map_or(Flow::Continue, |denial| denied(body, config, denial)),
        Err(whole::Unreadable) => unreadable(body, config),
    }
}

fn passes(body: &mut RequestBody<State>) -> Flow {
    body.state.request = Reading::Passes;
    Flow::Continue
}

/// What has come of a stream that may have no end.
fn values_of(body: &mut RequestBody<State>, config: &Config, mut values: Box<Values>) -> Flow {
    let (bytes, last) = (body.chunk(), body.is_last());
    let State { masks, api, .. } = &mut *body.state;
    let output = values.push(config, &bytes, last, &mut |value| whole::request(config, *api, value, masks));
    if output.bytes != bytes && body.can_replace() {
        body.replace(&output.bytes);
    }
    MASKED.add(u32::from(output.masked));
    body.state.request = Reading::Values(values);
    match output.denial {
        Some(denial) => denied(body, config, denial),
        None if output.unreadable => unreadable(body, config),
        None => Flow::Continue,
    }
}

fn denied(body: &mut RequestBody<State>, config: &Config, denial: crate::Denial) -> Flow {
    body.state.answered = !config.rules.dry_run;
    Flow::Reply(config.answers.reply(denial, REQUEST_DENIED).dry_run(config.rules.dry_run))
}

/// It cannot be told what is in a body.
fn unreadable(body: &mut RequestBody<State>, config: &Config) -> Flow {
    body.state.answered = !config.rules.dry_run;
    body.state.request = Reading::Passes;
    let status = StatusCode::try_from(400).unwrap_or(StatusCode::FORBIDDEN);
    Flow::Reply(Reply::new(status).details(REQUEST_UNREADABLE).dry_run(config.rules.dry_run))
}

/// Whose API is at a path.
fn api(path: &[u8], is_anthropic: bool) -> Api {
    match () {
        () if is_anthropic || path.ends_with(b"/v1/messages") => Api::Messages,
        () if path.ends_with(b"/responses") => Api::Responses,
        () => Api::Chat,
    }
}

/// What a path ends with that no answer of a model has.
const ENDINGS: &[&str] = &[
    "avif", "br", "css", "eot", "gif", "gz", "ico", "jpeg", "jpg", "js", "mjs", "mp3", "mp4", "ogg", "otf",
    "pdf", "png", "svg", "ttf", "wasm", "wav", "webm", "webp", "woff", "woff2", "zip",
];

/// Whether the answer to a request will hardly be one that is looked at, and so may be compressed. If it is one all the
/// same, and is compressed, it does not pass: a client gains nothing by what it says here.
fn is_other(path: &[u8], destination: Option<&[u8]>, accept: Option<&[u8]>) -> bool {
    let mut name =
        path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().rsplitn(2, |byte| *byte == b'.');
    let ending = name.next().filter(|_| name.next().is_some());
    let is_one_of = |value: Option<&[u8]>, all: &[&str]| {
        value.is_some_and(|value| all.iter().any(|one| value.eq_ignore_ascii_case(one.as_bytes())))
    };
    let begins = |kind: &&str| {
        let start = accept.and_then(|accept| accept.get(..kind.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
    };
    is_one_of(ending, ENDINGS)
        || is_one_of(destination, &["audio", "font", "image", "script", "style", "track", "video"])
        || ["audio/", "font/", "image/", "text/css", "video/"].iter().any(begins)
}
