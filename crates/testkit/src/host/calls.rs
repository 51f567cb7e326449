//! Calls of the plug-in to other services: made, on their way, and answered.

use sdk::Status;
use sdk::native::{Answer, OutgoingGrpc, OutgoingHttp};

use super::maps::Map;
use crate::case::{Service, ServiceAnswer, ServiceProtocol, Upstream, of_cluster};
use crate::outcome::{Call, UpstreamRequest};

/// gRPC's `UNAVAILABLE`, which is what Envoy makes of its own 503 and 504, and `UNKNOWN`.
const UNAVAILABLE: u32 = 14;
const UNKNOWN: u32 = 2;

/// The calls of one VM.
#[derive(Default)]
pub(super) struct Calls {
    services: Vec<Service>,
    /// The numbers that were given last.
    http_token: u32,
    grpc_token: u32,
    on_their_way: Vec<Pending>,
    /// gRPC streams that the plug-in has not ended.
    streams: Vec<OpenStream>,
    /// How the gRPC call before ended.
    last_status: u32,
    /// What can be read of an answer, in its callback.
    pub(super) arrived: Option<Arrived>,
    /// What the services have seen.
    pub(super) seen: Vec<Call>,
    /// Which halves of the stream the plug-in lets go on; the ABI's numbers.
    continued: [bool; 2],
}

/// A gRPC stream on which the plug-in may still send.
struct OpenStream {
    token: u32,
    service: Service,
    request: UpstreamRequest,
}

/// A call without an answer so far.
struct Pending {
    due: u32,
    arrival: Arrival,
}

/// An answer, for the callback that it has.
#[derive(Clone)]
pub(super) enum Arrival {
    Http { token: u32, arrived: Arrived },
    GrpcMessage { token: u32, message: Vec<u8> },
    GrpcStatus { token: u32, status: u32 },
}

/// The parts of an answer that host calls can read.
#[derive(Clone, Default)]
pub(super) struct Arrived {
    pub(super) headers: Map,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Map,
    /// Whether it is a gRPC message.
    pub(super) grpc: bool,
}

impl Calls {
    /// Begins a stream: what was on its way for the one before is cancelled.
    pub(super) fn begin_stream(&mut self, services: &[Service]) {
        self.services = services.to_vec();
        self.on_their_way.clear();
        self.streams.clear();
        self.seen.clear();
        self.continued = Default::default();
    }

    /// Whether the plug-in has let this half go on since it was asked last.
    pub(super) fn take_continued(&mut self, stream: u32) -> bool {
        self.continued.get_mut(stream as usize).is_some_and(std::mem::take)
    }

    pub(super) fn continue_stream(&mut self, stream: u32) -> Answer<()> {
        *self.continued.get_mut(stream as usize).ok_or(Status::BAD_ARGUMENT)? = true;
        Ok(())
    }

    /// The answer that comes next: the first call of those with the shortest delay.
    pub(super) fn next(&mut self) -> Option<Arrival> {
        let next = self.on_their_way.iter().enumerate().min_by_key(|(_, call)| call.due)?.0;
        let Pending { due, arrival } = self.on_their_way.remove(next);
        for call in &mut self.on_their_way {
            call.due -= due;
        }
        if let Arrival::GrpcStatus { status, .. } = arrival {
            self.last_status = status;
        }
        Some(arrival)
    }

