//! The ended executors of the agent, with their tasks. They serve only readers. As in Mesos, an ended executor is kept
//! as long as its sandbox exists, and their number is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use messages::v1;
use model::agent::{Change, ExecutorSnapshot, ExecutorState, FrameworkSnapshot, RecoveredCompletedExecutor};
use model::{ContainerId, ExecutorId, FrameworkId};
use resources::Resources;

use super::checkpointed::CheckpointedExecutor;
use crate::config::Config;
use crate::effects::{Context, Record};
use crate::registration::identity::Identity;
use crate::sandboxes::paths;

/// The number of Mesos' `MAX_COMPLETED_TASKS_PER_EXECUTOR`.
const MAX_TASKS_OF_ONE: usize = 200;
const MAX_EXECUTORS: usize = 1_000;
const MAX_TASKS: usize = 10_000;

/// Completed tasks of one executor, the oldest first.
pub(super) type CompletedTasks = VecDeque<Arc<v1::Task>>;

/// The ended executors. The oldest is dropped first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct History {
    executors: VecDeque<CompletedExecutor>,
    tasks: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct CompletedExecutor {
    framework: Arc<v1::FrameworkInfo>,
    container: ContainerId,
    info: Arc<v1::ExecutorInfo>,
    command_task: bool,
    tasks: CompletedTasks,
}

pub(super) fn complete(tasks: &mut CompletedTasks, task: Arc<v1::Task>) {
    if tasks.len() >= MAX_TASKS_OF_ONE {
        tasks.pop_front();
    }
    tasks.push_back(task);
}

impl History {
    pub fn push(&mut self, framework: Arc<v1::FrameworkInfo>, executor: CheckpointedExecutor) {
        let CheckpointedExecutor { container, info, command_task, tasks, mut completed, .. } = executor;
        // The last updates of these tasks are not acknowledged, and no acknowledgement can arrive any more.
        tasks.into_values().for_each(|task| complete(&mut completed, task));
        self.tasks += completed.len();
        self.executors.push_back(CompletedExecutor { framework, container, info, command_task, tasks: completed });
        while self.executors.len() > MAX_EXECUTORS || self.tasks > MAX_TASKS {
            let Some(oldest) = self.executors.pop_front() else { break };
            self.tasks -= oldest.tasks.len();
        }
    }

    /// Appends the records that lead to this history; all frameworks in them have ended when they have been read.
    pub fn records(&self, records: &mut Vec<Record>) {
        let mut frameworks = BTreeSet::new();
        for CompletedExecutor { framework, container, info, command_task, tasks } in &self.executors {
            let Some(id) = framework.id.as_ref().map(FrameworkId::from) else { continue };
            let (executor, container) = (ExecutorId::from(&info.executor_id), container.clone());
            records.push(Record::Framework { info: framework.clone(), pid: None });
            records.push(Record::Executor {
                framework: id.clone(),
                container: container.clone(),
                info: info.clone(),
                command_task: *command_task,
            });
            records.extend(tasks.iter().map(|task| Record::CompletedTask {
                framework: id.clone(),
                container: container.clone(),
                task: task.clone(),
            }));
            records.push(Record::ExecutorRemoved { framework: id.clone(), executor, container });
            frameworks.insert(id);
        }
        records.extend(frameworks.into_iter().map(Record::FrameworkRemoved));
    }
}

/// Publishes the ended executors whose sandboxes exist. Those of frameworks in `live` are published later, with these
/// frameworks.
pub(super) fn recover_completed(
    config: &Config,
    identity: &Identity,
    cx: &mut Context<'_>,
    history: History,
    sandboxes: &[(PathBuf, Duration)],
    live: &BTreeSet<FrameworkId>,
) -> BTreeMap<FrameworkId, Vec<RecoveredCompletedExecutor>> {
    let there: BTreeSet<&Path> = sandboxes.iter().map(|(path, _)| path.as_path()).collect();
    let mut completed: BTreeMap<FrameworkId, (usize, Arc<v1::FrameworkInfo>, Vec<RecoveredCompletedExecutor>)> =
        BTreeMap::new();
    for (at, executor) in history.executors.into_iter().enumerate() {
        let Some(id) = executor.framework.id.as_ref().map(FrameworkId::from) else { continue };
        let info = executor.framework.clone();
        let Some(executor) =
            recovered_executor(config, identity, &id, executor).filter(|e| there.contains(&*e.snapshot.sandbox))
        else {
            continue;
        };
        let entry = completed.entry(id).or_insert_with(|| (at, info.clone(), Vec::new()));
        (entry.0, entry.1) = (at, info);
        entry.2.push(executor);
    }
    let mut kept = BTreeMap::new();
    let mut ended = Vec::new();
    for (id, (at, info, executors)) in completed {
        match live.contains(&id) {
            true => drop(kept.insert(id, executors)),
            false => ended.push((at, FrameworkSnapshot { id, info, pid: None }, executors)),
        }
    }
    // The executors are published in the order in which they ended.
    ended.sort_by_key(|(at, ..)| *at);
    for (_, framework, executors) in ended {
        cx.publish(Change::CompletedFrameworkRecovered { framework: Arc::new(framework), executors });
    }
    kept
}

fn recovered_executor(
    config: &Config,
    identity: &Identity,
    framework: &FrameworkId,
    executor: CompletedExecutor,
) -> Option<RecoveredCompletedExecutor> {
    let id = ExecutorId::from(&executor.info.executor_id);
    let snapshot = ExecutorSnapshot {
        sandbox: paths::run(&config.work_dir, &identity.id()?, framework, &id, &executor.container),
        framework: framework.clone(),
        id,
        container: executor.container,
        resources: Resources::from_proto(&executor.info.resources).unwrap_or_default(),
        info: executor.info,
        state: ExecutorState::Terminated,
        pid: None,
    };
    Some(RecoveredCompletedExecutor { snapshot: Arc::new(snapshot), tasks: executor.tasks.into() })
}
