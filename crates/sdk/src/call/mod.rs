//! Call-outs: questions to other services, awaited while the request waits.
//!
//! A callback that needs an answer returns what [`RequestHeaders::wait`](crate::RequestHeaders::wait) gives
//! it; the work reads top to bottom:
//!
//! ```
//! use std::time::Duration;
//!
//! use sdk::call::{Cluster, HttpCall};
//! use sdk::prelude::*;
//!
//! #[derive(Deserialize)]
//! struct Config {
//!     service: config::NonEmptyString,
//! }
//!
//! struct AskFirst;
//!
//! #[plugin(call_outs)]
//! impl Plugin for AskFirst {
//!     type Config = Config;
//!
//!     fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
//!         if request.path() == b"/public" {
//!             return Flow::Continue; // Costs nothing: only a request that waits does.
//!         }
//!         request.wait(config, async |request, config| {
//!             let cluster = Cluster::fqdn(&config.service, 80);
//!             let call = HttpCall::get(cluster, "/check").timeout(Duration::from_millis(200));
//!             match call.send().await {
//!                 Ok(answer) if answer.status() == 200 => {
//!                     request.set("x-checked", "yes");
//!                     Flow::Continue
//!                 }
//!                 Ok(answer) if answer.status() < 500 => {
//!                     Flow::Reply(Reply::new(config::StatusCode::FORBIDDEN).details("ask-first.denied"))
//!                 }
//!                 // No answer: open or closed is the plug-in's choice. Envoy answers for a service that is
//!                 // not in time (504) or not there (503).
//!                 _ => Failure::Closed.flow("ask-first.no_answer"),
//!             }
//!         })
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Calls that are [sent](HttpCall::send) run at once; [`join`], [`join_all`] and [`first_of`] wait for several.
//!
//! # What waits, and how it ends
//!
//! While a request waits, its body does too: what arrives meanwhile is held, and looked at when the work is
//! done. A call has a [time-out](HttpCall::timeout). When the client goes away, the work is dropped with
//! everything in it, and an answer that comes later finds nobody. Work that waits for nothing that could come
//! fails as [`Plugin::ON_FAILURE`](crate::Plugin::ON_FAILURE) says.
//!
//! A plug-in says `#[plugin(call_outs)]`, because a module exports the entry points of answers only then:
//! one that never waits pays nothing, not even in size.

mod cluster;
mod combine;
mod grpc;
mod grpc_stream;
mod http;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::Status;

pub use cluster::Cluster;
pub use combine::{first_of, join, join_all};
pub use grpc::{GrpcCall, GrpcError};
pub use grpc_stream::GrpcStream;
pub use http::{HttpCall, HttpResponse};

/// Why a call has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// The gateway did not make it: there is no such cluster, or the request lacks something.
    Refused(Status),
    /// There was no answer. Envoy tells so only of a call that it lost; for a service that is not in time it
    /// answers 504 itself, and 503 for one that cannot be reached.
    NoAnswer,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(Status::BAD_ARGUMENT) => {
                f.write_str("the gateway has no such cluster: check the name of the service")
            }
            CallError::Refused(Status(status)) => write!(f, "the gateway refused the call: status {status}"),
            CallError::NoAnswer => f.write_str("no answer: the service was not reached, or not in time"),
        }
    }
}

impl std::error::Error for CallError {}

/// What calls an answer is for. Their tokens are numbered apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Grpc,
}

/// A call that is under way.
struct Open {
    kind: Kind,
    token: u32,
    /// The stream that waits for it.
    context: u32,
    /// Whether more than one delivery comes, until a status ends it.
    stays: bool,
    /// Puts the answer where the future looks for it.
    deliver: Rc<dyn Fn(Delivery)>,
}

/// What has arrived; its parts are read from the host while it can be.
pub(crate) enum Delivery {
    Http { headers: usize, body: usize, trailers: usize },
    GrpcMessage { size: usize },
    GrpcStatus(u32),
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
    /// The stream whose work is being polled.
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// Polls the work of a stream.
pub(crate) fn poll<T>(context: u32, work: &mut Pin<Box<dyn Future<Output = T>>>) -> Poll<T> {
    CURRENT.set(context);
    // Nothing is woken: the stream's work is polled again whenever one of its answers has arrived.
    work.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// How many calls are open.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn open() -> usize {
    OPEN.with_borrow(Vec::len)
}

/// Whether anything is under way that could wake the stream.
pub(crate) fn any_open(context: u32) -> bool {
    OPEN.with_borrow(|open| open.iter().any(|call| call.context == context))
}

/// Hands an answer to the call that waits for it, and says whose it is. Nobody's is dropped: its stream has
/// ended, or its work went on without it.
pub(crate) fn deliver(kind: Kind, token: u32, delivery: Delivery) -> Option<u32> {
    let (deliver, context) = OPEN.with_borrow_mut(|open| {
        let place = open.iter().position(|call| call.kind == kind && call.token == token)?;
        let call = open.get(place)?;
        let found = (call.deliver.clone(), call.context);
        if !call.stays || matches!(delivery, Delivery::GrpcStatus(_)) {
            open.swap_remove(place);
        }
        Some(found)
    })?;
    deliver(delivery);
    Some(context)
}

/// Notes that the stream whose work is being polled waits for a call.
fn register(kind: Kind, token: u32, stays: bool, deliver: impl Fn(Delivery) + 'static) {
    let context = CURRENT.get();
    let deliver = Rc::new(deliver);
    OPEN.with_borrow_mut(|open| open.push(Open { kind, token, context, stays, deliver }));
}

/// Forgets a call, and says whether it was still open.
fn forget(kind: Kind, token: u32) -> bool {
    OPEN.with_borrow_mut(|open| {
        let place = open.iter().position(|call| call.kind == kind && call.token == token);
        place.map(|place| open.swap_remove(place)).is_some()
    })
}

/// The answer to one call; dropped, the call is forgotten.
struct Answer<T> {
    kind: Kind,
    token: u32,
    arrived: Rc<Cell<Option<T>>>,
}

impl<T: 'static> Answer<T> {
    /// Waits for the call of that token; `read` makes of a delivery what the work wants.
    fn new(kind: Kind, token: u32, read: impl Fn(Delivery) -> T + 'static) -> Self {
        let arrived = Rc::new(Cell::new(None));
        let place = arrived.clone();
        register(kind, token, false, move |delivery| place.set(Some(read(delivery))));
        Answer { kind, token, arrived }
    }
}

impl<T> Future for Answer<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        self.arrived.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if forget(self.kind, self.token) && self.kind == Kind::Grpc {
            crate::host::grpc_cancel(self.token);
        }
    }
}
