//! Unary gRPC calls.

use std::fmt;
use std::time::Duration;

use super::{CallError, Cluster, Delivery, Kind, Response};
use crate::abi::BufferType;
use crate::protobuf::Message;
use crate::{headers, host};

/// A unary gRPC call. Messages are bytes; the plug-in encodes and decodes them.
#[derive(Debug, Clone)]
#[must_use = "a call that is not sent is not made"]
pub struct GrpcCall {
    cluster: Cluster,
    service: String,
    method: String,
    metadata: Vec<(String, Vec<u8>)>,
    message: Vec<u8>,
    timeout: Duration,
}

/// The reason for which a gRPC call has no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrpcError {
    /// There is no response.
    Call(CallError),
    /// The gRPC status of the service. 14 is `UNAVAILABLE`, also if the service is unreachable.
    Status(u32),
}

impl fmt::Display for GrpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GrpcError::Call(error) => error.fmt(f),
            GrpcError::Status(status) => write!(f, "gRPC status {status}"),
        }
    }
}

impl std::error::Error for GrpcError {}

impl GrpcCall {
    /// Creates a call to a method of `package.Service`, with a message.
    pub fn new(
        cluster: Cluster,
        service: impl Into<String>,
        method: impl Into<String>,
        message: impl Into<Vec<u8>>,
    ) -> Self {
        GrpcCall {
            cluster,
            service: service.into(),
            method: method.into(),
            metadata: Vec::new(),
            message: message.into(),
            timeout: Duration::from_secs(1),
        }
    }

    /// Adds initial metadata.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Sets the timeout, in whole milliseconds. The default is one second.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Makes the call immediately, and returns a future of the response message.
    pub fn send(self) -> impl Future<Output = Result<Vec<u8>, GrpcError>> {
        let metadata = headers::serialise(&self.metadata);
        let token = host::grpc_call(
            &grpc_service(&self.cluster),
            &self.service,
            &self.method,
            &metadata,
            &self.message,
            self.timeout,
        );
        let response = token.map(|token| Response::new(Kind::Grpc, token, read));
        async move {
            match response {
                Ok(response) => response.await,
                Err(status) => Err(GrpcError::Call(CallError::Refused(status))),
            }
        }
    }
}

pub(super) fn read(delivery: Delivery) -> Result<Vec<u8>, GrpcError> {
    match delivery {
        Delivery::GrpcMessage { size: 0 } => Ok(Vec::new()),
        Delivery::GrpcMessage { size } => host::buffer(BufferType::GrpcMessage, 0, size)
            .map_err(|status| GrpcError::Call(CallError::Refused(status))),
        Delivery::GrpcStatus(status) => Err(GrpcError::Status(status)),
        _ => Err(GrpcError::Call(CallError::NoAnswer)),
    }
}

/// Envoy's `GrpcService { EnvoyGrpc envoy_grpc = 1 { string cluster_name = 1; string authority = 2 } }`. Hosts also accept
/// a bare cluster name, but only if its bytes are not a valid message by chance. Without the authority, Envoy sends the name
/// of the cluster, and servers reset calls to `outbound|80||…`, which is not a valid host.
pub(super) fn grpc_service(cluster: &Cluster) -> Vec<u8> {
    let envoy_grpc =
        Message::default().bytes(1, cluster.name().as_bytes()).bytes(2, cluster.host().as_bytes()).finish();
    Message::default().bytes(1, &envoy_grpc).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_a_grpc_service() {
        let service = grpc_service(&Cluster::named("abc", "de"));
        assert_eq!(service, b"\x0a\x09\x0a\x03abc\x12\x02de");
        let long = grpc_service(&Cluster::named("x".repeat(200), ""));
        assert_eq!(long[..6], [0x0a, 0xcd, 0x01, 0x0a, 0xc8, 0x01]);
        assert_eq!(long.len(), 208);
    }
}
