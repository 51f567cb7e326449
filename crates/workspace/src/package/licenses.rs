//! The licenses of third parties whose software is in a module or a program, with their texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::MetadataCommand;

use super::sbom::Linked;
use crate::{Error, Result, Workspace};

/// Beginnings of the names of files with licenses and notices.
const FILES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// What third parties have contributed, and the texts of their licenses. The same text is in it once.
#[derive(Debug, Default)]
pub struct Licenses {
    list: String,
    texts: Vec<Text>,
}

/// The text of a license or a notice.
#[derive(Debug)]
struct Text {
    /// Without differences in white space.
    key: String,
    written: String,
    users: BTreeSet<String>,
}

impl Licenses {
    /// Those of crates that are linked into packages of a workspace ([`linked_into`](super::sbom::linked_into)), each once.
    ///
    /// # Errors
    ///
    /// A crate is not one of the workspace's dependencies, or a file cannot be read.
    pub fn of_crates<'a>(
        workspace: &Workspace,
        linked: impl IntoIterator<Item = &'a Linked>,
    ) -> Result<Self> {
        let foreign = linked.into_iter().filter(|linked| !linked.own);
        let crates: BTreeMap<_, _> =
            foreign.map(|linked| ((linked.name.clone(), linked.version.clone()), linked)).collect();
        let folders = folders(workspace)?;
        let mut licenses = Self {
            list: "The Rust standard library: MIT OR Apache-2.0 https://github.com/rust-lang/rust\n".into(),
            texts: Vec::new(),
        };
        for (key, Linked { name, version, license, repository, .. }) in &crates {
            let folder = folders.get(key).ok_or_else(|| Error::Failed {
                command: "cargo metadata".into(),
                output: format!("{name} {version} is not in it"),
            })?;
            licenses.add(name, version, license, repository, texts_in(folder)?);
        }
        Ok(licenses)
    }

    /// Adds a component. Texts that differ in white space alone are one text.
    pub fn add(&mut self, name: &str, version: &str, license: &str, place: &str, texts: Vec<String>) {
        let line = format!("{name} {version}: {license} {place}");
        self.list.push_str(line.trim_end());
        self.list.push('\n');
        let user = format!("{name} {version}");
        for written in texts {
            let key = written.split_whitespace().collect::<Vec<_>>().join(" ");
            match self.texts.iter_mut().find(|text| text.key == key) {
                Some(text) => _ = text.users.insert(user.clone()),
                None => self.texts.push(Text { key, written, users: BTreeSet::from([user.clone()]) }),
            }
        }
    }
}

impl fmt::Display for Licenses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "It contains the software of third parties below.\n\n{}", self.list)?;
        let rule = "-".repeat(80);
        for Text { written, users, .. } in &self.texts {
            let mut names = String::new();
            for user in users {
                write!(names, "{}{user}", if names.is_empty() { "" } else { ", " })?;
            }
            write!(f, "\n{rule}\n{names}\n{rule}\n\n{}\n", written.trim_matches('\n'))?;
        }
        Ok(())
    }
}

/// The folders of all packages, by name and version.
fn folders(workspace: &Workspace) -> Result<BTreeMap<(String, String), PathBuf>> {
    let mut command = MetadataCommand::new();
    command.current_dir(&workspace.root).other_options(["--locked".to_owned()]);
    let metadata = command
        .exec()
        .map_err(|error| Error::Failed { command: "cargo metadata".into(), output: error.to_string() })?;
    let packages = metadata.packages.into_iter();
    Ok(packages
        .filter_map(|package| {
            let folder = package.manifest_path.as_std_path().parent()?.to_path_buf();
            Some(((package.name.to_string(), package.version.to_string()), folder))
        })
        .collect())
}

/// The texts of the licenses and notices in a folder.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn texts_in(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::reading(folder))? {
        let file = entry.map_err(Error::reading(folder))?;
        let name = file.file_name().to_string_lossy().to_lowercase();
        if FILES.iter().any(|start| name.starts_with(start)) && file.path().is_file() {
            files.push(file.path());
        }
    }
    files.sort();
    let text = |file: &PathBuf| {
        let bytes = fs::read(file).map_err(Error::reading(file))?;
        Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    };
    files.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_a_folder_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("LICENSE-MIT", "a\r\nb"), ("license.apache", "c"), ("README.md", "d"), ("UNLICENSE", "e")]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("licenses")).unwrap();
        assert_eq!(texts_in(folder.path()).unwrap(), ["a\nb", "e", "c"]);
    }

    #[test]
    fn a_text_is_there_once_with_all_that_have_it() {
        let mut licenses = Licenses::default();
        licenses.add("b", "1.0.0", "MIT", "https://example.com/b", vec!["one\n two\n".into()]);
        licenses.add("a", "2.0.0", "MIT", "", vec!["one two".into(), "three".into()]);
        let rule = "-".repeat(80);
        assert_eq!(
            licenses.to_string(),
            format!(
                "It contains the software of third parties below.\n\nb 1.0.0: MIT https://example.com/b\na 2.0.0: MIT\n\
                 \n{rule}\na 2.0.0, b 1.0.0\n{rule}\n\none\n two\n\n{rule}\na 2.0.0\n{rule}\n\nthree\n"
            )
        );
    }
}
