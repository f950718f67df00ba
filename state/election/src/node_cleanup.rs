//! Removes the node of a master that is known to be dead, so that no candidate waits for the end of its session.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::backoff::Backoff;
use crate::coordination::{CoordinationError, Coordinator, Session};

/// Removes `node`, and retries for `timeout`, after which the session of the dead master has ended anyway. The caller
/// has to be certain that the master cannot act any more, because the next one leads at once.
///
/// # Errors
/// Returns [`CoordinationError`] if the node cannot be removed in this time.
pub async fn clean_up_node(
    coordinator: impl Coordinator,
    node: &str,
    timeout: Duration,
) -> Result<(), CoordinationError> {
    let begun = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        let attempt = async { coordinator.open().await?.leave(node).await };
        // A request is not answered while there is no connection.
        let left = timeout.saturating_sub(begun.elapsed());
        let failure = match tokio::time::timeout(left, attempt).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure,
            Err(_) => return Err(CoordinationError::Connection("no answer".to_owned())),
        };
        let pause = backoff.next();
        if matches!(failure, CoordinationError::Permission(_)) || begun.elapsed() + pause >= timeout {
            return Err(failure);
        }
        sleep(pause).await;
    }
}
