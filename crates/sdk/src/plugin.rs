//! The trait that a plug-in implements.

use config::Configuration;

use crate::{BodyFlow, Flow, RequestBody, RequestHeaders, ResponseBody, ResponseHeaders};

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
///     fn on_request_body(body: &mut RequestBody<usize>, _: &Config) -> BodyFlow {
///         *body.state += body.chunk().len();
///         BodyFlow::Continue
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
    fn on_request_body(body: &mut RequestBody<'_, Self::State>, config: &Self::Config) -> BodyFlow {
        let _ = (body, config);
        BodyFlow::Continue
    }

    /// The head of a response is on its way to the client, the upstream's or somebody's own answer.
    fn on_response_headers(response: &mut ResponseHeaders<'_, Self::State>, config: &Self::Config) -> Flow {
        let _ = (response, config);
        Flow::Continue
    }

    /// Bytes of a response's body, as for [`on_request_body`](Plugin::on_request_body).
    fn on_response_body(body: &mut ResponseBody<'_, Self::State>, config: &Self::Config) -> BodyFlow {
        let _ = (body, config);
        BodyFlow::Continue
    }
}

/// What happens to a request that a plug-in cannot look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It passes.
    Open,
    /// It is answered 503, with the details `<plug-in>.host_failure`.
    Closed,
}
