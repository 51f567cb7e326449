//! Envoy's configuration: one listener, its plug-ins, routes, and the clusters that they and the plug-ins
//! lead to; in one piece, or as files that Envoy watches.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::route;
use crate::wasm::FILTER_TYPE;
use crate::{Cluster, Route, Wasm};

/// The configuration of an Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The address to listen on; port 0 for a free one.
    pub address: SocketAddr,
    /// The plug-ins, in the order of requests.
    pub plugins: Vec<Wasm>,
    /// The routes.
    pub routes: Vec<Route>,
    /// The clusters of routes and of the plug-ins' calls.
    pub clusters: Vec<Cluster>,
    /// The number of worker threads, each with a VM of its own.
    pub workers: u32,
    /// `per_connection_buffer_limit_bytes`: the maximum length of a body that is held for a plug-in. Envoy's default is
    /// 1 MiB; Higress's chart sets 32 KiB.
    pub buffer_limit: u32,
    /// `max_request_headers_kb`: the maximum size of a request's headers, in KiB. Envoy's default is 60.
    pub max_headers_kib: u32,
    /// `max_headers_count`. Envoy's default is 100.
    pub max_headers: u32,
    /// Properties that plug-ins set, which the access log shows.
    pub logged: Vec<String>,
}

impl Bootstrap {
    /// Envoy's defaults for an edge, except for limits of 96 KiB and 1,000 headers.
    #[must_use]
    pub fn new(plugins: Vec<Wasm>, routes: Vec<Route>, clusters: Vec<Cluster>) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            plugins,
            routes,
            clusters,
            workers: 1,
            buffer_limit: 1024 * 1024,
            max_headers_kib: 96,
            max_headers: 1000,
            logged: Vec::new(),
        }
    }

    /// One plug-in in front of one upstream.
    #[must_use]
    pub fn single(wasm: Wasm, upstream: SocketAddr) -> Self {
        let clusters = vec![Cluster::at("upstream", upstream)];
        Self::new(vec![wasm], vec![Route::all("default", "upstream")], clusters)
    }

    /// Returns all of it as one document for `-c`.
    pub(crate) fn to_json(&self, access_log: &Path) -> Value {
        let filters = self.plugins.iter().map(Wasm::filter).collect();
        let routes = json!({ "route_config": route::table(&self.routes) });
        json!({
            "admin": { "address": admin_address() },
            "static_resources": {
                "listeners": [self.listener(filters, routes, access_log)],
                "clusters": self.clusters(),
            },
        })
    }

    pub(crate) fn clusters(&self) -> Vec<Value> {
        self.clusters.iter().map(Cluster::to_json).collect()
    }

    /// The listener of a gateway whose plug-ins and routes come from files: `plugins` has the file of each.
    pub(crate) fn watching_listener(
        &self,
        plugins: &[(String, PathBuf)],
        routes: &Path,
        access_log: &Path,
    ) -> Value {
        let filters = plugins.iter().map(|(name, file)| {
            json!({
                "name": name,
                "config_discovery": { "config_source": file_source(file), "type_urls": [FILTER_TYPE] },
            })
        });
        let own = json!({
            "rds": { "config_source": file_source(routes), "route_config_name": route::TABLE },
            // Between the announcement that a connection ends and its end: clients are local.
            "drain_timeout": "1s",
            "common_http_protocol_options": {
                "max_headers_count": self.max_headers,
                "idle_timeout": format!("{}s", IDLE.as_secs()),
            },
        });
        let mut listener = self.listener(filters.collect(), own, access_log);
        if let Some(listener) = listener.as_object_mut() {
            // Otherwise, two programs on one port would share its requests instead of reporting an error.
            listener.insert("enable_reuse_port".into(), false.into());
        }
        listener
    }

    /// `own` are fields of the connection manager, its routes among them.
    fn listener(&self, mut filters: Vec<Value>, own: Value, access_log: &Path) -> Value {
        filters.push(json!({
            "name": "envoy.filters.http.router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        }));
        let property = |name: &String| (name.clone(), format!("%FILTER_STATE(wasm.{name}:PLAIN)%").into());
        let logged: serde_json::Map<String, Value> = self.logged.iter().map(property).collect();
        let mut manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "plugin",
            // HTTP/1.1, and HTTP/2 without TLS for clients that send its preface.
            "codec_type": "AUTO",
            "max_request_headers_kb": self.max_headers_kib,
            "common_http_protocol_options": { "max_headers_count": self.max_headers },
            // Without this, Envoy drops trailers, and never calls a plug-in's trailer callback.
            "http_protocol_options": { "enable_trailers": true },
            // As Istio and Higress configure it. Without these two Envoy responds 403 to an upgrade before any plug-in runs,
            // and resets the extended CONNECT (RFC 8441) that a WebSocket is over HTTP/2.
            "upgrade_configs": [{ "upgrade_type": "websocket" }],
            "http2_protocol_options": { "allow_connect": true },
            "access_log": [{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": access_log,
                    "log_format": { "json_format": {
                        "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
                        "method": "%REQUEST_HEADER(:METHOD)%",
                        "host": "%REQUEST_HEADER(:AUTHORITY)%",
                        "path": "%REQUEST_HEADER(:PATH)%",
                        "protocol": "%PROTOCOL%",
                        "route": "%ROUTE_NAME%",
                        "status": "%RESPONSE_CODE%",
                        "details": "%RESPONSE_CODE_DETAILS%",
                        "flags": "%RESPONSE_FLAGS%",
                        "duration": "%DURATION%",
                        "properties": logged,
                    }},
                },
            }],
            "http_filters": filters,
        });
        if let (Some(manager), Value::Object(own)) = (manager.as_object_mut(), own) {
            manager.extend(own);
        }
        json!({
            "name": "plugin",
            "address": socket(self.address),
            "per_connection_buffer_limit_bytes": self.buffer_limit,
            // Connections are distributed evenly over the workers, not by a hash.
            "connection_balance_config": { "exact_balance": {} },
            "filter_chains": [{
                "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager,
                }],
            }],
        })
    }
}

/// How long a connection without a request stays open where plug-ins may come and go. Envoy asks the clients of a replaced
/// listener to reconnect with their next response only. A client that sends nothing for a while gets the new plug-ins with
/// its next request, however long the old listener is kept for slow requests.
const IDLE: Duration = Duration::from_secs(5);

/// More concurrent clients than one machine can run.
const CONNECTIONS: u32 = 20_000;

/// A bootstrap whose listeners and clusters come from files.
pub(crate) fn watching(listeners: &Path, clusters: &Path) -> Value {
    json!({
        "admin": { "address": admin_address() },
        // Discovery requires an identity.
        "node": { "id": "portcullis", "cluster": "portcullis" },
        "dynamic_resources": { "lds_config": file_source(listeners), "cds_config": file_source(clusters) },
        // Without a limit, Envoy logs a warning.
        "overload_manager": { "resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                "max_active_downstream_connections": CONNECTIONS,
            },
        }]},
    })
}

fn file_source(file: &Path) -> Value {
    json!({ "path_config_source": { "path": file }, "resource_api_version": "V3" })
}

fn admin_address() -> Value {
    socket(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}
