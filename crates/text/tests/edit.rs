//! Editing of documents, against a tree that keeps white space.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may")]

use proptest::prelude::*;
use text::json::edit::{self, Retain};
use text::json::{DotPath, encode};

/// A value with the white space inside of it.
#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Leaf(String),
    Array(Vec<Entry>, String),
    Object(Vec<Entry>, String),
}

/// A value of an array or an object, with its key, and the white space around it.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    before: String,
    /// The key, its literal, and the white space around the colon.
    key: Option<(String, String, String, String)>,
    value: Tree,
    after: String,
}

impl Tree {
    fn print(&self) -> String {
        let list = |entries: &[Entry], space: &str, (open, close): (char, char)| {
            let entries: Vec<String> = entries.iter().map(Entry::print).collect();
            let inside = if entries.is_empty() { space.to_owned() } else { entries.join(",") };
            format!("{open}{inside}{close}")
        };
        match self {
            Tree::Leaf(text) => text.clone(),
            Tree::Array(entries, space) => list(entries, space, ('[', ']')),
            Tree::Object(entries, space) => list(entries, space, ('{', '}')),
        }
    }
}

impl Entry {
    fn print(&self) -> String {
        let Self { before, key, value, after } = self;
        let key = key.as_ref().map(|(_, literal, left, right)| format!("{literal}{left}:{right}"));
        format!("{before}{}{}{after}", key.unwrap_or_default(), value.print())
    }

    fn is(&self, index: usize, step: &str) -> bool {
        match &self.key {
            Some((key, ..)) => key == step,
            None => step == "#" || step == index.to_string(),
        }
    }
}

fn space() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "", "", " ", "\n\t", "  "]).prop_map(str::to_owned)
}

/// Keys, and literals for them.
const KEYS: [(&str, &str); 6] = [
    ("a", "\"a\""),
    ("a", "\"\\u0061\""),
    ("b", "\"b\""),
    ("0", "\"0\""),
    ("q\"\\", "\"q\\\"\\\\\""),
    ("c", "\"c\""),
];

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop::sample::select(vec![
        "1",
        "1.0e0",
        "-0",
        "true",
        "null",
        "\"\"",
        "\"x\"",
        "\"\\u0078\"",
        "\"]}\\\"{[,:\"",
        "[]",
        "{}",
    ]);
    let leaf = (leaf, space()).prop_map(|(text, space)| match text {
        "[]" => Tree::Array(Vec::new(), space),
        "{}" => Tree::Object(Vec::new(), space),
        text => Tree::Leaf(text.to_owned()),
    });
    leaf.prop_recursive(4, 40, 4, |inner| {
        let entry = (space(), inner.clone(), space()).prop_map(|(before, value, after)| Entry {
            before,
            key: None,
            value,
            after,
        });
        let key = (prop::sample::select(KEYS.to_vec()), space(), space());
        let member = (space(), key, inner, space()).prop_map(|(before, (key, left, right), value, after)| {
            Entry { before, key: Some((key.0.to_owned(), key.1.to_owned(), left, right)), value, after }
        });
        prop_oneof![
            (prop::collection::vec(entry, 0..4), space()).prop_map(|(list, space)| Tree::Array(list, space)),
            (prop::collection::vec(member, 0..4), space())
                .prop_map(|(list, space)| Tree::Object(list, space)),
        ]
    })
}

fn path() -> impl Strategy<Value = Vec<String>> {
    let step = prop::sample::select(vec!["a", "b", "c", "0", "1", "#", "q\"\\"]).prop_map(str::to_owned);
    prop::collection::vec(step, 1..4)
}

fn parsed(path: &[String]) -> DotPath {
    DotPath::parse(&path.iter().map(|step| step.replace('\\', "\\\\")).collect::<Vec<_>>().join(".")).unwrap()
}

/// Calls `change` with every value on the path, and `add` with every object or array that lacks the next one.
fn walk(
    tree: &mut Tree,
    path: &[String],
    change: &mut dyn FnMut(&mut Tree),
    add: &mut dyn FnMut(&mut Tree, &[String]),
) {
    let Some((step, rest)) = path.split_first() else { return change(tree) };
    let mut found = false;
    if let Tree::Array(entries, _) | Tree::Object(entries, _) = tree {
        for (index, entry) in entries.iter_mut().enumerate() {
            if entry.is(index, step) {
                found = true;
                walk(&mut entry.value, rest, change, add);
            }
        }
    }
    if !found {
        add(tree, path);
    }
}

