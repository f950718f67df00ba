//! Builders of scheduler calls.

use messages::v1;
use v1::offer::{Operation, operation};
use v1::scheduler::{Call, call};

fn call_of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}

pub fn subscribe(info: v1::FrameworkInfo) -> Call {
    Call {
        framework_id: info.id.clone(),
        subscribe: Some(Box::new(call::Subscribe { framework_info: info, ..Default::default() })),
        ..call_of(call::Type::Subscribe)
    }
}

pub fn teardown() -> Call {
    call_of(call::Type::Teardown)
}

pub fn accept(offers: &[&v1::Offer], operations: Vec<Operation>) -> Call {
    accept_ids(offers.iter().map(|offer| offer.id.clone()).collect(), operations)
}

pub fn accept_ids(offer_ids: Vec<v1::OfferId>, operations: Vec<Operation>) -> Call {
    Call {
        accept: Some(Box::new(call::Accept { offer_ids, operations, filters: None })),
        ..call_of(call::Type::Accept)
    }
}

pub fn decline(offer: &v1::Offer, refuse_seconds: f64) -> Call {
    Call {
        decline: Some(Box::new(call::Decline {
            offer_ids: vec![offer.id.clone()],
            filters: Some(v1::Filters { refuse_seconds: Some(refuse_seconds) }),
        })),
        ..call_of(call::Type::Decline)
    }
}

pub fn revive() -> Call {
    call_of(call::Type::Revive)
}

pub fn suppress(roles: &[&str]) -> Call {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Call { suppress: Some(Box::new(call::Suppress { roles })), ..call_of(call::Type::Suppress) }
}

pub fn kill(task: &str, agent: Option<&str>) -> Call {
    let agent_id = agent.map(|id| v1::AgentId { value: id.to_owned() });
    Call {
        kill: Some(Box::new(call::Kill { task_id: task_id(task), agent_id, kill_policy: None })),
        ..call_of(call::Type::Kill)
    }
}

pub fn shutdown(executor: &str, agent: &str) -> Call {
    Call {
        shutdown: Some(Box::new(call::Shutdown {
            executor_id: v1::ExecutorId { value: executor.to_owned() },
            agent_id: v1::AgentId { value: agent.to_owned() },
        })),
        ..call_of(call::Type::Shutdown)
    }
}

pub fn acknowledge(agent: &str, task: &str, uuid: u8) -> Call {
    Call {
        acknowledge: Some(Box::new(call::Acknowledge {
            agent_id: v1::AgentId { value: agent.to_owned() },
            task_id: task_id(task),
            uuid: self::uuid(uuid),
        })),
        ..call_of(call::Type::Acknowledge)
    }
}

/// Asks for tasks by id, with or without their agent; an empty list asks for all.
pub fn reconcile(tasks: &[(&str, Option<&str>)]) -> Call {
    let task = |(task, agent): &(&str, Option<&str>)| call::reconcile::Task {
        task_id: task_id(task),
        agent_id: agent.map(|id| v1::AgentId { value: id.to_owned() }),
    };
    Call {
        reconcile: Some(Box::new(call::Reconcile { tasks: tasks.iter().map(task).collect() })),
        ..call_of(call::Type::Reconcile)
    }
}

pub fn message(agent: &str, executor: &str, data: &str) -> Call {
    Call {
        message: Some(Box::new(call::Message {
            agent_id: v1::AgentId { value: agent.to_owned() },
            executor_id: v1::ExecutorId { value: executor.to_owned() },
            data: data.as_bytes().to_vec(),
        })),
        ..call_of(call::Type::Message)
    }
}

pub fn update_framework(framework_info: v1::FrameworkInfo) -> Call {
    Call {
        update_framework: Some(Box::new(call::UpdateFramework { framework_info, ..Default::default() })),
        ..call_of(call::Type::UpdateFramework)
    }
}

pub fn unknown() -> Call {
    call_of(call::Type::Unknown)
}

/// Returns a well-formed UUID that tests can tell by its first byte.
pub fn uuid(number: u8) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    (bytes[0], bytes[6], bytes[8]) = (number, 0x40, 0x80);
    bytes
}

pub fn task_id(id: &str) -> v1::TaskId {
    v1::TaskId { value: id.to_owned() }
}

/// Returns a command task for the agent of this offer.
pub fn task(id: &str, offer: &v1::Offer, resources: &str) -> v1::TaskInfo {
    v1::TaskInfo {
        name: id.to_owned(),
        task_id: task_id(id),
        agent_id: offer.agent_id.clone(),
        resources: super::resources(resources),
        command: Some(Box::new(v1::CommandInfo { value: Some("true".to_owned()), ..Default::default() })),
        ..Default::default()
    }
}

pub fn executor(id: &str, resources: &str) -> v1::ExecutorInfo {
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId { value: id.to_owned() },
        resources: super::resources(resources),
        command: Some(Box::new(v1::CommandInfo { value: Some("run".to_owned()), ..Default::default() })),
        ..Default::default()
    }
}

/// Returns the same task, run by an executor of the framework.
pub fn under(executor: v1::ExecutorInfo, mut task: v1::TaskInfo) -> v1::TaskInfo {
    task.command = None;
    task.executor = Some(Box::new(executor));
    task
}

pub fn launch(tasks: Vec<v1::TaskInfo>) -> Operation {
    Operation {
        r#type: Some(operation::Type::Launch as i32),
        launch: Some(Box::new(operation::Launch { task_infos: tasks })),
        ..Default::default()
    }
}

pub fn launch_group(executor: v1::ExecutorInfo, tasks: Vec<v1::TaskInfo>) -> Operation {
    Operation {
        r#type: Some(operation::Type::LaunchGroup as i32),
        launch_group: Some(Box::new(operation::LaunchGroup { executor, task_group: v1::TaskGroupInfo { tasks } })),
        ..Default::default()
    }
}

pub fn reserve(resources: &str, id: Option<&str>) -> Operation {
    Operation {
        r#type: Some(operation::Type::Reserve as i32),
        id: id.map(|id| v1::OperationId { value: id.to_owned() }),
        reserve: Some(Box::new(operation::Reserve { resources: super::resources(resources), source: Vec::new() })),
        ..Default::default()
    }
}
