//! Responses. Their content type determines the inspection, because the upstream is trusted.

use sdk::prelude::*;
use text::chat;

use crate::config::Config;
use crate::denial::Denial;
use crate::form::{Form, form};
use crate::lines::Lines;
use crate::masks::Masks;
use crate::raw::Words;
use crate::stream::Stream;
use crate::values::Values;
use crate::{
    DROPPED, LOST, RESPONSE_DENIED, RESPONSE_UNREADABLE, State, UNREADABLE, denied_in_dry_run,
    denied_in_place, is_due, is_encoded, whole,
};

/// The maximum size of a copy in a dry run.
const MAX_COPY: usize = 1 << 20;

/// The number of bytes used to detect the format.
const SNIFF_BYTES: usize = 64;

/// The number of bytes at the end of the available data that may be incomplete rather than malformed.
const ERROR_MARGIN: usize = 16;

/// The state of inspecting a response.
#[derive(Default)]
pub enum Reading {
    /// Do not inspect.
    #[default]
    Passes,
    /// Hold until it is complete, as long as it may be JSON. This number of bytes has been checked.
    Whole(usize),
    /// Pass on, and inspect this copy when it is complete.
    Copy(Vec<u8>),
    /// Inspect events as they arrive.
    Stream(Box<Stream>),
    /// Inspect JSON lines as they arrive.
    Lines(Box<Lines>),
    /// Search for words as it arrives, because it is not JSON.
    Words(Box<Words>),
    /// Inspect as it arrives, because it may have no end.
    Values(Box<Values>),
    /// Denied: drop the rest.
    Denied,
}

/// The kind of a content type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    Lines,
    /// JSON or unknown; the first bytes decide.
    Json,
    /// A text that is probably not JSON.
    Text,
    Other,
}

/// Processes the headers of a response.
pub fn headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
    let headers = response.all();
    let is_open_ended = response.kind().is_open_ended();
    let kind = kind(headers.values("content-type").next().unwrap_or_default());
    if kind == Kind::Other && !config.raw {
        return Flow::Continue;
    }
    let encoded = headers.values("content-encoding").any(is_encoded);
    let Some(state) = &mut response.state else { return Flow::Continue };
    if encoded && matches!(kind, Kind::Text | Kind::Other) {
        // A page or style sheet that is stored compressed, not the text of a model.
        UNREADABLE.add(1);
        return Flow::Continue;
    }
    if encoded {
        state.answered = !config.rules.dry_run;
        return Flow::Reply(
            Reply::new(::config::StatusCode::SERVICE_UNAVAILABLE)
                .details(RESPONSE_UNREADABLE)
                .cause("content-encoding")
                .dry_run(config.rules.dry_run),
        );
    }
    state.response = match kind {
        Kind::Events => Reading::Stream(Box::default()),
        Kind::Lines => Reading::Lines(Box::default()),
        Kind::Json | Kind::Text | Kind::Other if config.is_passive() => Reading::Copy(Vec::new()),
        Kind::Json | Kind::Text | Kind::Other if is_open_ended => Reading::Values(Box::default()),
        Kind::Json | Kind::Text | Kind::Other => Reading::Whole(0),
    };
    if config.is_passive() {
        return Flow::Continue;
    }
    if headers.values("content-length").next().is_some() {
        // The body may change.
        response.remove("content-length");
    }
    if config.hold_headers && !is_open_ended { Flow::Hold } else { Flow::Continue }
}

/// Returns the kind of a content type.
fn kind(content_type: &[u8]) -> Kind {
    let name = chat::media_type(content_type).to_ascii_lowercase();
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let no_json: [&[u8]; 5] = [b"css", b"csv", b"ecmascript", b"javascript", b"xml"];
    match () {
        () if chat::is_events(content_type) => Kind::Events,
        () if has(b"ndjson") || has(b"jsonl") => Kind::Lines,
        () if name.is_empty() || has(b"json") || name == b"text/plain" => Kind::Json,
        () if name.starts_with(b"text/") && !no_json.into_iter().any(has) => Kind::Text,
        () => Kind::Other,
    }
}

