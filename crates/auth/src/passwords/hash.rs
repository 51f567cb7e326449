//! The forms of password hashes, and what each costs.

use std::fmt;

use argon2_core::Params;
use base64ct::{Base64, Base64Bcrypt, Base64ShaCrypt, Base64Unpadded, Encoding};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::argon2id::argon2id;
use super::md5_crypt::md5_crypt;
use super::sha_crypt::{Variant, sha_crypt};

/// The longest password that can match a hash, in bytes. The cost of most hashes grows with it.
pub const MAX_PASSWORD: usize = 128;

/// The longest time that a check may take, in microseconds.
pub const MAX_MICROSECONDS: u32 = 25_000;

/// The largest memory of an Argon2 hash, in KiB.
const MAX_MEMORY: u32 = 4096;

/// bcrypt ignores what follows.
const MAX_BCRYPT_PASSWORD: usize = 72;

/// A password hash.
pub struct Hash(Kind);

enum Kind {
    Sha1 { digest: Vec<u8> },
    Md5 { magic: &'static str, salt: String, digest: Vec<u8> },
    Sha { variant: Variant, rounds: u32, salt: String, digest: Vec<u8> },
    Bcrypt { cost: u32, salt: [u8; 16], digest: Vec<u8> },
    Argon2id { params: Params, salt: Vec<u8>, digest: Vec<u8> },
}

/// The reason for which a hash is rejected, and what to write instead. It does not contain the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashError {
    /// It is not in a form that is supported.
    Unknown,
    /// It begins like a hash of this form, but the rest is not one.
    Malformed(&'static str),
    /// A check would take too long: an estimate in microseconds, and what to write instead.
    Slow(u32, &'static str),
    /// Its memory is too large.
    Memory,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::Unknown => f.write_str(
                "has no supported password hash: write one that begins with `$6$`, `$5$`, `$2y$`, `$argon2id$`, \
                 `$apr1$`, `$1$` or `{SHA}`, such as the output of `openssl passwd -6`",
            ),
            HashError::Malformed(form) => {
                write!(f, "has a password hash that begins with `{form}` and is incomplete or changed: copy it again")
            }
            HashError::Slow(microseconds, remedy) => write!(
                f,
                "has a password hash that takes about {} ms to check, in which a worker of the gateway serves no other \
                 request; {} ms are permitted: {remedy}",
                microseconds.div_ceil(1000),
                MAX_MICROSECONDS / 1000
            ),
            HashError::Memory => {
                write!(f, "has a password hash that needs more than 4 MiB of memory: write one with `m={MAX_MEMORY}` or less")
            }
        }
    }
}

impl std::error::Error for HashError {}

impl Hash {
    /// Reads a hash.
    ///
    /// # Errors
    ///
    /// [`HashError`] for a hash in another form, or one that is too expensive.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let hash = Hash(kind(text)?);
        match hash.microseconds() {
            microseconds if microseconds > MAX_MICROSECONDS => {
                Err(HashError::Slow(microseconds, hash.remedy()))
            }
            _ => Ok(hash),
        }
    }

    /// Estimates the time of a check of the longest password, in microseconds.
    ///
    /// The figures are CPU time in V8, which Envoy uses, on an AMD EPYC; a round of SHA-crypt takes 0.45 µs with a
    /// password of 10 bytes.
    pub fn microseconds(&self) -> u32 {
        let nanoseconds: u64 = match &self.0 {
            Kind::Sha1 { .. } => 1_000,
            Kind::Md5 { .. } => 600_000,
            Kind::Sha { rounds, .. } => 1_200 * u64::from(*rounds),
            Kind::Bcrypt { cost, .. } => 80_000 << cost,
            Kind::Argon2id { params, .. } => 800 * u64::from(params.m_cost()) * u64::from(params.t_cost()),
        };
        u32::try_from(nanoseconds.div_ceil(1000)).unwrap_or(u32::MAX)
    }

    /// What to write instead of a hash that is too expensive.
    fn remedy(&self) -> &'static str {
        match &self.0 {
            Kind::Sha1 { .. } | Kind::Md5 { .. } | Kind::Sha { .. } => {
                "write one with fewer rounds, such as the output of `openssl passwd -6`"
            }
            Kind::Bcrypt { .. } => {
                "write one of a lower cost, such as the output of `htpasswd -nB -C 6 USER`"
            }
            Kind::Argon2id { .. } => "write one with less `m` or `t`, such as `m=4096,t=1,p=1`",
        }
    }

    /// Returns true if a text is a hash, even if it is too expensive.
    pub fn is_hash(text: &str) -> bool {
        kind(text).is_ok()
    }

    /// Returns true if a check takes a few microseconds.
    pub fn is_fast(&self) -> bool {
        matches!(self.0, Kind::Sha1 { .. })
    }

    /// Returns true if the hash is that of `password`.
    pub fn matches(&self, password: &[u8]) -> bool {
        // crypt(3) hashes what precedes a NUL.
        if password.len() > MAX_PASSWORD || password.contains(&0) {
            return false;
        }
        match &self.0 {
            Kind::Sha1 { digest } => equal(&Sha1::digest(password), digest),
            Kind::Md5 { magic, salt, digest } => {
                equal(&md5_crypt(password, magic.as_bytes(), salt.as_bytes()), digest)
            }
            Kind::Sha { variant, rounds, salt, digest } => {
                sha_crypt(variant, password, salt.as_bytes(), *rounds)
                    .is_some_and(|hash| equal(&hash, digest))
            }
            Kind::Bcrypt { cost, salt, digest } => {
                let mut password = [password, &[0]].concat();
                password.truncate(MAX_BCRYPT_PASSWORD);
                let hash = bcrypt::bcrypt(*cost, *salt, &password);
                equal(hash.get(..digest.len()).unwrap_or_default(), digest)
            }
            Kind::Argon2id { params, salt, digest } => {
                argon2id(params, password, salt).is_some_and(|hash| equal(&hash, digest))
            }
        }
    }
}

