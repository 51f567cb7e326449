//! Concurrent requests in one VM, with events in the order of a case, or in random order.

use std::collections::{BTreeSet, VecDeque};

use anyhow::{Context as _, bail};

use super::calls::Arrival;
use super::stream::{Phase, Stream};
use super::vm::{Before, Vm};
use crate::exchange::{Event, Happening, Order, Request, Step, Upstream, request_steps, response_steps};
use crate::outcome::Outcome;
use crate::random::Random;

/// More than any interleaving needs, to end background work that never stops.
const MOST_ANSWERS: usize = 10_000;

/// The requests of an interleaving.
struct Interleaving<'v> {
    vm: &'v Vm,
    exchanges: Vec<Exchange<'v>>,
    /// The number of other configurations that were accepted.
    reconfigured: usize,
}

/// One of them.
struct Exchange<'v> {
    request: &'v Request,
    upstream: &'v Upstream,
    /// The steps of the request.
    steps: Vec<Step>,
    /// The steps of its response; empty if the upstream responds at once.
    answer: Vec<Step>,
    stream: Option<Stream<'v>>,
    context: u32,
    outcome: Option<Outcome>,
}

impl Vm {
    /// Sends requests through at once.
    ///
    /// # Errors
    ///
    /// An event is impossible, or a configuration has another result than its event expects.
    pub(super) fn interleave(
        &self,
        requests: &[(Request, Upstream)],
        order: &Order,
    ) -> anyhow::Result<Vec<Outcome>> {
        self.retire(&[]);
        let held: BTreeSet<String> = match order {
            Order::Events(events) => events.iter().filter_map(Event::cluster).map(str::to_owned).collect(),
            Order::Random { .. } => BTreeSet::new(),
        };
        let before = self.begin(held);
        let exchanges = requests.iter().enumerate().map(|(index, (request, upstream))| {
            let (steps, answer) = match order {
                Order::Events(events) => {
                    let own: Vec<_> = events.iter().filter_map(|event| event.step_of(index)).collect();
                    own.into_iter().partition(|step| !step.is_of_answer())
                }
                Order::Random { .. } => (request_steps(request), response_steps(request, upstream)),
            };
            Exchange { request, upstream, steps, answer, stream: None, context: 0, outcome: None }
        });
        let mut interleaving = Interleaving { vm: self, exchanges: exchanges.collect(), reconfigured: 0 };
        let happened = match order {
            Order::Events(events) => interleaving.in_order(events),
            Order::Random { seed, changes } => {
                interleaving.at_random(*seed, changes);
                Ok(())
            }
        };
        // No stream stays open in any case.
        let outcomes = interleaving.finish(&before);
        happened.map(|()| outcomes)
    }
}

