//! Releases in git repositories of their own.

use tempfile::TempDir;

use super::*;

/// A workspace with one plug-in, all of it committed.
fn repository() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\"]\n");
    write(
        "plugins/demo/Cargo.toml",
        "[package]\nname = \"demo\"\nversion = \"0.1.0\" # kept\nedition = \"2024\"\n\n[dependencies]\n",
    );
    write("plugins/demo/src/lib.rs", "");
    write(
        "plugins/demo/plugin.yaml",
        "name: demo\ntitle: T\ndescription: D\ncategory: custom\nversion: 0.1.0   # kept\nstage: authn\npriority: 1\n\
         failStrategy: FAIL_OPEN\nbudget: { size: 1 }\nexample: {}\n",
    );
    write("CHANGELOG.md", "# Changes\n\n## Unreleased\n\n- `demo`: a thing.\n- The SDK.\n");
    write(".gitignore", "target\n");
    let root = folder.path();
    let mut cargo = workspace::build::cargo();
    assert!(
        cargo
            .current_dir(root)
            .args(["generate-lockfile", "--offline", "--quiet"])
            .status()
            .unwrap()
            .success()
    );
    for args in [
        &["init", "--quiet", "--initial-branch", "main"] as &[&str],
        &["config", "user.name", "T"],
        &["config", "user.email", "t@example.com"],
        &["config", "commit.gpgsign", "false"],
        &["config", "tag.gpgsign", "false"],
        &["config", "core.hooksPath", ".git/hooks"],
        &["add", "."],
        &["commit", "--quiet", "--message", "first"],
    ] {
        git(root, args).unwrap();
    }
    folder
}

fn plan<'w>(workspace: &'w Workspace, version: &str) -> Result<Release<'w>> {
    Release::plan(workspace, Subject::find(workspace, "demo").unwrap(), version, "2026-02-03")
}

/// Commit, tags and changes: what a failure must leave alone.
fn state(root: &Path) -> [String; 3] {
    [&["rev-parse", "HEAD"] as &[&str], &["tag", "--list"], &["status", "--porcelain"]]
        .map(|args| git(root, args).unwrap())
}

#[test]
fn a_release_changes_four_files_in_one_commit_with_a_tag() {
    let folder = repository();
    let root = folder.path();
    let workspace = Workspace::at(root, crate::output::notice).unwrap();
    plan(&workspace, "0.2.0").unwrap().make().unwrap();
    assert_eq!(git(root, &["status", "--porcelain"]).unwrap(), "");
    assert_eq!(git(root, &["describe", "--exact-match"]).unwrap(), "demo/v0.2.0");
    assert_eq!(git(root, &["log", "-1", "--format=%s"]).unwrap(), "demo 0.2.0");
    let changed = git(root, &["diff", "--name-only", "HEAD~1"]).unwrap();
    assert_eq!(changed, "CHANGELOG.md\nCargo.lock\nplugins/demo/Cargo.toml\nplugins/demo/plugin.yaml");
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert!(text("plugins/demo/Cargo.toml").contains("version = \"0.2.0\" # kept"));
    assert!(text("plugins/demo/plugin.yaml").contains("version: 0.2.0   # kept"));
    assert!(text("Cargo.lock").contains("version = \"0.2.0\""));
    let workspace = Workspace::at(root, crate::output::notice).unwrap();
    assert_eq!(Tag::parse("refs/tags/demo/v0.2.0").unwrap().check(&workspace).unwrap(), "- `demo`: a thing.");
    let error = Tag::parse("demo/v0.3.0").unwrap().check(&workspace).unwrap_err().to_string();
    assert!(error.contains("has version 0.2.0, but the tag is demo/v0.3.0"), "{error}");
}

#[test]
fn a_plug_in_may_be_released_as_it_is_once() {
    let folder = repository();
    let workspace = Workspace::at(folder.path(), crate::output::notice).unwrap();
    plan(&workspace, "0.1.0").unwrap().make().unwrap();
    let error = plan(&workspace, "0.1.0").err().unwrap().to_string();
    assert!(error.contains("tag demo/v0.1.0 already exists"), "{error}");
    git(folder.path(), &["tag", "--delete", "demo/v0.1.0"]).unwrap();
    let error = plan(&workspace, "0.1.0").err().unwrap().to_string();
    assert!(error.contains("is not larger"), "{error}");
}

#[test]
fn a_preview_changes_nothing() {
    let folder = repository();
    let root = folder.path();
    let before = state(root);
    let workspace = Workspace::at(root, crate::output::notice).unwrap();
    let diff = plan(&workspace, "1.0.0").unwrap().preview().unwrap();
    for line in [
        "+version = \"1.0.0\" # kept",
        "+version: 1.0.0   # kept",
        "+## demo 1.0.0 — 2026-02-03",
        "+version = \"1.0.0\"",
    ] {
        assert!(diff.contains(line), "{line}\n{diff}");
    }
    assert_eq!(state(root), before);
}

