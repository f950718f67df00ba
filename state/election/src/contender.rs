//! Stands for election: joins the group, waits for its turn, and holds on to it.

use std::future::Future;
use std::time::Duration;

use messages::v1;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::coordination::{CoordinationError, Coordinator, Session};
use crate::lease::Lease;
use crate::member::{Member, encode_info};

/// How a candidate stands.
#[derive(Debug, Clone)]
pub enum CandidacyState {
    /// Not elected yet. A session that ends meanwhile is replaced.
    Contending,
    /// Elected. Whoever acts as the leader asks the lease first.
    Leading(Lease),
    /// Was elected, or has withdrawn. Final: who wants to lead again stands again, as a new candidate.
    Lost(Lost),
}

/// Why a candidacy is over.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Lost {
    #[error("ZooKeeper did not confirm the leadership in time")]
    Unconfirmed,
    #[error("the session with ZooKeeper ended: {0}")]
    Session(#[source] CoordinationError),
    #[error("somebody removed the node of this master from ZooKeeper")]
    Removed,
    #[error("it was handed over")]
    Withdrawn,
}

/// A candidacy. Withdraws when it is dropped.
#[derive(Debug)]
pub struct Contender {
    state: watch::Receiver<CandidacyState>,
    node: watch::Receiver<Option<String>>,
    withdraw: watch::Sender<bool>,
    /// None for a master that is alone.
    task: Option<JoinHandle<()>>,
}

/// So often a lease is extended within the timeout of the session: some confirmations may be late or lost.
const CONFIRMATIONS: u32 = 8;
/// Before a request that failed is made again within a session.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// For a last word to ZooKeeper; afterwards the end of the session must do.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

impl Contender {
    /// Stands for `info`, in a task of the current runtime.
    pub fn start(coordinator: impl Coordinator, info: &v1::MasterInfo) -> Self {
        let (tell, state) = watch::channel(CandidacyState::Contending);
        let (name, node) = watch::channel(None);
        let (withdraw, withdrawn) = watch::channel(false);
        let candidacy = Candidacy { coordinator, data: encode_info(info), state: tell, node: name, withdrawn };
        Contender { state, node, withdraw, task: Some(tokio::spawn(candidacy.run())) }
    }

    /// Elected by nobody and for ever.
    pub fn standalone() -> Self {
        let (_, state) = watch::channel(CandidacyState::Leading(Lease::unlimited()));
        let (_, node) = watch::channel(None);
        Contender { state, node, withdraw: watch::Sender::new(false), task: None }
    }

    /// Returns the state of the candidacy, which changes as the election goes on.
    pub fn state(&self) -> watch::Receiver<CandidacyState> {
        self.state.clone()
    }

    /// The name of the own node, while there is one.
    pub fn node(&self) -> watch::Receiver<Option<String>> {
        self.node.clone()
    }

    /// Gives way: when this returns another master can lead, or ZooKeeper cannot be reached.
    pub async fn withdraw(mut self) {
        self.withdraw.send_replace(true);
        if let Some(task) = self.task.take() {
            // A task that has panicked has ended its session as well.
            let _ = task.await;
        }
    }
}

struct Candidacy<C> {
    coordinator: C,
    data: Vec<u8>,
    state: watch::Sender<CandidacyState>,
    node: watch::Sender<Option<String>>,
    withdrawn: watch::Receiver<bool>,
}

/// How one session ended.
enum SessionEnd {
    Lost(Lost),
    /// Before the election was won: nothing is lost yet.
    Failed(CoordinationError),
}

impl From<CoordinationError> for SessionEnd {
    fn from(failure: CoordinationError) -> Self {
        SessionEnd::Failed(failure)
    }
}

