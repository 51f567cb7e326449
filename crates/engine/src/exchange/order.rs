//! Concurrent requests, and the order of their events.

use std::fmt;

use anyhow::{anyhow, bail};

use super::{Request, Upstream};
use crate::outcome::LogLine;

/// The order of the events of several requests.
#[derive(Debug, Clone)]
pub enum Order {
    /// This order.
    Events(Vec<Event>),
    /// A random order determined by a number. Requests begin in their order, other events are in any order.
    Random {
        /// The number.
        seed: u64,
        /// Configurations that are applied at some time, valid or invalid.
        changes: Vec<Option<String>>,
    },
}

/// One event of an interleaving.
#[derive(Debug, Clone)]
pub struct Event {
    /// The event as written.
    pub written: String,
    /// The kind.
    pub happening: Happening,
}

/// The kind of an event.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A part of a request or response arrives.
    Step {
        /// The index of the request among the interleaved ones.
        request: usize,
        /// The part.
        step: Step,
    },
    /// A service responds to a call.
    Answer {
        /// The cluster of the service.
        cluster: String,
        /// The index of the call among those that it has received since the interleaving began.
        call: usize,
    },
    /// Another configuration is applied.
    Configure(Change),
}

/// A part of a request or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The headers of the request.
    RequestHeaders,
    /// A piece of its body.
    RequestBody(usize),
    /// Its end, with its trailers.
    End,
    /// The headers of the upstream's response.
    ResponseHeaders,
    /// A piece of its body.
    ResponseBody(usize),
    /// Its end, with its trailers.
    ResponseEnd,
    /// The client disconnects.
    Reset,
}

/// Another configuration, while requests are open or between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The plug-in's configuration.
    pub configuration: Option<String>,
    /// Expected texts in the log if it must be rejected; none if it must be accepted.
    pub refused: Vec<String>,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Event {
    /// The cluster of the service that responds.
    #[must_use]
    pub fn cluster(&self) -> Option<&str> {
        match &self.happening {
            Happening::Answer { cluster, .. } => Some(cluster),
            _ => None,
        }
    }

    /// An event of this request or its response.
    #[must_use]
    pub fn step_of(&self, wanted: usize) -> Option<Step> {
        match self.happening {
            Happening::Step { request, step } if request == wanted => Some(step),
            _ => None,
        }
    }

    /// A change of the configuration.
    #[must_use]
    pub fn configure(change: Change) -> Self {
        Self { written: "then_config".into(), happening: Happening::Configure(change) }
    }
}

impl Step {
    /// Whether it is a part of the response.
    #[must_use]
    pub fn is_of_answer(self) -> bool {
        matches!(self, Self::ResponseHeaders | Self::ResponseBody(_) | Self::ResponseEnd)
    }

    /// Parses `body[0]` and the other parts.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Some(match text {
            "headers" => Self::RequestHeaders,
            "end" => Self::End,
            "reset" => Self::Reset,
            "response.headers" => Self::ResponseHeaders,
            "response.end" => Self::ResponseEnd,
            _ => match text.strip_prefix("response.") {
                Some(text) => Self::ResponseBody(numbered(text.strip_prefix("body")?)?),
                None => Self::RequestBody(numbered(text.strip_prefix("body")?)?),
            },
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RequestHeaders => f.write_str("headers"),
            Self::RequestBody(piece) => write!(f, "body[{piece}]"),
            Self::End => f.write_str("end"),
            Self::ResponseHeaders => f.write_str("response.headers"),
            Self::ResponseBody(piece) => write!(f, "response.body[{piece}]"),
            Self::ResponseEnd => f.write_str("response.end"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

/// The number in `[0]`.
fn numbered(text: &str) -> Option<usize> {
    let digits = text.strip_prefix('[')?.strip_suffix(']')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl Change {
    /// Compares the result with the expected one.
    ///
    /// # Errors
    ///
    /// The result is different; the message contains the log.
    pub fn judge(&self, came: Result<(), Vec<LogLine>>) -> anyhow::Result<()> {
        let shown = |log: &[LogLine]| log.iter().map(|line| format!("\n  {line}")).collect::<String>();
        match came {
            Ok(()) if self.refused.is_empty() => Ok(()),
            Ok(()) => bail!("the configuration was accepted, and must be refused with {:?}", self.refused),
            Err(log) if self.refused.is_empty() => bail!("the configuration was refused{}", shown(&log)),
            Err(log) => {
                let logged = |text: &str| log.iter().any(|line| line.message.contains(text));
                match self.refused.iter().find(|text| !logged(text)) {
                    None => Ok(()),
                    Some(text) => Err(anyhow!("refused: the log does not contain {text:?}{}", shown(&log))),
                }
            }
        }
    }
}

/// The steps of a request.
#[must_use]
pub fn request_steps(request: &Request) -> Vec<Step> {
    let mut steps = vec![Step::RequestHeaders];
    if request.ends_with_headers() {
        return steps;
    }
    let pieces = request.pieces().len();
    let sent = request.reset_after.map_or(pieces, |sent| sent.min(pieces));
    steps.extend((0..sent).map(Step::RequestBody));
    if request.reset_after.is_some() {
        steps.push(Step::Reset);
    } else if request.ends_apart() || pieces == 0 {
        steps.push(Step::End);
    }
    steps
}

/// The steps of the upstream's response to a request.
#[must_use]
pub fn response_steps(request: &Request, upstream: &Upstream) -> Vec<Step> {
    let mut steps = vec![Step::ResponseHeaders];
    if *request.method == *b"HEAD" || upstream.ends_with_headers() {
        return steps;
    }
    steps.extend((0..upstream.pieces().len()).map(Step::ResponseBody));
    if upstream.is_chunked() && upstream.reset_after.is_none() {
        steps.push(Step::ResponseEnd);
    }
    steps
}
