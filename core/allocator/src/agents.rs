//! Adding, updating and removing agents.

use std::collections::BTreeSet;

use model::{AgentId, FrameworkId};
use resources::Resources;

use crate::AgentOptions;
use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::slab::Ix;

impl Allocator {
    /// Adds an agent. `used` are the resources of tasks and executors on an agent that returns, with allocation roles.
    pub fn add_agent(&mut self, agent: AgentOptions<'_>, used: &[(FrameworkId, Resources)]) {
        self.remove_agent(agent.id);
        let mut entry = Agent::new(&agent);
        entry.whitelisted = self.is_whitelisted(&agent.info.hostname);
        let attributes = entry.attributes.clone();
        self.add_to_total(entry.total());
        let ix = self.agents.insert(entry);
        self.exclusions.update_agent_exclusion(ix, &attributes);
        self.agent_ids.insert(agent.id.clone(), ix);
        for (framework, resources) in used {
            match self.framework_ids.get(framework) {
                Some(framework) => self.track_allocated(ix, *framework, resources),
                None => {
                    self.track_unclaimed(resources);
                    if let Some(agent) = self.agents.get_mut(ix) {
                        agent.allocate_unclaimed(framework.clone(), resources.clone());
                    }
                }
            }
        }
        self.track_excess(ix);
        self.dirty.agent(ix);
        self.resume_if_recovered();
    }

    /// Removes an agent with everything that is allocated on it.
    pub fn remove_agent(&mut self, agent: &AgentId) {
        let Some(ix) = self.agent_ids.remove(agent) else { return };
        let Some(entry) = self.agents.get(ix) else { return };
        for (framework, resources) in entry.allocated().to_vec() {
            self.untrack_allocated(ix, framework, &resources);
        }
        if let Some(entry) = self.agents.remove(ix) {
            self.subtract_from_total(entry.total());
            self.ledger.shrink(&entry.excess);
            entry.unclaimed().for_each(|resources| self.untrack_unclaimed(resources));
        }
        self.headroom_agents.remove(ix);
        self.offer_filters.forget_agent(ix);
        self.windows.forget_agent(ix);
        self.exclusions.forget_agent(ix);
        self.dirty.forget(ix);
    }

    /// Updates total, host name, attributes, domain and capabilities; `active` is ignored. When the attributes
    /// change, the offer filters on the agent are removed, since frameworks may have declined it for its attributes.
    pub fn update_agent(&mut self, agent: AgentOptions<'_>) {
        let whitelisted = self.is_whitelisted(&agent.info.hostname);
        let Some(ix) = self.agent_ids.get(agent.id).copied() else { return };
        let Some(entry) = self.agents.get_mut(ix) else { return };
        entry.whitelisted = whitelisted;
        let changed = entry.update_info(&agent);
        self.exclusions.update_agent_exclusion(ix, &entry.attributes);
        if changed {
            self.offer_filters.forget_agent(ix);
            self.windows.forget_filters_on(ix);
        }
        self.set_total(ix, agent.total);
        self.dirty.agent(ix);
    }

    /// Lets the resources of an agent be offered.
    pub fn activate_agent(&mut self, agent: &AgentId) {
        self.set_agent_active(agent, true);
    }

    /// Stops offers of an agent's resources. Its allocations stay.
    pub fn deactivate_agent(&mut self, agent: &AgentId) {
        self.set_agent_active(agent, false);
    }

    fn set_agent_active(&mut self, agent: &AgentId, active: bool) {
        let Some(ix) = self.agent_ids.get(agent).copied() else { return };
        if let Some(agent) = self.agents.get_mut(ix) {
            agent.active = active;
        }
        if active {
            self.dirty.agent(ix);
        }
    }

    /// Restricts offers to agents with these host names; `None` removes the restriction.
    pub fn update_whitelist(&mut self, hostnames: Option<BTreeSet<String>>) {
        for (_, agent) in self.agents.iter_mut() {
            agent.whitelisted = hostnames.as_ref().is_none_or(|names| names.contains(&*agent.attributes.hostname));
        }
        self.whitelist = hostnames;
        self.dirty.everything();
    }

    fn is_whitelisted(&self, hostname: &str) -> bool {
        self.whitelist.as_ref().is_none_or(|names| names.contains(hostname))
    }

    pub(crate) fn set_total(&mut self, ix: Ix<Agent>, total: Resources) {
        let Some(agent) = self.agents.get_mut(ix) else { return };
        let old = agent.total().clone();
        agent.set_total(total.clone());
        let (old_amounts, new_amounts) = (self.cluster.amounts(&old), self.cluster.amounts(&total));
        if old_amounts != new_amounts {
            self.cluster.shrink(&old_amounts);
            self.cluster.grow(&new_amounts);
        }
        if old != total {
            self.track_total(&total);
            self.untrack_total(&old);
        }
        self.track_excess(ix);
    }

    fn add_to_total(&mut self, total: &Resources) {
        let amounts = self.cluster.amounts(total);
        self.cluster.grow(&amounts);
        self.track_total(total);
    }

    fn subtract_from_total(&mut self, total: &Resources) {
        let amounts = self.cluster.amounts(total);
        self.cluster.shrink(&amounts);
        self.untrack_total(total);
    }
}
