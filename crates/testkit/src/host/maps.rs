//! Header maps as a gateway keeps them: in order, names in lower case.

use crate::case::Header;

/// One map: names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Map(Vec<(Vec<u8>, Vec<u8>)>);

impl Map {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// Sets the first of that name and removes the others.
    pub(super) fn replace(&mut self, name: &[u8], value: &[u8]) {
        let mut set = false;
        self.0.retain_mut(|(other, old)| {
            if !other.eq_ignore_ascii_case(name) {
                return true;
            }
            if !set {
                *old = value.to_vec();
            }
            !std::mem::replace(&mut set, true)
        });
        if !set {
            self.add(name, value);
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    pub(super) fn extend(&mut self, headers: &[Header]) {
        for (name, value) in headers {
            self.add(name, value);
        }
    }

    /// The headers without those that a wire format has no place for.
    pub(super) fn regular(&self) -> Vec<Header> {
        let regular = self.0.iter().filter(|(name, _)| !name.starts_with(b":"));
        regular.map(|(name, value)| (name.as_slice().into(), value.as_slice().into())).collect()
    }

    /// The ABI's form: a count, the sizes, then each name and value with a NUL behind it.
    pub(super) fn serialise(&self) -> Vec<u8> {
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = number(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            bytes.extend(number(name.len()));
            bytes.extend(number(value.len()));
        }
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        bytes
    }

    /// Reads the ABI's form; nothing when it is broken.
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
        assert_eq!(map.regular(), [("a".into(), "4".into()), ("b".into(), "2".into())]);
        map.replace(b"c", b"5");
        map.remove(b"a");
        assert_eq!(map.regular(), [("b".into(), "2".into()), ("c".into(), "5".into())]);
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
