//! `push`, `pull` and `config --image` with a real registry, and with servers that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail like tests"
)]

mod config;
mod hostile;
mod push_and_pull;
mod support;
