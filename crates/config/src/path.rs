//! Where in a document the reader stands, kept on the stack so that a good document pays nothing for it.

use std::fmt;

/// A place in a document: `_rules_[3].block_urls[0]`.
#[derive(Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The last key on the way here, for an error that is about the key itself.
    pub(crate) fn split_key(&self) -> Option<(&Path<'_>, &str)> {
        match self {
            Path::Key(parent, key) => Some((parent, key)),
            Path::Root | Path::Index(..) => None,
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

/// Joins a place and a place inside it.
pub(crate) fn join(outer: &Path<'_>, inner: &str) -> String {
    let outer = outer.to_string();
    if outer.is_empty() || inner.is_empty() || inner.starts_with('[') {
        outer + inner
    } else {
        format!("{outer}.{inner}")
    }
}
