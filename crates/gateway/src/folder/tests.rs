//! Folders as operators write them, good and bad.

use std::fs;
use std::path::Path;

use super::*;

/// A resource with some more of `spec`, or of the whole.
pub(super) fn resource(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata:\n  name: {name}\nspec:\n  \
         url: file://{name}.wasm\n{spec}"
    )
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn names(folder: &Path, order: StageOrder) -> Vec<String> {
    let folder = read(folder, order).sound().unwrap();
    folder.plugins.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn plug_ins_stand_in_order_of_stage_priority_and_name() {
    let mut all = String::new();
    for (name, spec) in [
        ("last", ""),
        ("stats", "  phase: STATS\n  priority: 900\n"),
        ("authn-low", "  phase: AUTHN\n  priority: -10\n"),
        ("authn-high", "  phase: AUTHN\n  priority: 310\n"),
        ("authz-b", "  phase: AUTHZ\n  priority: 5\n"),
        ("authz-a", "  phase: AUTHZ\n  priority: 5\n"),
    ] {
        all = format!("{all}---\n{}", resource(name, spec));
    }
    let folder = folder(&[("all.yaml", &all)]);
    let mse = ["authz-a", "authz-b", "authn-high", "authn-low", "stats", "last"];
    assert_eq!(names(folder.path(), StageOrder::Mse), mse);
    let istio = ["authn-high", "authn-low", "authz-a", "authz-b", "stats", "last"];
    assert_eq!(names(folder.path(), StageOrder::Istio), istio);
}

#[test]
fn one_name_in_two_namespaces_is_two_plug_ins_ordered_by_namespace() {
    let in_namespace =
        |name: &str| resource("p", "").replace("  name: p\n", &format!("  name: p\n  namespace: {name}\n"));
    let folder = folder(&[("a.yaml", &in_namespace("z")), ("b.yaml", &in_namespace("a"))]);
    let folder = read(folder.path(), StageOrder::Mse).sound().unwrap();
    assert_eq!(folder.plugins.iter().map(|entry| entry.namespace.as_str()).collect::<Vec<_>>(), ["a", "z"]);
}

#[test]
fn json_lists_and_other_resources_are_read_and_other_files_are_not() {
    let one = resource("one", "");
    let json = yaml::read(&one).unwrap()[0].to_json();
    let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": [json] }).to_string();
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: i }\n";
    let folder = folder(&[
        ("list.json", &list),
        ("two.yml", &format!("{ingress}---\n# nothing\n---\n{}", resource("two", ""))),
        ("routes.yaml", "routes: []"),
        (".hidden.yaml", "nonsense"),
        ("README.md", "nonsense"),
    ]);
    let folder = read(folder.path(), StageOrder::Mse).sound().unwrap();
    let [one, two] = folder.plugins.as_slice() else { panic!("{folder:?}") };
    assert_eq!((one.name.as_str(), one.item, one.index), ("one", Some(0), 0));
    assert_eq!((two.name.as_str(), two.item, two.index, two.line), ("two", None, 2, 7));
    assert_eq!(folder.others[0].kind, "Ingress");
}

#[test]
fn what_is_known_of_a_plug_in_stands_in_annotations() {
    let text = resource("p", "").replace(
        "metadata:\n",
        "metadata:\n  annotations: { higress.io/wasm-plugin-title: 请求屏蔽, portcullis.io/language: Go, \
         portcullis.io/source: request-block }\n",
    );
    let folder = folder(&[("p.yaml", &text)]);
    let entry = read(folder.path(), StageOrder::Mse).sound().unwrap().plugins.remove(0);
    assert_eq!((entry.title.as_deref(), entry.language.as_deref()), (Some("请求屏蔽"), Some("Go")));
    assert_eq!((entry.source.as_deref(), entry.description), (Some("request-block"), None));
}

#[test]
fn what_a_cluster_would_not_run_is_not_enabled() {
    let off = resource("p", "  defaultConfigDisable: true\n");
    let folder = folder(&[("a.yaml", &off), ("b.yaml", &resource("q", ""))]);
    let folder = read(folder.path(), StageOrder::Mse).sound().unwrap();
    assert_eq!(folder.enabled().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["q"]);
}

#[test]
fn each_mistake_names_file_line_column_field_and_remedy_and_the_others_are_still_read() {
    let disabled = "metadata:\n  annotations: { portcullis.io/disabled: '[]' }\n";
    for (text, expected) in [
        (
            resource("p", "  prioriti: 3\n"),
            "bad.yaml:7:3: spec.prioriti: is not a known field: did you mean `priority`?",
        ),
        (
            resource("p", "  matchRules:\n  - config: {}\n"),
            "bad.yaml:8:5: spec.matchRules[0]: has no condition",
        ),
        (
            resource("good", ""),
            "bad.yaml:4:3: metadata.name: `good` is the name of the plug-in in good.yaml:1 too",
        ),
        (
            resource("p", "").replace("  name: p\n", "  labels: {}\n"),
            "bad.yaml:3:1: metadata: has no `name`: write",
        ),
        (resource("off", ""), "bad.yaml:4:3: metadata.name: is not a string in YAML: put it in quotes"),
        (resource("p", "").replace("file://p.wasm", "''"), "spec: has no `url`: write"),
        (
            resource("p", "").replace("WasmPlugin", "WasmPlugn"),
            "bad.yaml:2:1: kind: is not a kind that deploys plug-ins: did you mean `WasmPlugin`?",
        ),
        (
            resource("p", "").replace("metadata:\n", disabled),
            "disabled: is the annotation of a disabled plug-in, but a cluster",
        ),
        ("a: [1\n".into(), "invalid YAML: "),
        ("just: fields\n".into(), "bad.yaml:1:1: is not a resource: write `apiVersion`"),
    ] {
        let folder = folder(&[("bad.yaml", &text), ("good.yaml", &resource("good", ""))]);
        fs::rename(folder.path().join("bad.yaml"), folder.path().join("z-bad.yaml")).unwrap();
        let read = read(folder.path(), StageOrder::Mse);
        assert_eq!(read.plugins.len(), 1, "{text}");
        let faults: Vec<String> = read.faults.iter().map(Fault::to_string).collect();
        assert!(faults.len() == 1 && faults[0].contains(expected), "{faults:?} for\n{text}");
        assert!(read.sound().is_err());
    }
}

#[test]
fn plug_ins_in_folders_below_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in
        [("a/p.yaml", resource("p", "")), ("b/c/q.yaml", resource("q", "")), ("d/x.yaml", "a: 1".into())]
    {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    assert_eq!(files::below(folder.path()), [folder.path().join("a"), folder.path().join("b/c")]);
}

#[test]
fn a_folder_that_is_not_there_is_a_fault() {
    let read = read(Path::new("/nonexistent"), StageOrder::Mse);
    assert!(read.faults[0].to_string().starts_with("/nonexistent:1:1: cannot be read: "), "{read:?}");
}

#[test]
fn scenarios_of_bench_are_no_resources_and_resources_beside_them_are_not_lost() {
    let scenarios =
        "scenarios:\n- name: a\n  request: &request { body: b }\n- name: c\n  request: *request\n";
    let both = format!("{scenarios}---\n{}", resource("one", ""));
    let found = folder(&[(BENCH, &both)]);
    assert_eq!(names(found.path(), StageOrder::Mse), ["one"]);
    let other = folder(&[("other.yaml", scenarios)]);
    let faults = read(other.path(), StageOrder::Mse).faults;
    assert!(faults.len() == 1 && faults[0].to_string().contains("is not a resource"), "{faults:?}");
}
