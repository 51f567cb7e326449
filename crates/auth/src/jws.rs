//! JSON Web Signatures in the compact form (RFC 7515, section 7.1).
//!
//! The header of a token selects a key by `kid` and `alg`, and nothing else: keys in it or behind its URLs (`jwk`, `jku`,
//! `x5c`, `x5u`) are ignored, and a `kid` is only compared. The key, not the token, determines which algorithms are
//! permitted.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::json;
use crate::jwk::{Algorithm, Key, KeySet};

/// The maximum length of an encoded header. It is parsed before anything about the token is known.
pub const MAX_HEADER: usize = 16 * 1024;

/// The maximum number of keys that are tried if a token or the keys have no `kid`, because each try takes time.
pub const MAX_TRIES: usize = 8;

/// A signed message whose signature has not been verified.
pub struct Compact<'a> {
    signed: &'a [u8],
    algorithm: Algorithm,
    key_id: Option<String>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The reason for which a text is rejected before its signature is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JwsError {
    /// Not three parts in base64url, or the header is not a JSON object with a valid `alg` and `kid`.
    Malformed,
    /// `alg` is not an algorithm that is supported. `none` never is.
    Algorithm,
    /// The header has `crit`: extensions are not supported (RFC 7515, section 4.1.11).
    Critical,
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JwsError::Malformed => "not a signed message in the compact form",
            JwsError::Algorithm => "the algorithm is not supported",
            JwsError::Critical => "the header has critical extensions",
        })
    }
}

impl std::error::Error for JwsError {}

/// The reason for which a signature is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureError {
    /// No key of the set has the token's `kid` and permits its algorithm.
    UnknownKey,
    /// No key verifies the signature.
    Invalid,
}

impl<'a> Compact<'a> {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// A [`JwsError`].
    pub fn parse(text: &'a [u8]) -> Result<Self, JwsError> {
        let mut parts = text.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::Malformed);
        };
        if header.len() > MAX_HEADER {
            return Err(JwsError::Malformed);
        }
        let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::Malformed);
        let members = json::parse(&decode(header)?).map_err(|_| JwsError::Malformed)?;
        if members.contains_key("crit") {
            return Err(JwsError::Critical);
        }
        let text_of =
            |name: &str| members.get(name).map(|value| value.as_str().ok_or(JwsError::Malformed)).transpose();
        let name = text_of("alg")?.ok_or(JwsError::Malformed)?;
        let algorithm = Algorithm::named(name).ok_or(JwsError::Algorithm)?;
        let key_id = text_of("kid")?.map(str::to_owned);
        let signed = text.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        Ok(Compact { signed, algorithm, key_id, payload: decode(payload)?, signature: decode(signature)? })
    }

    /// Returns the payload. Nothing is known about who wrote it until the signature is [verified](Self::verify).
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Verifies the signature with the keys that have the token's `kid` and permit its algorithm. If either has no `kid`,
    /// this condition is omitted.
    ///
    /// # Errors
    ///
    /// A [`SignatureError`].
    pub fn verify(&self, keys: &KeySet) -> Result<(), SignatureError> {
        let mut candidates =
            keys.keys().iter().filter(|key| self.is_candidate(key)).take(MAX_TRIES).peekable();
        if candidates.peek().is_none() {
            return Err(SignatureError::UnknownKey);
        }
        match candidates.any(|key| key.verify(self.algorithm, self.signed, &self.signature)) {
            true => Ok(()),
            false => Err(SignatureError::Invalid),
        }
    }

    fn is_candidate(&self, key: &Key) -> bool {
        let is_same = match (self.key_id(), key.id()) {
            (Some(wanted), Some(id)) => wanted == id,
            _ => true,
        };
        is_same && key.permits(self.algorithm)
    }
}
