//! The configuration of Envoy's Wasm filter for a plug-in.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The type of the filter, by which Envoy recognises a discovered configuration.
pub(crate) const FILTER_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// A plug-in in Envoy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wasm {
    /// The plug-in's name in its log lines; unique in a gateway.
    pub name: String,
    /// The absolute path of its module.
    pub module: PathBuf,
    /// Its configuration; none is different from an empty one.
    pub configuration: Option<String>,
    /// The environment of its VM.
    pub environment: Environment,
    /// The name by which a module with several plug-ins selects one; control planes send `pluginName`.
    pub root_id: String,
    /// The treatment of requests once the VM has failed.
    pub failure_policy: FailurePolicy,
    /// Whether headers are held while body callbacks run (`allow_on_headers_stop_iteration`). Istio's
    /// `WasmPlugin` cannot ask for it.
    pub hold_headers: bool,
}

/// The environment variables of a plug-in's VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables with their values.
    pub values: Vec<(String, String)>,
    /// Variables with the values of Envoy's own environment.
    pub of_host: Vec<String>,
}

/// The treatment of requests once a plug-in's VM has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They get a 503.
    Closed,
    /// They pass without the plug-in.
    Open,
}

impl Wasm {
    /// A plug-in without configuration, with default settings.
    #[must_use]
    pub fn new(name: &str, module: &Path) -> Self {
        Self {
            name: name.into(),
            module: module.into(),
            configuration: None,
            environment: Environment::default(),
            root_id: String::new(),
            failure_policy: FailurePolicy::Closed,
            hold_headers: false,
        }
    }

    /// The same with a configuration.
    #[must_use]
    pub fn configured(self, configuration: &str) -> Self {
        Self { configuration: Some(configuration.into()), ..self }
    }

    /// The filter with its configuration in place.
    pub(crate) fn filter(&self) -> Value {
        json!({ "name": self.name, "typed_config": self.typed_config() })
    }

    /// The filter's configuration.
    pub(crate) fn typed_config(&self) -> Value {
        let mut vm = json!({
            "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": self.module } },
        });
        if let (false, Some(vm)) = (self.environment.is_empty(), vm.as_object_mut()) {
            vm.insert("environment_variables".into(), self.environment.to_json());
        }
        let mut config = json!({
            "name": self.name,
            "vm_config": vm,
            "failure_policy": match self.failure_policy {
                FailurePolicy::Closed => "FAIL_CLOSED",
                FailurePolicy::Open => "FAIL_OPEN",
            },
            "allow_on_headers_stop_iteration": self.hold_headers,
        });
        if let Some(config) = config.as_object_mut() {
            if !self.root_id.is_empty() {
                config.insert("root_id".into(), self.root_id.as_str().into());
            }
            if let Some(configuration) = &self.configuration {
                let kind = "type.googleapis.com/google.protobuf.StringValue";
                config.insert("configuration".into(), json!({ "@type": kind, "value": configuration }));
            }
        }
        json!({ "@type": FILTER_TYPE, "config": config })
    }
}

impl Environment {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.of_host.is_empty()
    }

    fn to_json(&self) -> Value {
        let values: Map<String, Value> =
            self.values.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json!({ "key_values": values, "host_env_keys": self.of_host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(wasm: &Wasm) -> Value {
        wasm.filter()["typed_config"]["config"].clone()
    }

    #[test]
    fn no_configuration_is_not_an_empty_one() {
        let wasm = Wasm::new("p", Path::new("/p.wasm"));
        assert_eq!(config(&wasm).get("configuration"), None);
        assert_eq!(config(&wasm.configured(""))["configuration"]["value"], "");
    }

    #[test]
    fn a_configuration_arrives_as_it_is_written() {
        let text = r#"{"a": "\u0000 \" é", "#;
        let config = config(&Wasm::new("p", Path::new("/p.wasm")).configured(text));
        assert_eq!(config["configuration"]["value"], text);
    }

    #[test]
    fn an_environment_is_there_only_when_it_is_wanted() {
        let mut wasm = Wasm::new("p", Path::new("/p.wasm"));
        assert_eq!(config(&wasm)["vm_config"].get("environment_variables"), None);
        wasm.environment.values.push(("A".into(), "1".into()));
        wasm.environment.of_host.push("HOME".into());
        let expected = json!({ "key_values": { "A": "1" }, "host_env_keys": ["HOME"] });
        assert_eq!(config(&wasm)["vm_config"]["environment_variables"], expected);
    }
}