/// Processes a chunk of the body.
pub fn body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let last = body.is_last();
    let reading = match &mut body.state {
        Some(state) => std::mem::take(&mut state.response),
        None => Reading::Passes,
    };
    match reading {
        Reading::Passes => Flow::Continue,
        Reading::Whole(_) if last => inspect(body, config),
        Reading::Whole(inspected) if config.raw || !is_due(body.size(), inspected) => {
            set_reading(body, Reading::Whole(inspected));
            Flow::Hold
        }
        Reading::Whole(_) => detect(body, config),
        Reading::Copy(bytes) => copy(body, config, bytes),
        Reading::Stream(stream) => process_events(body, config, stream),
        Reading::Lines(lines) => process_lines(body, config, lines),
        Reading::Words(words) => process_words(body, config, words),
        Reading::Values(values) => process_values(body, config, values),
        Reading::Denied => {
            if body.can_replace() {
                body.replace(b"");
            }
            set_reading(body, Reading::Denied);
            Flow::Continue
        }
    }
}

fn set_reading(body: &mut ResponseBody<State>, reading: Reading) {
    if let Some(state) = &mut body.state {
        state.response = reading;
    }
}

/// Holds an incomplete response as long as it may be JSON.
fn detect(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let bytes = body.all();
    match form(&bytes, false) {
        Form::Other => return Flow::Continue,
        Form::Json if is_malformed(config, &bytes) => {}
        Form::Unreadable => {}
        Form::Json | Form::Open => {
            set_reading(body, Reading::Whole(bytes.len()));
            return Flow::Hold;
        }
    }
    UNREADABLE.add(1);
    process_words(body, config, Box::default())
}

/// Returns true if this is malformed JSON regardless of what follows.
fn is_malformed(config: &Config, bytes: &[u8]) -> bool {
    let error = whole::error_offset(&config.response, bytes);
    error.is_some_and(|offset| offset + ERROR_MARGIN <= bytes.len())
}

/// Inspects a complete response.
fn inspect(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let bytes = body.all();
    let verdict = with_masks(body, |masks| whole::response(config, &bytes, masks));
    let verdict = verdict.unwrap_or_else(|_| {
        UNREADABLE.add(1);
        whole::search_unparsed(&config.rules, &bytes)
    });
    match verdict.denial {
        Some(denial) if config.rules.dry_run => denied_in_dry_run(denial.cause),
        Some(denial) if config.hold_headers => {
            return Flow::Reply(config.denials.reply(denial, RESPONSE_DENIED));
        }
        Some(denial) => {
            denied_in_place(denial);
            body.replace(config.denials.body(denial.shape));
            return Flow::Continue;
        }
        None => {}
    }
    if let Some(changed) = verdict.changed {
        body.replace(changed);
    }
    Flow::Continue
}

fn with_masks<T>(body: &ResponseBody<State>, read: impl FnOnce(&Masks) -> T) -> T {
    let empty = Masks::default();
    read(body.state.as_ref().map_or(&empty, |state| &state.masks))
}

/// Copies a response that is passed on in a dry run.
fn copy(body: &mut ResponseBody<State>, config: &Config, mut bytes: Vec<u8>) -> Flow {
    let begins = bytes.len() < SNIFF_BYTES;
    bytes.extend(body.chunk());
    if !config.raw && begins && form(&bytes, false) == Form::Other {
        return Flow::Continue;
    }
    if bytes.len() > MAX_COPY {
        UNREADABLE.add(1);
        return Flow::Continue;
    }
    if !body.is_last() {
        set_reading(body, Reading::Copy(bytes));
        return Flow::Continue;
    }
    let verdict = with_masks(body, |masks| whole::response(config, &bytes, masks));
    let verdict = verdict.unwrap_or_else(|_| {
        UNREADABLE.add(1);
        whole::search_unparsed(&config.rules, &bytes)
    });
    if let Some(denial) = verdict.denial {
        denied_in_dry_run(denial.cause);
    }
    Flow::Continue
}

