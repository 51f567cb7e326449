//! `plugins/<name>/bench.yaml`: the scenarios to measure.
//!
//! ```yaml
//! scenarios:
//! - name: URL keywords                # unique in the file
//!   sizes: [10, 100, 1000, 10000]     # once for each; absent: once
//!   config:                           # the plug-in's document
//!     block_urls: { $repeat: "/blocked/{i}" }       # so many entries, {i} counting from 0
//!   request:
//!     path: /some/path                # /
//!     host: example.com               # example.com
//!     method: PUT                     # GET, or POST with a body; a GET is answered by Envoy itself
//!     headers: [[x-a, "1"]]
//!     body: text                      # as it is
//!     body: { text: english, bytes: 65536 }         # or chinese, json, random
//!     body: { repeat: "near {i} ", bytes: 65536 }   # {i} counts up to the size and begins again
//!   passes: false                     # true: whether the request reaches the upstream
//!   target: 1.1                       # the goal for its CPU time, in those of the empty module
//!   target_over_empty: 150            # the goal for its CPU time without that of the empty module, in µs
//!   refuses: { path: /attack }        # what the same configuration must refuse, before and after: it differs from `request`
//!   response: { events: 200, pieces: 10 }         # the upstream answers with events of a model, in so many pieces
//!   envoy_filter: { name: …, typed_config: { … } }        # a filter of Envoy, measured beside the plug-in
//! ```
//!
//! With `beside: libmodsecurity` at the top, this library from PyPI judges the same requests, with the rules in `CRS` and the
//! `paranoia_level` of `config`.
//!
//! In a folder of resources, scenarios have no `config`: its plug-ins are measured together, with their own configurations, or those
//! in `configs: { <name of a resource>: { … } }`.
//!
//! `$repeat` may hold any value, and `$times` beside it says another number than the size. A plug-in without this file is
//! measured with the example of its manifest and `GET /`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::corpus::{self, Text};
use crate::stream::{Events, MIN_EVENTS};

/// One configuration and one request.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// How many patterns or rules there are, where the scenario has sizes.
    pub(crate) size: Option<usize>,
    /// The configuration, as the plug-in gets it.
    pub(crate) config: String,
    /// Those of plug-ins of a folder that have another one here, by their names.
    pub(crate) configs: BTreeMap<String, String>,
    pub(crate) request: Request,
    pub(crate) passes: bool,
    pub(crate) target: Option<f64>,
    pub(crate) target_over_empty: Option<f64>,
    /// A request that shows that the plug-in works while it is measured.
    pub(crate) refuses: Option<Request>,
    /// Another implementation that judges the same request.
    pub(crate) beside: Option<Beside>,
    /// A filter of Envoy for the same purpose.
    pub(crate) envoy_filter: Option<Value>,
    /// What the upstream answers, if not 200 without a body.
    pub(crate) response: Option<Events>,
}

