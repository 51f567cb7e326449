//! The host calls of one VM, as implemented by Envoy 1.40.

use std::collections::{BTreeMap, BTreeSet};

use super::abi::{Answer, OutgoingGrpc, OutgoingHttp, Status};
use super::calls::{Arrived, Calls, Source};
use super::context::Context;
use super::maps::Map;
use super::reply::LocalReply;
use super::sanitized::{request_map, source_address};
use super::shared::Shared;
use crate::exchange::{Gateway, LogLevel, PropertyNames, Request, Service, ServiceCluster};
use crate::outcome::LogLine;

/// The ABI's numbers of an HTTP stream's maps, in the order of [`Context::maps`].
pub(super) const REQUEST_HEADERS: usize = 0;
pub(super) const REQUEST_TRAILERS: usize = 1;
pub(super) const RESPONSE_HEADERS: usize = 2;
pub(super) const RESPONSE_TRAILERS: usize = 3;

/// The ABI's numbers of the maps of a call's response.
const CALL_RESPONSE_HEADERS: u32 = 6;
const CALL_RESPONSE_TRAILERS: u32 = 7;

/// The ABI's numbers of the buffers of a call's response.
const CALL_RESPONSE_BODY: u32 = 4;
const GRPC_MESSAGE: u32 = 5;

/// Higress's number of the buffer of a response from Redis.
const REDIS_RESPONSE: u32 = 9;

/// The ABI's number of the buffer with the plug-in's configuration.
const PLUGIN_CONFIGURATION: u32 = 7;

/// Log levels by the ABI's number.
const LEVELS: [LogLevel; 6] =
    [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error, LogLevel::Critical];

/// The host of one VM.
pub struct MockHost {
    gateway: Gateway,
    configuration: Vec<u8>,
    /// The roots and the streams that are open, by their number.
    contexts: BTreeMap<u32, Context>,
    /// The context of the running callback, and the effective context of host calls if the plug-in has set another.
    entered: u32,
    effective: Option<u32>,
    pub(super) outgoing: Calls,
    #[cfg(feature = "redis")]
    pub(super) redis: super::redis::Redis,
    pub(crate) log: Vec<LogLine>,
    shared: Shared,
    /// Nanoseconds since [`START`].
    clock: u64,
    /// By the root that requested them.
    ticks: BTreeMap<u32, Ticks>,
    /// The index of this VM.
    vm: u32,
    pub(super) calls: u64,
    /// The host calls that were made, by name.
    pub(super) called: BTreeSet<&'static str>,
    pub(super) usage: Option<Usage>,
    /// Functions that the module has called and this host does not implement.
    pub(crate) absent: Vec<String>,
}

/// When `proxy_on_tick` is due.
#[derive(Clone, Copy, Default)]
struct Ticks {
    /// In nanoseconds; 0 means never.
    period: u64,
    /// The time of the last tick, or of the start.
    last: u64,
}

const MILLISECOND: u64 = 1_000_000;

/// The maximum number of ticks when the clock is set ahead.
const MOST_TICKS: u64 = 1_000;

/// The resources used by a module, if the engine counts them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) instructions: u64,
    /// The memory now, in pages of 64 KiB.
    pub(super) memory: u64,
    /// Since the start of the module, if it counts them.
    pub(super) allocations: Option<u64>,
}

/// The start time of every case: 2026-01-01T00:00:00Z, in nanoseconds since 1970, so a plug-in under test sees the same
/// time in every run.
pub const START: u64 = 1_767_225_600_000_000_000;

/// Foreign functions of Envoy that this host does not implement.
const ENVOYS_ALONE: [&[u8]; 8] = [
    b"compress",
    b"uncompress",
    b"sign",
    b"verify_signature",
    b"declare_property",
    b"expr_create",
    b"expr_evaluate",
    b"expr_delete",
];

