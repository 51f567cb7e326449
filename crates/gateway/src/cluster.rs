//! Clusters, to which requests and HTTP calls go.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde_json::{Value, json};

/// A service, with the name that routes and plug-ins use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// The host: an address, or a name to resolve.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it uses HTTP/2, as gRPC does, instead of HTTP/1.1.
    pub http2: bool,
    /// The settings of TLS; no TLS if absent.
    pub tls: Option<Tls>,
}

/// TLS to a service, whose certificate is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server name (SNI), which the certificate must have.
    pub name: String,
    /// The file with the certificates of trusted authorities.
    pub authorities: PathBuf,
}

impl Tls {
    fn to_json(&self, http2: bool) -> Value {
        let is_address = self.name.parse::<IpAddr>().is_ok();
        let kind = if is_address { "IP_ADDRESS" } else { "DNS" };
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": [if http2 { "h2" } else { "http/1.1" }],
                "validation_context": {
                    "trusted_ca": { "filename": self.authorities },
                    "match_typed_subject_alt_names": [{ "san_type": kind, "matcher": { "exact": self.name } }],
                },
            },
        });
        // TLS cannot send an address as a server name.
        if let Some(context) = context.as_object_mut().filter(|_| !is_address) {
            context.insert("sni".into(), self.name.as_str().into());
        }
        json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
    }
}

impl Cluster {
    /// A cluster at an address, with HTTP/1.1.
    #[must_use]
    pub fn at(name: &str, address: SocketAddr) -> Self {
        Self {
            name: name.into(),
            host: address.ip().to_string(),
            port: address.port(),
            http2: false,
            tls: None,
        }
    }

    /// The name of a service's cluster in Istio and Higress.
    #[must_use]
    pub fn name_of(service: &str, port: u16) -> String {
        format!("outbound|{port}||{service}")
    }

    pub(crate) fn to_json(&self) -> Value {
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        let protocol = match self.http2 {
            // A WebSocket is forwarded over HTTP/2 as an extended CONNECT (RFC 8441).
            true => json!({ "http2_protocol_options": { "allow_connect": true } }),
            false => json!({ "http_protocol_options": { "enable_trailers": true } }),
        };
        let kind = if self.host.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" };
        let mut cluster = json!({
            "name": self.name,
            "type": kind,
            "load_assignment": {
                "cluster_name": self.name,
                "endpoints": [{ "lb_endpoints": [{ "endpoint": {
                    "address": { "socket_address": { "address": self.host, "port_value": self.port } },
                }}]}],
            },
            // None, as from control planes: Envoy's default responds 503 to more than 1,024 requests at a time.
            "circuit_breakers": { "thresholds": [{
                "max_connections": u32::MAX,
                "max_pending_requests": u32::MAX,
                "max_requests": u32::MAX,
                "max_retries": u32::MAX,
            }]},
            "typed_extension_protocol_options": {
                (options): {
                    "@type": format!("type.googleapis.com/{options}"),
                    "explicit_http_config": protocol,
                },
            },
        });
        if let (Some(tls), Some(cluster)) = (&self.tls, cluster.as_object_mut()) {
            cluster.insert("transport_socket".into(), tls.to_json(self.http2));
        }
        cluster
    }
}
