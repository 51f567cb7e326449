//! Four times as much costs four times as much, whatever is configured: no text, no stream and no number of masks is
//! paid for by its square. Instructions of the module in the interpreter are the same in every run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

use serde_json::{Value, json};
use testkit::exchange::{Chunks, Each, Gateway, Request, Setup, Upstream};
use testkit::{Engine, Load};

/// What a body may cost when it is four times as large: what is built at first use belongs to the smaller one, and
/// looking for one of so many masks takes the logarithm of their number.
const MOST: f64 = 4.4;

/// In seconds this is one, about.
const AFFORDABLE: u64 = 200_000_000;

/// What the module's instructions are for one request and its answer.
fn instructions(config: &Value, request: &Request, upstream: &Upstream) -> u64 {
    let engine = testkit::interpreter(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"));
    let gateway = Gateway { buffer_limit: 64 << 20, ..Gateway::default() };
    let setup = Setup { configuration: Some(config.to_string()), gateway, ..Setup::default() };
    let Load::Loaded(mut loaded) = engine.load(&setup).unwrap() else { panic!("{config} is refused") };
    let outcome = loaded.exchange(request, upstream).unwrap();
    assert_eq!(outcome.answer.unwrap().status, 200, "{config}");
    outcome.instructions.unwrap()
}

/// Compares a size, of so many bytes or events, with the fourfold, and that with its own where it costs little.
fn grows(name: &str, config: &Value, size: usize, exchange: impl Fn(usize) -> (Request, Upstream)) {
    let cost = |size| {
        let (request, upstream) = exchange(size);
        instructions(config, &request, &upstream)
    };
    let mut before = cost(size);
    for size in [4 * size, 16 * size] {
        let after = cost(size);
        let ratio = after as f64 / before as f64;
        println!("{name}: {size} cost {after}, {} each, {ratio:.3} times a quarter", after / size as u64);
        assert!(ratio <= MOST, "{name}: {size} cost {after}, and a quarter of it {before}: {ratio:.3}");
        if after > AFFORDABLE {
            break;
        }
        before = after;
    }
}

/// A request with that text.
fn asks(text: &str) -> (Request, Upstream) {
    let body = json!({"messages": [{"role": "user", "content": text}]}).to_string();
    (
        Request { method: "POST".into(), body: Some(body.as_str().into()), ..Request::default() },
        Upstream::default(),
    )
}

/// The text, again and again.
fn filled(text: &str, size: usize) -> String {
    text.repeat(size.div_ceil(text.len()))
}

fn roles(patterns: &[&str]) -> Value {
    let roles: Vec<_> = patterns.iter().map(|regex| json!({"regex": regex, "value": "*"})).collect();
    json!({"replace_roles": roles})
}

#[test]
fn expressions_without_a_bound() {
    let patterns =
        [".*x", "(a+)+b", "[a-z]+[0-9]", "(a|aa)+c", "(?s).*y.*y", r"(\d+\s*)+;", "a{1,60}q", ".+@.+"];
    for text in ["a", "ab c1 ", "aaaa.\n", "a@ 12 z\n"] {
        let name = format!("{patterns:?} in {text:?}");
        grows(&name, &roles(&patterns), 16 << 10, |size| asks(&filled(text, size)));
    }
}

#[test]
fn every_grok_pattern() {
    let patterns: Vec<String> = matcher::grok::names().map(|name| format!("%{{{name}}}x")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let text =
        "2024-01-02T10:30:00Z a.b@example.com 10.0.0.1 13812345678 /usr/bin \"quoted\" http://a.b/c?d=e ";
    grows("grok", &roles(&patterns), 16 << 10, |size| asks(&filled(text, size)));
}

#[test]
fn words_that_begin_alike() {
    let alike: Vec<String> = (0..2_000).map(|word| format!("{}{word:04}", "代".repeat(100))).collect();
    grows("one character", &json!({"deny_words": alike}), 16 << 10, |size| asks(&filled("代", size)));
    let alike: Vec<String> = (0..2_000).map(|word| format!("aaaa bbbb cccc {word:04}")).collect();
    grows("words", &json!({"deny_words": alike}), 16 << 10, |size| asks(&filled("aaaa bbbb cccc ", size)));
    let built_in = json!({"system_deny": true, "deny_words": ["赌博网", "ass hole"]});
    grows("built in", &built_in, 16 << 10, |size| asks(&filled("赌 博网站 as hole 毒品品 ", size)));
}

#[test]
fn thousands_of_masks_are_put_back() {
    let config =
        json!({"replace_roles": [{"regex": r"\d{9}", "type": "replace", "value": "<$0>", "restore": true}]});
    let numbers =
        |size: usize| (0..size / 12).map(|n| format!("{:09}, ", 100_000_000 + n * 7919)).collect::<String>();
    let masked =
        |size: usize| (0..size / 12).map(|n| format!("<{:09}>,", 100_000_000 + n * 7919)).collect::<String>();
    grows("masks", &config, 16 << 10, |size| {
        let (request, upstream) = asks(&numbers(size));
        let answer = json!({"choices": [{"index": 0, "message": {"content": masked(size)}}]}).to_string();
        let json = ("content-type".into(), "application/json".into());
        (request, Upstream { body: answer.as_str().into(), headers: vec![json], ..upstream })
    });
    grows("near masks", &config, 16 << 10, |size| {
        let (request, upstream) = asks(&numbers(size));
        let text = filled("<100000000,<<10<1", size);
        let answer = json!({"choices": [{"index": 0, "message": {"content": text}}]}).to_string();
        let json = ("content-type".into(), "application/json".into());
        (request, Upstream { body: answer.as_str().into(), headers: vec![json], ..upstream })
    });
}

#[test]
fn whole_bodies() {
    let config = json!({"deny_openai": false, "deny_raw": true, "deny_words": ["badword", "代理商"],
        "replace_roles": [{"regex": r"\d{6}", "value": "******"}]});
    grows("raw", &config, 16 << 10, |size| {
        let (request, upstream) = asks("");
        let body = filled("badwor 代理 12345 123456 ", size);
        (Request { body: Some(body.as_str().into()), ..request }, upstream)
    });
}

/// A stream of these texts, an event each, in pieces of so many bytes.
fn streams<T: AsRef<str>>(texts: &[T], events: usize, each: usize) -> (Request, Upstream) {
    let chunk = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let event = |text: &T| format!("data: {}\n\n", chunk(text.as_ref()));
    let body: String = texts.iter().cycle().take(events).map(event).collect();
    let (request, upstream) = asks("number 123456789");
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
    let config = json!({"deny_words": ["badword", "代理商"], "system_deny": true,
        "replace_roles": [{"regex": "[a-z]+[0-9]", "value": "*"}, {"regex": r"\d{9}", "value": "<$0>", "restore": true}]});
    for texts in [&["a"][..], &["badwor", "x", " "], &["<12345", "6789", "> "], &["abcdefgh", ". "]] {
        for each in [1, 997] {
            grows(&format!("{texts:?} by {each}"), &config, 500, |events| streams(texts, events, each));
        }
    }
    grows("masks", &config, 500, |events| {
        // What a mask is put back for is told by the request, and the answer has each in two pieces.
        let numbers: Vec<String> = (0..events).map(|n| format!("{}", 100_000_000 + n * 7919)).collect();
        let halves =
            |n: &String| n.split_at_checked(4).map(|(one, other)| [format!("<{one}"), format!("{other}> ")]);
        let texts: Vec<String> = numbers.iter().filter_map(halves).flatten().collect();
        let (_, upstream) = streams(&texts, 2 * events, 997);
        (asks(&numbers.join(" ")).0, upstream)
    });
    grows("one event", &config, 16 << 10, |size| streams(&[&filled("badwor a1 ", size)], 1, 100));
    let dry = json!({"deny_words": ["badword"], "system_deny": true, "dry_run": true});
    grows("a dry run", &dry, 16 << 10, |size| streams(&[&filled("badword ", size)], 1, 100));
}

/// A request with that body.
fn sends(body: &str) -> (Request, Upstream) {
    (Request { method: "POST".into(), body: Some(body.into()), ..Request::default() }, Upstream::default())
}

/// A document of that size: so many levels, around as many values as there is room for.
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
                let (request, upstream) = sends(&body(size, levels));
                instructions(&config, &request, &upstream)
            };
            let name = format!("{paths:?} in {open}");
            let (small, deep) = (cost(96 << 10, 8), cost(96 << 10, 5_000));
            let ratio = deep as f64 / small as f64;
            println!("{name}: 5000 levels cost {deep}, 8 {small}: {ratio:.3}");
            // A level costs more for its bytes than a value; walking the levels for each match would cost hundreds of times.
            assert!(
                ratio <= 2.0,
                "{name}: 5000 levels cost {deep}, and 8 of the same size {small}: {ratio:.3}"
            );
            for levels in [4, 1_250] {
                let (before, after) = (cost(96 << 10, levels), cost(4 * (96 << 10), 4 * levels));
                let ratio = after as f64 / before as f64;
                println!("{name}: {levels} levels cost {before}, four times as much {after}: {ratio:.3}");
                assert!(
                    ratio <= MOST,
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
        grows(&format!("one key, {name}"), config, 16 << 10, |size| {
            sends(&format!("{{\"{}\":1}}", filled("k\\u0061\\n", size)))
        });
        grows(&format!("keys and numbers, {name}"), config, 16 << 10, |size| {
            sends(&format!("{{{}\"z\":1}}", filled("\"content\":123456,\"\\u0061\":\"123456\",", size)))
        });
        grows(&format!("lines, {name}"), config, 16 << 10, |size| {
            sends(&filled("{\"messages\":[{\"content\":\"123456\"}]}\n", size))
        });
        grows(&format!("arguments, {name}"), config, 16 << 10, |size| {
            let arguments = format!("[{}0]", filled("\"123456\",123456,", size));
            let call = json!({"function": {"arguments": arguments}});
            sends(&json!({"messages": [{"tool_calls": [call]}]}).to_string())
        });
        grows(&format!("space, {name}"), config, 4 << 10, |size| {
            let (request, upstream) = sends(&" ".repeat(size));
            (Request { chunks: Some(Chunks::Each(Each { each: 16 })), ..request }, upstream)
        });
    }
}

#[test]
fn what_says_that_it_has_no_end() {
    let config = json!({"deny_words": ["badword"], "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    for text in ["{\"messages\":[{\"content\":\"123456\"}]}\n", "{\"a\":[[[[\"]]\\\"\"]]]]}", " \n"] {
        grows(&format!("{text:?} as gRPC"), &config, 4 << 10, |size| {
            let (request, upstream) = sends(&filled(text, size));
            let headers = vec![("content-type".into(), "application/grpc".into())];
            (Request { headers, chunks: Some(Chunks::Each(Each { each: 16 })), ..request }, upstream)
        });
    }
}

#[test]
fn answers_of_many_lines_and_arguments() {
    let config = json!({"deny_words": ["badword"], "replace_roles": [{"regex": r"\d{6}", "value": "*"}]});
    let answer = |kind: &str, body: String| {
        let headers = vec![("content-type".into(), kind.into())];
        let (request, upstream) = asks("hi");
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
    grows("lines", &config, 16 << 10, |size| {
        answer(
            "application/x-ndjson",
            filled("{\"choices\":[{\"message\":{\"content\":\"123456\"}}]}\n", size),
        )
    });
    grows("no JSON", &config, 16 << 10, |size| answer("text/plain", filled("[1, 2] 123456 badwor ", size)));
    grows("arguments", &config, 200, |events| {
        let event = |piece: &str| {
            let call = json!({"index": 0, "function": {"arguments": piece}});
            format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}))
        };
        let pieces = ["\"12345", "6\\u00", "31\", 12", "3456,"];
        let body: String = pieces.iter().cycle().take(events).map(|piece| event(piece)).collect();
        answer("text/event-stream", event("[") + &body)
    });
    grows("a large event of many choices", &config, 16 << 10, |size| {
        let choices: Vec<_> =
            (0..100).map(|index| json!({"index": index, "delta": {"content": "a badwor"}})).collect();
        let event = json!({"choices": choices, "x": "y".repeat(size)});
        answer("text/event-stream", format!("data: {event}\n\n"))
    });
}