impl Scenario {
    /// Its name, with its size.
    pub(crate) fn title(&self) -> String {
        match self.size {
            Some(size) => format!("{}, {size}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Another implementation.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Beside {
    /// libmodsecurity, with the rules in `CRS`.
    Libmodsecurity,
}

/// What is sent, again and again.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// None for what follows from the body.
    pub(crate) method: Option<String>,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    beside: Option<Beside>,
    scenarios: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    sizes: Vec<usize>,
    config: Option<Value>,
    #[serde(default)]
    configs: BTreeMap<String, Value>,
    #[serde(default)]
    request: WrittenRequest,
    #[serde(default = "yes")]
    passes: bool,
    target: Option<f64>,
    target_over_empty: Option<f64>,
    refuses: Option<WrittenRequest>,
    envoy_filter: Option<Value>,
    response: Option<Events>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenRequest {
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<Body>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a text, { text: english, bytes: 65536 } or { repeat: \"near {i}\", bytes: 65536 }"
)]
enum Body {
    Plain(String),
    Text(TextBody),
    Repeat(RepeatBody),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextBody {
    text: Text,
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepeatBody {
    repeat: String,
    bytes: usize,
}

fn yes() -> bool {
    true
}

/// What scenarios measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A plug-in, with the configuration of each scenario.
    Plugin,
    /// The plug-ins of a folder, with their own configurations.
    Folder,
}

/// Reads a file, which errors call `shown`.
pub(crate) fn load(file: &Path, shown: &Path, of: Of) -> Result<Vec<Scenario>> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", shown.display()))?;
    parse(&text, of).with_context(|| shown.display().to_string())
}

/// One scenario, of a configuration as it is, and a plain request.
pub(crate) fn plain(name: &str, config: &Value) -> Result<Scenario> {
    let request = WrittenRequest::default();
    let written = Written {
        name: name.into(),
        sizes: Vec::new(),
        config: Some(config.clone()),
        configs: BTreeMap::new(),
        request,
        passes: true,
        target: None,
        target_over_empty: None,
        refuses: None,
        envoy_filter: None,
        response: None,
    };
    written.expand(None, None)
}

fn parse(text: &str, of: Of) -> Result<Vec<Scenario>> {
    let File { beside, scenarios } = serde_yaml::from_str(text)?;
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for scenario in &scenarios {
        if !names.insert(scenario.name.as_str()) {
            bail!("duplicate scenario `{}`: choose another name", scenario.name);
        }
        match (of, &scenario.config) {
            (Of::Plugin, None) => bail!("scenario `{}` has no `config`: write the plug-in's", scenario.name),
            (Of::Plugin, Some(_)) if !scenario.configs.is_empty() => {
                bail!("scenario `{}` has `configs`, which are for folders: write `config`", scenario.name)
            }
            (Of::Folder, Some(_)) => bail!(
                "scenario `{}` has a `config`, but the plug-ins of a folder have their own: remove it",
                scenario.name
            ),
            _ => {}
        }
        let sizes = scenario.sizes.iter().copied().map(Some);
        let once = scenario.sizes.is_empty().then_some(None);
        for size in sizes.chain(once) {
            all.push(scenario.expand(size, beside).with_context(|| format!("scenario `{}`", scenario.name))?);
        }
    }
    Ok(all)
}

impl Written {
    fn expand(&self, size: Option<usize>, beside: Option<Beside>) -> Result<Scenario> {
        let request = self.request.expand(size)?;
        if let Some(Events { events, pieces }) = self.response {
            if events < MIN_EVENTS || pieces == 0 || !events.is_multiple_of(pieces) {
                bail!(
                    "response: {events} events in {pieces} pieces: write {MIN_EVENTS} events or more, and pieces that divide them"
                );
            }
            if request.body.is_none() {
                bail!("response: a request without a body is answered by Envoy itself: write `request.body`");
            }
        }
        // What is not written is as in the request.
        let refuses = self.refuses.as_ref().map(|refuses| {
            let own = refuses.expand(size)?;
            anyhow::Ok(Request {
                method: own.method.or_else(|| request.method.clone()),
                path: if refuses.path.is_some() { own.path } else { request.path.clone() },
                host: if refuses.host.is_some() { own.host } else { request.host.clone() },
                headers: if own.headers.is_empty() { request.headers.clone() } else { own.headers },
                body: own.body.or_else(|| request.body.clone()),
            })
        });
        Ok(Scenario {
            name: self.name.clone(),
            size,
            config: serde_json::to_string(&repeated(self.config.as_ref().unwrap_or(&Value::Null), size)?)?,
            configs: self.configs.iter().map(|(name, config)| (name.clone(), config.to_string())).collect(),
            request,
            passes: self.passes,
            target: self.target,
            target_over_empty: self.target_over_empty,
            refuses: refuses.transpose()?,
            beside,
            envoy_filter: self.envoy_filter.clone(),
            response: self.response,
        })
    }
}

impl WrittenRequest {
    fn expand(&self, size: Option<usize>) -> Result<Request> {
        let body = match &self.body {
            None => None,
            Some(Body::Plain(text)) => Some(text.clone().into_bytes()),
            Some(Body::Text(TextBody { text, bytes })) => Some(corpus::text(*text, *bytes)),
            Some(Body::Repeat(RepeatBody { repeat, bytes })) => {
                if repeat.is_empty() {
                    bail!("request.body.repeat is empty: write the text to repeat");
                }
                Some(cycle(repeat, size.unwrap_or(1).max(1), *bytes))
            }
        };
        Ok(Request {
            method: self.method.clone(),
            path: self.path.clone().unwrap_or_else(|| "/".into()),
            host: self.host.clone().unwrap_or_else(|| "example.com".into()),
            headers: self.headers.clone(),
            body,
        })
    }
}

/// The text with {i} counting up to `times`, over and over, cut to a length.
fn cycle(text: &str, times: usize, bytes: usize) -> Vec<u8> {
    let mut body: Vec<u8> = (0..times)
        .cycle()
        .flat_map(|i| text.replace("{i}", &i.to_string()).into_bytes())
        .take(bytes)
        .collect();
    body.truncate(bytes);
    body
}

/// The configuration with each `$repeat` written out.
fn repeated(value: &Value, size: Option<usize>) -> Result<Value> {
    Ok(match value {
        Value::Object(fields) if fields.contains_key("$repeat") => {
            if let Some(other) = fields.keys().find(|key| !matches!(key.as_str(), "$repeat" | "$times")) {
                bail!("`{other}` is not allowed next to `$repeat`: only `$times` is");
            }
            let times = match fields.get("$times") {
                Some(times) => times.as_u64().and_then(|times| usize::try_from(times).ok()).context(
                    "`$times` is not a number: write the number of entries, or `sizes` in the scenario",
                )?,
                None => {
                    size.context("`$repeat` without a number: add `$times`, or `sizes` in the scenario")?
                }
            };
            let template = fields.get("$repeat").unwrap_or(&Value::Null);
            (0..times).map(|number| numbered(template, &number.to_string())).collect()
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| Ok((key.clone(), repeated(value, size)?)));
            Value::Object(fields.collect::<Result<_>>()?)
        }
        Value::Array(values) => values.iter().map(|value| repeated(value, size)).collect::<Result<_>>()?,
        plain => plain.clone(),
    })
}

/// The value with {i} replaced in each of its texts.
fn numbered(value: &Value, number: &str) -> Value {
    match value {
        Value::String(text) => text.replace("{i}", number).into(),
        Value::Array(values) => values.iter().map(|value| numbered(value, number)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), numbered(value, number))).collect()
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_written_out_for_each_size() {
        let scenarios = parse(
            r#"
scenarios:
- name: rules
  sizes: [1, 2]
  config:
    _rules_: { $repeat: { _match_domain_: ["{i}.example.com"], list: [a] } }
    other: { $repeat: x, $times: 3 }
  request: { body: { repeat: "n{i}", bytes: 5 } }
"#,
            Of::Plugin,
        )
        .unwrap();
        let [one, two] = scenarios.as_slice() else { panic!("two sizes") };
        assert_eq!((one.size, two.size), (Some(1), Some(2)));
        let expected = r#"{"_rules_":[{"_match_domain_":["0.example.com"],"list":["a"]},{"_match_domain_":["1.example.com"],"list":["a"]}],"other":["x","x","x"]}"#;
        let config: Value = serde_json::from_str(&two.config).unwrap();
        assert_eq!(config, serde_json::from_str::<Value>(expected).unwrap());
        assert_eq!(two.request.body.as_deref(), Some(b"n0n1n".as_slice()));
    }

    #[test]
    fn what_must_be_refused_differs_from_the_request_where_it_is_written() {
        let scenarios = parse(
            r#"
beside: libmodsecurity
scenarios:
- name: a
  config: {}
  request: { path: /a, host: h, headers: [[x, "1"]], body: b }
  refuses: { body: attack }
"#,
            Of::Plugin,
        )
        .unwrap();
        let [Scenario { refuses: Some(refuses), beside: Some(Beside::Libmodsecurity), .. }] =
            scenarios.as_slice()
        else {
            panic!("a request to refuse")
        };
        assert_eq!((refuses.path.as_str(), refuses.host.as_str()), ("/a", "h"));
        assert_eq!(refuses.headers, [("x".to_owned(), "1".to_owned())]);
        assert_eq!(refuses.body.as_deref(), Some(b"attack".as_slice()));
    }

    #[test]
    fn mistakes_name_their_place_and_the_remedy() {
        for (text, expected) in [
            ("scenarios: [{ name: a, config: {}, sizs: [1] }]", "unknown field `sizs`"),
            ("scenarios: [{ name: a, config: { x: { $repeat: y } } }]", "add `$times`"),
            (
                "scenarios: [{ name: a, config: { x: { $repeat: y, z: 1 } } }]",
                "`z` is not allowed next to `$repeat`",
            ),
            ("scenarios: [{ name: a, config: {} }, { name: a, config: {} }]", "duplicate scenario `a`"),
            (
                "scenarios: [{ name: a, config: {}, request: { body: { text: latin, bytes: 1 } } }]",
                "a text, { text:",
            ),
            ("scenarios: [{ name: a }]", "write the plug-in's"),
            (
                "scenarios: [{ name: a, config: {}, request: { body: b }, response: { events: 10, pieces: 4 } }]",
                "pieces that divide them",
            ),
            (
                "scenarios: [{ name: a, config: {}, response: { events: 10, pieces: 5 } }]",
                "write `request.body`",
            ),
        ] {
            let error = format!("{:#}", parse(text, Of::Plugin).err().unwrap());
            assert!(error.contains(expected), "{error}");
        }
        let error = parse("scenarios: [{ name: a, config: {} }]", Of::Folder).err().unwrap().to_string();
        assert!(error.contains("have their own: remove it"), "{error}");
        assert_eq!(parse("scenarios: [{ name: a }]", Of::Folder).unwrap().len(), 1);
    }
}
