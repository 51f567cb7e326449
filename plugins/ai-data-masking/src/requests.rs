//! Requests. Their format is detected by their first bytes, because clients choose the headers.

use ::config::StatusCode;
use sdk::prelude::*;
use text::chat::Api;

use crate::config::Config;
use crate::form::{Form, form};
use crate::values::Values;
use crate::{MASKED, REQUEST_DENIED, REQUEST_UNREADABLE, State, is_due, is_encoded, whole};

/// The maximum size of a copy in a dry run.
const MAX_COPY: usize = 1 << 20;

/// The number of bytes used to detect the format.
const SNIFF_BYTES: usize = 64;

/// The state of inspecting a body.
#[derive(Default)]
pub enum Reading {
    /// Nothing has arrived.
    #[default]
    Start,
    /// Its format is still unknown after this number of bytes.
    Undetected(usize),
    /// Hold until it is complete.
    Whole,
    /// Do not inspect.
    Passes,
    /// Pass on, and inspect this copy when it is complete.
    Copy(Vec<u8>),
    /// Inspect as it arrives, because it may have no end.
    Values(Box<Values>),
}

/// Processes the headers of a request.
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
        let is_asset = expects_asset(path, first(&headers, "sec-fetch-dest"), first(&headers, "accept"));
        if config.raw || !is_asset {
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
    request.state.api = if anthropic { Api::Messages } else { Api::of(path).unwrap_or_default() };
    if config.rules.roles.is_some() && length {
        // The body may change.
        request.remove("content-length");
    }
    if config.is_passive() {
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

/// Processes a chunk of the body.
pub fn body(body: &mut RequestBody<State>, config: &Config) -> Flow {
    let last = body.is_last();
    match std::mem::take(&mut body.state.request) {
        Reading::Passes => {
            body.state.request = Reading::Passes;
            Flow::Continue
        }
        Reading::Values(values) => process_values(body, config, values),
        Reading::Start if config.is_passive() => copy(body, config, Vec::new()),
        Reading::Copy(bytes) => copy(body, config, bytes),
        Reading::Start | Reading::Undetected(_) | Reading::Whole if last => inspect(body, config),
        Reading::Start if !config.request.any() => held(body, Reading::Whole),
        Reading::Start => detect(body, config, 0),
        Reading::Undetected(inspected) if is_due(body.size(), inspected) => detect(body, config, inspected),
        reading => held(body, reading),
    }
}

fn held(body: &mut RequestBody<State>, reading: Reading) -> Flow {
    body.state.request = reading;
    Flow::Hold
}

/// Detects the format of an incomplete body.
fn detect(body: &mut RequestBody<State>, config: &Config, inspected: usize) -> Flow {
    let bytes = body.all();
    match form(&bytes, false) {
        Form::Open => held(body, Reading::Undetected(bytes.len().max(inspected))),
        Form::Unreadable => unreadable(body, config),
        Form::Other if !config.raw => {
            body.state.request = Reading::Passes;
            Flow::Continue
        }
        Form::Json | Form::Other => held(body, Reading::Whole),
    }
}

/// Inspects a complete body.
fn inspect(body: &mut RequestBody<State>, config: &Config) -> Flow {
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

/// Copies a body that is passed on in a dry run.
fn copy(body: &mut RequestBody<State>, config: &Config, mut bytes: Vec<u8>) -> Flow {
    let begins = bytes.len() < SNIFF_BYTES;
    bytes.extend(body.chunk());
    let is_other = !config.raw && begins && form(&bytes, false) == Form::Other;
    if is_other || bytes.len() > MAX_COPY {
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

/// Processes a chunk of an open-ended stream.
fn process_values(body: &mut RequestBody<State>, config: &Config, mut values: Box<Values>) -> Flow {
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
    Flow::Reply(config.denials.reply(denial, REQUEST_DENIED).dry_run(config.rules.dry_run))
}

/// Refuses an unreadable body.
fn unreadable(body: &mut RequestBody<State>, config: &Config) -> Flow {
    body.state.answered = !config.rules.dry_run;
    body.state.request = Reading::Passes;
    let status = StatusCode::try_from(400).unwrap_or(StatusCode::FORBIDDEN);
    Flow::Reply(Reply::new(status).details(REQUEST_UNREADABLE).dry_run(config.rules.dry_run))
}

/// Extensions of assets, which models do not return.
const ASSET_EXTENSIONS: &[&str] = &[
    "avif", "br", "css", "eot", "gif", "gz", "ico", "jpeg", "jpg", "js", "mjs", "mp3", "mp4", "ogg", "otf",
    "pdf", "png", "svg", "ttf", "wasm", "wav", "webm", "webp", "woff", "woff2", "zip",
];

/// Returns true if the response is probably not inspected and may be compressed. If it must be inspected after all and is
/// compressed, it is refused, so clients cannot bypass inspection by these headers.
fn expects_asset(path: &[u8], destination: Option<&[u8]>, accept: Option<&[u8]>) -> bool {
    let mut name =
        path.rsplit(|byte| *byte == b'/').next().unwrap_or_default().rsplitn(2, |byte| *byte == b'.');
    let extension = name.next().filter(|_| name.next().is_some());
    let is_one_of = |value: Option<&[u8]>, all: &[&str]| {
        value.is_some_and(|value| all.iter().any(|one| value.eq_ignore_ascii_case(one.as_bytes())))
    };
    let begins = |kind: &&str| {
        let start = accept.and_then(|accept| accept.get(..kind.len()));
        start.is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
    };
    is_one_of(extension, ASSET_EXTENSIONS)
        || is_one_of(destination, &["audio", "font", "image", "script", "style", "track", "video"])
        || ["audio/", "font/", "image/", "text/css", "video/"].iter().any(begins)
}
