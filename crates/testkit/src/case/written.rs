//! A case as written, and the rules that concern several fields.

use std::collections::BTreeMap;

use resource::{Deployment, WasmPlugin};
use serde::Deserialize;

use super::expect::one_or_more;
use super::stage::{WrittenEvent, WrittenStage, stages};
use super::{
    Case, Event, Expect, Gateway, Happening, Header, PropertyNames, Protocol, Request, Service,
    ServiceAnswer, ServiceCluster, ServiceProtocol, Setup, Stage, Then, Upstream,
};
use crate::{ByteString, EngineName};

/// A case as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCase {
    name: String,
    #[serde(default, deserialize_with = "present")]
    config: Option<serde_yaml::Value>,
    config_text: Option<ByteString>,
    #[serde(default, deserialize_with = "present")]
    resource: Option<serde_yaml::Value>,
    #[serde(default)]
    gateway: Gateway,
    #[serde(default)]
    upstream: Upstream,
    #[serde(default)]
    services: Vec<Service>,
    #[serde(default)]
    skip: BTreeMap<EngineName, String>,
    #[serde(default)]
    equal_cost: bool,
    #[serde(default, deserialize_with = "one_or_more")]
    refused: Vec<String>,
    #[serde(default)]
    requests: Vec<WrittenStage>,
    #[serde(default)]
    interleave: Vec<WrittenEvent>,
}

/// Keeps a `null` that is written apart from a key that is absent.
pub(super) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<serde_yaml::Value>, D::Error> {
    serde_yaml::Value::deserialize(deserializer).map(Some)
}

impl TryFrom<WrittenCase> for Case {
    type Error = String;

    fn try_from(written: WrittenCase) -> Result<Self, String> {
        let case = written.name.clone();
        check(written).map_err(|error| format!("case `{case}`: {error}"))
    }
}

fn check(written: WrittenCase) -> Result<Case, String> {
    if written.name.trim().is_empty() || written.name.contains(char::is_control) {
        return Err("name: write one sentence on one line".into());
    }
    if let Some((engine, _)) = written.skip.iter().find(|(_, reason)| reason.trim().is_empty()) {
        return Err(format!("skip.{engine}: write the reason"));
    }
    if written.gateway.names == PropertyNames::Higress && !written.skip.contains_key(&EngineName::Envoy) {
        return Err("gateway.names: stock Envoy does not have Higress's property names: \
             add `skip: { envoy: only Higress has the short property names }`"
            .into());
    }
    for (call, status) in &written.gateway.fails {
        if !call.starts_with("proxy_") || !(1..=12).contains(status) {
            return Err("gateway.fails: write the name of a host call and a status from 1 to 12: \
                 { proxy_get_property: 10 }"
                .into());
        }
        if !written.skip.contains_key(&EngineName::Envoy) {
            return Err("gateway.fails: Envoy's host calls cannot be made to fail: \
                 add `skip: { envoy: its host calls do not fail }`"
                .into());
        }
    }
    if !(1..=16).contains(&written.gateway.workers) {
        return Err("gateway.workers: write a number from 1 to 16".into());
    }
    check_upstream(&written.upstream)?;
    let mut services = service_clusters("services", &written.services)?;
    let (mut requests, stages) =
        stages(written.requests, written.interleave, &written.upstream, &written.services)?;
    let breaks_off = requests.iter().filter_map(|request| request.upstream.as_ref());
    let breaks_off = breaks_off
        .chain([&written.upstream])
        .any(|upstream| upstream.reset_after.is_some() || upstream.closed);
    if breaks_off && written.gateway.upstream_protocol == Protocol::Http2 {
        return Err(
            "upstream.reset_after: is of an upstream that speaks HTTP/1.1: remove `upstream_protocol`".into(),
        );
    }
    if requests.iter().any(|request| request.time.is_some()) && !written.skip.contains_key(&EngineName::Envoy)
    {
        return Err(
            "time: Envoy's clock cannot be set: add `skip: { envoy: its clock cannot be set }`".into()
        );
    }
    for (index, request) in requests.iter_mut().enumerate() {
        let field = format!("requests[{index}].services");
        let own = service_clusters(&field, &request.services)?;
        services.extend(own);
        let named = |service: &&Service| request.services.iter().any(|own| own.cluster == service.cluster);
        let others: Vec<_> = written.services.iter().filter(|service| !named(service)).cloned().collect();
        request.services.extend(others);
    }
    check_stages(&stages, &requests, &written.gateway, &written.skip)?;
    services.sort();
    services.dedup();
    if let Some([one, _]) = services.array_windows().find(|[one, next]| one.name == next.name) {
        return Err(format!("services: `{}` has two protocols: write the same one everywhere", one.name));
    }
    for (index, request) in requests.iter().enumerate() {
        let resets = stages.iter().any(|stage| stage.resets(index));
        check_request(request, resets).map_err(|error| format!("requests[{index}].{error}"))?;
    }
    let then = match (written.refused.is_empty(), requests.is_empty()) {
        (true, false) => Then::Requests(requests),
        (false, true) => Then::Refused(written.refused),
        (true, true) => {
            return Err("has no expectation: write `requests`, or `refused` with a text of the log".into());
        }
        (false, false) => {
            return Err(
                "`refused` and `requests`: a rejected configuration serves no requests, keep one".into()
            );
        }
    };
    let setup = Setup {
        configuration: configuration(written.config, written.config_text, written.resource)?,
        gateway: written.gateway,
        services,
        reconfigured: stages.iter().any(is_reconfigured),
    };
    let WrittenCase { name, upstream, skip, equal_cost, .. } = written;
    Ok(Case { name, setup, upstream, skip, equal_cost, then, stages })
}

