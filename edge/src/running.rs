//! A server that has been started.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

/// Why a server ended, or nothing particular: it was asked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    pub reason: Option<String>,
}

/// Dropping it does not stop the server.
pub struct Running {
    /// Where it listens; with the real port when it was asked for any.
    pub address: SocketAddr,
    ended: watch::Receiver<Option<Ended>>,
    stop: Action,
    unregister: Option<Action>,
    core: Option<JoinHandle<()>>,
}

/// What is asked of a server from outside.
pub type Action = Arc<dyn Fn() + Send + Sync>;

impl Running {
    /// A server at `address` that says by `ended` when it is over, and that ends when `stop` is called.
    pub fn new(address: SocketAddr, ended: watch::Receiver<Option<Ended>>, stop: Action) -> Self {
        Running { address, ended, stop, unregister: None, core: None }
    }

    /// With what [`unregister`](Self::unregister) does.
    pub fn with_unregister(mut self, unregister: Action) -> Self {
        self.unregister = Some(unregister);
        self
    }

    /// With the core's thread, which [`shutdown`](Self::shutdown) waits for.
    pub fn with_core(mut self, core: JoinHandle<()>) -> Self {
        self.core = Some(core);
        self
    }

    /// Says when the server is over.
    pub fn ended(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.clone()
    }

    /// Resolves when the server has ended by itself or by [`shutdown`](Self::shutdown).
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or_default(),
            // The core's thread is gone.
            Err(_) => Ended::default(),
        }
    }

    /// Asks an agent to say goodbye to its master, to end its containers and then itself (Mesos: SIGUSR1). A
    /// master has nothing to unregister from.
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
