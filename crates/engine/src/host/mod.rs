//! A mock gateway: the behaviour of Envoy 1.40 for a plug-in's callbacks and host calls.
//!
//! The native and the embedded engine are thin layers over it, which differ in how they call a plug-in. Its observable
//! behaviour is that of Envoy; where the two differ, Envoy is right and this is fixed.

mod abi;
mod calls;
mod context;
pub mod differences;
mod half;
mod here;
mod interleave;
mod maps;
mod mock;
#[cfg(feature = "redis")]
mod redis;
mod reply;
mod sanitized;
mod shared;
mod stream;
mod talk;
mod vm;
mod worker;

pub use abi::{Answer, Entry, OnHttpCallResponse, OutgoingGrpc, OutgoingHttp, Status};
pub use here::{Common, without_plugin};
pub use mock::{MockHost, START};
pub(crate) use shared::Shared;
pub use worker::{VmHost, load};

use self::context::Context;

/// The plug-in, called for one of its contexts.
#[derive(Clone, Copy)]
struct Plugin<'a> {
    entry: &'a Entry,
    host: &'a VmHost,
    /// The number of the context.
    id: u32,
}

impl<'a> Plugin<'a> {
    /// The entry points, for a callback of this context.
    fn enter(&self) -> &'a Entry {
        self.host.borrow_mut().enter(self.id);
        self.entry
    }

    /// The host's state of this context.
    fn context<T>(&self, look: impl FnOnce(&mut Context) -> T) -> T {
        look(self.host.borrow_mut().context(self.id))
    }
}
