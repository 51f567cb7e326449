//! Envoy's configuration: one listener, one plug-in, one route, one upstream, and the services it calls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// A plug-in as Envoy runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wasm {
    /// The plug-in's name, as its log lines show it.
    pub name: String,
    /// Its module, as an absolute path.
    pub module: PathBuf,
    /// Its configuration; none at all is not the same as an empty one.
    pub configuration: Option<String>,
    /// What happens to requests once the VM has failed.
    pub failure_policy: FailurePolicy,
    /// Whether headers are held while body callbacks come (`allow_on_headers_stop_iteration`). Istio's
    /// `WasmPlugin` cannot ask for it.
    pub hold_headers: bool,
}

impl Wasm {
    /// A plug-in without configuration, as a gateway runs it when nothing more is said.
    #[must_use]
    pub fn new(name: &str, module: &Path) -> Self {
        Self {
            name: name.into(),
            module: module.into(),
            configuration: None,
            failure_policy: FailurePolicy::Closed,
            hold_headers: false,
        }
    }

    /// The same with a configuration.
    #[must_use]
    pub fn configured(self, configuration: &str) -> Self {
        Self { configuration: Some(configuration.into()), ..self }
    }

    fn filter(&self) -> Value {
        let mut config = json!({
            "name": self.name,
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": self.module } },
            },
            "failure_policy": match self.failure_policy {
                FailurePolicy::Closed => "FAIL_CLOSED",
                FailurePolicy::Open => "FAIL_OPEN",
            },
            "allow_on_headers_stop_iteration": self.hold_headers,
        });
        if let (Some(configuration), Some(config)) = (&self.configuration, config.as_object_mut()) {
            let value =
                json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration });
            config.insert("configuration".into(), value);
        }
        json!({
            "name": self.name,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": config,
            },
        })
    }
}

/// What happens to requests once a plug-in's VM has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They are answered with 503.
    Closed,
    /// They pass as if the plug-in were not there.
    Open,
}

/// A service that a plug-in calls, as a cluster of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCluster {
    /// The cluster's name.
    pub name: String,
    /// Where its requests go.
    pub address: SocketAddr,
    /// Whether it speaks HTTP/2 (gRPC does), not HTTP/1.1.
    pub http2: bool,
}

/// What an Envoy is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// The plug-in.
    pub wasm: Wasm,
    /// The name of the one route, `xds.route_name`.
    pub route: String,
    /// The name of the cluster that it leads to, `xds.cluster_name`.
    pub cluster: String,
    /// Where the cluster's requests go.
    pub upstream: SocketAddr,
    /// Services that the plug-in calls.
    pub services: Vec<ServiceCluster>,
    /// How many worker threads it has, each with a VM of its own.
    pub workers: u32,
    /// `per_connection_buffer_limit_bytes`: how much of a body is held for a plug-in. Envoy's default is
    /// 1 MiB, and 32 KiB in Higress's chart.
    pub buffer_limit: u32,
    /// `max_request_headers_kb`: all headers of a request together, in KiB. Envoy's default is 60.
    pub max_headers_kib: u32,
    /// `max_headers_count`. Envoy's default is 100.
    pub max_headers: u32,
}

impl Bootstrap {
    /// An edge as Envoy sets it up by default, with room for 96 KiB and 1,000 headers.
    #[must_use]
    pub fn new(wasm: Wasm, upstream: SocketAddr) -> Self {
        Self {
            wasm,
            route: "default".into(),
            cluster: "upstream".into(),
            upstream,
            services: Vec::new(),
            workers: 1,
            buffer_limit: 1024 * 1024,
            max_headers_kib: 96,
            max_headers: 1000,
        }
    }

    /// Envoy's configuration, as its `-c` reads it.
    pub(crate) fn to_json(&self, access_log: &Path) -> Value {
        let upstream = cluster(&self.cluster, self.upstream, false);
        let services =
            self.services.iter().map(|service| cluster(&service.name, service.address, service.http2));
        json!({
            "admin": { "address": any_loopback_port() },
            "static_resources": {
                "listeners": [self.listener(access_log)],
                "clusters": std::iter::once(upstream).chain(services).collect::<Vec<_>>(),
            },
        })
    }

    fn listener(&self, access_log: &Path) -> Value {
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "plugin",
            // HTTP/1.1, and HTTP/2 without TLS for a client that begins with its preface.
            "codec_type": "AUTO",
            "max_request_headers_kb": self.max_headers_kib,
            "common_http_protocol_options": { "max_headers_count": self.max_headers },
            // Without this, trailers end at the gateway and a plug-in's trailer callback is never seen.
            "http_protocol_options": { "enable_trailers": true },
            "access_log": [{
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": access_log,
                    "log_format": { "json_format": {
                        "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
                        "status": "%RESPONSE_CODE%",
                        "details": "%RESPONSE_CODE_DETAILS%",
                        "flags": "%RESPONSE_FLAGS%",
                    }},
                },
            }],
            "route_config": {
                "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{
                        "name": self.route,
                        "match": { "prefix": "/" },
                        "route": { "cluster": self.cluster },
                    }],
                }],
            },
            "http_filters": [
                self.wasm.filter(),
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    },
                },
            ],
        });
        json!({
            "name": "plugin",
            "address": any_loopback_port(),
            "per_connection_buffer_limit_bytes": self.buffer_limit,
            // Connections are spread evenly over the workers, not by the luck of a hash.
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

fn cluster(name: &str, at: SocketAddr, http2: bool) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    let protocol = match http2 {
        true => json!({ "http2_protocol_options": {} }),
        false => json!({ "http_protocol_options": { "enable_trailers": true } }),
    };
    json!({
        "name": name,
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }],
        },
        "typed_extension_protocol_options": {
            (options): {
                "@type": format!("type.googleapis.com/{options}"),
                "explicit_http_config": protocol,
            },
        },
    })
}

fn any_loopback_port() -> Value {
    address(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(wasm: Wasm) -> Value {
        let bootstrap = Bootstrap::new(wasm, SocketAddr::from(([127, 0, 0, 1], 80)));
        bootstrap.to_json(Path::new("/access"))["static_resources"]["listeners"][0]["filter_chains"][0]
            ["filters"][0]["typed_config"]["http_filters"][0]["typed_config"]["config"]
            .clone()
    }

    #[test]
    fn no_configuration_is_not_an_empty_one() {
        let wasm = Wasm::new("p", Path::new("/p.wasm"));
        assert_eq!(filter(wasm.clone()).get("configuration"), None);
        assert_eq!(filter(wasm.configured(""))["configuration"]["value"], "");
    }

    #[test]
    fn a_configuration_arrives_as_it_is_written() {
        let text = r#"{"a": "\u0000 \" é", "#;
        let config = filter(Wasm::new("p", Path::new("/p.wasm")).configured(text));
        assert_eq!(config["configuration"]["value"], text);
    }
}
