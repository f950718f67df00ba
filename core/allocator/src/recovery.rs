//! The pause of allocation after a failover, as in Mesos: if quota is set, allocating before most agents have
//! re-registered would give guaranteed resources to other roles on the few agents that have, and these could not be
//! taken back.

use model::Monotonic;

use crate::allocator::Allocator;

/// The conditions that end the pause; the first one that holds ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    agents: usize,
    until: Monotonic,
}

impl Allocator {
    /// Begins the pause; called before the first agent is added. Nothing is allocated until
    /// `--allocator_agent_recovery_factor` of the `expected` agents are added or `--allocator_recovery_timeout` has
    /// passed. Without quota there is no pause.
    pub fn start_recovery(&mut self, now: Monotonic, expected: usize, has_quota: bool) {
        let agents = (expected as f64 * self.options.agent_recovery_factor) as usize;
        if has_quota && agents > self.agents.len() {
            self.pause = Some(Pause { agents, until: now + self.options.recovery_timeout });
        }
    }

    /// Ends the pause if enough agents are added.
    pub(crate) fn resume_if_recovered(&mut self) {
        if self.pause.is_some_and(|pause| self.agents.len() >= pause.agents) {
            self.pause = None;
        }
    }

    /// Returns whether allocation is paused now.
    pub(crate) fn is_paused(&mut self, now: Monotonic) -> bool {
        self.pause = self.pause.filter(|pause| pause.until > now);
        self.pause.is_some()
    }

    pub(crate) fn paused_until(&self) -> Option<Monotonic> {
        self.pause.map(|pause| pause.until)
    }

    /// Returns how many more agents the pause waits for; `None` without a pause.
    pub fn missing_agents(&self) -> Option<usize> {
        self.pause.map(|pause| pause.agents.saturating_sub(self.agents.len()))
    }
}
