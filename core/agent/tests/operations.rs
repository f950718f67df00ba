//! Operations on the agent's resources: volumes on the disk, statuses, and the state after a crash in between.

#![allow(clippy::unwrap_used, reason = "a broken promise fails the test")]

mod scenario;

use agent::{Command, ContainerCommand, ContainerEvent, Effect, Input, RecoveredResources, Timer};
use messages::{Message, internal, v1};
use scenario::*;

const ARM: &str = "arm OperationRetry(00000000-0000-0000-0000-00000000000";
const VOLUME: &str = "/var/lib/mesos/volumes/roles/dev/v";

/// Returns an agent that has reserved ten of its 10,000 MB of disk, and made a volume `v` of them.
fn with_volume() -> Scenario {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).acknowledges_operation(1).clear_log();
    scenario.applies(2, create(volume("v", 10))).volumes_are_ready().acknowledges_operation(2).clear_log();
    scenario
}

#[test]
fn a_reservation_is_durable_before_it_is_reported() {
    let mut scenario = Scenario::registered();
    scenario.disk_is_slow();
    scenario.applies(1, reserve(10));
    check(&mut scenario, "store resources [disk(reservations: [(DYNAMIC,dev)]):10] by O1");
    scenario.disk_catches_up();
    check(
        &mut scenario,
        &format!(
            "send master@10.0.0.1:5050: UpdateOperationStatus O1 FINISHED
             {ARM}1) 10s"
        ),
    );
}

/// The master has registered the agent, and its answer was lost.
#[test]
fn an_operation_before_the_registration_is_not_applied() {
    let mut scenario = Scenario::new();
    scenario.master_is(MASTER).fires(Timer::Register).clear_log();
    scenario.applies(1, reserve(10));
    check(&mut scenario, "");
    scenario.master_registers_it().clear_log();
    scenario.applies(1, reserve(10));
    let log = scenario.take_log();
    assert!(log.contains("UpdateOperationStatus O1 DROPPED") && !log.contains("store resources"), "{log}");
    scenario.applies(2, reserve(10));
    assert!(scenario.take_log().contains("UpdateOperationStatus O2 FINISHED"));
}

#[test]
fn a_volume_is_recorded_then_created_then_reported() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).acknowledges_operation(1).clear_log();
    scenario.applies(2, create(volume("v", 10)));
    let log = scenario.take_log();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains(" towards [") && lines[0].ends_with(" by O2"), "{log}");
    assert_eq!(lines[1], format!("make volume {VOLUME}"));
    scenario.volumes_are_ready();
    let log = scenario.take_log();
    assert!(log.starts_with("store resources [disk"), "{log}");
    assert!(log.contains("UpdateOperationStatus O2 FINISHED"), "{log}");
}

#[test]
fn a_destroyed_volume_is_deleted_before_one_of_the_same_name_is_made() {
    let mut scenario = with_volume();
    scenario.applies(3, destroy(volume("v", 10))).applies(4, create(volume("v", 10)));
    let log = scenario.take_log();
    assert!(log.ends_with(&format!("delete volume {VOLUME}")), "{log}");
    scenario.volumes_are_ready();
    let log = scenario.take_log();
    assert!(log.contains("UpdateOperationStatus O3 FINISHED"), "{log}");
    assert!(log.contains(&format!("make volume {VOLUME}")), "{log}");
    scenario.volumes_are_ready();
    assert!(scenario.take_log().contains("UpdateOperationStatus O4 FINISHED"));
}

#[test]
fn tasks_wait_for_their_volume_to_be_created() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).acknowledges_operation(1);
    scenario.applies(2, create(volume("v", 10))).clear_log();
    let mut task = command("t1");
    task.resources.push(volume("v", 10));
    scenario.runs(task).runs(command("t2")).master_kills("t2");
    check(&mut scenario, "");
    scenario.volumes_are_ready();
    let launches: Vec<_> = scenario
        .effects()
        .filter_map(|effect| match effect {
            Effect::Command(Command::Container(ContainerCommand::Launch(launch))) => Some(launch.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(launches.len(), 1, "the kill did not overtake its task");
    let shown = &launches[0].volumes[..];
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].source.to_str().unwrap(), shown[0].container_path.to_str().unwrap()), (VOLUME, "data"));
    assert!(!shown[0].read_only && !shown[0].shared);
    let log = scenario.take_log();
    assert!(log.contains("t2 KILLED"), "{log}");
}

