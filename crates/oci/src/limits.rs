//! Limits on everything that is read from a registry or a layout: whoever fills either can send what never ends.

use std::io::{self, Read};

/// The largest module, in an archive or not: Istio's fetcher and its copies read no more (`pkg/wasm/imagefetcher.go`).
pub const MAX_MODULE: u64 = 256 * 1024 * 1024;

/// The largest blob. No gateway reads larger layers.
pub const MAX_BLOB: u64 = 256 * 1024 * 1024;

/// The largest manifest or index, which is what registries accept at most (distribution specification, "Pushing
/// manifests").
pub const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// The largest response of a server for tokens.
#[cfg(feature = "registry")]
pub(crate) const MAX_TOKEN: u64 = 64 * 1024;

/// The largest image with everything attached to it.
pub const MAX_LAYOUT: u64 = 512 * 1024 * 1024;

/// The most artifacts attached to an image.
pub const MAX_REFERRERS: usize = 100;

/// The deepest nesting of indexes. Digests rule out cycles, but not chains.
pub const MAX_DEPTH: usize = 4;

/// A reader that fails after a number of bytes, in contrast to [`Read::take`], which ends there as if all were well.
pub(crate) struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R> Limited<R> {
    pub(crate) fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit, limit }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(format!("more than {} bytes", self.limit))),
        }
        Ok(read)
    }
}
