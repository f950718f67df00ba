//! The result of `GET /explain`: for frameworks and roles, the reasons for which agents are not offered to them.

use std::collections::BTreeMap;

use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::{ResourceQuantities, Resources, roles};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::explain::{EligibilityCheck, IneligibilityReason};
use crate::framework::{Framework, Membership};
use crate::slab::Ix;

/// The most agents that one query examines over all its frameworks and roles, since the core processes nothing else
/// meanwhile.
const MAX_AGENTS_EXAMINED: usize = 100_000;
/// The most agents that are described one by one for each framework and role; the others are counted.
const MAX_AGENT_DETAILS: usize = 100;

/// Selects what is explained. Fields that are `None` select everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExplainQuery {
    /// Only this framework.
    pub framework: Option<FrameworkId>,
    /// Only this role and the roles below it.
    pub role: Option<Role>,
    /// Only this agent.
    pub agent: Option<AgentId>,
    /// The resources that a waiting task needs on one agent.
    pub demand: Option<ResourceQuantities>,
}

/// The eligibility of a framework in a role for the resources of all agents.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferEligibility {
    /// The framework.
    pub framework: FrameworkId,
    /// The role.
    pub role: Role,
    /// The weight of the role in force.
    pub weight: f64,
    /// The dominant share of the role divided by its weight. The role with the smallest share comes first.
    pub role_share: f64,
    /// The dominant share of the framework within the role.
    pub framework_share: f64,
    /// The number of agents that were examined.
    pub agents: usize,
    /// The agents by their first reason, the most frequent reason first.
    pub summary: Vec<ReasonCount>,
    /// The number of agents without a reason; the order of shares decides about their resources.
    pub open: usize,
    /// The first agents by id.
    pub agent_details: Vec<AgentEligibility>,
}

/// The number of agents with the same first reason.
#[derive(Debug, Clone, PartialEq)]
pub struct ReasonCount {
    /// The reason, in the variant that lasts longest.
    pub reason: IneligibilityReason,
    /// The number of agents.
    pub agents: usize,
}

/// One agent and the reasons for which its resources are not offered to a framework.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentEligibility {
    /// The agent.
    pub agent: AgentId,
    /// The host name of the agent.
    pub hostname: String,
    /// The resources that are neither offered nor allocated.
    pub available: Resources,
    /// The reasons, in the order in which they are checked; empty if there is none.
    pub reasons: Vec<IneligibilityReason>,
}

/// The result of an [`ExplainQuery`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// One entry for each framework and role that fits the query, by framework and role.
    pub eligibilities: Vec<OfferEligibility>,
    /// Whether agents were left out because the query would have examined too many.
    pub truncated: bool,
}

impl Allocator {
    /// Explains, for each framework and role of the query, the reasons for which agents are not offered.
    pub fn explain_query(&self, now: Monotonic, query: &ExplainQuery) -> Explanation {
        let agents = self.agents_of_query(query.agent.as_ref());
        let mut examinations_left = MAX_AGENTS_EXAMINED;
        let mut explanation = Explanation::default();
        for (framework, role) in self.roles_of_query(query) {
            let fitting = agents.get(..examinations_left.min(agents.len())).unwrap_or_default();
            examinations_left -= fitting.len();
            if fitting.len() < agents.len() {
                explanation.truncated = true;
            }
            if fitting.is_empty() && !agents.is_empty() {
                break;
            }
            explanation.eligibilities.push(self.offer_eligibility(
                now,
                framework,
                &role,
                fitting,
                query.demand.as_ref(),
            ));
        }
        explanation
    }

    fn agents_of_query(&self, agent: Option<&AgentId>) -> Vec<(Ix<Agent>, &Agent)> {
        match agent {
            Some(agent) => {
                let ix = self.agent_ids.get(agent).copied();
                ix.and_then(|ix| Some((ix, self.agents.get(ix)?))).into_iter().collect()
            }
            None => {
                let mut agents: Vec<_> = self.agents.iter().collect();
                agents.sort_unstable_by(|(_, left), (_, right)| left.id.cmp(&right.id));
                agents
            }
        }
    }

    fn roles_of_query(&self, query: &ExplainQuery) -> Vec<(&Framework, Role)> {
        let named = |framework: &Framework| query.framework.as_ref().is_none_or(|id| *id == framework.id);
        let asked =
            |role: &Role| query.role.as_ref().is_none_or(|asked| roles::is_within(role.as_str(), asked.as_str()));
        let mut pairs: Vec<(&Framework, Role)> = Vec::new();
        for (_, framework) in self.frameworks.iter().filter(|(_, framework)| named(framework)) {
            let subscribed = |(_, membership): &(&Role, &Membership)| membership.subscribed;
            let own = framework.roles.iter().filter(subscribed).map(|(role, _)| role).filter(|role| asked(role));
            let before = pairs.len();
            pairs.extend(own.map(|role| (framework, role.clone())));
            // A query for a framework in a role that it is not subscribed to results in that reason.
            if let (Some(_), Some(role), true) = (&query.framework, &query.role, pairs.len() == before) {
                pairs.push((framework, role.clone()));
            }
        }
        pairs.sort_unstable_by(|left, right| (&left.0.id, &left.1).cmp(&(&right.0.id, &right.1)));
        pairs
    }

    fn offer_eligibility(
        &self,
        now: Monotonic,
        framework: &Framework,
        role: &Role,
        agents: &[(Ix<Agent>, &Agent)],
        demand: Option<&ResourceQuantities>,
    ) -> OfferEligibility {
        let mut counts: BTreeMap<String, ReasonCount> = BTreeMap::new();
        let mut agent_details = Vec::new();
        for (ix, agent) in agents {
            let reasons = self.reasons(&EligibilityCheck { now, framework, role, ix: *ix, agent, demand });
            if let Some(first) = reasons.first() {
                let count = counts.entry(first.to_string()).or_insert(ReasonCount { reason: first.clone(), agents: 0 });
                count.agents += 1;
                if first.until() > count.reason.until() {
                    count.reason = first.clone();
                }
            }
            if agent_details.len() < MAX_AGENT_DETAILS {
                agent_details.push(AgentEligibility {
                    agent: agent.id.clone(),
                    hostname: agent.attributes.hostname.to_string(),
                    available: agent.available().clone(),
                    reasons,
                });
            }
        }
        let mut summary: Vec<ReasonCount> = counts.into_values().collect();
        summary.sort_by_key(|count| std::cmp::Reverse(count.agents));
        let (role_share, framework_share) = self.shares(framework, role);
        OfferEligibility {
            framework: framework.id.clone(),
            role: role.clone(),
            weight: self.tree.weight(role),
            role_share,
            framework_share,
            agents: agents.len(),
            open: agents.len() - summary.iter().map(|count| count.agents).sum::<usize>(),
            summary,
            agent_details,
        }
    }

    fn shares(&self, framework: &Framework, role: &Role) -> (f64, f64) {
        let leaf = framework.roles.get(role).and_then(|membership| self.tree.get(membership.leaf));
        let own = leaf.and_then(|leaf| self.tree.get(leaf.parent?));
        let whole = own.and_then(|own| self.tree.get(own.parent?));
        let share = |node: &crate::tree::Node| self.cluster.dominant_share(&node.allocated);
        (whole.map_or(0.0, |whole| share(whole) / whole.weight), leaf.map_or(0.0, share))
    }
}
