//! Status updates: one in flight per task, repeated until acknowledged.

mod story;

use std::time::Duration;

use agent::Timer;
use messages::v1::TaskState::*;
use messages::{Message, internal, v1};
use story::*;
use vocabulary::{FrameworkId, TaskId};

fn retry(task: &str) -> Timer {
    Timer::UpdateRetry(FrameworkId::new("F"), TaskId::new(task))
}

#[test]
fn updates_of_a_task_go_one_after_the_other_with_the_latest_state() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskStarting).untold();
    story.updates("t1", "t1", TaskRunning);
    check(&mut story, "store update U2 t1 RUNNING\nreply 202\nevent on 1: ACKNOWLEDGED t1 U2");
    story.fires(retry("t1"));
    check(
        &mut story,
        "send master@10.0.0.1:5050: StatusUpdate U1 t1 STARTING (now RUNNING)
         arm UpdateRetry(\"F\", \"t1\") 20s",
    );
    story.framework_acknowledges("t1", "U1");
    check(
        &mut story,
        "store acknowledged U1 t1
         disarm UpdateRetry(\"F\", \"t1\")
         send master@10.0.0.1:5050: StatusUpdate U2 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

/// Found by the simulator: a machine that lost its power lost the acknowledgement, and the update went again after the
/// one behind it.
#[test]
fn an_update_waits_until_the_acknowledgement_before_it_is_durable() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskStarting).updates("t1", "t1", TaskRunning).untold();
    story.disk_is_slow();
    story.framework_acknowledges("t1", "U1");
    check(&mut story, "store acknowledged U1 t1\ndisarm UpdateRetry(\"F\", \"t1\")");
    story.disk_catches_up();
    check(
        &mut story,
        "send master@10.0.0.1:5050: StatusUpdate U2 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn an_unacknowledged_update_is_repeated_ever_more_rarely() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskRunning).untold();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let wait = story.timers[&retry("t1")].since(story.now.monotonic);
        waits.push(wait.as_secs());
        story.fires(retry("t1"));
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    assert_eq!(story.sent().filter(|message| matches!(message, Message::StatusUpdate(_))).count(), 9);
}

#[test]
fn acknowledgements_that_match_nothing_change_nothing() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskStarting).updates("t1", "t1", TaskRunning).untold();
    story.framework_acknowledges("t1", "U2");
    check(&mut story, "");
    story.framework_acknowledges("t1", "U1").untold();
    story.framework_acknowledges("t1", "U1");
    check(&mut story, "");
    let of_another_agent = internal::StatusUpdateAcknowledgementMessage {
        slave_id: v1::AgentId { value: "M-S9".into() },
        framework_id: framework_id(),
        task_id: v1::TaskId { value: "t1".into() },
        uuid: story.names.uuid("U2"),
    };
    story.master_says(of_another_agent.clone());
    check(&mut story, "");
    // Drivers of old acknowledge directly; a deposed master does not count.
    let right = internal::StatusUpdateAcknowledgementMessage { slave_id: agent_id(), ..of_another_agent };
    story.says("master@10.0.0.9:5050", right.clone());
    check(&mut story, "");
    story.says(SCHEDULER, right);
    check(&mut story, "store acknowledged U2 t1\ndisarm UpdateRetry(\"F\", \"t1\")");
}

#[test]
fn an_update_that_comes_twice_goes_once() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskRunning).untold();
    story.updates("t1", "t1", TaskRunning);
    check(&mut story, "event on 1: ACKNOWLEDGED t1 U1\nreply 202");
    story.framework_acknowledges("t1", "U1").untold();
    story.updates("t1", "t1", TaskRunning);
    check(&mut story, "event on 1: ACKNOWLEDGED t1 U1\nreply 202");
}

#[test]
fn an_old_update_repeated_late_does_not_turn_the_task_back() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskStarting).updates("t1", "t1", TaskRunning).updates("t1", "t1", TaskStarting);
    assert_eq!(story.metrics.tasks_running.get(), 1);
    assert_eq!(story.metrics.tasks_starting.get(), 0);
}

