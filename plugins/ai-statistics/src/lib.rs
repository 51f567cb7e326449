//! Counts tokens and times of requests to models, in metrics and in the access log.

use sdk::prelude::*;
use sdk::property::Property;
use sdk::{Label, Series, consumer, time};
use text::chat::{Answer, Meter};

mod config;
mod path;
mod rules;

use crate::config::{Config, Source};
use crate::rules::Literal;

struct AiStatistics;

/// The property of Higress's plug-ins for the access log.
const AI_LOG: Property<Vec<u8>> = Property::new("ai_log");

/// The size of a request up to which attributes of its body are read.
const MAX_COPY: usize = 1 << 20;

static ROUTE: Label = Label::new("route", 300);
static UPSTREAM: Label = Label::new("upstream", 300);
static MODEL: Label = Label::new("model", 200);
static CONSUMER: Label = Label::new("consumer", 500);

static MISSING: Counter = Counter::new("ai-statistics.usage_missing");
static UNREADABLE: Counter = Counter::new("ai-statistics.response_unreadable");

/// The state of a request that is counted.
#[derive(Default)]
pub struct State {
    /// Times in nanoseconds: of the request, of the first event of a stream, and of the end of the response.
    begin: u64,
    first: Option<u64>,
    end: Option<u64>,
    /// Reads the model of the request.
    request: Option<Box<Answer>>,
    /// A copy of the request's body, if an attribute needs it.
    body: Option<Vec<u8>>,
    /// Reads the response, if it has tokens.
    meter: Option<Box<Meter>>,
    /// The values of the attributes, in their order.
    values: Vec<Option<Literal>>,
    facts: Option<Facts>,
}

/// What is known at the end of a response.
#[derive(Debug, Default)]
pub struct Facts {
    model: Option<String>,
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    /// Tokens of the answer if the server reports none.
    estimated: Option<u64>,
    /// Milliseconds.
    first: Option<u64>,
    service: Option<u64>,
    /// `None` for a response that has not been read.
    is_stream: Option<bool>,
}

#[plugin]
impl Plugin for AiStatistics {
    const ON_FAILURE: Failure = Failure::Open;

    type Config = Config;
    type State = Option<Box<State>>;

    fn on_request_headers(request: &mut RequestHeaders<Self::State>, config: &Config) -> Flow {
        let headers = request.all();
        if !config.counts(headers.get(":path").unwrap_or_default()) {
            return Flow::Continue;
        }
        let mut state =
            Box::new(State { begin: time::nanoseconds().unwrap_or_default(), ..State::default() });
        // A compressed answer cannot be read.
        if headers.get("accept-encoding").is_some() {
            request.set("accept-encoding", "identity");
        }
        rules::evaluate(config, &mut state, Source::FixedValue, |attribute| {
            Some(rules::text(&attribute.value, config.max_length))
        });
        rules::evaluate(config, &mut state, Source::RequestHeader, |attribute| {
            let value = headers.get(&attribute.value)?;
            Some(rules::text(&String::from_utf8_lossy(value), config.max_length))
        });
        if !request.end_of_stream() {
            state.request = Answer::new(b"application/json").map(Box::new);
            state.body = config.has(Source::RequestBody).then(Vec::new);
        }
        *request.state = Some(state);
        Flow::Continue
    }

    fn holds_request_body(_: &Config) -> bool {
        false
    }

    fn on_request_body(body: &mut RequestBody<Self::State>, config: &Config) -> Flow {
        if body.state.as_ref().is_none_or(|state| state.request.is_none()) {
            return Flow::Continue;
        }
        let (chunk, is_last) = (body.chunk(), body.is_last());
        let Some(state) = body.state.as_deref_mut() else { return Flow::Continue };
        let Some(request) = &mut state.request else { return Flow::Continue };
        request.push(&chunk);
        match &mut state.body {
            Some(copy) if copy.len() + chunk.len() <= MAX_COPY => copy.extend_from_slice(&chunk),
            _ => state.body = None,
        }
        if is_last {
            request.finish();
            let copy = state.body.take();
            rules::evaluate(config, state, Source::RequestBody, |attribute| {
                rules::in_body(config, attribute, copy.as_deref())
            });
        }
        Flow::Continue
    }

    fn on_response_headers(response: &mut ResponseHeaders<Self::State>, config: &Config) -> Flow {
        let headers = response.all();
        let end_of_stream = response.end_of_stream();
        let Some(Some(state)) = response.state.as_deref_mut() else { return Flow::Continue };
        rules::evaluate(config, state, Source::ResponseHeader, |attribute| {
            let value = headers.get(&attribute.value)?;
            Some(rules::text(&String::from_utf8_lossy(value), config.max_length))
        });
        let content_type = headers.get("content-type").unwrap_or_default();
        let is_success = headers.get(":status").is_some_and(|status| status.starts_with(b"2"));
        if end_of_stream || !is_success || !config.reads(content_type) {
            return Flow::Continue;
        }
        if headers.is_encoded() {
            UNREADABLE.add(1);
            return Flow::Continue;
        }
        state.meter = Meter::new(content_type).map(Box::new);
        Flow::Continue
    }

    fn holds_response_body(_: &Config) -> bool {
        false
    }

