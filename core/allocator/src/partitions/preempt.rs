//! Preemption: the allocations that borrowers have to give back. Only allocations that free resources cannot replace
//! are preempted, from partitions of the lowest priority first, and from as few allocations as possible.

use std::collections::BTreeMap;

use model::{AgentId, FrameworkId, Role};
use resources::{Resources, roles};

use super::shortfall::{LenderShortfall, RemainingLimits};
use super::{Partition, PartitionId};
use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::amounts::{Amounts, counts_for_quota};
use crate::slab::Ix;

/// The resources that one framework has allocated in one role on one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AllocatedResources {
    /// The framework that they are allocated to.
    pub framework: FrameworkId,
    /// The role that they are allocated to.
    pub role: Role,
    /// The agent that they are on.
    pub agent: AgentId,
    /// The resources, allocated to the role.
    pub resources: Resources,
}

/// A demand on a borrower, so that the guarantee of the lender is satisfied.
#[derive(Debug, Clone, PartialEq)]
pub struct Preemption {
    /// The resources to give back: the framework gives back at least these.
    pub allocated: AllocatedResources,
    /// The partition that lent them and wants them back.
    pub lender: PartitionId,
    /// The partition that uses them beyond its minimum.
    pub borrower: PartitionId,
}

/// An allocation that could be preempted.
struct Victim<'a> {
    /// The partitions that its role belongs to, innermost first: that one is the borrower.
    owners: Vec<&'a Partition>,
    agent: Ix<Agent>,
    allocated: AllocatedResources,
    amounts: Amounts,
    /// Whether the current lender could be offered its resources.
    helps: bool,
}

/// The amounts that each partition uses beyond its minimum.
type Borrowed<'a> = BTreeMap<&'a PartitionId, Amounts>;

impl Allocator {
    /// Returns the allocations that have to be given back now so that the guarantees of partitions are satisfied.
    /// `returning` are allocations that are being given back already, by rescinded offers and killed tasks; they are
    /// not demanded again, and nothing is demanded in their place. The caller selects the tasks to kill.
    pub fn preemptions(&self, returning: &[AllocatedResources]) -> Vec<Preemption> {
        if self.paused_until().is_some() {
            // Agents that have not re-registered yet may bring the missing resources.
            return Vec::new();
        }
        let missing = self.lender_shortfalls(returning);
        if missing.is_empty() {
            return Vec::new();
        }
        let mut beyond = self.borrowed(returning);
        let mut victims = self.potential_victims(&beyond, returning);
        let mut preemptions = Vec::new();
        for LenderShortfall { lender, claimants, amounts, remaining_limits } in missing {
            for victim in &mut victims {
                victim.helps = self.would_be_offerable(&claimants, victim.agent, &victim.allocated.resources);
            }
            let picked = preempt(lender, amounts, remaining_limits, &mut beyond, &mut victims);
            preemptions.extend(picked.into_iter().filter_map(|(victim, amounts)| {
                let resources = self.cluster.at_most(&victim.allocated.resources, &amounts);
                let allocated = AllocatedResources { resources, ..victim.allocated };
                let borrower = victim.owners.first()?.id.clone();
                Some(Preemption { allocated, lender: lender.id.clone(), borrower })
            }));
        }
        preemptions
    }

    fn counted(&self, resources: &Resources) -> Amounts {
        self.cluster.quota_amounts(resources)
    }

