//! The return of an agent that is not registered: from an outage, or to a new master. It has tasks, executors and
//! frameworks that the master may not know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use messages::{internal, v1};
use model::master::{AgentSnapshot, Change, TaskRemoval, TaskSnapshot};
use model::{AgentId, FrameworkId, Role, Upid};
use resources::Resources;

use super::capabilities::{AgentCapabilities, capability_numbers};
use super::index::{Agents, UnreachableAgent};
use super::pings::start_pings;
use super::recovery::Recovery;
use super::registration::{add_agent, connection, total_of, upgrade};
use super::reregistration::{current_status, send_framework_updates};
use crate::draining::{check_drained, drain_state_of, send_drain};
use crate::failures::observe_recovery_complete;
use crate::frameworks::{Frameworks, recover_framework, roles_of};
use crate::interface::Context;
use crate::registry::{Continuation, Registry, RegistryOperation, store};
use crate::state::State;
use crate::tasks::{Tasks, add_executor, add_task, forward_master_generated, task};
use model::master::Metrics;

/// Continues once the registry has the agent as admitted again.
pub(crate) fn readmitted(
    state: &mut State,
    cx: &mut Context<'_>,
    from: Upid,
    mut message: internal::ReregisterSlaveMessage,
) {
    let Some(id) = message.slave.id.as_ref().map(AgentId::from) else { return };
    state.registry.end_reregistration(&id);
    if is_being_removed_or_gone(&state.registry, cx, &id, &from) {
        return;
    }
    let Some(total) = total_of(&message.slave.resources, &message.checkpointed_resources) else { return };
    let capabilities = capability_numbers(&message.agent_capabilities);
    let was_recovered = state.recovery.take(&id).is_some();
    let was_unreachable = state.agents.take_unreachable(id.as_str());
    forget_unreachable_tasks(&state.agents, &state.metrics, &mut state.tasks, cx, was_unreachable.as_ref());

    let completed = leave_out_completed(&state.frameworks, &mut message);
    recover_frameworks(state, cx, &message.frameworks);
    let reported = reported(
        &state.frameworks,
        &state.tasks,
        &id,
        message.tasks,
        message.executor_infos,
        AgentCapabilities::of(&capabilities),
    );
    let cause =
        if was_unreachable.is_some() { "Unreachable agent re-reregistered" } else { "Unknown agent reregistered" };
    if !was_recovered {
        // After a failover frameworks reconcile, or receive the updates of the agent.
        send_returned_task_updates(&state.frameworks, &state.metrics, &mut state.tasks, cx, &reported, cause);
    }

    state.metrics.slave_reregistrations.increment();
    let (drain, deactivated) = drain_state_of(&state.registry, &id);
    let info = state.registry.described(&id, message.slave);
    let snapshot = AgentSnapshot {
        version: message.version.unwrap_or_default(),
        capabilities,
        registered: cx.now.wall,
        reregistered: Some(cx.now.wall),
        active: !deactivated,
        deactivated,
        drain,
        ..AgentSnapshot::new(id.clone(), info, from.clone(), total)
    };
    add_agent(state, cx, snapshot, message.resource_version_uuid, &reported.used());
    add_reported(state, cx, &id, reported);
    send_drain(&state.agents, cx, &id);
    // An agent with resource providers has not reported its operations yet: its first UpdateSlaveMessage does.
    if state.agents.get(id.as_str()).is_some_and(|agent| !agent.capabilities().resource_provider) {
        check_drained(state, cx, &id);
    }
    cx.send(
        &from,
        internal::SlaveReregisteredMessage {
            slave_id: id.to_proto(),
            reconciliations: Vec::new(),
            connection: Some(connection(&state.config)),
        },
    );
    start_pings(&mut state.agents, &mut state.pings, cx, &id);
    if was_recovered {
        observe_recovery_complete(state, cx);
    }
    for framework_id in completed {
        cx.send(&from, internal::ShutdownFrameworkMessage { framework_id });
    }
    send_framework_updates(state, cx, &from, &message.frameworks);
}

