//! Tests of the recovered state and of the check of an agent's description.

use crate::effects::Record;
use std::sync::Arc;

use messages::v1;
use model::{ContainerId, ExecutorId, FrameworkId, TaskId};

use super::{ReconfigurationPolicy, RecoveredState};

fn framework(id: &str, checkpoint: bool) -> Record {
    let info = v1::FrameworkInfo {
        id: Some(v1::FrameworkId { value: id.to_owned() }),
        checkpoint: Some(checkpoint),
        ..Default::default()
    };
    Record::Framework { info: Arc::new(info), pid: None }
}

fn executor(id: &str, container: &str) -> Record {
    let info = v1::ExecutorInfo { executor_id: v1::ExecutorId { value: id.to_owned() }, ..Default::default() };
    Record::Executor {
        framework: FrameworkId::new("F"),
        container: ContainerId::new(container),
        info: Arc::new(info),
        command_task: false,
    }
}

fn task(id: &str, container: &str) -> Record {
    let task = v1::Task {
        task_id: v1::TaskId { value: id.to_owned() },
        state: v1::TaskState::TaskStaging as i32,
        ..Default::default()
    };
    Record::Task { framework: FrameworkId::new("F"), container: ContainerId::new(container), task: Arc::new(task) }
}

fn update(task: &str, uuid: u8, state: v1::TaskState) -> Record {
    let status = v1::TaskStatus { uuid: Some(vec![uuid; 16]), state: state as i32, ..Default::default() };
    Record::Update { framework: FrameworkId::new("F"), task: TaskId::new(task), status: Arc::new(status) }
}

fn acknowledged(task: &str, uuid: u8) -> Record {
    Record::Acknowledged { framework: FrameworkId::new("F"), task: TaskId::new(task), uuid: vec![uuid; 16] }
}

fn done(executor: &str, container: &str) -> Record {
    Record::ContainerDone {
        framework: FrameworkId::new("F"),
        executor: ExecutorId::new(executor),
        container: ContainerId::new(container),
    }
}

use v1::TaskState::{TaskFinished, TaskRunning, TaskStarting};

fn records_of_a_run() -> Vec<Record> {
    vec![
        Record::BootId("b".into()),
        Record::AgentInfo(Arc::new(v1::AgentInfo { hostname: "h".into(), ..Default::default() })),
        framework("F", true),
        executor("e", "C1"),
        task("t", "C1"),
        task("u", "C1"),
        update("t", 1, TaskStarting),
        update("t", 2, TaskRunning),
        acknowledged("t", 1),
        update("t", 3, TaskRunning),
        update("u", 4, TaskFinished),
        acknowledged("u", 4),
        executor("f", "C2"),
        task("w", "C2"),
        update("w", 5, TaskFinished),
        done("f", "C2"),
        update("stranger", 6, TaskFinished),
        acknowledged("w", 5),
        removed("f", "C2"),
        executor("f", "C3"),
        removed("f", "C3"),
    ]
}

#[test]
fn records_of_a_recovered_state_restore_it() {
    // The states are compared after each record, not only at the end.
    for length in 0..=records_of_a_run().len() {
        let recovered_state: RecoveredState = records_of_a_run().into_iter().take(length).collect();
        let again: RecoveredState = recovered_state.records().into_iter().collect();
        assert_eq!(again, recovered_state, "after {length} records");
    }
    let recovered_state: RecoveredState = records_of_a_run().into_iter().collect();
    assert!(recovered_state.records().len() < records_of_a_run().len());
    assert_eq!(recovered_state.containers().collect::<Vec<_>>(), [&ContainerId::new("C1")]);
}

fn removed(executor: &str, container: &str) -> Record {
    Record::ExecutorRemoved {
        framework: FrameworkId::new("F"),
        executor: ExecutorId::new(executor),
        container: ContainerId::new(container),
    }
}

