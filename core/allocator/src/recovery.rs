//! The pause after a failover: with quota set, to give resources away before most agents are back would satisfy
//! guarantees from the few that are, and could not be taken back.

use model::Monotonic;

use crate::allocator::Allocator;

/// What ends the pause, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    agents: usize,
    until: Monotonic,
}

impl Allocator {
    /// To be called before the first agent. Nothing is allocated until `--allocator_agent_recovery_factor` of the
    /// `expected` agents are there, or `--allocator_recovery_timeout` has passed; without quota there is no pause.
    pub fn start_recovery(&mut self, now: Monotonic, expected: usize, has_quota: bool) {
        let agents = (expected as f64 * self.options.agent_recovery_factor) as usize;
        if has_quota && agents > self.agents.len() {
            self.pause = Some(Pause { agents, until: now + self.options.recovery_timeout });
        }
    }

    /// The last agent that had to come came.
    pub(crate) fn resume_if_recovered(&mut self) {
        if self.pause.is_some_and(|pause| self.agents.len() >= pause.agents) {
            self.pause = None;
        }
    }

    /// Nothing may be allocated now. A pause that is over ends here.
    pub(crate) fn is_paused(&mut self, now: Monotonic) -> bool {
        self.pause = self.pause.filter(|pause| pause.until > now);
        self.pause.is_some()
    }

    pub(crate) fn paused_until(&self) -> Option<Monotonic> {
        self.pause.map(|pause| pause.until)
    }

    /// How many agents the pause after a failover still waits for.
    pub fn awaited_agents(&self) -> Option<usize> {
        self.pause.map(|pause| pause.agents.saturating_sub(self.agents.len()))
    }
}
