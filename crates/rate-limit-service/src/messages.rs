//! The messages of `envoy.service.ratelimit.v3`, with the fields that gateways and services use.

/// `RateLimitRequest`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RateLimitRequest {
    /// The domain of the limits.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// What is counted.
    #[prost(message, repeated, tag = "2")]
    pub descriptors: Vec<Descriptor>,
    /// The amount; 0 means 1.
    #[prost(uint32, tag = "3")]
    pub hits_addend: u32,
}

/// `envoy.extensions.common.ratelimit.v3.RateLimitDescriptor`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Descriptor {
    /// Its keys and values.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
    /// A limit that replaces the one of the service.
    #[prost(message, optional, tag = "2")]
    pub limit: Option<Override>,
}

/// An entry of a descriptor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Entry {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A limit in a request.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Override {
    /// The amount.
    #[prost(uint32, tag = "1")]
    pub requests_per_unit: u32,
    /// The period, as `envoy.type.v3.RateLimitUnit`.
    #[prost(int32, tag = "2")]
    pub unit: i32,
}

/// `RateLimitResponse`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RateLimitResponse {
    /// The decision.
    #[prost(enumeration = "Code", tag = "1")]
    pub overall_code: i32,
    /// The status of each descriptor.
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<Status>,
}

/// The status of a descriptor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// The decision.
    #[prost(enumeration = "Code", tag = "1")]
    pub code: i32,
    /// The limit.
    #[prost(message, optional, tag = "2")]
    pub current_limit: Option<Override>,
    /// What is left of it.
    #[prost(uint32, tag = "3")]
    pub limit_remaining: u32,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Code {
    /// No decision.
    Unknown = 0,
    /// The request passes.
    Ok = 1,
    /// It does not.
    OverLimit = 2,
}
