//! Callouts: HTTP and gRPC calls to other services while a request waits.
//!
//! A callback that needs the response of a service returns the result of
//! [`RequestHeaders::wait`](crate::RequestHeaders::wait), with async work:
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
//!             return Flow::Continue; // Only requests that wait have a cost.
//!         }
//!         request.wait(config, async |request, config| {
//!             let cluster = Cluster::fqdn(&config.service, 80);
//!             let call = HttpCall::get(cluster, "/check").timeout(Duration::from_millis(200));
//!             match call.send().await {
//!                 Ok(response) if response.status() == 200 => {
//!                     request.set("x-checked", "yes");
//!                     Flow::Continue
//!                 }
//!                 Ok(response) if response.status() < 500 => {
//!                     Flow::Reply(Reply::new(StatusCode::FORBIDDEN).details("ask-first.denied"))
//!                 }
//!                 // The plug-in chooses whether to fail open or closed. Envoy itself responds with 504 after a
//!                 // timeout, and with 503 if the service is unreachable.
//!                 _ => Failure::Closed.flow("ask-first.no_response"),
//!             }
//!         })
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! [Sending](HttpCall::send) a call starts it immediately; [`join`], [`join_all`] and [`first_of`] wait for several calls.
//!
//! # Waiting
//!
//! While a request waits, its body is held; the body callback runs when the work is done. A call has a
//! [timeout](HttpCall::timeout). When the client disconnects, the work is dropped, and late responses are ignored. Work
//! without pending calls fails as [`Plugin::ON_FAILURE`](crate::Plugin::ON_FAILURE) says.
//!
//! `#[plugin(call_outs)]` makes the module export the entry points for responses. Without it, a module does not contain
//! any of this.

mod cluster;
mod combine;
mod grpc;
mod grpc_stream;
mod http;
#[cfg(feature = "redis")]
pub(crate) mod redis;

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

/// The reason for which a call has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallError {
    /// The gateway rejected the call: the cluster does not exist, or the request is incomplete.
    Refused(Status),
    /// There is no response. In Envoy this happens only if a call is lost: after a timeout Envoy itself responds with 504,
    /// and with 503 if the service is unreachable.
    NoAnswer,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Refused(Status::BAD_ARGUMENT) => {
                f.write_str("unknown cluster: check the name of the service")
            }
            CallError::Refused(Status(status)) => write!(f, "the gateway rejected the call: status {status}"),
            CallError::NoAnswer => f.write_str("no response: the service is unreachable or timed out"),
        }
    }
}

impl std::error::Error for CallError {}

/// The kind of a call. Each kind has its own tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Grpc,
    #[cfg(feature = "redis")]
    Redis,
    /// Not a call: work that waits for [`notify`].
    Notification,
}

/// Implemented by `#[plugin(call_outs)]` for the configuration of a plug-in whose requests can wait. `P` is the plug-in,
/// which the compiler infers.
///
/// Without `call_outs`, `wait` does not compile, because no response would ever arrive. The error explains what to write:
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
    note = "only a module with `call_outs` exports the entry points for responses"
)]
pub trait CallOuts<P> {}

/// An open call.
struct Open {
    kind: Kind,
    token: u32,
    /// The context under which the host made the call. The call ends with this context.
    origin: u32,
    /// The owner that is woken by the response.
    owner: Owner,
    /// True if there can be several deliveries, until a status ends the call.
    stays: bool,
    /// Stores the response for the future.
    deliver: Rc<dyn Fn(Delivery)>,
}

/// The owner of calls.
#[derive(Clone, Copy)]
pub(crate) enum Owner {
    /// A stream, or a root whose callback is running.
    Stream(u32),
    /// Background work, with its wake function, so that modules without background work do not contain it.
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

/// A response that has arrived. Its parts are read from the host while they are available.
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
    /// The status is 0 if there is a response.
    #[cfg(feature = "redis")]
    Redis {
        status: u32,
        size: usize,
    },
    Notification,
    /// There is no response: the context of the call is deleted.
    Lost,
}

thread_local! {
    static OPEN: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
    /// The owner whose code is running, and the host's current context.
    static CURRENT: Cell<(Owner, u32)> = const { Cell::new((Owner::Stream(0), 0)) };
    /// The number of the last notification that work has waited for.
    static LAST_NOTIFICATION: Cell<u32> = const { Cell::new(0) };
    /// The notifications to deliver.
    static DUE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Changes the list of open calls. When a thread ends, as in tests, the list may be destroyed before its elements.
fn with_open<T>(change: impl FnOnce(&mut Vec<Open>) -> T) -> Option<T> {
    OPEN.try_with(|open| open.try_borrow_mut().ok().map(|mut open| change(&mut open))).ok().flatten()
}

/// Makes a context the owner of the calls that its callback makes.
pub(crate) fn enter(context: u32) {
    CURRENT.set((Owner::Stream(context), context));
}

/// Returns the context whose callback is running.
pub(crate) fn current_context() -> u32 {
    CURRENT.get().1
}

/// Polls the work of an owner, in a context of the host.
pub(crate) fn poll<T>(owner: Owner, origin: u32, work: &mut Pin<Box<dyn Future<Output = T>>>) -> Poll<T> {
    let before = CURRENT.replace((owner, origin));
    // There is no waker: work is polled again whenever one of its responses has arrived.
    let result = work.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
    CURRENT.set(before);
    result
}

/// Returns the number of open calls.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn open() -> usize {
    with_open(|open| open.len()).unwrap_or_default()
}

