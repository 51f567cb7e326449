//! Calls of the plug-in to other services, and their responses.

use std::collections::{BTreeMap, BTreeSet};

use super::abi::{Answer, OutgoingGrpc, OutgoingHttp, Status};
use super::maps::{Kind, Map};
use super::sanitized::over_http1;
use crate::exchange::{Service, ServiceAnswer, ServiceCluster, ServiceProtocol, Upstream, of_cluster};
use crate::outcome::{Call, UpstreamRequest};

/// gRPC's `UNAVAILABLE`, to which Envoy maps its own 503 and 504, and `UNKNOWN`.
const UNAVAILABLE: u32 = 14;
const UNKNOWN: u32 = 2;

/// The calls of one VM.
#[derive(Default)]
pub(super) struct Calls {
    clusters: Vec<ServiceCluster>,
    /// How services handle calls without a request: as for the request that began last.
    services: Option<Vec<Service>>,
    /// Calls that were made before the first request, which defines the services.
    early: Vec<Outgoing>,
    /// The last assigned numbers.
    http_token: u32,
    grpc_token: u32,
    on_their_way: Vec<Pending>,
    /// gRPC streams that the plug-in has not ended.
    streams: Vec<OpenStream>,
    /// The status of the previous gRPC call.
    last_status: u32,
    /// The readable parts of a response, during its callback.
    pub(super) arrived: Option<Arrived>,
    /// The calls that services have received, with the calling contexts.
    pub(super) seen: Vec<(u32, Call)>,
    /// Clusters whose services respond on events, and the number of calls that each has received.
    held: BTreeSet<String>,
    numbers: BTreeMap<String, usize>,
}

/// A call and its context.
struct Outgoing {
    owner: u32,
    token: u32,
    cluster: String,
    protocol: ServiceProtocol,
    timeout: u32,
    request: UpstreamRequest,
}

/// A gRPC stream on which the plug-in may still send.
struct OpenStream {
    service: Service,
    call: Outgoing,
}

/// A call without a response so far.
struct Pending {
    due: u32,
    owner: u32,
    /// The index of the call, if the service responds on events.
    held: Option<(String, usize)>,
    arrival: Arrival,
}

/// A response, by its callback.
pub(super) enum Arrival {
    Http {
        token: u32,
        arrived: Arrived,
    },
    GrpcMessage {
        token: u32,
        message: Vec<u8>,
    },
    GrpcStatus {
        token: u32,
        status: u32,
    },
    #[cfg(feature = "redis")]
    Redis(super::redis::Reply),
}

/// The parts of a response that host calls can read.
#[derive(Clone, Default)]
pub(super) struct Arrived {
    pub(super) headers: Map,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Map,
    /// The kind of call.
    pub(super) source: Source,
}

/// A kind of call whose response can be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Source {
    #[default]
    Http,
    Grpc,
    #[cfg(feature = "redis")]
    Redis,
}

impl Calls {
    pub(super) fn new(clusters: Vec<ServiceCluster>) -> Self {
        Self { clusters, ..Self::default() }
    }

    /// Starts recording calls; services of these clusters respond on events.
    pub(super) fn begin(&mut self, held: BTreeSet<String>) {
        self.held = held;
        self.numbers.clear();
        self.seen.clear();
    }

    /// Lets every service respond immediately again.
    pub(super) fn hold_nothing(&mut self) {
        self.held.clear();
        self.on_their_way.iter_mut().for_each(|call| call.held = None);
    }

    /// Begins a request with these services.
    pub(super) fn serve(&mut self, services: &[Service]) {
        self.services = Some(services.to_vec());
        for call in std::mem::take(&mut self.early) {
            match of_cluster(services, call.cluster.as_bytes()).cloned() {
                Some(service) => self.send(&service, call),
                None => self.send(&closed(&call), call),
            }
        }
    }

    /// Removes the calls of a context.
    pub(super) fn cancel_of(&mut self, owner: u32) {
        self.early.retain(|call| call.owner != owner);
        self.on_their_way.retain(|call| call.owner != owner);
        self.streams.retain(|stream| stream.call.owner != owner);
    }

    /// The next response and its context: the first of those with the shortest delay.
    pub(super) fn next(&mut self) -> Option<(u32, Arrival)> {
        let free = self.on_their_way.iter().enumerate().filter(|(_, call)| call.held.is_none());
        let next = free.min_by_key(|(_, call)| call.due)?.0;
        let Pending { due, owner, arrival, .. } = self.on_their_way.remove(next);
        for call in &mut self.on_their_way {
            call.due = call.due.saturating_sub(due);
        }
        Some((owner, arrival))
    }

