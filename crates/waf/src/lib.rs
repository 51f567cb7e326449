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
//! Invariants:
//!
//! - No request, response or program causes a panic.
//! - The cost of every operator and transformation is linear in the value.
//! - A value is transformed once per list of transformations, and compared once per rule, however often it occurs.
//! - A program with an expression that cannot be compiled is reported by [`check`], which builds and loaders call.

mod body;
mod engine;
mod filter;
mod grams;
mod injection;
mod operators;
mod plan;
mod regex;
mod transaction;
mod transform;
mod values;

pub use engine::{Waf, WafError, check, prepare};
pub use regex::check as check_expression;
pub use transaction::{Denial, Hit, Request, Transaction};
pub use transform::apply as transform;
