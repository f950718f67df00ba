//! Detects the leading master and follows changes.

use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::coordination::{CoordinationError, Coordinator, Session};
use crate::member::Member;
use crate::standalone::{InvalidAddress, standalone};
use crate::url::{InvalidUrl, MasterUrl};
use crate::zookeeper::ZooKeeper;

/// The leading master; `None` while none is known: before the first answer, between leaders, and without ZooKeeper for
/// longer than a session's timeout.
pub type Leader = Option<Arc<v1::MasterInfo>>;

/// The detector of the leading master. Dropping it ends its session.
#[derive(Debug)]
pub struct Detector {
    leader: watch::Receiver<Leader>,
    task: Option<AbortHandle>,
}

/// The reason for which the leading master cannot be detected.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum DetectorError {
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    #[error(transparent)]
    Standalone(#[from] InvalidAddress),
}

/// The pause before a failed request is repeated within a session.
const RETRY_DELAY: Duration = Duration::from_millis(200);

impl Detector {
    /// Makes a detector from a text of the forms `zk://…`, `host:port` and `file://…`. It has to be called inside a
    /// tokio runtime.
    ///
    /// # Errors
    /// Returns [`DetectorError`] if the text has another form.
    pub fn of(text: &str, session_timeout: Duration) -> Result<Self, DetectorError> {
        Ok(match MasterUrl::read(text)? {
            MasterUrl::ZooKeeper(url) => Detector::start(ZooKeeper::new(url, session_timeout)),
            MasterUrl::Standalone(address) => Detector::standalone(standalone(&address)?),
        })
    }

    /// Starts a detector in a task of the current runtime.
    pub fn start(coordinator: impl Coordinator) -> Self {
        let (sender, leader) = watch::channel(None);
        let task = tokio::spawn(detect(coordinator, sender));
        Detector { leader, task: Some(task.abort_handle()) }
    }

    /// Returns a detector that always reports the same master.
    pub fn standalone(master: v1::MasterInfo) -> Self {
        let (_, leader) = watch::channel(Some(Arc::new(master)));
        Detector { leader, task: None }
    }

    /// Returns the leading master, which changes with elections.
    pub fn leader(&self) -> watch::Receiver<Leader> {
        self.leader.clone()
    }

    /// Waits for a leading master.
    pub async fn detect(&self) -> Arc<v1::MasterInfo> {
        let mut leader = self.leader.clone();
        match leader.wait_for(Option::is_some).await.map(|found| (*found).clone()) {
            Ok(Some(found)) => found,
            // The task ends only with the detector.
            _ => std::future::pending().await,
        }
    }
}

impl Drop for Detector {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn detect(coordinator: impl Coordinator, leader: watch::Sender<Leader>) {
    let mut backoff = Backoff::default();
    loop {
        let failure = match coordinator.open().await {
            Err(failure) => failure,
            Ok(session) => {
                backoff.reset();
                tokio::select! {
                    biased;
                    failure = session.over() => failure,
                    failure = watch_leader(&session, &leader) => failure,
                }
            }
        };
        set_leader(&leader, None);
        let pause = backoff.next();
        warn!(%failure, ?pause, "cannot detect the leading master; trying again");
        sleep(pause).await;
    }
}

/// Follows the leader until the session fails.
async fn watch_leader<S: Session>(session: &S, leader: &watch::Sender<Leader>) -> CoordinationError {
    loop {
        let (children, changed) = match session.children().await {
            Ok(answer) => answer,
            Err(CoordinationError::Connection(_)) => {
                sleep(RETRY_DELAY).await;
                continue;
            }
            Err(failure) => return failure,
        };
        match read(session, Member::leader(&children)).await {
            Ok(found) => set_leader(leader, found),
            Err(CoordinationError::Connection(_)) => {
                sleep(RETRY_DELAY).await;
                continue;
            }
            Err(failure) => return failure,
        }
        changed.await;
    }
}

async fn read<S: Session>(session: &S, first: Option<Member>) -> Result<Leader, CoordinationError> {
    let Some(first) = first else { return Ok(None) };
    // The node may have been removed since; the watch reports that.
    let Some(data) = session.data(&first.name).await? else { return Ok(None) };
    match first.info(&data) {
        Ok(info) => Ok(Some(Arc::new(info))),
        Err(error) => {
            // Masters and agents of Mesos end in this case. Here an operator may remove the node again.
            warn!(error = &error as &dyn std::error::Error, "the leading node is not readable; nobody leads");
            Ok(None)
        }
    }
}

fn set_leader(leader: &watch::Sender<Leader>, found: Leader) {
    leader.send_if_modified(|known| {
        if *known == found {
            return false;
        }
        match &found {
            Some(master) => info!(pid = master.pid(), id = master.id, "a leading master is detected"),
            None => debug!("no master leads"),
        }
        *known = found;
        true
    });
}
