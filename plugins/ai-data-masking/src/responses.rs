//! Responses: their type says how they are looked at, since it is the upstream's word.

use sdk::prelude::*;

use crate::answer::Denial;
use crate::config::Config;
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

/// How much is kept of a body that only is looked at.
const LARGEST: usize = 1 << 20;

/// How much of its start may say what it is.
const BEGINNING: usize = 64;

/// How much of the end of what has come may be the beginning of something, and no mistake yet.
const MISTAKE: usize = 16;

/// How a response is looked at.
#[derive(Default)]
pub enum Reading {
    /// Not at all.
    #[default]
    Passes,
    /// When all of it is there, if its first bytes say that it may be JSON; of so many it has been seen.
    Whole(usize),
    /// When all of it is there, of which this is a copy: it goes on meanwhile.
    Copy(Vec<u8>),
    /// As it comes: events, and lines of JSON.
    Stream(Box<Stream>),
    Lines(Box<Lines>),
    /// As it comes, and for words alone: it has been found to be no JSON.
    Words(Box<Words>),
    /// As it comes, because it may have no end.
    Values(Box<Values>),
    /// It has been denied: nothing more of it goes on.
    Denied,
}

/// What a content type says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    Lines,
    /// JSON, or what may be: the first bytes decide.
    Json,
    /// A text that may be JSON, though that is not likely.
    Text,
    Other,
}

/// The head of a response.
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
        // A page, a style sheet: stored so, and no text of a model.
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
        Kind::Json | Kind::Text | Kind::Other if config.only_looks() => Reading::Copy(Vec::new()),
        Kind::Json | Kind::Text | Kind::Other if is_open_ended => Reading::Values(Box::default()),
        Kind::Json | Kind::Text | Kind::Other => Reading::Whole(0),
    };
    if config.only_looks() {
        return Flow::Continue;
    }
    if headers.values("content-length").next().is_some() {
        // The body may become another.
        response.remove("content-length");
    }
    if config.hold_headers && !is_open_ended { Flow::Hold } else { Flow::Continue }
}

/// How a response of this content type is looked at.
fn kind(content_type: &[u8]) -> Kind {
    let lower = content_type.to_ascii_lowercase();
    let name = lower.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let no_json: [&[u8]; 5] = [b"css", b"csv", b"ecmascript", b"javascript", b"xml"];
    match () {
        () if name == b"text/event-stream" => Kind::Events,
        () if has(b"ndjson") || has(b"jsonl") => Kind::Lines,
        () if name.is_empty() || has(b"json") || name == b"text/plain" => Kind::Json,
        () if name.starts_with(b"text/") && !no_json.into_iter().any(has) => Kind::Text,
        () => Kind::Other,
    }
}

/// What has arrived of the body.
pub fn body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let last = body.is_last();
    let reading = match &mut body.state {
        Some(state) => std::mem::take(&mut state.response),
        None => Reading::Passes,
    };
    match reading {
        Reading::Passes => Flow::Continue,
        Reading::Whole(_) if last => whole(body, config),
        Reading::Whole(looked_at) if config.raw || !is_due(body.held(), looked_at) => {
            put(body, Reading::Whole(looked_at));
            Flow::Hold
        }
        Reading::Whole(_) => begin(body, config),
        Reading::Copy(bytes) => copy(body, config, bytes),
        Reading::Stream(stream) => events(body, config, stream),
        Reading::Lines(lines) => lines_of(body, config, lines),
        Reading::Words(words) => words_of(body, config, words),
        Reading::Values(values) => values_of(body, config, values),
        Reading::Denied => {
            if body.can_replace() {
                body.replace(b"");
            }
            put(body, Reading::Denied);
            Flow::Continue
        }
    }
}

fn put(body: &mut ResponseBody<State>, reading: Reading) {
    if let Some(state) = &mut body.state {
        state.response = reading;
    }
}

/// The first bytes of a response of which more comes: it waits as long as it may be JSON.
fn begin(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let bytes = body.all();
    match form(&bytes, false) {
        Form::Other => return Flow::Continue,
        Form::Json if is_broken(config, &bytes) => {}
        Form::Unreadable => {}
        Form::Json | Form::Open => {
            put(body, Reading::Whole(bytes.len()));
            return Flow::Hold;
        }
    }
    UNREADABLE.add(1);
    words_of(body, config, Box::default())
}

/// Whether this is the beginning of no JSON, whatever follows.
fn is_broken(config: &Config, bytes: &[u8]) -> bool {
    let broken = whole::mistake(&config.response, bytes);
    broken.is_some_and(|offset| offset + MISTAKE <= bytes.len())
}

