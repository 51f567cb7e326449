//! Accepts connections of the servers in this program, which run until they are stopped.

use std::io;
use std::time::Duration;

/// The pause after an error.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns the next connection. After an error, for example because too many files are open, it tries again.
pub(crate) async fn accept<C, F: Future<Output = io::Result<C>>>(mut next: impl FnMut() -> F) -> C {
    loop {
        match next().await {
            Ok(connection) => return connection,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_error_is_not_the_last_connection() {
        let mut results = [Err(io::Error::other("too many open files")), Ok(7)].into_iter();
        let connection = accept(|| std::future::ready(results.next().unwrap())).await;
        assert_eq!(connection, 7);
    }
}
