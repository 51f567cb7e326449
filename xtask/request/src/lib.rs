//! What becomes of a request in a gateway of a folder: explained without one, sent to one that serves, or traced from
//! plug-in to plug-in in an Envoy of its own.
//!
//! # Invariants
//!
//! - What is traced is what would happen: probes change nothing, and the rest is what `serve` runs.
//! - Bodies and headers are shown to whoever asks for a trace, and to nobody else: nothing is kept.

pub mod client;
pub mod curl;
pub mod explain;
pub mod layout;
pub mod trace;
pub mod websocket;
