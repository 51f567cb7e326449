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
//!                     Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("ask-first.denied"))
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

/// A plug-in whose requests can wait, by its configuration: `#[plugin(call_outs)]` implements it. `P` is the plug-in,
/// which the compiler finds by itself.
///
/// Without `call_outs` a `wait` does not compile, because no answer would ever come. The error says what to write:
/// "this plug-in cannot wait for other services: write `#[plugin(call_outs)]` instead of `#[plugin]`".
///
/// ```compile_fail,E0277
/// use sdk::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Config {}
///
/// struct Waits;
///
/// #[plugin] // With `call_outs` this compiles.
/// impl Plugin for Waits {
///     type Config = Config;
///
///     fn on_request_headers(request: &mut RequestHeaders, config: &Config) -> Flow {
///         request.wait(config, async |_, _| Flow::Continue)
///     }
/// }
/// # fn main() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "this plug-in cannot wait for other services: write `#[plugin(call_outs)]` instead of `#[plugin]`",
    label = "not the configuration of a plug-in with `call_outs`",
    note = "only a module with `call_outs` exports the entry points that answers come through"
)]
pub trait CallOuts<P> {}

/// A call that is under way.
struct Open {
    kind: Kind,
    token: u32,
    /// The context that the host made it under, and whose end ends it.
    origin: u32,
    /// Who goes on when it is answered.
    owner: Owner,
    /// Whether more than one delivery comes, until a status ends it.
    stays: bool,
    /// Puts the answer where the future looks for it.
    deliver: Rc<dyn Fn(Delivery)>,
}

/// Who waits for calls.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// A stream, or a root whose callback runs.
    Stream(u32),
    /// Work of the background, and how to wake it: what no plug-in begins is then in none.
    Background { id: u32, wake: fn(u32, u32) },
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Owner::Stream(a), Owner::Stream(b)) => a == b,
            (Owner::Background { id: a, .. }, Owner::Background { id: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// What has arrived; its parts are read from the host while it can be.
pub(crate) enum Delivery {
    Http {
        headers: usize,
        body: usize,
        trailers: usize,
    },
    GrpcMessage {
        size: usize,
    },
    GrpcStatus(u32),
    /// Nothing, and nothing will: the context that made the call is gone.
    Lost,
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
    /// Whose code runs, and under which of the host's contexts.
    static CURRENT: Cell<(Owner, u32)> = const { Cell::new((Owner::Stream(0), 0)) };
}

/// Changes the list of open calls. When a thread ends, as those of tests do, the list may be gone before what is
/// in it.
fn with_open<T>(change: impl FnOnce(&mut Vec<Open>) -> T) -> Option<T> {
    OPEN.try_with(|open| open.try_borrow_mut().ok().map(|mut open| change(&mut open))).ok().flatten()
}

/// Notes that a callback of a context runs: the calls that it makes are that context's.
pub(crate) fn enter(context: u32) {
    CURRENT.set((Owner::Stream(context), context));
}

/// The context whose callback runs.
pub(crate) fn current_context() -> u32 {
    CURRENT.get().1
}

/// Polls work of an owner, under a context of the host.
pub(crate) fn poll<T>(owner: Owner, origin: u32, work: &mut Pin<Box<dyn Future<Output = T>>>) -> Poll<T> {
    let before = CURRENT.replace((owner, origin));
    // Nothing is woken: work is polled again whenever one of its answers has arrived.
    let result = work.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    CURRENT.set(before);
    result
}

/// How many calls are open.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn open() -> usize {
    with_open(|open| open.len()).unwrap_or_default()
}

/// Whether anything is under way that could wake the owner.
pub(crate) fn any_open(owner: Owner) -> bool {
    with_open(|open| open.iter().any(|call| call.owner == owner)).unwrap_or_default()
}

/// Hands an answer to the call that waits for it, and says whose it is. Nobody's is dropped: its stream has
/// ended, or its work went on without it.
pub(crate) fn deliver(kind: Kind, token: u32, delivery: Delivery) -> Option<Owner> {
    let (deliver, owner) = with_open(|open| {
        let place = position(open, kind, token)?;
        let call = open.get(place)?;
        let found = (call.deliver.clone(), call.owner);
        if !call.stays || matches!(delivery, Delivery::GrpcStatus(_)) {
            open.swap_remove(place);
        }
        Some(found)
    })??;
    deliver(delivery);
    Some(owner)
}

/// Takes one of the calls that ended with the context they were made under, and says who waits for it.
pub(crate) fn lose(origin: u32) -> Option<Owner> {
    let call = with_open(|open| {
        let place = open.iter().position(|call| call.origin == origin)?;
        Some(open.swap_remove(place))
    })??;
    (call.deliver)(Delivery::Lost);
    Some(call.owner)
}

fn position(open: &[Open], kind: Kind, token: u32) -> Option<usize> {
    open.iter().position(|call| call.kind == kind && call.token == token)
}

/// Notes a call that was just made: it belongs to whose code runs.
fn register(kind: Kind, token: u32, stays: bool, deliver: impl Fn(Delivery) + 'static) {
    let (owner, origin) = CURRENT.get();
    let deliver = Rc::new(deliver);
    with_open(|open| open.push(Open { kind, token, origin, owner, stays, deliver }));
}

/// Notes that the work that runs waits for a call, whoever has made it: a call may be made before its work begins, and
/// handed on.
fn adopt(kind: Kind, token: u32) {
    let (owner, _) = CURRENT.get();
    with_open(|open| {
        if let Some(call) = position(open, kind, token).and_then(|place| open.get_mut(place)) {
            call.owner = owner;
        }
    });
}

/// Forgets a call, and says whether it was still open.
fn forget(kind: Kind, token: u32) -> bool {
    let forgotten = with_open(|open| position(open, kind, token).map(|place| open.swap_remove(place)));
    forgotten.flatten().is_some()
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
        match self.arrived.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                adopt(self.kind, self.token);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if forget(self.kind, self.token) && self.kind == Kind::Grpc {
            crate::host::grpc_cancel(self.token);
        }
    }
}
