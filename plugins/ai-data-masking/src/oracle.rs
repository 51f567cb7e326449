//! Invariants for any chunking of a stream: the client receives no denied word and no restorable mask, neither in the
//! concatenated texts nor in the bytes, and little text is held.

use std::collections::BTreeMap;

use ::config::Document;
use serde_json::{Value, json};
use testkit::Random;
use text::chat::Api;
use text::sse;

use crate::config::Config;
use crate::masks::Masks;
use crate::stream::Stream;
use crate::whole;

fn config(fields: &Value) -> Config {
    Document::<Config>::from_json(fields.to_string().as_bytes()).unwrap().global.unwrap()
}

fn chunk(index: usize, content: &str) -> Vec<u8> {
    let data = json!({"choices": [{"index": index, "delta": {"content": content}}]});
    sse::event(data.to_string().as_bytes())
}

/// Creates a stream of texts that alternates between choices.
fn stream(choices: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for turn in 0..choices.iter().map(|texts| texts.len()).max().unwrap() {
        for (index, texts) in choices.iter().enumerate() {
            bytes.extend(texts.get(turn).map(|text| chunk(index, text)).unwrap_or_default());
        }
    }
    bytes.extend(sse::event(b"[DONE]"));
    bytes
}

/// Parses a stream like a client. Returns the texts by choice, and true if the end mark was received.
fn client(bytes: &[u8]) -> (BTreeMap<u64, String>, bool) {
    let mut reader = sse::Reader::default();
    reader.push(bytes);
    let (mut texts, mut done) = (BTreeMap::<u64, String>::new(), false);
    while let Some(event) = reader.next() {
        assert!(!done, "no event after the end mark");
        let data = event.data().unwrap().into_owned();
        if data == b"[DONE]" {
            done = true;
            continue;
        }
        let value: Value = serde_json::from_slice(&data).unwrap();
        for choice in value["choices"].as_array().unwrap() {
            let text = choice["delta"]["content"].as_str().unwrap_or_default();
            texts.entry(choice["index"].as_u64().unwrap()).or_default().push_str(text);
        }
    }
    assert_eq!(reader.held(), 0, "only complete events are released");
    (texts, done)
}

/// Sends a stream in chunks. Returns the released bytes, and true if the stream was denied.
fn send(config: &Config, masks: &Masks, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    let mut stream = Stream::default();
    let mut out = Vec::new();
    let mut from = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let output = stream.push(config, masks, &bytes[from..end], end == bytes.len());
        assert!(!output.broken);
        out.extend(output.bytes);
        if output.denial.is_some() {
            return (out, true);
        }
        from = end;
    }
    assert!(!stream.holds(), "everything is released at the end");
    (out, false)
}

const DENY_MESSAGE: &str = "[denied]";

fn denying() -> Config {
    config(&json!({"deny_words": ["badword", "hello world", "代理商"], "deny_message": DENY_MESSAGE}))
}

/// Returns true if a text contains a denied word, by a simple definition.
fn is_denied(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["badword", "hello world"].iter().any(|word| {
        lower.match_indices(word).any(|(start, word)| {
            let before = lower[..start].chars().next_back();
            let after = lower[start + word.len()..].chars().next();
            // Adjacent Chinese characters are not part of the word.
            let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && c < '\u{2e80}');
            !is_letter(before) && !is_letter(after)
        })
    }) || lower.contains("代理商")
}

fn check_denied(config: &Config, choices: &[&[&str]], bytes: &[u8], cuts: &[usize]) {
    let (out, denied) = send(config, &Masks::default(), bytes, cuts);
    let (texts, done) = client(&out);
    assert!(done, "{choices:?} {cuts:?}");
    let expected = choices.iter().any(|texts| is_denied(&texts.concat()));
    assert_eq!(denied, expected, "{choices:?} {cuts:?}");
    for (index, text) in &texts {
        let original = choices[usize::try_from(*index).unwrap()].concat();
        let shown = text.strip_suffix(DENY_MESSAGE).filter(|_| denied).unwrap_or(text);
        assert!(!is_denied(shown) && original.starts_with(shown), "{choices:?} {cuts:?}: {text}");
        assert!(denied || *shown == original, "{choices:?} {cuts:?}: {text}");
    }
    // An event may contain `badword` as part of a longer word.
    let bytes = String::from_utf8(out).unwrap();
    assert!(!bytes.contains("代理商"), "{choices:?} {cuts:?}");
    assert!(!denied || choices.len() > 1 || !is_denied(&bytes), "{choices:?} {cuts:?}");
}

