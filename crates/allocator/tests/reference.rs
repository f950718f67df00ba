//! The allocator against a naive model that recomputes everything from the list of who holds what.
//!
//! Random clusters live through random events. After each run the model, led through the agents in the order in which
//! the allocator visited them, must give away exactly the same; agents that were not offered must have nothing to give
//! to anybody. So nothing is offered twice, nothing is lost, nobody is forgotten, and the shares are the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use allocator::{Allocation, Allocator, Options, Reason};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use resources::{Quantities, Resources};
use story::{AgentSpec, FrameworkSpec, agent, framework, resources};
use vocabulary::{AgentId, FrameworkId, Monotonic, Random, Role};

const ROLES: [&str; 6] = ["a", "a/x", "a/x/deep", "a/y", "b", "*"];
const TOTALS: [&str; 5] = [
    "cpus:4;mem:400",
    "cpus:1;mem:1000;ports:[1-9]",
    "cpus:2;mem:100;cpus(a):2;mem(a):300",
    "cpus:0.005;mem:10;cpus(a/x):3",
    "cpus:8;mem:80;disk:70;gpus:2;mem(b):64",
];

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
        2 => (1u64..8).prop_map(Event::Pass),
        10 => Just(Event::Run),
    ]
}

proptest! {
    #[test]
    fn the_same_as_the_model(seed in any::<u64>(), events in proptest::collection::vec(event(), 1..120)) {
        let options = Options { random: Random::from_u64(seed), filter_gpu_resources: false, ..Options::default() };
        let mut world = World { allocator: Allocator::new(options), model: Model::default() };
        for event in events {
            world.happens(event);
            world.model.prune();
            world.compare_books();
        }
        world.happens(Event::Run);
    }
}

/// Node of the tree: the components of a role, then `.` and a framework for what is below it.
type Path = Vec<String>;
type Leaf = (String, String);

#[derive(Default)]
struct Model {
    now: u64,
    agents: BTreeMap<String, (Resources, bool)>,
    frameworks: BTreeMap<String, Member>,
    /// By framework, role and agent; unallocated, never empty.
    held: BTreeMap<(String, String, String), Resources>,
    refusals: Vec<(Leaf, String, Resources, u64)>,
    counts: BTreeMap<Path, u64>,
    weights: BTreeMap<Path, f64>,
}

#[derive(Default)]
struct Member {
    roles: BTreeSet<String>,
    suppressed: BTreeSet<String>,
    active: bool,
}

struct World {
    allocator: Allocator,
    model: Model,
}

