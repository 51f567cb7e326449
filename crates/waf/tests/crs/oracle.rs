//! libmodsecurity, from PyPI, beside this engine: the detectors of injections value by value, and decisions request by request.

use std::rc::Rc;

use testkit::crs::corpus::{self, Sent};
use testkit::crs::libmodsecurity;
use waf::{Request, Waf};

use crate::support;

/// The request that only one of them refuses, besides [`libmodsecurity::REFUSES_ALONE`], with the reason.
const DIFFERENCE: (&str, &str) = ("920100-16.0", "a URL without a path: the rules expect that it passes");

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
        b"group",
        b"by",
        b"$a$",
        b"0x",
        b"x'",
        b"b'0\0",
        b"u&'",
        b"nq'<",
        b"e'",
        b"\\N",
        b"\\'",
        b"int",
        b"::",
        b"binary",
        b"collate",
        b"a_b",
        b"not",
        b"in",
        b"into",
        b"INTO OUTFILE",
        b"user",
        b"database",
        b"current_date",
        b"sp_password",
        b"if",
        b"exec",
        b"waitfor",
        b"1.",
        b"1funion",
        b"select.",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
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
    let answers = libmodsecurity::detect(&values).unwrap();
    let (mut sqli, mut xss) = (0, 0);
    let (mut different_sqli, mut different_xss) = (Vec::new(), Vec::new());
    for (value, answer) in values.iter().zip(&answers) {
        let own = waf::detect_sqli(value);
        let fingerprint =
            own.map(|own| String::from_utf8_lossy(own.as_bytes()).into_owned()).unwrap_or_default();
        if fingerprint != answer.sqli {
            different_sqli.push(format!(
                "{}: {fingerprint:?} instead of {:?}",
                value.escape_ascii(),
                answer.sqli
            ));
        }
        let own = libinjectionrs::detect_xss(value).is_injection();
        // The library compares only the beginning of an attribute with the names of events: `onloadx` is one.
        assert!(!own || answer.xss, "{}", value.escape_ascii());
        if own != answer.xss {
            different_xss.push(value.escape_ascii().to_string());
        }
        sqli += usize::from(!answer.sqli.is_empty());
        xss += usize::from(answer.xss);
    }
    println!("{sqli} and {xss} of {} values are injections", values.len());
    println!("different: {different_sqli:#?} {different_xss:#?}");
    assert!(sqli > 1000 && xss > 1000);
    assert!(different_sqli.is_empty());
    assert!(different_xss.len() <= 77);
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
    let requests = corpus::requests(&folder).unwrap();
    let sent: Vec<&Sent> = requests.iter().map(|(_, sent)| sent).collect();
    let answers = libmodsecurity::refuses(&folder, "", &sent).unwrap();
    let (mut both, mut neither, mut different) = (0, 0, Vec::new());
    for ((name, sent), answer) in requests.iter().zip(&answers) {
        // Not text.
        let Some(answer) = answer else { continue };
        match (refuses(&waf, sent), answer) {
            (Some(_), true) => both += 1,
            (None, false) => neither += 1,
            (Some(rules), false) => different.push((name, format!("only this engine: {rules}"))),
            (None, true) => different.push((name, "only libmodsecurity".to_owned())),
        }
    }
    println!("{both} requests are refused by both, {neither} by neither, {} by one", different.len());
    different.iter().for_each(|(name, which)| println!("{name}: {which}"));
    let is_known = |name: &str| {
        libmodsecurity::REFUSES_ALONE.iter().chain([&DIFFERENCE]).any(|(known, _)| *known == name)
    };
    let unknown: Vec<_> = different.iter().filter(|(name, _)| !is_known(name)).collect();
    assert!(unknown.is_empty(), "{} differences are not known", unknown.len());
    assert!(both > 1000, "{both}");
}
