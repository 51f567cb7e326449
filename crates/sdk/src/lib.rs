//! The SDK for gateway plug-ins: one trait, and everything of the proxy-wasm ABI 0.2.1 behind it.
//!
//! A plug-in is a type that implements [`Plugin`] under the [`plugin`] attribute:
//!
//! ```
//! use sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     header_name: config::SettableHeaderName,
//!     header_value: config::HeaderValue,
//! }
//!
//! struct AddHeader;
//!
//! #[plugin]
//! impl Plugin for AddHeader {
//!     type Config = Config;
//!
//!     fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
//!         request.add(&config.header_name, &config.header_value);
//!         Flow::Continue
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! The [`guide`] has a page on each of [pausing](guide::pausing), [bodies](guide::bodies),
//! [rules](guide::rules), [configurations](guide::configuration), [call-outs](guide::call_outs),
//! [background work](guide::background), [state](guide::state), [recipes](guide::recipes) and [testing](guide::testing),
//! and one each for code that comes [from the classic style](guide::from_the_classic_style) and
//! [from Higress's SDKs](guide::coming_from_higress).
//!
//! # The way of a request
//!
//! The first callback of a stream chooses its configuration: that of the first rule which matches, else
//! the global one, else none, and then the plug-in is not called at all. The choice holds to the end of
//! the response, whatever configuration arrives meanwhile. The gateway is asked only for the attributes
//! that the rules present need; a configuration without rules costs no host call.
//!
//! # Bytes
//!
//! Names, values and bodies are bytes: whatever a gateway lets through is legal input. Where a header may
//! stand there more than once, [`LiveHeaders::all`] shows every value; [`LiveHeaders::get`] shows the first.
//!
//! # State
//!
//! [`Plugin::State`] lives from the first request callback to the end of the stream. In a response it may
//! be absent: when another plug-in or the gateway itself answers, the response callbacks run for plug-ins
//! that never saw the request.
//!
//! # Waiting
//!
//! A request that needs an answer from another service waits for it, top to bottom: see [`call`]. Work that no request
//! waits for is [`background`] work.
//!
//! # Failing
//!
//! A host call that fails where it should not (which no current gateway does) ends the callback as
//! [`Plugin::ON_FAILURE`] says: answered 503, or let through. It never stops the VM. A gateway that enters a VM which
//! it is already in is answered in the same way.
//!
//! # The classic style
//!
//! Code written for the product documentation (`RootContext`, `HttpContext`, `RuleMatcher`) uses the crate
//! `higress-wasm-rust` instead of this one.
//!
//! # Invariants
//!
//! - Nothing that arrives from configuration, request or response panics.
//! - A configuration is swapped in only when all of it is good.
//! - A module exports only the callbacks that its plug-in writes.

// `#[plugin]` writes `::sdk`, in this crate's own documentation and tests too.
extern crate self as sdk;

mod abi;
pub mod background;
mod body;
pub mod call;
#[cfg(not(target_family = "wasm"))]
pub mod describe;
mod export;
mod flow;
pub mod foreign;
#[cfg(any(doc, doctest))]
pub mod guide;
mod headers;
mod host;
mod kind;
pub mod log;
mod message;
pub mod metric;
pub mod names;
#[cfg(not(target_family = "wasm"))]
pub mod native;
mod plugin;
pub mod property;
mod protobuf;
pub mod queue;
pub mod report;
mod rules;
pub mod shared;
pub mod time;
mod vm;
mod wait;

pub use abi::Status;
pub use body::{Body, RequestBody, ResponseBody};
pub use flow::{Flow, Reply, Work};
pub use headers::{HeaderMap, LiveHeaders};
pub use kind::StreamKind;
pub use message::{RequestHeaders, RequestTrailers, ResponseHeaders, ResponseTrailers};
pub use metric::{Counter, Gauge, Histogram};
pub use plugin::{Failure, Plugin};
/// The guide has a [page](guide::configuration) on it.
pub use sdk_macros::configuration;
/// The trait is [`Plugin`]; what it can do is in the [`guide`].
pub use sdk_macros::plugin;
pub use wait::{Waiting, WaitingRequest, WaitingResponse};

/// What a plug-in needs: `use sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Counter, Failure, Flow, Plugin, Reply, RequestBody, RequestHeaders, RequestTrailers, ResponseBody,
        ResponseHeaders, ResponseTrailers, StreamKind, WaitingRequest, WaitingResponse, configuration, debug,
        error, info, plugin, property, trace, warn,
    };
    pub use config::{self, Configuration, FieldError, StatusCode};
    pub use serde::Deserialize;
}

/// What [`plugin`] and [`configuration`] expand to, and what the crate `higress-wasm-rust` is made of; not for use by hand.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::abi::allocate;
    pub use crate::host::configuration;
    pub use crate::log::refresh as refresh_log_level;
    pub use crate::rules::{Choice, Loaded, Phase};
    pub use crate::vm::Vm;
    #[cfg(not(target_family = "wasm"))]
    pub use schemars;
    pub use serde;
}
