//! A request, and the pieces in which the client sends it.

use serde::Deserialize;

use super::{Service, Upstream};
use crate::ByteString;

/// A header's or trailer's name and value.
pub type Header = (ByteString, ByteString);

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: ByteString,
    /// `:path`, with its query.
    pub path: ByteString,
    /// `Host`, or `:authority`.
    pub host: ByteString,
    /// Headers in order, without pseudo-headers and `Host`.
    pub headers: Vec<Header>,
    /// The body; none is different from an empty one.
    pub body: Option<ByteString>,
    /// The pieces of the body.
    pub chunks: Option<Chunks>,
    /// Trailers in order.
    pub trailers: Vec<Header>,
    /// The protocol between client and gateway.
    pub protocol: Protocol,
    /// The protocol to which the connection (or the HTTP/2 stream) is to be upgraded: `websocket`.
    pub upgrade: Option<String>,
    /// The conversation instead of a body: steps of sending and receiving.
    pub talk: Vec<TalkStep>,
    /// Whether the client waits for the end of the response after its last step, or disconnects.
    pub until_end: bool,
    /// The number of pieces of the body after which the client disconnects; 0 means after the headers.
    pub reset_after: Option<usize>,
    /// The number of calls of this request after which the client disconnects.
    pub reset_when_called: Option<usize>,
    /// The upstream's response, if it is different from that to other requests.
    pub upstream: Option<Upstream>,
    /// How services handle calls for this request.
    pub services: Vec<Service>,
    /// The time of the gateway's clock; unchanged if absent.
    pub time: Option<Time>,
}

/// A step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TalkStep {
    /// The client sends these bytes in one piece.
    Send(ByteString),
    /// The client waits for these bytes, after those of previous steps.
    Receive(ByteString),
    /// The client ends its request, and waits for the end of the response.
    End,
}

/// A time on the gateway's clock, in seconds after the case began.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Time(f64);

impl Time {
    /// The time in nanoseconds, rounded.
    #[must_use]
    pub fn nanoseconds(self) -> u64 {
        (self.0 * 1e9).round() as u64
    }
}

impl From<std::time::Duration> for Time {
    fn from(since_start: std::time::Duration) -> Self {
        Self(since_start.as_secs_f64())
    }
}

impl TryFrom<f64> for Time {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, &'static str> {
        // Up to this limit, nanoseconds are distinguishable.
        if (0.0..4e6).contains(&seconds) {
            Ok(Time(seconds))
        } else {
            Err("time must be from 0 to 4000000 seconds")
        }
    }
}

/// The pieces of a body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "chunks: a list of sizes like [3, 1, 100], or { each: 1 }")]
pub enum Chunks {
    /// Pieces of these sizes; the rest is another piece.
    Sizes(Vec<usize>),
    /// Pieces of one size; the last may be shorter.
    Each(Each),
}

/// `{ each: 1 }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// The number of bytes of a piece.
    pub each: usize,
}

impl Chunks {
    /// Validates the sizes.
    ///
    /// # Errors
    ///
    /// A piece would be empty.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Sizes(sizes) if sizes.contains(&0) => Err("chunks: a piece has at least one byte"),
            Self::Each(each) if each.each == 0 => Err("chunks.each: a piece has at least one byte"),
            _ => Ok(()),
        }
    }
}

/// The non-empty pieces of a body.
pub(super) fn cut<'b>(body: &'b [u8], chunks: Option<&Chunks>) -> Vec<&'b [u8]> {
    let mut rest = body;
    let mut pieces = Vec::new();
    match chunks {
        None => {}
        Some(Chunks::Each(Each { each })) => return rest.chunks((*each).max(1)).collect(),
        Some(Chunks::Sizes(sizes)) => {
            for size in sizes {
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
        }
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The protocol between client and gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, with prior knowledge.
    Http2,
}

impl Default for Request {
    /// `GET /` for `example.com`, over HTTP/1.1.
    fn default() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            host: "example.com".into(),
            headers: Vec::new(),
            body: None,
            chunks: None,
            trailers: Vec::new(),
            protocol: Protocol::default(),
            upgrade: None,
            talk: Vec::new(),
            until_end: false,
            reset_after: None,
            reset_when_called: None,
            upstream: None,
            services: Vec::new(),
            time: None,
        }
    }
}

impl Request {
    /// The non-empty pieces of the body; none for an empty or absent body.
    #[must_use]
    pub fn pieces(&self) -> Vec<&[u8]> {
        cut(self.body.as_deref().unwrap_or_default(), self.chunks.as_ref())
    }

