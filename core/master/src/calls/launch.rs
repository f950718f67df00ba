//! LAUNCH and LAUNCH_GROUP: from accepted resources to tasks on an agent.

use std::sync::Arc;

use messages::{internal, v1};
use model::master::TaskSnapshot;
use resources::Resources;
use v1::offer::operation::{Launch, LaunchGroup, Type as Operation};
use v1::task_status::Reason;
use validation::ValidationError;
use validation::task::{LaunchAgent, TaskIdUse};

use super::accept::complete;
use super::accepted_offers::AcceptedOffers;
use crate::agents::{Agent, Agents};
use crate::frameworks::{Framework, Frameworks};
use crate::interface::Context;
use crate::state::State;
use crate::tasks::{MasterGenerated, Task, Tasks, add_executor, add_task, refuse_task, task};
use model::master::Metrics;

/// Validates and launches each task separately. A refused task does not prevent the launch of the next one.
pub(crate) fn launch(
    state: &mut State,
    cx: &mut Context<'_>,
    accepted: &mut AcceptedOffers,
    launch: Launch,
    has_id: bool,
) {
    let tasks = launch.task_infos;
    if let Err(reason) = check_operation(&tasks, None, has_id, "LAUNCH") {
        return refuse_tasks(&state.frameworks, &state.metrics, cx, accepted, &tasks, Reason::TaskInvalid, &reason);
    }
    for mut task in tasks {
        prepare(&mut task, accepted);
        if let Err(reason) = with_context(&state.agents, &state.frameworks, &state.tasks, accepted, |context| {
            validation::task::validate(&task, context)
        }) {
            refuse_tasks(
                &state.frameworks,
                &state.metrics,
                cx,
                accepted,
                std::slice::from_ref(&task),
                Reason::TaskInvalid,
                &reason,
            );
            continue;
        }
        let launch_executor = match &task.executor {
            Some(executor) => start_executor(state, cx, accepted, executor),
            // The agent runs its own executor for a command.
            None => true,
        };
        start_task(state, cx, accepted, &task);
        send_task(&state.agents, &state.frameworks, cx, accepted, task, launch_executor);
    }
}

/// A group is validated as a whole: all of its tasks are launched, or none.
pub(crate) fn launch_group(
    state: &mut State,
    cx: &mut Context<'_>,
    accepted: &mut AcceptedOffers,
    group: LaunchGroup,
    has_id: bool,
) {
    let LaunchGroup { mut executor, task_group: mut group } = group;
    let checked = check_operation(&group.tasks, Some(&executor), has_id, "LAUNCH_GROUP").and_then(|()| {
        validation::task::validate_executor_copies(&group, &executor)?;
        prepare_group(&mut group, &mut executor, accepted);
        with_context(&state.agents, &state.frameworks, &state.tasks, accepted, |context| {
            validation::task::validate_group(&group, &executor, context)
        })
    });
    if let Err(reason) = checked {
        return refuse_tasks(
            &state.frameworks,
            &state.metrics,
            cx,
            accepted,
            &group.tasks,
            Reason::TaskGroupInvalid,
            &reason,
        );
    }
    let launch_executor = start_executor(state, cx, accepted, &executor);
    for task in &group.tasks {
        start_task(state, cx, accepted, task);
    }
    send_group(&state.agents, &state.frameworks, cx, accepted, executor, group, launch_executor);
}

fn refuse_tasks(
    frameworks: &Frameworks,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    accepted: &AcceptedOffers,
    tasks: &[v1::TaskInfo],
    kind: Reason,
    reason: &ValidationError,
) {
    let reason = MasterGenerated::new(v1::TaskState::TaskError, kind, reason.reason());
    for task in tasks {
        refuse_task(frameworks, metrics, cx, accepted.framework(), task, &reason);
    }
}

