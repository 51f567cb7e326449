//! What the documentation shows is true: its commands run, in order, and print what it says; its configurations are
//! accepted, and its Rust code compiles.
//!
//! The blocks are read from the files, so that a new command is run without an edit here. One that cannot be run here
//! stands in [`commands::MAPPED`] with the reason; one that is neither run nor mapped fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what the tests share is of no test, and may fail like one"
)]

mod commands;
#[path = "../../src/markdown.rs"]
mod markdown;
mod printed;
#[path = "../../../resource/tests/deploy/schema.rs"]
mod schema;
#[path = "../registry/support/server.rs"]
#[expect(dead_code, reason = "the tests of pushes also shut its door")]
mod server;
mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use commands::Kind;
use markdown::{Block, blocks};
use session::Session;

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The documents, with the plug-in that each is about.
fn documents() -> Vec<(PathBuf, String)> {
    let root = root();
    let mut documents: Vec<_> =
        ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name)).into();
    let mut folders = vec![root.join("docs"), root.join("crates/sdk/src/guide")];
    let plugins = fs::read_dir(root.join("plugins")).unwrap();
    // The plug-in that another test may have started meanwhile is of no interest.
    folders
        .extend(plugins.map(|entry| entry.unwrap().path()).filter(|folder| !folder.ends_with(session::NEW)));
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let file = entry.unwrap().path();
            if file.extension().is_some_and(|extension| extension == "md") {
                documents.push(file);
            }
        }
    }
    documents.sort();
    let about = |file: PathBuf| {
        let folder = file.parent().unwrap();
        let plugin = match folder.parent() {
            Some(parent) if parent.ends_with("plugins") => {
                folder.file_name().unwrap().to_string_lossy().into_owned()
            }
            _ => "request-block".to_owned(),
        };
        (file, plugin)
    };
    documents.into_iter().map(about).collect()
}

fn blocks_of(file: &Path) -> Vec<Block> {
    blocks(&fs::read_to_string(file).unwrap())
}

/// `README.md:12`.
fn place(file: &Path, line: usize) -> String {
    format!("{}:{line}", file.strip_prefix(root()).unwrap().display())
}

#[test]
fn every_command_is_run_or_mapped() {
    let mut run = 0;
    for (file, _) in documents() {
        for block in blocks_of(&file).iter().filter(|block| block.language == "console") {
            let commands = commands::of(block);
            assert!(
                !commands.is_empty(),
                "{}: has no command: write `$ ` before it",
                place(&file, block.line)
            );
            for command in commands {
                match command.kind() {
                    Kind::Unknown => panic!(
                        "{}: `{}` is neither run nor mapped: see commands::MAPPED",
                        place(&file, command.line),
                        command.text
                    ),
                    Kind::Mapped(_) => {}
                    Kind::Run => run += 1,
                }
            }
        }
    }
    assert!(run > 30, "{run}");
}

#[test]
fn examples_of_help_exist() {
    let mut folders = vec![root().join("crates/cli/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let lines = text.lines().filter(|line| line.starts_with("  cargo xtask "));
            for word in lines.flat_map(str::split_whitespace).filter(|word| word.starts_with("examples/")) {
                assert!(root().join(word).exists(), "{}: there is no {word}", path.display());
            }
        }
    }
}

/// Goes through the documents that are chosen, one after another: they make the same folders, and take a port each.
fn follow(chosen: impl Fn(&Path) -> bool) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let mut failures = Vec::new();
    for (file, plugin) in documents().into_iter().filter(|(file, _)| chosen(file)) {
        let mut session = Session::new(&plugin);
        for block in blocks_of(&file) {
            let done = match (block.language.as_str(), block.attributes.as_str()) {
                ("console", _) => console(&mut session, &file, &block),
                ("yaml", "") => session.yaml(&block.text),
                ("rust", "") if file.ends_with("README.md") => session.rust(&block.text),
                // Rust in the guide is a documentation test, YAML with attributes is validated by `cargo xtask lint`.
                _ => Ok(()),
            };
            if let Err(why) = done {
                let failure = format!("{}: {why}", place(&file, block.line));
                // At once: the rest takes minutes.
                eprintln!("{failure}\n");
                failures.push(failure);
            }
        }
    }
    assert!(failures.is_empty(), "{} failures: see above", failures.len());
}

fn is_of_a_plug_in(file: &Path) -> bool {
    file.starts_with(root().join("plugins"))
}

#[test]
#[ignore = "builds plug-ins and starts Envoy: `cargo xtask test` runs it"]
fn the_readme_does_what_it_says() {
    follow(|file| file == root().join("README.md"));
}

#[test]
#[ignore = "builds plug-ins and starts Envoy: `cargo xtask test` runs it"]
fn readmes_of_plug_ins_do_what_they_say() {
    follow(is_of_a_plug_in);
}

#[test]
#[ignore = "builds plug-ins and starts Envoy: `cargo xtask test` runs it"]
fn other_documents_do_what_they_say() {
    follow(|file| file != root().join("README.md") && !is_of_a_plug_in(file));
}

fn console(session: &mut Session, file: &Path, block: &Block) -> Result<(), String> {
    let failed: Vec<String> = commands::of(block)
        .iter()
        .filter(|command| command.kind() == Kind::Run)
        .filter_map(|command| {
            let why = session.run(command).err()?;
            Some(format!("{}: `{}`: {why}", place(file, command.line), command.text))
        })
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n\n")) }
}
