//! The bounds of a container when tasks set limits of their own; nested and standalone containers.

mod scenario;

use std::collections::BTreeMap;

use agent::{
    Command, ContainerCommand, ContainerEvent, ContainerExit, ContainerRequest, Effect, Input, LaunchFailure,
    Limitation, RecoveredNested, RecoveredState, Recovery,
};
use messages::v1;
use messages::v1::task_status::Reason;
use model::ContainerId;
use scenario::*;

fn limited(id: &str, limits: &[(&str, f64)]) -> v1::TaskInfo {
    let limits: BTreeMap<String, v1::value::Scalar> =
        limits.iter().map(|(name, value)| ((*name).to_owned(), v1::value::Scalar { value: *value })).collect();
    v1::TaskInfo { limits, ..custom(id, "e") }
}

/// Expects the limits of a container with these tasks; the executor itself has 0.5 cpus and 32 MB, each task 1 cpu and
/// 64 MB.
fn check_limits(cfs: bool, tasks: Vec<v1::TaskInfo>, expect: &[(&str, f64)]) {
    let mut scenario = Scenario::with(|config| config.cgroups_enable_cfs = cfs);
    scenario.master_is(MASTER).fires(agent::Timer::Register).master_registers_it();
    for task in tasks {
        scenario.runs(task);
    }
    scenario.subscribes("e");
    let limits = scenario.effects().filter_map(|effect| match effect {
        Effect::Command(Command::Container(ContainerCommand::Update { limits, .. })) => Some(limits),
        _ => None,
    });
    let limits: Vec<(String, f64)> = limits
        .last()
        .into_iter()
        .flatten()
        .map(|limit| (limit.name.clone(), limit.scalar.map_or(f64::NAN, |scalar| scalar.value)))
        .collect();
    let expect: Vec<(String, f64)> = expect.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    assert_eq!(limits, expect);
}

#[test]
fn limits_are_the_sum_of_what_the_tasks_and_the_executor_may_use() {
    check_limits(true, vec![limited("a", &[])], &[]);
    check_limits(true, vec![limited("a", &[("cpus", 2.0), ("mem", 128.0)])], &[("cpus", 2.5), ("mem", 160.0)]);
    // A task without a limit counts with its request.
    check_limits(true, vec![limited("a", &[("mem", 128.0)]), limited("b", &[])], &[("mem", 224.0)]);
    check_limits(true, vec![limited("a", &[("cpus", 2.0)]), limited("b", &[])], &[("cpus", 3.5)]);
    // Requests of cpus bound nothing without CFS quotas.
    check_limits(false, vec![limited("a", &[("cpus", 2.0)]), limited("b", &[])], &[]);
    check_limits(false, vec![limited("a", &[("cpus", 2.0)])], &[("cpus", 2.5)]);
    check_limits(true, vec![limited("a", &[("mem", f64::INFINITY)]), limited("b", &[])], &[("mem", f64::INFINITY)]);
}

fn launched(pid: u32) -> impl FnOnce(ContainerId) -> ContainerEvent {
    move |container| ContainerEvent::Launched { container, pid, networks: Vec::new() }
}

fn exited(status: Option<i32>) -> impl FnOnce(ContainerId) -> ContainerEvent {
    move |container| ContainerEvent::Exited { container, exit: ContainerExit { status, ..Default::default() } }
}

/// Returns an agent with a running executor in C1, and a nested container in it.
fn with_nested() -> Scenario {
    let mut scenario = Scenario::running();
    scenario.launches_in("C1.n", |_| {}).nested_event("C1.n", launched(7));
    scenario.clear_log();
    scenario
}

impl Calls for Scenario {
    fn waits(&mut self, container: &str) -> model::ReplyId {
        let request = ContainerRequest::Wait(self.nested(container));
        self.container_call(request)
    }

    fn kills(&mut self, container: &str, signal: i32) {
        let request = ContainerRequest::Kill { container: self.nested(container), signal };
        self.container_call(request);
    }

    fn removes(&mut self, container: &str) {
        let request = ContainerRequest::Remove(self.nested(container));
        self.container_call(request);
    }
}

trait Calls {
    fn waits(&mut self, container: &str) -> model::ReplyId;
    fn kills(&mut self, container: &str, signal: i32);
    fn removes(&mut self, container: &str);
}

