//! The rules of HTTP caching (RFC 9111), for a cache that clients share.

use std::time::{SystemTime, UNIX_EPOCH};

use sdk::{HeaderMap, names};
use text::chat;

use crate::store::Entry;

/// The directives of `Cache-Control` that matter here.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Directives {
    /// Do not store this.
    pub no_store: bool,
    /// Do not use a stored response without asking the upstream.
    pub no_cache: bool,
    /// For one client only.
    pub private: bool,
    /// For all clients.
    pub public: bool,
    /// Stale responses must not be used.
    pub must_revalidate: bool,
    /// Respond from the cache or not at all.
    pub only_if_cached: bool,
    /// The maximum age in seconds.
    pub max_age: Option<u64>,
    /// The same for shared caches.
    pub s_maxage: Option<u64>,
    /// Seconds for which a response has to stay fresh.
    pub min_fresh: Option<u64>,
}

impl Directives {
    /// Reads all values of `Cache-Control`, or else `Pragma` (RFC 9111, section 5.4), which upstreams send in responses too.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        if headers.get("cache-control").is_none() {
            let is_it = |part: &[u8]| part.eq_ignore_ascii_case(b"no-cache");
            all.no_cache = headers.values("pragma").flat_map(split).any(is_it);
        }
        for value in headers.values("cache-control") {
            for directive in split(value) {
                all.add(directive);
            }
        }
        all
    }

    fn add(&mut self, directive: &[u8]) {
        let (name, argument) = match directive.iter().position(|byte| *byte == b'=') {
            Some(at) => directive.split_at(at),
            None => (directive, &[][..]),
        };
        let seconds = || Some(seconds(argument.get(1..).unwrap_or_default()));
        // Of several, the one that permits less.
        let least = |known: Option<u64>, new: Option<u64>| known.into_iter().chain(new).min();
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            // The forms with names of headers are those without: less is stored than permitted.
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            b"public" => self.public = true,
            b"must-revalidate" | b"proxy-revalidate" => self.must_revalidate = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age = least(self.max_age, seconds()),
            b"s-maxage" => self.s_maxage = least(self.s_maxage, seconds()),
            b"min-fresh" => self.min_fresh = self.min_fresh.max(seconds()),
            _ => {}
        }
    }
}

/// Splits a list at commas outside of quotes.
fn split(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(move |byte| {
        match (byte, escaped) {
            (b'\\', false) if quoted => {
                escaped = true;
                return false;
            }
            (b'"', false) => quoted = !quoted,
            _ => {}
        }
        escaped = false;
        *byte == b',' && !quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|part| !part.is_empty())
}

/// Reads `delta-seconds`. What is not a number is 0, so a response with it is stale (section 4.2.1).
fn seconds(text: &[u8]) -> u64 {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}

/// What a request wants of the cache.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: the upstream answers, and the response is not stored.
    Skip,
    /// Nothing, and a successful response makes the stored ones invalid.
    Change,
    /// A stored response, or one that is stored then.
    Find {
        /// The response may be stored, unless the request [is poisonous](is_poisonous). That to a HEAD has no body, and may not.
        stores: bool,
        /// The client accepts a stored response.
        uses: bool,
    },
}

/// The header with the scheme, which the gateway sets in every request and which is part of every key.
pub const SCHEME: &str = "x-forwarded-proto";

/// Headers that upstreams and frameworks take into account, although they are rarely in `Vary`: a client could have a page of its
/// own making stored for others. A response to a request with one is not stored, unless the header is part of the key.
const UNKEYED: [&str; 20] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    SCHEME,
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-override-url",
];

/// The letters that [`UNKEYED`] begin with.
const INITIALS: [u8; 2] = *b"fx";

/// Returns true if the upstream may use a header of a request that is not part of the key. `is_keyed` returns true for names of
/// headers that are.
pub fn is_poisonous(headers: &HeaderMap, is_keyed: impl Fn(&[u8]) -> bool) -> bool {
    let is_unkeyed = |name: &[u8]| {
        // Spares most names all comparisons.
        let may_be = name.first().is_some_and(|first| INITIALS.contains(&first.to_ascii_lowercase()));
        may_be && UNKEYED.iter().any(|known| names::may_be_read_as(name, known))
    };
    // Another spelling of a key is another header, whose value is not in the key.
    headers
        .iter()
        .any(|(name, _)| is_unkeyed(name) && !name.eq_ignore_ascii_case(SCHEME.as_bytes()) && !is_keyed(name))
}

