//! Status updates: one in flight per task, repeated until acknowledged.

mod scenario;

use std::time::Duration;

use agent::Timer;
use messages::v1::TaskState::*;
use messages::{Message, internal, v1};
use model::{FrameworkId, TaskId};
use scenario::*;

fn retry(task: &str) -> Timer {
    Timer::UpdateRetry(FrameworkId::new("F"), TaskId::new(task))
}

#[test]
fn updates_of_a_task_are_sent_in_order_with_the_latest_state() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskStarting).clear_log();
    scenario.updates("t1", "t1", TaskRunning);
    check(&mut scenario, "store update U2 t1 RUNNING\nreply 202\nevent on 1: ACKNOWLEDGED t1 U2");
    scenario.fires(retry("t1"));
    check(
        &mut scenario,
        "send master@10.0.0.1:5050: StatusUpdate U1 t1 STARTING (now RUNNING)
         arm UpdateRetry(\"F\", \"t1\") 20s",
    );
    scenario.framework_acknowledges("t1", "U1");
    check(
        &mut scenario,
        "store acknowledged U1 t1
         disarm UpdateRetry(\"F\", \"t1\")
         send master@10.0.0.1:5050: StatusUpdate U2 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

/// The simulator found this case: a machine lost power and with it the acknowledgement, and the agent sent the
/// acknowledged update again after a later one.
#[test]
fn an_update_waits_until_the_acknowledgement_before_it_is_durable() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskStarting).updates("t1", "t1", TaskRunning).clear_log();
    scenario.disk_is_slow();
    scenario.framework_acknowledges("t1", "U1");
    check(&mut scenario, "store acknowledged U1 t1\ndisarm UpdateRetry(\"F\", \"t1\")");
    scenario.disk_catches_up();
    check(
        &mut scenario,
        "send master@10.0.0.1:5050: StatusUpdate U2 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn an_unacknowledged_update_is_retried_with_backoff() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).clear_log();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let wait = scenario.recorded.timers[&retry("t1")].since(scenario.now().monotonic);
        waits.push(wait.as_secs());
        scenario.fires(retry("t1"));
    }
    assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
    assert_eq!(scenario.sent().filter(|message| matches!(message, Message::StatusUpdate(_))).count(), 9);
}

#[test]
fn acknowledgements_without_an_update_are_ignored() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskStarting).updates("t1", "t1", TaskRunning).clear_log();
    scenario.framework_acknowledges("t1", "U2");
    check(&mut scenario, "");
    scenario.framework_acknowledges("t1", "U1").clear_log();
    scenario.framework_acknowledges("t1", "U1");
    check(&mut scenario, "");
    let of_another_agent = internal::StatusUpdateAcknowledgementMessage {
        slave_id: v1::AgentId { value: "M-S9".into() },
        framework_id: framework_id(),
        task_id: v1::TaskId { value: "t1".into() },
        uuid: scenario.environment.names.uuid("U2"),
    };
    scenario.master_sends(of_another_agent.clone());
    check(&mut scenario, "");
    // Old drivers acknowledge directly; the acknowledgement of a deposed master does not count.
    let right = internal::StatusUpdateAcknowledgementMessage { slave_id: agent_id(), ..of_another_agent };
    scenario.sends("master@10.0.0.9:5050", right.clone());
    check(&mut scenario, "");
    scenario.sends(SCHEDULER, right);
    check(&mut scenario, "store acknowledged U2 t1\ndisarm UpdateRetry(\"F\", \"t1\")");
}

#[test]
fn a_duplicate_update_is_forwarded_once() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).clear_log();
    scenario.updates("t1", "t1", TaskRunning);
    check(&mut scenario, "event on 1: ACKNOWLEDGED t1 U1\nreply 202");
    scenario.framework_acknowledges("t1", "U1").clear_log();
    scenario.updates("t1", "t1", TaskRunning);
    check(&mut scenario, "event on 1: ACKNOWLEDGED t1 U1\nreply 202");
}

