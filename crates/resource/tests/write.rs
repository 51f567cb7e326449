//! What is written reads as the same value to every reader: this crate's, one of YAML 1.2, and one of the whole of YAML 1.1.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may stop")]

use proptest::prelude::*;
use regex::Regex;
use resource::yaml;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value, json};

/// Words without quotes by the regular expressions of <https://yaml.org/type/>, base 60 and times among them.
struct Resolver {
    word: Regex,
    int: Regex,
    float: Regex,
    other: Regex,
}

impl Resolver {
    fn new() -> Self {
        let whole = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).unwrap();
        Self {
            word: whole(
                "y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF|~|null|Null|NULL|",
            ),
            int: whole(
                "[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+",
            ),
            float: whole(
                r"[-+]?(?:[0-9][0-9_]*)?\.[0-9.]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            ),
            other: whole(r"<<|=|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9].*)?"),
        }
    }

    fn read(&self, text: &str) -> Value {
        // Ends of lines to YAML 1.1.
        assert!(!text.contains(['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}', '\t', '\r']), "{text:?}");
        let events =
            Parser::new_from_str(text).map(|event| event.unwrap_or_else(|error| panic!("{error}\n{text}")).0);
        let mut events = events.filter(|event| {
            !matches!(
                event,
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd
            )
        });
        let value = self.value(&mut events).unwrap();
        assert!(events.next().is_none(), "a second document in {text}");
        value
    }

    fn value<'t>(&self, events: &mut dyn Iterator<Item = Event<'t>>) -> Option<Value> {
        Some(match events.next()? {
            Event::Scalar(text, ScalarStyle::Plain, ..) => self.plain(&text),
            Event::Scalar(text, ..) => Value::String(text.into()),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                while let Some(item) = self.value(events) {
                    items.push(item);
                }
                Value::Array(items)
            }
            Event::MappingStart(..) => {
                let mut fields = Map::new();
                while let Some(key) = self.value(events) {
                    let Value::String(key) = key else { panic!("{key} is not a string") };
                    fields.insert(key, self.value(events)?);
                }
                Value::Object(fields)
            }
            _ => return None,
        })
    }

    fn plain(&self, text: &str) -> Value {
        match text {
            "true" => return true.into(),
            "false" => return false.into(),
            "null" => return Value::Null,
            _ => {}
        }
        if self.int.is_match(text) {
            // Octal, binary and base 60 are never meant.
            return text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<u64>().map(Value::from))
                .unwrap();
        }
        if self.float.is_match(text) {
            return text.parse::<f64>().unwrap().into();
        }
        assert!(!self.word.is_match(text) && !self.other.is_match(text), "{text:?} is not a string");
        Value::String(text.into())
    }
}

#[track_caller]
fn means_the_same(value: &Value) {
    let resolver = Resolver::new();
    for text in [yaml::write(value).unwrap(), yaml::write_inline(value).unwrap()] {
        assert_eq!(yaml::read(&text).unwrap()[0].to_json(), *value, "{text}");
        assert_eq!(resolver.read(&text), *value, "{text}");
        let other: Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(other, *value, "{text}");
    }
}

/// A text as a value, as a key, in lists and in objects.
fn everywhere(text: &str) -> Value {
    json!({ text: text, "list": [text, [text, { text: text }], { "in": text, text: { "er": [text] } }], "last": { text: [1] } })
}

