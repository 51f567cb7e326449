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
mod rule_set;
mod rules;

use crate::config::Config;
use crate::rules::Report;

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

/// State of a request: its transaction, until its body has arrived.
#[derive(Default)]
struct State(Option<Box<Transaction>>);

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
        let Some(mut transaction) = body.state.0.take() else { return Flow::Continue };
        let is_larger = body.size() > config.max_body;
        if is_larger && config.rejects_larger && !detects(&transaction, config) {
            return too_large(false);
        }
        if !is_larger && !body.is_last() {
            body.state.0 = Some(transaction);
            return Flow::Hold;
        }
        let bytes = body.all();
        if !is_larger {
            let denial = transaction.request_body(&bytes);
            return conclude(&transaction, denial, config, false);
        }
        BODY_PREFIX.add(1);
        transaction.control(&Ctl::RemoveById(vec![BODY_RULES]));
        let denial = transaction.request_body(bytes.get(..config.max_body).unwrap_or(&bytes));
        match conclude(&transaction, denial, config, true) {
            // The size alone would have refused it.
            Flow::Continue if config.rejects_larger => too_large(true),
            flow => flow,
        }
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
    if denial.is_some() {
        return Ok(conclude(&transaction, denial, config, false));
    }
    if !has_body || !transaction.wants_request_body() {
        let denial = transaction.request_body(b"");
        return Ok(conclude(&transaction, denial, config, false));
    }
    let declares_more = headers.values("content-length").any(|length| declared(length) > config.max_body);
    if declares_more && config.rejects_larger && !detects(&transaction, config) {
        return Ok(too_large(false));
    }
    // Higress holds 32 KiB by default. Other gateways ignore the property.
    BUFFER_LIMIT.set(config.max_body.to_string())?;
    request.state.0 = Some(Box::new(transaction));
    Ok(if config.hold_headers { Flow::Hold } else { Flow::Continue })
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

/// Reports what the rules have found, and decides.
fn conclude(transaction: &Transaction, denial: Option<Denial>, config: &Config, is_prefix: bool) -> Flow {
    let is_denied = denial.is_some();
    let report = rules::report(config.waf.program(), transaction, denial, config.log_values);
    count(&report);
    if !report.hits.is_empty() || is_prefix {
        // Without it, the access log lacks a text.
        let _ = HITS.set(report.line(is_prefix));
    }
    let Some(decision) = report.decision else { return Flow::Continue };
    let status = StatusCode::try_from(u32::from(decision.status)).unwrap_or(StatusCode::FORBIDDEN);
    let cause = format!("rule {}, {}", decision.rule, report.line(is_prefix));
    Flow::Reply(Reply::new(status).details("waf.denied").cause(cause).dry_run(!is_denied))
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
