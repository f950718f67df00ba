//! The agent's resources, with the changes that operations have made to them.
//!
//! A transition that makes or deletes volumes is recorded before the disk is changed and again after it (Mesos'
//! `resources.target`); one that only changes reservations needs the second record alone. There is one transition at a
//! time: a volume that is destroyed and created again at once must lose its data in between, and a restarted agent must
//! not lose it once more. Messages of the master wait meanwhile (see [`DeferredMessages`]), as in Mesos, where the
//! agent blocks.
//!
//! [`DeferredMessages`]: super::deferred_messages::DeferredMessages

use std::path::Path;

use messages::v1;
use resources::Resources;
use uuid::Uuid;

use super::recovered_resources::RecoveredResources;
use super::volumes::{self, VolumeChange};

/// The agent's resources, and the transition in progress.
#[derive(Debug)]
pub(crate) struct AgentResources {
    total: Resources,
    transition: Option<Transition>,
    /// The number of the newest transition.
    transitions: u64,
    /// The number of records of finished transitions that are on their way to the disk.
    writes: u64,
}

/// A change from the present resources to others that need other volumes.
#[derive(Debug)]
pub(crate) struct Transition {
    /// The number of the transition, which the answer of the disk names.
    pub number: u64,
    /// The agent's total when the volumes are ready.
    pub total: Resources,
    /// The changes on the disk.
    pub changes: Vec<VolumeChange>,
    /// The operation that causes it.
    pub operation: Option<Uuid>,
}

impl AgentResources {
    /// Creates the resources of an agent without operations.
    pub fn new(total: Resources) -> Self {
        AgentResources { total, transition: None, transitions: 0, writes: 0 }
    }

    /// Recovers the resources as an earlier process of the agent left them. `flags` are the resources the agent is
    /// started with. `Agent::start` repeats a transition that was in progress.
    ///
    /// # Errors
    ///
    /// Returns an error if `flags` do not contain the resources that operations were applied to.
    pub fn recovered(work_dir: &Path, flags: &Resources, found: &RecoveredResources) -> Result<Self, resources::Error> {
        let total = flags.with_checkpointed(&Resources::from_proto(&found.resources)?)?;
        let mut agent_resources = AgentResources::new(total);
        if let Some(target) = &found.target {
            let target = flags.with_checkpointed(&Resources::from_proto(target)?)?;
            let changes = agent_resources.changes(work_dir, &target);
            agent_resources.begin(target, changes, None);
        }
        Ok(agent_resources)
    }

    /// Returns the agent's total.
    pub fn total(&self) -> &Resources {
        &self.total
    }

    /// Returns the resources that a master has to know beyond the agent's own description.
    pub fn checkpointed(&self) -> Vec<v1::Resource> {
        self.total.checkpointed().to_proto()
    }

    /// Returns whether all changes are on the disk. A master that receives a report without some of them would consider
    /// these lost.
    pub fn is_durable(&self) -> bool {
        self.transition.is_none() && self.writes == 0
    }

    /// Returns the transition in progress.
    pub fn transition(&self) -> Option<&Transition> {
        self.transition.as_ref()
    }

    /// Returns the changes on the disk that have to be made before the agent has `next`.
    pub fn changes(&self, work_dir: &Path, next: &Resources) -> Vec<VolumeChange> {
        volumes::changes(work_dir, &self.total.checkpointed(), &next.checkpointed())
    }

    /// Begins a transition.
    pub fn begin(&mut self, total: Resources, changes: Vec<VolumeChange>, operation: Option<Uuid>) {
        self.transitions += 1;
        self.transition = Some(Transition { number: self.transitions, total, changes, operation });
    }

    /// Ends the transition whose volumes are ready; returns `None` if another one, or none, is in progress.
    pub fn finish(&mut self, number: u64) -> Option<(Resources, Option<Uuid>)> {
        let transition = self.transition.take_if(|transition| transition.number == number)?;
        Some((transition.total, transition.operation))
    }

    /// Replaces the total; a record of it follows.
    pub fn commit(&mut self, total: Resources) {
        self.total = total;
        self.writes += 1;
    }

    /// Marks the record of a commit as durable.
    pub fn commit_stored(&mut self) {
        self.writes = self.writes.saturating_sub(1);
    }
}
