//! The rights of a reader.

use std::fmt::Debug;
use std::sync::Arc;

use messages::v1;
use resources::operation::resource_lists;
use resources::{Resource, Resources};

use crate::entity::parse;

/// Decides which entities a caller may see (Mesos: `ObjectApprovers`).
pub trait Approver: Debug + Send + Sync {
    /// Returns a text that is equal for exactly those callers who have the same rights. They share responses.
    fn class(&self) -> &str;

    /// Returns whether a framework and what belongs to it may be seen (`VIEW_FRAMEWORK`).
    fn approves_framework(&self, framework: &v1::FrameworkInfo) -> bool;

    /// Returns whether a task of a framework may be seen (`VIEW_TASK`).
    fn approves_task(&self, task: &v1::Task, framework: &v1::FrameworkInfo) -> bool;

    /// Returns whether an executor of a framework may be seen (`VIEW_EXECUTOR`).
    fn approves_executor(&self, executor: &v1::ExecutorInfo, framework: &v1::FrameworkInfo) -> bool;

    /// Returns whether the container of an executor may be seen (`VIEW_CONTAINER`).
    fn approves_container(&self, executor: &v1::ExecutorInfo, framework: &v1::FrameworkInfo) -> bool;

    /// Returns whether a role, and what is reserved for it or allocated to it, may be seen (`VIEW_ROLE`; `GET_QUOTA`
    /// for quota).
    fn approves_role(&self, role: &str) -> bool;
}

/// The rights of the reader of a snapshot. Renderers query it for every entity that can be hidden.
#[derive(Debug, Clone, Default)]
pub struct Visibility(Option<Arc<dyn Approver>>);

impl PartialEq for Visibility {
    fn eq(&self, other: &Visibility) -> bool {
        self.is_everything() == other.is_everything() && self.class() == other.class()
    }
}

impl Eq for Visibility {}

impl Visibility {
    /// Returns the rights of a reader who may see everything.
    pub fn everything() -> Self {
        Visibility(None)
    }

    /// Returns the rights of a reader who may see the entities that `approver` approves.
    pub fn approved_by(approver: Arc<dyn Approver>) -> Self {
        Visibility(Some(approver))
    }

    /// Returns a text that is the same for readers with the same rights, who can share a response.
    pub fn class(&self) -> &str {
        self.0.as_deref().map_or("everything", Approver::class)
    }

    /// Returns whether nothing is hidden, so that what was encoded for all readers can be used.
    pub fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Returns whether a framework and everything that belongs to it is shown (`VIEW_FRAMEWORK`).
    pub fn shows_framework(&self, framework: &v1::FrameworkInfo) -> bool {
        self.asks(|approver| approver.approves_framework(framework))
    }

    /// Returns whether a task is shown, given that its framework is (`VIEW_TASK`).
    pub fn shows_task(&self, task: &v1::Task, framework: &v1::FrameworkInfo) -> bool {
        self.asks(|approver| approver.approves_task(task, framework))
    }

    /// Returns whether an executor is shown, given that its framework is (`VIEW_EXECUTOR`).
    pub fn shows_executor(&self, executor: &v1::ExecutorInfo, framework: &v1::FrameworkInfo) -> bool {
        self.asks(|approver| approver.approves_executor(executor, framework))
    }

    /// Returns whether the container of an executor is shown (`VIEW_CONTAINER`).
    pub fn shows_container(&self, executor: &v1::ExecutorInfo, framework: &v1::FrameworkInfo) -> bool {
        self.asks(|approver| approver.approves_container(executor, framework))
    }

    /// Returns whether a role is shown (`VIEW_ROLE`).
    pub fn shows_role(&self, role: &str) -> bool {
        self.asks(|approver| approver.approves_role(role))
    }

    /// Returns whether a resource is shown, which it is if all roles that it is reserved for or allocated to are shown.
    pub fn shows_resource(&self, resource: &Resource) -> bool {
        self.is_everything()
            || resource.reservations().iter().all(|reservation| self.shows_role(reservation.role.as_str()))
                && resource.allocation_role().is_none_or(|role| self.shows_role(role.as_str()))
    }

    /// Returns the resources that are shown.
    pub fn shown(&self, resources: &Resources) -> Resources {
        if self.is_everything() {
            resources.clone()
        } else {
            resources.filter(|resource| self.shows_resource(resource))
        }
    }

    /// Returns the description of an agent without the resources that are hidden.
    pub(crate) fn shown_info(&self, info: &v1::AgentInfo) -> v1::AgentInfo {
        let mut info = info.clone();
        info.resources.retain(|resource| self.shows_all(std::slice::from_ref(resource)));
        info
    }

    /// Returns whether all resources that an operation consumes or produces are shown.
    pub(crate) fn shows_resources_of(&self, operation: &v1::offer::Operation) -> bool {
        resource_lists(operation).unwrap_or_default().iter().all(|list| self.shows_all(list.as_slice()))
    }

    fn shows_all(&self, resources: &[v1::Resource]) -> bool {
        let resources = parse(resources);
        self.shown(&resources) == resources
    }

    fn asks(&self, approves: impl FnOnce(&dyn Approver) -> bool) -> bool {
        self.0.as_deref().is_none_or(approves)
    }
}
