//! A client that sends and receives while neither side has ended, over either version of HTTP.

use std::time::Duration;

use engine::Shown;
use engine::exchange::{Header, Request, TalkStep};
use engine::outcome::{Answer, Stall};

/// Timeout of a step. Held data never arrives, and a test of that should be short.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What comes back on a stream.
#[derive(Debug)]
pub(super) enum Event {
    /// The headers.
    Headers(u16, Vec<Header>),
    /// Some of the body.
    Data(Vec<u8>),
    /// The end, with the trailers.
    End(Vec<Header>),
    /// The stream was reset, with this reason.
    Broken(String),
}

/// An open stream, whose headers have been sent.
pub(super) trait Open {
    /// Sends a chunk. Errors of the stream are seen in the response.
    async fn send(&mut self, piece: &[u8]);

    /// Ends the request.
    async fn end(&mut self);

    /// What comes next.
    async fn next(&mut self) -> Event;
}

/// What has come back so far.
#[derive(Default)]
struct Received {
    answer: Option<Answer>,
    over: bool,
}

impl Received {
    fn take(&mut self, event: Event) {
        match event {
            Event::Headers(status, headers) => {
                self.answer = Some(Answer { status, headers, ..Answer::default() });
            }
            Event::Data(data) => {
                let answer = self.answer.get_or_insert_default();
                answer.body = [&*answer.body, &data].concat().into();
            }
            Event::End(trailers) => {
                self.over = true;
                if let Some(answer) = &mut self.answer {
                    answer.trailers = trailers;
                }
            }
            Event::Broken(cause) => {
                self.over = true;
                if let Some(answer) = &mut self.answer {
                    answer.cut_off = Some(cause);
                }
            }
        }
    }

    fn body(&self) -> &[u8] {
        self.answer.as_ref().map_or(&[], |answer| &answer.body)
    }

    /// Receives until this is so; whether it was in time.
    async fn until(&mut self, stream: &mut impl Open, done: impl Fn(&Self) -> bool) -> bool {
        let received = async {
            while !self.over && !done(self) {
                let event = stream.next().await;
                self.take(event);
            }
        };
        tokio::time::timeout(TIMEOUT, received).await.is_ok()
    }
}

/// Goes through the steps of a request: what has come back, and where it stopped.
pub(super) async fn run(mut stream: impl Open, request: &Request) -> (Option<Answer>, Option<Stall>) {
    let mut received = Received::default();
    let stalled = steps(&mut stream, request, &mut received).await;
    (received.answer, stalled)
}

async fn steps(stream: &mut impl Open, request: &Request, received: &mut Received) -> Option<Stall> {
    let mut expected: Vec<u8> = Vec::new();
    let within = format!("within {} s", TIMEOUT.as_secs());
    for (step, what) in request.talk.iter().enumerate() {
        match what {
            TalkStep::Send(piece) => {
                // A gateway that reads no more is seen in what comes back.
                let _ = tokio::time::timeout(TIMEOUT, stream.send(piece)).await;
            }
            TalkStep::Receive(bytes) => {
                let before = expected.len();
                expected.extend_from_slice(bytes);
                let size = expected.len();
                let in_time = received.until(stream, |received| received.body().len() >= size).await;
                if !received.body().starts_with(&expected) {
                    let came = Shown(received.body().get(before..).unwrap_or_default()).to_string();
                    let came = match (in_time, received.over) {
                        (false, _) => format!("{came}, and nothing more {within}"),
                        (true, true) => format!("{came}, and the end of the answer"),
                        (true, false) => came,
                    };
                    return Some(Stall { step, wanted: Shown(bytes).to_string(), came });
                }
            }
            TalkStep::End => {
                let _ = tokio::time::timeout(TIMEOUT, stream.end()).await;
                return the_end(stream, received, step, &within).await;
            }
        }
    }
    if request.talk.is_empty() || request.until_end {
        // An upgrade is over when its answer is: one that is accepted has no end.
        let accepted =
            |received: &Received| received.answer.as_ref().is_some_and(|answer| answer.status == 101);
        if request.until_end || !received.until(stream, accepted).await || !accepted(received) {
            return the_end(stream, received, request.talk.len(), &within).await;
        }
    } else if !received.until(stream, |received| received.answer.is_some()).await {
        let (wanted, came) = ("the headers of an answer".into(), format!("nothing {within}"));
        return Some(Stall { step: request.talk.len(), wanted, came });
    }
    None
}

/// Waits for the end of the answer.
async fn the_end(
    stream: &mut impl Open,
    received: &mut Received,
    step: usize,
    within: &str,
) -> Option<Stall> {
    if received.until(stream, |_| false).await {
        return None;
    }
    let came = match &received.answer {
        Some(answer) => format!("{} and {}, without an end {within}", answer.status, Shown(&answer.body)),
        None => format!("nothing {within}"),
    };
    Some(Stall { step, wanted: "the end of the answer".into(), came })
}
