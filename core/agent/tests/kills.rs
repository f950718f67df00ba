//! Kills of tasks, shutdowns of executors and frameworks, draining.

mod scenario;

use std::time::Duration;

use agent::{ContainerEvent, Timer};
use messages::v1::TaskState::*;
use messages::v1::executor::call;
use messages::{internal, v1};
use scenario::*;

#[test]
fn a_running_task_is_killed_by_its_executor() {
    let mut scenario = Scenario::running();
    let message = internal::KillTaskMessage {
        framework_id: framework_id(),
        task_id: v1::TaskId { value: "t1".into() },
        kill_policy: Some(Box::new(v1::KillPolicy { grace_period: Some(v1::DurationInfo { nanoseconds: 7 }) })),
    };
    scenario.master_sends(message);
    let kill = scenario.effects().find_map(|effect| match effect {
        agent::Effect::Event { event, .. } => event.kill.clone(),
        _ => None,
    });
    let policy = kill.and_then(|kill| kill.kill_policy).and_then(|policy| policy.grace_period);
    assert_eq!(policy, Some(v1::DurationInfo { nanoseconds: 7 }));
    check(&mut scenario, "event on 1: KILL t1");
}

#[test]
fn a_task_killed_before_its_executor_came_never_runs() {
    let mut scenario = Scenario::launching();
    scenario.master_kills("t1");
    check(
        &mut scenario,
        "update C1 to cpus:0.1;mem:32
         store update U1 t1 KILLED
         send master@10.0.0.1:5050: StatusUpdate U1 t1 KILLED REASON_TASK_KILLED_DURING_LAUNCH 'Killed before delivery to the executor'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 1, networks: Vec::new() });
    scenario.subscribes("t1");
    check(
        &mut scenario,
        "reply 200
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorHeartbeat 1800s
         event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s",
    );
}

#[test]
fn a_task_killed_before_its_record_is_durable_starts_nothing() {
    let mut scenario = Scenario::registered();
    scenario.disk_is_slow();
    scenario.runs(command("t1")).master_kills("t1").clear_log();
    scenario.disk_catches_up();
    let log = scenario.take_log();
    assert!(!log.contains("start"), "{log}");
    assert!(log.contains("StatusUpdate U1 t1 KILLED REASON_TASK_KILLED_DURING_LAUNCH"), "{log}");
    scenario.framework_acknowledges("t1", "U1");
    assert_eq!(scenario.metrics.frameworks_active.get(), 0);
    assert_eq!(scenario.metrics.executors_registering.get(), 0);
}

#[test]
fn killing_one_queued_task_of_a_group_kills_the_group() {
    let mut scenario = Scenario::registered();
    scenario.master_sends(run_group("e", &["a", "b"])).clear_log();
    scenario.master_kills("b");
    let log = scenario.take_log();
    for task in ["a", "b"] {
        let line = format!("{task} KILLED REASON_TASK_KILLED_DURING_LAUNCH 'A task within the task group was killed");
        assert!(log.contains(&line), "{log}");
    }
}

#[test]
fn a_kill_of_an_unknown_task_is_answered() {
    let mut scenario = Scenario::running();
    scenario.master_kills("t9");
    check(
        &mut scenario,
        "store update U1 t9 DROPPED
         send master@10.0.0.1:5050: UpdateSlave
         send master@10.0.0.1:5050: StatusUpdate U1 t9 DROPPED REASON_EXECUTOR_TERMINATED 'Cannot find executor'
         arm UpdateRetry(\"F\", \"t9\") 10s",
    );
    let mut scenario = Scenario::registered();
    scenario.master_kills("t9");
    check(&mut scenario, "");
}

#[test]
fn a_launch_after_its_kill_is_refused() {
    let mut scenario = Scenario::running();
    scenario.master_reregisters_it();
    let before = scenario.resource_version();
    scenario.master_kills("t9");
    let after = scenario.resource_version();
    scenario.clear_log();
    scenario.master_sends(run_task_as_of(before, command("t9")));
    let log = scenario.take_log();
    assert!(log.contains("store update U2 t9 DROPPED") && !log.contains("start"), "{log}");
    scenario.master_sends(run_task_as_of(after, command("t10")));
    assert!(scenario.take_log().contains("start"));
}

#[test]
fn a_kill_while_the_executor_is_disconnected_is_not_lost() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).stream_closes(1).clear_log();
    scenario.master_kills("t1");
    check(&mut scenario, "");
    scenario.subscribes("t1");
    check(
        &mut scenario,
        "reply 200
         disarm ExecutorRegistration(\"C1\")
         event on 2: SUBSCRIBED
         event on 2: KILL t1",
    );
}

