//! From what happened to a story: what each plug-in made of the request and of the response, and who answered.

use hyper::body::Bytes;

use crate::plan::Plan;

use super::Traced;
use super::events::{Event, Seen, Step, Way};

/// A message as it passed a probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Its headers, pseudo-headers among them.
    pub headers: Vec<(Bytes, Bytes)>,
    /// What was read of its body.
    pub body: Vec<u8>,
    /// How long the body is.
    pub length: usize,
    /// Its trailers.
    pub trailers: Vec<(Bytes, Bytes)>,
    /// Whether all of it has passed.
    pub whole: bool,
    /// When its headers passed, in nanoseconds.
    pub began: u64,
    /// When the last of it passed.
    pub ended: u64,
}

/// A plug-in, and what it made of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hop {
    /// Its name.
    pub name: String,
    /// The rule that it chose, in its own words; nothing where it does not tell.
    pub rule: Option<String>,
    /// Where what it chose stands in its resource, `spec.matchRules[1]`; nothing where it does not tell.
    pub field: Option<String>,
    /// What it decided, in its own words.
    pub decision: Option<String>,
    /// The request before it, and behind it.
    pub request: (Option<Message>, Option<Message>),
    /// The response before it (as it came from the upstream's side), and behind it.
    pub response: (Option<Message>, Option<Message>),
    /// The lines that it logged, each with the way on which it did.
    pub log: Vec<(Way, String)>,
    /// What it asked of other services.
    pub calls: Vec<Call>,
}

/// What a plug-in asked of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// On which way of the message.
    pub way: Way,
    /// The cluster.
    pub cluster: String,
    /// The path.
    pub path: String,
    /// What came of it; nothing where the request was over before.
    pub end: Option<CallEnd>,
    number: String,
    asked: u64,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallEnd {
    /// The status that the plug-in got.
    pub status: u16,
    /// Why the service did not answer, where the status is Envoy's own.
    pub failure: Option<String>,
    /// How long it took, in microseconds.
    pub took: u64,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answerer {
    /// The upstream.
    Upstream,
    /// The plug-in of this number.
    Plugin(usize),
    /// The gateway itself.
    Gateway,
    /// Nobody; the plug-in of this number has the request, where that is known.
    Nobody(Option<usize>),
}

/// A traced request as a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The plug-ins, in the order in which the request met them.
    pub hops: Vec<Hop>,
    /// Who answered.
    pub answerer: Answerer,
    /// Why: the response-code details.
    pub details: String,
    /// How many nanoseconds lie between two probes that have nothing between them.
    pub probe: Option<u64>,
}

