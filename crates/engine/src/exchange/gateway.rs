//! The gateway around a plug-in, and the upstream behind it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::request::cut;
use super::{Chunks, Header, LogLevel, Protocol};
use crate::ByteString;

/// How the gateway is set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// The route's name.
    pub route: String,
    /// The name of the cluster that the route leads to.
    pub cluster: String,
    /// What the upstream speaks.
    pub upstream_protocol: Protocol,
    /// How many bytes of a body the gateway holds for a plug-in; it answers 413 beyond.
    pub buffer_limit: u32,
    /// Which spelling of the route's and the cluster's property the host answers.
    pub names: PropertyNames,
    /// Whether headers can be held while body callbacks come (`allow_on_headers_stop_iteration`).
    pub hold_headers: bool,
    /// How many workers the gateway has, each with a VM of its own.
    pub workers: u32,
    /// Host calls that fail, each with this status of the ABI.
    pub fails: BTreeMap<String, u32>,
    /// The level from which on the plug-in's messages are logged.
    pub log_level: LogLevel,
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
        }
    }
}

/// The two spellings of the properties that name the route and the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropertyNames {
    /// `xds.route_name` and `xds.cluster_name`, as in stock Envoy.
    Stock,
    /// `route_name` and `cluster_name`, as in Higress.
    Higress,
}

/// What the upstream answers, to every request of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers, in order; the body's framing is added.
    pub headers: Vec<Header>,
    /// The body.
    pub body: ByteString,
    /// Trailers, in order; with any, the body is sent in the chunked coding.
    pub trailers: Vec<Header>,
    /// How the body is cut; it is then sent in the chunked coding, one chunk to a piece.
    pub chunks: Option<Chunks>,
    /// The upstream goes away after so many pieces of the body.
    pub reset_after: Option<usize>,
    /// It accepts upgrades, answers before the request has ended, and sends back what it gets, instead of a body.
    pub echo: bool,
    /// Its answer does not end after the body.
    pub open: bool,
}

impl Upstream {
    /// The body in its pieces, none of them empty, as far as they are sent.
    #[must_use]
    pub fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces = cut(&self.body, self.chunks.as_ref());
        pieces.truncate(self.reset_after.unwrap_or(usize::MAX));
        pieces
    }

    /// Whether nothing follows the headers.
    #[must_use]
    pub fn ends_with_headers(&self) -> bool {
        self.body.is_empty() && !self.is_chunked()
    }

    /// Whether the body's end is told by the chunked coding, not by its length.
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
        }
    }
}
