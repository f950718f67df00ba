//! What borrowers must give back: only what no free resource can make up for, of the partitions of lowest priority
//! first, and from as few places as possible.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use resources::{Resources, roles};
use vocabulary::{AgentId, FrameworkId, Role};

use crate::allocator::Allocator;
use crate::amounts::{Amounts, counts_for_quota};
use crate::partitions::{Partition, PartitionId};

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
    borrower: &'a Partition,
    holding: Holding,
    amounts: Amounts,
}

/// Borrowers with what each holds beyond its minimum.
type Beyond<'a> = BTreeMap<&'a PartitionId, Amounts>;

impl Allocator {
    /// What must be given back now for guarantees of partitions to be kept. `returning` is what is on its way back
    /// already, offers being rescinded and tasks being killed: it is not asked for again, and nothing is asked for in
    /// its place. Whole tasks are the caller's business: it ends what covers the resources with the least loss.
    pub fn preemptions(&self, returning: &[Holding]) -> Vec<Preemption> {
        let mut lenders: Vec<&Partition> = self.partitions.iter().filter(|partition| self.lacks(partition)).collect();
        lenders.sort_by_key(|partition| Reverse(partition.priority));
        if lenders.is_empty() {
            return Vec::new();
        }
        let mut spare = self.free_amounts();
        returning.iter().for_each(|holding| spare.add(&self.counted(&holding.resources)));
        let mut missing: Vec<(&Partition, Amounts)> = Vec::new();
        for lender in lenders {
            let lacking = self.ledger.lacking(&lender.role);
            missing.push((lender, lacking.lacking(&spare)));
            spare.subtract(&lacking);
        }
        missing.retain(|(_, amounts)| !amounts.is_zero());
        if missing.is_empty() {
            return Vec::new();
        }
        let mut beyond = self.beyond(returning);
        let mut candidates = self.candidates_of(&beyond, returning);
        missing
            .into_iter()
            .flat_map(|(lender, missing)| preempt(lender, missing, &mut beyond, &mut candidates))
            .map(|(lender, borrower, holding, amounts)| {
                let resources = self.cluster.at_most(&holding.resources, &amounts);
                let holding = Holding { resources, ..holding };
                Preemption { holding, lender: lender.id.clone(), borrower: borrower.id.clone() }
            })
            .collect()
    }

    fn lacks(&self, partition: &Partition) -> bool {
        self.is_wanted(&partition.role) && !self.ledger.lacking(&partition.role).is_zero()
    }

    /// What could be offered at once.
    fn free_amounts(&self) -> Amounts {
        let offerable = self.agents.iter().filter(|(_, agent)| agent.is_offerable());
        offerable.fold(Amounts::default(), |mut sum, (_, agent)| {
            sum.add(&self.counted(agent.available()));
            sum
        })
    }

    fn counted(&self, resources: &Resources) -> Amounts {
        self.cluster.quota_amounts(resources)
    }

    fn beyond(&self, returning: &[Holding]) -> Beyond<'_> {
        let borrowers = self.partitions.iter().filter(|partition| partition.preemptible);
        let mut beyond: Beyond<'_> =
            borrowers.map(|partition| (&partition.id, self.ledger.beyond(&partition.role))).collect();
        for holding in returning {
            let owner = self.partition_over(&holding.role).and_then(|partition| beyond.get_mut(&partition.id));
            if let Some(amounts) = owner {
                amounts.subtract(&self.counted(&holding.resources));
            }
        }
        beyond.retain(|_, amounts| !amounts.is_zero());
        beyond
    }

    /// What borrowers hold on agents that could be offered, in the order of agents, frameworks and roles.
    fn candidates_of(&self, beyond: &Beyond<'_>, returning: &[Holding]) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::new();
        for (_, agent) in self.agents.iter().filter(|(_, agent)| agent.active && agent.whitelisted) {
            for (framework, held) in agent.held() {
                let Some(framework) = self.frameworks.get(*framework) else { continue };
                for role in held.allocation_roles() {
                    let owner = self.partition_over(&role).filter(|partition| beyond.contains_key(&partition.id));
                    let Some(borrower) = owner else { continue };
                    let mut resources = held.allocated_to(role.as_str()).filter(counts_for_quota);
                    let same = |holding: &&Holding| {
                        holding.framework == framework.id && holding.role == role && holding.agent == agent.id
                    };
                    returning.iter().filter(same).for_each(|holding| resources -= &holding.resources);
                    let amounts = self.counted(&resources);
                    let (framework, agent) = (framework.id.clone(), agent.id.clone());
                    let holding = Holding { framework, role, agent, resources };
                    candidates.push(Candidate { borrower, holding, amounts });
                }
            }
        }
        candidates.retain(|candidate| !candidate.amounts.is_zero());
        candidates
    }

    /// The innermost partition that a role belongs to.
    fn partition_over(&self, role: &Role) -> Option<&Partition> {
        let above = roles::ancestors(role.as_str()).map(Role::new);
        std::iter::once(role.clone()).chain(above).find_map(|role| self.partitions.of_role(&role))
    }
}

/// Picks until nothing is missing or nothing is left to pick: of the lowest priority first, then whatever helps most,
/// then what is smallest.
fn preempt<'a>(
    lender: &'a Partition,
    mut missing: Amounts,
    beyond: &mut Beyond<'a>,
    candidates: &mut Vec<Candidate<'a>>,
) -> Vec<(&'a Partition, &'a Partition, Holding, Amounts)> {
    let mut picked = Vec::new();
    while !missing.is_zero() {
        let useful = |candidate: &Candidate<'_>| {
            let outside = !roles::is_within(candidate.borrower.role.as_str(), lender.role.as_str());
            let beyond = beyond.get(&candidate.borrower.id).filter(|_| outside)?;
            let mut amounts = candidate.amounts.clone();
            amounts.lower_to(&missing);
            amounts.lower_to(beyond);
            (!amounts.is_zero()).then_some(amounts)
        };
        let offers =
            candidates.iter().enumerate().filter_map(|(i, candidate)| Some((i, candidate, useful(candidate)?)));
        let best = offers.min_by(|(_, left, left_use), (_, right, right_use)| {
            (left.borrower.priority.cmp(&right.borrower.priority))
                .then_with(|| right_use.part_of(&missing).total_cmp(&left_use.part_of(&missing)))
                .then_with(|| left.amounts.sum().cmp(&right.amounts.sum()))
        });
        let Some((i, _, amounts)) = best else { break };
        let candidate = candidates.swap_remove(i);
        missing.subtract(&amounts);
        if let Some(beyond) = beyond.get_mut(&candidate.borrower.id) {
            beyond.subtract(&amounts);
        }
        picked.push((lender, candidate.borrower, candidate.holding, amounts));
    }
    picked
}
