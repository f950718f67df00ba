//! What is said to the question "why am I offered nothing?", case by case.
#![allow(clippy::unwrap_used, reason = "test code")]

mod story;

use std::time::Duration;

use allocator::{Answer, Options, Question, Reason};
use resources::Name;
use story::{resources, *};
use vocabulary::{AgentId, FrameworkId, Monotonic, Role};

fn about(framework: &str) -> Question {
    Question { framework: Some(FrameworkId::new(framework)), ..Question::default() }
}

fn in_role(role: &str) -> Question {
    Question { role: Some(Role::new(role)), ..Question::default() }
}

/// `f1 r: 2 × refused by the framework (5 s), 1 open`
fn show(now: Monotonic, answer: &Answer) -> Vec<String> {
    let lines = answer.standings.iter().map(|standing| {
        let tallies = standing.summary.iter().map(|tally| {
            let until = tally.reason.until().map(|until| format!(" ({} s)", until.since(now).as_secs()));
            format!("{} × {}{}", tally.agents, tally.reason, until.unwrap_or_default())
        });
        let open = (standing.open > 0).then(|| format!("{} open", standing.open));
        let told: Vec<String> = tallies.chain(open).collect();
        assert_eq!(standing.verdicts.len(), standing.agents);
        format!("{} {}: {}", standing.framework, standing.role, told.join(", "))
    });
    lines.collect()
}

impl Story {
    fn tells(self, question: &Question, expected: &[&str]) -> Self {
        assert_eq!(show(self.now, &self.allocator.answer(self.now, question)), expected);
        self
    }
}

/// One framework and one agent: this stands between them.
fn check(framework: FrameworkSpec, agent: AgentSpec, expected: &str) {
    story().subscribes(&framework).comes(&agent).tells(&about("f1"), &[&format!("f1 r: {expected}")]);
}

fn f1() -> FrameworkSpec {
    framework("f1", &["r"])
}

fn a1() -> AgentSpec {
    agent("a1", "cpus:2;mem:200")
}

#[test]
fn nothing_stands_between() {
    check(f1(), a1(), "1 open");
}

#[test]
fn capabilities() {
    check(f1(), agent("a1", "cpus:1;mem:100;gpus:1"), "1 × the framework lacks the capability GPU_RESOURCES");
    check(f1(), a1().in_region("far"), "1 × the framework lacks the capability REGION_AWARE");
    check(f1(), a1().without_capability(1), "1 × without the agent capability MULTI_ROLE");
    let nested = framework("f1", &["r/s"]);
    story()
        .subscribes(&nested)
        .comes(&a1().without_capability(2))
        .tells(&about("f1"), &["f1 r/s: 1 × without the agent capability HIERARCHICAL_ROLE"]);
}

#[test]
fn what_the_agent_has() {
    check(f1(), agent("a1", "cpus:0.001;mem:1"), "1 × too little left to be offered");
    check(f1(), agent("a1", "cpus(x):1;mem(x):100"), "1 × what is left is reserved to other roles");
    story()
        .subscribes(&framework("f2", &["r"]))
        .comes(&a1())
        .offers(&[("f2", "r", "a1", "")])
        .subscribes(&f1())
        .tells(&about("f1"), &["f1 r: 1 × nothing left: all is offered or allocated"]);
}

#[test]
fn what_the_framework_said() {
    check(f1().suppressing("r"), a1(), "1 × the framework asked for no offers of this role");
    story()
        .subscribes(&f1())
        .comes(&a1())
        .does(|allocator| allocator.deactivate_framework(&FrameworkId::new("f1")))
        .tells(&about("f1"), &["f1 r: 1 × the framework is disconnected"]);
}

#[test]
fn a_refusal_says_how_long() {
    story()
        .subscribes(&f1())
        .comes(&a1())
        .comes(&agent("a2", "cpus:1;mem:100"))
        .offers_each(&[("f1", 2)])
        .declines("f1", 60)
        .after(20)
        .tells(&about("f1"), &["f1 r: 2 × refused by the framework (40 s)"])
        .after(40)
        .tells(&about("f1"), &["f1 r: 2 open"]);
}

