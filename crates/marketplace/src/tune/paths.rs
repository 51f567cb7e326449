//! Paths that belong together: `/items/17` and `/items/18` are both `/items/*`.

use std::collections::BTreeMap;

use super::Count;

/// From this number of paths in one folder, they are the folder.
const MANY: usize = 4;

/// The minimum length of a name of hexadecimal digits that is an identifier.
const HEX: usize = 8;

/// Merges paths with identifiers, and many paths in one folder. The root is not a folder: an exclusion would apply everywhere.
pub(super) fn merge(paths: BTreeMap<Option<String>, Count>) -> Vec<(Option<String>, Count)> {
    let mut merged: BTreeMap<Option<String>, Count> = BTreeMap::new();
    for (path, count) in paths {
        merged.entry(path.map(|path| without_identifiers(&path))).or_default().add(count);
    }
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    for path in merged.keys().flatten() {
        *folders.entry(folder(path).to_owned()).or_default() += 1;
    }
    let mut result: BTreeMap<Option<String>, Count> = BTreeMap::new();
    for (path, count) in merged {
        let path = path.map(|path| {
            let folder = folder(&path);
            let is_many = folder != "/" && folders.get(folder).is_some_and(|paths| *paths >= MANY);
            if is_many { format!("{folder}*") } else { path }
        });
        result.entry(path).or_default().add(count);
    }
    result.into_iter().collect()
}

/// Returns the path up to its first identifier, which `*` replaces.
fn without_identifiers(path: &str) -> String {
    let mut start = String::new();
    for segment in path.split_inclusive('/') {
        if start.len() > 1 && is_identifier(segment.trim_end_matches('/')) {
            start.push('*');
            return start;
        }
        start.push_str(segment);
    }
    path.to_owned()
}

/// Returns true for numbers, UUIDs and digests.
fn is_identifier(segment: &str) -> bool {
    let has_digit = segment.bytes().any(|byte| byte.is_ascii_digit());
    let is_number = segment.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    has_digit && (is_number || (is_hex && segment.len() >= HEX))
}

/// Returns the folder of a path, with the slash.
fn folder(path: &str) -> &str {
    path.rfind('/').and_then(|at| path.get(..=at)).unwrap_or("/")
}
