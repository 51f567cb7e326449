//! The events in Envoy's log.

use crate::{LogLevel, LogLine};
use hyper::body::Bytes;
use text::hex;

use super::NAME;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the upstream.
    Request,
    /// To the client.
    Response,
}

/// A part of a message, as a probe received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Headers.
    Headers(Vec<(Bytes, Bytes)>),
    /// A chunk of the body: what was read of it, and its whole length.
    Body(Bytes, usize),
    /// Trailers.
    Trailers(Vec<(Bytes, Bytes)>),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part of a message passed a probe.
    Passed {
        /// The probe's number: it is before the plug-in of this number.
        probe: usize,
        /// The direction of the message.
        way: Direction,
        /// The part.
        part: Part,
        /// Whether it was the last part of the message.
        last: bool,
        /// When, in nanoseconds.
        at: u64,
        /// The report of the last plug-in that made one.
        report: String,
    },
    /// A plug-in logged a line.
    Logged {
        /// Its number.
        plugin: usize,
        /// The level.
        level: LogLevel,
        /// The line.
        text: String,
    },
    /// An HTTP call of a plug-in made a step.
    Call {
        /// Envoy's number of the call.
        call: String,
        /// The step.
        step: Step,
        /// When, in microseconds.
        at: u64,
    },
    /// The plug-in received the response to the call of the last step.
    CallEnded {
        /// The status.
        status: u16,
        /// When, in microseconds.
        at: u64,
    },
}

/// A step of an HTTP call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It was sent.
    Sent {
        /// The cluster.
        cluster: String,
        /// The path.
        path: String,
    },
    /// The service responded.
    Responded,
    /// The service did not respond, and why; the plug-in receives a response made by Envoy.
    Failed(String),
}

impl Event {
    /// Parses a line of the log, if it is of this kind.
    pub(super) fn of(line: &LogLine, plugins: &[&str]) -> Option<Self> {
        match line.component.as_str() {
            "router" => return call(line),
            "http" => return call_ended(line),
            _ => {}
        }
        let logged = line.message.strip_prefix("wasm log ").filter(|_| line.component == "wasm")?;
        let (name, text) = logged.split_once(": ")?;
        if let Some(probe) = name.strip_prefix(NAME) {
            return passed(probe.parse().ok()?, text);
        }
        // Root contexts have a name of two words, or none.
        let plugin =
            plugins.iter().position(|plugin| *plugin == name.split(' ').next().unwrap_or_default())?;
        Some(Self::Logged { plugin, level: line.level, text: text.to_owned() })
    }
}

/// `[Tags: "ConnectionId":"0","StreamId":"1"] cluster 'auth' match for URL '/check'`: a plug-in's call has no
/// connection.
fn call(line: &LogLine) -> Option<Event> {
    let rest = line.message.strip_prefix("[Tags: \"ConnectionId\":\"0\",\"StreamId\":\"")?;
    let (call, message) = rest.split_once("\"] ")?;
    let step = if let Some(rest) = message.strip_prefix("cluster '") {
        let (cluster, rest) = rest.split_once("' match for URL '")?;
        Step::Sent { cluster: cluster.into(), path: rest.strip_suffix('\'')?.into() }
    } else if message.starts_with("upstream headers complete") {
        Step::Responded
    } else if let Some(reason) = message.strip_prefix("upstream reset: reset reason: ") {
        // `remote connection failure, transport failure reason: delayed connect error: Connection refused`
        Step::Failed(reason.replace(", transport failure reason: ", ": ").trim_end_matches([',', ' ']).into())
    } else if message == "upstream timeout" {
        Step::Failed("timeout".into())
    } else {
        return None;
    };
    Some(Event::Call { call: call.into(), step, at: line.at })
}

/// `async http request response headers (end_stream=false):\n':status', '200'\n…`; the log has two characters for each
/// line break.
fn call_ended(line: &LogLine) -> Option<Event> {
    let rest = line.message.strip_prefix("async http request response headers")?;
    let (_, rest) = rest.split_once("':status', '")?;
    Some(Event::CallEnded { status: rest.get(..3)?.parse().ok()?, at: line.at })
}

