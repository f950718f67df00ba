//! The part of a master's view that its reader may see. Entities are selected one by one: nothing is copied for a
//! reader who may see everything, and for others only entities that lose a resource of a hidden role are copied.

use std::borrow::Cow;
use std::sync::Arc;

use messages::v1;
use messages::v1::master::Event;
use messages::v1::master::event::{AgentAdded, Type};
use model::incident::{Incident, InvolvedObject};
use model::master::AgentSnapshot;
use resources::Resources;

use super::entity::{Agent, Executor, Framework};
use super::task::Task;
use super::{Snapshot, View, operator};
use crate::Visibility;

impl Snapshot {
    /// Returns the registered frameworks that are shown.
    pub(crate) fn visible_frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.iter().filter(|framework| self.visibility.shows_framework(&framework.snapshot.info))
    }

    /// Returns the completed frameworks that are shown.
    pub(crate) fn visible_completed(&self) -> impl Iterator<Item = &Framework> {
        self.completed.iter().filter(|framework| self.visibility.shows_framework(&framework.snapshot.info))
    }

    /// Selects those of a framework's tasks that are shown. A task is decoded only if the reader may not see everything.
    pub(crate) fn visible_tasks<'a>(
        &'a self,
        framework: &'a Framework,
        tasks: impl Iterator<Item = &'a Arc<Task>>,
    ) -> impl Iterator<Item = &'a Arc<Task>> {
        let visibility = &self.visibility;
        tasks.filter(move |task| {
            visibility.is_everything() || visibility.shows_task(&task.snapshot.message(), &framework.snapshot.info)
        })
    }

    /// Returns the executors of a framework that are shown.
    pub(crate) fn visible_executors<'a>(&'a self, framework: &'a Framework) -> impl Iterator<Item = &'a Arc<Executor>> {
        let shows = move |executor: &&Arc<Executor>| {
            self.visibility.shows_executor(&executor.snapshot.info, &framework.snapshot.info)
        };
        framework.executors.iter().filter(shows)
    }

    /// Returns the registered agents, without resources of roles that are hidden.
    pub(crate) fn visible_agents(&self) -> impl Iterator<Item = Cow<'_, Agent>> {
        self.agents.iter().map(|agent| agent.seen_by(&self.visibility))
    }

    /// Returns the recovered agents that have not re-registered yet, without resources of roles that are hidden.
    pub(crate) fn visible_recovered(&self) -> impl Iterator<Item = Cow<'_, Arc<v1::AgentInfo>>> {
        self.recovered.iter().map(|info| match self.visibility.is_everything() {
            true => Cow::Borrowed(info),
            false => Cow::Owned(Arc::new(self.visibility.shown_info(info))),
        })
    }

    /// Returns the operations that are shown. Their frameworks and their resources are shown as well.
    pub(crate) fn visible_operations(&self) -> impl Iterator<Item = &Arc<v1::Operation>> {
        self.operations.iter().filter(|operation| self.shows_operation(operation))
    }

    fn shows_operation(&self, operation: &v1::Operation) -> bool {
        if self.visibility.is_everything() {
            return true;
        }
        let is_of_shown = |id: &v1::FrameworkId| {
            self.framework_info(&id.value).is_some_and(|info| self.visibility.shows_framework(info))
        };
        operation.framework_id.as_ref().is_none_or(is_of_shown) && self.visibility.shows_resources_of(&operation.info)
    }

    /// Returns whether information about the framework with this id is shown. An unknown framework is hidden from
    /// readers who may not see everything.
    pub(crate) fn shows_framework_named(&self, id: &str) -> bool {
        self.visibility.is_everything()
            || self.framework_info(id).is_some_and(|info| self.visibility.shows_framework(info))
    }

    /// Returns whether an incident is shown. An incident about a framework or its executors is shown if the framework
    /// is.
    pub fn shows_incident(&self, incident: &Incident) -> bool {
        match &incident.object {
            InvolvedObject::Framework(framework) | InvolvedObject::Executors(_, framework) => {
                self.shows_framework_named(framework.as_str())
            }
            InvolvedObject::Agent(_) | InvolvedObject::Master(_) => true,
        }
    }

    fn framework_info(&self, id: &str) -> Option<&v1::FrameworkInfo> {
        let all = self.frameworks.iter().chain(self.completed.iter());
        let mut named = all.filter(|framework| framework.snapshot.id.as_str() == id);
        named.next().map(|framework| &*framework.snapshot.info)
    }
}

impl Agent {
    /// Returns the agent without resources of roles that are hidden.
    fn seen_by(&self, visibility: &Visibility) -> Cow<'_, Agent> {
        if visibility.is_everything() {
            return Cow::Borrowed(self);
        }
        let shown = |resources: &Resources| visibility.shown(resources);
        let mut agent = Agent::new(Arc::new(AgentSnapshot {
            total: shown(&self.snapshot.total),
            info: Arc::new(visibility.shown_info(&self.snapshot.info)),
            ..(*self.snapshot).clone()
        }));
        agent.used = self.used.iter().map(|(framework, used)| (framework.clone(), shown(used))).collect();
        agent.offered = shown(&self.offered);
        Cow::Owned(agent)
    }
}

impl View {
    /// Returns an event as the stream of an operator with these rights carries it; `None` if the event is hidden.
    pub fn event_seen_by(&self, visibility: &Visibility, event: &Arc<Event>) -> Option<Arc<Event>> {
        if visibility.is_everything() {
            return Some(Arc::clone(event));
        }
        let shows_task = |framework: &v1::FrameworkId, task: &v1::TaskId| {
            self.task(&framework.value, &task.value).is_some_and(|(framework, task)| {
                let info = &framework.snapshot.info;
                visibility.shows_framework(info) && visibility.shows_task(&task.snapshot.message(), info)
            })
        };
        let is_shown = match event.r#type() {
            Type::AgentAdded => {
                let added = event.agent_added.as_ref()?.agent.agent_info.id.as_ref()?;
                let agent = operator::agent(&self.agent(&added.value)?.seen_by(visibility));
                return Some(Arc::new(Event {
                    agent_added: Some(Box::new(AgentAdded { agent })),
                    ..Event::clone(event)
                }));
            }
            Type::FrameworkAdded => {
                visibility.shows_framework(&event.framework_added.as_ref()?.framework.framework_info)
            }
            Type::FrameworkUpdated => {
                visibility.shows_framework(&event.framework_updated.as_ref()?.framework.framework_info)
            }
            Type::FrameworkRemoved => visibility.shows_framework(&event.framework_removed.as_ref()?.framework_info),
            Type::TaskAdded => {
                let task = &event.task_added.as_ref()?.task;
                shows_task(&task.framework_id, &task.task_id)
            }
            Type::TaskUpdated => {
                let updated = event.task_updated.as_ref()?;
                shows_task(&updated.framework_id, &updated.status.task_id)
            }
            Type::AgentRemoved | Type::Heartbeat | Type::Subscribed | Type::Unknown => true,
        };
        is_shown.then(|| Arc::clone(event))
    }
}