#[allow(clippy::missing_errors_doc, reason = "every call returns a status of the ABI, as in Envoy")]
impl MockHost {
    pub(crate) fn new(gateway: Gateway, clusters: Vec<ServiceCluster>, shared: Shared) -> Self {
        let vm = shared.data().another_vm();
        Self {
            #[cfg(feature = "redis")]
            redis: super::redis::Redis::new(gateway.redis.clone()),
            gateway,
            configuration: Vec::new(),
            contexts: BTreeMap::new(),
            entered: 0,
            effective: None,
            outgoing: Calls::new(clusters),
            log: Vec::new(),
            shared,
            clock: 0,
            ticks: BTreeMap::new(),
            vm,
            calls: 0,
            called: BTreeSet::new(),
            usage: None,
            absent: Vec::new(),
        }
    }

    /// Counts a host call, which fails if the case requires it.
    fn count(&mut self, name: &'static str) -> Answer<()> {
        self.calls += 1;
        self.context(self.entered).calls += 1;
        self.called.insert(name);
        self.gateway.fails.get(name).map_or(Ok(()), |status| Err(Status(*status)))
    }

    /// Records the resources used by a callback, and the module's current number of memory pages.
    /// `allocations` are those since its start, if it counts them.
    pub(crate) fn used(&mut self, instructions: u64, memory: u64, allocations: Option<u64>) {
        let before = self.usage.unwrap_or_default().instructions;
        self.usage = Some(Usage { instructions: before + instructions, memory, allocations });
        self.context(self.entered).instructions += instructions;
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Sets the configuration of a root.
    pub(crate) fn configure_with(&mut self, configuration: Vec<u8>) {
        self.configuration = configuration;
    }

    /// A callback of this context begins.
    pub(crate) fn enter(&mut self, context: u32) {
        self.entered = context;
        self.effective = None;
    }

    /// The state of a context.
    pub(super) fn context(&mut self, context: u32) -> &mut Context {
        self.contexts.entry(context).or_default()
    }

    /// The effective context of host calls.
    fn here(&mut self) -> &mut Context {
        let context = self.effective.unwrap_or(self.entered);
        self.context(context)
    }

    /// Begins a stream.
    pub(super) fn open_stream(&mut self, context: u32, request: &Request, protocol: &str) {
        let properties = self.properties(request, protocol);
        let services = Some(request.services.clone());
        *self.context(context) = Context { properties, services, ..Context::default() };
    }

    /// Removes a context and its calls, and returns its state.
    pub(super) fn close_context(&mut self, context: u32) -> Context {
        self.outgoing.cancel_of(context);
        self.ticks.remove(&context);
        self.contexts.remove(&context).unwrap_or_default()
    }

    /// The context that makes a call, and how the services handle it.
    fn caller(&mut self) -> (u32, Option<Vec<Service>>) {
        (self.effective.unwrap_or(self.entered), self.here().services.clone())
    }

    pub(super) fn counters(&self) -> BTreeMap<String, u64> {
        self.shared.metrics().counters()
    }

    /// Sets the clock, in nanoseconds after the start. Returns the number of ticks since the previous time for each root.
    pub(super) fn set_clock(&mut self, nanoseconds: u64) -> Vec<(u32, u64)> {
        self.clock = nanoseconds;
        let ticks = self.ticks.iter_mut().map(|(root, Ticks { period, last })| {
            let ticks = nanoseconds.saturating_sub(*last).checked_div(*period).unwrap_or_default();
            *last = last.saturating_add(ticks.saturating_mul(*period));
            (*root, ticks.min(MOST_TICKS))
        });
        ticks.collect()
    }

    /// `proxy_grpc_close`: ends sending.
    pub fn grpc_close(&mut self, token: u32) -> Answer<()> {
        self.count("proxy_grpc_close")?;
        self.outgoing.grpc_close(token)
    }

    /// `proxy_get_status`: the status of the gRPC call of this callback.
    pub fn status(&mut self) -> Answer<u32> {
        self.count("proxy_get_status")?;
        Ok(self.outgoing.last_status())
    }

    /// `proxy_done`, for a context that returned false from `proxy_on_done`: this host does not wait.
    pub fn done(&mut self) -> Answer<()> {
        self.count("proxy_done")?;
        Err(Status::NOT_FOUND)
    }

    /// The shared queues of this VM with new entries.
    pub(super) fn take_ready(&mut self) -> Vec<u32> {
        self.shared.data().take_ready(self.vm)
    }

    /// The properties of a request, with the names of the case's gateway.
    fn properties(&self, request: &Request, protocol: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let (route, cluster) = match self.gateway.names {
            PropertyNames::Stock => ("xds\0route_name", "xds\0cluster_name"),
            PropertyNames::Higress => ("route_name", "cluster_name"),
        };
        let source = source_address(&request_map(request));
        [
            (route, self.gateway.route.as_bytes()),
            (cluster, self.gateway.cluster.as_bytes()),
            ("request\0host", &*request.host),
            ("request\0protocol", protocol.as_bytes()),
            ("source\0address", source.as_bytes()),
            ("destination\0address", b"127.0.0.1:8080"),
        ]
        .into_iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
        .collect()
    }

    fn map(&mut self, number: u32) -> Answer<&mut Map> {
        if matches!(number, CALL_RESPONSE_HEADERS | CALL_RESPONSE_TRAILERS) {
            let answer = self.outgoing.arrived.as_mut().filter(|answer| answer.source == Source::Http);
            let answer = answer.ok_or(Status::BAD_ARGUMENT)?;
            return Ok(if number == CALL_RESPONSE_HEADERS {
                &mut answer.headers
            } else {
                &mut answer.trailers
            });
        }
        let map = usize::try_from(number).ok().and_then(|number| self.here().maps.get_mut(number));
        map.and_then(Option::as_mut).ok_or(Status::BAD_ARGUMENT)
    }
}

/// The host calls of the ABI: maps, buffers and levels are its numbers, and a serialised map is in its form.
#[allow(clippy::missing_errors_doc, reason = "every call returns a status of the ABI, as in Envoy")]
impl MockHost {
    /// `proxy_log`.
    pub fn log(&mut self, level: u32, message: &[u8]) -> Answer<()> {
        self.count("proxy_log")?;
        let level = *LEVELS.get(level as usize).ok_or(Status::BAD_ARGUMENT)?;
        if level >= self.gateway.log_level {
            self.log.push(LogLine { level, message: String::from_utf8_lossy(message).into_owned() });
        }
        Ok(())
    }

