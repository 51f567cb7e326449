//! A real Envoy around a plug-in: its binary, its configuration, its process.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use gateway::{Bootstrap, Envoy, LogLevel, Process, Wasm};
//!
//! let envoy = Envoy::find(&gateway::target_dir()?)?;
//! let wasm = Wasm::new("request-block", Path::new("/dist/request-block/plugin.wasm"))
//!     .configured(r#"{"block_urls": ["swagger.html"]}"#);
//! let upstream = "127.0.0.1:8080".parse()?;
//! let process = Process::start(&envoy, &Bootstrap::single(wasm, upstream), LogLevel::Info)?;
//! println!("listens on http://{}", process.address());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! - Everything listens on 127.0.0.1, on ports that the system chose where nobody has named one.
//! - An Envoy ends with its [`Process`], and also when the program that started it is killed.
//! - Envoy is fetched whole, with the hash that is written here, or not at all.

pub mod admin;
mod bootstrap;
mod cluster;
mod envoy;
#[cfg(feature = "explain")]
pub mod explain;
pub mod folder;
mod live;
mod log;
mod process;
mod route;
pub mod routes;
mod wasm;

pub use bootstrap::Bootstrap;
pub use cluster::{Cluster, Tls};
pub use envoy::{Envoy, EnvoyError, target_dir};
pub use live::{ChangeError, Changed, Live};
pub use log::{AccessLine, LogLevel, LogLine, Mark};
pub use process::{Memory, Process, StartError, validate};
pub use route::Route;
pub use routes::Routes;
pub use wasm::{Environment, FailurePolicy, Wasm};
