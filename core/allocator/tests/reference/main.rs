//! The allocator against a naive model that recomputes everything from the list of allocations.
//!
//! Random clusters go through random events. After each run the model visits the agents in the order of the allocator
//! and must allocate exactly the same; agents that were not offered must have nothing for anybody. This shows that no
//! resources are offered twice or lost, that no framework is left out, and that the shares are the same. Preemptions
//! are checked by their purpose.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod naive_model;
mod preemption;
mod quota;
#[path = "../scenario/mod.rs"]
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use allocator::{Allocation, Allocator, IneligibilityReason, Options};
use model::{AgentId, FrameworkId, Monotonic, Random, Role};
use naive_model::{Member, Model, path};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use quota::RoleQuota;
use resources::{ResourceQuantities, Resources};
use scenario::{AgentSpec, FrameworkSpec, agent, framework, resources};

const ROLES: [&str; 6] = ["a", "a/x", "a/x/deep", "a/y", "b", "*"];
const TOTALS: [&str; 5] = [
    "cpus:4;mem:400",
    "cpus:1;mem:1000;ports:[1-9]",
    "cpus:2;mem:100;cpus(a):2;mem(a):300",
    "cpus:0.005;mem:10;cpus(a/x):3",
    "cpus:8;mem:80;disk:70;gpus:2;mem(b):64",
];

/// Amounts of guarantees and limits.
const AMOUNTS: [&str; 7] = ["", "", "cpus:1", "cpus:2;mem:200", "cpus:4;mem:100", "mem:350", "cpus:0.5;disk:10"];