    /// A pending response, by its index.
    pub(super) fn take(&mut self, place: usize) -> Option<(u32, Arrival)> {
        // The parts of one response keep their order.
        let owner_and_token = |call: &Pending| (call.owner, call.arrival.token());
        let chosen = self.on_their_way.get(place).map(owner_and_token)?;
        let first = self.on_their_way.iter().position(|call| owner_and_token(call) == chosen)?;
        let Pending { owner, arrival, .. } = self.on_their_way.remove(first);
        Some((owner, arrival))
    }

    /// The number of pending parts of responses.
    pub(super) fn pending(&self) -> usize {
        self.on_their_way.len()
    }

    /// The response of a service to this call; none if there is no such pending call.
    pub(super) fn release(&mut self, cluster: &str, number: usize) -> Vec<(u32, Arrival)> {
        let wanted = |call: &Pending| call.held.as_ref().is_some_and(|(c, n)| c == cluster && *n == number);
        let (released, rest) = std::mem::take(&mut self.on_their_way).into_iter().partition(wanted);
        self.on_their_way = rest;
        let released: Vec<Pending> = released;
        released.into_iter().map(|call| (call.owner, call.arrival)).collect()
    }

    /// The calls of a context that services have received.
    pub(super) fn calls_of(&self, owner: u32) -> Vec<Call> {
        let own = self.seen.iter().filter(|(caller, _)| *caller == owner);
        own.map(|(_, call)| call.clone()).collect()
    }

    /// Their number.
    pub(super) fn seen_of(&self, owner: u32) -> usize {
        self.seen.iter().filter(|(caller, _)| *caller == owner).count()
    }

    /// The number of calls that the service of a cluster has received.
    pub(super) fn seen_by(&self, cluster: &str) -> usize {
        self.numbers.get(cluster).copied().unwrap_or_default()
    }

    /// The status of a gRPC call is known from its callback on.
    pub(super) fn note_status(&mut self, status: u32) {
        self.last_status = status;
    }

    pub(super) fn http(
        &mut self,
        owner: u32,
        services: Option<&[Service]>,
        call: &OutgoingHttp<'_>,
    ) -> Answer<u32> {
        let cluster = self.cluster(services, call.cluster, None).ok_or(Status::BAD_ARGUMENT)?;
        let mut headers = Map::parse(call.headers).ok_or(Status::BAD_ARGUMENT)?.into_kind(Kind::Request);
        let trailers = Map::parse(call.trailers).ok_or(Status::BAD_ARGUMENT)?;
        if [":method", ":path", ":authority"].iter().any(|name| headers.get(name.as_bytes()).is_none()) {
            return Err(Status::BAD_ARGUMENT);
        }
        self.http_token += 1;
        // Envoy marks the call as its own, and sends the timeout.
        headers.add(b"x-envoy-internal", b"true");
        headers.add(b"x-envoy-expected-rq-timeout-ms", call.timeout.to_string().as_bytes());
        let mut request = UpstreamRequest { body: call.body.into(), ..seen(&headers, &trailers) };
        over_http1(&mut request.headers);
        over_http1(&mut request.trailers);
        let (token, timeout) = (self.http_token, call.timeout);
        let protocol = ServiceProtocol::Http1;
        self.route(services, Outgoing { owner, token, cluster, protocol, timeout, request });
        Ok(token)
    }

    pub(super) fn grpc(
        &mut self,
        owner: u32,
        services: Option<&[Service]>,
        call: &OutgoingGrpc<'_>,
    ) -> Answer<u32> {
        let call = self.outgoing_grpc(owner, services, call)?;
        let token = call.token;
        self.route(services, call);
        Ok(token)
    }

    /// A gRPC call as its service receives it.
    fn outgoing_grpc(
        &mut self,
        owner: u32,
        services: Option<&[Service]>,
        call: &OutgoingGrpc<'_>,
    ) -> Answer<Outgoing> {
        let (cluster, authority) = grpc_service(call.service);
        let cluster =
            self.cluster(services, cluster, Some(ServiceProtocol::Grpc)).ok_or(Status::INTERNAL_FAILURE)?;
        let mut headers = Map::parse(call.metadata).ok_or(Status::BAD_ARGUMENT)?;
        headers.add(b":method", b"POST");
        headers.add(b":path", &[b"/", call.service_name, b"/", call.method].concat());
        headers.add(b":authority", authority);
        let request = UpstreamRequest { body: call.message.into(), ..seen(&headers, &Map::new()) };
        self.grpc_token += 1;
        let (token, timeout) = (self.grpc_token, call.timeout);
        Ok(Outgoing { owner, token, cluster, protocol: ServiceProtocol::Grpc, timeout, request })
    }

