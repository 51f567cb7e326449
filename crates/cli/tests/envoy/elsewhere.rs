//! On a machine without Rust: outside of a workspace, with Envoy on PATH and images in a catalogue.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use oci::catalogue::{Entry, Index};
use oci::{Annotations, Catalogue, Image, Layout, Shape};

use crate::fetched::module;
use crate::served::{Folder, elsewhere, head};

/// Runs a command in the folder to its end: the exit code and the output.
fn run(folder: &Folder, args: &[&str], home: &Path) -> (Option<i32>, String) {
    let output = elsewhere(folder.path(), args, home).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), text.concat())
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn a_file_is_run_and_a_workspace_is_refused_with_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::new();
    fs::write(folder.path().join("m.wasm"), module()).unwrap();
    let resource =
        |url: &str| head("a") + &format!("spec: {{ url: '{url}', defaultConfig: {{ stamp: s }} }}\n");
    folder.put("a.yaml", &resource("file://m.wasm"));
    let (code, said) = run(&folder, &["request", "/", "-i"], home.path());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("x-stamps-back: s"), "{said}");
    assert!(home.path().join(".cache/portcullis/modules").is_dir(), "the module is kept");
    let (code, said) = run(&folder, &["explain", "--host", "h"], home.path());
    assert!(code == Some(0) && said.contains(r#"default: {"stamp":"s"}"#), "{said}");

    folder.put("a.yaml", &resource("workspace:stamp"));
    let (code, said) = run(&folder, &["serve", "--port", "0"], home.path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("spec.url: is built from source in a cargo workspace"), "{said}");
    assert!(said.contains("write an image as oci://") && said.contains("a.yaml:4:"), "{said}");
    // A Rust project makes no difference where cargo is not installed.
    folder.put("Cargo.toml", "[workspace]\n");
    let (code, said) = run(&folder, &["serve", "--port", "0"], home.path());
    assert!(code == Some(1) && said.contains("cargo is not installed"), "{said}");
}

/// A catalogue with the stamp as version 1.0.0; its schema wants a short stamp.
fn catalogue(folder: &Path) {
    let spec = "
apiVersion: 1.0.0
spec:
  configSchema:
    openAPIV3Schema:
      type: object
      properties:
        stamp: { type: string, minLength: 1, maxLength: 4 }
        count: { type: integer }
";
    let image = Image {
        module: module(),
        spec: spec.trim_start().into(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: Annotations::new(),
    };
    let mut layout = Layout::default();
    let digest = image.add_to(&mut layout, Shape::Higress, "1.0.0").unwrap().digest;
    let entry = Entry {
        name: "stamp".into(),
        version: "1.0.0".into(),
        digest,
        titles: BTreeMap::new(),
        descriptions: BTreeMap::new(),
        category: "custom".into(),
        phase: "UNSPECIFIED_PHASE".into(),
        priority: 1,
        fail_strategy: "FAIL_CLOSE".into(),
        holds_headers: false,
        may_hold_headers: false,
        reports_matches: false,
        example: serde_json::Map::new(),
        differences: Vec::new(),
    };
    Catalogue::write(folder, Index::new("1", None, vec![entry]), &[layout]).unwrap();
}

#[test]
#[ignore = "in Envoy: cargo xtask test"]
fn an_image_of_a_catalogue_needs_no_registry_and_is_checked_by_schema_and_module() {
    let home = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    catalogue(place.path());
    let folder = Folder::new();
    // No such registry exists.
    let resource = |config: &str| {
        let url = "oci://registry.invalid/plugins/stamp:1.0.0";
        format!("{}spec:\n  url: {url}\n  defaultConfig:\n{config}", head("a"))
    };
    let catalogue = ["--catalogue", place.path().to_str().unwrap()];
    let request = |config: &str| {
        folder.put("a.yaml", &resource(config));
        run(&folder, &[&["request", "/", "-i"], &catalogue[..]].concat(), home.path())
    };
    let (code, said) = request("    stamp: s\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("x-stamps-back: s") && !said.contains("warning:"), "{said}");
    // All errors at once, each with its line.
    let (code, said) = request("    stamp: ''\n    count: many\n");
    assert_eq!(code, Some(1), "{said}");
    for expected in ["a.yaml:7:5: spec.defaultConfig.stamp: ", "a.yaml:8:5: spec.defaultConfig.count: "] {
        assert!(said.contains(expected), "{expected} in\n{said}");
    }
    // The module accepts what the schema does not: Envoy decides.
    let (code, said) = request("    stamp: longer\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("x-stamps-back: longer"), "{said}");
    assert!(said.contains("spec.defaultConfig.stamp: does not fit the schema of the image"), "{said}");
}
