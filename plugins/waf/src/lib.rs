//! Refuses attacks that the rules of a web application firewall recognise, such as those of the OWASP Core Rule Set.

use std::rc::Rc;
use std::time::Duration;

use matcher::ip::parse_ip;
use matcher::path::RequestPath;
use sdk::prelude::*;
use sdk::property::Property;
use sdk::{HeaderMap, Status, time};
use seclang::{Ctl, EngineMode};
use waf::{Denial, Request, Transaction};

mod config;
mod exclusion;
mod packages;
mod responses;
mod rule_set;
mod rules;

use crate::config::Config;
use crate::rules::{Marks, Partial, Phase, Report};

struct WafPlugin;

/// The rules that matched, for the access log.
const HITS: Property<Vec<u8>> = Property::new("waf");

/// The number of bytes of a request body that Higress holds.
const BUFFER_LIMIT: Property<Vec<u8>> = Property::new("set_decoder_buffer_limit");

/// Requests with a match, by the group of the rule, in the order of `rules::GROUPS`.
static MATCHED: [Counter; rules::GROUPS.len()] = [
    Counter::new("waf.matched_deprecated_header"),
    Counter::new("waf.matched_disclosure"),
    Counter::new("waf.matched_fixation"),
    Counter::new("waf.matched_generic"),
    Counter::new("waf.matched_injection_generic"),
    Counter::new("waf.matched_injection_java"),
    Counter::new("waf.matched_injection_php"),
    Counter::new("waf.matched_lfi"),
    Counter::new("waf.matched_multipart_header"),
    Counter::new("waf.matched_protocol"),
    Counter::new("waf.matched_rce"),
    Counter::new("waf.matched_reputation_scanner"),
    Counter::new("waf.matched_rfi"),
    Counter::new("waf.matched_sqli"),
    Counter::new("waf.matched_ssrf"),
    Counter::new("waf.matched_xss"),
];

static MATCHED_OTHER: Counter = Counter::new("waf.matched_other");

/// Bodies of which only the beginning was inspected.
static BODY_PREFIX: Counter = Counter::new("waf.body_prefix");

/// The rules about bodies that cannot be parsed, in `rules/bodies.conf`: the beginning of a body cannot be, as a rule.
const BODY_RULES: (u32, u32) = (200_002, 200_003);

/// Expressions that are compiled in one tick. Most take less than a millisecond.
const EXPRESSIONS_PER_TICK: usize = 4;

/// The number of bytes of a response body that Higress holds.
const RESPONSE_BUFFER_LIMIT: Property<Vec<u8>> = Property::new("set_encoder_buffer_limit");

/// What a response may exceed `max_response_body_bytes` by when it is passed on: its last chunk.
const RESPONSE_CHUNK: usize = 1 << 20;

/// State of a request.
#[derive(Default)]
struct State {
    /// Its transaction, until everything that is inspected has arrived.
    transaction: Option<Box<Transaction>>,
    /// The body of the request is still to be inspected.
    awaits_body: bool,
    /// The number of matches that have been reported.
    reported: usize,
    /// What was not inspected completely.
    partial: Marks,
    /// The body of the response, while it is inspected.
    response: Option<responses::Pending>,
}

#[plugin]
impl Plugin for WafPlugin {
    type Config = Config;
    type State = State;

    fn on_configured(configurations: &[Rc<Config>]) {
        for note in configurations.iter().flat_map(|config| &config.notes) {
            info!("waf: {note}");
        }
    }

    fn tick_period(_: &Config) -> Duration {
        Duration::from_millis(100)
    }

