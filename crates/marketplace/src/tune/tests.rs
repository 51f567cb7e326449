//! Logs of gateways, and of attackers.

use super::*;

fn tune(text: &str) -> Tuning {
    let mut tuner = Tuner::default();
    tuner.read("a.log", text.as_bytes()).unwrap();
    tuner.finish(1)
}

fn summary(tuning: &Tuning) -> Vec<String> {
    let text = |proposal: &Proposal| {
        let (target, path) = (proposal.target.as_deref(), proposal.path.as_deref());
        let (rule, requests) = (proposal.rule, proposal.requests);
        format!("{requests} {rule} {} {}", target.unwrap_or("-"), path.unwrap_or("-"))
    };
    tuning.proposals.iter().map(text).collect()
}

#[test]
fn json_logs_are_grouped_by_rule_variable_and_path() {
    let tuning = tune(concat!(
        r#"{"path":"/search?q=a","waf":"score=5,942100@ARGS:q","user_agent":"score=5,1@ARGS:x"}"#,
        "\n",
        r#"{"path":"/search?q=b","waf":"score=10,942100@ARGS:q,941100@ARGS:q,942100@ARGS:q"}"#,
        "\n\n",
        r#"{"path":"/search","waf":"-"}"#,
        "\n",
        r#"{"path":"/search","waf":null}"#,
        "\n",
    ));
    assert_eq!((tuning.requests, tuning.matched), (4, 2));
    assert_eq!(summary(&tuning), ["2 942100 ARGS:q /search", "1 941100 ARGS:q /search"]);
    assert_eq!(tuning.proposals[0].score, 10);
    assert_eq!(tuning.skipped, []);
}

#[test]
fn text_logs_have_the_request_in_the_format_of_envoy() {
    let tuning = tune(concat!(
        "[2026-01-01T00:00:00.000Z] \"POST /a%20b/c?x HTTP/1.1\" 200 - 0 8 3 \"-\" \"Mozilla/5.0 (X11)\" waf=score=5,outbound=9,body=prefix,7000140@ARGS:json.text\n",
        "[2026-01-01T00:00:00.000Z] \"GET / HTTP/1.1\" 200 - 0 8 3 \"-\" \"curl\" -\n",
        "score=5,7000140@REQUEST_COOKIES:a \"GET https://a.example.com/x HTTP/2\"\n",
    ));
    assert_eq!(summary(&tuning), ["1 7000140 ARGS:json.text /a b/c", "1 7000140 REQUEST_COOKIES:a /x"]);
    assert_eq!((tuning.requests, tuning.matched, tuning.proposals[0].score), (3, 2, 9));
}

#[test]
fn a_line_that_a_client_may_have_forged_is_left_out() {
    let tuning = tune("\"GET / HTTP/1.1\" \"score=5,1@ARGS:forged\" score=5,2@ARGS:q\n");
    assert_eq!((tuning.proposals.len(), tuning.skipped.len()), (0, 1));
    // A parameter that looks like a report is not between spaces.
    let tuning = tune("\"GET /?a=b-score=5,1@ARGS:forged HTTP/1.1\" score=5,2@ARGS:q\n");
    assert_eq!(summary(&tuning), ["1 2 ARGS:q /"]);
}

#[test]
fn lines_that_are_not_readable_are_reported_and_skipped() {
    let tuning = tune(concat!(
        "{\"path\":\n",
        r#"{"path":"/","waf":7}"#,
        "\n",
        r#"{"path":"/","waf":"score=x"}"#,
        "\n",
        r#"{"path":"/"}"#,
        "\n",
        r#"{"path":"/","waf":"score=5,1@ARGS:a"}"#,
        "\n\u{1}\u{2}\n",
    ));
    let lines: Vec<usize> = tuning.skipped.iter().map(|skipped| skipped.line).collect();
    assert_eq!(lines, [1, 2, 3, 4]);
    assert_eq!(tuning.skipped[3].reason, "no field whose name contains `waf`: name it with `--field`");
    assert_eq!(summary(&tuning), ["1 1 ARGS:a /"]);
}

#[test]
fn a_path_that_no_exclusion_can_name_is_skipped() {
    for path in ["/a%3Fb", "/a/*", "/%23"] {
        let tuning = tune(&format!("{{\"path\":\"{path}\",\"waf\":\"score=5,1@ARGS:a\"}}\n"));
        assert_eq!((tuning.matched, tuning.proposals.len(), tuning.skipped.len()), (1, 0, 1), "{path}");
    }
}