#[test]
fn no_denied_word_passes_for_any_two_cuts() {
    let config = denying();
    let streams: &[&[&[&str]]] = &[
        &[&["a bad", "word!"]],
        &[&["b", "adwor", "d"]],
        &[&["badword", "s are fine"]],
        &[&["x hello", " ", "world"]],
        &[&["我的代", "理", "商"], &["代", "理人"]],
        &[&["bad"], &["word"]],
        &[&["bad", "", "word"]],
    ];
    for choices in streams {
        let bytes = stream(choices);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                check_denied(&config, choices, &bytes, &[first, second]);
            }
        }
    }
}

fn texts(random: &mut Random, material: &[&'static str]) -> Vec<&'static str> {
    (0..random.below(9)).map(|_| material[random.below(material.len())]).collect()
}

fn cuts(random: &mut Random, length: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..random.below(12)).map(|_| random.below(length)).collect();
    cuts.sort_unstable();
    cuts
}

#[test]
fn no_denied_word_passes_for_random_chunks() {
    let config = denying();
    let material =
        ["bad", "word", "badword", " ", "hello", " world", "s", "代", "理商", "理", "b", "a", "d", "", "Ba"];
    let mut random = Random::new(1);
    for _ in 0..3_000 {
        let (a, b) = (texts(&mut random, &material), texts(&mut random, &material));
        let choices = [a.as_slice(), b.as_slice()];
        if a.is_empty() && b.is_empty() {
            continue;
        }
        let bytes = stream(&choices);
        let cuts = cuts(&mut random, bytes.len());
        check_denied(&config, &choices, &bytes, &cuts);
    }
}

fn masking() -> (Config, Masks) {
    let config = config(&json!({"replace_roles": [
        {"regex": r"1[3-9]\d{9}", "type": "replace", "value": "<phone>", "restore": true},
        {"regex": r"[a-z]+@[a-z]+\.com", "type": "replace", "value": "****"},
    ]}));
    let mut masks = Masks::default();
    let request = json!({"messages": [{"role": "user", "content": "I am 13812345678"}]}).to_string();
    let verdict = whole::request(&config, Api::Chat, request.as_bytes(), &mut masks).unwrap();
    assert_eq!(verdict.changed.unwrap(), request.replace("13812345678", "<phone>").as_bytes());
    (config, masks)
}

/// Returns the number of phone numbers in a text, by a simple definition.
fn numbers(text: &str) -> usize {
    let (mut count, mut rest) = (0, text.as_bytes());
    while let Some((_, after)) = rest.split_first() {
        let is_number = matches!(rest, [b'1', b'3'..=b'9', ..])
            && rest.len() >= 11
            && rest[..11].iter().all(u8::is_ascii_digit);
        count += usize::from(is_number);
        rest = if is_number { &rest[11..] } else { after };
    }
    count
}

fn check_masked(config: &Config, masks: &Masks, texts: &[&str], cuts: &[usize]) {
    let bytes = stream(&[texts]);
    let cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(bytes.len())).collect();
    let (out, denied) = send(config, masks, &bytes, &cuts);
    assert!(!denied);
    let (seen, done) = client(&out);
    assert!(done);
    // The same for the complete text.
    let original = texts.concat();
    let edits = crate::roles::edits(config.rules.roles.as_ref(), masks, &original);
    let seen = seen.get(&0).cloned().unwrap_or_default();
    assert_eq!(seen, crate::roles::apply(&original, &edits), "{texts:?} {cuts:?}");
    // Phone numbers of the model are masked, and these masks are not restored.
    assert_eq!(seen.matches("<phone>").count(), numbers(&original), "{texts:?} {cuts:?}: {seen}");
}

#[test]
fn masks_are_restored_and_matches_masked_for_any_two_cuts() {
    let (config, masks) = masking();
    let streams: &[&[&str]] = &[
        &["you are <ph", "one>, <phone", ">"],
        &["<phone><phone>", "<phone"],
        &["write to me@", "home.com or 139", "12345678!"],
        &["a@b.co", "mm <", "phone>"],
    ];
    for texts in streams {
        let length = stream(&[texts]).len();
        for first in 0..=length {
            for second in first..=length {
                check_masked(&config, &masks, texts, &[first, second]);
            }
        }
    }
}

