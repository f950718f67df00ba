//! Killing tasks, shutting down executors and frameworks, draining.

mod story;

use std::time::Duration;

use agent::{ContainerEvent, Timer};
use messages::v1::TaskState::*;
use messages::v1::executor::call;
use messages::{internal, v1};
use story::*;

#[test]
fn a_running_task_is_killed_by_its_executor() {
    let mut story = Story::running();
    let message = internal::KillTaskMessage {
        framework_id: framework_id(),
        task_id: v1::TaskId { value: "t1".into() },
        kill_policy: Some(Box::new(v1::KillPolicy { grace_period: Some(v1::DurationInfo { nanoseconds: 7 }) })),
    };
    story.master_says(message);
    let kill = story.effects().find_map(|effect| match effect {
        agent::Effect::Event { event, .. } => event.kill.clone(),
        _ => None,
    });
    let policy = kill.and_then(|kill| kill.kill_policy).and_then(|policy| policy.grace_period);
    assert_eq!(policy, Some(v1::DurationInfo { nanoseconds: 7 }));
    check(&mut story, "event on 1: KILL t1");
}

#[test]
fn a_task_killed_before_its_executor_came_never_runs() {
    let mut story = Story::launching();
    story.master_kills("t1");
    check(
        &mut story,
        "update C1 to cpus:0.1;mem:32
         store update U1 t1 KILLED
         send master@10.0.0.1:5050: StatusUpdate U1 t1 KILLED REASON_TASK_KILLED_DURING_LAUNCH 'Killed before delivery to the executor'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    story.container("C1", |container| ContainerEvent::Launched { container, pid: 1 });
    story.subscribes("t1");
    check(
        &mut story,
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
    let mut story = Story::registered();
    story.disk_is_slow();
    story.runs(command("t1")).master_kills("t1").untold();
    story.disk_catches_up();
    let told = story.tell();
    assert!(!told.contains("start"), "{told}");
    assert!(told.contains("StatusUpdate U1 t1 KILLED REASON_TASK_KILLED_DURING_LAUNCH"), "{told}");
    story.framework_acknowledges("t1", "U1");
    assert_eq!(story.metrics.frameworks_active.get(), 0);
    assert_eq!(story.metrics.executors_registering.get(), 0);
}

#[test]
fn killing_one_queued_task_of_a_group_kills_the_group() {
    let mut story = Story::registered();
    story.master_says(run_group("e", &["a", "b"])).untold();
    story.master_kills("b");
    let told = story.tell();
    for task in ["a", "b"] {
        let line = format!("{task} KILLED REASON_TASK_KILLED_DURING_LAUNCH 'A task within the task group was killed");
        assert!(told.contains(&line), "{told}");
    }
}

#[test]
fn a_kill_of_a_task_that_is_not_here_is_answered() {
    let mut story = Story::running();
    story.master_kills("t9");
    check(
        &mut story,
        "store update U1 t9 DROPPED
         send master@10.0.0.1:5050: UpdateSlave
         send master@10.0.0.1:5050: StatusUpdate U1 t9 DROPPED REASON_EXECUTOR_TERMINATED 'Cannot find executor'
         arm UpdateRetry(\"F\", \"t9\") 10s",
    );
    let mut story = Story::registered();
    story.master_kills("t9");
    check(&mut story, "");
}

#[test]
fn a_launch_that_its_kill_has_overtaken_is_refused() {
    let mut story = Story::running();
    story.master_reregisters_it();
    let before = story.resource_version();
    story.master_kills("t9");
    let after = story.resource_version();
    story.untold();
    story.master_says(run_task_as_of(before, command("t9")));
    let told = story.tell();
    assert!(told.contains("store update U2 t9 DROPPED") && !told.contains("start"), "{told}");
    story.master_says(run_task_as_of(after, command("t10")));
    assert!(story.tell().contains("start"));
}

#[test]
fn a_kill_while_the_executor_is_disconnected_is_not_lost() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskRunning).stream_closes(1).untold();
    story.master_kills("t1");
    check(&mut story, "");
    story.subscribes("t1");
    check(
        &mut story,
        "reply 200
         disarm ExecutorRegistration(\"C1\")
         event on 2: SUBSCRIBED
         event on 2: KILL t1",
    );
}

#[test]
fn an_executor_that_does_not_end_in_its_grace_period_is_destroyed() {
    let mut story = Story::registered();
    let mut task = custom("t1", "e");
    task.executor.as_mut().unwrap().shutdown_grace_period = Some(v1::DurationInfo { nanoseconds: 30_000_000_000 });
    story.runs(task).subscribes("e").updates("e", "t1", TaskRunning).untold();
    story.master_says(internal::ShutdownExecutorMessage {
        executor_id: Some(v1::ExecutorId { value: "e".into() }),
        framework_id: Some(framework_id()),
    });
    check(
        &mut story,
        "event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 30s",
    );
    story.fires(Timer::ExecutorShutdown(story.names.container_id("C1")));
    assert!(story.tell().ends_with("destroy C1"));
    // What it says while it ends still counts.
    story.updates("e", "t1", TaskKilled);
    assert!(story.tell().contains("store update U2 t1 KILLED"));
}

#[test]
fn a_framework_that_is_shut_down_leaves_without_updates() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskRunning).untold();
    story.master_says(internal::ShutdownFrameworkMessage { framework_id: framework_id() });
    check(
        &mut story,
        "disarm UpdateRetry(\"F\", \"t1\")
         event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s",
    );
    story.runs(command("t2"));
    check(&mut story, "");
    story.updates("t1", "t1", TaskKilled);
    check(&mut story, "reply 202");
    story.exits("C1", 0);
    check(
        &mut story,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         close 1
         store done C1
         arm Gc 544320s",
    );
    assert_eq!(story.metrics.tasks_running.get(), 0);
    assert_eq!(story.metrics.used.mem.get(), 0);
}

