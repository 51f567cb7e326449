//! `manifest --rate-limit-service`: the configuration of a rate limit service with the limits of a plug-in.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use marketplace::{Answers, KnownPlugin};
use resource::Object;
use serde_json::{Value, json};
use workspace::describe::ServiceLimit;

/// A rate limit service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Service {
    /// Envoy's own, which receives the limits with the requests.
    Envoy,
    /// Limitador, whose file contains every limit.
    Limitador,
}

/// The field of plug-ins that count in such a service.
const FIELD: &str = "rate_limit_service";

/// Returns the content of the file.
pub(crate) fn file(service: Service, plugin: KnownPlugin<'_>, configuration: Object) -> Result<Value> {
    #[cfg_attr(not(feature = "engine"), expect(irrefutable_let_patterns, reason = "modules need the engine"))]
    let Answers::Types(describer) = plugin.answers()? else {
        bail!(
            "{} is known as an image, which does not list its limits: run this where its source is",
            plugin.name()
        );
    };
    let limits = describer.service_limits(&Value::Object(configuration))?;
    if limits.is_empty() {
        bail!(without_limits(plugin.name(), &describer.schema()?));
    }
    match service {
        Service::Envoy => envoy(&limits),
        Service::Limitador => Ok(limitador(&limits)),
    }
}

/// Returns the error for a configuration without limits in a service.
fn without_limits(plugin: &str, schema: &Value) -> String {
    match schema.get("properties").and_then(|properties| properties.get(FIELD)) {
        Some(_) => format!(
            "this configuration of {plugin} counts nothing in a rate limit service: add `{FIELD}` to it"
        ),
        None => format!(
            "{plugin} counts nothing in a rate limit service: name a plug-in with the field `{FIELD}`"
        ),
    }
}

/// Limits are in the requests, but the service accepts them for the domains that it knows only.
fn envoy(limits: &[ServiceLimit]) -> Result<Value> {
    let domains: BTreeSet<&str> = limits.iter().map(|limit| limit.domain.as_str()).collect();
    let mut domains = domains.iter();
    match (domains.next(), domains.next()) {
        (Some(one), Some(other)) => bail!(
            "the configuration has the domains `{one}` and `{other}`, and Envoy's service has a file for each: write the same \
             `rate_limit_service.domain` in all rules, or run this for each domain"
        ),
        (domain, _) => Ok(json!({ "domain": domain, "descriptors": [] })),
    }
}

fn limitador(limits: &[ServiceLimit]) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for limit in limits {
        let name = limit.limit.replace('\\', r"\\").replace('\'', r"\'");
        let mut variables = vec!["descriptors[0].window"];
        if limit.per_key {
            variables.push("descriptors[0].key");
        }
        let entry = json!({
            "namespace": limit.domain,
            "max_value": limit.amount,
            "seconds": limit.seconds,
            "conditions": [format!("descriptors[0].limit == '{name}'")],
            "variables": variables,
        });
        // Equal limits of several rules share their counts.
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(domain: &str, limit: &str, per_key: bool) -> ServiceLimit {
        ServiceLimit { domain: domain.into(), limit: limit.into(), amount: 10, seconds: 60, per_key }
    }

    #[test]
    fn limitador_has_each_limit_once() {
        let name = r"a:limit_by_header:x-key:it's\:10/minute";
        let file =
            limitador(&[limit("edge", name, false), limit("edge", "b", true), limit("edge", "b", true)]);
        let window = "descriptors[0].window";
        assert_eq!(
            file,
            json!([
                {
                    "namespace": "edge",
                    "max_value": 10,
                    "seconds": 60,
                    "conditions": [r"descriptors[0].limit == 'a:limit_by_header:x-key:it\'s\\:10/minute'"],
                    "variables": [window],
                },
                {
                    "namespace": "edge",
                    "max_value": 10,
                    "seconds": 60,
                    "conditions": ["descriptors[0].limit == 'b'"],
                    "variables": [window, "descriptors[0].key"],
                },
            ])
        );
    }

    #[test]
    fn a_configuration_without_limits_is_an_error_with_a_remedy() {
        let schema = json!({ "properties": { "rate_limit_service": {}, "rule_name": {} } });
        let error = without_limits("cluster-key-rate-limit", &schema);
        assert!(error.ends_with(": add `rate_limit_service` to it"), "{error}");
        let error = without_limits("cors", &json!({ "properties": { "allow_origins": {} } }));
        assert!(error.starts_with("cors counts nothing"), "{error}");
    }

    #[test]
    fn envoys_service_has_one_domain_per_file() {
        let one = limit("edge", "a", false);
        assert_eq!(
            envoy(std::slice::from_ref(&one)).unwrap(),
            json!({ "domain": "edge", "descriptors": [] })
        );
        let error = envoy(&[one, limit("other", "a", false)]).unwrap_err().to_string();
        assert!(error.contains("`edge` and `other`"), "{error}");
        assert!(error.contains("write the same `rate_limit_service.domain` in all rules"), "{error}");
    }
}