/// Checks for features that Envoy or concurrent requests do not support.
fn check_stages(
    stages: &[Stage],
    requests: &[Request],
    gateway: &Gateway,
    skip: &BTreeMap<EngineName, String>,
) -> Result<(), String> {
    for stage in stages {
        let Stage::Interleave { requests: places, events } = stage else { continue };
        if gateway.workers != 1 && !places.is_empty() {
            return Err("interleave: requests are open at once in one VM: remove `gateway.workers`".into());
        }
        for place in places {
            let Some(request) = requests.get(*place) else { continue };
            for (field, written) in [
                ("repeat", request.repeat != 1),
                ("answers", !request.answers.is_empty()),
                ("reset_after", request.reset_after.is_some()),
                ("talk", !request.talk.is_empty()),
            ] {
                if written {
                    return Err(format!(
                        "requests[{place}].{field}: not for a request with a `name`: remove it (`a.reset` is the event of \
                         a client that goes away)"
                    ));
                }
            }
        }
        if skip.contains_key(&EngineName::Envoy) {
            continue;
        }
        if let Some(why) = unforced(places.iter().filter_map(|place| requests.get(*place)), events) {
            return Err(format!("interleave: {why}: add `skip: {{ envoy: why }}`"));
        }
    }
    Ok(())
}

/// Whether the gateway gets another configuration in a stage.
fn is_reconfigured(stage: &Stage) -> bool {
    let Stage::Interleave { events, .. } = stage else { return false };
    events.iter().any(|event| matches!(event.happening, Happening::Configure(_)))
}

/// Why Envoy cannot execute these events in order.
fn unforced<'r>(
    requests: impl Iterator<Item = &'r Request> + Clone,
    events: &[Event],
) -> Option<&'static str> {
    if requests.clone().any(|request| request.protocol == Protocol::Http2) {
        return Some("when Envoy has read a frame of HTTP/2 cannot be seen");
    }
    let mut paths: Vec<_> = requests.clone().map(|request| &request.path).collect();
    let count = paths.len();
    paths.sort();
    paths.dedup();
    if paths.len() < count {
        return Some(
            "in Envoy, requests are distinguished by their paths, and two have the same: write another path",
        );
    }
    let services = requests.flat_map(|request| &request.services);
    let differs = |service: &Service| {
        services.clone().any(|other| other.cluster == service.cluster && other != service)
    };
    if services.clone().any(differs) {
        return Some(
            "in Envoy, a service is the same for all requests, and two requests have different ones",
        );
    }
    let mut services = services;
    let held = |service: &&Service| events.iter().any(|event| event.cluster() == Some(&service.cluster));
    if services.any(|service| held(&service) && service.protocol == ServiceProtocol::Grpc) {
        return Some("it cannot be observed when Envoy has read the response of a gRPC service");
    }
    None
}