/// Returns what a request wants.
pub fn wish(headers: &HeaderMap, end_of_stream: bool) -> Wish {
    let is_head = match headers.get(":method") {
        Some(b"GET") => false,
        Some(b"HEAD") => true,
        Some(b"OPTIONS" | b"TRACE" | b"CONNECT") | None => return Wish::Skip,
        Some(_) => return Wish::Change,
    };
    // An upstream may read the body of a GET, which is not part of the key.
    let conditions = [
        "range",
        "if-range",
        "if-match",
        "if-unmodified-since",
        "upgrade",
        "content-length",
        "transfer-encoding",
    ];
    let is_special = |name: &&str| headers.values(name).any(|value| value != b"0");
    if !end_of_stream || conditions.iter().any(is_special) {
        return Wish::Skip;
    }
    let directives = Directives::of(headers);
    // The upstream may also read other names as those of conditions.
    let is_condition = |name: &[u8]| {
        ["if-none-match", "if-modified-since"].iter().any(|known| names::may_be_read_as(name, known))
    };
    let is_conditional = headers.iter().any(|(name, _)| is_condition(name));
    Wish::Find {
        stores: !is_head && !directives.no_store && !is_conditional,
        uses: !directives.no_cache && !directives.no_store,
    }
}

/// Returns true if a stored response is fresh enough for a request.
pub fn satisfies(entry: &Entry, request: &Directives, now: u64) -> bool {
    let age = entry.age_at(now);
    let max_age = request.max_age.is_none_or(|limit| age <= limit);
    let min_fresh = request.min_fresh.is_none_or(|seconds| age.saturating_add(seconds) < entry.lifetime);
    entry.is_fresh_at(now) && max_age && min_fresh
}

/// Returns true if a request has the headers that a response depends on.
pub fn matches(entry: &Entry, request: &HeaderMap) -> bool {
    entry
        .vary
        .iter()
        .all(|(name, value)| str::from_utf8(name).is_ok_and(|name| joined(request, name) == *value))
}

/// All values of a header.
pub fn joined(headers: &HeaderMap, name: &str) -> Vec<u8> {
    // An absent header differs from an empty one by its missing separator.
    let mut all = Vec::new();
    for value in headers.values(name) {
        all.extend(value.trim_ascii());
        all.push(b',');
    }
    all
}

/// Returns true if the client has the stored response already (RFC 9110, section 13.2.2).
pub fn is_not_modified(entry: &Entry, request: &HeaderMap) -> bool {
    let stored = |name: &[u8]| {
        entry.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    };
    let mut tags = request.values("if-none-match").peekable();
    if tags.peek().is_some() {
        let own = stored(b"etag").map(opaque);
        return tags
            .any(|list| split(list).any(|tag| tag == b"*" || (own.is_some() && own == Some(opaque(tag)))));
    }
    let date = |text: &[u8]| httpdate::parse_http_date(str::from_utf8(text).ok()?).ok();
    let since = request.get("if-modified-since").and_then(date);
    let modified = stored(b"last-modified").and_then(date);
    since.zip(modified).is_some_and(|(since, modified)| modified <= since)
}

/// The part of an entity tag that a weak comparison compares (RFC 9110, section 8.8.3.2).
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// A name and a value.
type Pair = (Vec<u8>, Vec<u8>);

/// Returns the conditions of a request that ask whether a response is still the current one (section 4.3.1). Without any, it cannot
/// be revalidated.
pub fn conditions<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<(&'static str, &'a [u8])> {
    let mut is_typed = false;
    let (mut tags, mut dates) = (Vec::new(), Vec::new());
    for (name, value) in headers {
        match name {
            b"etag" => tags.push(value),
            b"last-modified" => dates.push(value),
            b"content-type" => is_typed = true,
            _ => {}
        }
    }
    // The gateway adds a type to its own responses, from which a plug-in could not remove it here.
    if !is_typed {
        return Vec::new();
    }
    let is_date =
        |text: &[u8]| str::from_utf8(text).is_ok_and(|text| httpdate::parse_http_date(text).is_ok());
    let is_tag = |tag: &[u8]| {
        let inner = opaque(tag).strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
        inner.is_some_and(|inner| inner.iter().all(|byte| matches!(byte, 0x21 | 0x23..=0x7e | 0x80..)))
    };
    let tag = match tags.as_slice() {
        [tag] if is_tag(tag) => Some(("if-none-match", *tag)),
        _ => None,
    };
    let date = match dates.as_slice() {
        [date] if is_date(date) => Some(("if-modified-since", *date)),
        _ => None,
    };
    tag.into_iter().chain(date).collect()
}

