//! The state of one agent: its total resources, the allocations of each framework, and the available resources.

use messages::v1::agent_info::capability::Type as Capability;
use model::{AgentId, FrameworkId};
use resources::{Name, Resources, Scalar};

use crate::AgentOptions;
use crate::amounts::{Amounts, Cluster};
use crate::constraints::AgentAttributes;
use crate::framework::Framework;
use crate::slab::Ix;

#[derive(Debug)]
pub(crate) struct Agent {
    pub id: AgentId,
    pub attributes: AgentAttributes,
    /// The capabilities: bit n stands for the capability with number n.
    capabilities: u64,
    pub active: bool,
    pub whitelisted: bool,
    total: Resources,
    /// The offered or allocated resources, with allocation roles, by framework.
    allocated: Vec<(Ix<Framework>, Resources)>,
    /// The resources allocated to frameworks that have not been added yet.
    unclaimed: Vec<(FrameworkId, Resources)>,
    /// The total without the allocations. It is kept up to date with each change, since every visit reads it.
    available: Resources,
    /// Whether more is allocated than the total; then `available` is computed anew at each change.
    overcommitted: bool,
    /// The allocations beyond the total that count for quota, as entered in the ledger.
    pub excess: Amounts,
}

impl Agent {
    pub fn new(options: &AgentOptions<'_>) -> Self {
        let mut agent = Agent {
            id: options.id.clone(),
            attributes: AgentAttributes::default(),
            capabilities: 0,
            active: options.active,
            whitelisted: true,
            total: Resources::new(),
            allocated: Vec::new(),
            unclaimed: Vec::new(),
            available: Resources::new(),
            overcommitted: false,
            excess: Amounts::default(),
        };
        agent.update_info(options);
        agent.set_total(options.total.clone());
        agent
    }

    /// Replaces everything but resources and activity. Returns whether the attributes changed.
    pub fn update_info(&mut self, options: &AgentOptions<'_>) -> bool {
        let changed = self.attributes.attributes != options.info.attributes;
        self.attributes = AgentAttributes::from_info(options.info);
        self.capabilities =
            options.capabilities.iter().filter(|bit| (0..64).contains(*bit)).fold(0, |bits, bit| bits | 1 << bit);
        changed
    }

    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities & (1 << capability as i32) != 0
    }

    pub fn has_gpus(&self) -> bool {
        self.total.total(&Name::GPUS) > Scalar::ZERO
    }

    pub fn is_offerable(&self) -> bool {
        self.active && self.whitelisted && !self.available.is_empty()
    }

    pub fn total(&self) -> &Resources {
        &self.total
    }

    pub fn available(&self) -> &Resources {
        &self.available
    }

    pub fn allocated(&self) -> &[(Ix<Framework>, Resources)] {
        &self.allocated
    }

    pub fn allocated_to_framework(&self, framework: Ix<Framework>) -> Option<&Resources> {
        let position = self.allocated.binary_search_by_key(&framework, |(holder, _)| *holder).ok()?;
        self.allocated.get(position).map(|(_, resources)| resources)
    }

    pub fn set_total(&mut self, total: Resources) {
        self.total = total;
        self.recompute();
    }

    /// Tracks resources as allocated. `unallocated` are the same resources without allocation.
    pub fn allocate(&mut self, framework: Ix<Framework>, resources: &Resources, unallocated: &Resources) {
        match self.allocated.binary_search_by_key(&framework, |(holder, _)| *holder) {
            Ok(position) => {
                if let Some((_, held)) = self.allocated.get_mut(position) {
                    *held += resources;
                }
            }
            Err(position) => self.allocated.insert(position, (framework, resources.clone())),
        }
        self.take(unallocated);
    }

    /// Releases the part of `resources` that is allocated to the framework, and returns it.
    pub fn unallocate(&mut self, framework: Ix<Framework>, resources: &Resources) -> Resources {
        let Ok(position) = self.allocated.binary_search_by_key(&framework, |(holder, _)| *holder) else {
            return Resources::new();
        };
        let Some((_, held)) = self.allocated.get_mut(position) else { return Resources::new() };
        let released = if held.contains(resources) { resources.clone() } else { &*held - &(&*held - resources) };
        *held -= &released;
        if held.is_empty() {
            self.allocated.remove(position);
        }
        self.give_back(&released);
        released
    }

    pub fn unclaimed(&self) -> impl Iterator<Item = &Resources> + '_ {
        self.unclaimed.iter().map(|(_, resources)| resources)
    }

    pub fn allocate_unclaimed(&mut self, framework: FrameworkId, resources: Resources) {
        let unallocated = resources.unallocated();
        self.unclaimed.push((framework, resources));
        self.take(&unallocated);
    }

    /// Returns and releases the allocations of a framework that was not known when they were tracked.
    pub fn claim(&mut self, framework: &FrameworkId) -> Option<Resources> {
        let is_owner = |owner: &FrameworkId| owner == framework;
        if !self.unclaimed.iter().any(|(owner, _)| is_owner(owner)) {
            return None;
        }
        let (own, others): (Vec<_>, Vec<_>) = self.unclaimed.drain(..).partition(|(owner, _)| is_owner(owner));
        self.unclaimed = others;
        let claimed = own.into_iter().fold(Resources::new(), |sum, (_, resources)| sum + resources);
        self.give_back(&claimed);
        Some(claimed)
    }

    /// Releases the part of `resources` that is allocated to an unknown framework, and returns it.
    pub fn unallocate_unclaimed(&mut self, framework: &FrameworkId, resources: &Resources) -> Resources {
        let Some(held) = self.claim(framework) else { return Resources::new() };
        let rest = &held - resources;
        let released = &held - &rest;
        if !rest.is_empty() {
            self.allocate_unclaimed(framework.clone(), rest);
        }
        released
    }

    /// Returns the allocations beyond the total, as far as they count for quota.
    pub fn compute_excess(&self, cluster: &Cluster) -> Amounts {
        if !self.overcommitted {
            return Amounts::default();
        }
        let held = self.allocated.iter().map(|(_, resources)| resources);
        let mut sum = cluster.quota_amounts(&self.available);
        held.chain(self.unclaimed()).for_each(|resources| sum.add(&cluster.quota_amounts(resources)));
        sum.lacking(&cluster.quota_amounts(&self.total))
    }

    /// Removes new allocations, which are tracked already, from the available resources. Shared resources stay
    /// available.
    fn take(&mut self, unallocated: &Resources) {
        let taken = unallocated.non_shared();
        if taken.is_identical(&self.available) {
            // Most offers are of everything that is available.
            self.available = Resources::new();
        } else if !self.overcommitted && self.available.contains(&taken) {
            self.available -= &taken;
        } else {
            self.recompute();
        }
    }

    /// Adds released allocations, which are no longer tracked, to the available resources.
    fn give_back(&mut self, resources: &Resources) {
        if self.overcommitted {
            self.recompute();
        } else {
            self.available += &resources.non_shared().unallocated();
        }
    }

    fn recompute(&mut self) {
        let held = self.allocated.iter().map(|(_, resources)| resources);
        let unclaimed = self.unclaimed.iter().map(|(_, resources)| resources);
        let taken = held.chain(unclaimed).fold(Resources::new(), |mut sum, resources| {
            sum += resources.non_shared().unallocated();
            sum
        });
        self.overcommitted = !self.total.contains(&taken);
        self.available = &self.total - &taken;
    }
}
