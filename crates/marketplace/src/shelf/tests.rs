//! New versions, and the way back. Adding, editing and deleting are tested with the commands.

use std::fs;

use gateway::folder::StageOrder;
use tempfile::TempDir;

use super::*;
use crate::{Error, Sources};

/// A module that logs nothing and accepts what is longer than `{}`, or everything.
fn module(accepts: bool) -> Vec<u8> {
    let result = i32::from(accepts);
    wat::parse_str(format!(
        r#"(module
            (memory (export "memory") 1)
            (func (export "_initialize"))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const {result}))
            (func (export "proxy_on_context_create") (param i32 i32)))"#
    ))
    .unwrap()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("upload")).unwrap();
        fs::write(folder.path().join("upload/one.wasm"), module(true)).unwrap();
        let bytes = [module(true), b"\0\x06\x05other".to_vec()].concat();
        fs::write(folder.path().join("upload/two.wasm"), bytes).unwrap();
        fs::write(folder.path().join("upload/never.wasm"), module(false)).unwrap();
        let card = Card {
            description: Some("Checks tokens".into()),
            language: Some("Go".into()),
            ..Card::default()
        };
        let this = Self(folder);
        let addition = Addition {
            name: "mine".into(),
            card,
            module: Some(Module::File(this.upload("one.wasm"))),
            configuration: None,
            enabled: true,
        };
        this.shelf().add(&addition, &Sources::new(None, None)).unwrap();
        this
    }

    fn upload(&self, name: &str) -> PathBuf {
        self.0.path().join("upload").join(name)
    }

    fn shelf(&self) -> Shelf {
        Shelf::read(self.0.path(), StageOrder::Mse)
    }

    fn release(&self, upload: &str) -> Result<()> {
        let shelf = self.shelf();
        let file = self.upload(upload);
        let version = Version { module: Some(&file), ..Version::default() };
        shelf.release(shelf.find("mine")?, &version, None)
    }

    fn url(&self) -> String {
        self.shelf().find("mine").unwrap().resource.spec.url.clone()
    }

    /// The names of the modules.
    fn modules(&self) -> Vec<String> {
        let read = fs::read_dir(self.0.path().join(MODULES)).unwrap();
        let mut names: Vec<String> =
            read.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn code(result: Result<()>) -> Code {
    match result {
        Err(Error::Refused(refusal)) => refusal.code,
        other => panic!("is not refused: {other:?}"),
    }
}

#[test]
fn a_version_is_released_while_enabled_and_taken_back() {
    let folder = Folder::new();
    assert_eq!(folder.url(), "file://modules/mine.wasm");
    folder.release("two.wasm").unwrap();
    let two = folder.url();
    assert!(two.starts_with("file://modules/mine@") && two.ends_with(".wasm"), "{two}");
    assert_eq!(folder.modules().len(), 2);

    let shelf = folder.shelf();
    let entry = shelf.find("mine").unwrap();
    assert!(entry.enabled && Shelf::has_previous(entry));
    shelf.roll_back(entry).unwrap();
    assert_eq!(folder.url(), "file://modules/mine.wasm");
    let shelf = folder.shelf();
    shelf.roll_back(shelf.find("mine").unwrap()).unwrap();
    assert_eq!(folder.url(), two, "and forward again");

    // Of the versions before, one is kept.
    folder.release("one.wasm").unwrap();
    assert_eq!(folder.modules().len(), 2, "{:?}", folder.modules());
    let shelf = folder.shelf();
    shelf.switch(shelf.find("mine").unwrap(), false).unwrap();
    let shelf = folder.shelf();
    shelf.delete(shelf.find("mine").unwrap(), None).unwrap();
    assert!(folder.modules().is_empty(), "{:?}", folder.modules());
}

#[test]
fn an_edited_module_has_no_version_before_and_leaves_no_file() {
    let folder = Folder::new();
    folder.release("two.wasm").unwrap();
    let shelf = folder.shelf();
    shelf.switch(shelf.find("mine").unwrap(), false).unwrap();
    let shelf = folder.shelf();
    // It replaces the file that a return to the version before would run.
    let edit = Edit { module: Some(Module::File(folder.upload("two.wasm"))), ..Edit::default() };
    shelf.edit(shelf.find("mine").unwrap(), &edit, None).unwrap();
    assert_eq!(folder.modules(), ["mine.wasm"]);
    let shelf = folder.shelf();
    assert!(!Shelf::has_previous(shelf.find("mine").unwrap()));
}

#[test]
fn a_module_that_rejects_the_configuration_is_not_released() {
    let folder = Folder::new();
    let before = fs::read(folder.0.path().join("mine.yaml")).unwrap();
    assert_eq!(code(folder.release("never.wasm")), Code::ConfigurationInvalid);
    assert_eq!(fs::read(folder.0.path().join("mine.yaml")).unwrap(), before);
    assert_eq!(folder.modules(), ["mine.wasm"]);
    let shelf = folder.shelf();
    assert_eq!(code(shelf.roll_back(shelf.find("mine").unwrap())), Code::NoPreviousVersion);
}

#[test]
fn what_is_built_in_is_fixed_for_whom_it_is() {
    let folder = Folder::new();
    let shelf = folder.shelf();
    let entry = shelf.find("mine").unwrap();
    for action in [Action::Edit, Action::Delete, Action::Release] {
        let refusal = Shelf::blocked(entry, action, Some("say-hello")).unwrap();
        assert_eq!(refusal.code, Code::PluginBuiltIn);
    }
    assert!(Shelf::blocked(entry, Action::Configure, Some("say-hello")).is_none());
    assert!(Shelf::blocked(entry, Action::Switch, Some("say-hello")).is_none());
}
