//! Compares the outcome of a request with the expectations of a case, for all engines.

use std::collections::BTreeMap;
use std::fmt;

use crate::ByteString;
use crate::case::{
    CallExpect, Expect, Header, HeaderName, Logged, Request, Upstream, UpstreamExpect, UpstreamRequestExpect,
    Values,
};
use crate::cuts::frames;
use engine::Shown;
use engine::outcome::{Answer, Call, LogLine, Outcome, UpstreamRequest};

/// Checks the outcome of a request.
///
/// # Errors
///
/// Returns all differences, and the log of the plug-in.
pub fn check(expect: &Expect, outcome: &Outcome) -> Result<(), Mismatch> {
    let mut found = Differences::default();
    match &outcome.answer {
        Some(answer) if expect.closed => found.add("response", "none", answer.status),
        Some(answer) => found.answer(expect, answer),
        None if expect.needs_answer() => found.add("response", "a response", "none"),
        None => {}
    }
    if let Some(stall) = &outcome.stalled {
        found.add(format!("talk, step {}", stall.step), &stall.wanted, &stall.came);
    }
    match (&expect.upstream, &outcome.upstream) {
        (None, _) | (Some(UpstreamExpect::None), None) => {}
        (Some(UpstreamExpect::None), Some(seen)) => found.add(
            "upstream",
            "none",
            format!("{} {}", String::from_utf8_lossy(&seen.method), Shown(&seen.path)),
        ),
        (Some(UpstreamExpect::Request(_)), None) => found.add("upstream", "a complete request", "none"),
        (Some(UpstreamExpect::Request(wanted)), Some(seen)) => found.request("upstream", wanted, seen),
    }
    if let Some(wanted) = &expect.calls {
        found.calls(wanted, &outcome.calls);
    }
    if let Some(wanted) = &expect.details
        && outcome.details.as_ref() != Some(wanted)
    {
        found.add("details", wanted, outcome.details.as_deref().unwrap_or("none"));
    }
    found.log(expect, &outcome.log);
    for (name, wanted) in &expect.access_log {
        let value = outcome.access_log.get(name.as_bytes()).map(Vec::as_slice);
        let field = format!("access_log.{name}");
        let came = || value.map_or("none".into(), |value| Shown(value).to_string());
        match wanted {
            Logged::Absent if value.is_some() => found.add(field, "none", came()),
            Logged::Exactly(wanted) if value != Some(&**wanted) => found.add(field, Shown(wanted), came()),
            Logged::Contains(parts) => {
                let is_in = |part: &[u8]| {
                    value.is_some_and(|value| value.windows(part.len().max(1)).any(|bytes| bytes == part))
                };
                for part in parts.iter().filter(|part| !is_in(part)) {
                    found.add(&field, format!("a value with {}", Shown(part)), came());
                }
            }
            Logged::Absent | Logged::Exactly(_) => {}
        }
    }
    for (name, wanted) in &expect.counters {
        let value = outcome.counters.get(name).copied().unwrap_or(0);
        if value != *wanted {
            found.add(format!("counters.{name}"), wanted, value);
        }
    }
    if let (Some(wanted), Some(calls)) = (expect.host_calls, outcome.host_calls)
        && calls != wanted
    {
        found.add("host_calls", wanted, calls);
    }
    if found.0.is_empty() {
        return Ok(());
    }
    Err(Mismatch { differences: found.0, log: outcome.log.clone() })
}

/// Whether all headers are as the case wants them, but for what the same gateway adds to this request and its answer
/// without any plug-in: `plain` is what comes of it then. Where a body ends is compared only where the case writes it.
pub(crate) fn check_exact(
    expect: &Expect,
    outcome: &Outcome,
    plain: &Outcome,
    request: &Request,
    upstream: &Upstream,
) -> Result<(), Mismatch> {
    let mut found = Differences::default();
    let via_upstream = outcome.details == plain.details;
    if let (Some(wanted), Some(came)) = (&expect.headers_exact, &outcome.answer) {
        let added = plain.answer.as_ref().map(|plain| additions(&plain.headers, &upstream.headers));
        found.exact("headers_exact", wanted, &came.headers, added.unwrap_or_default(), via_upstream);
    }
    if let (Some(UpstreamExpect::Request(wanted)), Some(came)) = (&expect.upstream, &outcome.upstream)
        && let Some(wanted) = &wanted.headers_exact
    {
        let added = plain.upstream.as_ref().map(|plain| additions(&plain.headers, &request.headers));
        found.exact("upstream.headers_exact", wanted, &came.headers, added.unwrap_or_default(), true);
    }
    if found.0.is_empty() {
        return Ok(());
    }
    Err(Mismatch { differences: found.0, log: outcome.log.clone() })
}

