//! Partitions told as stories: lending, and getting back.
#![allow(clippy::unwrap_used, reason = "test code")]

mod story;

use allocator::{Allocator, Partition, PartitionId};
use resources::Quantities;
use story::{Can, agent, framework, holding, partition, resources, story};
use vocabulary::{Monotonic, Role};

fn amounts(text: &str) -> Quantities {
    resources(text).quantities()
}

fn fares(allocator: &Allocator, id: &str) -> (Quantities, Quantities, Quantities) {
    let view = allocator.partitions().find(|view| view.partition.id == PartitionId::new(id)).unwrap();
    (view.used, view.lent, view.borrowed)
}

#[test]
fn what_a_partition_does_not_want_is_lent() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .has_partition(partition("day", "cpus:2;mem:200", ""))
        .comes(&agent("a1", "cpus:4;mem:400"))
        .subscribes(&framework("f1", &["day"]))
        .offers(&[("f1", "day", "a1", "cpus:4;mem:400")])
        .does(|allocator| {
            assert_eq!(fares(allocator, "day"), (amounts("cpus:4;mem:400"), amounts(""), amounts("cpus:2;mem:200")));
            assert_eq!(fares(allocator, "night"), (amounts(""), amounts("cpus:2;mem:200"), amounts("")));
        });
}

#[test]
fn a_partition_that_does_not_lend_keeps_its_minimum() {
    story()
        .has_partition(Partition { lends: false, ..partition("night", "cpus:3;mem:300", "") })
        .comes(&agent("a1", "cpus:4;mem:400"))
        .subscribes(&framework("f1", &["day"]))
        .offers(&[("f1", "day", "a1", "cpus:1;mem:100")]);
}

#[test]
fn a_borrower_gets_nothing_more_once_the_lender_is_back() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .subscribes(&framework("f1", &["day"]))
        .offers(&[("f1", "day", "a1", "")])
        .subscribes(&framework("f2", &["night"]))
        .frees("f1", "day", "a1", "cpus:1;mem:100")
        .offers(&[("f2", "night", "a1", "")])
        // It wants one more of its minimum, and no borrower is in its way.
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers(&[("f2", "night", "a2", "")])
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f1", "day", "a3", "")]);
}

#[test]
fn a_maximum_is_never_exceeded() {
    story()
        .has_partition(partition("day", "cpus:1;mem:100", "cpus:3;mem:300"))
        .comes(&agent("a1", "cpus:4;mem:400"))
        .subscribes(&framework("f1", &["day"]))
        .offers(&[("f1", "day", "a1", "cpus:3;mem:300")]);
}

#[test]
fn the_higher_priority_gets_its_minimum_first() {
    story()
        .has_partition(partition("low", "cpus:2;mem:200", ""))
        .has_partition(Partition { priority: 5, ..partition("top", "cpus:2;mem:200", "") })
        .subscribes(&framework("f1", &["low"]))
        .subscribes(&framework("f2", &["top"]))
        .comes(&agent("a1", "cpus:1;mem:100"))
        .offers(&[("f2", "top", "a1", "")])
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers(&[("f2", "top", "a2", "")])
        .comes(&agent("a3", "cpus:1;mem:100"))
        .offers(&[("f1", "low", "a3", "")]);
}

#[test]
fn suppressing_lends_and_reviving_ends_it() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .subscribes(&framework("f1", &["night"]))
        .suppresses("f1", &[])
        .subscribes(&framework("f2", &["day"]))
        .revives("f1", &[])
        .comes(&agent("a1", "cpus:2;mem:200"))
        .offers(&[("f1", "night", "a1", "")])
        .declines("f1", 3600)
        .offers(&[])
        .suppresses("f1", &[])
        .offers(&[("f2", "day", "a1", "")]);
}

