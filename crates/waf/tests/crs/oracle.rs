//! libmodsecurity, from PyPI, beside this engine: the detectors of injections value by value, and decisions request by request.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};
use waf::{Request, Waf};

use crate::corpus::{self, Sent};
use crate::support;

/// The package with the library.
const PACKAGE: &str = "libmodsecurity==3.0.15.post2";

/// The default settings of the rules, with the parsers that libmodsecurity chooses by rules.
const BEFORE: &str = "SecRuleEngine On\nSecRequestBodyAccess On\n\
    SecRule REQUEST_HEADERS:Content-Type \"@rx ^(?:application(?:/soap\\+|/)|text/)xml\" \
    \"id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML\"\n\
    SecRule REQUEST_HEADERS:Content-Type \"@rx ^application/(?:[a-z0-9.-]+[+])?json\" \
    \"id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON\"\n";

/// The requests that only one of them refuses, with the reasons.
const DIFFERENCES: &[(&str, &str)] = &[
    ("920100-16.0", "a URL without a path: the rules expect that it passes"),
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

fn ask(questions: &[Value], configuration: Option<&Path>) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libmodsecurity");
    if !folder.join("libmodsecurity").is_dir() {
        let pip = ["-m", "pip", "install", "--quiet", "--quiet", "--no-deps", "--target"];
        let status = Command::new("python3").args(pip).arg(&folder).arg(PACKAGE).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{PACKAGE} cannot be fetched: python3 with pip is needed"
        );
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crs/oracle.py");
    let mut python = Command::new("python3")
        .arg(script)
        .args(configuration)
        .env("PYTHONPATH", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    let lines: Vec<String> = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer =
        std::thread::spawn(move || lines.iter().for_each(|line| input.write_all(line.as_bytes()).unwrap()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Values made of what the detectors know.
fn values(count: usize) -> Vec<Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"'",
        b"\"",
        b"`",
        b"--",
        b"#",
        b"/*",
        b"*/",
        b"/*!",
        b";",
        b"@",
        b"@@",
        b"$",
        b"$$",
        b"{",
        b"}",
        b"0x1f",
        b"1",
        b"1e5",
        b".5",
        b"union",
        b"select",
        b"or",
        b"and",
        b"from",
        b"sleep",
        b"(",
        b")",
        b",",
        b"=",
        b"<",
        b">",
        b"!",
        b"-->",
        b"<!--",
        b"<!",
        b"[",
        b"]",
        b"%",
        b"?",
        b"<?",
        b"<svg",
        b"onload",
        b"=x",
        b"script",
        b"</",
        b"style",
        b"href=",
        b"javascript:",
        b"&#x6a;",
        b"data:",
        b"\\",
        b"\0",
        b" ",
        b"\t",
        b"\n",
        b"\x0b",
        b"\xa0",
        b"\xff",
        b"a",
        b"is not",
        b"like",
        b"q'(",
        b"n'",
        b"x'1'",
        b"b'0'",
        b"foo",
        b"null",
        b"case",
        b"when",
        b"||",
        b"&&",
        b":=",
        b"+",
        b"-",
        b"*",
        b"/",
        b"^",
        b"having",
        b"group by",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    (0..count)
        .map(|_| (0..1 + next(10)).flat_map(|_| pieces[next(pieces.len())].to_vec()).collect())
        .collect()
}

#[test]
#[ignore = "fetches libmodsecurity from PyPI"]
fn the_detectors_of_injections_are_those_of_libinjection() {
    let values = values(50_000);
    let questions: Vec<Value> = values.iter().map(|value| json!({ "value": hex(value) })).collect();
    let answers = ask(&questions, None);
    assert_eq!(answers.len(), values.len());
    let (mut sqli, mut xss) = (0, 0);
    let (mut different_sqli, mut different_xss) = (Vec::new(), Vec::new());
    for (value, answer) in values.iter().zip(&answers) {
        let own = libinjectionrs::detect_sqli(value);
        let fingerprint = match (own.is_injection(), own.fingerprint) {
            (true, Some(fingerprint)) => fingerprint.as_str().to_owned(),
            _ => String::new(),
        };
        if json!([!fingerprint.is_empty(), fingerprint]) != json!([answer[0], answer[1]]) {
            different_sqli.push(format!(
                "{}: {fingerprint:?} instead of {}",
                value.escape_ascii(),
                answer[1]
            ));
        }
        let own = libinjectionrs::detect_xss(value).is_injection();
        // The library compares only the beginning of an attribute with the names of events: `onloadx` is one.
        assert!(!own || answer[2] == true, "{}", value.escape_ascii());
        if own != answer[2] {
            different_xss.push(value.escape_ascii().to_string());
        }
        sqli += usize::from(answer[0] == true);
        xss += usize::from(answer[2] == true);
    }
    println!("{sqli} and {xss} of {} values are injections", values.len());
    println!("different: {different_sqli:#?} {different_xss:#?}");
    assert!(sqli > 1000 && xss > 1000);
    // A value with a byte of zero.
    assert!(different_sqli.len() <= 1);
    assert!(different_xss.len() <= 77);
}

fn configuration(folder: &Path) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oracle.conf");
    let mut text = BEFORE.to_owned();
    let folder = fs::canonicalize(folder).unwrap();
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("rules")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    let setup = ["crs-setup.conf", "crs-setup.conf.example"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|file| file.is_file());
    for file in setup.iter().chain(&files) {
        text.push_str(&format!("Include {}\n", file.display()));
    }
    fs::write(&path, text).unwrap();
    path
}

fn refuses(waf: &Rc<Waf>, sent: &Sent) -> Option<String> {
    let mut transaction = waf.transaction();
    let headers: Vec<(&[u8], &[u8])> =
        sent.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect();
    let request = Request {
        method: &sent.method,
        uri: &sent.uri,
        protocol: &sent.protocol,
        headers: &headers,
        client: "127.0.0.1".parse().ok(),
        id: b"oracle",
    };
    let denial = transaction.request_headers(&request).or_else(|| transaction.request_body(&sent.body));
    let hits =
        transaction.hits().iter().filter(|hit| hit.log).map(|hit| format!("{} {}", hit.rule, hit.variable));
    denial.map(|_| hits.collect::<Vec<_>>().join(", "))
}

#[test]
#[ignore = "fetches libmodsecurity from PyPI; needs a release of the rules with tests"]
fn decisions_at_level_1_are_those_of_libmodsecurity() {
    let folder = support::folder().unwrap();
    let program = seclang::compile_folder(&folder, "SecRequestBodyAccess On", "").unwrap().program;
    let waf = Waf::new(program).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let mut requests = Vec::new();
    for (name, sent) in corpus::requests(&folder) {
        let headers: Option<Vec<(String, String)>> =
            sent.headers.iter().map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        if let (Some(uri), Some(method), Some(headers)) = (text(&sent.uri), text(&sent.method), headers) {
            let version = String::from_utf8_lossy(&sent.protocol).replace("HTTP/", "");
            let question = json!({
                "uri": uri, "method": method, "version": version, "headers": headers, "body": hex(&sent.body),
            });
            requests.push((name, sent, question));
        }
    }
    assert!(requests.len() > 1000, "CRS={}: a release with its tests is needed", folder.display());
    let questions: Vec<Value> = requests.iter().map(|(_, _, question)| question.clone()).collect();
    let answers = ask(&questions, Some(&configuration(&folder)));
    assert_eq!(answers.len(), requests.len());
    let (mut both, mut neither, mut different) = (0, 0, Vec::new());
    for ((name, sent, question), answer) in requests.iter().zip(&answers) {
        match (refuses(&waf, sent), answer.as_bool().unwrap()) {
            (Some(_), true) => both += 1,
            (None, false) => neither += 1,
            (Some(rules), false) => {
                different.push((name, format!("{name}: only this engine: {rules}: {question}")))
            }
            (None, true) => different.push((name, format!("{name}: only libmodsecurity: {question}"))),
        }
    }
    println!("{both} requests are refused by both, {neither} by neither, {} by one", different.len());
    different.iter().for_each(|(_, line)| println!("{line}"));
    let unknown: Vec<_> =
        different.iter().filter(|(name, _)| !DIFFERENCES.iter().any(|(known, _)| known == name)).collect();
    assert!(unknown.is_empty(), "{} differences are not known", unknown.len());
    assert!(both > 1000, "{both}");
}
