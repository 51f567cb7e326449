//! The decision about a request, and the headers of responses (the Fetch standard, section 3.3).

use crate::config::{Config, List};
use crate::origin::is_same;

/// The parts of a request that decide.
pub struct Request<'r> {
    /// `:method`.
    pub method: &'r [u8],
    /// `:authority`.
    pub authority: &'r [u8],
    /// The values of `origin`.
    pub origins: Vec<&'r [u8]>,
    /// `access-control-request-method`, which only preflights have.
    pub wanted_method: Option<&'r [u8]>,
    /// The values of `access-control-request-headers`.
    pub wanted_headers: Vec<&'r [u8]>,
}

/// The decision about a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'r> {
    /// It is of the same origin, or has none.
    NotCors,
    /// A request of a permitted origin.
    Allowed(&'r [u8]),
    /// A preflight that permits what it asks for.
    Preflight(&'r [u8]),
    /// Its origin, method or headers are not permitted.
    Refused(&'static str),
}

/// Methods that a page may use without a preflight.
const SAFELISTED: [&str; 3] = ["GET", "HEAD", "POST"];

/// The `vary` of a response to a preflight.
pub const PREFLIGHT_VARY: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network";

const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const EXPOSE_HEADERS: &str = "access-control-expose-headers";

/// The CORS headers of responses that are not to preflights.
pub const OF_RESPONSES: [&str; 3] = [ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE_HEADERS];

/// Decides about a request.
pub fn judge<'r>(config: &Config, request: &Request<'r>) -> Verdict<'r> {
    let origin = match request.origins.as_slice() {
        [] => return Verdict::NotCors,
        [origin] => *origin,
        // Which one the upstream would take is unknown.
        _ => return Verdict::Refused("several origins"),
    };
    if is_same(origin, request.authority) {
        return Verdict::NotCors;
    }
    if !config.allows(origin) {
        return Verdict::Refused("origin");
    }
    match request.wanted_method.filter(|_| request.method == b"OPTIONS") {
        None if permits_method(config, request.method) => Verdict::Allowed(origin),
        None => Verdict::Refused("method"),
        Some(wanted) if !permits_method(config, wanted) => Verdict::Refused("method"),
        Some(_) if !permits_headers(config, &request.wanted_headers) => Verdict::Refused("headers"),
        Some(_) => Verdict::Preflight(origin),
    }
}

fn permits_method(config: &Config, method: &[u8]) -> bool {
    let listed = |method: &[u8]| match &config.methods {
        List::Any => is_token(method),
        List::Of(methods) => methods.iter().any(|known| known.as_bytes() == method),
    };
    SAFELISTED.iter().any(|safe| safe.as_bytes() == method) || listed(method)
}

fn permits_headers(config: &Config, wanted: &[&[u8]]) -> bool {
    names(wanted).all(|name| match &config.headers {
        List::Any => is_token(name),
        List::Of(headers) => headers.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)),
    })
}

/// The names in lists.
fn names<'r>(lists: &[&'r [u8]]) -> impl Iterator<Item = &'r [u8]> {
    lists
        .iter()
        .flat_map(|list| list.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// `tchar` of RFC 9110, section 5.6.2: nothing else may come back in a header.
fn is_token(name: &[u8]) -> bool {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token)
}

/// The CORS headers of every response to a request of this origin.
pub fn response_headers(config: &Config, origin: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let origin = if config.varies() { origin.to_vec() } else { b"*".to_vec() };
    let mut headers = vec![(ALLOW_ORIGIN, origin)];
    if config.allow_credentials {
        headers.push((ALLOW_CREDENTIALS, b"true".to_vec()));
    }
    if !config.expose_headers.is_empty() {
        headers.push((EXPOSE_HEADERS, config.expose_headers.as_bytes().to_vec()));
    }
    headers
}

/// The further headers of a response to a preflight.
pub fn preflight_headers(config: &Config, request: &Request<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let methods = match &config.methods {
        // `*` would mean the method of that name in requests with credentials.
        List::Any => request.wanted_method.unwrap_or_default().to_vec(),
        List::Of(methods) => methods.join(", ").into_bytes(),
    };
    let headers = match &config.headers {
        List::Any => names(&request.wanted_headers).collect::<Vec<_>>().join(&b", "[..]),
        List::Of(headers) => headers.join(", ").into_bytes(),
    };
    let mut all = vec![("access-control-allow-methods", methods)];
    if !headers.is_empty() {
        all.push(("access-control-allow-headers", headers));
    }
    all.push(("access-control-max-age", config.max_age.to_string().into_bytes()));
    all
}
