//! One VM of the gateway: its roots, and the requests that go through it one after the other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::Plugin;
use super::abi::Entry;
use super::calls::{Arrival, Arrived, Source};
use super::mock::Usage;
use super::stream::{Phase, Stream};
use super::worker::VmHost;
use crate::exchange::{Request, Upstream};
use crate::outcome::{LogLine, Outcome};

/// Work in the background may make a call for each answer, without an end.
const MOST_ANSWERS: usize = 1_000;

/// How often a stream that waits for other workers waits for a millisecond.
#[cfg(feature = "redis")]
const MOST_WAITING: usize = 1_000;

/// One VM. Its callbacks run on the thread that asks.
pub(super) struct Vm {
    pub(super) entry: Entry,
    pub(super) host: VmHost,
    /// The number that was given last to a context.
    contexts: Arc<AtomicU32>,
    /// The root of new streams.
    pub(super) root: Cell<u32>,
    /// Roots whose configuration was replaced, as long as a stream has them.
    replaced: RefCell<Vec<u32>>,
}

/// The resources used before.
pub(super) struct Before {
    calls: u64,
    usage: Usage,
}

impl Vm {
    /// Starts with a configuration, or returns the log if the plug-in rejects it.
    pub(super) fn start(
        entry: Entry,
        host: VmHost,
        contexts: Arc<AtomicU32>,
        configuration: Option<String>,
    ) -> Result<Self, Vec<LogLine>> {
        let vm = Self { entry, host, contexts, root: Cell::new(0), replaced: RefCell::default() };
        vm.configure(configuration).map(|()| vm)
    }

    /// Takes another configuration, in a root of its own as in Envoy, where a new configuration is another plug-in in the
    /// same VM: streams keep their root. Returns the log if the plug-in rejects it.
    pub(super) fn configure(&self, configuration: Option<String>) -> Result<(), Vec<LogLine>> {
        let configuration = configuration.unwrap_or_default().into_bytes();
        let size = configuration.len();
        let logged = {
            let mut host = self.host.borrow_mut();
            host.configure_with(configuration);
            host.log.len()
        };
        let root = self.plugin(self.another_context());
        #[cfg(feature = "redis")]
        self.host.borrow_mut().redis.set_root(root.id);
        (root.enter().on_context_create)(root.id, 0);
        if !(root.enter().on_configure)(root.id, size) {
            self.delete(root.id);
            return Err(self.host.borrow().log.get(logged..).unwrap_or_default().to_vec());
        }
        let before = self.root.replace(root.id);
        if before != 0 {
            self.replaced.borrow_mut().push(before);
        }
        Ok(())
    }

    /// Deletes the roots that were replaced and that none of the streams has that are open.
    pub(super) fn retire(&self, open: &[u32]) {
        let (kept, unused) = self.replaced.take().into_iter().partition(|root| open.contains(root));
        self.replaced.replace(kept);
        let unused: Vec<u32> = unused;
        unused.into_iter().for_each(|root| self.delete(root));
    }

    /// Ends a root.
    pub(super) fn delete(&self, root: u32) {
        let plugin = self.plugin(root);
        if let Some(on_done) = plugin.enter().on_done {
            on_done(root);
        }
        (plugin.enter().on_delete)(root);
        self.host.borrow_mut().close_context(root);
    }