#[test]
fn a_deferred_kill_of_an_ended_task_is_not_answered() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(20)).acknowledges_operation(1);
    scenario.applies(2, create(volume("v", 10))).runs(command("t1")).master_kills("t1");
    scenario.applies(3, create(volume("w", 10))).master_kills("t1").clear_log();
    scenario.volumes_are_ready();
    let log = scenario.take_log();
    assert!(log.contains("t1 KILLED") && log.ends_with("/w"), "{log}");
    scenario.framework_acknowledges("t1", "U1").clear_log();
    scenario.volumes_are_ready();
    let log = scenario.take_log();
    assert!(log.contains("O3 FINISHED") && !log.contains("t1"), "{log}");
}

/// The task's data would be written to a directory that is no volume, and be lost with the sandbox.
#[test]
fn a_task_does_not_start_without_its_volume() {
    let with_volume_and_task = |mut scenario: Scenario| {
        let mut task = command("t1");
        task.resources.push(volume("v", 10));
        scenario.runs(task);
        scenario
    };
    let refused = |mut scenario: Scenario| {
        let log = scenario.take_log();
        assert!(!log.contains("launch"), "{log}");
        assert!(log.contains("t1 DROPPED REASON_RESOURCES_UNKNOWN"), "{log}");
    };
    refused(with_volume_and_task(Scenario::registered()));
    // The volume is removed while the task is being launched.
    let mut scenario = with_volume();
    scenario.applies(3, destroy(volume("v", 10))).clear_log();
    let mut scenario = with_volume_and_task(scenario);
    check(&mut scenario, "");
    scenario.volumes_are_ready();
    refused(scenario);
}

fn run_with_volume_at(path: &str) -> Scenario {
    let mut scenario = with_volume();
    let mut shown = volume("v", 10);
    shown.disk.as_mut().unwrap().volume.as_mut().unwrap().container_path = path.to_owned();
    let mut task = command("t1");
    task.resources.push(shown);
    scenario.runs(task);
    scenario
}

/// Mesos shows plain names only, and deletes the data of all others with the sandbox.
#[test]
fn a_volume_is_mounted_as_requested_or_its_task_is_refused() {
    for (path, expect) in [("data/db", "data/db"), ("./data//db/", "data/db"), ("/var/lib/db", "/var/lib/db")] {
        let scenario = run_with_volume_at(path);
        let volumes = &scenario.launched().volumes;
        assert_eq!(volumes.len(), 1, "{path}");
        assert_eq!(volumes[0].container_path.to_str(), Some(expect));
    }
    for path in ["", ".", "/", "..", "../x", "a/../../b"] {
        let log = run_with_volume_at(path).take_log();
        assert!(log.contains("t1 DROPPED REASON_TASK_INVALID") && log.contains("container_path"), "{path}: {log}");
        assert!(!log.contains("launch"), "{path}: {log}");
    }
}

#[test]
fn an_executor_that_cannot_have_its_volume_is_ended() {
    let mut scenario = Scenario::running();
    scenario.container("C1", |container| ContainerEvent::UpdateFailed { container, reason: "no volume".into() });
    let log = scenario.take_log();
    assert!(log.contains("destroy C1"), "{log}");
    scenario.exits("C1", 9);
    let log = scenario.take_log();
    assert!(
        log.contains("t1 GONE REASON_CONTAINER_UPDATE_FAILED 'Failed to update resources for container: no volume'"),
        "{log}"
    );
}

#[test]
fn a_volume_that_cannot_be_created_ends_the_agent() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).acknowledges_operation(1);
    scenario.applies(2, create(volume("v", 10))).clear_log();
    scenario.volumes_fail("no space");
    check(&mut scenario, "terminate: Failed to sync checkpointed resources: no space");
}