impl Interleaving<'_> {
    fn in_order(&mut self, events: &[Event]) -> anyhow::Result<()> {
        for event in events {
            match &event.happening {
                Happening::Step { request, step } => {
                    self.step(*request, *step).with_context(|| event.to_string())?;
                }
                Happening::Answer { cluster, call } => {
                    let released = {
                        let outgoing = &mut self.vm.host.borrow_mut().outgoing;
                        let (released, seen) = (outgoing.release(cluster, *call), outgoing.seen_by(cluster));
                        if released.is_empty() && seen <= *call {
                            bail!("{event}: the service has seen {seen} calls so far");
                        }
                        released
                    };
                    released.into_iter().for_each(|answer| self.deliver(answer));
                }
                Happening::Configure(change) => {
                    let came = self.vm.configure(change.configuration.clone());
                    change.judge(came).with_context(|| event.to_string())?;
                }
            }
            self.settle(true);
        }
        self.vm.host.borrow_mut().outgoing.hold_nothing();
        self.settle(true);
        Ok(())
    }

    /// Requests begin in their order, so that a plug-in counts them in the same way; other events are in any order.
    fn at_random(&mut self, seed: u64, changes: &[Option<String>]) {
        let mut random = Random::new(seed);
        let mut changes = changes.iter();
        let mut left: Vec<VecDeque<Step>> = Vec::new();
        for exchange in &self.exchanges {
            left.push(exchange.steps.iter().chain(&exchange.answer).copied().collect());
        }
        let mut begun = 0;
        for _ in 0..MOST_ANSWERS {
            let mut ready = Vec::new();
            for (index, (exchange, left)) in self.exchanges.iter().zip(&left).enumerate() {
                let next = left.front().filter(|step| match (&exchange.stream, step) {
                    (None, Step::RequestHeaders) => index == begun,
                    (None, _) => false,
                    (Some(stream), Step::ResponseHeaders) => stream.phase() == Phase::Upstream,
                    (Some(_), _) => true,
                });
                ready.extend(next.map(|step| (index, *step)));
            }
            let pending = self.vm.host.borrow().outgoing.pending();
            let choices = ready.len() + pending + usize::from(changes.len() > 0);
            if choices == 0 {
                return;
            }
            let choice = random.below(choices);
            match ready.get(choice) {
                None if choice == ready.len() + pending => {
                    if let Some(change) = changes.next() {
                        self.reconfigured += usize::from(self.vm.configure(change.clone()).is_ok());
                    }
                }
                Some((index, step)) => {
                    if let Some(left) = left.get_mut(*index) {
                        left.pop_front();
                    }
                    begun += usize::from(*step == Step::RequestHeaders);
                    // Only a response can be too early, and this one is not.
                    let _ = self.step(*index, *step);
                }
                None => {
                    let answer = self.vm.host.borrow_mut().outgoing.take(choice - ready.len());
                    answer.into_iter().for_each(|answer| self.deliver(answer));
                }
            }
            self.settle(false);
        }
    }

    fn deliver(&self, (owner, arrival): (u32, Arrival)) {
        self.vm.deliver(owner, arrival);
    }

    /// Executes an event of a request or its response; nothing if the stream has ended.
    fn step(&mut self, index: usize, step: Step) -> anyhow::Result<()> {
        let vm = self.vm;
        let exchange = self.exchanges.get_mut(index).context("no such request")?;
        let Exchange { request, upstream, steps, answer, stream, context, outcome } = exchange;
        if step == Step::RequestHeaders {
            let plugin = vm.create_stream();
            vm.before_request(request);
            *context = plugin.id;
            stream.insert(Stream::new(plugin, vm.root.get(), request, upstream)).request_headers();
            return Ok(());
        }
        let Some(stream) = stream else {
            let reached = outcome.as_ref().is_some_and(|outcome| outcome.upstream.is_some());
            if step.is_of_answer() && !reached {
                bail!("the request did not reach the upstream, which has nothing to answer");
            }
            return Ok(());
        };
        let is_last = |steps: &[Step]| steps.last() == Some(&step);
        match step {
            Step::RequestHeaders => {}
            Step::RequestBody(piece) => {
                let pieces = request.pieces();
                let ends = piece + 1 == pieces.len() && !steps.contains(&Step::End);
                stream.request_piece(pieces.get(piece).context("no such piece")?, ends);
            }
            Step::End => stream.request_end(),
            Step::Reset => stream.client_goes_away(),
            Step::ResponseHeaders => {
                if stream.phase() != Phase::Upstream {
                    bail!("the request has not reached the upstream so far: it waits, or has no end");
                }
                stream.response_headers();
                if is_last(answer) {
                    stream.upstream_goes_away();
                }
            }
            Step::ResponseBody(piece) => {
                let pieces = upstream.pieces();
                let ends = piece + 1 == pieces.len() && !answer.contains(&Step::ResponseEnd);
                let breaks_off = upstream.reset_after.is_some();
                stream.response_piece(pieces.get(piece).context("no such piece")?, ends && !breaks_off);
                if breaks_off && is_last(answer) {
                    stream.upstream_goes_away();
                }
            }
            Step::ResponseEnd => stream.response_end(),
        }
        Ok(())
    }

    /// Continues until an event is needed. With `answers`, responses without an event arrive as well.
    fn settle(&mut self, answers: bool) {
        for _ in 0..MOST_ANSWERS {
            while self.move_streams() {}
            let next = answers.then(|| self.vm.host.borrow_mut().outgoing.next()).flatten();
            match next {
                Some(answer) => self.deliver(answer),
                None => return,
            }
        }
    }

    /// Advances every stream as far as possible. Returns true if any has advanced.
    fn move_streams(&mut self) -> bool {
        let mut moved = false;
        for exchange in &mut self.exchanges {
            let Some(stream) = &mut exchange.stream else { continue };
            stream.settle();
            let called = exchange.request.reset_when_called;
            if called.is_some_and(|calls| self.vm.host.borrow().outgoing.seen_of(stream.context()) >= calls) {
                stream.client_goes_away();
            }
            if stream.phase() == Phase::Upstream && exchange.answer.is_empty() {
                stream.whole_response();
                moved = true;
            }
            if stream.phase() == Phase::Done {
                exchange.outcome = exchange.stream.take().map(Stream::finish);
                moved = true;
            }
        }
        if moved {
            let open = self.exchanges.iter().filter_map(|exchange| exchange.stream.as_ref());
            self.vm.retire(&open.map(Stream::root).collect::<Vec<_>>());
        }
        moved
    }

    /// Ends open streams, and returns the outcome of each request.
    fn finish(mut self, before: &Before) -> Vec<Outcome> {
        for exchange in &mut self.exchanges {
            if let Some(stream) = exchange.stream.take() {
                exchange.outcome = Some(stream.finish());
            }
        }
        self.vm.retire(&[]);
        self.vm.tell_of_queues();
        self.vm.answer_roots();
        let outcomes = self.exchanges.into_iter().map(|exchange| {
            let mut outcome = exchange.outcome.unwrap_or_default();
            outcome.calls = self.vm.host.borrow().outgoing.calls_of(exchange.context);
            outcome.reconfigured = self.reconfigured;
            self.vm.complete(&mut outcome, before);
            outcome
        });
        outcomes.collect()
    }
}
