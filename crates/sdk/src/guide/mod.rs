//! The guide to writing plug-ins.
//!
//! | page | topic |
//! |---|---|
//! | [`pausing`] | Holding, waiting and replying, and how much of a message a gateway holds |
//! | [`bodies`] | Reading every byte of a body, its end, and replacing it |
//! | [`rules`] | Selecting the configuration of a request, and validating configurations |
//! | [`call_outs`] | Calling other services while a request waits |
//! | [`background`] | Calling services on a timer, and in one worker only |
//! | [`state`] | Data per request, per VM and per gateway |
//! | [`configuration`] | The types of a configuration, and what `#[configuration]` derives |
//! | [`recipes`] | Async work in functions, and a cache that workers share |
//! | [`testing`] | Testing a plug-in on every engine with one set of cases |
//! | [`cases`] | Reference of `cases.yaml` |
//! | [`from_the_classic_style`] | The same plug-in with `HttpContext` and with [`Plugin`](crate::Plugin) |
//! | [`coming_from_higress`] | Equivalents of the calls of Higress's Rust and Go SDKs |
//!
//! Statements about gateways describe the observed behaviour of stock Envoy 1.40, unless they mention Higress.

#[doc = include_str!("pausing.md")]
pub mod pausing {}

#[doc = include_str!("bodies.md")]
pub mod bodies {}

#[doc = include_str!("rules.md")]
pub mod rules {}

#[doc = include_str!("call_outs.md")]
pub mod call_outs {}

#[doc = include_str!("background.md")]
pub mod background {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[doc = include_str!("state.md")]
pub mod state {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("cases.md")]
pub mod cases {}

pub mod from_the_classic_style;

#[doc = include_str!("coming_from_higress.md")]
pub mod coming_from_higress {}
