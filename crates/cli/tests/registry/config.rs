//! `config --image`: configurations checked by the schema and the module of an image, wherever that is.

use std::fs;
use std::path::Path;

use crate::support::server::Server;
use crate::support::{Outcome, program, push};
use oci::{Annotations, Image, Layout, Shape};

/// An image of a module that refuses configurations of more than thirty bytes because of `text`, in a layout of its own.
fn image(folder: &Path, spec: &str) -> Layout {
    let module = wat::parse_str(
        r#"(module
             (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
             (memory (export "memory") 1)
             (data (i32.const 64) "text: is too long: shorten it")
             (func (export "proxy_abi_version_0_2_1")) (func (export "_initialize"))
             (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 128))
             (func (export "proxy_on_context_create") (param i32 i32))
             (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
             (func (export "proxy_on_configure") (param i32 i32) (result i32)
               (if (i32.gt_u (local.get 1) (i32.const 30))
                 (then (drop (call $log (i32.const 4) (i32.const 64) (i32.const 29))) (return (i32.const 0))))
               (i32.const 1)))"#,
    )
    .unwrap();
    let image = Image {
        module,
        spec: spec.as_bytes().to_vec(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: Annotations::new(),
    };
    let mut layout = Layout::default();
    image.add_to(&mut layout, Shape::Higress, "1.0.0").unwrap();
    layout.write_folder(&folder.join("image")).unwrap();
    layout
}

const SPEC: &str = "\
apiVersion: 1.0.0
info: { name: shortener }
spec:
  configSchema:
    openAPIV3Schema:
      type: object
      properties:
        text: { type: string }
        most: { type: integer, maximum: 9 }
";

fn config(file: &Path, image: &str, more: &[&str]) -> Outcome {
    let args = [&["config", file.to_str().unwrap(), "--image", image, "--plain-http"], more].concat();
    Outcome::of(program(&args).env("NO_COLOR", "1"))
}

#[test]
fn an_image_checks_a_configuration_wherever_it_is() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let layout = image(folder.path(), SPEC);
    layout.write_archive(&at("image.tar"), None).unwrap();
    let repository = format!("oci://{}/plugins/any-name", server.address);
    let pinned = push(&at("image"), &format!("{repository}:1.0.0")).succeeded().stdout;

    fs::write(at("good.yaml"), "text: short\n").unwrap();
    fs::write(at("bad.yaml"), "# Both are wrong.\nmost: 10\ntext: a text that is too long\n").unwrap();
    let places = [at("image"), at("image.tar")].map(|path| path.display().to_string());
    for place in places.into_iter().chain([format!("{repository}:1.0.0"), pinned.trim().to_owned()]) {
        let good = config(&at("good.yaml"), &place, &[]).succeeded();
        assert!(good.stdout.contains(r#""text": "short""#), "{place}: {good:?}");
        // The name in the image, not that of the file or the repository.
        assert!(good.stderr.contains("shortener gets"), "{place}: {good:?}");

        // What the module refuses, and what only the schema does, each at its line.
        let bad = config(&at("bad.yaml"), &place, &[]);
        let lines = ["bad.yaml:2:", "bad.yaml:3:"];
        bad.refused(1, &[&["text: is too long: shorten it", "most: "], &lines[..]].concat());
        assert_eq!(bad.stderr.matches("error:").count(), 2, "{place}: {bad:?}");
    }
}

#[test]
fn a_resource_is_checked_by_the_image_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), SPEC);
    let file = folder.path().join("resource.yaml");
    let place = folder.path().join("image");
    let resource = |fields: &str| {
        let head = "apiVersion: extensions.higress.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: mine }\n";
        let text = format!(
            "{head}spec:\n  url: oci://registry.example.com/plugins/other:1\n  defaultConfig:\n{fields}"
        );
        fs::write(&file, text).unwrap();
        config(&file, place.to_str().unwrap(), &[])
    };
    resource("    text: short\n").succeeded();
    resource("    text: a text that is much too long\n")
        .refused(1, &["spec.defaultConfig.text: ", "resource.yaml:7:"]);

    // Where the module accepts what the schema does not, the module is right.
    let remarked = resource("    most: 10\n").succeeded();
    assert!(
        remarked.stderr.contains("spec.defaultConfig.most: does not fit the schema of the image"),
        "{remarked:?}"
    );
}

#[test]
fn an_image_without_a_schema_is_checked_by_its_module() {
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), "apiVersion: 1.0.0\n");
    let file = folder.path().join("f.yaml");
    let place = folder.path().join("image");
    fs::write(&file, "most: 10\n").unwrap();
    let good = config(&file, place.to_str().unwrap(), &[]).succeeded();
    assert!(good.stderr.contains("image gets") && !good.stderr.contains("warning"), "{good:?}");
    fs::write(&file, "text: a text that is much too long\n").unwrap();
    config(&file, place.to_str().unwrap(), &[]).refused(1, &["text: is too long"]);
}

#[test]
fn what_is_not_an_image_is_refused_with_a_remedy() {
    let server = Server::start(false);
    let folder = tempfile::tempdir().unwrap();
    image(folder.path(), SPEC);
    let at = |name: &str| folder.path().join(name);
    fs::write(at("f.yaml"), "text: short\n").unwrap();
    fs::write(at("plugin.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let refused = |image: &str, more: &[&str], code, words: &[&str]| {
        config(&at("f.yaml"), image, more).refused(code, words);
    };
    refused(at("plugin.wasm").to_str().unwrap(), &[], 2, &["is a module", "config --module"]);
    refused(at("nothing").to_str().unwrap(), &[], 2, &["nothing"]);
    refused(&format!("oci://{}/plugins/none:1", server.address), &[], 1, &["plugins/none:1"]);
    let place = at("image");
    refused(place.to_str().unwrap(), &["--plugin", "cors"], 2, &["cannot be used with"]);
    refused(place.to_str().unwrap(), &["--module", "plugin.wasm"], 2, &["cannot be used with"]);
    Outcome::of(&mut program(&["config", at("f.yaml").to_str().unwrap(), "--envoy"]))
        .refused(2, &["--module", "--image"]);
}
