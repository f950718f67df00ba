//! Scenarios of partitions: lending and preemption.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use allocator::{Allocator, Partition, PartitionId};
use model::{Monotonic, Role};
use resources::ResourceQuantities;
use scenario::{Can, agent, allocated_to, framework, partition, resources, scenario};

fn amounts(text: &str) -> ResourceQuantities {
    resources(text).quantities()
}

fn used_lent_borrowed(allocator: &Allocator, id: &str) -> (ResourceQuantities, ResourceQuantities, ResourceQuantities) {
    let view = allocator.partitions().find(|view| view.partition.id == PartitionId::new(id)).unwrap();
    (view.used, view.lent, view.borrowed)
}

#[test]
fn unused_minimums_are_lent() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .set_partition(partition("day", "cpus:2;mem:200", ""))
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_framework(&framework("f1", &["day"]))
        .expect_offers(&[("f1", "day", "a1", "cpus:4;mem:400")])
        .with_allocator(|allocator| {
            assert_eq!(
                used_lent_borrowed(allocator, "day"),
                (amounts("cpus:4;mem:400"), amounts(""), amounts("cpus:2;mem:200"))
            );
            assert_eq!(used_lent_borrowed(allocator, "night"), (amounts(""), amounts("cpus:2;mem:200"), amounts("")));
        });
}

#[test]
fn a_partition_without_lending_keeps_its_minimum() {
    scenario()
        .set_partition(Partition { lends: false, ..partition("night", "cpus:3;mem:300", "") })
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_framework(&framework("f1", &["day"]))
        .expect_offers(&[("f1", "day", "a1", "cpus:1;mem:100")]);
}

#[test]
fn a_borrower_gets_no_more_offers_once_the_lender_revives() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .add_framework(&framework("f1", &["day"]))
        .expect_offers(&[("f1", "day", "a1", "")])
        .add_framework(&framework("f2", &["night"]))
        .recover_resources("f1", "day", "a1", "cpus:1;mem:100")
        .expect_offers(&[("f2", "night", "a1", "")])
        // The lender's framework wants one more unit of its minimum, which no borrower uses.
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "night", "a2", "")])
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "day", "a3", "")]);
}

#[test]
fn a_maximum_is_never_exceeded() {
    scenario()
        .set_partition(partition("day", "cpus:1;mem:100", "cpus:3;mem:300"))
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_framework(&framework("f1", &["day"]))
        .expect_offers(&[("f1", "day", "a1", "cpus:3;mem:300")]);
}

#[test]
fn minimums_are_satisfied_in_order_of_priority() {
    scenario()
        .set_partition(partition("low", "cpus:2;mem:200", ""))
        .set_partition(Partition { priority: 5, ..partition("top", "cpus:2;mem:200", "") })
        .add_framework(&framework("f1", &["low"]))
        .add_framework(&framework("f2", &["top"]))
        .add_agent(&agent("a1", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "top", "a1", "")])
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offers(&[("f2", "top", "a2", "")])
        .add_agent(&agent("a3", "cpus:1;mem:100"))
        .expect_offers(&[("f1", "low", "a3", "")]);
}

#[test]
fn suppress_starts_lending_and_revive_ends_it() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .add_framework(&framework("f1", &["night"]))
        .suppress("f1", &[])
        .add_framework(&framework("f2", &["day"]))
        .revive("f1", &[])
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .expect_offers(&[("f1", "night", "a1", "")])
        .decline("f1", 3600)
        .expect_offers(&[])
        .suppress("f1", &[])
        .expect_offers(&[("f2", "day", "a1", "")]);
}

#[test]
fn the_weight_of_a_partition_replaces_that_of_the_role() {
    let weight = |allocator: &Allocator| allocator.roles().next().unwrap().weight;
    scenario()
        .add_framework(&framework("f1", &["day"]))
        .set_weight("day", 2.0)
        .set_partition(Partition { weight: 5.0, ..partition("day", "", "") })
        .with_allocator(|allocator| {
            assert_eq!(weight(allocator), 5.0);
            assert!(allocator.remove_partition(&PartitionId::new("day")));
            assert_eq!(weight(allocator), 2.0);
            assert!(!allocator.remove_partition(&PartitionId::new("day")));
        });
}

