//! The engine of a web application firewall: rules of SecLang, applied to requests and responses.
//!
//! A [`Waf`] is built once from a [`seclang::Program`]; a [`Transaction`] is one request with its response. There are no host
//! calls, so the same code runs in a gateway, in tests and in tools.
//!
//! ```
//! use seclang::{Source, compile, parse};
//! use waf::{Request, Waf};
//!
//! let text = r#"SecRule ARGS "@contains attack" "id:1,phase:2,deny,status:403,t:none,t:lowercase""#;
//! let directives = parse(&[Source { name: "own.conf", text }])?;
//! let program = compile(&directives, &|name| Err(name.to_owned())).program;
//! let waf = Waf::new(program)?;
//! let mut transaction = waf.transaction();
//! let request = Request { method: b"GET", uri: b"/?q=an+ATTACK", protocol: b"HTTP/1.1", ..Request::default() };
//! assert_eq!(transaction.request_headers(&request), None);
//! let denial = transaction.request_body(b"").ok_or("denied")?;
//! assert_eq!((denial.rule, denial.status), (1, 403));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cost
//!
//! Nearly all rules look at nearly all values, and nearly none match, so the work is in finding that out cheaply:
//!
//! - A value is stored once, however often it occurs, with the set of its bytes. The results of transformations are values, too, and
//!   a transformation is not attempted on a value without a byte that it changes.
//! - Rules with the same targets and transformations share what they compare (`Input`), until a collection of the targets changes.
//! - An expression has a filter: a minimum length, and sets of bytes that every match has ([`seclang::Filter`]). [`prepare`]
//!   derives them from syntax trees when rules are built. Lists of phrases have them as well, and long values are also searched for
//!   the sequences of three bytes that the phrases consist of.
//! - Expressions are compiled when a value first passes the filter, or before by [`Waf::compile_next`], without groups and with
//!   caches of 64 KiB. Their memory is limited; those that requests do not use are freed.
//! - Captures are searched only if something reads them (`captures`): most rules capture for a log that does not exist here.
//! - Names of variables in `TX`, constants and the rules that a `ctl` is about are resolved at load.
//!
//! Filters only spare work. Tests compare the engine with one that has none ([`Waf::without_filters`]), and matches of every
//! expression with its filter.
//!
//! Instructions for one request with the Core Rule Set 4.25.0 at level 1, counted natively by `examples/cost.rs`, after expressions
//! were compiled:
//!
//! | request | with filters | without |
//! |---|---:|---:|
//! | `GET`, 20 headers, 5 arguments | 0.75 M | 1.97 M |
//! | the same at level 4 | 1.23 M | 3.06 M |
//! | form with 10 KB of prose | 5.46 M | 16.0 M |
//! | JSON, 78 bytes | 0.48 M | 1.00 M |
//!
//! Invariants:
//!
//! - No request, response or program causes a panic.
//! - The cost of every operator and transformation is linear in the value.
//! - A transformation is applied to a value once, and a value without a match is compared once per rule, however often it occurs.
//! - A program with an expression that cannot be compiled is reported by [`check`], which builds and loaders call.

mod body;
mod captures;
mod engine;
mod filter;
mod grams;
mod injection;
mod operators;
mod plan;
mod regex;
mod sql;
mod transaction;
mod transform;
mod values;

pub use engine::{Waf, WafError, check, prepare};
pub use regex::check as check_expression;
pub use sql::{Fingerprint, detect as detect_sqli};
pub use transaction::{Denial, Hit, Request, Transaction};
pub use transform::apply as transform;
