//! The scenarios of Mesos' hierarchical allocator tests that are not in `scenarios`, `quota`, `maintenance` and
//! `constraints`.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use std::time::Duration;

use allocator::{Allocator, IneligibilityReason, Options};
use messages::v1::resource::{DiskInfo, ReservationInfo, disk_info};
use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::{Conversion, Resources};
use scenario::*;

fn with(resources: &Resources, change: impl Fn(&mut messages::v1::Resource)) -> Resources {
    let mut protos = resources.to_proto();
    protos.iter_mut().for_each(change);
    Resources::from_proto(&protos).unwrap()
}

fn revocable(text: &str) -> Resources {
    with(&resources(text), |proto| proto.revocable = Some(Default::default()))
}

/// Returns resources that are dynamically reserved for one role after the other.
fn reserved(text: &str, roles: &[&str]) -> Resources {
    with(&resources(text), |proto| {
        let reservation =
            |role: &&str| ReservationInfo { r#type: Some(2), role: Some((*role).to_owned()), ..Default::default() };
        proto.reservations = roles.iter().map(reservation).collect();
    })
}

fn volume(text: &str, role: &str, shared: bool) -> Resources {
    with(&reserved(text, &[role]), |proto| {
        let persistence = disk_info::Persistence { id: "v".into(), principal: None };
        proto.disk = Some(Box::new(DiskInfo { persistence: Some(persistence), ..DiskInfo::default() }));
        proto.shared = shared.then(Default::default);
    })
}

impl Scenario {
    /// Expects the framework, agent and resources of each offer of a run.
    fn expect_offered(mut self, expected: &[(&str, &str, Resources)]) -> Self {
        let offers = self.allocator.allocate(self.now);
        let mut got: Vec<_> = offers
            .iter()
            .map(|offer| (offer.framework.to_string(), offer.agent.to_string(), offer.resources.unallocated()))
            .collect();
        got.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
        let expected: Vec<_> = expected
            .iter()
            .map(|(framework, agent, resources)| ((*framework).to_owned(), (*agent).to_owned(), resources.clone()))
            .collect();
        assert_eq!(got, expected);
        self.offers.extend(offers);
        self
    }

    fn recover(mut self, framework: &str, role: &str, agent: &str, resources: &Resources) -> Self {
        let resources = resources.allocated(&Role::new(role));
        self.allocator.recover(self.now, &FrameworkId::new(framework), &AgentId::new(agent), &resources, None);
        self
    }

    /// Recovers everything that was offered last, without a filter.
    fn recover_all(mut self) -> Self {
        for offer in std::mem::take(&mut self.offers) {
            self.allocator.recover(self.now, &offer.framework, &offer.agent, &offer.resources, None);
        }
        self
    }
}

// Tests of shares.

/// Reserved resources count in the share of the role that uses them.
#[test]
fn reservations_count_in_shares() {
    scenario()
        .add_agent(&agent("a1", "cpus(r1):100;mem(r1):1024"))
        .add_framework(&framework("f1", &["r1"]))
        .expect_offers(&[("f1", "r1", "a1", "")])
        .add_framework(&framework("f2", &["r2"]))
        .add_agent(&agent("a2", "cpus:2;mem:512"))
        .expect_offers(&[("f2", "r2", "a2", "")])
        // r1 has 100 of 112 cpus, r2 two.
        .add_agent(&agent("a3", "cpus:10;mem:10"))
        .expect_offers(&[("f2", "r2", "a3", "")]);
}

#[test]
fn a_subtree_with_a_larger_share_is_served_later() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["a/b"]))
        .expect_offers(&[("f1", "a/b", "a1", "")])
        .add_framework(&framework("f2", &["a/c"]))
        .add_framework(&framework("f3", &["d/e"]))
        .add_agent(&agent("a2", "cpus:1;mem:512"))
        .expect_offers(&[("f3", "d/e", "a2", "")])
        .add_framework(&framework("f4", &["d/f"]))
        .add_agent(&agent("a3", "cpus:2;mem:1024"))
        // `d` has a third, `a` two thirds, though nothing is allocated in `a/c`.
        .expect_offers(&[("f4", "d/f", "a3", "")]);
}

#[test]
fn an_offer_contains_all_of_an_agent() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["r1"]))
        .expect_offer_counts(&[("f1", 2)])
        .recover_all()
        .add_framework(&framework("f2", &["r2"]))
        .expect_offer_counts(&[("f1", 1), ("f2", 1)]);
}