pub(super) fn configuration(
    config: Option<serde_yaml::Value>,
    text: Option<ByteString>,
    resource: Option<serde_yaml::Value>,
) -> Result<Option<String>, String> {
    match (config, text, resource) {
        (None, None, None) => Ok(None),
        (Some(serde_yaml::Value::Null), None, None) => {
            Err("config: is empty: leave it out for no configuration at all, or write `config_text: 'null'`"
                .into())
        }
        // From YAML's value straight into text, so that the keys keep their order.
        (Some(document), None, None) => serde_json::to_string(&document)
            .map(Some)
            .map_err(|error| format!("config: cannot be JSON: {error}")),
        (None, Some(text), None) => String::from_utf8(text.to_vec())
            .map(Some)
            .map_err(|_| "config_text: is not UTF-8, as required by gateways".into()),
        (None, None, Some(resource)) => deployed(&resource).map_err(|error| format!("resource: {error}")),
        _ => Err("keep one of `config`, `config_text` and `resource`".into()),
    }
}

/// The configuration that the control plane delivers for a resource: an empty one is not delivered.
fn deployed(resource: &serde_yaml::Value) -> Result<Option<String>, String> {
    // Not through YAML's text, which would have to be written.
    let resource = serde_json::to_value(resource).map_err(|error| error.to_string())?;
    let resource = WasmPlugin::from_json(&resource).map_err(|error| error.to_string())?;
    match resource.deployment().map_err(|error| error.to_string())? {
        Deployment::Document(document) if document.is_empty() => Ok(None),
        Deployment::Document(document) => {
            serde_json::to_string(&document).map(Some).map_err(|error| error.to_string())
        }
        Deployment::NotDeployed => Err("is not deployed, so nothing would run: \
             remove `defaultConfigDisable`, or add an enabled rule"
            .into()),
    }
}

fn check_upstream(upstream: &Upstream) -> Result<(), String> {
    if !(200..=599).contains(&upstream.status) {
        return Err("upstream.status: write a status from 200 to 599".into());
    }
    if let Some(chunks) = &upstream.chunks {
        chunks.check().map_err(|error| format!("upstream.{error}"))?;
    }
    if upstream.reset_after.is_some() && !upstream.trailers.is_empty() {
        return Err("upstream.reset_after: a reset response has no end and no trailers: keep one".into());
    }
    if upstream.reset_after.is_some() && (upstream.echo || upstream.open) {
        return Err("upstream.reset_after: an open response is not reset after pieces: keep one".into());
    }
    let silent = Upstream { closed: upstream.closed, ..Upstream::default() };
    if upstream.closed && *upstream != silent {
        return Err(
            "upstream.closed: an upstream that disconnects sends no response: remove the other fields".into(),
        );
    }
    if upstream.open && (upstream.echo || !upstream.trailers.is_empty()) {
        return Err("upstream.open: a response without an end has no trailers and no echo: keep one".into());
    }
    headers("upstream.headers", &upstream.headers)?;
    headers("upstream.trailers", &upstream.trailers)
}

/// Checks expectations of a response without a receiver.
const GONE: &str = "expect: a client that disconnects receives no response: remove `status`, `headers`, `trailers`, `body` \
     and `body_contains`";

