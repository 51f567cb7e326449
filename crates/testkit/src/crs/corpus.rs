//! The regression tests of a release, as their own runner (go-ftw) would send them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_yaml::Value;

#[derive(Deserialize)]
struct File {
    rule_id: u32,
    #[serde(default)]
    tests: Vec<WrittenTest>,
}

#[derive(Deserialize)]
struct WrittenTest {
    test_id: u32,
    stages: Vec<WrittenStage>,
}

#[derive(Deserialize)]
struct WrittenStage {
    input: Input,
    output: Output,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Output {
    log: Option<Log>,
}

/// A test.
#[derive(Debug)]
pub struct Test {
    /// Its name, such as `942100-1`.
    pub name: String,
    /// The rule that it is about.
    pub rule: u32,
    /// Its requests.
    pub stages: Vec<Stage>,
}

/// A request of a test.
#[derive(Debug)]
pub struct Stage {
    /// The request.
    pub sent: Sent,
    /// What is expected of the rules; nothing if only a server is tested.
    pub log: Option<Log>,
}

/// What is expected of the rules.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct Log {
    /// Rules that match.
    pub expect_ids: Vec<u32>,
    /// Rules that do not match.
    pub no_expect_ids: Vec<u32>,
    /// A pattern that a line matches.
    pub match_regex: Option<String>,
    /// A pattern that no line matches.
    pub no_match_regex: Option<String>,
}

impl Log {
    /// Returns what is wrong with the rules that matched.
    #[must_use]
    pub fn wrong(&self, ids: &[u32]) -> Vec<String> {
        let missing = self.expect_ids.iter().filter(|id| !ids.contains(id));
        let unexpected = self.no_expect_ids.iter().filter(|id| ids.contains(id));
        let missing = missing.map(|id| format!("{id} is missing"));
        missing.chain(unexpected.map(|id| format!("{id} is unexpected"))).collect()
    }
}

/// A request as tests describe it.
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub struct Input {
    method: Option<String>,
    uri: Option<String>,
    version: Option<String>,
    headers: BTreeMap<String, Value>,
    data: Option<String>,
    encoded_request: Option<String>,
    autocomplete_headers: Option<bool>,
}

/// A request as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: Vec<u8>,
    /// The target of the request line.
    pub uri: Vec<u8>,
    /// The protocol, as `HTTP/1.1`.
    pub protocol: Vec<u8>,
    /// The headers in their order.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// What is written on a connection.
    pub wire: Vec<u8>,
}

impl Input {
    /// The request with the headers that the runner of the tests adds.
    ///
    /// # Errors
    ///
    /// An encoded request is not valid.
    pub fn request(&self) -> Result<Sent> {
        if let Some(encoded) = &self.encoded_request {
            let digits: String = encoded.split_whitespace().collect();
            return Ok(raw(STANDARD.decode(digits).context("encoded_request")?));
        }
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            value => serde_yaml::to_string(value).map(|text| text.trim().to_owned()),
        };
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name.clone().into_bytes(), text(value)?.into_bytes()));
        }
        let body = expanded(self.data.as_deref().unwrap_or_default()).into_bytes();
        let has = |headers: &[(Vec<u8>, Vec<u8>)], name: &str| {
            headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
        };
        if self.autocomplete_headers.unwrap_or(true) {
            if !body.is_empty() && !has(&headers, "content-type") {
                headers.push((b"Content-Type".to_vec(), b"application/x-www-form-urlencoded".to_vec()));
            }
            let with_body = matches!(self.method.as_deref(), Some("POST" | "PUT" | "PATCH"));
            if (!body.is_empty() || with_body)
                && !has(&headers, "content-length")
                && !has(&headers, "transfer-encoding")
            {
                headers.push((b"Content-Length".to_vec(), body.len().to_string().into_bytes()));
            }
            if !has(&headers, "connection") {
                headers.push((b"Connection".to_vec(), b"close".to_vec()));
            }
        }
        let or =
            |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).as_bytes().to_vec();
        let (method, uri, version) =
            (or(&self.method, "GET"), or(&self.uri, "/"), or(&self.version, "HTTP/1.1"));
        let mut wire = [method.as_slice(), b" ", &uri].concat();
        if !version.is_empty() {
            wire.push(b' ');
            wire.extend_from_slice(&version);
        }
        wire.extend_from_slice(b"\r\n");
        for (name, value) in &headers {
            wire.extend_from_slice(&[name.as_slice(), b": ", value, b"\r\n"].concat());
        }
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&body);
        // As servers understand a request line without a version.
        let protocol = if version.is_empty() { b"HTTP/0.9".to_vec() } else { version };
        Ok(Sent { method, uri, protocol, headers, body, wire })
    }
}