#[test]
fn what_is_wrong_is_refused_before_anything_changes() {
    for (file, text, version, words) in [
        ("new.txt", "x", "0.2.0", "new.txt: commit or stash them"),
        ("", "", "0.0.9", "is not larger"),
        ("", "", "0.1.0-rc.1", "is not larger"),
        ("", "", "1.0", "is not a valid version"),
        ("", "", "1.0.0+x", "is not a valid version"),
    ] {
        let folder = repository();
        if !file.is_empty() {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let before = state(folder.path());
        let workspace = Workspace::at(folder.path(), crate::output::notice).unwrap();
        let error = plan(&workspace, version).err().unwrap();
        assert!(format!("{error:#}").contains(words), "{version}: {error:#}");
        assert_eq!(state(folder.path()), before);
    }
    let folder = repository();
    let root = folder.path();
    fs::write(root.join(CHANGELOG), "# Changes\n\n## Unreleased\n\n- The SDK.\n").unwrap();
    git(root, &["commit", "--quiet", "--all", "--message", "second"]).unwrap();
    git(root, &["tag", "demo/v0.3.0"]).unwrap();
    let workspace = Workspace::at(root, crate::output::notice).unwrap();
    let error = format!("{:#}", plan(&workspace, "0.2.0").err().unwrap());
    assert!(error.contains("has no entry for demo"), "{error}");
    let error = format!("{:#}", plan(&workspace, "0.3.0").err().unwrap());
    assert!(error.contains("tag demo/v0.3.0 already exists"), "{error}");
}

#[test]
fn a_commit_or_tag_that_fails_leaves_everything_as_it_was() {
    // A hook that refuses the commit, and a reference that stands in the tag's way.
    for break_it in [
        (|root: &Path| {
            let hook = root.join(".git/hooks/pre-commit");
            fs::create_dir_all(hook.parent().unwrap()).unwrap();
            fs::write(&hook, "#!/bin/sh\necho no >&2\nexit 1\n").unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(&hook, mode).unwrap();
        }) as fn(&Path),
        |root| {
            git(root, &["tag", "demo"]).unwrap();
        },
    ] {
        let folder = repository();
        let root = folder.path();
        break_it(root);
        let before = state(root);
        let workspace = Workspace::at(root, crate::output::notice).unwrap();
        assert!(plan(&workspace, "0.2.0").unwrap().make().is_err());
        assert_eq!(state(root), before);
    }
}

#[test]
fn tags_are_plug_in_and_version() {
    let tag = Tag::parse("request-block/v1.2.3-rc.1").unwrap();
    assert_eq!((tag.name.as_str(), tag.to_string().as_str()), ("request-block", "request-block/v1.2.3-rc.1"));
    for text in ["v1.2.3", "request-block", "request-block/1.2.3", "request-block/vx"] {
        assert!(Tag::parse(text).unwrap_err().is::<Usage>(), "{text}");
    }
}

#[test]
fn the_sdk_is_released_before_the_program() {
    let folder = repository();
    let root = folder.path();
    let cargo = "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\", \"sdk\", \"cli\"]\n\n[workspace.package]\n\
                 version = \"0.1.0\"\n\n[workspace.dependencies]\n\
                 sdk = { package = \"portcullis-sdk\", path = \"sdk\", version = \"0.1.0\" }\n";
    fs::write(root.join("Cargo.toml"), cargo).unwrap();
    for part in ["sdk", "cli"] {
        fs::create_dir_all(root.join(part).join("src")).unwrap();
        fs::write(root.join(part).join("src/lib.rs"), "").unwrap();
        let package = format!(
            "[package]\nname = \"portcullis-{part}\"\nversion.workspace = true\nedition = \"2024\"\n"
        );
        let uses = if part == "cli" { "\n[dependencies]\nsdk.workspace = true\n" } else { "" };
        fs::write(root.join(part).join("Cargo.toml"), package + uses).unwrap();
    }
    fs::write(root.join(CHANGELOG), "# Changes\n\n## Unreleased\n\n- `sdk`: a thing.\n- `cli`: another.\n")
        .unwrap();
    let mut update = workspace::build::cargo();
    update.current_dir(root).args(["generate-lockfile", "--offline", "--quiet"]);
    assert!(update.status().unwrap().success());
    git(root, &["add", "."]).unwrap();
    git(root, &["commit", "--quiet", "--message", "parts"]).unwrap();

    let open = || Workspace::at(root, crate::output::notice).unwrap();
    let plan = |workspace: &Workspace, name: &str| {
        Release::plan(workspace, Subject::find(workspace, name).unwrap(), "0.2.0", "2026-02-03")
            .and_then(|release| release.make())
    };
    let error = plan(&open(), "cli").unwrap_err().to_string();
    assert!(
        error.contains("tag sdk/v0.2.0 does not exist") && error.contains("release sdk 0.2.0"),
        "{error}"
    );
    plan(&open(), "sdk").unwrap();
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert_eq!(text, cargo.replace("0.1.0", "0.2.0"));
    plan(&open(), "cli").unwrap();
    assert_eq!(git(root, &["tag", "--list"]).unwrap(), "cli/v0.2.0\nsdk/v0.2.0");
    for (tag, notes) in [("sdk/v0.2.0", "- `sdk`: a thing."), ("cli/v0.2.0", "- `cli`: another.")] {
        assert_eq!(Tag::parse(tag).unwrap().check(&open()).unwrap(), notes);
    }
}