/// What was refused was the little that a limit had left: to wait for the refusal to end helps nobody.
#[test]
fn a_limit_comes_before_the_refusal_that_it_caused() {
    story()
        .gets_promise("r", "", "cpus:1")
        .subscribes(&f1())
        .comes(&a1())
        .offers(&[("f1", "r", "a1", "cpus:1;mem:200")])
        .declines("f1", 60)
        .tells(&about("f1"), &["f1 r: 1 × role 'r' has only cpus:1 left below its limit"])
        .explains(
            "f1",
            "r",
            "a1",
            &[
                Reason::QuotaLimit {
                    role: Role::new("r"),
                    names: vec![Name::CPUS],
                    left: resources("cpus:1").quantities(),
                },
                Reason::Filtered { until: Monotonic::default() + Duration::from_secs(60) },
            ],
        );
    // A limit that cuts nothing is none of its business.
    story()
        .gets_promise("r", "", "cpus:2")
        .subscribes(&f1())
        .comes(&a1())
        .offers(&[("f1", "r", "a1", "")])
        .declines("f1", 60)
        .tells(&about("f1"), &["f1 r: 1 × refused by the framework (60 s)"]);
}

#[test]
fn what_is_kept_for_others_comes_before_the_refusal_of_the_rest() {
    story()
        .gets_promise("s", "cpus:1", "")
        .subscribes(&f1())
        .comes(&a1())
        .offers(&[("f1", "r", "a1", "cpus:1;mem:200")])
        .declines("f1", 60)
        .tells(&about("f1"), &["f1 r: 1 × cpus kept free for what was guaranteed to s"]);
}

/// Agents that are full would be of no use to a role at its limit if they were not.
#[test]
fn a_limit_comes_before_a_full_agent() {
    story()
        .gets_promise("r", "", "cpus:1;mem:100")
        .returns(&agent("a0", "cpus:1;mem:100"), &[("f1", "r", "cpus:1;mem:100")])
        .subscribes(&framework("f2", &["s"]))
        .comes(&a1())
        .offers(&[("f2", "s", "a1", "")])
        .subscribes(&f1())
        .tells(&about("f1"), &["f1 r: 2 × role 'r' is at its limit of cpus, mem"]);
}

#[test]
fn a_demand_is_compared_with_what_there_is() {
    let needs = |text: &str| Question { demand: Some(resources(text).quantities()), ..about("f1") };
    story()
        .subscribes(&f1())
        .comes(&agent("a1", "cpus:4;mem:400"))
        .comes(&agent("a2", "cpus:8;mem:100"))
        .tells(&needs("cpus:4;mem:100"), &["f1 r: 2 open"])
        .tells(&needs("cpus:5"), &["f1 r: 1 × smaller than the demand: even empty not enough cpus, 1 open"])
        .tells(
            &needs("cpus:9;mem:200;gpus:1"),
            &["f1 r: 1 × smaller than the demand: even empty not enough cpus, gpus, \
               1 × smaller than the demand: even empty not enough cpus, gpus, mem"],
        )
        .subscribes(&framework("f2", &["s"]))
        .offers_each(&[("f1", 1), ("f2", 1)])
        .suppresses("f1", &[])
        .suppresses("f2", &[])
        .frees("f2", "s", "a1", "cpus:1;mem:100")
        .frees("f1", "r", "a1", "cpus:1;mem:100")
        .revives("f1", &[])
        .tells(
            &Question { agent: Some(AgentId::new("a1")), ..needs("cpus:2") },
            &["f1 r: 1 × not enough cpus left for the demand"],
        );
}

/// What the limit leaves would be offered, but the demand needs more than that.
#[test]
fn a_demand_is_compared_with_what_quota_leaves() {
    let needs = |text: &str| Question { demand: Some(resources(text).quantities()), ..about("f1") };
    story()
        .gets_promise("r", "", "cpus:1")
        .subscribes(&f1())
        .comes(&a1())
        .tells(&needs("cpus:1"), &["f1 r: 1 open"])
        .tells(&needs("cpus:2"), &["f1 r: 1 × role 'r' has only cpus:1 left below its limit"]);
}

