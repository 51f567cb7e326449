//! Downloads a module from a web server.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A server that says nothing for this long does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// No gateway takes larger modules.
const LARGEST: usize = 256 * 1024 * 1024;

/// Download a module
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where it is: http:// or https://.
    url: String,
    /// The file to write.
    file: PathBuf,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let Args { url, file } = args;
    let client = reqwest::Client::builder()
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .user_agent(concat!("portcullis-xtask/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("starting the HTTP client")?;
    let sent = client.get(&url).send().await;
    let mut response =
        sent.with_context(|| format!("{url} does not answer: check the name and the network"))?;
    if !response.status().is_success() {
        bail!("{url} answers {}: check the URL", response.status());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.with_context(|| format!("{url} breaks off"))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            bail!("{url} has more than {LARGEST} bytes, which no gateway takes");
        }
    }
    let unfinished = file.with_extension("new");
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, &file))
        .with_context(|| format!("writing {}", file.display()))
}
