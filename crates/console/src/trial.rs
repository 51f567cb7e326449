//! Trying a request by hand: through the gateway's plug-ins in an Envoy of its own, traced, and with an unsaved change.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gateway::client::{self, Request, Target};
use gateway::explain::{self, Applies, ExplainError};
use gateway::folder::Fault;
use gateway::modules::Modules;
use gateway::plan::Planner;
use gateway::secret::Redactor;
use gateway::trace::{self, Direction, Hop, Message, Responder, Trace};
use gateway::{StartError, echo};
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::configuration::{self, Scopes};
use crate::gateways::Gateway;
use crate::plugins::Market;
use crate::problem::Problem;

/// How long a response may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The maximum length of a body that is shown.
const MAX_SHOWN: usize = 64 * 1024;

/// One at a time: each is an Envoy.
static RUNNING: Mutex<()> = Mutex::new(());

/// A request to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TryRequest {
    /// The method.
    pub method: String,
    /// A URL with the host that the request is for, or a path.
    pub url: String,
    /// The headers.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<String>>)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// An unsaved change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UnsavedChange {
    /// The plug-in.
    pub plugin: String,
    /// Its scopes.
    pub scopes: Vec<configuration::ScopeBody>,
}

/// A request to try, possibly with an unsaved change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TryBody {
    /// The request.
    pub request: TryRequest,
    /// The change.
    #[serde(default)]
    pub change: Option<UnsavedChange>,
}

/// What came of a request, before a change and with it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// As the folder is; absent without a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Trial>,
    /// With the change.
    pub result: Trial,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// The status; 0 if there was no response.
    pub status: u16,
    /// The headers of the response.
    #[schema(value_type = Vec<Vec<String>>)]
    pub headers: Vec<(String, String)>,
    /// The body of the response.
    pub body: String,
    /// Whether the body is longer than that.
    pub body_truncated: bool,
    /// How long it took.
    pub milliseconds: f64,
    /// Who responded.
    pub responded_by: Responded,
    /// What each plug-in did, in the order of requests.
    pub lanes: Vec<Lane>,
    /// What the upstream received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

/// Who responded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Responded {
    /// `plugin`, `gateway`, `upstream`, or `none` if there was no response.
    pub kind: String,
    /// The plug-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a plug-in did.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// The plug-in.
    pub id: String,
    /// Its display name.
    pub title: String,
    /// The part of its configuration that applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// With the request.
    pub request: Step,
    /// With the response.
    pub response: Step,
}

/// What a plug-in did with a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Whether the message reached it.
    pub ran: bool,
    /// How long it had the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// What it changed.
    pub changes: Vec<FieldChange>,
    /// Whom it called.
    pub calls: Vec<CallView>,
    /// What it logged.
    pub logs: Vec<LoggedLine>,
    /// Its response in place of the upstream's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responded: Option<OwnResponse>,
}

/// A change of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// `add`, `remove`, `set` or `body`.
    pub kind: String,
    /// The header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The value before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A call of a service.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// The cluster.
    pub to: String,
    /// The path.
    pub request: String,
    /// The status, or why there was no response.
    pub response: String,
    /// How long it took.
    pub milliseconds: f64,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedLine {
    /// The level.
    pub level: String,
    /// The line.
    pub message: String,
}

/// A plug-in's own response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnResponse {
    /// The status.
    pub status: u16,
    /// Why.
    pub reason: String,
}

/// What the upstream received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The other headers.
    #[schema(value_type = Vec<Vec<String>>)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Which rules apply to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The plug-ins, in the order of requests.
    pub plugins: Vec<ExplainedPlugin>,
}

/// What applies of a plug-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPlugin {
    /// The plug-in.
    pub id: String,
    /// Its display name.
    pub title: String,
    /// The place of the rule in the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The key of the scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Whether it does anything with the request.
    pub runs: bool,
    /// Why: `rule`, `default`, `nothing` or `disabled`.
    pub reason: String,
}

fn invalid(field: &'static str, reason: impl std::fmt::Display) -> Problem {
    Problem::new("request_invalid", format_args!("the request is not valid: {reason}"))
        .with("reason", &reason)
        .of_field(field)
}

