//! Each field of each plug-in with each kind of mistake, and what else may be wrong with a file.

use std::path::Path;

use serde_json::{Value, json};

use super::verdict::Verdict;
use super::*;
use crate::schema::{Field, fields};

fn checker(workspace: &Workspace) -> Checker<'_> {
    Checker { workspace, plugin: None, helpers: HashMap::new() }
}

/// The file, line, field and message of the only document, which is refused.
fn refusal(checker: &mut Checker<'_>, text: &str) -> (usize, String, String) {
    let reports = checker.file(Path::new("f.yaml"), text).unwrap();
    let [report] = reports.as_slice() else { panic!("{text}: {reports:?}") };
    assert_eq!(report.file, "f.yaml");
    match &report.verdict {
        Verdict::Refused { error } => (error.line, error.path.clone(), error.message.clone()),
        other => panic!("is not refused: {other:?}\n{text}"),
    }
}

/// A mistake: what is written for the field, where the error must point behind it, and words that it must have.
struct Mistake {
    value: Value,
    inside: &'static str,
    words: String,
}

/// What can be written wrong for a field, by its schema.
fn mistakes(schema: &Value) -> Vec<Mistake> {
    let mistake = |value: Value| Mistake { value, inside: "", words: "must".into() };
    let mut mistakes = Vec::new();
    mistakes.push(mistake(match schema["type"].as_str() {
        Some("string") => json!([1]),
        Some("boolean" | "integer" | "number" | "array") => json!("text"),
        Some("object") => json!(5),
        // Of several types; no field is an object or a text, and nothing else.
        _ => json!([[]]),
    }));
    mistakes.extend(schema["minimum"].as_i64().map(|least| mistake(json!(least - 1))));
    mistakes.extend(schema["maximum"].as_i64().map(|most| mistake(json!(most + 1))));
    if schema["enum"].is_array() {
        mistakes.push(Mistake { words: "must be one of `".into(), ..mistake(json!("nonsense")) });
    }
    if schema["minLength"] == 1 {
        mistakes.push(Mistake { words: "must not be empty: write".into(), ..mistake(json!("")) });
    }
    if schema["pattern"].is_string() {
        mistakes.push(Mistake { words: "write".into(), ..mistake(json!("a\nb")) });
    }
    if schema["type"] == "array" && schema["items"]["type"] != "object" {
        for entry in self::mistakes(&schema["items"]) {
            mistakes.push(Mistake { value: json!([entry.value]), inside: "[0]", words: entry.words });
        }
    }
    mistakes
}

/// Puts a value at the path of a field, making the objects and lists that lead there.
fn put(document: &mut Value, path: &str, value: Value) {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let name = key.trim_end_matches("[]");
    if !document.is_object() {
        *document = json!({});
    }
    let mut place = &mut document[name];
    if key != name {
        if !place.get(0).is_some_and(Value::is_object) {
            *place = json!([{}]);
        }
        place = &mut place[0];
    }
    if rest.is_empty() { *place = value } else { put(place, rest, value) }
}

/// The path of the first one in each list.
fn first(path: &str) -> String {
    path.replace("[]", "[0]")
}

/// The configuration alone, and as the second of a resource's match rules of which the first is disabled; with
/// what goes before a field's path.
fn written(plugin: &Plugin, configuration: &Value) -> [(String, &'static str); 2] {
    let disabled = json!({ "domain": ["a.com"], "configDisable": true });
    let rule = json!({ "domain": ["b.com"], "config": configuration });
    let resource = json!({
        "apiVersion": "extensions.higress.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": plugin.name },
        "spec": { "matchRules": [disabled, rule] },
    });
    let yaml = |value: &Value| format!("# written by hand\n{}", config::yaml::write(value).unwrap());
    [(yaml(configuration), ""), (yaml(&resource), "spec.matchRules[1].config.")]
}

#[test]
fn every_mistake_in_every_field_of_every_plug_in_names_line_field_and_remedy() {
    let workspace = Workspace::load().unwrap();
    for plugin in workspace.plugins.iter().filter(|plugin| !plugin.classic) {
        let helper = Helper::build(&workspace, plugin).unwrap();
        let schema = helper.schema().unwrap();
        let example = Value::Object(plugin.manifest().unwrap().example);
        let mut checker = checker(&workspace);
        checker.plugin = Some(plugin);
        checker.helpers.insert(plugin.name.clone(), helper);
        let mut expect = |configuration: &Value, path: &str, words: &str| {
            for (text, prefix) in written(plugin, configuration) {
                let (line, found, message) = refusal(&mut checker, &text);
                assert_eq!(found, format!("{prefix}{path}"), "{message}\n{text}");
                assert!(message.contains(words), "{found}: {message}, without {words:?}\n{text}");
                let key = path.rsplit('.').next().unwrap().trim_end_matches("[0]");
                let shown = text.lines().skip(line - 2).take(2).any(|line| line.contains(key));
                assert!(shown, "{found} is not in line {line}\n{text}");
            }
        };
        for Field { path, schema, .. } in fields(&schema) {
            for Mistake { value, inside, words } in mistakes(&Value::Object(schema.clone())) {
                let mut configuration = example.clone();
                put(&mut configuration, &path, value);
                expect(&configuration, &format!("{}{inside}", first(&path)), &words);
            }
            let (parent, name) =
                path.rsplit_once('.').map_or(("", path.as_str()), |(parent, name)| (parent, name));
            let dot = if parent.is_empty() { "" } else { "." };
            let misspelt = format!("{parent}{dot}{name}{}", name.chars().last().unwrap());
            let mut configuration = example.clone();
            put(&mut configuration, &misspelt, json!(1));
            expect(&configuration, &first(&misspelt), &format!("did you mean `{name}`?"));
        }
    }
}