#[test]
fn the_quota_of_a_role_applies_again_after_its_partition() {
    scenario()
        .set_quota("day", "cpus:1;mem:100")
        .set_partition(partition("day", "", "cpus:2;mem:200"))
        .add_framework(&framework("f1", &["day"]))
        .add_agent(&agent("a1", "cpus:9;mem:900"))
        .expect_offers(&[("f1", "day", "a1", "cpus:2;mem:200")])
        .with_allocator(|allocator| assert!(allocator.remove_partition(&PartitionId::new("day"))))
        .recover_resources("f1", "day", "a1", "cpus:1.5;mem:150")
        .expect_offers(&[("f1", "day", "a1", "cpus:0.5;mem:50")]);
}

/// No allocation is preempted as long as free resources suffice.
#[test]
fn only_the_shortfall_is_preempted() {
    scenario()
        .set_partition(partition("night", "cpus:3;mem:300", ""))
        .set_partition(partition("day", "cpus:1;mem:100", ""))
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .add_agent(&agent("a2", "cpus:2;mem:200"))
        .add_framework(&framework("f1", &["day"]))
        .expect_offer_counts(&[("f1", 2)])
        .expect_preemptions(&[])
        .recover_resources("f1", "day", "a1", "cpus:1;mem:100")
        .add_framework(&framework("f2", &["night"]))
        .expect_preemptions(&[("f1", "day", "a2", "cpus:2;mem:200")])
        .expect_offers(&[("f2", "night", "a1", "cpus:1;mem:100")])
        .expect_preemptions(&[("f1", "day", "a2", "cpus:2;mem:200")])
        .with_allocator(|allocator| {
            let under_way = allocated_to("f1", "day", "a2", "cpus:2;mem:200");
            assert_eq!(allocator.preemptions(&[under_way]), []);
        })
        .recover_resources("f1", "day", "a2", "cpus:2;mem:200")
        .expect_preemptions(&[])
        .expect_offers(&[("f2", "night", "a2", "cpus:2;mem:200")]);
}

#[test]
fn the_lowest_priority_is_preempted_first_down_to_its_minimum() {
    let two = "cpus:2;mem:200";
    scenario()
        .set_partition(Partition { priority: 3, ..partition("top", "cpus:3;mem:300", "") })
        .set_partition(Partition { priority: 2, ..partition("mid", "cpus:1;mem:100", "") })
        .set_partition(Partition { priority: 1, ..partition("low", "cpus:1;mem:100", "") })
        .set_partition(Partition { preemptible: false, ..partition("idle", "", "") })
        .add_framework(&framework("f1", &["mid"]).suppressing("mid"))
        .add_framework(&framework("f2", &["low"]).suppressing("low"))
        .add_framework(&framework("f3", &["idle"]).suppressing("idle"))
        .add_agent_with_used(&agent("a1", two), &[("f1", "mid", two)])
        .add_agent_with_used(&agent("a2", two), &[("f2", "low", two)])
        .add_agent_with_used(&agent("a3", two), &[("f3", "idle", two)])
        .expect_preemptions(&[])
        .add_framework(&framework("f4", &["top"]))
        .expect_preemptions(&[("f2", "low", "a2", "cpus:1;mem:100"), ("f1", "mid", "a1", "cpus:1;mem:100")]);
}

#[test]
fn preemption_affects_as_few_allocations_as_possible() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .set_partition(partition("day", "", ""))
        .add_framework(&framework("f1", &["day"]).suppressing("day"))
        .add_agent_with_used(&agent("a1", "cpus:1;mem:100"), &[("f1", "day", "cpus:1;mem:100")])
        .add_agent_with_used(&agent("a2", "cpus:8;mem:800"), &[("f1", "day", "cpus:8;mem:800")])
        .add_agent_with_used(&agent("a3", "cpus:2;mem:200"), &[("f1", "day", "cpus:2;mem:200")])
        .add_framework(&framework("f2", &["night"]))
        .expect_preemptions(&[("f1", "day", "a3", "cpus:2;mem:200")])
        .with_allocator(|allocator| assert!(allocator.remove_partition(&PartitionId::new("day"))))
        // A role without partition is no borrower.
        .expect_preemptions(&[]);
}

