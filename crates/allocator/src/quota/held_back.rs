//! Agents of which something was kept back because of quota. They are clean, but become dirty when somebody may be
//! given more than when they were looked at.

use std::collections::BTreeSet;

use super::{Account, Ledger};
use crate::agent::Agent;
use crate::amounts::Amounts;
use crate::slab::Ix;

#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    agents: BTreeSet<Ix<Agent>>,
    /// Each of these agents was looked at when there was at least so much surplus, and nobody could be given more.
    seen: Amounts,
}

/// Who may be given more.
#[derive(Debug)]
pub(crate) enum Stirred {
    Nobody,
    /// These roles and those below.
    Roles(Vec<Ix<Account>>),
    Everybody,
}

impl HeldBack {
    pub fn insert(&mut self, agent: Ix<Agent>) {
        self.agents.insert(agent);
    }

    pub fn remove(&mut self, agent: Ix<Agent>) {
        self.agents.remove(&agent);
    }

    pub fn iter(&self) -> impl Iterator<Item = Ix<Agent>> + '_ {
        self.agents.iter().copied()
    }

    pub fn stirs(&self, ledger: &Ledger) -> bool {
        !self.agents.is_empty() && (!ledger.loosened.is_empty() || self.has_more(ledger))
    }

    fn has_more(&self, ledger: &Ledger) -> bool {
        !ledger.surplus().lacking(&self.seen).is_zero()
    }

    /// Forgets what stirred.
    pub fn stirred(&mut self, ledger: &mut Ledger) -> Stirred {
        let loosened = std::mem::take(&mut ledger.loosened);
        if self.agents.is_empty() {
            Stirred::Nobody
        } else if self.has_more(ledger) {
            Stirred::Everybody
        } else if loosened.is_empty() {
            Stirred::Nobody
        } else {
            Stirred::Roles(loosened.into_iter().collect())
        }
    }

    /// A run is over, in which surplus can only have become less.
    pub fn settle(&mut self, ledger: &Ledger) {
        self.seen = ledger.surplus();
    }
}