    /// The name of an existing cluster: of these services or, without a request, of any.
    fn cluster(
        &self,
        services: Option<&[Service]>,
        name: &[u8],
        protocol: Option<ServiceProtocol>,
    ) -> Option<String> {
        let speaks = |found: ServiceProtocol| protocol.is_none_or(|wanted| wanted == found);
        if let Some(service) = of_cluster(services.unwrap_or_default(), name) {
            return Some(service.cluster.clone()).filter(|_| speaks(service.protocol));
        }
        let there = self.clusters.iter().find(|cluster| cluster.name.as_bytes() == name)?;
        Some(there.name.clone()).filter(|_| speaks(there.protocol))
    }

    /// How the service of a cluster handles calls for a request or, without one, for the request that began last.
    fn service(&self, services: Option<&[Service]>, cluster: &str) -> Option<Service> {
        let services = services.or(self.services.as_deref())?;
        of_cluster(services, cluster.as_bytes()).cloned()
    }

    /// Sends a call to its service. Before the first request, services are undefined.
    fn route(&mut self, services: Option<&[Service]>, call: Outgoing) {
        match self.service(services, &call.cluster) {
            Some(service) => self.send(&service, call),
            None if services.is_none() && self.services.is_none() => self.early.push(call),
            None => self.send(&closed(&call), call),
        }
    }

    fn send(&mut self, service: &Service, call: Outgoing) {
        let Outgoing { owner, token, timeout, protocol, request, .. } = call;
        let grpc = protocol == ServiceProtocol::Grpc;
        let to_head = *request.method == *b"HEAD";
        let failed = |status, own| match grpc {
            true => Arrival::GrpcStatus { token, status: UNAVAILABLE },
            false => Arrival::Http { token, arrived: gateways_own(status, own) },
        };
        let (due, arrival) = match &service.answer {
            ServiceAnswer::Closed => (0, failed("503", UNREACHABLE)),
            ServiceAnswer::Answer(answer) if service.delay < timeout => {
                let arrival = match (grpc, grpc_status(answer)) {
                    (false, _) => Arrival::Http { token, arrived: of_service(answer, to_head) },
                    (true, 0) => Arrival::GrpcMessage { token, message: answer.body.to_vec() },
                    (true, status) => Arrival::GrpcStatus { token, status },
                };
                (service.delay, arrival)
            }
            ServiceAnswer::Answer(_) | ServiceAnswer::None => {
                (timeout, failed("504", b"upstream request timeout"))
            }
        };
        let held = self.note(service, owner, request);
        self.on_their_way.push(Pending { due, owner, held, arrival });
    }

    /// Records a call of a service. Returns its index if the service responds on events.
    fn note(&mut self, service: &Service, owner: u32, request: UpstreamRequest) -> Option<(String, usize)> {
        if service.answer == ServiceAnswer::Closed {
            return None;
        }
        let cluster = service.cluster.clone();
        let number = self.numbers.entry(cluster.clone()).or_default();
        let this = *number;
        *number += 1;
        self.seen.push((owner, Call { cluster: cluster.clone(), request }));
        self.held.contains(&cluster).then_some((cluster, this))
    }

    pub(super) fn grpc_stream(
        &mut self,
        owner: u32,
        services: Option<&[Service]>,
        call: &OutgoingGrpc<'_>,
    ) -> Answer<u32> {
        let call = self.outgoing_grpc(owner, services, call)?;
        let service = self.service(services, &call.cluster).unwrap_or_else(|| closed(&call));
        let token = call.token;
        if service.answer == ServiceAnswer::Closed {
            let arrival = Arrival::GrpcStatus { token, status: UNAVAILABLE };
            self.on_their_way.push(Pending { due: 0, owner, held: None, arrival });
        }
        self.streams.push(OpenStream { service, call });
        Ok(token)
    }

    /// The service responds after the plug-in's last message.
    pub(super) fn grpc_send(&mut self, token: u32, message: &[u8], last: bool) -> Answer<()> {
        let place = self.streams.iter().position(|stream| stream.call.token == token);
        let place = place.ok_or(Status::NOT_FOUND)?;
        let call = &mut self.streams.get_mut(place).ok_or(Status::NOT_FOUND)?.call;
        call.request.body = [&*call.request.body, message].concat().into();
        if !last {
            return Ok(());
        }
        let OpenStream { service, call } = self.streams.swap_remove(place);
        let owner = call.owner;
        let held = self.note(&service, owner, call.request);
        if let ServiceAnswer::Answer(answer) = &service.answer {
            let status = grpc_status(answer);
            let mut arrivals = vec![Arrival::GrpcStatus { token, status }];
            if status == 0 {
                arrivals.insert(0, Arrival::GrpcMessage { token, message: answer.body.to_vec() });
            }
            let due = service.delay;
            let pending = |arrival| Pending { due, owner, held: held.clone(), arrival };
            self.on_their_way.extend(arrivals.into_iter().map(pending));
        }
        Ok(())
    }

