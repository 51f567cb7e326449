//! The expectations of a request.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::ByteString;

/// The expectations of a request; absent ones are not checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The status of the response.
    pub status: Option<u16>,
    /// Headers of the response.
    pub headers: BTreeMap<HeaderName, Values>,
    /// All headers of the response, in order.
    pub headers_exact: Option<Vec<(HeaderName, ByteString)>>,
    /// The whole body of the response.
    pub body: Option<ByteString>,
    /// Bytes contained in the body of the response.
    pub body_contains: Option<ByteString>,
    /// Whether the stream is closed without a response.
    pub closed: bool,
    /// True if the body of the response is cut off.
    pub cut_off: bool,
    /// The trailers of the response.
    pub trailers: BTreeMap<HeaderName, Values>,
    /// The request that the upstream received.
    pub upstream: Option<UpstreamExpect>,
    /// The calls that services received, in order.
    pub calls: Option<Vec<CallExpect>>,
    /// The response-code details.
    pub details: Option<String>,
    /// Texts that the plug-in logged during the request.
    #[serde(deserialize_with = "one_or_more")]
    pub log: Vec<String>,
    /// Texts that it did not log.
    #[serde(deserialize_with = "one_or_more")]
    pub log_absent: Vec<String>,
    /// Properties that the plug-in set for the access log.
    pub access_log: BTreeMap<String, Logged>,
    /// The plug-in's counters after the request, counted from the start of the case.
    pub counters: BTreeMap<String, u64>,
    /// The plug-in's host calls during the request.
    pub host_calls: Option<u64>,
}

impl Expect {
    /// Whether all headers are looked at, the client's or the upstream's.
    pub(crate) fn is_exact(&self) -> bool {
        let upstream = match &self.upstream {
            Some(UpstreamExpect::Request(request)) => request.headers_exact.is_some(),
            _ => false,
        };
        upstream || self.headers_exact.is_some()
    }

    /// Whether it requires a response to the client.
    pub(crate) fn needs_answer(&self) -> bool {
        self.status.is_some()
            || self.body.is_some()
            || self.body_contains.is_some()
            || self.cut_off
            || !self.headers.is_empty()
            || self.headers_exact.is_some()
            || !self.trailers.is_empty()
    }
}

/// A header's name in lower case, as gateways hand it on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "String")]
pub struct HeaderName(String);

impl HeaderName {
    /// The name.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether this is the name, without regard to case.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(name)
    }
}

impl From<String> for HeaderName {
    fn from(name: String) -> Self {
        Self(name.to_ascii_lowercase())
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The values that a header must have: none when it must be absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(pub Vec<ByteString>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of YAML's own value, because `{all: …}` and the forms of bytes are maps alike.
        let value = serde_yaml::Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(Self(Vec::new()));
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct All {
            all: Vec<ByteString>,
        }
        if value.get("all").is_some() {
            return All::deserialize(value).map(|All { all }| Self(all)).map_err(de::Error::custom);
        }
        ByteString::deserialize(value).map(|value| Self(vec![value])).map_err(de::Error::custom)
    }
}

/// The expected value of a property in the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Logged {
    /// It is not set.
    Absent,
    /// It has this value.
    Exactly(ByteString),
    /// It contains each of these.
    Contains(Vec<ByteString>),
}

impl<'de> Deserialize<'de> for Logged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_yaml::Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(Self::Absent);
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Contains {
            contains: Vec<ByteString>,
        }
        if value.get("contains").is_some() {
            let contains = Contains::deserialize(value).map_err(de::Error::custom)?;
            return Ok(Self::Contains(contains.contains));
        }
        ByteString::deserialize(value).map(Self::Exactly).map_err(de::Error::custom)
    }
}

/// The expected request at the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamExpect {
    /// No complete request.
    None,
    /// One complete request with these properties.
    Request(Box<UpstreamRequestExpect>),
}

/// The expected properties of the request at the upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamRequestExpect {
    /// Its method.
    pub method: Option<ByteString>,
    /// Its path, with the query.
    pub path: Option<ByteString>,
    /// Its host.
    pub host: Option<ByteString>,
    /// Its headers.
    pub headers: BTreeMap<HeaderName, Values>,
    /// All of its headers, in order.
    pub headers_exact: Option<Vec<(HeaderName, ByteString)>>,
    /// Its whole body.
    pub body: Option<ByteString>,
    /// Bytes somewhere in its body.
    pub body_contains: Option<ByteString>,
    /// Its trailers.
    pub trailers: BTreeMap<HeaderName, Values>,
}

impl<'de> Deserialize<'de> for UpstreamExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = UpstreamExpect;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`none`, or the request at the upstream: {{ path: …, headers: …, body: … }}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UpstreamExpect, E> {
                match text {
                    "none" => Ok(UpstreamExpect::None),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UpstreamExpect, A::Error> {
                let map = de::value::MapAccessDeserializer::new(map);
                UpstreamRequestExpect::deserialize(map)
                    .map(|request| UpstreamExpect::Request(Box::new(request)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

/// The expected properties of a call at a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallExpect {
    /// The service's cluster.
    pub cluster: Option<String>,
    /// The request.
    pub request: UpstreamRequestExpect,
}

impl<'de> Deserialize<'de> for CallExpect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The cluster is next to the request's own fields, and serde cannot both flatten and reject unknown fields.
        let mut written = serde_yaml::Mapping::deserialize(deserializer)?;
        let cluster = written.remove("cluster").map(serde_yaml::from_value).transpose();
        let request = UpstreamRequestExpect::deserialize(serde_yaml::Value::Mapping(written));
        Ok(Self {
            cluster: cluster.map_err(de::Error::custom)?,
            request: request.map_err(de::Error::custom)?,
        })
    }
}

/// Reads a text, or a list of texts.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a text or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.into()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(text) = texts.next_element()? {
                all.push(text);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(OneOrMore)
}
