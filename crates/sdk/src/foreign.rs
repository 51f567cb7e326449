//! Foreign functions: functions of a gateway beyond the ABI, called by name.
//!
//! | name | argument → result | in stock Envoy 1.40 |
//! |---|---|---|
//! | `clear_route_cache` | nothing → nothing | [`clear_route_cache`] |
//! | `set_envoy_filter_state` | `SetEnvoyFilterStateArguments` → nothing | [`set_filter_state`] |
//! | `compress`, `uncompress` | bytes → bytes, in zlib's format | `call("compress", b"…")` |
//! | `sign`, `verify_signature` | `SignArguments`, `VerifySignatureArguments` → `SignResult`, `VerifySignatureResult` | by [`call`] |
//! | `declare_property` | `DeclarePropertyArguments` → nothing | by [`call`] |
//! | `expr_create`, `expr_evaluate`, `expr_delete` | a CEL expression → its number; its number → the value | by [`call`] |
//!
//! The messages are defined in `source/extensions/common/wasm/ext` of Envoy. Other gateways have other
//! functions (Higress: `inject_encoded_data_to_filter_chain`, …). [`Status::NOT_FOUND`] means that a gateway does not have
//! a function; a plug-in that handles it works in every gateway.

use crate::protobuf::Message;
use crate::{Status, host};

/// Calls a function of the gateway.
///
/// ```no_run
/// let packed = sdk::foreign::call("compress", b"a text to compress")?;
/// # Ok::<(), sdk::Status>(())
/// ```
///
/// # Errors
///
/// [`Status::NOT_FOUND`] if the gateway does not have the function, or else the status of the function.
pub fn call(name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
    host::call_foreign_function(name, argument)
}

/// Makes the gateway select the request's route again. It does so by itself when a request header changes; call this when
/// the route depends on something else, such as filter state or dynamic metadata.
///
/// # Errors
///
/// The host's status.
pub fn clear_route_cache() -> Result<(), Status> {
    call("clear_route_cache", b"").map(drop)
}

/// The lifetime of a value in the filter state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// The execution of this filter chain.
    FilterChain = 0,
    /// The request, including internal redirects.
    Request = 1,
    /// The client's connection.
    Connection = 2,
}

/// Sets one of the [well-known filter-state objects][1], which change the behaviour of the gateway. To pass values to other
/// plug-ins and the access log, set a [property](crate::property::Property::set).
///
/// ```no_run
/// use sdk::foreign::{self, Lifetime};
///
/// foreign::set_filter_state("envoy.network.upstream_server_name", "example.com", Lifetime::Request)?;
/// # Ok::<(), sdk::Status>(())
/// ```
///
/// # Errors
///
/// [`Status::NOT_FOUND`] if the gateway has no object with this name, [`Status::BAD_ARGUMENT`] if it rejects the value.
///
/// [1]: https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/well_known_filter_state
pub fn set_filter_state(name: &str, value: &str, lifetime: Lifetime) -> Result<(), Status> {
    call("set_envoy_filter_state", &filter_state_arguments(name, value, lifetime)).map(drop)
}

/// `SetEnvoyFilterStateArguments { string path = 1; string value = 2; LifeSpan span = 3; }`.
fn filter_state_arguments(name: &str, value: &str, lifetime: Lifetime) -> Vec<u8> {
    let message = Message::default().bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
    message.varint(3, lifetime as usize).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_state_arguments_are_a_protobuf_message() {
        let message = filter_state_arguments("ab", "", Lifetime::Connection);
        assert_eq!(message, [0x0a, 2, b'a', b'b', 0x12, 0, 0x18, 2]);
    }
}
