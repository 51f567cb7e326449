//! Hosts and the selection of rules against their plain definitions, with random input.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod host;
mod rules;
