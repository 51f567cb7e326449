//! The console's rules, on folders.

use std::fs;
use std::path::Path;

use gateway::folder::{self, StageOrder};
use oci::catalogue::Index;
use oci::{Annotations, Catalogue, Image, Layout, Shape};
use tempfile::TempDir;

use super::change::{DeleteArgs, EditArgs, NamesArgs};
use super::*;
use crate::catalogue::Choice;

/// The smallest module that a gateway loads.
const MODULE: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "_initialize"))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
  (func (export "proxy_on_context_create") (param i32 i32)))"#;

struct Marketplace {
    folder: TempDir,
    /// A good module.
    module: PathBuf,
}

impl Marketplace {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("upload/good.wasm");
        fs::create_dir(folder.path().join("upload")).unwrap();
        fs::write(&module, wat::parse_str(MODULE).unwrap()).unwrap();
        Self { folder, module }
    }

    fn place(&self) -> Where {
        Where { folder: self.folder.path().into() }
    }

    fn args(&self, name: &str) -> add::Args {
        add::Args {
            name: name.into(),
            card: Card {
                wasm: Some(self.module.clone()),
                description: Some("Checks tokens".into()),
                language: Some("Go".into()),
                stage: Some(Stage::Authn),
                priority: Some(20),
                ..Card::default()
            },
            config: None,
            enable: true,
            catalogue: Choice::default(),
            place: self.place(),
        }
    }

    fn edit(&self, name: &str) -> EditArgs {
        EditArgs {
            name: name.into(),
            card: Card { description: Some("Checks more".into()), ..Card::default() },
            place: self.place(),
        }
    }

    fn switch(&self, name: &str, on: bool) -> Result<bool> {
        change::switch(&NamesArgs { names: vec![name.into()], place: self.place() }, on)
    }

    fn delete(&self, name: &str) -> Result<bool> {
        change::delete(&DeleteArgs { name: name.into(), place: self.place() })
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap()
    }

    /// The names of all files, and what is in them.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, files);
                } else {
                    files.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files.sort();
        files
    }
}

#[test]
fn a_custom_plug_in_is_added_disabled_edited_enabled_and_deleted() {
    let market = Marketplace::new();
    assert!(add::run(&market.args("mine")).unwrap());
    let added = market.text("mine.yaml");
    let entry = folder::read(market.folder.path(), StageOrder::Mse).sound().unwrap().plugins.remove(0);
    assert_eq!((entry.name.as_str(), entry.priority, entry.enabled), ("mine", 20, true));
    assert_eq!(
        (entry.description.as_deref(), entry.language.as_deref()),
        (Some("Checks tokens"), Some("Go"))
    );
    assert_eq!(entry.resource.spec.url, "file://modules/mine.wasm");
    assert!(market.folder.path().join("modules/mine.wasm").is_file());

    for refused in [change::edit(&market.edit("mine")), market.delete("mine")] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("is enabled") && error.contains("plugin disable mine"), "{error}");
    }
    assert!(market.switch("mine", false).unwrap());
    assert!(market.switch("mine", false).unwrap(), "a second time changes nothing");
    assert!(change::edit(&market.edit("mine")).unwrap());
    assert!(market.switch("mine", true).unwrap());
    assert_eq!(
        market.text("mine.yaml"),
        added.replace("description: Checks tokens", "description: \"Checks more\"")
    );
    assert!(market.switch("mine", false).unwrap());
    assert!(market.delete("mine").unwrap());
    assert_eq!(market.files().len(), 1, "the uploaded file alone");
}

