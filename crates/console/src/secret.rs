//! Random tokens.

use sha2::{Digest as _, Sha256};
use text::hex;

/// The digest of a token. Only digests are kept, so looking one up reveals nothing through its timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// A token of 256 random bits, in hexadecimal digits.
///
/// # Errors
///
/// The system has no random numbers.
pub(crate) fn token() -> std::io::Result<String> {
    random(&mut [0; 32])
}

/// A random name of 128 bits, in hexadecimal digits.
///
/// # Errors
///
/// The system has no random numbers.
pub(crate) fn id() -> std::io::Result<String> {
    random(&mut [0; 16])
}

fn random(bytes: &mut [u8]) -> std::io::Result<String> {
    getrandom::fill(bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(hex::encode(bytes))
}

/// Returns true if `name` is one that [`id`] returns.
pub(crate) fn is_id(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