    /// `proxy_get_log_level`.
    pub fn log_level(&mut self) -> Answer<u32> {
        self.count("proxy_get_log_level")?;
        let level = LEVELS.iter().position(|level| *level == self.gateway.log_level);
        level.and_then(|level| u32::try_from(level).ok()).ok_or(Status::INTERNAL_FAILURE)
    }

    /// `proxy_get_current_time_nanoseconds`.
    pub fn time(&mut self) -> Answer<u64> {
        self.count("proxy_get_current_time_nanoseconds")?;
        Ok(START.saturating_add(self.clock))
    }

    /// `proxy_get_buffer_bytes`.
    pub fn buffer(&mut self, buffer: u32, start: usize, size: usize) -> Answer<Vec<u8>> {
        self.count("proxy_get_buffer_bytes")?;
        let here = self.effective.unwrap_or(self.entered);
        let bytes: &[u8] = match buffer {
            PLUGIN_CONFIGURATION => &self.configuration,
            CALL_RESPONSE_BODY | GRPC_MESSAGE | REDIS_RESPONSE => {
                let wanted = |answer: &&Arrived| match answer.source {
                    Source::Http => buffer == CALL_RESPONSE_BODY,
                    Source::Grpc => buffer == GRPC_MESSAGE,
                    #[cfg(feature = "redis")]
                    Source::Redis => buffer == REDIS_RESPONSE,
                };
                &self.outgoing.arrived.as_ref().filter(wanted).ok_or(Status::NOT_FOUND)?.body
            }
            _ => {
                let here = self.contexts.get(&here).ok_or(Status::NOT_FOUND)?;
                let buffer = usize::try_from(buffer).ok().and_then(|body| here.bodies.get(body));
                // A buffer that was passed on reads as empty.
                buffer.ok_or(Status::NOT_FOUND)?.as_ref().map_or(&[], Vec::as_slice)
            }
        };
        let rest = bytes.get(start..).ok_or(Status::BAD_ARGUMENT)?;
        Ok(rest.iter().take(size).copied().collect())
    }