/// What is to be added for the rest of a path.
fn built(path: &[String], value: &str) -> Option<String> {
    let Some((step, rest)) = path.split_first() else { return Some(value.to_owned()) };
    let inside = built(rest, value)?;
    match (step.as_str(), step.parse::<usize>()) {
        ("#", _) => None,
        (_, Ok(index)) => Some(format!("[{}{inside}]", "null,".repeat(index))),
        (key, _) => Some(format!("{{{}:{inside}}}", encode(key))),
    }
}

fn add(tree: &mut Tree, path: &[String], value: &str) {
    let (step, rest) = path.split_first().unwrap();
    let Some(inside) = built(rest, value) else { return };
    let (entries, space, new) = match tree {
        Tree::Array(entries, space) => {
            let Ok(index) = step.parse::<usize>() else { return };
            let others = "null,".repeat(index - entries.len());
            (entries, space, format!("{others}{inside}"))
        }
        Tree::Object(_, _) if step == "#" => return,
        Tree::Object(entries, space) => (entries, space, format!("{}:{inside}", encode(step))),
        Tree::Leaf(_) => return,
    };
    // White space at the end stays there.
    let after = entries.last_mut().map(|last| std::mem::take(&mut last.after));
    let (before, after) = match after {
        Some(after) => (String::new(), after),
        None => (String::new(), std::mem::take(space)),
    };
    entries.push(Entry { before, key: None, value: Tree::Leaf(new), after });
}

/// Removes entries with one comma each: that before them, or after the first.
fn drop_entries(entries: &mut Vec<Entry>, space: &mut String, is_removed: impl Fn(usize, &Entry) -> bool) {
    let mut kept: Vec<Entry> = Vec::new();
    let mut first: Option<String> = None;
    let mut last = String::new();
    for (index, mut entry) in std::mem::take(entries).into_iter().enumerate() {
        if is_removed(index, &entry) {
            match kept.last_mut() {
                Some(before) => before.after += &entry.after,
                None => {
                    first.get_or_insert(entry.before);
                    last = entry.after;
                }
            }
        } else {
            if kept.is_empty()
                && let Some(first) = &first
            {
                entry.before = first.clone();
            }
            kept.push(entry);
        }
    }
    if kept.is_empty()
        && let Some(first) = first
    {
        *space = first + &last;
    }
    *entries = kept;
}

fn remove(tree: &mut Tree, path: &[String]) {
    let (last, parent) = path.split_last().unwrap();
    walk(
        tree,
        parent,
        &mut |tree| {
            if let Tree::Array(entries, space) | Tree::Object(entries, space) = tree {
                drop_entries(entries, space, |index, entry| entry.is(index, last));
            }
        },
        &mut |_, _| {},
    );
}

