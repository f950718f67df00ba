//! The agent's resources as operations have made them.
//!
//! A transition that makes or deletes volumes is written down before the disk is touched and again after it (Mesos'
//! `resources.target`); one that only changes reservations needs the second record alone. There is one transition at a
//! time: a volume that is destroyed and created again at once must lose its data in between, and a restarted agent must
//! not lose it once more. What the master says meanwhile waits its turn (see [`DeferredMessages`]), as it does in Mesos,
//! where the agent blocks.
//!
//! [`DeferredMessages`]: super::deferred_messages::DeferredMessages

use std::path::Path;

use messages::v1;
use resources::Resources;
use uuid::Uuid;

use super::recovered_resources::RecoveredResources;
use super::volumes::{self, VolumeChange};

/// What the agent has, and the change of it that is under way.
#[derive(Debug)]
pub(crate) struct AgentResources {
    total: Resources,
    transition: Option<Transition>,
    /// The number of the newest transition.
    transitions: u64,
    /// Records of finished transitions on their way to the disk.
    writes: u64,
}

/// A change from the present resources to others that need other volumes.
#[derive(Debug)]
pub(crate) struct Transition {
    /// Names the transition in the answer of the disk.
    pub number: u64,
    /// What the agent has when the volumes are ready.
    pub total: Resources,
    /// What has to happen on the disk.
    pub changes: Vec<VolumeChange>,
    /// The operation that does it.
    pub operation: Option<Uuid>,
}

impl AgentResources {
    /// Creates the resources of an agent without operations.
    pub fn new(total: Resources) -> Self {
        AgentResources { total, transition: None, transitions: 0, writes: 0 }
    }

    /// Recovers the resources as an earlier process of the agent left them. `flags` are the resources the agent is
    /// started with. A transition that was under way is begun again by `Agent::start`.
    ///
    /// # Errors
    ///
    /// `flags` do not contain what operations were applied to.
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

    /// All that the agent has.
    pub fn total(&self) -> &Resources {
        &self.total
    }

    /// What a master has to know beyond the agent's own description.
    pub fn checkpointed(&self) -> Vec<v1::Resource> {
        self.total.checkpointed().to_proto()
    }

    /// Whether everything that has happened is on the disk. A master that hears of less takes the rest for lost.
    pub fn is_durable(&self) -> bool {
        self.transition.is_none() && self.writes == 0
    }

    /// The change of volumes that is under way.
    pub fn transition(&self) -> Option<&Transition> {
        self.transition.as_ref()
    }

    /// What has to happen on the disk before the agent has `next`.
    pub fn changes(&self, work_dir: &Path, next: &Resources) -> Vec<VolumeChange> {
        volumes::changes(work_dir, &self.total.checkpointed(), &next.checkpointed())
    }

    /// Begins a transition.
    pub fn begin(&mut self, total: Resources, changes: Vec<VolumeChange>, operation: Option<Uuid>) {
        self.transitions += 1;
        self.transition = Some(Transition { number: self.transitions, total, changes, operation });
    }

    /// Ends the transition whose volumes are as they should be; `None` if another one, or none, is under way.
    pub fn finish(&mut self, number: u64) -> Option<(Resources, Option<Uuid>)> {
        let transition = self.transition.take_if(|transition| transition.number == number)?;
        Some((transition.total, transition.operation))
    }

    /// Replaces what the agent has; a record of it follows.
    pub fn commit(&mut self, total: Resources) {
        self.total = total;
        self.writes += 1;
    }

    /// Notes that the record of a commit is durable.
    pub fn commit_stored(&mut self) {
        self.writes = self.writes.saturating_sub(1);
    }
}
