//! Agents of which something was kept back because of quota. They are clean, but become dirty when somebody may be
//! given more than when they were looked at.

use std::collections::BTreeSet;

use super::{Account, Ledger};
use crate::agent::Agent;
use crate::amounts::Amounts;
use crate::slab::Ix;

#[derive(Debug, Default)]
pub(crate) struct HeadroomAgents {
    agents: BTreeSet<Ix<Agent>>,
    /// Each of these agents was looked at when there was at least so much surplus, and nobody could be given more.
    surplus_at_last_visit: Amounts,
}

/// Who may be given more.
#[derive(Debug)]
pub(crate) enum DirtyRoles {
    None,
    /// These roles and those below.
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

    /// Forgets what stirred.
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

    /// A run is over, in which surplus can only have become less.
    pub fn record_surplus(&mut self, ledger: &Ledger) {
        self.surplus_at_last_visit = ledger.surplus();
    }
}