#[test]
fn a_weight_of_a_partition_stands_in_for_the_role_s() {
    let weight = |allocator: &Allocator| allocator.roles().next().unwrap().weight;
    story()
        .subscribes(&framework("f1", &["day"]))
        .weighs("day", 2.0)
        .has_partition(Partition { weight: 5.0, ..partition("day", "", "") })
        .does(|allocator| {
            assert_eq!(weight(allocator), 5.0);
            assert!(allocator.remove_partition(&PartitionId::new("day")));
            assert_eq!(weight(allocator), 2.0);
            assert!(!allocator.remove_partition(&PartitionId::new("day")));
        });
}

#[test]
fn quota_of_the_role_is_back_when_its_partition_goes() {
    story()
        .has_quota("day", "cpus:1;mem:100")
        .has_partition(partition("day", "", "cpus:2;mem:200"))
        .subscribes(&framework("f1", &["day"]))
        .comes(&agent("a1", "cpus:9;mem:900"))
        .offers(&[("f1", "day", "a1", "cpus:2;mem:200")])
        .does(|allocator| assert!(allocator.remove_partition(&PartitionId::new("day"))))
        .frees("f1", "day", "a1", "cpus:1.5;mem:150")
        .offers(&[("f1", "day", "a1", "cpus:0.5;mem:50")]);
}

/// Nothing is taken back as long as there is something free.
#[test]
fn only_what_is_missing_is_preempted() {
    story()
        .has_partition(partition("night", "cpus:3;mem:300", ""))
        .has_partition(partition("day", "cpus:1;mem:100", ""))
        .comes(&agent("a1", "cpus:2;mem:200"))
        .comes(&agent("a2", "cpus:2;mem:200"))
        .subscribes(&framework("f1", &["day"]))
        .offers_each(&[("f1", 2)])
        .preempts(&[])
        .frees("f1", "day", "a1", "cpus:1;mem:100")
        .subscribes(&framework("f2", &["night"]))
        .preempts(&[("f1", "day", "a2", "cpus:2;mem:200")])
        .offers(&[("f2", "night", "a1", "cpus:1;mem:100")])
        .preempts(&[("f1", "day", "a2", "cpus:2;mem:200")])
        .does(|allocator| {
            let under_way = holding("f1", "day", "a2", "cpus:2;mem:200");
            assert_eq!(allocator.preemptions(&[under_way]), []);
        })
        .frees("f1", "day", "a2", "cpus:2;mem:200")
        .preempts(&[])
        .offers(&[("f2", "night", "a2", "cpus:2;mem:200")]);
}

#[test]
fn the_lowest_priority_gives_back_first_and_never_its_minimum() {
    let two = "cpus:2;mem:200";
    story()
        .has_partition(Partition { priority: 3, ..partition("top", "cpus:3;mem:300", "") })
        .has_partition(Partition { priority: 2, ..partition("mid", "cpus:1;mem:100", "") })
        .has_partition(Partition { priority: 1, ..partition("low", "cpus:1;mem:100", "") })
        .has_partition(Partition { preemptible: false, ..partition("calm", "", "") })
        .subscribes(&framework("f1", &["mid"]).suppressing("mid"))
        .subscribes(&framework("f2", &["low"]).suppressing("low"))
        .subscribes(&framework("f3", &["calm"]).suppressing("calm"))
        .returns(&agent("a1", two), &[("f1", "mid", two)])
        .returns(&agent("a2", two), &[("f2", "low", two)])
        .returns(&agent("a3", two), &[("f3", "calm", two)])
        .preempts(&[])
        .subscribes(&framework("f4", &["top"]))
        .preempts(&[("f2", "low", "a2", "cpus:1;mem:100"), ("f1", "mid", "a1", "cpus:1;mem:100")]);
}

#[test]
fn as_few_places_as_possible_are_preempted() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .has_partition(partition("day", "", ""))
        .subscribes(&framework("f1", &["day"]).suppressing("day"))
        .returns(&agent("a1", "cpus:1;mem:100"), &[("f1", "day", "cpus:1;mem:100")])
        .returns(&agent("a2", "cpus:8;mem:800"), &[("f1", "day", "cpus:8;mem:800")])
        .returns(&agent("a3", "cpus:2;mem:200"), &[("f1", "day", "cpus:2;mem:200")])
        .subscribes(&framework("f2", &["night"]))
        .preempts(&[("f1", "day", "a3", "cpus:2;mem:200")])
        .does(|allocator| assert!(allocator.remove_partition(&PartitionId::new("day"))))
        // A role without partition is no borrower.
        .preempts(&[]);
}

