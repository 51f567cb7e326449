//! Responses of the gateway itself, with Envoy's texts.

use super::maps::{Kind, Map};
use crate::exchange::{Header, Protocol, Request};
use crate::outcome::Answer;

/// A response instead of the upstream's.
#[derive(Debug, Clone)]
pub(super) struct LocalReply {
    pub(super) status: u16,
    pub(super) details: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) headers: Map,
}

impl LocalReply {
    /// Envoy's response to a held body that exceeds the limit.
    pub(super) fn payload_too_large() -> Self {
        Self {
            status: 413,
            details: b"request_payload_too_large".to_vec(),
            body: b"Payload Too Large".to_vec(),
            headers: Map::default(),
        }
    }

    /// Envoy's response in place of a held response that exceeds the limit.
    pub(super) fn response_too_large() -> Self {
        Self::own(500, "response_payload_too_large", "Internal Server Error")
    }

    /// Envoy's response if a plug-in has removed a required header: 503 for a request, 502 for a response.
    pub(super) fn without(direction: &str, status: u16, what: &str) -> Self {
        let details = format!("filter_removed_required_{direction}_headers{{{}}}", what.replace(' ', "_"));
        Self::own(status, &details, what)
    }

    /// Envoy's response to a request without a route.
    pub(super) fn no_route() -> Self {
        Self::own(404, "route_not_found", "")
    }

    /// Envoy's response to an upgrade that is not configured.
    pub(super) fn upgrade_failed() -> Self {
        Self::own(403, "upgrade_failed", "")
    }

    /// Envoy's response for an upstream that disconnects instead of responding.
    pub(super) fn connection_termination() -> Self {
        Self::own(
            503,
            "upstream_reset_before_response_started{connection_termination}",
            "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        )
    }

    fn own(status: u16, details: &str, body: &str) -> Self {
        Self { status, details: details.into(), body: body.into(), headers: Map::default() }
    }

    /// The response-code details.
    pub(super) fn details(&self) -> Option<String> {
        let details = String::from_utf8_lossy(&self.details).into_owned();
        Some(details).filter(|details| !details.is_empty())
    }

    /// The response that the client receives if no filter changes it.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        let mut answer = self.message(request);
        if is_head(request) {
            answer.body = Default::default();
        } else if answer.body.is_empty() && request.protocol == Protocol::Http1 {
            answer.headers.push(("content-length".into(), "0".into()));
        }
        answer
    }

    /// The message that passes through the filters.
    pub(super) fn message(&self, request: &Request) -> Answer {
        if is_grpc(request) {
            return self.grpc_answer(is_head(request));
        }
        let mut headers = self.headers.clone().into_kind(Kind::Response);
        if self.body.is_empty() {
            headers.remove(b"content-length");
            headers.remove(b"content-type");
        } else {
            headers.set(b"content-length", self.body.len().to_string().as_bytes());
            if headers.get(b"content-type").is_none() {
                headers.add(b"content-type", b"text/plain");
            }
        }
        let body = self.body.as_slice().into();
        Answer { status: self.status, headers: headers.regular(), body, ..Answer::default() }
    }

    /// A gRPC client reads its status from the headers of a 200 without a body (gRPC over HTTP/2,
    /// "Trailers-Only").
    fn grpc_answer(&self, is_head: bool) -> Answer {
        let mut headers = self.headers.clone().into_kind(Kind::Response);
        headers.set(b"content-type", b"application/grpc");
        headers.set(b"grpc-status", grpc_status(self.status).as_bytes());
        if !self.body.is_empty() && !is_head {
            headers.set(b"grpc-message", &grpc_message(&self.body));
        }
        Answer { status: 200, headers: headers.regular(), ..Answer::default() }
    }
}

/// Whether the response to this request has no body, regardless of its headers (RFC 9110, section 9.3.2).
pub(super) fn is_head(request: &Request) -> bool {
    *request.method == *b"HEAD"
}

fn is_grpc(request: &Request) -> bool {
    let is_type = |(name, value): &&Header| name.eq_ignore_ascii_case(b"content-type") && !value.is_empty();
    let mut types = request.headers.iter().filter(is_type);
    // Several values are joined, but for empty ones, and only what follows `+` may be anything.
    let rest = types.next().and_then(|(_, value)| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.starts_with(b"+") || (rest.is_empty() && types.next().is_none()))
}

/// gRPC's "HTTP to gRPC Status Code Mapping".
fn grpc_status(status: u16) -> &'static str {
    match status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502 | 503 | 504 => "14",
        _ => "2",
    }
}

/// Percent-encoded, as required by gRPC over HTTP/2.
fn grpc_message(text: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'%' | ..b' ' | b'~'.. => message.extend(format!("%{byte:02X}").into_bytes()),
            _ => message.push(byte),
        }
    }
    message
}
