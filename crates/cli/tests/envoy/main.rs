//! The gateway with a real Envoy: `cargo xtask test` runs these, plain `cargo test` does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may"
)]

mod ai_gateway;
mod authentication;
mod bad_input;
mod commands;
mod elsewhere;
mod examples;
mod fetched;
mod flight;
mod foreign;
mod headers;
mod held;
mod life;
mod order;
mod own;
mod real_ip;
mod registry;
mod served;
mod traces;
mod websocket;