#[test]
fn an_executor_that_does_not_end_in_its_grace_period_is_destroyed() {
    let mut scenario = Scenario::registered();
    let mut task = custom("t1", "e");
    task.executor.as_mut().unwrap().shutdown_grace_period = Some(v1::DurationInfo { nanoseconds: 30_000_000_000 });
    scenario.runs(task).subscribes("e").updates("e", "t1", TaskRunning).clear_log();
    scenario.master_sends(internal::ShutdownExecutorMessage {
        executor_id: Some(v1::ExecutorId { value: "e".into() }),
        framework_id: Some(framework_id()),
    });
    check(
        &mut scenario,
        "event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 30s",
    );
    scenario.fires(Timer::ExecutorShutdown(scenario.environment.names.container_id("C1")));
    assert!(scenario.take_log().ends_with("destroy C1"));
    // Updates of the executor while it ends still count.
    scenario.updates("e", "t1", TaskKilled);
    assert!(scenario.take_log().contains("store update U2 t1 KILLED"));
}

#[test]
fn a_framework_that_is_shut_down_sends_no_updates() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).clear_log();
    scenario.master_sends(internal::ShutdownFrameworkMessage { framework_id: framework_id() });
    check(
        &mut scenario,
        "disarm UpdateRetry(\"F\", \"t1\")
         event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s",
    );
    scenario.runs(command("t2"));
    check(&mut scenario, "");
    scenario.updates("t1", "t1", TaskKilled);
    check(&mut scenario, "reply 202");
    scenario.exits("C1", 0);
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         close 1
         store done C1
         arm Gc 544320s",
    );
    assert_eq!(scenario.metrics.tasks_running.get(), 0);
    assert_eq!(scenario.metrics.used.firm("mem"), 0.0);
}

#[test]
fn an_executor_of_a_removed_framework_is_shut_down() {
    let mut scenario = Scenario::launching();
    scenario.master_sends(internal::ShutdownFrameworkMessage { framework_id: framework_id() }).clear_log();
    scenario.subscribes("t1");
    check(&mut scenario, "reply 200\nevent on 1: SHUTDOWN\nclose 1");
    scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 1, networks: Vec::new() });
    check(&mut scenario, "destroy C1");
}

#[test]
fn executors_that_call_tasks_staging_are_shut_down() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskStaging);
    check(
        &mut scenario,
        "event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s
         reply 202",
    );
}

#[test]
fn draining_uses_the_shorter_grace_period() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).framework_acknowledges("t1", "U1").clear_log();
    let config = v1::DrainConfig { max_grace_period: Some(v1::DurationInfo { nanoseconds: 1 }), mark_gone: Some(true) };
    scenario.master_sends(internal::DrainSlaveMessage { config });
    check(&mut scenario, "store draining\nevent on 1: KILL t1");
    scenario.updates("t1", "t1", TaskKilled);
    assert!(scenario.take_log().contains("StatusUpdate U2 t1 GONE_BY_OPERATOR REASON_AGENT_DRAINING"));
    scenario.runs(custom("t2", "e"));
    assert!(scenario.take_log().contains("t2 DROPPED REASON_AGENT_DRAINING"));
    // The agent is drained and accepts tasks again.
    scenario.framework_acknowledges("t1", "U2").exits("C1", 0).clear_log();
    scenario.runs(custom("t3", "e"));
    assert!(scenario.take_log().contains("start e in C2"));
}

#[test]
fn subscriptions_of_ended_executors_are_refused() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskFinished).exits("C1", 0).clear_log();
    scenario.resubscribes("t1", call::Subscribe::default());
    check(&mut scenario, "reply 200\nevent on 2: SHUTDOWN\nclose 2");
    scenario.passes(Duration::from_secs(5));
}
