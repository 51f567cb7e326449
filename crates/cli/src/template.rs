//! The files of a new plug-in, from `xtask/templates/`.

/// A file's place in the plug-in's folder, and its text with the names still open.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../templates/Cargo.toml.template")),
    ("plugin.yaml", include_str!("../templates/plugin.yaml.template")),
    ("README.md", include_str!("../templates/README.md.template")),
    ("src/lib.rs", include_str!("../templates/src/lib.rs.template")),
    ("src/config.rs", include_str!("../templates/src/config.rs.template")),
    ("tests/cases.rs", include_str!("../templates/tests/cases.rs.template")),
    ("tests/changes/mod.rs", include_str!("../templates/tests/changes/mod.rs.template")),
    ("tests/cases.yaml", include_str!("../templates/tests/cases.yaml.template")),
];

/// The files of a plug-in called `name`, which is kebab-case.
pub(crate) fn files(name: &str) -> impl Iterator<Item = (&'static str, String)> {
    let words: Vec<String> = name.split('-').map(capitalised).collect();
    let (title, type_name, crate_name) = (words.join(" "), words.concat(), name.replace('-', "_"));
    let name = name.to_owned();
    FILES.iter().map(move |(path, text)| {
        let text = text
            .replace("{{name}}", &name)
            .replace("{{title}}", &title)
            .replace("{{type}}", &type_name)
            .replace("{{crate}}", &crate_name);
        (*path, text)
    })
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use resource::Manifest;

    #[test]
    fn every_name_is_filled_in() {
        for (path, text) in files("my-own-plugin") {
            assert!(!text.contains("{{") && !text.contains("}}"), "{path}: {text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path}");
        }
        let of = |wanted: &str| files("my-own-plugin").find(|(path, _)| *path == wanted).unwrap().1;
        assert!(of("Cargo.toml").contains("name = \"my-own-plugin\""));
        assert!(of("src/lib.rs").contains("struct MyOwnPlugin;"));
    }

    #[test]
    fn its_manifest_is_good() {
        let (_, text) = files("my-plugin").find(|(path, _)| *path == "plugin.yaml").unwrap();
        let manifest = Manifest::parse(Path::new("plugin.yaml"), &text).unwrap();
        assert!(manifest.agrees_with(Path::new("plugin.yaml"), "my-plugin", "0.1.0").is_ok());
    }
}
