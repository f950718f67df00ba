//! Agents with resources that quota withheld in the last run. They become dirty when the allowance of a role has
//! grown since they were visited.

use std::collections::BTreeSet;

use super::{Account, Ledger};
use crate::agent::Agent;
use crate::amounts::Amounts;
use crate::slab::Ix;

#[derive(Debug, Default)]
pub(crate) struct HeadroomAgents {
    agents: BTreeSet<Ix<Agent>>,
    /// A lower bound of the surplus when these agents were visited; with that surplus no role could be allocated more.
    surplus_at_last_visit: Amounts,
}

/// The roles whose allowance has grown.
#[derive(Debug)]
pub(crate) enum DirtyRoles {
    None,
    /// These roles and the roles below them.
    Some(Vec<Ix<Account>>),
    All,
}

impl HeadroomAgents {
    pub fn insert(&mut self, agent: Ix<Agent>) {
        self.agents.insert(agent);
    }

    pub fn remove(&mut self, agent: Ix<Agent>) {
        self.agents.remove(&agent);
    }

    pub fn iter(&self) -> impl Iterator<Item = Ix<Agent>> + '_ {
        self.agents.iter().copied()
    }

    pub fn is_dirty(&self, ledger: &Ledger) -> bool {
        !self.agents.is_empty() && (!ledger.relaxed_roles.is_empty() || self.has_more(ledger))
    }

    fn has_more(&self, ledger: &Ledger) -> bool {
        !ledger.surplus().lacking(&self.surplus_at_last_visit).is_zero()
    }

    /// Returns the roles whose allowance has grown, and resets them.
    pub fn take_dirty_roles(&mut self, ledger: &mut Ledger) -> DirtyRoles {
        let relaxed_roles = std::mem::take(&mut ledger.relaxed_roles);
        if self.agents.is_empty() {
            DirtyRoles::None
        } else if self.has_more(ledger) {
            DirtyRoles::All
        } else if relaxed_roles.is_empty() {
            DirtyRoles::None
        } else {
            DirtyRoles::Some(relaxed_roles.into_iter().collect())
        }
    }

    /// Records the surplus at the end of a run, during which it can only shrink.
    pub fn record_surplus(&mut self, ledger: &Ledger) {
        self.surplus_at_last_visit = ledger.surplus();
    }
}
