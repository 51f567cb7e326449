//! JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037): parsed once, and each bound to its algorithms.
//!
//! ```
//! use auth::jwk::{Algorithm, KeySet, Origin};
//!
//! let text = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1",
//!     "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
//! let set = KeySet::parse(text, Origin::Configuration)?;
//! assert!(set.keys()[0].permits(Algorithm::EdDsa));
//! assert!(!set.keys()[0].permits(Algorithm::Hs256), "a public key is never the secret of an HMAC");
//! # Ok::<(), auth::jwk::KeyError>(())
//! ```

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecdsa::signature::hazmat::PrehashVerifier;
use hmac::{Hmac, KeyInit, Mac};
use rsa::BoxedUint;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::json::{self, InvalidJson, Json, Object};

/// The minimum size of RSA keys in bits (RFC 7518, section 3.3).
pub const MIN_RSA_BITS: usize = 2048;

/// The maximum size of RSA keys in bits. Larger ones cost too much time for each token.
pub const MAX_RSA_BITS: usize = 8192;

/// The maximum number of keys in a set.
pub const MAX_KEYS: usize = 100;

/// A signature algorithm (RFC 7518, section 3.1; RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the RFC")]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// All algorithms with their names.
const ALGORITHMS: [(&str, Algorithm); 13] = [
    ("HS256", Algorithm::Hs256),
    ("HS384", Algorithm::Hs384),
    ("HS512", Algorithm::Hs512),
    ("RS256", Algorithm::Rs256),
    ("RS384", Algorithm::Rs384),
    ("RS512", Algorithm::Rs512),
    ("PS256", Algorithm::Ps256),
    ("PS384", Algorithm::Ps384),
    ("PS512", Algorithm::Ps512),
    ("ES256", Algorithm::Es256),
    ("ES384", Algorithm::Es384),
    ("ES512", Algorithm::Es512),
    ("EdDSA", Algorithm::EdDsa),
];

impl Algorithm {
    /// Returns the algorithm with this name. Names are compared with case, and `none` is not an algorithm.
    pub fn named(name: &str) -> Option<Self> {
        // RFC 9864 has a second name for EdDSA with this curve.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        ALGORITHMS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| *name)
    }

    /// The minimum number of bytes of an HMAC's secret (RFC 7518, section 3.2).
    fn min_secret(self) -> Option<usize> {
        match self {
            Algorithm::Hs256 => Some(32),
            Algorithm::Hs384 => Some(48),
            Algorithm::Hs512 => Some(64),
            _ => None,
        }
    }
}

/// The source of a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Written by the operator: an unusable key is an error, unless it is meant for another purpose.
    Configuration,
    /// Published by a service: unusable keys are ignored (RFC 7517, section 5), and so are secrets, which a service must
    /// not publish.
    Service,
}

/// A set of keys.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// Parses a JSON Web Key Set (RFC 7517, section 5).
    ///
    /// Keys for encryption and of types that are not supported are ignored.
    ///
    /// # Errors
    ///
    /// A [`KeyError`] that contains no part of a key.
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, KeyError> {
        let object = json::parse(text).map_err(|error| KeyError::new(None, KeyProblem::Json(error)))?;
        let list = object.get("keys").and_then(Json::as_list);
        let list = list.ok_or(KeyError::new(None, KeyProblem::NoList))?;
        if list.len() > MAX_KEYS {
            return Err(KeyError::new(None, KeyProblem::TooMany));
        }
        let mut keys = Vec::new();
        for (index, jwk) in list.iter().enumerate() {
            match Key::parse(jwk.as_object(), origin) {
                Ok(Some(key)) => keys.push(key),
                Ok(None) => {}
                Err(problem) if origin == Origin::Configuration => {
                    return Err(KeyError::new(Some(index), problem));
                }
                Err(_) => {}
            }
        }
        if keys.is_empty() {
            return Err(KeyError::new(None, KeyProblem::NoneUsable));
        }
        Ok(KeySet { keys })
    }

    /// Returns the usable keys, in order.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// A key that verifies signatures.
