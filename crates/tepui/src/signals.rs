//! The signals that end a program of ours.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves on SIGINT or SIGTERM. Where a handler cannot be installed the default action stays in force.
pub async fn terminate() {
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
    }
}