    fn on_response_body(body: &mut ResponseBody<Self::State>, config: &Config) -> Flow {
        if !matches!(&body.state, Some(Some(state)) if state.meter.is_some()) {
            return Flow::Continue;
        }
        let (chunk, is_last) = (body.chunk(), body.is_last());
        let Some(Some(state)) = body.state.as_deref_mut() else { return Flow::Continue };
        let State { meter: Some(meter), values, first, .. } = &mut **state else { return Flow::Continue };
        let has_attributes = config.has(Source::ResponseStreamingBody);
        let mut events = 0;
        meter.push(&chunk, |event| {
            events += 1;
            if has_attributes {
                rules::add_event(config, values, event);
            }
        });
        if events > 0 && first.is_none() {
            *first = time::nanoseconds().ok();
        }
        if is_last {
            // Gateways that write their access log before `on_log` is called have it from here.
            finish(state, config);
        }
        Flow::Continue
    }

    fn on_log(end: &mut StreamEnd<Self::State>, config: &Config) {
        let Some(Some(state)) = end.state.as_deref_mut() else { return };
        finish(state, config);
        if let (Some(facts), true) = (&state.facts, state.meter.is_some()) {
            count(facts);
        }
    }
}

/// Records the end of a response, and writes the access log's property, once.
fn finish(state: &mut State, config: &Config) {
    if state.facts.is_some() {
        return;
    }
    state.end = time::nanoseconds().ok();
    let State { meter, values, .. } = state;
    if let Some(meter) = meter {
        meter.finish(|event| rules::add_event(config, values, event));
    }
    let facts = facts(state, config);
    if let Some(meter) = state.meter.take() {
        let source = if meter.is_stream() { Source::ResponseStreamingBody } else { Source::ResponseBody };
        rules::evaluate(config, state, source, |attribute| match source {
            Source::ResponseBody => rules::in_body(config, attribute, meter.body()),
            _ => None,
        });
        state.meter = Some(meter);
    }
    let facts = with_attributes(facts, state, config);
    let line = rules::log(config, state, &facts, AI_LOG.get().as_deref());
    let _ = AI_LOG.set(line);
    for (attribute, value) in config.attributes.iter().zip(&state.values) {
        let Some(value) = value else { continue };
        if let Some(name) = &attribute.separate {
            let _ = property::set(name, rules::escape(&rules::plain(value)));
        }
        if let Some(name) = &attribute.span {
            let _ = property::set(name, rules::plain(value));
        }
    }
    state.facts = Some(facts);
}

/// Returns what the response itself says.
fn facts(state: &State, config: &Config) -> Facts {
    let millis = |at: Option<u64>| Some(at?.saturating_sub(state.begin) / 1_000_000);
    let mut facts = Facts { first: millis(state.first), service: millis(state.end), ..Facts::default() };
    facts.model = state.request.as_ref().and_then(|request| request.model()).map(str::to_owned);
    let Some(meter) = &state.meter else { return facts };
    facts.is_stream = Some(meter.is_stream());
    if !config.reads_usage {
        facts.model = None;
        return facts;
    }
    facts.model = meter.model().map(str::to_owned).or(facts.model);
    match meter.usage() {
        Some(usage) => {
            (facts.input, facts.output, facts.total) =
                (Some(usage.input), Some(usage.output), Some(usage.total));
        }
        None => facts.estimated = Some(meter.estimate()),
    }
    facts
}

/// Replaces the model and the tokens by attributes with their names.
fn with_attributes(mut facts: Facts, state: &State, config: &Config) -> Facts {
    for (attribute, value) in config.attributes.iter().zip(&state.values) {
        let Some(value) = value.as_deref().map(rules::plain) else { continue };
        match attribute.key.as_str() {
            "model" => facts.model = Some(value),
            "input_token" => facts.input = value.parse().ok().or(facts.input),
            "output_token" => facts.output = value.parse().ok().or(facts.output),
            "total_token" => facts.total = value.parse().ok().or(facts.total),
            _ => {}
        }
    }
    if facts.output.is_some() {
        facts.estimated = None;
    }
    facts
}

/// Adds an answer to the metrics.
fn count(facts: &Facts) {
    let or_empty = |value: Result<Option<Vec<u8>>, sdk::Status>| value.ok().flatten().unwrap_or_default();
    let (route, upstream) = (or_empty(property::route_name()), or_empty(property::cluster_name()));
    let consumer = or_empty(consumer::of_request());
    let model = facts.model.as_deref().unwrap_or_default().as_bytes();
    let labels = [
        (&ROUTE, route.as_slice()),
        (&UPSTREAM, upstream.as_slice()),
        (&MODEL, model),
        (&CONSUMER, consumer.as_slice()),
    ];
    let series = Series::new(&labels);
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let is_stream = facts.is_stream == Some(true);
    let numbers = [
        ("input_token", facts.input),
        ("output_token", facts.output),
        ("total_token", facts.total),
        ("estimated_output_token", facts.estimated),
        ("llm_service_duration", facts.service),
        ("llm_duration_count", Some(1)),
        ("llm_first_token_duration", facts.first.filter(|_| is_stream)),
        ("llm_stream_duration_count", is_stream.then_some(1)),
    ];
    for (name, number) in numbers {
        if let Some(number) = number.filter(|number| *number > 0) {
            series.add(name, small(number));
        }
    }
    if facts.estimated.is_some() {
        MISSING.add(1);
    }
    // A consumer has no histograms of its own, which cost a gateway some kilobytes each.
    let spread = Series::new(labels.get(..3).unwrap_or(&labels));
    if let Some(service) = facts.service {
        spread.record("llm_service_ms", service);
    }
    if let (Some(first), true) = (facts.first, is_stream) {
        spread.record("llm_first_token_ms", first);
        let tokens = facts.output.or(facts.estimated).unwrap_or_default();
        let since = facts.service.unwrap_or_default().saturating_sub(first);
        if let (Some(rate), true) = (tokens.saturating_mul(1000).checked_div(since), tokens > 0) {
            spread.record("output_tokens_per_second", rate);
        }
    }
}
