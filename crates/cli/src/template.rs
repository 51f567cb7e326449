//! The files of a new plug-in and of a new workspace, from `crates/cli/templates/`.

/// A file's place in its folder, and its text with the names still open.
type File = (&'static str, &'static str);

macro_rules! template {
    ($folder:literal, $($path:literal from $file:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../templates/", $folder, "/", $file, ".template")))),+]
    };
}

const PLUGIN: &[File] = template!(
    "plugin",
    "Cargo.toml" from "Cargo.toml",
    "plugin.yaml" from "plugin.yaml",
    "README.md" from "README.md",
    "src/lib.rs" from "src/lib.rs",
    "src/config.rs" from "src/config.rs",
    "tests/cases.rs" from "tests/cases.rs",
    "tests/changes/mod.rs" from "tests/changes/mod.rs",
    "tests/cases.yaml" from "tests/cases.yaml",
);

const WORKSPACE: &[File] = template!(
    "workspace",
    "Cargo.toml" from "Cargo.toml",
    "rust-toolchain.toml" from "rust-toolchain.toml",
    "clippy.toml" from "clippy.toml",
    ".gitignore" from "gitignore",
    "README.md" from "README.md",
    "CHANGELOG.md" from "CHANGELOG.md",
    ".github/workflows/ci.yml" from "ci.yml",
    ".github/workflows/release.yml" from "release.yml",
);

/// The version of this program, of the SDK and of the test kit.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the files of a plug-in with a kebab-case name.
pub(crate) fn plugin(name: &str) -> impl Iterator<Item = (&'static str, String)> {
    let words: Vec<String> = name.split('-').map(capitalised).collect();
    let (title, type_name, crate_name) = (words.join(" "), words.concat(), name.replace('-', "_"));
    let name = name.to_owned();
    PLUGIN.iter().map(move |(path, text)| {
        let text = text
            .replace("{{name}}", &name)
            .replace("{{title}}", &title)
            .replace("{{type}}", &type_name)
            .replace("{{crate}}", &crate_name);
        (*path, text)
    })
}

/// The files of a workspace around a first plug-in called `name`. `source` gives the place of a package of the SDK, as
/// `git = "…", tag = "…"`.
pub(crate) fn workspace(
    name: &str,
    source: impl Fn(&str) -> String,
) -> impl Iterator<Item = (&'static str, String)> {
    let name = name.to_owned();
    WORKSPACE.iter().map(move |(path, text)| {
        let mut text = text.replace("{{name}}", &name).replace("{{version}}", VERSION);
        for (package, line) in ["portcullis-config", "portcullis-sdk", "portcullis-testkit"]
            .map(|package| (package, format!("package = \"{package}\", {{{{source}}}}")))
        {
            text = text.replace(&line, &format!("package = \"{package}\", {}", source(package)));
        }
        (*path, text)
    })
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use resource::Manifest;

    use super::*;

    fn workspace_files() -> impl Iterator<Item = (&'static str, String)> {
        workspace("my-own-plugin", |package| format!("path = \"/sdk/{package}\""))
    }

    #[test]
    fn every_name_is_filled_in() {
        for (path, text) in plugin("my-own-plugin").chain(workspace_files()) {
            // Workflows have expressions in braces of their own.
            let rest = text.replace("${{ ", "").replace(" }}", "");
            assert!(!rest.contains("{{") && !rest.contains("}}"), "{path}: {text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path}");
        }
        let of = |wanted: &str| plugin("my-own-plugin").find(|(path, _)| *path == wanted).unwrap().1;
        assert!(of("Cargo.toml").contains("name = \"my-own-plugin\""));
        assert!(of("src/lib.rs").contains("struct MyOwnPlugin;"));
    }

    #[test]
    fn its_manifest_is_good() {
        let (_, text) = plugin("my-plugin").find(|(path, _)| *path == "plugin.yaml").unwrap();
        let manifest = Manifest::parse(Path::new("plugin.yaml"), &text).unwrap();
        assert!(manifest.agrees_with(Path::new("plugin.yaml"), "my-plugin", "0.1.0").is_ok());
    }

    /// Modules are built and linted in an author's workspace as in this one.
    #[test]
    fn toolchain_lints_and_profiles_are_those_of_this_repository() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let here = |file: &str| fs::read_to_string(root.join(file)).unwrap();
        let of = |wanted: &str| workspace_files().find(|(path, _)| *path == wanted).unwrap().1;
        for file in ["rust-toolchain.toml", "clippy.toml"] {
            assert_eq!(of(file), here(file), "{file}");
        }
        let settings = |text: &str, table: &str| -> Vec<String> {
            let lines = text.lines().skip_while(|line| *line != table).skip(1);
            let lines = lines.take_while(|line| !line.starts_with('['));
            lines.filter(|line| line.contains(" = ")).map(str::to_owned).collect()
        };
        let (theirs, ours) = (of("Cargo.toml"), here("Cargo.toml"));
        for table in ["[workspace.lints.rust]", "[workspace.lints.clippy]", "[profile.wasm-dev]"] {
            assert!(!settings(&ours, table).is_empty(), "{table}");
            assert_eq!(settings(&theirs, table), settings(&ours, table), "{table}");
        }
        for setting in settings(&ours, "[profile.wasm]") {
            assert!(settings(&theirs, "[profile.wasm]").contains(&setting), "{setting}");
        }
    }
}
