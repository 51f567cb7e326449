//! Answers requests from a cache of responses, by the rules of HTTP or by a key.

#[cfg(feature = "redis")]
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use ::config::RequestHeaderName;
use sdk::prelude::*;
use sdk::{HeaderMap, LiveHeaders, Status, consumer, property, time};
use sha2::{Digest, Sha256};
use text::json::{self, DotPath};

mod config;
#[cfg(feature = "redis")]
mod redis;
mod rules;
mod store;

use crate::config::{Config, KeySource, Mode};
use crate::rules::{Directives, Shared, Wish};
use crate::store::{Entry, Key};

struct ResponseCache;

/// The handling of the response.
#[derive(Default)]
enum State {
    /// It is not stored.
    #[default]
    Skip,
    /// The key is in the body of the request; the digest has what is known of it.
    NeedsBody { digest: Sha256, stores: bool },
    /// It is the plug-in's own. `is_untyped` is true for a body without a content type.
    Reply { is_untyped: bool },
    /// It makes stored responses invalid.
    Change(Key),
    /// It may be stored, or confirms that a stored one can be used again.
    Miss { lookup: Lookup, stale: Option<Box<Stale>> },
    /// It is stored when it is complete.
    Storing { entry: Box<Entry>, body: Vec<u8>, length: Option<usize> },
}

/// A stored response whose revalidation the upstream has been asked for.
struct Stale {
    entry: Entry,
    body: Vec<u8>,
}

/// The maximum size of the headers of a stored response.
const MAX_HEADERS: usize = 8192;

/// The header that tells whether a response is from the cache.
const STATUS: &str = "x-cache-status";

/// The client's header for a request without the cache.
const SKIP: &str = "x-higress-skip-response-cache";

#[cfg_attr(feature = "redis", plugin(call_outs))]
#[cfg_attr(not(feature = "redis"), plugin)]
impl Plugin for ResponseCache {
    const ON_FAILURE: Failure = Failure::Open;

    type Config = Config;
    type State = State;

    #[cfg(feature = "redis")]
    fn on_configured(configurations: &[Rc<Self::Config>]) {
        configurations.iter().filter_map(|config| config.redis.as_ref()).for_each(redis::Redis::start);
    }

    fn on_request_headers(request: &mut RequestHeaders<State>, config: &Config) -> Flow {
        let headers = request.all();
        let end = request.end_of_stream();
        if !end && request.kind().is_open_ended() {
            return Flow::Continue;
        }
        let (flow, state) = match plan(request, config, headers, end) {
            Ok(Plan::Continue(state)) => (Flow::Continue, state),
            #[cfg(feature = "redis")]
            Ok(Plan::Find(lookup)) if config.redis.is_some() && lookup.uses => {
                return request.wait(config, async move |request, config| {
                    let (flow, state) = look_up_in_redis(request, &config, lookup).await;
                    request.state = state;
                    flow
                });
            }
            Ok(Plan::Find(lookup)) => look_up(request, config, lookup),
            Err(status) => or_pass(Err(status)),
        };
        *request.state = state;
        flow
    }

    fn on_request_body(body: &mut RequestBody<State>, config: &Config) -> Flow {
        if !matches!(body.state, State::NeedsBody { .. }) {
            return Flow::Continue;
        }
        // The gateway responds with 413 to what it cannot hold.
        if body.size() > config.entry_bytes {
            *body.state = State::Skip;
            return Flow::Continue;
        }
        if !body.is_last() {
            return Flow::Hold;
        }
        let State::NeedsBody { mut digest, stores } = std::mem::take(body.state) else {
            return Flow::Continue;
        };
        let Mode::Key(keyed) = &config.mode else { return Flow::Continue };
        let KeySource::Body(path) = &keyed.key else { return Flow::Continue };
        let bytes = body.all();
        // Of duplicate keys, the upstream may use another one.
        let is_key = |path: &DotPath| json::edit::is_unambiguous(&bytes, path).unwrap_or_default();
        if !path.as_ref().is_none_or(is_key) {
            return Flow::Continue;
        }
        let Some(Value { bytes, is_string }) = value(&bytes, path.as_ref()) else { return Flow::Continue };
        if bytes.is_empty() {
            return Flow::Continue;
        }
        add(&mut digest, &[is_string.into()]);
        add(&mut digest, &bytes);
        let key = digest.finalize().into();
        let lookup = Lookup::by_key(key, stores);
        #[cfg(feature = "redis")]
        if config.redis.is_some() {
            return body.wait(config, async move |request, config| {
                let (flow, state) = look_up_in_redis(request, &config, lookup).await;
                request.state = state;
                flow
            });
        }
        let (flow, state) = look_up(body.held_headers(), config, lookup);
        *body.state = state;
        flow
    }

