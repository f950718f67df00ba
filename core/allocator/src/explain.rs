//! The reasons for which the resources of an agent are not offered to a framework.

use std::fmt;

use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::{Name, ResourceQuantities, Resources, Scalar};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::eligibility;
use crate::framework::{Framework, Membership};
use crate::offer_filters::ContainsCache;
use crate::slab::Ix;

/// One reason for which the resources of an agent are not offered to a framework in a role.
#[derive(Debug, Clone, PartialEq)]
pub enum IneligibilityReason {
    /// No agent of this id is registered.
    UnknownAgent,
    /// No framework of this id is registered.
    UnknownFramework,
    /// The framework is not subscribed to the role.
    NotSubscribed,
    /// The framework is disconnected.
    FrameworkInactive,
    /// The framework asked for no offers of this role.
    Suppressed,
    /// The agent is disconnected, draining or deactivated.
    AgentInactive,
    /// `--whitelist` does not name the host of the agent.
    NotWhitelisted,
    /// The framework lacks a capability that the agent or its resources call for.
    FrameworkLacks(&'static str),
    /// The agent lacks a capability that the framework or the role calls for.
    AgentLacks(&'static str),
    /// The framework's offer constraints exclude the agent: one constraint of each group that the agent does not meet.
    Constraints(Vec<String>),
    /// Everything is offered or allocated.
    NothingLeft,
    /// The remaining resources are reserved to other roles.
    NothingOfferable,
    /// The role or a role above it would exceed its limit.
    QuotaLimit {
        /// The role whose limit would be exceeded.
        role: Role,
        /// The resources that the limit applies to.
        names: Vec<Name>,
        /// The resources that the limit still allows.
        left: ResourceQuantities,
    },
    /// The resources are headroom for the unsatisfied guarantees of other roles.
    Headroom {
        /// Some of the roles that lack a part of their guarantee, at most five.
        roles: Vec<Role>,
        /// The resources that they lack.
        names: Vec<Name>,
    },
    /// The resources that are left are too few for an offer.
    BelowMinimum,
    /// The agent never has as much of these resources as the query needs.
    TooLarge(Vec<Name>),
    /// The agent has less left of these resources than the query needs.
    DoesNotFit(Vec<Name>),
    /// An offer filter of the framework covers the resources.
    Filtered {
        /// The end of the offer filter.
        until: Monotonic,
    },
    /// After a failover with quota set, nothing is offered before this many more agents have re-registered.
    Recovering {
        /// The number of agents that have to re-register.
        missing: usize,
        /// The latest end of the pause.
        until: Monotonic,
    },
}

impl IneligibilityReason {
    /// Returns the stable name of the reason in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            IneligibilityReason::UnknownAgent => "UNKNOWN_AGENT",
            IneligibilityReason::UnknownFramework => "UNKNOWN_FRAMEWORK",
            IneligibilityReason::NotSubscribed => "NOT_SUBSCRIBED",
            IneligibilityReason::FrameworkInactive => "FRAMEWORK_INACTIVE",
            IneligibilityReason::Suppressed => "SUPPRESSED",
            IneligibilityReason::AgentInactive => "AGENT_INACTIVE",
            IneligibilityReason::NotWhitelisted => "NOT_WHITELISTED",
            IneligibilityReason::FrameworkLacks(_) => "FRAMEWORK_LACKS_CAPABILITY",
            IneligibilityReason::AgentLacks(_) => "AGENT_LACKS_CAPABILITY",
            IneligibilityReason::Constraints(_) => "OFFER_CONSTRAINTS",
            IneligibilityReason::NothingLeft => "NOTHING_LEFT",
            IneligibilityReason::NothingOfferable => "RESERVED_FOR_OTHERS",
            IneligibilityReason::QuotaLimit { .. } => "QUOTA_LIMIT",
            IneligibilityReason::Headroom { .. } => "KEPT_FOR_GUARANTEES",
            IneligibilityReason::BelowMinimum => "TOO_LITTLE_LEFT",
            IneligibilityReason::TooLarge(_) => "DEMAND_TOO_LARGE",
            IneligibilityReason::DoesNotFit(_) => "DEMAND_DOES_NOT_FIT",
            IneligibilityReason::Filtered { .. } => "REFUSED",
            IneligibilityReason::Recovering { .. } => "RECOVERING",
        }
    }

    /// Returns when the reason ends by itself.
    pub fn until(&self) -> Option<Monotonic> {
        match self {
            IneligibilityReason::Filtered { until } | IneligibilityReason::Recovering { until, .. } => Some(*until),
            _ => None,
        }
    }
}