/// Returns true if a 304 of the upstream is about a stored response, which it then updates (section 4.3.4). With the validator of
/// another response it is not.
pub fn confirms(confirmation: &HeaderMap, stored: &[Pair]) -> bool {
    let own = |name: &[u8]| stored.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice());
    match (confirmation.get("etag"), confirmation.get("last-modified")) {
        (Some(tag), _) => own(b"etag").is_some_and(|own| opaque(own) == opaque(tag)),
        (None, Some(date)) => own(b"last-modified") == Some(date),
        (None, None) => true,
    }
}

/// Returns the headers of a stored response, updated by those of the 304 that confirms it (section 3.2).
pub fn freshened(stored: &[Pair], confirmation: &HeaderMap) -> HeaderMap {
    // These describe the stored body. A gateway or upstream may send others with the 304, which has none.
    const OF_BODY: [&[u8]; 5] =
        [b"content-encoding", b"content-language", b"content-length", b"content-range", b"content-type"];
    let is_updated = |name: &[u8]| !OF_BODY.contains(&name);
    let is_replaced = |name: &[u8]| {
        // The date of the old response is not that of the new one.
        name == b"date" || (is_updated(name) && confirmation.iter().any(|(other, _)| other == name))
    };
    let kept = stored.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
    let kept = kept.filter(|(name, _)| !is_replaced(name));
    kept.chain(confirmation.iter().filter(|(name, _)| is_updated(name))).collect()
}

/// Statuses of which nothing else has to be known to store them (RFC 9110, section 15.1), without partial responses, and without
/// errors that a malformed request causes: a client could have one stored for others.
const STATUSES: [u16; 8] = [200, 203, 204, 300, 301, 308, 404, 410];

/// How long a response to a request may be stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    /// The age of the response in seconds.
    pub age: u64,
    /// The age at which it is stale.
    pub lifetime: u64,
    /// The headers of a request that it depends on.
    pub vary: Vec<String>,
}

/// What a cache may share.
#[derive(Debug, Clone, Copy)]
pub struct Shared {
    /// The request is authorized, and the configuration shares responses to such requests if they permit it.
    pub authorized: bool,
    /// The configuration shares responses with cookies.
    pub cookies: bool,
    /// The lifetime of responses with status 200 that have none. 0: they are not shared.
    pub default_lifetime: u64,
    /// Stale responses can be revalidated, and are therefore shared too.
    pub stale: bool,
}

/// Returns how long a response may be stored, if at all. With a lifetime of 0, it is revalidated before each use.
pub fn permit(headers: &HeaderMap, status: u16, shared: Shared, now: SystemTime) -> Option<Permit> {
    let directives = Directives::of(headers);
    if !STATUSES.contains(&status) || directives.no_store || directives.private {
        return None;
    }
    let is_permitted = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
    if shared.authorized && !is_permitted {
        return None;
    }
    if !shared.cookies && headers.get("set-cookie").is_some() {
        return None;
    }
    if is_stream(headers) || headers.get("content-range").is_some() {
        return None;
    }
    let date = |name: &str| -> Option<SystemTime> {
        let text = str::from_utf8(headers.get(name)?).ok()?;
        httpdate::parse_http_date(text).ok()
    };
    let sent = date("date").unwrap_or(now);
    let apparent = now.duration_since(sent).unwrap_or_default().as_secs();
    let age = headers.values("age").map(seconds).max().unwrap_or(0).max(apparent);
    let lifetime = match directives.s_maxage.or(directives.max_age) {
        _ if directives.no_cache => 0,
        Some(lifetime) => lifetime,
        None if headers.get("expires").is_some() => {
            // Of several, or with an invalid one, it is stale.
            let expires = if headers.values("expires").count() == 1 { date("expires") } else { None };
            expires.unwrap_or(UNIX_EPOCH).duration_since(sent).unwrap_or_default().as_secs()
        }
        None if status == 200 => shared.default_lifetime,
        None => 0,
    };
    let mut vary = Vec::new();
    for name in headers.values("vary").flat_map(split) {
        match str::from_utf8(name) {
            Ok("*") | Err(_) => return None,
            Ok(name) => vary.push(name.to_ascii_lowercase()),
        }
    }
    if headers.get("content-encoding").is_some() {
        vary.push("accept-encoding".to_owned());
    }
    vary.sort();
    vary.dedup();
    // A 304 is about a successful response only, and one that says nothing may be different for each client.
    let is_explicit = directives.no_cache
        || directives.s_maxage.or(directives.max_age).is_some()
        || headers.get("expires").is_some();
    let may_be_stale = shared.stale && status == 200 && is_explicit && !conditions(headers.iter()).is_empty();
    (age < lifetime || may_be_stale).then_some(Permit { age, lifetime, vary })
}