    /// Compiles expressions that the next requests would have to wait for.
    fn on_tick(configurations: &[Rc<Config>]) {
        for config in configurations {
            if !config.is_warm.replace(true) {
                warm_up(config);
            }
            for _ in 0..EXPRESSIONS_PER_TICK {
                if !config.waf.compile_next() {
                    break;
                }
            }
        }
    }

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let headers = request.all();
        match inspect_headers(request, config, &headers) {
            Ok(flow) => flow,
            Err(Status(status)) => {
                error!("waf: the connection of a request cannot be read: host status {status}");
                Self::ON_FAILURE.flow("waf.host_failure")
            }
        }
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        if !body.state.awaits_body {
            return Flow::Continue;
        }
        let Some(mut transaction) = body.state.transaction.take() else { return Flow::Continue };
        let is_larger = body.size() > config.max_body;
        if is_larger && config.rejects_larger && !detects(&transaction, config) {
            return too_large(false);
        }
        if !is_larger && !body.is_last() {
            body.state.transaction = Some(transaction);
            return Flow::Hold;
        }
        let bytes = body.all();
        body.state.awaits_body = false;
        let denial = if is_larger {
            BODY_PREFIX.add(1);
            body.state.partial.request = Some(Partial::Prefix);
            transaction.control(&Ctl::RemoveById(vec![BODY_RULES]));
            transaction.request_body(bytes.get(..config.max_body).unwrap_or(&bytes))
        } else {
            transaction.request_body(&bytes)
        };
        let flow = match conclude(&transaction, body.state, denial, config, Phase::Request) {
            // The size alone would have refused it.
            Flow::Continue if is_larger && config.rejects_larger => too_large(true),
            flow => flow,
        };
        keep_for_response(body.state, transaction, config);
        flow
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        if config.inspects_responses { responses::headers(response, config) } else { Flow::Continue }
    }

    fn holds_response_body(config: &Config) -> bool {
        config.inspects_responses
    }

    fn on_response_body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
        if config.inspects_responses { responses::body(body, config) } else { Flow::Continue }
    }
}

/// Applies the rules that need no body, and all if there is none.
fn inspect_headers(
    request: &mut RequestHeaders<State>,
    config: &Config,
    headers: &HeaderMap,
) -> Result<Flow, Status> {
    let id = headers.get("x-request-id").unwrap_or_default();
    if config.sampling < 100 && !rules::is_sampled(config.sampling, time::nanoseconds()?, id) {
        return Ok(Flow::Continue);
    }
    let protocol = property::REQUEST_PROTOCOL.try_get()?;
    let client = property::client_address()?.and_then(|address| parse_ip(&address));
    // What follows the headers of an open-ended stream is not a body that ends.
    let has_body = !request.end_of_stream() && !request.kind().is_open_ended();

    // CONNECT has an authority for a path.
    let uri = headers.get(":path").or_else(|| headers.get(":authority")).unwrap_or_default();
    let mut transaction = begin(config, uri, has_body);
    // The gateway has replaced `host` by `:authority`.
    let authority = headers.get(":authority").map(|authority| (&b"host"[..], authority));
    let ordinary = headers.iter().filter(|(name, _)| !name.starts_with(b":"));
    let list: Vec<(&[u8], &[u8])> = authority.into_iter().chain(ordinary).collect();
    let denial = transaction.request_headers(&Request {
        method: headers.get(":method").unwrap_or_default(),
        uri,
        protocol: protocol.as_deref().unwrap_or(b"HTTP/1.1"),
        headers: &list,
        client,
        id,
    });
    let reads_body = denial.is_none() && has_body && transaction.wants_request_body();
    if !reads_body {
        let denial = denial.or_else(|| transaction.request_body(b""));
        let flow = conclude(&transaction, request.state, denial, config, Phase::Request);
        if config.inspects_responses {
            ask_for_text(request, config, headers)?;
            keep_for_response(request.state, Box::new(transaction), config);
        }
        return Ok(flow);
    }
    let declares_more = headers.values("content-length").any(|length| declared(length) > config.max_body);
    if declares_more && config.rejects_larger && !detects(&transaction, config) {
        return Ok(too_large(false));
    }
    // Higress holds 32 KiB by default. Other gateways ignore the property.
    BUFFER_LIMIT.set(config.max_body.to_string())?;
    ask_for_text(request, config, headers)?;
    request.state.awaits_body = true;
    request.state.transaction = Some(Box::new(transaction));
    Ok(if config.hold_headers { Flow::Hold } else { Flow::Continue })
}

/// Prepares for a response whose body is inspected: a client that asks for compression must not hide it.
fn ask_for_text(
    request: &mut RequestHeaders<State>,
    config: &Config,
    headers: &HeaderMap,
) -> Result<(), Status> {
    if config.max_response_body == 0 || request.kind().is_open_ended() {
        return Ok(());
    }
    if headers.values("accept-encoding").any(|value| !value.eq_ignore_ascii_case(b"identity")) {
        request.set("accept-encoding", "identity");
    }
    RESPONSE_BUFFER_LIMIT.set(config.max_response_body.saturating_add(RESPONSE_CHUNK).to_string())
}