#[test]
fn what_breaks_a_rule_of_the_console_is_refused_and_changes_nothing() {
    let market = Marketplace::new();
    assert!(add::run(&market.args("taken")).unwrap());
    let broken = market.folder.path().join("upload/broken.wasm");
    fs::write(&broken, b"\0asm\x01\0\0\0 and no more").unwrap();
    let renamed = market.folder.path().join("upload/module.bin");
    fs::copy(&market.module, &renamed).unwrap();
    let before = market.files();
    type Change<'c> = &'c dyn Fn(&mut add::Args);
    let cases: [(&str, Change<'_>, &str); 9] = [
        ("taken", &|_| {}, "duplicate plug-in `taken`"),
        ("Mine_1", &|_| {}, "is not a valid resource name"),
        ("mine", &|args| args.card.priority = Some(15), "write 10 or 20"),
        ("mine", &|args| args.card.priority = Some(-15), "write -20 or -10"),
        ("mine", &|args| args.card.description = Some(" ".into()), "--description"),
        ("mine", &|args| args.card.language = None, "--language"),
        ("mine", &|args| args.card.wasm = None, "unknown plug-in `mine`"),
        ("say-hello", &|_| {}, "is a plug-in of this workspace"),
        ("mine", &|args| (args.card.wasm, args.card.url) = (None, Some("ftp://x".into())), "write oci://"),
    ];
    for (name, change, expected) in cases {
        let mut args = market.args(name);
        change(&mut args);
        let error = add::run(&args).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for file in [broken, renamed] {
        let mut args = market.args("mine");
        args.card.wasm = Some(file);
        assert!(!add::run(&args).unwrap(), "the module's own checks refuse it");
    }
    assert_eq!(market.files(), before);
}

#[test]
fn of_a_plug_in_of_this_workspace_the_image_alone_is_edited() {
    let market = Marketplace::new();
    let args = add::Args { card: Card::default(), enable: false, ..market.args("say_hello") };
    assert!(add::run(&args).unwrap());
    let entry = folder::read(market.folder.path(), StageOrder::Mse).sound().unwrap().plugins.remove(0);
    assert_eq!((entry.source.as_deref(), entry.enabled), (Some("say-hello"), false));
    let refused = change::edit(&market.edit("say-hello")).unwrap_err().to_string();
    assert!(refused.contains("is a plug-in of this workspace: `--url` names its image"), "{refused}");
    // What `add` says is to be done, can be done.
    assert!(market.switch("say-hello", true).unwrap());
    let url = "oci://registry.example.com/plugins/say-hello:0.1.0";
    let card = Card { url: Some(url.into()), ..Card::default() };
    assert!(change::edit(&EditArgs { card, ..market.edit("say-hello") }).unwrap());
    let entry = folder::read(market.folder.path(), StageOrder::Mse).sound().unwrap().plugins.remove(0);
    assert_eq!((entry.source.as_deref(), entry.resource.spec.url.as_str()), (Some("say-hello"), url));
    assert!(market.delete("say-hello").unwrap_err().to_string().contains("plugin disable say-hello"));
    assert!(market.switch("say-hello", false).unwrap());
    assert!(market.delete("say-hello").unwrap());
}

#[test]
fn resources_of_other_control_planes_are_listed_and_changed_by_hand() {
    let market = Marketplace::new();
    let istio = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: { name: mine }\n\
                 spec:\n  url: registry.example.com/mine:1\n  pluginConfig:\n    a: 1\n";
    fs::write(market.folder.path().join("mine.yaml"), istio).unwrap();
    for refused in [market.switch("mine", false), change::edit(&market.edit("mine"))] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("is in Istio's WasmPlugin (") && error.contains("change the file"), "{error}");
    }
    assert_eq!(market.text("mine.yaml"), istio);
    let fields = market.folder.path().join("upload/fields.yaml");
    fs::write(&fields, "a: 'on'\n").unwrap();
    let args = change::ConfigureArgs { name: "mine".into(), config: fields, place: market.place() };
    assert!(change::configure(&args).unwrap());
    assert_eq!(market.text("mine.yaml"), istio.replace("a: 1", "a: \"on\""));
    assert!(market.delete("mine").unwrap());
}