/// Returns true for server-sent events, which have no end.
pub fn is_stream(headers: &HeaderMap) -> bool {
    headers.values("content-type").any(chat::is_events)
}

/// Returns true for a document of JSON. Types such as `application/json-seq` and `application/connect+json` may be streams, which
/// must not be held.
pub fn is_json(content_type: &[u8]) -> bool {
    chat::media_type(content_type).eq_ignore_ascii_case(b"application/json")
}

/// The headers of a response that are stored: not those of one connection, of one transfer or of one client.
pub fn stored_headers(headers: &HeaderMap) -> Vec<Pair> {
    const OTHERS: [&[u8]; 13] = [
        b"age",
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-cache-status",
    ];
    let options: Vec<&[u8]> = headers.values("connection").flat_map(split).collect();
    let is_kept = |name: &[u8]| {
        !name.starts_with(b":")
            && !name.starts_with(b"x-envoy-")
            && !OTHERS.contains(&name)
            && !options.iter().any(|option| option.eq_ignore_ascii_case(name))
    };
    let kept = headers.iter().filter(|(name, _)| is_kept(name));
    kept.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initials_are_those_of_all_names() {
        assert!(UNKEYED.iter().all(|name| INITIALS.contains(&name.as_bytes()[0])));
    }

    #[test]
    fn lists_are_split_outside_of_quotes() {
        let parts = |text: &'static str| {
            split(text.as_bytes()).map(|part| str::from_utf8(part).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(parts(r#"a, b="c, d" ,,e="\",f", g"#), ["a", r#"b="c, d""#, r#"e="\",f""#, "g"]);
        assert_eq!(parts(r#"a="b, c"#), [r#"a="b, c"#]);
    }

    #[test]
    fn only_valid_and_unambiguous_validators_are_sent() {
        const DATE: &str = "Thu, 01 Jan 2015 00:00:00 GMT";
        let of = |tags: &[&str], dates: &[&str]| {
            let tags = tags.iter().map(|tag| ("etag", *tag));
            let dates = dates.iter().map(|date| ("last-modified", *date));
            let headers: HeaderMap = tags.chain(dates).chain([("content-type", "a/b")]).collect();
            conditions(headers.iter()).iter().map(|(name, _)| *name).collect::<Vec<_>>()
        };
        for tag in ["\"1\"", "W/\"a,b\"", "\"\"", "\"ü\""] {
            assert_eq!(of(&[tag], &[]), ["if-none-match"], "{tag}");
        }
        for tag in ["", "1", "\"1", "\"", "w/\"1\"", "\"a\", \"b\"", "\"a b\"", "*"] {
            assert_eq!(of(&[tag], &[DATE]), ["if-modified-since"], "{tag}");
        }
        assert_eq!(of(&["\"1\""], &[DATE]), ["if-none-match", "if-modified-since"]);
        assert!(of(&["\"1\"", "\"1\""], &[DATE, DATE]).is_empty());
        assert!(of(&[], &["yesterday"]).is_empty());
    }

    #[test]
    fn directives_that_permit_less_count() {
        let directives = |texts: &[&str]| {
            let mut all = Directives::default();
            texts.iter().flat_map(|text| split(text.as_bytes())).for_each(|part| all.add(part));
            all
        };
        assert_eq!(directives(&["max-age=5, MAX-AGE = \"3\""]).max_age, Some(3));
        assert_eq!(directives(&["max-age=x"]).max_age, Some(0));
        assert_eq!(directives(&["max-age"]).max_age, Some(0));
        assert_eq!(directives(&["max-age=-1"]).max_age, Some(0));
        assert_eq!(directives(&["max-age=99999999999999999999"]).max_age, Some(u64::MAX));
        assert_eq!(directives(&["s-maxage=7", "No-Store"]).s_maxage, Some(7));
        assert!(directives(&["a=\"no-store\""]) == Directives::default());
        assert!(directives(&["private=\"set-cookie, x\", max-age=1"]).private);
        assert_eq!(directives(&["min-fresh=1, min-fresh=4"]).min_fresh, Some(4));
    }
}
