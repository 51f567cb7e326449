//! Downloads a module from a web server.

use reqwest::Url;

use super::client::{http, may_carry_credentials, read};
use super::{Error, RequestError, block_on};
use crate::limits::MAX_MODULE;

/// Downloads a module from an `http://` or `https://` URL.
///
/// # Errors
///
/// The server cannot be reached, responds with an error, or sends more than a module may have.
pub fn download(url: &str) -> Result<Vec<u8>, Error> {
    block_on(async {
        let parsed = Url::parse(url).map_err(|_| Error::Url(url.to_owned()))?;
        let has_credentials = !parsed.username().is_empty() || parsed.password().is_some();
        if has_credentials && !may_carry_credentials(&parsed) {
            return Err(Error::Unencrypted {
                registry: parsed.host_str().unwrap_or_default().to_owned(),
                place: String::new(),
                remedy: "write https://",
            });
        }
        let mut shown = parsed.clone();
        // Without a host there is nothing to hide.
        let _ = shown.set_username("").and_then(|()| shown.set_password(None));
        let url = shown.to_string();
        let client = http(parsed.host_str().is_some_and(crate::is_loopback))?;
        let unreachable = |error: reqwest::Error| Error::Unreachable {
            server: url.clone(),
            source: error.without_url().into(),
        };
        let mut response = client.get(parsed).send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            let source = RequestError::Status {
                url: url.clone(),
                status: response.status().as_u16(),
                message: String::new(),
            };
            return Err(Error::Response { server: url, source });
        }
        let body = read(&mut response, MAX_MODULE).await.map_err(unreachable)?;
        body.ok_or_else(|| Error::ModuleTooLarge(url.clone()))
    })
}