    fn holds_request_body(config: &Config) -> bool {
        matches!(&config.mode, Mode::Key(keyed) if matches!(keyed.key, KeySource::Body(_)))
    }

    fn on_response_headers(response: &mut ResponseHeaders<State>, config: &Config) -> Flow {
        let (is_empty, is_open) = (response.end_of_stream(), response.kind().is_open_ended());
        let Some(state) = response.state.as_deref_mut().map(std::mem::take) else { return Flow::Continue };
        let status = match state {
            State::Reply { is_untyped } => {
                // The gateway adds it, and a client may then not determine the type itself. In gRPC, it is another one.
                if is_untyped && response.with("content-type", |value| value == b"text/plain") {
                    response.remove("content-type");
                }
                return Flow::Continue;
            }
            State::Change(key) => {
                if matches!(response.status(), 200..=399) {
                    remove(config, &key);
                }
                "skip"
            }
            State::Miss { lookup, stale } => {
                let headers = response.all();
                let status = response.status();
                if status == 304
                    && let Some(stale) = stale
                {
                    let reply = revalidated(config, &lookup, *stale, &headers);
                    return match reply {
                        Ok(reply) => Flow::Reply(reply),
                        Err(status) => {
                            report(status);
                            Flow::Continue
                        }
                    };
                }
                let entry = if lookup.stores && !is_open {
                    or_none(storable(config, &lookup, &headers, status))
                } else {
                    None
                };
                let name = if entry.is_some() { "miss" } else { "skip" };
                if let Some(entry) = entry {
                    if is_empty {
                        put(config, entry, &[]);
                    } else {
                        let length = headers
                            .get("content-length")
                            .and_then(|length| str::from_utf8(length).ok()?.parse().ok());
                        if let Some(state) = response.state.as_deref_mut() {
                            *state = State::Storing { entry: Box::new(entry), body: Vec::new(), length };
                        }
                    }
                }
                name
            }
            State::Skip | State::NeedsBody { .. } | State::Storing { .. } => "skip",
        };
        response.set(STATUS, status);
        Flow::Continue
    }

    fn on_response_body(body: &mut ResponseBody<State>, config: &Config) -> Flow {
        let (is_last, size) = (body.is_last(), body.size());
        let Some(State::Storing { body: all, .. }) = body.state.as_deref() else { return Flow::Continue };
        if all.len().saturating_add(size) > config.entry_bytes {
            if let Some(state) = body.state.as_deref_mut() {
                *state = State::Skip;
            }
            return Flow::Continue;
        }
        let chunk = body.chunk();
        let Some(state) = body.state.as_deref_mut() else { return Flow::Continue };
        if let State::Storing { body: all, .. } = state {
            all.extend(chunk);
        }
        if is_last && let State::Storing { entry, body: all, length } = std::mem::take(state) {
            // A response that was cut off may look complete.
            if length.is_none_or(|length| length == all.len()) {
                put(config, *entry, &all);
            }
        }
        Flow::Continue
    }

    fn holds_response_body(_: &Config) -> bool {
        false
    }
}

fn or_none<T>(result: Result<Option<T>, Status>) -> Option<T> {
    result.unwrap_or_else(|status| {
        report(status);
        None
    })
}

fn report(Status(status): Status) {
    error!("response-cache: the cache cannot be used: host status {status}");
}

fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
    digest.update(part);
}

/// A digest with what every key has: the route, the host and the path, and the headers that the configuration names.
fn url(config: &Config, headers: &HeaderMap) -> Result<Sha256, Status> {
    // Routes with conditions on headers, such as those of canaries, lead one URL to different upstreams.
    let route = property::route_name()?.unwrap_or_default();
    Ok(digest(&config.fingerprint, &route, headers, &config.key_headers))
}

