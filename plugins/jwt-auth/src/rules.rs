//! Finds and verifies the token of a request.

use std::rc::Rc;

use auth::jwk::KeySet;
use auth::jwt::{Rejection, Token};
use auth::refusal::Refusal;
use config::StatusCode;
use sdk::{HeaderMap, LiveHeaders, names};
use sha2::{Digest as _, Sha256};
use text::{cookies, query};

use crate::cache::{Digest, Verified};
use crate::config::{Consumer, Keys, Place, Tokens};

/// The token of a request.
pub struct Sent {
    token: Vec<u8>,
    /// The numbers of the places that have it, in ascending order.
    places: Vec<usize>,
}

/// The result of verifying a token with the keys that are known.
pub enum Attempt {
    /// It belongs to a consumer, or is refused.
    Done(Result<Rc<Verified>, Refusal>),
    /// These services may publish its key.
    NeedsKeys(Vec<usize>),
}

/// Finds the token of a request. Several different ones are refused, because the upstream could read another one than
/// this plug-in.
pub fn find(tokens: &Tokens, headers: &HeaderMap) -> Result<Sent, Refusal> {
    let mut sent = Sent { token: Vec::new(), places: Vec::new() };
    for (number, place) in tokens.places.iter().enumerate() {
        for token in tokens_in(place, headers) {
            if sent.places.is_empty() {
                sent.token = token;
            } else if sent.token != token {
                return Err(unauthorized(tokens, "jwt-auth.multiple", "Request has several different Jwts"));
            }
            if sent.places.last() != Some(&number) {
                sent.places.push(number);
            }
        }
    }
    if sent.places.is_empty() {
        return Err(Refusal::unauthorized("jwt-auth.missing", "Jwt is missing").challenge(&*tokens.challenge));
    }
    Ok(sent)
}

fn tokens_in(place: &Place, headers: &HeaderMap) -> Vec<Vec<u8>> {
    let is_present = |token: &Vec<u8>| !token.is_empty();
    match place {
        Place::Header(name, prefix) => {
            let values = headers.values(name).filter_map(|value| after_prefix(value, prefix));
            values.map(<[u8]>::to_vec).filter(is_present).collect()
        }
        Place::Query(name) => {
            let path = headers.get(":path").unwrap_or_default();
            query::values(path, name.as_bytes()).map(Vec::from).filter(is_present).collect()
        }
        Place::Cookie(name) => {
            let values = headers.values("cookie").flat_map(|header| cookies::values(header, name.as_bytes()));
            values.map(<[u8]>::to_vec).filter(is_present).collect()
        }
    }
}

/// Returns the text after a prefix in lower case. The names of authentication schemes have no case, and any number of
/// spaces may follow (RFC 9110, section 11.4).
fn after_prefix<'a>(value: &'a [u8], prefix: &str) -> Option<&'a [u8]> {
    let (before, after) = value.split_at_checked(prefix.len())?;
    before.eq_ignore_ascii_case(prefix.as_bytes()).then(|| after.trim_ascii())
}

/// Verifies a token at a time in seconds since 1970.
pub fn verify(tokens: &Tokens, sent: &Sent, now: u64) -> Attempt {
    let generation = tokens.remote.iter().map(|remote| remote.generation()).sum();
    let digest = digest(sent);
    let cached = tokens.cache.try_borrow_mut().ok().and_then(|mut cache| cache.get(&digest, now, generation));
    if let Some(verified) = cached {
        return Attempt::Done(Ok(verified));
    }
    let token = match Token::parse(&sent.token) {
        Ok(token) => token,
        Err(rejection) => return Attempt::Done(Err(refusal(tokens, rejection))),
    };
    let issuer = token.unverified_issuer();
    let mut rejection = Rejection::Issuer;
    let mut services = Vec::new();
    for (number, consumer) in tokens.consumers.iter().enumerate() {
        let has_place = consumer.places.iter().any(|place| sent.places.contains(place));
        if !has_place || consumer.requirements.issuer.as_deref().is_some_and(|own| issuer != Some(own)) {
            continue;
        }
        match verify_for(tokens, consumer, number, &token, now) {
            Ok(verified) => {
                let verified = Rc::new(verified);
                if let Ok(mut cache) = tokens.cache.try_borrow_mut() {
                    cache.insert(digest, verified.clone());
                }
                return Attempt::Done(Ok(verified));
            }
            Err(new) => {
                if let (Rejection::UnknownKey, Keys::Remote(service)) = (new, &consumer.keys)
                    && !services.contains(service)
                {
                    services.push(*service);
                }
                // The reason of the consumer for which the token was verified furthest.
                if rank(new) > rank(rejection) {
                    rejection = new;
                }
            }
        }
    }
    match services.is_empty() || rank(rejection) > rank(Rejection::Signature) {
        true => Attempt::Done(Err(refusal(tokens, rejection))),
        false => Attempt::NeedsKeys(services),
    }
}

fn verify_for(
    tokens: &Tokens,
    consumer: &Consumer,
    number: usize,
    token: &Token<'_>,
    now: u64,
) -> Result<Verified, Rejection> {
    let fetched;
    let keys: &KeySet = match &consumer.keys {
        Keys::Configured(keys) => keys,
        Keys::Remote(service) => {
            fetched = tokens.remote.get(*service).and_then(|remote| remote.keys());
            fetched.as_deref().ok_or(Rejection::UnknownKey)?
        }
    };
    let claims = token.verify(keys)?;
    let expiry = claims.check(now, &consumer.requirements)?;
    let headers = consumer.claims.iter().map(|header| claims.text(&header.claim)).collect();
    Ok(Verified { consumer: number, headers, expiry })
}