impl Story {
    /// Tells the story of plug-ins of these names.
    #[must_use]
    pub fn of(traced: &Traced, names: &[&str]) -> Self {
        let mut hops: Vec<Hop> =
            names.iter().map(|name| Hop { name: (*name).to_owned(), ..Hop::default() }).collect();
        let mut passed: [Vec<Option<Message>>; 2] =
            [vec![None; names.len() + 2], vec![None; names.len() + 2]];
        // Which plug-in has the message, and on which way, as far as the probes know.
        let (mut current, mut now) = (None, Way::Request);
        // The call that something became of last.
        let mut last_call = String::new();
        for event in &traced.events {
            match event {
                Event::Passed { probe, way, seen, last, at, report } => {
                    tell(&mut hops, report);
                    now = *way;
                    let [request, response] = &mut passed;
                    let (way_of, behind) = match way {
                        Way::Request => (request, Some(*probe)),
                        Way::Response => (response, probe.checked_sub(1)),
                    };
                    current = behind.filter(|plugin| *plugin < names.len());
                    if let Some(message) = way_of.get_mut(*probe) {
                        message
                            .get_or_insert_with(|| Message { began: *at, ..Message::default() })
                            .take(seen, *last, *at);
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
                        Step::Asked { cluster, path } => {
                            if let Some(hop) = current.and_then(|plugin: usize| hops.get_mut(plugin)) {
                                let (cluster, path, number) = (cluster.clone(), path.clone(), call.clone());
                                hop.calls.push(Call {
                                    way: now,
                                    cluster,
                                    path,
                                    end: None,
                                    number,
                                    asked: *at,
                                });
                            }
                        }
                        Step::Answers => {}
                        Step::Fails(why) => {
                            if let Some(call) = open_call(&mut hops, call) {
                                call.end = Some(CallEnd { failure: Some(why.clone()), ..CallEnd::default() });
                            }
                        }
                    }
                }
                Event::Answered { status, at } => {
                    if let Some(call) = open_call(&mut hops, &last_call) {
                        let end = call.end.get_or_insert_default();
                        (end.status, end.took) = (*status, at.saturating_sub(call.asked));
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
        let details = traced.access.as_ref().map(|line| line.details.clone()).unwrap_or_default();
        let answerer = answerer(traced, &hops, &details);
        Self { hops, answerer, details, probe }
    }
}

impl Story {
    /// Calls rules as the files do, in which they are written: `_rules_[0]` is `spec.matchRules[1]`, if the first match rule
    /// is disabled.
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

/// A call that has no answer yet.
fn open_call<'h>(hops: &'h mut [Hop], number: &str) -> Option<&'h mut Call> {
    let calls = hops.iter_mut().flat_map(|hop| &mut hop.calls);
    calls
        .filter(|call| call.end.as_ref().is_none_or(|end| end.status == 0))
        .find(|call| call.number == number)
}

/// What a plug-in of the SDK has told: its name, its rule, its decision, in lines.
fn tell(hops: &mut [Hop], report: &str) {
    let mut lines = report.splitn(3, '\n');
    let (Some(name), Some(rule), decision) = (lines.next(), lines.next(), lines.next()) else { return };
    if let Some(hop) = hops.iter_mut().find(|hop| hop.name == name) {
        hop.rule = Some(rule.to_owned());
        if let Some(decision) = decision.filter(|decision| !decision.is_empty()) {
            hop.decision = Some(decision.to_owned());
        }
    }
}

fn answerer(traced: &Traced, hops: &[Hop], details: &str) -> Answerer {
    // A plug-in that has more of the request than it has let go.
    let holds = hops.iter().position(|hop| match &hop.request {
        (Some(before), Some(after)) => before.whole && !after.whole,
        (before, after) => before.is_some() && after.is_none(),
    });
    let told = hops
        .iter()
        .position(|hop| hop.decision.as_ref().is_some_and(|decision| decision.starts_with("answers ")));
    if traced.answer.is_none() {
        return Answerer::Nobody(holds);
    }
    if let Some(plugin) = told {
        return Answerer::Plugin(plugin);
    }
    match details {
        "via_upstream" => Answerer::Upstream,
        // What is said of a WebSocket that either side has closed, or that the upstream did not accept as it should.
        _ if UPGRADED.iter().any(|upgraded| details.starts_with(upgraded)) => Answerer::Upstream,
        // Envoy's own: the plug-in could not be asked, the body was too long, no route, no upstream.
        _ if OWN.iter().any(|own| details.starts_with(own)) => Answerer::Gateway,
        _ => holds.map_or(Answerer::Gateway, Answerer::Plugin),
    }
}

/// How the details of a response begin that the upstream has opened a stream without an end with.
const UPGRADED: [&str; 3] = [
    "downstream_remote_disconnect",
    "upstream_reset_after_response_started",
    "websocket_handshake_unsuccessful",
];

/// How Envoy's own response-code details begin.
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
    fn take(&mut self, seen: &Seen, last: bool, at: u64) {
        match seen {
            // Headers that come again are those of another message, as an answer in place of the upstream's.
            Seen::Headers(headers) => {
                *self = Self { headers: headers.clone(), began: self.began, ..Self::default() }
            }
            Seen::Body(bytes, length) => {
                self.body.extend_from_slice(bytes);
                self.length += length;
            }
            Seen::Trailers(trailers) => self.trailers.clone_from(trailers),
        }
        self.whole |= last;
        self.ended = at;
    }
}
