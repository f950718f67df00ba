//! The life of a master among others: stand for election, lead for a term, step down, stand again.
//!
//! Where Mesos' master ends its process when it loses the lead, this one ends its core: the effect is the same, since
//! nothing of a term survives it, and the process is back as a follower at once.

use std::sync::Arc;
use std::time::Duration;

use election::{Contender, Coordinator, Leader, Lease, Standing};
use messages::v1;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::last_will::LastWill;
use super::post::Post;
use super::term::{Process, Term};
use crate::Error;
use crate::running::Ended;

/// After a term that could not begin or ended by a fault of this process: others may do better.
const PAUSE: Duration = Duration::from_secs(2);

pub struct Campaign<C> {
    pub process: Process,
    pub post: Arc<Post>,
    pub coordinator: C,
    /// As ZooKeeper tells.
    pub leader: watch::Receiver<Leader>,
    /// None leaves it to the session to run out when this process is killed.
    pub last_will: Option<LastWill>,
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
    /// Standing again would end the same way.
    Hopeless(String),
}

impl<C: Coordinator> Campaign<C> {
    pub async fn run(mut self) {
        let reason = loop {
            match self.candidacy().await {
                Outcome::Over => {}
                Outcome::Stopped => break None,
                Outcome::Hopeless(reason) => break Some(reason),
            }
        };
        self.ended.send_replace(Some(Ended { reason }));
    }

    async fn candidacy(&mut self) -> Outcome {
        // Ids of frameworks and agents begin with it: no two terms may share it.
        self.process.config.master_id = Some(uuid::Uuid::new_v4().to_string());
        let contender = Contender::start(self.coordinator.clone(), &self.process.info());
        let mut last_will = self.last_will.take();
        let node = contender.node();
        let will = tokio::spawn(async move {
            if let Some(will) = &mut last_will {
                will.follow(node).await;
            }
            last_will
        });
        let outcome = self.stand(contender).await;
        // A task that has panicked has no will any more.
        self.last_will = will.await.ok().flatten();
        if matches!(outcome, Outcome::Over) {
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Outcome::Stopped,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        outcome
    }

    async fn stand(&mut self, contender: Contender) -> Outcome {
        let lease = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Err(Outcome::Stopped),
            reason = misplaced(&self.leader, &self.process) => Err(Outcome::Hopeless(reason)),
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
        self.post.take_over();
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
                Err(panic) => Err(Outcome::Hopeless(format!("a term could not begin: {panic}"))),
                Ok(Err(error)) => Err(refused(&error)),
                Ok(Ok(term)) => Ok(term),
            },
        };
        let outcome = match outcome {
            Ok(term) => self.serve(contender, term, held).await,
            Err(outcome) => outcome,
        };
        match self.process.idle() {
            Ok(idle) => self.post.follow(idle),
            Err(error) => return Outcome::Hopeless(error.to_string()),
        }
        outcome
    }

    async fn serve(&mut self, contender: &Contender, mut term: Term, lease: Lease) -> Outcome {
        self.post.lead(term.app.clone(), lease);
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
async fn misplaced(leader: &watch::Receiver<Leader>, process: &Process) -> String {
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
    let mut standing = contender.standing();
    let decided = standing.wait_for(|standing| !matches!(standing, Standing::Contending)).await;
    match decided.as_deref() {
        Ok(Standing::Leading(lease)) => Some(lease.clone()),
        _ => None,
    }
}

async fn lost(contender: &Contender) -> String {
    let mut standing = contender.standing();
    match standing.wait_for(|standing| matches!(standing, Standing::Lost(_))).await.as_deref() {
        Ok(Standing::Lost(lost)) => lost.to_string(),
        _ => "the contender has ended".to_owned(),
    }
}

fn refused(error: &Error) -> Outcome {
    let text = with_sources(error);
    if error.is_transient() {
        error!("cannot take over: {text}");
        return Outcome::Over;
    }
    Outcome::Hopeless(text)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
