//! The history of a folder: commits where it is in a git work tree, and otherwise a journal of the console's own.
//!
//! Whatever is saved is saved first. A commit that is not possible then leaves the change in the folder, in the journal,
//! and shown as uncommitted with the reason.

mod git;
mod journal;

use std::fs;
use std::path::{Path, PathBuf};

use gateway::folder::edit;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::sessions::Actor;

pub(crate) use git::is_work_tree;

/// The maximum number of entries that are listed.
const MAX_ENTRIES: usize = 200;

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// What the change is named by.
    pub id: String,
    /// When, in RFC 3339.
    pub time: String,
    /// Who.
    pub who: String,
    /// What.
    pub message: String,
    /// The file, relative to the folder.
    pub file: String,
    /// The plug-in, if the console made the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Whether it is in a commit; always true outside of git.
    pub committed: bool,
}

/// The history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView {
    /// Whether the folder is in a git work tree.
    pub git: bool,
    /// Why changes are not committed at the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<Problem>,
    /// The changes, the newest first.
    pub entries: Vec<HistoryEntry>,
}

/// A change in detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryChange {
    /// The file, relative to the folder.
    pub file: String,
    /// Its text before; empty if it did not exist.
    pub before: String,
    /// Its text after; empty if it was removed.
    pub after: String,
}

/// A change that has been saved.
#[derive(Debug, Clone)]
pub(crate) struct Saved<'s> {
    /// What was done, such as `Enable request-block`.
    pub(crate) message: &'s str,
    pub(crate) plugin: Option<&'s str>,
    /// The text file that tells the change.
    pub(crate) file: &'s Path,
    /// Its text before; none if it did not exist.
    pub(crate) before: Option<&'s str>,
    /// Its text after; none if it was removed.
    pub(crate) after: Option<&'s str>,
    /// Other files that belong to the change, such as a module.
    pub(crate) others: &'s [PathBuf],
}

/// Records a change that has been saved in a folder. Returns why it is not committed, if it should be.
pub(crate) fn record(folder: &Path, actor: &Actor, saved: &Saved<'_>) -> Result<Option<Problem>, Problem> {
    let warning = if is_work_tree(folder) {
        let files = std::iter::once(saved.file).chain(saved.others.iter().map(PathBuf::as_path));
        match git::commit(folder, actor, saved.message, saved.plugin, &files.collect::<Vec<_>>()) {
            Ok(()) => return Ok(None),
            Err(problem) => Some(problem),
        }
    } else {
        None
    };
    journal::append(folder, actor, saved, warning.as_ref())?;
    Ok(warning)
}

/// The history of a folder, or of a plug-in in it.
pub(crate) fn list(folder: &Path, plugin: Option<&str>) -> Result<HistoryView, Problem> {
    let git = is_work_tree(folder);
    let mut entries = journal::list(folder, plugin, git)?;
    let mut warning = None;
    if git {
        entries.retain(|entry| git::differs_from_head(folder, &entry.file));
        warning = git::obstacle(folder).err();
        entries.extend(git::log(folder, plugin)?);
    }
    entries.truncate(MAX_ENTRIES);
    Ok(HistoryView { git, warning, entries })
}

/// A change in detail.
pub(crate) fn change(folder: &Path, id: &str) -> Result<HistoryChange, Problem> {
    match journal::get(folder, id)? {
        Some(entry) => Ok(HistoryChange {
            file: entry.file,
            before: entry.before.unwrap_or_default(),
            after: entry.after.unwrap_or_default(),
        }),
        None if is_work_tree(folder) => {
            let changes = git::changes(folder, id)?;
            // A change by hand may have several files: the first text tells most.
            let change = changes.into_iter().next().ok_or_else(|| unknown(id))?;
            let text =
                |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Ok(HistoryChange {
                file: change.file,
                before: text(change.before).unwrap_or_default(),
                after: text(change.after).unwrap_or_default(),
            })
        }
        None => Err(unknown(id)),
    }
}

fn unknown(id: &str) -> Problem {
    Problem::new("history_unknown", format_args!("there is no change `{id}`")).with("id", id)
}

/// A file and its content before and after a change.
#[derive(Debug, Clone)]
struct FileChange {
    /// Relative to the folder.
    file: String,
    before: Option<Vec<u8>>,
    after: Option<Vec<u8>>,
}

/// Takes a change back, in the files and as another change. Later changes of other places of the same files stay.
pub(crate) fn revert(folder: &Path, id: &str, actor: &Actor) -> Result<Option<Problem>, Problem> {
    let (changes, message, plugin) = match journal::get(folder, id)? {
        Some(entry) => {
            let bytes = |text: Option<String>| text.map(String::into_bytes);
            let change =
                FileChange { file: entry.file, before: bytes(entry.before), after: bytes(entry.after) };
            (vec![change], entry.message, entry.plugin)
        }
        None if is_work_tree(folder) => {
            let (message, plugin) = git::message(folder, id)?;
            (git::changes(folder, id)?, message, plugin)
        }
        None => return Err(unknown(id)),
    };
    if changes.is_empty() {
        return Err(unknown(id));
    }
    // All files are decided before the first one is written.
    let mut writes = Vec::new();
    for change in &changes {
        let path = inside(folder, &change.file)?;
        let now = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let wanted = match (&change.before, &change.after, &now) {
            (before, after, now) if after == now => before.clone(),
            (Some(before), Some(after), Some(now)) => {
                Some(git::merge(now, after, before)?.ok_or_else(|| conflicts(&change.file))?)
            }
            _ => return Err(conflicts(&change.file)),
        };
        writes.push((path, now, wanted));
    }
    if writes.iter().all(|(_, now, wanted)| now == wanted) {
        let file = changes.first().map(|change| change.file.clone()).unwrap_or_default();
        let message = format!("{file} is as it was before this change already");
        return Err(Problem::new("revert_conflicts", message).with("file", file));
    }
    for (path, now, wanted) in &writes {
        match wanted {
            Some(wanted) => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                replace(path, now.as_deref(), wanted)?;
            }
            None => fs::remove_file(path)?,
        }
    }
    let Some((file, now, wanted)) = writes.first() else { return Err(unknown(id)) };
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (before, after) = (text(now), text(wanted));
    let others: Vec<PathBuf> = writes.iter().skip(1).map(|(path, ..)| path.clone()).collect();
    let message = format!("Revert \"{message}\"");
    let saved = Saved {
        message: &message,
        plugin: plugin.as_deref(),
        file,
        before: before.as_deref(),
        after: after.as_deref(),
        others: &others,
    };
    record(folder, actor, &saved)
}

/// Replaces a file unless it has changed meanwhile.
fn replace(path: &Path, now: Option<&[u8]>, wanted: &[u8]) -> Result<(), Problem> {
    let before = now.map(String::from_utf8_lossy);
    edit::write(path, before.as_deref(), wanted).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => conflicts(&path.display().to_string()),
        _ => Problem::internal(error),
    })
}

fn conflicts(file: &str) -> Problem {
    let message = format!("{file} was changed in the same place since: change it by hand");
    Problem::new("revert_conflicts", message).with("file", file)
}

/// The path of a file of the history, which is always in the folder.
fn inside(folder: &Path, file: &str) -> Result<PathBuf, Problem> {
    let relative = Path::new(file);
    let is_plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !is_plain || file.is_empty() {
        return Err(Problem::internal(format_args!("`{file}` is outside of the folder")));
    }
    Ok(folder.join(relative))
}

#[cfg(test)]
mod tests;
