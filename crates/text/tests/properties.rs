//! Documents of every kind, against a reader of the whole tree.

#![allow(clippy::unwrap_used, reason = "tests may")]

use proptest::prelude::*;
use serde_json::Value;
use text::json::{self, Kind, MAX_LEVELS, Names, Paths};

fn find(document: &str, paths: &[&str]) -> Vec<(usize, String)> {
    let found = json::find(document.as_bytes(), &Paths::new(paths).unwrap()).unwrap();
    found.into_iter().map(|found| (found.path, document[found.span].to_owned())).collect()
}

/// Pieces from which something near to JSON is made.
fn near_json() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\",
        "\\u12",
        "\"\u{1}\"",
        "é",
        " ",
        "\n",
        "0",
        "-",
        "1",
        "01",
        ".5",
        "1.5",
        "e",
        "E+3",
        "true",
        "false",
        "null",
        "nul",
        "{\"a\":",
        "[1,",
        "\u{feff}",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,9}".prop_map(Value::String),
        prop::sample::select(vec!["\u{1}\"\\/", "敏感词", "😀"]).prop_map(Value::from),
    ];
    let key = prop::sample::select(vec!["a", "b", "c", "d e", "é"]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

/// Steps as the test understands them: (`..`?, a name, an index or anything).
type Steps = Vec<(bool, Option<Result<&'static str, usize>>)>;

fn steps() -> impl Strategy<Value = Steps> {
    let selector = prop_oneof![
        Just(None),
        prop::sample::select(vec!["a", "b", "c", "d e", "é"]).prop_map(|name| Some(Ok(name))),
        (0..4_usize).prop_map(|index| Some(Err(index))),
    ];
    prop::collection::vec((any::<bool>(), selector), 0..4)
}

fn written(steps: &Steps) -> String {
    let mut path = String::from("$");
    for (descendant, selector) in steps {
        path.push_str(if *descendant { ".." } else { "" });
        path.push_str(&match selector {
            None => "[*]".to_owned(),
            Some(Ok(name)) => format!("['{name}']"),
            Some(Err(index)) => format!("[{index}]"),
        });
    }
    path
}

/// What steps name, by the definition: every node reached, once.
fn by_definition<'v>(
    value: &'v Value,
    steps: &[(bool, Option<Result<&'static str, usize>>)],
    into: &mut Vec<&'v Value>,
) {
    let Some(((descendant, selector), rest)) = steps.split_first() else {
        if !into.iter().any(|other| std::ptr::eq(*other, value)) {
            into.push(value);
        }
        return;
    };
    let children: Vec<(Result<&str, usize>, &Value)> = match value {
        Value::Array(values) => values.iter().enumerate().map(|(index, value)| (Err(index), value)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (Ok(key.as_str()), value)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        if selector.is_none_or(|selector| selector == step) {
            by_definition(child, rest, into);
        }
        if *descendant {
            by_definition(child, steps, into);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_grammar_is_that_of_serde_json(document in near_json()) {
        let ours = json::find(document.as_bytes(), &Paths::default()).is_ok();
        prop_assert_eq!(ours, serde_json::from_str::<Value>(&document).is_ok() , "{}", document);
    }

    #[test]
    fn paths_select_the_same_values_as_in_a_tree(tree in tree(), steps in steps(), pretty in any::<bool>()) {
        let document = if pretty { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() };
        let found: Vec<Value> = find(&document, &[&written(&steps)])
            .iter()
            .map(|(_, text)| serde_json::from_str(text).unwrap())
            .collect();
        let mut named = Vec::new();
        by_definition(&tree, &steps, &mut named);
        let sorted = |values: Vec<String>| { let mut values = values; values.sort(); values };
        prop_assert_eq!(
            sorted(found.iter().map(Value::to_string).collect()),
            sorted(named.into_iter().map(Value::to_string).collect()),
            "{} in {}", written(&steps), document
        );
    }

    #[test]
    fn strings_are_decoded_and_encoded_like_in_serde_json(text in any::<String>()) {
        let literal = json::encode(&text);
        prop_assert_eq!(&serde_json::from_str::<String>(&literal).unwrap(), &text);
        let theirs = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(json::decode(theirs.as_bytes()).unwrap(), text);
    }

    #[test]
    fn an_edit_changes_only_its_range(text in "[a-c\u{1}\"é😀\\\\]{0,12}", cuts in any::<(prop::sample::Index, prop::sample::Index)>(), new in any::<String>()) {
        let mut places: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
        places.push(text.len());
        let (one, other) = (*cuts.0.get(&places), *cuts.1.get(&places));
        let range = one.min(other)..one.max(other);
        let literal: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let changed = json::splice(format!("\"{literal}\"").as_bytes(), &[(range.clone(), &new)]).unwrap();
        let mut expected = text.clone();
        expected.replace_range(range, &new);
        prop_assert_eq!(json::decode(&changed).unwrap(), expected);
    }
}

#[test]
fn matches_have_their_indexes_and_range() {
    let document = r#"{"messages":[{"content":"a"},{"content":[{"type":"text","text":"b"},{"type":"x"}], "content": null}]}"#;
    let paths = Paths::new(&[
        "$.messages[*].content",
        "$.messages[*].content[*].text",
        "$.messages[*].content[*].type",
    ])
    .unwrap();
    let found = json::find(document.as_bytes(), &paths).unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.path, &*found.indexes, found.kind, &document[found.span.clone()]))
        .collect();
    assert_eq!(
        told,
        [
            (0, &[0][..], Kind::String, r#""a""#),
            (0, &[1], Kind::Array, r#"[{"type":"text","text":"b"},{"type":"x"}]"#),
            (2, &[1, 0], Kind::String, r#""text""#),
            (1, &[1, 0], Kind::String, r#""b""#),
            (2, &[1, 1], Kind::String, r#""x""#),
            (0, &[1], Kind::Null, "null"),
        ]
    );
}

#[test]
fn names_are_exact_or_in_any_case() {
    let paths = Paths::new(&["$.task"]).unwrap().with(&["$.Task", "$[*]['other','task']"], Names::AnyCase);
    let paths = paths.unwrap();
    let found = |key: &str| {
        let document = format!("{{\"{key}\":{{\"{key}\":1}}}}");
        json::find(document.as_bytes(), &paths)
            .unwrap()
            .into_iter()
            .map(|found| found.path)
            .collect::<Vec<_>>()
    };
    assert_eq!(found("task"), [0, 1, 2]);
    for key in ["Task", "TASK", "ta\u{17f}k", "tas\u{212a}", "TA\u{17f}\u{212a}", r"\u0054a\u017f\u212a"] {
        assert_eq!(found(key), [1, 2], "{key}");
    }
    for key in [
        "tas",
        "tasks",
        "t\u{e5}sk",
        "task\u{307}",
        "\u{ff54}ask",
        "ta\u{17f}s",
        "\u{17f}\u{17f}\u{17f}\u{17f}",
        "",
    ] {
        assert_eq!(found(key), [0; 0], "{key}");
    }
}

#[test]
fn values_of_one_object_are_within_it() {
    let document = r#"{"a":[{"b":1,"c":[2]}],"a":[{"b":3}]}"#;
    let paths = Paths::new(&["$", "$.a[*]", "$.a[*].b", "$.a[*].c[0]"]).unwrap();
    let found = json::find(document.as_bytes(), &paths).unwrap();
    let within: Vec<_> = found.iter().map(|found| (found.path, found.within)).collect();
    assert_eq!(within, [(0, 0), (1, 5), (2, 6), (3, 17), (1, 27), (2, 28)]);
}

#[test]
fn numbers_that_python_writes_are_numbers() {
    let document = r#"{"a":NaN,"b":[Infinity,-Infinity,NaN]}"#;
    let found = json::find(document.as_bytes(), &Paths::new(&["$..*"]).unwrap()).unwrap();
    let numbers =
        found.iter().filter(|found| found.kind == Kind::Number).map(|found| &document[found.span.clone()]);
    assert_eq!(numbers.collect::<Vec<_>>(), ["NaN", "Infinity", "-Infinity", "NaN"]);
    for wrong in ["nan", "Nan", "-NaN", "+Infinity", "Inf", "NaNa", "[Infinit]"] {
        assert!(json::find(wrong.as_bytes(), &Paths::default()).is_err(), "{wrong}");
    }
}

#[test]
fn several_documents_of_one_text_are_read_one_after_the_other() {
    let text = "{\"a\":[1,\"x\"]}\n [2] \"z\"";
    let paths = Paths::new(&["$.a[1]", "$[0]"]).unwrap();
    let (found, end) = json::find_at(text, 0, &paths).unwrap();
    assert_eq!((&text[found[0].span.clone()], &text[end..]), ("\"x\"", "\n [2] \"z\""));
    let (found, end) = json::find_at(text, end, &paths).unwrap();
    assert_eq!((&text[found[0].span.clone()], &text[end..]), ("2", " \"z\""));
    let (literals, end) = json::literals_at(text, 0).unwrap();
    let told: Vec<_> =
        literals.iter().map(|literal| (&text[literal.span.clone()], literal.is_string)).collect();
    assert_eq!(told, [("\"a\"", true), ("1", false), ("\"x\"", true)]);
    assert_eq!(end, 13);
    assert!(json::find_at(text, text.len(), &paths).is_err());
}

#[test]
fn slices_and_unions_select_several_values() {
    let document = "[0,1,2,3,4,5]";
    for (path, expected) in [
        ("$[1:4]", "1 2 3"),
        ("$[::2]", "0 2 4"),
        ("$[1::3]", "1 4"),
        ("$[:2]", "0 1"),
        ("$[4, 0, 9]", "0 4"),
        ("$", document),
        ("$.a", ""),
    ] {
        let found: Vec<_> = find(document, &[path]).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found.join(" "), expected, "{path}");
    }
    // A value that several ways lead to is one, and a duplicate path names it twice.
    assert_eq!(find(r#"{"a":{"a":{"a":7}}}"#, &["$..a..a"]).len(), 2);
    assert_eq!(find("[1]", &["$[0]", "$[0,0]", "$[0]"]).len(), 3);
    assert_eq!(
        find(r#"{"a\"b":1,"a'b":2}"#, &[r#"$["a\"b"]"#, r"$['a\'b']"]),
        [(0, "1".into()), (1, "2".into())]
    );
}

#[test]
fn nesting_is_supported_up_to_the_limit() {
    let nested = |levels: usize| format!("{}7{}", "[".repeat(levels), "]".repeat(levels));
    let paths = Paths::new(&["$..*"]).unwrap();
    let found = json::find(nested(MAX_LEVELS).as_bytes(), &paths).unwrap();
    assert_eq!(found.len(), MAX_LEVELS);
    let error = json::find(nested(MAX_LEVELS + 1).as_bytes(), &paths).unwrap_err();
    assert_eq!(error.to_string(), format!("byte {MAX_LEVELS}: is nested too deeply"));
}

#[test]
fn errors_have_a_position() {
    for (document, expected) in [
        (&b""[..], "byte 0: expected a value"),
        (b"{\"a\" 1}", "byte 5: expected a colon after the key"),
        (b"{a: 1}", "byte 1: expected a key in quotes"),
        (b"[1 2]", "byte 3: expected a comma or the end of the array or object"),
        (b"[1}", "byte 2: expected a comma or the end of the array or object"),
        (b"[1,]", "byte 3: expected a value"),
        (b"1 1", "byte 2: nothing may follow the document's value"),
        (b"\"a", "byte 2: the string has no end"),
        (b"\"a\nb\"", "byte 2: a control character in a string must be escaped"),
        (b"\"\\q\"", "byte 1: no such escape"),
        (b"\"\\u00g0\"", "byte 1: \\u needs four hexadecimal digits"),
        (b"-", "byte 1: expected a digit"),
        (b"\"\xFF\"", "byte 1: is not UTF-8"),
    ] {
        let error = json::find(document, &Paths::default()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{:?}", String::from_utf8_lossy(document));
    }
}
