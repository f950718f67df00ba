//! What borrowers must give back: only what no free resource can make up for, of the partitions of lowest priority
//! first, and from as few places as possible.

use std::collections::BTreeMap;

use resources::{Resources, roles};
use vocabulary::{AgentId, FrameworkId, Role};

use super::missing::{Allowances, Missing};
use super::{Partition, PartitionId};
use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::amounts::{Amounts, counts_for_quota};
use crate::slab::Ix;

/// What one framework holds in one role on one agent. Resources are allocated to the role.
#[derive(Debug, Clone, PartialEq)]
pub struct Holding {
    pub framework: FrameworkId,
    pub role: Role,
    pub agent: AgentId,
    pub resources: Resources,
}

/// A borrower gives back at least `holding.resources`, so that the lender has what it was promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Preemption {
    pub holding: Holding,
    pub lender: PartitionId,
    pub borrower: PartitionId,
}

/// Something that could be given back.
struct Candidate<'a> {
    /// The partitions that its role belongs to, innermost first: that one is the borrower.
    owners: Vec<&'a Partition>,
    agent: Ix<Agent>,
    holding: Holding,
    amounts: Amounts,
    /// The lender that is looked at could be offered it.
    helps: bool,
}

/// What each partition holds beyond its minimum.
type Beyond<'a> = BTreeMap<&'a PartitionId, Amounts>;

impl Allocator {
    /// What must be given back now for guarantees of partitions to be kept. `returning` is what is on its way back
    /// already, offers being rescinded and tasks being killed: it is not asked for again, and nothing is asked for in
    /// its place. Whole tasks are the caller's business: it ends what covers the resources with the least loss.
    pub fn preemptions(&self, returning: &[Holding]) -> Vec<Preemption> {
        if self.paused_until().is_some() {
            // What is missing may be about to come back with its agents.
            return Vec::new();
        }
        let missing = self.missing(returning);
        if missing.is_empty() {
            return Vec::new();
        }
        let mut beyond = self.beyond(returning);
        let mut candidates = self.candidates_of(&beyond, returning);
        let mut preemptions = Vec::new();
        for Missing { lender, claimants, amounts, allowances } in missing {
            for candidate in &mut candidates {
                candidate.helps = self.would_help(&claimants, candidate.agent, &candidate.holding.resources);
            }
            let picked = preempt(lender, amounts, allowances, &mut beyond, &mut candidates);
            preemptions.extend(picked.into_iter().filter_map(|(candidate, amounts)| {
                let resources = self.cluster.at_most(&candidate.holding.resources, &amounts);
                let holding = Holding { resources, ..candidate.holding };
                let borrower = candidate.owners.first()?.id.clone();
                Some(Preemption { holding, lender: lender.id.clone(), borrower })
            }));
        }
        preemptions
    }

    fn counted(&self, resources: &Resources) -> Amounts {
        self.cluster.quota_amounts(resources)
    }

