//! The tasks that are killed for preemptions: the allocator states the amounts on each agent, and whole tasks are
//! chosen here.
//!
//! A task is killed as its framework would do it, with its own kill policy. When its agent reports it killed, its
//! framework is sent the reason: TASK_GONE, or TASK_LOST if it is not PARTITION_AWARE.

use std::collections::BTreeSet;

use allocator::{AllocatedResources, Preemption};
use messages::{internal, v1};
use model::{AgentId, FrameworkId, OfferId, Role, TaskId};
use resources::{ResourceQuantities, Resources};

use super::consumption::quantities;
use crate::frameworks::Frameworks;
use crate::interface::Context;
use crate::offers::{Offers, rescind_offer};
use crate::state::State;
use crate::tasks::{Task, Tasks, is_terminal_or_unreachable};

/// Tasks that are being killed for a partition and have not ended yet.
#[derive(Debug, Default)]
pub(crate) struct PreemptedTasks(BTreeSet<(FrameworkId, TaskId)>);

/// Called after an allocation run: demands the preemptions. Resources that are being given back already are not
/// demanded again. After a failover no task is killed for resources that an agent that has not re-registered may have
/// free.
pub(crate) fn preempt(state: &mut State, cx: &mut Context<'_>) {
    if state.registry.durable().partitions.is_empty() || state.recovery.is_under_way() {
        return;
    }
    let returning = returning(&mut state.preempted_tasks, &state.tasks);
    for preemption in state.allocator.preemptions(&returning) {
        preempt_allocated(state, cx, &preemption);
    }
}

fn returning(preempted_tasks: &mut PreemptedTasks, tasks: &Tasks) -> Vec<AllocatedResources> {
    let mut returning = Vec::new();
    preempted_tasks.0.retain(|(framework, id)| {
        let task = tasks.get(framework.as_str(), id.as_str());
        let Some(task) = task.filter(|task| uses_resources(task)) else { return false };
        returning.extend(allocated_by_role(framework, task));
        true
    });
    returning
}

/// Preempts one allocation. Offers are rescinded first, since that costs nobody anything.
fn preempt_allocated(state: &mut State, cx: &mut Context<'_>, preemption: &Preemption) {
    let AllocatedResources { framework, role, agent, resources } = &preemption.allocated;
    let mut missing = quantities(resources);
    for id in offers_of(&state.offers, framework, role, agent) {
        let offered = state.offers.get(id.as_str()).map(|offer| quantities(&offer.resources)).unwrap_or_default();
        if covered(&missing, &offered) > 0.0 {
            rescind_offer(state, cx, id.as_str());
            missing -= &offered;
        }
    }
    for task in choose(&missing, candidates(&state.tasks, framework, role, agent)) {
        let message = format!(
            "Preempted: partition '{}' needs the resources that partition '{}' had borrowed",
            preemption.lender, preemption.borrower
        );
        kill_preempted(state, cx, framework, &task, message);
    }
}

fn offers_of(offers: &Offers, framework: &FrameworkId, role: &Role, agent: &AgentId) -> Vec<OfferId> {
    let of_agent = offers.of_agent(agent.as_str());
    let is_theirs = |id: &OfferId| {
        offers.get(id.as_str()).is_some_and(|offer| offer.framework == *framework && offer.role == *role)
    };
    of_agent.into_iter().filter(is_theirs).collect()
}

/// Returns the tasks that could be killed, with the resources that they would give back.
fn candidates(
    tasks: &Tasks,
    framework: &FrameworkId,
    role: &Role,
    agent: &AgentId,
) -> Vec<(TaskId, ResourceQuantities)> {
    let usage = tasks.usage(agent.as_str(), framework.as_str());
    let ids = usage.into_iter().flat_map(|usage| usage.task_ids());
    let tasks = ids.filter_map(|id| tasks.get_with_id(framework.as_str(), id.as_str()));
    tasks
        .filter(|(_, task)| uses_resources(task) && task.preemption().is_none())
        .map(|(id, task)| (id.clone(), quantities(&task.resources().allocated_to(role.as_str()))))
        .collect()
}

fn kill_preempted(state: &mut State, cx: &mut Context<'_>, framework: &FrameworkId, id: &TaskId, message: String) {
    let Some(task) = state.tasks.get_mut(framework.as_str(), id.as_str()) else { return };
    task.preempt(message);
    state.preempted_tasks.0.insert((framework.clone(), id.clone()));
    state.metrics.partition_preemptions.increment();
    if let Some(agent) = state.agents.get(task.agent().as_str()) {
        let kill_policy = task.snapshot().message().kill_policy;
        let kill =
            internal::KillTaskMessage { framework_id: framework.to_proto(), task_id: id.to_proto(), kill_policy };
        cx.send(&agent.snapshot().pid, kill);
    }
}

