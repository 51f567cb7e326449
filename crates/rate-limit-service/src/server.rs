//! The gRPC server: unary calls over HTTP/2 without TLS.

use std::io::{self, Cursor};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Response, header};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::counts::{Counts, TakeError};
use crate::messages::RateLimitRequest;

/// The only method.
const PATH: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// The largest request.
const MAX_REQUEST: usize = 1024 * 1024;

/// The pause after a connection that could not be accepted, for example because too many files are open.
const PAUSE: Duration = Duration::from_millis(100);

/// A running service. It stops, with its connections, when it is dropped.
pub struct Server {
    address: SocketAddr,
    calls: Arc<AtomicU64>,
    /// Only taken when this is dropped.
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a service at an address; port 0 for a free one.
    ///
    /// # Errors
    ///
    /// The address is in use, or threads cannot be started.
    pub fn start(address: SocketAddr, counts: Counts) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let handle = runtime.handle().clone();
        // An error after this drops the runtime with the server.
        let server = Server { address, calls: Arc::default(), runtime: Some(runtime) };
        let listener = {
            // The caller may have a runtime of its own, so nothing blocks on this one.
            let _entered = handle.enter();
            TcpListener::from_std(listener)?
        };
        handle.spawn(accept(listener, Arc::new(counts), server.calls.clone()));
        Ok(server)
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of calls that it has received.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A runtime cannot be dropped in asynchronous code, and its port is free once the thread has ended.
        if let Some(runtime) = self.runtime.take() {
            let _ = std::thread::spawn(move || drop(runtime)).join();
        }
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>, calls: Arc<AtomicU64>) {
    loop {
        match listener.accept().await {
            // The client notices a connection that fails.
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, counts.clone(), calls.clone()))),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, counts: Arc<Counts>, calls: Arc<AtomicU64>) -> Result<(), h2::Error> {
    // Without it, responses are only later.
    let _ = stream.set_nodelay(true);
    let mut connection = h2::server::Builder::new().handshake::<_, Cursor<Vec<u8>>>(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, mut respond) = call?;
        let (counts, calls) = (counts.clone(), calls.clone());
        tokio::spawn(async move {
            let result = respond_to(request, &counts).await;
            calls.fetch_add(1, Ordering::SeqCst);
            send(&mut respond, result)
        });
    }
    Ok(())
}

/// A status of gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct GrpcStatus(&'static str);

impl GrpcStatus {
    const OK: Self = Self("0");
    const INVALID_ARGUMENT: Self = Self("3");
    const RESOURCE_EXHAUSTED: Self = Self("8");
    const UNIMPLEMENTED: Self = Self("12");
    const UNAVAILABLE: Self = Self("14");

    fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.0)
    }
}

impl From<TakeError> for GrpcStatus {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Evaluation(_) => Self::INVALID_ARGUMENT,
            #[cfg(feature = "redis")]
            TakeError::Unavailable(_) => Self::UNAVAILABLE,
        }
    }
}

/// Returns the response message.
async fn respond_to(request: http::Request<h2::RecvStream>, counts: &Counts) -> Result<Vec<u8>, GrpcStatus> {
    let (head, mut stream) = request.into_parts();
    if head.uri.path() != PATH {
        return Err(GrpcStatus::UNIMPLEMENTED);
    }
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|_| GrpcStatus::UNAVAILABLE)?;
        stream.flow_control().release_capacity(data.len()).map_err(|_| GrpcStatus::UNAVAILABLE)?;
        body.extend_from_slice(&data);
        if body.len() > MAX_REQUEST {
            return Err(GrpcStatus::RESOURCE_EXHAUSTED);
        }
    }
    // Whether it is compressed, which Envoy does not do, and its length.
    let Some(([0], rest)) = body.split_first_chunk() else { return Err(GrpcStatus::INVALID_ARGUMENT) };
    let message = rest.get(size_of::<u32>()..).ok_or(GrpcStatus::INVALID_ARGUMENT)?;
    let request = RateLimitRequest::decode(message).map_err(|_| GrpcStatus::INVALID_ARGUMENT)?;
    // The counters may be in another process.
    let response = tokio::task::block_in_place(|| counts.take(&request))?;
    Ok(response.encode_to_vec())
}

fn send(
    respond: &mut SendResponse<Cursor<Vec<u8>>>,
    result: Result<Vec<u8>, GrpcStatus>,
) -> Result<(), h2::Error> {
    let mut head = Response::new(());
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let message = match result {
        Ok(message) => message,
        Err(status) => {
            head.headers_mut().insert("grpc-status", status.header());
            respond.send_response(head, true)?;
            return Ok(());
        }
    };
    let mut stream = respond.send_response(head, false)?;
    let size = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    stream.send_data(Cursor::new([b"\0".as_slice(), &size, &message].concat()), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", GrpcStatus::OK.header());
    stream.send_trailers(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_service_starts_or_fails_and_stops_in_asynchronous_code() {
        let start = |address| Server::start(address, Counts::new(Kind::Envoy, &[]).unwrap());
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let server = start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
            let error = start(server.address()).err().map(|error| error.kind());
            assert_eq!(error, Some(io::ErrorKind::AddrInUse));
        });
    }
}
