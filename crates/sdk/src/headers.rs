//! Headers of a message: reading and changing them through the host, and a copy of all of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use crate::abi::{MapType, Status};
use crate::{StreamKind, host, names};

/// Parses `:status`; 0 if it is not a number.
pub(crate) fn status(status: Option<&[u8]>) -> u16 {
    status.and_then(|status| str::from_utf8(status).ok()?.parse().ok()).unwrap_or_default()
}

/// The headers of a message in the gateway. Each method is a host call.
///
/// Names are compared without case; values are bytes. In a request, `host` and `:authority` are one header: see
/// [`names`](crate::names). [`all`](Self::all) returns a copy of all headers.
pub struct LiveHeaders {
    kind: MapType,
    failed: Cell<bool>,
    /// A copy that was read before the callback and is still valid, for the first [`all`](Self::all).
    read: Cell<Option<HeaderMap>>,
}

impl fmt::Debug for LiveHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveHeaders").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl LiveHeaders {
    pub(crate) fn new(kind: MapType) -> Self {
        LiveHeaders { kind, failed: Cell::new(false), read: Cell::new(None) }
    }

    /// Returns true if a host call failed unexpectedly.
    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    fn or_fail<T: Default>(&self, result: Result<T, Status>) -> T {
        result.unwrap_or_else(|_| {
            self.failed.set(true);
            T::default()
        })
    }

    /// Reads all headers to determine the kind of a request. Not inlined, because most messages do not need it.
    #[inline(never)]
    pub(crate) fn request_kind(&self) -> StreamKind {
        self.read_ahead(StreamKind::of_request)
    }

    /// Reads all headers to determine the kind of a response to a request of kind `request`.
    #[inline(never)]
    pub(crate) fn response_kind(&self, request: StreamKind) -> StreamKind {
        self.read_ahead(|headers| StreamKind::of_response(headers, request))
    }

    fn read_ahead<T>(&self, look: impl FnOnce(&HeaderMap) -> T) -> T {
        let headers = self.all();
        let result = look(&headers);
        self.read.set(Some(headers));
        result
    }

    /// Takes the result of a change, after which the copy is no longer valid.
    #[inline]
    fn change(&self, result: Result<(), Status>) {
        self.read.set(None);
        self.or_fail(result);
    }

    /// Returns the first value of a header. Security decisions should use [`all`](Self::all), because a client may send a
    /// header more than once.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.or_fail(host::header(self.kind, name.as_ref()))
    }

    /// Calls `look` with the first value of a header and returns its result, or the default if the header is missing.
    ///
    /// Unlike [`get`](Self::get), this does not allocate for values of up to 1 KiB. In a plug-in that reads one header, the
    /// allocation is most of the cost.
    pub fn with<R: Default>(&self, name: impl AsRef<[u8]>, look: impl FnOnce(&[u8]) -> R) -> R {
        self.or_fail(host::with_header(self.kind, name.as_ref(), look)).unwrap_or_default()
    }

    /// Returns a copy of all headers, with one host call and one allocation.
    pub fn all(&self) -> HeaderMap {
        self.read.take().unwrap_or_else(|| HeaderMap(self.or_fail(host::header_pairs(self.kind))))
    }

    /// Changes the headers from `before`, a copy of [`all`](Self::all), to `after`, with the fewest host calls: one for each
    /// value of the names that differ, or one that sets all headers if that would be more than a few.
    ///
    /// Use it to change many headers: copy them, change the copy, and write it back. `after` has the pseudo-headers of
    /// `before`. The order of different names may stay as it was.
    pub fn write<'h>(&self, before: &HeaderMap, after: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone) {
        /// Setting all headers costs about as much as this many changes of one.
        const MAX_CHANGES: usize = 4;
        let mut names: BTreeMap<&[u8], [Vec<&[u8]>; 2]> = BTreeMap::new();
        for (name, value) in before.iter() {
            let [before, _] = names.entry(name).or_default();
            before.push(value);
        }
        for (name, value) in after.clone() {
            let [_, after] = names.entry(name).or_default();
            after.push(value);
        }
        names.retain(|_, [before, after]| before != after);
        if names.values().map(|[_, after]| after.len().max(1)).sum::<usize>() > MAX_CHANGES {
            self.change(host::set_header_pairs(self.kind, &serialise_pairs(after)));
            return;
        }
        for (name, [_, after]) in names {
            match after.split_first() {
                None => self.remove(name),
                Some((first, others)) => {
                    self.set(name, first);
                    for value in others {
                        self.add(name, value);
                    }
                }
            }
        }
    }

    /// Adds a header, and keeps those with the same name.
    pub fn add(&self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.change(host::add_header(self.kind, name.as_ref(), value.as_ref()));
    }

    /// Sets a header, replacing those with the same name.
    pub fn set(&self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.change(host::replace_header(self.kind, name.as_ref(), value.as_ref()));
    }

    /// Removes all headers with this name.
    pub fn remove(&self, name: impl AsRef<[u8]>) {
        self.change(host::remove_header(self.kind, name.as_ref()));
    }
}