/// Keeps a transaction for the response, unless the request has been refused: the refusal is not inspected.
fn keep_for_response(state: &mut State, transaction: Box<Transaction>, config: &Config) {
    if config.inspects_responses && !transaction.is_denied() {
        state.transaction = Some(transaction);
    }
}

/// Applies the rules to a request like most others, which compiles hardly any expression. The engine compiles those of the
/// rules that it has reached later, so that the first requests do not have to wait for them.
fn warm_up(config: &Config) {
    let uri = b"/a?b=c";
    let mut transaction = begin(config, uri, true);
    let headers: &[(&[u8], &[u8])] = &[
        (b"host", b"example.com"),
        (b"user-agent", b"Mozilla"),
        (b"accept", b"*/*"),
        (b"cookie", b"d=e"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"3"),
    ];
    let request = Request { method: b"POST", uri, protocol: b"HTTP/1.1", headers, ..Request::default() };
    if transaction.request_headers(&request).is_none() {
        transaction.request_body(b"f=g");
    }
    if config.inspects_responses {
        transaction.response_headers(200, b"HTTP/1.1", &[(b"content-type", b"text/html")]);
        transaction.response_body(b"<p>h</p>");
    }
}

/// Begins a request with what the configuration says about it.
// Inlined, because warming up must not make requests dearer.
#[inline(always)]
fn begin(config: &Config, uri: &[u8], has_body: bool) -> Transaction {
    let mut transaction = config.waf.transaction();
    for (name, value) in &config.variables {
        transaction.set_tx(name, value.as_bytes());
    }
    if has_body && config.engine == Some(EngineMode::On) {
        // Headers that reach the threshold are refused before the upstream receives them.
        transaction.set_tx("early_blocking", b"1");
    }
    if let Some(engine) = config.engine {
        transaction.control(&Ctl::Engine(engine));
    }
    if !config.exclusions.is_empty() {
        let path = RequestPath::new(uri);
        for ctl in config.exclusions.iter().filter_map(|exclusion| exclusion.applies_to(&path)) {
            transaction.control(ctl);
        }
    }
    transaction
}

/// Returns true if nothing is refused.
fn detects(transaction: &Transaction, config: &Config) -> bool {
    config.engine.unwrap_or(transaction.mode()) == EngineMode::DetectionOnly
}

/// Reports what the rules have found since the last time, and decides.
fn conclude(
    transaction: &Transaction,
    state: &mut State,
    denial: Option<Denial>,
    config: &Config,
    phase: Phase,
) -> Flow {
    if transaction.hits().len() == state.reported && denial.is_none() && state.partial == Marks::default() {
        return Flow::Continue;
    }
    let is_denied = denial.is_some();
    let program = config.waf.program();
    let report = rules::report(program, transaction, denial, config.log_values, state.reported);
    state.reported = transaction.hits().len();
    count(&report);
    if !report.hits.is_empty() || state.partial != Marks::default() {
        // Without it, the access log lacks a text.
        let _ = HITS.set(report.line(state.partial));
    }
    let Some(decision) = report.decision else { return Flow::Continue };
    let status = StatusCode::try_from(u32::from(decision.status)).unwrap_or(StatusCode::FORBIDDEN);
    let (details, note) = match phase {
        Phase::Request => ("waf.denied", ""),
        Phase::ResponseHeaders => ("waf.response_denied", ""),
        Phase::ResponseBody => ("waf.response_denied", ", after the headers: the response is cut off"),
    };
    let cause = format!("rule {}, {}{note}", decision.rule, report.line(state.partial));
    Flow::Reply(Reply::new(status).details(details).cause(cause).dry_run(!is_denied))
}

/// Counts a request once for each group of rules that matched.
fn count(report: &Report) {
    for group in &report.groups {
        let index = rules::GROUPS.iter().position(|other| other == group);
        index.and_then(|index| MATCHED.get(index)).unwrap_or(&MATCHED_OTHER).add(1);
    }
}

fn too_large(dry_run: bool) -> Flow {
    let reply = Reply::new(StatusCode::PAYLOAD_TOO_LARGE).details("waf.body_size").cause("max_body_bytes");
    Flow::Reply(reply.dry_run(dry_run))
}

/// The declared size of a body. A gateway rejects whatever is not a number.
fn declared(length: &[u8]) -> usize {
    let digits = str::from_utf8(length).unwrap_or_default().trim();
    match digits.parse() {
        Ok(length) => length,
        Err(_) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => usize::MAX,
        Err(_) => 0,
    }
}