#[test]
fn the_field_can_be_named() {
    let mut tuner = Tuner::new(Some("rules"));
    let line: &[u8] = br#"{"waf_mode":"x","rules":"score=5,1@ARGS:a","PATH":"/a"}"#;
    tuner.read("a", line).unwrap();
    assert_eq!(summary(&tuner.finish(1)), ["1 1 ARGS:a /a"]);
}

#[test]
fn a_trace_is_one_document() {
    let trace = serde_json::json!({
        "status": 403,
        "plugins": [
            { "plugin": "cors", "log": [{ "line": "score=5,9@ARGS:x" }] },
            {
                "plugin": "waf-default",
                "request": { "before": { "headers": [[":method", "GET"], [":path", "/a?id=1"]] } },
                "log": [{ "way": "request", "line": "waf: answers 403 (waf.denied) by the global configuration: rule 949110, score=5,942100@ARGS:id" }],
            },
        ],
    });
    assert_eq!(summary(&tune(&format!("{trace:#}"))), ["1 942100 ARGS:id /a"]);
    assert_eq!(summary(&tune(&format!("{trace}\n{trace}\n"))), ["2 942100 ARGS:id /a"]);
    assert_eq!(tune("{\n\"plugins\": [\n").skipped[0].line, 3);
}

#[test]
fn paths_with_identifiers_and_many_in_one_folder_are_merged() {
    let line = |path: &str| format!("{{\"path\":\"{path}\",\"waf\":\"score=5,1@ARGS:a\"}}\n");
    let paths = |paths: &[&str]| -> Vec<String> {
        let text: String = paths.iter().map(|path| line(path)).collect();
        let proposals = tune(&text).proposals.into_iter();
        proposals.map(|proposal| format!("{} {}", proposal.requests, proposal.path.unwrap())).collect()
    };
    assert_eq!(paths(&["/items/17", "/items/18/edit", "/items/new"]), ["2 /items/*", "1 /items/new"]);
    assert_eq!(paths(&["/u/3f2a9c01-aaaa", "/u/decade"]), ["1 /u/*", "1 /u/decade"]);
    assert_eq!(paths(&["/d/a", "/d/b", "/d/c", "/d/d"]), ["4 /d/*"]);
    assert_eq!(paths(&["/a", "/b", "/c", "/d", "/17"]).len(), 5);
}

#[test]
fn fields_are_better_than_some_exclusions() {
    let tuning = tune("\"PUT /a HTTP/1.1\" score=5,911100@REQUEST_METHOD,920420@TX:content_type\n");
    assert_eq!(tuning.fields, [("allowed_content_types", 1), ("allowed_methods", 1)]);
    assert_eq!(tuning.proposals, []);
}

#[test]
fn variables_that_no_exclusion_names_are_one_proposal() {
    let tuning = tune("score=5,1@TX:0\nscore=5,1@TX:1\nscore=5,1@ARGS:a\n");
    assert_eq!(summary(&tuning), ["2 1 - -", "1 1 ARGS:a -"]);
}

#[test]
fn variables_are_written_as_exclusions_name_them() {
    for (reported, target) in [
        ("ARGS:q", Some("ARGS:q")),
        ("ARGS:json.items[0].name", Some("ARGS:json.items[0].name")),
        ("REQUEST_URI", Some("REQUEST_URI")),
        ("ARGS:a b,\"|", Some(r"ARGS:/^a\x20b\x2c\x22\x7c$/")),
        ("ARGS:", Some("ARGS:/^$/")),
        ("XML:/*", Some("XML:/*")),
        ("TX:0", None),
        ("", None),
    ] {
        assert_eq!(line::target(reported).as_deref(), target, "{reported}");
    }
    let long = format!("ARGS:{}", "x".repeat(95));
    assert_eq!(line::target(&long).unwrap(), format!("ARGS:/^{}/", "x".repeat(95)));
}

#[test]
fn rare_matches_can_be_left_out() {
    let mut tuner = Tuner::default();
    tuner.read("a", "score=5,1@ARGS:a\nscore=5,1@ARGS:a,2@ARGS:b\n".as_bytes()).unwrap();
    assert_eq!(summary(&tuner.finish(2)), ["2 1 ARGS:a -"]);
}
