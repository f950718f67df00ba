//! A server that has been started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

/// The end of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// The reason for which the server ended by itself; `None` if it was asked to end.
    pub reason: Option<String>,
}

/// The handle of a running server. Dropping it does not stop the server.
pub struct Running {
    /// The address that the server listens on, with the actual port if port 0 was requested.
    pub address: SocketAddr,
    ended: watch::Receiver<Option<Ended>>,
    stop: Action,
    unregister: Option<Action>,
    core: Option<JoinHandle<()>>,
}

/// A request to the server from outside.
pub type Action = Arc<dyn Fn() + Send + Sync>;

impl Running {
    /// Makes the handle of a server at `address`. `ended` reports its end, and `stop` asks it to end.
    pub fn new(address: SocketAddr, ended: watch::Receiver<Option<Ended>>, stop: Action) -> Self {
        Running { address, ended, stop, unregister: None, core: None }
    }

    /// Sets the action of [`unregister`](Self::unregister).
    pub fn with_unregister(mut self, unregister: Action) -> Self {
        self.unregister = Some(unregister);
        self
    }

    /// Sets the core's thread, which [`shutdown`](Self::shutdown) waits for.
    pub fn with_core(mut self, core: JoinHandle<()>) -> Self {
        self.core = Some(core);
        self
    }

    /// Returns the channel that reports the end of the server.
    pub fn ended(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.clone()
    }

    /// Waits until the server has ended by itself or by [`shutdown`](Self::shutdown).
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or_default(),
            // The sender is gone with the core's thread.
            Err(_) => Ended::default(),
        }
    }

    /// Asks an agent to unregister from its master, to destroy its containers, and to end (Mesos: SIGUSR1). It has no
    /// effect on a master.
    pub fn unregister(&self) {
        if let Some(unregister) = &self.unregister {
            unregister();
        }
    }

    /// Stops serving and waits for the core to end.
    pub async fn shutdown(mut self) -> Ended {
        (self.stop)();
        let ended = self.wait().await;
        if let Some(core) = self.core.take() {
            // A core that has panicked has nothing left to wait for.
            let _ = tokio::task::spawn_blocking(move || core.join()).await;
        }
        ended
    }
}