#[test]
fn an_executor_of_an_ended_framework_is_told_to_go() {
    let mut story = Story::launching();
    story.master_says(internal::ShutdownFrameworkMessage { framework_id: framework_id() }).untold();
    story.subscribes("t1");
    check(&mut story, "reply 200\nevent on 1: SHUTDOWN\nclose 1");
    story.container("C1", |container| ContainerEvent::Launched { container, pid: 1 });
    check(&mut story, "destroy C1");
}

#[test]
fn executors_that_call_tasks_staging_are_shut_down() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskStaging);
    check(
        &mut story,
        "event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s
         reply 202",
    );
}

#[test]
fn draining_kills_with_the_shorter_grace_and_says_so() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskRunning).framework_acknowledges("t1", "U1").untold();
    let config = v1::DrainConfig { max_grace_period: Some(v1::DurationInfo { nanoseconds: 1 }), mark_gone: Some(true) };
    story.master_says(internal::DrainSlaveMessage { config });
    check(&mut story, "store draining\nevent on 1: KILL t1");
    story.updates("t1", "t1", TaskKilled);
    assert!(story.tell().contains("StatusUpdate U2 t1 GONE_BY_OPERATOR REASON_AGENT_DRAINING"));
    story.runs(custom("t2", "e"));
    assert!(story.tell().contains("t2 DROPPED REASON_AGENT_DRAINING"));
    // Drained: it takes work again.
    story.framework_acknowledges("t1", "U2").exits("C1", 0).untold();
    story.runs(custom("t3", "e"));
    assert!(story.tell().contains("start e in C2"));
}

#[test]
fn subscriptions_of_ended_executors_are_refused() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskFinished).exits("C1", 0).untold();
    story.resubscribes("t1", call::Subscribe::default());
    check(&mut story, "reply 200\nevent on 2: SHUTDOWN\nclose 2");
    story.passes(Duration::from_secs(5));
}
