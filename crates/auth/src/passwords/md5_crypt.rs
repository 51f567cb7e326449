//! MD5-crypt, the hash of `$1$` (FreeBSD, glibc) and `$apr1$` (Apache), which differ in their names only.

use md5::{Digest, Md5};

/// The number of rounds, which is fixed.
const ROUNDS: usize = 1000;

/// Returns the hash. `magic` is `$1$` or `$apr1$`.
pub(super) fn md5_crypt(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    let once = md5(&[password, salt, password]);
    let mut hasher = Md5::new();
    for part in [password, magic, salt] {
        hasher.update(part);
    }
    for chunk in password.chunks(once.len()) {
        hasher.update(once.get(..chunk.len()).unwrap_or_default());
    }
    let mut length = password.len();
    while length > 0 {
        hasher.update(if length & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut hash: [u8; 16] = hasher.finalize().into();
    for round in 0..ROUNDS {
        let (first, last): (&[u8], &[u8]) =
            if round % 2 == 1 { (password, &hash) } else { (&hash, password) };
        let salt = if round % 3 == 0 { &[] } else { salt };
        let middle = if round % 7 == 0 { &[] } else { password };
        hash = md5(&[first, salt, middle, last]);
    }
    hash
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Md5::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