#[test]
fn equal_frameworks_alternate() {
    let mut scenario = scenario().add_framework(&framework("f1", &["*"])).add_framework(&framework("f2", &["*"]));
    scenario = scenario.add_agent(&agent("a1", "cpus:2;mem:1024"));
    for round in 0..10 {
        let next = if round % 2 == 0 { "f1" } else { "f2" };
        scenario = scenario.expect_offers(&[(next, "*", "a1", "cpus:2;mem:1024")]).recover_all();
    }
}

#[test]
fn a_weight_counts_before_its_role_exists() {
    let mut scenario = scenario().add_framework(&framework("f1", &["r1"])).add_framework(&framework("f2", &["r2"]));
    for n in 0..6 {
        scenario = scenario.add_agent(&agent(&format!("a{n}"), "cpus:2;mem:1024"));
    }
    scenario
        .expect_offer_counts(&[("f1", 3), ("f2", 3)])
        .recover_all()
        .set_weight("r2", 2.0)
        .expect_offer_counts(&[("f1", 2), ("f2", 4)])
        .recover_all()
        .set_weight("r3", 3.0)
        .add_framework(&framework("f3", &["r3"]))
        .expect_offer_counts(&[("f1", 1), ("f2", 2), ("f3", 3)]);
}

/// MESOS-9554: the framework with the smaller share cannot use resources that the framework with the larger share can
/// use.
#[test]
fn an_ineligible_framework_does_not_block_others() {
    let refined = reserved("cpus:1;mem:1;disk:1", &["parent", "parent/child"]);
    scenario()
        .add_framework(&framework("f1", &["parent/child"]).can(Can::ReservationRefinement))
        .add_agent(&agent("a1", "cpus:1;mem:1;disk:1"))
        .expect_offers(&[("f1", "parent/child", "a1", "")])
        .add_framework(&framework("f2", &["parent/child"]))
        .expect_offers(&[])
        .add_agent(&agent("a2", "").with(refined.clone()))
        .expect_offered(&[("f1", "a2", refined)]);
}

/// MESOS-9555.
#[test]
fn a_reservation_of_ports_only_is_tracked() {
    let odd = |id| agent(id, "cpus:1;mem:1;disk:1;ports(r):[1-2]");
    scenario()
        .add_agent(&odd("a1"))
        .add_agent(&odd("a2"))
        .expect_quota_used("r", "")
        .remove_agent("a1")
        .remove_agent("a2")
        .with_allocator(|allocator| assert_eq!(allocator.quotas().count(), 0));
}

/// The resources of a framework count once, whether the framework or its agents are added first.
#[test]
fn used_resources_count_once() {
    let counted = |allocator: &mut Allocator| {
        let shown: Vec<_> = allocator.roles().map(|view| (view.role.to_string(), view.allocated.to_string())).collect();
        assert_eq!(shown, [("*".to_owned(), "cpus:1; mem:10".to_owned())]);
    };
    let (f1, used) = (framework("f1", &["*"]), [(AgentId::new("a1"), held("cpus:1;mem:10", "*"))]);
    scenario()
        .add_agent_with_used(&agent("a1", "cpus:1;mem:10"), &[("f1", "*", "cpus:1;mem:10")])
        .with_allocator(|allocator| allocator.add_framework(f1.options(), true, &used))
        .with_allocator(counted)
        .expect_available("a1", "");
    scenario()
        .with_allocator(|allocator| allocator.add_framework(f1.options(), true, &[]))
        .add_agent_with_used(&agent("a1", "cpus:1;mem:10"), &[("f1", "*", "cpus:1;mem:10")])
        .with_allocator(counted)
        .expect_available("a1", "");
}

// Tests of agents.

#[test]
fn a_new_agent_capability_takes_effect_at_once() {
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100").without_capability(1))
        .add_framework(&framework("f1", &["r"]))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::AgentLacks("MULTI_ROLE")])
        .expect_offers(&[])
        .update_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn oversubscribed_resources_can_be_added_changed_and_removed() {
    let (two, four, one) = (revocable("cpus:2"), revocable("cpus:4"), revocable("cpus:1"));
    let base = || agent("a1", "cpus:1;mem:100");
    scenario()
        .add_agent(&base())
        .add_framework(&framework("f1", &["r"]).can(Can::RevocableResources))
        .expect_offered(&[("f1", "a1", resources("cpus:1;mem:100"))])
        .update_agent(&base().with(two.clone()))
        .expect_offered(&[("f1", "a1", two.clone())])
        .update_agent(&base().with(four.clone()))
        .expect_offered(&[("f1", "a1", two.clone())])
        // The new total is below the allocation: nothing is available until enough is recovered.
        .update_agent(&base().with(one.clone()))
        .expect_offered(&[])
        .recover("f1", "r", "a1", &two)
        .expect_offered(&[])
        .recover("f1", "r", "a1", &two)
        .expect_offered(&[("f1", "a1", one)]);
}