    /// `proxy_set_buffer_bytes`.
    pub fn set_buffer(&mut self, buffer: u32, start: usize, size: usize, value: &[u8]) -> Answer<()> {
        self.count("proxy_set_buffer_bytes")?;
        let buffer = usize::try_from(buffer).ok().and_then(|body| self.here().bodies.get_mut(body));
        let bytes = buffer.ok_or(Status::NOT_FOUND)?.as_mut().ok_or(Status::BAD_ARGUMENT)?;
        if start > bytes.len() {
            return Err(Status::BAD_ARGUMENT);
        }
        let end = start.saturating_add(size).min(bytes.len());
        bytes.splice(start..end, value.iter().copied());
        Ok(())
    }

    /// `proxy_get_header_map_pairs`.
    pub fn header_pairs(&mut self, map: u32) -> Answer<Vec<u8>> {
        self.count("proxy_get_header_map_pairs")?;
        Ok(self.map(map)?.serialise())
    }

    /// `proxy_set_header_map_pairs`.
    pub fn set_header_pairs(&mut self, map: u32, pairs: &[u8]) -> Answer<()> {
        self.count("proxy_set_header_map_pairs")?;
        let map = self.map(map)?;
        *map = Map::parse(pairs).ok_or(Status::BAD_ARGUMENT)?.into_kind(map.kind());
        Ok(())
    }

    /// `proxy_get_header_map_value`.
    pub fn header(&mut self, map: u32, name: &[u8]) -> Answer<Vec<u8>> {
        self.count("proxy_get_header_map_value")?;
        self.map(map)?.get(name).map(<[u8]>::to_vec).ok_or(Status::NOT_FOUND)
    }

    /// `proxy_add_header_map_value`.
    pub fn add_header(&mut self, map: u32, name: &[u8], value: &[u8]) -> Answer<()> {
        self.count("proxy_add_header_map_value")?;
        self.map(map)?.add(name, value);
        Ok(())
    }

    /// `proxy_replace_header_map_value`.
    pub fn replace_header(&mut self, map: u32, name: &[u8], value: &[u8]) -> Answer<()> {
        self.count("proxy_replace_header_map_value")?;
        self.map(map)?.replace(name, value);
        Ok(())
    }

    /// `proxy_remove_header_map_value`.
    pub fn remove_header(&mut self, map: u32, name: &[u8]) -> Answer<()> {
        self.count("proxy_remove_header_map_value")?;
        self.map(map)?.remove(name);
        Ok(())
    }

    /// `proxy_get_property`; segments are joined by NUL.
    pub fn property(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        self.count("proxy_get_property")?;
        // The gateway's own properties have priority.
        let here = self.here();
        let property = here.properties.get(path).or_else(|| here.own_properties.get(path));
        property.cloned().ok_or(Status::NOT_FOUND)
    }

    /// `proxy_send_local_response`.
    pub fn send_local_response(
        &mut self,
        status: u32,
        details: &[u8],
        body: &[u8],
        headers: &[u8],
        _: i32,
    ) -> Answer<()> {
        self.count("proxy_send_local_response")?;
        let reply = LocalReply {
            status: u16::try_from(status).map_err(|_| Status::BAD_ARGUMENT)?,
            details: details.to_vec(),
            body: body.to_vec(),
            headers: Map::parse(headers).ok_or(Status::BAD_ARGUMENT)?,
        };
        // The first reply is kept.
        self.here().reply.get_or_insert(reply);
        Ok(())
    }

