//! Finding a master, registering, and staying registered.

mod scenario;

use std::time::Duration;

use agent::{Input, Timer};
use messages::{Message, internal, v1};
use scenario::*;

#[test]
fn an_agent_registers_stores_its_id_and_sends_its_resource_version() {
    let mut scenario = Scenario::new();
    scenario.disk_is_slow();
    scenario.master_is(MASTER);
    check(&mut scenario, "disarm Register\ndisarm PingTimeout\narm Register");
    scenario.fires(Timer::Register);
    check(
        &mut scenario,
        "link 10.0.0.1:5050
         send master@10.0.0.1:5050: RegisterSlave
         arm Register",
    );
    scenario.master_registers_it();
    check(&mut scenario, "disarm Register\narm PingTimeout 75s\nstore agent M-S0");
    assert_eq!(scenario.metrics.registered.get(), 1);
    scenario.disk_catches_up();
    check(&mut scenario, "send master@10.0.0.1:5050: UpdateSlave");
}

#[test]
fn registration_carries_what_a_mesos_master_checks() {
    let mut scenario = Scenario::new();
    scenario.master_is(MASTER).fires(Timer::Register);
    let Some(Message::RegisterSlave(message)) = scenario.sent().next() else { panic!("no registration") };
    assert_eq!(message.version.as_deref(), Some("1.11.0"));
    assert_eq!(message.slave.hostname, "host-2");
    assert_eq!(message.slave.port, Some(5051));
    assert_eq!(message.slave.id, None);
    assert_eq!(message.agent_capabilities.len(), 8);
    assert_eq!(message.resource_version_uuid.as_ref().map(|uuid| uuid.value.len()), Some(16));
}

#[test]
fn registration_is_retried_with_backoff_up_to_a_minute() {
    let mut scenario = Scenario::new();
    scenario.master_is(MASTER).clear_log();
    let mut waits = Vec::new();
    for _ in 0..40 {
        let at = scenario.recorded.timers[&Timer::Register];
        let wait = at.since(scenario.now().monotonic);
        waits.push(wait);
        scenario.passes(wait);
    }
    for (attempt, wait) in waits.iter().enumerate() {
        let bound = Duration::from_secs(1 << attempt.min(6)).min(Duration::from_secs(60));
        assert!(*wait <= bound, "wait {attempt} is {wait:?}, more than {bound:?}");
    }
    assert!(waits.iter().skip(7).any(|wait| *wait > Duration::from_secs(20)), "the waits do not grow: {waits:?}");
    assert_eq!(scenario.sent().count(), 40);
}

#[test]
fn pings_are_answered_and_a_silent_master_causes_reregistration() {
    let mut scenario = Scenario::registered();
    scenario.sends(OBSERVER, internal::PingSlaveMessage { connected: true });
    check(&mut scenario, "send slave-observer(1)@10.0.0.1:5050: PongSlave\narm PingTimeout 75s");
    scenario.passes(Duration::from_secs(74)).clear_log();
    scenario.fires(Timer::PingTimeout).fires(Timer::Register);
    check(
        &mut scenario,
        "disarm Register
         disarm PingTimeout
         arm Register
         link 10.0.0.1:5050
         send master@10.0.0.1:5050: ReregisterSlave tasks [] executors []
         arm Register",
    );
}

#[test]
fn a_ping_of_a_disconnected_agent_causes_reregistration() {
    let mut scenario = Scenario::running();
    scenario.sends(OBSERVER, internal::PingSlaveMessage { connected: false }).fires(Timer::Register);
    check(
        &mut scenario,
        "send slave-observer(1)@10.0.0.1:5050: PongSlave
         disarm Register
         disarm PingTimeout
         arm Register
         link 10.0.0.1:5050
         send master@10.0.0.1:5050: ReregisterSlave tasks [t1 STAGING] executors []
         arm Register",
    );
}

#[test]
fn only_a_broken_link_to_the_master_causes_reregistration() {
    let mut scenario = Scenario::registered();
    scenario.input(Input::Exited(address("10.0.0.9:5050")));
    check(&mut scenario, "");
    scenario.input(Input::Exited(address("10.0.0.1:5050")));
    check(&mut scenario, "disarm Register\ndisarm PingTimeout\narm Register");
}

#[test]
fn only_the_leading_master_is_obeyed() {
    let mut scenario = Scenario::registered();
    let deposed = "master@10.0.0.9:5050";
    scenario.sends(deposed, run_task(command("t1")));
    scenario.sends(deposed, internal::ShutdownMessage { message: None });
    scenario.sends(
        deposed,
        internal::SlaveRegisteredMessage { slave_id: v1::AgentId { value: "other".into() }, connection: None },
    );
    check(&mut scenario, "");
}