const HEAD: &str = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\n";

#[test]
fn what_is_wrong_around_the_fields_names_its_line_too() {
    let workspace = Workspace::load().unwrap();
    let mut checker = checker(&workspace);
    for (text, line, path, words) in [
        ("a: 1\na: 2\n", 2, "", "`a` stands there twice, first in line 1"),
        ("a:\n\t- b\n", 2, "", "replace the tab"),
        ("# nothing\n", 1, "", "is empty: write a configuration"),
        ("block_urls: [a]\n", 1, "", "add `--plugin <name>`, one of add-header, "),
        ("apiVersion: v1\nkind: Pod\n", 2, "kind", "is Pod, and only a WasmPlugin"),
        ("kind: WasmPlugin\nspec: {}\n", 1, "", "`apiVersion` is missing: add it"),
        (&format!("{HEAD}metadata: {{name: other}}\nspec: {{}}\n"), 3, "metadata", "names no plug-in"),
        (&format!("{HEAD}spec:\n  priorty: 1\n"), 4, "spec.priorty", "did you mean `priority`?"),
        (
            &format!(
                "{HEAD}spec:\n  pluginName: add-header\n  matchRules:\n  - domain: [a]\n    config: {{}}\n  - {{}}\n"
            ),
            8,
            "spec.matchRules[1]",
            "add `ingress`, `domain` or `service`",
        ),
        (
            &format!("{HEAD}spec:\n  pluginName: add-header\n  defaultConfig:\n    header_name: x\n"),
            5,
            "spec.defaultConfig",
            "`header_value` is missing: add it",
        ),
        (
            &format!(
                "{HEAD}spec:\n  pluginName: add-header\n  matchRules:\n  - domain: [a, 'b.*.c']\n    config: {{header_name: x, header_value: z}}\n"
            ),
            6,
            "spec.matchRules[0].domain[1]",
            "b.*.c",
        ),
    ] {
        let (found_line, found_path, message) = refusal(&mut checker, text);
        assert_eq!((found_line, found_path.as_str()), (line, path), "{message}\n{text}");
        assert!(message.contains(words), "{message}, without {words:?}\n{text}");
    }
}

#[test]
fn what_is_good_becomes_what_the_plug_in_gets() {
    let workspace = Workspace::load().unwrap();
    let mut checker = checker(&workspace);
    let text = format!(
        "{HEAD}metadata: {{name: x}}\nspec:\n  url: oci://registry.example.com/plugins/add-header:1.0.0\n  defaultConfig: \
         &a {{header_name: x-a, header_value: 'on'}}\n  matchRules:\n  - {{ingress: [default/foo], config: *a}}\n---\n---\n\
         {HEAD}metadata: {{name: say-hello-1.0.0}}\nspec: {{defaultConfigDisable: true}}\n"
    );
    let reports = checker.file(Path::new("f.yaml"), &text).unwrap();
    let [first, second] = reports.as_slice() else { panic!("{reports:?}") };
    let fields = json!({ "header_name": "x-a", "header_value": "on" });
    let mut rule = fields.clone();
    rule["_match_route_"] = json!(["default/foo"]);
    let mut document = fields;
    document["_rules_"] = json!([rule]);
    assert_eq!(first.plugin.as_deref(), Some("add-header"));
    assert!(
        matches!(&first.verdict, Verdict::Accepted { configuration, .. } if *configuration == document),
        "{first:?}"
    );
    assert_eq!((second.plugin.as_deref(), second.line), (Some("say-hello"), 11));
    assert!(matches!(second.verdict, Verdict::NotDeployed { .. }), "{second:?}");
}

#[test]
fn an_empty_file_is_a_configuration_of_defaults() {
    let workspace = Workspace::load().unwrap();
    let mut checker = checker(&workspace);
    checker.plugin = Some(workspace.plugin("say-hello").unwrap());
    let reports = checker.file(Path::new("f.yaml"), "").unwrap();
    assert!(reports.iter().all(Report::is_good), "{reports:?}");
    checker.plugin = Some(workspace.plugin("request-block").unwrap());
    let (line, _, message) = refusal(&mut checker, "");
    assert!(line == 1 && message.starts_with("blocks nothing: add"), "{message}");
}
