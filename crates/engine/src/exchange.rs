//! Exchanges through a gateway: its setup, requests, and the responses of the upstream and services.

mod gateway;
mod order;
mod request;
mod service;

pub use abi::LogLevel;

pub use self::gateway::{Gateway, PropertyNames, Upstream};
pub use self::order::{Change, Event, Happening, Order, Step, request_steps, response_steps};
pub use self::request::{Chunks, Each, Framing, Header, Protocol, Request, TalkStep, Time};
pub use self::service::{Service, ServiceAnswer, ServiceCluster, ServiceProtocol, of_cluster};

/// The setup of a gateway. Cases with equal setups may share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Setup {
    /// The plug-in's configuration; none is different from an empty one.
    pub configuration: Option<String>,
    /// The gateway around the plug-in.
    pub gateway: Gateway,
    /// The clusters of services that it can call.
    pub services: Vec<ServiceCluster>,
    /// Whether other configurations follow, which the gateway must apply while it runs.
    pub reconfigured: bool,
}