#[test]
fn a_role_has_one_partition() {
    scenario()
        .set_partition(partition("day", "cpus:1", ""))
        .set_partition(Partition { id: PartitionId::new("other"), ..partition("day", "cpus:2", "") })
        .with_allocator(|allocator| {
            let ids: Vec<String> = allocator.partitions().map(|view| view.partition.id.to_string()).collect();
            assert_eq!(ids, ["other"]);
            assert_eq!(allocator.quota(&Role::new("day")), None);
        });
}

/// Makes the lender's framework one that is not REGION_AWARE, so that agents of other regions are of no use to it.
fn near_only(scenario: scenario::Scenario) -> scenario::Scenario {
    scenario
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .set_partition(partition("day", "", ""))
        .add_framework(&framework("f1", &["day"]).suppressing("day"))
        .add_framework(&framework("f2", &["night"]))
}

#[test]
fn resources_that_the_lender_cannot_use_are_not_preempted() {
    near_only(scenario())
        .add_agent_with_used(&agent("a1", "cpus:2;mem:200").in_region("far"), &[("f1", "day", "cpus:2;mem:200")])
        .expect_preemptions(&[])
        .add_agent_with_used(&agent("a2", "cpus:8;mem:800"), &[("f1", "day", "cpus:8;mem:800")])
        .expect_preemptions(&[("f1", "day", "a2", "cpus:2;mem:200")]);
}

#[test]
fn free_resources_that_the_lender_cannot_use_do_not_prevent_preemption() {
    near_only(scenario())
        .add_agent_with_used(&agent("a1", "cpus:9;mem:900").in_region("far"), &[("f1", "day", "cpus:2;mem:200")])
        .add_agent_with_used(&agent("a2", "cpus:2;mem:200"), &[("f1", "day", "cpus:2;mem:200")])
        .expect_preemptions(&[("f1", "day", "a2", "cpus:2;mem:200")])
        .with_allocator(|allocator| {
            let elsewhere = allocated_to("f1", "day", "a1", "cpus:2;mem:200");
            assert_eq!(allocator.preemptions(&[elsewhere]).len(), 1, "nor is what comes back there");
        });
}

/// No task is killed for a framework that has declined the agent.
#[test]
fn resources_that_the_lender_filters_are_not_preempted() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .set_partition(partition("day", "", ""))
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_framework(&framework("f2", &["night"]))
        .expect_offers(&[("f2", "night", "a1", "")])
        .decline("f2", 3600)
        .add_framework(&framework("f1", &["day"]))
        .expect_offers(&[("f1", "day", "a1", "cpus:2;mem:200")])
        .set_partition(partition("night", "cpus:4;mem:400", ""))
        .expect_preemptions(&[])
        .revive("f2", &[])
        .expect_preemptions(&[("f1", "day", "a1", "cpus:2;mem:200")]);
}

#[test]
fn free_resources_count_first_for_lenders_with_fewer_choices() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .set_partition(Partition { priority: 1, ..partition("top", "cpus:2;mem:200", "") })
        .set_partition(partition("day", "", ""))
        .add_framework(&framework("f1", &["day"]).suppressing("day"))
        .add_framework(&framework("f2", &["night"]))
        .add_framework(&framework("f3", &["top"]).can(Can::RegionAware))
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .add_agent(&agent("a2", "cpus:2;mem:200").in_region("far"))
        .add_agent_with_used(&agent("a3", "cpus:9;mem:900"), &[("f1", "day", "cpus:9;mem:900")])
        .expect_preemptions(&[]);
}

