//! Commits of exactly the files that were changed, made with git's plumbing.
//!
//! No hook runs. An operator's index stays as it is, except for the entries of these files where the operator had staged
//! nothing of them: they follow the commit, or the operator's next commit would take it back.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{FileChange, HistoryEntry, MAX_ENTRIES, unknown};
use crate::problem::Problem;
use crate::sessions::Actor;

/// The line of a message that names the plug-in.
const TRAILER: &str = "Plug-in: ";

/// The address of users who have none.
const NO_ADDRESS: &str = "console@localhost";

fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).stdin(Stdio::null());
    // Nothing of an operator's shell may redirect what is read or written here.
    for name in
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX"]
    {
        git.env_remove(name);
    }
    git.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    git.args([
        "--no-pager",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "--literal-pathspecs",
    ]);
    git
}

/// Runs git. Returns its output, or the last line of its error.
fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("cannot start git: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let last = error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("git failed").to_owned();
    Err(last)
}

fn text(folder: &Path, args: &[&str]) -> Result<String, String> {
    let output = run(git(folder).args(args))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}

/// Returns true if a folder is in a git work tree that does not ignore it.
pub(crate) fn is_work_tree(folder: &Path) -> bool {
    let inside = text(folder, &["rev-parse", "--is-inside-work-tree"]).is_ok_and(|inside| inside == "true");
    // A file in an ignored folder is in no commit. `check-ignore` fails for a folder that is not ignored.
    inside && run(git(folder).args(["check-ignore", "--quiet", "x.yaml"])).is_err()
}

/// Where a commit goes.
pub(super) struct Branch {
    /// The reference, such as `refs/heads/main`.
    name: String,
    /// The commit; none before the first one.
    head: Option<String>,
}

/// The branch, or why nothing can be committed.
pub(super) fn obstacle(folder: &Path) -> Result<Branch, Problem> {
    let Ok(name) = text(folder, &["symbolic-ref", "--quiet", "HEAD"]) else {
        let message = "saved and not committed: no branch is checked out (detached HEAD); check one out";
        return Err(Problem::new("history_detached", message));
    };
    for (file, what) in [
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("rebase-merge", "rebase"),
        ("rebase-apply", "rebase"),
    ] {
        let path = text(folder, &["rev-parse", "--git-path", file]).unwrap_or_default();
        if !path.is_empty() && folder.join(path).exists() {
            let message = format!("saved and not committed: a {what} is in progress; finish it");
            return Err(Problem::new("history_merging", message).with("operation", what));
        }
    }
    let ident = ["-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT"];
    if let Err(reason) = text(folder, &ident) {
        let message = "saved and not committed: git has no identity here; set `git config user.name` and `git config \
                       user.email`";
        return Err(Problem::new("history_identity", message).with("reason", reason));
    }
    let head = text(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]).ok();
    Ok(Branch { name, head })
}

/// Commits files, which may have been removed.
pub(super) fn commit(
    folder: &Path,
    actor: &Actor,
    message: &str,
    plugin: Option<&str>,
    files: &[&Path],
) -> Result<(), Problem> {
    let branch = obstacle(folder)?;
    commit_on(folder, &branch, actor, message, plugin, files).map_err(|reason| {
        Problem::new("history_commit", format_args!("saved and not committed: git refuses: {reason}"))
            .with("reason", reason)
    })
}

