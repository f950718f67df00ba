//! The encoding of a record: a `tepui.AgentRecord`.

use std::sync::Arc;

use ::agent::Record;
use messages::tepui::{
    AcknowledgedRecord, AgentRecord, DrainRecord, ExecutorRecord, FrameworkRecord, ResourcesRecord, RunRecord,
    TaskRecord, UpdateRecord,
};
use model::agent::Draining;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId, Timestamp, Upid};
use uuid::Uuid;
use wire::{DecodeError, Limits};

/// Returns the bytes of a record.
pub fn encode(record: &Record) -> Vec<u8> {
    wire::encode(&message(record))
}

/// Decodes a record; `None` for a kind of record that a later version has added.
///
/// # Errors
/// Returns [`DecodeError`] if the bytes are not a record.
pub fn decode(bytes: &[u8]) -> Result<Option<Record>, DecodeError> {
    Ok(record(wire::decode(bytes, &Limits::default())?))
}

fn message(record: &Record) -> AgentRecord {
    let mut message = AgentRecord::default();
    let run = |framework: &FrameworkId, executor: &ExecutorId, container: &ContainerId, pid: Option<&Upid>| {
        Some(Box::new(RunRecord {
            framework: framework.to_string(),
            executor: executor.to_string(),
            container: container.to_string(),
            pid: pid.map(Upid::to_string),
        }))
    };
    match record {
        Record::AgentInfo(info) => message.agent = Some(Box::new((**info).clone())),
        Record::BootId(id) => message.boot_id = Some(id.clone()),
        Record::Framework { info, pid } => {
            let pid = pid.as_ref().map(Upid::to_string);
            message.framework = Some(Box::new(FrameworkRecord { info: (**info).clone(), pid }));
        }
        Record::FrameworkRemoved(id) => message.framework_removed = Some(id.to_string()),
        Record::UpdatesForgotten(id) => message.updates_forgotten = Some(id.to_string()),
        Record::Executor { framework, container, info, command_task } => {
            message.executor = Some(Box::new(ExecutorRecord {
                framework: framework.to_string(),
                container: container.to_string(),
                info: (**info).clone(),
                command_task: Some(*command_task),
            }));
        }
        Record::ExecutorLink { framework, executor, container, pid } => {
            message.executor_link = run(framework, executor, container, pid.as_ref());
        }
        Record::Task { framework, container, task } => {
            message.task = Some(Box::new(TaskRecord {
                framework: framework.to_string(),
                container: container.to_string(),
                task: (**task).clone(),
            }));
        }
        Record::CompletedTask { framework, container, task } => {
            message.completed_task = Some(Box::new(TaskRecord {
                framework: framework.to_string(),
                container: container.to_string(),
                task: (**task).clone(),
            }));
        }
        Record::Update { framework, task, status } => {
            message.update = Some(Box::new(UpdateRecord {
                framework: framework.to_string(),
                task: task.to_string(),
                status: (**status).clone(),
            }));
        }
        Record::Acknowledged { framework, task, uuid } => {
            message.acknowledged = Some(Box::new(AcknowledgedRecord {
                framework: framework.to_string(),
                task: task.to_string(),
                uuid: uuid.clone(),
            }));
        }
        Record::ContainerDone { framework, executor, container } => {
            message.container_done = run(framework, executor, container, None);
        }
        Record::ExecutorRemoved { framework, executor, container } => {
            message.executor_removed = run(framework, executor, container, None);
        }
        Record::Resources { resources, target, operation } => {
            message.resources = Some(Box::new(ResourcesRecord {
                resources: resources.to_vec(),
                has_target: Some(target.is_some()),
                target: target.iter().flat_map(|target| target.iter().cloned()).collect(),
                operation: operation.as_ref().map(|operation| Box::new((**operation).clone())),
            }));
        }
        Record::OperationDone { operation } => message.operation_done = Some(operation.as_bytes().to_vec()),
        Record::Drain(draining) => {
            message.drain = Some(Box::new(DrainRecord {
                config: draining.as_ref().map(|draining| Box::new(draining.config)),
                since: draining.as_ref().map(|draining| draining.since.nanos()),
            }));
        }
        Record::Reset => message.reset = Some(true),
    }
    message
}

