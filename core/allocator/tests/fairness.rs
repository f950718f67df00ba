//! The order of frameworks by their shares: the scenarios of Mesos' sorter tests for dominant shares.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod scenario;

use std::collections::BTreeMap;
use std::time::Duration;

use messages::v1::resource::{DiskInfo, disk_info};
use model::{AgentId, FrameworkId, Role};
use resources::Resources;
use scenario::*;

/// Frameworks, the resources of each on one large agent, and the order in which they are served. The name of a
/// framework is its role (`a/b`), or begins with it (`a/b:name`).
struct SorterScenario {
    scenario: Scenario,
    total: Resources,
    held: BTreeMap<String, Resources>,
}

fn sorter_scenario(total: &str) -> SorterScenario {
    SorterScenario { scenario: scenario(), total: resources(total), held: BTreeMap::new() }
}

fn role(name: &str) -> Role {
    Role::new(name.split(':').next().unwrap())
}

fn id(name: &str) -> FrameworkId {
    FrameworkId::new(name.replace('/', "."))
}

impl SorterScenario {
    fn joins(mut self, name: &str) -> Self {
        let spec = framework(id(name).as_str(), &[role(name).as_str()]).can(Can::SharedResources);
        self.scenario = self.scenario.add_framework(&spec);
        self
    }

    /// Sets the resources of a framework, in place of those that it had.
    fn holds(self, name: &str, text: &str) -> Self {
        self.holds_all(name, resources(text))
    }

    fn holds_all(mut self, name: &str, resources: Resources) -> Self {
        if !self.held.contains_key(name) {
            self = self.joins(name);
        }
        self.held.insert(name.to_owned(), resources);
        self
    }

    fn leaves(mut self, name: &str) -> Self {
        self.scenario = self.scenario.remove_framework(id(name).as_str());
        self.held.remove(name);
        self
    }

    fn suppresses(mut self, name: &str) -> Self {
        self.scenario = self.scenario.suppresses(id(name).as_str(), &[]);
        self
    }

    fn revives(mut self, name: &str) -> Self {
        self.scenario = self.scenario.revives(id(name).as_str(), &[]);
        self
    }

    fn weighs(mut self, role: &str, weight: f64) -> Self {
        self.scenario = self.scenario.weighs(role, weight);
        self
    }

    fn grows_to(mut self, total: &str) -> Self {
        self.total = resources(total);
        self
    }

    fn has(mut self, more: Resources) -> Self {
        self.total += more;
        self
    }

    /// Offers a small agent to one framework after the other, each of which declines.
    fn sorts(mut self, expected: &[&str]) -> Self {
        let large = AgentSpec { total: self.total.clone(), ..agent("large", "") };
        let used: Vec<_> = self.held.iter().map(|(name, held)| (id(name), held.allocated(&role(name)))).collect();
        let allocator = &mut self.scenario.allocator;
        allocator.add_agent(large.options(), &used);
        allocator.deactivate_agent(&large.id);
        let small = agent("small", "cpus:0.01");
        allocator.add_agent(small.options(), &[]);
        let mut order = Vec::new();
        loop {
            let offers = allocator.allocate(self.scenario.now);
            let [offer] = &offers[..] else {
                assert_eq!(offers, []);
                break;
            };
            order.push(offer.framework.to_string());
            let refuse = Some(Duration::from_secs(3600));
            allocator.recover(self.scenario.now, &offer.framework, &offer.agent, &offer.resources, refuse);
        }
        allocator.remove_agent(&AgentId::new("small"));
        let expected: Vec<String> = expected.iter().map(|name| id(name).to_string()).collect();
        assert_eq!(order, expected);
        self
    }
}

fn volume(amount: u32, name: &str, shared: bool) -> Resources {
    let mut protos = resources(&format!("disk(r):{amount}")).to_proto();
    for proto in &mut protos {
        let persistence = disk_info::Persistence { id: name.into(), principal: None };
        proto.disk = Some(Box::new(DiskInfo { persistence: Some(persistence), ..DiskInfo::default() }));
        proto.shared = shared.then(Default::default);
    }
    Resources::from_proto(&protos).unwrap()
}

