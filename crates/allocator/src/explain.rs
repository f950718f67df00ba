//! Why an agent's resources are not offered to a framework.

use std::fmt;

use resources::Name;
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
    /// A role, this or one above it, would have more than its limit of these.
    QuotaLimit {
        role: Role,
        names: Vec<Name>,
    },
    /// These are kept free for what others were promised and lack; some of them are named.
    Headroom {
        roles: Vec<Role>,
        names: Vec<Name>,
    },
    /// What is left is too little to be offered.
    BelowMinimum,
    /// The framework refused it.
    Filtered {
        until: Monotonic,
    },
    /// After a failover with quota set, nothing is offered before this many more agents are back.
    Recovering {
        awaited: usize,
        until: Monotonic,
    },
}

impl Reason {
    /// For programs; never changes its meaning.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::UnknownAgent => "UNKNOWN_AGENT",
            Reason::UnknownFramework => "UNKNOWN_FRAMEWORK",
            Reason::NotSubscribed => "NOT_SUBSCRIBED",
            Reason::FrameworkInactive => "FRAMEWORK_INACTIVE",
            Reason::Suppressed => "SUPPRESSED",
            Reason::AgentInactive => "AGENT_INACTIVE",
            Reason::NotWhitelisted => "NOT_WHITELISTED",
            Reason::FrameworkLacks(_) => "FRAMEWORK_LACKS_CAPABILITY",
            Reason::AgentLacks(_) => "AGENT_LACKS_CAPABILITY",
            Reason::Constraints(_) => "OFFER_CONSTRAINTS",
            Reason::NothingLeft => "NOTHING_LEFT",
            Reason::NothingOfferable => "RESERVED_FOR_OTHERS",
            Reason::QuotaLimit { .. } => "QUOTA_LIMIT",
            Reason::Headroom { .. } => "KEPT_FOR_GUARANTEES",
            Reason::BelowMinimum => "TOO_LITTLE_LEFT",
            Reason::Filtered { .. } => "REFUSED",
            Reason::Recovering { .. } => "RECOVERING",
        }
    }

    /// When it ends by itself.
    pub fn until(&self) -> Option<Monotonic> {
        match self {
            Reason::Filtered { until } | Reason::Recovering { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// For people, about one or several agents, without when it ends.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::UnknownAgent => f.write_str("not registered"),
            Reason::UnknownFramework => f.write_str("the framework is not known"),
            Reason::NotSubscribed => f.write_str("the framework is not subscribed to the role"),
            Reason::FrameworkInactive => f.write_str("the framework is disconnected"),
            Reason::Suppressed => f.write_str("the framework asked for no offers of this role"),
            Reason::AgentInactive => f.write_str("disconnected, draining or deactivated"),
            Reason::NotWhitelisted => f.write_str("not in the master's --whitelist"),
            Reason::FrameworkLacks(capability) => write!(f, "the framework lacks the capability {capability}"),
            Reason::AgentLacks(capability) => write!(f, "without the agent capability {capability}"),
            Reason::Constraints(unmet) => {
                write!(f, "excluded by offer constraints: not so that {}", unmet.join(", nor that "))
            }
            Reason::NothingLeft => f.write_str("nothing left: all is offered or allocated"),
            Reason::NothingOfferable => f.write_str("what is left is reserved to other roles"),
            Reason::QuotaLimit { role, names } => {
                write!(f, "role '{role}' is at its limit of {}", list(names))
            }
            Reason::Headroom { roles, names } => {
                write!(f, "{} kept free for what was guaranteed to {}", list(names), list(roles))
            }
            Reason::BelowMinimum => f.write_str("too little left to be offered"),
            Reason::Filtered { .. } => f.write_str("refused by the framework"),
            Reason::Recovering { awaited, .. } => {
                write!(f, "the master waits for {awaited} more agents to return before it offers anything")
            }
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
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
        self.reasons(now, framework, role, ix, agent)
    }

    pub(crate) fn reasons(
        &self,
        now: Monotonic,
        framework: &Framework,
        role: &Role,
        ix: Ix<Agent>,
        agent: &Agent,
    ) -> Vec<Reason> {
        let membership = framework.roles.get(role).filter(|membership| membership.subscribed);
        let mut reasons = willingness(framework, membership, agent);
        reasons.extend(self.recovering(now));
        reasons.extend(rules::agent_excluded(&self.options, agent, framework, role));
        let unmet = membership.map(|membership| self.exclusions.unmet(membership.leaf, ix, &agent.facts));
        reasons.extend(unmet.filter(|unmet| !unmet.is_empty()).map(Reason::Constraints));
        reasons.extend(self.what_is_left(now, framework, role, membership, ix, agent));
        reasons
    }

    fn recovering(&self, now: Monotonic) -> Option<Reason> {
        let until = self.paused_until().filter(|until| *until > now)?;
        Some(Reason::Recovering { awaited: self.awaited_agents()?, until })
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
        let (usable, quota) = self.within_quota(role, &usable);
        if !quota.is_empty() && !rules::is_enough(minimums, &usable) {
            reasons.extend(quota);
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