#[test]
fn a_shortfall_at_two_levels_is_preempted_once() {
    scenario()
        .set_partition(partition("night", "cpus:4;mem:400", ""))
        .set_partition(partition("night/late", "cpus:2;mem:200", ""))
        .set_partition(partition("day", "", ""))
        .add_framework(&framework("f1", &["day"]).suppressing("day"))
        .add_agent_with_used(&agent("a1", "cpus:9;mem:900"), &[("f1", "day", "cpus:9;mem:900")])
        .add_framework(&framework("f2", &["night/late"]))
        .expect_preemptions(&[("f1", "day", "a1", "cpus:4;mem:400")]);
}

#[test]
fn the_minimum_of_a_parent_partition_protects_its_borrowers() {
    let two = "cpus:2;mem:200";
    scenario()
        .set_partition(partition("day", "cpus:3;mem:300", ""))
        .set_partition(partition("day/early", "cpus:1;mem:100", ""))
        .set_partition(partition("day/late", "", ""))
        .set_partition(partition("night", two, ""))
        .add_framework(&framework("f1", &["day/early"]).suppressing("day/early"))
        .add_framework(&framework("f2", &["day/late"]).suppressing("day/late"))
        .add_agent_with_used(&agent("a1", two), &[("f1", "day/early", two)])
        .add_agent_with_used(&agent("a2", two), &[("f2", "day/late", two)])
        .add_framework(&framework("f3", &["night"]))
        // Both partitions exceed their minimums, together by three; the day partition as a whole exceeds its own by
        // one.
        .expect_preemptions(&[("f1", "day/early", "a1", "cpus:1;mem:100")]);
}

#[test]
fn preemption_waits_for_the_pause_after_a_failover() {
    scenario()
        .set_partition(partition("night", "cpus:2;mem:200", ""))
        .set_partition(partition("day", "", ""))
        .with_allocator(|allocator| allocator.start_recovery(Monotonic::default(), 3, true))
        .add_framework(&framework("f1", &["day"]).suppressing("day"))
        .add_framework(&framework("f2", &["night"]))
        .add_agent_with_used(&agent("a1", "cpus:2;mem:200"), &[("f1", "day", "cpus:2;mem:200")])
        .expect_preemptions(&[])
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_preemptions(&[("f1", "day", "a1", "cpus:1;mem:100")]);
}

/// The guarantee of a role above counts for the roles below it, and is no competing claim against them.
#[test]
fn the_priority_of_a_role_applies_to_its_subroles() {
    scenario()
        .set_partition(Partition { priority: 5, ..partition("top", "cpus:2;mem:200", "") })
        .set_partition(partition("top/low", "cpus:1;mem:100", ""))
        .set_partition(partition("mid", "cpus:3;mem:300", ""))
        .add_framework(&framework("f1", &["top/low"]))
        .add_framework(&framework("f2", &["mid"]))
        .add_agent(&agent("a1", "cpus:2;mem:200"))
        .expect_offers(&[("f1", "top/low", "a1", "cpus:2;mem:200")])
        .add_agent(&agent("a2", "cpus:2;mem:200"))
        .expect_offers(&[("f2", "mid", "a2", "cpus:2;mem:200")]);
}

/// If the role above the lender is at its limit, only its own roles can give resources back.
#[test]
fn a_reached_limit_above_the_lender_confines_preemption_to_it() {
    let four = "cpus:4;mem:400";
    scenario()
        .set_guarantees_and_limits("eng", four, four)
        .set_partition(partition("eng/prod", "cpus:2;mem:200", ""))
        .set_partition(Partition { priority: 3, ..partition("eng/batch", "", "") })
        .set_partition(partition("night", "", ""))
        .add_framework(&framework("f1", &["eng/batch"]).suppressing("eng/batch"))
        .add_framework(&framework("f2", &["night"]).suppressing("night"))
        .add_agent(&agent("a0", "cpus:9;mem:900"))
        .add_agent_with_used(&agent("a1", four), &[("f1", "eng/batch", four)])
        .add_agent_with_used(&agent("a2", four), &[("f2", "night", four)])
        .add_framework(&framework("f3", &["eng/prod"]))
        .expect_offers(&[])
        .expect_preemptions(&[("f1", "eng/batch", "a1", "cpus:2;mem:200")])
        .recover_resources("f1", "eng/batch", "a1", "cpus:2;mem:200")
        .expect_preemptions(&[]);
}