/// Runs the same steps with flat roles and with roles of any depth.
#[test]
fn the_smallest_dominant_share_is_first() {
    let flat = ["a", "b", "c", "d", "e", "f"];
    let shallow = ["a/a", "b/b", "c/c", "d/d", "e/e", "f/f"];
    let deep = ["a/a/a/a/a", "b/b/b/b", "c/c/c", "d/d", "e/e/e/e/e/e", "f/f"];
    for [a, b, c, d, e, f] in [flat, shallow, deep] {
        sorter_scenario("cpus:100;mem:100")
            .sorts(&[])
            .holds(a, "cpus:5;mem:5")
            .holds(b, "cpus:6;mem:6")
            .sorts(&[a, b])
            .holds(c, "cpus:1;mem:1")
            .holds(d, "cpus:3;mem:1")
            .sorts(&[c, d, a, b])
            .leaves(a)
            .holds(b, "cpus:2;mem:2")
            .sorts(&[c, b, d])
            .holds(e, "cpus:1;mem:5")
            .grows_to("cpus:50;mem:100")
            .sorts(&[c, b, e, d])
            .grows_to("cpus:50;mem:200")
            .holds(f, "cpus:5;mem:1")
            .holds(c, "cpus:1;mem:16")
            .sorts(&[e, b, d, c, f])
            .suppresses(d)
            .sorts(&[e, b, c, f])
            .revives(d)
            .sorts(&[e, b, d, c, f]);
    }
}

#[test]
fn a_weight_divides_the_share() {
    sorter_scenario("cpus:100;mem:100")
        .holds("a", "cpus:5;mem:5")
        .holds("b", "cpus:6;mem:6")
        .sorts(&["a", "b"])
        .weighs("b", 2.0)
        .sorts(&["b", "a"])
        .holds("c", "cpus:4;mem:4")
        .sorts(&["b", "c", "a"])
        .weighs("d", 10.0)
        .holds("d", "cpus:10;mem:20")
        .sorts(&["d", "b", "c", "a"])
        .leaves("b")
        .sorts(&["d", "c", "a"])
        .holds("d", "cpus:20;mem:45")
        .sorts(&["c", "d", "a"])
        .weighs("e", 0.1)
        .holds("e", "cpus:1;mem:1")
        .sorts(&["c", "d", "a", "e"])
        .leaves("a")
        .sorts(&["c", "d", "e"]);
}

#[test]
fn a_subtree_has_one_share() {
    sorter_scenario("cpus:100;mem:100")
        .joins("a")
        .joins("b/c")
        .joins("b/d")
        .sorts(&["a", "b/c", "b/d"])
        .leaves("a")
        .holds("a", "cpus:6;mem:6")
        .sorts(&["b/c", "b/d", "a"])
        .leaves("b/c")
        .leaves("b/d")
        .holds("b/c", "cpus:4;mem:4")
        .holds("b/d", "cpus:3;mem:3")
        .sorts(&["a", "b/d", "b/c"])
        .holds("a", "cpus:8;mem:8")
        .sorts(&["b/d", "b/c", "a"])
        .joins("b/e/f")
        .sorts(&["b/e/f", "b/d", "b/c", "a"])
        .leaves("b/e/f")
        .holds("b/e/f", "cpus:3.5;mem:3.5")
        .sorts(&["a", "b/d", "b/e/f", "b/c"])
        .leaves("b/e/f")
        .sorts(&["b/d", "b/c", "a"])
        .holds("b/c", "cpus:1;mem:1")
        .sorts(&["b/c", "b/d", "a"])
        .holds("b/e/f", "cpus:3.5;mem:3.5")
        .sorts(&["b/c", "b/d", "b/e/f", "a"]);
}