/// Processes a chunk of server-sent events.
fn process_events(body: &mut ResponseBody<State>, config: &Config, mut stream: Box<Stream>) -> Flow {
    let last = body.is_last();
    let is_passive = config.is_passive();
    // With headers held, the gateway's buffer contains unsent events.
    let unsent = !stream.sent_text;
    let all = if is_passive { body.chunk() } else { body.all() };
    let held = if is_passive { 0 } else { body.held() };
    let (waiting, bytes) = all.split_at_checked(held).unwrap_or((&all, b""));
    let mut output = with_masks(body, |masks| stream.push(config, masks, bytes, last));
    if stream.dropped > 0 {
        DROPPED.add(std::mem::take(&mut stream.dropped));
    }
    if output.broken && !config.rules.dry_run {
        return Flow::Reset;
    }
    if is_passive {
        // Only the copy is held; the stream has been passed on.
        if !output.broken {
            set_reading(body, Reading::Stream(stream));
        }
        return Flow::Continue;
    }
    if output.broken {
        output.bytes.extend(stream.rest());
    }
    let released = [waiting, &output.bytes].concat();
    if !body.can_replace() {
        // At the trailers, everything before them has been sent.
        if !output.bytes.is_empty() {
            LOST.add(1);
        }
        return Flow::Continue;
    }
    if released != all {
        body.replace(&released);
    }
    if let Some(denial) = output.denial {
        if config.hold_headers && unsent && !stream.sent_text {
            return Flow::Reply(config.denials.reply(denial, RESPONSE_DENIED));
        }
        denied_in_place(denial);
        set_reading(body, Reading::Denied);
        return Flow::Continue;
    }
    if output.broken {
        return Flow::Continue;
    }
    let hold = config.hold_headers && !stream.sent_text && !last;
    set_reading(body, Reading::Stream(stream));
    if hold { Flow::Hold } else { Flow::Continue }
}

/// Processes a chunk of JSON lines.
fn process_lines(body: &mut ResponseBody<State>, config: &Config, mut lines: Box<Lines>) -> Flow {
    let (bytes, last) = (body.chunk(), body.is_last());
    let output = with_masks(body, |masks| lines.push(config, masks, &bytes, last));
    UNREADABLE.add(std::mem::take(&mut lines.unreadable));
    if config.is_passive() {
        set_reading(body, Reading::Lines(lines));
        return Flow::Continue;
    }
    replace(body, output.bytes, &bytes);
    match output.denial {
        Some(denial) => deny(body, config, denial),
        None => {
            set_reading(body, Reading::Lines(lines));
            Flow::Continue
        }
    }
}

/// Processes a chunk of an unreadable response, which passes unchanged unless it contains a denied word.
fn process_words(body: &mut ResponseBody<State>, config: &Config, mut words: Box<Words>) -> Flow {
    let bytes = if body.held() > 0 { body.all() } else { body.chunk() };
    let mut released = Vec::with_capacity(bytes.len());
    match words.push(config, &bytes, body.is_last(), &mut released) {
        Some(cause) => {
            let denial = Denial { shape: crate::denial::Shape::Raw, cause };
            released.extend(config.denials.body(denial.shape));
            replace(body, released, &bytes);
            deny(body, config, denial)
        }
        None => {
            replace(body, released, &bytes);
            set_reading(body, Reading::Words(words));
            Flow::Continue
        }
    }
}

/// Processes a chunk of an open-ended stream.
fn process_values(body: &mut ResponseBody<State>, config: &Config, mut values: Box<Values>) -> Flow {
    let (bytes, last) = (body.chunk(), body.is_last());
    let output = with_masks(body, |masks| {
        values.push(config, &bytes, last, &mut |value| {
            Ok(whole::response(config, value, masks)
                .unwrap_or_else(|_| whole::search_unparsed(&config.rules, value)))
        })
    });
    UNREADABLE.add(u32::from(output.unreadable));
    if let Some(denial) = output.denial.filter(|_| config.rules.dry_run) {
        denied_in_dry_run(denial.cause);
    }
    let denial = output.denial.filter(|_| !config.rules.dry_run);
    let answer = denial.map(|denial| config.denials.body(denial.shape)).unwrap_or_default();
    replace(body, [output.bytes, answer].concat(), &bytes);
    match denial {
        Some(denial) => deny(body, config, denial),
        None => {
            set_reading(body, Reading::Values(values));
            Flow::Continue
        }
    }
}

/// Replaces received bytes, if the gateway allows it.
fn replace(body: &ResponseBody<State>, new: Vec<u8>, received: &[u8]) {
    match body.can_replace() {
        _ if new == received => {}
        true => body.replace(&new),
        false => LOST.add(1),
    }
}

/// Denies the rest of the response.
fn deny(body: &mut ResponseBody<State>, config: &Config, denial: Denial) -> Flow {
    if config.hold_headers && body.held() > 0 {
        return Flow::Reply(config.denials.reply(denial, RESPONSE_DENIED));
    }
    denied_in_place(denial);
    set_reading(body, Reading::Denied);
    Flow::Continue
}