fn commit_on(
    folder: &Path,
    branch: &Branch,
    actor: &Actor,
    message: &str,
    plugin: Option<&str>,
    files: &[&Path],
) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let top = PathBuf::from(text(folder, &["rev-parse", "--show-toplevel"])?);
    let top = top.canonicalize().map_err(failed)?;
    let temporary = tempfile::tempdir().map_err(failed)?;
    let index = temporary.path().join("index");
    let with_index = |args: &[&OsStr]| {
        let mut command = git(&top);
        command.env("GIT_INDEX_FILE", &index).args(args);
        run(&mut command)
    };
    let os = OsStr::new;
    match &branch.head {
        Some(head) => with_index(&[os("read-tree"), os(head)])?,
        None => with_index(&[os("read-tree"), os("--empty")])?,
    };
    let mut paths = Vec::new();
    for file in files {
        // A removed file has no canonical path; its folder has.
        let parent = file.parent().unwrap_or(folder).canonicalize().map_err(failed)?;
        let path = parent.join(file.file_name().unwrap_or_default());
        let path =
            path.strip_prefix(&top).map_err(|_| format!("{} is outside of the work tree", path.display()))?;
        let is_removed = !top.join(path).exists();
        let is_known = |revision: &str| {
            run(git(&top).args(["cat-file", "-e"]).arg(format!("{revision}:{}", path.display()))).is_ok()
        };
        if is_removed && !branch.head.as_deref().is_some_and(is_known) {
            continue;
        }
        let ignored = !is_removed && run(git(&top).args(["check-ignore", "--quiet", "--"]).arg(path)).is_ok();
        if ignored && !branch.head.as_deref().is_some_and(is_known) {
            continue;
        }
        let update: &[&OsStr] = match is_removed {
            true => &[os("update-index"), os("--force-remove"), os("--"), path.as_os_str()],
            false => &[os("update-index"), os("--add"), os("--"), path.as_os_str()],
        };
        with_index(update)?;
        paths.push(path.to_path_buf());
    }
    let tree = with_index(&[os("write-tree")])?;
    let tree = String::from_utf8_lossy(&tree.stdout).trim().to_owned();
    let head_tree = branch.head.as_ref().map(|head| text(&top, &["rev-parse", &format!("{head}^{{tree}}")]));
    if head_tree.transpose()?.as_ref() == Some(&tree) {
        return Ok(());
    }
    let mut command = git(&top);
    command.args(["commit-tree", "--no-gpg-sign", &tree]);
    if let Some(head) = &branch.head {
        command.args(["-p", head]);
    }
    let trailer = plugin.map_or_else(String::new, |plugin| format!("\n{TRAILER}{plugin}\n"));
    command.arg("-m").arg(format!("{message}\n{trailer}"));
    command.env("GIT_AUTHOR_NAME", &actor.user);
    command.env("GIT_AUTHOR_EMAIL", actor.email.as_deref().unwrap_or(NO_ADDRESS));
    let commit = run(&mut command)?;
    let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
    // What the operator had staged of these files, before the branch moves.
    let clean: Vec<&PathBuf> =
        paths.iter().filter(|path| !is_staged(&top, branch.head.as_deref(), path)).collect();
    let none = "0".repeat(commit.len());
    let before = branch.head.as_deref().unwrap_or(&none);
    let subject = message.lines().next().unwrap_or_default();
    text(
        &top,
        &["update-ref", "-m", &format!("portcullis console: {subject}"), &branch.name, &commit, before],
    )?;
    for path in clean {
        // The commit is made, whatever becomes of the index: another git may hold its lock.
        let entry = text(&top, &["ls-tree", &commit, "--", &path.display().to_string()]).unwrap_or_default();
        let mut fields = entry.split_whitespace();
        let _ = match (fields.next(), fields.nth(1)) {
            (Some(mode), Some(object)) => run(git(&top)
                .args(["update-index", "--add", "--cacheinfo"])
                .arg(format!("{mode},{object},{}", path.display()))),
            _ => run(git(&top).args(["update-index", "--force-remove", "--"]).arg(path)),
        };
    }
    Ok(())
}

/// Returns true if the operator's index has something else of a file than a commit.
fn is_staged(top: &Path, head: Option<&str>, path: &Path) -> bool {
    match head {
        Some(head) => {
            run(git(top).args(["diff-index", "--cached", "--quiet", head, "--"]).arg(path)).is_err()
        }
        None => run(git(top).args(["ls-files", "--error-unmatch", "--"]).arg(path)).is_ok(),
    }
}

/// Returns true if a file of the work tree is not as in the last commit.
pub(super) fn differs_from_head(folder: &Path, file: &str) -> bool {
    let status = text(folder, &["status", "--porcelain", "--untracked-files=all", "--", file]);
    status.is_ok_and(|status| !status.is_empty())
}

