//! Names of plug-ins: which are allowed, which one a slip of the pen meant.

use std::collections::BTreeSet;

/// Names that a plug-in may not have in any workspace. Those of this workspace's crates come from `cargo metadata`.
const RESERVED: &[&str] = &[
    // Crates of Rust itself, which `use` would not find any more.
    "alloc",
    "core",
    "proc-macro",
    "std",
    "test",
    // Folders that Cargo has in the target folder.
    "build",
    "debug",
    "deps",
    "examples",
    "incremental",
    "release",
    // Keywords of Rust: `extern crate` and `use` cannot name them.
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// The longest name: an OCI repository's path component and a DNS label both fit.
const LONGEST: usize = 63;

/// How a plug-in is known, from any spelling: `Request_Block` is `request-block`.
pub fn canonical(name: &str) -> String {
    name.trim().to_lowercase().replace('_', "-")
}

/// Whether a new plug-in may have this name; `crates` are the names that crates here are known by.
///
/// # Errors
///
/// Says what is wrong with it and what to write instead.
pub fn validate(name: &str, crates: &BTreeSet<String>) -> Result<(), String> {
    check_form(name)?;
    if RESERVED.contains(&name) {
        return Err(format!("`{name}` is a name that Rust or Cargo uses: choose another"));
    }
    if crates.contains(name) {
        return Err(format!(
            "`{name}` is a crate that this workspace uses, and `use {}` could mean either: choose another name",
            name.replace('-', "_")
        ));
    }
    Ok(())
}

/// Whether a name has the form of a plug-in's.
///
/// # Errors
///
/// Says what is wrong with it and what to write instead.
pub fn check_form(name: &str) -> Result<(), String> {
    let kebab = suggestion(name);
    let instead = if kebab.is_empty() || kebab == name {
        "write lower-case words with dashes, such as `my-plugin`".to_owned()
    } else {
        format!("write `{kebab}`")
    };
    if name.is_empty() {
        return Err(format!("the name is empty: {instead}"));
    }
    if name.len() > LONGEST {
        return Err(format!("the name has {} characters, and {LONGEST} is the most: write less", name.len()));
    }
    let words = || name.split('-');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if words().any(|word| word.is_empty() || !word.chars().all(plain)) {
        return Err(format!("`{name}` is not kebab-case: {instead}"));
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(format!("`{name}` does not begin with a letter, as a Rust crate has to: {instead}"));
    }
    Ok(())
}

/// The kebab-case name that was probably meant.
fn suggestion(name: &str) -> String {
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            let word_begins = c.is_ascii_uppercase() && kebab.ends_with(|c: char| c.is_ascii_lowercase());
            if word_begins {
                kebab.push('-');
            }
            kebab.push(c.to_ascii_lowercase());
        } else if !kebab.is_empty() && !kebab.ends_with('-') {
            kebab.push('-');
        }
    }
    kebab.trim_matches(|c: char| c == '-' || c.is_ascii_digit()).to_owned()
}

/// The known name nearest to `name`, where one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let name = canonical(name);
    let begins_so = |candidate: &&str| name.len() >= 3 && canonical(candidate).starts_with(&name);
    config::nearest(&name, &known).or_else(|| known.into_iter().find(begins_so))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underscores_and_capitals_name_the_same_plug_in() {
        for spelling in
            ["request-block", "request_block", "Request_Block", "REQUEST-BLOCK", " request-block "]
        {
            assert_eq!(canonical(spelling), "request-block");
        }
    }

    #[test]
    fn good_names_pass() {
        for name in ["a", "my-plugin", "request-block", "jwt-auth2", "x-1"] {
            assert_eq!(validate(name, &BTreeSet::new()), Ok(()), "{name}");
        }
    }

    #[test]
    fn bad_names_say_what_to_write() {
        for (name, expected) in [
            ("", "is empty"),
            ("My_Plugin", "write `my-plugin`"),
            ("myPlugin", "write `my-plugin`"),
            ("my plugin", "write `my-plugin`"),
            ("my--plugin", "write `my-plugin`"),
            ("-plugin", "write `plugin`"),
            ("plugin-", "write `plugin`"),
            ("../evil", "write `evil`"),
            ("a/b", "write `a-b`"),
            ("插件", "such as `my-plugin`"),
            ("2fast", "write `fast`"),
            ("test", "choose another"),
            ("core", "choose another"),
            ("matcher", "choose another"),
            ("text", "`text` is a crate that this workspace uses"),
            ("match", "choose another"),
        ] {
            let crates = BTreeSet::from(["matcher".to_owned(), "text".to_owned()]);
            let error = validate(name, &crates).unwrap_err();
            assert!(error.contains(expected), "{name:?} gave {error:?}");
        }
        assert!(validate(&"a".repeat(64), &BTreeSet::new()).unwrap_err().contains("63 is the most"));
    }

    #[test]
    fn a_slip_finds_its_name_and_nonsense_finds_none() {
        let known = ["add-header", "request-block", "say-hello"];
        assert_eq!(nearest("request-blok", known), Some("request-block"));
        assert_eq!(nearest("reqeust_block", known), Some("request-block"));
        assert_eq!(nearest("say", known), Some("say-hello"));
        assert_eq!(nearest("Hello", known), None);
        assert_eq!(nearest("kubernetes", known), None);
    }
}
