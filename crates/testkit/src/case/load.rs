//! Reading a cases file.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Case;
use super::error::Mistake;
use super::include::Include;

/// Reads the cases of one file.
///
/// # Errors
///
/// The file cannot be read, is not YAML, has no case, has a name twice, or has unknown
/// fields: the message names file, case, field and line.
pub fn load(path: &Path) -> Result<Vec<Case>, LoadError> {
    let error = |mistake| LoadError { path: path.into(), mistake };
    let text = fs::read_to_string(path).map_err(|cause| {
        let message =
            format!("cannot be read: {cause}: write the plug-in's cases there (see `testkit::case`)");
        error(Mistake::new(message))
    })?;
    parse(&text).map_err(error)
}

/// A cases file that cannot be used.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    mistake: Mistake,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.mistake.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.mistake.message)
    }
}

impl std::error::Error for LoadError {}

fn parse(text: &str) -> Result<Vec<Case>, Mistake> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        cases: Vec<Case>,
        #[serde(default)]
        include: Vec<Include>,
    }
    let File { mut cases, include } =
        serde_yaml::from_str(text).map_err(|error| Mistake::read(text, &error))?;
    for (index, include) in include.iter().enumerate() {
        let included = include.cases().map_err(|error| Mistake::new(format!("include[{index}]: {error}")))?;
        cases.extend(included);
    }
    if cases.is_empty() {
        return Err(Mistake::new("has no case: write at least one"));
    }
    let mut names = HashSet::new();
    for (place, case) in cases.iter().enumerate() {
        if !names.insert(&case.name) {
            let message = format!("duplicate case name `{}`: choose another name", case.name);
            return Err(Mistake::in_case(text, place, message));
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineName;
    use crate::case::Then;

    fn one(yaml: &str) -> Result<Case, String> {
        let indented = yaml.trim().replace('\n', "\n  ");
        let file = format!("cases:\n- {indented}");
        parse(&file).map(|mut cases| cases.remove(0)).map_err(|mistake| {
            let line = mistake.line.unwrap_or_default();
            format!("{} (line {line})", mistake.message)
        })
    }

    #[test]
    fn a_case_is_read_with_its_defaults() {
        let case = one("name: n\nrequests: [{ expect: { status: 200 } }]").unwrap();
        assert_eq!(case.setup.configuration, None);
        assert_eq!(case.upstream, super::super::Upstream::default());
        let Then::Requests(requests) = case.then else { panic!("requests") };
        let request = &requests[0];
        assert_eq!(
            (&request.method[..], &request.path[..], &request.host[..], request.repeat),
            (b"GET".as_slice(), b"/".as_slice(), b"example.com".as_slice(), 1)
        );
        assert!(request.ends_with_headers() && request.pieces().is_empty());
    }

    #[test]
    fn the_three_ways_to_configure_give_the_text_that_the_plug_in_gets() {
        let configuration =
            |yaml: &str| one(&format!("name: n\nrefused: x\n{yaml}")).map(|case| case.setup.configuration);
        let text = |json: &str| Ok(Some(json.to_owned()));
        assert_eq!(configuration("config: { z: 1, a: ['0', null] }"), text(r#"{"z":1,"a":["0",null]}"#));
        assert_eq!(configuration("config: {}"), text("{}"));
        assert_eq!(configuration("config_text: '{\"a\": '"), text(r#"{"a": "#));
        assert_eq!(configuration("config_text: [{repeat: '[', times: 3}]"), text("[[["));
        let resource = |spec: &str| {
            configuration(&format!(
                "resource: {{ apiVersion: extensions.higress.io/v1alpha1, kind: WasmPlugin, \
                 metadata: {{ name: n }}, spec: {spec} }}"
            ))
        };
        assert_eq!(resource("{ url: 'oci://a/b:1', defaultConfig: { a: 1 } }"), text(r#"{"a":1}"#));
        assert_eq!(resource("{ url: 'oci://a/b:1' }"), Ok(None));
        let error = resource("{ url: 'oci://a/b:1', defaultConfigDisable: true }").unwrap_err();
        assert!(error.contains("not deployed"), "{error}");
        let error = resource("{ url: 'oci://a/b:1', matchRules: [{ config: {} }] }").unwrap_err();
        assert!(error.contains("resource: spec.matchRules[0]"), "{error}");
    }

    #[test]
    fn a_body_is_cut_as_the_case_says() {
        let pieces = |yaml: &str| {
            let case = one(&format!("name: n\nrequests: [{{ {yaml}, expect: {{ status: 200 }} }}]")).unwrap();
            let Then::Requests(requests) = case.then else { panic!("requests") };
            requests[0].pieces().iter().map(|piece| piece.len()).collect::<Vec<_>>()
        };
        assert_eq!(pieces("body: abcdef"), [6]);
        assert_eq!(pieces("body: abcdef, chunks: [1, 2]"), [1, 2, 3]);
        assert_eq!(pieces("body: abcdef, chunks: [3, 3]"), [3, 3]);
        assert_eq!(pieces("body: abcdef, chunks: [4, 100, 1]"), [4, 2]);
        assert_eq!(pieces("body: abcdef, chunks: []"), [6]);
        assert_eq!(pieces("body: abcdef, chunks: { each: 4 }"), [4, 2]);
        assert_eq!(pieces("body: '', chunks: { each: 4 }"), [0; 0]);
    }

    #[test]
    fn a_talk_is_read_step_by_step_and_says_whether_the_request_ends() {
        let request = |yaml: &str| {
            let case = one(&format!("name: n\nrequests: [{{ {yaml}, expect: {{ status: 200 }} }}]")).unwrap();
            let Then::Requests(mut requests) = case.then else { panic!("requests") };
            requests.remove(0)
        };
        let chat = request("talk: [{ send: a, receive: b }, { receive: c }, end]");
        let steps = [
            super::super::TalkStep::Send("a".into()),
            super::super::TalkStep::Receive("b".into()),
            super::super::TalkStep::Receive("c".into()),
            super::super::TalkStep::End,
        ];
        assert_eq!((chat.talk.as_slice(), chat.ends_with_headers()), (steps.as_slice(), false));
        assert!(request("talk: [{ receive: a }]").ends_with_headers());
        assert!(!request("talk: [{ receive: a }], upgrade: websocket").ends_with_headers());
        for (yaml, upgrade) in [
            ("headers: [[Upgrade, WebSocket], [Connection, 'keep-alive, Upgrade']]", true),
            ("headers: [[upgrade, websocket]]", false),
            ("headers: [[upgrade, h2c], [connection, upgrade]]", false),
            ("headers: [[upgrade, foo], [connection, upgrade]]", true),
            ("headers: [[upgrade, websocket], [connection, upgrade]], protocol: http2", false),
        ] {
            assert_eq!(request(yaml).is_upgrade(), upgrade, "{yaml}");
        }
    }

    #[test]
    fn errors_name_the_case_and_the_field() {
        let request = |fields: &str| format!("requests: [{{ {fields}, expect: {{ status: 200 }} }}]");
        for (yaml, parts) in [
            ("requests: []".to_owned(), ["has no expectation", "case `n`"]),
            ("refused: x\nrequests: [{ expect: { status: 200 } }]".into(), ["keep one", "case `n`"]),
            ("refused: x\nconfg: {}".into(), ["unknown field `confg`: write one of `name`", "case `n`"]),
            ("refused: x\nconfig:".into(), ["config: is empty", "config_text: 'null'"]),
            ("refused: x\nconfig: {}\nconfig_text: a".into(), ["keep one of `config`", "case `n`"]),
            ("refused: x\nconfig_text: {escaped: '\\xff'}".into(), ["config_text: is not UTF-8", "case `n`"]),
            ("refused: x\nskip: { envoy: '' }".into(), ["skip.envoy: write the reason", "case `n`"]),
            ("refused: x\nskip: { other: why }".into(), ["skip: unknown variant `other`", "case `n`"]),
            ("refused: x\ngateway: { names: higress }".into(), ["add `skip: { envoy:", "case `n`"]),
            ("refused: x\nupstream: { status: 100 }".into(), ["upstream.status", "case `n`"]),
            ("requests: [{ path: / }]".into(), ["requests[0].expect.status: is missing", "case `n`"]),
            ("refused: x\ngateway: { workers: 0 }".into(), ["gateway.workers: write a number", "case `n`"]),
            (request("time: 1"), ["time: Envoy's clock cannot be set", "add `skip: { envoy:"]),
            (request("time: -1"), ["requests[0]", "time must be from 0 to 4000000 seconds"]),
            (request("connections: 2, repeat: 2"), ["connections: the number of responses", "add `answers:"]),
            (request("answers: { 200: 1 }"), ["expect: has no effect next to `answers`", "case `n`"]),
            (
                "requests: [{ repeat: 3, answers: { 200: 1, 429: 1 } }]".into(),
                ["answers: has 2 for 3 requests", "must be `repeat`"],
            ),
            (
                "requests: [{ connections: 2, answers: { 200: 1 } }]".into(),
                ["connections: write a number from 1 to `repeat`", "case `n`"],
            ),
            (
                "requests: [{ body: a, answers: { 200: 1 } }]".into(),
                ["answers: concurrent requests have no body", "case `n`"],
            ),
            (
                "requests: [{ expect: { body: a } }]".into(),
                ["requests[0].expect.status: is missing", "case `n`"],
            ),
            (
                "requests: [{ expect: { closed: true, status: 1 } }]".into(),
                ["receives no response", "case `n`"],
            ),
            (
                "gateway: { fails: { log: 1 } }\nrefused: x".into(),
                ["gateway.fails: write the name of a host call", "case `n`"],
            ),
            (
                "gateway: { fails: { proxy_log: 1 } }\nrefused: x".into(),
                ["gateway.fails", "add `skip: { envoy:"],
            ),
            ("requests: [{ expect: { statuss: 1 } }]".into(), ["expect: unknown field `statuss`", "line 3"]),
            ("requests: [{ expect: { status: 200, upstream: nothing } }]".into(), ["upstream", "`none`, or"]),
            (request("path: 1"), ["requests[0].path", "a number goes in quotes"]),
            (request("headers: [[':path', a]]"), ["requests[0].headers[0]: pseudo-headers", "case `n`"]),
            (request("headers: [[a, {escaped: 'b\\r\\nc: d'}]]"), ["headers[0]: a line break", "case `n`"]),
            (request("headers: [[Host, a]]"), ["headers: write `host:", "case `n`"]),
            (request("path: {escaped: '/\\n'}"), ["requests[0].path: a line break", "case `n`"]),
            (request("chunks: [1]"), ["there is no body", "case `n`"]),
            (request("body: a, chunks: [0]"), ["at least one byte", "case `n`"]),
            (request("body: a, chunks: { each: 0 }"), ["chunks.each", "case `n`"]),
            (request("body: a, chunks: 3"), ["{ each: 1 }", "case `n`"]),
            (request("repeat: 0"), ["repeat: write 1", "case `n`"]),
            (request("body: a, reset_after: 0"), ["receives no response", "remove `status`"]),
            ("requests: [{ body: a, reset_after: 2, expect: {} }]".into(), ["only 1 pieces", "reset_after"]),
            ("requests: [{ reset_after: 0, expect: {} }]".into(), ["add a `body`", "reset_after"]),
            (request("upgrade: h2c"), ["write `upgrade: websocket`", "case `n`"]),
            (request("talk: [{ sent: a }]"), ["a step of talk", "case `n`"]),
            (request("talk: [stop]"), ["talk: `stop`: write `end`", "case `n`"]),
            (request("talk: [{}]"), ["talk: an empty step", "case `n`"]),
            (request("talk: [end, { send: a }]"), ["after `end`", "case `n`"]),
            (request("body: a, talk: [{ send: a }]"), ["talk: defines the sent data", "remove `body`"]),
            ("refused: x\nupstream: { open: true, echo: true }".into(), ["upstream.open", "case `n`"]),
            ("refused: x\nupstream: { closed: true, status: 500 }".into(), ["upstream.closed", "case `n`"]),
            (
                "refused: x\nupstream: { reset_after: 1, echo: true }".into(),
                ["upstream.reset_after", "case `n`"],
            ),
            (
                "refused: x\ngateway: { upstream_protocol: http2 }\nupstream: { reset_after: 1 }".into(),
                ["remove `upstream_protocol`", "case `n`"],
            ),
            (
                "requests: [{ reset_when_called: 1, expect: {} }]".into(),
                ["reset_when_called", "and `services`"],
            ),
            (
                request("services: [{ cluster: c }], reset_when_called: 1"),
                ["receives no response", "case `n`"],
            ),
            (
                request("services: [{ cluster: '' }]"),
                ["requests[0].services[0].cluster: is empty", "case `n`"],
            ),
            (request("services: [{ cluster: c, answer: nothing }]"), ["`none`, `closed`", "answer"]),
            (request("services: [{ cluster: c, answer: { status: 99 } }]"), ["answer.status", "200 to 599"]),
            (
                format!("services: [{{ cluster: c }}, {{ cluster: c }}]\n{}", request("path: /")),
                ["services[1].cluster: duplicate cluster", "case `n`"],
            ),
            (
                format!(
                    "services: [{{ cluster: c, protocol: grpc }}]\n{}",
                    request("services: [{ cluster: c }]")
                ),
                ["`c` has two protocols", "case `n`"],
            ),
        ] {
            let error = one(&format!("name: n\n{yaml}")).map(|case| format!("{case:?}")).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{yaml}\n{error}\nexpected {part}");
            }
        }
    }

    /// A case with two named requests and these events.
    fn interleaved(rest: &str, events: &str) -> Result<Case, String> {
        one(&format!(
            "name: n\nservices: [{{ cluster: c }}]\nrequests:\n\
             - {{ name: a, method: POST, path: /a, body: abc, chunks: [1], {rest} expect: {{ status: 200 }} }}\n\
             - {{ name: b, path: /b, expect: {{ status: 200 }} }}\ninterleave: [{events}]"
        ))
    }

    #[test]
    fn impossible_events_are_reported() {
        for (rest, events, parts) in [
            ("", "x.headers", ["interleave[0]: `x.headers`", "no request has the name `x`: there are a, b"]),
            ("", "a.header", ["interleave[0]: `a.header` is not an event", "write `a.headers`"]),
            ("", "headers", ["`headers` is not an event", "`service.c[0]`"]),
            ("", "'a.body[x]'", ["`a.body[x]` is not an event", "write"]),
            ("", "a.headers, a.headers", ["interleave[1]", "first in interleave[0]"]),
            (
                "",
                "b.headers, a.headers, 'a.body[1]', 'a.body[0]', a.end",
                ["`a.body[1]` comes before `a.body[0]`", ""],
            ),
            (
                "",
                "b.headers, a.headers, 'a.body[1]', a.end",
                ["`a.body[0]` is missing", "before `a.body[1]`"],
            ),
            ("", "b.headers, a.headers, 'a.body[0]', 'a.body[1]'", ["`a.end` is missing", "or `a.reset`"]),
            ("", "a.headers, 'a.body[0]', 'a.body[1]', a.end", ["`b.headers` is missing", "add it"]),
            (
                "",
                "b.headers, a.headers, 'a.body[0]', 'a.body[1]', 'a.body[2]', a.end",
                ["`a.body[2]`: there is no such part", "has 2 pieces"],
            ),
            (
                "",
                "b.headers, a.headers, a.reset, 'a.body[0]'",
                ["`a.body[0]` comes after `a.reset`", "has disconnected"],
            ),
            ("", "b.headers, a.reset", ["`a.reset` has no request to reset", "`a.headers`"]),
            (
                "",
                "b.headers, a.headers, 'a.body[0]', a.response.headers, 'a.body[1]', a.end",
                ["`a.response.headers` comes before `a.body[1]`", "write it after"],
            ),
            (
                "",
                "a.headers, b.headers, 'a.body[0]', 'a.body[1]', a.end, a.response.headers",
                ["`a.response.body[0]` is missing", "add it"],
            ),
            ("", "'service.x[0]'", ["no service has the cluster `x`", "add it to `services`"]),
            ("", "service.c", ["write which call is answered", "`service.c[0]`"]),
            ("", "{ refused: x }", ["interleave[0]: refused", "add `then_config"]),
            ("", "{ then_config: }", ["then_config: is empty", "interleave[0]"]),
            ("", "{ then_confg: {} }", ["interleave[0]", "then_config"]),
            ("", "", ["are open at once: add `interleave:", "remove `name`"]),
            ("repeat: 2,", "b.headers, a.headers, a.reset", ["requests[0].repeat", "remove it"]),
            ("protocol: http2,", "b.headers, a.headers, 'a.body[0]', 'a.body[1]'", ["HTTP/2", "add `skip"]),
        ] {
            let error = interleaved(rest, events).map(|case| format!("{case:?}")).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{events}\n{error}\nexpected {part}");
            }
        }
        let status = "expect: { status: 200 }";
        for (yaml, part) in [
            (format!("requests: [{{ {status} }}]\ninterleave: [a.headers]"), "no request has a name"),
            (
                format!("requests: [{{ name: a, {status} }}, {{ {status} }}, {{ name: b, {status} }}]"),
                "requests[2]: is separate from the other requests",
            ),
            (format!("requests: [{{ name: a, {status} }}, {{ name: a, {status} }}]"), "another request has"),
            (format!("requests: [{{ name: a.b, {status} }}]"), "write a word"),
            (format!("requests: [{{ name: service, {status} }}]"), "write another name"),
            (format!("requests: [{{ {status} }}, {{ refused: x }}]"), "requests[1].refused"),
        ] {
            let error = one(&format!("name: n\n{yaml}")).map(|case| format!("{case:?}")).unwrap_err();
            assert!(error.contains(part), "{yaml}\n{error}\nexpected {part}");
        }
    }

    #[test]
    fn an_end_that_is_an_event_comes_apart() {
        let Then::Requests(requests) =
            interleaved("", "a.headers, b.headers, 'a.body[0]', 'a.body[1]', b.end, a.end").unwrap().then
        else {
            panic!("requests")
        };
        assert_eq!(requests[1].framing(), crate::case::Framing::Chunked);
        assert!(!requests[1].ends_with_headers());
    }

    #[test]
    fn a_request_has_the_services_of_its_case_but_for_those_of_its_own() {
        let case = one("name: n\nservices: [{ cluster: a, delay: 1 }, { cluster: b, delay: 2 }]\nrequests: \
             [{ services: [{ cluster: b, delay: 3 }, { cluster: c, delay: 4 }], expect: { status: 200 } }]")
        .unwrap();
        let clusters: Vec<_> = case.setup.services.iter().map(|cluster| cluster.name.as_str()).collect();
        assert_eq!(clusters, ["a", "b", "c"]);
        let Then::Requests(requests) = case.then else { panic!("requests") };
        let mut services: Vec<_> =
            requests[0].services.iter().map(|service| (service.cluster.as_str(), service.delay)).collect();
        services.sort();
        assert_eq!(services, [("a", 1), ("b", 3), ("c", 4)]);
    }

    #[test]
    fn a_mistake_is_in_its_line_and_in_words_of_the_file() {
        const GOOD: &str = "- name: good\n  requests:\n  - { expect: { status: 200 } }\n";
        for (cases, line, message) in [
            (
                "- name: n\n  requests:\n  - expect: { status: ok }\n",
                Some(7),
                "requests[0].expect.status: is text \"ok\": write a whole number",
            ),
            (
                "- name: n\n  requests:\n  - expect: 200\n",
                Some(7),
                "requests[0].expect: is the number `200`: write a mapping: { key: value }",
            ),
            (
                "- name: n\n  requests:\n  - headers: [a]\n",
                Some(7),
                "requests[0].headers[0]: is text \"a\": write a pair: [name, value]",
            ),
            ("- name: n\n  requests: {}\n", Some(6), "requests: is a mapping: write a list: [ … ]"),
            (
                "- name: n\n  gateway: { workers: many }\n",
                Some(6),
                "gateway.workers: is text \"many\": write a whole number",
            ),
            ("- name: n\n\n  requests: []\n", Some(5), "has no expectation: write `requests`"),
            (
                "- name: n\n  requests:\n  - chunks: [1]\n    expect: { status: 200 }\n",
                Some(5),
                "requests[0].chunks: there is no body",
            ),
            ("- name: good\n  refused: x\n", Some(5), "duplicate case name"),
            (
                "- name: n\n  refused: [x]\n  confg: {}\n",
                Some(7),
                "unknown field `confg`: write one of `name`",
            ),
        ] {
            let mistake = parse(&format!("cases:\n{GOOD}{cases}")).unwrap_err();
            assert!(mistake.message.contains(message), "{cases}\n{mistake:?}\nwants {message}");
            let names_case =
                ["case `", "duplicate case name `"].iter().any(|begin| mistake.message.starts_with(begin));
            assert!(names_case, "{mistake:?}");
            assert_eq!(mistake.line, line, "{cases}\n{mistake:?}");
        }
        let message = |text: &str| parse(text).unwrap_err().message;
        assert_eq!(message("[]"), "is a list: write `cases:`, and below it a list of cases");
        assert!(
            message("case: []").starts_with("unknown field `case`: write `cases`"),
            "{}",
            message("case: []")
        );
        assert!(message("cases:\n- requests: []\n").starts_with("case 1: `name` is missing: add it"));
    }

    #[test]
    fn a_skipped_engine_keeps_its_reason() {
        let case = one("name: n\nrefused: [a, b]\nskip: { envoy: has no such thing }").unwrap();
        assert_eq!(case.skip[&EngineName::Envoy], "has no such thing");
        assert!(matches!(case.then, Then::Refused(texts) if texts == ["a", "b"]));
    }

    #[test]
    fn a_file_without_cases_and_a_name_twice_are_refused() {
        assert!(parse("cases: []").unwrap_err().message.contains("has no case"));
        assert!(parse("").is_err());
        let twice = "cases: [{ name: a, refused: x }, { name: a, refused: y }]";
        assert!(parse(twice).unwrap_err().message.contains("duplicate case name `a`"));
        let error = load(Path::new("/nonexistent/cases.yaml")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/cases.yaml: cannot be read"), "{error}");
    }
}