/// The names of what a gateway has added to these headers.
fn additions(came: &[Header], sent: &[Header]) -> Vec<ByteString> {
    let mut sent: Vec<_> = sent.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let added = came.iter().filter(|(name, _)| match sent.iter().position(|sent| **sent == **name) {
        Some(place) => {
            sent.swap_remove(place);
            false
        }
        None => !frames(name),
    });
    added.map(|(name, _)| name.clone()).collect()
}

/// Whether a refused configuration's log holds what its case wants.
///
/// # Errors
///
/// The texts that it does not hold, and the log.
pub fn check_refused(wanted: &[String], log: &[LogLine]) -> Result<(), Mismatch> {
    let mut found = Differences::default();
    found.logged("refused", wanted, log);
    if found.0.is_empty() {
        return Ok(());
    }
    Err(Mismatch { differences: found.0, log: log.to_vec() })
}

/// The differences between expectations and outcome.
#[derive(Debug)]
pub struct Mismatch {
    differences: Vec<Difference>,
    log: Vec<LogLine>,
}

#[derive(Debug)]
struct Difference {
    field: String,
    wanted: String,
    came: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Difference { field, wanted, came } in &self.differences {
            writeln!(f, "{field}\n  expected {wanted}\n  actual   {came}")?;
        }
        if self.log.is_empty() {
            return write!(f, "the plug-in logged nothing");
        }
        write!(f, "the plug-in's log")?;
        self.log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for Mismatch {}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, field: impl ToString, wanted: impl ToString, came: impl ToString) {
        self.0.push(Difference {
            field: field.to_string(),
            wanted: wanted.to_string(),
            came: came.to_string(),
        });
    }

    fn answer(&mut self, expect: &Expect, answer: &Answer) {
        if let Some(wanted) = expect.status
            && wanted != answer.status
        {
            self.add("status", wanted, answer.status);
        }
        match &answer.cut_off {
            Some(cause) if !expect.cut_off => {
                let bytes = answer.body.len();
                self.add(
                    "answer",
                    "one that ends",
                    format!("cut off after {bytes} bytes of the body: {cause}"),
                );
            }
            None if expect.cut_off => self.add("cut_off", "a body that is cut off", "a complete body"),
            _ => {}
        }
        self.headers("headers", &expect.headers, &answer.headers);
        self.bytes("body", expect.body.as_ref(), &answer.body);
        self.contains("body_contains", expect.body_contains.as_ref(), &answer.body);
        self.headers("trailers", &expect.trailers, &answer.trailers);
    }

    fn calls(&mut self, wanted: &[CallExpect], came: &[Call]) {
        if wanted.len() != came.len() {
            let line = |call: &Call| {
                let method = String::from_utf8_lossy(&call.request.method).into_owned();
                format!("\n    {} {method} {}", call.cluster, Shown(&call.request.path))
            };
            let came: String = came.iter().map(line).collect();
            return self.add("calls", wanted.len(), if came.is_empty() { "none" } else { &came });
        }
        for (index, (wanted, came)) in wanted.iter().zip(came).enumerate() {
            let field = format!("calls[{index}]");
            if let Some(cluster) = wanted.cluster.as_ref().filter(|cluster| **cluster != came.cluster) {
                self.add(format!("{field}.cluster"), cluster, &came.cluster);
            }
            self.request(&field, &wanted.request, &came.request);
        }
    }

    fn request(&mut self, field: &str, wanted: &UpstreamRequestExpect, seen: &UpstreamRequest) {
        self.bytes(&format!("{field}.method"), wanted.method.as_ref(), &seen.method);
        self.bytes(&format!("{field}.path"), wanted.path.as_ref(), &seen.path);
        self.bytes(&format!("{field}.host"), wanted.host.as_ref(), &seen.host);
        self.headers(&format!("{field}.headers"), &wanted.headers, &seen.headers);
        self.bytes(&format!("{field}.body"), wanted.body.as_ref(), &seen.body);
        self.contains(&format!("{field}.body_contains"), wanted.body_contains.as_ref(), &seen.body);
        self.headers(&format!("{field}.trailers"), &wanted.trailers, &seen.trailers);
    }

    fn headers(&mut self, field: &str, wanted: &BTreeMap<HeaderName, Values>, came: &[Header]) {
        for (name, Values(wanted)) in wanted {
            let values: Vec<_> =
                came.iter().filter(|(header, _)| name.is(header)).map(|(_, value)| value.clone()).collect();
            if values != *wanted {
                self.add(format!("{field}.{name}"), list(wanted), list(&values));
            }
        }
    }

    /// `all_added` when the gateway's additions cannot be missing.
    fn exact(
        &mut self,
        field: &str,
        wanted: &[(HeaderName, ByteString)],
        came: &[Header],
        added: Vec<ByteString>,
        all_added: bool,
    ) {
        let mut wanted: Vec<Header> =
            wanted.iter().map(|(name, value)| (name.as_bytes().into(), value.clone())).collect();
        let mut came = came.to_vec();
        came.retain(|(name, _)| !frames(name) || wanted.iter().any(|(wanted, _)| wanted == name));
        for name in added {
            let take = |headers: &mut Vec<Header>| {
                let place = headers.iter().position(|(other, _)| *other == name);
                place.map(|place| headers.remove(place)).is_some()
            };
            take(&mut wanted);
            if !take(&mut came) && all_added {
                let name = String::from_utf8_lossy(&name).into_owned();
                self.add(format!("{field}: {name}"), "the header that the gateway adds", "none");
            }
        }
        if wanted != came {
            let shown = |headers: &[Header]| -> String {
                let lines = headers.iter().map(|(name, value)| {
                    format!("\n    {}: {}", String::from_utf8_lossy(name), Shown(value))
                });
                let lines: String = lines.collect();
                if lines.is_empty() { "none".into() } else { lines }
            };
            self.add(field, shown(&wanted), shown(&came));
        }
    }

    fn bytes(&mut self, field: &str, wanted: Option<&ByteString>, came: &ByteString) {
        let Some(wanted) = wanted.filter(|wanted| *wanted != came) else {
            return;
        };
        let first = wanted.iter().zip(came.iter()).take_while(|(wanted, came)| wanted == came).count();
        // In a long value the first difference may be where it is cut.
        let place = if wanted.len().max(came.len()) > 100 {
            format!(", from byte {first} on")
        } else {
            String::new()
        };
        self.add(format!("{field}{place}"), Shown(wanted), Shown(came));
    }

    fn contains(&mut self, field: &str, wanted: Option<&ByteString>, came: &ByteString) {
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
            return;
        };
        if !came.windows(wanted.len()).any(|bytes| bytes == &**wanted) {
            self.add(field, format!("{} somewhere", Shown(wanted)), Shown(came));
        }
    }

    fn log(&mut self, expect: &Expect, log: &[LogLine]) {
        self.logged("log", &expect.log, log);
        for text in &expect.log_absent {
            if let Some(line) = log.iter().find(|line| line.message.contains(text)) {
                self.add("log_absent", format!("no line with {}", Shown(text.as_bytes())), line);
            }
        }
    }

    fn logged(&mut self, field: &str, wanted: &[String], log: &[LogLine]) {
        for text in wanted {
            if !log.iter().any(|line| line.message.contains(text)) {
                self.add(field, format!("a line with {}", Shown(text.as_bytes())), "no such line");
            }
        }
    }
}