/// Frameworks of a role compete with the roles below it.
#[test]
fn the_frameworks_of_a_role_compete_with_its_subroles() {
    sorter_scenario("cpus:100;mem:100")
        .joins("a/b")
        .joins("c")
        .joins("d")
        .joins("d/e")
        .sorts(&["a/b", "c", "d", "d/e"])
        .leaves("c")
        .holds("c", "cpus:8;mem:8")
        .sorts(&["a/b", "d", "d/e", "c"])
        .leaves("d")
        .leaves("d/e")
        .holds("d", "cpus:3;mem:3")
        .holds("d/e", "cpus:2;mem:2")
        .sorts(&["a/b", "d/e", "d", "c"])
        .leaves("a/b")
        .holds("a/b", "cpus:6;mem:6")
        .sorts(&["d/e", "d", "a/b", "c"]);
}

#[test]
fn a_role_can_become_an_inner_node_of_the_tree() {
    sorter_scenario("cpus:100;mem:100")
        .holds("a", "cpus:10;mem:10")
        .holds("b", "cpus:6;mem:6")
        .sorts(&["b", "a"])
        .holds("a/c", "cpus:5;mem:5")
        .sorts(&["b", "a/c", "a"])
        .leaves("a")
        .sorts(&["a/c", "b"])
        .holds("a", "cpus:10;mem:10")
        .sorts(&["b", "a/c", "a"])
        .weighs("a/c", 0.2)
        .sorts(&["b", "a", "a/c"])
        // The weight of a role does not apply to its own frameworks within it.
        .weighs("a", 3.0)
        .sorts(&["a", "a/c", "b"])
        .weighs("a/c", 1.0)
        .sorts(&["a/c", "a", "b"]);
}

#[test]
fn an_inner_role_can_get_frameworks() {
    sorter_scenario("cpus:100;mem:100")
        .holds("x/a", "cpus:10;mem:10")
        .holds("x/b", "cpus:6;mem:6")
        .sorts(&["x/b", "x/a"])
        .holds("x", "cpus:7;mem:7")
        .sorts(&["x/b", "x", "x/a"])
        .holds("z", "cpus:20;mem:20")
        .sorts(&["z", "x/b", "x", "x/a"])
        .leaves("x")
        .sorts(&["x/b", "x/a", "z"]);
}

#[test]
fn allocations_of_suppressed_frameworks_count_in_parent_roles() {
    sorter_scenario("cpus:100;mem:100")
        .holds("a", "cpus:10;mem:10")
        .holds("b", "cpus:6;mem:6")
        .suppresses("a")
        .sorts(&["b"])
        .holds("a/c", "cpus:5;mem:5")
        // 15 of 100 are allocated in `a`.
        .sorts(&["b", "a/c"])
        .leaves("a/c")
        .sorts(&["b"])
        .revives("a")
        .sorts(&["b", "a"]);
}

#[test]
fn a_weight_applies_to_the_whole_subtree() {
    sorter_scenario("cpus:100;mem:100")
        .weighs("b", 3.0)
        .weighs("a", 2.0)
        .joins("a/x")
        .joins("b/y")
        .sorts(&["a/x", "b/y"])
        .leaves("a/x")
        .leaves("b/y")
        .holds("a/x", "cpus:10;mem:10")
        .holds("b/y", "cpus:10;mem:10")
        .sorts(&["b/y", "a/x"])
        .holds("b/z", "cpus:5;mem:5")
        // The shares are equal: 15 at weight 3 and 10 at weight 2; the next allocation tells them apart.
        .holds("b", "cpus:4;mem:4")
        .sorts(&["a/x", "b", "b/z", "b/y"])
        .holds("a/zz", "cpus:2;mem:2")
        .sorts(&["a/zz", "a/x", "b", "b/z", "b/y"]);
}

#[test]
fn the_total_decides_which_share_is_dominant() {
    sorter_scenario("cpus:10;mem:100")
        .holds("a", "cpus:2;mem:1")
        .holds("b", "cpus:1;mem:2")
        .sorts(&["b", "a"])
        .grows_to("cpus:100;mem:10")
        .sorts(&["a", "b"]);
}

#[test]
fn recovered_resources_reduce_the_share() {
    sorter_scenario("cpus:10")
        .holds("a", "cpus:6")
        .holds("b", "cpus:4")
        .sorts(&["b", "a"])
        .holds("a", "cpus:1")
        .grows_to("cpus:5")
        .sorts(&["a", "b"]);
}

