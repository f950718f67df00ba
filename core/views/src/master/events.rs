//! The operator's event stream (`SUBSCRIBE`).

use messages::v1::master::Event;
use messages::v1::master::event::{
    AgentAdded, AgentRemoved, FrameworkAdded, FrameworkRemoved, FrameworkUpdated, Subscribed, TaskAdded, TaskUpdated,
    Type,
};
use model::master::{AgentRemoval, Change};

use super::operator;
use super::{Snapshot, View};

pub(super) fn subscribed(snapshot: &Snapshot) -> Event {
    Event {
        r#type: Some(Type::Subscribed as i32),
        subscribed: Some(Box::new(Subscribed {
            get_state: Some(Box::new(operator::state(snapshot))),
            heartbeat_interval_seconds: Some(snapshot.static_info.heartbeat_interval.as_secs_f64()),
        })),
        ..Event::default()
    }
}

pub(super) fn of(view: &View, change: &Change) -> Option<Event> {
    match change {
        Change::AgentAdded(added) => Some(Event {
            r#type: Some(Type::AgentAdded as i32),
            agent_added: Some(Box::new(AgentAdded { agent: operator::agent(view.agent(added.id.as_str())?) })),
            ..Event::default()
        }),
        // Mesos announces an agent that unregisters or whose machine is taken down, but neither an unreachable nor a
        // gone one.
        Change::AgentRemoved { agent, removal: AgentRemoval::Removed(_), .. } => Some(Event {
            r#type: Some(Type::AgentRemoved as i32),
            agent_removed: Some(Box::new(AgentRemoved { agent_id: agent.to_proto() })),
            ..Event::default()
        }),
        Change::FrameworkAdded(framework) => Some(Event {
            r#type: Some(Type::FrameworkAdded as i32),
            framework_added: Some(Box::new(FrameworkAdded { framework: operator::announced(framework) })),
            ..Event::default()
        }),
        Change::FrameworkUpdated(framework) => Some(Event {
            r#type: Some(Type::FrameworkUpdated as i32),
            framework_updated: Some(Box::new(FrameworkUpdated { framework: operator::announced(framework) })),
            ..Event::default()
        }),
        Change::FrameworkRemoved(framework) => Some(Event {
            r#type: Some(Type::FrameworkRemoved as i32),
            framework_removed: Some(Box::new(FrameworkRemoved { framework_info: (*framework.info).clone() })),
            ..Event::default()
        }),
        Change::TaskAdded(task) => Some(Event {
            r#type: Some(Type::TaskAdded as i32),
            task_added: Some(Box::new(TaskAdded { task: task.message() })),
            ..Event::default()
        }),
        Change::TaskUpdated { task, status } => Some(Event {
            r#type: Some(Type::TaskUpdated as i32),
            task_updated: Some(Box::new(TaskUpdated {
                framework_id: task.framework().to_proto(),
                status: (**status).clone(),
                state: task.state() as i32,
            })),
            ..Event::default()
        }),
        Change::AgentUpdated(_)
        | Change::AgentsRecovered(_)
        | Change::UnreachableRecovered(_)
        | Change::UnreachableForgotten(_)
        | Change::AgentRemoved { .. }
        | Change::TaskRemoved { .. }
        | Change::ExecutorAdded(_)
        | Change::ExecutorRemoved { .. }
        | Change::OperationAdded(_)
        | Change::OperationUpdated(_)
        | Change::OperationRemoved(_)
        | Change::OfferAdded(_)
        | Change::OfferRemoved(_)
        | Change::WeightsUpdated(_)
        | Change::QuotasUpdated(_)
        | Change::PartitionsUpdated(_)
        | Change::MaintenanceUpdated(_)
        | Change::InverseOfferAnswered { .. }
        | Change::InverseOfferStatusesCleared(_)
        | Change::OfferFiltersCounted { .. }
        | Change::IncidentsRestored(_)
        | Change::Incident(..) => None,
    }
}
