//! What `cargo xtask` has cargo do, seen through a program in cargo's place that notes how it is called.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that fails may stop")]
#![cfg(unix)]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A copy of `xtask` in a folder of its own, with a program in cargo's place.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(env!("CARGO_BIN_EXE_xtask"), folder.path().join("xtask")).unwrap();
        let cargo = folder.path().join("cargo");
        // The workspace is cargo's to describe. What it builds notes how it is called, too.
        let script = "#!/bin/sh\n[ \"$1\" = metadata ] && exec \"$REAL_CARGO\" \"$@\"\necho \"$@\" >>\"$CALLS\"\n\
            [ -z \"$BUILT\" ] && exit 7\nmkdir -p \"${BUILT%/*}\"\n\
            printf '#!/bin/sh\\necho \"$@\" >>\"$CALLS\"\\nexit 5\\n' >\"$BUILT\"\nchmod +x \"$BUILT\"\n\
            echo \"$MESSAGE\"\n";
        fs::write(&cargo, script).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    /// What cargo prints for a program that it has built.
    fn message(&self) -> String {
        let built = self.path("portcullis");
        let target = r#"{"kind":["bin"],"crate_types":["bin"],"name":"portcullis","src_path":"main.rs","edition":"2024"}"#;
        let profile = r#"{"opt_level":"0","debug_assertions":true,"overflow_checks":true,"test":false}"#;
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"a 1.0.0 (path)","manifest_path":"Cargo.toml","target":{target},"profile":{profile},"features":[],"filenames":[],"executable":{built:?},"fresh":false}}"#
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut xtask = Command::new(self.path("xtask"));
        xtask.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(arguments);
        xtask.env("CARGO", self.path("cargo")).env("CALLS", self.path("calls"));
        if arguments.first() == Some(&"pull") {
            xtask.env("BUILT", self.path("portcullis")).env("MESSAGE", self.message());
        }
        xtask.env("REAL_CARGO", std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        loop {
            match xtask.output() {
                // A test in another thread has forked while the copy was written, and has not yet closed it.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                output => break output.unwrap(),
            }
        }
    }

    /// How cargo was called, one call to a line.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_first_run_of_a_large_command_shows_what_it_builds() {
    let copy = Copy::new();
    let output = copy.run(&["pull", "oci://127.0.0.1:1/a/b:1", "layout"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("building the full program"), "{said}");
    let [build, run] = &copy.calls()[..] else { panic!("{:?}", copy.calls()) };
    assert!(build.starts_with("build --locked --workspace --bin portcullis "), "{build}");
    assert!(!build.contains("--quiet"), "cargo shows its progress: {build}");
    assert_eq!(run, "pull oci://127.0.0.1:1/a/b:1 layout");
    assert_eq!(output.status.code(), Some(5), "the exit code is that of the command");
    // Once it is there, cargo has nothing to show.
    let output = copy.run(&["pull", "oci://127.0.0.1:1/a/b:1"]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(copy.calls()[2].ends_with(" --quiet"), "{:?}", copy.calls());
    assert_eq!(copy.calls()[3], "pull oci://127.0.0.1:1/a/b:1");
}

#[test]
fn the_last_repair_of_lint_is_the_format() {
    let copy = Copy::new();
    let output = copy.run(&["lint", "--fix"]);
    let calls = copy.calls();
    let repairs: Vec<&String> =
        calls.iter().filter(|call| call.starts_with("clippy") || call.starts_with("fmt")).collect();
    let (last, others) = repairs.split_last().unwrap_or_else(|| panic!("{output:?}"));
    assert!(last.starts_with("fmt") && !last.contains("--check"), "{calls:?}");
    assert!(others.iter().any(|call| call.starts_with("clippy") && call.contains(" --fix ")), "{calls:?}");
    assert_eq!(output.status.code(), Some(1), "what failed is an error");
}
