//! The protocol of Alibaba Cloud's API gateway: the headers `x-ca-key`, `x-ca-signature` and others.

use std::borrow::Cow;

use auth::refusal::Refusal;
use auth::signatures::{Algorithm, BodyDigest};
use config::StatusCode;
use sdk::HeaderMap;
use text::{percent, query};

use super::{Parts, Pending, Verified, date, expect_digest, is_near, not_allowed, value};
use crate::config::{Aliyun, Config};

const KEY: &str = "x-ca-key";
const SIGNATURE: &str = "x-ca-signature";
const SIGNATURE_METHOD: &str = "x-ca-signature-method";
const SIGNATURE_HEADERS: &str = "x-ca-signature-headers";
const TIMESTAMP: &str = "x-ca-timestamp";
const CONTENT_MD5: &str = "content-md5";
const CONTENT_TYPE: &str = "content-type";

/// The headers that are always signed, in this order, by their values.
const FIRST: [&str; 5] = [":method", "accept", CONTENT_MD5, CONTENT_TYPE, "date"];

/// Digits of a timestamp in milliseconds, from 2001 on; a shorter one is in seconds.
const MILLISECOND_DIGITS: usize = 13;

/// More parameters than this are refused, because sorting them takes memory.
const MAX_PARAMETERS: usize = 10_000;

/// The longest part of the signed text that is returned to the client, in bytes.
const MAX_SHOWN: usize = 2048;

/// The name and the value of a parameter.
type Parameter<'p> = (Cow<'p, [u8]>, Cow<'p, [u8]>);

/// A signature that covers the parameters in the body.
pub struct Unverified {
    consumer: usize,
    algorithm: Algorithm,
    signature: Vec<u8>,
    /// The signed text before the path.
    text: Vec<u8>,
    path: Vec<u8>,
    rejects_repeated: bool,
}

/// Verifies what the headers of a request permit.
pub fn verify(config: &Config, aliyun: &Aliyun, parts: &Parts<'_>) -> Result<Verified, Refusal> {
    let headers = parts.headers;
    let key = value(headers, KEY);
    let consumer = config.keys.find(&key).ok_or_else(|| invalid_key(config))?;
    if !config.access.allows(consumer) {
        return Err(not_allowed(config));
    }
    let signature = value(headers, SIGNATURE);
    if signature.is_empty() {
        return Err(empty_signature(config));
    }
    let signed = signed_headers(headers);
    if let Some(seconds) = aliyun.date_offset
        && !is_recent(parts, &signed, seconds)
    {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "hmac-auth.invalid_date", "Invalid Date"));
    }
    let algorithm = match &*value(headers, SIGNATURE_METHOD) {
        b"" | b"HmacSHA256" => Algorithm::Sha256,
        b"HmacSHA1" => Algorithm::Sha1,
        _ => return Err(invalid_signature("unknown x-ca-signature-method")),
    };
    let unverified = Unverified {
        consumer,
        algorithm,
        signature: signature.into_owned(),
        text: text(headers, &signed),
        path: value(headers, ":path").into_owned(),
        rejects_repeated: aliyun.rejects_repeated_parameters,
    };
    let mut pending = Pending::default();
    let is_form = is_form(headers);
    match is_form && parts.has_body {
        true if !parts.can_hold => return Err(invalid_signature("a form in an open-ended stream")),
        true => pending.signature = Some(unverified),
        false => unverified.verify(config, b"")?,
    }
    let md5 = value(headers, CONTENT_MD5);
    if !md5.is_empty() {
        pending.digest = expect_digest(config, parts, BodyDigest::md5(), &md5)?;
    } else if aliyun.validate_request_body && parts.has_body && !is_form {
        return Err(invalid_md5());
    }
    let is_pending = pending.digest.is_some() || pending.signature.is_some();
    Ok(Verified { consumer, is_signed: true, pending: is_pending.then_some(pending) })
}