/// Writes out `{{ "x" | repeat 100 }}`, the only template in the tests.
fn expanded(text: &str) -> String {
    let template = |text: &str| {
        let (before, rest) = text.split_once("{{ \"")?;
        let (repeated, rest) = rest.split_once("\" | repeat ")?;
        let (times, after) = rest.split_once(" }}")?;
        Some(format!("{before}{}{after}", repeated.repeat(times.parse().ok()?)))
    };
    let mut text = text.to_owned();
    while let Some(next) = template(&text) {
        text = next;
    }
    text
}

/// Reads a request as it is written on a connection.
fn raw(wire: Vec<u8>) -> Sent {
    let end = wire.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = match end.and_then(|end| wire.split_at_checked(end + 4)) {
        Some((head, body)) => (head.strip_suffix(b"\r\n\r\n").unwrap_or(head), body.to_vec()),
        None => (wire.as_slice(), Vec::new()),
    };
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').map(<[u8]>::to_vec);
    let mut next = || words.next().unwrap_or_default();
    let (method, uri, protocol) = (next(), next(), next());
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        Some((name.to_vec(), value.strip_prefix(b":")?.trim_ascii().to_vec()))
    });
    let headers = headers.collect();
    Sent { method, uri, protocol, headers, body, wire }
}

/// Returns the tests of a release.
///
/// # Errors
///
/// The folder has no tests, or a file is not valid.
pub fn tests(folder: &Path) -> Result<Vec<Test>> {
    let candidates = [folder.join("tests/regression/tests"), folder.join("tests")];
    let Some(tests) = candidates.into_iter().find(|path| path.is_dir()) else {
        bail!("CRS={}: there is no folder `tests`: name a release of the rules", folder.display());
    };
    let mut paths = Vec::new();
    files(&tests, &mut paths)?;
    let mut tests = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        // Files without tests are empty documents.
        let file: Option<File> =
            serde_yaml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        let Some(file) = file else { continue };
        for WrittenTest { test_id, stages } in file.tests {
            let name = format!("{}-{test_id}", file.rule_id);
            let stages = stages
                .into_iter()
                .map(|WrittenStage { input, output }| Ok(Stage { sent: input.request()?, log: output.log }));
            let stages = stages.collect::<Result<_>>().with_context(|| name.clone())?;
            tests.push(Test { name, rule: file.rule_id, stages });
        }
    }
    Ok(tests)
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        match entry?.path() {
            path if path.is_dir() => files(&path, out)?,
            path if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") => {
                out.push(path);
            }
            _ => {}
        }
    }
    out.sort();
    Ok(())
}

/// Returns all requests of the tests with their names, such as `942100-1.0`.
///
/// # Errors
///
/// As [`tests`].
pub fn requests(folder: &Path) -> Result<Vec<(String, Sent)>> {
    let stages = |test: Test| {
        let name = test.name;
        let stages = test.stages.into_iter().enumerate();
        stages.map(move |(index, stage)| (format!("{name}.{index}"), stage.sent))
    };
    Ok(tests(folder)?.into_iter().flat_map(stages).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Sent {
        serde_yaml::from_str::<Input>(text).unwrap().request().unwrap()
    }

    #[test]
    fn a_request_is_sent_as_by_the_runner_of_the_tests() {
        let sent = request(
            r#"{ method: POST, uri: /p, headers: { Host: h, X: 7 }, data: 'a={{ "b" | repeat 3 }}' }"#,
        );
        let expected = "POST /p HTTP/1.1\r\nHost: h\r\nX: 7\r\nContent-Type: application/x-www-form-urlencoded\r\n\
            Content-Length: 5\r\nConnection: close\r\n\r\na=bbb";
        assert_eq!(sent.wire, expected.as_bytes());
        let again = raw(sent.wire.clone());
        assert_eq!(again, sent);
    }

    #[test]
    fn a_request_line_without_a_version_is_one_of_http_0_9() {
        let sent = request("{ version: '', headers: { Host: h }, autocomplete_headers: false }");
        assert_eq!((sent.wire, sent.protocol), (b"GET /\r\nHost: h\r\n\r\n".to_vec(), b"HTTP/0.9".to_vec()));
    }

    #[test]
    fn what_is_wrong_with_the_rules_that_matched_is_named() {
        let log = Log { expect_ids: vec![1, 2], no_expect_ids: vec![3, 4], ..Log::default() };
        assert_eq!(log.wrong(&[1, 3]), ["2 is missing", "3 is unexpected"]);
    }
}