    fn beyond(&self, returning: &[Holding]) -> Beyond<'_> {
        let mut beyond: Beyond<'_> =
            self.partitions.iter().map(|partition| (&partition.id, self.ledger.beyond(&partition.role))).collect();
        for holding in returning {
            for partition in self.partitions_over(&holding.role) {
                if let Some(amounts) = beyond.get_mut(&partition.id) {
                    amounts.subtract(&self.counted(&holding.resources));
                }
            }
        }
        beyond
    }

    /// What borrowers hold on agents that could be offered, in the order of agents, frameworks and roles.
    fn candidates_of(&self, beyond: &Beyond<'_>, returning: &[Holding]) -> Vec<Candidate<'_>> {
        let borrows = |partition: &Partition| {
            partition.preemptible && beyond.get(&partition.id).is_some_and(|amounts| !amounts.is_zero())
        };
        let mut candidates = Vec::new();
        for (ix, agent) in self.agents.iter().filter(|(_, agent)| agent.active && agent.whitelisted) {
            for (framework, held) in agent.held() {
                let Some(framework) = self.frameworks.get(*framework) else { continue };
                for role in held.allocation_roles() {
                    let owners: Vec<&Partition> = self.partitions_over(&role).collect();
                    if !owners.first().is_some_and(|borrower| borrows(borrower)) {
                        continue;
                    }
                    let mut resources = held.allocated_to(role.as_str()).filter(counts_for_quota);
                    let same = |holding: &&Holding| {
                        holding.framework == framework.id && holding.role == role && holding.agent == agent.id
                    };
                    returning.iter().filter(same).for_each(|holding| resources -= &holding.resources);
                    let amounts = self.counted(&resources);
                    let (framework, agent) = (framework.id.clone(), agent.id.clone());
                    let holding = Holding { framework, role, agent, resources };
                    candidates.push(Candidate { owners, agent: ix, holding, amounts, helps: false });
                }
            }
        }
        candidates.retain(|candidate| !candidate.amounts.is_zero());
        candidates
    }

    /// The partitions that a role belongs to, innermost first.
    fn partitions_over(&self, role: &Role) -> impl Iterator<Item = &Partition> + '_ {
        let above: Vec<Role> = roles::ancestors(role.as_str()).map(Role::new).collect();
        std::iter::once(role.clone()).chain(above).filter_map(|role| self.partitions.of_role(&role))
    }
}

impl Candidate<'_> {
    fn priority(&self) -> i32 {
        self.owners.first().map_or(0, |borrower| borrower.priority)
    }

    /// How much of it `lender` may have: no partition loses what it was promised, unless it is promised to both.
    fn useful(
        &self,
        lender: &Role,
        missing: &Amounts,
        allowances: &Allowances,
        beyond: &Beyond<'_>,
    ) -> Option<Amounts> {
        let borrower = self.owners.first()?;
        if !self.helps || roles::is_within(borrower.role.as_str(), lender.as_str()) {
            return None;
        }
        let mut amounts = self.amounts.clone();
        amounts.lower_to(missing);
        allowances.cut(Some(&self.holding.role), &mut amounts);
        for owner in self.owners.iter().filter(|owner| !roles::is_within(lender.as_str(), owner.role.as_str())) {
            amounts.lower_to(beyond.get(&owner.id)?);
        }
        (!amounts.is_zero()).then_some(amounts)
    }
}

/// Picks until nothing is missing or nothing is left to pick: of the lowest priority first, then whatever helps most,
/// then what is smallest.
fn preempt<'a>(
    lender: &Partition,
    mut missing: Amounts,
    mut allowances: Allowances,
    beyond: &mut Beyond<'a>,
    candidates: &mut Vec<Candidate<'a>>,
) -> Vec<(Candidate<'a>, Amounts)> {
    let mut picked = Vec::new();
    while !missing.is_zero() {
        let useful = |candidate: &Candidate<'_>| candidate.useful(&lender.role, &missing, &allowances, beyond);
        let offers =
            candidates.iter().enumerate().filter_map(|(i, candidate)| Some((i, candidate, useful(candidate)?)));
        let best = offers.min_by(|(_, left, left_use), (_, right, right_use)| {
            (left.priority().cmp(&right.priority()))
                .then_with(|| right_use.part_of(&missing).total_cmp(&left_use.part_of(&missing)))
                .then_with(|| left.amounts.sum().cmp(&right.amounts.sum()))
        });
        let Some((i, _, amounts)) = best else { break };
        let candidate = candidates.remove(i);
        missing.subtract(&amounts);
        allowances.take(Some(&candidate.holding.role), &amounts);
        for owner in &candidate.owners {
            if let Some(beyond) = beyond.get_mut(&owner.id) {
                beyond.subtract(&amounts);
            }
        }
        picked.push((candidate, amounts));
    }
    picked
}
