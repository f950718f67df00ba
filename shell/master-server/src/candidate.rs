//! The life of a master that takes part in elections: it contends, leads for a term, steps down, and contends again.
//!
//! Mesos' master ends its process when it loses leadership; this one ends its core. The effect is the same, since no
//! state of a term survives it, and the process is a follower again at once.

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

/// The delay after a term that could not begin or ended by a fault of this process, so that another master may lead.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// A master that takes part in elections.
pub struct Candidate<C> {
    /// The state that all terms share.
    pub process: MasterProcess,
    /// The service whose leadership the candidate sets.
    pub service: Arc<MasterService>,
    /// The coordination service of the election.
    pub coordinator: C,
    /// The leading master according to ZooKeeper.
    pub leader: watch::Receiver<Leader>,
    /// The removal of the ephemeral node when this process is killed. Without it, the node stays until the session
    /// expires.
    pub node_cleanup: Option<NodeCleanup>,
    /// Turns true when the process has to end.
    pub stop: watch::Receiver<bool>,
    /// Receives the end of the candidate.
    pub ended: watch::Sender<Option<Ended>>,
}

/// The end of a candidacy.
enum Outcome {
    /// The candidacy is over, with or without a term.
    Over,
    /// The process has to end.
    Stopped,
    /// Another candidacy would end the same way.
    Fatal(String),
}

impl<C: Coordinator> Candidate<C> {
    /// Contends and leads until the process is stopped or a fatal error occurs, and reports the end by `ended`.
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
        // The ids of frameworks and agents begin with the master's id, so that two terms must not share it.
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
        // A cleanup task that has panicked returns no cleanup.
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
        // If the wait for the beginning of the term is given up, the term ends with its lease before its first step.
        let outcome = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(Outcome::Stopped),
            reason = lost(contender) => {
                warn!(reason, "lost leadership before the registry was read");
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
                info!("stepping down and handing over leadership");
                Outcome::Stopped
            }
            reason = lost(contender) => {
                warn!(reason, "lost leadership");
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

/// Resolves when a master of another region leads. As in Mesos, the masters of a cluster have to be in one region.
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
    // An error means that the sender is gone, and nothing can request a stop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for the election; `None` if the candidacy ends before.
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
