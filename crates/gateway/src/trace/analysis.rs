//! From events to a trace: what each plug-in did with the request and the response, and who responded.

use hyper::body::Bytes;

use crate::plan::Plan;

use super::Capture;
use super::events::{Direction, Event, Part, Step};

/// A message as it passed a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its headers, pseudo-headers among them.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The part of its body that was read.
    pub body: Vec<u8>,
    /// The length of the body.
    pub length: usize,
    /// Its trailers.
    pub trailers: Vec<(Bytes, Bytes)>,
    /// Whether its end has passed.
    pub whole: bool,
    /// When its headers passed, in nanoseconds.
    pub began: u64,
    /// When the last of it passed.
    pub ended: u64,
}

/// A plug-in, and what it did with the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    /// Its name.
    pub name: String,
    /// The rule that it selected, in its own words, if it reported one.
    pub rule: Option<String>,
    /// The place of the rule in its resource, such as `spec.matchRules[1]`, if it reported one.
    pub field: Option<String>,
    /// Its decision, in its own words.
    pub decision: Option<String>,
    /// The request before and after it.
    pub request: (Option<Message>, Option<Message>),
    /// The response before it (as it came from the upstream) and after it.
    pub response: (Option<Message>, Option<Message>),
    /// The lines that it logged, each with the direction of the message.
    pub log: Vec<(Direction, String)>,
    /// Its HTTP calls.
    pub calls: Vec<Call>,
}

/// An HTTP call of a plug-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The direction of the message during which it was made.
    pub way: Direction,
    /// The cluster.
    pub cluster: String,
    /// The path.
    pub path: String,
    /// Its end; none if the request ended before.
    pub end: Option<CallEnd>,
    number: String,
    sent: u64,
}

/// The end of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallEnd {
    /// The status that the plug-in received.
    pub status: u16,
    /// Why the service did not respond, if the response was made by Envoy.
    pub failure: Option<String>,
    /// How long it took, in microseconds.
    pub took: u64,
}

/// The origin of the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Responder {
    /// The upstream.
    Upstream,
    /// The plug-in of this number.
    Plugin(usize),
    /// The gateway itself.
    Gateway,
    /// None: there was no response. The plug-in of this number holds the request, if that is known.
    None(Option<usize>),
}

/// A traced request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The plug-ins, in the order of the request.
    pub hops: Vec<Hop>,
    /// The origin of the response.
    pub responder: Responder,
    /// The response-code details.
    pub details: String,
    /// The nanoseconds between two probes that have nothing between them.
    pub probe: Option<u64>,
}

impl Trace {
    /// Makes a trace of events with plug-ins of these names.
    #[must_use]
    pub fn of(capture: &Capture, names: &[&str]) -> Self {
        let mut hops: Vec<Hop> =
            names.iter().map(|name| Hop { name: (*name).to_owned(), ..Hop::default() }).collect();
        let mut passed: [Vec<Option<Message>>; 2] =
            [vec![None; names.len() + 2], vec![None; names.len() + 2]];
        // The plug-in that has the message, and its direction, as far as the probes know.
        let (mut current, mut now) = (None, Direction::Request);
        // The call of the last step.
        let mut last_call = String::new();
        for event in &capture.events {
            match event {
                Event::Passed { probe, way, part, last, at, report } => {
                    record(&mut hops, report);
                    now = *way;
                    let [request, response] = &mut passed;
                    let (way_of, behind) = match way {
                        Direction::Request => (request, Some(*probe)),
                        Direction::Response => (response, probe.checked_sub(1)),
                    };
                    current = behind.filter(|plugin| *plugin < names.len());
                    if let Some(message) = way_of.get_mut(*probe) {
                        message
                            .get_or_insert_with(|| Message { began: *at, ..Message::default() })
                            .take(part, *last, *at);
                    }
                }
                Event::Logged { plugin, level, text } => {
                    if let Some(hop) = hops.get_mut(*plugin) {
                        hop.log.push((now, format!("{level}: {text}")));
                    }
                }
                Event::Call { call, step, at } => {
                    last_call.clone_from(call);
                    match step {
                        Step::Sent { cluster, path } => {
                            if let Some(hop) = current.and_then(|plugin: usize| hops.get_mut(plugin)) {
                                let (cluster, path, number) = (cluster.clone(), path.clone(), call.clone());
                                hop.calls.push(Call {
                                    way: now,
                                    cluster,
                                    path,
                                    end: None,
                                    number,
                                    sent: *at,
                                });
                            }
                        }
                        Step::Responded => {}
                        Step::Failed(why) => {
                            if let Some(call) = open_call(&mut hops, call) {
                                call.end = Some(CallEnd { failure: Some(why.clone()), ..CallEnd::default() });
                            }
                        }
                    }
                }
                Event::CallEnded { status, at } => {
                    if let Some(call) = open_call(&mut hops, &last_call) {
                        let end = call.end.get_or_insert_default();
                        (end.status, end.took) = (*status, at.saturating_sub(call.sent));
                    }
                }
            }
        }
        let [request, response] = passed;
        for (number, hop) in hops.iter_mut().enumerate() {
            let at = |all: &[Option<Message>], probe: usize| all.get(probe).cloned().flatten();
            hop.request = (at(&request, number), at(&request, number + 1));
            hop.response = (at(&response, number + 1), at(&response, number));
        }
        let began = |probe: usize| Some(request.get(probe)?.as_ref()?.began);
        let probe = began(0).zip(began(names.len() + 1)).map(|(then, first)| then.saturating_sub(first));
        let details = capture.access.as_ref().map(|line| line.details.clone()).unwrap_or_default();
        let responder = responder(capture, &hops, &details);
        Self { hops, responder, details, probe }
    }
}

