//! The audit log of a gateway: every change, who made it and when; one JSON object per line, only ever appended to.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use gateway::journal::time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::hidden;
use crate::problem::Problem;

/// The name of the file.
const NAME: &str = "audit.jsonl";

/// How many bytes of its end are read.
const READ: u64 = 1024 * 1024;

/// How many entries are returned.
const MAX_ENTRIES: usize = 1000;

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When, in RFC 3339.
    pub time: String,
    /// Who signed in.
    pub who: String,
    /// What was done, such as `enable`.
    pub action: String,
    /// The plug-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Checks that a change can be recorded, before it is made.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn check(folder: &Path) -> Result<(), Problem> {
    open(folder).map(drop).map_err(|error| {
        let message = format!("the audit log cannot be written, so the change was not made: {error}");
        Problem::new("audit_unwritable", message).with("reason", error)
    })
}

fn open(folder: &Path) -> io::Result<File> {
    let file = hidden::folder(folder, "")?.join(NAME);
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file)
}

/// Appends a change to the log of a folder.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn append(
    folder: &Path,
    who: &str,
    action: &str,
    plugin: Option<&str>,
    detail: Option<String>,
) -> io::Result<()> {
    let entry = AuditEntry {
        time: time(SystemTime::now()),
        who: who.into(),
        action: action.into(),
        plugin: plugin.map(Into::into),
        detail,
    };
    let mut line = serde_json::to_vec(&entry)?;
    line.push(b'\n');
    // One call per line, so that lines of several programs do not mix.
    open(folder)?.write_all(&line)
}

/// The last entries, the newest first.
pub(crate) fn read(folder: &Path) -> io::Result<Vec<AuditEntry>> {
    let mut file = match File::open(hidden::path(folder, NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    // The first line may be cut, and a line that another program damaged says nothing.
    let lines = bytes.rsplit(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).take(MAX_ENTRIES).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_appended_and_read_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        append(folder.path(), "ada", "add", Some("mine"), None).unwrap();
        append(folder.path(), "bob", "stop", None, Some("line\nbreak".into())).unwrap();
        let entries = read(folder.path()).unwrap();
        let named: Vec<_> = entries.iter().map(|entry| (entry.who.as_str(), entry.action.as_str())).collect();
        assert_eq!(named, [("bob", "stop"), ("ada", "add")]);
        assert_eq!(entries[0].detail.as_deref(), Some("line\nbreak"));
        assert!(entries[0].time.ends_with('Z'), "{}", entries[0].time);
        let content = gateway::folder::read(folder.path(), gateway::folder::StageOrder::Mse);
        assert!(content.faults.is_empty() && content.plugins.is_empty(), "control planes do not see it");
    }
}
