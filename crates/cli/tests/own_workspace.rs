//! An author's own workspace, from nothing to an image: with the SDK from a checkout, and from a git repository by tag.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may stop")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder of an author.
struct Author {
    folder: tempfile::TempDir,
}

impl Author {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("my-plugins")
    }

    /// Runs `portcullis` as a user who has nothing of this repository around, and returns its output.
    #[track_caller]
    fn portcullis(&self, folder: &Path, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.current_dir(folder).args(args);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_") && text != "CARGO_HOME"
                || text.starts_with("PORTCULLIS_")
                || text == "CARGO"
            {
                command.env_remove(&name);
            }
        }
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        // The dependencies are those of this workspace, with the same profiles: compiled already.
        command.env("CARGO_TARGET_DIR", target);
        let output = command.output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "portcullis {}:\n{stdout}\n{stderr}", args.join(" "));
        stdout.into_owned()
    }

    /// Makes the workspace, with the SDK from there.
    fn make(&self, sdk: &[&str]) {
        let printed = self.portcullis(
            self.folder.path(),
            &[&["new", "--workspace", "my-plugins"], sdk, &["my-plugin"]].concat(),
        );
        assert!(printed.contains("portcullis test my-plugin"), "{printed}");
        assert!(!printed.contains("cargo xtask"), "{printed}");
        for file in
            [".github/workflows/ci.yml", "CHANGELOG.md", "plugins/my-plugin/tests/cases.yaml", "Cargo.lock"]
        {
            assert!(self.workspace().join(file).is_file(), "{file}");
        }
        for file in ["README.md", "plugins/my-plugin/README.md", "plugins/my-plugin/plugin.yaml"] {
            let text = fs::read_to_string(self.workspace().join(file)).unwrap();
            assert!(!text.contains("cargo xtask"), "{file}: {text}");
        }
    }

    /// Packages the plug-in, and checks the image and its bill of materials.
    fn package(&self) {
        let workspace = self.workspace();
        self.portcullis(&workspace, &["package", "my-plugin"]);
        let image = workspace.join("dist/my-plugin/image");
        self.portcullis(
            &workspace,
            &["verify", image.to_str().unwrap(), "--for", "higress", "--for", "istio"],
        );
        let bill = fs::read_to_string(workspace.join("dist/my-plugin/sbom.cdx.json")).unwrap();
        assert!(bill.contains("portcullis-sdk"), "{bill}");
        let spec = fs::read_to_string(workspace.join("dist/my-plugin/spec.yaml")).unwrap();
        assert!(spec.contains("header_name"), "{spec}");
        // No folder of this machine is in the module.
        let module = fs::read(workspace.join("dist/my-plugin/plugin.wasm")).unwrap();
        let module = String::from_utf8_lossy(&module);
        for folder in [root(), self.folder.path().canonicalize().unwrap()] {
            assert!(!module.contains(folder.to_str().unwrap()), "{} is in the module", folder.display());
        }
    }
}