impl Trace {
    /// Names rules as in the resource: `_rules_[0]` is `spec.matchRules[1]` if the first match rule is disabled.
    pub fn name_rules(&mut self, plan: &Plan) {
        for (hop, planned) in self.hops.iter_mut().zip(&plan.plugins) {
            let resource = &planned.entry.resource;
            let default = resource.configuration_field();
            hop.field = hop.rule.as_deref().and_then(|rule| match rule {
                "global" => Some(default.clone()),
                "none" => None,
                rule => Some(resource.origin(rule)),
            });
            let named = |text: &str| {
                let text = resource.with_origins(text);
                text.replacen("by the global configuration", &format!("by {default}"), 1)
            };
            hop.decision = hop.decision.as_deref().map(named);
            for (_, line) in &mut hop.log {
                *line = named(line);
            }
        }
    }
}

/// A call that has no response yet.
fn open_call<'h>(hops: &'h mut [Hop], number: &str) -> Option<&'h mut Call> {
    let calls = hops.iter_mut().flat_map(|hop| &mut hop.calls);
    calls
        .filter(|call| call.end.as_ref().is_none_or(|end| end.status == 0))
        .find(|call| call.number == number)
}

/// Records the report of a plug-in of the SDK: lines with its name, its rule and its decision.
fn record(hops: &mut [Hop], report: &str) {
    let mut lines = report.splitn(3, '\n');
    let (Some(name), Some(rule), decision) = (lines.next(), lines.next(), lines.next()) else { return };
    if let Some(hop) = hops.iter_mut().find(|hop| hop.name == name) {
        hop.rule = Some(rule.to_owned());
        if let Some(decision) = decision.filter(|decision| !decision.is_empty()) {
            hop.decision = Some(decision.to_owned());
        }
    }
}

fn responder(capture: &Capture, hops: &[Hop], details: &str) -> Responder {
    // A plug-in that received more of the request than it passed on.
    let holds = hops.iter().position(|hop| match &hop.request {
        (Some(before), Some(after)) => before.whole && !after.whole,
        (before, after) => before.is_some() && after.is_none(),
    });
    let decided = hops
        .iter()
        .position(|hop| hop.decision.as_ref().is_some_and(|decision| decision.starts_with("answers ")));
    if capture.response.is_none() {
        return Responder::None(holds);
    }
    if let Some(plugin) = decided {
        return Responder::Plugin(plugin);
    }
    match details {
        "via_upstream" => Responder::Upstream,
        // A WebSocket that either side has closed, or that the upstream did not accept properly.
        _ if UPGRADED.iter().any(|upgraded| details.starts_with(upgraded)) => Responder::Upstream,
        // Envoy's own: a plug-in failed, the body was too long, no route, no upstream.
        _ if OWN.iter().any(|own| details.starts_with(own)) => Responder::Gateway,
        _ => holds.map_or(Responder::Gateway, Responder::Plugin),
    }
}

/// The beginnings of the details when the upstream opened a stream without an end.
const UPGRADED: [&str; 3] = [
    "downstream_remote_disconnect",
    "upstream_reset_after_response_started",
    "websocket_handshake_unsuccessful",
];

/// The beginnings of Envoy's own response-code details.
const OWN: [&str; 9] = [
    "upgrade_failed",
    "route_not_found",
    "cluster_not_found",
    "no_healthy_upstream",
    "upstream_",
    "request_payload_too_large",
    "response_payload_too_large",
    "wasm_fail_stream",
    "direct_response",
];

impl Message {
    fn take(&mut self, part: &Part, last: bool, at: u64) {
        match part {
            // Headers that are repeated begin another message, such as a response in place of the upstream's.
            Part::Headers(headers) => {
                *self = Self { headers: headers.clone(), began: self.began, ..Self::default() }
            }
            Part::Body(bytes, length) => {
                self.body.extend_from_slice(bytes);
                self.length += length;
            }
            Part::Trailers(trailers) => self.trailers.clone_from(trailers),
        }
        self.whole |= last;
        self.ended = at;
    }
}
