//! A case as it is written, and the rules that a field alone cannot keep.

use std::collections::BTreeMap;

use config::resource::{Deployment, WasmPlugin};
use serde::Deserialize;

use super::expect::one_or_more;
use super::{Case, Chunks, Gateway, Header, PropertyNames, Request, Setup, Then, Upstream};
use crate::{ByteString, EngineName};

/// A case as it is written.
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
    skip: BTreeMap<EngineName, String>,
    #[serde(default, deserialize_with = "one_or_more")]
    refused: Vec<String>,
    #[serde(default)]
    requests: Vec<Request>,
}

/// Keeps a `null` that is written apart from a key that is absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<serde_yaml::Value>, D::Error> {
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
    if !(200..=599).contains(&written.upstream.status) {
        return Err("upstream.status: write a status from 200 to 599".into());
    }
    headers("upstream.headers", &written.upstream.headers)?;
    headers("upstream.trailers", &written.upstream.trailers)?;
    for (index, request) in written.requests.iter().enumerate() {
        check_request(request).map_err(|error| format!("requests[{index}].{error}"))?;
    }
    let then = match (written.refused.is_empty(), written.requests.is_empty()) {
        (true, false) => Then::Requests(written.requests),
        (false, true) => Then::Refused(written.refused),
        (true, true) => {
            return Err("says nothing: write `requests`, or `refused` with a text of the log".into());
        }
        (false, false) => {
            return Err("`refused` and `requests`: a refused configuration serves nothing, keep one".into());
        }
    };
    let setup = Setup {
        configuration: configuration(written.config, written.config_text, written.resource)?,
        gateway: written.gateway,
    };
    Ok(Case { name: written.name, setup, upstream: written.upstream, skip: written.skip, then })
}

fn configuration(
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
            .map_err(|_| "config_text: is not UTF-8, and a gateway delivers nothing else".into()),
        (None, None, Some(resource)) => deployed(&resource).map_err(|error| format!("resource: {error}")),
        _ => Err("keep one of `config`, `config_text` and `resource`".into()),
    }
}

/// The configuration that the control plane delivers for a resource: an empty one is not delivered.
fn deployed(resource: &serde_yaml::Value) -> Result<Option<String>, String> {
    let text = serde_yaml::to_string(resource).map_err(|error| error.to_string())?;
    let resource = WasmPlugin::from_yaml(&text).map_err(|error| error.to_string())?;
    match resource.deployment().map_err(|error| error.to_string())? {
        Deployment::Document(document) if document.is_empty() => Ok(None),
        Deployment::Document(document) => {
            serde_json::to_string(&document).map(Some).map_err(|error| error.to_string())
        }
        Deployment::NotDeployed => Err("is not deployed at all, so there is nothing to run: \
             remove `defaultConfigDisable`, or add a rule that is in force"
            .into()),
    }
}

fn check_request(request: &Request) -> Result<(), String> {
    for (field, bytes) in [("method", &request.method), ("path", &request.path), ("host", &request.host)] {
        if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(format!("{field}: a line break would end the request line: remove it"));
        }
    }
    headers("headers", &request.headers)?;
    headers("trailers", &request.trailers)?;
    if request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
        return Err("headers: write `host: …` beside `path`, not among the headers".into());
    }
    match &request.chunks {
        Some(Chunks::Sizes(sizes)) if sizes.contains(&0) => {
            return Err("chunks: a piece has at least one byte".into());
        }
        Some(Chunks::Each(each)) if each.each == 0 => {
            return Err("chunks.each: a piece has at least one byte".into());
        }
        Some(_) if request.body.is_none() => return Err("chunks: there is no body to cut: add `body`".into()),
        _ => {}
    }
    if request.repeat == 0 {
        return Err("repeat: write 1 or more".into());
    }
    match request.reset_after {
        None if request.expect.status.is_none() => Err("expect.status: is missing: write the status".into()),
        None => Ok(()),
        Some(pieces) if pieces > request.pieces().len() => Err(format!(
            "reset_after: the body has only {} pieces: write a smaller number, or cut it with `chunks`",
            request.pieces().len()
        )),
        Some(_) if request.ends_with_headers() => {
            Err("reset_after: the request is complete after its headers: add a `body`".into())
        }
        Some(_) if request.expect.needs_answer() => Err(
            "expect: a client that goes away sees no answer: remove `status`, `headers`, `trailers`, `body` \
                 and `body_contains`"
                .into(),
        ),
        Some(_) => Ok(()),
    }
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