/// The reason in words, about one or several agents, without the time when it ends.
impl fmt::Display for IneligibilityReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IneligibilityReason::UnknownAgent => f.write_str("not registered"),
            IneligibilityReason::UnknownFramework => f.write_str("the framework is not known"),
            IneligibilityReason::NotSubscribed => f.write_str("the framework is not subscribed to the role"),
            IneligibilityReason::FrameworkInactive => f.write_str("the framework is disconnected"),
            IneligibilityReason::Suppressed => f.write_str("the framework asked for no offers of this role"),
            IneligibilityReason::AgentInactive => f.write_str("disconnected, draining or deactivated"),
            IneligibilityReason::NotWhitelisted => f.write_str("not in the master's --whitelist"),
            IneligibilityReason::FrameworkLacks(capability) => {
                write!(f, "the framework lacks the capability {capability}")
            }
            IneligibilityReason::AgentLacks(capability) => write!(f, "without the agent capability {capability}"),
            IneligibilityReason::Constraints(unmet) => {
                write!(f, "excluded by offer constraints: not so that {}", unmet.join(", nor that "))
            }
            IneligibilityReason::NothingLeft => f.write_str("nothing left: all is offered or allocated"),
            IneligibilityReason::NothingOfferable => f.write_str("what is left is reserved to other roles"),
            IneligibilityReason::QuotaLimit { role, names, left } if left.is_empty() => {
                write!(f, "role '{role}' is at its limit of {}", list(names))
            }
            IneligibilityReason::QuotaLimit { role, names, left } => {
                let left: Vec<String> = names.iter().map(|name| format!("{name}:{}", left.get(name))).collect();
                write!(f, "role '{role}' has only {} left below its limit", left.join(", "))
            }
            IneligibilityReason::Headroom { roles, names } => {
                write!(f, "{} kept free for what was guaranteed to {}", list(names), list(roles))
            }
            IneligibilityReason::BelowMinimum => f.write_str("too little left to be offered"),
            IneligibilityReason::TooLarge(names) => {
                write!(f, "smaller than the demand: even empty not enough {}", list(names))
            }
            IneligibilityReason::DoesNotFit(names) => write!(f, "not enough {} left for the demand", list(names)),
            IneligibilityReason::Filtered { .. } => f.write_str("refused by the framework"),
            IneligibilityReason::Recovering { missing, .. } => {
                write!(f, "the master waits for {missing} more agents to return before it offers anything")
            }
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

impl Allocator {
    /// Returns all reasons for which nothing of `agent` would be offered to the framework in the role at `now`. It is
    /// empty if only the order of shares decides.
    pub fn explain(
        &self,
        now: Monotonic,
        framework: &FrameworkId,
        role: &Role,
        agent: &AgentId,
    ) -> Vec<IneligibilityReason> {
        let framework = self.framework_ids.get(framework).and_then(|ix| self.frameworks.get(*ix));
        let agent = self.agent_ids.get(agent).and_then(|ix| Some((*ix, self.agents.get(*ix)?)));
        let (Some(framework), Some((ix, agent))) = (framework, agent) else {
            return [
                framework.is_none().then_some(IneligibilityReason::UnknownFramework),
                agent.is_none().then_some(IneligibilityReason::UnknownAgent),
            ]
            .into_iter()
            .flatten()
            .collect();
        };
        self.reasons(&EligibilityCheck { now, framework, role, ix, agent, demand: None })
    }

    /// Returns the reasons; those that an operator or a framework can change come before those that pass by themselves.
    pub(crate) fn reasons(&self, check: &EligibilityCheck<'_>) -> Vec<IneligibilityReason> {
        let mut reasons = activity_reasons(check);
        reasons.extend(self.recovery_reason(check.now));
        reasons.extend(eligibility::reason_not_capable(&self.options, check.agent, check.framework, check.role));
        let unmet = check.membership().map(|own| self.exclusions.unmet(own.leaf, check.ix, &check.agent.attributes));
        reasons.extend(unmet.filter(|unmet| !unmet.is_empty()).map(IneligibilityReason::Constraints));
        reasons.extend(self.resource_reasons(check));
        reasons
    }

    fn recovery_reason(&self, now: Monotonic) -> Option<IneligibilityReason> {
        let until = self.paused_until().filter(|until| *until > now)?;
        Some(IneligibilityReason::Recovering { missing: self.missing_agents()?, until })
    }