#[test]
fn ended_and_acknowledged_tasks_are_history() {
    let mut recovered_state: RecoveredState =
        [framework("F", true), executor("e", "C1"), task("t", "C1")].into_iter().collect();
    for record in [
        update("t", 1, TaskFinished),
        acknowledged("t", 1),
        done("e", "C1"),
        removed("e", "C1"),
        Record::FrameworkRemoved(FrameworkId::new("F")),
    ] {
        assert!(recovered_state.apply(&record));
    }
    assert_eq!(recovered_state.containers().count(), 0);
    let history = recovered_state.records();
    assert_eq!(history.len(), 5, "{history:?}");
    assert!(matches!(&history[2], Record::CompletedTask { task, .. } if task.task_id.value == "t"));
    assert_eq!(history.into_iter().collect::<RecoveredState>(), recovered_state);
    // A new agent has no such task.
    recovered_state.apply(&Record::Reset);
    assert_eq!(recovered_state, RecoveredState::default());
}

#[test]
fn history_is_bounded() {
    let mut recovered_state: RecoveredState = [framework("F", true)].into_iter().collect();
    for run in 0..1_500 {
        let (e, c) = (format!("e{run}"), format!("C{run}"));
        recovered_state.apply(&executor(&e, &c));
        for t in 0..if run == 1_000 { 300 } else { 15 } {
            recovered_state.apply(&task(&format!("t{run}.{t}"), &c));
        }
        recovered_state.apply(&removed(&e, &c));
    }
    let records = recovered_state.records();
    let tasks = |of: &str| {
        let is =
            |record: &&Record| matches!(record, Record::CompletedTask { container, .. } if container.as_str() == of);
        records.iter().filter(is).count()
    };
    let executors = records.iter().filter(|record| matches!(record, Record::Executor { .. })).count();
    assert_eq!((tasks("C1499"), tasks("C1000"), tasks("C0")), (15, 200, 0));
    // The records contain 10,000 tasks: 200 of one executor, 15 of each of the others.
    assert_eq!(executors, 1 + (10_000 - 200) / 15);
    assert_eq!(records.into_iter().collect::<RecoveredState>(), recovered_state);
}

#[test]
fn a_framework_without_checkpointing_leaves_no_records() {
    let mut recovered_state = RecoveredState::default();
    let records = [framework("F", false), executor("e", "C1"), task("t", "C1"), update("t", 1, TaskFinished)];
    for record in records.iter().chain([&Record::FrameworkRemoved(FrameworkId::new("F")), &acknowledged("t", 1)]) {
        assert!(!recovered_state.apply(record), "{record:?}");
    }
    assert_eq!(recovered_state, RecoveredState::default());
}

#[test]
fn policies() {
    fn info(resources: &str, attributes: &str) -> v1::AgentInfo {
        v1::AgentInfo {
            hostname: "h".into(),
            port: Some(5051),
            resources: resources::Resources::parse(resources, "*").unwrap().to_proto(),
            attributes: resources::attributes::parse(attributes).unwrap(),
            ..Default::default()
        }
    }
    use ReconfigurationPolicy::{Additive, Any, Equal};
    let before = info("cpus:2;mem:100;ports:[1-5]", "rack:a");
    for (policy, after, expect) in [
        (Equal, info("mem:100;cpus:2;ports:[1-5]", "rack:a"), None),
        (Equal, info("cpus:3;mem:100;ports:[1-5]", "rack:a"), Some("Incompatible agent info detected.")),
        (Any, info("gpus:1", "zone:b"), None),
        (Additive, info("cpus:3;mem:100;ports:[1-9];gpus:1", "rack:a;zone:b"), None),
        (
            Additive,
            info("cpus:1.5;mem:100;ports:[1-5]", "rack:a"),
            Some("'additive' policy: Value of scalar resource 'cpus' decreased from 2 to 1.5"),
        ),
        (
            Additive,
            info("cpus:2;mem:100;ports:[2-5]", "rack:a"),
            Some("Previous value of range resource 'ports' ([1-5]) not included in current [2-5]"),
        ),
        (Additive, info("cpus:2;ports:[1-5]", "rack:a"), Some("Resource not found: mem")),
        (Additive, info("cpus:2;mem:100;ports:[1-5]", ""), Some("Couldn't find attribute rack")),
        (Additive, info("cpus:2;mem:100;ports:[1-5]", "rack:b"), Some("Value of attribute 'rack' changed from a to b")),
    ] {
        let said = policy.check(&before, &after).err().map(|incompatible| incompatible.0);
        match (said, expect) {
            (None, None) => {}
            (Some(said), Some(expect)) => assert!(said.contains(expect), "{said}"),
            (said, expect) => panic!("{policy:?}: {said:?} instead of {expect:?}"),
        }
    }
}