impl<C: Coordinator> Candidacy<C> {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let joined = Instant::now();
            match self.session().await {
                SessionEnd::Lost(lost) => {
                    self.state.send_replace(CandidacyState::Lost(lost));
                    return;
                }
                SessionEnd::Failed(failure) => {
                    // What went well for a while may go well again at once.
                    if joined.elapsed() > Duration::from_secs(60) {
                        backoff.reset();
                    }
                    let pause = backoff.next();
                    warn!(%failure, ?pause, "not a candidate; trying again");
                    if self.or_withdrawn(sleep(pause)).await.is_none() {
                        self.state.send_replace(CandidacyState::Lost(Lost::Withdrawn));
                        return;
                    }
                }
            }
        }
    }

    /// None when the candidate withdraws first.
    async fn or_withdrawn<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            // An error means that nobody holds the contender any more.
            _ = self.withdrawn.wait_for(|withdrawn| *withdrawn) => None,
            value = future => Some(value),
        }
    }

    async fn session(&mut self) -> SessionEnd {
        let coordinator = self.coordinator.clone();
        let session = match self.or_withdrawn(coordinator.open()).await {
            None => return SessionEnd::Lost(Lost::Withdrawn),
            Some(Err(failure)) => return failure.into(),
            Some(Ok(session)) => session,
        };
        // Not interrupted, and not repeated in this session: a node whose name is unknown could not be removed.
        let own = match session.join(Member::PREFIX, &self.data).await {
            Ok(own) => own,
            Err(failure) => return failure.into(),
        };
        info!(node = own, "a candidate for leadership");
        self.node.send_replace(Some(own.clone()));
        let state = self.state.clone();
        let end = self.or_withdrawn(contend(&session, &own, &state)).await;
        if let CandidacyState::Leading(lease) = &*state.borrow() {
            lease.end();
        }
        // Others need not wait for the end of the session.
        if timeout(LEAVE_TIMEOUT, session.leave(&own)).await.is_ok_and(|left| left.is_ok()) {
            self.node.send_replace(None);
        }
        end.unwrap_or(SessionEnd::Lost(Lost::Withdrawn))
    }
}

async fn contend<S: Session>(session: &S, own: &str, state: &watch::Sender<CandidacyState>) -> SessionEnd {
    let elected = tokio::select! {
        biased;
        failure = session.over() => Err(failure),
        elected = elected(session, own) => elected,
    };
    let lease = match elected {
        Ok(lease) => lease,
        Err(failure) => return SessionEnd::Failed(failure),
    };
    info!(node = own, "elected");
    state.send_replace(CandidacyState::Leading(lease.clone()));
    let lost = maintain_lease(session, own, &lease).await;
    // Before anybody hears of it.
    lease.end();
    SessionEnd::Lost(lost)
}

/// Waits until no node is before the own one.
async fn elected<S: Session>(session: &S, own: &str) -> Result<Lease, CoordinationError> {
    loop {
        let (children, changed) = match session.children().await {
            Ok(answer) => answer,
            Err(CoordinationError::Connection(_)) => {
                sleep(RETRY_DELAY).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if !children.iter().any(|child| child == own) {
            return Err(CoordinationError::Other("somebody removed the node of this master".to_owned()));
        }
        if Member::leader(&children).is_some_and(|first| first.name == own) {
            let sent = Instant::now();
            match session.confirm(own).await {
                Ok(true) => return Ok(Lease::new(sent, session.timeout())),
                Ok(false) => return Err(CoordinationError::Expired),
                Err(CoordinationError::Connection(_)) => {
                    sleep(RETRY_DELAY).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
        }
        changed.await;
    }
}

/// Extends the lease for as long as ZooKeeper confirms it.
async fn maintain_lease<S: Session>(session: &S, own: &str, lease: &Lease) -> Lost {
    let interval = session.timeout() / CONFIRMATIONS;
    let mut pause = interval;
    loop {
        let confirmed = async {
            sleep(pause).await;
            let sent = Instant::now();
            (sent, session.confirm(own).await)
        };
        let (sent, confirmed) = tokio::select! {
            biased;
            () = sleep_until(lease.deadline()) => return Lost::Unconfirmed,
            failure = session.over() => return Lost::Session(failure),
            answer = confirmed => answer,
        };
        pause = interval;
        match confirmed {
            Ok(true) if lease.extend(sent, session.timeout()) => {}
            Ok(true) => return Lost::Unconfirmed,
            Ok(false) => return Lost::Removed,
            Err(failure @ (CoordinationError::Expired | CoordinationError::Permission(_))) => {
                return Lost::Session(failure);
            }
            Err(failure) => {
                warn!(%failure, "the leadership was not confirmed; asking again");
                pause = RETRY_DELAY.min(interval);
            }
        }
    }
}