#[test]
fn nothing_follows_a_terminal_update() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskFinished).untold();
    story.updates("t1", "t1", TaskFailed);
    check(&mut story, "event on 1: ACKNOWLEDGED t1 U2\nreply 202");
    assert_eq!(story.metrics.tasks_failed.get(), 0);
}

#[test]
fn updates_wait_while_there_is_no_master() {
    let mut story = Story::running();
    story.input(agent::Input::MasterDetected(None)).untold();
    story.updates("t1", "t1", TaskRunning);
    check(&mut story, "store update U1 t1 RUNNING\nreply 202\nevent on 1: ACKNOWLEDGED t1 U1");
    story.passes(Duration::from_secs(1200));
    check(&mut story, "");
    story.master_is(MASTER).fires(Timer::Register).untold();
    story.master_reregisters_it();
    assert!(story.tell().contains("StatusUpdate U1 t1 RUNNING"));
}

#[test]
fn a_new_scheduler_gets_at_once_what_the_old_one_did_not_acknowledge() {
    let mut story = Story::running();
    story.updates("t1", "t1", TaskRunning).untold();
    let update = internal::UpdateFrameworkMessage {
        framework_id: framework_id(),
        pid: Some(SCHEDULER.into()),
        framework_info: Some(Box::new(framework())),
    };
    story.master_says(update);
    check(
        &mut story,
        "store framework F
         send master@10.0.0.1:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn a_flood_of_updates_is_refused_at_its_bound() {
    let mut story = Story::running();
    for number in 0..2000u32 {
        let mut status = status("t1", TaskRunning);
        let mut uuid = [0; 16];
        uuid[..4].copy_from_slice(&number.to_be_bytes());
        status.uuid = Some(uuid.to_vec());
        story.updates_as("t1", status);
    }
    let told = story.tell();
    assert_eq!(told.matches("store update").count(), 1024);
    assert_eq!(told.matches("reply 503 too many unacknowledged status updates of this task").count(), 2000 - 1024);
}

#[test]
fn a_drivers_update_is_acknowledged_to_the_driver_when_durable() {
    let mut story = Story::registered();
    story.runs(custom("t1", "e"));
    let register = internal::RegisterExecutorMessage {
        framework_id: framework_id(),
        executor_id: v1::ExecutorId { value: "e".into() },
    };
    story.says(DRIVER, register.clone());
    check(
        &mut story,
        "store framework F
         store executor e in C1
         store task t1
         arm ExecutorRegistration(\"C1\") 60s
         start e in C1
         disarm ExecutorRegistration(\"C1\")
         link 10.0.0.2:40000
         send executor(1)@10.0.0.2:40000: ExecutorRegistered
         update C1 to cpus:1.5;mem:96
         send executor(1)@10.0.0.2:40000: RunTask t1",
    );
    story.says(DRIVER, driver_update("t1", TaskRunning));
    check(
        &mut story,
        "store update U1 t1 RUNNING
         send executor(1)@10.0.0.2:40000: StatusUpdateAcknowledgement t1 U1
         send master@10.0.0.1:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    story.master_kills("t1");
    check(&mut story, "send executor(1)@10.0.0.2:40000: KillTask t1");
    // A second process that claims to be the executor.
    story.says("executor(1)@10.0.0.2:40002", register);
    check(&mut story, "send executor(1)@10.0.0.2:40002: ShutdownExecutor");
    story.says(DRIVER, driver_update("t1", TaskKilled)).untold();
    story.exits("C1", 0);
    check(
        &mut story,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         unlink 10.0.0.2:40000
         store done C1
         send master@10.0.0.1:5050: ExitedExecutor e 0",
    );
}

#[test]
fn updates_without_a_uuid_or_for_another_agent_are_dropped() {
    let mut story = Story::running();
    let mut message = driver_update("t1", TaskRunning);
    message.update.uuid = None;
    story.says(DRIVER, message);
    let mut message = driver_update("t1", TaskRunning);
    message.update.slave_id = None;
    story.says(DRIVER, message);
    let mut message = driver_update("t1", TaskRunning);
    message.update.framework_id.value = "G".into();
    story.says(DRIVER, message);
    check(&mut story, "");
    assert_eq!(story.metrics.invalid_status_updates.get(), 3);
}
