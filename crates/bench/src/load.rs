//! The load: `h2load`, on a core of its own. It sends an exact number of requests, so a slice can be as short as one
//! likes.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::envoy::pinned;
use crate::scenario::Request;

/// Connections that are kept busy: enough that Envoy never waits for the load.
const CONNECTIONS: u64 = 8;

/// Refuses to go on without `h2load`.
pub fn require_h2load() -> Result<()> {
    let found = Command::new("h2load").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.map(drop).context("h2load not found: install it with `sudo apt-get install nghttp2-client`")
}

/// A request as `h2load` sends it.
pub(crate) struct Shape {
    path: String,
    args: Vec<String>,
    body: Option<PathBuf>,
    /// Holds the body.
    _folder: TempDir,
}

impl Shape {
    /// Writes the body where `h2load` reads it.
    pub(crate) fn new(request: &Request) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("portcullis-bench-").tempdir()?;
        let mut args = vec!["--header".to_owned(), format!("host: {}", request.host)];
        for (name, value) in &request.headers {
            args.extend(["--header".to_owned(), format!("{name}: {value}")]);
        }
        if let Some(method) = &request.method {
            args.extend(["--header".to_owned(), format!(":method: {method}")]);
        }
        let body = request.body.as_ref().map(|body| {
            let file = folder.path().join("body");
            fs::write(&file, body).with_context(|| format!("writing {}", file.display())).map(|()| file)
        });
        Ok(Self { path: request.path.clone(), args, body: body.transpose()?, _folder: folder })
    }
}

/// How the requests of one slice were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answers {
    /// With 2xx or 3xx.
    pub(crate) passed: u64,
    /// With another status.
    pub(crate) refused: u64,
}

/// Sends so many requests to a listener and counts the answers.
pub(crate) fn send(core: usize, to: SocketAddr, shape: &Shape, requests: u64) -> Result<Answers> {
    let mut command = pinned(core);
    command.args(["h2load", "--h1", "--threads", "1"]);
    command.args(["--clients", &CONNECTIONS.min(requests).to_string(), "--requests", &requests.to_string()]);
    command.args(&shape.args);
    if let Some(body) = &shape.body {
        command.arg("--data").arg(body);
    }
    command.arg(format!("http://{to}{}", shape.path));
    let output = command.stdin(Stdio::null()).output().context(crate::envoy::PINNING)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answers = parse(&text).filter(|_| output.status.success()).with_context(|| {
        format!("unexpected output of h2load:\n{text}{}", String::from_utf8_lossy(&output.stderr))
    })?;
    if answers.passed + answers.refused != requests {
        bail!("of {requests} requests {} were answered", answers.passed + answers.refused);
    }
    Ok(answers)
}

fn parse(text: &str) -> Option<Answers> {
    let line = text.lines().find_map(|line| line.strip_prefix("status codes: "))?;
    let mut counts = line.split(", ").map(|part| part.split_once(' ')?.0.parse::<u64>().ok());
    let mut next = || counts.next().flatten();
    Some(Answers { passed: next()? + next()?, refused: next()? + next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_prints_is_read() {
        let text = "finished in 1s\nstatus codes: 90 2xx, 1 3xx, 7 4xx, 2 5xx\ntraffic: 1\n";
        assert_eq!(parse(text), Some(Answers { passed: 91, refused: 9 }));
        assert_eq!(parse("unable to connect"), None);
    }
}