    /// `proxy_set_property`; segments are joined by NUL.
    pub fn set_property(&mut self, path: &[u8], value: &[u8]) -> Answer<()> {
        self.count("proxy_set_property")?;
        self.here().own_properties.insert(path.to_vec(), value.to_vec());
        Ok(())
    }

    /// `proxy_get_shared_data`: the value and its version.
    pub fn shared_data(&mut self, key: &[u8]) -> Answer<(Vec<u8>, u32)> {
        self.count("proxy_get_shared_data")?;
        self.shared.data().get(key)
    }

    /// `proxy_set_shared_data`; version 0 is any.
    pub fn set_shared_data(&mut self, key: &[u8], value: &[u8], version: u32) -> Answer<()> {
        self.count("proxy_set_shared_data")?;
        self.shared.data().set(key, value, version)
    }

    /// `proxy_register_shared_queue`.
    pub fn register_queue(&mut self, name: &[u8]) -> Answer<u32> {
        self.count("proxy_register_shared_queue")?;
        self.shared.data().register_queue(name, self.vm)
    }

    /// `proxy_resolve_shared_queue`.
    pub fn resolve_queue(&mut self, vm: &[u8], name: &[u8]) -> Answer<u32> {
        self.count("proxy_resolve_shared_queue")?;
        // The one plug-in of a case has no `vm_id`.
        if vm.is_empty() { self.shared.data().resolve_queue(name) } else { Err(Status::NOT_FOUND) }
    }

    /// `proxy_dequeue_shared_queue`.
    pub fn dequeue(&mut self, queue: u32) -> Answer<Vec<u8>> {
        self.count("proxy_dequeue_shared_queue")?;
        self.shared.data().queue(queue)?.pop_front().ok_or(Status::EMPTY)
    }

    /// `proxy_enqueue_shared_queue`.
    pub fn enqueue(&mut self, queue: u32, value: &[u8]) -> Answer<()> {
        self.count("proxy_enqueue_shared_queue")?;
        self.shared.data().enqueue(queue, value)
    }

    /// `proxy_call_foreign_function`.
    pub fn call_foreign_function(&mut self, name: &[u8], argument: &[u8]) -> Answer<Vec<u8>> {
        self.count("proxy_call_foreign_function")?;
        match name {
            b"clear_route_cache" => Ok(Vec::new()),
            b"set_envoy_filter_state" => filter_state(argument),
            _ if ENVOYS_ALONE.contains(&name) => {
                self.calls -= 1;
                Err(self.unknown("proxy_call_foreign_function"))
            }
            _ => Err(Status::NOT_FOUND),
        }
    }

    /// `proxy_define_metric`.
    pub fn define_metric(&mut self, kind: u32, name: &[u8]) -> Answer<u32> {
        self.count("proxy_define_metric")?;
        self.shared.metrics().define(kind, name)
    }

    /// `proxy_increment_metric`.
    pub fn increment_metric(&mut self, id: u32, offset: i64) -> Answer<()> {
        self.count("proxy_increment_metric")?;
        self.shared.metrics().increment(id, offset)
    }

    /// `proxy_record_metric`.
    pub fn record_metric(&mut self, id: u32, value: u64) -> Answer<()> {
        self.count("proxy_record_metric")?;
        self.shared.metrics().record(id, value)
    }

    /// `proxy_get_metric`.
    pub fn metric(&mut self, id: u32) -> Answer<u64> {
        self.count("proxy_get_metric")?;
        self.shared.metrics().value(id)
    }

    /// `proxy_continue_stream`.
    pub fn continue_stream(&mut self, stream: u32) -> Answer<()> {
        self.count("proxy_continue_stream")?;
        self.here().let_go(stream).ok_or(Status::BAD_ARGUMENT)
    }

    /// `proxy_close_stream`.
    pub fn close_stream(&mut self, _: u32) -> Answer<()> {
        self.count("proxy_close_stream")?;
        self.here().closed = true;
        Ok(())
    }