    pub(super) fn plugin(&self, id: u32) -> Plugin<'_> {
        Plugin { entry: &self.entry, host: &self.host, id }
    }

    pub(super) fn another_context(&self) -> u32 {
        self.contexts.fetch_add(1, Relaxed) + 1
    }

    /// Sends a request through, and the answer back.
    pub(super) fn exchange(&self, request: &Request, upstream: &Upstream) -> Outcome {
        self.retire(&[]);
        let plugin = self.create_stream();
        let before = self.begin(BTreeSet::new());
        self.before_request(request);
        let mut stream = Stream::new(plugin, self.root.get(), request, upstream);
        let talks = !request.talk.is_empty() || request.is_upgrade() || upstream.echo;
        if talks && request.reset_after.is_none() && request.reset_when_called.is_none() {
            self.talk(&mut stream, request, upstream);
        } else {
            stream.whole_request();
        }
        #[cfg(feature = "redis")]
        let mut waited = 0;
        loop {
            match stream.phase() {
                Phase::Done => break,
                Phase::Upstream => {
                    stream.whole_response();
                    continue;
                }
                Phase::Request | Phase::Response => {}
            }
            let seen = self.host.borrow().outgoing.seen.len();
            if request.reset_when_called.is_some_and(|calls| seen >= calls) {
                stream.client_goes_away();
                break;
            }
            let next = self.host.borrow_mut().outgoing.next();
            match next {
                Some((owner, arrival)) => self.deliver(owner, arrival),
                #[cfg(feature = "redis")]
                None if waited < MOST_WAITING && self.wait_for_others() => waited += 1,
                None => break,
            }
            stream.settle();
        }
        let mut outcome = stream.finish();
        self.tell_of_queues();
        self.answer_roots();
        let host = self.host.borrow();
        outcome.calls = host.outgoing.seen.iter().map(|(_, call)| call.clone()).collect();
        outcome.host_calls = Some(host.calls - before.calls);
        outcome.instructions = host.usage.map(|usage| usage.instructions - before.usage.instructions);
        let allocations = |usage: Usage| Some(usage.allocations? - before.usage.allocations?);
        outcome.allocations = host.usage.and_then(allocations);
        drop(host);
        self.complete(&mut outcome, &before);
        outcome
    }

    /// Lets other workers of a gateway with Redis go on, for which a stream may wait, and ticks. Returns false without Redis.
    #[cfg(feature = "redis")]
    fn wait_for_others(&self) -> bool {
        if self.host.borrow().gateway().redis.is_empty() {
            return false;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        let root = self.plugin(self.root.get());
        if let Some(on_tick) = root.enter().on_tick {
            on_tick(root.id);
        }
        true
    }

    /// The context of a stream, under the root of new ones.
    pub(super) fn create_stream(&self) -> Plugin<'_> {
        let plugin = self.plugin(self.another_context());
        (plugin.enter().on_context_create)(plugin.id, self.root.get());
        plugin
    }

    /// Resets log and calls; services of these clusters respond on events.
    pub(super) fn begin(&self, held: BTreeSet<String>) -> Before {
        let mut host = self.host.borrow_mut();
        host.log.clear();
        host.outgoing.begin(held);
        Before { calls: host.calls, usage: host.usage.unwrap_or_default() }
    }

    /// Advances time and background work before a request.
    pub(super) fn before_request(&self, request: &Request) {
        let ticks = match request.time {
            Some(time) => self.host.borrow_mut().set_clock(time.nanoseconds()),
            None => Vec::new(),
        };
        for (root, ticks) in ticks {
            let root = self.plugin(root);
            if let Some(on_tick) = self.entry.on_tick {
                (0..ticks).for_each(|_| {
                    root.enter();
                    on_tick(root.id);
                });
            }
        }
        self.tell_of_queues();
        self.host.borrow_mut().outgoing.serve(&request.services);
    }

    /// Answers the calls of roots, while no stream is open.
    pub(super) fn answer_roots(&self) {
        for _ in 0..MOST_ANSWERS {
            let next = self.host.borrow_mut().outgoing.next();
            let Some((owner, arrival)) = next else { return };
            self.deliver(owner, arrival);
        }
    }

    /// The results after the end of all streams.
    pub(super) fn complete(&self, outcome: &mut Outcome, before: &Before) {
        outcome.left = self.entry.live.map(|live| live());
        let host = self.host.borrow();
        outcome.log = host.log.clone();
        outcome.counters = host.counters();
        outcome.called = host.called.clone();
        outcome.instructions = outcome.instructions.filter(|_| host.usage.is_some());
        outcome.instructions_before = host.usage.map(|_| before.usage.instructions);
        outcome.allocations_before = before.usage.allocations;
        outcome.memory_pages = host.usage.map(|usage| usage.memory);
    }

    /// Notifications of shared queues are sent between requests.
    pub(super) fn tell_of_queues(&self) {
        let ready = self.host.borrow_mut().take_ready();
        if let Some(on_queue_ready) = self.entry.on_queue_ready {
            let root = self.plugin(self.root.get());
            ready.into_iter().for_each(|queue| {
                root.enter();
                on_queue_ready(root.id, queue);
            });
        }
    }

    /// Calls the plug-in with the answer to one of its own calls, which can be read only meanwhile.
    pub(super) fn deliver(&self, owner: u32, arrival: Arrival) {
        let plugin = self.plugin(owner);
        let entry = plugin.enter();
        let of = |source, body| Arrived { body, source, ..Arrived::default() };
        match arrival {
            Arrival::Http { token, arrived } => {
                let (headers, body, trailers) =
                    (arrived.headers.len(), arrived.body.len(), arrived.trailers.len());
                self.host.borrow_mut().outgoing.arrived = Some(arrived);
                if let Some(call) = entry.on_http_call_response {
                    call(owner, token, headers, body, trailers);
                }
            }
            Arrival::GrpcMessage { token, message } => {
                let size = message.len();
                self.host.borrow_mut().outgoing.arrived = Some(of(Source::Grpc, message));
                if let Some(call) = entry.on_grpc_receive {
                    call(owner, token, size);
                }
            }
            Arrival::GrpcStatus { token, status } => {
                self.host.borrow_mut().outgoing.note_status(status);
                if let Some(call) = entry.on_grpc_close {
                    call(owner, token, status);
                }
            }
            #[cfg(feature = "redis")]
            Arrival::Redis(super::redis::Reply { token, status, body }) => {
                let size = body.len();
                self.host.borrow_mut().outgoing.arrived = Some(of(Source::Redis, body));
                if let Some(call) = entry.on_redis_call_response {
                    call(owner, token, status, size);
                }
            }
        }
        self.host.borrow_mut().outgoing.arrived = None;
    }
}
