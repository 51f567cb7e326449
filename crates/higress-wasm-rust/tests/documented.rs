//! The fixture `documented-plugin` is what the product documentation prints, so that its cases speak for that text.

const PRINTED: &str = r#"[package]
name = "my-plugin"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
higress-wasm-rust = { path = "../../", version = "0.1.0" }
proxy-wasm = { git = "https://github.com/higress-group/proxy-wasm-rust-sdk", branch = "main", version = "0.2.2" }
serde = { version = "1.0", features = ["derive"] }
serde_json = "1.0"
"#;

#[test]
fn the_printed_manifest_works_with_another_path_and_the_registrys_proxy_wasm() {
    let expected = PRINTED
        .replace(r#"path = "../../""#, r#"path = "../../../higress-wasm-rust""#)
        .replace(r#"git = "https://github.com/higress-group/proxy-wasm-rust-sdk", branch = "main", "#, "")
        // `my-plugin` is the name that a newcomer's own plug-in has.
        .replace("my-plugin", "documented-plugin");
    let manifest = include_str!("../../testkit/fixtures/documented-plugin/Cargo.toml");
    let Some(rest) = manifest.strip_prefix(&expected) else { panic!("{manifest}\nis not\n{expected}") };
    // What follows is for its tests alone.
    for table in rest.lines().filter(|line| line.starts_with('[')) {
        assert!(["[[test]]", "[dev-dependencies]", "[lints.rust]"].contains(&table), "{table}");
    }
}
