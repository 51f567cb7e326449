//! A real Envoy around plug-ins: folders of resources, routes, its configuration, its process, live changes and traces.
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
//! - Everything listens on 127.0.0.1, on ports that the system chooses unless one is given.
//! - An Envoy ends with its [`Process`], and also when the program that started it is killed.
//! - A downloaded Envoy has the hash that is pinned here.
//! - An error never affects what is running: a plug-in, the routes or the folder is accepted as a whole or not at all.
//! - The file of a module never changes; another module is another file.
//! - A trace shows what happens without it: probes change nothing, and everything else is what `serve` runs.

#[cfg(feature = "serve")]
mod accept;
pub mod admin;
mod bootstrap;
mod cache;
#[cfg(feature = "serve")]
pub mod client;
mod cluster;
pub mod debian;
#[cfg(feature = "serve")]
pub mod echo;
mod envoy;
pub mod explain;
pub mod folder;
#[cfg(feature = "serve")]
mod hosted;
#[cfg(feature = "serve")]
pub mod journal;
mod live;
mod log;
pub mod matches;
#[cfg(feature = "serve")]
mod model_server;
#[cfg(feature = "serve")]
pub mod modules;
#[cfg(feature = "serve")]
pub mod plan;
#[cfg(feature = "serve")]
pub mod plugins;
mod process;
mod route;
pub mod routes;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "serve")]
pub mod secret;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "serve")]
pub mod socket;
#[cfg(feature = "serve")]
pub mod state;
#[cfg(feature = "serve")]
pub mod trace;
mod wasm;
#[cfg(feature = "serve")]
mod watch;
#[cfg(feature = "serve")]
pub mod websocket;

pub use bootstrap::Bootstrap;
pub use cache::Cache;
pub use cluster::{Cluster, Tls};
pub use envoy::{Envoy, EnvoyError, target_dir};
pub use live::{ChangeError, Changed, Live};
pub use log::{AccessLine, LogLevel, LogLine, Mark};
pub use process::{Memory, Process, StartError, validate};
pub use route::Route;
pub use routes::Routes;
pub use wasm::{Environment, FailurePolicy, Wasm};
