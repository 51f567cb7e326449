//! A small file in the served folder, by which other commands find the gateway.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::folder::StageOrder;

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The id of the process.
    pub pid: u32,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// Envoy's admin interface.
    pub admin: SocketAddr,
    /// The order of stages: `mse` or `istio`.
    pub stage_order: String,
    /// Whether images of plug-ins of the workspace are built from source instead of pulled.
    #[serde(default)]
    pub from_source: bool,
}

impl State {
    /// The order of stages.
    #[must_use]
    pub fn order(&self) -> StageOrder {
        if self.stage_order == StageOrder::Istio.name() { StageOrder::Istio } else { StageOrder::Mse }
    }
}

/// The file; it is removed when this is dropped.
#[derive(Debug)]
pub struct StateFile(PathBuf);

/// The path of the file in a folder.
fn path(folder: &Path) -> PathBuf {
    folder.join(".portcullis/serve.json")
}

impl StateFile {
    /// Prepares the place of the file; nothing is written yet.
    ///
    /// # Errors
    ///
    /// The folder cannot be written to.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let file = path(folder);
        let hidden = file.parent().unwrap_or(folder);
        fs::create_dir_all(hidden)?;
        // It means nothing on another machine.
        fs::write(hidden.join(".gitignore"), "*\n")?;
        Ok(Self(file))
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self, state: &State) -> io::Result<()> {
        let unfinished = self.0.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec_pretty(state)?)?;
        fs::rename(&unfinished, &self.0)
    }
}

impl Drop for StateFile {
    fn drop(&mut self) {
        // A file that stays behind names a process that is gone, which readers notice.
        let _ = fs::remove_file(&self.0);
        let Some(hidden) = self.0.parent() else { return };
        // A console keeps its history here.
        let others = fs::read_dir(hidden)
            .is_ok_and(|files| files.flatten().any(|file| file.file_name() != ".gitignore"));
        if !others {
            let _ = fs::remove_file(hidden.join(".gitignore"));
            let _ = fs::remove_dir(hidden);
        }
    }
}

/// The gateway that serves a folder, if there is one.
#[must_use]
pub fn read(folder: &Path) -> Option<State> {
    let state: State = serde_json::from_slice(&fs::read(path(folder)).ok()?).ok()?;
    is_running(&state).then_some(state)
}

/// Returns true if the process exists; without Linux's `/proc`, if its Envoy accepts connections.
fn is_running(state: &State) -> bool {
    match cfg!(target_os = "linux") {
        true => Path::new("/proc").join(state.pid.to_string()).exists(),
        false => TcpStream::connect_timeout(&state.admin, Duration::from_secs(1)).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_gateway_is_found_while_it_serves() {
        let folder = tempfile::tempdir().unwrap();
        let state = State {
            pid: std::process::id(),
            address: ([127, 0, 0, 1], 8080).into(),
            admin: ([127, 0, 0, 1], 1).into(),
            stage_order: "mse".into(),
            from_source: false,
        };
        assert_eq!(read(folder.path()), None);
        let file = StateFile::new(folder.path()).unwrap();
        file.write(&state).unwrap();
        assert_eq!(read(folder.path()), Some(state.clone()));
        // No process has this id.
        file.write(&State { pid: u32::MAX, ..state }).unwrap();
        assert_eq!(read(folder.path()), None);
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing stays behind");
        let file = StateFile::new(folder.path()).unwrap();
        let log = folder.path().join(".portcullis/audit.jsonl");
        fs::write(&log, "").unwrap();
        drop(file);
        assert!(
            log.exists() && folder.path().join(".portcullis/.gitignore").exists(),
            "files of others stay"
        );
    }
}
