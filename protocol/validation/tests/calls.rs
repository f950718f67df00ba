//! Calls without state: a case gives a call and expects Mesos' reason ("" if the call is valid).

use messages::v1::scheduler::call::{Acknowledge, AcknowledgeOperationStatus, Subscribe, Type, UpdateFramework};
use messages::v1::{self, FrameworkId, FrameworkInfo, agent, executor, master, scheduler};
use validation::ValidationError;

#[track_caller]
fn expect(outcome: Result<(), ValidationError>, reason: &str) {
    assert_eq!(outcome.err().as_ref().map_or("", ValidationError::reason), reason);
}

fn framework_id(value: &str) -> FrameworkId {
    FrameworkId { value: value.into() }
}

fn info(id: &str) -> FrameworkInfo {
    let id = (!id.is_empty()).then(|| framework_id(id));
    FrameworkInfo { user: "root".into(), name: "test".into(), id, ..Default::default() }
}

mod of_schedulers {
    use super::*;

    fn call(kind: Type) -> scheduler::Call {
        scheduler::Call { r#type: Some(kind as i32), framework_id: Some(framework_id("f")), ..Default::default() }
    }

    fn subscribe(call_id: &str, info: FrameworkInfo) -> scheduler::Call {
        scheduler::Call {
            r#type: Some(Type::Subscribe as i32),
            framework_id: (!call_id.is_empty()).then(|| framework_id(call_id)),
            subscribe: Some(Box::new(Subscribe { framework_info: info, ..Default::default() })),
            ..Default::default()
        }
    }

    #[track_caller]
    fn check(call: scheduler::Call, reason: &str) {
        expect(validation::scheduler_call::validate(&call, None), reason);
    }

    #[test]
    fn the_type_is_checked_first() {
        check(scheduler::Call::default(), "Expecting 'type' to be present");
        check(scheduler::Call { r#type: Some(4711), ..Default::default() }, "Expecting 'type' to be present");
    }

    #[test]
    fn all_calls_but_subscribe_require_a_framework_id() {
        for kind in [Type::Teardown, Type::Revive, Type::Accept, Type::Unknown] {
            check(scheduler::Call { framework_id: None, ..call(kind) }, "Expecting 'framework_id' to be present");
        }
    }

    #[test]
    fn each_call_requires_the_field_of_its_type() {
        for (kind, part) in [
            (Type::Accept, "accept"),
            (Type::Decline, "decline"),
            (Type::AcceptInverseOffers, "accept_inverse_offers"),
            (Type::DeclineInverseOffers, "decline_inverse_offers"),
            (Type::Kill, "kill"),
            (Type::Shutdown, "shutdown"),
            (Type::Acknowledge, "acknowledge"),
            (Type::AcknowledgeOperationStatus, "acknowledge_operation_status"),
            (Type::Reconcile, "reconcile"),
            (Type::ReconcileOperations, "reconcile_operations"),
            (Type::Message, "message"),
            (Type::Request, "request"),
            (Type::UpdateFramework, "update_framework"),
        ] {
            check(call(kind), &format!("Expecting '{part}' to be present"));
        }
        for kind in [Type::Teardown, Type::Revive, Type::Suppress, Type::Unknown] {
            check(call(kind), "");
        }
        check(scheduler::Call { subscribe: None, ..subscribe("", info("")) }, "Expecting 'subscribe' to be present");
    }

    #[test]
    fn a_subscription_requires_equal_framework_ids() {
        check(subscribe("", info("")), "");
        check(subscribe("f", info("f")), "");
        for (call_id, info_id) in [("f", ""), ("", "f"), ("f", "g")] {
            check(subscribe(call_id, info(info_id)), "'framework_id' differs from 'subscribe.framework_info.id'");
        }
    }

    #[test]
    fn an_update_requires_equal_framework_ids() {
        let update = |id: &str| scheduler::Call {
            update_framework: Some(Box::new(UpdateFramework { framework_info: info(id), ..Default::default() })),
            ..call(Type::UpdateFramework)
        };
        check(update("f"), "");
        check(update("g"), "'framework_id' differs from 'update_framework.framework_info.id'");
    }

    #[test]
    fn the_principal_must_be_the_authenticated_one() {
        let claiming = |principal: Option<&str>| {
            subscribe("", FrameworkInfo { principal: principal.map(str::to_owned), ..info("") })
        };
        let check = |claimed, proven, reason: &str| {
            expect(validation::scheduler_call::validate(&claiming(claimed), proven), reason);
        };
        check(Some("ann"), None, "");
        check(None, Some("ann"), "");
        check(Some("ann"), Some("ann"), "");
        check(
            Some("bob"),
            Some("ann"),
            "Authenticated principal 'ann' does not match principal 'bob' set in `FrameworkInfo`",
        );
    }

    #[test]
    fn acknowledgements_require_valid_uuids() {
        let good = b"\x01\x02\x03\x04\x05\x06\x47\x08\x89\x0a\x0b\x0c\x0d\x0e\x0f\x10".to_vec();
        for (uuid, reason) in [
            (good.clone(), ""),
            (b"abc".to_vec(), "Not a valid UUID"),
            (Vec::new(), "Not a valid UUID"),
            (vec![0; 16], "Not a valid UUID"),
            ([good.clone(), good.clone()].concat(), "Not a valid UUID"),
        ] {
            let acknowledge = Acknowledge { uuid: uuid.clone(), ..Default::default() };
            check(scheduler::Call { acknowledge: Some(acknowledge.into()), ..call(Type::Acknowledge) }, reason);
            let of_operation =
                AcknowledgeOperationStatus { uuid, agent_id: Some(v1::AgentId::default()), ..Default::default() };
            check(
                scheduler::Call {
                    acknowledge_operation_status: Some(of_operation.into()),
                    ..call(Type::AcknowledgeOperationStatus)
                },
                reason,
            );
        }
        let without_agent = AcknowledgeOperationStatus { uuid: good, ..Default::default() };
        check(
            scheduler::Call {
                acknowledge_operation_status: Some(without_agent.into()),
                ..call(Type::AcknowledgeOperationStatus)
            },
            "Expecting 'agent_id' to be present",
        );
    }
}

mod of_executors {
    use messages::v1::executor::call::{Type, Update};
    use messages::v1::{ExecutorId, TaskState, TaskStatus, check_info, task_status::Source};

    use super::*;

    fn call(kind: Type) -> executor::Call {
        executor::Call {
            r#type: Some(kind as i32),
            executor_id: ExecutorId { value: "e".into() },
            framework_id: framework_id("f"),
            ..Default::default()
        }
    }

    fn running() -> TaskStatus {
        TaskStatus {
            state: TaskState::TaskRunning as i32,
            source: Some(Source::Executor as i32),
            uuid: Some(vec![0x44; 16]),
            ..Default::default()
        }
    }

    #[track_caller]
    fn check(call: executor::Call, reason: &str) {
        expect(validation::executor_call::validate(&call), reason);
    }

    #[track_caller]
    fn check_update(status: TaskStatus, reason: &str) {
        check(executor::Call { update: Some(Box::new(Update { status })), ..call(Type::Update) }, reason);
    }

    #[test]
    fn each_call_requires_the_field_of_its_type() {
        check(executor::Call { r#type: None, ..call(Type::Subscribe) }, "Expecting 'type' to be present");
        check(call(Type::Subscribe), "Expecting 'subscribe' to be present");
        check(call(Type::Update), "Expecting 'update' to be present");
        check(call(Type::Message), "Expecting 'message' to be present");
        check(call(Type::Heartbeat), "");
        check(call(Type::Unknown), "");
    }

    #[test]
    fn an_update_must_come_from_its_executor() {
        check_update(running(), "");
        check_update(TaskStatus { uuid: None, ..running() }, "Expecting 'uuid' to be present");
        check_update(TaskStatus { uuid: Some(vec![1]), ..running() }, "Not a valid UUID");
        check_update(
            TaskStatus { executor_id: Some(ExecutorId { value: "other".into() }), ..running() },
            "ExecutorID in Call: e does not match ExecutorID in TaskStatus: other",
        );
        for source in [None, Some(Source::Master as i32), Some(Source::Agent as i32)] {
            check_update(
                TaskStatus { source, ..running() },
                "Received Call from executor e of framework f with invalid source, expecting 'SOURCE_EXECUTOR'",
            );
        }
        check_update(
            TaskStatus { state: TaskState::TaskStaging as i32, ..running() },
            "Received TASK_STAGING from executor e of framework f which is not allowed",
        );
    }

    #[test]
    fn a_check_status_requires_the_field_of_its_type() {
        let status = |kind: Option<check_info::Type>| TaskStatus {
            check_status: Some(Box::new(v1::CheckStatusInfo { r#type: kind.map(|k| k as i32), ..Default::default() })),
            ..running()
        };
        check_update(status(None), "CheckStatusInfo must specify 'type'");
        check_update(
            status(Some(check_info::Type::Command)),
            "Expecting 'command' to be set for COMMAND check's status",
        );
        check_update(status(Some(check_info::Type::Http)), "Expecting 'http' to be set for HTTP check's status");
        check_update(status(Some(check_info::Type::Tcp)), "Expecting 'tcp' to be set for TCP check's status");
        check_update(status(Some(check_info::Type::Unknown)), "'UNKNOWN' is not a valid check's status type");
    }
}

mod of_operators {
    use master::call::Type;

    use super::*;

    #[track_caller]
    fn check(call: master::Call, reason: &str) {
        expect(validation::master_call::validate(&call), reason);
    }

    fn call(kind: Type) -> master::Call {
        master::Call { r#type: Some(kind as i32), ..Default::default() }
    }

    #[test]
    fn read_calls_require_no_fields() {
        check(master::Call::default(), "Expecting 'type' to be present");
        for kind in [Type::GetHealth, Type::GetState, Type::GetQuota, Type::Subscribe, Type::Unknown] {
            check(call(kind), "");
        }
    }

    #[test]
    fn each_call_requires_the_field_of_its_type() {
        for (kind, part) in [
            (Type::GetMetrics, "get_metrics"),
            (Type::SetLoggingLevel, "set_logging_level"),
            (Type::ListFiles, "list_files"),
            (Type::ReadFile, "read_file"),
            (Type::UpdateWeights, "update_weights"),
            (Type::ReserveResources, "reserve_resources"),
            (Type::UnreserveResources, "unreserve_resources"),
            (Type::CreateVolumes, "create_volumes"),
            (Type::DestroyVolumes, "destroy_volumes"),
            (Type::GrowVolume, "grow_volume"),
            (Type::ShrinkVolume, "shrink_volume"),
            (Type::UpdateMaintenanceSchedule, "update_maintenance_schedule"),
            (Type::StartMaintenance, "start_maintenance"),
            (Type::StopMaintenance, "stop_maintenance"),
            (Type::DrainAgent, "drain_agent"),
            (Type::DeactivateAgent, "deactivate_agent"),
            (Type::ReactivateAgent, "reactivate_agent"),
            (Type::UpdateQuota, "update_quota"),
            (Type::SetQuota, "set_quota"),
            (Type::RemoveQuota, "remove_quota"),
            (Type::Teardown, "teardown"),
            (Type::MarkAgentGone, "mark_agent_gone"),
        ] {
            check(call(kind), &format!("Expecting '{part}' to be present"));
        }
    }

    #[test]
    fn grow_volume_requires_an_agent_id() {
        let grow = master::call::GrowVolume::default();
        check(
            master::Call { grow_volume: Some(Box::new(grow)), ..call(Type::GrowVolume) },
            "Expecting 'agent_id' to be present; only agent default resources are supported right now",
        );
    }
}

mod of_operators_to_agents {
    use agent::call::Type;
    use messages::v1::ContainerId;

    use super::*;

    fn id(value: &str, parent: Option<ContainerId>) -> ContainerId {
        ContainerId { value: value.into(), parent: parent.map(Box::new) }
    }

    #[track_caller]
    fn check(call: agent::Call, reason: &str) {
        expect(validation::agent_call::validate(&call), reason);
    }

    fn wait(container_id: ContainerId) -> agent::Call {
        agent::Call {
            r#type: Some(Type::WaitContainer as i32),
            wait_container: Some(Box::new(agent::call::WaitContainer { container_id })),
            ..Default::default()
        }
    }

    #[allow(deprecated)]
    fn kill_nested(container_id: ContainerId) -> agent::Call {
        agent::Call {
            r#type: Some(Type::KillNestedContainer as i32),
            kill_nested_container: Some(Box::new(agent::call::KillNestedContainer { container_id, signal: None })),
            ..Default::default()
        }
    }

    #[test]
    fn all_ancestors_of_a_container_id_are_checked() {
        check(wait(id("a", None)), "");
        check(wait(id("a", Some(id("b", None)))), "");
        check(wait(id("", None)), "'wait_container.container_id' is invalid: ID must not be empty");
        check(
            wait(id("a.b", None)),
            "'wait_container.container_id' is invalid: 'ContainerID.value' 'a.b' contains invalid characters",
        );
        check(
            wait(id("a", Some(id("b c", None)))),
            "'wait_container.container_id' is invalid: 'ContainerID.parent' is invalid: \
             'ContainerID.value' 'b c' contains invalid characters",
        );
        check(wait(id(&"x".repeat(242), None)), "");
        let long = "x".repeat(243);
        check(
            wait(id(&long, None)),
            &format!(
                "'wait_container.container_id' is invalid: 'ContainerID.value' '{long}' exceeds the maximum \
                 length (242)"
            ),
        );
    }

    #[test]
    fn a_chain_of_parents_does_not_exhaust_the_stack() {
        let chain = (0..10_000).fold(id("a", None), |parent, _| id("a", Some(parent)));
        let call = wait(chain);
        let reason = validation::agent_call::validate(&call).unwrap_err().to_string();
        assert!(reason.ends_with("'ContainerID' is nested too deeply"), "{reason}");
        // Dropping such a chain recurses as well; `wire` refuses it before it is built.
        std::mem::forget(call);
    }

    #[test]
    fn nested_container_calls_require_a_parent() {
        check(kill_nested(id("a", Some(id("b", None)))), "");
        check(kill_nested(id("a", None)), "Expecting 'kill_nested_container.container_id.parent' to be present");
    }
}