    /// `proxy_http_call`: the token.
    pub fn http_call(&mut self, call: OutgoingHttp<'_>) -> Answer<u32> {
        self.count("proxy_http_call")?;
        let (owner, services) = self.caller();
        self.outgoing.http(owner, services.as_deref(), &call)
    }

    /// `proxy_grpc_call`: the token.
    pub fn grpc_call(&mut self, call: OutgoingGrpc<'_>) -> Answer<u32> {
        self.count("proxy_grpc_call")?;
        let (owner, services) = self.caller();
        self.outgoing.grpc(owner, services.as_deref(), &call)
    }

    /// `proxy_grpc_cancel`.
    pub fn grpc_cancel(&mut self, token: u32) -> Answer<()> {
        self.count("proxy_grpc_cancel")?;
        self.outgoing.grpc_cancel(token)
    }

    /// `proxy_grpc_stream`: the token.
    pub fn grpc_stream(&mut self, stream: OutgoingGrpc<'_>) -> Answer<u32> {
        self.count("proxy_grpc_stream")?;
        let (owner, services) = self.caller();
        self.outgoing.grpc_stream(owner, services.as_deref(), &stream)
    }

    /// `proxy_grpc_send`.
    pub fn grpc_send(&mut self, token: u32, message: &[u8], last: bool) -> Answer<()> {
        self.count("proxy_grpc_send")?;
        self.outgoing.grpc_send(token, message, last)
    }

    /// `proxy_redis_init`.
    #[cfg(feature = "redis")]
    pub fn redis_init(&mut self, cluster: &[u8], user: &[u8], password: &[u8], timeout: u32) -> Answer<()> {
        self.count("proxy_redis_init")?;
        self.redis.init(cluster, user, password, timeout)
    }

    /// `proxy_redis_call`: the token. The response belongs to the root.
    #[cfg(feature = "redis")]
    pub fn redis_call(&mut self, cluster: &[u8], command: &[u8]) -> Answer<u32> {
        self.count("proxy_redis_call")?;
        let reply = self.redis.call(cluster, command)?;
        Ok(self.outgoing.redis(self.redis.root(), reply))
    }

    /// `proxy_set_tick_period_milliseconds`.
    pub fn set_tick_period(&mut self, milliseconds: u32) -> Answer<()> {
        self.count("proxy_set_tick_period_milliseconds")?;
        let ticks = Ticks { period: u64::from(milliseconds) * MILLISECOND, last: self.clock };
        self.ticks.insert(self.effective.unwrap_or(self.entered), ticks);
        Ok(())
    }

    /// `proxy_set_effective_context`.
    pub fn set_effective_context(&mut self, context: u32) -> Answer<()> {
        self.count("proxy_set_effective_context")?;
        if !self.contexts.contains_key(&context) {
            return Err(Status::BAD_ARGUMENT);
        }
        self.effective = Some(context);
        Ok(())
    }

    /// A module calls a function that this host does not implement.
    pub(crate) fn missing(&mut self, name: &str) {
        self.calls += 1;
        if !self.absent.iter().any(|known| known == name) {
            self.absent.push(name.into());
        }
    }

    /// A call that this host does not implement.
    pub fn unknown(&mut self, name: &'static str) -> Status {
        self.calls += 1;
        let message = format!("the engines native and wasm do not have `{name}`: skip it in this case");
        self.log.push(LogLine { level: LogLevel::Critical, message });
        Status::UNIMPLEMENTED
    }
}

/// Sets a filter-state object: all names in Envoy have the same prefix.
fn filter_state(arguments: &[u8]) -> Answer<Vec<u8>> {
    // A field of type string is encoded as its number and type, its length, and its bytes.
    let [0x0a, size, rest @ ..] = arguments else {
        return Err(Status::BAD_ARGUMENT);
    };
    let name = rest.get(..usize::from(*size)).ok_or(Status::BAD_ARGUMENT)?;
    if name.starts_with(b"envoy.") { Ok(Vec::new()) } else { Err(Status::NOT_FOUND) }
}
