//! A candidate for leadership: joins the group of masters, waits until it is first, and keeps its lease.

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

/// The state of a candidacy.
#[derive(Debug, Clone)]
pub enum CandidacyState {
    /// The candidate is not elected yet. A session that ends meanwhile is replaced.
    Contending,
    /// The candidate leads. It may act as the leader while the lease is valid.
    Leading(Lease),
    /// The candidate has lost leadership or withdrawn. The state is final; a new candidacy needs a new contender.
    Lost(Lost),
}

/// The reason for which a candidacy has ended.
#[derive(Debug, Clone, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum Lost {
    #[error("ZooKeeper did not confirm leadership in time")]
    Unconfirmed,
    #[error("the session with ZooKeeper ended: {0}")]
    Session(#[source] CoordinationError),
    #[error("the node of this master was removed from ZooKeeper")]
    Removed,
    #[error("this master has withdrawn")]
    Withdrawn,
}

/// A candidacy. Dropping it withdraws.
#[derive(Debug)]
pub struct Contender {
    state: watch::Receiver<CandidacyState>,
    node: watch::Receiver<Option<String>>,
    withdraw: watch::Sender<bool>,
    /// `None` for a standalone master.
    task: Option<JoinHandle<()>>,
}

/// The number of attempts to extend the lease within the session's timeout, since some confirmations may be late or
/// lost.
const CONFIRMATIONS: u32 = 8;
/// The pause before a failed request is repeated within a session.
const RETRY_DELAY: Duration = Duration::from_millis(200);
/// The time for removing the node. After it, the node stays until the session ends.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

impl Contender {
    /// Contends with `info` in a task of the current runtime.
    pub fn start(coordinator: impl Coordinator, info: &v1::MasterInfo) -> Self {
        let (sender, state) = watch::channel(CandidacyState::Contending);
        let (name, node) = watch::channel(None);
        let (withdraw, withdrawn) = watch::channel(false);
        let candidacy = Candidacy { coordinator, data: encode_info(info), state: sender, node: name, withdrawn };
        Contender { state, node, withdraw, task: Some(tokio::spawn(candidacy.run())) }
    }

    /// Returns a contender that leads for ever without an election.
    pub fn standalone() -> Self {
        let (_, state) = watch::channel(CandidacyState::Leading(Lease::unlimited()));
        let (_, node) = watch::channel(None);
        Contender { state, node, withdraw: watch::Sender::new(false), task: None }
    }

    /// Returns the state of the candidacy, which changes during the election.
    pub fn state(&self) -> watch::Receiver<CandidacyState> {
        self.state.clone()
    }

    /// Returns the name of the candidate's node, while it exists.
    pub fn node(&self) -> watch::Receiver<Option<String>> {
        self.node.clone()
    }

    /// Withdraws. When the call returns, another master can lead, or ZooKeeper cannot be reached.
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

/// The end of a session.
enum SessionEnd {
    Lost(Lost),
    /// The session failed before the election was won, so that nothing is lost.
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
                    // After a longer success, the next attempt may succeed at once.
                    if joined.elapsed() > Duration::from_secs(60) {
                        backoff.reset();
                    }
                    let pause = backoff.next();
                    warn!(%failure, ?pause, "cannot become a candidate for leadership; trying again");
                    if self.or_withdrawn(sleep(pause)).await.is_none() {
                        self.state.send_replace(CandidacyState::Lost(Lost::Withdrawn));
                        return;
                    }
                }
            }
        }
    }

    /// Waits for `future`; `None` if the candidate withdraws first.
    async fn or_withdrawn<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            // An error means that the contender was dropped.
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
        // The call is neither interrupted nor repeated in this session, since a node whose name is unknown could not be
        // removed.
        let own = match session.join(Member::PREFIX, &self.data).await {
            Ok(own) => own,
            Err(failure) => return failure.into(),
        };
        info!(node = own, "became a candidate for leadership");
        self.node.send_replace(Some(own.clone()));
        let state = self.state.clone();
        let end = self.or_withdrawn(contend(&session, &own, &state)).await;
        if let CandidacyState::Leading(lease) = &*state.borrow() {
            lease.end();
        }
        // The removal of the node spares other candidates the wait for the end of the session.
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
    // The lease ends before the loss is reported.
    lease.end();
    SessionEnd::Lost(lost)
}

/// Waits until no node precedes the candidate's own.
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
            return Err(CoordinationError::Other("the node of this master was removed".to_owned()));
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

/// Extends the lease as long as ZooKeeper confirms it.
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
                warn!(%failure, "leadership was not confirmed; trying again");
                pause = RETRY_DELAY.min(interval);
            }
        }
    }
}
