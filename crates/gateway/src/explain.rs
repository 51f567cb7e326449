//! The plug-ins that apply to a request, their order and their configuration, without sending the request.
//!
//! Rules are selected as in the SDK.

#[cfg(feature = "serve")]
mod folder;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use config::host;
use config::rules::{Attributes, RuleIndex};
use config::{ConfigError, Document};
use resource::Deployment;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::folder::{Entry, Folder};
use crate::{Cluster, Route, Routes};

#[cfg(feature = "serve")]
pub use folder::{ExplainError, explain_folder};

/// The attributes of a request that rules can match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The authority: `example.com`, with or without a port.
    pub host: String,
    /// The path, with or without the query.
    pub path: String,
    /// The name of its route, instead of the one by the routes of the folder.
    pub route: Option<String>,
    /// Its service, `name` or `name:port`, instead of the one by the routes of the folder.
    pub service: Option<String>,
    /// The consumer that an authentication plug-in identifies.
    pub consumer: Option<String>,
}

/// The plug-ins that apply to a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The name of its route; none if no route matches.
    pub route: Option<String>,
    /// The cluster that it goes to.
    pub cluster: Option<String>,
    /// Every plug-in of the folder, in the order of requests.
    pub plugins: Vec<PluginUse>,
}

/// A plug-in, and the part of its configuration that applies.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginUse {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The stage that it runs in.
    pub stage: &'static str,
    /// Its place in the stage.
    pub priority: i32,
    /// The part of its configuration that applies.
    #[serde(flatten)]
    pub applies: Applies,
}

/// The part of a plug-in's configuration that applies to a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "applies")]
pub enum Applies {
    /// The first rule that matches.
    Rule {
        /// Its index in the document, as in the plug-in's log and in a trace.
        rule: usize,
        /// Its place in the resource.
        field: String,
        /// Its fields.
        configuration: Map<String, Value>,
        /// The fields that it inherits from the global ones.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        inherited: Vec<String>,
    },
    /// The default: no rule matches, or there is none.
    Default {
        /// Its fields.
        configuration: Map<String, Value>,
    },
    /// Nothing: no rule matches, and there is no default.
    Nothing,
    /// The plug-in does not run.
    Disabled,
}

/// Explains a request in a folder. `inherits` returns true if the rules of a plug-in's document inherit the global fields; it
/// is called where that makes a difference.
///
/// # Errors
///
/// A rule that the plug-in would refuse, with the plug-in's name and the place in its resource.
pub fn explain(
    folder: &Folder,
    routes: &Routes,
    request: &Request,
    inherits: &mut Inherits<'_>,
) -> Result<Explanation, ConfigError> {
    let (table, _) = routes.for_envoy(SocketAddr::from(([127, 0, 0, 1], 0)));
    let taken = choose(&table, &request.host, &request.path);
    let named = request.service.as_deref().map(cluster);
    let mut attributes = RequestAttributes {
        host: request.host.clone(),
        route: request.route.clone().or_else(|| taken.map(|route| route.name.clone())),
        cluster: named.or_else(|| taken.map(|route| route.cluster.clone())),
        consumer: request.consumer.clone(),
    };
    let plugins = folder.plugins.iter().map(|entry| {
        let applies = applies(entry, &mut attributes, inherits).map_err(|error| {
            let place = format!("{}: {}", entry.name, entry.resource.origin(error.path()));
            ConfigError::new(place, error.message())
        })?;
        Ok(PluginUse {
            name: entry.name.clone(),
            namespace: entry.namespace.clone(),
            stage: entry.stage.name(),
            priority: entry.priority,
            applies,
        })
    });
    let plugins = plugins.collect::<Result<_, ConfigError>>()?;
    Ok(Explanation { route: attributes.route, cluster: attributes.cluster, plugins })
}

/// The cluster of a service, as control planes name it; other names stay as they are.
fn cluster(service: &str) -> String {
    match service.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) => Cluster::name_of(name, port),
        _ => service.to_owned(),
    }
}

/// Returns true if the rules of a plug-in's document inherit the global fields.
pub type Inherits<'i> = dyn FnMut(&Entry, &Value) -> bool + 'i;

fn applies(
    entry: &Entry,
    attributes: &mut RequestAttributes,
    inherits: &mut Inherits<'_>,
) -> Result<Applies, ConfigError> {
    let Deployment::Document(document) = entry.resource.deployment()? else {
        return Ok(Applies::Disabled);
    };
    let whole = Value::Object(document);
    let mut document = Document::<Map<String, Value>>::from_json(whole.to_string().as_bytes())?;
    let index = RuleIndex::new(document.rules.iter().map(|rule| rule.conditions.clone()));
    Ok(match (index.select(attributes), document.global) {
        (Some(rule), global) => {
            let field = entry.resource.origin(&format!("_rules_[{rule}]"));
            let mut configuration = document.rules.swap_remove(rule).config;
            let mut others = global.unwrap_or_default();
            others.retain(|name, _| !configuration.contains_key(name));
            let mut inherited = Vec::new();
            if !others.is_empty() && inherits(entry, &whole) {
                inherited.extend(others.keys().cloned());
                configuration.extend(others);
            }
            Applies::Rule { rule, field, configuration, inherited }
        }
        (None, Some(configuration)) => Applies::Default { configuration },
        (None, None) => Applies::Nothing,
    })
}

/// The attributes of a request, as rules query them.
struct RequestAttributes {
    host: String,
    route: Option<String>,
    cluster: Option<String>,
    consumer: Option<String>,
}

impl Attributes for RequestAttributes {
    fn host(&mut self) -> Option<Vec<u8>> {
        Some(self.host.clone().into_bytes())
    }

    fn route(&mut self) -> Option<Vec<u8>> {
        self.route.clone().map(String::into_bytes)
    }

    fn service(&mut self) -> Option<Vec<u8>> {
        self.cluster.clone().map(String::into_bytes)
    }

    fn consumer(&mut self) -> Option<Vec<u8>> {
        self.consumer.clone().map(String::into_bytes)
    }
}

/// The route that Envoy selects: of the domain that matches best (the name itself, then the longest `*.suffix`, then `*`) the
/// one with the longest prefix. Plug-ins may set headers, so routes by headers are never selected: `--route` names them.
fn choose<'r>(routes: &'r [Route], host: &str, path: &str) -> Option<&'r Route> {
    let host = host::normalise(host.as_bytes());
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let fit = |domain: &str| match domain.strip_prefix('*') {
        None => (domain.to_lowercase().as_bytes() == &*host).then_some(usize::MAX),
        Some(suffix) => {
            let longer = host.len() > suffix.len() || suffix.is_empty();
            (longer && host.ends_with(suffix.to_lowercase().as_bytes())).then_some(suffix.len())
        }
    };
    let of = |route: &Route| match route.domains.as_slice() {
        [] => Some(0),
        domains => domains.iter().filter_map(|domain| fit(domain)).max(),
    };
    let best = routes.iter().filter_map(of).max()?;
    let takes = |route: &&Route| {
        let prefix = route.prefix.trim_end_matches('/');
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let candidates = routes.iter().filter(|route| of(route) == Some(best) && route.headers.is_empty());
    let candidates = candidates.filter(takes);
    // Of two as long, the first.
    candidates.rev().max_by_key(|route| route.prefix.trim_end_matches('/').len())
}
