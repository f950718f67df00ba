//! Why an agent's resources are not offered to a framework.

use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::framework::{Framework, Membership};
use crate::refusals::Memo;
use crate::rules;
use crate::slab::Ix;

#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    UnknownAgent,
    UnknownFramework,
    /// The framework is not subscribed to the role.
    NotSubscribed,
    /// The framework is disconnected.
    FrameworkInactive,
    /// The framework asked for no offers of this role.
    Suppressed,
    /// The agent is disconnected, draining or deactivated.
    AgentInactive,
    NotWhitelisted,
    /// The framework lacks a capability that the agent or its resources call for.
    FrameworkLacks(&'static str),
    /// The agent lacks a capability that the framework or the role calls for.
    AgentLacks(&'static str),
    /// The framework's offer constraints: of each group one that the agent does not meet.
    Constraints(Vec<String>),
    /// Everything is offered or allocated.
    NothingLeft,
    /// What is left is reserved to other roles.
    NothingOfferable,
    /// What is left is too little to be offered.
    BelowMinimum,
    /// The framework refused it.
    Filtered {
        until: Monotonic,
    },
}

impl Allocator {
    /// Every reason why nothing of `agent` would be offered at `now`; empty when only others' better claims stand
    /// between.
    pub fn explain(&self, now: Monotonic, framework: &FrameworkId, role: &Role, agent: &AgentId) -> Vec<Reason> {
        let framework = self.framework_ids.get(framework).and_then(|ix| self.frameworks.get(*ix));
        let agent = self.agent_ids.get(agent).and_then(|ix| Some((*ix, self.agents.get(*ix)?)));
        let (Some(framework), Some((ix, agent))) = (framework, agent) else {
            return [
                framework.is_none().then_some(Reason::UnknownFramework),
                agent.is_none().then_some(Reason::UnknownAgent),
            ]
            .into_iter()
            .flatten()
            .collect();
        };
        let membership = framework.roles.get(role).filter(|membership| membership.subscribed);
        let mut reasons = willingness(framework, membership, agent);
        reasons.extend(rules::agent_excluded(&self.options, agent, framework, role));
        let unmet = membership.map(|membership| self.exclusions.unmet(membership.leaf, ix, &agent.facts));
        reasons.extend(unmet.filter(|unmet| !unmet.is_empty()).map(Reason::Constraints));
        reasons.extend(self.what_is_left(now, framework, role, membership, ix, agent));
        reasons
    }

    fn what_is_left(
        &self,
        now: Monotonic,
        framework: &Framework,
        role: &Role,
        membership: Option<&Membership>,
        ix: Ix<Agent>,
        agent: &Agent,
    ) -> Vec<Reason> {
        if agent.available().is_empty() {
            return vec![Reason::NothingLeft];
        }
        let for_role = agent.available().allocatable_to(role.as_str());
        if for_role.is_empty() {
            return vec![Reason::NothingOfferable];
        }
        let mut reasons: Vec<Reason> = Vec::new();
        let usable = for_role.filter(|resource| rules::missing_capability(framework, resource).is_none());
        let minimums = framework.min_allocatable.get(role).unwrap_or(&self.options.min_allocatable);
        if !rules::is_enough(minimums, &usable) {
            let missing = for_role.iter().filter_map(|resource| rules::missing_capability(framework, resource));
            for reason in missing.map(Reason::FrameworkLacks) {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            if reasons.is_empty() || !usable.is_empty() {
                reasons.push(Reason::BelowMinimum);
            }
        }
        let until = membership
            .and_then(|membership| self.refusals.on(ix)?.until(membership.leaf, &usable, &mut Memo::default()));
        reasons.extend(until.filter(|until| *until > now).map(|until| Reason::Filtered { until }));
        reasons
    }
}

/// Reasons that lie in the two parties and not in the resources.
fn willingness(framework: &Framework, membership: Option<&Membership>, agent: &Agent) -> Vec<Reason> {
    [
        (!framework.active).then_some(Reason::FrameworkInactive),
        membership.is_none().then_some(Reason::NotSubscribed),
        membership.is_some_and(|membership| membership.suppressed).then_some(Reason::Suppressed),
        (!agent.active).then_some(Reason::AgentInactive),
        (!agent.whitelisted).then_some(Reason::NotWhitelisted),
    ]
    .into_iter()
    .flatten()
    .collect()
}
