//! The trait that a plug-in implements.

use std::rc::Rc;
use std::time::Duration;

use config::{Configuration, StatusCode};

use crate::queue::Queue;
use crate::{
    Flow, Reply, RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders,
    ResponseTrailers,
};

/// A plug-in: which configuration it takes, and what it does in each phase of a request.
///
/// Write the callbacks that you need and put [`#[plugin]`](crate::plugin) before the `impl`, once a
/// module, in its `lib.rs`. The attribute fills in [`NAME`](Plugin::NAME) and [`State`](Plugin::State)
/// where you leave them out, and exports the callbacks that you wrote, no others.
///
/// The functions take no `self`: what outlives a callback is either configuration, which is shared and
/// never changes, or state, which belongs to one request.
///
/// ```
/// use sdk::prelude::*;
///
/// /// Counts the bytes of the request and tells them in the response.
/// struct CountBytes;
///
/// #[derive(Deserialize)]
/// struct Config {}
///
/// #[plugin]
/// impl Plugin for CountBytes {
///     type Config = Config;
///     type State = usize;
///
///     fn on_request_body(body: &mut RequestBody<usize>, _: &Config) -> Flow {
///         *body.state += body.chunk().len();
///         Flow::Continue
///     }
///
///     fn on_response_headers(response: &mut ResponseHeaders<usize>, _: &Config) -> Flow {
///         // Absent when somebody else answered before this plug-in saw the request.
///         if let Some(bytes) = &response.state {
///             response.set("x-request-bytes", bytes.to_string());
///         }
///         Flow::Continue
///     }
/// }
/// # fn main() {}
/// ```
pub trait Plugin: Sized + 'static {
    /// The plug-in's name in logs and metrics: the package's, unless written here.
    const NAME: &'static str;

    /// What happens to a request when a host call fails that should not.
    const ON_FAILURE: Failure = Failure::Closed;

    /// Whether requests can [wait](crate::call): written by `#[plugin(call_outs)]`.
    #[doc(hidden)]
    const CALL_OUTS: bool = false;

    /// Whether there is an [`on_request_body`](Plugin::on_request_body): written by `#[plugin]`.
    #[doc(hidden)]
    const REQUEST_BODY: bool = false;

    /// Whether there is an [`on_response_body`](Plugin::on_response_body): written by `#[plugin]`.
    #[doc(hidden)]
    const RESPONSE_BODY: bool = false;

    /// Whether there is an [`on_tick`](Plugin::on_tick): written by `#[plugin]`.
    #[doc(hidden)]
    const TICKS: bool = false;

    /// The configuration: a type that derives [`serde::Deserialize`], or one that checks its fields.
    type Config: Configuration;

    /// What one request keeps from callback to callback: `()`, unless written here.
    type State: Default + 'static;

    /// The head of a request has arrived.
    fn on_request_headers(request: &mut RequestHeaders<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (request, config);
        Flow::Continue
    }

    /// Bytes of a request's body have arrived, or its end has: the last call has
    /// [`is_last`](crate::Body::is_last), whether the end came with bytes, without any, or with trailers.
    /// A request without a body does not get here.
    fn on_request_body(body: &mut RequestBody<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (body, config);
        Flow::Continue
    }

    /// Whether [`on_request_body`](Plugin::on_request_body) may hold a body under this configuration. If so, the SDK
    /// finds out from the head what [kind](crate::StreamKind) of stream a request with a body begins, because one
    /// that is open-ended must not be held: one host call, shared with a first
    /// [`all`](crate::LiveHeaders::all) in the headers callback. Return false where bodies only stream, and nothing
    /// is spent on it.
    fn holds_request_body(config: &Self::Config) -> bool {
        let _ = config;
        true
    }

    /// A request ends with trailers. Its body has ended, and [`on_request_body`](Plugin::on_request_body) been
    /// told so, before.
    fn on_request_trailers(trailers: &mut RequestTrailers<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (trailers, config);
        Flow::Continue
    }

    /// The head of a response is on its way to the client, the upstream's or somebody's own answer.
    fn on_response_headers(response: &mut ResponseHeaders<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (response, config);
        Flow::Continue
    }

    /// Bytes of a response's body, as for [`on_request_body`](Plugin::on_request_body).
    fn on_response_body(body: &mut ResponseBody<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (body, config);
        Flow::Continue
    }

    /// Whether [`on_response_body`](Plugin::on_response_body) may hold a body under this configuration, as for
    /// [`holds_request_body`](Plugin::holds_request_body).
    fn holds_response_body(config: &Self::Config) -> bool {
        let _ = config;
        true
    }

    /// A response ends with trailers, as for [`on_request_trailers`](Plugin::on_request_trailers).
    fn on_response_trailers(trailers: &mut ResponseTrailers<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (trailers, config);
        Flow::Continue
    }

    /// A good configuration is in force: those of the rules in order, then the global one. The place to
    /// register queues.
    fn on_configured(configurations: &[Rc<Self::Config>]) {
        let _ = configurations;
    }

    /// How often [`on_tick`](Plugin::on_tick) is called, in whole milliseconds; the shortest period of all
    /// configurations counts.
    fn tick_period(config: &Self::Config) -> Duration {
        let _ = config;
        Duration::from_secs(1)
    }

    /// Time has passed. Every worker of a gateway calls this, and Envoy's main thread too, for each
    /// configuration of the plug-in that it runs.
    fn on_tick(configurations: &[Rc<Self::Config>]) {
        let _ = configurations;
    }

    /// A queue that this VM has registered has an entry. Of several VMs that register one queue, a gateway tells
    /// the last; the others see entries when they look.
    fn on_queue_ready(queue: Queue, configurations: &[Rc<Self::Config>]) {
        let _ = (queue, configurations);
    }
}

/// What happens to a request that a plug-in cannot look at, because a host call failed or a service did not
/// answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It passes.
    Open,
    /// It is answered 503, with the details `<plug-in>.host_failure`.
    Closed,
}

impl Failure {
    /// What it comes to for a request: it passes, or is answered 503 with these details.
    pub fn flow(self, details: &'static str) -> Flow {
        match self {
            Failure::Open => Flow::Continue,
            Failure::Closed => Flow::Reply(Reply::new(StatusCode::SERVICE_UNAVAILABLE).details(details)),
        }
    }
}
