//! The signals that end a program of ours.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves on SIGINT or SIGTERM.
pub async fn terminate() {
    tokio::select! {
        () = received(SignalKind::interrupt()) => {}
        () = received(SignalKind::terminate()) => {}
    }
}

/// Resolves on SIGUSR1: an agent is to leave the cluster for good.
pub async fn leave() {
    received(SignalKind::user_defined1()).await;
}

/// Where a handler cannot be installed the signal's default action stays in force.
async fn received(kind: SignalKind) {
    match signal(kind) {
        Ok(mut stream) => {
            stream.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}
