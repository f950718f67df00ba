//! Command tasks and custom executors from launch to end.

mod scenario;

use std::time::Duration;

use agent::{ContainerEvent, Input, Timer};
use messages::v1::TaskState::*;
use messages::v1::executor::call;
use messages::v1::task_status::Reason;
use messages::{Message, internal, v1};
use model::{FrameworkId, TaskId};
use scenario::*;

#[test]
fn a_command_task_from_launch_to_end() {
    let mut scenario = Scenario::registered();
    scenario.runs(command("t1"));
    check(
        &mut scenario,
        "store framework F
         store executor t1 in C1
         store task t1
         arm ExecutorRegistration(\"C1\") 60s
         start command t1 in C1",
    );
    scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 4242, networks: Vec::new() });
    check(&mut scenario, "");
    scenario.subscribes("t1");
    check(
        &mut scenario,
        "reply 200
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorHeartbeat 1800s
         event on 1: SUBSCRIBED
         update C1 to cpus:1.1;mem:96
         event on 1: LAUNCH t1",
    );
    scenario.updates("t1", "t1", TaskRunning);
    check(
        &mut scenario,
        "store update U1 t1 RUNNING
         reply 202
         event on 1: ACKNOWLEDGED t1 U1
         send master@10.0.0.1:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    scenario.framework_acknowledges("t1", "U1");
    check(&mut scenario, "store acknowledged U1 t1\ndisarm UpdateRetry(\"F\", \"t1\")");
    scenario.updates("t1", "t1", TaskFinished);
    check(
        &mut scenario,
        "update C1 to cpus:0.1;mem:32
         store update U2 t1 FINISHED
         reply 202
         event on 1: ACKNOWLEDGED t1 U2
         send master@10.0.0.1:5050: StatusUpdate U2 t1 FINISHED
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    // The executor of a command is the agent's own, so its exit is not reported to the master.
    scenario.exits("C1", 0);
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         close 1
         store done C1",
    );
    scenario.framework_acknowledges("t1", "U2");
    check(&mut scenario, "store acknowledged U2 t1\ndisarm UpdateRetry(\"F\", \"t1\")\narm Gc 544320s");
}

#[test]
fn changes_describe_the_life_of_a_task() {
    let mut scenario = Scenario::registered();
    scenario.runs(command("t1"));
    scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 1, networks: Vec::new() });
    scenario.subscribes("t1").updates("t1", "t1", TaskRunning).updates("t1", "t1", TaskFinished).exits("C1", 0);
    // The names of the updates are known only now.
    let changes = scenario.take_changes();
    let expected = [
        "framework F",
        "executor t1 Registering",
        "task t1 STAGING",
        "executor t1 Registering cpus:1.1;mem:96",
        "executor t1 Registering cpus:1.1;mem:96",
        "executor t1 Running cpus:1.1;mem:96",
        "task t1 RUNNING",
        "task t1 RUNNING, forwarded RUNNING",
        "task t1 FINISHED, forwarded RUNNING",
        "executor t1 Running cpus:0.1;mem:32",
        "executor t1 Terminated cpus:0.1;mem:32",
    ];
    assert_eq!(changes.lines().collect::<Vec<_>>(), expected);
    scenario.framework_acknowledges("t1", "U1");
    assert_eq!(scenario.take_changes(), "task t1 FINISHED, forwarded FINISHED");
    scenario.fires(Timer::UpdateRetry(FrameworkId::new("F"), TaskId::new("t1")));
    assert_eq!(scenario.take_changes(), "", "a repeated update is no news");
}

