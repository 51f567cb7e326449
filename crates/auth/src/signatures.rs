//! Signatures of requests with a shared secret, and digests of bodies.
//!
//! ```
//! use auth::signatures::Algorithm;
//!
//! let signature = b"97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=";
//! let message = b"The quick brown fox jumps over the lazy dog";
//! assert!(Algorithm::Sha256.verifies(b"key", message, signature));
//! assert!(!Algorithm::Sha256.verifies(b"other", message, signature));
//! ```

use hmac::{EagerHash, Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::base64;

/// An algorithm of signatures (RFC 2104).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC-SHA-1
    Sha1,
    /// HMAC-SHA-256
    Sha256,
    /// HMAC-SHA-512
    Sha512,
}

impl Algorithm {
    /// Returns true if `signature` is that of the message, in Base64. The time does not depend on where it differs.
    pub fn verifies(self, secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let Some(signature) = base64::decode(signature) else { return false };
        match self {
            Algorithm::Sha1 => verifies::<Sha1>(secret, message, &signature),
            Algorithm::Sha256 => verifies::<Sha256>(secret, message, &signature),
            Algorithm::Sha512 => verifies::<Sha512>(secret, message, &signature),
        }
    }
}

fn verifies<D: EagerHash>(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    // A secret of any length is valid.
    let Ok(mut mac) = Hmac::<D>::new_from_slice(secret) else { return false };
    mac.update(message);
    mac.verify_slice(signature).is_ok()
}

/// The digest of a body of which the chunks arrive one after the other.
pub enum BodyDigest {
    /// MD5, as in `content-md5` (RFC 1864).
    Md5(Md5),
    /// SHA-256.
    Sha256(Sha256),
}

impl BodyDigest {
    /// Starts an MD5.
    pub fn md5() -> Self {
        BodyDigest::Md5(Md5::new())
    }

    /// Starts a SHA-256.
    pub fn sha256() -> Self {
        BodyDigest::Sha256(Sha256::new())
    }

    /// Adds a chunk.
    pub fn update(&mut self, chunk: &[u8]) {
        match self {
            BodyDigest::Md5(digest) => digest.update(chunk),
            BodyDigest::Sha256(digest) => digest.update(chunk),
        }
    }

    /// Returns true if the digest of all chunks is `expected`, in Base64.
    pub fn is(self, expected: &[u8]) -> bool {
        let Some(expected) = base64::decode(expected) else { return false };
        match self {
            BodyDigest::Md5(digest) => digest.finalize().as_slice().ct_eq(&expected).into(),
            BodyDigest::Sha256(digest) => digest.finalize().as_slice().ct_eq(&expected).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two test cases of RFC 2202 (SHA-1) and RFC 4231.
    #[test]
    fn published_signatures_are_verified() {
        let cases = [
            (
                [0x0b; 20].as_slice(),
                "Hi There",
                [
                    "thcxhlUFcmTii8C2+zeMjvFGvgA=",
                    "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c=",
                    "h6p83qXvYZ1P8LQkGh1ssCN59OLOTsJ4etCzBUXhfN7aqDO31rinAgOLJ06uo/Tkvp2RTuth8XAuaWwgOhJoVA==",
                ],
            ),
            (
                b"Jefe",
                "what do ya want for nothing?",
                [
                    "7/zfauXrL6LSdBbV8YTfnCWafHk=",
                    "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
                    "Fkt6e/z4GeLjlfvnO1bgo4e9ZCIugx/WECcM1+olBVSXWL91wFqZSm0DT2X48Ob9yuqxo01Ka0tjbgcKOLznNw==",
                ],
            ),
        ];
        for (secret, message, signatures) in cases {
            for (algorithm, signature) in
                [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512].into_iter().zip(signatures)
            {
                let verifies = |secret: &[u8], message: &str, signature: &str| {
                    algorithm.verifies(secret, message.as_bytes(), signature.as_bytes())
                };
                assert!(verifies(secret, message, signature), "{algorithm:?}");
                assert!(!verifies(b"other", message, signature));
                assert!(!verifies(secret, "other", signature));
                for wrong in ["", "AAAA", &signature[4..], "not Base64"] {
                    assert!(!verifies(secret, message, wrong), "{algorithm:?}: {wrong}");
                }
                let other = signatures.iter().find(|other| **other != signature).expect("three algorithms");
                assert!(!verifies(secret, message, other), "{algorithm:?}");
            }
        }
    }

    #[test]
    fn digests_of_chunks_are_those_of_the_body() {
        let digest = |mut digest: BodyDigest, chunks: &[&str]| {
            chunks.iter().for_each(|chunk| digest.update(chunk.as_bytes()));
            digest
        };
        assert!(digest(BodyDigest::md5(), &["a", "", "bc"]).is(b"kAFQmDzST7DWlj99KOF/cg=="));
        assert!(digest(BodyDigest::md5(), &[]).is(b"1B2M2Y8AsgTpgAmY7PhCfg=="));
        assert!(!digest(BodyDigest::md5(), &["abd"]).is(b"kAFQmDzST7DWlj99KOF/cg=="));
        assert!(!digest(BodyDigest::md5(), &["abc"]).is(b"kAFQmDzST7DWlj99KOF/"));
        assert!(!digest(BodyDigest::md5(), &["abc"]).is(b""));
        assert!(
            digest(BodyDigest::sha256(), &["{", "}"]).is(b"RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=")
        );
        assert!(!digest(BodyDigest::sha256(), &["{ }"]).is(b"RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="));
    }
}
