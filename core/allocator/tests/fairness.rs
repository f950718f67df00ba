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
    fn add_framework(mut self, name: &str) -> Self {
        let spec = framework(id(name).as_str(), &[role(name).as_str()]).can(Can::SharedResources);
        self.scenario = self.scenario.add_framework(&spec);
        self
    }

    /// Sets the resources of a framework, in place of those that it had.
    fn set_allocated(self, name: &str, text: &str) -> Self {
        self.set_allocated_resources(name, resources(text))
    }

    fn set_allocated_resources(mut self, name: &str, resources: Resources) -> Self {
        if !self.held.contains_key(name) {
            self = self.add_framework(name);
        }
        self.held.insert(name.to_owned(), resources);
        self
    }

    fn remove_framework(mut self, name: &str) -> Self {
        self.scenario = self.scenario.remove_framework(id(name).as_str());
        self.held.remove(name);
        self
    }

    fn suppress(mut self, name: &str) -> Self {
        self.scenario = self.scenario.suppress(id(name).as_str(), &[]);
        self
    }

    fn revive(mut self, name: &str) -> Self {
        self.scenario = self.scenario.revive(id(name).as_str(), &[]);
        self
    }

    fn set_weight(mut self, role: &str, weight: f64) -> Self {
        self.scenario = self.scenario.set_weight(role, weight);
        self
    }

    fn set_total(mut self, total: &str) -> Self {
        self.total = resources(total);
        self
    }

    fn add_to_total(mut self, more: Resources) -> Self {
        self.total += more;
        self
    }

    /// Offers a small agent to one framework after the other, each of which declines.
    fn expect_order(mut self, expected: &[&str]) -> Self {
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
            .expect_order(&[])
            .set_allocated(a, "cpus:5;mem:5")
            .set_allocated(b, "cpus:6;mem:6")
            .expect_order(&[a, b])
            .set_allocated(c, "cpus:1;mem:1")
            .set_allocated(d, "cpus:3;mem:1")
            .expect_order(&[c, d, a, b])
            .remove_framework(a)
            .set_allocated(b, "cpus:2;mem:2")
            .expect_order(&[c, b, d])
            .set_allocated(e, "cpus:1;mem:5")
            .set_total("cpus:50;mem:100")
            .expect_order(&[c, b, e, d])
            .set_total("cpus:50;mem:200")
            .set_allocated(f, "cpus:5;mem:1")
            .set_allocated(c, "cpus:1;mem:16")
            .expect_order(&[e, b, d, c, f])
            .suppress(d)
            .expect_order(&[e, b, c, f])
            .revive(d)
            .expect_order(&[e, b, d, c, f]);
    }
}

#[test]
fn a_weight_divides_the_share() {
    sorter_scenario("cpus:100;mem:100")
        .set_allocated("a", "cpus:5;mem:5")
        .set_allocated("b", "cpus:6;mem:6")
        .expect_order(&["a", "b"])
        .set_weight("b", 2.0)
        .expect_order(&["b", "a"])
        .set_allocated("c", "cpus:4;mem:4")
        .expect_order(&["b", "c", "a"])
        .set_weight("d", 10.0)
        .set_allocated("d", "cpus:10;mem:20")
        .expect_order(&["d", "b", "c", "a"])
        .remove_framework("b")
        .expect_order(&["d", "c", "a"])
        .set_allocated("d", "cpus:20;mem:45")
        .expect_order(&["c", "d", "a"])
        .set_weight("e", 0.1)
        .set_allocated("e", "cpus:1;mem:1")
        .expect_order(&["c", "d", "a", "e"])
        .remove_framework("a")
        .expect_order(&["c", "d", "e"]);
}

#[test]
fn a_subtree_has_one_share() {
    sorter_scenario("cpus:100;mem:100")
        .add_framework("a")
        .add_framework("b/c")
        .add_framework("b/d")
        .expect_order(&["a", "b/c", "b/d"])
        .remove_framework("a")
        .set_allocated("a", "cpus:6;mem:6")
        .expect_order(&["b/c", "b/d", "a"])
        .remove_framework("b/c")
        .remove_framework("b/d")
        .set_allocated("b/c", "cpus:4;mem:4")
        .set_allocated("b/d", "cpus:3;mem:3")
        .expect_order(&["a", "b/d", "b/c"])
        .set_allocated("a", "cpus:8;mem:8")
        .expect_order(&["b/d", "b/c", "a"])
        .add_framework("b/e/f")
        .expect_order(&["b/e/f", "b/d", "b/c", "a"])
        .remove_framework("b/e/f")
        .set_allocated("b/e/f", "cpus:3.5;mem:3.5")
        .expect_order(&["a", "b/d", "b/e/f", "b/c"])
        .remove_framework("b/e/f")
        .expect_order(&["b/d", "b/c", "a"])
        .set_allocated("b/c", "cpus:1;mem:1")
        .expect_order(&["b/c", "b/d", "a"])
        .set_allocated("b/e/f", "cpus:3.5;mem:3.5")
        .expect_order(&["b/c", "b/d", "b/e/f", "a"]);
}