#[test]
fn the_container_has_the_description_of_mesos() {
    let mut scenario = Scenario::registered();
    scenario.runs(command("t1"));
    let launch = scenario.launched();
    let sandbox = launch.sandbox.to_str().unwrap();
    let prefix = "/var/lib/mesos/slaves/M-S0/frameworks/F/executors/t1/runs/";
    assert_eq!(sandbox, format!("{prefix}{}", launch.container));
    assert_eq!(launch.user.as_deref(), Some("alice"));
    let info = &launch.executor_info;
    assert_eq!(info.name.as_deref(), Some("Command Executor (Task: t1) (Command: sh -c 'sleep 1000')"));
    assert_eq!(info.framework_id, Some(framework_id()));
    assert_eq!(launch.command_task.as_ref().map(|task| task.task_id.value.as_str()), Some("t1"));
    let environment: Vec<String> = launch.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let sandbox = format!("MESOS_DIRECTORY={sandbox}");
    for expected in [
        "LIBPROCESS_PORT=0",
        "MESOS_AGENT_ENDPOINT=10.0.0.2:5051",
        "MESOS_ALLOCATION_ROLE=dev",
        "MESOS_CHECKPOINT=0",
        "MESOS_CONTAINER_IP=10.0.0.2",
        "MESOS_EXECUTOR_ID=t1",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD=5secs",
        "MESOS_FRAMEWORK_ID=F",
        "MESOS_HTTP_COMMAND_EXECUTOR=0",
        "MESOS_SLAVE_ID=M-S0",
        "MESOS_SLAVE_PID=slave(1)@10.0.0.2:5051",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        sandbox.as_str(),
    ] {
        assert!(environment.iter().any(|line| line == expected), "no {expected} in {environment:#?}");
    }
    assert!(!environment.iter().any(|line| line.starts_with("MESOS_RECOVERY_TIMEOUT")));
}

#[test]
fn the_environment_depends_on_checkpointing_and_the_command() {
    let mut scenario = Scenario::with(|config| {
        config.executor_environment_variables = vec![("PATH".into(), "/opt/bin".into()), ("LANG".into(), "C".into())];
        config.libprocess_ip = Some("10.0.0.2".into());
    });
    scenario.master_is(MASTER).fires(agent::Timer::Register).master_registers_it();
    let mut task = command("t1");
    let variable = |name: &str, value: &str| v1::environment::Variable {
        name: name.into(),
        value: Some(value.into()),
        ..Default::default()
    };
    let variables = vec![
        variable("LANG", "de_AT"),
        variable("MESOS_AGENT_ENDPOINT", "10.9.9.9:1"),
        variable("MESOS_FRAMEWORK_ID", "another"),
        variable("MINE", "1"),
    ];
    task.command.as_mut().unwrap().environment = Some(Box::new(v1::Environment { variables }));
    let mut message = run_task(task);
    message.framework.checkpoint = Some(true);
    scenario.master_sends(message);
    let environment = &scenario.launched().environment;
    let value = |name: &str| environment.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(value("PATH"), Some("/opt/bin"));
    assert_eq!(value("LANG"), Some("de_AT"));
    assert_eq!(value("LIBPROCESS_IP"), Some("10.0.0.2"));
    assert_eq!(value("MESOS_CHECKPOINT"), Some("1"));
    assert_eq!(value("MESOS_RECOVERY_TIMEOUT"), Some("15mins"));
    assert_eq!(value("MESOS_SUBSCRIPTION_BACKOFF_MAX"), Some("2secs"));
    assert_eq!(environment.last().map(|(name, _)| name.as_str()), Some("MINE"));
    // An executor finds its agent by this value, so the environment of a task cannot replace it.
    assert_eq!(environment.iter().filter(|(name, _)| name.starts_with("MESOS_AGENT_ENDPOINT")).count(), 1);
    assert_ne!(value("MESOS_AGENT_ENDPOINT"), Some("10.9.9.9:1"));
    assert_ne!(value("MESOS_FRAMEWORK_ID"), Some("another"));
    assert_eq!(environment.iter().filter(|(name, _)| name == "LANG").count(), 1);
}

