//! What the authentication plug-ins share: who the consumers are, which of them a request needs, and the responses to
//! requests without valid credentials.
//!
//! | module | what it does |
//! |---|---|
//! | [`access`] | which requests need a consumer, and which consumers are allowed |
//! | [`credentials`] | finds the owner of a credential, without telling by its time how much of it is right |
//! | [`refusal`] | refusals: status, text and challenge |
//! | [`request`] | decides about a request: passes the consumer on, or refuses |
//! | `base64` | Base64 as clients send it |
//! | `passwords` | hashes of passwords; with the feature `passwords` |
//! | `signatures` | signatures of requests, and digests of bodies; with the feature `signatures` |
//! | `jwk`, `jws`, `jwt` | JSON Web Keys, Signatures and Tokens, with the feature `jwt` |
//! | `remote_keys` | keys that a service publishes, with the feature `jwt` |
//!
//! A plug-in reads the credentials of a request, and finds their consumer. Everything else is here:
//!
//! ```
//! use auth::access::Access;
//! use auth::refusal::Refusal;
//! use auth::request;
//! use sdk::Status;
//! use sdk::prelude::*;
//!
//! fn on_request_headers(request: &RequestHeaders, access: &Access) -> Result<Flow, Status> {
//!     let headers = request.all();
//!     let verify = || match headers.get("x-password") {
//!         Some(b"secret") => Ok(0),
//!         _ => Err(Refusal::unauthorized("my-auth.invalid", "Invalid password.")),
//!     };
//!     let not_allowed = || Refusal::forbidden("my-auth.not_allowed", "Unauthorized consumer.");
//!     request::decide(request, &headers, access, verify, not_allowed)
//! }
//! # let _ = on_request_headers;
//! ```
//!
//! # Invariants
//!
//! - A request that needs a consumer passes only with one that is allowed; if anything fails, it is refused.
//! - Credentials appear in no log, no error and no trace.
//! - The name of the consumer in a request that passes is one that a plug-in has verified (`sdk::consumer`).

pub mod access;
#[cfg(any(feature = "passwords", feature = "signatures"))]
pub mod base64;
pub mod credentials;
#[cfg(feature = "jwt")]
pub mod json;
#[cfg(feature = "jwt")]
pub mod jwk;
#[cfg(feature = "jwt")]
pub mod jws;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(feature = "passwords")]
pub mod passwords;
pub mod refusal;
#[cfg(feature = "jwt")]
pub mod remote_keys;
pub mod request;
#[cfg(feature = "signatures")]
pub mod signatures;
