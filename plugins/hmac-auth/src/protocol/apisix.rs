//! The protocol of Apache APISIX: `authorization: Signature keyId="…",algorithm="…",headers="…",signature="…"`.

use auth::refusal::Refusal;
use auth::signatures::{Algorithm, BodyDigest};
use config::StatusCode;
use sdk::HeaderMap;

use super::{Parts, Pending, Verified, date, expect_digest, is_near, value};
use crate::config::{Apisix, Config};

const AUTHORIZATION: &str = "authorization";
const DATE: &str = "date";
const DIGEST: &str = "digest";

/// The method and the path with its query, in the list of signed headers.
const REQUEST_TARGET: &str = "@request-target";

/// Verifies what the headers of a request permit.
pub fn verify(config: &Config, apisix: &Apisix, parts: &Parts<'_>) -> Result<Verified, Refusal> {
    let headers = parts.headers;
    let Some(parameters) = signature_parameters(headers) else {
        return match apisix.anonymous.filter(|anonymous| config.access.allows(*anonymous)) {
            Some(consumer) => Ok(Verified { consumer, is_signed: false, pending: None }),
            None => Err(refusal(config, "hmac-auth.missing", "missing Authorization header")),
        };
    };
    let signature =
        Signature::parse(&parameters).map_err(|message| refusal(config, "hmac-auth.malformed", message))?;
    let invalid = |details, message: &str| refusal(config, details, message);
    let consumer =
        config.keys.find(signature.key).ok_or_else(|| invalid("hmac-auth.invalid_key", "Invalid keyId"))?;
    check_date(apisix, parts).map_err(|message| invalid("hmac-auth.invalid_date", message))?;
    let algorithm = algorithm(signature.algorithm).filter(|algorithm| apisix.algorithms.contains(algorithm));
    let algorithm = algorithm.ok_or_else(|| invalid("hmac-auth.invalid_algorithm", "Invalid algorithm"))?;
    check_signed(apisix, headers, &signature)
        .map_err(|message| invalid("hmac-auth.unsigned_header", &message))?;
    if !algorithm.verifies(config.keys.secret(consumer), &text(headers, &signature), signature.signature) {
        return Err(invalid("hmac-auth.invalid_signature", "Invalid signature"));
    }
    if !config.access.allows(consumer) {
        let message = format!("consumer '{}' is not allowed", config.access.name(consumer));
        return Err(invalid("hmac-auth.not_allowed", &message));
    }
    let digest = match apisix.validate_request_body {
        true => body_digest(config, parts)?,
        false => None,
    };
    let pending = digest.map(|digest| Pending { digest: Some(digest), ..Pending::default() });
    Ok(Verified { consumer, is_signed: true, pending })
}

/// Returns what follows the scheme `Signature`, whose name has no case; several headers as one text.
fn signature_parameters(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = value(headers, AUTHORIZATION);
    let (scheme, parameters) = value.split_at_checked(b"signature".len())?;
    let is_signature = scheme.eq_ignore_ascii_case(b"signature") && matches!(parameters, [] | [b' ', ..]);
    is_signature.then(|| parameters.to_vec())
}

/// The parameters of a signature.
struct Signature<'p> {
    key: &'p [u8],
    algorithm: &'p [u8],
    /// The names of the signed headers, as they were signed.
    headers: Vec<&'p str>,
    signature: &'p [u8],
}

impl<'p> Signature<'p> {
    fn parse(parameters: &'p [u8]) -> Result<Self, &'static str> {
        let (mut key, mut algorithm, mut headers, mut signature) = (None, None, None, None);
        for parameter in pairs(parameters) {
            let (name, value) = parameter.ok_or("malformed Authorization header")?;
            let place = match name {
                b"keyId" => &mut key,
                b"algorithm" => &mut algorithm,
                b"headers" => &mut headers,
                b"signature" => &mut signature,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err("malformed Authorization header");
            }
        }
        let present = |value: Option<&'p [u8]>| value.filter(|value| !value.is_empty());
        let missing = "keyId or signature missing";
        let headers =
            str::from_utf8(headers.unwrap_or_default()).map_err(|_| "malformed Authorization header")?;
        Ok(Signature {
            key: present(key).ok_or(missing)?,
            signature: present(signature).ok_or(missing)?,
            algorithm: present(algorithm).ok_or("algorithm missing")?,
            headers: headers.split(' ').filter(|name| !name.is_empty()).collect(),
        })
    }

    fn signs(&self, wanted: &str) -> bool {
        self.headers.iter().any(|name| name.eq_ignore_ascii_case(wanted))
    }
}

/// Splits `name="value"` pairs between commas; `None` for anything else, with which it ends.
fn pairs(mut rest: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let mut is_first = true;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii();
        if rest.is_empty() {
            return None;
        }
        let pair =
            pair(if is_first { rest } else { rest.strip_prefix(b",").unwrap_or_default().trim_ascii() });
        is_first = false;
        rest = pair.map_or(&[], |(_, _, after)| after);
        Some(pair.map(|(name, value, _)| (name, value)))
    })
}

