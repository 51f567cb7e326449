//! The same source gives the same bytes: modules are built a second time, from a copy in another folder and with another
//! CARGO_HOME, and compared with the first.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use wasmparser::{Parser, Payload};

use crate::build::{self, Builder, Profile};
use crate::{Error, Notice, Plugin, Result, Workspace};

/// How much of a text is shown on either side of where it begins to differ.
const SHOWN: usize = 40;

/// What is shorter is printable by chance.
const SHORTEST: usize = 8;

/// What a second build came to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The digest of the module that was built here.
    pub here: String,
    /// That of the one that was built elsewhere.
    pub elsewhere: String,
    /// Where they part, if they do.
    pub difference: Option<String>,
}

/// Another place to build the same source in.
#[derive(Debug)]
pub struct Elsewhere {
    source: PathBuf,
    builder: Builder,
}

impl Elsewhere {
    /// Copies the workspace, and cargo's crates so that they need not be fetched twice.
    ///
    /// # Errors
    ///
    /// A file cannot be copied.
    pub fn new(workspace: &Workspace, builder: &Builder) -> Result<Self> {
        let folder = workspace.target.join("reproducible");
        (workspace.notify)(&Notice::BuildingElsewhere(workspace.shown(&folder).to_path_buf()));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io(format!("removing {}", folder.display())))?;
        }
        let (source, home) = (folder.join("source"), folder.join("cargo-home"));
        let built = [workspace.target.clone(), workspace.root.join("dist"), workspace.root.join(".git")];
        copy(&workspace.root, &source, &|path| {
            built.contains(&path.to_path_buf()) || path.join("CACHEDIR.TAG").is_file()
        })?;
        let cargo_home = build::cargo_home()?;
        for part in ["registry/index", "registry/cache", "config.toml"] {
            let from = cargo_home.join(part);
            if from.exists() {
                copy(&from, &home.join(part), &|_| false)?;
            }
        }
        let builder = builder.elsewhere(&source, &home, &folder.join("target"))?;
        Ok(Self { source, builder })
    }

    /// Builds a plug-in's module here, which is done already as a rule, and there.
    ///
    /// # Errors
    ///
    /// It does not compile.
    pub fn compare(&self, here: &Builder, plugin: &Plugin, profile: Profile) -> Result<Comparison> {
        let read = |file: PathBuf| build::read(&file).map_err(Error::reading(&file));
        let there = read(self.builder.build(&plugin.in_copy(&self.source), profile)?)?;
        let here = read(here.build(plugin, profile)?)?;
        Ok(Comparison {
            here: oci::digest(&here),
            elsewhere: oci::digest(&there),
            difference: difference(&here, &there),
        })
    }
}

/// A file, or a folder with all that is in it but what `skip` says.
fn copy(from: &Path, to: &Path, skip: &dyn Fn(&Path) -> bool) -> Result<()> {
    let copying = || Error::io(format!("copying {} to {}", from.display(), to.display()));
    if from.is_file() {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(copying())?;
        }
        return fs::copy(from, to).map(drop).map_err(copying());
    }
    fs::create_dir_all(to).map_err(copying())?;
    for entry in fs::read_dir(from).map_err(copying())? {
        let entry = entry.map_err(copying())?;
        if !skip(&entry.path()) {
            copy(&entry.path(), &to.join(entry.file_name()), skip)?;
        }
    }
    Ok(())
}

/// Where two modules part: the sections, and the first text that differs, which is a path more often than not.
fn difference(here: &[u8], there: &[u8]) -> Option<String> {
    if here == there {
        return None;
    }
    let (ours, theirs) = (sections(here), sections(there));
    let pairs: Vec<_> = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).collect();
    let names: Vec<&str> = pairs.iter().map(|((name, _), _)| name.as_str()).collect();
    let mut text = format!("{} bytes here and {} elsewhere", here.len(), there.len());
    if !names.is_empty() {
        text += &format!(", different in {}", names.join(", "));
    }
    if let Some((ours, theirs)) = pairs.iter().find_map(|((_, ours), (_, theirs))| first_text(ours, theirs)) {
        text += &format!(": {ours:?} here, {theirs:?} elsewhere");
    }
    Some(text)
}

/// The sections of a module with their contents; of what cannot be read, none.
fn sections(module: &[u8]) -> Vec<(String, &[u8])> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(module).map_while(std::result::Result::ok) {
        let Some((id, range)) = payload.as_section() else { continue };
        let name = match &payload {
            Payload::CustomSection(section) => format!("the section `{}`", section.name()),
            Payload::CodeSectionStart { .. } => "the code".into(),
            Payload::DataSection(_) => "the data".into(),
            _ => format!("section {id}"),
        };
        let range = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let content = range.and_then(|(start, end)| module.get(start..end));
        sections.extend(content.map(|content| (name, content)));
    }
    sections
}

/// The first printable texts that differ, from a little before.
fn first_text(here: &[u8], there: &[u8]) -> Option<(String, String)> {
    let (ours, theirs) = texts(here).zip(texts(there)).find(|(ours, theirs)| ours != theirs)?;
    let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let shown = |text: &[u8]| {
        let text = text.iter().skip(same.saturating_sub(SHOWN)).take(2 * SHOWN);
        text.map(|byte| char::from(*byte)).collect()
    };
    Some((shown(ours), shown(theirs)))
}

fn texts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| !byte.is_ascii_graphic() && *byte != b' ').filter(|text| text.len() >= SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_with_its_place() {
        let module = |text: &str| {
            wat::parse_str(format!(r#"(module (memory 1) (data (i32.const 0) "\00same text\00{text}\00"))"#))
                .unwrap()
        };
        let (here, there) = (module("/home/a/src/lib.rs"), module("/home/another/src/lib.rs"));
        assert_eq!(difference(&here, &here), None);
        let shown = difference(&here, &there).unwrap();
        assert!(shown.contains(", different in the data: "), "{shown}");
        assert!(
            shown.contains(r#""/home/a/src/lib.rs" here, "/home/another/src/lib.rs" elsewhere"#),
            "{shown}"
        );
        assert_eq!(difference(b"", b"x").unwrap(), "0 bytes here and 1 elsewhere");
    }

    #[test]
    fn what_was_built_is_not_copied() {
        let temporary = tempfile::tempdir().unwrap();
        let (from, to) = (temporary.path().join("from"), temporary.path().join("to"));
        for file in ["Cargo.toml", ".cargo/config.toml", "dist/a/plugin.wasm", "src/lib.rs"] {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            fs::write(from.join(file), file).unwrap();
        }
        copy(&from, &to, &|path| path.ends_with("dist")).unwrap();
        assert_eq!(fs::read_to_string(to.join(".cargo/config.toml")).unwrap(), ".cargo/config.toml");
        assert!(to.join("src/lib.rs").is_file() && !to.join("dist").exists());
    }
}