impl Unverified {
    /// Verifies the signature, with the parameters in a body.
    pub fn verify(&self, config: &Config, body: &[u8]) -> Result<(), Refusal> {
        let (path, query) = query::split(&self.path);
        let mut parameters = Vec::new();
        for (name, value) in query::pairs(query.unwrap_or_default()).chain(query::pairs(body)) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(invalid_signature("too many parameters"));
            }
            parameters.push((percent::decode(name), percent::decode(value)));
        }
        // The sort is stable: the first parameter of a name stays the first.
        parameters.sort_by(|one, other| one.0.cmp(&other.0));
        let before = parameters.len();
        parameters.dedup_by(|later, first| later.0 == first.0);
        if parameters.len() < before && self.rejects_repeated {
            return Err(invalid_signature("a repeated parameter"));
        }
        let secret = config.keys.secret(self.consumer);
        // Clients of Alibaba Cloud sign a parameter without a value as its name, clients of Higress with a `=`.
        let has_empty = parameters.iter().any(|(_, value)| value.is_empty());
        let text = self.with_parameters(path, &parameters, b"");
        let is_signed = self.algorithm.verifies(secret, &text, &self.signature)
            || (has_empty && {
                let text = self.with_parameters(path, &parameters, b"=");
                self.algorithm.verifies(secret, &text, &self.signature)
            });
        if is_signed { Ok(()) } else { Err(wrong_signature(&text)) }
    }

    /// Returns the signed text. `none` is what follows the name of a parameter without a value.
    fn with_parameters(&self, path: &[u8], parameters: &[Parameter<'_>], none: &[u8]) -> Vec<u8> {
        let mut text = [self.text.as_slice(), path].concat();
        let separators = std::iter::once(b'?').chain(std::iter::repeat(b'&'));
        for (separator, (name, value)) in separators.zip(parameters) {
            text.push(separator);
            text.extend_from_slice(name);
            text.extend_from_slice(if value.is_empty() { none } else { b"=" });
            text.extend_from_slice(value);
        }
        text
    }
}

/// The names in `x-ca-signature-headers`, in lower case and sorted, without those that have places of their own.
fn signed_headers(headers: &HeaderMap) -> Vec<String> {
    let list = value(headers, SIGNATURE_HEADERS);
    let names = list.split(|byte| *byte == b',').filter_map(|name| str::from_utf8(name.trim_ascii()).ok());
    let mut names: Vec<String> = names
        .map(str::to_ascii_lowercase)
        .filter(|name| {
            !name.is_empty()
                && ![SIGNATURE, SIGNATURE_HEADERS].contains(&&**name)
                && !FIRST.contains(&&**name)
        })
        .collect();
    names.sort_unstable();
    names
}

/// The signed text before the path.
fn text(headers: &HeaderMap, signed: &[String]) -> Vec<u8> {
    let mut text = Vec::new();
    for name in FIRST {
        text.extend_from_slice(&value(headers, name));
        text.push(b'\n');
    }
    for name in signed {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&value(headers, name));
        text.push(b'\n');
    }
    text
}

/// Returns true if the request was signed at most `seconds` ago, or will be in as many.
fn is_recent(parts: &Parts<'_>, signed: &[String], seconds: u32) -> bool {
    let text = value(parts.headers, "date");
    let time = match text.is_empty() {
        false => date(&text),
        // Without this, a client could send an old request again with a new timestamp.
        true if !signed.iter().any(|name| name == TIMESTAMP) => None,
        true => timestamp(&value(parts.headers, TIMESTAMP)),
    };
    time.is_some_and(|time| is_near(time, parts.milliseconds, seconds))
}

fn timestamp(text: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number: u64 = digits.parse().ok()?;
    if digits.len() < MILLISECOND_DIGITS { number.checked_mul(1000) } else { Some(number) }
}

fn is_form(headers: &HeaderMap) -> bool {
    let form = b"application/x-www-form-urlencoded";
    value(headers, CONTENT_TYPE).windows(form.len()).any(|part| part.eq_ignore_ascii_case(form))
}

fn invalid_key(config: &Config) -> Refusal {
    Refusal::unauthorized("hmac-auth.invalid_key", "Invalid Key").challenge(&*config.challenge)
}

fn empty_signature(config: &Config) -> Refusal {
    Refusal::unauthorized("hmac-auth.empty_signature", "Empty Signature").challenge(&*config.challenge)
}

/// The refusal for a body that `content-md5` does not describe.
pub fn invalid_md5() -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "hmac-auth.invalid_digest", "Invalid Content-MD5")
}

fn invalid_signature(cause: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "hmac-auth.invalid_signature", "Invalid Signature").cause(cause)
}

/// The refusal for a signature of another text, with this text, so that authors of clients can compare it with theirs.
fn wrong_signature(text: &[u8]) -> Refusal {
    let shown = text.get(..MAX_SHOWN).unwrap_or(text);
    // Parameters are decoded, so they may contain line breaks, too.
    let shown = shown.iter().map(|byte| match byte {
        b'\n' => b'#',
        b' '..=b'~' => *byte,
        _ => b'?',
    });
    let message = [b"Server StringToSign:`".to_vec(), shown.collect(), b"`".to_vec()].concat();
    invalid_signature("").header("x-ca-error-message", message)
}
