//! Values as a cluster parses them, their positions, and invalid YAML.

use serde_json::json;

use super::*;

fn one(text: &str) -> Node {
    let mut documents = read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    assert_eq!(documents.len(), 1, "{text:?}");
    documents.remove(0)
}

#[test]
fn words_without_quotes_are_what_a_cluster_makes_of_them() {
    for (text, value) in [
        ("on", json!(true)),
        ("No", json!(false)),
        ("y", json!(true)),
        ("yEs", json!("yEs")),
        ("'on'", json!("on")),
        ("~", json!(null)),
        ("nothing", json!("nothing")),
        ("403", json!(403)),
        ("-1", json!(-1)),
        ("+1", json!(1)),
        ("0777", json!(511)),
        ("08", json!(8)),
        ("0o17", json!(15)),
        ("0x1F", json!(31)),
        ("-0b11", json!(-3)),
        ("1_000", json!(1000)),
        ("403.0", json!(403)),
        ("1e3", json!(1000)),
        ("1.5", json!(1.5)),
        (".5", json!(0.5)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("18446744073709551615", json!(u64::MAX)),
        ("--1", json!("--1")),
        ("0x", json!("0x")),
        ("1.2.3", json!("1.2.3")),
        ("10.0.0.0/8", json!("10.0.0.0/8")),
        ("12:30:45", json!("12:30:45")),
        ("2001-12-14", json!("2001-12-14")),
        ("\"1\"", json!("1")),
        ("!!str 1", json!("1")),
        ("!!int 1", json!(1)),
        ("|\n  a\n  b\n", json!("a\nb\n")),
        ("{404: a, on: b}", json!({"404": "a", "true": "b"})),
    ] {
        assert_eq!(one(text).to_json(), value, "{text}");
    }
}

#[test]
fn anchors_aliases_and_merged_objects_are_filled_in() {
    let text = "a: &a {x: 1, w: 2}\nb: *a\nc: {<<: *a, w: 3}\nd: {w: 4, <<: [{z: 5}, *a]}\n";
    let value = json!({
        "a": {"x": 1, "w": 2}, "b": {"x": 1, "w": 2}, "c": {"w": 3, "x": 1}, "d": {"w": 4, "z": 5, "x": 1}
    });
    assert_eq!(one(text).to_json(), value);
}

#[test]
fn keys_keep_their_order() {
    assert_eq!(one("{z: 1, a: 2, m: 3}").to_json().to_string(), r#"{"z":1,"a":2,"m":3}"#);
}

#[test]
fn documents_are_read_one_by_one() {
    assert_eq!(read("---\na: 1\n---\n---\nb: 2\n...\n").unwrap().len(), 3);
    assert_eq!(read("# nothing\n").unwrap(), []);
    assert_eq!(read("").unwrap(), []);
}

#[test]
fn a_path_leads_to_its_place() {
    let text = "\
block_urls: [swagger.html, '']
_rules_:
- _match_domain_: [a.com]
  插件: {name: x}
- _match_domain_:
  - a.com
  - b.com
a.b[0]: {c: 1}
";
    let node = one(text);
    for (path, start, end) in [
        ("", (1, 1), (8, 15)),
        ("block_urls", (1, 1), (1, 31)),
        ("block_urls[1]", (1, 28), (1, 30)),
        ("_rules_[0]._match_domain_[0]", (3, 20), (3, 25)),
        ("_rules_[0].插件.name", (4, 8), (4, 15)),
        ("_rules_[1]._match_domain_[1]", (7, 5), (7, 10)),
        ("a.b[0].c", (8, 10), (8, 14)),
        ("a.b[0].d", (8, 1), (8, 15)),
        ("_rules_[1].missing", (5, 3), (7, 10)),
        ("_rules_[7].missing", (2, 1), (7, 10)),
        ("nowhere", (1, 1), (8, 15)),
    ] {
        let Span { start: from, end: to } = node.find(path);
        // A flow list ends with its last entry; the bracket belongs to no value.
        assert_eq!((from.line, from.column), start, "{path}");
        assert_eq!((to.line, to.column), end, "{path}");
    }
}

#[test]
fn what_is_no_yaml_names_its_place_and_a_remedy() {
    for (text, line, column, message) in [
        ("a: 1\na: 2\n", 2, 1, "duplicate key `a` (first defined on line 1): remove one"),
        ("x: {a: 1, b: 2, a: 3}", 1, 17, "duplicate key `a`"),
        ("a:\n\t- b\n", 2, 2, "replace the tab"),
        ("a: 1\n\tb: 2\n", 1, 4, "replace the tab"),
        ("a: b: c\n", 1, 5, "put a text with `: ` in it in quotes"),
        ("a: *x\n", 1, 4, "write `&name` before the value"),
        ("a: &x [*x]\n", 1, 8, "is an alias of the value that it stands in"),
        ("a: @x\n", 1, 4, "put a text that begins so in quotes"),
        ("a: \"\\q\"\n", 1, 4, "double a backslash"),
        ("a: {b: 1\n", 2, 1, "close the bracket or brace"),
        ("a: [1, 2\nb: 3\n", 2, 2, "close the bracket or brace"),
        ("a: 'x\n", 1, 4, "close the quotation mark"),
        ("a: !x y\n", 1, 4, "has a tag, `!x`, that a cluster does not take: remove it"),
        ("a: !!int x\n", 1, 4, "is not what its tag `!!int` says"),
        ("a: .nan\n", 1, 4, "is a number that JSON does not have"),
        ("<<: 1\n", 1, 5, "cannot be merged"),
        ("? [a]\n: b\n", 1, 3, "is not a valid key"),
    ] {
        let error = read(text).expect_err(text);
        assert!(error.message.contains(message), "{text:?} gave {error}");
        assert_eq!((error.position.line, error.position.column), (line, column), "{text:?}: {error}");
    }
}

#[test]
fn no_text_fills_the_memory_or_the_stack() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = format!("*a{}", level - 1);
        let entries = vec![below; 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{entries}]\n");
    }
    assert!(read(&bomb).expect_err("a bomb").message.contains("more than 100000 values"));
    for deep in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        assert!(read(&deep).is_err());
    }
}

#[test]
fn what_is_written_is_found_again() {
    let text = "a: [ä, 64e5]\nb:\n  c: 0x10 # ten\n";
    let document = &read(text).unwrap()[0];
    let written = |path: &str| document.at(path)?.span().of(text);
    assert_eq!(written("a[0]"), Some("ä"));
    assert_eq!(written("a[1]"), Some("64e5"));
    assert_eq!(written("b.c"), Some("0x10"));
    assert_eq!((written("b.d"), written("a[2]"), written("a[1].x")), (None, None, None));
}
