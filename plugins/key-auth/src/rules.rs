//! Finds the consumer of a request's keys, as pure functions over headers.

use std::borrow::Cow;

use auth::refusal::Refusal;
use sdk::HeaderMap;
use text::query;

use crate::config::{Keys, Source};

/// Returns the number of the consumer whose key the request has.
///
/// A key may be in several places, but several different keys are refused: the upstream could read another one than this
/// plug-in.
pub fn verify(keys: &Keys, headers: &HeaderMap) -> Result<usize, Refusal> {
    let mut sent: Option<Cow<'_, [u8]>> = None;
    let mut sources = Vec::new();
    for (number, source) in keys.sources.iter().enumerate() {
        for value in values(source, headers) {
            match &sent {
                Some(first) if *first != value => return Err(multiple(keys)),
                Some(_) => {}
                None => sent = Some(value),
            }
            sources.push(number);
        }
    }
    let sent = sent.ok_or_else(|| missing(keys))?;
    let owner = keys.credentials.find(&sent).ok_or_else(|| invalid(keys))?;
    // A consumer with keys of its own is found by its credentials only there.
    match sources.iter().any(|source| keys.accepts(owner, *source)) {
        true => Ok(owner),
        false => Err(invalid(keys)),
    }
}

/// Returns the values in a place. An empty value is the same as none.
fn values<'a>(source: &'a Source, headers: &'a HeaderMap) -> Vec<Cow<'a, [u8]>> {
    let is_present = |value: &Cow<'_, [u8]>| !value.is_empty();
    match source {
        Source::Header(name) => headers.values(name).map(Cow::Borrowed).filter(is_present).collect(),
        Source::Query(name) => {
            let path = headers.get(":path").unwrap_or_default();
            query::values(path, name.as_bytes()).filter(is_present).collect()
        }
    }
}

fn missing(keys: &Keys) -> Refusal {
    let text = "Request denied by Key Auth check. No Key Authentication information found.";
    Refusal::unauthorized("key-auth.missing", text).challenge(&*keys.challenge)
}

fn multiple(keys: &Keys) -> Refusal {
    let text = "Request denied by Key Auth check. Multi Key Authentication information found.";
    Refusal::unauthorized("key-auth.multiple", text).challenge(&*keys.challenge)
}

fn invalid(keys: &Keys) -> Refusal {
    let text = "Request denied by Key Auth check. Invalid API key.";
    Refusal::unauthorized("key-auth.invalid", text).challenge(&*keys.challenge)
}

/// The refusal for a consumer that `allow` does not list.
pub fn not_allowed(keys: &Keys) -> Refusal {
    let text = "Request denied by Key Auth check. Unauthorized consumer.";
    Refusal::forbidden("key-auth.not_allowed", text).challenge(&*keys.challenge)
}
