//! The reasons for which a framework is offered nothing, case by case.
#![allow(clippy::unwrap_used, reason = "test code")]

mod scenario;

use std::time::Duration;

use allocator::{ExplainQuery, Explanation, IneligibilityReason, Options};
use model::{AgentId, FrameworkId, Monotonic, Role};
use resources::Name;
use scenario::{resources, *};

fn about(framework: &str) -> ExplainQuery {
    ExplainQuery { framework: Some(FrameworkId::new(framework)), ..ExplainQuery::default() }
}

fn in_role(role: &str) -> ExplainQuery {
    ExplainQuery { role: Some(Role::new(role)), ..ExplainQuery::default() }
}

/// Prints an explanation as `f1 r: 2 × refused by the framework (5 s), 1 open`.
fn show(now: Monotonic, answer: &Explanation) -> Vec<String> {
    let lines = answer.eligibilities.iter().map(|eligibility| {
        let tallies = eligibility.summary.iter().map(|tally| {
            let until = tally.reason.until().map(|until| format!(" ({} s)", until.since(now).as_secs()));
            format!("{} × {}{}", tally.agents, tally.reason, until.unwrap_or_default())
        });
        let open = (eligibility.open > 0).then(|| format!("{} open", eligibility.open));
        let told: Vec<String> = tallies.chain(open).collect();
        assert_eq!(eligibility.agent_details.len(), eligibility.agents);
        format!("{} {}: {}", eligibility.framework, eligibility.role, told.join(", "))
    });
    lines.collect()
}

impl Scenario {
    fn expect_explanation(self, query: &ExplainQuery, expected: &[&str]) -> Self {
        assert_eq!(show(self.now, &self.allocator.explain_query(self.now, query)), expected);
        self
    }
}

/// Expects the reasons for which one agent is not offered to one framework.
fn check(framework: FrameworkSpec, agent: AgentSpec, expected: &str) {
    scenario()
        .add_framework(&framework)
        .add_agent(&agent)
        .expect_explanation(&about("f1"), &[&format!("f1 r: {expected}")]);
}

fn f1() -> FrameworkSpec {
    framework("f1", &["r"])
}

fn a1() -> AgentSpec {
    agent("a1", "cpus:2;mem:200")
}

#[test]
fn an_eligible_agent_has_no_reasons() {
    check(f1(), a1(), "1 open");
}

#[test]
fn missing_capabilities_are_named() {
    check(f1(), agent("a1", "cpus:1;mem:100;gpus:1"), "1 × the framework lacks the capability GPU_RESOURCES");
    check(f1(), a1().in_region("far"), "1 × the framework lacks the capability REGION_AWARE");
    check(f1(), a1().without_capability(1), "1 × without the agent capability MULTI_ROLE");
    let nested = framework("f1", &["r/s"]);
    scenario()
        .add_framework(&nested)
        .add_agent(&a1().without_capability(2))
        .expect_explanation(&about("f1"), &["f1 r/s: 1 × without the agent capability HIERARCHICAL_ROLE"]);
}

#[test]
fn insufficient_resources_of_the_agent_are_a_reason() {
    check(f1(), agent("a1", "cpus:0.001;mem:1"), "1 × too little left to be offered");
    check(f1(), agent("a1", "cpus(x):1;mem(x):100"), "1 × what is left is reserved to other roles");
    scenario()
        .add_framework(&framework("f2", &["r"]))
        .add_agent(&a1())
        .expect_offers(&[("f2", "r", "a1", "")])
        .add_framework(&f1())
        .expect_explanation(&about("f1"), &["f1 r: 1 × nothing left: all is offered or allocated"]);
}

#[test]
fn suppression_and_disconnection_are_reasons() {
    check(f1().suppressing("r"), a1(), "1 × the framework asked for no offers of this role");
    scenario()
        .add_framework(&f1())
        .add_agent(&a1())
        .with_allocator(|allocator| allocator.deactivate_framework(&FrameworkId::new("f1")))
        .expect_explanation(&about("f1"), &["f1 r: 1 × the framework is disconnected"]);
}

#[test]
fn an_offer_filter_is_named_with_its_remaining_time() {
    scenario()
        .add_framework(&f1())
        .add_agent(&a1())
        .add_agent(&agent("a2", "cpus:1;mem:100"))
        .expect_offer_counts(&[("f1", 2)])
        .decline("f1", 60)
        .advance_seconds(20)
        .expect_explanation(&about("f1"), &["f1 r: 2 × refused by the framework (40 s)"])
        .advance_seconds(40)
        .expect_explanation(&about("f1"), &["f1 r: 2 open"]);
}