    pub(super) fn http(&mut self, call: &OutgoingHttp<'_>) -> Answer<u32> {
        let service = of_cluster(&self.services, call.cluster).ok_or(Status::BAD_ARGUMENT)?;
        let headers = Map::parse(call.headers).ok_or(Status::BAD_ARGUMENT)?;
        let trailers = Map::parse(call.trailers).ok_or(Status::BAD_ARGUMENT)?;
        if [":method", ":path", ":authority"].iter().any(|name| headers.get(name.as_bytes()).is_none()) {
            return Err(Status::BAD_ARGUMENT);
        }
        self.http_token += 1;
        let (due, arrived) = match &service.answer {
            ServiceAnswer::Closed => (0, gateways_own("503", UNREACHABLE)),
            ServiceAnswer::Answer(answer) if service.delay < call.timeout => {
                (service.delay, of_service(answer))
            }
            ServiceAnswer::Answer(_) | ServiceAnswer::None => {
                (call.timeout, gateways_own("504", b"upstream request timeout"))
            }
        };
        if service.answer != ServiceAnswer::Closed {
            let request = UpstreamRequest { body: call.body.into(), ..seen(&headers, &trailers) };
            self.seen.push(Call { cluster: service.cluster.clone(), request });
        }
        let arrival = Arrival::Http { token: self.http_token, arrived };
        self.on_their_way.push(Pending { due, arrival });
        Ok(self.http_token)
    }

    pub(super) fn grpc(&mut self, call: &OutgoingGrpc<'_>) -> Answer<u32> {
        let (service, request) = self.grpc_request(call)?;
        self.grpc_token += 1;
        let token = self.grpc_token;
        let failed = |status| Arrival::GrpcStatus { token, status };
        let (due, arrival) = match &service.answer {
            ServiceAnswer::Closed => (0, failed(UNAVAILABLE)),
            ServiceAnswer::Answer(answer) if service.delay < call.timeout => {
                let arrival = match grpc_status(answer) {
                    0 => Arrival::GrpcMessage { token, message: answer.body.to_vec() },
                    status => failed(status),
                };
                (service.delay, arrival)
            }
            ServiceAnswer::Answer(_) | ServiceAnswer::None => (call.timeout, failed(UNAVAILABLE)),
        };
        if service.answer != ServiceAnswer::Closed {
            self.seen.push(Call { cluster: service.cluster.clone(), request });
        }
        self.on_their_way.push(Pending { due, arrival });
        Ok(token)
    }

    /// The service of a gRPC call, and the request as it will see it.
    fn grpc_request(&self, call: &OutgoingGrpc<'_>) -> Answer<(Service, UpstreamRequest)> {
        let service = grpc_cluster(call.service).and_then(|cluster| of_cluster(&self.services, cluster));
        let service = service.filter(|service| service.protocol == ServiceProtocol::Grpc);
        let service = service.ok_or(Status::INTERNAL_FAILURE)?;
        let mut headers = Map::parse(call.metadata).ok_or(Status::BAD_ARGUMENT)?;
        headers.add(b":method", b"POST");
        headers.add(b":path", &[b"/", call.service_name, b"/", call.method].concat());
        headers.add(b":authority", service.cluster.as_bytes());
        let request = UpstreamRequest { body: call.message.into(), ..seen(&headers, &Map::new()) };
        Ok((service.clone(), request))
    }

    pub(super) fn grpc_stream(&mut self, call: &OutgoingGrpc<'_>) -> Answer<u32> {
        let (service, request) = self.grpc_request(call)?;
        self.grpc_token += 1;
        let token = self.grpc_token;
        if service.answer == ServiceAnswer::Closed {
            let arrival = Arrival::GrpcStatus { token, status: UNAVAILABLE };
            self.on_their_way.push(Pending { due: 0, arrival });
        }
        self.streams.push(OpenStream { token, service, request });
        Ok(token)
    }

    /// The service answers when the plug-in has sent its last message.
    pub(super) fn grpc_send(&mut self, token: u32, message: &[u8], last: bool) -> Answer<()> {
        let place = self.streams.iter().position(|stream| stream.token == token).ok_or(Status::NOT_FOUND)?;
        let stream = self.streams.get_mut(place).ok_or(Status::NOT_FOUND)?;
        stream.request.body = [&*stream.request.body, message].concat().into();
        if !last {
            return Ok(());
        }
        let OpenStream { service, request, .. } = self.streams.swap_remove(place);
        if service.answer != ServiceAnswer::Closed {
            self.seen.push(Call { cluster: service.cluster.clone(), request });
        }
        if let ServiceAnswer::Answer(answer) = &service.answer {
            let status = grpc_status(answer);
            let mut arrivals = vec![Arrival::GrpcStatus { token, status }];
            if status == 0 {
                arrivals.insert(0, Arrival::GrpcMessage { token, message: answer.body.to_vec() });
            }
            let due = service.delay;
            self.on_their_way.extend(arrivals.into_iter().map(|arrival| Pending { due, arrival }));
        }
        Ok(())
    }