#[test]
fn masks_are_restored_and_matches_masked_for_random_chunks() {
    let (config, masks) = masking();
    let material = [
        "<", "phone", ">", "<phone>", "139", "12345678", "me@", "home", ".com", " ", "<ph", "one>", "x", "你",
    ];
    let mut random = Random::new(2);
    for _ in 0..3_000 {
        let texts = texts(&mut random, &material);
        let length = stream(&[&texts, &["x"]]).len();
        let cuts = cuts(&mut random, length);
        check_masked(&config, &masks, &texts, &cuts);
    }
}

#[test]
fn tokens_flow_and_held_text_is_bounded() {
    let config = config(&json!({
        "deny_words": ["badword"],
        "max_match_bytes": 64,
        "replace_roles": [{"regex": "[a-z]+[0-9]", "value": "*"}],
    }));
    let masks = Masks::default();
    let mut stream = Stream::default();
    let mut sent = 0;
    let mut shown = 0;
    for _ in 0..200 {
        sent += 8;
        let out = stream.push(&config, &masks, &chunk(0, "abcdefgh"), false);
        shown += client(&out.bytes).0.get(&0).map_or(0, String::len);
        assert!(sent - shown <= 64 + 8, "{sent} {shown}");
    }
    // Text that cannot match is not held.
    let out = stream.push(&config, &masks, &chunk(0, ". "), false);
    shown += client(&out.bytes).0[&0].len();
    assert_eq!(shown, sent + 2);
    for text in ["Fine. ", "So, ", "1 2 3, "] {
        let out = stream.push(&config, &masks, &chunk(0, text), false);
        assert_eq!(out.bytes, chunk(0, text));
    }
}

#[test]
fn deny_raw_searches_all_bytes_of_a_stream() {
    let config = config(&json!({"deny_openai": false, "deny_raw": true, "deny_words": ["badword"]}));
    for (stream, denied) in [
        (&b"data: a badword\n\ndata: more\n\n"[..], true),
        (b"data: bad word\n\n: badwords\n\n", false),
        (b"data: \xff\xfe badword \xe4\xbd\n\n", true),
        (b"data: \xff\xfe \xe4\xbd\xa0 \xe4\xbd\n\n", false),
    ] {
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let (out, was) = send(&config, &Masks::default(), stream, &[first, second]);
                assert_eq!(was, denied);
                assert_eq!(out == stream, !denied, "{first} {second}");
                let end = out.windows(7).any(|window| window == b"badword");
                assert!(!end || !denied, "{first} {second}");
            }
        }
    }
}

/// Creates a random document with many matches.
fn document(random: &mut Random, depth: usize) -> Value {
    let text = |random: &mut Random| {
        ["123456", "a 1234567", "\"12\\3456", "x", "", "\n123456\u{1}", "你123456"][random.below(7)]
            .to_owned()
    };
    match random.below(if depth == 0 { 4 } else { 8 }) {
        0 => Value::Null,
        1 => json!([12, 1_234_567, -123_456, 1_750_000_000][random.below(4)]),
        2 => json!(1.234_567),
        3 | 4 => json!(text(random)),
        5 => (0..random.below(4)).map(|_| document(random, depth - 1)).collect(),
        6 => json!({"messages": [{"content": text(random), "tool_calls": [{"function": {
            "arguments": document(random, depth - 1).to_string()}}]}],
            "choices": [{"message": {"content": text(random)}}], "content": [{"text": text(random)}]}),
        _ => {
            Value::Object((0..random.below(4)).map(|_| (text(random), document(random, depth - 1))).collect())
        }
    }
}