#[derive(Debug, Clone)]
enum Event {
    AddAgent(u8, &'static str),
    RemoveAgent(u8),
    ChangeAgent(u8, &'static str),
    ActivateAgent(u8, bool),
    AddFramework(u8, Vec<&'static str>, Option<&'static str>),
    RemoveFramework(u8),
    UpdateFramework(u8, Vec<&'static str>),
    ActivateFramework(u8, bool),
    Suppress(u8, Option<&'static str>),
    Revive(u8, Option<&'static str>),
    Weigh(&'static str, f64),
    Decline(u8, u64),
    Free(u8, bool),
    Quota(&'static str, Option<(&'static str, &'static str)>),
    /// Minimum, maximum, whether it lends and may be preempted, priority; `None` removes the partition.
    Partition(&'static str, Option<(&'static str, &'static str, bool, bool, i32)>),
    Pass(u64),
    Run,
}

fn event() -> impl Strategy<Value = Event> {
    let roles = || subsequence(ROLES.to_vec(), 1..3);
    let one = || proptest::option::of(select(&ROLES[..]));
    let id = 0u8..12;
    prop_oneof![
        6 => (id.clone(), select(&TOTALS[..])).prop_map(|(id, total)| Event::AddAgent(id, total)),
        1 => id.clone().prop_map(Event::RemoveAgent),
        1 => (id.clone(), select(&TOTALS[..])).prop_map(|(id, total)| Event::ChangeAgent(id, total)),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, active)| Event::ActivateAgent(id, active)),
        5 => (id.clone(), roles(), one()).prop_map(|(id, roles, suppressed)| Event::AddFramework(id, roles, suppressed)),
        1 => id.clone().prop_map(Event::RemoveFramework),
        2 => (id.clone(), roles()).prop_map(|(id, roles)| Event::UpdateFramework(id, roles)),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, active)| Event::ActivateFramework(id, active)),
        1 => (id.clone(), one()).prop_map(|(id, role)| Event::Suppress(id, role)),
        2 => (id, one()).prop_map(|(id, role)| Event::Revive(id, role)),
        1 => (select(&ROLES[..]), select(vec![0.5, 1.0, 2.0, 3.0])).prop_map(|(role, weight)| Event::Weigh(role, weight)),
        4 => (any::<u8>(), 0u64..20).prop_map(|(n, seconds)| Event::Decline(n, seconds)),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(n, all)| Event::Free(n, all)),
        3 => (select(&ROLES[..5]), proptest::option::weighted(0.8, (select(&AMOUNTS[..]), select(&AMOUNTS[..]))))
            .prop_map(|(role, quota)| Event::Quota(role, quota)),
        2 => (
            select(&ROLES[..5]),
            proptest::option::weighted(
                0.7,
                (select(&AMOUNTS[..]), select(&AMOUNTS[..]), any::<bool>(), any::<bool>(), 0..3i32),
            ),
        )
            .prop_map(|(role, quota)| Event::Partition(role, quota)),
        2 => (1u64..8).prop_map(Event::Pass),
        10 => Just(Event::Run),
    ]
}

proptest! {
    #[test]
    fn allocations_equal_those_of_the_reference_model(seed in any::<u64>(), events in proptest::collection::vec(event(), 1..120)) {
        let options = Options { random: Random::from_u64(seed), filter_gpu_resources: false, ..Options::default() };
        let mut comparison = Comparison { allocator: Allocator::new(options), model: Model::default() };
        for event in events {
            comparison.apply(event);
            comparison.model.prune();
            comparison.compare_accounts();
        }
        comparison.apply(Event::Run);
    }
}

struct Comparison {
    allocator: Allocator,
    model: Model,
}

impl Comparison {
    fn apply(&mut self, event: Event) {
        let Comparison { allocator, model } = self;
        match event {
            Event::AddAgent(n, total) if !model.agents.contains_key(&name('n', n)) => {
                allocator.add_agent(agent_spec(n, total).options(), &[]);
                model.agents.insert(name('n', n), (resources(total), true));
            }
            Event::RemoveAgent(n) => {
                allocator.remove_agent(&AgentId::new(name('n', n)));
                model.agents.remove(&name('n', n));
                model.held.retain(|(_, _, agent), _| *agent != name('n', n));
                model.refusals.retain(|(_, agent, _, _)| *agent != name('n', n));
            }
            Event::ChangeAgent(n, total) => {
                if let Some((known, _)) = model.agents.get_mut(&name('n', n)) {
                    allocator.update_agent(agent_spec(n, total).options());
                    *known = resources(total);
                }
            }
            Event::ActivateAgent(n, active) => {
                let id = AgentId::new(name('n', n));
                if active {
                    allocator.activate_agent(&id)
                } else {
                    allocator.deactivate_agent(&id)
                }
                if let Some((_, known)) = model.agents.get_mut(&name('n', n)) {
                    *known = active;
                }
            }
            Event::AddFramework(n, roles, suppressed) if !model.frameworks.contains_key(&name('f', n)) => {
                let mut spec = framework_spec(n, &roles);
                let suppressed = suppressed.filter(|role| roles.contains(role));
                spec.suppressed.extend(suppressed.map(Role::new));
                allocator.add_framework(spec.options(), true, &[]);
                let suppressed = suppressed.into_iter().map(str::to_owned).collect();
                model.frameworks.insert(name('f', n), Member { roles: owned(&roles), suppressed, active: true });
            }
            Event::RemoveFramework(n) => {
                allocator.remove_framework(&FrameworkId::new(name('f', n)));
                model.frameworks.remove(&name('f', n));
                model.held.retain(|(framework, _, _), _| *framework != name('f', n));
                model.refusals.retain(|((_, framework), _, _, _)| *framework != name('f', n));
            }
            Event::UpdateFramework(n, roles) => self.update_framework(n, &roles),
            Event::ActivateFramework(n, active) => {
                let id = FrameworkId::new(name('f', n));
                if active {
                    allocator.activate_framework(&id)
                } else {
                    allocator.deactivate_framework(&id)
                }
                if let Some(member) = model.frameworks.get_mut(&name('f', n)) {
                    member.active = active;
                    model.refusals.retain(|((_, framework), _, _, _)| active || *framework != name('f', n));
                }
            }
            Event::Suppress(n, role) => {
                let roles: Vec<Role> = role.iter().map(Role::new).collect();
                let done = allocator.suppress(&FrameworkId::new(name('f', n)), &roles);
                let chosen = model.chosen(&name('f', n), role);
                assert_eq!(done, chosen.is_some());
                if let Some(member) = model.frameworks.get_mut(&name('f', n)) {
                    member.suppressed.extend(chosen.into_iter().flatten());
                }
            }
            Event::Revive(n, role) => {
                let roles: Vec<Role> = role.iter().map(Role::new).collect();
                let done = allocator.revive(&FrameworkId::new(name('f', n)), &roles);
                let chosen = model.chosen(&name('f', n), role);
                assert_eq!(done, chosen.is_some());
                let chosen = chosen.unwrap_or_default();
                if let Some(member) = model.frameworks.get_mut(&name('f', n)) {
                    member.suppressed.retain(|role| !chosen.contains(role));
                }
                model
                    .refusals
                    .retain(|((role, framework), _, _, _)| *framework != name('f', n) || !chosen.contains(role));
            }
            Event::Weigh(role, weight) => {
                allocator.set_weight(&Role::new(role), weight);
                model.weights.insert(path(role), weight);
            }
            Event::Decline(n, seconds) => {
                if let Some(((framework, role, agent), part)) = model.nth(n, true) {
                    let refuse = Some(Duration::from_secs(seconds));
                    give_back(allocator, model.now, (&framework, &role, &agent), &part, refuse);
                    model.release((&framework, &role, &agent), &part);
                    if model.frameworks[&framework].roles.contains(&role) {
                        model.refusals.push(((role, framework), agent, part, model.now + seconds.max(1)));
                    }
                }
            }
            Event::Free(n, all) => {
                if let Some(((framework, role, agent), part)) = model.nth(n, all) {
                    give_back(allocator, model.now, (&framework, &role, &agent), &part, None);
                    model.release((&framework, &role, &agent), &part);
                }
            }
            Event::Quota(role, Some((min, max))) => {
                allocator.set_quota(&Role::new(role), scenario::quota(min, max));
                model.quotas.insert(role.to_owned(), role_quota(min, max));
            }
            Event::Quota(role, None) => {
                allocator.remove_quota(&Role::new(role));
                model.quotas.remove(role);
            }
            Event::Partition(role, Some((min, max, lends, preemptible, priority))) => {
                let partition = scenario::partition(role, min, max);
                allocator.set_partition(allocator::Partition { lends, preemptible, priority, ..partition });
                let quota = RoleQuota { lends, preemptible, priority, ..role_quota(min, max) };
                model.partitions.insert(role.to_owned(), quota);
            }
            Event::Partition(role, None) => {
                let known = allocator.remove_partition(&allocator::PartitionId::new(role));
                assert_eq!(known, model.partitions.remove(role).is_some());
            }
            Event::Pass(seconds) => model.now += seconds,
            Event::Run => self.run(),
            Event::AddAgent(..) | Event::AddFramework(..) => {}
        }
    }

    fn update_framework(&mut self, n: u8, roles: &[&str]) {
        let Comparison { allocator, model } = self;
        let Some(member) = model.frameworks.get_mut(&name('f', n)) else { return };
        member.suppressed.retain(|role| roles.contains(&role.as_str()));
        let mut spec = framework_spec(n, roles);
        spec.suppressed.extend(member.suppressed.iter().map(Role::new));
        allocator.update_framework(spec.options());
        member.roles.retain(|role| roles.contains(&role.as_str()));
        model
            .refusals
            .retain(|((role, framework), _, _, _)| *framework != name('f', n) || roles.contains(&role.as_str()));
        // Nodes that are removed with the old roles lose their counts before the new ones are created.
        model.prune();
        if let Some(member) = model.frameworks.get_mut(&name('f', n)) {
            member.roles.extend(owned(roles));
        }
    }

    fn run(&mut self) {
        let now = self.model.now;
        let before = self.model.clone();
        let offers = self.allocator.allocate(at(now));
        let groups: Vec<&[Allocation]> = offers.chunk_by(|left, right| left.agent == right.agent).collect();
        let mut stage_one = true;
        let mut visited = BTreeSet::new();
        for group in groups {
            let agent = group[0].agent.to_string();
            // The last agent of the first stage may be the first one of the second.
            let mut expected = if stage_one { self.model.keep_guarantees(&agent) } else { Vec::new() };
            if expected.len() < group.len() {
                stage_one = false;
                assert!(visited.insert(agent.clone()), "{agent} was visited twice");
                expected.extend(self.model.share_fairly(&agent));
            }
            assert_eq!(group, expected);
        }
        for agent in self.model.agents.keys() {
            assert_eq!(self.model.clone().keep_guarantees(agent), [], "{agent} was forgotten");
            assert_eq!(self.model.clone().share_fairly(agent), [], "{agent} was forgotten");
        }
        assert!(!self.allocator.is_dirty());
        assert!(self.allocator.allocate(at(now)).is_empty());
        self.check_limits(&before);
        self.model.check_preemptions(&self.allocator.preemptions(&[]));
        self.compare_explanations();
    }

    fn check_limits(&self, before: &Model) {
        for (role, name) in ROLES.iter().flat_map(|role| ["cpus", "mem"].map(|name| (role, name))) {
            let used = self.model.used(role, name);
            if let Some(limit) = self.model.limit(role, name) {
                assert!(used <= limit.max(before.used(role, name)), "{role} uses {used} {name} of {limit}");
            }
        }
    }

    /// The explanation must contain every reason that prevents an offer.
    fn compare_explanations(&self) {
        for (framework, member) in &self.model.frameworks {
            for (agent, role) in self.model.agents.keys().flat_map(|agent| ROLES.iter().map(move |role| (agent, role)))
            {
                let (id, role_id, agent_id) = (FrameworkId::new(framework), Role::new(role), AgentId::new(agent));
                let reasons = self.allocator.explain(at(self.model.now), &id, &role_id, &agent_id);
                assert!(!reasons.is_empty(), "nothing explains {framework} {role} {agent}");
                assert_eq!(reasons.contains(&IneligibilityReason::NotSubscribed), !member.roles.contains(*role));
                assert_eq!(reasons.contains(&IneligibilityReason::Suppressed), member.suppressed.contains(*role));
                assert_eq!(reasons.contains(&IneligibilityReason::FrameworkInactive), !member.active);
                assert_eq!(reasons.contains(&IneligibilityReason::AgentInactive), !self.model.agents[agent].1);
                assert_eq!(reasons.contains(&IneligibilityReason::NothingLeft), self.model.free(agent).is_empty());
            }
        }
    }

    fn compare_accounts(&self) {
        for role in ROLES {
            let used = self.allocator.quota_used(&Role::new(role));
            for name in ["cpus", "mem", "disk", "gpus"] {
                assert_eq!(used.get(&name.into()).thousandths(), self.model.used(role, name), "{name} of {role}");
            }
        }
        for agent in self.model.agents.keys() {
            assert_eq!(self.allocator.available(&AgentId::new(agent)), Some(&self.model.free(agent)));
        }
        let shown: BTreeMap<String, ResourceQuantities> =
            self.allocator.roles().map(|view| (view.role.to_string(), view.allocated)).collect();
        let mut expected: BTreeMap<String, ResourceQuantities> = BTreeMap::new();
        for (role, _) in self.model.leaves() {
            expected.entry(role.clone()).or_insert_with(|| {
                let held = self.model.held.iter().filter(|((_, own, _), _)| *own == role);
                held.fold(Resources::new(), |sum, (_, resources)| &sum + resources).quantities()
            });
        }
        assert_eq!(shown, expected);
    }
}

fn give_back(
    allocator: &mut Allocator,
    now: u64,
    (framework, role, agent): (&str, &str, &str),
    part: &Resources,
    refuse: Option<Duration>,
) {
    let (framework, agent) = (FrameworkId::new(framework), AgentId::new(agent));
    allocator.recover(at(now), &framework, &agent, &part.allocated(&Role::new(role)), refuse);
}

fn at(seconds: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_secs(seconds))
}

fn name(kind: char, n: u8) -> String {
    format!("{kind}{n:02}")
}

fn owned(roles: &[&str]) -> BTreeSet<String> {
    roles.iter().map(|role| (*role).to_owned()).collect()
}

fn agent_spec(n: u8, total: &str) -> AgentSpec {
    agent(&name('n', n), total)
}

fn framework_spec(n: u8, roles: &[&str]) -> FrameworkSpec {
    framework(&name('f', n), roles)
}

/// A partition of the scenarios has weight 1.
fn role_quota(min: &str, max: &str) -> RoleQuota {
    let amounts = |text: &str| resources(text).quantities();
    let max = amounts(max).iter().map(|(name, limit)| (name.to_string(), limit.thousandths())).collect();
    RoleQuota { min: amounts(min), max, weight: 1.0, lends: false, priority: 0, preemptible: false }
}
