//! A coordination service in memory, whose sessions tests can end and disconnect.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::coordination::{CoordinationError, Coordinator, Session};

/// The timeout of sessions.
pub const TIMEOUT: Duration = Duration::from_secs(8);

/// The service as seen from one machine, which can be disconnected.
#[derive(Clone)]
pub struct FakeCoordinator {
    service: Arc<Service>,
    connected: watch::Sender<bool>,
}

struct Service {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<String, (u64, Vec<u8>)>,
    sequence: i32,
    sessions: u64,
}

/// A session of the fake service.
pub struct FakeSession {
    fake: FakeCoordinator,
    id: u64,
}

impl FakeCoordinator {
    /// Makes a service without nodes.
    pub fn new() -> Self {
        let service = Service { state: Mutex::default(), changed: watch::Sender::new(0) };
        FakeCoordinator { service: Arc::new(service), connected: watch::Sender::new(true) }
    }

    /// Returns the same service as seen from another machine.
    pub fn on_another_machine(&self) -> Self {
        FakeCoordinator { service: self.service.clone(), connected: watch::Sender::new(true) }
    }

    /// Connects or disconnects this machine.
    pub fn connect(&self, connected: bool) {
        self.connected.send_replace(connected);
    }

    /// Removes a node, as the service does for a session it has not heard from, or an operator does.
    pub fn expire(&self, node: &str) {
        self.change(|state| state.nodes.remove(node));
    }

    /// Adds a node of any name and data.
    pub fn put(&self, node: &str, data: &[u8]) {
        self.change(|state| state.nodes.insert(node.to_owned(), (0, data.to_vec())));
    }

    /// Returns the names of all nodes.
    pub fn nodes(&self) -> Vec<String> {
        self.lock().nodes.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.service.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.service.changed.send_modify(|count| *count += 1);
        result
    }

    fn reach(&self) -> Result<(), CoordinationError> {
        if *self.connected.borrow() { Ok(()) } else { Err(CoordinationError::Connection("cut off".to_owned())) }
    }
}

impl Coordinator for FakeCoordinator {
    type Session = FakeSession;

    async fn open(&self) -> Result<FakeSession, CoordinationError> {
        self.reach()?;
        let id = self.change(|state| {
            state.sessions += 1;
            state.sessions
        });
        Ok(FakeSession { fake: self.clone(), id })
    }
}

impl Session for FakeSession {
    fn timeout(&self) -> Duration {
        TIMEOUT
    }

    async fn join(&self, prefix: &str, data: &[u8]) -> Result<String, CoordinationError> {
        self.fake.reach()?;
        Ok(self.fake.change(|state| {
            let name = format!("{prefix}{:010}", state.sequence);
            state.sequence += 1;
            state.nodes.insert(name.clone(), (self.id, data.to_vec()));
            name
        }))
    }

    async fn leave(&self, child: &str) -> Result<(), CoordinationError> {
        self.fake.reach()?;
        self.fake.expire(child);
        Ok(())
    }

    async fn confirm(&self, child: &str) -> Result<bool, CoordinationError> {
        self.fake.reach()?;
        Ok(self.fake.lock().nodes.contains_key(child))
    }

    async fn children(&self) -> Result<(Vec<String>, impl Future<Output = ()> + Send + 'static), CoordinationError> {
        self.fake.reach()?;
        let mut changed = self.fake.service.changed.subscribe();
        let mut connected = self.fake.connected.subscribe();
        Ok((self.fake.nodes(), async move {
            let _ = changed.changed().await;
            // Notifications arrive only while connected.
            let _ = connected.wait_for(|connected| *connected).await;
        }))
    }

    async fn data(&self, child: &str) -> Result<Option<Vec<u8>>, CoordinationError> {
        self.fake.reach()?;
        Ok(self.fake.lock().nodes.get(child).map(|(_, data)| data.clone()))
    }

    async fn over(&self) -> CoordinationError {
        let mut connected = self.fake.connected.subscribe();
        loop {
            let _ = connected.wait_for(|connected| !*connected).await;
            let back = connected.wait_for(|connected| *connected);
            if tokio::time::timeout(TIMEOUT, back).await.is_err() {
                return CoordinationError::Connection("for as long as a session lasts".to_owned());
            }
        }
    }
}

impl Drop for FakeSession {
    fn drop(&mut self) {
        if self.fake.reach().is_ok() {
            let id = self.id;
            self.fake.change(|state| state.nodes.retain(|_, (owner, _)| *owner != id));
        }
    }
}
