//! The console's own journal: a file for each change, with the texts before and after it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use gateway::journal::time;
use serde::{Deserialize, Serialize};

use super::{HistoryEntry, MAX_ENTRIES, Saved};
use crate::hidden;
use crate::problem::Problem;
use crate::secret;
use crate::sessions::Actor;

/// The folder of the journal.
const NAME: &str = "history";

/// The maximum number of changes that are kept.
const MAX_KEPT: usize = 500;

/// A change.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Change {
    time: String,
    who: String,
    pub(super) message: String,
    pub(super) file: String,
    pub(super) plugin: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    /// Why it is in no commit, in a git work tree.
    uncommitted: Option<String>,
}

pub(super) fn append(
    folder: &Path,
    actor: &Actor,
    saved: &Saved<'_>,
    warning: Option<&Problem>,
) -> Result<(), Problem> {
    let journal = hidden::folder(folder, NAME)?;
    let now = SystemTime::now();
    let change = Change {
        time: time(now),
        who: actor.user.clone(),
        message: saved.message.into(),
        file: saved.file.strip_prefix(folder).unwrap_or(saved.file).display().to_string(),
        plugin: saved.plugin.map(Into::into),
        before: saved.before.map(Into::into),
        after: saved.after.map(Into::into),
        uncommitted: warning.map(|problem| problem.message.clone()),
    };
    // Names sort by time.
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let name = format!("{since:015}-{}", secret::id()?);
    let mut temporary = tempfile::Builder::new().prefix(".portcullis-").tempfile_in(&journal)?;
    temporary.write_all(&serde_json::to_vec(&change).map_err(io::Error::from)?)?;
    temporary.persist(journal.join(format!("{name}.json"))).map_err(|error| error.error)?;
    let names = names(folder)?;
    for old in names.iter().skip(MAX_KEPT) {
        // It is removed the next time otherwise.
        let _ = fs::remove_file(journal.join(format!("{old}.json")));
    }
    Ok(())
}

/// The names of all changes, the newest first.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(hidden::path(folder, NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = name.strip_suffix(".json")?;
        is_name(name).then(|| name.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.reverse();
    Ok(names)
}

fn is_name(name: &str) -> bool {
    let parts = name.split_once('-');
    parts.is_some_and(|(time, id)| time.bytes().all(|byte| byte.is_ascii_digit()) && secret::is_id(id))
}

/// The changes; in a git work tree, those that are in no commit.
pub(super) fn list(folder: &Path, plugin: Option<&str>, git: bool) -> Result<Vec<HistoryEntry>, Problem> {
    let mut entries = Vec::new();
    for id in names(folder)? {
        let Some(change) = get(folder, &id)? else { continue };
        if (git && change.uncommitted.is_none())
            || plugin.is_some_and(|plugin| change.plugin.as_deref() != Some(plugin))
        {
            continue;
        }
        entries.push(HistoryEntry {
            id,
            time: change.time,
            who: change.who,
            message: change.message,
            file: change.file,
            plugin: change.plugin,
            committed: !git,
        });
        if entries.len() == MAX_ENTRIES {
            break;
        }
    }
    Ok(entries)
}

/// A change; nothing if this is not the name of one.
pub(super) fn get(folder: &Path, id: &str) -> Result<Option<Change>, Problem> {
    if !is_name(id) {
        return Ok(None);
    }
    match fs::read(hidden::path(folder, NAME).join(format!("{id}.json"))) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
        // A damaged file does not count as a change.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
    }
}
