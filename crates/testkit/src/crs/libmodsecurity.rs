//! libmodsecurity, from PyPI: its detectors of injections, and its decisions about requests.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::corpus::Sent;

/// The package with the library.
const PACKAGE: &str = "libmodsecurity==3.0.15.post2";

const SCRIPT: &str = include_str!("libmodsecurity.py");

/// The default settings of the rules, with the parsers that libmodsecurity chooses by rules.
const BEFORE: &str = "SecRuleEngine On\nSecRequestBodyAccess On\n\
    SecRule REQUEST_HEADERS:Content-Type \"@rx ^(?:application(?:/soap\\+|/)|text/)xml\" \
    \"id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML\"\n\
    SecRule REQUEST_HEADERS:Content-Type \"@rx ^application/(?:[a-z0-9.-]+[+])?json\" \
    \"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON\"\n";

/// Tests of the Core Rule Set whose requests libmodsecurity alone refuses at level 1, with the reasons.
pub const REFUSES_ALONE: &[(&str, &str)] = &[
    ("932238-8.0", LINE_END),
    ("932238-9.0", LINE_END),
    ("944100-11.0", XML_BODY),
    ("944100-12.0", XML_BODY),
    ("944100-15.0", XML_BODY),
    ("944100-16.0", XML_BODY),
    ("944110-11.0", XML_BODY),
    ("944110-12.0", XML_BODY),
    ("944110-15.0", XML_BODY),
    ("944110-16.0", XML_BODY),
];

const LINE_END: &str =
    "`$` matches before every line end in libmodsecurity: the rules expect the end of the value";

const XML_BODY: &str =
    "libmodsecurity has XML in REQUEST_BODY, too: the rules expect that names of elements do not matter";

/// What the detectors say about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// The fingerprint of an injection of SQL; empty if it is none.
    pub sqli: String,
    /// An injection of scripts.
    pub xss: bool,
}

/// Asks the detectors of injections.
///
/// # Errors
///
/// The package cannot be fetched.
pub fn detect(values: &[Vec<u8>]) -> Result<Vec<Detected>> {
    let questions: Vec<Value> = values.iter().map(|value| json!({ "value": hex(value) })).collect();
    let answers = ask(&questions, None)?;
    let read = |answer: &Value| {
        let is_sqli = answer.get(0)?.as_bool()?;
        let sqli = if is_sqli { answer.get(1)?.as_str()?.to_owned() } else { String::new() };
        Some(Detected { sqli, xss: answer.get(2)?.as_bool()? })
    };
    let answers: Option<Vec<Detected>> = answers.iter().map(read).collect();
    answers.filter(|answers| answers.len() == values.len()).context("libmodsecurity gave no answer")
}

/// Returns for each request whether the rules of a release, with their default settings and after other directives, refuse it in
/// phases 1 and 2; nothing for a request that is not text.
///
/// # Errors
///
/// The package cannot be fetched, or a rule is rejected.
pub fn refuses(folder: &Path, before: &str, requests: &[&Sent]) -> Result<Vec<Option<bool>>> {
    let questions: Vec<Option<Value>> = requests.iter().map(|request| question(request)).collect();
    let asked: Vec<Value> = questions.iter().flatten().cloned().collect();
    let configuration = configuration(folder, before)?;
    let answers = ask(&asked, Some(configuration.path()))?;
    ensure!(answers.len() == asked.len(), "libmodsecurity gave no answer");
    let mut answers = answers.iter().map(Value::as_bool);
    Ok(questions.iter().map(|question| question.as_ref().and_then(|_| answers.next()?)).collect())
}

/// Returns the microseconds of CPU time of each of so many times that the rules of a release judge a request at a paranoia level. `refused`
/// is a request that they must refuse, so that it is known that they do.
///
/// # Errors
///
/// The package cannot be fetched, or `refused` passes.
pub fn times(
    folder: &Path,
    level: u64,
    request: &Sent,
    refused: Option<&Sent>,
    times: usize,
) -> Result<Vec<f64>> {
    let mut measured = question(request).context("libmodsecurity takes text only")?;
    if let Some(fields) = measured.as_object_mut() {
        fields.insert("times".to_owned(), times.into());
    }
    let refused = refused.map(|sent| question(sent).context("libmodsecurity takes text only")).transpose()?;
    let questions: Vec<Value> = std::iter::once(measured).chain(refused.clone()).collect();
    let level =
        format!("SecAction \"id:200009,phase:1,nolog,pass,setvar:tx.blocking_paranoia_level={level}\"");
    let configuration = configuration(folder, &level)?;
    let answers = ask(&questions, Some(configuration.path()))?;
    ensure!(
        refused.is_none() || answers.get(1).and_then(Value::as_bool) == Some(true),
        "libmodsecurity does not refuse the attack, so nothing is measured"
    );
    let times = answers.first().and_then(Value::as_array).context("libmodsecurity gave no answer")?;
    Ok(times.iter().filter_map(Value::as_f64).collect())
}

fn question(sent: &Sent) -> Option<Value> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let headers: Option<Vec<(String, String)>> =
        sent.headers.iter().map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    Some(json!({
        "uri": text(&sent.uri)?,
        "method": text(&sent.method)?,
        "version": String::from_utf8_lossy(&sent.protocol).replace("HTTP/", ""),
        "headers": headers?,
        "body": hex(&sent.body),
    }))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ask(questions: &[Value], configuration: Option<&Path>) -> Result<Vec<Value>> {
    let mut python = python(configuration)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let input = python.stdin.take().context("no standard input")?;
    let lines: Vec<String> = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || {
        let mut input = BufWriter::new(input);
        lines.iter().try_for_each(|line| input.write_all(line.as_bytes()))?;
        input.flush()
    });
    let output = python.wait_with_output()?;
    ensure!(output.status.success(), "libmodsecurity: {}", output.status);
    writer.join().map_err(|_| anyhow::anyhow!("libmodsecurity reads nothing"))??;
    let lines = std::str::from_utf8(&output.stdout)?.lines();
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Python with the package, which is fetched into the target folder once.
fn python(configuration: Option<&Path>) -> Result<Command> {
    let folder = gateway::target_dir()?.join("libmodsecurity");
    if !folder.join("libmodsecurity").is_dir() {
        let pip = ["-m", "pip", "install", "--quiet", "--quiet", "--no-deps", "--target"];
        let status = Command::new("python3").args(pip).arg(&folder).arg(PACKAGE).status();
        ensure!(
            status.is_ok_and(|status| status.success()),
            "{PACKAGE} cannot be fetched: python3 with pip is needed"
        );
    }
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).args(configuration).env("PYTHONPATH", folder);
    Ok(python)
}

/// Writes the configuration that includes the rules of a release.
fn configuration(folder: &Path, before: &str) -> Result<NamedTempFile> {
    let mut text = format!("{BEFORE}{before}\n");
    let folder = fs::canonicalize(folder)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder.join("rules"))? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    let setup = ["crs-setup.conf", "crs-setup.conf.example"].map(|name| folder.join(name));
    for file in setup.iter().find(|file| file.is_file()).into_iter().chain(&files) {
        text.push_str(&format!("Include {}\n", file.display()));
    }
    let mut file = NamedTempFile::new()?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}
