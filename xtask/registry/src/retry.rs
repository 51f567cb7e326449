//! Trying again what a network or a registry may do better in a moment.

use std::time::Duration;

use oci_client::errors::OciDistributionError;

use crate::Progress;

/// How long to wait before each new attempt.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// Does something until it works, or until it is no use.
pub(crate) async fn retry<T>(
    progress: &Progress,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, OciDistributionError>,
) -> Result<T, OciDistributionError> {
    for pause in PAUSES {
        match attempt().await {
            Err(error) if is_passing(&error) => {
                progress.step(format_args!("{what}: {error}; again in {} ms", pause.as_millis()));
                tokio::time::sleep(pause).await;
            }
            done => return done,
        }
    }
    attempt().await
}

/// Whether an error may go away by itself: no answer, or a server's own trouble.
fn is_passing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(error) => {
            error.status().is_none_or(|status| status.is_server_error() || status.as_u16() == 429)
        }
        OciDistributionError::ServerError { code, .. } => *code >= 500 || *code == 429,
        _ => false,
    }
}
