//! What passes through a gateway: how it is set up, what clients send, and what the upstream and services answer.

mod gateway;
mod level;
mod order;
mod request;
mod service;

pub use self::gateway::{Gateway, PropertyNames, Upstream};
pub use self::level::LogLevel;
pub use self::order::{Change, Event, Happening, Order, Step, request_steps, response_steps};
pub use self::request::{Chunks, Each, Framing, Header, Protocol, Request, TalkStep, Time};
pub use self::service::{Service, ServiceAnswer, ServiceCluster, ServiceProtocol, of_cluster};

/// What a gateway is started with: cases with equal setups may share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Setup {
    /// The configuration as the plug-in gets it; none at all is not the same as an empty one.
    pub configuration: Option<String>,
    /// The gateway around the plug-in.
    pub gateway: Gateway,
    /// The clusters of the services that it can call.
    pub services: Vec<ServiceCluster>,
    /// Whether other configurations follow, so that the gateway has to take them while it runs.
    pub reconfigured: bool,
}