#[test]
fn a_nested_container_from_launch_to_removal() {
    let mut scenario = Scenario::running();
    scenario.launches_in("C1.n", |_| {});
    let sandbox = "/var/lib/mesos/slaves/M-S0/frameworks/F/executors/t1/runs/C1/containers/n";
    check(&mut scenario, &format!("start nested C1.n as alice in {sandbox}"));
    // Its launch is not repeated.
    scenario.launches_in("C1.n", |_| {});
    check(&mut scenario, "reply 202");
    scenario.nested_event("C1.n", launched(7));
    check(&mut scenario, "reply 200");
    scenario.waits("C1.n");
    scenario.removes("C1.n");
    check(&mut scenario, "reply 500 Nested container has not terminated yet");
    scenario.kills("C1.n", 15);
    check(&mut scenario, "signal 15 to C1.n");
    scenario.nested_event("C1.n", exited(Some(15)));
    check(&mut scenario, "reply 200 status 15");
    // Its end is known until it is removed.
    scenario.waits("C1.n");
    check(&mut scenario, "reply 200 status 15");
    scenario.launches_in("C1.n", |_| {});
    check(&mut scenario, "reply 202");
    scenario.kills("C1.n", 9);
    check(&mut scenario, "reply 404 Container 'C1.n' cannot be found (or is already killed)");
    scenario.removes("C1.n");
    check(&mut scenario, "remove files of C1.n");
    scenario.removes("C1.n");
    check(&mut scenario, "");
    scenario.nested_event("C1.n", |container| ContainerEvent::Removed { container, failed: None });
    check(&mut scenario, "reply 200\nreply 200");
    scenario.removes("C1.n");
    scenario.waits("C1.n");
    check(&mut scenario, "reply 200\nreply 404 Container C1.n cannot be found");
}

const SANDBOX: &str = "/var/lib/mesos/slaves/M-S0/frameworks/F/executors/t1/runs/C1/containers";

#[test]
fn launches_wait_until_their_parent_has_been_started() {
    // A quick executor asks before its agent has heard that it was started.
    let mut scenario = Scenario::launching();
    scenario.launches_in("C1.b", |_| {}).launches_in("C1.a", |_| {}).launches_in("C1.a.x", |_| {});
    scenario.launches_in("C1.b", |_| {});
    scenario.waits("C1.b");
    scenario.removes("C1.b");
    check(&mut scenario, "reply 202\nreply 500 Nested container has not terminated yet");
    scenario.container("C1", launched(4242));
    check(
        &mut scenario,
        &format!(
            "start nested C1.b as alice in {SANDBOX}/b
             start nested C1.a as alice in {SANDBOX}/a"
        ),
    );
    scenario.nested_event("C1.b", launched(7));
    scenario.nested_event("C1.a", launched(8));
    check(
        &mut scenario,
        &format!(
            "reply 200
             reply 200
             start nested C1.a.x as alice in {SANDBOX}/a/containers/x"
        ),
    );
}

#[test]
fn launches_that_wait_end_with_their_parent() {
    let mut scenario = Scenario::launching();
    scenario.launches_in("C1.a", |_| {}).launches_in("C1.a.x", |_| {});
    scenario.waits("C1.a");
    scenario.container("C1", |container| ContainerEvent::LaunchFailed { container, reason: "no disk".to_owned() });
    let answers = |log: String| log.lines().filter(|line| line.starts_with("reply")).collect::<Vec<_>>().join("\n");
    assert_eq!(
        answers(scenario.take_log()),
        "reply 400 Parent container C1 does not exist\n\
         reply 200 status unknown 'Parent container C1 does not exist'\n\
         reply 400 Parent container C1.a does not exist"
    );

    // The executor is told to end before it was started: nothing is started in it.
    let mut scenario = Scenario::launching();
    scenario.launches_in("C1.a", |_| {});
    scenario.master_sends(messages::internal::ShutdownFrameworkMessage { framework_id: framework_id() });
    scenario.container("C1", launched(4242)).exits("C1", 9);
    let log = scenario.take_log();
    assert!(!log.contains("start nested"), "{log}");
    assert_eq!(answers(log), "reply 400 Parent container C1 does not exist");

    // That of a nested parent, which fails to start or ends before its start was reported.
    for end in ["failed", "exited"] {
        let mut scenario = with_nested();
        scenario.launches_in("C1.p", |_| {}).launches_in("C1.p.a", |_| {}).clear_log();
        match end {
            "failed" => scenario.nested_event("C1.p", |container| ContainerEvent::NestedLaunchFailed {
                container,
                reason: "no".to_owned(),
                failure: LaunchFailure::Other,
            }),
            _ => scenario.nested_event("C1.p", exited(Some(9))),
        };
        let refused = "reply 400 Parent container C1.p does not exist";
        assert_eq!(scenario.take_log().lines().last(), Some(refused), "{end}");
    }
}

