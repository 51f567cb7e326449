//! The path of the value that is being read, kept on the stack so that valid documents do not pay for it.

use std::fmt;

/// A path in a document: `_rules_[3].block_urls[0]`.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// Returns the last key, for an error about the key itself.
    pub(crate) fn key(&self) -> &str {
        match self {
            Path::Key(_, key) => key,
            Path::Root | Path::Index(..) => "",
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// Joins a path and a path relative to it.
pub(crate) fn join(outer: &Path<'_>, inner: &str) -> String {
    let outer = outer.to_string();
    if outer.is_empty() || inner.is_empty() || inner.starts_with('[') {
        outer + inner
    } else {
        format!("{outer}.{inner}")
    }
}
