//! The SDK for gateway plug-ins on the proxy-wasm ABI 0.2.1.
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
//! [rules](guide::rules), [configurations](guide::configuration), [callouts](guide::call_outs),
//! [background work](guide::background), [state](guide::state), [recipes](guide::recipes) and [testing](guide::testing),
//! and pages about moving code [from the classic style](guide::from_the_classic_style) and
//! [from Higress's SDKs](guide::coming_from_higress).
//!
//! # Life of a request
//!
//! The first callback of a stream selects its configuration: that of the first rule that matches, or else the global
//! one. Without either, the plug-in is not called. The selection is valid until the end of the response, even if the
//! plug-in is configured again meanwhile. Only the attributes that the rules use are read from the gateway; a
//! configuration without rules costs no host call.
//!
//! # Bytes
//!
//! Names, values and bodies are bytes: everything that a gateway accepts is valid input. If a header occurs more than
//! once, [`LiveHeaders::all`] returns every value, and [`LiveHeaders::get`] the first.
//!
//! # State
//!
//! [`Plugin::State`] lives from the first request callback to the end of the stream. In a response it may be absent:
//! when another plug-in or the gateway itself replies, the response callbacks also run for plug-ins that have not seen
//! the request. [`Plugin::on_log`] is called once with it when the stream is over, whatever ended it.
//!
//! # Waiting
//!
//! A request can wait for the response of another service: see [`call`]. Work that no request waits for is
//! [`background`] work.
//!
//! # Failures
//!
//! If a host call fails unexpectedly (no current gateway does this), the callback ends as [`Plugin::ON_FAILURE`] says: the
//! request gets a 503, or it continues. The VM never stops. The same happens if a gateway calls into a VM that is already
//! running.
//!
//! # The classic style
//!
//! Code written for the product documentation (`RootContext`, `HttpContext`, `RuleMatcher`) uses the crate
//! `higress-wasm-rust` instead of this one.
//!
//! # Invariants
//!
//! - No input from a configuration, request or response causes a panic.
//! - A configuration takes effect only if all of it is valid.
//! - A module exports only the callbacks that its plug-in implements.

// `#[plugin]` expands to paths that begin with `::sdk`, in this crate's documentation and tests too.
extern crate self as sdk;

mod abi;
pub mod background;
mod body;
pub mod call;
pub mod consumer;
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
pub mod quota;
#[cfg(feature = "redis")]
pub mod redis;
pub mod report;
mod rules;
pub mod shared;
pub mod time;
mod vm;
mod wait;

pub use abi::Status;
pub use body::{Body, RequestBody, ResponseBody, WholeBody};
pub use flow::{Flow, Reply, Work};
pub use headers::{HeaderMap, LiveHeaders};
pub use kind::StreamKind;
pub use message::{RequestHeaders, RequestTrailers, ResponseHeaders, ResponseTrailers, StreamEnd};
pub use metric::{Counter, Gauge, Histogram, Label, Series};
pub use plugin::{Failure, Plugin};
/// The guide has a [page](guide::configuration) on it.
pub use sdk_macros::configuration;
/// The trait is [`Plugin`]; see the [`guide`].
pub use sdk_macros::plugin;
pub use wait::{Waiting, WaitingRequest, WaitingResponse};

/// The names that most plug-ins need: `use sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Counter, Failure, Flow, Plugin, Reply, RequestBody, RequestHeaders, RequestTrailers, ResponseBody,
        ResponseHeaders, ResponseTrailers, StreamEnd, StreamKind, WaitingRequest, WaitingResponse,
        configuration, debug, error, info, plugin, property, trace, warn,
    };
    pub use config::{self, Configuration, FieldError, RuleFields, StatusCode};
    pub use serde::Deserialize;
}

/// Used by the expansion of [`plugin`] and [`configuration`], and by the crate `higress-wasm-rust`. Not a public API.
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
