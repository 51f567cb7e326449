//! Finds the consumer of a request's user name and password.

use auth::base64;
use auth::passwords::Outcome;
use auth::refusal::Refusal;
use config::StatusCode;
use sdk::HeaderMap;

use crate::config::{Users, Verifier};

/// Returns the number of the consumer whose user name and password the request has. `clock` returns nanoseconds.
///
/// # Errors
///
/// The error of the clock, which is read before a hash is computed.
pub fn verify<E>(
    users: &Users,
    headers: &HeaderMap,
    clock: impl Fn() -> Result<u64, E>,
) -> Result<Result<usize, Refusal>, E> {
    let mut values = headers.values("authorization");
    let Some(value) = values.next() else { return Ok(Err(missing(users))) };
    // The upstream could read another one.
    if values.next().is_some() {
        return Ok(Err(invalid(users)));
    }
    let Some(encoded) = basic(value) else { return Ok(Err(missing(users))) };
    let Some(pair) = base64::decode(encoded) else { return Ok(Err(invalid(users))) };
    let owner = match &users.verifier {
        Verifier::Plain(credentials) => credentials.find(&pair),
        Verifier::Hashed(passwords, owners) => {
            // A password may contain colons, a user name may not.
            let mut parts = pair.splitn(2, |byte| *byte == b':');
            let (Some(user), Some(password)) = (parts.next(), parts.next()) else {
                return Ok(Err(invalid(users)));
            };
            match passwords.check(user, password, clock)? {
                Outcome::Right(number) => owners.get(number).copied(),
                Outcome::Wrong => None,
                Outcome::Later => return Ok(Err(later())),
            }
        }
    };
    Ok(owner.ok_or_else(|| invalid(users)))
}

/// Returns the credentials of the scheme Basic, whose name has no case.
fn basic(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(b"basic".len())?;
    let credentials = rest.trim_ascii();
    let is_basic = scheme.eq_ignore_ascii_case(b"basic") && rest.starts_with(b" ") && !credentials.is_empty();
    is_basic.then_some(credentials)
}

fn missing(users: &Users) -> Refusal {
    let text = "Request denied by Basic Auth check. No Basic Authentication information found.";
    Refusal::unauthorized("basic-auth.missing", text).challenge(&*users.challenge)
}

fn invalid(users: &Users) -> Refusal {
    let text = "Request denied by Basic Auth check. Invalid username and/or password.";
    Refusal::unauthorized("basic-auth.invalid", text).challenge(&*users.challenge)
}

fn later() -> Refusal {
    let text = "Request denied by Basic Auth check. Too many passwords to verify, retry in a second.";
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "basic-auth.too_many_hashes", text).header("retry-after", "1")
}

/// The refusal for a consumer that `allow` does not list.
pub fn not_allowed(users: &Users) -> Refusal {
    let text = "Request denied by Basic Auth check. Unauthorized consumer.";
    Refusal::forbidden("basic-auth.not_allowed", text).challenge(&*users.challenge)
}