/// The verdict on a response that is whole.
fn whole(body: &mut ResponseBody<State>, config: &Config) -> Flow {
    let bytes = body.all();
    let verdict = with_masks(body, |masks| whole::response(config, &bytes, masks));
    let verdict = verdict.unwrap_or_else(|_| {
        UNREADABLE.add(1);
        whole::unread(&config.rules, &bytes)
    });
    match verdict.denial {
        Some(denial) if config.rules.dry_run => denied_in_dry_run(denial.cause),
        Some(denial) if config.hold_headers => {
            return Flow::Reply(config.answers.reply(denial, RESPONSE_DENIED));
        }
        Some(denial) => {
            denied_in_place(denial);
            body.replace(config.answers.body(denial.shape));
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

/// A response that goes on as it comes, since nothing is denied in a dry run.
fn copy(body: &mut ResponseBody<State>, config: &Config, mut bytes: Vec<u8>) -> Flow {
    let begins = bytes.len() < BEGINNING;
    bytes.extend(body.chunk());
    if !config.raw && begins && form(&bytes, false) == Form::Other {
        return Flow::Continue;
    }
    if bytes.len() > LARGEST {
        UNREADABLE.add(1);
        return Flow::Continue;
    }
    if !body.is_last() {
        put(body, Reading::Copy(bytes));
        return Flow::Continue;
    }
    let verdict = with_masks(body, |masks| whole::response(config, &bytes, masks));
    let verdict = verdict.unwrap_or_else(|_| {
        UNREADABLE.add(1);
        whole::unread(&config.rules, &bytes)
    });
    if let Some(denial) = verdict.denial {
        denied_in_dry_run(denial.cause);
    }
    Flow::Continue
}

/// What has arrived of a stream of events.
fn events(body: &mut ResponseBody<State>, config: &Config, mut stream: Box<Stream>) -> Flow {
    let last = body.is_last();
    let only_looks = config.only_looks();
    // With headers held, what was not let go of yet is in the gateway's buffer, as it has to go on.
    let began = !stream.shown;
    let all = if only_looks { body.chunk() } else { body.all() };
    let held = if only_looks { 0 } else { body.held() };
    let (waiting, bytes) = all.split_at_checked(held).unwrap_or((&all, b""));
    let mut output = with_masks(body, |masks| stream.push(config, masks, bytes, last));
    if stream.dropped > 0 {
        DROPPED.add(std::mem::take(&mut stream.dropped));
    }
    if output.broken && !config.rules.dry_run {
        return Flow::Reset;
    }
    if only_looks {
        // What is held is the copy's: the stream has gone on.
        if !output.broken {
            put(body, Reading::Stream(stream));
        }
        return Flow::Continue;
    }
    if output.broken {
        output.bytes.extend(stream.rest());
    }
    let goes_on = [waiting, &output.bytes].concat();
    if !body.can_replace() {
        // Trailers, and all that was before them has gone on.
        if !output.bytes.is_empty() {
            LOST.add(1);
        }
        return Flow::Continue;
    }
    if goes_on != all {
        body.replace(&goes_on);
    }
    if let Some(denial) = output.denial {
        if config.hold_headers && began && !stream.shown {
            return Flow::Reply(config.answers.reply(denial, RESPONSE_DENIED));
        }
        denied_in_place(denial);
        put(body, Reading::Denied);
        return Flow::Continue;
    }
    if output.broken {
        return Flow::Continue;
    }
    let hold = config.hold_headers && !stream.shown && !last;
    put(body, Reading::Stream(stream));
    if hold { Flow::Hold } else { Flow::Continue }
}

/// What has arrived of lines of JSON.
fn lines_of(body: &mut ResponseBody<State>, config: &Config, mut lines: Box<Lines>) -> Flow {
    let (bytes, last) = (body.chunk(), body.is_last());
    let output = with_masks(body, |masks| lines.push(config, masks, &bytes, last));
    UNREADABLE.add(std::mem::take(&mut lines.unreadable));
    if config.only_looks() {
        put(body, Reading::Lines(lines));
        return Flow::Continue;
    }
    put_back(body, output.bytes, &bytes);
    match output.denial {
        Some(denial) => deny_here(body, config, denial),
        None => {
            put(body, Reading::Lines(lines));
            Flow::Continue
        }
    }
}

/// What has arrived of a response that cannot be read: it goes on byte for byte, unless there is a denied word.
fn words_of(body: &mut ResponseBody<State>, config: &Config, mut words: Box<Words>) -> Flow {
    let bytes = if body.held() > 0 { body.all() } else { body.chunk() };
    let mut goes_on = Vec::with_capacity(bytes.len());
    match words.push(config, &bytes, body.is_last(), &mut goes_on) {
        Some(cause) => {
            let denial = Denial { shape: crate::answer::Shape::Raw, cause };
            goes_on.extend(config.answers.body(denial.shape));
            put_back(body, goes_on, &bytes);
            deny_here(body, config, denial)
        }
        None => {
            put_back(body, goes_on, &bytes);
            put(body, Reading::Words(words));
            Flow::Continue
        }
    }
}

/// What has come of a stream that may have no end.
fn values_of(body: &mut ResponseBody<State>, config: &Config, mut values: Box<Values>) -> Flow {
    let (bytes, last) = (body.chunk(), body.is_last());
    let output = with_masks(body, |masks| {
        values.push(config, &bytes, last, &mut |value| {
            Ok(whole::response(config, value, masks).unwrap_or_else(|_| whole::unread(&config.rules, value)))
        })
    });
    UNREADABLE.add(u32::from(output.unreadable));
    if let Some(denial) = output.denial.filter(|_| config.rules.dry_run) {
        denied_in_dry_run(denial.cause);
    }
    let denial = output.denial.filter(|_| !config.rules.dry_run);
    let answer = denial.map(|denial| config.answers.body(denial.shape)).unwrap_or_default();
    put_back(body, [output.bytes, answer].concat(), &bytes);
    match denial {
        Some(denial) => deny_here(body, config, denial),
        None => {
            put(body, Reading::Values(values));
            Flow::Continue
        }
    }
}

/// Puts bytes in the place of those that have come, as far as the gateway takes them.
fn put_back(body: &ResponseBody<State>, new: Vec<u8>, came: &[u8]) {
    match body.can_replace() {
        _ if new == came => {}
        true => body.replace(&new),
        false => LOST.add(1),
    }
}

/// The response ends here.
fn deny_here(body: &mut ResponseBody<State>, config: &Config, denial: Denial) -> Flow {
    if config.hold_headers && body.held() > 0 {
        return Flow::Reply(config.answers.reply(denial, RESPONSE_DENIED));
    }
    denied_in_place(denial);
    put(body, Reading::Denied);
    Flow::Continue
}