#[test]
fn a_status_is_repeated_until_it_is_acknowledged() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).clear_log();
    let retry =
        scenario.recorded.timers.keys().find(|timer| matches!(timer, Timer::OperationRetry(_))).unwrap().clone();
    for wait in [20, 40, 80, 160, 320, 600, 600] {
        scenario.fires(retry.clone());
        check(
            &mut scenario,
            &format!(
                "send master@10.0.0.1:5050: UpdateOperationStatus O1 FINISHED
                 {ARM}1) {wait}s"
            ),
        );
    }
    scenario.fires(retry).acknowledges_operation(1);
    let log = scenario.take_log();
    assert!(log.ends_with("store operation O1 done\ndisarm OperationRetry(00000000-0000-0000-0000-000000000001)"));
    // A repeated operation and a second acknowledgement have no effect.
    scenario.master_sends(internal::AcknowledgeOperationStatusMessage {
        status_uuid: operation_uuid(9),
        operation_uuid: operation_uuid(1),
        resource_provider_id: None,
    });
    check(&mut scenario, "");
}

#[test]
fn a_new_scheduler_gets_unacknowledged_updates_at_once() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).clear_log();
    let retry =
        scenario.recorded.timers.keys().find(|timer| matches!(timer, Timer::OperationRetry(_))).unwrap().clone();
    for _ in 0..7 {
        scenario.fires(retry.clone());
    }
    scenario.clear_log();
    // The framework has nothing that runs here.
    let update = |id: v1::FrameworkId| internal::UpdateFrameworkMessage {
        framework_id: id,
        pid: None,
        framework_info: Some(Box::new(framework())),
    };
    scenario.master_sends(update(v1::FrameworkId { value: "another".to_owned() }));
    check(&mut scenario, "");
    scenario.master_sends(update(framework_id()));
    check(&mut scenario, &format!("send master@10.0.0.1:5050: UpdateOperationStatus O1 FINISHED\n{ARM}1) 10s"));
}

#[test]
fn another_master_first_receives_resources_and_operations() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).clear_log();
    scenario.master_is("master@10.0.0.9:5050");
    assert!(scenario.take_log().contains("disarm OperationRetry"));
    scenario.fires(Timer::Register);
    assert!(scenario.take_log().contains("resources [disk(reservations: [(DYNAMIC,dev)]):10]"));
    scenario.sends(
        "master@10.0.0.9:5050",
        internal::SlaveReregisteredMessage { slave_id: agent_id(), ..Default::default() },
    );
    let log = scenario.take_log();
    let (update, status) = (log.find("UpdateSlave operations O1"), log.find("UpdateOperationStatus O1 FINISHED"));
    assert!(update.is_some() && update < status, "{log}");
}

#[test]
fn an_acknowledgement_after_a_report_is_followed_by_another_report() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10));
    let status = scenario.operation_status(1);
    scenario.input(Input::Exited(address("10.0.0.1:5050"))).fires(Timer::Register).master_reregisters_it();
    assert!(scenario.take_log().contains("UpdateSlave operations O1"));
    // The acknowledgement is from the term before: the present master has entered the operation again, and would keep
    // it.
    scenario.master_sends(internal::AcknowledgeOperationStatusMessage {
        status_uuid: status.uuid.unwrap(),
        operation_uuid: operation_uuid(1),
        resource_provider_id: None,
    });
    check(
        &mut scenario,
        "store operation O1 done
         disarm OperationRetry(00000000-0000-0000-0000-000000000001)
         send master@10.0.0.1:5050: UpdateSlave",
    );
}

#[test]
fn an_operation_of_a_broken_connection_is_refused() {
    let (mut scenario, before, after) = Scenario::reconnected();
    let mut apply = |number, version| scenario.applies_as_of(version, number, reserve(10)).take_log();
    let log = apply(1, before.clone());
    assert_eq!(log, "send master@10.0.0.1:5050: UpdateOperationStatus O1 DROPPED, not to be acknowledged");
    // A refused operation stays refused, even if it is repeated with another version.
    assert_eq!(apply(1, after.clone()), log);
    assert!(apply(2, after).contains("UpdateOperationStatus O2 FINISHED"));
}

#[test]
fn registration_reports_durable_state_only() {
    let mut scenario = Scenario::registered();
    scenario.disk_is_slow();
    scenario.applies(1, reserve(10)).master_is("master@10.0.0.9:5050").fires(Timer::Register);
    assert!(!scenario.take_log().contains("ReregisterSlave"));
    scenario.disk_catches_up().fires(Timer::Register);
    assert!(scenario.take_log().contains("ReregisterSlave"));
}

#[test]
fn an_operation_that_does_not_apply_is_dropped_and_the_agent_reregisters() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, create(volume("v", 10)));
    let log = scenario.take_log();
    assert!(log.starts_with("send master@10.0.0.1:5050: UpdateOperationStatus O1 DROPPED, not to be"), "{log}");
    assert!(log.ends_with("arm Register"), "{log}");
}