impl TryRequest {
    fn request(&self) -> Result<Request, Problem> {
        let target = Target::parse(self.url.trim()).map_err(|error| invalid("url", error))?;
        if let Some(scheme @ ("ws" | "wss")) = target.scheme {
            return Err(invalid("url", format_args!("`{scheme}://` opens a WebSocket: write http://")));
        }
        // The gateway has no TLS; a copied URL of the cluster's may have.
        let (mut host, path) = (target.host.map(str::to_owned), target.path);
        if path.chars().any(|c| c.is_whitespace() || c.is_control()) || path.parse::<hyper::Uri>().is_err() {
            return Err(invalid("url", format_args!("`{path}` is not a path: percent-encode it")));
        }
        let method = Method::from_bytes(self.method.as_bytes())
            .map_err(|_| invalid("method", format_args!("`{}` is not a method", self.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if name.eq_ignore_ascii_case("host") {
                host = Some(value.clone());
                continue;
            }
            // The client counts the body itself.
            if ["content-length", "transfer-encoding", "connection"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own))
            {
                continue;
            }
            let header = HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| invalid("headers", format_args!("`{name}` is not the name of a header")))?;
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| invalid("headers", format_args!("the value of {name} has a line break")))?;
            headers.append(header, value);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static("portcullis-console"));
        headers.entry("accept").or_insert(HeaderValue::from_static("*/*"));
        let host = host.unwrap_or_else(|| "localhost".into());
        if HeaderValue::from_str(&host).is_err() {
            return Err(invalid("url", format_args!("`{host}` is not a host")));
        }
        let body = self.body.as_deref().filter(|body| !body.is_empty());
        Ok(Request {
            method,
            host,
            path,
            headers,
            body: body.map(|body| Bytes::copy_from_slice(body.as_bytes())).into_iter().collect(),
            trailers: HeaderMap::new(),
            http2: false,
            websocket: false,
            timeout: TIMEOUT,
        })
    }
}

/// Tries a request. It blocks, for about a second.
pub(crate) fn run(gateway: &Gateway, body: &TryBody) -> Result<Tried, Problem> {
    let request = body.request.request()?;
    let _running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(change) = &body.change else {
        return Ok(Tried { before: None, result: one(gateway, &gateway.folder, &request)? });
    };
    let market = Market::open(gateway);
    let entry = market.find(&change.plugin)?;
    let before = fs::read_to_string(&entry.file)?;
    let scopes = Scopes { scopes: change.scopes.clone() };
    let after = configuration::changed(gateway, entry, &before, &scopes)?;
    let copy = copy(&gateway.folder)?;
    let file = copy.path().join(entry.file.file_name().unwrap_or_default());
    fs::write(file, after)?;
    Ok(Tried {
        before: Some(one(gateway, &gateway.folder, &request)?),
        result: one(gateway, copy.path(), &request)?,
    })
}

/// A copy of the texts of a folder; everything else is linked.
fn copy(folder: &Path) -> Result<tempfile::TempDir, Problem> {
    let copy = tempfile::tempdir()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let is_text =
            ["yaml", "yml", "json"].iter().any(|kind| path.extension().is_some_and(|own| own == *kind));
        if is_text && path.is_file() {
            fs::copy(&path, copy.path().join(name))?;
        } else {
            std::os::unix::fs::symlink(&path, copy.path().join(name))?;
        }
    }
    Ok(copy)
}

fn faulty(faults: &[Fault]) -> Problem {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let name = fault.file.file_name().unwrap_or_default().to_string_lossy();
            format!("{name}:{}", fault.fault)
        })
        .collect();
    let first = lines.first().cloned().unwrap_or_default();
    Problem::new("folder_faulty", format_args!("the folder has errors: {first}"))
        .with("reason", first)
        .with_details(lines)
}

