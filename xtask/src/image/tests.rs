//! Images of every form that is met with, and who takes them.

use oci::{Annotations, Document, Image, Layout, Manifest, Shape, media};

use super::*;

const SPEC: &str = "\
apiVersion: 1.0.0
info: { name: demo, description: Shows }
spec: { phase: AUTHN, priority: 320 }
";

fn module(abi: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module (memory (export "memory") 1)
             (func (export "{abi}")) (func (export "_initialize"))
             (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 8))
             (func (export "proxy_on_context_create") (param i32 i32))
             (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
             (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#
    ))
    .unwrap()
}

fn image() -> Image {
    Image {
        module: module("proxy_abi_version_0_2_1"),
        spec: SPEC.into(),
        documents: vec![Document { language: None, text: b"# Demo\n".to_vec() }],
        icon: None,
        annotations: Annotations::new(),
    }
}

/// Who takes the image of a layout.
fn takers(layout: &Layout) -> Vec<Consumer> {
    let verdicts = verdicts(layout, layout.manifests.first().unwrap());
    verdicts.iter().filter(|verdict| verdict.takes).map(|verdict| verdict.consumer).collect()
}

/// Why a consumer does not take it.
fn why(layout: &Layout, consumer: Consumer) -> String {
    let verdicts = verdicts(layout, layout.manifests.first().unwrap());
    let verdict = verdicts.iter().find(|verdict| verdict.consumer == consumer).unwrap();
    let refused: Vec<&str> =
        verdict.rules.iter().filter(|rule| !rule.ok).map(|rule| rule.detail.as_str()).collect();
    refused.join("; ")
}

fn packed(image: &Image, shape: Shape) -> Layout {
    let mut layout = Layout::default();
    image.add_to(&mut layout, shape, "1").unwrap();
    layout
}

/// An image of layers of these types, each with these bytes.
fn layers(types: &[&str], bytes: &[u8]) -> Layout {
    let mut layout = Layout::default();
    let config = layout.add_blob(media::CONFIG, b"{}".to_vec());
    let layers = types.iter().map(|media_type| layout.add_blob(media_type, bytes.to_vec())).collect();
    let manifest = Manifest {
        schema_version: 2,
        media_type: media::MANIFEST.into(),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: Annotations::new(),
    };
    layout.add_manifest(&manifest, Some("1")).unwrap();
    layout
}

#[test]
fn both_shapes_are_taken_by_every_gateway_and_the_plain_one_by_docker() {
    let all = Consumer::ALL.to_vec();
    assert_eq!(takers(&packed(&image(), Shape::Plain)), all);
    let higress = packed(&image(), Shape::Higress);
    assert_eq!(takers(&higress), all[..5]);
    assert!(why(&higress, Consumer::Docker).contains("--shape plain"));
}

#[test]
fn a_module_for_higress_alone_is_taken_by_higress_alone() {
    let image = Image { module: module("proxy_abi_version_0_2_100"), ..image() };
    let layout = packed(&image, Shape::Higress);
    assert_eq!(takers(&layout), [Consumer::Higress, Consumer::PluginServer, Consumer::Console]);
    assert!(why(&layout, Consumer::Istio).contains("0_2_100"), "{}", why(&layout, Consumer::Istio));
}

#[test]
fn a_module_that_holds_headers_says_so() {
    let annotations = Annotations::from([(HOLDS_HEADERS.to_owned(), "true".to_owned())]);
    let layout = packed(&Image { annotations: annotations.clone(), ..image() }, Shape::Higress);
    assert!(why(&layout, Consumer::Istio).contains("allow_on_headers_stop_iteration"));
    assert!(why(&layout, Consumer::Higress).contains("proxy_abi_version_0_2_100"));
    // Built with `--gateway higress`.
    let module = abi::declare(&image().module, abi::Abi::Higress).unwrap().unwrap();
    let layout = packed(&Image { module, annotations, ..image() }, Shape::Higress);
    assert_eq!(takers(&layout), [Consumer::Higress, Consumer::PluginServer, Consumer::Console]);
    assert!(why(&layout, Consumer::Istio).contains("allow_on_headers_stop_iteration"));
}

#[test]
fn a_console_refuses_what_its_page_refuses() {
    for (spec, expected) in [
        (SPEC.replace("320", "325"), "325 is no multiple of 10"),
        (SPEC.replace("AUTHN", "EARLY"), "spec.phase in spec.yaml is EARLY"),
        (SPEC.replace("demo", "''"), "info.name in spec.yaml is missing or empty"),
        (SPEC.replace(", description: Shows", ""), "info.description"),
    ] {
        let layout = packed(&Image { spec: spec.into_bytes(), ..image() }, Shape::Higress);
        let why = why(&layout, Consumer::Console);
        assert!(why.contains(expected), "{why}");
        assert!(takers(&layout).contains(&Consumer::Istio));
    }
}

#[test]
fn what_is_no_module_is_taken_by_nobody() {
    for module in [b"".to_vec(), b"\0asm\x0d\0\x01\0".to_vec(), b"text".to_vec()] {
        let layout = packed(&Image { module, ..image() }, Shape::Higress);
        assert_eq!(takers(&layout), []);
    }
}

#[test]
fn layers_are_looked_at_as_each_fetcher_does() {
    let bytes = module("proxy_abi_version_0_2_1");
    // A module and something about it, as wasm-to-oci makes it.
    let compat = layers(&[media::MODULE, "application/vnd.example+json"], &bytes);
    assert!(takers(&compat).contains(&Consumer::Istio) && takers(&compat).contains(&Consumer::PluginServer));
    // The CNCF's form.
    let cncf = layers(&["application/wasm"], &bytes);
    assert_eq!(takers(&cncf), []);
    assert!(why(&cncf, Consumer::Istio).contains("the last is application/wasm"));
    // Archives without a module, or damaged.
    let damaged = layers(&[media::LAYER], b"\x1f\x8bnonsense");
    assert_eq!(takers(&damaged), []);
    let two = layers(&[media::LAYER, media::LAYER], &bytes);
    assert!(why(&two, Consumer::PluginServer).contains("2 could hold the module"));
    assert!(why(&layers(&[], b""), Consumer::Higress).contains("there are none"));
}

#[test]
fn an_index_is_refused() {
    let mut layout = Layout::default();
    layout.add_manifest_bytes(media::INDEX, br#"{"schemaVersion":2,"manifests":[]}"#.to_vec(), Some("1"));
    assert_eq!(takers(&layout), []);
    assert!(why(&layout, Consumer::Istio).contains("push the image alone"));
}