/// Begins the re-registration of an agent that this master does not have as registered. If the registry has it with the
/// same description, no record is needed; after a failover this is so for most agents.
pub(crate) fn readmit(
    state: &mut State,
    cx: &mut Context<'_>,
    id: AgentId,
    from: Upid,
    message: Box<internal::ReregisterSlaveMessage>,
) {
    let operation = match state.recovery.get(&id) {
        Some(known) if **known == message.slave => return readmitted(state, cx, from, *message),
        Some(_) => RegistryOperation::UpdateAgent(Arc::new(message.slave.clone()), from.clone()),
        None if !state.registry.durable().unreachable.contains_key(&id) => {
            warn_of_unknown_agent(&mut state.recovery, &state.registry, &id, &from);
            RegistryOperation::MarkReachable(Arc::new(message.slave.clone()), from.clone())
        }
        None => RegistryOperation::MarkReachable(Arc::new(message.slave.clone()), from.clone()),
    };
    state.registry.begin_reregistration(id);
    store(&state.metrics, &mut state.registry, cx, operation, Continuation::Readmit { from, message });
}

/// Warns of an agent without a record. It was registered in this cluster, since it has an id: either it was removed
/// from the registry as unreachable for too long, or the registry is not the one it was. Mesos says nothing and admits
/// it. Admitting it is right, since its tasks run, but an operator has to be informed of the loss.
fn warn_of_unknown_agent(recovery: &mut Recovery, registry: &Registry, id: &AgentId, from: &Upid) {
    tracing::warn!(agent = %id, %from, "an agent comes back of which the registry has no record");
    if recovery.note_unknown_agent() {
        tracing::error!(
            known = registry.durable().agents.len(),
            "agents come back that the registry has no record of: unless they were away for longer than \
             --registry_max_agent_age, the registry of this cluster was lost, replaced or belongs to another one; \
             quota, weights, maintenance, and agents that were drained, deactivated or marked gone may be forgotten"
        );
    }
}

/// Returns whether the agent is being removed or gone. A retry answers one whose removal is in progress; one that was
/// marked gone has to shut down.
pub(crate) fn is_being_removed_or_gone(registry: &Registry, cx: &mut Context<'_>, id: &AgentId, from: &Upid) -> bool {
    if registry.durable().gone.contains_key(id) {
        crate::agents::shut_down_agent(cx, from, "Agent has been marked gone");
        return true;
    }
    registry.pending_removal(id).is_some()
}

fn forget_unreachable_tasks(
    agents: &Agents,
    metrics: &Metrics,
    tasks: &mut Tasks,
    cx: &mut Context<'_>,
    agent: Option<&UnreachableAgent>,
) {
    metrics.slaves_unreachable.set(agents.unreachable_count() as i64);
    for (framework, task) in agent.into_iter().flat_map(|agent| &agent.tasks) {
        forget_unreachable_task(metrics, tasks, cx, framework, task.as_str());
    }
}

fn forget_unreachable_task(
    metrics: &Metrics,
    tasks: &mut Tasks,
    cx: &mut Context<'_>,
    framework: &FrameworkId,
    task: &str,
) {
    let Some(known) = tasks.take_unreachable(framework.as_str(), task) else { return };
    metrics.tasks_unreachable.decrement();
    cx.publish(Change::TaskRemoved {
        framework: framework.clone(),
        task: known.id().clone(),
        removal: TaskRemoval::AgentReregistered,
    });
}

/// Leaves out the tasks and executors of completed frameworks; the agent is sent ShutdownFrameworkMessage for them.
fn leave_out_completed(
    frameworks: &Frameworks,
    message: &mut internal::ReregisterSlaveMessage,
) -> Vec<v1::FrameworkId> {
    let completed: Vec<v1::FrameworkId> = message
        .frameworks
        .iter()
        .filter_map(|info| info.id.clone())
        .filter(|id| frameworks.is_completed(&id.value))
        .collect();
    message.frameworks.retain(|info| info.id.as_ref().is_some_and(|id| !completed.contains(id)));
    message.tasks.retain(|task| !completed.contains(&task.framework_id));
    message.executor_infos.retain(|executor| executor.framework_id.as_ref().is_none_or(|id| !completed.contains(id)));
    completed
}

fn recover_frameworks(state: &mut State, cx: &mut Context<'_>, infos: &[v1::FrameworkInfo]) {
    for info in infos {
        if info.id.as_ref().is_some_and(|id| state.frameworks.get(&id.value).is_none()) {
            recover_framework(state, cx, info.clone());
        }
    }
}