    /// The plug-in has sent its last message.
    pub(super) fn grpc_close(&mut self, token: u32) -> Answer<()> {
        let before = self.streams.len();
        self.streams.retain(|stream| stream.call.token != token);
        if self.streams.len() < before { Ok(()) } else { Err(Status::NOT_FOUND) }
    }

    /// The response of a Redis server has arrived.
    #[cfg(feature = "redis")]
    pub(super) fn redis(&mut self, owner: u32, reply: super::redis::Reply) -> u32 {
        let token = reply.token;
        self.on_their_way.push(Pending { due: 0, owner, held: None, arrival: Arrival::Redis(reply) });
        token
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
            #[cfg(feature = "redis")]
            Arrival::Redis(_) => true,
        });
        let is_early = |call: &Outgoing| call.protocol == ServiceProtocol::Grpc && call.token == cancelled;
        let was_early = self.early.iter().any(is_early);
        self.early.retain(|call| !is_early(call));
        if was_open || was_early || self.on_their_way.len() < before {
            Ok(())
        } else {
            Err(Status::NOT_FOUND)
        }
    }
}

impl Arrival {
    /// The call of the response: its kind, and its token, which is unique among calls of this kind.
    fn token(&self) -> (Source, u32) {
        match self {
            Self::Http { token, .. } => (Source::Http, *token),
            Self::GrpcMessage { token, .. } | Self::GrpcStatus { token, .. } => (Source::Grpc, *token),
            #[cfg(feature = "redis")]
            Self::Redis(reply) => (Source::Redis, reply.token),
        }
    }
}

/// A service that the request does not define.
fn closed(call: &Outgoing) -> Service {
    let (cluster, protocol) = (call.cluster.clone(), call.protocol);
    Service { cluster, answer: ServiceAnswer::Closed, delay: 0, protocol }
}

const UNREACHABLE: &[u8] = b"upstream connect error or disconnect/reset before headers";

/// Envoy's own response if a service does not respond.
fn gateways_own(status: &str, body: &[u8]) -> Arrived {
    let mut headers = Map::new();
    headers.add(b":status", status.as_bytes());
    headers.add(b"content-length", body.len().to_string().as_bytes());
    headers.add(b"content-type", b"text/plain");
    Arrived { headers, body: body.to_vec(), ..Arrived::default() }
}

fn of_service(answer: &Upstream, to_head: bool) -> Arrived {
    let mut headers = Map::new();
    headers.add(b":status", answer.status.to_string().as_bytes());
    headers.extend(&answer.headers);
    // Nothing follows these headers, whatever the service would send.
    if to_head || matches!(answer.status, 204 | 304) {
        return Arrived { headers, ..Arrived::default() };
    }
    match answer.trailers.is_empty() {
        true => headers.add(b"content-length", answer.body.len().to_string().as_bytes()),
        false => headers.add(b"transfer-encoding", b"chunked"),
    }
    let mut trailers = Map::new();
    trailers.extend(&answer.trailers);
    Arrived { headers, body: answer.body.to_vec(), trailers, source: Source::Http }
}

/// The `grpc-status` of a response, in its trailers or, without a message, in its headers.
fn grpc_status(answer: &Upstream) -> u32 {
    let mut fields = answer.trailers.iter().chain(&answer.headers);
    let status = fields.find(|(name, _)| **name == *b"grpc-status");
    status.map_or(0, |(_, value)| {
        std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).unwrap_or(UNKNOWN)
    })
}

/// A request as its service receives it.
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

/// The cluster and the authority of Envoy's `GrpcService { envoy_grpc { cluster_name, authority } }`, or of a bare name.
fn grpc_service(service: &[u8]) -> (&[u8], &[u8]) {
    let message = field(service, 1).filter(|(_, rest)| rest.is_empty());
    let names = message.and_then(|(envoy_grpc, _)| {
        let (cluster, rest) = field(envoy_grpc, 1)?;
        if rest.is_empty() {
            return Some((cluster, cluster));
        }
        let (authority, rest) = field(rest, 2)?;
        rest.is_empty().then_some((cluster, if authority.is_empty() { cluster } else { authority }))
    });
    names.unwrap_or((service, service))
}

/// The bytes of a field with which a message begins, and the rest of the message.
fn field(message: &[u8], number: u8) -> Option<(&[u8], &[u8])> {
    let mut rest = message.strip_prefix(&[number << 3 | 2])?;
    let (mut size, mut shift) = (0_usize, 0);
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        size |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte & 0x80 == 0 {
            return rest.split_at_checked(size);
        }
    }
}
