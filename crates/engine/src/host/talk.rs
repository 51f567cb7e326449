//! Bidirectional streams: the client executes the steps of its conversation, and the upstream sends back what
//! comes before the request has ended.

use super::stream::{Phase, Stream};
use super::vm::Vm;
use crate::bytes::Shown;
use crate::exchange::{Protocol, Request, TalkStep, Upstream};
use crate::outcome::Stall;

/// An upstream in the middle of a request.
struct Conversation<'t, 'v> {
    vm: &'t Vm,
    stream: &'t mut Stream<'v>,
    request: &'v Request,
    upstream: &'v Upstream,
    /// The part of the body that the upstream has received.
    arrived: Vec<u8>,
    answered: bool,
    ended: bool,
}

impl Vm {
    /// Executes a conversation or an upgrade. Nothing takes time here: data that has not arrived will never arrive.
    pub(super) fn talk<'v>(&self, stream: &mut Stream<'v>, request: &'v Request, upstream: &'v Upstream) {
        let mut talk = Conversation {
            vm: self,
            stream,
            request,
            upstream,
            arrived: Vec::new(),
            answered: false,
            ended: false,
        };
        let stalled = talk.run();
        let Conversation { stream, mut arrived, .. } = talk;
        if stream.outcome().upstream.is_none() {
            if upstream.echo || !request.is_upgrade() {
                arrived.extend(stream.take_arrived());
            }
            stream.note_upstream(arrived);
        }
        stream.leave();
        stream.outcome().stalled = stalled;
    }
}

impl Conversation<'_, '_> {
    fn run(&mut self) -> Option<Stall> {
        self.stream.request_headers();
        let pieces = self.request.pieces();
        // Envoy dispatches what follows the headers of an upgrade, even if that is nothing.
        if pieces.is_empty() && self.request.is_upgrade() && self.request.protocol == Protocol::Http1 {
            self.stream.request_piece(&[], false);
        }
        pieces.into_iter().for_each(|piece| self.stream.request_piece(piece, false));
        // A request without a talk that is echoed ends as every other.
        if self.request.talk.is_empty() && !self.request.is_upgrade() && !self.request.ends_with_headers() {
            self.stream.request_end();
        }
        self.go_on();
        let mut expected: Vec<u8> = Vec::new();
        for (step, what) in self.request.talk.iter().enumerate() {
            match what {
                TalkStep::Send(piece) => {
                    self.stream.request_piece(piece, false);
                    self.go_on();
                }
                TalkStep::Receive(bytes) => {
                    let before = expected.len();
                    expected.extend_from_slice(bytes);
                    let received = self.stream.received();
                    if !received.starts_with(&expected) {
                        let came = Shown(received.get(before..).unwrap_or_default()).to_string();
                        let came = if received.len() < expected.len() {
                            format!("{came}, and nothing more")
                        } else {
                            came
                        };
                        return Some(Stall { step, wanted: Shown(bytes).to_string(), came });
                    }
                }
                TalkStep::End => {
                    self.stream.request_end();
                    self.go_on();
                    return self.the_end(step);
                }
            }
        }
        let steps = self.request.talk.len();
        let is_open = steps == 0 && self.upstream.echo && self.stream.has_answer();
        match (self.request.until_end, steps) {
            (true, _) => self.the_end(steps),
            (false, 0) if !is_open => self.the_end(steps),
            _ if !self.stream.has_answer() => {
                Some(Stall { step: steps, wanted: "the headers of an answer".into(), came: "nothing".into() })
            }
            _ => None,
        }
    }

    fn the_end(&self, step: usize) -> Option<Stall> {
        if self.stream.phase() == Phase::Done {
            return None;
        }
        let came = match self.stream.has_answer() {
            true => format!("an answer with {}, without an end", Shown(self.stream.received())),
            false => "nothing".into(),
        };
        Some(Stall { step, wanted: "the end of the answer".into(), came })
    }

    /// Executes everything that is possible: the upstream sends data back, and services respond to calls.
    fn go_on(&mut self) {
        while self.stream.phase() != Phase::Done {
            if self.upstream_acts() {
                continue;
            }
            let next = self.vm.host.borrow_mut().outgoing.next();
            let Some((owner, arrival)) = next else { return };
            self.vm.deliver(owner, arrival);
            self.stream.settle();
        }
    }

    /// What the upstream does next; whether there was anything.
    fn upstream_acts(&mut self) -> bool {
        let upgrade = self.request.is_upgrade();
        if !self.upstream.echo && !upgrade {
            // It answers a request when it has all of it.
            if self.stream.phase() == Phase::Upstream {
                self.stream.whole_response();
                return true;
            }
            return false;
        }
        let data = self.stream.take_arrived();
        self.arrived.extend_from_slice(&data);
        if !self.answered && self.stream.phase() == Phase::Upstream {
            if self.upstream.echo {
                self.answered = true;
                self.stream.response_headers();
                // Nothing follows the headers at once, and that is dispatched too.
                if upgrade && self.vm.host.borrow().gateway().upstream_protocol == Protocol::Http1 {
                    self.stream.response_piece(&[], false);
                }
                self.echo(&data);
                return true;
            }
            // Like a server without upgrades. Envoy sends no body before a 101.
            self.arrived.clear();
            self.answered = true;
            self.stream.whole_response();
            return true;
        }
        if self.answered && self.upstream.echo && self.stream.phase() == Phase::Response {
            self.echo(&data);
            if self.stream.has_arrived() && !self.ended {
                self.ended = true;
                self.stream.response_end();
                return true;
            }
        }
        !data.is_empty()
    }

    fn echo(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.stream.response_piece(data, false);
        }
    }
}