#[test]
fn a_role_has_one_partition() {
    story()
        .has_partition(partition("day", "cpus:1", ""))
        .has_partition(Partition { id: PartitionId::new("other"), ..partition("day", "cpus:2", "") })
        .does(|allocator| {
            let ids: Vec<String> = allocator.partitions().map(|view| view.partition.id.to_string()).collect();
            assert_eq!(ids, ["other"]);
            assert_eq!(allocator.quota(&Role::new("day")), None);
        });
}

/// A lender whose framework is not REGION_AWARE: agents far away are none of its business.
fn near_only(story: story::Story) -> story::Story {
    story
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .has_partition(partition("day", "", ""))
        .subscribes(&framework("f1", &["day"]).suppressing("day"))
        .subscribes(&framework("f2", &["night"]))
}

#[test]
fn what_the_lender_could_not_use_is_left_to_the_borrower() {
    near_only(story())
        .returns(&agent("a1", "cpus:2;mem:200").in_region("far"), &[("f1", "day", "cpus:2;mem:200")])
        .preempts(&[])
        .returns(&agent("a2", "cpus:8;mem:800"), &[("f1", "day", "cpus:8;mem:800")])
        .preempts(&[("f1", "day", "a2", "cpus:2;mem:200")]);
}

#[test]
fn what_is_free_elsewhere_is_no_help_to_the_lender() {
    near_only(story())
        .returns(&agent("a1", "cpus:9;mem:900").in_region("far"), &[("f1", "day", "cpus:2;mem:200")])
        .returns(&agent("a2", "cpus:2;mem:200"), &[("f1", "day", "cpus:2;mem:200")])
        .preempts(&[("f1", "day", "a2", "cpus:2;mem:200")])
        .does(|allocator| {
            let elsewhere = holding("f1", "day", "a1", "cpus:2;mem:200");
            assert_eq!(allocator.preemptions(&[elsewhere]).len(), 1, "nor is what comes back there");
        });
}

/// Nobody ends for a framework that has already said that it does not want the agent.
#[test]
fn what_the_lender_refused_is_not_taken_for_it() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .has_partition(partition("day", "", ""))
        .comes(&agent("a1", "cpus:4;mem:400"))
        .subscribes(&framework("f2", &["night"]))
        .offers(&[("f2", "night", "a1", "")])
        .declines("f2", 3600)
        .subscribes(&framework("f1", &["day"]))
        .offers(&[("f1", "day", "a1", "cpus:2;mem:200")])
        .has_partition(partition("night", "cpus:4;mem:400", ""))
        .preempts(&[])
        .revives("f2", &[])
        .preempts(&[("f1", "day", "a1", "cpus:2;mem:200")]);
}

#[test]
fn what_few_lenders_can_use_is_counted_for_them_first() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .has_partition(Partition { priority: 1, ..partition("top", "cpus:2;mem:200", "") })
        .has_partition(partition("day", "", ""))
        .subscribes(&framework("f1", &["day"]).suppressing("day"))
        .subscribes(&framework("f2", &["night"]))
        .subscribes(&framework("f3", &["top"]).can(Can::RegionAware))
        .comes(&agent("a1", "cpus:2;mem:200"))
        .comes(&agent("a2", "cpus:2;mem:200").in_region("far"))
        .returns(&agent("a3", "cpus:9;mem:900"), &[("f1", "day", "cpus:9;mem:900")])
        .preempts(&[]);
}

