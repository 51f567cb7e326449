//! JSON Web Tokens (RFC 7519).
//!
//! ```
//! use auth::jwk::{KeySet, Origin};
//! use auth::jwt::{Rejection, Requirements, Token};
//!
//! // RFC 7515, appendix A.1
//! let keys = br#"{"keys":[{"kty":"oct",
//!     "k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
//! let keys = KeySet::parse(keys, Origin::Configuration)?;
//! let token = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
//!     eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
//!     dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
//!
//! let requirements = Requirements { issuer: Some("joe".into()), ..Requirements::default() };
//! let token = Token::parse(token)?;
//! let claims = token.verify(&keys)?;
//! assert_eq!(claims.check(1_300_819_379, &requirements), Ok(Some(1_300_819_380)));
//! assert_eq!(claims.check(1_300_819_380, &requirements), Err(Rejection::Expired));
//! assert_eq!(claims.text("http://example.com/is_root").as_deref(), Some("true"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Best current practices (RFC 8725)
//!
//! | section | advice | here |
//! |---|---|---|
//! | 3.1 | verify algorithms | the key determines them: by `alg`, `kty`, `crv`, `use` and `key_ops` ([`Key::permits`]) |
//! | 3.2 | use appropriate algorithms | those of RFC 7518 that are not deprecated; `none` is never accepted |
//! | 3.3 | validate all cryptographic operations | a token is accepted only after its one signature is verified; encrypted and nested tokens are rejected |
//! | 3.4 | validate cryptographic inputs | points must be on their curve, Ed25519 keys must not be weak, RSA keys have 2048 to 8192 bits and an odd exponent of at least 3 |
//! | 3.5 | sufficient entropy of keys | secrets have at least the length of the hash; a human's password is not a secret |
//! | 3.6 | no compression before encryption | encryption is not supported |
//! | 3.7 | UTF-8 | invalid UTF-8 is rejected; names are compared as they are |
//! | 3.8 | issuer and subject | [`Requirements::issuer`]; keys belong to an issuer |
//! | 3.9 | audience | [`Requirements::audiences`]; not checked without any |
//! | 3.10 | do not trust received claims | `kid` is only compared with known ones; `jku`, `x5u`, `jwk` and `x5c` are ignored |
//! | 3.11 | explicit typing | `typ` is not checked: use different issuers, audiences or [`Requirements::claims`] |
//! | 3.12 | mutually exclusive rules for different kinds of tokens | the same |
//!
//! Duplicate names in the header or the claims are rejected (RFC 7519, section 4), and base64url is strict: no padding, no
//! other characters, no unused bits. So there is one spelling of each token, except for the signature of ECDSA.
//!
//! [`Key::permits`]: crate::jwk::Key::permits

use std::fmt;

use crate::json::{self, Json, Object};
use crate::jwk::KeySet;
use crate::jws::{Compact, JwsError, SignatureError};

/// A token.
pub struct Token<'a> {
    message: Compact<'a>,
    claims: Claims,
}

/// The reason for which a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Not three parts in base64url with JSON objects.
    Malformed,
    /// The algorithm is not supported.
    Algorithm,
    /// The header has critical extensions.
    Critical,
    /// No known key has its `kid` and permits its algorithm.
    UnknownKey,
    /// The signature is not valid.
    Signature,
    /// `iss` is not the one that is required.
    Issuer,
    /// `aud` contains none of those that are required.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `exp` is missing.
    NoExpiry,
    /// `nbf` or `iat` is in the future.
    NotYetValid,
    /// `exp`, `nbf` or `iat` is not a number.
    InvalidTime,
    /// A required claim is missing, or has another value.
    Claim,
}

impl fmt::Display for Rejection {
    /// The text for clients. It contains nothing of the token or the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejection::Malformed => "Jwt is malformed",
            Rejection::Algorithm => "Jwt algorithm is not supported",
            Rejection::Critical => "Jwt has critical extensions",
            Rejection::UnknownKey => "Jwt key is unknown",
            Rejection::Signature => "Jwt verification fails",
            Rejection::Issuer => "Jwt issuer is unknown",
            Rejection::Audience => "Jwt audience is not allowed",
            Rejection::Expired => "Jwt is expired",
            Rejection::NoExpiry => "Jwt has no expiration",
            Rejection::NotYetValid => "Jwt is not yet valid",
            Rejection::InvalidTime => "Jwt has an invalid time",
            Rejection::Claim => "Jwt lacks a required claim",
        })
    }
}

impl std::error::Error for Rejection {}

impl<'a> Token<'a> {
    /// Parses a token.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`], [`Rejection::Algorithm`] or [`Rejection::Critical`].
    pub fn parse(text: &'a [u8]) -> Result<Self, Rejection> {
        let message = Compact::parse(text).map_err(|error| match error {
            JwsError::Malformed => Rejection::Malformed,
            JwsError::Algorithm => Rejection::Algorithm,
            JwsError::Critical => Rejection::Critical,
        })?;
        let claims = json::parse(message.unverified_payload()).map_err(|_| Rejection::Malformed)?;
        Ok(Token { message, claims: Claims(claims) })
    }

    /// Returns `iss`, which is not verified: use it only to select the keys of this issuer.
    pub fn unverified_issuer(&self) -> Option<&str> {
        self.claims.issuer()
    }