#[test]
fn a_new_leader_receives_all_running_tasks() {
    let mut scenario = Scenario::running();
    scenario.runs(custom("t2", "e")).clear_log();
    scenario.updates("t1", "t1", v1::TaskState::TaskRunning).clear_log();
    scenario.master_is("master@10.0.0.9:5050");
    check(
        &mut scenario,
        "unlink 10.0.0.1:5050
         disarm UpdateRetry(\"F\", \"t1\")
         disarm Register
         disarm PingTimeout
         arm Register",
    );
    scenario.fires(Timer::Register);
    check(
        &mut scenario,
        "link 10.0.0.9:5050
         send master@10.0.0.9:5050: ReregisterSlave tasks [t2 STAGING, t1 RUNNING] executors [e]
         arm Register",
    );
    // The update waits until the new master can forward it to its framework.
    scenario.sends(
        "master@10.0.0.9:5050",
        internal::SlaveReregisteredMessage { slave_id: agent_id(), ..Default::default() },
    );
    check(
        &mut scenario,
        "disarm Register
         arm PingTimeout 75s
         send master@10.0.0.9:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s
         send master@10.0.0.9:5050: UpdateSlave",
    );
}

#[test]
fn tasks_that_never_arrived_are_reported_dropped_after_reregistration() {
    let mut scenario = Scenario::running();
    scenario.input(Input::Exited(address("10.0.0.1:5050"))).fires(Timer::Register).clear_log();
    let statuses = vec![status("t1", v1::TaskState::TaskStaging), status("t9", v1::TaskState::TaskStaging)];
    let reconciliation = internal::ReconcileTasksMessage {
        framework_id: framework_id(),
        statuses,
        framework: Some(Box::new(framework())),
    };
    scenario.master_sends(internal::SlaveReregisteredMessage {
        slave_id: agent_id(),
        reconciliations: vec![reconciliation],
        connection: None,
    });
    check(
        &mut scenario,
        "disarm Register
         arm PingTimeout 75s
         send master@10.0.0.1:5050: UpdateSlave
         store update U1 t9 DROPPED
         send master@10.0.0.1:5050: StatusUpdate U1 t9 DROPPED REASON_RECONCILIATION 'Reconciliation: task unknown to the agent'
         arm UpdateRetry(\"F\", \"t9\") 10s",
    );
}

#[test]
fn messages_of_a_broken_connection_are_refused() {
    // The master may have told the framework that the task is gone, since the registration did not list it.
    let (mut scenario, before, after) = Scenario::reconnected();
    scenario.master_sends(run_task_as_of(before, command("t1")));
    let log = scenario.take_log();
    assert!(log.contains("t1 DROPPED REASON_INVALID_OFFERS") && !log.contains("start"), "{log}");
    scenario.master_sends(run_task_as_of(after, command("t2")));
    assert!(scenario.take_log().contains("start"));
}

#[test]
fn a_state_is_reported_only_when_durable() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", v1::TaskState::TaskRunning).framework_acknowledges("t1", "U1");
    scenario.disk_is_slow().updates("t1", "t1", v1::TaskState::TaskFinished);
    scenario.input(Input::Exited(address("10.0.0.1:5050"))).clear_log();
    scenario.fires(Timer::Register);
    check(
        &mut scenario,
        "link 10.0.0.1:5050
         send master@10.0.0.1:5050: ReregisterSlave tasks [t1 RUNNING] executors []
         arm Register",
    );
    scenario.disk_catches_up().clear_log();
    scenario.fires(Timer::Register);
    assert!(scenario.take_log().contains("ReregisterSlave tasks [t1 FINISHED]"));
}

#[test]
fn another_id_from_the_master_ends_the_agent() {
    let mut scenario = Scenario::registered();
    scenario.master_sends(internal::SlaveReregisteredMessage {
        slave_id: v1::AgentId { value: "M-S7".into() },
        ..Default::default()
    });
    check(
        &mut scenario,
        "terminate: the master calls this agent 'M-S7', but it is 'M-S0': two agents use one work directory or identity",
    );
}

#[test]
fn unregistering_ends_executors_first() {
    let mut scenario = Scenario::running();
    scenario.input(Input::Unregister);
    check(
        &mut scenario,
        "send master@10.0.0.1:5050: UnregisterSlave
         disarm Register
         disarm PingTimeout
         event on 1: SHUTDOWN
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s",
    );
    scenario.exits("C1", 0);
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         close 1
         store done C1
         arm Gc 544320s
         store reset
         terminate: unregistered at the operator's request",
    );
}

#[test]
fn a_master_may_shut_the_agent_down() {
    let mut scenario = Scenario::registered();
    scenario.master_sends(internal::ShutdownMessage { message: Some("gone".into()) });
    check(
        &mut scenario,
        "disarm Register
         disarm PingTimeout
         store reset
         terminate: the master asked this agent to shut down: gone",
    );
}

#[test]
fn masters_are_compared_by_address_without_a_pid() {
    // This is the example of a MasterInfo that ZooKeeper has for 127.0.0.1.
    let mut scenario = Scenario::new();
    let info = v1::MasterInfo { ip: 16777343, port: 5050, ..Default::default() };
    scenario.input(Input::MasterDetected(Some(Box::new(info)))).clear_log();
    scenario.fires(Timer::Register);
    check(&mut scenario, "link 127.0.0.1:5050\nsend master@127.0.0.1:5050: RegisterSlave\narm Register");
}

#[test]
fn executors_are_reported_as_the_master_knows_them() {
    // A Mesos master refuses a re-registration whose running tasks name executors that are not listed (those that the
    // agent generates for commands are not), or whose default executors have a command.
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", v1::TaskState::TaskRunning);
    scenario.master_sends(run_group("e", &["a"]));
    let launched = scenario.launched().executor_info.clone();
    assert_eq!(launched.command.as_ref().map(|command| command.arguments[0].as_str()), Some("mesos-default-executor"));
    scenario.input(Input::Exited(address("10.0.0.1:5050"))).clear_log();
    scenario.fires(Timer::Register);
    let Some(Message::ReregisterSlave(message)) = scenario.sent().next() else { panic!("no re-registration") };
    let executors: Vec<&str> = message.executor_infos.iter().map(|e| e.executor_id.value.as_str()).collect();
    assert_eq!(executors, ["e"]);
    assert!(message.executor_infos.iter().all(|executor| executor.command.is_none()));
    let task = message.tasks.iter().find(|task| task.task_id.value == "t1");
    assert_eq!(
        task.map(|task| (task.state, task.executor_id.clone())),
        Some((v1::TaskState::TaskRunning as i32, None))
    );
}