#[test]
fn revocable_resources_are_recovered_with_others() {
    let spare = revocable("cpus:2");
    let all = &resources("cpus:1;mem:100") + &spare;
    scenario()
        .add_agent(&agent("a1", "cpus:1;mem:100").with(spare.clone()))
        .add_framework(&framework("f1", &["r"]).can(Can::RevocableResources))
        .expect_offered(&[("f1", "a1", all)])
        .recover("f1", "r", "a1", &(&resources("mem:100") + &spare))
        .expect_offered(&[("f1", "a1", &resources("mem:100") + &spare)]);
}

/// An agent that leaves and returns is available as a whole, though nothing was recovered.
#[test]
fn a_returning_agent_is_available_as_a_whole() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .remove_agent("a1")
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "r", "a1", "cpus:2;mem:1024")]);
}

#[test]
fn an_operator_s_reservation_needs_free_resources() {
    let a1 = AgentId::new("a1");
    let reserve = || {
        let (plain, kept) = (resources("cpus:2;mem:200"), reserved("cpus:2;mem:200", &["r"]));
        [Conversion { consumed: plain, converted: kept }]
    };
    scenario()
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .with_allocator(|allocator| allocator.update_available(&a1, &reserve()).unwrap())
        .add_framework(&framework("f1", &["r"]))
        .expect_offered(&[("f1", "a1", &resources("cpus:2;mem:200") + &reserved("cpus:2;mem:200", &["r"]))])
        .with_allocator(|allocator| assert!(allocator.update_available(&a1, &reserve()).is_err()))
        .expect_quota_used("r", "cpus:4;mem:400");
}