fn edited(document: &str, result: edit::Edited) -> String {
    String::from_utf8(result.unwrap().unwrap_or_else(|| document.as_bytes().to_vec())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_is_set_and_all_else_stays(tree in tree(), path in path()) {
        let document = tree.print();
        let mut expected = tree;
        walk(
            &mut expected,
            &path,
            &mut |tree| *tree = Tree::Leaf("7.50".into()),
            &mut |tree, rest| add(tree, rest, "7.50"),
        );
        let result = edited(&document, edit::set(document.as_bytes(), &parsed(&path), b"7.50"));
        prop_assert_eq!(result, expected.print(), "{} {:?}", document, path);
    }

    #[test]
    fn the_last_of_duplicate_keys_stays_and_counts(tree in tree(), path in path()) {
        let read = |document: &[u8]| serde_json::from_slice::<serde_json::Value>(document).unwrap();
        let (document, dots) = (tree.print(), parsed(&path));
        let bytes = document.as_bytes();
        let kept = edited(&document, edit::keep_last(bytes, &dots));
        prop_assert_eq!(read(kept.as_bytes()), read(bytes), "{}", kept);
        prop_assert_eq!(edit::keep_last(kept.as_bytes(), &dots), Ok(None));
        if !dots.has_each() {
            let pointer = format!("/{}", path.join("/"));
            let found = edit::get_last(bytes, &dots).unwrap().map(read);
            prop_assert_eq!(&found, &read(bytes).pointer(&pointer).cloned());
            let set = edited(&document, edit::set_last(bytes, &dots, b"7.50"));
            let is_set = edit::get_last(set.as_bytes(), &dots).unwrap() == Some(b"7.50".as_slice());
            // A value on the path is not replaced.
            prop_assert!(is_set || found.is_none() && set == kept, "{}", set);
            prop_assert!(set.len() <= document.len() + 100, "{}", set);
        }
    }

    #[test]
    fn a_value_is_inserted_only_where_there_is_none(tree in tree(), path in path()) {
        let document = tree.print();
        let mut expected = tree;
        walk(&mut expected, &path, &mut |_| {}, &mut |tree, rest| add(tree, rest, "{}"));
        let result = edited(&document, edit::insert(document.as_bytes(), &parsed(&path), b"{}"));
        prop_assert_eq!(result, expected.print(), "{} {:?}", document, path);
    }

    #[test]
    fn a_value_is_appended(tree in tree(), path in path()) {
        let document = tree.print();
        let mut expected = tree;
        walk(
            &mut expected,
            &path,
            &mut |tree| match tree {
                Tree::Array(entries, space) => {
                    let after = entries.last_mut().map_or(std::mem::take(space), |last| std::mem::take(&mut last.after));
                    entries.push(Entry { before: String::new(), key: None, value: Tree::Leaf("9".into()), after });
                }
                other => *other = Tree::Leaf(format!("[{},9]", other.print())),
            },
            &mut |tree, rest| add(tree, rest, "9"),
        );
        let result = edited(&document, edit::append(document.as_bytes(), &parsed(&path), b"9"));
        prop_assert_eq!(result, expected.print(), "{} {:?}", document, path);
    }

    #[test]
    fn a_value_is_removed_and_all_else_stays(tree in tree(), path in path()) {
        let document = tree.print();
        let mut expected = tree;
        remove(&mut expected, &path);
        let result = edited(&document, edit::remove(document.as_bytes(), &parsed(&path)));
        prop_assert_eq!(result, expected.print(), "{} {:?}", document, path);
    }

    #[test]
    fn a_key_is_renamed_in_its_place(
        tree in tree(),
        parent in prop_oneof![Just(Vec::new()), path()],
        last in prop::sample::select(vec!["a", "b", "q\"\\"]),
        new in prop::sample::select(vec!["c", "new"]),
    ) {
        let [path, to] = [last, new].map(|key| [parent.as_slice(), &[key.to_owned()]].concat());
        let document = tree.print();
        let mut expected = tree;
        walk(
            &mut expected,
            &parent,
            &mut |tree| {
                let Tree::Object(entries, space) = tree else { return };
                if !entries.iter().any(|entry| entry.is(0, last)) {
                    return;
                }
                drop_entries(entries, space, |_, entry| entry.is(0, new));
                for entry in entries {
                    if let Some(key) = entry.key.as_mut().filter(|key| key.0 == last) {
                        key.1 = encode(new);
                    }
                }
            },
            &mut |_, _| {},
        );
        let result = edited(&document, edit::rename(document.as_bytes(), &parsed(&path), &parsed(&to)));
        prop_assert_eq!(result, expected.print(), "{} {:?}", document, path);
    }

    #[test]
    fn an_array_is_deduplicated(tree in tree(), path in path()) {
        let document = tree.print();
        for retain in [Retain::First, Retain::Last, Retain::Unique] {
            let mut expected = tree.clone();
            walk(
                &mut expected,
                &path,
                &mut |tree| {
                    let Tree::Array(entries, space) = tree else { return };
                    let text = |entry: &Entry| match &entry.value {
                        Tree::Leaf(text) => text.replace("\\u0078", "x"),
                        other => other.print(),
                    };
                    let texts: Vec<String> = entries.iter().map(text).collect();
                    drop_entries(entries, space, |index, _| match retain {
                        Retain::First => index > 0,
                        Retain::Last => index + 1 < texts.len(),
                        Retain::Unique => texts[..index].contains(&texts[index]),
                    });
                    if let [one] = entries.as_slice() {
                        *tree = one.value.clone();
                    }
                },
                &mut |_, _| {},
            );
            let result = edited(&document, edit::dedupe(document.as_bytes(), &parsed(&path), retain));
            prop_assert_eq!(result, expected.print(), "{} {:?}", &document, &path);
        }
    }

    #[test]
    fn a_value_is_read(tree in tree(), path in path()) {
        prop_assume!(!path.contains(&"#".to_owned()));
        let document = tree.print();
        let mut all = Vec::new();
        walk(&mut tree.clone(), &path, &mut |tree| all.push(tree.print()), &mut |_, _| {});
        let found = edit::get(document.as_bytes(), &parsed(&path)).unwrap();
        prop_assert_eq!(found.map(|text| String::from_utf8(text.into_owned()).unwrap()), all.pop());
    }

    #[test]
    fn no_input_panics(document in "[\\[\\]{}\",:a0 \\\\]{0,24}", path in path()) {
        let path = parsed(&path);
        let _ = edit::get(document.as_bytes(), &path);
        for result in [
            edit::set(document.as_bytes(), &path, b"1"),
            edit::append(document.as_bytes(), &path, b"1"),
            edit::remove(document.as_bytes(), &path),
            edit::rename(document.as_bytes(), &path, &parsed(&["z".into()])),
            edit::dedupe(document.as_bytes(), &path, Retain::Unique),
        ] {
            if let Ok(Some(changed)) = result {
                prop_assert!(edit::get(&changed, &path).is_ok(), "{}", String::from_utf8_lossy(&changed));
            }
        }
    }
}

#[test]
fn values_of_all_entries_are_an_array_and_their_number_is_the_count() {
    let document = br#"{"f": [{"n": "Dale", "t": [1, 2]}, {"n": "Roger"}, 5], "o": {"0": 1}, "e": []}"#;
    for (path, value) in [
        ("f.#.n", Some(r#"["Dale","Roger"]"#)),
        ("f.#", Some("3")),
        ("f.1.n", Some("\"Roger\"")),
        ("f.0.t", Some("[1, 2]")),
        ("f.#.t", Some("[[1, 2]]")),
        ("f.#.x", Some("[]")),
        ("e.#", Some("0")),
        ("e.#.x", Some("[]")),
        ("o.#", None),
        ("o.#.x", None),
        ("o.0", Some("1")),
        ("x", None),
    ] {
        let found = edit::get(document, &DotPath::parse(path).unwrap()).unwrap();
        assert_eq!(found.as_deref().map(|text| str::from_utf8(text).unwrap()), value, "{path}");
    }
}

#[test]
fn a_value_moves_to_another_place() {
    let rename = |document: &str, from: &str, to: &str| {
        let [from, to] = [from, to].map(|path| DotPath::parse(path).unwrap());
        edited(document, edit::rename(document.as_bytes(), &from, &to))
    };
    assert_eq!(
        rename(r#"{ "a": {"b": 1.0, "c": 2}, "d": 3 }"#, "a.b", "d"),
        r#"{ "a": {"c": 2}, "d": 1.0 }"#
    );
    assert_eq!(rename(r#"{"a": [1, 2]}"#, "a.0", "b.c"), r#"{"a": [2],"b":{"c":1}}"#);
    assert_eq!(rename(r#"{"a": 1}"#, "x.y", "z"), r#"{"a": 1}"#);
    assert_eq!(rename(r#"{"a": 1}"#, "a", "a"), r#"{"a": 1}"#);
}

#[test]
fn ranges_are_replaced_in_any_order() {
    let replaced = |edits: Vec<(std::ops::Range<usize>, &str)>| {
        edit::replace_ranges(b"[1,2]", edits.into_iter().map(|(range, by)| (range, by.as_bytes().to_vec())))
    };
    assert_eq!(replaced(vec![(3..4, "9"), (1..1, "0,")]).as_deref(), Some(&b"[0,1,9]"[..]));
    assert_eq!(replaced(vec![(1..2, "1")]), None);
    assert_eq!(replaced(vec![]), None);
}

#[test]
fn duplicate_keys_on_a_path_are_ambiguous() {
    for (document, path, expected) in [
        (r#"{"a": {"b": 1}}"#, "a.b", true),
        (r#" {"a": {"b": 1, "c": 1, "c": 2}, "d": 1, "d": 2}"#, "a.b", true),
        (r#"{"a": {"b": 1, "b": 1}}"#, "a.b", false),
        (r#"{"a": {"b": 1, "\u0062": 2}}"#, "a.b", false),
        (r#"{"a": {"b": 1}, "a": {}}"#, "a.b", false),
        (r#"{"a": 1, "a": {"b": 1}}"#, "a.b", false),
        (r#"{"c": {"b": 1}}"#, "a.b", true),
        (r#"[{"b": 1}, {"b": 2}]"#, "#.b", true),
        (r#"[{"b": 1}, {"b": 2, "b": 3}]"#, "#.b", false),
        (r#"[[1, 2], [3]]"#, "#.#", true),
        (r#"[[1, 2], [3]]"#, "0.1", true),
        ("1", "a", true),
    ] {
        let path = DotPath::parse(path).unwrap();
        assert_eq!(edit::is_unambiguous(document.as_bytes(), &path), Ok(expected), "{document}");
    }
    assert!(edit::is_unambiguous(b"{", &DotPath::parse("a").unwrap()).is_err());
}