/// Returns the tasks and executors that the agent reports, as far as they can be accounted to a framework and a role.
fn reported(
    frameworks: &Frameworks,
    tasks: &Tasks,
    agent: &AgentId,
    listed: Vec<v1::Task>,
    executors: Vec<v1::ExecutorInfo>,
    capabilities: AgentCapabilities,
) -> ReportedTasks {
    // Before MULTI_ROLE a framework had one role, and agents did not report it with resources.
    let role_of = |framework: &str| {
        let framework = frameworks.get(framework).filter(|_| !capabilities.multi_role)?;
        roles_of(framework.info()).first().cloned()
    };
    let mut reported = ReportedTasks::default();
    let mut claimed = BTreeSet::new();
    for mut task in listed {
        let Some(framework) = frameworks.get(&task.framework_id.value) else { continue };
        // The id may occur twice, here or on another agent: two tasks cannot share it.
        let is_new = claimed.insert((framework.id().clone(), task.task_id.value.clone()))
            && tasks.get(framework.id().as_str(), &task.task_id.value).is_none();
        match allocated(&mut task.resources, role_of(&task.framework_id.value)).filter(|_| is_new) {
            Some(resources) => {
                reported.tasks.push(TaskSnapshot::new(&task, framework.id().clone(), agent.clone(), resources));
            }
            None => tracing::warn!(
                task = task.task_id.value,
                "ignoring a task that an agent reports: its id is in use, or its resources have no role"
            ),
        }
    }
    for mut executor in executors {
        let id = executor.framework_id.as_ref().map_or("", |id| id.value.as_str()).to_owned();
        let Some(framework) = frameworks.get(&id) else { continue };
        match allocated(&mut executor.resources, role_of(&id)) {
            Some(resources) => reported.executors.push((framework.id().clone(), executor, resources)),
            None => tracing::warn!(
                executor = executor.executor_id.value,
                "ignoring an executor that an agent reports: its resources have no role"
            ),
        }
    }
    reported
}

fn send_returned_task_updates(
    frameworks: &Frameworks,
    metrics: &Metrics,
    tasks: &mut Tasks,
    cx: &mut Context<'_>,
    reported: &ReportedTasks,
    cause: &str,
) {
    for task in &reported.tasks {
        // The master may have removed the agent, but not its task yet.
        forget_unreachable_task(metrics, tasks, cx, task.framework(), task.id().as_str());
        let status = current_status(task, cause, v1::task_status::Reason::AgentReregistered, cx);
        forward_master_generated(frameworks, cx, task.framework(), &status);
    }
}

fn add_reported(state: &mut State, cx: &mut Context<'_>, agent: &AgentId, reported: ReportedTasks) {
    for task in reported.tasks {
        add_task(state, cx, task);
    }
    for (framework, executor, resources) in reported.executors {
        add_executor(state, cx, &framework, agent, executor, resources);
    }
}

/// The tasks and executors that a returning agent reports.
#[derive(Debug, Default)]
struct ReportedTasks {
    tasks: Vec<TaskSnapshot>,
    executors: Vec<(FrameworkId, v1::ExecutorInfo, Resources)>,
}

impl ReportedTasks {
    /// Returns the resources of the tasks and executors, per framework.
    fn used(&self) -> Vec<(FrameworkId, Resources)> {
        let mut used: BTreeMap<&FrameworkId, Resources> = BTreeMap::new();
        for task in &self.tasks {
            if !task::is_terminal_or_unreachable(task.state()) {
                *used.entry(task.framework()).or_default() += task.resources();
            }
        }
        for (framework, _, resources) in &self.executors {
            *used.entry(framework).or_default() += resources;
        }
        used.into_iter().map(|(framework, resources)| (framework.clone(), resources)).collect()
    }
}

/// Returns the resources, with `role` as their allocation if they name none; `None` if they then have no role, since
/// they could not be accounted to anybody.
fn allocated(protos: &mut Vec<v1::Resource>, role: Option<Role>) -> Option<Resources> {
    upgrade(protos);
    if let Some(role) = role {
        for resource in protos.iter_mut().filter(|resource| resource.allocation_info.is_none()) {
            resource.allocation_info = Some(v1::resource::AllocationInfo { role: Some(role.as_str().to_owned()) });
        }
    }
    Resources::from_proto(protos).ok().filter(|resources| resources.iter().all(|r| r.allocation_role().is_some()))
}
