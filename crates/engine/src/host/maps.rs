//! Header maps as Envoy keeps them: in order, pseudo-headers first, names in lower case.

use super::differences::{Difference, has};
use crate::exchange::Header;

/// One map: names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map {
    kind: Kind,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The kind of a map. Envoy keeps a single value of some names, and joins added values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// The headers of a request, with `host` as an alias of `:authority`.
    Request,
    /// The headers of a response.
    Response,
    /// Trailers.
    #[default]
    Trailers,
}

impl Kind {
    /// Whether this name has a single value, to which others are appended after a comma.
    fn joins(self, name: &[u8]) -> bool {
        let names: &[&str] = match self {
            Self::Request => &JOINED_IN_REQUESTS,
            Self::Response => &JOINED_IN_RESPONSES,
            Self::Trailers => &[],
        };
        // The names of HTTP itself, and those in both lists.
        names.iter().chain(&JOINED_IN_BOTH).any(|joined| joined.as_bytes() == name) && self != Self::Trailers
    }
}

/// Envoy's inline headers, as a probe behind 1.40 saw them when each was sent twice.
const JOINED_IN_BOTH: [&str; 12] = [
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "proxy-status",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-request-id",
];
const JOINED_IN_REQUESTS: [&str; 36] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "authorization",
    "cdn-loop",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-connection",
    "referer",
    "te",
    "user-agent",
    "x-client-trace-id",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];
const JOINED_IN_RESPONSES: [&str; 19] = [
    ":status",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "date",
    "etag",
    "expires",
    "grpc-message",
    "grpc-status",
    "keep-alive",
    "last-modified",
    "location",
    "proxy-connection",
    "server",
    "vary",
];

impl Map {
    pub(super) const fn new() -> Self {
        Self { kind: Kind::Trailers, fields: Vec::new() }
    }

    pub(super) const fn of(kind: Kind) -> Self {
        Self { kind, fields: Vec::new() }
    }

    /// The same fields as a map of this kind.
    pub(super) fn into_kind(self, kind: Kind) -> Self {
        let mut map = Self::of(kind);
        self.fields.iter().for_each(|(name, value)| map.add(name, value));
        map
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// The name under which a header is stored.
    fn name(&self, name: &[u8]) -> Vec<u8> {
        let name = name.to_ascii_lowercase();
        if self.kind == Kind::Request && name == b"host" && !has(Difference::Host) {
            return b":authority".to_vec();
        }
        name
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let name = self.name(name);
        self.fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_slice())
    }

    /// Appends a header, or a pseudo-header after the other pseudo-headers; for a single-value header, appends to its
    /// value.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = self.name(name);
        let joins = self.kind.joins(&name) && !has(Difference::Joined);
        if let Some((_, old)) = self.fields.iter_mut().find(|(other, _)| joins && *other == name) {
            if !old.is_empty() && !value.is_empty() {
                old.push(b',');
            }
            return old.extend_from_slice(value);
        }
        let pseudo = name.starts_with(b":");
        let end = self.fields.iter().position(|(other, _)| pseudo && !other.starts_with(b":"));
        let end = end.unwrap_or(self.fields.len());
        self.fields.insert(end, (name, value.to_vec()));
    }

    /// Removes all headers of this name, and adds this one.
    pub(super) fn replace(&mut self, name: &[u8], value: &[u8]) {
        if has(Difference::Replaced)
            && let Some((_, old)) = self.fields.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            return *old = value.to_vec();
        }
        self.remove(name);
        self.add(name, value);
    }

    /// Sets a single-value header in place.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8]) {
        match self.fields.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.add(name, value),
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        let name = self.name(name);
        self.fields.retain(|(other, _)| *other != name);
    }

    pub(super) fn extend(&mut self, headers: &[Header]) {
        for (name, value) in headers {
            self.add(name, value);
        }
    }

    /// The headers without those that cannot be sent.
    pub(super) fn regular(&self) -> Vec<Header> {
        let regular = self.fields.iter().filter(|(name, _)| !name.starts_with(b":"));
        regular.map(|(name, value)| (name.as_slice().into(), value.as_slice().into())).collect()
    }

    /// The ABI's form: a count, the sizes, then each name and value followed by a NUL.
    pub(super) fn serialise(&self) -> Vec<u8> {
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = number(self.fields.len()).to_vec();
        for (name, value) in &self.fields {
            bytes.extend(number(name.len()));
            bytes.extend(number(value.len()));
        }
        for part in self.fields.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        bytes
    }

    /// Parses the ABI's form; none if it is invalid.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let number = |at: usize| {
            let bytes = bytes.get(at..)?.first_chunk::<4>()?;
            usize::try_from(u32::from_le_bytes(*bytes)).ok()
        };
        let count = number(0)?;
        let mut map = Self::default();
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        for index in 0..count {
            let mut part = |size: usize| {
                let part = bytes.get(at..at.checked_add(size)?)?;
                at += size + 1;
                Some(part)
            };
            let name = part(number(4 + index * 8)?)?;
            let value = part(number(8 + index * 8)?)?;
            map.add(name, value);
        }
        Some(map)
    }
}