/// Calls `f` with the framework, agent and offer that validation needs.
fn with_context(
    agents: &Agents,
    frameworks: &Frameworks,
    tasks: &Tasks,
    accepted: &AcceptedOffers,
    validate: impl FnOnce(&validation::task::Context<'_>) -> Result<(), ValidationError>,
) -> Result<(), ValidationError> {
    let Some((framework, agent)) = accepted.parties(agents, frameworks) else {
        return Err(ValidationError::new("The framework or the agent is gone"));
    };
    validate(&validation::task::Context {
        framework_id: framework.id().as_str(),
        agent: LaunchAgent { id: agent.id().as_str(), task_resource_limits: agent.capabilities().task_resource_limits },
        offered: &accepted.available(),
        task_id_use: &|task| {
            if tasks.get(framework.id().as_str(), task).is_some() {
                Some(TaskIdUse::Running)
            } else {
                tasks.is_unreachable(framework.id().as_str(), task).then_some(TaskIdUse::Unreachable)
            }
        },
        running_executor: &|executor| {
            tasks
                .executor(agent.id().as_str(), framework.id().as_str(), executor)
                .map(|executor| &*executor.snapshot.info)
        },
        share_cgroups_under: &|executor| share_cgroups_under(tasks, framework, agent, executor),
    })
}

/// Returns whether the executor does not run yet; its resources are then used as well.
fn start_executor(
    state: &mut State,
    cx: &mut Context<'_>,
    accepted: &mut AcceptedOffers,
    executor: &v1::ExecutorInfo,
) -> bool {
    let (agent, framework) = (accepted.agent().as_str(), accepted.framework().as_str());
    let running = state.tasks.executor(agent, framework, &executor.executor_id.value).is_some();
    if running {
        return false;
    }
    let resources = Resources::from_proto(&executor.resources).unwrap_or_default();
    accepted.launch(&resources);
    add_executor(state, cx, accepted.framework(), accepted.agent(), executor.clone(), resources);
    true
}

fn start_task(state: &mut State, cx: &mut Context<'_>, accepted: &mut AcceptedOffers, info: &v1::TaskInfo) {
    let resources = Resources::from_proto(&info.resources).unwrap_or_default();
    accepted.launch(&resources);
    let task = task::staging(info, accepted.framework());
    let task = TaskSnapshot::new(&task, accepted.framework().clone(), accepted.agent().clone(), resources);
    add_task(state, cx, task);
}

fn send_task(
    agents: &Agents,
    frameworks: &Frameworks,
    cx: &mut Context<'_>,
    accepted: &AcceptedOffers,
    mut task: v1::TaskInfo,
    launch_executor: bool,
) {
    let Some((framework, agent)) = accepted.parties(agents, frameworks) else { return };
    framework.snapshot().framework_metrics.increment_operation(Operation::Launch);
    if !agent.capabilities().reservation_refinement {
        downgrade(&mut task.resources);
        if let Some(executor) = &mut task.executor {
            downgrade(&mut executor.resources);
        }
    }
    cx.send(
        &agent.snapshot().pid,
        internal::RunTaskMessage {
            framework: framework.info().clone(),
            pid: Some(framework.pid_text()),
            task,
            resource_version_uuids: agent.resource_versions(),
            launch_executor: Some(launch_executor),
            ..Default::default()
        },
    );
}

fn send_group(
    agents: &Agents,
    frameworks: &Frameworks,
    cx: &mut Context<'_>,
    accepted: &AcceptedOffers,
    mut executor: v1::ExecutorInfo,
    mut tasks: v1::TaskGroupInfo,
    launch_executor: bool,
) {
    let Some((framework, agent)) = accepted.parties(agents, frameworks) else { return };
    framework.snapshot().framework_metrics.increment_operation(Operation::LaunchGroup);
    if !agent.capabilities().reservation_refinement {
        downgrade(&mut executor.resources);
        for task in &mut tasks.tasks {
            downgrade(&mut task.resources);
            if let Some(executor) = &mut task.executor {
                downgrade(&mut executor.resources);
            }
        }
    }
    cx.send(
        &agent.snapshot().pid,
        internal::RunTaskGroupMessage {
            framework: framework.info().clone(),
            executor,
            task_group: tasks,
            resource_version_uuids: agent.resource_versions(),
            launch_executor: Some(launch_executor),
        },
    );
}

/// Checks the parts of an operation that concern all of its tasks. It refuses invalid resources in any task, and an
/// operation id, since launches have no operation feedback.
fn check_operation(
    tasks: &[v1::TaskInfo],
    executor: Option<&v1::ExecutorInfo>,
    has_id: bool,
    name: &str,
) -> Result<(), ValidationError> {
    for task in tasks {
        validation::resource::validate_each(&task.resources)?;
        if let Some(executor) = &task.executor {
            validation::resource::validate_each(&executor.resources)?;
        }
    }
    if let Some(executor) = executor {
        validation::resource::validate_each(&executor.resources)?;
    }
    if has_id {
        return Err(ValidationError::new(format!("The `id` field cannot be set on {name} operations")));
    }
    Ok(())
}

/// Sets the executor of every task, which LAUNCH_GROUP leaves to the master.
fn prepare_group(group: &mut v1::TaskGroupInfo, executor: &mut v1::ExecutorInfo, accepted: &AcceptedOffers) {
    complete(&mut executor.resources, accepted.role());
    for task in &mut group.tasks {
        complete(&mut task.resources, accepted.role());
        match &mut task.executor {
            Some(own) => complete(&mut own.resources, accepted.role()),
            None => task.executor = Some(Box::new(executor.clone())),
        }
    }
}

/// Sets the fields that LAUNCH leaves to the master.
fn prepare(task: &mut v1::TaskInfo, accepted: &AcceptedOffers) {
    complete(&mut task.resources, accepted.role());
    if let Some(executor) = &mut task.executor {
        complete(&mut executor.resources, accepted.role());
        if executor.framework_id.is_none() {
            executor.framework_id = Some(accepted.framework().to_proto());
        }
    }
    if let Some(check) = &mut task.health_check
        && check.r#type.is_none()
    {
        use v1::health_check::Type;
        let kind = match (&check.command, &check.http) {
            (Some(_), None) => Some(Type::Command),
            (None, Some(_)) => Some(Type::Http),
            _ => None,
        };
        check.r#type = kind.map(|kind| kind as i32);
    }
}

/// Returns whether the tasks that an executor runs share its cgroups: either all do, or none does.
fn share_cgroups_under(tasks: &Tasks, framework: &Framework, agent: &Agent, executor: &str) -> Option<bool> {
    let framework = framework.id().as_str();
    let usage = tasks.usage(agent.id().as_str(), framework)?;
    let of_executor = |task: &&Arc<TaskSnapshot>| task.executor_id().is_some_and(|id| id.value == executor);
    let tasks = usage.task_ids().filter_map(|id| tasks.get(framework, id.as_str()));
    let task = tasks.map(Task::snapshot).find(of_executor)?.message();
    let linux = task.container.as_ref().and_then(|container| container.linux_info.as_ref());
    Some(linux.and_then(|linux| linux.share_cgroups).unwrap_or(true))
}

/// Converts resources into the format of agents that predate reservation refinement.
fn downgrade(resources: &mut Vec<v1::Resource>) {
    if let Ok(parsed) = Resources::from_proto(resources) {
        *resources = crate::allocation::pre_refinement(&parsed);
    }
}
