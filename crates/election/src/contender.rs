//! Stands for election: joins the group, waits for its turn, and holds on to it.

use std::future::Future;
use std::time::Duration;

use messages::v1;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::coordination::{Coordinator, Failure, Session};
use crate::lease::Lease;
use crate::member::{Member, data};

/// How a candidate stands.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Not elected yet. A session that ends meanwhile is replaced.
    Contending,
    /// Elected. Whoever acts as the leader asks the lease first.
    Leading(Lease),
    /// Was elected, or has withdrawn. Final: who wants to lead again stands again, as a new candidate.
    Lost(Lost),
}

/// Why a candidacy is over.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Lost {
    #[error("ZooKeeper did not confirm the leadership in time")]
    Unconfirmed,
    #[error("the session with ZooKeeper ended: {0}")]
    Session(#[source] Failure),
    #[error("somebody removed the node of this master from ZooKeeper")]
    Removed,
    #[error("it was handed over")]
    Withdrawn,
}

/// A candidacy. Withdraws when it is dropped.
#[derive(Debug)]
pub struct Contender {
    standing: watch::Receiver<Standing>,
    node: watch::Receiver<Option<String>>,
    withdraw: watch::Sender<bool>,
    /// None for a master that is alone.
    task: Option<JoinHandle<()>>,
}

/// So often a lease is extended within the timeout of the session: some confirmations may be late or lost.
const CONFIRMATIONS: u32 = 8;
/// Before a request that failed is made again within a session.
const AGAIN: Duration = Duration::from_millis(200);
/// For a last word to ZooKeeper; afterwards the end of the session must do.
const FAREWELL: Duration = Duration::from_secs(1);

impl Contender {
    /// Stands for `info`, in a task of the current runtime.
    pub fn start(coordinator: impl Coordinator, info: &v1::MasterInfo) -> Self {
        let (tell, standing) = watch::channel(Standing::Contending);
        let (name, node) = watch::channel(None);
        let (withdraw, withdrawn) = watch::channel(false);
        let candidacy = Candidacy { coordinator, data: data(info), standing: tell, node: name, withdrawn };
        Contender { standing, node, withdraw, task: Some(tokio::spawn(candidacy.run())) }
    }

    /// Elected by nobody and for ever.
    pub fn alone() -> Self {
        let (_, standing) = watch::channel(Standing::Leading(Lease::unlimited()));
        let (_, node) = watch::channel(None);
        Contender { standing, node, withdraw: watch::Sender::new(false), task: None }
    }

    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
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
    standing: watch::Sender<Standing>,
    node: watch::Sender<Option<String>>,
    withdrawn: watch::Receiver<bool>,
}

/// How one session ended.
enum End {
    Lost(Lost),
    /// Before the election was won: nothing is lost yet.
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        End::Failed(failure)
    }
}

impl<C: Coordinator> Candidacy<C> {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let joined = Instant::now();
            match self.session().await {
                End::Lost(lost) => {
                    self.standing.send_replace(Standing::Lost(lost));
                    return;
                }
                End::Failed(failure) => {
                    // What went well for a while may go well again at once.
                    if joined.elapsed() > Duration::from_secs(60) {
                        backoff.reset();
                    }
                    let pause = backoff.next();
                    warn!(%failure, ?pause, "not a candidate; trying again");
                    if self.or_withdrawn(sleep(pause)).await.is_none() {
                        self.standing.send_replace(Standing::Lost(Lost::Withdrawn));
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

    async fn session(&mut self) -> End {
        let coordinator = self.coordinator.clone();
        let session = match self.or_withdrawn(coordinator.open()).await {
            None => return End::Lost(Lost::Withdrawn),
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
        let standing = self.standing.clone();
        let end = self.or_withdrawn(stand(&session, &own, &standing)).await;
        if let Standing::Leading(lease) = &*standing.borrow() {
            lease.end();
        }
        // Others need not wait for the end of the session.
        if timeout(FAREWELL, session.leave(&own)).await.is_ok_and(|left| left.is_ok()) {
            self.node.send_replace(None);
        }
        end.unwrap_or(End::Lost(Lost::Withdrawn))
    }
}

async fn stand<S: Session>(session: &S, own: &str, standing: &watch::Sender<Standing>) -> End {
    let elected = tokio::select! {
        biased;
        failure = session.over() => Err(failure),
        elected = elected(session, own) => elected,
    };
    let lease = match elected {
        Ok(lease) => lease,
        Err(failure) => return End::Failed(failure),
    };
    info!(node = own, "elected");
    standing.send_replace(Standing::Leading(lease.clone()));
    let lost = hold(session, own, &lease).await;
    // Before anybody hears of it.
    lease.end();
    End::Lost(lost)
}

/// Waits until no node is before the own one.
async fn elected<S: Session>(session: &S, own: &str) -> Result<Lease, Failure> {
    loop {
        let (children, changed) = match session.children().await {
            Ok(answer) => answer,
            Err(Failure::Connection(_)) => {
                sleep(AGAIN).await;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        if !children.iter().any(|child| child == own) {
            return Err(Failure::Other("somebody removed the node of this master".to_owned()));
        }
        if Member::first(&children).is_some_and(|first| first.name == own) {
            let sent = Instant::now();
            match session.confirm(own).await {
                Ok(true) => return Ok(Lease::new(sent, session.timeout())),
                Ok(false) => return Err(Failure::Expired),
                Err(Failure::Connection(_)) => {
                    sleep(AGAIN).await;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
        }
        changed.await;
    }
}

/// Extends the lease for as long as ZooKeeper confirms it.
async fn hold<S: Session>(session: &S, own: &str, lease: &Lease) -> Lost {
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
            Err(failure @ (Failure::Expired | Failure::Permission(_))) => return Lost::Session(failure),
            Err(failure) => {
                warn!(%failure, "the leadership was not confirmed; asking again");
                pause = AGAIN.min(interval);
            }
        }
    }
}
