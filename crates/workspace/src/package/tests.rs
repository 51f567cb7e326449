//! The same source in two folders becomes the same image.

use super::*;

const MANIFEST: &str = "\
name: demo
title: Demo
titleI18n: { zh-CN: 演示 }
description: Shows
category: custom
version: 1.2.3
stage: authn
priority: 320
failStrategy: FAIL_OPEN
holdsHeaders: true
budget: { size: 1000 }
example: { word: 'true', count: 3 }
";

/// The files that a plug-in's image is made from, in a folder of their own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("plugin.yaml", MANIFEST),
        ("plugin.wasm", "\0asm\x01\0\0\0"),
        ("README.zh.md", "# 演示\n"),
        ("README.md", "# Demo\n"),
        ("README.txt", "not one"),
        ("icon.png", "picture"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn package(folder: &Path, shape: Shape) -> Package {
    let source = Source::of_files(&folder.join("plugin.wasm"), &folder.join("plugin.yaml"), |_| {}).unwrap();
    source.package(shape, "1.2.3").unwrap()
}

#[test]
fn the_digest_depends_on_the_source_alone() {
    let (a, b) = (folder(), folder());
    for shape in [Shape::Higress, Shape::Plain] {
        let archives = [a.path(), b.path()].map(|folder| {
            let package = package(folder, shape);
            let archive = folder.join("image.tar");
            package.layout.write_archive(&archive, None).unwrap();
            (package.image.digest, fs::read(archive).unwrap())
        });
        assert!(archives[0] == archives[1], "{} and {}", archives[0].0, archives[1].0);
    }
    fs::write(b.path().join("README.md"), "# Another\n").unwrap();
    assert_ne!(
        package(a.path(), Shape::Higress).image.digest,
        package(b.path(), Shape::Higress).image.digest
    );
}

#[test]
fn an_image_holds_what_consoles_show_and_the_module_last() {
    let folder = folder();
    let Package { layout, image, spec, .. } = package(folder.path(), Shape::Higress);
    let manifest = layout.manifest(&image).unwrap();
    let types: Vec<&str> = manifest.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    let [readme, chinese] = [None, Some("zh")].map(media::document);
    assert_eq!(types, [media::SPEC, &readme, &chinese, media::ICON, media::LAYER]);
    assert_eq!(manifest.annotations[HOLDS_HEADERS], "true");
    assert_eq!(manifest.annotations["org.opencontainers.image.version"], "1.2.3");
    // The console takes what is indented below `example:` as it stands, so it must be a block of its own.
    let spec = String::from_utf8(spec).unwrap();
    let (_, schema) = spec.split_once("    openAPIV3Schema:\n").unwrap();
    assert!(schema.contains("\n      example:\n        word: \"true\"\n        count: 3\n"), "{spec}");
    assert!(spec.contains("  phase: AUTHN\n  priority: 320\n") && spec.contains("zh-CN: 演示"), "{spec}");
}

#[test]
fn a_manifest_in_the_current_folder_has_a_folder() {
    for (file, folder) in
        [("plugin.yaml", "."), ("./plugin.yaml", "."), ("a/plugin.yaml", "a"), ("/p.yaml", "/")]
    {
        assert_eq!(folder_of(Path::new(file)), Path::new(folder), "{file}");
    }
}

#[test]
fn licenses_beside_a_foreign_module_are_in_its_image() {
    let (without, with) = (folder(), folder());
    fs::write(with.path().join("LICENSE"), "MIT\n").unwrap();
    let layers = |folder: &tempfile::TempDir| {
        let package = package(folder.path(), Shape::Plain);
        package.layout.manifest(&package.image).unwrap().layers
    };
    assert_ne!(layers(&without)[0].digest, layers(&with)[0].digest);
}