/// Rewrites the status of a preempted task for its framework. A task that ended in another way keeps its status.
pub(crate) fn rewrite_preempted_status(frameworks: &Frameworks, tasks: &Tasks, update: &mut internal::StatusUpdate) {
    let Some(framework) = frameworks.get(&update.framework_id.value) else { return };
    let task = tasks.get(framework.id().as_str(), &update.status.task_id.value);
    let Some(message) = task.and_then(Task::preemption) else { return };
    let aware = framework.capabilities().partition_aware;
    let gone = if aware { v1::TaskState::TaskGone } else { v1::TaskState::TaskLost } as i32;
    let killed = v1::TaskState::TaskKilled as i32;
    if update.latest_state == Some(killed) {
        update.latest_state = Some(gone);
    }
    if update.status.state == killed {
        update.status.state = gone;
        update.status.source = Some(v1::task_status::Source::Master as i32);
        update.status.reason = Some(v1::task_status::Reason::ContainerPreempted as i32);
        update.status.message = Some(message.to_owned());
    }
}

fn uses_resources(task: &Task) -> bool {
    !is_terminal_or_unreachable(task.state())
}

fn allocated_by_role(framework: &FrameworkId, task: &Task) -> Vec<AllocatedResources> {
    let of_role = |role: Role| {
        let resources: Resources = task.resources().allocated_to(role.as_str());
        AllocatedResources { framework: framework.clone(), role, agent: task.agent().clone(), resources }
    };
    task.resources().allocation_roles().into_iter().map(of_role).collect()
}

/// Returns the share of the missing amounts that `by` covers, summed over names.
fn covered(missing: &ResourceQuantities, by: &ResourceQuantities) -> f64 {
    let part = |(name, amount): (&resources::Name, resources::Scalar)| {
        by.get(name).min(amount).thousandths() as f64 / amount.thousandths() as f64
    };
    missing.iter().map(part).sum()
}

/// Chooses tasks that give back the missing amounts, or as much of them as possible: first those that cover most, then
/// the smallest. Tasks that the others make unnecessary are left out.
fn choose(missing: &ResourceQuantities, mut candidates: Vec<(TaskId, ResourceQuantities)>) -> Vec<TaskId> {
    let mut chosen: Vec<(TaskId, ResourceQuantities)> = Vec::new();
    let mut rest = missing.clone();
    while !rest.is_empty() {
        let size = |amounts: &ResourceQuantities| covered(missing, amounts) + excess(missing, amounts);
        let best = candidates.iter().enumerate().max_by(|(_, (a_id, a)), (_, (b_id, b))| {
            (covered(&rest, a).total_cmp(&covered(&rest, b)))
                .then_with(|| size(b).total_cmp(&size(a)))
                .then_with(|| b_id.cmp(a_id))
        });
        let Some(index) = best.filter(|(_, (_, a))| covered(&rest, a) > 0.0).map(|(index, _)| index) else { break };
        let (id, amounts) = candidates.swap_remove(index);
        rest -= &amounts;
        chosen.push((id, amounts));
    }
    let reached = |chosen: &[(TaskId, ResourceQuantities)]| {
        let mut rest = missing.clone();
        chosen.iter().for_each(|(_, amounts)| rest -= amounts);
        rest
    };
    let goal = reached(&chosen);
    for index in (0..chosen.len()).rev() {
        let left_out = chosen.remove(index);
        if reached(&chosen) != goal {
            chosen.insert(index, left_out);
        }
    }
    chosen.into_iter().map(|(id, _)| id).collect()
}

/// Returns the amounts that would be preempted beyond the missing ones, in the measure of `covered`.
fn excess(missing: &ResourceQuantities, amounts: &ResourceQuantities) -> f64 {
    let beyond = |(name, amount): (&resources::Name, resources::Scalar)| {
        amounts.get(name).saturating_sub(amount).max(resources::Scalar::ZERO).thousandths() as f64
            / amount.thousandths() as f64
    };
    missing.iter().map(beyond).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amounts(text: &str) -> ResourceQuantities {
        quantities(&Resources::parse(text, "*").unwrap())
    }

    fn check(missing: &str, tasks: &[(&str, &str)], expect: &[&str]) {
        let candidates = tasks.iter().map(|(id, text)| (TaskId::new(*id), amounts(text))).collect();
        let mut chosen: Vec<String> =
            choose(&amounts(missing), candidates).iter().map(|id| id.as_str().to_owned()).collect();
        chosen.sort();
        assert_eq!(chosen, expect, "{missing} of {tasks:?}");
    }

    #[test]
    fn the_smallest_set_of_tasks_is_preempted() {
        let tasks = [("a", "cpus:1"), ("b", "cpus:2"), ("c", "cpus:4"), ("d", "cpus:8")];
        check("cpus:4", &tasks, &["c"]);
        check("cpus:3", &tasks, &["c"]);
        check("cpus:2", &tasks, &["b"]);
        check("cpus:9", &tasks, &["a", "d"]);
        check("cpus:100", &tasks, &["a", "b", "c", "d"]);
        check("gpus:1", &tasks, &[]);
        check("cpus:1", &[], &[]);
    }

    #[test]
    fn several_resources_count_together() {
        check("cpus:2;mem:100", &[("a", "cpus:2"), ("b", "mem:100"), ("c", "cpus:2;mem:100")], &["c"]);
        check("cpus:2;mem:100", &[("a", "cpus:2;mem:10"), ("b", "mem:100")], &["a", "b"]);
        check("cpus:2;mem:100", &[("x", "cpus:1;mem:60"), ("y", "cpus:2"), ("z", "mem:100")], &["y", "z"]);
    }
}