    fn borrowed(&self, returning: &[AllocatedResources]) -> Borrowed<'_> {
        let mut beyond: Borrowed<'_> =
            self.partitions.iter().map(|partition| (&partition.id, self.ledger.borrowed(&partition.role))).collect();
        for allocated in returning {
            for partition in self.partitions_over(&allocated.role) {
                if let Some(amounts) = beyond.get_mut(&partition.id) {
                    amounts.subtract(&self.counted(&allocated.resources));
                }
            }
        }
        beyond
    }

    /// Returns the allocations of borrowers on agents that can be offered, in the order of agents, frameworks and
    /// roles.
    fn potential_victims(&self, beyond: &Borrowed<'_>, returning: &[AllocatedResources]) -> Vec<Victim<'_>> {
        let borrows = |partition: &Partition| {
            partition.preemptible && beyond.get(&partition.id).is_some_and(|amounts| !amounts.is_zero())
        };
        let mut victims = Vec::new();
        for (ix, agent) in self.agents.iter().filter(|(_, agent)| agent.active && agent.whitelisted) {
            for (framework, held) in agent.allocated() {
                let Some(framework) = self.frameworks.get(*framework) else { continue };
                for role in held.allocation_roles() {
                    let owners: Vec<&Partition> = self.partitions_over(&role).collect();
                    if !owners.first().is_some_and(|borrower| borrows(borrower)) {
                        continue;
                    }
                    let mut resources = held.allocated_to(role.as_str()).filter(counts_for_quota);
                    let same = |allocated: &&AllocatedResources| {
                        allocated.framework == framework.id && allocated.role == role && allocated.agent == agent.id
                    };
                    returning.iter().filter(same).for_each(|allocated| resources -= &allocated.resources);
                    let amounts = self.counted(&resources);
                    let (framework, agent) = (framework.id.clone(), agent.id.clone());
                    let allocated = AllocatedResources { framework, role, agent, resources };
                    victims.push(Victim { owners, agent: ix, allocated, amounts, helps: false });
                }
            }
        }
        victims.retain(|victim| !victim.amounts.is_zero());
        victims
    }

    /// Returns the partitions that a role belongs to, innermost first.
    fn partitions_over(&self, role: &Role) -> impl Iterator<Item = &Partition> + '_ {
        let above: Vec<Role> = roles::ancestors(role.as_str()).map(Role::new).collect();
        std::iter::once(role.clone()).chain(above).filter_map(|role| self.partitions.of_role(&role))
    }
}

impl Victim<'_> {
    fn priority(&self) -> i32 {
        self.owners.first().map_or(0, |borrower| borrower.priority)
    }

    /// Returns how much of the allocation may go to `lender`: no partition falls below its minimum, unless both
    /// partitions share that minimum.
    fn useful(
        &self,
        lender: &Role,
        missing: &Amounts,
        remaining_limits: &RemainingLimits,
        beyond: &Borrowed<'_>,
    ) -> Option<Amounts> {
        let borrower = self.owners.first()?;
        if !self.helps || roles::is_within(borrower.role.as_str(), lender.as_str()) {
            return None;
        }
        let mut amounts = self.amounts.clone();
        amounts.lower_to(missing);
        remaining_limits.cut(Some(&self.allocated.role), &mut amounts);
        for owner in self.owners.iter().filter(|owner| !roles::is_within(lender.as_str(), owner.role.as_str())) {
            amounts.lower_to(beyond.get(&owner.id)?);
        }
        (!amounts.is_zero()).then_some(amounts)
    }
}

/// Selects allocations until the shortfall is covered or none is left: those of the lowest priority first, then those
/// that cover most, then the smallest.
fn preempt<'a>(
    lender: &Partition,
    mut missing: Amounts,
    mut remaining_limits: RemainingLimits,
    beyond: &mut Borrowed<'a>,
    victims: &mut Vec<Victim<'a>>,
) -> Vec<(Victim<'a>, Amounts)> {
    let mut picked = Vec::new();
    while !missing.is_zero() {
        let useful = |victim: &Victim<'_>| victim.useful(&lender.role, &missing, &remaining_limits, beyond);
        let offers = victims.iter().enumerate().filter_map(|(i, victim)| Some((i, victim, useful(victim)?)));
        let best = offers.min_by(|(_, left, left_use), (_, right, right_use)| {
            (left.priority().cmp(&right.priority()))
                .then_with(|| right_use.part_of(&missing).total_cmp(&left_use.part_of(&missing)))
                .then_with(|| left.amounts.sum().cmp(&right.amounts.sum()))
        });
        let Some((i, _, amounts)) = best else { break };
        let victim = victims.remove(i);
        missing.subtract(&amounts);
        remaining_limits.take(Some(&victim.allocated.role), &amounts);
        for owner in &victim.owners {
            if let Some(beyond) = beyond.get_mut(&owner.id) {
                beyond.subtract(&amounts);
            }
        }
        picked.push((victim, amounts));
    }
    picked
}
