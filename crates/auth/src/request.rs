//! Decides about a request: passes the consumer on, or refuses.

use sdk::prelude::*;
use sdk::{HeaderMap, LiveHeaders, Status, consumer};

use crate::access::Access;
use crate::refusal::Refusal;

/// Whether a request needs credentials.
#[derive(Debug, PartialEq, Eq)]
pub enum Need {
    /// It passes without.
    None,
    /// Its credentials have to be verified.
    Credentials,
}

/// Decides about a request. `headers` are its headers; `verify` verifies its credentials, and returns the number of their
/// consumer; `not_allowed` is the refusal for a consumer that is not allowed.
///
/// A plug-in that cannot verify credentials at once uses [`need`] and [`finish`].
///
/// # Errors
///
/// The host's status if a call fails. The plug-in must not let the request pass then.
pub fn decide<S>(
    request: &RequestHeaders<S>,
    headers: &HeaderMap,
    access: &Access,
    verify: impl FnOnce() -> Result<usize, Refusal>,
    not_allowed: impl FnOnce() -> Refusal,
) -> Result<Flow, Status> {
    match need(request, headers, access)? {
        Need::None => Ok(Flow::Continue),
        Need::Credentials => finish(request, headers, access, verify(), not_allowed),
    }
}

/// Returns whether a request needs credentials. If it does not, its claims to be a consumer have been removed.
///
/// # Errors
///
/// As for [`decide`].
pub fn need(request: &LiveHeaders, headers: &HeaderMap, access: &Access) -> Result<Need, Status> {
    if is_exempt(headers, access)? {
        consumer::remove_forged(request, headers)?;
        return Ok(Need::None);
    }
    Ok(Need::Credentials)
}

fn is_exempt(headers: &HeaderMap, access: &Access) -> Result<bool, Status> {
    if !access.is_required() || (!access.runs_on_preflight() && is_preflight(headers)) {
        return Ok(true);
    }
    Ok(access.skips_authenticated()
        && consumer::verified()?.is_some_and(|name| access.accepts_verified(&name)))
}

/// Passes a verified consumer on if it is allowed, and otherwise refuses the request.
///
/// # Errors
///
/// As for [`decide`].
pub fn finish(
    request: &LiveHeaders,
    headers: &HeaderMap,
    access: &Access,
    verified: Result<usize, Refusal>,
    not_allowed: impl FnOnce() -> Refusal,
) -> Result<Flow, Status> {
    let allowed = verified.and_then(|number| access.allows(number).then_some(number).ok_or_else(not_allowed));
    match allowed {
        Ok(number) => {
            consumer::set(request, headers, access.name(number))?;
            Ok(Flow::Continue)
        }
        Err(refusal) => {
            // In a dry run, the request passes.
            if access.is_dry_run() {
                consumer::remove_forged(request, headers)?;
            }
            Ok(Flow::Reply(refusal.reply(access)))
        }
    }
}

/// Returns true for a CORS preflight, which browsers send without credentials (Fetch Standard, section 4.8).
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.get(":method") == Some(b"OPTIONS")
        && headers.get("origin").is_some()
        && headers.get("access-control-request-method").is_some()
}
