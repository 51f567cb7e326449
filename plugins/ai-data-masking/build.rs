//! Generates the tables of the built-in words from `words/*.txt`, one file per category.
//!
//! The tables are embedded in the module and used in place, so they take no time to load.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=words");
    let mut files =
        fs::read_dir("words")?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    // The order of directory entries differs between machines.
    files.sort();

    let mut categories = Vec::new();
    for file in &files {
        let name = file
            .file_stem()
            .and_then(|name| name.to_str())
            .ok_or("invalid UTF-8 in the name of a category")?;
        categories
            .push((name, fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?));
    }
    let words: Vec<(&str, Vec<&str>)> = categories
        .iter()
        .map(|(name, text)| (*name, text.lines().filter(|line| is_word(line)).collect()))
        .collect();
    let words: Vec<(&str, &[&str])> = words.iter().map(|(name, words)| (*name, words.as_slice())).collect();

    let tables = matcher::words::tables(&words).map_err(|error| format!("words: {error}"))?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("words.tables"), tables)?;
    Ok(())
}

fn is_word(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}
