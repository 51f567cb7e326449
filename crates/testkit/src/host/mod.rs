//! A gateway without a gateway: what Envoy 1.40 does with a plug-in's callbacks and host calls, over plain values.
//!
//! The native and the embedded engine are thin layers over it, which differ in how they enter a plug-in. It behaves as
//! Envoy does where a case can see it; where the two differ, Envoy is right and this is mended.

mod calls;
mod here;
mod maps;
mod mock;
mod reply;
mod shared;
mod stream;
mod waiting;
mod worker;

pub(crate) use here::Common;
pub(crate) use mock::MockHost;
pub(crate) use worker::{VmHost, load};