fn passed(probe: usize, text: &str) -> Option<Event> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let (what, last, at, size) = (word()?, word()?, word()?, word()?);
    let (content, report) = (hex::decode(word()?)?, hex::decode(word()?)?);
    let way =
        if what.chars().all(|c| c.is_ascii_lowercase()) { Direction::Request } else { Direction::Response };
    let part = match what.to_ascii_lowercase().as_str() {
        "h" => Part::Headers(pairs(&content)?),
        "b" => Part::Body(content.into(), size.parse().ok()?),
        "t" => Part::Trailers(pairs(&content)?),
        _ => return None,
    };
    let report = String::from_utf8_lossy(&report).into_owned();
    Some(Event::Passed { probe, way, part, last: last == "1", at: at.parse().ok()?, report })
}

/// The ABI's list: its length, the sizes of all strings, then each string with a NUL.
fn pairs(bytes: &[u8]) -> Option<Vec<(Bytes, Bytes)>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let number = |at: usize| {
        let bytes = bytes.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let count = number(0)?;
    let mut at = count.checked_mul(8)?.checked_add(4)?;
    let mut take = |length: usize| {
        let text = bytes.get(at..at.checked_add(length)?)?;
        at += length + 1;
        Some(Bytes::copy_from_slice(text))
    };
    (0..count).map(|index| Some((take(number(4 + index * 8)?)?, take(number(8 + index * 8)?)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(component: &str, message: &str) -> LogLine {
        LogLine { at: 5, level: LogLevel::Info, component: component.into(), message: message.into() }
    }

    #[test]
    fn the_lines_of_a_probe_are_parsed() {
        let map = "0100000001000000020000006100626300";
        let text = format!("wasm log {NAME}2: h 1 77 0 {map} 700a67");
        let Some(Event::Passed { probe, way, part, last, at, report }) = Event::of(&line("wasm", &text), &[])
        else {
            panic!("{text}");
        };
        assert_eq!((probe, way, last, at, report.as_str()), (2, Direction::Request, true, 77, "p\ng"));
        assert_eq!(part, Part::Headers(vec![("a".into(), "bc".into())]));
        for broken in ["h 1 77 0 01000000 ", "h 1 77 0 0 ", "x 1 77 0  ", "h 1", "h 1 77 0 ffffffff "] {
            assert_eq!(
                Event::of(&line("wasm", &format!("wasm log {NAME}2: {broken}")), &[]),
                None,
                "{broken}"
            );
        }
    }

    #[test]
    fn lines_of_plug_ins_and_their_calls_are_found() {
        let logged = Event::of(&line("wasm", "wasm log b: said: x"), &["a", "b"]);
        assert_eq!(logged, Some(Event::Logged { plugin: 1, level: LogLevel::Info, text: "said: x".into() }));
        assert_eq!(Event::of(&line("wasm", "[host->vm] proxy_on_log(2)"), &["a"]), None);
        let of = |id: &str, said: &str| {
            let tags = format!("[Tags: \"ConnectionId\":\"{id}\",\"StreamId\":\"9\"] ");
            Event::of(&line("router", &(tags + said)), &[])
        };
        let step = |step| Some(Event::Call { call: "9".into(), step, at: 5 });
        let asked = "cluster 'c|80' match for URL '/x'";
        assert_eq!(of("0", asked), step(Step::Sent { cluster: "c|80".into(), path: "/x".into() }));
        assert_eq!(of("1", asked), None);
        assert_eq!(of("0", "upstream headers complete: end_stream=false"), step(Step::Responded));
        let refused =
            "upstream reset: reset reason: remote connection failure, transport failure reason: refused";
        assert_eq!(of("0", refused), step(Step::Failed("remote connection failure: refused".into())));
        let late = "upstream timeout";
        assert_eq!(of("0", late), step(Step::Failed("timeout".into())));
        let answer = r"async http request response headers (end_stream=false):\n':status', '503'\n'a', 'b'\n";
        assert_eq!(Event::of(&line("http", answer), &[]), Some(Event::CallEnded { status: 503, at: 5 }));
    }
}