#[test]
fn launches_that_wait_can_be_taken_back() {
    let mut scenario = Scenario::launching();
    scenario.launches_in("C1.a", |_| {}).launches_in("C1.s", |request| request.session = true);
    scenario.kills("C1.a", 9);
    check(&mut scenario, "reply 400 Container was killed before it was started\nreply 200");
    let session = scenario.nested("C1.s");
    scenario.input(Input::SessionEnded(session));
    check(&mut scenario, "reply 503 The client has disconnected");
    // Both ids are free again.
    scenario.launches_in("C1.a", |_| {});
    scenario.container("C1", launched(4242));
    check(&mut scenario, &format!("start nested C1.a as alice in {SANDBOX}/a"));
}

#[test]
fn few_launches_wait() {
    let refused = |scenario: &mut Scenario| scenario.take_log();
    let mut scenario = Scenario::launching();
    for number in 0..1000 {
        scenario.launches_in(&format!("C1.a{number}"), |_| {});
    }
    check(&mut scenario, "");
    let text = "reply 503 Parent container C1 is in 'PREPARING' state, as are those of other launches\n";
    assert_eq!(refused(scenario.launches_in("C1.b", |_| {})).trim_end(), text.trim_end());
    // Those that are taken back make room.
    scenario.kills("C1.a7", 9);
    scenario.clear_log();
    assert_eq!(refused(scenario.launches_in("C1.b", |_| {})), "");

    let mut scenario = Scenario::launching();
    let large = |request: &mut agent::NestedContainerRequest| {
        let value = Some("x".repeat(9 << 20));
        request.command = Some(v1::CommandInfo { value, ..Default::default() });
    };
    assert_eq!(refused(scenario.launches_in("C1.a", large)), "");
    assert_eq!(refused(scenario.launches_in("C1.b", large)).trim_end(), text.trim_end());
    scenario.container("C1", launched(4242)).clear_log();
    assert!(refused(scenario.launches_in("C1.b", large)).starts_with("start nested"));
}

/// The bound of all nested containers is not used up by sessions that nobody removes.
#[test]
fn the_oldest_of_many_sessions_are_forgotten() {
    let mut scenario = with_nested();
    let end = |scenario: &mut Scenario, container: &str, session: bool| {
        scenario.launches_in(container, |request| request.session = session);
        scenario.nested_event(container, launched(8)).nested_event(container, exited(Some(0)));
    };
    end(&mut scenario, "C1.task", false);
    // Ids are in another order than the ends.
    let id = |number: usize| format!("C1.s{}", 999 - number);
    for number in 0..100 {
        end(&mut scenario, &id(number), true);
    }
    let log = scenario.take_log();
    assert!(!log.contains("remove"), "{log}");
    end(&mut scenario, &id(100), true);
    let log = scenario.take_log();
    assert!(log.contains("remove files of C1.s999"), "{log}");
    scenario.nested_event("C1.s999", |container| ContainerEvent::Removed { container, failed: None });
    scenario.clear_log();
    scenario.waits("C1.s999");
    scenario.waits("C1.s998");
    scenario.waits("C1.task");
    check(&mut scenario, "reply 404 Container C1.s999 cannot be found\nreply 200 status 0\nreply 200 status 0");
    // One that is removed already is no longer counted.
    end(&mut scenario, &id(101), true);
    scenario.clear_log();
    scenario.removes("C1.s997");
    scenario.clear_log();
    end(&mut scenario, &id(102), true);
    let log = scenario.take_log();
    assert!(!log.contains("remove files"), "{log}");
}