fn digest(
    fingerprint: &[u8],
    route: &[u8],
    headers: &HeaderMap,
    key_headers: &[RequestHeaderName],
) -> Sha256 {
    let mut digest = Sha256::new();
    add(&mut digest, fingerprint);
    add(&mut digest, route);
    // What the gateway and its proxies know of the scheme.
    for name in [":scheme", rules::SCHEME, ":path"] {
        add(&mut digest, &rules::joined(headers, name));
    }
    add(&mut digest, &headers.get(":authority").unwrap_or_default().to_ascii_lowercase());
    for name in key_headers {
        add(&mut digest, &rules::joined(headers, name));
    }
    digest
}

/// Answers a request from the cache, or continues with the returned state.
fn look_up(map: &LiveHeaders, config: &Config, lookup: Lookup) -> (Flow, State) {
    let found = find(config, &lookup);
    or_pass(found.and_then(|found| decide(map, config, lookup, found)))
}

/// The same with the responses in Redis.
#[cfg(feature = "redis")]
async fn look_up_in_redis(map: &LiveHeaders, config: &Config, lookup: Lookup) -> (Flow, State) {
    let found = match &config.redis {
        Some(redis) => redis.find(&lookup.key, &lookup.headers).await,
        None => None,
    };
    let found = found.filter(|(entry, _)| rules::matches(entry, &lookup.headers));
    let found = found.map(|(entry, body)| Ok(Found { entry, now: time::nanoseconds()?, body: Some(body) }));
    or_pass(found.transpose().and_then(|found| decide(map, config, lookup, found)))
}

/// A request is not refused because the cache fails.
fn or_pass(result: Result<(Flow, State), Status>) -> (Flow, State) {
    result.unwrap_or_else(|status| {
        report(status);
        (Flow::Continue, State::Skip)
    })
}

/// What is next for a request.
enum Plan {
    /// It continues.
    Continue(State),
    /// A stored response may answer it.
    Find(Lookup),
}

/// A request that a stored response may answer.
struct Lookup {
    key: Key,
    /// Its headers, as far as they matter to stored responses.
    headers: HeaderMap,
    directives: Directives,
    /// The client accepts a stored response.
    uses: bool,
    /// Its response may be stored.
    stores: bool,
    /// It is authorized.
    authorized: bool,
}

impl Lookup {
    /// A request whose key is all that matters.
    fn by_key(key: Key, stores: bool) -> Self {
        let (headers, directives) = (HeaderMap::default(), Directives::default());
        Self { key, headers, directives, uses: true, stores, authorized: false }
    }
}

fn plan(map: &LiveHeaders, config: &Config, headers: HeaderMap, end: bool) -> Result<Plan, Status> {
    let skips = headers.get(SKIP) == Some(b"on");
    let authorized = headers.get("authorization").is_some() || consumer::of_request()?.is_some();
    let is_keyed = |name: &[u8]| config.is_keyed(name);
    match &config.mode {
        Mode::Http(_) => {
            let wish = rules::wish(&headers, end);
            let key = url(config, &headers)?.finalize().into();
            Ok(match wish {
                Wish::Change => Plan::Continue(State::Change(key)),
                Wish::Find { stores, uses } if !skips && (!authorized || config.share_authorized) => {
                    let stores = stores && !rules::is_poisonous(&headers, is_keyed);
                    let directives = Directives::of(&headers);
                    Plan::Find(Lookup { key, headers, directives, uses, stores, authorized })
                }
                Wish::Find { .. } | Wish::Skip => Plan::Continue(State::Skip),
            })
        }
        Mode::Key(keyed) => {
            let is_method = matches!(headers.get(":method"), Some(b"GET" | b"POST"));
            if skips || !is_method || (authorized && !config.share_authorized) {
                return Ok(Plan::Continue(State::Skip));
            }
            let stores = !rules::is_poisonous(&headers, is_keyed) && !is_personal(config, &headers);
            let mut digest = url(config, &headers)?;
            add(&mut digest, headers.get(":method").unwrap_or_default());
            let is_key = match &keyed.key {
                KeySource::Header(name) => headers.values(name).any(|value| !value.is_empty()),
                KeySource::Body(_) => {
                    let is_encoded = headers.get("content-encoding").is_some();
                    !end && !is_encoded && headers.get("content-type").is_some_and(rules::is_json)
                }
            };
            if !is_key {
                return Ok(Plan::Continue(State::Skip));
            }
            // Clients share the response, whatever they accept.
            if headers.get("accept-encoding").is_some() {
                map.remove("accept-encoding");
            }
            Ok(match &keyed.key {
                KeySource::Header(name) => {
                    add(&mut digest, &rules::joined(&headers, name));
                    Plan::Find(Lookup::by_key(digest.finalize().into(), stores))
                }
                KeySource::Body(_) => Plan::Continue(State::NeedsBody { digest, stores }),
            })
        }
    }
}

