//! Whether the cost of a module is linear in the size of what it reads. The interpreter counts the same instructions in every
//! run, so this needs no clock.

use anyhow::{Context, bail};
use serde_json::Value;

use crate::exchange::{Chunks, Gateway, Request, Setup, Upstream};
use crate::{Engine, Load};

/// The maximum ratio of costs for four times the size. Initialisation is part of the smaller one, and some searches take
/// logarithmic time.
pub const MAX_RATIO: f64 = 4.4;

/// Larger sizes are not measured beyond this cost, about one second.
const MAX_INSTRUCTIONS: u64 = 200_000_000;

/// Returns the instructions that a module executes for a request and its response, under a configuration.
///
/// # Errors
///
/// The configuration is rejected, or the response is not 200.
pub fn instructions(
    engine: &dyn Engine,
    config: &Value,
    request: &Request,
    upstream: &Upstream,
) -> anyhow::Result<u64> {
    let gateway = Gateway { buffer_limit: 64 << 20, ..Gateway::default() };
    let setup = Setup { configuration: Some(config.to_string()), gateway, ..Setup::default() };
    let Load::Loaded(mut loaded) = engine.load(&setup)? else { bail!("{config} was rejected") };
    let outcome = loaded.exchange(request, upstream)?;
    let status = outcome.answer.context("no response")?.status;
    if status != 200 {
        bail!("{config}: status {status}");
    }
    outcome.instructions.context("the engine does not count instructions")
}

/// Sends a request repeatedly, and returns the pages of the module's memory after a tenth of them and after all.
///
/// # Errors
///
/// The configuration is rejected, or a response is not 200.
fn memory(
    engine: &dyn Engine,
    config: &Value,
    (request, upstream): &(Request, Upstream),
    times: usize,
) -> anyhow::Result<(u64, u64)> {
    let setup = Setup { configuration: Some(config.to_string()), ..Setup::default() };
    let Load::Loaded(mut loaded) = engine.load(&setup)? else { bail!("{config} was rejected") };
    let mut pages = (0, 0);
    for number in 1..=times {
        let outcome = loaded.exchange(request, upstream)?;
        let status = outcome.answer.context("no response")?.status;
        if status != 200 {
            bail!("{config}: status {status}");
        }
        pages.1 = outcome.memory_pages.context("the engine does not measure memory")?;
        if number == times / 10 {
            pages.0 = pages.1;
        }
    }
    Ok(pages)
}

/// Returns a request to a model, and its answer as a stream of which each event is a chunk.
#[must_use]
fn events(count: usize) -> (Request, Upstream) {
    let event = concat!(
        r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":"#,
        r#"[{"index":0,"delta":{"content":" words"},"finish_reason":null}]}"#,
        "\n\n"
    );
    let last = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":200}}\n\ndata: [DONE]\n\n";
    let request = Request {
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hi"}]}"#.into()),
        ..Request::default()
    };
    let upstream = Upstream {
        headers: vec![("content-type".into(), "text/event-stream".into())],
        body: (event.repeat(count) + last).as_str().into(),
        chunks: Some(Chunks::Sizes(vec![event.len(); count])),
        ..Upstream::default()
    };
    (request, upstream)
}

/// Returns the instructions of each event of a stream that arrives event by event.
///
/// # Errors
///
/// The same as those of [`instructions`].
fn per_event(engine: &dyn Engine, config: &Value) -> anyhow::Result<u64> {
    const EVENTS: usize = 200;
    let cost = |count| {
        let (request, upstream) = events(count);
        instructions(engine, config, &request, &upstream)
    };
    Ok((cost(EVENTS)? - cost(0)?) / EVENTS as u64)
}

/// Checks what an event of a stream costs at most, and that a stream of four times as many events costs four times as much.
///
/// # Errors
///
/// It costs more, or cannot be measured.
pub fn check_events(engine: &dyn Engine, config: &Value, most: u64) -> anyhow::Result<()> {
    let cost = per_event(engine, config)?;
    println!("{cost} instructions for each event");
    if cost > most {
        bail!("{cost} instructions for each event, of at most {most}");
    }
    check("events", 200, |count| {
        let (request, upstream) = events(count);
        instructions(engine, config, &request, &upstream)
    })
}

/// Checks that memory does not grow with the number of streams, which is `STREAMS` or else this one.
///
/// # Errors
///
/// It grows, or cannot be measured.
pub fn check_memory(engine: &dyn Engine, config: &Value, streams: usize) -> anyhow::Result<()> {
    let streams = match std::env::var("STREAMS") {
        Ok(number) => number.parse().context("STREAMS is not a number")?,
        Err(_) => streams,
    };
    let (early, late) = memory(engine, config, &events(10), streams)?;
    println!("{late} pages after {streams} streams");
    if early != late {
        bail!("{early} pages of memory after a tenth of {streams} streams, and {late} after all");
    }
    Ok(())
}

/// Compares the cost of a size (in bytes or events) with that of four times the size, repeatedly while it is low.
///
/// # Errors
///
/// The cost grows faster than the size, or cannot be measured.
pub fn check(name: &str, size: usize, cost: impl Fn(usize) -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let mut before = cost(size)?;
    for size in [4 * size, 16 * size] {
        let after = cost(size)?;
        let ratio = after as f64 / before as f64;
        println!("{name}: {size} cost {after}, {} each, {ratio:.3} times a quarter", after / size as u64);
        if ratio > MAX_RATIO {
            bail!("{name}: {size} cost {after}, and a quarter of it {before}: {ratio:.3}");
        }
        if after > MAX_INSTRUCTIONS {
            break;
        }
        before = after;
    }
    Ok(())
}