/// A copy of all headers of a message, in their order.
///
/// It keeps the ABI's format (the number of headers, the sizes of each name and value, then the bytes of each, followed
/// by a NUL), and [`iter`](Self::iter) borrows from it. Iteration ends where the format is invalid.
#[derive(Debug, Clone, Default)]
pub struct HeaderMap(Vec<u8>);

impl HeaderMap {
    pub(crate) fn from_abi(bytes: Vec<u8>) -> Self {
        HeaderMap(bytes)
    }

    /// Returns an iterator over names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let count = number(&self.0, 0).unwrap_or(0);
        // A count that is too large would only delay the end of the loop below.
        let count = count.min(self.0.len() / 8);
        let mut sizes = 4;
        let mut data = 4 + count * 8;
        (0..count).map_while(move |_| {
            let (name_size, value_size) = (number(&self.0, sizes)?, number(&self.0, sizes + 4)?);
            let name = self.0.get(data..data.checked_add(name_size)?)?;
            let value_at = data + name_size + 1;
            let value = self.0.get(value_at..value_at.checked_add(value_size)?)?;
            sizes += 8;
            data = value_at + value_size + 1;
            Some((name, value))
        })
    }

    /// Returns all names and values as one slice, each followed by a NUL. A text that does not occur in it is in no header.
    pub fn bytes(&self) -> &[u8] {
        let count = number(&self.0, 0).unwrap_or(0).min(self.0.len() / 8);
        self.0.get(4 + count * 8..).unwrap_or_default()
    }

    /// Returns an iterator over the values of a header, in order. As in [`LiveHeaders`], names are compared without case, and
    /// `host` is `:authority`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_bytes();
        let alias = names::alias(name);
        // The length alone rules out nearly every other header.
        let is_it = move |other: &[u8]| {
            (other.len() == name.len() && other.eq_ignore_ascii_case(name))
                || alias.is_some_and(|alias| other == alias)
        };
        self.iter().filter(move |(other, _)| is_it(other)).map(|(_, value)| value)
    }

    /// Returns true if the body cannot be read as it is, because `content-encoding` (RFC 9110, section 8.4) names a coding other
    /// than `identity`. For a request, servers differ: many ignore its `content-encoding`, so a plug-in that protects should
    /// look at the bytes of the body too.
    #[must_use]
    pub fn is_encoded(&self) -> bool {
        let is_coding = |coding: &[u8]| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity");
        let mut codings = self.values("content-encoding").flat_map(|value| value.split(|byte| *byte == b','));
        codings.any(|coding| is_coding(coding.trim_ascii()))
    }

    /// Returns the first value of a header, like [`LiveHeaders::get`].
    pub fn get<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.values(name).next()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(headers: T) -> Self {
        let headers: Vec<(N, V)> = headers.into_iter().collect();
        HeaderMap(serialise_pairs(headers.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))))
    }
}