#[test]
fn nested_containers_end_with_their_parents() {
    let mut scenario = with_nested();
    scenario.launches_in("C1.n.m", |_| {}).nested_event("C1.n.m", launched(8));
    scenario.launches_in("C1.starting", |_| {}).launches_in("C1.over", |_| {});
    scenario.nested_event("C1.over", launched(9)).nested_event("C1.over", exited(Some(0)));
    scenario.clear_log();
    scenario.waits("C1.n.m");
    scenario.waits("C1");
    scenario.exits("C1", 256);
    let log = scenario.take_log();
    let containers: Vec<&str> =
        log.lines().filter(|line| line.starts_with("destroy") || line.starts_with("reply")).collect();
    assert_eq!(containers, ["reply 200 status 256", "destroy C1.n", "destroy C1.n.m", "destroy C1.starting"]);
    let failed = |container| ContainerEvent::LaunchFailed { container, reason: "destroyed".to_owned() };
    scenario.nested_event("C1.n.m", exited(Some(9))).nested_event("C1.n", exited(Some(9)));
    scenario.nested_event("C1.starting", failed);
    check(&mut scenario, "reply 200 status 9\nreply 400 destroyed");
    scenario.launches_in("C1.late", |_| {});
    check(&mut scenario, "reply 400 Root container C1 not found");
    for id in ["C1.n", "C1.n.m", "C1.over", "C1"] {
        scenario.waits(id);
        let (root, below) = id.split_once('.').map_or((id, ""), |(root, below)| (root, below));
        assert!(!root.is_empty());
        let text = if below.is_empty() { root.to_owned() } else { id.to_owned() };
        check(&mut scenario, &format!("reply 404 Container {text} cannot be found"));
    }
}

#[test]
fn failed_launches_report_the_reason() {
    let mut scenario = with_nested();
    scenario.launches_in("x.n", |_| {}).launches_in("C1.x.n", |_| {});
    check(
        &mut scenario,
        "reply 400 Root container x not found
         reply 400 Parent container C1.x does not exist",
    );
    let failed = |failure, reason: &str| {
        let reason = reason.to_owned();
        move |container| ContainerEvent::NestedLaunchFailed { container, reason, failure }
    };
    scenario.launches_in("C1.f", |_| {});
    scenario.waits("C1.f");
    scenario.clear_log();
    scenario.nested_event("C1.f", failed(LaunchFailure::Sandbox, "Failed to create sandbox: full"));
    check(
        &mut scenario,
        "reply 500 Failed to create sandbox: full
         reply 200 status unknown 'Failed to create sandbox: full'",
    );
    // The id is free again.
    scenario.launches_in("C1.f", |_| {}).nested_event("C1.f", failed(LaunchFailure::Other, "no such program"));
    scenario.take_log();
    scenario.waits("C1.f");
    check(&mut scenario, "reply 404 Container C1.f cannot be found");
    scenario.kills("C1.n", 0);
    scenario.clear_log();
    let reply = model::ReplyId(77);
    scenario.input(Input::Container(ContainerEvent::Signalled { reply, failed: Some("no such process".to_owned()) }));
    check(&mut scenario, "reply 500 Unable to send signal to container: no such process");
}

#[test]
fn limits_that_end_a_nested_container_are_reported() {
    let mut scenario = with_nested();
    scenario.waits("C1.n");
    let limitation = Limitation {
        reason: Reason::ContainerLimitationMemory,
        message: "too much".to_owned(),
        resources: allocated("mem:64"),
    };
    let exit = ContainerExit { status: Some(9), limitation: Some(limitation), ..Default::default() };
    scenario.nested_event("C1.n", |container| ContainerEvent::Exited { container, exit });
    check(&mut scenario, "reply 200 status 9 FAILED REASON_CONTAINER_LIMITATION_MEMORY 'too much' mem:64");
}

#[test]
fn users_are_inherited() {
    let mut scenario = with_nested();
    let bob = |request: &mut agent::NestedContainerRequest| {
        request.command = Some(v1::CommandInfo { user: Some("bob".to_owned()), ..Default::default() });
    };
    scenario.launches_in("C1.b", bob).nested_event("C1.b", launched(8)).launches_in("C1.b.c", |_| {});
    scenario.launches_in("s", |_| {}).launches_in("s2", bob);
    let log = scenario.take_log();
    let users: Vec<&str> = log.lines().filter_map(|line| line.split(" as ").nth(1)?.split(" in ").next()).collect();
    assert_eq!(users, ["bob", "bob", "the agent's user", "bob"]);
}

#[test]
fn a_standalone_container_is_removed_at_its_end() {
    let mut scenario = Scenario::registered();
    scenario.launches_in("s", |_| {});
    check(&mut scenario, "start nested s as the agent's user in /var/lib/mesos/containers/s");
    scenario.nested_event("s", launched(5)).launches_in("s.n", |_| {}).nested_event("s.n", launched(6));
    scenario.clear_log();
    scenario.waits("s");
    scenario.removes("s");
    check(&mut scenario, "reply 400 Container s is top-level, and its files are removed some time after its end");
    scenario.kills("s", 9);
    check(&mut scenario, "signal 9 to s");
    scenario.nested_event("s", exited(Some(9)));
    let log = scenario.take_log();
    assert!(log.starts_with("reply 200 status 9\ndestroy s.n\n"), "{log}");
    scenario.nested_event("s.n", exited(Some(9))).clear_log();
    scenario.waits("s");
    scenario.waits("s.n");
    check(&mut scenario, "reply 404 Container s cannot be found\nreply 404 Container s.n cannot be found");
}

