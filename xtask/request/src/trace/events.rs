//! From Envoy's log to what happened, in order.

use gateway::{LogLevel, LogLine};
use hyper::body::Bytes;

use super::NAME;

/// Which way something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the upstream.
    Request,
    /// Back.
    Response,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Headers.
    Headers(Vec<(Bytes, Bytes)>),
    /// A piece of the body: what was read of it, and its whole length.
    Body(Bytes, usize),
    /// Trailers.
    Trailers(Vec<(Bytes, Bytes)>),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something passed a probe.
    Passed {
        /// Its number: in front of the plug-in of this number.
        probe: usize,
        /// Which way.
        way: Way,
        /// What.
        seen: Seen,
        /// Whether it was the last of the message.
        last: bool,
        /// When, in nanoseconds.
        at: u64,
        /// What a plug-in has told about itself; the last one that did.
        report: String,
    },
    /// A plug-in logged a line.
    Logged {
        /// Its number.
        plugin: usize,
        /// The level.
        level: LogLevel,
        /// What it said.
        text: String,
    },
    /// Something was asked of another service.
    CalledOut {
        /// The cluster.
        cluster: String,
        /// The path.
        path: String,
    },
}

impl Event {
    /// What a line of the log says, if it says anything of this kind.
    pub(super) fn of(line: &LogLine, plugins: &[&str]) -> Option<Self> {
        if line.component == "router" {
            return called_out(&line.message);
        }
        let said = line.message.strip_prefix("wasm log ").filter(|_| line.component == "wasm")?;
        let (name, text) = said.split_once(": ")?;
        if let Some(probe) = name.strip_prefix(NAME) {
            return passed(probe.parse().ok()?, text);
        }
        // Root contexts have a name of two words, or none.
        let plugin =
            plugins.iter().position(|plugin| *plugin == name.split(' ').next().unwrap_or_default())?;
        Some(Self::Logged { plugin, level: line.level, text: text.to_owned() })
    }
}

/// `[Tags: "ConnectionId":"0","StreamId":"1"] cluster 'auth' match for URL '/check'`: what a plug-in sends comes from no
/// connection.
fn called_out(message: &str) -> Option<Event> {
    let own = message.contains("\"ConnectionId\":\"0\"") || message.starts_with("[C0]");
    let rest = message.split_once("cluster '").filter(|_| own)?.1;
    let (cluster, rest) = rest.split_once("' match for URL '")?;
    Some(Event::CalledOut { cluster: cluster.into(), path: rest.strip_suffix('\'')?.into() })
}

fn passed(probe: usize, text: &str) -> Option<Event> {
    let mut words = text.split(' ');
    let mut word = || words.next();
    let (what, last, at, size) = (word()?, word()?, word()?, word()?);
    let (content, report) = (unhex(word()?)?, unhex(word()?)?);
    let way = if what.chars().all(|c| c.is_ascii_lowercase()) { Way::Request } else { Way::Response };
    let seen = match what.to_ascii_lowercase().as_str() {
        "h" => Seen::Headers(pairs(&content)?),
        "b" => Seen::Body(content.into(), size.parse().ok()?),
        "t" => Seen::Trailers(pairs(&content)?),
        _ => return None,
    };
    let report = String::from_utf8_lossy(&report).into_owned();
    Some(Event::Passed { probe, way, seen, last: last == "1", at: at.parse().ok()?, report })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// The ABI's list: how many, the lengths of all, then each with a NUL behind it.
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
        LogLine { level: LogLevel::Info, component: component.into(), message: message.into() }
    }

    #[test]
    fn a_probes_line_is_read() {
        let map = "0100000001000000020000006100626300";
        let text = format!("wasm log {NAME}2: h 1 77 0 {map} 700a67");
        let Some(Event::Passed { probe, way, seen, last, at, report }) = Event::of(&line("wasm", &text), &[])
        else {
            panic!("{text}");
        };
        assert_eq!((probe, way, last, at, report.as_str()), (2, Way::Request, true, 77, "p\ng"));
        assert_eq!(seen, Seen::Headers(vec![("a".into(), "bc".into())]));
        for broken in ["h 1 77 0 01000000 ", "h 1 77 0 0 ", "x 1 77 0  ", "h 1", "h 1 77 0 ffffffff "] {
            assert_eq!(
                Event::of(&line("wasm", &format!("wasm log {NAME}2: {broken}")), &[]),
                None,
                "{broken}"
            );
        }
    }

    #[test]
    fn lines_of_plug_ins_and_calls_of_theirs_are_told_from_the_rest() {
        let logged = Event::of(&line("wasm", "wasm log b: said: x"), &["a", "b"]);
        assert_eq!(logged, Some(Event::Logged { plugin: 1, level: LogLevel::Info, text: "said: x".into() }));
        assert_eq!(Event::of(&line("wasm", "[host->vm] proxy_on_log(2)"), &["a"]), None);
        let called = |id: &str| {
            format!("[Tags: \"ConnectionId\":\"{id}\",\"StreamId\":\"9\"] cluster 'c|80' match for URL '/x'")
        };
        let call = Event::of(&line("router", &called("0")), &[]);
        assert_eq!(call, Some(Event::CalledOut { cluster: "c|80".into(), path: "/x".into() }));
        assert_eq!(Event::of(&line("router", &called("1")), &[]), None);
    }
}