/// The commits of a folder, the newest first.
pub(super) fn log(folder: &Path, plugin: Option<&str>) -> Result<Vec<HistoryEntry>, Problem> {
    // Before the first commit.
    if text(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() {
        return Ok(Vec::new());
    }
    let format = format!(
        "--format=%x01%H%x00%aI%x00%an%x00%s%x00%(trailers:key={},valueonly)%x00",
        TRAILER.trim_end_matches(": ")
    );
    let mut command = git(folder);
    command.args([
        "log",
        &format!("--max-count={MAX_ENTRIES}"),
        "--no-merges",
        "--name-only",
        "--relative",
        "-z",
    ]);
    command.args([&format, "--", "."]);
    let output = run(&mut command).map_err(Problem::internal)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let entries = text.split('\u{1}').filter_map(|entry| {
        let mut fields = entry.split('\0');
        let (id, time, who, message) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let named = fields.next()?.trim();
        let files: Vec<&str> =
            fields.map(|file| file.trim_start_matches('\n')).filter(|file| !file.is_empty()).collect();
        let resource = files.iter().find(|file| is_text(file)).or(files.first())?;
        let plugin_name = (!named.is_empty()).then(|| named.to_owned());
        Some(HistoryEntry {
            id: id.to_owned(),
            time: time.to_owned(),
            who: who.to_owned(),
            message: message.to_owned(),
            file: (*resource).to_owned(),
            plugin: plugin_name,
            committed: true,
        })
    });
    Ok(entries.filter(|entry| plugin.is_none_or(|plugin| entry.plugin.as_deref() == Some(plugin))).collect())
}

fn is_text(file: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end))
}

/// A commit of the folder's history, by its whole name.
fn check_id(folder: &Path, id: &str) -> Result<(), Problem> {
    let is_hex = matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_there = is_hex && text(folder, &["merge-base", "--is-ancestor", id, "HEAD"]).is_ok();
    if is_there { Ok(()) } else { Err(unknown(id)) }
}

/// The subject of a commit and the plug-in that it names.
pub(super) fn message(folder: &Path, id: &str) -> Result<(String, Option<String>), Problem> {
    check_id(folder, id)?;
    let body = text(folder, &["log", "-1", "--format=%B", id]).map_err(Problem::internal)?;
    let plugin = body.lines().find_map(|line| line.strip_prefix(TRAILER)).map(str::to_owned);
    Ok((body.lines().next().unwrap_or_default().to_owned(), plugin))
}

/// The files of the folder that a commit changed, texts first.
pub(super) fn changes(folder: &Path, id: &str) -> Result<Vec<FileChange>, Problem> {
    check_id(folder, id)?;
    let failed = Problem::internal;
    let args = [
        "diff-tree",
        "-r",
        "--root",
        "--no-commit-id",
        "--no-renames",
        "--name-only",
        "--relative",
        "-z",
        id,
        "--",
        ".",
    ];
    let listed = run(git(folder).args(args)).map_err(failed)?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut files: Vec<&str> = listed.split('\0').filter(|file| !file.is_empty()).collect();
    files.sort_by_key(|file| !is_text(file));
    let parent = text(folder, &["rev-parse", "--verify", "--quiet", &format!("{id}^")]).ok();
    let content = |revision: &str, file: &str| {
        // `./` is relative to the current folder, and filters give the bytes of the work tree.
        run(git(folder).args(["cat-file", "--filters"]).arg(format!("{revision}:./{file}")))
            .ok()
            .map(|output| output.stdout)
    };
    let change = |file: &str| FileChange {
        file: file.to_owned(),
        before: parent.as_deref().and_then(|parent| content(parent, file)),
        after: content(id, file),
    };
    Ok(files.into_iter().map(change).collect())
}

/// Merges a change from `base` to `other` into `current`; nothing if they conflict.
pub(super) fn merge(current: &[u8], base: &[u8], other: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, bytes: &[u8]| -> std::io::Result<PathBuf> {
        let path = folder.path().join(name);
        std::fs::File::create(&path)?.write_all(bytes)?;
        Ok(path)
    };
    let (current, base, other) = (write("current", current)?, write("base", base)?, write("other", other)?);
    let mut command = git(folder.path());
    let output = command.args(["merge-file", "-p", "-q"]).args([current, base, other]).output();
    let output = output.map_err(|error| Problem::internal(format_args!("cannot start git: {error}")))?;
    // The exit code is the number of conflicts, or negative for what cannot be merged.
    Ok(output.status.success().then_some(output.stdout))
}
