//! The Core Rule Set in Envoy: its regression tests, and decisions beside those of libmodsecurity.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "crs/benign.rs"]
mod benign;
#[path = "crs/corpus.rs"]
mod corpus;
#[path = "crs/decisions.rs"]
mod decisions;
#[path = "crs/running.rs"]
mod running;

use std::process::ExitCode;

fn main() -> ExitCode {
    testkit::crs::run(
        env!("CARGO_PKG_NAME"),
        &[
            ("crs: the regression tests of the rules pass", corpus::run),
            ("crs: attacks are refused before the upstream receives a byte", decisions::attacks),
            ("crs: ordinary requests are not refused", decisions::benign),
        ],
    )
}