#[test]
fn the_operator_decided() {
    let a1_id = AgentId::new("a1");
    story()
        .subscribes(&f1())
        .comes(&a1())
        .does(|allocator| allocator.deactivate_agent(&a1_id))
        .tells(&about("f1"), &["f1 r: 1 × disconnected, draining or deactivated"])
        .does(|allocator| allocator.activate_agent(&a1_id))
        .does(|allocator| allocator.update_whitelist(Some(["other".to_owned()].into())))
        .tells(&about("f1"), &["f1 r: 1 × not in the master's --whitelist"]);
}

#[test]
fn the_pause_after_a_failover() {
    story()
        .does(|allocator| allocator.start_recovery(Monotonic::default(), 10, true))
        .subscribes(&f1())
        .comes(&a1())
        .after(100)
        .tells(
            &about("f1"),
            &["f1 r: 1 × the master waits for 7 more agents to return before it offers anything (500 s)"],
        )
        .after(500)
        .tells(&about("f1"), &["f1 r: 1 open"]);
}

#[test]
fn a_role_it_is_not_in() {
    story()
        .subscribes(&f1())
        .comes(&a1())
        .tells(
            &Question { role: Some(Role::new("x")), ..about("f1") },
            &["f1 x: 1 × the framework is not subscribed to the role"],
        )
        .tells(&in_role("x"), &[]);
}

#[test]
fn each_role_for_itself() {
    story()
        .subscribes(&framework("f1", &["r", "s"]).suppressing("s"))
        .comes(&a1())
        .tells(&about("f1"), &["f1 r: 1 open", "f1 s: 1 × the framework asked for no offers of this role"]);
}

#[test]
fn a_role_with_those_below_it() {
    story()
        .subscribes(&framework("f2", &["r/x"]))
        .subscribes(&framework("f1", &["r"]))
        .subscribes(&framework("f3", &["rx"]))
        .comes(&a1())
        .tells(&in_role("r"), &["f1 r: 1 open", "f2 r/x: 1 open"]);
}

#[test]
fn the_most_frequent_first() {
    story()
        .subscribes(&f1())
        .comes(&agent("a1", "cpus:1;mem:100;gpus:1"))
        .comes(&agent("a2", "cpus:0.001;mem:1"))
        .comes(&agent("a3", "cpus:0.001;mem:1"))
        .comes(&agent("a4", "cpus:1;mem:100"))
        .tells(
            &about("f1"),
            &["f1 r: 2 × too little left to be offered, 1 × the framework lacks the capability GPU_RESOURCES, 1 open"],
        )
        .tells(
            &Question { agent: Some(AgentId::new("a2")), ..about("f1") },
            &["f1 r: 1 × too little left to be offered"],
        );
}

#[test]
fn shares_say_whose_turn_it_is() {
    let story = Story::with(Options { random: vocabulary::Random::from_u64(1), ..Options::default() })
        .weighs("r", 2.0)
        .subscribes(&f1())
        .comes(&a1())
        .offers(&[("f1", "r", "a1", "")])
        .comes(&agent("a2", "cpus:2;mem:200"));
    let answer = story.allocator.answer(story.now, &about("f1"));
    let standing = &answer.standings[0];
    assert_eq!((standing.role_share, standing.framework_share, standing.weight), (0.25, 0.5, 2.0));
    assert_eq!(standing.verdicts[1].available, resources("cpus:2;mem:200"));
    assert!(!answer.truncated);
}

#[test]
fn the_answer_has_an_end() {
    let mut story = story();
    for i in 0..400 {
        story = story.comes(&agent(&format!("a{i}"), "cpus:1;mem:100"));
    }
    for i in 0..300 {
        story = story.subscribes(&framework(&format!("f{i}"), &["r"]));
    }
    let answer = story.allocator.answer(story.now + Duration::from_secs(1), &in_role("r"));
    assert!(answer.truncated);
    assert_eq!(answer.standings.iter().map(|standing| standing.agents).sum::<usize>(), 100_000);
    assert!(answer.standings.iter().all(|standing| standing.verdicts.len() == 100));
}
