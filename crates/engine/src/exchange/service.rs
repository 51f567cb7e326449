//! Services that a plug-in calls while a request waits.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::{Header, Upstream};
use crate::ByteString;

/// A service, and how it handles every call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its cluster.
    pub cluster: String,
    /// Its response.
    #[serde(default)]
    pub answer: ServiceAnswer,
    /// The delay of its response, in milliseconds.
    #[serde(default)]
    pub delay: u32,
    /// Its protocol.
    #[serde(default)]
    pub protocol: ServiceProtocol,
}

/// How a service handles a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAnswer {
    /// It responds.
    Answer(Upstream),
    /// It accepts the call and never responds.
    None,
    /// Connections are refused.
    Closed,
}

/// The protocol of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// gRPC over HTTP/2: bodies are messages, without the prefix of five bytes that each has on the wire.
    Grpc,
}

impl Default for ServiceAnswer {
    fn default() -> Self {
        Self::Answer(Upstream { body: ByteString::default(), ..Upstream::default() })
    }
}

impl<'de> Deserialize<'de> for ServiceAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            #[serde(default = "ok")]
            status: u16,
            #[serde(default)]
            headers: Vec<Header>,
            #[serde(default)]
            body: ByteString,
            #[serde(default)]
            trailers: Vec<Header>,
        }

        fn ok() -> u16 {
            200
        }

        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = ServiceAnswer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`none`, `closed`, or an answer: {{ status: 200, headers: […], body: … }}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ServiceAnswer, E> {
                match text {
                    "none" => Ok(ServiceAnswer::None),
                    "closed" => Ok(ServiceAnswer::Closed),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ServiceAnswer, A::Error> {
                let Written { status, headers, body, trailers } =
                    Written::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ServiceAnswer::Answer(Upstream { status, headers, body, trailers, ..Upstream::default() }))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// The cluster of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceCluster {
    /// Its name.
    pub name: String,
    /// The protocol of the service.
    pub protocol: ServiceProtocol,
}

/// The service behind a cluster.
#[must_use]
pub fn of_cluster<'s>(services: &'s [Service], cluster: &[u8]) -> Option<&'s Service> {
    services.iter().find(|service| service.cluster.as_bytes() == cluster)
}