/// How far a token was verified.
fn rank(rejection: Rejection) -> u8 {
    match rejection {
        Rejection::Malformed | Rejection::Algorithm | Rejection::Critical | Rejection::Issuer => 0,
        Rejection::UnknownKey => 1,
        Rejection::Signature => 2,
        _ => 3,
    }
}

/// Identifies a token and its places. Consumers have places of their own, so a token may belong to another one elsewhere.
fn digest(sent: &Sent) -> Digest {
    let mut digest = Sha256::new();
    for place in &sent.places {
        digest.update(place.to_le_bytes());
    }
    // Ends the numbers, of which none is so large.
    digest.update(usize::MAX.to_le_bytes());
    digest.update(&sent.token);
    digest.finalize().into()
}

/// The refusal for a token whose key no service publishes.
pub fn no_key(tokens: &Tokens, services: &[usize]) -> Refusal {
    let knows_keys =
        |service: &usize| tokens.remote.get(*service).is_some_and(|remote| remote.keys().is_some());
    match services.iter().all(knows_keys) {
        true => refusal(tokens, Rejection::UnknownKey),
        false => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "jwt-auth.no_keys", "Jwt keys are not available")
                .cause("remote_jwks")
        }
    }
}

/// The refusal for a token that is not valid.
fn refusal(tokens: &Tokens, rejection: Rejection) -> Refusal {
    let details = match rejection {
        Rejection::Malformed => "jwt-auth.malformed",
        Rejection::Algorithm => "jwt-auth.algorithm",
        Rejection::Critical => "jwt-auth.critical",
        Rejection::UnknownKey => "jwt-auth.unknown_key",
        Rejection::Signature => "jwt-auth.signature",
        Rejection::Issuer => "jwt-auth.issuer",
        Rejection::Audience => "jwt-auth.audience",
        Rejection::Expired => "jwt-auth.expired",
        Rejection::NoExpiry => "jwt-auth.no_expiry",
        Rejection::NotYetValid => "jwt-auth.not_yet_valid",
        Rejection::InvalidTime => "jwt-auth.invalid_time",
        Rejection::Claim => "jwt-auth.claim",
    };
    unauthorized(tokens, details, rejection.to_string())
}

fn unauthorized(
    tokens: &Tokens,
    details: &'static str,
    text: impl Into<std::borrow::Cow<'static, str>>,
) -> Refusal {
    Refusal::unauthorized(details, text).challenge(format!("{}, error=\"invalid_token\"", tokens.challenge))
}

/// The refusal for a consumer that `allow` does not list.
pub fn not_allowed(tokens: &Tokens) -> Refusal {
    Refusal::forbidden("jwt-auth.not_allowed", "Access Denied")
        .challenge(format!("{}, error=\"insufficient_scope\"", tokens.challenge))
}

/// Removes the client's copies of headers that only this plug-in may set, in all spellings that an upstream may take for
/// them.
pub fn remove_claim_headers(tokens: &Tokens, request: &LiveHeaders, headers: &HeaderMap) {
    if tokens.claim_headers.is_empty() {
        return;
    }
    let is_claim =
        |name: &[u8]| tokens.claim_headers.iter().any(|header| names::may_be_read_as(name, header));
    for (name, _) in headers.iter().filter(|(name, _)| is_claim(name)) {
        request.remove(name);
    }
}

/// Passes the claims of a token on, and removes the token unless the upstream receives it.
pub fn pass_on(
    tokens: &Tokens,
    request: &LiveHeaders,
    headers: &HeaderMap,
    sent: &Sent,
    verified: &Verified,
) {
    let Some(consumer) = tokens.consumers.get(verified.consumer) else { return };
    if !consumer.keep_token {
        remove_token(tokens, request, headers, sent);
    }
    for (claim, value) in consumer.claims.iter().zip(&verified.headers) {
        match value {
            Some(value) if claim.replace => request.set(&claim.header, value),
            Some(value) => request.add(&claim.header, value),
            None => {}
        }
    }
}

fn remove_token(tokens: &Tokens, request: &LiveHeaders, headers: &HeaderMap, sent: &Sent) {
    let places = || sent.places.iter().filter_map(|number| tokens.places.get(*number));
    let mut path = None;
    let mut cookies: Option<Vec<Vec<u8>>> = None;
    for place in places() {
        match place {
            Place::Header(name, prefix) => {
                request.remove(name);
                // Other values stay, such as credentials of another scheme.
                for other in headers.values(name).filter(|value| after_prefix(value, prefix).is_none()) {
                    request.add(name, other);
                }
            }
            Place::Query(name) => {
                let before = path.unwrap_or_else(|| headers.get(":path").unwrap_or_default().to_vec());
                path = Some(query::without(&before, name.as_bytes()));
            }
            Place::Cookie(name) => {
                let before =
                    cookies.unwrap_or_else(|| headers.values("cookie").map(<[u8]>::to_vec).collect());
                let without = |header: &Vec<u8>| cookies::without(header, name.as_bytes());
                cookies = Some(before.iter().filter_map(without).collect());
            }
        }
    }
    if let Some(path) = path {
        request.set(":path", path);
    }
    if let Some(cookies) = cookies {
        request.remove("cookie");
        for header in cookies {
            request.add("cookie", header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_has_no_case_and_any_number_of_spaces() {
        for (value, token) in [
            ("Bearer a.b.c", Some("a.b.c")),
            ("bEARER  a.b.c ", Some("a.b.c")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic a.b.c", None),
            ("Bearera.b.c", None),
            (" Bearer a.b.c", None),
        ] {
            assert_eq!(after_prefix(value.as_bytes(), "bearer "), token.map(str::as_bytes), "{value:?}");
        }
        assert_eq!(after_prefix(b"a.b.c", ""), Some(b"a.b.c".as_slice()));
    }
}
