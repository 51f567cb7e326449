//! Changes a version in a file, keeping comments and formatting.

use anyhow::{Context, Result};

/// Returns Cargo.toml with a new version in `table`: `[package]`, or `[workspace.package]` of the root.
pub(super) fn cargo_version(text: &str, table: &str, old: &str, new: &str) -> Result<String> {
    let mut current = "";
    let found = text.lines().position(|line| {
        if line.starts_with('[') {
            current = line.trim();
        }
        current == table && is_version(line, '=') && line.contains(old)
    });
    replaced(text, found, old, new).with_context(|| format!("write `version = \"{old}\"` under {table}"))
}

/// Returns the Cargo.toml of the root with a new version in each `[workspace.dependencies]` entry of a crate of this repository.
pub(super) fn requirements(text: &str, old: &str, new: &str) -> String {
    let mut table = "";
    let requirement = format!("version = \"{old}\"");
    let lines = text.split_inclusive('\n').map(|line| {
        if line.starts_with('[') {
            table = line.trim();
        }
        let is_own = table == "[workspace.dependencies]" && line.contains("path = ");
        if is_own { line.replacen(&requirement, &format!("version = \"{new}\""), 1) } else { line.to_owned() }
    });
    lines.collect()
}

/// Returns plugin.yaml with a new version.
pub(super) fn manifest_version(text: &str, old: &str, new: &str) -> Result<String> {
    let found = text.lines().position(|line| is_version(line, ':') && line.contains(old));
    replaced(text, found, old, new).with_context(|| format!("write `version: {old}` on a separate line"))
}

fn is_version(line: &str, separator: char) -> bool {
    line.strip_prefix("version").is_some_and(|rest| rest.trim_start().starts_with(separator))
}

/// Returns the text with the first `old` of a line replaced.
fn replaced(text: &str, line: Option<usize>, old: &str, new: &str) -> Option<String> {
    let line = line?;
    let lines = text.split_inclusive('\n').enumerate();
    Some(
        lines
            .map(|(at, text)| if at == line { text.replacen(old, new, 1) } else { text.to_owned() })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes() {
        let cargo = "# 0.1.0\n[dependencies]\nversion = \"0.1.0\"\n\n[package]\nname = \"a\"\nversion = \"0.1.0\" # 0.1.0\n";
        let after = "# 0.1.0\n[dependencies]\nversion = \"0.1.0\"\n\n[package]\nname = \"a\"\nversion = \"1.0.0\" # 0.1.0\n";
        assert_eq!(cargo_version(cargo, "[package]", "0.1.0", "1.0.0").unwrap(), after);
        let yaml = "name: a\r\nversion: '0.1.0'   # why\r\nexample:\r\n  version: 0.1.0\r\n";
        let after = "name: a\r\nversion: '1.0.0'   # why\r\nexample:\r\n  version: 0.1.0\r\n";
        assert_eq!(manifest_version(yaml, "0.1.0", "1.0.0").unwrap(), after);
    }

    #[test]
    fn requirements_of_own_crates_follow_the_version() {
        let cargo = "[workspace.package]\nversion = \"0.1.0\"\n\n[workspace.dependencies]\n\
                     sdk = { package = \"p\", path = \"sdk\", version = \"0.1.0\" }\nother = { version = \"0.1.0\" }\n";
        let after = "[workspace.package]\nversion = \"0.2.0\"\n\n[workspace.dependencies]\n\
                     sdk = { package = \"p\", path = \"sdk\", version = \"0.2.0\" }\nother = { version = \"0.1.0\" }\n";
        let text = cargo_version(cargo, "[workspace.package]", "0.1.0", "0.2.0").unwrap();
        assert_eq!(requirements(&text, "0.1.0", "0.2.0"), after);
    }

    #[test]
    fn a_version_that_is_elsewhere_says_what_to_write() {
        let error = cargo_version("[package]\nversion.workspace = true\n", "[package]", "0.1.0", "1.0.0")
            .unwrap_err();
        assert!(error.to_string().contains("write `version = \"0.1.0\"`"), "{error}");
        assert!(manifest_version("{ version: 0.1.0 }\n", "0.1.0", "1.0.0").is_err());
    }
}