#[test]
fn masked_json_stays_valid() {
    let role =
        json!([{"regex": r"\d{6}", "value": "\"\\*\n", "restore": true}, {"regex": "你", "value": "9"}]);
    let configs = [
        json!({"deny_openai": false, "deny_raw": true, "replace_roles": role}),
        json!({"deny_raw": true, "replace_roles": role}),
        json!({"deny_jsonpath": ["$..*"], "replace_roles": role}),
    ];
    let configs = configs.each_ref().map(config);
    let mut random = Random::new(3);
    let mut changed = 0;
    let reads = |text: &[u8]| {
        serde_json::Deserializer::from_slice(text).into_iter::<Value>().collect::<Result<Vec<_>, _>>()
    };
    for _ in 0..3_000 {
        let documents: Vec<Value> = (0..=random.below(3)).map(|_| document(&mut random, 3)).collect();
        let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
        // Other values are not inspected as JSON.
        if !lines[0].starts_with(['{', '[']) {
            continue;
        }
        let body = lines.join("\n");
        for config in &configs {
            let mut masks = Masks::default();
            let request = whole::request(config, Api::Chat, body.as_bytes(), &mut masks).unwrap();
            let response = whole::response(config, body.as_bytes(), &masks).unwrap();
            for new in [request.changed, response.changed].into_iter().flatten() {
                changed += 1;
                let text = String::from_utf8_lossy(&new);
                let read = reads(&new).unwrap_or_else(|error| panic!("{body}\nbecame\n{text}\n{error}"));
                assert_eq!(read.len(), documents.len(), "{body}\nbecame\n{text}");
                assert!(!text.contains("\n\n"), "{text}");
            }
            if lines.len() == 1 {
                let event = sse::event(body.as_bytes());
                let (out, _) = send(config, &masks, &event, &[]);
                let mut reader = sse::Reader::default();
                reader.push(&out);
                while let Some(event) = reader.next() {
                    reads(&event.data().unwrap()).unwrap();
                }
            }
        }
    }
    assert!(changed > 1_000, "{changed}");
}

#[test]
fn a_stream_with_too_many_texts_is_cut_off() {
    let config = config(&json!({"deny_words": ["badword"]}));
    let mut one_by_one = Stream::default();
    let mut broken = 0;
    for index in 0..1_000 {
        let output = one_by_one.push(&config, &Masks::default(), &chunk(index, "badwor"), false);
        broken += usize::from(output.broken);
        assert_eq!(output.broken, index > 128, "{index}");
    }
    assert!(broken > 0);
    let mut blocks = Stream::default();
    for index in 0..1_000 {
        let delta = json!({"type": "content_block_delta", "index": index, "delta": {"text": "badwor"}});
        let stop = json!({"type": "content_block_stop", "index": index});
        for data in [delta, stop] {
            let output =
                blocks.push(&config, &Masks::default(), &sse::event(data.to_string().as_bytes()), false);
            assert!(!output.broken, "{index}");
        }
    }
    let choices: Vec<Value> =
        (0..200).map(|index| json!({"index": index, "delta": {"content": "x"}})).collect();
    let at_once = sse::event(json!({"choices": choices}).to_string().as_bytes());
    assert!(Stream::default().push(&config, &Masks::default(), &at_once, false).broken);
}

#[test]
fn events_of_the_same_form_are_released_as_others() {
    let (config, masks) = masking();
    let event = |number: u32, content: &str, rest: &str| {
        format!(
            "event: message\ndata: {{\"sequence_number\": {number}, \"choices\":[{{\"index\":{},\"delta\":{{\"content\":\"{content}\"}}}}]{rest},\
             \"obfuscation\":\"{}\"}}\n\n",
            number % 5 / 4,
            "x".repeat(number as usize % 3)
        )
    };
    let mut random = Random::new(7);
    let texts =
        ["", "a", " b", "1", "3812", "345", "678", "\\n", "\\\"", "\u{4e2d}", "c@d", ".com", " hidden"];
    for _ in 0..300 {
        let mut stream = String::new();
        for number in 0..1 + random.below(30) as u32 {
            let text = texts[random.below(texts.len())];
            let rest = if random.below(8) == 0 { ",\"usage\":null" } else { "" };
            stream += &event(number, text, rest);
        }
        if random.below(2) == 0 {
            stream += "data: [DONE]\n\n";
        }
        // In single bytes, no event is complete when it is compared.
        let cuts: Vec<usize> = (1..stream.len()).collect();
        let (slow, _) = send(&config, &masks, stream.as_bytes(), &cuts);
        let (fast, _) = send(&config, &masks, stream.as_bytes(), &[]);
        assert_eq!(String::from_utf8_lossy(&fast), String::from_utf8_lossy(&slow), "{stream}");
    }
}