    /// Verifies the signature, and returns the claims.
    ///
    /// # Errors
    ///
    /// [`Rejection::UnknownKey`] or [`Rejection::Signature`].
    pub fn verify(&self, keys: &KeySet) -> Result<&Claims, Rejection> {
        match self.message.verify(keys) {
            Ok(()) => Ok(&self.claims),
            Err(SignatureError::UnknownKey) => Err(Rejection::UnknownKey),
            Err(SignatureError::Invalid) => Err(Rejection::Signature),
        }
    }
}

/// Conditions for the claims of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// The value of `iss`.
    pub issuer: Option<String>,
    /// `aud` must contain one of these, unless there are none.
    pub audiences: Vec<String>,
    /// Claims with their permitted values; any value if there are none.
    pub claims: Vec<(String, Vec<String>)>,
    /// Accepts tokens that never expire.
    pub allow_no_expiry: bool,
    /// The tolerance for the clocks of others, in seconds.
    pub clock_skew: u32,
}

/// Claims of a verified token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Object);

impl Claims {
    /// Checks the claims at a time in seconds since 1970. Returns the time at which the token expires, with the tolerance
    /// added.
    ///
    /// # Errors
    ///
    /// A [`Rejection`].
    pub fn check(&self, now: u64, requirements: &Requirements) -> Result<Option<u64>, Rejection> {
        if requirements.issuer.as_deref().is_some_and(|issuer| self.issuer() != Some(issuer)) {
            return Err(Rejection::Issuer);
        }
        let skew = i128::from(requirements.clock_skew);
        let now = i128::from(now);
        let expiry = self.time("exp", f64::floor)?.map(|expiry| expiry.saturating_add(skew));
        match expiry {
            // RFC 7519, section 4.1.4: the current time must be before it.
            Some(expiry) if now >= expiry => return Err(Rejection::Expired),
            None if !requirements.allow_no_expiry => return Err(Rejection::NoExpiry),
            _ => {}
        }
        for name in ["nbf", "iat"] {
            if self.time(name, f64::ceil)?.is_some_and(|time| now.saturating_add(skew) < time) {
                return Err(Rejection::NotYetValid);
            }
        }
        let audiences = &requirements.audiences;
        if !audiences.is_empty() && !self.0.get("aud").is_some_and(|value| has_one(value, audiences)) {
            return Err(Rejection::Audience);
        }
        let is_met = |(name, values): &(String, Vec<String>)| match self.get(name) {
            None | Some(Json::Null) => false,
            Some(_) if values.is_empty() => true,
            // RFC 8693, section 4.2: a list separated by spaces.
            Some(Json::String(text)) if name == "scope" => {
                text.split(' ').any(|scope| values.iter().any(|value| value == scope))
            }
            Some(value) => has_one(value, values),
        };
        if !requirements.claims.iter().all(is_met) {
            return Err(Rejection::Claim);
        }
        Ok(expiry.map(|expiry| u64::try_from(expiry).unwrap_or(u64::MAX)))
    }

    /// Returns a claim. A dot separates the name of an object from that of its member, unless a claim has the whole name,
    /// such as `https://example.com/roles`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        find(&self.0, name)
    }

    /// Returns the text of a claim, for a header: strings, numbers, booleans, and lists of these joined by commas.
    ///
    /// `None` if it is missing or has another type, if a value contains a control character, and if an element of a list
    /// contains a comma.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.get(name)? {
            Json::List(list) => {
                let texts = list.iter().map(|value| scalar(value).filter(|text| !text.contains(',')));
                texts.collect::<Option<Vec<_>>>().map(|texts| texts.join(","))
            }
            value => scalar(value),
        }
    }

    fn issuer(&self) -> Option<&str> {
        self.0.get("iss").and_then(Json::as_str)
    }

    /// Returns a time in seconds (RFC 7519, section 2: NumericDate).
    fn time(&self, name: &str, round: fn(f64) -> f64) -> Result<Option<i128>, Rejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Integer(seconds)) => Ok(Some(*seconds)),
            #[allow(clippy::cast_possible_truncation, reason = "the conversion saturates")]
            Some(Json::Float(seconds)) => Ok(Some(round(*seconds) as i128)),
            Some(_) => Err(Rejection::InvalidTime),
        }
    }
}

fn find<'a>(object: &'a Object, name: &str) -> Option<&'a Json> {
    if let Some(value) = object.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(dot, _)| {
        let member = object.get(name.get(..dot)?)?.as_object()?;
        find(member, name.get(dot + 1..)?)
    })
}

/// Returns true if a value, or an element of it, is one of these texts.
fn has_one(value: &Json, texts: &[String]) -> bool {
    let is_one = |value: &Json| match value {
        Json::String(text) => texts.contains(text),
        Json::List(_) | Json::Object(_) | Json::Null => false,
        value => scalar(value).is_some_and(|text| texts.contains(&text)),
    };
    value.as_list().map_or_else(|| is_one(value), |list| list.iter().any(is_one))
}

fn scalar(value: &Json) -> Option<String> {
    /// Whole numbers up to this one are exact.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

    match value {
        Json::String(text) => {
            (!text.contains(|character: char| character.is_control())).then(|| text.clone())
        }
        Json::Integer(number) => Some(number.to_string()),
        Json::Float(number) => (number.abs() < MAX_EXACT).then(|| number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}
