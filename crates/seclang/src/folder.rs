//! A folder with a rule set: `crs-setup.conf`, `rules/*.conf` and their data files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Compiled, Directive, Error, Source, compile, parse};

/// Compiles the rule set of a folder: `crs-setup.conf` (or its example), and all `.conf` files in `rules` in the order of their
/// names. Without a folder `rules`, the files of the folder itself. `before` and `after` are directives around the rules.
///
/// # Errors
///
/// If the folder has no rules, a file cannot be read, or a quote is not closed. Rules with errors are in
/// [`Compiled::errors`].
pub fn compile_folder(folder: &Path, before: &str, after: &str) -> Result<Compiled, Error> {
    let rules = match folder.join("rules") {
        rules if rules.is_dir() => rules,
        _ => folder.to_path_buf(),
    };
    let mut files: Vec<PathBuf> = fs::read_dir(&rules)
        .map_err(|error| unreadable(&rules, &error))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    if files.is_empty() {
        let message = "no `.conf` file: write the folder of a rule set, or its folder `rules`".to_owned();
        return Err(Error { file: rules.display().to_string(), line: 0, message });
    }
    let mut directives: Vec<Directive> =
        parse(&[Source { name: "settings before the rules", text: before }])?;
    let setup = ["crs-setup.conf", "crs-setup.conf.example"].map(|name| folder.join(name));
    for file in setup.iter().find(|path| path.is_file()).into_iter().chain(&files) {
        if file.parent() == Some(&rules) && setup.contains(file) && rules != folder {
            continue;
        }
        let text = fs::read(file).map_err(|error| unreadable(file, &error))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        directives.extend(parse(&[Source { name: &name, text: &String::from_utf8_lossy(&text) }])?);
    }
    directives.extend(parse(&[Source { name: "settings after the rules", text: after }])?);
    Ok(compile(&directives, &|name| {
        // A rule set reads its own files only.
        let inside = Path::new(name).file_name().is_some_and(|file| file == name);
        let text = match inside {
            true => fs::read(rules.join(name)).map_err(|error| format!("{name} cannot be read: {error}"))?,
            false => return Err(format!("`{name}` is not the name of a file beside the rules")),
        };
        Ok(String::from_utf8_lossy(&text).into_owned())
    }))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error { file: path.display().to_string(), line: 0, message: format!("cannot be read: {error}") }
}
