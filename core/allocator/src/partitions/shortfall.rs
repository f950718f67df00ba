//! The shortfall of lenders: the part of their minimum that their frameworks want and that no free resources can cover.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::{AgentId, Role};
use resources::{Resources, roles};

use super::{AllocatedResources, Partition};
use crate::agent::Agent;
use crate::allocator::Allocator;
use crate::amounts::{AmountLimits, Amounts};
use crate::eligibility;
use crate::framework::Framework;
use crate::offer_filters::ContainsCache;
use crate::slab::Ix;
use crate::tree::{Kind, Node};

pub(super) struct LenderShortfall<'a> {
    pub lender: &'a Partition,
    pub claimants: Vec<Claimant<'a>>,
    pub amounts: Amounts,
    pub remaining_limits: RemainingLimits,
}

/// The amounts that the limits of the lender and of the roles above it still allow. Resources that move within a role
/// do not count against its limit.
pub(super) struct RemainingLimits(Vec<(Role, AmountLimits)>);

/// A framework that wants resources in a role of the lender.
pub(super) struct Claimant<'a> {
    leaf: Ix<Node>,
    framework: &'a Framework,
    role: &'a Role,
}

/// A lender and the free resources that its frameworks could be offered.
struct Lender<'a> {
    partition: &'a Partition,
    claimants: Vec<Claimant<'a>>,
    /// Positions in the list of free resources.
    reaches: BTreeSet<usize>,
}

/// The resources that a lender gets, free ones or preempted ones.
struct Served<'a> {
    role: &'a Role,
    amounts: Amounts,
    /// The part that no role below counts on.
    unclaimed: Amounts,
}

