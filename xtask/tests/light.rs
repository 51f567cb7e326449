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
        ["tokio", "hyper", "reqwest", "rustls", "ring", "clap_mangen", "h2", "wasmi", "portcullis-testkit"]
    {
        assert!(!crates.contains(&heavy), "{heavy} is compiled before a newcomer's first plug-in:\n{tree}");
    }
}

#[test]
fn a_command_that_needs_more_runs_in_the_full_program_under_the_same_name() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut xtask = Command::new(cargo);
    // Not the program of this test run: in a build of the whole workspace it has every feature.
    xtask.current_dir(env!("CARGO_MANIFEST_DIR")).args(["run", "--quiet", "--locked", "--package", "xtask"]);
    xtask.args(["--", "push", "./an image", "oci://127.0.0.1:1/plugins/a:1"]);
    let output = xtask.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("./an image does not exist") && stderr.contains("`cargo xtask package`"),
        "{stderr}"
    );
}
