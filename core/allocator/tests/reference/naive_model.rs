//! The rules of sharing, recomputed from the list of allocations for every query.

use std::collections::{BTreeMap, BTreeSet};

use allocator::Allocation;
use model::{AgentId, FrameworkId, Role};
use resources::{ResourceQuantities, Resources};

use crate::quota::{RoleQuota, cut};

/// A node of the tree: the components of a role, followed by `.` and a framework for the frameworks of the role.
pub type Path = Vec<String>;
pub type Leaf = (String, String);

#[derive(Default, Clone)]
pub struct Model {
    pub now: u64,
    pub agents: BTreeMap<String, (Resources, bool)>,
    pub frameworks: BTreeMap<String, Member>,
    /// The allocations by framework, role and agent; without allocation role, never empty.
    pub held: BTreeMap<(String, String, String), Resources>,
    pub refusals: Vec<(Leaf, String, Resources, u64)>,
    pub counts: BTreeMap<Path, u64>,
    pub weights: BTreeMap<Path, f64>,
    /// The quotas and partitions by role. If a role has both, the partition is in force.
    pub quotas: BTreeMap<String, RoleQuota>,
    pub partitions: BTreeMap<String, RoleQuota>,
}

#[derive(Default, Clone)]
pub struct Member {
    pub roles: BTreeSet<String>,
    pub suppressed: BTreeSet<String>,
    pub active: bool,
}

impl Model {
    /// Returns the leaves that are subscribed or have resources allocated.
    pub fn leaves(&self) -> BTreeSet<Leaf> {
        let subscribed = self
            .frameworks
            .iter()
            .flat_map(|(framework, member)| member.roles.iter().map(|role| (role.clone(), framework.clone())));
        let holding = self.held.keys().map(|(framework, role, _)| (role.clone(), framework.clone()));
        subscribed.chain(holding).collect()
    }

    pub fn prune(&mut self) {
        let paths: Vec<Path> = self.leaves().into_iter().map(leaf_path).collect();
        self.counts.retain(|node, _| paths.iter().any(|path| path.starts_with(node)));
    }

    pub fn chosen(&self, framework: &str, role: Option<&str>) -> Option<BTreeSet<String>> {
        let member = self.frameworks.get(framework)?;
        match role {
            None => Some(member.roles.clone()),
            Some(role) => member.roles.contains(role).then(|| [role.to_owned()].into()),
        }
    }

    pub fn nth(&self, n: u8, all: bool) -> Option<((String, String, String), Resources)> {
        let (key, held) = self.held.iter().nth(usize::from(n) % self.held.len().max(1))?;
        let part = if all { held.clone() } else { held.by_name("cpus") };
        (!part.is_empty()).then(|| (key.clone(), part))
    }

    pub fn release(&mut self, (framework, role, agent): (&str, &str, &str), part: &Resources) {
        let key = (framework.to_owned(), role.to_owned(), agent.to_owned());
        let rest = &self.held[&key] - part;
        if rest.is_empty() {
            self.held.remove(&key);
        } else {
            self.held.insert(key, rest);
        }
    }

    pub fn free(&self, agent: &str) -> Resources {
        let held = self.held.iter().filter(|((_, _, own), _)| own == agent);
        &self.agents[agent].0 - &held.fold(Resources::new(), |sum, (_, resources)| &sum + resources)
    }

    /// First stage: allocates the resources that reduce an unsatisfied guarantee, that of the highest priority first.
    pub fn keep_guarantees(&mut self, agent: &str) -> Vec<Allocation> {
        let order = self.order(&Path::new());
        let mut given = Vec::new();
        for priority in self.quota_table().priorities() {
            given.extend(self.give_away(agent, &order, Some(priority)));
        }
        given
    }

    /// Second stage: allocates by shares.
    pub fn share_fairly(&mut self, agent: &str) -> Vec<Allocation> {
        let order = self.order(&Path::new());
        self.give_away(agent, &order, None)
    }

    /// Allocates by the rules, with the order of leaves determined once per agent.
    fn give_away(&mut self, agent: &str, order: &[Leaf], priority: Option<i32>) -> Vec<Allocation> {
        if !self.agents[agent].1 {
            return Vec::new();
        }
        let mut given = Vec::new();
        let mut quota_table = self.quota_table();
        let mut free_of_agent = self.free(agent);
        if free_of_agent.is_empty() {
            return given;
        }
        for (role, framework) in order.iter().cloned() {
            if priority.is_some_and(|priority| !quota_table.advances_guarantee(&role, priority)) {
                continue;
            }
            let free = free_of_agent.allocatable_to(&role);
            let allowance = quota_table.allowance(&role);
            if priority.is_some() && !allowance.helps(&free) {
                continue;
            }
            let offer = cut(&free, &allowance);
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
            *self.held.entry((framework.clone(), role.clone(), agent.to_owned())).or_default() += &offer;
            let path = leaf_path((role.clone(), framework.clone()));
            for end in 0..=path.len() {
                *self.counts.entry(path[..end].to_vec()).or_default() += 1;
            }
            quota_table = self.quota_table();
            free_of_agent = self.free(agent);
            given.push(Allocation {
                framework: FrameworkId::new(framework),
                resources: offer.allocated(&Role::new(&role)),
                role: Role::new(role),
                agent: AgentId::new(agent),
            });
        }
        given
    }

    /// Returns the willing leaves below a node, the smallest share first.
    pub fn order(&self, node: &Path) -> Vec<Leaf> {
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

    pub fn is_willing(&self, (role, framework): &Leaf) -> bool {
        let member = self.frameworks.get(framework);
        member.is_some_and(|member| member.active && member.roles.contains(role) && !member.suppressed.contains(role))
    }

    pub fn share(&self, node: &Path) -> f64 {
        let sum = |amounts: Vec<ResourceQuantities>| {
            amounts.iter().fold(ResourceQuantities::new(), |mut sum, one| {
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
        held.max_share(&total, |_| true) / self.weight(node)
    }

    fn weight(&self, node: &Path) -> f64 {
        let partition = self.partitions.get(&node.join("/")).map(|quota| quota.weight);
        partition.or_else(|| self.weights.get(node).copied()).unwrap_or(1.0)
    }
}

pub fn path(role: &str) -> Path {
    role.split('/').map(str::to_owned).collect()
}

pub fn leaf_path((role, framework): Leaf) -> Path {
    let mut path = path(&role);
    path.extend([".".to_owned(), framework]);
    path
}
