//! Preemptions are checked by their purpose: the choice of the best allocations is the allocator's.

use std::collections::BTreeMap;

use allocator::Preemption;
use resources::Resources;

use crate::naive_model::Model;
use crate::quota::{NAMES, counts, is_within, sum, upwards};

impl Model {
    pub fn check_preemptions(&self, preemptions: &[Preemption]) {
        self.is_held_by_borrowers(preemptions);
        self.nobody_loses_a_minimum(preemptions);
        self.is_lacking(preemptions);
        self.is_not_free(preemptions);
    }

    fn is_held_by_borrowers(&self, preemptions: &[Preemption]) {
        let mut asked: BTreeMap<(String, String, String), Resources> = BTreeMap::new();
        for Preemption { allocated, lender, borrower } in preemptions {
            let (role, agent) = (allocated.role.to_string(), allocated.agent.to_string());
            assert!(self.agents[&agent].1, "{agent} is not offered");
            let owner = upwards(&role).into_iter().find(|above| self.partitions.contains_key(above));
            assert_eq!(owner.as_deref(), Some(borrower.as_str()));
            assert!(self.partitions[borrower.as_str()].preemptible, "{borrower}");
            assert!(!is_within(borrower.as_str(), lender.as_str()), "{lender} takes from itself");
            *asked.entry((allocated.framework.to_string(), role, agent)).or_default() +=
                &allocated.resources.unallocated();
        }
        for (place, resources) in asked {
            assert!(resources.iter().all(counts), "{resources}");
            assert!(self.held[&place].contains(&resources), "{place:?} does not hold {resources}");
        }
    }

    /// A preemption does not bring the borrower or a partition above it below its minimum. Partitions that are above
    /// the lender as well are exempt.
    fn nobody_loses_a_minimum(&self, preemptions: &[Preemption]) {
        for (role, name) in self.partitions.keys().flat_map(|role| NAMES.map(|name| (role, name))) {
            let lost = preemptions
                .iter()
                .filter(|one| is_within(one.allocated.role.as_str(), role) && !is_within(one.lender.as_str(), role));
            let min = self.partitions[role].min.get(&name.into()).thousandths();
            let lost = taken(lost, name);
            assert!(lost <= (self.used(role, name) - min).max(0), "{role} loses {lost} {name} of {min}");
        }
    }

    fn lacking(&self, role: &str, name: &str) -> i64 {
        let is_wanted = self.leaves().iter().any(|leaf| is_within(&leaf.0, role) && self.is_willing(leaf));
        let min = self.partitions[role].min.get(&name.into()).thousandths();
        if is_wanted { (min - self.used(role, name)).max(0) } else { 0 }
    }

    fn is_lacking(&self, preemptions: &[Preemption]) {
        for (role, name) in self.partitions.keys().flat_map(|role| NAMES.map(|name| (role, name))) {
            let taken = taken(preemptions.iter().filter(|one| one.lender.as_str() == *role), name);
            assert!(taken <= self.lacking(role, name), "{role} takes {taken} {name}");
        }
    }

    /// Free resources are used first, if no limit applies to anybody.
    fn is_not_free(&self, preemptions: &[Preemption]) {
        let is_limited = |role: &String| NAMES.iter().any(|name| self.limit(role, name).is_some());
        if self.partitions.keys().flat_map(|role| upwards(role)).any(|role| is_limited(&role)) {
            return;
        }
        for name in NAMES {
            let open = self.agents.iter().filter(|(_, (_, active))| *active).map(|(agent, _)| self.free(agent));
            let for_all = open.map(|free| free.filter(counts)).filter(|free| free.cpus() >= 0.01 || free.mem() >= 32.0);
            let free: i64 = for_all.map(|free| sum(free.iter(), name)).sum();
            let lacking: i64 = self.partitions.keys().map(|role| self.lacking(role, name)).sum();
            let taken = taken(preemptions.iter(), name);
            assert!(taken <= (lacking - free).max(0), "{taken} {name} for {lacking}, while {free} is free");
        }
    }
}

fn taken<'a>(preemptions: impl Iterator<Item = &'a Preemption>, name: &str) -> i64 {
    preemptions.map(|one| sum(one.allocated.resources.iter(), name)).sum()
}