fn record(message: AgentRecord) -> Option<Record> {
    let AgentRecord {
        agent,
        boot_id,
        framework,
        framework_removed,
        updates_forgotten,
        executor,
        executor_link,
        task,
        update,
        acknowledged,
        container_done,
        executor_removed,
        resources,
        operation_done,
        drain,
        reset,
        completed_task,
    } = message;
    // An invalid address counts as no address: the executor is asked to reconnect, or does so by itself.
    let address = |pid: Option<String>| pid.and_then(|pid| pid.parse::<Upid>().ok());
    let ids = |run: &RunRecord| {
        (FrameworkId::new(&run.framework), ExecutorId::new(&run.executor), ContainerId::new(&run.container))
    };
    if let Some(info) = agent {
        return Some(Record::AgentInfo(Arc::new(*info)));
    }
    if let Some(framework) = framework {
        return Some(Record::Framework { info: Arc::new(framework.info), pid: address(framework.pid) });
    }
    if let Some(executor) = executor {
        return Some(Record::Executor {
            framework: FrameworkId::new(executor.framework),
            container: ContainerId::new(executor.container),
            info: Arc::new(executor.info),
            command_task: executor.command_task.unwrap_or_default(),
        });
    }
    if let Some(run) = executor_link {
        let (framework, executor, container) = ids(&run);
        return Some(Record::ExecutorLink { framework, executor, container, pid: address(run.pid) });
    }
    if let Some(task) = task {
        return Some(Record::Task {
            framework: FrameworkId::new(task.framework),
            container: ContainerId::new(task.container),
            task: Arc::new(task.task),
        });
    }
    if let Some(task) = completed_task {
        return Some(Record::CompletedTask {
            framework: FrameworkId::new(task.framework),
            container: ContainerId::new(task.container),
            task: Arc::new(task.task),
        });
    }
    if let Some(update) = update {
        return Some(Record::Update {
            framework: FrameworkId::new(update.framework),
            task: TaskId::new(update.task),
            status: Arc::new(update.status),
        });
    }
    if let Some(acknowledged) = acknowledged {
        return Some(Record::Acknowledged {
            framework: FrameworkId::new(acknowledged.framework),
            task: TaskId::new(acknowledged.task),
            uuid: acknowledged.uuid,
        });
    }
    if let Some(run) = container_done {
        let (framework, executor, container) = ids(&run);
        return Some(Record::ContainerDone { framework, executor, container });
    }
    if let Some(run) = executor_removed {
        let (framework, executor, container) = ids(&run);
        return Some(Record::ExecutorRemoved { framework, executor, container });
    }
    if let Some(record) = resources {
        let ResourcesRecord { resources, has_target, target, operation } = *record;
        return Some(Record::Resources {
            resources: resources.into(),
            target: has_target.unwrap_or_default().then(|| target.into()),
            operation: operation.map(|operation| Arc::new(*operation)),
        });
    }
    if let Some(drain) = drain {
        let since = Timestamp::from_nanos(drain.since.unwrap_or_default());
        return Some(Record::Drain(drain.config.map(|config| Arc::new(Draining { config: *config, since }))));
    }
    let operation = operation_done.and_then(|uuid| Uuid::from_slice(&uuid).ok());
    boot_id
        .map(Record::BootId)
        .or(framework_removed.map(|id| Record::FrameworkRemoved(FrameworkId::new(id))))
        .or(updates_forgotten.map(|id| Record::UpdatesForgotten(FrameworkId::new(id))))
        .or(operation.map(|operation| Record::OperationDone { operation }))
        .or(reset.map(|_| Record::Reset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use messages::v1;

    #[test]
    fn records_round_trip() {
        let framework = FrameworkId::new("F");
        let (executor, container) = (ExecutorId::new("e"), ContainerId::new("c"));
        let id = || v1::TaskId { value: "t".into() };
        let draining = Draining { config: v1::DrainConfig::default(), since: Timestamp::from_nanos(7) };
        let task = v1::Task {
            task_id: id(),
            // The value is encoded even though it equals the default of a map's value.
            limits: [("cpus".to_owned(), v1::value::Scalar { value: 0.0 })].into(),
            ..Default::default()
        };
        let records = [
            Record::AgentInfo(Arc::new(v1::AgentInfo { hostname: "h".into(), ..Default::default() })),
            Record::BootId("b".into()),
            Record::Framework { info: Arc::default(), pid: "a@1.2.3.4:5".parse().ok() },
            Record::FrameworkRemoved(framework.clone()),
            Record::UpdatesForgotten(framework.clone()),
            Record::Executor {
                framework: framework.clone(),
                container: container.clone(),
                info: Arc::default(),
                command_task: true,
            },
            Record::ExecutorLink {
                framework: framework.clone(),
                executor: executor.clone(),
                container: container.clone(),
                pid: "a@1.2.3.4:5".parse().ok(),
            },
            Record::Task { framework: framework.clone(), container: container.clone(), task: Arc::new(task) },
            Record::Update {
                framework: framework.clone(),
                task: TaskId::new("t"),
                status: Arc::new(v1::TaskStatus { task_id: id(), uuid: Some(vec![1; 16]), ..Default::default() }),
            },
            Record::Acknowledged { framework: framework.clone(), task: TaskId::new("t"), uuid: vec![2; 16] },
            Record::ContainerDone {
                framework: framework.clone(),
                executor: executor.clone(),
                container: container.clone(),
            },
            Record::ExecutorRemoved { framework, executor, container },
            Record::Resources {
                resources: Arc::from([v1::Resource { name: "cpus".into(), ..Default::default() }]),
                target: Some(Arc::from([])),
                operation: Some(Arc::default()),
            },
            Record::OperationDone { operation: Uuid::from_u128(3) },
            Record::Drain(Some(Arc::new(draining))),
            Record::Drain(None),
            Record::Reset,
        ];
        for record in records {
            assert_eq!(decode(&encode(&record)).unwrap(), Some(record));
        }
    }

    #[test]
    fn records_of_later_versions_are_skipped() {
        // The bytes are field 1000, which does not exist.
        assert_eq!(decode(&[0xc2, 0x3e, 0x01, b'x']).unwrap(), None);
    }
}