/// The framework declined the little that a limit had left, so the end of the filter would not help it.
#[test]
fn a_limit_comes_before_the_offer_filter_that_it_caused() {
    scenario()
        .set_guarantees_and_limits("r", "", "cpus:1")
        .add_framework(&f1())
        .add_agent(&a1())
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:200")])
        .decline("f1", 60)
        .expect_explanation(&about("f1"), &["f1 r: 1 × role 'r' has only cpus:1 left below its limit"])
        .expect_reasons(
            "f1",
            "r",
            "a1",
            &[
                IneligibilityReason::QuotaLimit {
                    role: Role::new("r"),
                    names: vec![Name::CPUS],
                    left: resources("cpus:1").quantities(),
                },
                IneligibilityReason::Filtered { until: Monotonic::default() + Duration::from_secs(60) },
            ],
        );
    // A limit that allows the resources is no reason.
    scenario()
        .set_guarantees_and_limits("r", "", "cpus:2")
        .add_framework(&f1())
        .add_agent(&a1())
        .expect_offers(&[("f1", "r", "a1", "")])
        .decline("f1", 60)
        .expect_explanation(&about("f1"), &["f1 r: 1 × refused by the framework (60 s)"]);
}

#[test]
fn headroom_comes_before_the_offer_filter_of_the_rest() {
    scenario()
        .set_guarantees_and_limits("s", "cpus:1", "")
        .add_framework(&f1())
        .add_agent(&a1())
        .expect_offers(&[("f1", "r", "a1", "cpus:1;mem:200")])
        .decline("f1", 60)
        .expect_explanation(&about("f1"), &["f1 r: 1 × cpus kept free for what was guaranteed to s"]);
}

/// A role at its limit could not use the agents if they were free.
#[test]
fn a_limit_comes_before_a_full_agent() {
    scenario()
        .set_guarantees_and_limits("r", "", "cpus:1;mem:100")
        .add_agent_with_used(&agent("a0", "cpus:1;mem:100"), &[("f1", "r", "cpus:1;mem:100")])
        .add_framework(&framework("f2", &["s"]))
        .add_agent(&a1())
        .expect_offers(&[("f2", "s", "a1", "")])
        .add_framework(&f1())
        .expect_explanation(&about("f1"), &["f1 r: 2 × role 'r' is at its limit of cpus, mem"]);
}

#[test]
fn a_demand_is_compared_with_the_available_resources() {
    let needs = |text: &str| ExplainQuery { demand: Some(resources(text).quantities()), ..about("f1") };
    scenario()
        .add_framework(&f1())
        .add_agent(&agent("a1", "cpus:4;mem:400"))
        .add_agent(&agent("a2", "cpus:8;mem:100"))
        .expect_explanation(&needs("cpus:4;mem:100"), &["f1 r: 2 open"])
        .expect_explanation(
            &needs("cpus:5"),
            &["f1 r: 1 × smaller than the demand: even empty not enough cpus, 1 open"],
        )
        .expect_explanation(
            &needs("cpus:9;mem:200;gpus:1"),
            &["f1 r: 1 × smaller than the demand: even empty not enough cpus, gpus, \
               1 × smaller than the demand: even empty not enough cpus, gpus, mem"],
        )
        .add_framework(&framework("f2", &["s"]))
        .expect_offer_counts(&[("f1", 1), ("f2", 1)])
        .suppress("f1", &[])
        .suppress("f2", &[])
        .recover_resources("f2", "s", "a1", "cpus:1;mem:100")
        .recover_resources("f1", "r", "a1", "cpus:1;mem:100")
        .revive("f1", &[])
        .expect_explanation(
            &ExplainQuery { agent: Some(AgentId::new("a1")), ..needs("cpus:2") },
            &["f1 r: 1 × not enough cpus left for the demand"],
        );
}

/// The rest below the limit would be offered, but the demand is larger.
#[test]
fn a_demand_is_compared_with_what_quota_allows() {
    let needs = |text: &str| ExplainQuery { demand: Some(resources(text).quantities()), ..about("f1") };
    scenario()
        .set_guarantees_and_limits("r", "", "cpus:1")
        .add_framework(&f1())
        .add_agent(&a1())
        .expect_explanation(&needs("cpus:1"), &["f1 r: 1 open"])
        .expect_explanation(&needs("cpus:2"), &["f1 r: 1 × role 'r' has only cpus:1 left below its limit"]);
}