    /// Whether the request ends with its headers.
    #[must_use]
    pub fn ends_with_headers(&self) -> bool {
        self.trailers.is_empty()
            && (self.body.is_none() || self.framing() == Framing::Length(0))
            && self.talk.iter().all(|step| matches!(step, TalkStep::Receive(_)))
            && !self.is_upgrade()
    }

    /// Whether it is an upgrade for the gateway, with a body without an end: by the key `upgrade`, or by equivalent headers
    /// over HTTP/1.1. Envoy ignores an upgrade to HTTP/2.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.upgrade_type().is_some_and(|to| !to.eq_ignore_ascii_case(b"h2c"))
    }

    /// The protocol of the upgrade. Several values of the header are joined, as in Envoy.
    #[must_use]
    pub fn upgrade_type(&self) -> Option<Vec<u8>> {
        if self.protocol == Protocol::Http2 {
            return self.upgrade.as_ref().map(|to| to.as_bytes().to_vec());
        }
        let headers = [self.headers.clone(), self.upgrade_headers()].concat();
        let values = |wanted: &'static [u8]| {
            let named = headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value.trim_ascii())
        };
        let mut tokens = values(b"connection").flat_map(|value| value.split(|byte| *byte == b','));
        let asked = tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        let to = values(b"upgrade").filter(|to| !to.is_empty()).collect::<Vec<_>>().join(&b","[..]);
        Some(to).filter(|to| asked && !to.is_empty())
    }

    /// The headers that the key `upgrade` adds over HTTP/1.1.
    #[must_use]
    pub fn upgrade_headers(&self) -> Vec<Header> {
        match (&self.upgrade, self.protocol) {
            (Some(to), Protocol::Http1) => vec![
                ("upgrade".into(), to.as_str().into()),
                ("connection".into(), "Upgrade".into()),
                ("sec-websocket-version".into(), "13".into()),
                ("sec-websocket-key".into(), "AQIDBAUGBwgJCgsMDQ4PEA==".into()),
            ],
            (Some(_), Protocol::Http2) => vec![("sec-websocket-version".into(), "13".into())],
            (None, _) => Vec::new(),
        }
    }

    /// Whether the end is separate from the last piece of the body, as in the chunked coding.
    #[must_use]
    pub fn ends_apart(&self) -> bool {
        !self.trailers.is_empty() || (self.protocol == Protocol::Http1 && self.chunks.is_some())
    }

    /// How HTTP/1.1 marks the end of the body.
    #[must_use]
    pub fn framing(&self) -> Framing {
        let declared = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
        if self.is_upgrade() {
            // Data after the headers is not framed, regardless of the headers.
            return match &self.body {
                Some(body) if !declared => Framing::Length(body.len()),
                _ => Framing::AsWritten,
            };
        }
        if !self.talk.is_empty() && !self.ends_with_headers() {
            return Framing::Chunked;
        }
        if declared || (self.body.is_none() && self.trailers.is_empty()) {
            Framing::AsWritten
        } else if self.chunks.is_some() || !self.trailers.is_empty() || self.reset_after.is_some() {
            // A client that disconnects must leave the message incomplete; a length would complete it.
            Framing::Chunked
        } else {
            Framing::Length(self.body.as_deref().map_or(0, <[u8]>::len))
        }
    }

    /// The header that the [framing](Self::framing) adds. HTTP/2 needs none for a body in pieces.
    #[must_use]
    pub fn framing_header(&self) -> Option<(&'static str, String)> {
        match (self.framing(), self.protocol) {
            (Framing::Length(length), _) => Some(("content-length", length.to_string())),
            (Framing::Chunked, Protocol::Http1) => Some(("transfer-encoding", "chunked".into())),
            (Framing::Chunked, Protocol::Http2) | (Framing::AsWritten, _) => None,
        }
    }
}

/// The framing of a request's body over HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Determined by the case's own headers: no body, or a `content-length`.
    AsWritten,
    /// A Content-Length, which the client adds.
    Length(usize),
    /// The chunked coding (RFC 9112, section 7.1).
    Chunked,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunks() -> impl Strategy<Value = Chunks> {
        prop_oneof![
            prop::collection::vec(1_usize..9, 0..9).prop_map(Chunks::Sizes),
            (1_usize..9).prop_map(|each| Chunks::Each(Each { each })),
        ]
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_body_and_none_is_empty(body: Vec<u8>, chunks in chunks()) {
            let request =
                Request { body: Some(body.clone().into()), chunks: Some(chunks), ..Request::default() };
            let pieces = request.pieces();
            prop_assert_eq!(pieces.concat(), body);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
        }
    }
}
