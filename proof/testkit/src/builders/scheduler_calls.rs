//! The calls that schedulers make. The sender adds the id of the framework, unless the call states it itself.

use messages::v1;
use messages::v1::offer::Operation;
use messages::v1::scheduler::{Call, call};

use super::{agent_id, executor_id, operation_id, task_id, uuid};

fn call_of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}

/// Returns SUBSCRIBE. For a framework that has an id it is a resubscription.
pub fn subscribe(info: v1::FrameworkInfo) -> Call {
    Call {
        framework_id: info.id.clone(),
        subscribe: Some(Box::new(call::Subscribe { framework_info: info, ..Default::default() })),
        ..call_of(call::Type::Subscribe)
    }
}

/// Returns TEARDOWN.
pub fn teardown() -> Call {
    call_of(call::Type::Teardown)
}

/// Returns ACCEPT of offers that were received, with the filters of a framework that names none.
pub fn accept(offers: &[&v1::Offer], operations: Vec<Operation>) -> Call {
    accept_ids(offers.iter().map(|offer| offer.id.clone()).collect(), operations)
}

/// Returns ACCEPT of offers by their ids.
pub fn accept_ids(offer_ids: Vec<v1::OfferId>, operations: Vec<Operation>) -> Call {
    Call {
        accept: Some(Box::new(call::Accept { offer_ids, operations, filters: None })),
        ..call_of(call::Type::Accept)
    }
}

/// Returns DECLINE of an offer. The master does not offer its resources again for `refuse_seconds`.
pub fn decline(offer: &v1::Offer, refuse_seconds: f64) -> Call {
    Call {
        decline: Some(Box::new(call::Decline {
            offer_ids: vec![offer.id.clone()],
            filters: Some(v1::Filters { refuse_seconds: Some(refuse_seconds) }),
        })),
        ..call_of(call::Type::Decline)
    }
}

/// Returns REVIVE of all roles.
pub fn revive() -> Call {
    call_of(call::Type::Revive)
}

/// Returns SUPPRESS of these roles; an empty list means all.
pub fn suppress(roles: &[&str]) -> Call {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Call { suppress: Some(Box::new(call::Suppress { roles })), ..call_of(call::Type::Suppress) }
}

/// Returns KILL of a task, with or without its agent.
pub fn kill(task: &str, agent: Option<&str>) -> Call {
    let kill = call::Kill { task_id: task_id(task), agent_id: agent.map(agent_id), kill_policy: None };
    Call { kill: Some(Box::new(kill)), ..call_of(call::Type::Kill) }
}

/// Returns SHUTDOWN of an executor.
pub fn shutdown(executor: &str, agent: &str) -> Call {
    let shutdown = call::Shutdown { executor_id: executor_id(executor), agent_id: agent_id(agent) };
    Call { shutdown: Some(Box::new(shutdown)), ..call_of(call::Type::Shutdown) }
}

/// Returns ACKNOWLEDGE of the update with the UUID of this number, see [`uuid()`].
pub fn acknowledge(agent: &str, task: &str, number: u8) -> Call {
    let acknowledge = call::Acknowledge { agent_id: agent_id(agent), task_id: task_id(task), uuid: uuid(number) };
    Call { acknowledge: Some(Box::new(acknowledge)), ..call_of(call::Type::Acknowledge) }
}

/// Returns RECONCILE of tasks by id, with or without their agent; an empty list asks for all.
pub fn reconcile(tasks: &[(&str, Option<&str>)]) -> Call {
    let task = |(task, agent): &(&str, Option<&str>)| call::reconcile::Task {
        task_id: task_id(*task),
        agent_id: agent.map(agent_id),
    };
    let tasks = tasks.iter().map(task).collect();
    Call { reconcile: Some(Box::new(call::Reconcile { tasks })), ..call_of(call::Type::Reconcile) }
}

/// Returns MESSAGE to an executor.
pub fn framework_message(agent: &str, executor: &str, data: &str) -> Call {
    let message =
        call::Message { agent_id: agent_id(agent), executor_id: executor_id(executor), data: data.as_bytes().to_vec() };
    Call { message: Some(Box::new(message)), ..call_of(call::Type::Message) }
}

/// Returns UPDATE_FRAMEWORK.
pub fn update_framework(framework_info: v1::FrameworkInfo) -> Call {
    let update = call::UpdateFramework { framework_info, ..Default::default() };
    Call { update_framework: Some(Box::new(update)), ..call_of(call::Type::UpdateFramework) }
}

/// Returns RECONCILE_OPERATIONS by id, with or without their agent; an empty list asks for all.
pub fn reconcile_operations(operations: &[(&str, Option<&str>)]) -> Call {
    let operation = |(id, agent): &(&str, Option<&str>)| call::reconcile_operations::Operation {
        operation_id: operation_id(*id),
        agent_id: agent.map(agent_id),
        resource_provider_id: None,
    };
    let operations = operations.iter().map(operation).collect();
    Call {
        reconcile_operations: Some(Box::new(call::ReconcileOperations { operations })),
        ..call_of(call::Type::ReconcileOperations)
    }
}

/// Returns ACKNOWLEDGE_OPERATION_STATUS of the status with the UUID of this number, see [`uuid()`].
pub fn acknowledge_operation(agent: &str, operation: &str, number: u8) -> Call {
    Call {
        acknowledge_operation_status: Some(Box::new(call::AcknowledgeOperationStatus {
            agent_id: Some(agent_id(agent)),
            resource_provider_id: None,
            uuid: uuid(number),
            operation_id: operation_id(operation),
        })),
        ..call_of(call::Type::AcknowledgeOperationStatus)
    }
}

/// Returns a call whose type is unknown.
pub fn unknown_call() -> Call {
    call_of(call::Type::Unknown)
}