#[test]
fn the_total_includes_all_agents() {
    let ladder = sorter_scenario("cpus:5;mem:50").holds("a", "cpus:2;mem:1").holds("b", "cpus:1;mem:3");
    let other = |total| AgentSpec { total: resources(total), ..agent("other", "") };
    let with = |mut ladder: SorterScenario, total| {
        let other = other(total);
        ladder.scenario.allocator.add_agent(other.options(), &[]);
        ladder.scenario.allocator.deactivate_agent(&other.id);
        ladder
    };
    let ladder = with(ladder, "cpus:5;mem:50").sorts(&["b", "a"]);
    with(ladder, "cpus:95;mem:50").sorts(&["a", "b"]);
}

#[test]
fn all_parts_of_a_resource_are_summed() {
    sorter_scenario("cpus:100;mem:100;disk(r):90")
        .has(volume(5, "v1", false))
        .has(volume(5, "v2", false))
        .holds("r:a", "cpus:9;mem:9;disk(r):9")
        .holds_all("r:b", &(&resources("cpus:8;mem:8") + &volume(5, "v1", false)) + &volume(5, "v2", false))
        .sorts(&["r:a", "r:b"]);
}

#[test]
fn revocable_resources_count_like_others() {
    let revocable = |amount: &str| {
        let mut protos = resources(amount).to_proto();
        protos.iter_mut().for_each(|proto| proto.revocable = Some(Default::default()));
        Resources::from_proto(&protos).unwrap()
    };
    sorter_scenario("cpus:10;mem:100")
        .has(revocable("cpus:10"))
        .holds("a", "cpus:2;mem:1")
        .holds_all("b", &resources("cpus:1;mem:1") + &revocable("cpus:9"))
        .sorts(&["a", "b"]);
}

#[test]
fn a_shared_volume_counts_for_each_framework_that_uses_it() {
    let volume = || volume(100, "v", true);
    sorter_scenario("cpus:100;mem:100;disk(r):900")
        .has(volume())
        .holds_all("r:a", &resources("cpus:5;mem:5") + &volume())
        .holds("r:b", "cpus:6;mem:6")
        .sorts(&["r:b", "r:a"])
        .holds_all("r:c", &resources("cpus:11;mem:1") + &volume())
        .sorts(&["r:b", "r:a", "r:c"])
        .leaves("r:a")
        .holds("r:b", "cpus:2;mem:2")
        .sorts(&["r:b", "r:c"])
        .holds_all("r:d", &resources("cpus:1;mem:12") + &volume())
        .sorts(&["r:b", "r:c", "r:d"]);
}

#[test]
fn equal_shares_of_one_volume_are_ordered_by_name() {
    let with = |text: &str| &resources(text) + &volume(900, "v", true);
    sorter_scenario("cpus:100;mem:100;disk(r):100")
        .has(volume(900, "v", true))
        .holds_all("r:b", with("cpus:5;mem:20"))
        .holds_all("r:c", with("cpus:10;mem:6"))
        .sorts(&["r:b", "r:c"])
        .holds_all("r:a", with("cpus:50;mem:40"))
        .sorts(&["r:a", "r:b", "r:c"]);
}

#[test]
fn more_copies_of_a_volume_do_not_count() {
    let volume = volume(50, "v", true);
    let copies = |n: usize| (0..n).fold(resources("cpus:2;mem:2"), |sum, _| &sum + &volume);
    sorter_scenario("cpus:100;mem:100;disk(r):950")
        .has(volume.clone())
        .holds_all("r:a", copies(1))
        .holds("r:b", "cpus:6;mem:6")
        .sorts(&["r:a", "r:b"])
        .holds_all("r:a", copies(4))
        .sorts(&["r:a", "r:b"])
        .holds("r:b", "cpus:4;mem:4")
        // The volume counts as long as one copy is allocated.
        .sorts(&["r:b", "r:a"])
        .holds_all("r:a", copies(2))
        .sorts(&["r:b", "r:a"])
        .holds_all("r:a", copies(0))
        .sorts(&["r:a", "r:b"]);
}