#[test]
fn deactivation_and_the_whitelist_are_reasons() {
    let a1_id = AgentId::new("a1");
    scenario()
        .add_framework(&f1())
        .add_agent(&a1())
        .with_allocator(|allocator| allocator.deactivate_agent(&a1_id))
        .expect_explanation(&about("f1"), &["f1 r: 1 × disconnected, draining or deactivated"])
        .with_allocator(|allocator| allocator.activate_agent(&a1_id))
        .with_allocator(|allocator| allocator.update_whitelist(Some(["other".to_owned()].into())))
        .expect_explanation(&about("f1"), &["f1 r: 1 × not in the master's --whitelist"]);
}

#[test]
fn the_pause_after_a_failover_is_a_reason() {
    scenario()
        .with_allocator(|allocator| allocator.start_recovery(Monotonic::default(), 10, true))
        .add_framework(&f1())
        .add_agent(&a1())
        .advance_seconds(100)
        .expect_explanation(
            &about("f1"),
            &["f1 r: 1 × the master waits for 7 more agents to return before it offers anything (500 s)"],
        )
        .advance_seconds(500)
        .expect_explanation(&about("f1"), &["f1 r: 1 open"]);
}

#[test]
fn a_role_without_subscription_is_a_reason() {
    scenario()
        .add_framework(&f1())
        .add_agent(&a1())
        .expect_explanation(
            &ExplainQuery { role: Some(Role::new("x")), ..about("f1") },
            &["f1 x: 1 × the framework is not subscribed to the role"],
        )
        .expect_explanation(&in_role("x"), &[]);
}

#[test]
fn each_role_is_explained_separately() {
    scenario().add_framework(&framework("f1", &["r", "s"]).suppressing("s")).add_agent(&a1()).expect_explanation(
        &about("f1"),
        &["f1 r: 1 open", "f1 s: 1 × the framework asked for no offers of this role"],
    );
}

#[test]
fn a_query_for_a_role_includes_its_subroles() {
    scenario()
        .add_framework(&framework("f2", &["r/x"]))
        .add_framework(&framework("f1", &["r"]))
        .add_framework(&framework("f3", &["rx"]))
        .add_agent(&a1())
        .expect_explanation(&in_role("r"), &["f1 r: 1 open", "f2 r/x: 1 open"]);
}

#[test]
fn the_most_frequent_reason_comes_first() {
    scenario()
        .add_framework(&f1())
        .add_agent(&agent("a1", "cpus:1;mem:100;gpus:1"))
        .add_agent(&agent("a2", "cpus:0.001;mem:1"))
        .add_agent(&agent("a3", "cpus:0.001;mem:1"))
        .add_agent(&agent("a4", "cpus:1;mem:100"))
        .expect_explanation(
            &about("f1"),
            &["f1 r: 2 × too little left to be offered, 1 × the framework lacks the capability GPU_RESOURCES, 1 open"],
        )
        .expect_explanation(
            &ExplainQuery { agent: Some(AgentId::new("a2")), ..about("f1") },
            &["f1 r: 1 × too little left to be offered"],
        );
}

#[test]
fn shares_are_listed_in_allocation_order() {
    let scenario = Scenario::with(Options { random: model::Random::from_u64(1), ..Options::default() })
        .set_weight("r", 2.0)
        .add_framework(&f1())
        .add_agent(&a1())
        .expect_offers(&[("f1", "r", "a1", "")])
        .add_agent(&agent("a2", "cpus:2;mem:200"));
    let answer = scenario.allocator.explain_query(scenario.now, &about("f1"));
    let eligibility = &answer.eligibilities[0];
    assert_eq!((eligibility.role_share, eligibility.framework_share, eligibility.weight), (0.25, 0.5, 2.0));
    assert_eq!(eligibility.agent_details[1].available, resources("cpus:2;mem:200"));
    assert!(!answer.truncated);
}

#[test]
fn the_number_of_examined_agents_is_bounded() {
    let mut scenario = scenario();
    for i in 0..400 {
        scenario = scenario.add_agent(&agent(&format!("a{i}"), "cpus:1;mem:100"));
    }
    for i in 0..300 {
        scenario = scenario.add_framework(&framework(&format!("f{i}"), &["r"]));
    }
    let answer = scenario.allocator.explain_query(scenario.now + Duration::from_secs(1), &in_role("r"));
    assert!(answer.truncated);
    assert_eq!(answer.eligibilities.iter().map(|eligibility| eligibility.agents).sum::<usize>(), 100_000);
    assert!(answer.eligibilities.iter().all(|eligibility| eligibility.agent_details.len() == 100));
}
