//! Paths that belong together: four in one folder are the folder.

use std::collections::BTreeMap;

use gateway::matches::Count;

/// From this number of paths in one folder, they are the folder.
const MANY: usize = 4;

/// Merges many paths in one folder. The root is not a folder: an exclusion would apply everywhere.
pub(super) fn merge(paths: BTreeMap<Option<String>, Count>) -> Vec<(Option<String>, Count)> {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for path in paths.keys().flatten() {
        *folders.entry(folder(path).to_owned()).or_default() += 1;
    }
    let mut result: BTreeMap<Option<String>, Count> = BTreeMap::new();
    for (path, count) in paths {
        let path = path.map(|path| {
            let folder = folder(&path);
            let is_many = folder != "/" && folders.get(folder).is_some_and(|paths| *paths >= MANY);
            if is_many { format!("{folder}*") } else { path }
        });
        result.entry(path).or_default().add(count);
    }
    result.into_iter().collect()
}

/// Returns the folder of a path, with the slash.
fn folder(path: &str) -> &str {
    path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("/")
}
