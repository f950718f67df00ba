//! The life of a master among others: stand for election, lead for a term, step down, stand again.
//!
//! Where Mesos' master ends its process when it loses the lead, this one ends its core: the effect is the same, since
//! nothing of a term survives it, and the process is back as a follower at once.

use std::sync::Arc;
use std::time::Duration;

use election::{CandidacyState, Contender, Coordinator, Leader, Lease};
use messages::v1;
use model::with_sources;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::master_service::MasterService;
use super::node_cleanup::NodeCleanup;
use super::term::{MasterProcess, Term};
use crate::Error;
use edge::Ended;

/// After a term that could not begin or ended by a fault of this process: others may do better.
const RETRY_DELAY: Duration = Duration::from_secs(2);

pub struct Candidate<C> {
    pub process: MasterProcess,
    pub service: Arc<MasterService>,
    pub coordinator: C,
    /// As ZooKeeper tells.
    pub leader: watch::Receiver<Leader>,
    /// None leaves it to the session to run out when this process is killed.
    pub node_cleanup: Option<NodeCleanup>,
    /// Turns true when the process is to end.
    pub stop: watch::Receiver<bool>,
    /// Told when it has.
    pub ended: watch::Sender<Option<Ended>>,
}

/// How a candidacy ended.
enum Outcome {
    /// Elected or not, it is over.
    Over,
    /// The process is to end.
    Stopped,
    /// CandidacyState again would end the same way.
    Fatal(String),
}

impl<C: Coordinator> Candidate<C> {
    pub async fn run(mut self) {
        let reason = loop {
            match self.candidacy().await {
                Outcome::Over => {}
                Outcome::Stopped => break None,
                Outcome::Fatal(reason) => break Some(reason),
            }
        };
        self.ended.send_replace(Some(Ended { reason }));
    }

    async fn candidacy(&mut self) -> Outcome {
        // Ids of frameworks and agents begin with it: no two terms may share it.
        self.process.config.master_id = Some(uuid::Uuid::new_v4().to_string());
        let contender = Contender::start(self.coordinator.clone(), &self.process.info());
        let mut node_cleanup = self.node_cleanup.take();
        let node = contender.node();
        let cleanup = tokio::spawn(async move {
            if let Some(cleanup) = &mut node_cleanup {
                cleanup.follow(node).await;
            }
            node_cleanup
        });
        let outcome = self.contend(contender).await;
        // A task that has panicked has no will any more.
        self.node_cleanup = cleanup.await.ok().flatten();
        if matches!(outcome, Outcome::Over) {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Outcome::Stopped,
                () = tokio::time::sleep(RETRY_DELAY) => {}
            }
        }
        outcome
    }

    async fn contend(&mut self, contender: Contender) -> Outcome {
        let lease = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(Outcome::Stopped),
            reason = in_another_region(&self.leader, &self.process) => Err(Outcome::Fatal(reason)),
            lease = elected(&contender) => lease.ok_or(Outcome::Over),
        };
        let outcome = match lease {
            Err(outcome) => outcome,
            Ok(lease) => self.lead(&contender, lease).await,
        };
        contender.withdraw().await;
        outcome
    }

    async fn lead(&mut self, contender: &Contender, lease: Lease) -> Outcome {
        info!("elected as the leading master");
        self.service.recovering();
        let process = self.process.clone();
        let held = lease.clone();
        let begun = tokio::task::spawn_blocking(move || Term::begin(&process, lease));
        // A term that is left alone while it begins ends with the lease, before its first step.
        let outcome = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(Outcome::Stopped),
            reason = lost(contender) => {
                warn!(reason, "lost the lead before the registry was read");
                Err(Outcome::Over)
            }
            begun = begun => match begun {
                Err(panic) => Err(Outcome::Fatal(format!("a term could not begin: {panic}"))),
                Ok(Err(error)) => Err(refused(&error)),
                Ok(Ok(term)) => Ok(term),
            },
        };
        let outcome = match outcome {
            Ok(term) => self.serve(contender, term, held).await,
            Err(outcome) => outcome,
        };
        match self.process.follower_app() {
            Ok(idle) => self.service.follow(idle),
            Err(error) => return Outcome::Fatal(error.to_string()),
        }
        outcome
    }

    async fn serve(&mut self, contender: &Contender, mut term: Term, lease: Lease) -> Outcome {
        self.service.lead(term.app.clone(), lease);
        let outcome = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => {
                info!("handing the lead over");
                Outcome::Stopped
            }
            reason = lost(contender) => {
                warn!(reason, "lost the lead");
                Outcome::Over
            }
            ended = term.end() => {
                error!(reason = ended.reason.as_deref().unwrap_or("the lease ran out"), "the term is over");
                Outcome::Over
            }
        };
        term.stop();
        term.end().await;
        outcome
    }
}

/// Resolves when a master of another region leads: as in Mesos, the masters of a cluster share one.
async fn in_another_region(leader: &watch::Receiver<Leader>, process: &MasterProcess) -> String {
    let own = process.config.domain.as_ref().and_then(region).unwrap_or_default();
    let mut leader = leader.clone();
    loop {
        let theirs =
            leader.borrow_and_update().as_ref().and_then(|leader| Some(region(leader.domain.as_deref()?)?.to_owned()));
        if let Some(theirs) = theirs.filter(|theirs| !own.is_empty() && theirs != own) {
            return format!("the leading master is in the region {theirs}, and the --domain of this one in {own}");
        }
        if leader.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn region(domain: &v1::DomainInfo) -> Option<&str> {
    Some(&domain.fault_domain.as_ref()?.region.name)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can ask any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// None when the candidacy is lost before.
async fn elected(contender: &Contender) -> Option<Lease> {
    let mut state = contender.state();
    let decided = state.wait_for(|state| !matches!(state, CandidacyState::Contending)).await;
    match decided.as_deref() {
        Ok(CandidacyState::Leading(lease)) => Some(lease.clone()),
        _ => None,
    }
}

async fn lost(contender: &Contender) -> String {
    let mut state = contender.state();
    match state.wait_for(|state| matches!(state, CandidacyState::Lost(_))).await.as_deref() {
        Ok(CandidacyState::Lost(lost)) => lost.to_string(),
        _ => "the contender has ended".to_owned(),
    }
}

fn refused(error: &Error) -> Outcome {
    let text = with_sources(error);
    if error.is_transient() {
        error!("cannot take over: {text}");
        return Outcome::Over;
    }
    Outcome::Fatal(text)
}