/// Reads a little-endian number of the ABI's format.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

/// Serializes headers in the ABI's format.
pub(crate) fn serialise(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    if headers.is_empty() {
        return Vec::new();
    }
    serialise_pairs(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())))
}

/// The same from slices, also for a map without headers.
fn serialise_pairs<'h>(headers: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone) -> Vec<u8> {
    let size = |(name, value): (&[u8], &[u8])| 8 + name.len() + 1 + value.len() + 1;
    let mut bytes = Vec::with_capacity(4 + headers.clone().map(size).sum::<usize>());
    // No message has 2^32 headers or bytes: a VM does not have that much memory.
    let mut push = |size: usize| bytes.extend_from_slice(&(size as u32).to_le_bytes());
    push(headers.clone().count());
    for (name, value) in headers.clone() {
        push(name.len());
        push(value.len());
    }
    for (name, value) in headers {
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(value);
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialized_headers_are_read_back() {
        let headers =
            [("a".to_string(), b"1".to_vec()), (String::new(), Vec::new()), ("a".into(), b"\xff\0".to_vec())];
        let map = HeaderMap(serialise(&headers));
        let pairs: Vec<_> = map.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        let expected: Vec<_> =
            headers.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone())).collect();
        assert_eq!(pairs, expected);
        assert_eq!(map.values("a").collect::<Vec<_>>(), [b"1".as_slice(), b"\xff\0"]);
        assert_eq!(map.get("A"), Some(&b"1"[..]), "names are compared without case");
        assert_eq!(map.bytes(), b"a\x001\0\0\0a\0\xff\0\0");
        assert_eq!(HeaderMap::default().bytes(), b"");
        assert_eq!(HeaderMap::default().iter().count(), 0);
        assert_eq!(HeaderMap(vec![0; 4]).iter().count(), 0);
    }

    #[test]
    fn a_body_is_encoded_by_any_coding_but_identity() {
        let is_encoded = |values: &[&str]| {
            let pairs: Vec<_> =
                values.iter().map(|value| ("content-encoding".into(), value.as_bytes().to_vec())).collect();
            HeaderMap(serialise(&pairs)).is_encoded()
        };
        for plain in [&[][..], &[""], &["identity"], &["Identity, ,identity"], &["", "IDENTITY"]] {
            assert!(!is_encoded(plain), "{plain:?}");
        }
        for encoded in [&["gzip"][..], &["identity, br"], &["identity", "zstd"], &["x"]] {
            assert!(is_encoded(encoded), "{encoded:?}");
        }
    }

    #[test]
    fn host_and_authority_are_one() {
        let map =
            HeaderMap(serialise(&[(":authority".into(), b"a.com".to_vec()), ("hosts".into(), Vec::new())]));
        for name in ["host", "Host", ":authority"] {
            assert_eq!(map.values(name).collect::<Vec<_>>(), [b"a.com"], "{name}");
        }
        let map = HeaderMap(serialise(&[("host".into(), b"b.com".to_vec())]));
        assert_eq!(map.get(":authority"), Some(&b"b.com"[..]));
        assert_eq!(map.get("hosts"), None);
    }

    #[test]
    fn truncated_and_corrupted_maps_end_early_without_a_panic() {
        let whole = serialise(&[("name".into(), b"value".to_vec()), ("x".into(), b"y".to_vec())]);
        for end in 0..whole.len() {
            assert!(HeaderMap(whole[..end].to_vec()).iter().count() <= 2);
            for byte in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[end] = byte;
                assert!(HeaderMap(changed).iter().count() <= whole.len());
            }
        }
        assert_eq!(HeaderMap(vec![0xff; 64]).iter().count(), 0);
    }
}
