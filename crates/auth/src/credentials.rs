//! Finds the owner of a credential.
//!
//! The time of a look-up depends on the length of what the client sends, and on the number of credentials, but not on how
//! much of a credential is right. A client therefore cannot find one byte by byte.

use std::hash::{BuildHasher, RandomState};

use subtle::ConstantTimeEq;

/// Credentials, each with its owner.
///
/// A credential is found by a digest (SipHash) with a key of this process, which clients cannot predict, and then compared
/// in constant time.
pub struct Credentials {
    key: RandomState,
    /// By digest.
    entries: Vec<Entry>,
    /// The credentials one after another, followed by as many bytes as the longest has, so that as many bytes as the client
    /// sent can be compared, wherever a credential begins.
    bytes: Vec<u8>,
    longest: usize,
}

struct Entry {
    digest: u64,
    start: usize,
    length: usize,
    owner: usize,
}

/// Two credentials are equal. The numbers are those of the entries, in the order in which they were passed.
#[derive(Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The first.
    pub first: usize,
    /// The second.
    pub second: usize,
}

impl Credentials {
    /// Collects credentials and the numbers of their owners.
    ///
    /// # Errors
    ///
    /// Two credentials are equal, even if they have the same owner.
    pub fn new<'a>(credentials: impl IntoIterator<Item = (&'a [u8], usize)>) -> Result<Self, Duplicate> {
        let credentials: Vec<_> = credentials.into_iter().collect();
        loop {
            let key = RandomState::new();
            let mut digests: Vec<(u64, usize)> =
                credentials.iter().enumerate().map(|(at, (bytes, _))| (key.hash_one(bytes), at)).collect();
            digests.sort_unstable();
            let equal = digests.array_windows().find(|[a, b]| a.0 == b.0);
            let Some([(_, first), (_, second)]) = equal else {
                return Ok(Self::sorted(key, &credentials, &digests));
            };
            let text = |at: &usize| credentials.get(*at).map(|(bytes, _)| *bytes);
            if text(first) == text(second) {
                return Err(Duplicate { first: *first, second: *second });
            }
            // Two credentials have one digest by chance, once in 2^64 pairs: another key separates them.
        }
    }

    fn sorted(key: RandomState, credentials: &[(&[u8], usize)], digests: &[(u64, usize)]) -> Self {
        let mut all =
            Credentials { key, entries: Vec::with_capacity(digests.len()), bytes: Vec::new(), longest: 0 };
        for (digest, at) in digests {
            let Some((bytes, owner)) = credentials.get(*at) else { continue };
            all.entries.push(Entry {
                digest: *digest,
                start: all.bytes.len(),
                length: bytes.len(),
                owner: *owner,
            });
            all.bytes.extend_from_slice(bytes);
            all.longest = all.longest.max(bytes.len());
        }
        all.bytes.resize(all.bytes.len() + all.longest, 0);
        all
    }

    /// Returns the owner of a credential.
    pub fn find(&self, sent: &[u8]) -> Option<usize> {
        if sent.len() > self.longest {
            return None;
        }
        let digest = self.key.hash_one(sent);
        // The number of steps depends only on the number of entries.
        let after = self.entries.partition_point(|entry| entry.digest <= digest);
        let candidate = self.entries.get(after.saturating_sub(1))?;
        let bytes = self.bytes.get(candidate.start..candidate.start + sent.len())?;
        let is_equal = bytes.ct_eq(sent) & (candidate.length as u64).ct_eq(&(sent.len() as u64));
        bool::from(is_equal).then_some(candidate.owner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::hash_set;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_credentials_are_named() {
        let entries = [(b"a".as_slice(), 0), (b"b", 1), (b"a", 2)];
        assert_eq!(Credentials::new(entries).err(), Some(Duplicate { first: 0, second: 2 }));
    }

    #[test]
    fn prefixes_and_longer_texts_are_not_found() {
        let credentials = Credentials::new([(b"secret".as_slice(), 7), (b"\0", 8)]).ok();
        let find = |sent: &[u8]| credentials.as_ref().and_then(|credentials| credentials.find(sent));
        assert_eq!(find(b"secret"), Some(7));
        assert_eq!(find(b"\0"), Some(8));
        for sent in [
            b"".as_slice(),
            b"secre",
            b"secret\0",
            b"secret1",
            b"\0\0",
            b"\0secret",
            b"Secret",
            &[0; 100_000],
        ] {
            assert_eq!(find(sent), None, "{sent:?}");
        }
        assert_eq!(Credentials::new([]).ok().and_then(|none| none.find(b"")), None);
    }

    proptest! {
        #[test]
        fn each_credential_has_its_owner(texts in hash_set(".{0,12}", 1..200), other in ".{0,12}") {
            let texts: Vec<String> = texts.into_iter().collect();
            let entries = texts.iter().enumerate().map(|(owner, text)| (text.as_bytes(), owner));
            let credentials = Credentials::new(entries).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            for (owner, text) in texts.iter().enumerate() {
                prop_assert_eq!(credentials.find(text.as_bytes()), Some(owner));
            }
            prop_assert_eq!(credentials.find(other.as_bytes()), texts.iter().position(|text| *text == other));
        }
    }
}