/// One request through the plug-ins of a folder.
fn one(gateway: &Gateway, folder: &Path, request: &Request) -> Result<Trial, Problem> {
    let failed = |error: anyhow::Error| {
        let text = format!("{error:#}");
        Problem::new("try_failed", format_args!("the request could not be tried: {text}"))
            .with("reason", text)
    };
    let envoy = gateway.common.cache.envoy().map_err(|error| failed(error.into()))?;
    let modules = Modules::new(&gateway.common.cache, gateway.sources());
    let mut planner = Planner::new(folder.to_owned(), gateway.order(), modules, envoy.clone());
    let (plan, faults) = planner.plan(None, &[]);
    if !faults.is_empty() {
        return Err(faulty(&faults));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut took = Duration::ZERO;
    let capture = runtime.block_on(async {
        let echo = echo::start().await?;
        let exchange = async |address| {
            let began = Instant::now();
            let response = client::send(address, request).await;
            took = began.elapsed();
            response
        };
        trace::run_with(&envoy, &plan, echo, true, exchange).await
    });
    let capture = capture.map_err(|error| match error.downcast_ref::<StartError>() {
        // The plug-in that does not load, in its own words.
        Some(_) => match planner.rejected(&plan) {
            faults if faults.is_empty() => failed(error),
            faults => faulty(&faults),
        },
        None => failed(error),
    })?;
    let names: Vec<&str> = plan.plugins.iter().map(|planned| planned.wasm.name.as_str()).collect();
    let mut found = Trace::of(&capture, &names);
    found.name_rules(&plan);
    let redactor = trace::redactor(request, &capture, &found);
    let shown = trace::redacted(&found, &redactor);
    let status = capture.response.as_ref().map_or(0, |response| response.status);
    let responded_by = responded(&shown);
    let market = Market::open(gateway);
    let lanes = shown.hops.iter().enumerate().map(|(number, hop)| {
        let entry = plan.plugins.get(number).map(|planned| &planned.entry);
        let is_responder = shown.responder == Responder::Plugin(number);
        lane(hop, entry.map(|entry| market.title(entry)), is_responder.then_some((status, &shown)))
    });
    let upstream = shown.hops.last().and_then(|hop| hop.request.1.as_ref());
    let reached = matches!(shown.responder, Responder::Upstream) || plan.plugins.is_empty();
    let (headers, body, body_truncated) = match &capture.response {
        Some(response) => {
            let headers = response.headers.iter().map(|(name, value)| {
                (name.to_string(), redactor.header(name.as_str().as_bytes(), value.as_bytes()))
            });
            let (body, truncated) = text(&redactor.bytes(&response.body));
            (headers.collect(), body, truncated)
        }
        None => (Vec::new(), String::new(), false),
    };
    Ok(Trial {
        status,
        headers,
        body,
        body_truncated,
        milliseconds: milliseconds(took),
        responded_by,
        lanes: lanes.collect(),
        upstream: upstream.filter(|_| reached).map(upstream_of),
    })
}

fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

/// A text that can be shown, and whether it was cut.
fn text(bytes: &[u8]) -> (String, bool) {
    let shown = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
    (String::from_utf8_lossy(shown).into_owned(), shown.len() < bytes.len())
}

fn responded(trace: &Trace) -> Responded {
    let plugin = |number: usize| trace.hops.get(number);
    let details = Some(trace.details.clone()).filter(|details| !details.is_empty());
    let (kind, hop) = match trace.responder {
        Responder::Upstream => ("upstream", None),
        Responder::Gateway => ("gateway", None),
        Responder::Plugin(number) => ("plugin", plugin(number)),
        Responder::None(number) => ("none", number.and_then(plugin)),
    };
    let reason = match hop.and_then(|hop| hop.decision.clone()) {
        Some(decision) => Some(decision),
        None if kind == "upstream" => None,
        None => details,
    };
    Responded { kind: kind.into(), plugin: hop.map(|hop| hop.name.clone()), reason }
}

fn lane(hop: &Hop, title: Option<String>, responder: Option<(u16, &Trace)>) -> Lane {
    let logs = |way: Direction| {
        let own = hop.log.iter().filter(move |(direction, _)| *direction == way);
        own.map(|(_, line)| {
            let (level, message) = line.split_once(": ").unwrap_or(("info", line));
            LoggedLine { level: level.to_owned(), message: message.to_owned() }
        })
        .collect()
    };
    let calls = |way: Direction| {
        let own = hop.calls.iter().filter(move |call| call.way == way);
        own.map(|call| {
            let end = call.end.as_ref();
            CallView {
                to: call.cluster.clone(),
                request: call.path.clone(),
                response: end.map_or_else(
                    || "no response".to_owned(),
                    |end| end.failure.clone().unwrap_or_else(|| end.status.to_string()),
                ),
                milliseconds: end.map_or(0.0, |end| milliseconds(Duration::from_micros(end.took))),
            }
        })
        .collect()
    };
    let mut request = Step {
        calls: calls(Direction::Request),
        logs: logs(Direction::Request),
        ..step(&hop.request.0, &hop.request.1)
    };
    let mut response = Step {
        calls: calls(Direction::Response),
        logs: logs(Direction::Response),
        ..step(&hop.response.0, &hop.response.1)
    };
    if let Some((status, trace)) = responder {
        let reason = hop.decision.clone().unwrap_or_else(|| trace.details.clone());
        let own = Some(OwnResponse { status, reason });
        // A response in place of the upstream's is the plug-in's reaction to that.
        if hop.response.0.is_some() { response.responded = own } else { request.responded = own }
    }
    Lane {
        id: hop.name.clone(),
        title: title.unwrap_or_else(|| hop.name.clone()),
        rule: hop.field.clone().or_else(|| hop.rule.clone().filter(|rule| rule != "none")),
        request,
        response,
    }
}

/// What happened to a message between two probes.
fn step(before: &Option<Message>, after: &Option<Message>) -> Step {
    let (Some(before), after) = (before, after.as_ref()) else { return Step::default() };
    let mut step = Step { ran: true, ..Step::default() };
    let Some(after) = after else { return step };
    let nanoseconds = after.ended.saturating_sub(before.began);
    step.milliseconds = Some(milliseconds(Duration::from_nanos(nanoseconds)));
    let lossy = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    for (was, is) in [(&before.headers, &after.headers), (&before.trailers, &after.trailers)] {
        let mut names: Vec<&Bytes> = was.iter().chain(is.iter()).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        for name in names {
            let values = |all: &[(Bytes, Bytes)]| {
                all.iter()
                    .filter(|(other, _)| other == name)
                    .map(|(_, value)| lossy(value))
                    .collect::<Vec<_>>()
            };
            let (old, new) = (values(was), values(is));
            if old == new {
                continue;
            }
            let joined = |values: Vec<String>| (!values.is_empty()).then(|| values.join(", "));
            let kind = match (old.is_empty(), new.is_empty()) {
                (true, _) => "add",
                (_, true) => "remove",
                _ => "set",
            };
            step.changes.push(FieldChange {
                kind: kind.into(),
                name: Some(lossy(name)),
                before: joined(old),
                after: joined(new),
            });
        }
    }
    if before.body != after.body || before.length != after.length {
        step.changes.push(FieldChange {
            kind: "body".into(),
            name: None,
            before: Some(text(&before.body).0),
            after: Some(text(&after.body).0),
        });
    }
    step
}

fn upstream_of(message: &Message) -> Upstream {
    let lossy = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let pseudo = |name: &str| {
        let found = message.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| lossy(value)).unwrap_or_default()
    };
    let others = message.headers.iter().filter(|(name, _)| name != ":method" && name != ":path");
    Upstream {
        method: pseudo(":method"),
        path: pseudo(":path"),
        headers: others.map(|(name, value)| (lossy(name), lossy(value))).collect(),
        body: (message.length > 0).then(|| text(&message.body).0),
    }
}

