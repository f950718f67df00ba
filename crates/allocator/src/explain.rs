//! Why an agent's resources are not offered to a framework.

use std::fmt;

use resources::{Name, Quantities, Resources, Scalar};
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
    /// A role, this or one above it, would have more than its limit of these, of which it may be given so much yet.
    QuotaLimit {
        role: Role,
        names: Vec<Name>,
        left: Quantities,
    },
    /// These are kept free for what others were promised and lack; some of them are named.
    Headroom {
        roles: Vec<Role>,
        names: Vec<Name>,
    },
    /// What is left is too little to be offered.
    BelowMinimum,
    /// The agent never has as much of these as is asked for.
    TooLarge(Vec<Name>),
    /// Less of these is left than is asked for.
    DoesNotFit(Vec<Name>),
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
            Reason::TooLarge(_) => "DEMAND_TOO_LARGE",
            Reason::DoesNotFit(_) => "DEMAND_DOES_NOT_FIT",
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
            Reason::QuotaLimit { role, names, left } if left.is_empty() => {
                write!(f, "role '{role}' is at its limit of {}", list(names))
            }
            Reason::QuotaLimit { role, names, left } => {
                let left: Vec<String> = names.iter().map(|name| format!("{name}:{}", left.get(name))).collect();
                write!(f, "role '{role}' has only {} left below its limit", left.join(", "))
            }
            Reason::Headroom { roles, names } => {
                write!(f, "{} kept free for what was guaranteed to {}", list(names), list(roles))
            }
            Reason::BelowMinimum => f.write_str("too little left to be offered"),
            Reason::TooLarge(names) => write!(f, "smaller than the demand: even empty not enough {}", list(names)),
            Reason::DoesNotFit(names) => write!(f, "not enough {} left for the demand", list(names)),
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
        self.reasons(&Case { now, framework, role, ix, agent, demand: None })
    }

    /// What only somebody can change comes before what passes by itself.
    pub(crate) fn reasons(&self, case: &Case<'_>) -> Vec<Reason> {
        let mut reasons = willingness(case);
        reasons.extend(self.recovering(case.now));
        reasons.extend(rules::agent_excluded(&self.options, case.agent, case.framework, case.role));
        let unmet = case.membership().map(|own| self.exclusions.unmet(own.leaf, case.ix, &case.agent.facts));
        reasons.extend(unmet.filter(|unmet| !unmet.is_empty()).map(Reason::Constraints));
        reasons.extend(self.what_is_left(case));
        reasons
    }

    fn recovering(&self, now: Monotonic) -> Option<Reason> {
        let until = self.paused_until().filter(|until| *until > now)?;
        Some(Reason::Recovering { awaited: self.awaited_agents()?, until })
    }

    fn what_is_left(&self, case: &Case<'_>) -> Vec<Reason> {
        let whole = case.agent.total().allocatable_to(case.role.as_str());
        let left = case.agent.available().allocatable_to(case.role.as_str());
        let missing = case.missing_in(&whole);
        let mut reasons: Vec<Reason> = missing.map(Reason::TooLarge).into_iter().collect();
        if left.is_empty() {
            // Were the agent free, it would be of no use.
            reasons
                .extend(self.limits(case, &whole).into_iter().filter(|one| matches!(one, Reason::QuotaLimit { .. })));
            let nothing = case.agent.available().is_empty();
            reasons.push(if nothing { Reason::NothingLeft } else { Reason::NothingOfferable });
            return reasons;
        }
        if reasons.is_empty() {
            reasons.extend(case.missing_in(&left).map(Reason::DoesNotFit));
        }
        let usable = left.filter(|resource| rules::missing_capability(case.framework, resource).is_none());
        if !self.is_enough(case, &usable) {
            let missing = left.iter().filter_map(|resource| rules::missing_capability(case.framework, resource));
            let before = reasons.len();
            for reason in missing.map(Reason::FrameworkLacks) {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            if reasons.len() == before || !usable.is_empty() {
                reasons.push(Reason::BelowMinimum);
            }
        }
        reasons.extend(self.limits(case, &usable));
        reasons.extend(self.refusal(case, &usable));
        reasons
    }

    /// Quota that leaves too little of these, or so little that the framework refused it.
    fn limits(&self, case: &Case<'_>, resources: &Resources) -> Vec<Reason> {
        let (given, quota) = self.within_quota(case.role, resources);
        let fits = self.is_enough(case, &given) && case.missing_in(&given).is_none();
        if fits && self.refusal(case, resources).is_none() { Vec::new() } else { quota }
    }

    fn refusal(&self, case: &Case<'_>, resources: &Resources) -> Option<Reason> {
        let (given, _) = self.within_quota(case.role, resources);
        let until = self.refusals.on(case.ix)?.until(case.membership()?.leaf, &given, &mut Memo::default());
        until.filter(|until| *until > case.now).map(|until| Reason::Filtered { until })
    }

    fn is_enough(&self, case: &Case<'_>, resources: &Resources) -> bool {
        let minimums = case.framework.min_allocatable.get(case.role).unwrap_or(&self.options.min_allocatable);
        rules::is_enough(minimums, resources)
    }
}

/// A framework in a role, an agent, and what the framework would like to have of it.
pub(crate) struct Case<'a> {
    pub now: Monotonic,
    pub framework: &'a Framework,
    pub role: &'a Role,
    pub ix: Ix<Agent>,
    pub agent: &'a Agent,
    pub demand: Option<&'a Quantities>,
}

impl<'a> Case<'a> {
    fn membership(&self) -> Option<&'a Membership> {
        self.framework.roles.get(self.role).filter(|membership| membership.subscribed)
    }

    /// What there is less of than is asked for.
    fn missing_in(&self, resources: &Resources) -> Option<Vec<Name>> {
        let is_short =
            |(name, amount): &(&Name, Scalar)| !resources.covers(&Quantities::from_iter([((*name).clone(), *amount)]));
        let missing: Vec<Name> = self.demand?.iter().filter(is_short).map(|(name, _)| name.clone()).collect();
        (!missing.is_empty()).then_some(missing)
    }
}

/// Reasons that lie in the two parties and not in the resources.
fn willingness(case: &Case<'_>) -> Vec<Reason> {
    let membership = case.membership();
    [
        (!case.framework.active).then_some(Reason::FrameworkInactive),
        membership.is_none().then_some(Reason::NotSubscribed),
        membership.is_some_and(|membership| membership.suppressed).then_some(Reason::Suppressed),
        (!case.agent.active).then_some(Reason::AgentInactive),
        (!case.agent.whitelisted).then_some(Reason::NotWhitelisted),
    ]
    .into_iter()
    .flatten()
    .collect()
}