#[test]
fn older_masters_send_all_checkpointed_resources() {
    let mut scenario = Scenario::registered();
    let mut kept = volume("v", 10);
    kept.allocation_info = None;
    let message = || internal::CheckpointResourcesMessage { resources: vec![kept.clone()] };
    scenario.master_sends(message());
    assert!(scenario.take_log().ends_with(&format!("make volume {VOLUME}")));
    scenario.volumes_are_ready();
    assert!(scenario.take_log().starts_with("store resources [disk"));
    scenario.master_sends(message());
    check(&mut scenario, "");
    scenario.master_sends(internal::CheckpointResourcesMessage::default());
    assert!(scenario.take_log().ends_with(&format!("delete volume {VOLUME}")));
}

#[test]
fn masters_and_frameworks_may_ask_for_operations() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10)).clear_log();
    let asked = |number: Option<u8>, id: Option<&str>| internal::reconcile_operations_message::Operation {
        operation_uuid: number.map(operation_uuid),
        operation_id: id.map(|id| v1::OperationId { value: id.to_owned() }),
        resource_provider_id: None,
    };
    scenario.master_sends(internal::ReconcileOperationsMessage {
        operations: vec![asked(Some(1), None), asked(Some(7), None)],
        framework_id: None,
    });
    check(&mut scenario, "send master@10.0.0.1:5050: UpdateOperationStatus O7 DROPPED, not to be acknowledged");
    // The operation was delayed by a broken connection.
    scenario.applies(7, reserve(10));
    check(&mut scenario, "send master@10.0.0.1:5050: UpdateOperationStatus O7 DROPPED, not to be acknowledged");
    scenario.master_sends(internal::ReconcileOperationsMessage {
        operations: vec![asked(None, Some("op1")), asked(None, Some("op7"))],
        framework_id: Some(framework_id()),
    });
    check(
        &mut scenario,
        "send master@10.0.0.1:5050: UpdateOperationStatus O1 FINISHED, not to be acknowledged
         send master@10.0.0.1:5050: UpdateOperationStatus  UNKNOWN, not to be acknowledged",
    );
}

#[test]
fn readers_see_the_changed_resources() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10));
    let totals: Vec<String> = scenario
        .effects()
        .filter_map(|effect| match effect {
            Effect::Publish(model::agent::Change::Agent { total, .. }) => Some(total.reserved(Some("dev")).to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(totals.last().unwrap(), "disk(reservations: [(DYNAMIC,dev)]):10");
    assert!(scenario.take_changes().starts_with("1 operations"));
}

/// Returns a volume as a `v1::Resource` of records.
fn recorded() -> v1::Resource {
    v1::Resource { allocation_info: None, ..volume("v", 10) }
}

fn restarted(found: RecoveredResources) -> Scenario {
    Scenario::prepared(|_| {}, |agent| agent.recover_resources(&found).unwrap())
}

#[test]
fn a_restarted_agent_finishes_operations_in_progress() {
    let mut scenario = restarted(RecoveredResources { target: Some(vec![recorded()]), ..Default::default() });
    check(&mut scenario, &format!("make volume {VOLUME}"));
    scenario.master_is(MASTER).fires(Timer::Register);
    assert!(!scenario.take_log().contains("RegisterSlave"));
    scenario.volumes_are_ready();
    assert!(scenario.take_log().starts_with("store resources [disk"));
    scenario.fires(Timer::Register);
    let registered = scenario.sent().find_map(|message| match message {
        Message::RegisterSlave(message) => Some(message.checkpointed_resources.len()),
        _ => None,
    });
    assert_eq!(registered, Some(1));
}

#[test]
fn a_restarted_agent_repeats_the_statuses_of_its_predecessor() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10));
    let operation = scenario.effects().find_map(|effect| match effect {
        Effect::Store { record: agent::Record::Resources { operation, resources, .. }, .. } => {
            operation.clone().map(|operation| (operation, resources.to_vec()))
        }
        _ => None,
    });
    let (operation, resources) = operation.unwrap();
    let found = RecoveredResources { resources, operations: vec![operation], ..Default::default() };
    let mut scenario = restarted(found);
    scenario.master_is(MASTER).fires(Timer::Register).master_registers_it();
    let log = scenario.take_log();
    assert!(log.contains("UpdateSlave operations O1"), "{log}");
    assert!(log.contains("UpdateOperationStatus O1 FINISHED"), "{log}");
}

