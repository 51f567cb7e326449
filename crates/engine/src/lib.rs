//! Runs proxy-wasm plug-ins without a gateway: a mock of Envoy's side of the ABI, and an interpreter for modules.
//!
//! A [`Setup`](exchange::Setup) says what the gateway is started with, a [`Request`](exchange::Request) what a client
//! sends, and an [`Outcome`](outcome::Outcome) what came of it:
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
//! - Header and body bytes are bytes: any byte that Envoy lets through is legal input.
//! - Nothing is sent over a network, and nothing takes time: the clock shows what a request sets.

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
