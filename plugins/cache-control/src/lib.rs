//! Sets `Expires` and `Cache-Control` of responses by the extension of the path.

use std::time::UNIX_EPOCH;

use sdk::prelude::*;
use sdk::{HeaderMap, Status, time};
use text::date::http_date;

mod config;

use crate::config::{Config, Lifetime};

struct CacheControl;

/// `max` and `epoch` as in nginx.
const MAX: (&str, &str) = ("Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000");
const EPOCH: (&str, &str) = ("Thu, 01 Jan 1970 00:00:01 GMT", "no-cache");

#[plugin]
impl Plugin for CacheControl {
    const ON_FAILURE: Failure = Failure::Open;

    type Config = Config;
    /// True if the path has one of the extensions.
    type State = bool;

    fn on_request_headers(request: &mut RequestHeaders<bool>, config: &Config) -> Flow {
        *request.state = config.covers_all() || request.with(":path", |path| config.covers(path));
        Flow::Continue
    }

    fn on_response_headers(response: &mut ResponseHeaders<bool>, config: &Config) -> Flow {
        let covered = response.state.as_deref().copied().unwrap_or(config.covers_all());
        if !covered {
            return Flow::Continue;
        }
        let headers = response.all();
        if !may_be_stored(&headers) {
            return Flow::Continue;
        }
        let (expires, cache_control) = match config.lifetime {
            Lifetime::Epoch => (EPOCH.0.to_owned(), EPOCH.1.to_owned()),
            Lifetime::Max => (MAX.0.to_owned(), MAX.1.to_owned()),
            Lifetime::Seconds(seconds) => match date_after(seconds) {
                Ok(date) => (date, format!("max-age={seconds}")),
                Err(Status(status)) => {
                    error!("cache-control: the time cannot be read: host status {status}");
                    return Self::ON_FAILURE.flow("cache-control.host_failure");
                }
            },
        };
        // A shared cache would give one visitor's cookie to others.
        let is_personal = config.lifetime != Lifetime::Epoch && headers.get("set-cookie").is_some();
        let cache_control = if is_personal { format!("private, {cache_control}") } else { cache_control };
        response.set("expires", expires);
        response.set("cache-control", cache_control);
        Flow::Continue
    }
}

/// Statuses to which nginx's `expires` applies. An error would otherwise last as long as a file.
fn may_be_stored(headers: &HeaderMap) -> bool {
    const STATUSES: [&[u8]; 10] =
        [b"200", b"201", b"204", b"206", b"301", b"302", b"303", b"304", b"307", b"308"];
    headers.get(":status").is_some_and(|status| STATUSES.contains(&status))
}

fn date_after(seconds: u64) -> Result<String, Status> {
    let now = time::now()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(http_date(now.saturating_add(seconds)))
}