/// Splits a pair from what follows.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = text.split_at_checked(text.iter().position(|byte| *byte == b'=')?)?;
    let rest = rest.strip_prefix(b"=\"")?;
    let (value, rest) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'"')?)?;
    Some((name, value, rest.strip_prefix(b"\"")?))
}

fn algorithm(name: &[u8]) -> Option<Algorithm> {
    match name {
        b"hmac-sha1" => Some(Algorithm::Sha1),
        b"hmac-sha256" => Some(Algorithm::Sha256),
        b"hmac-sha512" => Some(Algorithm::Sha512),
        _ => None,
    }
}

fn check_date(apisix: &Apisix, parts: &Parts<'_>) -> Result<(), &'static str> {
    let Some(seconds) = apisix.clock_skew else { return Ok(()) };
    let text = value(parts.headers, DATE);
    if text.is_empty() {
        return Err("Date header missing. failed to validate clock skew");
    }
    let time = date(&text).ok_or("Invalid GMT format time")?;
    is_near(time, parts.milliseconds, seconds).then_some(()).ok_or("Clock skew exceeded")
}

/// Checks that everything is signed that has to be.
fn check_signed(apisix: &Apisix, headers: &HeaderMap, signature: &Signature<'_>) -> Result<(), String> {
    // Without these, the signature of one request would be valid for others, or for ever.
    let date = apisix.clock_skew.map(|_| DATE);
    for name in [REQUEST_TARGET].into_iter().chain(date) {
        if !signature.signs(name) {
            return Err(format!("expected header \"{name}\" missing in signing"));
        }
    }
    for name in &apisix.signed_headers {
        if !signature.signs(name) || headers.get(name).is_none() {
            return Err(format!("expected header \"{name}\" missing in signing"));
        }
    }
    Ok(())
}

/// The signed text.
fn text(headers: &HeaderMap, signature: &Signature<'_>) -> Vec<u8> {
    let mut text = [signature.key, b"\n"].concat();
    for name in &signature.headers {
        if name.eq_ignore_ascii_case(REQUEST_TARGET) {
            text.extend_from_slice(&value(headers, ":method"));
            text.push(b' ');
            text.extend_from_slice(&value(headers, ":path"));
        } else if headers.get(name).is_some() {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(&value(headers, name));
        } else {
            continue;
        }
        text.push(b'\n');
    }
    text
}

fn body_digest(config: &Config, parts: &Parts<'_>) -> Result<Option<(BodyDigest, Vec<u8>)>, Refusal> {
    let digest = value(parts.headers, DIGEST);
    if digest.is_empty() && !parts.has_body {
        return Ok(None);
    }
    let (algorithm, expected) = digest.split_at_checked(b"SHA-256=".len()).unwrap_or_default();
    let expected = if algorithm.eq_ignore_ascii_case(b"SHA-256=") { expected } else { &[] };
    expect_digest(config, parts, BodyDigest::sha256(), expected)
}

/// A refusal in the form of this protocol.
pub fn refusal(config: &Config, details: &'static str, message: &str) -> Refusal {
    with_status(StatusCode::UNAUTHORIZED, details, message).challenge(&*config.challenge)
}

/// The same with another status, without a challenge.
pub fn with_status(status: StatusCode, details: &'static str, message: &str) -> Refusal {
    let message = text::json::encode(&format!("client request can't be validated: {message}"));
    Refusal::new(status, details, format!("{{\"message\":{message}}}"))
        .header("content-type", "application/json")
}