#[test]
fn a_session_ends_with_its_connection() {
    let mut scenario = with_nested();
    scenario.launches_in("C1.n.s", |request| request.session = true);
    scenario.nested_event("C1.n.s", launched(8)).clear_log();
    let id = scenario.nested("C1.n.s");
    scenario.input(Input::SessionEnded(id.clone()));
    check(&mut scenario, "destroy C1.n.s");
    scenario.input(Input::SessionEnded(id.clone()));
    scenario.nested_event("C1.n.s", exited(Some(9))).input(Input::SessionEnded(id));
    // A container that is no session continues.
    let other = scenario.nested("C1.n");
    scenario.input(Input::SessionEnded(other));
    check(&mut scenario, "");
    scenario.waits("C1.n.s");
    check(&mut scenario, "reply 200 status 9");
}

#[test]
fn a_wait_ends_with_its_connection() {
    let mut scenario = with_nested();
    let (gone, stays) = (scenario.waits("C1.n"), scenario.waits("C1.n"));
    let container = scenario.nested("C1.n");
    scenario.input(Input::WaitAbandoned { container: container.clone(), reply: gone });
    check(&mut scenario, "reply 503 The client has disconnected");
    scenario.input(Input::WaitAbandoned { container, reply: gone });
    scenario.nested_event("C1.n", exited(Some(0)));
    check(&mut scenario, "reply 200 status 0");
    assert_ne!(gone, stays);
}

#[test]
fn nested_containers_survive_the_agent() {
    let mut scenario = Scenario::new();
    let mut run = run_task(command("t1"));
    run.framework.checkpoint = Some(true);
    scenario.master_is(MASTER).fires(agent::Timer::Register).master_registers_it().master_sends(run);
    let root = scenario.nested("C1");
    let records = scenario.effects().filter_map(|effect| match effect {
        Effect::Store { record, .. } => Some(record.clone()),
        _ => None,
    });
    let recovered_state: RecoveredState = records.collect();
    let nested = |pid, session| RecoveredNested { pid, session, user: Some("bob".to_owned()), ..Default::default() };
    let over = ContainerExit { status: Some(512), ..Default::default() };
    let child = |value: &str| root.child(value).unwrap();
    let found = BTreeMap::from([
        (child("runs"), nested(Some(7), false)),
        (child("session"), nested(Some(8), true)),
        (child("over"), RecoveredNested { exit: over, ..Default::default() }),
        (ContainerId::new("s"), nested(Some(9), false)),
        (ContainerId::new("lost.n"), nested(Some(10), false)),
    ]);
    let pids = [(root.clone(), 4242), (child("runs"), 7), (child("session"), 8), (ContainerId::new("lost.n"), 10)];
    let alive = pids.into_iter().chain([(ContainerId::new("s"), 9)]).collect();
    let recovery = Recovery { recovered_state, alive, nested: found, ..Default::default() };
    let mut log = Vec::new();
    let mut next = Scenario::prepared(
        |_| {},
        |agent| {
            let mut outbox = agent::Outbox::default();
            let wall = model::Timestamp::from_nanos(1_700_000_000_000_000_000);
            let now = model::Now { monotonic: model::Monotonic::default(), wall };
            agent.recover(now, recovery, &mut outbox).unwrap();
            let commands = outbox.drain().filter_map(|effect| match effect {
                Effect::Command(Command::Container(ContainerCommand::Destroy { container })) => Some(container),
                _ => None,
            });
            log.extend(commands.map(|id| id.to_string().replace(root.as_str(), "C1")));
        },
    );
    assert_eq!(log, ["C1.session", "lost.n"]);
    next.environment.names.container(root.as_str());
    next.clear_log();
    next.waits("C1.over");
    check(&mut next, "reply 200 status 512");
    next.waits("C1.runs");
    next.nested_event("C1.runs", exited(Some(0)));
    check(&mut next, "reply 200 status 0");
    next.kills("s", 15);
    check(&mut next, "signal 15 to s");
    next.launches_in("s.n", |_| {});
    check(&mut next, "start nested s.n as bob in /var/lib/mesos/containers/s/containers/n");
}
