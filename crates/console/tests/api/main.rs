//! The API of the console, without a browser. Tests in `envoy.rs` need Envoy and are ignored in `cargo test`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may stop"
)]

mod changes;
mod configuration;
mod envoy;
mod killed;
mod routes;
mod security;
mod support;
mod uploads;