/// Frameworks of a role compete with the roles below it.
#[test]
fn the_frameworks_of_a_role_compete_with_its_subroles() {
    sorter_scenario("cpus:100;mem:100")
        .add_framework("a/b")
        .add_framework("c")
        .add_framework("d")
        .add_framework("d/e")
        .expect_order(&["a/b", "c", "d", "d/e"])
        .remove_framework("c")
        .set_allocated("c", "cpus:8;mem:8")
        .expect_order(&["a/b", "d", "d/e", "c"])
        .remove_framework("d")
        .remove_framework("d/e")
        .set_allocated("d", "cpus:3;mem:3")
        .set_allocated("d/e", "cpus:2;mem:2")
        .expect_order(&["a/b", "d/e", "d", "c"])
        .remove_framework("a/b")
        .set_allocated("a/b", "cpus:6;mem:6")
        .expect_order(&["d/e", "d", "a/b", "c"]);
}

#[test]
fn a_role_can_become_an_inner_node_of_the_tree() {
    sorter_scenario("cpus:100;mem:100")
        .set_allocated("a", "cpus:10;mem:10")
        .set_allocated("b", "cpus:6;mem:6")
        .expect_order(&["b", "a"])
        .set_allocated("a/c", "cpus:5;mem:5")
        .expect_order(&["b", "a/c", "a"])
        .remove_framework("a")
        .expect_order(&["a/c", "b"])
        .set_allocated("a", "cpus:10;mem:10")
        .expect_order(&["b", "a/c", "a"])
        .set_weight("a/c", 0.2)
        .expect_order(&["b", "a", "a/c"])
        // The weight of a role does not apply to its own frameworks within it.
        .set_weight("a", 3.0)
        .expect_order(&["a", "a/c", "b"])
        .set_weight("a/c", 1.0)
        .expect_order(&["a/c", "a", "b"]);
}

#[test]
fn an_inner_role_can_get_frameworks() {
    sorter_scenario("cpus:100;mem:100")
        .set_allocated("x/a", "cpus:10;mem:10")
        .set_allocated("x/b", "cpus:6;mem:6")
        .expect_order(&["x/b", "x/a"])
        .set_allocated("x", "cpus:7;mem:7")
        .expect_order(&["x/b", "x", "x/a"])
        .set_allocated("z", "cpus:20;mem:20")
        .expect_order(&["z", "x/b", "x", "x/a"])
        .remove_framework("x")
        .expect_order(&["x/b", "x/a", "z"]);
}

#[test]
fn allocations_of_suppressed_frameworks_count_in_parent_roles() {
    sorter_scenario("cpus:100;mem:100")
        .set_allocated("a", "cpus:10;mem:10")
        .set_allocated("b", "cpus:6;mem:6")
        .suppress("a")
        .expect_order(&["b"])
        .set_allocated("a/c", "cpus:5;mem:5")
        // 15 of 100 are allocated in `a`.
        .expect_order(&["b", "a/c"])
        .remove_framework("a/c")
        .expect_order(&["b"])
        .revive("a")
        .expect_order(&["b", "a"]);
}

#[test]
fn a_weight_applies_to_the_whole_subtree() {
    sorter_scenario("cpus:100;mem:100")
        .set_weight("b", 3.0)
        .set_weight("a", 2.0)
        .add_framework("a/x")
        .add_framework("b/y")
        .expect_order(&["a/x", "b/y"])
        .remove_framework("a/x")
        .remove_framework("b/y")
        .set_allocated("a/x", "cpus:10;mem:10")
        .set_allocated("b/y", "cpus:10;mem:10")
        .expect_order(&["b/y", "a/x"])
        .set_allocated("b/z", "cpus:5;mem:5")
        // The shares are equal: 15 at weight 3 and 10 at weight 2; the next allocation tells them apart.
        .set_allocated("b", "cpus:4;mem:4")
        .expect_order(&["a/x", "b", "b/z", "b/y"])
        .set_allocated("a/zz", "cpus:2;mem:2")
        .expect_order(&["a/zz", "a/x", "b", "b/z", "b/y"]);
}

#[test]
fn the_total_decides_which_share_is_dominant() {
    sorter_scenario("cpus:10;mem:100")
        .set_allocated("a", "cpus:2;mem:1")
        .set_allocated("b", "cpus:1;mem:2")
        .expect_order(&["b", "a"])
        .set_total("cpus:100;mem:10")
        .expect_order(&["a", "b"]);
}