impl From<&[Header]> for Map {
    fn from(headers: &[Header]) -> Self {
        let mut map = Self::new();
        map.extend(headers);
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_keeps_order_and_repeats() {
        let mut map = Map::default();
        map.extend(&[("A".into(), "1".into()), ("b".into(), "2".into()), ("a".into(), "3".into())]);
        assert_eq!(Map::parse(&map.serialise()), Some(map.clone()));
        assert_eq!((map.get(b"a"), map.len()), (Some(b"1".as_slice()), 3));
        map.replace(b"A", b"4");
        assert_eq!(map.regular(), [("b".into(), "2".into()), ("a".into(), "4".into())]);
        map.replace(b"c", b"5");
        map.remove(b"a");
        assert_eq!(map.regular(), [("b".into(), "2".into()), ("c".into(), "5".into())]);
    }

    #[test]
    fn host_is_another_name_of_the_authority_in_a_request_alone() {
        let mut map = Map::of(Kind::Request);
        map.add(b":authority", b"a");
        map.add(b":path", b"/");
        assert_eq!((map.get(b"host"), map.get(b"Host")), (Some(b"a".as_slice()), Some(b"a".as_slice())));
        map.add(b"host", b"b");
        assert_eq!(map.get(b":authority"), Some(b"a,b".as_slice()));
        map.replace(b"host", b"c");
        assert_eq!(map.fields.last(), Some(&(b":authority".to_vec(), b"c".to_vec())));
        assert!(map.regular().is_empty());
        map.remove(b"host");
        assert_eq!((map.get(b"host"), map.len()), (None, 1));
        let mut map = Map::of(Kind::Response);
        map.add(b"host", b"a");
        assert_eq!((map.get(b"host"), map.get(b":authority")), (Some(b"a".as_slice()), None));
    }

    #[test]
    fn what_envoy_keeps_one_value_of_is_joined() {
        let mut map = Map::of(Kind::Request);
        for (name, value) in
            [("content-type", "a"), ("x-a", "1"), ("Content-Type", "b"), ("x-a", "2"), ("via", "")]
        {
            map.add(name.as_bytes(), value.as_bytes());
        }
        map.add(b"via", b"c");
        let fields = [("content-type", "a,b"), ("x-a", "1"), ("x-a", "2"), ("via", "c")];
        assert_eq!(map.regular(), fields.map(|(name, value)| (name.into(), value.into())));
        // Not everywhere.
        let mut map = Map::new();
        map.add(b"content-type", b"a");
        map.add(b"content-type", b"b");
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn pseudo_headers_come_first() {
        let mut map = Map::of(Kind::Response);
        map.add(b"a", b"1");
        map.add(b":status", b"200");
        map.add(b":x", b"y");
        let names: Vec<&[u8]> = map.fields.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [b":status".as_slice(), b":x", b"a"]);
    }

    #[test]
    fn a_broken_form_is_nothing() {
        let mut map = Map::default();
        map.add(b"name", b"value");
        let whole = map.serialise();
        for end in 1..whole.len() - 1 {
            assert_eq!(Map::parse(&whole[..end]), None, "{end}");
        }
        assert_eq!(Map::parse(&[0xff; 16]), None);
    }
}