    fn resource_reasons(&self, check: &EligibilityCheck<'_>) -> Vec<IneligibilityReason> {
        let whole = check.agent.total().allocatable_to(check.role.as_str());
        let left = check.agent.available().allocatable_to(check.role.as_str());
        let missing = check.missing_in(&whole);
        let mut reasons: Vec<IneligibilityReason> = missing.map(IneligibilityReason::TooLarge).into_iter().collect();
        if left.is_empty() {
            // Quota would withhold the resources even if everything on the agent were free.
            reasons.extend(
                self.quota_reasons(check, &whole)
                    .into_iter()
                    .filter(|one| matches!(one, IneligibilityReason::QuotaLimit { .. })),
            );
            let nothing = check.agent.available().is_empty();
            reasons.push(if nothing {
                IneligibilityReason::NothingLeft
            } else {
                IneligibilityReason::NothingOfferable
            });
            return reasons;
        }
        if reasons.is_empty() {
            reasons.extend(check.missing_in(&left).map(IneligibilityReason::DoesNotFit));
        }
        let usable = left.filter(|resource| eligibility::missing_capability(check.framework, resource).is_none());
        if !self.is_allocatable(check, &usable) {
            let missing = left.iter().filter_map(|resource| eligibility::missing_capability(check.framework, resource));
            let before = reasons.len();
            for reason in missing.map(IneligibilityReason::FrameworkLacks) {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            if reasons.len() == before || !usable.is_empty() {
                reasons.push(IneligibilityReason::BelowMinimum);
            }
        }
        reasons.extend(self.quota_reasons(check, &usable));
        reasons.extend(self.filter_reason(check, &usable));
        reasons
    }

    /// Returns the reasons of quota if it leaves less than can be offered, or a part that an offer filter covers.
    fn quota_reasons(&self, check: &EligibilityCheck<'_>, resources: &Resources) -> Vec<IneligibilityReason> {
        let (given, quota) = self.within_quota(check.role, resources);
        let fits = self.is_allocatable(check, &given) && check.missing_in(&given).is_none();
        if fits && self.filter_reason(check, resources).is_none() { Vec::new() } else { quota }
    }

    fn filter_reason(&self, check: &EligibilityCheck<'_>, resources: &Resources) -> Option<IneligibilityReason> {
        let (given, _) = self.within_quota(check.role, resources);
        let until =
            self.offer_filters.on(check.ix)?.until(check.membership()?.leaf, &given, &mut ContainsCache::default());
        until.filter(|until| *until > check.now).map(|until| IneligibilityReason::Filtered { until })
    }

    fn is_allocatable(&self, check: &EligibilityCheck<'_>, resources: &Resources) -> bool {
        let minimums = check.framework.min_allocatable.get(check.role).unwrap_or(&self.options.min_allocatable);
        eligibility::is_allocatable(minimums, resources)
    }
}

/// The subject of an explanation: a framework in a role, an agent, and the demand of a waiting task.
pub(crate) struct EligibilityCheck<'a> {
    pub now: Monotonic,
    pub framework: &'a Framework,
    pub role: &'a Role,
    pub ix: Ix<Agent>,
    pub agent: &'a Agent,
    pub demand: Option<&'a ResourceQuantities>,
}

impl<'a> EligibilityCheck<'a> {
    fn membership(&self) -> Option<&'a Membership> {
        self.framework.roles.get(self.role).filter(|membership| membership.subscribed)
    }

    /// Returns the names of which `resources` have less than the demand; `None` if there is no such name.
    fn missing_in(&self, resources: &Resources) -> Option<Vec<Name>> {
        let is_short = |(name, amount): &(&Name, Scalar)| {
            !resources.covers(&ResourceQuantities::from_iter([((*name).clone(), *amount)]))
        };
        let missing: Vec<Name> = self.demand?.iter().filter(is_short).map(|(name, _)| name.clone()).collect();
        (!missing.is_empty()).then_some(missing)
    }
}

/// Returns the reasons that depend on the framework and the agent and not on resources.
fn activity_reasons(check: &EligibilityCheck<'_>) -> Vec<IneligibilityReason> {
    let membership = check.membership();
    [
        (!check.framework.active).then_some(IneligibilityReason::FrameworkInactive),
        membership.is_none().then_some(IneligibilityReason::NotSubscribed),
        membership.is_some_and(|membership| membership.suppressed).then_some(IneligibilityReason::Suppressed),
        (!check.agent.active).then_some(IneligibilityReason::AgentInactive),
        (!check.agent.whitelisted).then_some(IneligibilityReason::NotWhitelisted),
    ]
    .into_iter()
    .flatten()
    .collect()
}
