//! The guide: how a plug-in is written, page by page.
//!
//! | page | what it answers |
//! |---|---|
//! | [`pausing`] | What happens to a request while a plug-in makes up its mind, and how much of it a gateway holds |
//! | [`bodies`] | How bodies arrive, how to look at every byte, where they end |
//! | [`rules`] | Which configuration a request gets, and how one is checked |
//! | [`call_outs`] | How to ask another service while the request waits |
//! | [`background`] | How to call services on a timer, and in one worker only |
//! | [`state`] | What lives how long: per request, per VM, per gateway |
//! | [`configuration`] | How a configuration's types are written, and what `#[configuration]` derives |
//! | [`recipes`] | Awaited work in functions, a cache that workers share |
//! | [`testing`] | How to say what a plug-in must do, once for every engine |
//! | [`cases`] | Every key of a file of cases |
//! | [`from_the_classic_style`] | The same plug-in with `HttpContext` and with [`Plugin`](crate::Plugin) |
//! | [`coming_from_higress`] | Every call of Higress's Rust and Go SDKs, and what it is here |
//!
//! What is said of gateways was seen on stock Envoy 1.40, unless Higress is named.
//!
//! The pages exist in the documentation only: no module has a byte of them.

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
