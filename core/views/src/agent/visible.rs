//! The part of an agent's view that its reader may see.

use std::borrow::Cow;
use std::sync::Arc;

use messages::v1;
use model::agent::ExecutorSnapshot;

use super::Snapshot;
use super::entity::{Executor, Framework};
use super::task::Task;

impl Snapshot {
    /// Returns the frameworks that are shown.
    pub(super) fn visible_frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.iter().filter(|framework| self.visibility.shows_framework(&framework.snapshot.info))
    }

    /// Returns the completed frameworks that are shown.
    pub(super) fn visible_completed(&self) -> impl Iterator<Item = &Framework> {
        self.completed.iter().filter(|framework| self.visibility.shows_framework(&framework.snapshot.info))
    }

    /// Selects the executors of a framework that are shown.
    pub(super) fn visible_executors<'a>(
        &'a self,
        framework: &'a Framework,
        executors: impl Iterator<Item = &'a Executor>,
    ) -> impl Iterator<Item = &'a Executor> {
        executors
            .filter(move |executor| self.visibility.shows_executor(&executor.snapshot.info, &framework.snapshot.info))
    }

    /// Selects the tasks of a framework that are shown.
    pub(super) fn visible_tasks<'a>(
        &'a self,
        framework: &'a Framework,
        tasks: impl Iterator<Item = &'a Arc<Task>>,
    ) -> impl Iterator<Item = &'a Arc<Task>> {
        tasks.filter(move |task| self.visibility.shows_task(&task.task, &framework.snapshot.info))
    }

    /// Returns the executors whose containers are shown.
    pub(super) fn visible_containers(&self) -> impl Iterator<Item = &ExecutorSnapshot> {
        self.visible_frameworks().flat_map(|framework| {
            let executors = framework.executors.iter().map(|executor| &*executor.snapshot);
            executors.filter(|executor| self.visibility.shows_container(&executor.info, &framework.snapshot.info))
        })
    }

    /// Returns the description of the agent, without resources of roles that are hidden.
    pub(super) fn visible_info<'a>(&self, info: &'a v1::AgentInfo) -> Cow<'a, v1::AgentInfo> {
        if self.visibility.is_everything() {
            return Cow::Borrowed(info);
        }
        Cow::Owned(self.visibility.shown_info(info))
    }

    /// Returns the operations that are shown. Their frameworks and their resources are shown as well.
    pub(super) fn visible_operations(&self) -> impl Iterator<Item = &Arc<v1::Operation>> {
        let is_of_shown = |id: &v1::FrameworkId| {
            let all = self.visible_frameworks().chain(self.visible_completed());
            all.map(|framework| framework.snapshot.id.as_str()).any(|known| known == id.value)
        };
        self.operations.iter().filter(move |operation| {
            self.visibility.is_everything()
                || operation.framework_id.as_ref().is_none_or(is_of_shown)
                    && self.visibility.shows_resources_of(&operation.info)
        })
    }
}
