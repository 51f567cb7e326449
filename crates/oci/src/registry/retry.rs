//! Retries of requests that failed in a way that may pass.

use std::time::Duration;

use super::{Event, Progress, RequestError};

/// The delays before new attempts.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Repeats a request until it succeeds, or fails in a way that will not pass.
pub(super) async fn retry<T>(
    progress: Progress<'_>,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, RequestError>,
) -> Result<T, RequestError> {
    for pause in PAUSES {
        match attempt().await {
            Err(error) if is_transient(&error) => {
                progress(&Event::Retrying { what, error: &error, pause });
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    attempt().await
}

/// Returns true if there was no response, or an error of the server's own.
fn is_transient(error: &RequestError) -> bool {
    match error {
        RequestError::Connection(error) => {
            error.status().is_none_or(|status| status.is_server_error() || status.as_u16() == 429)
        }
        RequestError::Status { status, .. } => *status >= 500 || *status == 429,
        RequestError::TooLarge { .. } | RequestError::Invalid { .. } => false,
    }
}
