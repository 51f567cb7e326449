//! The gateway around a plug-in, and the upstream behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

use super::request::cut;
use super::{Chunks, Header, LogLevel, Protocol};
use crate::ByteString;

/// The settings of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The route's name.
    pub route: String,
    /// The name of the route's cluster.
    pub cluster: String,
    /// The upstream's protocol.
    pub upstream_protocol: Protocol,
    /// The maximum number of bytes of a body that the gateway holds for a plug-in; beyond, it responds with 413.
    pub buffer_limit: u32,
    /// The names of the route's and cluster's properties that the host supports.
    pub names: PropertyNames,
    /// Whether headers can be held during body callbacks (`allow_on_headers_stop_iteration`).
    pub hold_headers: bool,
    /// The number of workers, each with a VM of its own.
    pub workers: u32,
    /// Host calls that fail, each with this status of the ABI.
    pub fails: BTreeMap<String, u32>,
    /// The lowest level of the plug-in's messages that is logged.
    pub log_level: LogLevel,
    /// The addresses of Redis servers, by cluster, for modules with Higress's calls to Redis. They need the feature `redis`.
    #[serde(skip)]
    pub redis: BTreeMap<String, SocketAddr>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            route: "default".into(),
            cluster: "outbound|80||upstream.default.svc.cluster.local".into(),
            upstream_protocol: Protocol::Http1,
            buffer_limit: 1024 * 1024,
            names: PropertyNames::Stock,
            hold_headers: false,
            workers: 1,
            fails: BTreeMap::new(),
            log_level: LogLevel::Info,
            redis: BTreeMap::new(),
        }
    }
}

/// The two variants of the names of the route's and cluster's properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropertyNames {
    /// `xds.route_name` and `xds.cluster_name`, as in stock Envoy.
    Stock,
    /// `route_name` and `cluster_name`, as in Higress.
    Higress,
}

/// The upstream's response to every request of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers, in order; the body's framing is added.
    pub headers: Vec<Header>,
    /// The body.
    pub body: ByteString,
    /// Trailers, in order; with trailers, the body is sent in the chunked coding.
    pub trailers: Vec<Header>,
    /// The pieces of the body, each of which is sent as a chunk of the chunked coding.
    pub chunks: Option<Chunks>,
    /// The number of pieces of the body after which the upstream disconnects.
    pub reset_after: Option<usize>,
    /// The upstream accepts upgrades, responds before the end of the request, and sends the received data back as body.
    pub echo: bool,
    /// The response does not end after the body.
    pub open: bool,
    /// The upstream disconnects after the request, without a response.
    pub closed: bool,
}

impl Upstream {
    /// The non-empty pieces of the body that are sent.
    #[must_use]
    pub fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = cut(&self.body, self.chunks.as_ref());
        pieces.truncate(self.reset_after.unwrap_or(usize::MAX));
        pieces
    }

    /// Whether the response ends with the headers.
    #[must_use]
    pub fn ends_with_headers(&self) -> bool {
        self.body.is_empty() && !self.is_chunked()
    }

    /// Whether the chunked coding marks the end of the body, not its length.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        self.chunks.is_some()
            || self.reset_after.is_some()
            || !self.trailers.is_empty()
            || self.echo
            || self.open
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: "upstream".into(),
            trailers: Vec::new(),
            chunks: None,
            reset_after: None,
            echo: false,
            open: false,
            closed: false,
        }
    }
}