/// A disk disappears with the operation that consumes it.
#[test]
fn an_operation_may_remove_resources() {
    let (f1, a1) = (FrameworkId::new("f1"), AgentId::new("a1"));
    scenario()
        .add_agent(&agent("a1", "cpus:100;mem:1024;disk:2048"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .with_allocator(|allocator| {
            let (before, after) = (held("cpus:100;mem:1024;disk:2048", "r"), held("cpus:100;mem:1024", "r"));
            allocator.update_allocation(&f1, &a1, &before, &after);
        })
        .recover_resources("f1", "r", "a1", "cpus:100;mem:1024")
        .expect_offers(&[("f1", "r", "a1", "cpus:100;mem:1024")]);
}

// Tests of offer filters, suppressing and reviving.

/// An offer filter lasts from the time of the decline, not from the next run.
#[test]
fn an_offer_filter_starts_with_the_decline() {
    let options = Options { allocation_interval: Duration::from_millis(500), ..Options::default() };
    let a1 = AgentId::new("a1");
    let scenario = Scenario::with(options)
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")]);
    let refuse = Some(Duration::from_millis(100));
    let mut scenario = scenario.with_allocator(|allocator| {
        let all = held("cpus:2;mem:1024", "r");
        allocator.recover(Monotonic::default(), &FrameworkId::new("f1"), &a1, &all, refuse);
    });
    assert_eq!(scenario.allocator.allocate(Monotonic::from_start(Duration::from_millis(499))), []);
    assert_eq!(scenario.allocator.allocate(Monotonic::from_start(Duration::from_millis(500))).len(), 1);
}

/// The allocator wakes up for filters that exist, not for those that others have replaced.
#[test]
fn a_replaced_offer_filter_has_no_deadline() {
    let (f1, a1, half) = (FrameworkId::new("f1"), AgentId::new("a1"), held("cpus:2;mem:512", "r"));
    let mut scenario = scenario()
        .add_agent(&agent("a1", "cpus:4;mem:1024"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .with_allocator(|allocator| {
            for seconds in [10, 20] {
                let refuse = Some(Duration::from_secs(seconds));
                allocator.recover(Monotonic::default(), &f1, &a1, &half, refuse);
            }
        });
    assert_eq!(scenario.allocator.allocate(Monotonic::default()).len(), 1);
    assert_eq!(scenario.allocator.next_wakeup(), Some(Monotonic::from_start(Duration::from_secs(20))));
}

#[test]
fn offer_filters_are_counted_by_role() {
    let counts = |expected: &'static [(&str, usize)]| {
        move |allocator: &mut Allocator| {
            let expected: Vec<_> = expected.iter().map(|(role, count)| (Role::new(role), *count)).collect();
            assert_eq!(allocator.take_changed_offer_filter_counts(), expected);
        }
    };
    scenario()
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_agent(&agent("a2", "cpus:4;mem:400"))
        .add_framework(&framework("f1", &["r", "s"]))
        .add_framework(&framework("f2", &["r"]).suppressing("r"))
        .expect_offer_counts(&[("f1", 2)])
        .with_allocator(counts(&[]))
        .decline("f1", 10)
        .with_allocator(counts(&[("r", 1), ("s", 1)]))
        .with_allocator(counts(&[]))
        .expect_offer_counts(&[("f1", 2)])
        .decline("f1", 20)
        .with_allocator(counts(&[("r", 2), ("s", 2)]))
        .revive("f2", &[])
        .expect_offer_counts(&[("f2", 2)])
        .decline("f2", 20)
        .with_allocator(counts(&[("r", 4)]))
        .advance_seconds(10)
        .expect_offers(&[("f1", "r", "a1", ""), ("f1", "s", "a2", "")])
        .with_allocator(counts(&[("r", 3), ("s", 1)]))
        .remove_agent("a1")
        .with_allocator(counts(&[("r", 2), ("s", 0)]))
        .remove_framework("f2")
        .with_allocator(counts(&[("r", 1)]))
        .revive("f1", &[])
        .with_allocator(counts(&[("r", 0)]));
}

#[test]
fn suppression_survives_a_disconnection() {
    let f1 = FrameworkId::new("f1");
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .recover_all()
        .suppress("f1", &[])
        .with_allocator(|allocator| allocator.deactivate_framework(&f1))
        .expect_offers(&[])
        .with_allocator(|allocator| allocator.activate_framework(&f1))
        .expect_reasons("f1", "r", "a1", &[IneligibilityReason::Suppressed])
        .expect_offers(&[])
        .revive("f1", &[])
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn reviving_a_role_that_is_not_suppressed_has_no_effect() {
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "a1", "")])
        .revive("f1", &[])
        .expect_offers(&[])
        .recover_all()
        .suppress("f1", &[])
        .expect_offers(&[])
        .suppress("f1", &[])
        .revive("f1", &[])
        .expect_offers(&[("f1", "r", "a1", "")]);
}

#[test]
fn suppression_and_offer_filters_are_per_role() {
    scenario()
        .add_framework(&framework("f1", &["r1", "r2"]))
        .suppress("f1", &["r1"])
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "r2", "a1", "")])
        .decline("f1", 86400)
        .expect_offers(&[])
        .revive("f1", &["r1"])
        .expect_offers(&[("f1", "r1", "a1", "")])
        .decline("f1", 86400)
        .expect_offers(&[]);
}

#[test]
fn an_empty_minimum_allows_the_smallest_offers() {
    let mut modest = framework("f1", &["r"]);
    let minimum = messages::v1::offer_filters::MinAllocatableResources { quantities: Vec::new() };
    let filters = messages::v1::OfferFilters { min_allocatable_resources: Some(Box::new(minimum)) };
    modest.info.offer_filters = [("r".to_owned(), filters)].into();
    scenario()
        .add_agent(&agent("a1", "cpus:0.001;mem:1"))
        .add_framework(&framework("f2", &["r"]))
        .expect_offers(&[])
        .add_framework(&modest)
        .expect_offers(&[("f1", "r", "a1", "cpus:0.001;mem:1")]);
}

/// `--min_allocatable_resources=cpus:1,mem:100|disk:50`: an offer covers all of one of the two.
#[test]
fn one_satisfied_minimum_is_enough() {
    let minimums = ["cpus:1;mem:100", "disk:50"].map(|text| resources(text).quantities());
    Scenario::with(Options { min_allocatable: minimums.into(), ..Options::default() })
        .add_agent(&agent("little", "cpus:2;mem:99;disk:49"))
        .add_agent(&agent("compute", "cpus:1;mem:100"))
        .add_agent(&agent("storage", "cpus:0.1;disk:50"))
        .add_framework(&framework("f1", &["r"]))
        .expect_offers(&[("f1", "r", "compute", ""), ("f1", "r", "storage", "")]);
}

