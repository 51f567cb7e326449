//! Runs proxy-wasm plug-ins without a gateway: a mock of Envoy's side of the ABI, and an interpreter for modules.
//!
//! A [`Setup`](exchange::Setup) configures the gateway, a [`Request`](exchange::Request) is sent by a client, and an
//! [`Outcome`](outcome::Outcome) is its result:
//!
//! ```no_run
//! use engine::exchange::{Request, Setup, Upstream};
//! use engine::wasm::WasmEngine;
//! use engine::{Engine, Load};
//!
//! let engine = WasmEngine::new(|| Ok("plugin.wasm".into()));
//! let setup = Setup { configuration: Some("{}".into()), ..Setup::default() };
//! if let Load::Loaded(mut loaded) = engine.load(&setup)? {
//!     let outcome = loaded.exchange(&Request::default(), &Upstream::default())?;
//!     println!("{:?}", outcome.answer);
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! # Invariants
//!
//! - The mock host does what Envoy 1.40 does; where the two differ, Envoy is right and the mock host is fixed.
//! - Headers and bodies are bytes: every byte that Envoy accepts is valid input.
//! - Nothing is sent over a network, and nothing takes time: requests set the clock.

mod bytes;
mod engine;
pub mod exchange;
pub mod host;
pub mod outcome;
mod random;
pub mod wasm;

pub use bytes::{ByteString, Escaped, Shown};
pub use engine::{Engine, EngineName, Load, Loaded};
pub use random::Random;
