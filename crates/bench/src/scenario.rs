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
//!   envoy_filter: { name: …, typed_config: { … } }        # a filter of Envoy, measured beside the plug-in
//! ```
//!
//! `$repeat` may hold any value, and `$times` beside it says another number than the size. A plug-in without this file is
//! measured with the example of its manifest and `GET /`.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::corpus::{self, Text};

/// One configuration and one request.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// How many patterns or rules there are, where the scenario has sizes.
    pub(crate) size: Option<usize>,
    /// The configuration, as the plug-in gets it.
    pub(crate) config: String,
    pub(crate) request: Request,
    pub(crate) passes: bool,
    pub(crate) target: Option<f64>,
    /// A filter of Envoy for the same purpose.
    pub(crate) envoy_filter: Option<Value>,
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
    scenarios: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    sizes: Vec<usize>,
    config: Value,
    #[serde(default)]
    request: WrittenRequest,
    #[serde(default = "yes")]
    passes: bool,
    target: Option<f64>,
    envoy_filter: Option<Value>,
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

/// Reads a file, which errors call `shown`.
pub(crate) fn load(file: &Path, shown: &Path) -> Result<Vec<Scenario>> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", shown.display()))?;
    parse(&text).with_context(|| shown.display().to_string())
}

/// One scenario, of a configuration as it is, and a plain request.
pub(crate) fn plain(name: &str, config: &Value) -> Result<Scenario> {
    let request = WrittenRequest::default();
    let written = Written {
        name: name.into(),
        sizes: Vec::new(),
        config: config.clone(),
        request,
        passes: true,
        target: None,
        envoy_filter: None,
    };
    written.expand(None)
}

fn parse(text: &str) -> Result<Vec<Scenario>> {
    let File { scenarios } = serde_yaml::from_str(text)?;
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for scenario in &scenarios {
        if !names.insert(scenario.name.as_str()) {
            bail!("duplicate scenario `{}`: choose another name", scenario.name);
        }
        let sizes = scenario.sizes.iter().copied().map(Some);
        let once = scenario.sizes.is_empty().then_some(None);
        for size in sizes.chain(once) {
            all.push(scenario.expand(size).with_context(|| format!("scenario `{}`", scenario.name))?);
        }
    }
    Ok(all)
}

impl Written {
    fn expand(&self, size: Option<usize>) -> Result<Scenario> {
        let request = &self.request;
        let body = match &request.body {
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
        Ok(Scenario {
            name: self.name.clone(),
            size,
            config: serde_json::to_string(&repeated(&self.config, size)?)?,
            request: Request {
                method: request.method.clone(),
                path: request.path.clone().unwrap_or_else(|| "/".into()),
                host: request.host.clone().unwrap_or_else(|| "example.com".into()),
                headers: request.headers.clone(),
                body,
            },
            passes: self.passes,
            target: self.target,
            envoy_filter: self.envoy_filter.clone(),
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
        ] {
            let error = format!("{:#}", parse(text).err().unwrap());
            assert!(error.contains(expected), "{error}");
        }
    }
}
