//! Tests of the history with real repositories.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::secret::TokenDigest;
use crate::users::Roles;

fn actor() -> Actor {
    Actor {
        user: "ada".into(),
        email: Some("ada@example.com".into()),
        roles: Roles::new(),
        csrf: String::new(),
        session: TokenDigest::of(""),
    }
}

struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["config", "user.name", "Operator"]);
        repository.git(&["config", "user.email", "operator@example.com"]);
        fs::create_dir(repository.folder()).unwrap();
        repository
    }

    fn with_commit() -> Self {
        let repository = Self::new();
        fs::write(repository.file("a.yaml"), "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n").unwrap();
        fs::write(repository.file("other.yaml"), "x: 1\n").unwrap();
        repository.git(&["add", "."]);
        repository.git(&["commit", "--quiet", "-m", "First"]);
        repository
    }

    fn folder(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap().join("gateway")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    fn try_git(&self, args: &[&str]) -> (bool, String) {
        let mut git = Command::new("git");
        git.current_dir(self.0.path()).args(args).env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = git.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn git(&self, args: &[&str]) -> String {
        let (good, text) = self.try_git(args);
        assert!(good, "git {args:?}");
        text
    }

    fn save(&self, name: &str, after: Option<&str>) -> Option<Problem> {
        let file = self.file(name);
        let before = fs::read_to_string(&file).ok();
        match after {
            Some(after) => fs::write(&file, after).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let saved = Saved {
            message: "Configure a",
            plugin: Some("a"),
            file: &file,
            before: before.as_deref(),
            after,
            others: &[],
        };
        record(&self.folder(), &actor(), &saved).unwrap()
    }
}

#[test]
fn a_save_commits_exactly_its_file_and_leaves_the_index_alone() {
    let repository = Repository::with_commit();
    // A hook that refuses everything, and changes of the operator: staged, unstaged and untracked.
    for hook in ["pre-commit", "commit-msg", "post-commit", "reference-transaction"] {
        let file = repository.0.path().join(".git/hooks").join(hook);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "#!/bin/sh\ntouch \"$GIT_DIR/hook-ran\"\nexit 1\n").unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    fs::write(repository.file("staged.yaml"), "s: 1\n").unwrap();
    repository.git(&["add", "gateway/staged.yaml"]);
    fs::write(repository.file("other.yaml"), "x: 2\n").unwrap();
    fs::write(repository.file("new.yaml"), "n: 1\n").unwrap();
    let before = repository.git(&["status", "--porcelain"]);

    assert_eq!(repository.save("a.yaml", Some("a: 2\nb: 1\nc: 1\nd: 1\ne: 1\n")), None);
    assert_eq!(repository.git(&["status", "--porcelain"]), before, "the operator's changes are as they were");
    assert_eq!(
        repository.git(&["show", "--format=%an %ae %cn %s", "--name-only", "HEAD"]),
        "ada ada@example.com Operator Configure a\n\ngateway/a.yaml"
    );
    assert!(!repository.0.path().join(".git/hook-ran").exists());

    // A file that the operator has staged otherwise keeps what is staged.
    fs::write(repository.file("a.yaml"), "staged: 1\n").unwrap();
    repository.git(&["add", "gateway/a.yaml"]);
    let staged = repository.git(&["rev-parse", ":gateway/a.yaml"]);
    assert_eq!(repository.save("a.yaml", Some("a: 3\n")), None);
    assert_eq!(repository.git(&["rev-parse", ":gateway/a.yaml"]), staged);
    assert_eq!(repository.git(&["show", "HEAD:gateway/a.yaml"]), "a: 3");

    let view = list(&repository.folder(), None).unwrap();
    let messages: Vec<_> =
        view.entries.iter().map(|entry| (entry.message.as_str(), entry.who.as_str())).collect();
    assert_eq!(messages, [("Configure a", "ada"), ("Configure a", "ada"), ("First", "Operator")]);
    assert!(view.git && view.warning.is_none() && view.entries.iter().all(|entry| entry.committed));
    assert_eq!((view.entries[0].file.as_str(), view.entries[0].plugin.as_deref()), ("a.yaml", Some("a")));
    assert_eq!(list(&repository.folder(), Some("a")).unwrap().entries.len(), 2);
    assert_eq!(list(&repository.folder(), Some("b")).unwrap().entries.len(), 0);
    let change = change(&repository.folder(), &view.entries[1].id).unwrap();
    assert!(change.before.starts_with("a: 1") && change.after.starts_with("a: 2"), "{change:?}");
}

#[test]
fn the_first_commit_and_a_removal_are_commits_too() {
    let repository = Repository::new();
    assert_eq!(repository.save("a.yaml", Some("a: 1\n")), None);
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert_eq!(repository.save("a.yaml", None), None);
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert_eq!(repository.git(&["log", "--format=%s"]), "Configure a\nConfigure a");
}

#[test]
fn what_cannot_be_committed_is_saved_and_shown_with_the_reason() {
    let detached = Repository::with_commit();
    detached.git(&["checkout", "--quiet", "--detach"]);
    let merging = Repository::with_commit();
    fs::write(merging.0.path().join(".git/MERGE_HEAD"), merging.git(&["rev-parse", "HEAD"])).unwrap();
    let locked = Repository::with_commit();
    fs::write(locked.0.path().join(".git/refs/heads/main.lock"), "").unwrap();
    for (repository, code) in
        [(detached, "history_detached"), (merging, "history_merging"), (locked, "history_commit")]
    {
        let head = repository.git(&["rev-parse", "HEAD"]);
        assert_eq!(repository.save("a.yaml", Some("a: 2\n")).unwrap().code, code);
        assert_eq!(fs::read_to_string(repository.file("a.yaml")).unwrap(), "a: 2\n");
        assert_eq!(repository.git(&["rev-parse", "HEAD"]), head);
        let view = list(&repository.folder(), None).unwrap();
        assert_eq!((view.entries[0].committed, view.entries[0].who.as_str()), (false, "ada"));
        assert_eq!(view.warning.map(|warning| warning.code), (code != "history_commit").then_some(code));
        assert_eq!(change(&repository.folder(), &view.entries[0].id).unwrap().after, "a: 2\n");
        // Once the operator has committed it, it is a commit like others.
        let _ = fs::remove_file(repository.0.path().join(".git/refs/heads/main.lock"));
        let _ = fs::remove_file(repository.0.path().join(".git/MERGE_HEAD"));
        repository.git(&["commit", "--quiet", "--all", "-m", "By hand"]);
        let view = list(&repository.folder(), None).unwrap();
        assert!(view.entries.iter().all(|entry| entry.committed), "{:?}", view.entries);
        assert_eq!(repository.git(&["status", "--porcelain"]), "", "the journal is hidden from git");
    }
}

#[test]
fn a_revert_keeps_later_changes_and_refuses_conflicts() {
    let repository = Repository::with_commit();
    let folder = repository.folder();
    repository.save("a.yaml", Some("a: 2\nb: 1\nc: 1\nd: 1\ne: 1\n"));
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.save("a.yaml", Some("a: 2\nb: 1\nc: 1\nd: 1\ne: 3\n"));
    assert_eq!(revert(&folder, &first, &actor()).unwrap(), None);
    assert_eq!(fs::read_to_string(repository.file("a.yaml")).unwrap(), "a: 1\nb: 1\nc: 1\nd: 1\ne: 3\n");
    assert_eq!(repository.git(&["log", "-1", "--format=%s"]), "Revert \"Configure a\"");
    repository.save("a.yaml", Some("a: 9\nb: 1\nc: 1\nd: 1\ne: 3\n"));
    let before = fs::read_to_string(repository.file("a.yaml")).unwrap();
    assert_eq!(revert(&folder, &first, &actor()).unwrap_err().code, "revert_conflicts");
    assert_eq!(fs::read_to_string(repository.file("a.yaml")).unwrap(), before);
    for id in ["", "HEAD", "main", &"0".repeat(40), "../../etc/passwd", "--help"] {
        assert_eq!(revert(&folder, id, &actor()).unwrap_err().code, "history_unknown", "{id}");
    }
}

#[test]
fn without_git_a_journal_has_the_same_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    for (before, after) in [(None, Some("a: 1\n")), (Some("a: 1\n"), Some("a: 2\n"))] {
        fs::write(&file, after.unwrap_or_default()).unwrap();
        let saved =
            Saved { message: "Configure a", plugin: Some("a"), file: &file, before, after, others: &[] };
        assert_eq!(record(folder.path(), &actor(), &saved).unwrap(), None);
    }
    let view = list(folder.path(), None).unwrap();
    assert_eq!((view.git, view.entries.len(), view.entries[0].committed), (false, 2, true));
    assert_eq!(revert(folder.path(), &view.entries[0].id, &actor()).unwrap(), None);
    assert_eq!(fs::read_to_string(&file).unwrap(), "a: 1\n");
    let first = &view.entries[1].id;
    assert_eq!(change(folder.path(), first).unwrap().before, "");
    assert_eq!(revert(folder.path(), first, &actor()).unwrap(), None);
    assert!(!file.exists(), "the addition is reverted");
    assert_eq!(revert(folder.path(), first, &actor()).unwrap_err().code, "revert_conflicts");
    assert_eq!(change(folder.path(), "x").unwrap_err().code, "history_unknown");
}