pub struct Key {
    id: Option<String>,
    /// The value of `alg`, if the key has one.
    algorithm: Option<Algorithm>,
    material: Material,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

enum Material {
    Secret(Vec<u8>),
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl Key {
    /// Parses a key. Returns `None` for keys with another purpose.
    fn parse(jwk: Option<&Object>, origin: Origin) -> Result<Option<Self>, KeyProblem> {
        let jwk = Members(jwk.ok_or(KeyProblem::NotAnObject)?);
        let kind = jwk.text("kty")?.ok_or(KeyProblem::Missing("kty"))?;
        if !matches!(kind, "oct" | "RSA" | "EC" | "OKP") || !jwk.is_for_verification()? {
            return Ok(None);
        }
        let algorithm = match jwk.text("alg")?.map(Algorithm::named) {
            // The algorithm of another purpose, such as `RSA-OAEP`, or one that is not supported.
            Some(None) => return Ok(None),
            named => named.flatten(),
        };
        if kind != "oct" && ["d", "p", "q", "dp", "dq", "qi"].iter().any(|name| jwk.0.contains_key(*name)) {
            return Err(KeyProblem::Private);
        }
        let Some(material) = jwk.material(kind, origin)? else { return Ok(None) };
        let id = jwk.text("kid")?.map(str::to_owned);
        let key = Key { id, algorithm, material };
        match algorithm {
            Some(algorithm) if !key.permits(algorithm) => Err(key.mismatch(algorithm)),
            // A secret that is shorter than that of any algorithm.
            None if !ALGORITHMS.iter().any(|(_, algorithm)| key.permits(*algorithm)) => {
                Err(KeyProblem::ShortSecret(Algorithm::Hs256))
            }
            _ => Ok(Some(key)),
        }
    }

    /// Explains why a key does not permit its own algorithm.
    fn mismatch(&self, algorithm: Algorithm) -> KeyProblem {
        match self.material {
            Material::Secret(_) if algorithm.min_secret().is_some() => KeyProblem::ShortSecret(algorithm),
            _ => KeyProblem::Mismatch(algorithm),
        }
    }

    /// Returns the `kid`.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Returns true if the key may verify signatures with this algorithm: its `alg`, if it has one, and one that fits its
    /// type and curve, or the length of its secret.
    pub fn permits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let fits = match &self.material {
            Material::Secret(secret) => algorithm.min_secret().is_some_and(|min| secret.len() >= min),
            Material::Rsa(_) => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Material::P256(_) => algorithm == Es256,
            Material::P384(_) => algorithm == Es384,
            Material::P521(_) => algorithm == Es512,
            Material::Ed25519(_) => algorithm == EdDsa,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Verifies the signature of a message. False if the key does not [permit](Self::permits) the algorithm.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.permits(algorithm) {
            return false;
        }
        match &self.material {
            Material::Secret(secret) => match algorithm {
                Algorithm::Hs256 => is_hmac::<Hmac<Sha256>>(secret, message, signature),
                Algorithm::Hs384 => is_hmac::<Hmac<Sha384>>(secret, message, signature),
                Algorithm::Hs512 => is_hmac::<Hmac<Sha512>>(secret, message, signature),
                _ => false,
            },
            Material::Rsa(key) => is_rsa(key, algorithm, message, signature),
            Material::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&Sha256::digest(message), &signature).is_ok()),
            Material::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&Sha384::digest(message), &signature).is_ok()),
            Material::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&Sha512::digest(message), &signature).is_ok()),
            Material::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

/// Compares in constant time.
fn is_hmac<M: Mac + KeyInit>(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    <M as KeyInit>::new_from_slice(secret)
        .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
}

fn is_rsa(key: &rsa::PublicKey, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    // RFC 8017, sections 8.1.2 and 8.2.2, step 1.
    if signature.len() != key.size() {
        return false;
    }
    let pkcs1 = |scheme, hash: &[u8]| key.verify::<Pkcs1v15Sign>(scheme, hash, signature).is_ok();
    match algorithm {
        Algorithm::Rs256 => pkcs1(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message)),
        Algorithm::Rs384 => pkcs1(Pkcs1v15Sign::new::<Sha384>(), &Sha384::digest(message)),
        Algorithm::Rs512 => pkcs1(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message)),
        // With a salt of the length of the hash, as RFC 7518, section 3.5 requires.
        Algorithm::Ps256 => key.pss_verify::<Sha256>(message, signature).is_ok(),
        Algorithm::Ps384 => key.pss_verify::<Sha384>(message, signature).is_ok(),
        Algorithm::Ps512 => key.pss_verify::<Sha512>(message, signature).is_ok(),
        _ => false,
    }
}

/// The members of a JWK.
struct Members<'a>(&'a Object);

impl<'a> Members<'a> {
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, KeyProblem> {
        self.0.get(name).map(|value| value.as_str().ok_or(KeyProblem::NotAString(name))).transpose()
    }

