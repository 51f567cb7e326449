//! The load: `wrk`, on a core of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::envoy::pinned;
use crate::scenario::Request;

/// Connections that are kept busy: enough that Envoy never waits.
const CONNECTIONS: &str = "16";

/// Refuses to go on without `wrk`.
pub(crate) fn require_wrk() -> Result<()> {
    // It knows no option that succeeds without a load; it prints its usage and fails.
    let found = Command::new("wrk").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(drop).context("wrk makes the load and is not here: `sudo apt-get install wrk`")
}

/// A request as `wrk` sends it.
pub(crate) struct Script {
    file: PathBuf,
    path: String,
    /// Holds the script and the body.
    _folder: TempDir,
}

impl Script {
    /// Writes the script.
    pub(crate) fn new(request: &Request) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("xtask-bench-").tempdir()?;
        let mut script = format!("wrk.method = {}\n", quoted(&request.method));
        script.push_str(&format!("wrk.headers[\"Host\"] = {}\n", quoted(&request.host)));
        for (name, value) in &request.headers {
            script.push_str(&format!("wrk.headers[{}] = {}\n", quoted(name), quoted(value)));
        }
        if let Some(body) = &request.body {
            let file = folder.path().join("body");
            fs::write(&file, body)?;
            script.push_str(&format!(
                "wrk.body = io.open({:?}, \"rb\"):read(\"*a\")\n",
                file.display().to_string()
            ));
        }
        let file = folder.path().join("request.lua");
        fs::write(&file, script)?;
        Ok(Self { file, path: request.path.clone(), _folder: folder })
    }
}

/// A Lua string with every byte as it is.
fn quoted(text: &str) -> String {
    let escaped: String = text.bytes().map(|byte| format!("\\{byte:03}")).collect();
    format!("\"{escaped}\"")
}

/// What one run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) requests: u64,
    /// Those whose answer was neither 2xx nor 3xx.
    pub(crate) refused: u64,
}

/// Sends the request to a listener, again and again for `time` (whole seconds), and counts the answers.
pub(crate) fn run(core: usize, to: SocketAddr, script: &Script, time: Duration) -> Result<Run> {
    let mut command = pinned(core);
    command.args(["wrk", "--threads", "1", "--connections", CONNECTIONS, "--timeout", "30s"]);
    command.args(["--duration", &format!("{}s", time.as_secs().max(1))]);
    command.arg("--script").arg(&script.file).arg(format!("http://{to}{}", script.path));
    let output = command.stdin(Stdio::null()).output().context(crate::envoy::PINNING)?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    if let Some(errors) = text.lines().find(|line| line.contains("Socket errors")) {
        bail!("requests were left without an answer: {}", errors.trim());
    }
    parse(&text).with_context(|| format!("wrk says something else than expected:\n{text}"))
}

fn parse(text: &str) -> Option<Run> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    let requests = line.split_whitespace().next()?.parse().ok()?;
    let refused = text.lines().find_map(|line| line.trim().strip_prefix("Non-2xx or 3xx responses: "));
    let refused = refused.map_or(Some(0), |number| number.trim().parse().ok())?;
    Some(Run { requests, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let text =
            "  20145 requests in 1.10s, 1.98MB read\n  Non-2xx or 3xx responses: 12\nRequests/sec: 1\n";
        assert_eq!(parse(text), Some(Run { requests: 20_145, refused: 12 }));
        assert_eq!(parse("  1 requests in 1.10s\n"), Some(Run { requests: 1, refused: 0 }));
        assert_eq!(parse("unable to connect"), None);
    }

    #[test]
    fn every_byte_of_a_header_arrives() {
        assert_eq!(quoted("a\"\n\\"), "\"\\097\\034\\010\\092\"");
    }
}
