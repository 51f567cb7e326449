//! Tells which files have changed, once they have come to rest.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

/// An editor writes a file in several steps; this long after the last one it is done.
const REST: Duration = Duration::from_millis(40);

/// Somebody who never comes to rest is not waited for longer than this.
const AT_MOST: Duration = Duration::from_millis(400);

/// Watches files and folders.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    /// What is wanted: files, and folders with all that is in them.
    wanted: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// The folders that the system watches for it.
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Calls `tell` with files that have changed, from a thread of its own, until it says that it wants no more.
    ///
    /// # Errors
    ///
    /// The system watches nothing.
    pub fn new(tell: impl Fn(Vec<PathBuf>) -> bool + Send + 'static) -> Result<Self> {
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
                // Nobody listens any more when the program ends.
                let _ = sender.send(path);
            }
        })
        .context("files cannot be watched")?;
        std::thread::spawn(move || while collect(&receiver).is_some_and(&tell) {});
        Ok(Self { watcher, wanted, watched: BTreeSet::new() })
    }

    /// Watches these files and folders, and no others.
    ///
    /// # Errors
    ///
    /// One of them cannot be watched.
    pub fn set(&mut self, wanted: BTreeSet<PathBuf>) -> Result<()> {
        // A file is watched by its folder: it is replaced as often as it is written.
        let folder =
            |path: &PathBuf| if path.is_dir() { Some(path.clone()) } else { path.parent().map(Into::into) };
        let folders: BTreeSet<PathBuf> =
            wanted.iter().filter_map(folder).filter(|path| path.is_dir()).collect();
        for gone in self.watched.difference(&folders) {
            // A folder that has been removed is not watched any more anyway.
            let _ = self.watcher.unwatch(gone);
        }
        for new in folders.difference(&self.watched) {
            let mode =
                if wanted.contains(new) { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            self.watcher.watch(new, mode).with_context(|| {
                format!(
                    "{} cannot be watched: raise fs.inotify.max_user_watches if there are many",
                    new.display()
                )
            })?;
        }
        self.watched = folders;
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
        Ok(())
    }
}

/// Whether a path is one of those wanted or in one; hidden files are editors' and the gateway's own.
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

/// The next files that change together; nothing when there will be no more.
fn collect(receiver: &Receiver<PathBuf>) -> Option<Vec<PathBuf>> {
    let mut paths = BTreeSet::from([receiver.recv().ok()?]);
    let deadline = Instant::now() + AT_MOST;
    while Instant::now() < deadline {
        match receiver.recv_timeout(REST) {
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
    fn what_is_hidden_or_elsewhere_is_left_alone() {
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
    fn a_file_that_is_replaced_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "1").unwrap();
        let (sender, receiver) = channel();
        let mut watch = Watch::new(move |files| sender.send(files).is_ok()).unwrap();
        watch.set(BTreeSet::from([folder.path().to_path_buf()])).unwrap();
        let unfinished = folder.path().join(".a.yaml");
        std::fs::write(&unfinished, "2").unwrap();
        std::fs::rename(&unfinished, &file).unwrap();
        let told = receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(told, [file]);
    }
}