/// Which rules apply to a request, without sending it.
pub(crate) fn explain(gateway: &Gateway, request: &TryRequest) -> Result<Explained, Problem> {
    let sent = request.request()?;
    let query = explain::Request { host: sent.host, path: sent.path, ..explain::Request::default() };
    let plugins = gateway.common.plugins.as_ref().ok();
    let found =
        explain::explain_folder(&gateway.folder, gateway.order(), &query, plugins, &Redactor::default());
    let found = found.map_err(|error| match error {
        ExplainError::Faults(faults) => faulty(&faults),
        other => Problem::new("try_failed", &other).with("reason", &other),
    })?;
    let market = Market::open(gateway);
    let plugins = found.plugins.into_iter().map(|used| {
        let entry = market
            .shelf
            .content
            .plugins
            .iter()
            .find(|entry| entry.name == used.name && entry.namespace == used.namespace);
        let (rule, scope, reason) = match &used.applies {
            Applies::Rule { field, .. } => {
                let index = field.strip_prefix("spec.matchRules[").and_then(|rest| rest.split(']').next());
                (Some(field.clone()), index.map(|index| format!("rule-{index}")), "rule")
            }
            Applies::Default { .. } => (None, Some("gateway".to_owned()), "default"),
            Applies::Nothing => (None, None, "nothing"),
            Applies::Disabled => (None, None, "disabled"),
        };
        ExplainedPlugin {
            id: entry.map_or_else(|| used.name.clone(), |entry| market.id(entry)),
            title: entry.map_or_else(|| used.name.clone(), |entry| market.title(entry)),
            rule,
            scope,
            runs: matches!(reason, "rule" | "default"),
            reason: reason.into(),
        }
    });
    Ok(Explained { route: found.route, plugins: plugins.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Request, Problem> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TryRequest { method: method.into(), url: url.into(), headers, body: None }.request()
    }

    #[test]
    fn a_url_gives_host_and_path() {
        for (url, host, path) in [
            ("http://a.com:8080/x?y=1#z", "a.com:8080", "/x?y=1"),
            ("https://a.com", "a.com", "/"),
            ("/x", "localhost", "/x"),
        ] {
            let sent = request("GET", url, &[]).unwrap();
            assert_eq!((sent.host.as_str(), sent.path.as_str()), (host, path));
        }
        assert_eq!(request("GET", "/", &[("Host", "b.com"), ("Content-Length", "9")]).unwrap().host, "b.com");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_its_field() {
        for (method, url, headers, field) in [
            ("G T", "/", &[][..], "method"),
            ("GET", "ftp://a", &[], "url"),
            ("GET", "http://", &[], "url"),
            ("GET", "http://me:secret@a/", &[], "url"),
            ("GET", "/a b", &[], "url"),
            ("GET", "/", &[("a b", "c")], "headers"),
            ("GET", "/", &[("a", "b\nc")], "headers"),
            ("GET", "/", &[("host", "b\nc")], "url"),
        ] {
            let problem = request(method, url, headers).unwrap_err();
            assert_eq!((problem.code, problem.field), ("request_invalid", Some(field)), "{url}");
        }
    }
}
