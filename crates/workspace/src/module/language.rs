//! The programming language of a module.

use wasmparser::{KnownCustom, Parser, Payload};

/// Toolchains that record themselves, but no language.
const TOOLCHAINS: [(&str, &str); 4] =
    [("TinyGo", "TinyGo"), ("AssemblyScript", "AssemblyScript"), ("rustc", "Rust"), ("clang", "C++")];

/// Returns the language that a module names in its custom section `producers`, if it has one.
///
/// Names are those of consoles: `C_plus_plus_14` is `C++`. Reading stops at the first error.
#[must_use]
pub fn language(bytes: &[u8]) -> Option<String> {
    let mut toolchain = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(Payload::CustomSection(section)) = payload else {
            payload.ok()?;
            continue;
        };
        let KnownCustom::Producers(producers) = section.as_known() else { continue };
        for field in producers {
            let field = field.ok()?;
            for value in field.values {
                let value = value.ok()?;
                match field.name {
                    "language" => return Some(console_name(value.name)),
                    "processed-by" => {
                        let known = TOOLCHAINS.iter().find(|(name, _)| *name == value.name);
                        toolchain = toolchain.or(known.map(|(_, language)| (*language).to_owned()));
                    }
                    _ => {}
                }
            }
        }
    }
    toolchain
}

fn console_name(language: &str) -> String {
    let base = ["C_plus_plus", "C"].into_iter().find(|name| {
        language.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '1', '9']))
    });
    match base {
        Some("C_plus_plus") => "C++".to_owned(),
        Some(base) => base.to_owned(),
        None => language.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(field: &str, name: &str) -> Vec<u8> {
        wat::parse_str(format!("(module (@producers ({field} \"{name}\" \"1\")))")).unwrap()
    }

    #[test]
    fn the_language_is_that_of_producers() {
        for (field, name, expected) in [
            ("language", "Rust", Some("Rust")),
            ("language", "C_plus_plus_14", Some("C++")),
            ("language", "C11", Some("C")),
            ("processed-by", "TinyGo", Some("TinyGo")),
            ("processed-by", "wasm-opt", None),
        ] {
            assert_eq!(language(&module(field, name)).as_deref(), expected, "{field} {name}");
        }
        assert_eq!(language(&wat::parse_str("(module)").unwrap()), None);
        assert_eq!(language(b"\0asm\x01\0\0\0\0\xff\xff"), None);
        assert_eq!(language(b"not a module"), None);
    }
}