#[test]
fn a_pending_operation_of_a_mesos_agent_is_finished() {
    let pending = v1::OperationStatus { state: v1::OperationState::OperationPending as i32, ..Default::default() };
    let operation = v1::Operation {
        info: destroy(volume("v", 10)),
        latest_status: pending,
        uuid: operation_uuid(5),
        ..Default::default()
    };
    let resources = vec![recorded()];
    let found = RecoveredResources { resources, operations: vec![operation.into()], ..Default::default() };
    let mut scenario = restarted(found);
    let log = scenario.take_log();
    assert!(log.ends_with(&format!("delete volume {VOLUME}")), "{log}");
    scenario.volumes_are_ready().master_is(MASTER).fires(Timer::Register).master_registers_it();
    assert!(scenario.take_log().contains("UpdateOperationStatus O5 FINISHED"));
}

#[test]
fn resources_missing_from_the_flags_are_an_error() {
    let found = RecoveredResources {
        resources: vec![v1::Resource { scalar: Some(v1::value::Scalar { value: 1e6 }), ..recorded() }],
        ..Default::default()
    };
    Scenario::prepared(|_| {}, |agent| assert!(agent.recover_resources(&found).is_err()));
}

#[test]
fn disks_of_their_own_are_emptied_or_have_volumes_below_them() {
    use v1::resource::disk_info::{Source, source};
    for (kind, root, expect) in [
        (source::Type::Path, "/disks/a", "delete volume /disks/a/volumes/roles/dev/v"),
        (source::Type::Path, "b", "delete volume /var/lib/mesos/b/volumes/roles/dev/v"),
        (source::Type::Mount, "/disks/c", "empty disk /disks/c"),
    ] {
        let mut source = Source { r#type: kind as i32, ..Default::default() };
        match kind {
            source::Type::Path => source.path = Some(source::Path { root: Some(root.to_owned()) }),
            _ => source.mount = Some(source::Mount { root: Some(root.to_owned()) }),
        }
        let with_source = |mut resource: v1::Resource| {
            resource.disk.get_or_insert_default().source = Some(Box::new(source.clone()));
            resource
        };
        let plain = v1::Resource { reservations: Vec::new(), disk: None, ..recorded() };
        let disk = resources::Resources::from_proto(&[with_source(plain)]).unwrap();
        let found = RecoveredResources { resources: vec![with_source(recorded())], ..Default::default() };
        let mut scenario =
            Scenario::prepared(|config| config.resources += &disk, |agent| agent.recover_resources(&found).unwrap());
        scenario.master_is(MASTER).fires(Timer::Register).master_registers_it().clear_log();
        scenario.applies(1, destroy(with_source(volume("v", 10))));
        assert!(scenario.take_log().ends_with(expect), "{expect}");
    }
}

#[test]
fn a_drain_waits_for_operations() {
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10));
    let status = scenario.operation_status(1);
    scenario.clear_log();
    scenario.master_sends(internal::DrainSlaveMessage { config: v1::DrainConfig::default() });
    check(&mut scenario, "store draining");
    scenario.master_sends(internal::AcknowledgeOperationStatusMessage {
        status_uuid: status.uuid.unwrap(),
        operation_uuid: operation_uuid(1),
        resource_provider_id: None,
    });
    assert!(scenario.take_log().ends_with("store not draining"));
}

#[test]
fn a_reactivated_agent_accepts_tasks_during_operations() {
    let mut scenario = Scenario::launching();
    scenario.applies(1, reserve(10)).clear_log();
    scenario.master_sends(internal::DrainSlaveMessage { config: v1::DrainConfig::default() }).clear_log();
    scenario.runs(command("early"));
    assert!(scenario.take_log().contains("REASON_AGENT_DRAINING"), "what ran is not gone");
    let mut scenario = Scenario::registered();
    scenario.applies(1, reserve(10));
    scenario.master_sends(internal::DrainSlaveMessage { config: v1::DrainConfig::default() }).clear_log();
    scenario.runs(command("t1"));
    let log = scenario.take_log();
    assert!(log.starts_with("store framework F\nstore not draining") && !log.contains("DRAINING"), "{log}");
}
