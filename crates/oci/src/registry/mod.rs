//! Images in registries: push, pull, and modules on web servers.
//!
//! Everything that a server sends is read up to a limit, and compared with the digest that it was requested by.
//! Credentials are those of `docker login` and `podman login`; they never cross a network unencrypted. `oci-client` is not
//! used: it reads manifests, errors and tokens without a limit, and what else it does is less code than its error texts
//! take to interpret.
//!
//! The functions block: they run on an asynchronous runtime of their own, so call them outside of one.

mod client;
mod download;
mod error;
mod event;
mod pull;
mod push;
mod retry;

use std::future::Future;

pub use download::download;
pub use error::{Error, RequestError};
pub use event::Event;
pub use pull::{Pulled, pull};
pub use push::{Pushed, push};

/// How a registry is accessed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Access {
    /// Over HTTP without TLS, such as a registry on this machine.
    pub plain_http: bool,
}

/// Receives what is being done.
pub type Progress<'a> = &'a dyn Fn(&Event<'_>);

/// Runs a future to its end.
fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Runtime)?.block_on(future)
}