    /// The plug-in has no more to send.
    pub(super) fn grpc_close(&mut self, token: u32) -> Answer<()> {
        let before = self.streams.len();
        self.streams.retain(|stream| stream.token != token);
        if self.streams.len() < before { Ok(()) } else { Err(Status::NOT_FOUND) }
    }

    pub(super) fn last_status(&self) -> u32 {
        self.last_status
    }

    pub(super) fn grpc_cancel(&mut self, cancelled: u32) -> Answer<()> {
        let was_open = self.grpc_close(cancelled).is_ok();
        let before = self.on_their_way.len();
        self.on_their_way.retain(|call| match call.arrival {
            Arrival::Http { .. } => true,
            Arrival::GrpcMessage { token, .. } | Arrival::GrpcStatus { token, .. } => token != cancelled,
        });
        if was_open || self.on_their_way.len() < before { Ok(()) } else { Err(Status::NOT_FOUND) }
    }
}

const UNREACHABLE: &[u8] = b"upstream connect error or disconnect/reset before headers";

/// What Envoy answers itself when a service does not.
fn gateways_own(status: &str, body: &[u8]) -> Arrived {
    let mut headers = Map::new();
    headers.add(b":status", status.as_bytes());
    headers.add(b"content-length", body.len().to_string().as_bytes());
    headers.add(b"content-type", b"text/plain");
    Arrived { headers, body: body.to_vec(), ..Arrived::default() }
}

fn of_service(answer: &Upstream) -> Arrived {
    let mut headers = Map::new();
    headers.add(b":status", answer.status.to_string().as_bytes());
    headers.extend(&answer.headers);
    match answer.trailers.is_empty() {
        true => headers.add(b"content-length", answer.body.len().to_string().as_bytes()),
        false => headers.add(b"transfer-encoding", b"chunked"),
    }
    let mut trailers = Map::new();
    trailers.extend(&answer.trailers);
    Arrived { headers, body: answer.body.to_vec(), trailers, grpc: false }
}

/// The `grpc-status` that an answer has, by its trailers or, when there is no message, by its headers.
fn grpc_status(answer: &Upstream) -> u32 {
    let mut fields = answer.trailers.iter().chain(&answer.headers);
    let status = fields.find(|(name, _)| **name == *b"grpc-status");
    status.map_or(0, |(_, value)| {
        std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(UNKNOWN)
    })
}

/// A request as its service sees it.
fn seen(headers: &Map, trailers: &Map) -> UpstreamRequest {
    let pseudo = |name: &str| headers.get(name.as_bytes()).unwrap_or_default().into();
    UpstreamRequest {
        method: pseudo(":method"),
        path: pseudo(":path"),
        host: pseudo(":authority"),
        headers: headers.regular(),
        trailers: trailers.regular(),
        ..UpstreamRequest::default()
    }
}

/// The cluster of Envoy's `GrpcService { envoy_grpc { cluster_name } }`, or of a bare name.
fn grpc_cluster(service: &[u8]) -> Option<&[u8]> {
    match field_1(service).and_then(field_1) {
        Some(cluster) => Some(cluster),
        None => Some(service),
    }
}

/// The bytes of field 1, when that is all that a message has.
fn field_1(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message.strip_prefix(b"\x0a")?;
    let (mut size, mut shift) = (0_usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        size |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return (rest.len() == size).then_some(rest);
        }
    }
}
