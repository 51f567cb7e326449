//! Argon2id (RFC 9106), the hash of `$argon2id$`.

use argon2_core::{Algorithm, Argon2, Block, Params, Version};

/// Returns the hash, or `None` if its parameters are invalid.
pub(super) fn argon2id(params: &Params, password: &[u8], salt: &[u8]) -> Option<Vec<u8>> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut memory = vec![Block::new(); params.block_count()];
    let mut hash = vec![0; params.output_len()?];
    argon2.hash_password_into_with_memory(password, salt, &mut hash, &mut memory).ok()?;
    Some(hash)
}
