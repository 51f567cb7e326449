//! The newcomer's first `cargo xtask build` compiles nothing heavy.

use std::process::Command;

#[test]
fn nothing_heavy_is_linked_into_xtask() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.current_dir(env!("CARGO_MANIFEST_DIR")).args(["tree", "--locked", "--package", "xtask"]);
    tree.args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let output = tree.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains(&"clap"), "{tree}");
    for heavy in
        ["tokio", "hyper", "reqwest", "rustls", "ring", "oci-client", "h2", "wasmi", "portcullis-testkit"]
    {
        assert!(!crates.contains(&heavy), "{heavy} is compiled before a newcomer's first plug-in:\n{tree}");
    }
}
