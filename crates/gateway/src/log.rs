//! Envoy's output: its log on stderr, and one access-log line for each request.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

pub use abi::LogLevel;
use serde::{Deserialize, Deserializer};

/// One line of Envoy's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The time, in microseconds since 1970.
    pub at: u64,
    /// Its level.
    pub level: LogLevel,
    /// The component of Envoy that wrote it, such as `wasm`, `main` or `config`.
    pub component: String,
    /// The message, with line breaks written as `\n`.
    pub message: String,
}

/// The format that [`LogLine::parse`] reads (`--log-format`); `%_` keeps a message on one line.
pub(crate) const FORMAT: &str = "[%E%f][%l][%n] %_";

impl LogLine {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (at, rest) = line.strip_prefix('[')?.split_once("][")?;
        let (level, rest) = rest.split_once("][")?;
        let (component, message) = rest.split_once("] ")?;
        let level = LogLevel::ALL.into_iter().find(|known| known.to_string() == level)?;
        Some(Self { at: at.parse().ok()?, level, component: component.into(), message: message.into() })
    }

    /// Returns the name of the plug-in that logged, and its message. The name is empty if the host does not provide it;
    /// `None` for Envoy's own lines.
    #[must_use]
    pub fn plugin(&self) -> Option<(&str, &str)> {
        let rest = self.message.strip_prefix("wasm log").filter(|_| self.component == "wasm")?;
        let (names, message) = rest.split_once(": ")?;
        // A name is followed by that of the root context, if any.
        Some((names.split_whitespace().next().unwrap_or_default(), message))
    }

    /// Returns what a plug-in of this name logged, without Envoy's prefix `wasm log <name>: `; `None` for Envoy's own
    /// lines.
    #[must_use]
    pub fn of_plugin(&self, name: &str) -> Option<&str> {
        // The root context, which configures the plug-in, logs without the name.
        let rest = self.message.strip_prefix("wasm log").filter(|_| self.component == "wasm")?;
        rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' ')?.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}][{}] {}", self.level, self.component, self.message)
    }
}

/// A line of the access log: a request that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccessLine {
    /// The client's address and port, which identify the connection.
    pub client: String,
    /// The request's method.
    #[serde(default, deserialize_with = "or_none")]
    pub method: String,
    /// The host.
    #[serde(default, deserialize_with = "or_none")]
    pub host: String,
    /// The path, with the query.
    #[serde(default, deserialize_with = "or_none")]
    pub path: String,
    /// The route.
    #[serde(default, deserialize_with = "or_none")]
    pub route: String,
    /// The duration, in milliseconds.
    #[serde(default, deserialize_with = "or_none")]
    pub duration: u64,
    /// The status of the response; 0 if there was none.
    #[serde(default, deserialize_with = "or_none")]
    pub status: u16,
    /// The response-code details.
    #[serde(default, deserialize_with = "or_none")]
    pub details: String,
    /// The values of [`Bootstrap::logged`](crate::Bootstrap::logged); `None` for one that is not set.
    #[serde(default)]
    pub properties: BTreeMap<String, Option<String>>,
    /// Envoy's response flags, such as `DC` for a client that disconnected; `-` for none.
    #[serde(default, deserialize_with = "or_none")]
    pub flags: String,
}

/// Envoy writes `null` for absent values: a `CONNECT` has no path, and a malformed request no method.
fn or_none<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A position in a log, from which lines are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark(u64);

/// A file that Envoy appends lines to.
#[derive(Debug)]
pub(crate) struct LogFile(pub(crate) PathBuf);

impl LogFile {
    /// The position after the last line.
    pub(crate) fn mark(&self) -> io::Result<Mark> {
        // Only the end is read: a log may be long.
        let length = match std::fs::metadata(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Mark(0)),
            metadata => metadata?.len(),
        };
        let mut back = 64 * 1024;
        loop {
            let from = Mark(length.saturating_sub(back));
            let (_, mark) = self.since(from)?;
            if mark != from || from.0 == 0 {
                return Ok(mark);
            }
            // An incomplete line is longer than that.
            back *= 16;
        }
    }

    /// Returns the complete lines after a mark, and the position after them. An incomplete line is left for the next call.
    pub(crate) fn since(&self, Mark(start): Mark) -> io::Result<(Vec<String>, Mark)> {
        let mut file = match File::open(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Mark(start))),
            file => file?,
        };
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return Ok((Vec::new(), Mark(start)));
        };
        let (whole, _) = bytes.split_at(last + 1);
        let lines = String::from_utf8_lossy(whole).lines().map(str::to_owned).collect();
        Ok((lines, Mark(start + whole.len() as u64)))
    }
}