#[test]
fn frameworks_get_the_container_the_pid_and_an_address() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning);
    let Some(Message::StatusUpdate(message)) = scenario.sent().next() else { panic!("no update was forwarded") };
    assert_eq!(message.pid.as_deref(), Some(AGENT));
    let status = &message.update.status;
    assert_eq!(status.agent_id, Some(agent_id()));
    assert_eq!(status.executor_id.as_ref().map(|id| id.value.as_str()), Some("t1"));
    assert_eq!(status.source(), v1::task_status::Source::Executor);
    assert!(status.timestamp.is_some());
    let container = status.container_status.as_ref().unwrap();
    assert!(container.container_id.is_some());
    assert_eq!(container.executor_pid, Some(4242));
    let address = &container.network_infos[0].ip_addresses[0];
    assert_eq!(address.ip_address.as_deref(), Some("10.0.0.2"));
    assert_eq!(message.update.latest_state, Some(TaskRunning as i32));
}

#[test]
fn a_custom_executor_takes_more_tasks_and_its_exit_is_reported() {
    let mut scenario = Scenario::registered();
    scenario.runs(custom("t1", "e")).runs(custom("t2", "e"));
    check(
        &mut scenario,
        "store framework F
         store executor e in C1
         store task t1
         arm ExecutorRegistration(\"C1\") 60s
         start e in C1
         store task t2",
    );
    scenario.subscribes("e").runs(custom("t3", "e"));
    check(
        &mut scenario,
        "reply 200
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorHeartbeat 1800s
         event on 1: SUBSCRIBED
         update C1 to cpus:2.5;mem:160
         event on 1: LAUNCH t1
         event on 1: LAUNCH t2
         store task t3
         update C1 to cpus:3.5;mem:224
         event on 1: LAUNCH t3",
    );
    scenario.updates("e", "t1", TaskFinished).clear_log();
    scenario.exits("C1", 256);
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         close 1
         store update U2 t2 FAILED
         store update U3 t3 FAILED
         store done C1
         send master@10.0.0.1:5050: ExitedExecutor e 256
         send master@10.0.0.1:5050: StatusUpdate U2 t2 FAILED REASON_EXECUTOR_TERMINATED 'Executor terminated: exited with status 1'
         arm UpdateRetry(\"F\", \"t2\") 10s
         send master@10.0.0.1:5050: StatusUpdate U3 t3 FAILED REASON_EXECUTOR_TERMINATED 'Executor terminated: exited with status 1'
         arm UpdateRetry(\"F\", \"t3\") 10s",
    );
    for (task, update) in [("t1", "U1"), ("t2", "U2"), ("t3", "U3")] {
        scenario.framework_acknowledges(task, update);
    }
    assert!(scenario.take_changes().ends_with("framework F removed"));
    assert_eq!(scenario.metrics.frameworks_active.get(), 0);
    assert_eq!(scenario.metrics.used.firm("cpus"), 0.0);
    assert_eq!(scenario.metrics.tasks_failed.get(), 2);
    assert_eq!(scenario.metrics.executors_terminated.get(), 1);
}

#[test]
fn an_exceeded_memory_limit_fails_the_task() {
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).framework_acknowledges("t1", "U1").clear_log();
    scenario.breaks_limit("C1", Reason::ContainerLimitationMemory, "Memory limit exceeded");
    let Some(Message::StatusUpdate(message)) = scenario.sent().next() else { panic!("no update was forwarded") };
    assert_eq!(message.update.status.limitation.as_ref().map(|l| l.resources.len()), Some(1));
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         close 1
         store update U2 t1 FAILED
         store done C1
         send master@10.0.0.1:5050: StatusUpdate U2 t1 FAILED REASON_CONTAINER_LIMITATION_MEMORY 'Memory limit exceeded'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn a_container_that_cannot_be_started_fails_the_task() {
    let mut scenario = Scenario::launching();
    scenario.container("C1", |container| ContainerEvent::LaunchFailed { container, reason: "no such user".into() });
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         store update U1 t1 FAILED
         store done C1
         send master@10.0.0.1:5050: StatusUpdate U1 t1 FAILED REASON_CONTAINER_LAUNCH_FAILED 'Failed to launch container: no such user'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    assert_eq!(scenario.metrics.container_launch_errors.get(), 1);
}

#[test]
fn a_task_hears_what_its_launch_waits_for() {
    let mut scenario = Scenario::launching();
    let progress = |container, done: &str| ContainerEvent::Progress { container, message: done.to_owned() };
    scenario.container("C1", |container| progress(container, "1 of 2"));
    check(
        &mut scenario,
        "store update U1 t1 STAGING
         send master@10.0.0.1:5050: StatusUpdate U1 t1 STAGING '1 of 2'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    // The framework has not acknowledged, so there is no further update.
    scenario.container("C1", |container| progress(container, "2 of 2"));
    check(&mut scenario, "");
    scenario.framework_acknowledges("t1", "U1").clear_log();
    scenario.container("C1", |container| progress(container, "2 of 2"));
    assert!(scenario.sent().count() == 1);
    // A task that runs waits for nothing.
    let mut scenario = Scenario::running();
    scenario.updates("t1", "t1", TaskRunning).framework_acknowledges("t1", "U1").clear_log();
    scenario.container("C1", |container| progress(container, "late"));
    check(&mut scenario, "");
}

#[test]
fn an_executor_that_does_not_register_in_time_is_destroyed() {
    let mut scenario = Scenario::launching();
    scenario.container("C1", |container| ContainerEvent::Launched { container, pid: 1, networks: Vec::new() });
    scenario.passes(Duration::from_secs(59)).clear_log();
    scenario.passes(Duration::from_secs(1));
    check(&mut scenario, "destroy C1");
    scenario.exits("C1", 9);
    check(
        &mut scenario,
        "disarm ExecutorRegistration(\"C1\")
         disarm ExecutorShutdown(\"C1\")
         store update U1 t1 FAILED
         store done C1
         send master@10.0.0.1:5050: StatusUpdate U1 t1 FAILED REASON_EXECUTOR_REGISTRATION_TIMEOUT 'Executor did not register within 1mins'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn nothing_starts_before_its_records_are_durable() {
    let mut scenario = Scenario::registered();
    scenario.disk_is_slow();
    scenario.runs(command("t1"));
    check(&mut scenario, "store framework F\nstore executor t1 in C1\nstore task t1");
    scenario.disk_catches_up();
    check(&mut scenario, "arm ExecutorRegistration(\"C1\") 60s\nstart command t1 in C1");
    scenario.subscribes("t1").clear_log();
    scenario.updates("t1", "t1", TaskRunning);
    check(&mut scenario, "store update U1 t1 RUNNING\nreply 202");
    scenario.disk_catches_up();
    check(
        &mut scenario,
        "event on 1: ACKNOWLEDGED t1 U1
         send master@10.0.0.1:5050: StatusUpdate U1 t1 RUNNING
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
}

#[test]
fn impossible_launches_are_dropped_with_the_reasons_of_mesos() {
    let outdated = internal::ResourceVersionUuid { resource_provider_id: None, uuid: v1::Uuid { value: vec![0; 16] } };
    let mut scenario = Scenario::registered();
    scenario.master_sends(internal::RunTaskMessage {
        resource_version_uuids: vec![outdated],
        launch_executor: Some(true),
        ..run_task(custom("t1", "e"))
    });
    check(
        &mut scenario,
        "store framework F
         store update U1 t1 DROPPED
         send master@10.0.0.1:5050: ExitedExecutor e -1
         arm Gc 544320s
         send master@10.0.0.1:5050: StatusUpdate U1 t1 DROPPED REASON_INVALID_OFFERS 'Task assumes outdated resource state'
         arm UpdateRetry(\"F\", \"t1\") 10s",
    );
    scenario.master_sends(internal::RunTaskMessage { launch_executor: Some(false), ..run_task(custom("t2", "e")) });
    check(
        &mut scenario,
        "store framework F
         store update U2 t2 DROPPED
         arm Gc 544320s
         send master@10.0.0.1:5050: StatusUpdate U2 t2 DROPPED REASON_EXECUTOR_TERMINATED 'No executor is expected to launch and there is none running'
         arm UpdateRetry(\"F\", \"t2\") 10s",
    );
    scenario.runs(custom("t3", "e")).clear_log();
    scenario.master_sends(internal::RunTaskMessage { launch_executor: Some(true), ..run_task(custom("t4", "e")) });
    check(
        &mut scenario,
        "store update U3 t4 DROPPED
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorShutdown(\"C1\") 5s
         send master@10.0.0.1:5050: StatusUpdate U3 t4 DROPPED REASON_EXECUTOR_TERMINATED 'Master wants to launch executor, but one already exists'
         arm UpdateRetry(\"F\", \"t4\") 10s",
    );
}

#[test]
fn frameworks_without_partition_aware_get_lost_instead_of_dropped() {
    let mut scenario = Scenario::registered();
    let mut message = run_task(custom("t1", "e"));
    message.framework.capabilities.clear();
    message.launch_executor = Some(false);
    scenario.master_sends(message);
    assert!(scenario.take_log().contains("StatusUpdate U1 t1 LOST REASON_EXECUTOR_TERMINATED"));
}

#[test]
fn ids_never_lead_out_of_the_work_directory() {
    for executor in ["../../../../etc", "a/b", ".", ".."] {
        let mut scenario = Scenario::registered();
        scenario.runs(custom("t1", executor));
        let log = scenario.take_log();
        assert!(log.contains("REASON_TASK_INVALID"), "{executor}: {log}");
        assert!(!log.contains("start"), "{executor}: {log}");
    }
    let mut scenario = Scenario::registered();
    let mut message = run_task(command("t1"));
    message.framework.id = Some(v1::FrameworkId { value: "../x".into() });
    scenario.master_sends(message);
    check(&mut scenario, "");
}

#[test]
fn a_launch_for_an_older_id_of_this_agent_is_ignored() {
    let mut scenario = Scenario::registered();
    let mut task = command("t1");
    task.agent_id.value = "M-S9".into();
    scenario.runs(task);
    check(&mut scenario, "");
}

#[test]
fn a_repeated_launch_of_a_known_task_is_ignored() {
    let mut scenario = Scenario::running();
    scenario.runs(command("t1"));
    check(&mut scenario, "");
}

#[test]
fn a_task_group_is_delivered_as_one() {
    let mut scenario = Scenario::registered();
    scenario.master_sends(run_group("e", &["a", "b"]));
    scenario.subscribes("e");
    check(
        &mut scenario,
        "store framework F
         store executor e in C1
         store task a
         store task b
         arm ExecutorRegistration(\"C1\") 60s
         start e in C1
         reply 200
         disarm ExecutorRegistration(\"C1\")
         arm ExecutorHeartbeat 1800s
         event on 1: SUBSCRIBED
         update C1 to cpus:2.5;mem:160
         event on 1: LAUNCH_GROUP a b",
    );
}

#[test]
fn a_reconnecting_executor_gets_a_new_stream_and_resends_updates() {
    let mut scenario = Scenario::registered();
    scenario.runs(custom("t1", "e")).subscribes("e").runs(custom("t2", "e"));
    scenario.updates("e", "t1", TaskRunning).framework_acknowledges("t1", "U1").clear_log();
    scenario.stream_closes(1);
    check(&mut scenario, "");
    // The executor has never received t2, and its update of t1 was lost.
    let update = call::Update { status: status("t1", TaskKilling) };
    scenario.resubscribes("e", call::Subscribe { unacknowledged_tasks: vec![], unacknowledged_updates: vec![update] });
    check(
        &mut scenario,
        "reply 200
         disarm ExecutorRegistration(\"C1\")
         store update U2 t1 KILLING
         update C1 to cpus:1.5;mem:96
         store update U3 t2 DROPPED
         event on 2: SUBSCRIBED
         event on 2: ACKNOWLEDGED t1 U2
         send master@10.0.0.1:5050: StatusUpdate U2 t1 KILLING
         arm UpdateRetry(\"F\", \"t1\") 10s
         send master@10.0.0.1:5050: StatusUpdate U3 t2 DROPPED REASON_AGENT_RESTARTED 'Task launched during agent restart'
         arm UpdateRetry(\"F\", \"t2\") 10s",
    );
    // A second stream of the same executor replaces the first.
    scenario.subscribes("e");
    assert!(scenario.take_log().contains("close 2"));
}

#[test]
fn the_executor_api_refuses_with_the_messages_of_mesos() {
    let mut scenario = Scenario::launching();
    scenario.updates("t1", "t1", TaskRunning);
    check(&mut scenario, "reply 403 Executor is not subscribed");
    scenario.updates("nobody", "t1", TaskRunning);
    check(&mut scenario, "reply 400 Executor cannot be found");
    let mut call = executor_call("t1", call::Type::Message);
    call.framework_id.value = "nothing".into();
    scenario.calls(call.clone());
    check(&mut scenario, "reply 400 Framework cannot be found");
    call.r#type = Some(call::Type::Heartbeat as i32);
    scenario.calls(call);
    check(&mut scenario, "reply 202");
    let unknown = executor_call("t1", call::Type::Unknown);
    scenario.subscribes("t1").clear_log();
    scenario.calls(unknown);
    check(&mut scenario, "reply 501");
}

#[test]
fn messages_are_forwarded_in_both_directions() {
    let mut scenario = Scenario::running();
    let message = internal::FrameworkToExecutorMessage {
        slave_id: agent_id(),
        framework_id: framework_id(),
        executor_id: v1::ExecutorId { value: "t1".into() },
        data: b"down".to_vec(),
    };
    scenario.master_sends(message.clone());
    check(&mut scenario, "event on 1: MESSAGE down");
    let mut call = executor_call("t1", call::Type::Message);
    call.message = Some(call::Message { data: b"up".to_vec() });
    scenario.calls(call.clone());
    check(&mut scenario, "send master@10.0.0.1:5050: ExecutorToFramework up\nreply 202");
    // Messages to and from a v0 scheduler are sent directly.
    scenario.master_sends(internal::UpdateFrameworkMessage {
        framework_id: framework_id(),
        pid: Some(SCHEDULER.into()),
        framework_info: None,
    });
    scenario.clear_log();
    scenario.calls(call);
    check(&mut scenario, "send scheduler-1@10.0.0.3:40001: ExecutorToFramework up\nreply 202");
    scenario.sends(SCHEDULER, message);
    check(&mut scenario, "event on 1: MESSAGE down");
    assert_eq!(scenario.metrics.valid_framework_messages.get(), 4);
}

#[test]
fn http_executors_get_a_heartbeat_every_half_hour() {
    let mut scenario = Scenario::running();
    scenario.input(Input::Timer(agent::Timer::ExecutorHeartbeat));
    check(&mut scenario, "event on 1: HEARTBEAT\narm ExecutorHeartbeat 1800s");
}

/// A master of Mesos has no bounds for them.
#[test]
fn lists_that_would_cost_descriptors_and_processes_are_refused() {
    let mut task = command("t1");
    let volume = v1::Volume { container_path: "data".into(), host_path: Some("/data".into()), ..v1::Volume::default() };
    let container = v1::ContainerInfo { volumes: vec![volume; 20_000], ..v1::ContainerInfo::default() };
    task.container = Some(Box::new(container));
    let mut scenario = Scenario::registered();
    let log = scenario.runs(task).take_log();
    assert!(log.contains("t1 DROPPED REASON_TASK_INVALID"), "{log}");
    assert!(log.contains("'ContainerInfo.volumes' has 20000 elements and may have 256"), "{log}");
    assert!(!log.contains("start "), "{log}");

    let tasks: Vec<String> = (0..513).map(|number| format!("t{number}")).collect();
    let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let log = scenario.master_sends(run_group("e", &tasks)).take_log();
    assert!(log.contains("'TaskGroupInfo.tasks' has 513 elements and may have 512"), "{log}");
}