fn git(folder: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=Author", "-c", "user.email=author@example.com"];
    let output = Command::new("git").current_dir(folder).args(identity).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_author_tests_lints_and_packages_a_plug_in_with_the_sdk_of_a_checkout() {
    let author = Author::new();
    author.make(&["--sdk-path", root().to_str().unwrap()]);
    let workspace = author.workspace();
    let tested = author.portcullis(&workspace, &["test", "my-plugin", "--engine", "native,wasm"]);
    assert!(tested.lines().last().is_some_and(|line| line.contains(" passed, 0 failed")), "{tested}");
    // What clippy corrects is formatted afterwards.
    let source = workspace.join("plugins/my-plugin/src/lib.rs");
    let mut text = fs::read_to_string(&source).unwrap();
    text.push_str("\n/// Returns one more.\npub fn next(number: u32) -> u32 {\nif true { return number   + 1; } else { return number; }\n}\n");
    fs::write(&source, text).unwrap();
    author.portcullis(&workspace, &["lint", "--fix"]);
    author.portcullis(&workspace, &["lint"]);
    author.portcullis(&workspace, &["new", "another"]);
    let config = workspace.join("my.yaml");
    fs::write(&config, "header_name: x-a\nheader_value: a\n").unwrap();
    author.portcullis(&workspace, &["config", config.to_str().unwrap(), "--plugin", "my-plugin"]);
    author.package();
}

#[test]
fn an_author_packages_a_plug_in_with_the_sdk_of_a_git_tag() {
    let author = Author::new();
    let clone = author.folder.path().join("clone");
    // The files of the checkout, committed or not.
    let list = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "-z", "-co", "--exclude-standard"])
        .output();
    for file in String::from_utf8(list.unwrap().stdout).unwrap().split('\0').filter(|file| !file.is_empty()) {
        let (from, to) = (root().join(file), clone.join(file));
        if from.is_file() {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        }
    }
    git(&clone, &["init", "--quiet"]);
    git(&clone, &["add", "--all"]);
    git(&clone, &["commit", "--quiet", "--message", "SDK"]);
    git(&clone, &["tag", &format!("sdk/v{}", env!("CARGO_PKG_VERSION"))]);
    author.make(&["--sdk-git", &format!("file://{}", clone.display())]);
    let workspace = author.workspace();
    // An image names the commit that it is built from.
    git(&workspace, &["init", "--quiet"]);
    git(&workspace, &["add", "--all"]);
    git(&workspace, &["commit", "--quiet", "--message", "A plug-in"]);
    author.package();
    // The same bytes from another folder and another CARGO_HOME.
    author.portcullis(&workspace, &["build", "my-plugin", "--check-reproducible"]);
}

#[test]
fn what_cannot_be_made_says_what_to_write() {
    let author = Author::new();
    let refused = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        let output = command.current_dir(author.folder.path()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // This folder is outside of any workspace.
    for args in [&["new", "my-plugin"][..], &["build", "my-plugin"]] {
        let error = refused(args);
        assert!(error.contains("is not in a workspace of plug-ins"), "{args:?}: {error}");
        assert!(error.contains("portcullis new --workspace <folder>"), "{args:?}: {error}");
    }
    fs::create_dir(author.folder.path().join("full")).unwrap();
    fs::write(author.folder.path().join("full/file"), "").unwrap();
    let here = root();
    let here = here.to_str().unwrap();
    for (args, words) in [
        (&["new", "--workspace", "w", "--sdk-path", ".", "my-plugin"][..], "it has no crates/sdk"),
        (&["new", "--workspace", "full", "--sdk-path", here, "my-plugin"], "full is not empty"),
        (&["new", "--workspace", "w", "--sdk-path", here, "sdk"], "`sdk` is a crate"),
        (&["new", "--workspace", "w", "my-plugin"], "add `--sdk-git <url>`, or `--sdk-path <checkout>`"),
        (&["new", "--sdk-path", here, "my-plugin"], "--workspace"),
    ] {
        let error = refused(args);
        assert!(error.contains(words), "{args:?}: {error}");
        assert!(!author.folder.path().join("w").exists(), "{args:?}");
    }
    // Another Rust project.
    let project = author.folder.path().join("project");
    fs::create_dir_all(project.join("src")).unwrap();
    fs::write(project.join("Cargo.toml"), "[package]\nname = \"project\"\nedition = \"2024\"\n").unwrap();
    fs::write(project.join("src/lib.rs"), "").unwrap();
    for (args, words) in [
        (&["new", "my-plugin"][..], "it has no folder `plugins`"),
        (&["package", "--all"], "there are no plug-ins in "),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).current_dir(&project).args(args).output();
        let output = output.unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
}

#[test]
fn a_workspace_whose_sdk_cannot_be_fetched_is_not_left_behind() {
    let author = Author::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let args = ["new", "--workspace", "w", "--sdk-git", "file:///nonexistent", "my-plugin"];
    let output = command.current_dir(author.folder.path()).args(args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("of file:///nonexistent: see above; check the address"), "{error}");
    assert!(!author.folder.path().join("w").exists());
}