/// A log that is followed by one reader.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// The end of what has been read.
    mark: Mark,
    /// The position up to which disk space has been freed.
    given_back: u64,
}

/// The minimum and maximum number of bytes of a followed log that are kept on the disk.
const KEPT: std::ops::Range<u64> = 64 * 1024..1024 * 1024;

impl Followed {
    /// Returns the new complete lines, and frees disk space. Positions in the file do not change, so Envoy can continue to
    /// write and others to read. If the file system does not support this, the file grows.
    pub(crate) fn new_lines(&mut self, log: &LogFile) -> io::Result<Vec<String>> {
        let (lines, after) = log.since(self.mark)?;
        self.mark = after;
        if after.0.saturating_sub(self.given_back) >= KEPT.end {
            self.given_back = after.0.saturating_sub(KEPT.start);
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::{FallocateFlags, fallocate};
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                // A failure does no harm.
                let _ = fallocate(File::options().write(true).open(&log.0)?, flags, 0, self.given_back);
            }
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_plugins_lines_are_told_from_envoys_own() {
        let line = |text| LogLine::parse(text).unwrap();
        let root = line(r"[17][error][wasm] wasm log: block_urls[0]: must not be empty\nhint: ] a");
        assert_eq!((root.at, root.level), (17, LogLevel::Error));
        assert_eq!(root.of_plugin("x"), Some(r"block_urls[0]: must not be empty\nhint: ] a"));
        let stream = line("[1][warning][wasm] wasm log request-block: blocked: yes");
        assert_eq!((stream.level, stream.of_plugin("request-block")), (LogLevel::Warn, Some("blocked: yes")));
        assert_eq!(stream.of_plugin("request"), None);
        assert_eq!(line("[1][critical][main] wasm log: x").of_plugin("x"), None);
        assert_eq!(line("[1][error][wasm] Function: f failed").of_plugin("x"), None);
        for text in [
            "",
            "Unable to create",
            "[1][notice][wasm] x",
            "[1][info] x",
            "[info][wasm] x",
            "[x][info][wasm] x",
        ] {
            assert_eq!(LogLine::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_request_does_not_have_is_empty() {
        let line =
            r#"{"client":"127.0.0.1:1","method":"OPTIONS","host":"h","path":null,"route":null,"status":404}"#;
        let line: AccessLine = serde_json::from_str(line).unwrap();
        assert_eq!((line.method.as_str(), line.path.as_str(), line.status), ("OPTIONS", "", 404));
        let line = r#"{"client":"127.0.0.1:1","method":null,"host":null,"path":null,"route":null,"status":null,
            "details":null,"flags":null,"duration":null,"protocol":null}"#;
        let line: AccessLine = serde_json::from_str(line).unwrap();
        assert_eq!((line.method.as_str(), line.status, line.duration), ("", 0, 0));
    }

    #[test]
    fn a_line_is_read_once_and_only_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let log = LogFile(file.path().into());
        file.write_all(b"one\ntwo\nthr").unwrap();
        let (lines, mark) = log.since(Mark::default()).unwrap();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(log.since(mark).unwrap(), (vec![], mark));
        file.write_all(b"ee\n").unwrap();
        assert_eq!(log.since(mark).unwrap().0, ["three"]);
        assert_eq!(log.since(log.mark().unwrap()).unwrap().0, [""; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_has_been_read_is_given_back_and_the_rest_stays_where_it_is() {
        use std::os::unix::fs::MetadataExt;

        let mut file = tempfile::NamedTempFile::new().unwrap();
        let log = LogFile(file.path().into());
        let mut followed = Followed::default();
        let line = "x".repeat(999) + "\n";
        for number in 0..10 {
            file.write_all(format!("{number}\n{}", line.repeat(1000)).as_bytes()).unwrap();
            let lines = followed.new_lines(&log).unwrap();
            assert_eq!((lines[0].as_str(), lines.len()), (number.to_string().as_str(), 1001));
            file.as_file().sync_all().unwrap();
            let blocks = file.as_file().metadata().unwrap().blocks() * 512;
            assert!(blocks < 2 * KEPT.end, "{blocks} bytes on the disk");
        }
        let mark = followed.mark;
        assert_eq!(file.as_file().metadata().unwrap().len(), mark.0);
        assert_eq!(log.mark().unwrap(), mark);
        file.write_all(&[b'y'; 100_000]).unwrap();
        assert_eq!(log.mark().unwrap(), mark, "a long incomplete line");
    }

    #[test]
    fn a_log_that_is_not_there_yet_is_empty() {
        let log = LogFile("/nonexistent/log".into());
        assert_eq!(log.since(Mark::default()).unwrap(), (vec![], Mark(0)));
    }
}
