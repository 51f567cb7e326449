//! The consumer of a request, as authentication plug-ins verify it and others read it.
//!
//! An authentication plug-in passes the name of the consumer on in the header `x-mse-consumer`, which upstreams read, and in
//! a property of the request, which clients cannot set. Plug-ins that limit, charge or route by consumer use [`of_request`]:
//!
//! ```
//! use sdk::{Status, consumer};
//!
//! /// In `on_request_headers`.
//! fn label() -> Result<Vec<u8>, Status> {
//!     Ok(consumer::of_request()?.unwrap_or_else(|| b"anonymous".to_vec()))
//! }
//! # let _ = label;
//! ```
//!
//! Authentication plug-ins call [`set`] for a request whose credentials they have verified, and [`remove_forged`] for all
//! others that they let pass, so that a name in the header is always one that a plug-in has verified.

use crate::abi::MapType;
use crate::property::Property;
use crate::{HeaderMap, LiveHeaders, Status, host, names};

/// The header with the name.
pub const HEADER: &str = "x-mse-consumer";

/// The name, where clients cannot set it.
const VERIFIED: Property<Vec<u8>> = Property::new("portcullis.consumer");

/// The header as a property, for response callbacks, which cannot read request headers.
const HEADER_PROPERTY: &str = "request\0headers\0x-mse-consumer";

/// Returns the consumer that an authentication plug-in has verified; the property is read, not the header.
///
/// # Errors
///
/// The host's status if the call fails.
pub fn verified() -> Result<Option<Vec<u8>>, Status> {
    VERIFIED.try_get()
}

/// Returns the consumer of a request, in callbacks for its headers: the verified one, or else the value of the header,
/// because the authentication plug-ins of other projects set only that. Without an authentication plug-in, the header is the
/// client's.
///
/// # Errors
///
/// The host's status if a call fails.
pub fn of_request() -> Result<Option<Vec<u8>>, Status> {
    match verified()? {
        Some(name) => Ok(Some(name)),
        None => host::header(MapType::RequestHeaders, HEADER.as_bytes()),
    }
}

/// The same in callbacks for a response.
pub(crate) fn of_response() -> Result<Option<Vec<u8>>, Status> {
    match verified()? {
        Some(name) => Ok(Some(name)),
        None => host::property(HEADER_PROPERTY.as_bytes()),
    }
}

/// Passes the name of a verified consumer on, and removes what the client claims. `headers` are those of the request.
///
/// # Errors
///
/// The host's status if the property cannot be set. The plug-in must not let the request pass then.
pub fn set(request: &LiveHeaders, headers: &HeaderMap, name: &str) -> Result<(), Status> {
    remove_folded(request, headers);
    VERIFIED.set(name)?;
    request.set(HEADER, name);
    Ok(())
}

/// Removes the headers with a name that no plug-in has verified. `headers` are those of the request.
///
/// This costs a host call only if there is such a header.
///
/// # Errors
///
/// The host's status if the property cannot be read. The plug-in must not let the request pass then.
pub fn remove_forged(request: &LiveHeaders, headers: &HeaderMap) -> Result<(), Status> {
    remove_folded(request, headers);
    let mut values = headers.values(HEADER);
    let Some(first) = values.next() else { return Ok(()) };
    match verified()? {
        Some(name) if first == name && values.next().is_none() => {}
        Some(name) => request.set(HEADER, name),
        None => request.remove(HEADER),
    }
    Ok(())
}

/// Removes headers that an upstream may take for the consumer's.
fn remove_folded(request: &LiveHeaders, headers: &HeaderMap) {
    for (name, _) in headers.iter().filter(|(name, _)| is_folded(name)) {
        request.remove(name);
    }
}

/// Returns true for another spelling of the header's name.
fn is_folded(name: &[u8]) -> bool {
    !name.eq_ignore_ascii_case(HEADER.as_bytes()) && names::may_be_read_as(name, HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_the_header_are_recognised() {
        for name in ["x_mse_consumer", "x-mse_consumer", "X.Mse-Consumer", "x-mse~consumer"] {
            assert!(is_folded(name.as_bytes()), "{name}");
        }
        for name in ["x-mse-consumer", "X-MSE-Consumer", "x-mse-consumers", "xamse-consumer", "x-mse-consume"]
        {
            assert!(!is_folded(name.as_bytes()), "{name}");
        }
    }
}