fn list(values: &[ByteString]) -> String {
    match values {
        [] => "absent".into(),
        _ => values.iter().map(|value| Shown(value).to_string()).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::outcome::Stall;

    fn expect(yaml: &str) -> Expect {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn outcome() -> Outcome {
        Outcome {
            answer: Some(Answer {
                status: 403,
                headers: vec![("x-two".into(), "a".into()), ("x-two".into(), "b".into())],
                body: b"no\xff way".as_slice().into(),
                trailers: vec![("t".into(), "1".into())],
                cut_off: None,
            }),
            details: Some("p.blocked".into()),
            log: vec![LogLine { level: engine::exchange::LogLevel::Info, message: "blocked by x".into() }],
            access_log: [(b"p.a".to_vec(), b"set".to_vec())].into(),
            counters: [("p.blocked".into(), 2)].into(),
            host_calls: Some(3),
            ..Outcome::default()
        }
    }

    #[test]
    fn what_is_wanted_is_met() {
        for yaml in [
            "{}",
            "{ status: 403, body: {escaped: 'no\\xff way'}, body_contains: {escaped: '\\xff'}, details: p.blocked }",
            "{ headers: { X-Two: { all: [a, b] }, x-none: null }, trailers: { t: '1' } }",
            "{ upstream: none, log: blocked, log_absent: [passed], counters: { p.blocked: 2, p.other: 0 } }",
            "{ host_calls: 3, access_log: { p.a: set, p.b: null } }",
            "{ access_log: { p.a: { contains: [se, et] } } }",
        ] {
            check(&expect(yaml), &outcome()).unwrap_or_else(|mismatch| panic!("{yaml}: {mismatch}"));
        }
    }

    #[test]
    fn every_field_can_fail_and_is_named() {
        for (yaml, field, wanted, came) in [
            ("{ status: 200 }", "status", "200", "403"),
            ("{ headers: { x-two: a } }", "headers.x-two", "\"a\"", "\"a\", \"b\""),
            ("{ headers: { x-two: null } }", "headers.x-two", "absent", "\"a\", \"b\""),
            ("{ headers: { x-none: '' } }", "headers.x-none", "\"\"", "absent"),
            ("{ body: no }", "body", "\"no\"", r#""no\xff way""#),
            ("{ body_contains: zzz }", "body_contains", "\"zzz\" somewhere", r#""no\xff way""#),
            ("{ trailers: { t: '2' } }", "trailers.t", "\"2\"", "\"1\""),
            ("{ upstream: { path: / } }", "upstream", "a complete request", "none"),
            ("{ details: q }", "details", "q", "p.blocked"),
            ("{ log: [blocked, passed] }", "log", "a line with \"passed\"", "no such line"),
            ("{ log_absent: blocked }", "log_absent", "no line with \"blocked\"", "[info] blocked by x"),
            ("{ counters: { p.other: 1 } }", "counters.p.other", "1", "0"),
            ("{ access_log: { p.a: x } }", "access_log.p.a", "\"x\"", "\"set\""),
            ("{ access_log: { p.a: null } }", "access_log.p.a", "none", "\"set\""),
            (
                "{ access_log: { p.a: { contains: [se, x] } } }",
                "access_log.p.a",
                "a value with \"x\"",
                "\"set\"",
            ),
            ("{ access_log: { p.b: x } }", "access_log.p.b", "\"x\"", "none"),
            ("{ host_calls: 2 }", "host_calls", "2", "3"),
        ] {
            let mismatch = check(&expect(yaml), &outcome()).expect_err(yaml).to_string();
            let start = format!("{field}\n  expected {wanted}\n  actual   {came}\n");
            assert!(mismatch.starts_with(&start), "{yaml}: {mismatch}");
            assert!(mismatch.ends_with("the plug-in's log\n  [info] blocked by x"), "{mismatch}");
        }
    }

    #[test]
    fn what_the_upstream_saw_is_compared() {
        let seen = UpstreamRequest { path: "/a".into(), body: "abc".into(), ..UpstreamRequest::default() };
        let outcome = Outcome { upstream: Some(seen), ..outcome() };
        check(&expect("{ upstream: { path: /a, body_contains: bc } }"), &outcome).unwrap();
        for (yaml, field) in [
            ("{ upstream: none }", "upstream\n"),
            ("{ upstream: { path: /b } }", "upstream.path\n"),
            ("{ upstream: { body: ab } }", "upstream.body\n"),
            ("{ calls: [{ path: / }] }", "calls\n  expected 1\n  actual   none"),
            ("{ upstream: { headers: { a: b } } }", "upstream.headers.a\n"),
        ] {
            let mismatch = check(&expect(yaml), &outcome).expect_err(yaml).to_string();
            assert!(mismatch.starts_with(field), "{yaml}: {mismatch}");
        }
    }

    #[test]
    fn an_answer_that_is_missing_or_cut_off_is_never_met() {
        let none = Outcome { answer: None, ..outcome() };
        assert!(check(&expect("{ status: 403 }"), &none).is_err());
        assert!(check(&expect("{ details: p.blocked }"), &none).is_ok(), "the client went away");
        let mut cut = outcome();
        cut.answer.as_mut().unwrap().cut_off = Some("reset".into());
        let mismatch = check(&expect("{ status: 403 }"), &cut).unwrap_err().to_string();
        assert!(mismatch.contains("cut off after 7 bytes of the body: reset"), "{mismatch}");
    }

    #[test]
    fn a_talk_that_has_stopped_is_never_met() {
        let stall =
            Stall { step: 2, wanted: "\"b\"".into(), came: "\"\", and nothing more within 3 s".into() };
        let stalled = Outcome { stalled: Some(stall), ..outcome() };
        let mismatch = check(&Expect::default(), &stalled).unwrap_err().to_string();
        assert!(
            mismatch.starts_with("talk, step 2\n  expected \"b\"\n  actual   \"\", and nothing more"),
            "{mismatch}"
        );
    }

    #[test]
    fn host_calls_are_not_looked_at_where_nobody_counts_them() {
        check(&expect("{ host_calls: 2 }"), &Outcome { host_calls: None, ..outcome() }).unwrap();
    }

    #[test]
    fn a_refusal_must_say_everything_that_is_wanted() {
        let log = outcome().log;
        check_refused(&["blocked".into(), "by x".into()], &log).unwrap();
        let mismatch = check_refused(&["blocked".into(), "other".into()], &log).unwrap_err().to_string();
        assert!(mismatch.starts_with("refused\n  expected a line with \"other\""), "{mismatch}");
    }
}
