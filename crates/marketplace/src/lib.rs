//! The plug-ins of a folder, by the rules of a plug-in marketplace.
//!
//! Commands and the console use the same functions: [`Sources`] are the plug-ins that can be added by name, [`Checker`] checks
//! configurations with the plug-ins' own code, [`Shelf`] adds, edits, switches, releases and deletes the plug-ins of a folder, and
//! [`tune`] proposes exclusions for the firewall. Nothing is printed. What a rule forbids is a [`Refusal`] with a stable code; a
//! refused change has changed nothing.

#[cfg(feature = "engine")]
mod asked;
pub mod check;
mod known;
mod refusal;
pub mod scopes;
pub mod shelf;
pub mod tune;

#[cfg(feature = "engine")]
pub use asked::AskedModule;
pub use check::{Checker, Report, Verdict};
pub use known::{Answers, Known, KnownPlugin, NeedsEngine, Sources, describer};
pub use refusal::{Code, Error, Refusal, Result};
pub use shelf::Shelf;
