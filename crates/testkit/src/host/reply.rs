//! Answers of the gateway's side, as Envoy words them for the request that they answer.

use super::maps::Map;
use crate::case::Request;
use crate::outcome::Answer;

/// An answer instead of the upstream's.
#[derive(Debug, Clone)]
pub(super) struct LocalReply {
    pub(super) status: u16,
    pub(super) details: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) headers: Map,
}

impl LocalReply {
    /// What Envoy says of a body that it was told to hold and that is larger than it may.
    pub(super) fn payload_too_large() -> Self {
        Self {
            status: 413,
            details: b"request_payload_too_large".to_vec(),
            body: b"Payload Too Large".to_vec(),
            headers: Map::default(),
        }
    }

    /// The response-code details.
    pub(super) fn details(&self) -> Option<String> {
        let details = String::from_utf8_lossy(&self.details).into_owned();
        Some(details).filter(|details| !details.is_empty())
    }

    /// What the client gets when no filter changes it.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        if is_grpc(request) {
            return self.grpc_answer();
        }
        let mut headers = self.headers.clone();
        headers.replace(b"content-length", self.body.len().to_string().as_bytes());
        if !self.body.is_empty() && headers.get(b"content-type").is_none() {
            headers.add(b"content-type", b"text/plain");
        }
        let body: &[u8] = if is_head(request) { b"" } else { &self.body };
        Answer { status: self.status, headers: headers.regular(), body: body.into(), ..Answer::default() }
    }

    /// A gRPC client reads its status from the headers of a 200 without a body (gRPC over HTTP/2,
    /// "Trailers-Only").
    fn grpc_answer(&self) -> Answer {
        let mut headers = self.headers.clone();
        headers.replace(b"content-type", b"application/grpc");
        headers.add(b"grpc-status", grpc_status(self.status).as_bytes());
        if !self.body.is_empty() {
            headers.add(b"grpc-message", &grpc_message(&self.body));
        }
        Answer { status: 200, headers: headers.regular(), ..Answer::default() }
    }
}

/// Whether the answer to this request has no body, whatever its headers say (RFC 9110, section 9.3.2).
pub(super) fn is_head(request: &Request) -> bool {
    *request.method == *b"HEAD"
}

fn is_grpc(request: &Request) -> bool {
    let mut types = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
    let rest = types.find_map(|(_, value)| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
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

/// Percent-encoded, as gRPC over HTTP/2 asks for.
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
