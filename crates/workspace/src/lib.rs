//! The plug-ins of a cargo workspace: building, describing, inspecting and packaging them.
//!
//! The workspace is this repository, or an author's own, with the SDK as a git or path dependency.
//!
//! ```no_run
//! use workspace::build::{Builder, Profile};
//! use workspace::describe::Described;
//! use workspace::Workspace;
//!
//! let workspace = Workspace::at(".".as_ref(), |notice| eprintln!("{notice}"))?;
//! let plugin = workspace.plugin("request-block")?;
//! let module = Builder::new(&workspace)?.build(plugin, Profile::Release)?;
//! println!("{}", module.display());
//!
//! if let Described::Typed(describer) = workspace.describe(plugin)? {
//!     for refusal in describer.check(&serde_json::json!({ "block_urls": [""] }))? {
//!         println!("{}: {}", refusal.path, refusal.message);
//!     }
//! }
//! # Ok::<(), workspace::Error>(())
//! ```
//!
//! # Invariants
//!
//! - Nothing is printed here: progress and warnings go to a [`Notify`], and cargo's own messages to the error output.
//! - A plug-in is built with the same flags everywhere, so that the same source gives the same bytes.
//! - Nothing assumes this repository: lists of plug-ins come from `cargo metadata`, and the SDK from a plug-in's own
//!   dependency.

pub mod build;
pub mod describe;
pub mod dist;
mod error;
pub mod generated;
pub mod git;
pub mod module;
mod notice;
pub mod package;
pub mod reproduce;
pub mod rules;
pub mod schema;
mod workspace;

pub use error::{Error, Result};
pub use notice::{Notice, Notify};
pub use workspace::{Plugin, Workspace};