#[test]
fn recovered_resources_reduce_the_share() {
    sorter_scenario("cpus:10")
        .set_allocated("a", "cpus:6")
        .set_allocated("b", "cpus:4")
        .expect_order(&["b", "a"])
        .set_allocated("a", "cpus:1")
        .set_total("cpus:5")
        .expect_order(&["a", "b"]);
}

#[test]
fn the_total_includes_all_agents() {
    let ladder = sorter_scenario("cpus:5;mem:50").set_allocated("a", "cpus:2;mem:1").set_allocated("b", "cpus:1;mem:3");
    let other = |total| AgentSpec { total: resources(total), ..agent("other", "") };
    let with = |mut ladder: SorterScenario, total| {
        let other = other(total);
        ladder.scenario.allocator.add_agent(other.options(), &[]);
        ladder.scenario.allocator.deactivate_agent(&other.id);
        ladder
    };
    let ladder = with(ladder, "cpus:5;mem:50").expect_order(&["b", "a"]);
    with(ladder, "cpus:95;mem:50").expect_order(&["a", "b"]);
}

#[test]
fn all_parts_of_a_resource_are_summed() {
    sorter_scenario("cpus:100;mem:100;disk(r):90")
        .add_to_total(volume(5, "v1", false))
        .add_to_total(volume(5, "v2", false))
        .set_allocated("r:a", "cpus:9;mem:9;disk(r):9")
        .set_allocated_resources(
            "r:b",
            &(&resources("cpus:8;mem:8") + &volume(5, "v1", false)) + &volume(5, "v2", false),
        )
        .expect_order(&["r:a", "r:b"]);
}

#[test]
fn revocable_resources_count_like_others() {
    let revocable = |amount: &str| {
        let mut protos = resources(amount).to_proto();
        protos.iter_mut().for_each(|proto| proto.revocable = Some(Default::default()));
        Resources::from_proto(&protos).unwrap()
    };
    sorter_scenario("cpus:10;mem:100")
        .add_to_total(revocable("cpus:10"))
        .set_allocated("a", "cpus:2;mem:1")
        .set_allocated_resources("b", &resources("cpus:1;mem:1") + &revocable("cpus:9"))
        .expect_order(&["a", "b"]);
}

#[test]
fn a_shared_volume_counts_for_each_framework_that_uses_it() {
    let volume = || volume(100, "v", true);
    sorter_scenario("cpus:100;mem:100;disk(r):900")
        .add_to_total(volume())
        .set_allocated_resources("r:a", &resources("cpus:5;mem:5") + &volume())
        .set_allocated("r:b", "cpus:6;mem:6")
        .expect_order(&["r:b", "r:a"])
        .set_allocated_resources("r:c", &resources("cpus:11;mem:1") + &volume())
        .expect_order(&["r:b", "r:a", "r:c"])
        .remove_framework("r:a")
        .set_allocated("r:b", "cpus:2;mem:2")
        .expect_order(&["r:b", "r:c"])
        .set_allocated_resources("r:d", &resources("cpus:1;mem:12") + &volume())
        .expect_order(&["r:b", "r:c", "r:d"]);
}

#[test]
fn equal_shares_of_one_volume_are_ordered_by_name() {
    let with = |text: &str| &resources(text) + &volume(900, "v", true);
    sorter_scenario("cpus:100;mem:100;disk(r):100")
        .add_to_total(volume(900, "v", true))
        .set_allocated_resources("r:b", with("cpus:5;mem:20"))
        .set_allocated_resources("r:c", with("cpus:10;mem:6"))
        .expect_order(&["r:b", "r:c"])
        .set_allocated_resources("r:a", with("cpus:50;mem:40"))
        .expect_order(&["r:a", "r:b", "r:c"]);
}

#[test]
fn more_copies_of_a_volume_do_not_count() {
    let volume = volume(50, "v", true);
    let copies = |n: usize| (0..n).fold(resources("cpus:2;mem:2"), |sum, _| &sum + &volume);
    sorter_scenario("cpus:100;mem:100;disk(r):950")
        .add_to_total(volume.clone())
        .set_allocated_resources("r:a", copies(1))
        .set_allocated("r:b", "cpus:6;mem:6")
        .expect_order(&["r:a", "r:b"])
        .set_allocated_resources("r:a", copies(4))
        .expect_order(&["r:a", "r:b"])
        .set_allocated("r:b", "cpus:4;mem:4")
        // The volume counts as long as one copy is allocated.
        .expect_order(&["r:b", "r:a"])
        .set_allocated_resources("r:a", copies(2))
        .expect_order(&["r:b", "r:a"])
        .set_allocated_resources("r:a", copies(0))
        .expect_order(&["r:a", "r:b"]);
}