fn equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

fn kind(text: &str) -> Result<Kind, HashError> {
    if let Some(digest) = text.strip_prefix("{SHA}") {
        let digest = decode::<Base64>(digest, 20).ok_or(HashError::Malformed("{SHA}"))?;
        return Ok(Kind::Sha1 { digest });
    }
    let mut fields = text.split('$');
    let (Some(""), Some(name)) = (fields.next(), fields.next()) else { return Err(HashError::Unknown) };
    let fields: Vec<&str> = fields.collect();
    let (form, kind) = match name {
        "1" => ("$1$", md5("$1$", &fields)),
        "apr1" => ("$apr1$", md5("$apr1$", &fields)),
        "5" => ("$5$", sha(Variant::Sha256, &fields)),
        "6" => ("$6$", sha(Variant::Sha512, &fields)),
        "2a" => ("$2a$", blowfish(&fields)),
        "2b" => ("$2b$", blowfish(&fields)),
        "2y" => ("$2y$", blowfish(&fields)),
        "argon2id" => ("$argon2id$", argon2(&fields)),
        _ => return Err(HashError::Unknown),
    };
    match kind {
        Some(Kind::Argon2id { params, .. }) if params.m_cost() > MAX_MEMORY => Err(HashError::Memory),
        kind => kind.ok_or(HashError::Malformed(form)),
    }
}

fn md5(magic: &'static str, fields: &[&str]) -> Option<Kind> {
    let [salt, digest] = fields else { return None };
    let digest = decode::<Base64ShaCrypt>(digest, 16)?;
    let digest = in_order(&digest, &MD5_ORDER)?;
    (salt.len() <= 8).then(|| Kind::Md5 { magic, salt: (*salt).to_owned(), digest })
}

fn sha(variant: Variant, fields: &[&str]) -> Option<Kind> {
    let (rounds, salt, digest) = match fields {
        [salt, digest] => (5000, salt, digest),
        [rounds, salt, digest] => (number(rounds.strip_prefix("rounds=")?)?, salt, digest),
        _ => return None,
    };
    // Fewer rounds do not exist, and neither does a longer salt.
    if !(1000..=999_999_999).contains(&rounds) || salt.len() > 16 {
        return None;
    }
    let digest = match variant {
        Variant::Sha256 => in_order(&decode::<Base64ShaCrypt>(digest, 32)?, &sha256_order())?,
        Variant::Sha512 => in_order(&decode::<Base64ShaCrypt>(digest, 64)?, &sha512_order())?,
    };
    Some(Kind::Sha { variant, rounds, salt: (*salt).to_owned(), digest })
}

fn blowfish(fields: &[&str]) -> Option<Kind> {
    let [cost, rest] = fields else { return None };
    let cost = number(cost).filter(|number| cost.len() == 2 && (4..=31).contains(number))?;
    let (salt, digest) = (rest.get(..22)?, rest.get(22..)?);
    let salt = decode::<Base64Bcrypt>(salt, 16)?.try_into().ok()?;
    Some(Kind::Bcrypt { cost, salt, digest: decode::<Base64Bcrypt>(digest, 23)? })
}

fn argon2(fields: &[&str]) -> Option<Kind> {
    let ["v=19", params, salt, digest] = fields else { return None };
    let mut values = params.split(',');
    let mut value = |name: &str| number(values.next()?.strip_prefix(name)?);
    let (memory, passes, lanes) = (value("m=")?, value("t=")?, value("p=")?);
    let salt = Base64Unpadded::decode_vec(salt).ok().filter(|salt| (8..=64).contains(&salt.len()))?;
    let digest =
        Base64Unpadded::decode_vec(digest).ok().filter(|digest| (16..=64).contains(&digest.len()))?;
    // More lanes than this are wrong before they are multiplied.
    let lanes = Some(lanes).filter(|lanes| *lanes <= 255 && values.next().is_none())?;
    let params = Params::new(memory, passes, lanes, Some(digest.len())).ok()?;
    Some(Kind::Argon2id { params, salt, digest })
}

fn decode<E: Encoding>(text: &str, length: usize) -> Option<Vec<u8>> {
    E::decode_vec(text).ok().filter(|bytes| bytes.len() == length)
}

/// A number without a sign or leading zeros beyond its two digits.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The place in the hash of each byte of its text.
const MD5_ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

/// Groups of three bytes, which begin with each in turn; then what remains.
fn sha256_order() -> Vec<usize> {
    let group = |group: usize| (0..3).map(move |byte| group + 10 * ((5 - byte - group % 3) % 3));
    (0..10).flat_map(group).chain([30, 31]).collect()
}

/// The same in the other direction.
fn sha512_order() -> Vec<usize> {
    let group = |group: usize| (0..3).map(move |byte| group + 21 * ((2 - byte + group) % 3));
    (0..21).flat_map(group).chain([63]).collect()
}

fn in_order(text: &[u8], order: &[usize]) -> Option<Vec<u8>> {
    let mut hash = vec![0; text.len()];
    for (byte, place) in text.iter().zip(order) {
        *hash.get_mut(*place)? = *byte;
    }
    Some(hash)
}