/// Texts that some reader takes for something else where they stand without quotes.
const ODD: &[&str] = &[
    "on",
    "off",
    "On",
    "OFF",
    "y",
    "Y",
    "n",
    "N",
    "yes",
    "Yes",
    "yEs",
    "no",
    "true",
    "False",
    "null",
    "Null",
    "~",
    "",
    " ",
    "1",
    "-1",
    "+1",
    "1.0",
    "01",
    "010",
    "08",
    "1_000",
    "_1",
    "0x1f",
    "0x",
    "0b1",
    "0o17",
    "017",
    "1e3",
    "64e5",
    "1E+3",
    ".5",
    "5.",
    "1.2.3",
    "1.0.0-rc1",
    ".inf",
    "-.inf",
    ".nan",
    ".",
    "..",
    "1:30",
    "12:30:45",
    "190:20:30.15",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "2001-12-14 21:59:43.10 -5",
    "<<",
    "=",
    "- a",
    "-",
    "-a",
    "--",
    "---",
    "--- a",
    "...",
    "?",
    "? a",
    ": a",
    ":",
    "a: b",
    "a:",
    "a:b",
    "a::b",
    "a #b",
    "a#b",
    "#a",
    "a ",
    " a",
    "a  b",
    "a\nb",
    "a\n",
    "\n",
    "a\tb",
    "\ta",
    "a\r\nb",
    "'a'",
    "\"a\"",
    "a'b",
    "a\"b",
    "\\",
    "\\n",
    "%a",
    "@a",
    "`a",
    "*",
    "*a",
    "&a",
    "!a",
    "!!str a",
    "|",
    ">",
    "|-",
    "[a]",
    "[",
    "]",
    "{a}",
    "{",
    "}",
    "a,b",
    ",",
    "中文",
    "é",
    "٣",
    "😀",
    "\u{85}",
    "\u{2028}",
    "a\u{2029}b",
    "\u{feff}a",
    "a\u{feff}",
    "\u{7f}",
    "\u{0}",
    "\u{1}",
    "\u{a0}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{e000}",
    "/admin",
    "/",
    "//",
    "~/x",
    "registry.example.com/a@sha256:0",
    "127.0.0.1:5000/a:1",
    "10.0.0.0/8",
    "::1",
    "swagger.html",
    "hello world",
    "x-mse-consumer",
    "*.example.com",
    "NaN",
    "Infinity",
    "none",
    "nan",
    "inf",
    "%YAML 1.1",
    "%TAG ! a",
];

#[test]
fn texts_that_look_like_something_else_stay_texts() {
    for text in ODD {
        means_the_same(&everywhere(text));
        means_the_same(&json!(text));
    }
}

#[test]
fn keys_of_any_length_are_keys() {
    for length in [990, 1000, 1022, 1023, 1024, 1025, 5000] {
        means_the_same(&everywhere(&"k".repeat(length)));
        means_the_same(&everywhere(&"*".repeat(length)));
        means_the_same(&json!([{ "é".repeat(length): { "a": [{ "b".repeat(length): [] }] } }]));
    }
}

#[test]
fn numbers_are_what_a_cluster_makes_of_them() {
    means_the_same(&json!([
        0,
        -1,
        i64::MIN,
        i64::MAX,
        u64::MAX,
        1.5,
        -0.25,
        1e300,
        1.5e-7,
        true,
        false,
        null,
        [],
        {},
        [[]],
        [{}]
    ]));
    // JSON's 403.0 is 403 in a cluster.
    assert_eq!(yaml::write(&json!({ "a": 403.0, "b": 1e300 })).unwrap(), "a: 403\nb: 1.0e+300\n");
}

#[test]
fn it_looks_as_people_write_it() {
    let value = json!({
        "b": 1, "a": { "on": "on", "list": [{ "x": 1.5, "y": null }, "z", [], {}, [1, "a"]] }, "version": "1.0",
        "none": {}, "url": "oci://registry.example.com/plugins/add-header:1.0.0", "text": "hello world",
    });
    let text = "b: 1\na:\n  \"on\": \"on\"\n  list:\n  - x: 1.5\n    \"y\": null\n  - z\n  - []\n  - {}\n  - [1, \"a\"]\n\
                version: \"1.0\"\nnone: {}\nurl: oci://registry.example.com/plugins/add-header:1.0.0\ntext: hello world\n";
    assert_eq!(yaml::write(&value).unwrap(), text);
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    assert!(yaml::write(&deep).unwrap_err().message.contains("nested deeper"));
    let long = Value::Array(vec![json!(1); 100_001]);
    assert!(yaml::write(&long).unwrap_err().message.contains("more than 100000 values"));
}

/// Any value: texts of all characters, and of pieces that mean something to YAML.
fn values() -> impl Strategy<Value = Value> {
    let pieces = prop::sample::select(ODD);
    let text = prop_oneof![
        any::<String>(),
        pieces.clone().prop_map(str::to_owned),
        prop::collection::vec(pieces, 1..4).prop_map(|pieces| pieces.concat()),
        "[-+.:_0-9eExob]{1,8}",
        "[-a-z0-9.:/#@* _]{1,12}",
    ];
    let number = any::<f64>().prop_filter_map("finite and broken", |float| {
        // A whole one is written as a whole number.
        (float.is_finite() && float.fract() != 0.0).then(|| json!(float))
    });
    let leaf = prop_oneof![
        text.clone().prop_map(Value::String),
        any::<i64>().prop_map(Value::from),
        number,
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((text.clone(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_value_means_the_same_to_every_reader(value in values()) {
        means_the_same(&value);
    }
}