#[test]
fn a_resource_is_taken_as_a_configuration_with_its_rules() {
    let market = Marketplace::new();
    let resource = market.folder.path().join("upload/resource.yaml");
    fs::write(
        &resource,
        "apiVersion: v1\nkind: List\nitems:\n- { apiVersion: v1, kind: Secret }\n- apiVersion: \
         extensions.higress.io/v1alpha1\n  kind: WasmPlugin\n  spec:\n    defaultConfig: { a: '1_000' }\n    \
         matchRules: [{ domain: [a.com], config: { a: 'on' } }]\n",
    )
    .unwrap();
    assert!(add::run(&add::Args { config: Some(resource), ..market.args("mine") }).unwrap());
    let text = market.text("mine.yaml");
    assert!(text.contains("a: \"1_000\"") && text.contains("a: \"on\""), "{text}");
    let entry = folder::read(market.folder.path(), StageOrder::Mse).sound().unwrap().plugins.remove(0);
    assert_eq!(entry.resource.spec.match_rules[0].domain, ["a.com"]);
}

#[test]
fn a_file_that_is_wrong_keeps_nobody_from_the_others() {
    let market = Marketplace::new();
    assert!(add::run(&market.args("mine")).unwrap());
    fs::write(market.folder.path().join("wrong.yaml"), "kind: [").unwrap();
    assert!(market.switch("mine", false).unwrap());
    assert_eq!(market.text("wrong.yaml"), "kind: [");
    let error = market.switch("mime", true).unwrap_err().to_string();
    assert!(error.contains("did you mean `mine`?"), "{error}");
}

/// A catalogue of one plug-in.
fn catalogue(folder: &Path) -> Choice {
    let mut layout = Layout::default();
    let image = Image {
        module: wat::parse_str(MODULE).unwrap(),
        spec: Vec::new(),
        documents: Vec::new(),
        icon: None,
        licenses: None,
        annotations: Annotations::new(),
    };
    let digest = image.add_to(&mut layout, Shape::Higress, "1.0.0").unwrap().digest;
    let entry = serde_json::json!({
        "name": "listed", "version": "1.0.0", "digest": digest, "titles": { "en": "Listed" },
        "descriptions": { "en": "Is listed" }, "category": "security", "phase": "AUTHN", "priority": 30,
        "failStrategy": "FAIL_OPEN", "example": { "field": "value" },
    });
    let index = Index::new("1", None, vec![serde_json::from_value(entry).unwrap()]);
    Catalogue::write(folder, index, &[layout]).unwrap();
    Choice { catalogue: Some(folder.to_owned()) }
}

#[test]
fn a_plug_in_of_the_catalogue_is_added_by_its_name() {
    let market = Marketplace::new();
    let folder = tempfile::tempdir().unwrap();
    let catalogue = catalogue(folder.path());
    let args = add::Args { card: Card::default(), catalogue: catalogue.clone(), ..market.args("Listed") };
    assert!(add::run(&args).unwrap());
    let text = fs::read_to_string(market.folder.path().join("listed.yaml")).unwrap();
    let resource = resource::WasmPlugin::from_yaml(&text).unwrap();
    assert_eq!(resource.spec.url, "oci://registry.example.com/plugins/listed:1.0.0");
    assert_eq!((resource.spec.phase.phase(), resource.spec.priority), ("AUTHN", 30));
    assert_eq!(resource.spec.fail_strategy.name(), "FAIL_OPEN");
    assert_eq!(resource.spec.default_config.unwrap()["field"], "value");
    // Its image is found by that name, without a network.
    let layout = catalogue.image(&resource.spec.url).unwrap().unwrap();
    assert_eq!(layout.image().unwrap().0.annotations[oci::REF_NAME], "1.0.0");
    assert!(catalogue.image("oci://registry.example.com/plugins/listed:2.0.0").unwrap().is_none());

    let args = add::Args { card: Card::default(), catalogue, ..market.args("listd") };
    let error = add::run(&args).unwrap_err().to_string();
    assert!(error.contains("unknown plug-in `listd`") && error.contains("did you mean `listed`?"), "{error}");
}
