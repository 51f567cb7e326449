//! Reports which files have changed, once they have stopped changing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Editors write a file in several steps. A file that has not changed for this long is complete.
const SETTLED: Duration = Duration::from_millis(40);

/// The maximum time to wait for files that keep changing.
const TIMEOUT: Duration = Duration::from_millis(400);

/// Watches files and folders.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    /// The files and folders (with everything in them) whose changes are reported.
    wanted: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// The folders that the operating system watches for that.
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Calls `changed` with the files that have changed, on another thread, until it returns false.
    ///
    /// # Errors
    ///
    /// The operating system cannot watch files.
    pub fn new(changed: impl Fn(Vec<PathBuf>) -> bool + Send + 'static) -> Result<Self, notify::Error> {
        let wanted = Arc::<Mutex<BTreeSet<PathBuf>>>::default();
        let (sender, receiver) = channel();
        let interested = Arc::clone(&wanted);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            if event.kind.is_access() {
                return;
            }
            let wanted = interested.lock().unwrap_or_else(PoisonError::into_inner);
            for path in event.paths.into_iter().filter(|path| is_wanted(&wanted, path)) {
                // The receiver is gone when the program ends.
                let _ = sender.send(path);
            }
        })?;
        std::thread::spawn(move || while collect(&receiver).is_some_and(&changed) {});
        Ok(Self { watcher, wanted, watched: BTreeSet::new() })
    }

    /// Watches these files and folders, and no others.
    ///
    /// # Errors
    ///
    /// One of them cannot be watched.
    pub fn set(&mut self, wanted: BTreeSet<PathBuf>) -> Result<(), notify::Error> {
        // A file is watched through its folder: files are often replaced instead of written.
        let folder =
            |path: &PathBuf| if path.is_dir() { Some(path.clone()) } else { path.parent().map(Into::into) };
        let folders: BTreeSet<PathBuf> =
            wanted.iter().filter_map(folder).filter(|path| path.is_dir()).collect();
        for gone in self.watched.difference(&folders) {
            // A folder that has been removed is no longer watched anyway.
            let _ = self.watcher.unwatch(gone);
        }
        for new in folders.difference(&self.watched) {
            let mode =
                if wanted.contains(new) { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            self.watcher.watch(new, mode)?;
        }
        self.watched = folders;
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        Ok(())
    }
}

/// Returns true for a path that is wanted or inside one. Hidden files belong to editors and to the gateway itself.
fn is_wanted(wanted: &BTreeSet<PathBuf>, path: &Path) -> bool {
    wanted.iter().any(|wanted| {
        path.strip_prefix(wanted).is_ok_and(|rest| {
            rest.components().all(|part| {
                let part = part.as_os_str().to_string_lossy();
                !part.starts_with('.') && !part.ends_with('~')
            })
        })
    })
}

/// The next files that change together; `None` when no more can come.
fn collect(receiver: &Receiver<PathBuf>) -> Option<Vec<PathBuf>> {
    let mut paths = BTreeSet::from([receiver.recv().ok()?]);
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        match receiver.recv_timeout(SETTLED) {
            Ok(path) => paths.insert(path),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
    }
    Some(paths.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_files_and_other_folders_are_ignored() {
        let wanted = BTreeSet::from(["/w/plugins".into(), "/w/Cargo.toml".into()]);
        for (path, expected) in [
            ("/w/plugins/a.yaml", true),
            ("/w/plugins/deep/a.rs", true),
            ("/w/plugins/.portcullis/serve.json", false),
            ("/w/plugins/.a.yaml.swp", false),
            ("/w/plugins/a.yaml~", false),
            ("/w/Cargo.toml", true),
            ("/w/Cargo.lock", false),
        ] {
            assert_eq!(is_wanted(&wanted, Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn replaced_files_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "1").unwrap();
        let (sender, receiver) = channel();
        let mut watch = Watch::new(move |files| sender.send(files).is_ok()).unwrap();
        watch.set(BTreeSet::from([folder.path().to_path_buf()])).unwrap();
        let unfinished = folder.path().join(".a.yaml");
        std::fs::write(&unfinished, "2").unwrap();
        std::fs::rename(&unfinished, &file).unwrap();
        let changed = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(changed, [file]);
    }
}