// Tests of shared volumes.

/// MESOS-8009: frameworks without SHARED_RESOURCES are offered the other resources.
#[test]
fn shared_volumes_require_the_capability_shared_resources() {
    let shared = volume("disk:50", "r", true);
    scenario()
        .add_agent(&agent("a1", "cpus:2;mem:200").with(shared.clone()))
        .add_framework(&framework("f1", &["r"]))
        .expect_reasons("f1", "r", "a1", &[])
        .expect_offered(&[("f1", "a1", resources("cpus:2;mem:200"))])
        .recover_all()
        .remove_framework("f1")
        .add_framework(&framework("f2", &["r"]).can(Can::SharedResources))
        .expect_offered(&[("f2", "a1", &resources("cpus:2;mem:200") + &shared)]);
}

/// In one run a volume is offered to one framework, in the next run to another; all may use it at once.
#[test]
fn several_frameworks_can_use_one_shared_volume() {
    let shared = volume("disk:50", "r", true);
    let share = |name| framework(name, &["r"]).can(Can::SharedResources);
    let (part, all) = (&resources("cpus:1;mem:100") + &shared, &resources("cpus:3;mem:300") + &shared);
    scenario()
        .add_agent(&agent("a1", "cpus:3;mem:300").with(shared))
        .add_framework(&share("f1"))
        .expect_offered(&[("f1", "a1", all)])
        .recover("f1", "r", "a1", &resources("cpus:1;mem:100"))
        .add_framework(&share("f2"))
        .expect_offered(&[("f2", "a1", part.clone())])
        .recover("f1", "r", "a1", &resources("cpus:1;mem:100"))
        .add_framework(&share("f3"))
        .expect_offered(&[("f3", "a1", part)]);
}

// Tests of quota.

#[test]
fn frameworks_of_a_role_share_its_quota() {
    scenario()
        .add_framework(&framework("f1a", &["prod"]))
        .set_quota("prod", "cpus:4;mem:2048")
        .add_framework(&framework("f2", &["dev"]))
        .add_agent(&agent("a1", "cpus:1;mem:512"))
        .expect_offers(&[("f1a", "prod", "a1", "")])
        .add_framework(&framework("f1b", &["prod"]))
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .expect_offers(&[("f1b", "prod", "a2", "")])
        .add_agent(&agent("a3", "cpus:1;mem:512"))
        .expect_offers(&[("f1a", "prod", "a3", "cpus:1;mem:512")])
        .recover_resources("f1a", "prod", "a1", "cpus:1;mem:512")
        // f1a has a quarter, f1b half of everything.
        .expect_offers(&[("f1a", "prod", "a1", "")])
        .decline("f1a", 5)
        .expect_offers(&[("f1b", "prod", "a1", ""), ("f1b", "prod", "a3", "")]);
}

#[test]
fn a_satisfied_guarantee_gives_no_preference() {
    scenario()
        .set_quota("prod", "cpus:0.25;mem:128")
        .add_framework(&framework("f1", &["prod"]))
        .add_framework(&framework("f2", &["dev"]))
        .add_agent_with_used(&agent("a1", "cpus:1;mem:512"), &[("f1", "prod", "cpus:0.25;mem:128")])
        .expect_offers(&[("f2", "dev", "a1", "cpus:0.75;mem:384")])
        // prod has the smaller share, and is at its limit.
        .add_agent(&agent("a2", "cpus:1;mem:512"))
        .expect_offers(&[("f2", "dev", "a2", "cpus:1;mem:512")])
        .expect_quota_used("prod", "cpus:0.25;mem:128");
}

/// A framework that may only use resources that the role with the guarantee declined gets them when the guarantee is
/// satisfied elsewhere.
#[test]
fn a_declined_guarantee_does_not_block_other_frameworks() {
    scenario()
        .set_quota("prod", "cpus:2;mem:1024")
        .add_framework(&framework("f1", &["prod"]))
        .add_framework(&framework("f2", &["dev"]))
        .add_agent(&agent("a1", "cpus:1;mem:512"))
        .add_agent(&agent("a2", "cpus:1;mem:512"))
        .expect_offer_counts(&[("f1", 2)])
        .decline("f1", 86400)
        .expect_offers(&[])
        .add_agent(&agent("a3", "cpus:1;mem:512"))
        .expect_offer_counts(&[("f1", 1), ("f2", 1)])
        .expect_quota_used("prod", "cpus:1;mem:512")
        .expect_quota_used("dev", "cpus:1;mem:512");
}

