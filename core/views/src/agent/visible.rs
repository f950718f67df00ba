//! The part of an agent's view that its reader may see.

use std::borrow::Cow;
use std::sync::Arc;

use messages::v1;
use model::agent::ExecutorSnapshot;
use resources::Resources;
use resources::operation::resource_lists;

use super::Snapshot;
use super::entity::{Executor, Framework};
use crate::entity::{Task, parse};

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
        let mut info = info.clone();
        info.resources.retain(|resource| {
            let one = parse(std::slice::from_ref(resource));
            self.visibility.shown(&one) == one
        });
        Cow::Owned(info)
    }

    /// Returns the operations that are shown. Their frameworks and their resources are shown as well.
    pub(super) fn visible_operations(&self) -> impl Iterator<Item = &Arc<v1::Operation>> {
        let is_shown = |resources: &Resources| self.visibility.shown(resources) == *resources;
        let is_of_shown = |id: &v1::FrameworkId| {
            let all = self.visible_frameworks().chain(self.visible_completed());
            all.map(|framework| framework.snapshot.id.as_str()).any(|known| known == id.value)
        };
        self.operations.iter().filter(move |operation| {
            self.visibility.is_everything()
                || operation.framework_id.as_ref().is_none_or(is_of_shown)
                    && resource_lists(&operation.info)
                        .unwrap_or_default()
                        .iter()
                        .all(|list| is_shown(&parse(list.as_slice())))
        })
    }
}