impl Allocator {
    /// Returns the shortfalls. Lenders of the highest priority come first and have the first choice of free resources.
    pub(super) fn lender_shortfalls(&self, returning: &[AllocatedResources]) -> Vec<LenderShortfall<'_>> {
        let mut partitions: Vec<&Partition> = self.partitions.iter().filter(|one| self.lacks(one)).collect();
        if partitions.is_empty() {
            return Vec::new();
        }
        partitions.sort_by_key(|partition| Reverse(partition.priority));
        let spare = self.spare(returning);
        let lenders: Vec<Lender<'_>> = partitions.into_iter().map(|partition| self.lender(partition, &spare)).collect();
        let wanted = |place: usize| lenders.iter().filter(|lender| lender.reaches.contains(&place)).count();
        // Resources that few lenders can use are taken first, so that the others keep more choice.
        let mut order: Vec<(usize, usize)> = (0..spare.len()).map(|place| (wanted(place), place)).collect();
        order.sort_unstable();
        let mut amounts: Vec<Amounts> =
            spare.iter().map(|(_, resources)| self.cluster.quota_amounts(resources)).collect();
        let mut served: Vec<Served<'_>> = Vec::new();
        let mut missing = Vec::new();
        for lender in lenders {
            let mut lacking = self.ledger.lacking(&lender.partition.role);
            count_on_others(&mut lacking, &lender.partition.role, &mut served);
            served.push(Served { role: &lender.partition.role, amounts: lacking.clone(), unclaimed: lacking.clone() });
            let mut remaining_limits = RemainingLimits(self.ledger.remaining_limits(&lender.partition.role));
            let reached = order.iter().map(|(_, place)| *place).filter(|place| lender.reaches.contains(place));
            for place in reached {
                let Some(free) = amounts.get_mut(place) else { continue };
                let mut taken = lacking.clone();
                taken.lower_to(free);
                remaining_limits.cut(None, &mut taken);
                remaining_limits.take(None, &taken);
                free.subtract(&taken);
                lacking.subtract(&taken);
            }
            if !lacking.is_zero() {
                let Lender { partition: lender, claimants, .. } = lender;
                missing.push(LenderShortfall { lender, claimants, amounts: lacking, remaining_limits });
            }
        }
        missing
    }

    fn lacks(&self, partition: &Partition) -> bool {
        self.is_wanted(&partition.role) && !self.ledger.lacking(&partition.role).is_zero()
    }

    /// Returns the available resources of each agent, with those that are being given back.
    fn spare(&self, returning: &[AllocatedResources]) -> Vec<(Ix<Agent>, Resources)> {
        let mut coming: BTreeMap<&AgentId, Resources> = BTreeMap::new();
        for allocated in returning {
            *coming.entry(&allocated.agent).or_default() += &allocated.resources.unallocated();
        }
        let usable = self.agents.iter().filter(|(_, agent)| agent.active && agent.whitelisted);
        let spare = usable.map(|(ix, agent)| match coming.get(&agent.id) {
            Some(coming) => (ix, agent.available() + coming),
            None => (ix, agent.available().clone()),
        });
        spare.filter(|(_, resources)| !resources.is_empty()).collect()
    }

    fn lender<'a>(&'a self, partition: &'a Partition, spare: &[(Ix<Agent>, Resources)]) -> Lender<'a> {
        let claimants: Vec<Claimant<'_>> =
            self.tree.leaves(&partition.role).into_iter().filter_map(|leaf| self.claimant(leaf)).collect();
        let can_use = |(ix, resources): &(Ix<Agent>, Resources)| {
            // Offer filters do not count: tasks are not killed because frameworks declined free resources.
            claimants.iter().any(|claimant| self.is_eligible(claimant, *ix, resources))
        };
        let reaches = spare.iter().enumerate().filter(|(_, one)| can_use(one)).map(|(place, _)| place).collect();
        Lender { partition, claimants, reaches }
    }

    fn claimant(&self, leaf: Ix<Node>) -> Option<Claimant<'_>> {
        match &self.tree.get(leaf)?.kind {
            Kind::Leaf { role, framework } => {
                Some(Claimant { leaf, framework: self.frameworks.get(*framework)?, role })
            }
            _ => None,
        }
    }

    /// Returns whether a claimant would be offered an allocation, together with what is available on its agent.
    pub(super) fn would_be_offerable(&self, claimants: &[Claimant<'_>], ix: Ix<Agent>, held: &Resources) -> bool {
        let Some(agent) = self.agents.get(ix) else { return false };
        let together = agent.available() + &held.unallocated();
        let filters = self.offer_filters.on(ix);
        let is_filtered = |claimant: &Claimant<'_>| {
            let usable = usable(claimant, &together);
            filters.is_some_and(|on| on.until(claimant.leaf, &usable, &mut ContainsCache::default()).is_some())
        };
        claimants.iter().any(|claimant| self.is_eligible(claimant, ix, &together) && !is_filtered(claimant))
    }

    /// Returns whether capabilities and offer constraints allow the resources to be offered to the claimant.
    fn is_eligible(&self, claimant: &Claimant<'_>, ix: Ix<Agent>, resources: &Resources) -> bool {
        let Some(agent) = self.agents.get(ix) else { return false };
        let Claimant { leaf, framework, role } = claimant;
        let minimums = framework.min_allocatable.get(*role).unwrap_or(&self.options.min_allocatable);
        eligibility::reason_not_capable(&self.options, agent, framework, role).is_none()
            && !self.exclusions.is_agent_excluded(*leaf, ix)
            && eligibility::is_allocatable(minimums, &usable(claimant, resources))
    }
}

impl RemainingLimits {
    /// Lowers the amounts to what the limits allow of resources that come from a role, or are free.
    pub fn cut(&self, from: Option<&Role>, amounts: &mut Amounts) {
        self.0.iter().filter(|(role, _)| !is_from(from, role)).for_each(|(_, caps)| caps.cut(amounts));
    }

    pub fn take(&mut self, from: Option<&Role>, amounts: &Amounts) {
        for (_, caps) in self.0.iter_mut().filter(|(role, _)| !is_from(from, role)) {
            *caps = caps.less(amounts);
        }
    }
}

fn is_from(from: Option<&Role>, role: &Role) -> bool {
    from.is_some_and(|from| roles::is_within(from.as_str(), role.as_str()))
}

fn usable(claimant: &Claimant<'_>, resources: &Resources) -> Resources {
    let of_role = resources.allocatable_to(claimant.role.as_str());
    of_role.filter(|resource| eligibility::missing_capability(claimant.framework, resource).is_none())
}

/// Subtracts what roles below the role have got already, and what roles above have got beyond the need of others.
fn count_on_others(lacking: &mut Amounts, role: &Role, served: &mut [Served<'_>]) {
    for other in served {
        if roles::is_within(other.role.as_str(), role.as_str()) {
            lacking.subtract(&other.amounts);
        } else if roles::is_within(role.as_str(), other.role.as_str()) {
            let rest = lacking.lacking(&other.unclaimed);
            other.unclaimed.subtract(lacking);
            *lacking = rest;
        }
    }
}