/// Returns the decision on a request for which a response was found or not, and the state in which it continues.
fn decide(
    map: &LiveHeaders,
    config: &Config,
    lookup: Lookup,
    found: Option<Found>,
) -> Result<(Flow, State), Status> {
    if let Some(found) = &found
        && let Found { entry, now, .. } = found
        && rules::satisfies(entry, &lookup.directives, *now)
    {
        let is_unchanged = rules::is_not_modified(entry, &lookup.headers);
        // A body that was replaced meanwhile is a miss. The gateway sends the length of the body in the response to a HEAD.
        let body = if is_unchanged { Some(Vec::new()) } else { found.body(config)? };
        if let Some(body) = body {
            let now = matches!(config.mode, Mode::Http(_)).then_some(*now);
            let state = reply_with(entry, &body);
            return Ok((hit(entry, is_unchanged, body, now), state));
        }
    }
    if lookup.directives.only_if_cached {
        let reply = Reply::new(StatusCode::GATEWAY_TIMEOUT).details("response-cache.only_if_cached");
        return Ok((Flow::Reply(reply.header(STATUS, "miss")), State::Reply { is_untyped: false }));
    }
    let mut stale = None;
    // What the upstream says to a request that is not stored is not about the stored response either.
    if config.revalidate
        && lookup.stores
        && let Some(found) = found
        && let conditions = revalidation(config, &found.entry, &lookup.headers)
        && !conditions.is_empty()
        && let Some(body) = found.body(config)?
    {
        for (name, value) in conditions {
            map.set(name, value);
        }
        stale = Some(Box::new(Stale { entry: found.entry, body }));
    }
    Ok((Flow::Continue, State::Miss { lookup, stale }))
}

/// Returns true if the response may be for the user of a session that is not part of the key.
fn is_personal(config: &Config, request: &HeaderMap) -> bool {
    request.get("cookie").is_some() && !config.is_keyed(b"cookie")
}

/// Returns the conditions with which a stored response is revalidated, if any.
fn revalidation<'a>(config: &Config, entry: &'a Entry, request: &HeaderMap) -> Vec<(&'static str, &'a [u8])> {
    // A page of a user can have the date of the page that is stored.
    if entry.status != 200 || (entry.lifetime == 0 && is_personal(config, request)) {
        return Vec::new();
    }
    rules::conditions(pairs(entry))
}

/// The headers of a stored response.
fn pairs(entry: &Entry) -> impl Iterator<Item = (&[u8], &[u8])> {
    entry.headers.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
}

/// A stored response for a request, which may be stale.
struct Found {
    entry: Entry,
    /// The time in nanoseconds.
    now: u64,
    /// Its body, if it is not in the process.
    #[cfg(feature = "redis")]
    body: Option<Vec<u8>>,
}

impl Found {
    /// Returns the body, unless another one has replaced it.
    fn body(&self, config: &Config) -> Result<Option<Vec<u8>>, Status> {
        #[cfg(feature = "redis")]
        if let Some(body) = &self.body {
            return Ok(Some(body.clone()));
        }
        store::body(&self.entry, config.entries)
    }
}