#[test]
fn a_late_duplicate_does_not_revert_the_state() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskStarting).updates("t1", "t1", TaskRunning).updates("t1", "t1", TaskStarting);
    assert_eq!(scenario.metrics.tasks_running.get(), 1);
    assert_eq!(scenario.metrics.tasks_starting.get(), 0);
}

#[test]
fn no_update_follows_a_terminal_update() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskFinished).clear_log();
    scenario.updates("t1", "t1", TaskFailed);
    check(&mut scenario, "event on 1: ACKNOWLEDGED t1 U2\nreply 202");
    assert_eq!(scenario.metrics.tasks_failed.get(), 0);
}

#[test]
fn updates_wait_while_there_is_no_master() {
    let mut scenario = Scenario::running();
    scenario.input(agent::Input::MasterDetected(None)).clear_log();
    scenario.updates("t1", "t1", TaskRunning);
    check(&mut scenario, "store update U1 t1 RUNNING\nreply 202\nevent on 1: ACKNOWLEDGED t1 U1");
    scenario.passes(Duration::from_secs(1200));
    check(&mut scenario, "");
    scenario.master_is(MASTER).fires(Timer::Register).clear_log();
    scenario.master_reregisters_it();
    assert!(scenario.take_log().contains("StatusUpdate U1 t1 RUNNING"));
}

#[test]
fn a_new_scheduler_gets_unacknowledged_updates_at_once() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).clear_log();
    let update = internal::UpdateFrameworkMessage {
        framework_id: framework_id(),
        pid: Some(SCHEDULER.into()),
        framework_info: Some(Box::new(framework())),
    };
    scenario.master_sends(update);
    check(
        &mut scenario,
        "store framework F
         send master@10.0.0.1:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn updates_beyond_the_bound_are_refused() {
    let mut scenario = Scenario::running();
    for number in 0..2000u32 {
        let mut status = status("t1", TaskRunning);
        let mut uuid = [0; 16];
        uuid[..4].copy_from_slice(&number.to_be_bytes());
        status.uuid = Some(uuid.to_vec());
        scenario.updates_as("t1", status);
    }
    let log = scenario.take_log();
    assert_eq!(log.matches("store update").count(), 1024);
    assert_eq!(log.matches("reply 503 too many unacknowledged status updates of this task").count(), 2000 - 1024);
}

#[test]
fn a_drivers_update_is_acknowledged_to_the_driver_when_durable() {
    let mut scenario = Scenario::registered();
    scenario.runs(custom("t1", "e"));
    let register = internal::RegisterExecutorMessage {
        framework_id: framework_id(),
        executor_id: v1::ExecutorId { value: "e".into() },
    };
    scenario.sends(DRIVER, register.clone());
    check(
        &mut scenario,
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
    scenario.sends(DRIVER, driver_update("t1", TaskRunning));
    check(
        &mut scenario,
        "store update U1 t1 RUNNING
         send executor(1)@10.0.0.2:40000: StatusUpdateAcknowledgement t1 U1
         send master@10.0.0.1:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    scenario.master_kills("t1");
    check(&mut scenario, "send executor(1)@10.0.0.2:40000: KillTask t1");
    // A second process claims to be the executor.
    scenario.sends("executor(1)@10.0.0.2:40002", register);
    check(&mut scenario, "send executor(1)@10.0.0.2:40002: ShutdownExecutor");
    scenario.sends(DRIVER, driver_update("t1", TaskKilled)).clear_log();
    scenario.exits("C1", 0);
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         unlink 10.0.0.2:40000
         store done C1
         send master@10.0.0.1:5050: ExitedExecutor e 0",
    );
}

#[test]
fn updates_without_a_uuid_or_for_another_agent_are_dropped() {
    let mut scenario = Scenario::running();
    let mut message = driver_update("t1", TaskRunning);
    message.update.uuid = None;
    scenario.sends(DRIVER, message);
    let mut message = driver_update("t1", TaskRunning);
    message.update.slave_id = None;
    scenario.sends(DRIVER, message);
    let mut message = driver_update("t1", TaskRunning);
    message.update.framework_id.value = "G".into();
    scenario.sends(DRIVER, message);
    check(&mut scenario, "");
    assert_eq!(scenario.metrics.invalid_status_updates.get(), 3);
}