impl World {
    fn happens(&mut self, event: Event) {
        let World { allocator, model } = self;
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
            Event::Pass(seconds) => model.now += seconds,
            Event::Run => self.run(),
            Event::AddAgent(..) | Event::AddFramework(..) => {}
        }
    }

    fn update_framework(&mut self, n: u8, roles: &[&str]) {
        let World { allocator, model } = self;
        let Some(member) = model.frameworks.get_mut(&name('f', n)) else { return };
        member.suppressed.retain(|role| roles.contains(&role.as_str()));
        let mut spec = framework_spec(n, roles);
        spec.suppressed.extend(member.suppressed.iter().map(Role::new));
        allocator.update_framework(spec.options());
        member.roles.retain(|role| roles.contains(&role.as_str()));
        model
            .refusals
            .retain(|((role, framework), _, _, _)| *framework != name('f', n) || roles.contains(&role.as_str()));
        // Nodes that vanish with the old roles have forgotten their counts when the new ones come.
        model.prune();
        if let Some(member) = model.frameworks.get_mut(&name('f', n)) {
            member.roles.extend(owned(roles));
        }
    }

    fn run(&mut self) {
        let now = self.model.now;
        let mut offers = self.allocator.allocate(at(now)).into_iter().peekable();
        let mut visited = BTreeSet::new();
        while let Some(first) = offers.peek() {
            let agent = first.agent.to_string();
            assert!(visited.insert(agent.clone()), "{agent} was visited twice");
            let mut got = Vec::new();
            while let Some(offer) = offers.next_if(|offer| offer.agent.as_str() == agent) {
                got.push(offer);
            }
            assert_eq!(got, self.model.give_away(&agent));
        }
        for agent in self.model.agents.keys().filter(|agent| !visited.contains(*agent)) {
            assert_eq!(self.model.clone_for_look().give_away(agent), [], "{agent} was forgotten");
        }
        assert!(!self.allocator.is_dirty());
        assert!(self.allocator.allocate(at(now)).is_empty());
        self.compare_explanations();
    }

    /// Whoever is in the way of an offer, the explanation must know it.
    fn compare_explanations(&self) {
        for (framework, member) in &self.model.frameworks {
            for (agent, role) in self.model.agents.keys().flat_map(|agent| ROLES.iter().map(move |role| (agent, role)))
            {
                let (id, role_id, agent_id) = (FrameworkId::new(framework), Role::new(role), AgentId::new(agent));
                let reasons = self.allocator.explain(at(self.model.now), &id, &role_id, &agent_id);
                assert!(!reasons.is_empty(), "nothing explains {framework} {role} {agent}");
                assert_eq!(reasons.contains(&Reason::NotSubscribed), !member.roles.contains(*role));
                assert_eq!(reasons.contains(&Reason::Suppressed), member.suppressed.contains(*role));
                assert_eq!(reasons.contains(&Reason::FrameworkInactive), !member.active);
                assert_eq!(reasons.contains(&Reason::AgentInactive), !self.model.agents[agent].1);
                assert_eq!(reasons.contains(&Reason::NothingLeft), self.model.free(agent).is_empty());
            }
        }
    }

    fn compare_books(&self) {
        for agent in self.model.agents.keys() {
            assert_eq!(self.allocator.available(&AgentId::new(agent)), Some(&self.model.free(agent)));
        }
        let shown: BTreeMap<String, Quantities> =
            self.allocator.roles().map(|view| (view.role.to_string(), view.allocated)).collect();
        let mut expected: BTreeMap<String, Quantities> = BTreeMap::new();
        for (role, _) in self.model.leaves() {
            expected.entry(role.clone()).or_insert_with(|| {
                let held = self.model.held.iter().filter(|((_, own, _), _)| *own == role);
                held.fold(Resources::new(), |sum, (_, resources)| &sum + resources).quantities()
            });
        }
        assert_eq!(shown, expected);
    }
}

impl Model {
    /// Those subscribed and those that hold something.
    fn leaves(&self) -> BTreeSet<Leaf> {
        let subscribed = self
            .frameworks
            .iter()
            .flat_map(|(framework, member)| member.roles.iter().map(|role| (role.clone(), framework.clone())));
        let holding = self.held.keys().map(|(framework, role, _)| (role.clone(), framework.clone()));
        subscribed.chain(holding).collect()
    }

    fn prune(&mut self) {
        let paths: Vec<Path> = self.leaves().into_iter().map(leaf_path).collect();
        self.counts.retain(|node, _| paths.iter().any(|path| path.starts_with(node)));
    }

    fn chosen(&self, framework: &str, role: Option<&str>) -> Option<BTreeSet<String>> {
        let member = self.frameworks.get(framework)?;
        match role {
            None => Some(member.roles.clone()),
            Some(role) => member.roles.contains(role).then(|| [role.to_owned()].into()),
        }
    }

    fn nth(&self, n: u8, all: bool) -> Option<((String, String, String), Resources)> {
        let (key, held) = self.held.iter().nth(usize::from(n) % self.held.len().max(1))?;
        let part = if all { held.clone() } else { held.by_name("cpus") };
        (!part.is_empty()).then(|| (key.clone(), part))
    }

    fn release(&mut self, (framework, role, agent): (&str, &str, &str), part: &Resources) {
        let key = (framework.to_owned(), role.to_owned(), agent.to_owned());
        let rest = &self.held[&key] - part;
        if rest.is_empty() {
            self.held.remove(&key);
        } else {
            self.held.insert(key, rest);
        }
    }

    fn free(&self, agent: &str) -> Resources {
        let held = self.held.iter().filter(|((_, _, own), _)| own == agent);
        &self.agents[agent].0 - &held.fold(Resources::new(), |sum, (_, resources)| &sum + resources)
    }