fn check_request(request: &Request, resets: bool) -> Result<(), String> {
    for (field, bytes) in [("method", &request.method), ("path", &request.path), ("host", &request.host)] {
        if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(format!("{field}: a line break would end the request line: remove it"));
        }
    }
    headers("headers", &request.headers)?;
    headers("trailers", &request.trailers)?;
    if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
        return Err("headers: write `host: …` next to `path`, not among the headers".into());
    }
    if let Some(chunks) = &request.chunks {
        chunks.check()?;
        if request.body.is_none() {
            return Err("chunks: there is no body to cut: add `body`".into());
        }
    }
    let is_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if let Some(name) = request.expect.access_log.keys().find(|name| !is_name(name)) {
        return Err(format!(
            "expect.access_log: `{name}` cannot be written in Envoy's log format: write letters, digits, `_`, `.` and `-`"
        ));
    }
    if request.upgrade.as_deref().is_some_and(|to| to != "websocket") {
        return Err("upgrade: the gateway supports no other protocol: write `upgrade: websocket`".into());
    }
    let says_all = request.body.is_some()
        || !request.trailers.is_empty()
        || request.reset_after.is_some()
        || request.reset_when_called.is_some()
        || !request.answers.is_empty();
    if !request.talk.is_empty() && says_all {
        return Err(
            "talk: defines the sent data, and when the client disconnects: remove `body`, `trailers`, \
             `reset_after`, `reset_when_called` and `answers`"
                .into(),
        );
    }
    request.upstream.as_ref().map_or(Ok(()), check_upstream)?;
    if request.repeat == 0 {
        return Err("repeat: write 1 or more".into());
    }
    if !request.answers.is_empty() {
        return check_at_once(request);
    }
    if request.connections != 1 {
        return Err(
            "connections: the number of responses by status is missing: add `answers: { 200: … }`".into()
        );
    }
    if request.reset_when_called == Some(0)
        || (request.reset_when_called.is_some() && request.services.is_empty())
    {
        return Err(
            "reset_when_called: is a number of calls to services: write 1 or more, and `services`".into()
        );
    }
    match request.reset_after {
        None if resets => match request.expect.needs_answer() {
            true => Err(GONE.into()),
            false => Ok(()),
        },
        None if request.reset_when_called.is_some() => match request.expect.needs_answer() {
            true => Err(GONE.into()),
            false => Ok(()),
        },
        Some(_) if request.reset_when_called.is_some() => {
            Err("reset_after: the client disconnects only once: keep this or `reset_when_called`".into())
        }
        None if request.expect.closed => match request.expect.needs_answer() {
            true => Err(GONE.into()),
            false => Ok(()),
        },
        None if request.expect.status.is_none() => Err("expect.status: is missing: write the status".into()),
        None => Ok(()),
        Some(pieces) if pieces > request.pieces().len() => Err(format!(
            "reset_after: the body has only {} pieces: write a smaller number, or cut it with `chunks`",
            request.pieces().len()
        )),
        Some(_) if request.ends_with_headers() => {
            Err("reset_after: the request is complete after its headers: add a `body`".into())
        }
        Some(_) if request.expect.needs_answer() => Err(GONE.into()),
        Some(_) => Ok(()),
    }
}

/// The clusters of services, each named once. One may be that of the route, for a plug-in that calls it and forwards nothing.
fn service_clusters(field: &str, services: &[Service]) -> Result<Vec<ServiceCluster>, String> {
    let mut clusters: Vec<ServiceCluster> = Vec::new();
    for (index, service) in services.iter().enumerate() {
        let place = format!("{field}[{index}]");
        if service.cluster.is_empty() {
            return Err(format!("{place}.cluster: is empty: write the cluster's name"));
        }
        if clusters.iter().any(|cluster| cluster.name == service.cluster) {
            return Err(format!("{place}.cluster: duplicate cluster: keep one service of that name"));
        }
        if let ServiceAnswer::Answer(answer) = &service.answer {
            if !(200..=599).contains(&answer.status) {
                return Err(format!("{place}.answer.status: write a status from 200 to 599"));
            }
            headers(&format!("{place}.answer.headers"), &answer.headers)?;
            headers(&format!("{place}.answer.trailers"), &answer.trailers)?;
        }
        clusters.push(ServiceCluster { name: service.cluster.clone(), protocol: service.protocol });
    }
    Ok(clusters)
}

/// Concurrent requests, of which only the statuses of responses are checked.
fn check_at_once(request: &Request) -> Result<(), String> {
    let answers: u32 = request.answers.values().sum();
    if answers != request.repeat {
        return Err(format!(
            "answers: has {answers} for {} requests: the sum must be `repeat`",
            request.repeat
        ));
    }
    if request.connections == 0 || request.connections > request.repeat {
        return Err("connections: write a number from 1 to `repeat`".into());
    }
    if request.expect != Expect::default() {
        return Err(
            "expect: has no effect next to `answers`: remove it, or write it in a later request".into()
        );
    }
    if !request.ends_with_headers() || request.protocol != Protocol::Http1 {
        return Err(
            "answers: concurrent requests have no body and use HTTP/1.1: remove the body, or `answers`"
                .into(),
        );
    }
    Ok(())
}

fn headers(field: &str, headers: &[Header]) -> Result<(), String> {
    for (index, (name, value)) in headers.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("{field}[{index}]: the name is empty"));
        }
        if name.starts_with(b":") {
            return Err(format!(
                "{field}[{index}]: pseudo-headers are written as `method`, `path` and `host`"
            ));
        }
        if name.iter().chain(value.iter()).any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(format!("{field}[{index}]: a line break would start another header: remove it"));
        }
    }
    Ok(())
}