    fn bytes(&self, name: &'static str) -> Result<Vec<u8>, KeyProblem> {
        let text = self.text(name)?.ok_or(KeyProblem::Missing(name))?;
        URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyProblem::NotBase64(name))
    }

    /// Returns true unless `use` or `key_ops` limits the key to other purposes.
    fn is_for_verification(&self) -> Result<bool, KeyProblem> {
        let is_signature = self.text("use")?.is_none_or(|purpose| purpose == "sig");
        let verifies = match self.0.get("key_ops") {
            None => true,
            Some(operations) => {
                let operations = operations.as_list().ok_or(KeyProblem::NotAList("key_ops"))?;
                operations.iter().any(|operation| operation.as_str() == Some("verify"))
            }
        };
        Ok(is_signature && verifies)
    }

    /// Parses the key itself. Returns `None` for curves that are not supported.
    fn material(&self, kind: &str, origin: Origin) -> Result<Option<Material>, KeyProblem> {
        match kind {
            "oct" if origin == Origin::Service => Err(KeyProblem::PublishedSecret),
            "oct" => self.bytes("k").map(|secret| Some(Material::Secret(secret))),
            "RSA" => self.rsa().map(Some),
            "EC" => self.curve(),
            _ => self.edwards(),
        }
    }

    fn rsa(&self) -> Result<Material, KeyProblem> {
        let (modulus, exponent) = (self.bytes("n")?, self.bytes("e")?);
        let modulus = BoxedUint::from_be_slice_vartime(&modulus);
        let bits = usize::try_from(modulus.bit_width_vartime()).unwrap_or(usize::MAX);
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(KeyProblem::RsaSize(bits));
        }
        // An exponent of 1 makes every message its own signature; the crate's minimum is 2.
        let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
        let exponent = BoxedUint::from_be_slice_vartime(&exponent);
        if !is_odd || exponent < BoxedUint::from(3_u8) {
            return Err(KeyProblem::Invalid("e"));
        }
        let key = rsa::PublicKey::new_with_size_limits(modulus, exponent, MIN_RSA_BITS..=MAX_RSA_BITS);
        key.map(Material::Rsa).map_err(|_| KeyProblem::Invalid("n"))
    }

    /// A point on a curve of NIST, uncompressed. The constructors check that it is on the curve.
    fn curve(&self) -> Result<Option<Material>, KeyProblem> {
        let curve = self.text("crv")?.ok_or(KeyProblem::Missing("crv"))?;
        let length = match curve {
            "P-256" => 32,
            "P-384" => 48,
            "P-521" => 66,
            _ => return Ok(None),
        };
        let (x, y) = (self.bytes("x")?, self.bytes("y")?);
        // RFC 7518, section 6.2.1.2: the full length, with leading zeros.
        if x.len() != length || y.len() != length {
            return Err(KeyProblem::Invalid("x"));
        }
        let point = [[4].as_slice(), &x, &y].concat();
        let material = match curve {
            "P-256" => p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Material::P256),
            "P-384" => p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Material::P384),
            _ => p521::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Material::P521),
        };
        material.map(Some).map_err(|_| KeyProblem::Invalid("x"))
    }

    fn edwards(&self) -> Result<Option<Material>, KeyProblem> {
        if self.text("crv")?.ok_or(KeyProblem::Missing("crv"))? != "Ed25519" {
            return Ok(None);
        }
        let bytes = self.bytes("x")?.try_into().map_err(|_| KeyProblem::Invalid("x"))?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyProblem::Invalid("x"))?;
        // Under such a key, one signature is valid for many messages.
        if key.is_weak() { Err(KeyProblem::Invalid("x")) } else { Ok(Some(Material::Ed25519(key))) }
    }
}

/// The reason for which a key set is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError {
    /// The index of the key, if the error is about one.
    pub index: Option<usize>,
    problem: KeyProblem,
}

impl KeyError {
    fn new(index: Option<usize>, problem: KeyProblem) -> Self {
        KeyError { index, problem }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "keys[{index}]: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for KeyError {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum KeyProblem {
    Json(InvalidJson),
    NoList,
    TooMany,
    NoneUsable,
    NotAnObject,
    Missing(&'static str),
    NotAString(&'static str),
    NotAList(&'static str),
    NotBase64(&'static str),
    Invalid(&'static str),
    Private,
    PublishedSecret,
    RsaSize(usize),
    ShortSecret(Algorithm),
    Mismatch(Algorithm),
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyProblem::Json(error) => {
                write!(f, "{error}: write a JSON Web Key Set (RFC 7517) such as {{\"keys\":[…]}}")
            }
            KeyProblem::NoList => {
                f.write_str("has no list `keys`: write a JSON Web Key Set (RFC 7517), {\"keys\":[…]}")
            }
            KeyProblem::TooMany => write!(f, "has more than {MAX_KEYS} keys: remove old ones"),
            KeyProblem::NoneUsable => f.write_str(
                "has no key that verifies signatures: add one with `kty` RSA, EC, OKP or oct and without `use: enc`",
            ),
            KeyProblem::NotAnObject => f.write_str("must be an object"),
            KeyProblem::Missing(name) => write!(f, "`{name}` is missing"),
            KeyProblem::NotAString(name) => write!(f, "`{name}` must be a string"),
            KeyProblem::NotAList(name) => write!(f, "`{name}` must be a list"),
            KeyProblem::NotBase64(name) => {
                write!(f, "`{name}` must be base64url without padding (RFC 7515, section 2)")
            }
            KeyProblem::Invalid(name) => write!(f, "`{name}` is not part of a valid public key"),
            KeyProblem::Private => f.write_str("is a private key: write only its public members"),
            KeyProblem::PublishedSecret => f.write_str("is a secret, which a service must not publish"),
            KeyProblem::RsaSize(bits) => write!(
                f,
                "has {bits} bits: write an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits (RFC 7518, section 3.3)"
            ),
            KeyProblem::ShortSecret(algorithm) => write!(
                f,
                "`k` is too short: {} needs a secret of at least {} bytes (RFC 7518, section 3.2)",
                algorithm.name(),
                algorithm.min_secret().unwrap_or_default()
            ),
            KeyProblem::Mismatch(algorithm) => {
                write!(f, "`alg` {} does not fit the type or the curve of the key", algorithm.name())
            }
        }
    }
}
