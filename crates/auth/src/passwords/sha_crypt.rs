//! SHA-crypt, the hash of `$5$` and `$6$` (<https://www.akkadia.org/drepper/SHA-crypt.txt>).

use ::sha_crypt::{Params, sha256_crypt, sha512_crypt};

/// The digest of a SHA-crypt.
pub(super) enum Variant {
    /// `$5$`
    Sha256,
    /// `$6$`
    Sha512,
}

/// Returns the hash, or `None` for a number of `rounds` that does not exist.
pub(super) fn sha_crypt(variant: &Variant, password: &[u8], salt: &[u8], rounds: u32) -> Option<Vec<u8>> {
    let params = Params::new(rounds).ok()?;
    Some(match variant {
        Variant::Sha256 => sha256_crypt(password, salt, params).to_vec(),
        Variant::Sha512 => sha512_crypt(password, salt, params).to_vec(),
    })
}
