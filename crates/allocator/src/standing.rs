//! Where frameworks stand: over all agents, what keeps their resources away. The answer to "why am I offered nothing?".

use std::collections::BTreeMap;

use resources::{Quantities, Resources, roles};
use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::explain::{Case, Reason};
use crate::framework::{Framework, Membership};
use crate::slab::Ix;

/// Agents that one question looks at, all its frameworks and roles together: the core answers nobody else meanwhile.
const MAX_LOOKS: usize = 100_000;
/// Agents that are told one by one for each framework and role; the others are only counted.
const MAX_VERDICTS: usize = 100;

/// What to explain: everything that fits what is given. A role includes those below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    pub framework: Option<FrameworkId>,
    pub role: Option<Role>,
    pub agent: Option<AgentId>,
    /// What is to be had of one agent, by a task that waits for it.
    pub demand: Option<Quantities>,
}

/// A framework in a role.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub framework: FrameworkId,
    pub role: Role,
    pub weight: f64,
    /// The dominant share of the role over its weight, and of the framework within the role: the smallest is served
    /// first.
    pub role_share: f64,
    pub framework_share: f64,
    /// How many agents were looked at.
    pub agents: usize,
    /// Agents by what stands first against each, most frequent first.
    pub summary: Vec<Tally>,
    /// Nothing stands against these, but others may have the better claim.
    pub open: usize,
    /// The first ones by id.
    pub verdicts: Vec<Verdict>,
}

/// So many agents have the same thing against them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// The one of them that lasts longest.
    pub reason: Reason,
    pub agents: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub agent: AgentId,
    pub hostname: String,
    /// Neither offered nor allocated.
    pub available: Resources,
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    pub standings: Vec<Standing>,
    /// There was more to look at than one question may.
    pub truncated: bool,
}

impl Allocator {
    pub fn answer(&self, now: Monotonic, question: &Question) -> Answer {
        let agents = self.agents_in_question(question.agent.as_ref());
        let mut looks = MAX_LOOKS;
        let mut answer = Answer::default();
        for (framework, role) in self.roles_in_question(question) {
            let fitting = agents.get(..looks.min(agents.len())).unwrap_or_default();
            looks -= fitting.len();
            if fitting.len() < agents.len() {
                answer.truncated = true;
            }
            if fitting.is_empty() && !agents.is_empty() {
                break;
            }
            answer.standings.push(self.standing(now, framework, &role, fitting, question.demand.as_ref()));
        }
        answer
    }

    fn agents_in_question(&self, agent: Option<&AgentId>) -> Vec<(Ix<Agent>, &Agent)> {
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

    fn roles_in_question(&self, question: &Question) -> Vec<(&Framework, Role)> {
        let named = |framework: &Framework| question.framework.as_ref().is_none_or(|id| *id == framework.id);
        let asked =
            |role: &Role| question.role.as_ref().is_none_or(|asked| roles::is_within(role.as_str(), asked.as_str()));
        let mut pairs: Vec<(&Framework, Role)> = Vec::new();
        for (_, framework) in self.frameworks.iter().filter(|(_, framework)| named(framework)) {
            let subscribed = |(_, membership): &(&Role, &Membership)| membership.subscribed;
            let own = framework.roles.iter().filter(subscribed).map(|(role, _)| role).filter(|role| asked(role));
            let before = pairs.len();
            pairs.extend(own.map(|role| (framework, role.clone())));
            // Who asks about a framework in a role that it is not in is told so.
            if let (Some(_), Some(role), true) = (&question.framework, &question.role, pairs.len() == before) {
                pairs.push((framework, role.clone()));
            }
        }
        pairs.sort_unstable_by(|left, right| (&left.0.id, &left.1).cmp(&(&right.0.id, &right.1)));
        pairs
    }

    fn standing(
        &self,
        now: Monotonic,
        framework: &Framework,
        role: &Role,
        agents: &[(Ix<Agent>, &Agent)],
        demand: Option<&Quantities>,
    ) -> Standing {
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        let mut verdicts = Vec::new();
        for (ix, agent) in agents {
            let reasons = self.reasons(&Case { now, framework, role, ix: *ix, agent, demand });
            if let Some(first) = reasons.first() {
                let tally = tallies.entry(first.to_string()).or_insert(Tally { reason: first.clone(), agents: 0 });
                tally.agents += 1;
                if first.until() > tally.reason.until() {
                    tally.reason = first.clone();
                }
            }
            if verdicts.len() < MAX_VERDICTS {
                verdicts.push(Verdict {
                    agent: agent.id.clone(),
                    hostname: agent.facts.hostname.to_string(),
                    available: agent.available().clone(),
                    reasons,
                });
            }
        }
        let mut summary: Vec<Tally> = tallies.into_values().collect();
        summary.sort_by_key(|tally| std::cmp::Reverse(tally.agents));
        let (role_share, framework_share) = self.shares(framework, role);
        Standing {
            framework: framework.id.clone(),
            role: role.clone(),
            weight: self.tree.weight(role),
            role_share,
            framework_share,
            agents: agents.len(),
            open: agents.len() - summary.iter().map(|tally| tally.agents).sum::<usize>(),
            summary,
            verdicts,
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
