//! A stream that waits for the answers to its plug-in's calls.

use super::calls::{Arrival, Arrived};
use super::stream::{Direction, Message, Passed, Stream};

impl Stream<'_> {
    /// Brings answers until the plug-in lets the message go on; what it came to instead otherwise.
    pub(super) fn wait(&self, direction: &Direction, message: &Message<'_>) -> Option<Passed> {
        // A client that goes away does so before any service has answered.
        if message.reset_after.is_some() {
            return Some(Passed::Reset(Vec::new()));
        }
        loop {
            let arrival = {
                if let Some(ended) = self.ended() {
                    return Some(ended);
                }
                let mut host = self.host();
                if host.outgoing.take_continued(direction.stream) {
                    return None;
                }
                if message.reset_when_called.is_some_and(|calls| host.outgoing.seen.len() >= calls) {
                    return Some(Passed::Reset(Vec::new()));
                }
                host.outgoing.next()
            };
            match arrival {
                Some(arrival) => self.answer(arrival),
                None => return Some(Passed::Stuck),
            }
        }
    }

    /// Calls the plug-in with the answer to one of its own calls, which can be read only meanwhile.
    fn answer(&self, arrival: Arrival) {
        let grpc = |body| Arrived { body, grpc: true, ..Arrived::default() };
        match arrival {
            Arrival::Http { token, arrived } => {
                let (headers, body, trailers) =
                    (arrived.headers.len(), arrived.body.len(), arrived.trailers.len());
                self.host().outgoing.arrived = Some(arrived);
                if let Some(call) = self.entry.on_http_call_response {
                    call(self.context, token, headers, body, trailers);
                }
            }
            Arrival::GrpcMessage { token, message } => {
                let size = message.len();
                self.host().outgoing.arrived = Some(grpc(message));
                if let Some(call) = self.entry.on_grpc_receive {
                    call(self.context, token, size);
                }
            }
            Arrival::GrpcStatus { token, status } => {
                if let Some(call) = self.entry.on_grpc_close {
                    call(self.context, token, status);
                }
            }
        }
        self.host().outgoing.arrived = None;
    }
}