/// Returns true if the owner has an open call that can wake it.
pub(crate) fn any_open(owner: Owner) -> bool {
    with_open(|open| open.iter().any(|call| call.owner == owner)).unwrap_or_default()
}

/// Delivers a response to its call and returns the owner. Responses to calls that are no longer open are ignored.
pub(crate) fn deliver(kind: Kind, token: u32, delivery: Delivery) -> Option<Owner> {
    let (deliver, owner) = with_open(|open| {
        let place = position(open, kind, token)?;
        let call = open.get(place)?;
        let receiver = (call.deliver.clone(), call.owner);
        if !call.stays || matches!(delivery, Delivery::GrpcStatus(_)) {
            open.swap_remove(place);
        }
        Some(receiver)
    })??;
    deliver(delivery);
    Some(owner)
}

/// Removes one of the calls that ended with their context, and returns its owner.
pub(crate) fn lose(origin: u32) -> Option<Owner> {
    let call = with_open(|open| {
        let place = open.iter().position(|call| call.origin == origin)?;
        Some(open.swap_remove(place))
    })??;
    (call.deliver)(Delivery::Lost);
    Some(call.owner)
}

/// Returns a future that ends after the next [`notify`] in this VM.
pub(crate) fn notified() -> impl Future<Output = ()> {
    let token = LAST_NOTIFICATION.get().wrapping_add(1);
    LAST_NOTIFICATION.set(token);
    Response::new(Kind::Notification, token, |_| ())
}

/// Ends all futures of [`notified`] once the running callback is done.
pub(crate) fn notify() {
    let waiting = with_open(|open| {
        let notifications = open.iter().filter(|call| call.kind == Kind::Notification);
        notifications.map(|call| call.token).collect()
    });
    // When a thread ends, as in tests, the list may be dropped before work that notifies in its `Drop`.
    let _ = DUE.try_with(|due| due.replace(waiting.unwrap_or_default()));
}

/// Returns the next notification to deliver.
pub(crate) fn next_notification() -> Option<u32> {
    DUE.try_with(|due| due.borrow_mut().pop()).ok().flatten()
}

fn position(open: &[Open], kind: Kind, token: u32) -> Option<usize> {
    open.iter().position(|call| call.kind == kind && call.token == token)
}

/// Registers a new call. Its owner is the one whose code is running.
fn register(kind: Kind, token: u32, stays: bool, deliver: impl Fn(Delivery) + 'static) {
    let (owner, origin) = CURRENT.get();
    let deliver = Rc::new(deliver);
    with_open(|open| open.push(Open { kind, token, origin, owner, stays, deliver }));
}

/// Makes the running work the owner of a call that it polls, because a call may be made by other code and passed on.
fn adopt(kind: Kind, token: u32) {
    let (owner, _) = CURRENT.get();
    with_open(|open| {
        if let Some(call) = position(open, kind, token).and_then(|place| open.get_mut(place)) {
            call.owner = owner;
        }
    });
}

/// Removes a call; true if it was still open.
fn remove(kind: Kind, token: u32) -> bool {
    let removed = with_open(|open| position(open, kind, token).map(|place| open.swap_remove(place)));
    removed.flatten().is_some()
}

/// The future response to a call. Dropping it removes the call.
struct Response<T> {
    kind: Kind,
    token: u32,
    arrived: Rc<Cell<Option<T>>>,
}

impl<T: 'static> Response<T> {
    /// Registers a call with its token. `read` converts the delivery into the output.
    fn new(kind: Kind, token: u32, read: impl Fn(Delivery) -> T + 'static) -> Self {
        let arrived = Rc::new(Cell::new(None));
        let place = arrived.clone();
        register(kind, token, false, move |delivery| place.set(Some(read(delivery))));
        Response { kind, token, arrived }
    }
}

impl<T> Future for Response<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        match self.arrived.take() {
            Some(response) => Poll::Ready(response),
            None => {
                adopt(self.kind, self.token);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Response<T> {
    fn drop(&mut self) {
        if remove(self.kind, self.token) && self.kind == Kind::Grpc {
            crate::host::grpc_cancel(self.token);
        }
    }
}
