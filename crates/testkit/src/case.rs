//! The format of `plugins/<name>/tests/cases.yaml`, and its reader. The page `cases` of the SDK's guide documents it.

mod error;
mod expect;
mod include;
mod load;
mod request;
mod stage;
mod talk;
mod written;

pub use self::expect::{
    CallExpect, Expect, HeaderName, Logged, UpstreamExpect, UpstreamRequestExpect, Values,
};
pub use self::load::{LoadError, load};
pub use self::request::Request;
pub use engine::exchange::{
    Change, Chunks, Each, Event, Framing, Gateway, Happening, Header, LogLevel, Order, PropertyNames,
    Protocol, Service, ServiceAnswer, ServiceCluster, ServiceProtocol, Setup, Step, TalkStep, Time, Upstream,
};

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::EngineName;

/// A case: a configuration and its expectations.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "written::WrittenCase")]
pub struct Case {
    /// A sentence, unique in its file.
    pub name: String,
    /// The setup of the gateway.
    pub setup: Setup,
    /// The upstream's response.
    pub upstream: Upstream,
    /// Engines on which the case cannot hold, with the reason.
    pub skip: BTreeMap<EngineName, String>,
    /// True if the module executes as many instructions for one request as for another.
    pub equal_cost: bool,
    /// The expectations.
    pub then: Then,
    /// In which order its requests go out, by their place in [`Then::Requests`].
    pub stages: Vec<Stage>,
}

/// A part of a case that is over before the next begins.
#[derive(Debug, Clone)]
pub enum Stage {
    /// A request by itself.
    Request(usize),
    /// Concurrent requests; none if only the configuration changes.
    Interleave {
        /// The requests.
        requests: Vec<usize>,
        /// Their events, in order.
        events: Vec<Event>,
    },
}

impl Stage {
    /// Whether an event of it has the client of this request go away.
    fn resets(&self, request: usize) -> bool {
        let Self::Interleave { requests, events } = self else { return false };
        let place = requests.iter().position(|place| *place == request);
        place.is_some_and(|place| events.iter().any(|event| event.step_of(place) == Some(Step::Reset)))
    }
}

/// The expectation of a configuration.
#[derive(Debug, Clone)]
pub enum Then {
    /// It is rejected, and the log contains each of these texts.
    Refused(Vec<String>),
    /// It serves these requests, in order.
    Requests(Vec<Request>),
}
