//! The words of `cargo xtask request` and `cargo xtask explain`: what they are given, and what they show.
//!
//! # Invariants
//!
//! - Bodies and headers are shown to whoever asks for a trace, and to nobody else: nothing is kept.

pub mod curl;
pub mod explain;
pub mod layout;
pub mod show;