    /// What the rules say, with the order taken once per agent.
    fn give_away(&mut self, agent: &str) -> Vec<Allocation> {
        if !self.agents[agent].1 {
            return Vec::new();
        }
        let mut given = Vec::new();
        let mut free = self.free(agent);
        for (role, framework) in self.order(&Path::new()) {
            let offer = free.allocatable_to(&role);
            let refused = self.refusals.iter().any(|((refused_role, by), on, refused, until)| {
                *refused_role == role
                    && *by == framework
                    && on == agent
                    && *until > self.now
                    && refused.contains(&offer)
            });
            let enough = offer.cpus() >= 0.01 || offer.mem() >= 32.0;
            if refused || !enough {
                continue;
            }
            free = &free - &offer;
            given.push((role, framework, offer));
        }
        for (role, framework, offer) in &given {
            let held = self.held.entry((framework.clone(), role.clone(), agent.to_owned())).or_default();
            *held += offer;
            let path = leaf_path((role.clone(), framework.clone()));
            for end in 0..=path.len() {
                *self.counts.entry(path[..end].to_vec()).or_default() += 1;
            }
        }
        let allocation = |(role, framework, offer): (String, String, Resources)| Allocation {
            framework: FrameworkId::new(framework),
            resources: offer.allocated(&Role::new(&role)),
            role: Role::new(role),
            agent: AgentId::new(agent),
        };
        given.into_iter().map(allocation).collect()
    }

    /// The willing leaves below a node, best claim first.
    fn order(&self, node: &Path) -> Vec<Leaf> {
        let willing: Vec<Leaf> = self.leaves().into_iter().filter(|leaf| self.is_willing(leaf)).collect();
        let below = willing.iter().filter(|leaf| leaf_path((*leaf).clone()).starts_with(node));
        let mut children: Vec<Path> = Vec::new();
        for path in below.map(|leaf| leaf_path(leaf.clone())) {
            if path.len() == node.len() {
                return vec![willing.into_iter().find(|leaf| leaf_path(leaf.clone()) == *node).unwrap()];
            }
            let child = path[..=node.len()].to_vec();
            if !children.contains(&child) {
                children.push(child);
            }
        }
        let claim = |path: &Path| (self.share(path), self.counts.get(path).copied().unwrap_or_default());
        children.sort_by(|left, right| {
            let (left_claim, right_claim) = (claim(left), claim(right));
            left_claim.0.total_cmp(&right_claim.0).then(left_claim.1.cmp(&right_claim.1)).then(left.cmp(right))
        });
        children.iter().flat_map(|child| self.order(child)).collect()
    }

    fn is_willing(&self, (role, framework): &Leaf) -> bool {
        let member = self.frameworks.get(framework);
        member.is_some_and(|member| member.active && member.roles.contains(role) && !member.suppressed.contains(role))
    }

    fn share(&self, node: &Path) -> f64 {
        let sum = |amounts: Vec<Quantities>| {
            amounts.iter().fold(Quantities::new(), |mut sum, one| {
                sum += one;
                sum
            })
        };
        let total = sum(self.agents.values().map(|(total, _)| total.quantities()).collect());
        let below = self
            .held
            .iter()
            .filter(|((framework, role, _), _)| leaf_path((role.clone(), framework.clone())).starts_with(node));
        let held = sum(below.map(|(_, resources)| resources.quantities()).collect());
        held.max_share(&total, |_| true) / self.weights.get(node).copied().unwrap_or(1.0)
    }

    fn clone_for_look(&self) -> Model {
        let members = self.frameworks.iter().map(|(id, member)| {
            let Member { roles, suppressed, active } = member;
            (id.clone(), Member { roles: roles.clone(), suppressed: suppressed.clone(), active: *active })
        });
        Model {
            now: self.now,
            agents: self.agents.clone(),
            frameworks: members.collect(),
            held: self.held.clone(),
            refusals: self.refusals.clone(),
            counts: self.counts.clone(),
            weights: self.weights.clone(),
        }
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

fn path(role: &str) -> Path {
    role.split('/').map(str::to_owned).collect()
}

fn leaf_path((role, framework): Leaf) -> Path {
    let mut path = path(&role);
    path.extend([".".to_owned(), framework]);
    path
}
