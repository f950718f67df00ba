//! The sorters `random`: chances in proportion to weights, and the same result for the same seed.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use std::collections::BTreeMap;

use allocator::{Allocation, Options, Sorter};
use model::Random;
use scenario::*;

fn options(roles: Sorter, frameworks: Sorter, seed: u64) -> Options {
    Options { role_sorter: roles, framework_sorter: frameworks, random: Random::from_u64(seed), ..Options::default() }
}

fn random(seed: u64) -> Options {
    options(Sorter::Random, Sorter::Random, seed)
}

/// Returns the offers of a run over this many equal agents.
fn run(options: Options, prepare: impl FnOnce(Scenario) -> Scenario, agents: usize) -> Vec<Allocation> {
    let mut scenario = prepare(Scenario::with(options));
    for i in 0..agents {
        scenario = scenario.add_agent(&agent(&format!("a{i:04}"), "cpus:1;mem:100"));
    }
    scenario.allocator.allocate(scenario.now)
}

fn counts(offers: &[Allocation]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for offer in offers {
        *counts.entry(offer.framework.to_string()).or_default() += 1;
    }
    counts
}

/// Expects about this many of 2000 agents for each framework.
fn check(options: Options, prepare: impl FnOnce(Scenario) -> Scenario, expected: &[(&str, usize)]) {
    let counts = counts(&run(options, prepare, 2000));
    assert_eq!(counts.len(), expected.len());
    for (framework, expected) in expected {
        // The tolerance is more than four standard deviations of any of these counts.
        assert!(
            counts[*framework].abs_diff(*expected) < 100,
            "{framework}: {} instead of {expected}",
            counts[*framework]
        );
    }
}

#[test]
fn frameworks_of_equal_weight_are_first_equally_often() {
    let two =
        |scenario: Scenario| scenario.add_framework(&framework("f1", &["r1"])).add_framework(&framework("f2", &["r2"]));
    check(random(1), two, &[("f1", 1000), ("f2", 1000)]);
}

#[test]
fn weights_decide_how_often_a_role_is_first() {
    let two = |scenario: Scenario| {
        scenario.set_weight("r2", 3.0).add_framework(&framework("f1", &["r1"])).add_framework(&framework("f2", &["r2"]))
    };
    check(random(2), two, &[("f1", 500), ("f2", 1500)]);
}

/// `a` and `b` are drawn first, then what is below `a`.
#[test]
fn each_level_of_roles_is_shuffled_separately() {
    let tree = |scenario: Scenario| {
        scenario
            .add_framework(&framework("own", &["a"]))
            .add_framework(&framework("x", &["a/x"]))
            .add_framework(&framework("b", &["b"]))
    };
    check(random(3), tree, &[("own", 500), ("x", 500), ("b", 1000)]);
}

/// The random sorter ignores shares: a framework with many resources is served as often as one without any.
#[test]
fn the_random_sorter_ignores_shares() {
    let unequal = |scenario: Scenario| {
        scenario
            .add_framework(&framework("f1", &["r1"]))
            .add_agent_with_used(&agent("big", "cpus:1000;mem:100000"), &[("f1", "r1", "cpus:1000;mem:100000")])
            .add_framework(&framework("f2", &["r2"]))
    };
    check(random(4), unequal, &[("f1", 1000), ("f2", 1000)]);
    let by_share = counts(&run(options(Sorter::Drf, Sorter::Drf, 4), unequal, 100));
    assert_eq!(by_share, [("f2".to_owned(), 100)].into());
}

/// Mesos requires both sorters to be the same; here each level has its own.
#[test]
fn roles_can_be_sorted_by_share_and_frameworks_at_random() {
    let unequal = |scenario: Scenario| {
        scenario
            .add_framework(&framework("f1", &["r1"]))
            .add_agent_with_used(&agent("big", "cpus:9000;mem:900000"), &[("f1", "r1", "cpus:9000;mem:900000")])
            .add_framework(&framework("f2", &["r2"]))
            .add_framework(&framework("f3", &["r2"]))
    };
    check(options(Sorter::Drf, Sorter::Random, 5), unequal, &[("f2", 1000), ("f3", 1000)]);
}

#[test]
fn the_seed_determines_the_order() {
    let many = |scenario: Scenario| {
        (0..5).fold(scenario, |scenario, i| {
            scenario.add_framework(&framework(&format!("f{i}"), &[&format!("r{}", i % 2)]))
        })
    };
    assert_eq!(run(random(6), many, 50), run(random(6), many, 50));
    assert_ne!(run(random(6), many, 50), run(random(7), many, 50));
}

/// Ended filters are considered for the frameworks that declined only; their order is random, too.
#[test]
fn ended_offer_filters_are_served_in_random_order() {
    let mut firsts = BTreeMap::new();
    for seed in 0..200 {
        let mut scenario = Scenario::with(random(seed))
            .add_framework(&framework("f1", &["r"]))
            .add_framework(&framework("f2", &["r"]))
            .add_agent(&agent("a1", "cpus:1;mem:100"));
        let offers = scenario.allocator.allocate(scenario.now);
        scenario.offers = offers;
        for _ in 0..2 {
            let holder = scenario.offers[0].framework.to_string();
            scenario = scenario.decline(&holder, 10);
            scenario.offers = scenario.allocator.allocate(scenario.now);
        }
        scenario = scenario.advance_seconds(10);
        let offers = scenario.allocator.allocate(scenario.now);
        *firsts.entry(offers[0].framework.to_string()).or_insert(0) += 1;
    }
    assert!(firsts.values().all(|times| *times > 60), "{firsts:?}");
}
