//! A rate limit service for local gateways and tests: `envoy.service.ratelimit.v3.RateLimitService` over gRPC, on the
//! `limitador` crate.
//!
//! It behaves like one of two services ([`Kind`]): Limitador's own server, which has all limits in its configuration, or
//! Envoy's, which takes them from requests. Each check and the update after it are one step, so no limit is exceeded. With
//! `limitador` alone ([`Counts::without_serialisation`]) they are two, and a few more requests pass under concurrent load.
//!
//! Counters are in memory, and lost when the service ends, or, with the feature `redis`, in Redis.
//!
//! ```no_run
//! use std::net::{Ipv4Addr, SocketAddr};
//! use rate_limit_service::{Counts, Kind, Server};
//!
//! let service = Server::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)), Counts::new(Kind::Envoy, &[])?)?;
//! println!("{} calls", service.calls());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod counts;
mod messages;
#[cfg(feature = "redis")]
mod redis;
mod server;

pub use counts::{Counts, Kind, Rule, RuleError, TakeError};
pub use messages::{Code, Descriptor, Entry, Override, RateLimitRequest, RateLimitResponse, Status};
#[cfg(feature = "redis")]
pub use redis::Redis;
pub use server::Server;