#[test]
fn headroom_can_take_whole_agents() {
    scenario()
        .set_quota("prod", "cpus:2;mem:1024")
        .add_framework(&framework("f1", &["dev"]))
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .expect_offers(&[])
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .expect_offer_counts(&[("f1", 1)])
        .expect_quota_used("dev", "cpus:2;mem:1024");
}

#[test]
fn a_quota_with_other_proportions_than_the_agents_is_satisfied() {
    scenario()
        .set_quota("prod", "cpus:4;mem:1024")
        .add_framework(&framework("f1", &["prod"]))
        .add_agent(&agent("a1", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "prod", "a1", "cpus:2;mem:1024")])
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .expect_offers(&[("f1", "prod", "a2", "cpus:2")]);
}

#[test]
fn reservations_of_roles_without_quota_are_offered_beside_headroom() {
    let dev = reserved("cpus:1;mem:512", &["dev"]);
    scenario()
        .set_quota("prod", "cpus:2;mem:1024")
        .add_agent(&agent("a1", "").with(dev.clone()))
        .add_framework(&framework("f1", &["dev"]))
        .expect_offered(&[("f1", "a1", dev)])
        .add_framework(&framework("f2", &["prod"]))
        .add_agent(&agent("a2", "cpus:2;mem:1024"))
        .expect_offers(&[("f2", "prod", "a2", "cpus:2;mem:1024")])
        .add_agent(&agent("a3", "cpus:1;mem:512"))
        .expect_offers(&[("f1", "dev", "a3", "")])
        .expect_quota_used("dev", "cpus:2;mem:1024");
}

/// A shared volume uses quota once, independent of the number of its copies.
#[test]
fn a_shared_volume_uses_quota_once() {
    let (f1, a1) = (FrameworkId::new("f1"), AgentId::new("a1"));
    let shared = volume("disk:50", "prod", true);
    let rest = reserved("cpus:2;mem:1024", &["prod"]);
    let before = &rest + &reserved("disk:50", &["prod"]);
    let role = Role::new("prod");
    let part = reserved("cpus:1;mem:512", &["prod"]);
    scenario()
        .set_quota("prod", "cpus:3;mem:2048;disk:100")
        .add_agent(&agent("a1", "").with(before.clone()))
        .add_framework(&framework("f1", &["prod"]).can(Can::SharedResources))
        .expect_offered(&[("f1", "a1", before.clone())])
        .with_allocator(|allocator| {
            let after = &rest + &shared;
            allocator.update_allocation(&f1, &a1, &before.allocated(&role), &after.allocated(&role));
        })
        .recover("f1", "prod", "a1", &part)
        .expect_offered(&[("f1", "a1", &part + &shared)])
        .expect_quota_used("prod", "cpus:2;mem:1024;disk:50")
        .add_agent(&agent("a2", "cpus:1;mem:1024;disk:50"))
        .expect_offers(&[("f1", "prod", "a2", "cpus:1;mem:1024;disk:50")])
        .expect_quota_used("prod", "cpus:3;mem:2048;disk:100")
        .add_agent(&agent("a3", "cpus:0.5;mem:512;disk:50"))
        .expect_offers(&[]);
}

/// An agent with more allocated than its total is no reason to withhold more on others. (Mesos subtracts over the whole
/// cluster.)
#[test]
fn an_overcommitted_agent_does_not_increase_headroom() {
    scenario()
        .set_guarantees_and_limits("prod", "cpus:2;mem:200", "")
        .add_agent_with_used(&agent("a1", "cpus:1;mem:100"), &[("gone", "dev", "cpus:9;mem:900")])
        .add_agent(&agent("a2", "cpus:2;mem:200"))
        .add_agent(&agent("a3", "cpus:2;mem:200"))
        .add_framework(&framework("f1", &["dev"]))
        .expect_offer_counts(&[("f1", 1)])
        .add_framework(&framework("f2", &["prod"]))
        .expect_offer_counts(&[("f2", 1)])
        .recover_resources("gone", "dev", "a1", "cpus:8;mem:800")
        .expect_offers(&[])
        .recover_resources("gone", "dev", "a1", "cpus:1;mem:100")
        .expect_offer_counts(&[("f1", 1)])
        .remove_agent("a1")
        .expect_quota_used("prod", "cpus:2;mem:200");
}
