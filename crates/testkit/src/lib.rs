//! Replays one set of cases on several engines, so that results of a fast native test also apply to the
//! gateway that users run.
//!
//! A plug-in's cases are data ([`case`] has the schema), and its `tests/cases.rs` is one line:
//!
//! ```ignore
//! testkit::cases!(request_block);
//! ```
//!
//! [`Engine`]s are the plug-in's Rust code against a mock host, its `.wasm` in an interpreter against the same host, and
//! its `.wasm` in a real Envoy. Each says
//! what came of a request as an [`Outcome`](outcome::Outcome), and one function, [`check`], compares that with
//! what the case wants:
//!
//! ```
//! use testkit::case::Expect;
//! use testkit::outcome::{Answer, Outcome};
//!
//! let expect: Expect = serde_yaml::from_str("{ status: 403, headers: { server: null } }")?;
//! let answer = Answer { status: 200, ..Answer::default() };
//! let mismatch = testkit::check(&expect, &Outcome { answer: Some(answer), ..Outcome::default() });
//! assert!(mismatch.unwrap_err().to_string().starts_with("status\n  expected 403\n  actual   200\n"));
//! # Ok::<(), serde_yaml::Error>(())
//! ```
//!
//! # Invariants
//!
//! - A case runs on every requested engine, or is listed as ignored with the reason.
//! - Headers and bodies are bytes: they are sent exactly as in the case.
//! - There are no connections outside 127.0.0.1, except to fetch Envoy and packages.

pub mod case;
mod changes;
mod check;
pub mod crs;
mod cuts;
pub mod debian;
pub mod envoy;
pub mod flood;
pub mod fuzz;
pub mod linear;
pub mod native;
pub mod redis_server;
mod runner;

pub use ::engine::host::differences;
pub use ::engine::{ByteString, Engine, EngineName, Load, Loaded, Random, exchange, outcome, wasm};
pub use changes::{Changes, Declare, texts, values};
pub use check::{Mismatch, check, check_refused};
pub use runner::{run, wasm as interpreter};
pub use serde_json::Value;

/// The whole of a plug-in's `tests/cases.rs` (a test target with `harness = false`): replays
/// `tests/cases.yaml` beside it. Takes the plug-in's crate and, where the plug-in changes headers, the function that
/// declares for each configuration which ones ([`Declare`]). It is `changes` of the module `tests/changes/mod.rs`, where
/// `cargo xtask fuzz` finds it too:
///
/// ```ignore
/// mod changes;
/// testkit::cases!(add_header, changes: changes::changes);
/// ```
#[macro_export]
macro_rules! cases {
    ($plugin:ident) => {
        $crate::cases!($plugin, changes: |_| $crate::Changes::none());
    };
    ($plugin:ident, changes: $changes:expr) => {
        fn main() -> ::std::process::ExitCode {
            let native = $crate::native::Native::new($plugin::entry);
            $crate::run(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME"), native, $changes)
        }
    };
}
