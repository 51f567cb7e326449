//! Headers that are changed in a copy and written back.

#![allow(clippy::unwrap_used, reason = "a test that fails may stop")]

mod host;

/// Adds the headers that its configuration names, removes those with an `x`, and gives `twice` two values.
mod rewrite {
    use sdk::prelude::*;

    #[derive(Deserialize)]
    pub struct Config {
        add: Vec<String>,
    }

    struct Rewrite;

    #[plugin]
    impl Plugin for Rewrite {
        const NAME: &'static str = "rewrite";
        type Config = Config;

        fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
            let before = request.all();
            let kept = before.iter().filter(|(name, _)| !name.starts_with(b"x"));
            let added = config.add.iter().map(|name| (name.as_bytes(), b"new".as_slice()));
            let pairs: Vec<_> = kept.chain(added).collect();
            request.write(&before, pairs.iter().copied());
            Flow::Continue
        }
    }
}

type Pairs = Vec<(String, String)>;

fn run(add: &str) -> (Vec<&'static str>, Pairs, Pairs) {
    const ROOT: u32 = 1;
    let host = host::install();
    let entry = rewrite::entry();
    let configuration: &'static str = format!(r#"{{"add": {add}}}"#).leak();
    host.borrow_mut().configuration = configuration;
    (entry.on_context_create)(ROOT, 0);
    assert!((entry.on_configure)(ROOT, configuration.len()));
    host.borrow_mut().pairs =
        vec![(":path", "/"), ("a", "1"), ("x-1", "2"), ("a", "3"), ("x-1", "4"), ("b", "new")];
    host.borrow_mut().calls.clear();
    (entry.on_context_create)(2, ROOT);
    entry.on_request_headers.unwrap()(2, 6, true);
    let mut host = host.borrow_mut();
    (std::mem::take(&mut host.calls), std::mem::take(&mut host.set), std::mem::take(&mut host.written))
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_few_changes_are_made_one_by_one() {
    let (calls, set, written) = run(r#"["c", "d", "d"]"#);
    assert_eq!(calls, ["header_pairs", "replace_header", "replace_header", "add_header", "remove_header"]);
    assert_eq!(set, pairs(&[("c", "new"), ("d", "new"), ("d", "new")]));
    assert_eq!(written, []);
}

#[test]
fn a_value_in_addition_sets_all_values_of_its_name() {
    let (calls, set, _) = run(r#"["a"]"#);
    assert_eq!(calls, ["header_pairs", "replace_header", "add_header", "add_header", "remove_header"]);
    assert_eq!(set, pairs(&[("a", "1"), ("a", "3"), ("a", "new")]));
}

#[test]
fn many_changes_are_made_at_once() {
    let (calls, set, written) = run(r#"["c", "d", "e", "f"]"#);
    assert_eq!(calls, ["header_pairs", "set_header_pairs"]);
    assert_eq!(set, []);
    let all = [
        (":path", "/"),
        ("a", "1"),
        ("a", "3"),
        ("b", "new"),
        ("c", "new"),
        ("d", "new"),
        ("e", "new"),
        ("f", "new"),
    ];
    assert_eq!(written, pairs(&all));
}