#[test]
fn what_is_missed_at_two_levels_is_given_back_once() {
    story()
        .has_partition(partition("night", "cpus:4;mem:400", ""))
        .has_partition(partition("night/late", "cpus:2;mem:200", ""))
        .has_partition(partition("day", "", ""))
        .subscribes(&framework("f1", &["day"]).suppressing("day"))
        .returns(&agent("a1", "cpus:9;mem:900"), &[("f1", "day", "cpus:9;mem:900")])
        .subscribes(&framework("f2", &["night/late"]))
        .preempts(&[("f1", "day", "a1", "cpus:4;mem:400")]);
}

#[test]
fn what_a_partition_above_was_promised_stays_with_its_borrowers() {
    let two = "cpus:2;mem:200";
    story()
        .has_partition(partition("day", "cpus:3;mem:300", ""))
        .has_partition(partition("day/early", "cpus:1;mem:100", ""))
        .has_partition(partition("day/late", "", ""))
        .has_partition(partition("night", two, ""))
        .subscribes(&framework("f1", &["day/early"]).suppressing("day/early"))
        .subscribes(&framework("f2", &["day/late"]).suppressing("day/late"))
        .returns(&agent("a1", two), &[("f1", "day/early", two)])
        .returns(&agent("a2", two), &[("f2", "day/late", two)])
        .subscribes(&framework("f3", &["night"]))
        // Both hold more than is theirs, together by three; the day as a whole by one.
        .preempts(&[("f1", "day/early", "a1", "cpus:1;mem:100")]);
}

#[test]
fn nothing_is_taken_back_before_the_agents_are_back() {
    story()
        .has_partition(partition("night", "cpus:2;mem:200", ""))
        .has_partition(partition("day", "", ""))
        .does(|allocator| allocator.start_recovery(Monotonic::default(), 3, true))
        .subscribes(&framework("f1", &["day"]).suppressing("day"))
        .subscribes(&framework("f2", &["night"]))
        .returns(&agent("a1", "cpus:2;mem:200"), &[("f1", "day", "cpus:2;mem:200")])
        .preempts(&[])
        .comes(&agent("a2", "cpus:1;mem:100"))
        .preempts(&[("f1", "day", "a1", "cpus:1;mem:100")]);
}

/// What is promised to a role above counts for those below it, and is no claim of somebody else against them.
#[test]
fn the_priority_of_a_role_is_that_of_those_below_it() {
    story()
        .has_partition(Partition { priority: 5, ..partition("top", "cpus:2;mem:200", "") })
        .has_partition(partition("top/low", "cpus:1;mem:100", ""))
        .has_partition(partition("mid", "cpus:3;mem:300", ""))
        .subscribes(&framework("f1", &["top/low"]))
        .subscribes(&framework("f2", &["mid"]))
        .comes(&agent("a1", "cpus:2;mem:200"))
        .offers(&[("f1", "top/low", "a1", "cpus:2;mem:200")])
        .comes(&agent("a2", "cpus:2;mem:200"))
        .offers(&[("f2", "mid", "a2", "cpus:2;mem:200")]);
}

/// Where the role above the lender is at its limit, only its own roles can make room.
#[test]
fn what_comes_from_outside_a_limit_that_is_reached_is_no_help() {
    let four = "cpus:4;mem:400";
    story()
        .gets_promise("eng", four, four)
        .has_partition(partition("eng/prod", "cpus:2;mem:200", ""))
        .has_partition(Partition { priority: 3, ..partition("eng/batch", "", "") })
        .has_partition(partition("night", "", ""))
        .subscribes(&framework("f1", &["eng/batch"]).suppressing("eng/batch"))
        .subscribes(&framework("f2", &["night"]).suppressing("night"))
        .comes(&agent("a0", "cpus:9;mem:900"))
        .returns(&agent("a1", four), &[("f1", "eng/batch", four)])
        .returns(&agent("a2", four), &[("f2", "night", four)])
        .subscribes(&framework("f3", &["eng/prod"]))
        .offers(&[])
        .preempts(&[("f1", "eng/batch", "a1", "cpus:2;mem:200")])
        .frees("f1", "eng/batch", "a1", "cpus:2;mem:200")
        .preempts(&[]);
}