/// Returns a stored response for a request.
fn find(config: &Config, lookup: &Lookup) -> Result<Option<Found>, Status> {
    if !lookup.uses {
        return Ok(None);
    }
    let mut entries = store::find(&lookup.key, config.entries)?;
    entries.retain(|entry| rules::matches(entry, &lookup.headers));
    if entries.is_empty() {
        return Ok(None);
    }
    let now = time::nanoseconds()?;
    // Of several that can be used, the last one that was sent (section 4).
    let rank = |entry: &Entry| (rules::satisfies(entry, &lookup.directives, now), entry.stored);
    let entry = entries.into_iter().max_by_key(rank);
    Ok(entry.map(|entry| Found {
        entry,
        now,
        #[cfg(feature = "redis")]
        body: None,
    }))
}

/// The state of a response from the cache.
fn reply_with(entry: &Entry, body: &[u8]) -> State {
    let is_typed = entry.headers.iter().any(|(name, _)| name == b"content-type");
    State::Reply { is_untyped: !is_typed && !body.is_empty() }
}

/// Stores a response that a 304 of the upstream confirms, and returns it.
fn revalidated(config: &Config, lookup: &Lookup, stale: Stale, headers: &HeaderMap) -> Result<Reply, Status> {
    let Stale { mut entry, body } = stale;
    let now = time::nanoseconds()?;
    let mut updated = None;
    // The upstream knows no other response than the stored one, so the client receives it in any case.
    if rules::confirms(headers, &entry.headers) {
        let headers = rules::freshened(&entry.headers, headers);
        updated = or_none(storable(config, lookup, &headers, entry.status));
        entry.headers = rules::stored_headers(&headers);
        (entry.stored, entry.age) = (now, updated.as_ref().map_or(0, |entry| entry.age));
    }
    match updated {
        Some(entry) => put(config, entry, &body),
        None => remove(config, &lookup.key),
    }
    let mut reply = reply(&entry, entry.status, |_| true, Some(now));
    for cookie in headers.values("set-cookie") {
        reply = reply.header("set-cookie", cookie);
    }
    Ok(reply.details("response-cache.revalidated").header(STATUS, "revalidated").body(body))
}

/// The response from the cache. `now` is the time for its age.
fn hit(entry: &Entry, is_unchanged: bool, body: Vec<u8>, now: Option<u64>) -> Flow {
    // The headers of a 304 (RFC 9110, section 15.4.5), which describe the response that the client has.
    const UNCHANGED: [&[u8]; 6] =
        [b"cache-control", b"content-location", b"date", b"etag", b"expires", b"vary"];
    let status = if is_unchanged { 304 } else { entry.status };
    let reply = reply(entry, status, |name| !is_unchanged || UNCHANGED.contains(&name), now);
    Flow::Reply(reply.details("response-cache.hit").header(STATUS, "hit").body(body))
}

/// A response with headers of a stored one. `now` is the time for its age.
fn reply(entry: &Entry, status: u16, has: impl Fn(&[u8]) -> bool, now: Option<u64>) -> Reply {
    let mut reply = Reply::new(StatusCode::try_from(u32::from(status)).unwrap_or(StatusCode::OK));
    for (name, value) in pairs(entry) {
        if has(name)
            && let Ok(name) = str::from_utf8(name)
        {
            reply = reply.header(name, value);
        }
    }
    if let Some(now) = now {
        reply = reply.header("age", entry.age_at(now).to_string());
    }
    reply
}

