//! The cost is linear in the size for every configuration: four times the text, events or masks cost four times as much.
//! The interpreter counts the same instructions in every run.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::LazyLock;

use serde_json::{Value, json};
use testkit::exchange::{Chunks, Each, Request, Upstream};
use testkit::{Engine, linear};

/// The smallest size of a text in bytes; up to sixteen times as much is measured.
const SIZE: usize = 8 << 10;

/// The module, which takes longer to build and compile than most measurements.
static ENGINE: LazyLock<Box<dyn Engine>> =
    LazyLock::new(|| Box::new(testkit::interpreter(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"))));

/// Returns the instructions of the module for a request and its response.
fn instructions(config: &Value, request: &Request, upstream: &Upstream) -> u64 {
    linear::instructions(&**ENGINE, config, request, upstream).unwrap()
}

/// Compares the cost of a size (in bytes or events) with that of four times the size.
fn assert_linear(name: &str, config: &Value, size: usize, exchange: impl Fn(usize) -> (Request, Upstream)) {
    let cost = |size| {
        let (request, upstream) = exchange(size);
        linear::instructions(&**ENGINE, config, &request, &upstream)
    };
    linear::check(name, size, cost).unwrap();
}

/// Creates a chat request with a text.
fn chat(text: &str) -> (Request, Upstream) {
    let body = json!({"messages": [{"role": "user", "content": text}]}).to_string();
    (
        Request { method: "POST".into(), body: Some(body.as_str().into()), ..Request::default() },
        Upstream::default(),
    )
}

/// Repeats a text up to a size.
fn filled(text: &str, size: usize) -> String {
    text.repeat(size.div_ceil(text.len()))
}

fn roles(patterns: &[&str]) -> Value {
    let roles: Vec<_> = patterns.iter().map(|regex| json!({"regex": regex, "value": "*"})).collect();
    json!({"replace_roles": roles})
}

#[test]
fn unbounded_expressions() {
    let patterns =
        [".*x", "(a+)+b", "[a-z]+[0-9]", "(a|aa)+c", "(?s).*y.*y", r"(\d+\s*)+;", "a{1,60}q", ".+@.+"];
    for text in ["a", "ab c1 ", "aaaa.\n", "a@ 12 z\n"] {
        let name = format!("{patterns:?} in {text:?}");
        assert_linear(&name, &roles(&patterns), SIZE, |size| chat(&filled(text, size)));
    }
}

#[test]
fn every_grok_pattern() {
    let patterns: Vec<String> = matcher::grok::names().map(|name| format!("%{{{name}}}x")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let text =
        "2024-01-02T10:30:00Z a.b@example.com 10.0.0.1 13812345678 /usr/bin \"quoted\" http://a.b/c?d=e ";
    assert_linear("grok", &roles(&patterns), SIZE, |size| chat(&filled(text, size)));
}

#[test]
fn words_with_a_common_prefix() {
    let alike: Vec<String> = (0..2_000).map(|word| format!("{}{word:04}", "代".repeat(100))).collect();
    assert_linear("one character", &json!({"deny_words": alike}), SIZE, |size| chat(&filled("代", size)));
    let alike: Vec<String> = (0..2_000).map(|word| format!("aaaa bbbb cccc {word:04}")).collect();
    assert_linear("words", &json!({"deny_words": alike}), SIZE, |size| {
        chat(&filled("aaaa bbbb cccc ", size))
    });
    let built_in = json!({"system_deny": true, "deny_words": ["赌博网", "ass hole"]});
    assert_linear("built in", &built_in, SIZE, |size| chat(&filled("赌 博网站 as hole 毒品品 ", size)));
}

#[test]
fn thousands_of_masks_are_restored() {
    let config =
        json!({"replace_roles": [{"regex": r"\d{9}", "type": "replace", "value": "<$0>", "restore": true}]});
    let numbers =
        |size: usize| (0..size / 12).map(|n| format!("{:09}, ", 100_000_000 + n * 7919)).collect::<String>();
    let masked =
        |size: usize| (0..size / 12).map(|n| format!("<{:09}>,", 100_000_000 + n * 7919)).collect::<String>();
    assert_linear("masks", &config, SIZE, |size| {
        let (request, upstream) = chat(&numbers(size));
        let response = json!({"choices": [{"index": 0, "message": {"content": masked(size)}}]}).to_string();
        let json = ("content-type".into(), "application/json".into());
        (request, Upstream { body: response.as_str().into(), headers: vec![json], ..upstream })
    });
    assert_linear("near masks", &config, SIZE, |size| {
        let (request, upstream) = chat(&numbers(size));
        let text = filled("<100000000,<<10<1", size);
        let response = json!({"choices": [{"index": 0, "message": {"content": text}}]}).to_string();
        let json = ("content-type".into(), "application/json".into());
        (request, Upstream { body: response.as_str().into(), headers: vec![json], ..upstream })
    });
}

#[test]
fn whole_bodies() {
    let config = json!({"deny_openai": false, "deny_raw": true, "deny_words": ["badword", "代理商"],
        "replace_roles": [{"regex": r"\d{6}", "value": "******"}]});
    assert_linear("raw", &config, SIZE, |size| {
        let (request, upstream) = chat("");
        let body = filled("badwor 代理 12345 123456 ", size);
        (Request { body: Some(body.as_str().into()), ..request }, upstream)
    });
}

/// A stream of these texts, an event each, in pieces of so many bytes.
fn streams<T: AsRef<str>>(texts: &[T], events: usize, each: usize) -> (Request, Upstream) {
    let chunk = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let event = |text: &T| format!("data: {}\n\n", chunk(text.as_ref()));
    let body: String = texts.iter().cycle().take(events).map(event).collect();
    let (request, upstream) = chat("number 123456789");
    let headers = vec![("content-type".into(), "text/event-stream".into())];
    (
        request,
        Upstream {
            headers,
            body: body.as_str().into(),
            chunks: Some(Chunks::Each(Each { each })),
            ..upstream
        },
    )
}

#[test]
fn streams_of_many_events() {
    // The smallest stream holds as much text as all larger ones: each event searches it again.
    let config = json!({"deny_words": ["badword", "代理商"], "system_deny": true, "max_match_bytes": 32,
        "replace_roles": [{"regex": "[a-z]+[0-9]", "value": "*"}, {"regex": r"\d{9}", "value": "<$0>", "restore": true}]});
    for texts in [&["a"][..], &["badwor", "x", " "], &["<12345", "6789", "> "], &["abcdefgh", ". "]] {
        for each in [1, 997] {
            assert_linear(&format!("{texts:?} by {each}"), &config, 500, |events| {
                streams(texts, events, each)
            });
        }
    }
    assert_linear("masks", &config, 500, |events| {
        // What a mask is put back for is told by the request, and the response has each in two pieces.
        let numbers: Vec<String> = (0..events).map(|n| format!("{}", 100_000_000 + n * 7919)).collect();
        let halves =
            |n: &String| n.split_at_checked(4).map(|(one, other)| [format!("<{one}"), format!("{other}> ")]);
        let texts: Vec<String> = numbers.iter().filter_map(halves).flatten().collect();
        let (_, upstream) = streams(&texts, 2 * events, 997);
        (chat(&numbers.join(" ")).0, upstream)
    });
    assert_linear("one event", &config, SIZE, |size| streams(&[&filled("badwor a1 ", size)], 1, 100));
    let dry = json!({"deny_words": ["badword"], "system_deny": true, "dry_run": true});
    assert_linear("a dry run", &dry, SIZE, |size| streams(&[&filled("badword ", size)], 1, 100));
}

/// Creates a request with a body.
fn request_with(body: &str) -> (Request, Upstream) {
    (Request { method: "POST".into(), body: Some(body.into()), ..Request::default() }, Upstream::default())
}

/// Creates a document of a size: nested levels around values that fill it.
fn nested(open: &str, close: &str, values: &str, size: usize, levels: usize) -> String {
    let room = size.saturating_sub(levels * (open.len() + close.len()));
    format!("{}{{{}\"z\":0}}{}", open.repeat(levels), filled(values, room), close.repeat(levels))
}

#[test]
fn documents_of_any_depth() {
    let many: Vec<String> = (0..40).map(|name| format!("$..a..n{name}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for paths in
        [&["$..text"][..], &["$..a..text"], &["$..a..a..a..text"], &["$..*"], &["$..[*]", "$..text"], &many]
    {
        let config = json!({"deny_openai": false, "deny_jsonpath": paths, "deny_words": ["badword"]});
        for (open, close) in [("{\"a\":", "}"), ("[", "]"), ("[[],{\"\\u0061\":", "}]")] {
            let body = |size, levels| nested(open, close, "\"text\":\"x\",", size, levels);
            let cost = |size, levels| {
                let (request, upstream) = request_with(&body(size, levels));
                instructions(&config, &request, &upstream)
            };
            let name = format!("{paths:?} in {open}");
            let (small, deep) = (cost(32 << 10, 8), cost(32 << 10, 1_600));
            let ratio = deep as f64 / small as f64;
            println!("{name}: 1600 levels cost {deep}, 8 {small}: {ratio:.3}");
            // A level costs more per byte than a value, in a release module up to 2.03 times as much. Walking all levels for each
            // match would cost a hundred times as much.
            assert!(
                ratio <= 2.5,
                "{name}: 1600 levels cost {deep}, and 8 of the same size {small}: {ratio:.3}"
            );
            for levels in [4, 400] {
                let (before, after) = (cost(32 << 10, levels), cost(4 * (32 << 10), 4 * levels));
                let ratio = after as f64 / before as f64;
                println!("{name}: {levels} levels cost {before}, four times as much {after}: {ratio:.3}");
                assert!(
                    ratio <= linear::MAX_RATIO,
                    "{name}: {levels} levels cost {before}, four times as much {after}: {ratio:.3}"
                );
            }
        }
    }
}

#[test]
fn documents_of_any_shape() {
    let config = json!({"deny_words": ["badword"], "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    let raw = json!({"deny_openai": false, "deny_raw": true, "deny_words": ["badword"],
        "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    let both = json!({"deny_raw": true, "deny_words": ["badword"]});
    for (name, config) in [("texts", &config), ("raw", &raw), ("both", &both)] {
        assert_linear(&format!("one key, {name}"), config, SIZE, |size| {
            request_with(&format!("{{\"{}\":1}}", filled("k\\u0061\\n", size)))
        });
        assert_linear(&format!("keys and numbers, {name}"), config, SIZE, |size| {
            request_with(&format!(
                "{{{}\"z\":1}}",
                filled("\"content\":123456,\"\\u0061\":\"123456\",", size)
            ))
        });
        assert_linear(&format!("lines, {name}"), config, SIZE, |size| {
            request_with(&filled("{\"messages\":[{\"content\":\"123456\"}]}\n", size))
        });
        assert_linear(&format!("arguments, {name}"), config, SIZE, |size| {
            let arguments = format!("[{}0]", filled("\"123456\",123456,", size));
            let call = json!({"function": {"arguments": arguments}});
            request_with(&json!({"messages": [{"tool_calls": [call]}]}).to_string())
        });
        assert_linear(&format!("space, {name}"), config, 4 << 10, |size| {
            let (request, upstream) = request_with(&" ".repeat(size));
            (Request { chunks: Some(Chunks::Each(Each { each: 16 })), ..request }, upstream)
        });
    }
}

#[test]
fn open_ended_streams() {
    let config = json!({"deny_words": ["badword"], "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    for text in ["{\"messages\":[{\"content\":\"123456\"}]}\n", "{\"a\":[[[[\"]]\\\"\"]]]]}", " \n"] {
        assert_linear(&format!("{text:?} as gRPC"), &config, 4 << 10, |size| {
            let (request, upstream) = request_with(&filled(text, size));
            let headers = vec![("content-type".into(), "application/grpc".into())];
            (Request { headers, chunks: Some(Chunks::Each(Each { each: 16 })), ..request }, upstream)
        });
    }
}

#[test]
fn responses_of_many_lines_and_arguments() {
    let config = json!({"deny_words": ["badword"], "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    let response = |kind: &str, body: String| {
        let headers = vec![("content-type".into(), kind.into())];
        let (request, upstream) = chat("hi");
        (
            request,
            Upstream {
                headers,
                body: body.as_str().into(),
                chunks: Some(Chunks::Each(Each { each: 100 })),
                ..upstream
            },
        )
    };
    assert_linear("lines", &config, SIZE, |size| {
        response(
            "application/x-ndjson",
            filled("{\"choices\":[{\"message\":{\"content\":\"123456\"}}]}\n", size),
        )
    });
    assert_linear("no JSON", &config, SIZE, |size| {
        response("text/plain", filled("[1, 2] 123456 badwor ", size))
    });
    assert_linear("arguments", &config, 200, |events| {
        let event = |piece: &str| {
            let call = json!({"index": 0, "function": {"arguments": piece}});
            format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
        };
        let pieces = ["\"12345", "6\\u00", "31\", 12", "3456,"];
        let body: String = pieces.iter().cycle().take(events).map(|piece| event(piece)).collect();
        response("text/event-stream", event("[") + &body)
    });
    assert_linear("a large event of many choices", &config, SIZE, |size| {
        let choices: Vec<_> =
            (0..100).map(|index| json!({"index": index, "delta": {"content": "a badwor"}})).collect();
        let event = json!({"choices": choices, "x": "y".repeat(size)});
        response("text/event-stream", format!("data: {event}\n\n"))
    });
}

#[test]
fn each_event_of_a_stream_costs_little() {
    const MAX_PER_EVENT: u64 = 42_000;
    let config = json!({"deny_words": ["badword"], "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    linear::check_events(&**ENGINE, &config, MAX_PER_EVENT).unwrap();
    linear::check_memory(&**ENGINE, &config, 500).unwrap();
}
