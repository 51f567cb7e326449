//! Downloads a module from a web server.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use oci::limits::MAX_MODULE;
use reqwest::Url;

use crate::access::{http, may_carry_credentials, read};

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
    let parsed = Url::parse(&url).with_context(|| format!("{url}: invalid URL"))?;
    let has_credentials = !parsed.username().is_empty() || parsed.password().is_some();
    if has_credentials && !may_carry_credentials(&parsed) {
        bail!("the credentials in the URL would cross the network unencrypted: write https://");
    }
    let client = http(parsed.host_str().is_some_and(oci::is_loopback))?;
    let sent = client.get(parsed).send().await;
    let mut response =
        sent.with_context(|| format!("{url} does not answer: check the name and the network"))?;
    if !response.status().is_success() {
        bail!("{url} answers {}: check the URL", response.status());
    }
    let body = read(&mut response, MAX_MODULE).await;
    let Some(bytes) = body.with_context(|| format!("{url} sends an incomplete response"))? else {
        bail!("{url} has more than {MAX_MODULE} bytes, which no gateway accepts");
    };
    let unfinished = file.with_extension("new");
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, &file))
        .with_context(|| format!("writing {}", file.display()))
}
