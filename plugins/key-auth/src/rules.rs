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
    for value in keys.sources.iter().flat_map(|source| values(source, headers)) {
        match &sent {
            Some(first) if *first != value => return Err(multiple(keys)),
            Some(_) => {}
            None => sent = Some(value),
        }
    }
    let sent = sent.ok_or_else(|| missing(keys))?;
    let owner = keys.credentials.find(&sent).ok_or_else(|| invalid(keys))?;
    // A consumer with keys of its own is found by its credentials only there.
    let is_sent = |source: &Source| values(source, headers).next().is_some();
    let mut places = keys.sources.iter().enumerate();
    match places.any(|(number, source)| keys.accepts(owner, number) && is_sent(source)) {
        true => Ok(owner),
        false => Err(invalid(keys)),
    }
}

/// The values in a place. An empty one counts as absent.
fn values<'a>(source: &'a Source, headers: &'a HeaderMap) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let (header, parameter) = match source {
        Source::Header(name) => (Some(name), None),
        Source::Query(name) => (None, Some(name)),
    };
    let in_header = header.into_iter().flat_map(|name| headers.values(name)).map(Cow::Borrowed);
    let in_query = parameter
        .into_iter()
        .flat_map(|name| query::values(headers.get(":path").unwrap_or_default(), name.as_bytes()));
    in_header.chain(in_query).filter(|value| !value.is_empty())
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