/// The entry of a response that may be stored.
fn storable(
    config: &Config,
    lookup: &Lookup,
    headers: &HeaderMap,
    status: u16,
) -> Result<Option<Entry>, Status> {
    let Lookup { key, headers: request, authorized, .. } = lookup;
    let mut entry = Entry::new(*key, status);
    match &config.mode {
        Mode::Http(default) => {
            let now = UNIX_EPOCH + Duration::from_nanos(time::nanoseconds()?);
            // The upstream does not say that the response is the same for all users.
            let is_personal = is_personal(config, request);
            let default_lifetime = if is_personal { 0 } else { *default };
            let stale = config.revalidate && !is_personal;
            let shared =
                Shared { authorized: *authorized, cookies: config.share_set_cookie, default_lifetime, stale };
            let Some(permit) = rules::permit(headers, status, shared, now) else { return Ok(None) };
            (entry.age, entry.lifetime) = (permit.age, permit.lifetime);
            entry.vary = permit
                .vary
                .iter()
                .map(|name| (name.clone().into_bytes(), rules::joined(request, name)))
                .collect();
            entry.headers = rules::stored_headers(headers);
        }
        Mode::Key(keyed) => {
            let directives = Directives::of(headers);
            let sets_cookie = headers.get("set-cookie").is_some() && !config.share_set_cookie;
            let is_encoded = headers.get("content-encoding").is_some();
            let is_listed = keyed.statuses.iter().any(|listed| listed.get() == status);
            if !is_listed
                || directives.no_store
                || directives.no_cache
                || directives.private
                || sets_cookie
                || is_encoded
                || rules::is_stream(headers)
            {
                return Ok(None);
            }
            entry.lifetime = keyed.ttl;
            entry.headers = vec![(b"content-type".to_vec(), keyed.content_type.clone().into_bytes())];
        }
    }
    let size: usize =
        entry.vary.iter().chain(&entry.headers).map(|(name, value)| name.len() + value.len()).sum();
    Ok((size <= MAX_HEADERS).then_some(entry))
}

fn remove(config: &Config, key: &Key) {
    #[cfg(feature = "redis")]
    if let Some(redis) = &config.redis {
        return redis.remove(key).unwrap_or_else(report);
    }
    store::remove(key, config.entries).unwrap_or_else(report);
}

fn put(config: &Config, entry: Entry, body: &[u8]) {
    let stored = match &config.mode {
        Mode::Http(_) => Some(body.to_vec()),
        Mode::Key(keyed) => {
            let value = value(body, keyed.value.as_ref()).map(|value| value.bytes);
            value.filter(|value| !value.trim_ascii().is_empty())
        }
    };
    let Some(stored) = stored else { return };
    #[cfg(feature = "redis")]
    if let Some(redis) = &config.redis {
        let seconds = seconds(config, &entry);
        let put = |now| {
            let mut entry = entry;
            entry.stored = now;
            redis.put(entry, stored, seconds)
        };
        return time::nanoseconds().and_then(put).unwrap_or_else(report);
    }
    if let Err(status) = time::nanoseconds().and_then(|now| store::put(entry, &stored, config.entries, now)) {
        report(status);
    }
}

/// The seconds for which Redis stores a response.
#[cfg(feature = "redis")]
fn seconds(config: &Config, entry: &Entry) -> Option<std::num::NonZeroU32> {
    const YEAR: u64 = 31_536_000;
    let rest = match &config.mode {
        Mode::Key(keyed) if keyed.ttl == u64::MAX => return None,
        Mode::Key(keyed) => keyed.ttl,
        Mode::Http(_) => {
            let is_revalidated = config.revalidate && !rules::conditions(pairs(entry)).is_empty();
            let longer = if is_revalidated { redis::DAY } else { 0 };
            entry.lifetime.saturating_sub(entry.age).saturating_add(longer.into())
        }
    };
    u32::try_from(rest.clamp(1, YEAR)).ok().and_then(std::num::NonZeroU32::new)
}

/// A value of a document.
struct Value {
    /// The text of a string, or the JSON of another value.
    bytes: Vec<u8>,
    /// Distinguishes `"1"` from `1`.
    is_string: bool,
}

/// The value at a path of a document, or the whole document.
fn value(document: &[u8], path: Option<&DotPath>) -> Option<Value> {
    let Some(path) = path else { return Some(Value { bytes: document.to_vec(), is_string: false }) };
    let literal = json::edit::get(document, path).ok().flatten()?;
    Some(match json::decode(&literal) {
        Some(text) => Value { bytes: text.into_owned().into_bytes(), is_string: true },
        None => Value { bytes: literal.into_owned(), is_string: false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_one_configuration_and_one_route() {
        let key = |fingerprint: &[u8], route: &[u8]| {
            digest(fingerprint, route, &HeaderMap::default(), &[]).finalize()
        };
        assert_eq!(key(b"a", b"stable"), key(b"a", b"stable"));
        assert_ne!(key(b"a", b"stable"), key(b"a", b"canary"));
        assert_ne!(key(b"a", b"stable"), key(b"b", b"stable"));
        assert_ne!(key(b"a", b"bc"), key(b"ab", b"c"));
    }
}
