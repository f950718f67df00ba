//! The use of the failure monitor: it observes events, and its effects are carried out.

use std::sync::Arc;
use std::time::Duration;

use failures::AgentRegistryState;
use machine::CallResponse;
use messages::{tepui, v1};
use model::master::{Change, TaskSnapshot};
use model::{AgentId, ReplyId, Upid};

use crate::draining::{cannot_drain, update_agent_activity};
use crate::interface::{Context, Timer};
use crate::peers::is_process_of;
use crate::registry::{Continuation, Registry, RegistryOperation, store};
use crate::state::State;
use crate::tasks::task;
use model::master::Metrics;

/// The time between two writes of changed failures. All changes in it are written together, so that a day of many
/// failures costs the registry no more than one commit per interval, with a bounded number of records. Pings and
/// signals cost none as long as they lead to no incident.
const PERSIST_INTERVAL: Duration = Duration::from_secs(1);
const MAX_PERSISTED_AT_ONCE: usize = 500;

/// Whether failures are about to be persisted, or are being persisted.
#[derive(Debug, Default)]
pub(crate) struct FailurePersistence {
    under_way: bool,
}

impl FailurePersistence {
    /// Returns whether it was not under way before.
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.under_way, true)
    }

    fn end(&mut self) {
        self.under_way = false;
    }
}

pub(crate) fn observe(state: &mut State, cx: &mut Context<'_>, event: failures::Event) {
    let mut effects = Vec::new();
    state.monitor.observe(cx.now, event, &mut effects);
    apply_monitor_effects(state, cx, effects);
}

/// Restores failures before any event is observed, so that a flapping agent stays known over a failover of the master.
pub(crate) fn restore_failures(state: &mut State, cx: &mut Context<'_>) {
    let registry = state.registry.durable();
    if registry.incidents.is_empty() && registry.failure_histories.is_empty() {
        return;
    }
    cx.publish(Change::IncidentsRestored(registry.incidents.values().cloned().collect()));
    let persisted =
        failures::PersistedFailures { incidents: &registry.incidents, failure_histories: &registry.failure_histories };
    let registry_state = |agent: &AgentId| {
        if registry.agents.contains_key(agent) {
            AgentRegistryState::Recovered
        } else if registry.unreachable.contains_key(agent) {
            AgentRegistryState::Unreachable
        } else {
            AgentRegistryState::Gone
        }
    };
    let mut effects = Vec::new();
    state.monitor.restore(cx.now, persisted, registry_state, &mut effects);
    apply_monitor_effects(state, cx, effects);
}

fn apply_monitor_effects(state: &mut State, cx: &mut Context<'_>, effects: Vec<failures::Effect>) {
    schedule_persist_failures(&mut state.failure_persistence, &state.monitor, cx);
    if effects.is_empty() {
        return;
    }
    for effect in effects {
        match effect {
            failures::Effect::Publish(incident, update) => {
                log(&incident, update);
                cx.publish(Change::Incident(incident, update));
            }
            failures::Effect::Hold(agent) | failures::Effect::Release(agent) => {
                update_agent_activity(state, cx, &agent)
            }
            failures::Effect::Drain(agent) => drain_by_policy(state, cx, agent),
        }
    }
    let counts = state.monitor.counts();
    let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    state.metrics.failures_detected.set(count(counts.detected));
    state.metrics.failures_recovered.set(count(counts.recovered));
    state.metrics.failures_suppressed.set(count(counts.suppressed));
    state.metrics.failures_refused.set(count(counts.refused));
    state.metrics.failures_open.set(counts.open as i64);
    state.metrics.failures_held.set(counts.held as i64);
}

fn schedule_persist_failures(
    failure_persistence: &mut FailurePersistence,
    monitor: &::failures::Monitor,
    cx: &mut Context<'_>,
) {
    if monitor.has_unsaved() && failure_persistence.begin() {
        cx.arm(Timer::PersistFailures, cx.now.monotonic + PERSIST_INTERVAL);
    }
}

/// Persists changed failures. No decision waits for the write. Failures that are not written when a master ends were
/// observed in its last seconds.
pub(crate) fn persist_failures(
    failure_persistence: &mut FailurePersistence,
    monitor: &mut ::failures::Monitor,
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
) {
    let mut changes = monitor.take_unsaved(cx.now, MAX_PERSISTED_AT_ONCE);
    let durable = registry.durable();
    changes.incidents.retain(|number, now| now.as_ref() != durable.incidents.get(number));
    changes.failure_histories.retain(|agent, now| now.as_ref() != durable.failure_histories.get(agent));
    // An agent that unregisters leaves no history.
    if changes.incidents.is_empty() && changes.failure_histories.is_empty() {
        return failures_persisted(failure_persistence, monitor, cx);
    }
    store(
        metrics,
        registry,
        cx,
        RegistryOperation::PersistFailures(Arc::new(changes)),
        Continuation::FailuresPersisted,
    );
}

pub(crate) fn failures_persisted(
    failure_persistence: &mut FailurePersistence,
    monitor: &::failures::Monitor,
    cx: &mut Context<'_>,
) {
    failure_persistence.end();
    schedule_persist_failures(failure_persistence, monitor, cx);
}

/// Drains an agent as DRAIN_AGENT does, if an operator's own call would not be refused.
fn drain_by_policy(state: &mut State, cx: &mut Context<'_>, agent: AgentId) {
    if let Some(refusal) = cannot_drain(&state.agents, &state.recovery, &state.registry, &agent) {
        return observe(state, cx, failures::Event::DrainRefused { agent, reason: refusal.body });
    }
    let config = v1::DrainConfig { max_grace_period: None, mark_gone: Some(false) };
    let operation = RegistryOperation::DrainAgent { agent: agent.clone(), config };
    store(&state.metrics, &mut state.registry, cx, operation, Continuation::DrainedByPolicy(agent));
}

/// Reactivates an agent that a policy holds. Mesos has no policies and refuses this call for an agent that nobody
/// deactivated.
pub(crate) fn reactivate_held(state: &mut State, cx: &mut Context<'_>, agent: AgentId, reply: ReplyId) {
    observe(state, cx, failures::Event::OperatorDecided { agent, keeps_out: false });
    reply_when_persisted(&mut state.monitor, &mut state.registry, &state.metrics, cx, reply);
}

/// Replies to an operator who reactivated an agent. The agent is offered at once; the reply waits until the decision is
/// durable, since the policies of the next master would otherwise repeat their actions.
pub(crate) fn reply_when_persisted(
    monitor: &mut ::failures::Monitor,
    registry: &mut Registry,
    metrics: &Metrics,
    cx: &mut Context<'_>,
    reply: ReplyId,
) {
    if !monitor.has_unsaved() {
        return cx.reply(reply, CallResponse::ok());
    }
    // The decision may be in any of the parts. They are stored in this order.
    loop {
        let changes = monitor.take_unsaved(cx.now, MAX_PERSISTED_AT_ONCE);
        let is_last = !monitor.has_unsaved();
        store(
            metrics,
            registry,
            cx,
            RegistryOperation::PersistFailures(Arc::new(changes)),
            Continuation::ReplyWhenPersisted { reply: is_last.then_some(reply) },
        );
        if is_last {
            return;
        }
    }
}

pub(crate) fn agent_usage(state: &mut State, cx: &mut Context<'_>, from: &Upid, message: &tepui::AgentUsage) {
    let agent = AgentId::from(&message.agent_id);
    if !is_process_of(&state.agents, from, agent.as_str()) {
        return;
    }
    let signals = failures::Signals {
        load: message.load.zip(message.processors).map(|(load, processors)| load / processors.max(1.0)),
        memory_available: message.memory_available,
        disk_used: message.disk_used,
        cpu_waiting: message.cpu_waiting,
    };
    observe(state, cx, failures::Event::Reported { agent, signals });
}

/// Observes the end of a task that its agent or executor reported. The end of a task that was killed, or an update that
/// the master generated, says nothing about the agent.
pub(crate) fn observe_task_end(state: &mut State, cx: &mut Context<'_>, task: &TaskSnapshot, status: &v1::TaskStatus) {
    use v1::task_status::{Reason, Source};
    if status.source == Some(Source::Master as i32) || task.state() == v1::TaskState::TaskKilled {
        return;
    }
    let agent = task.agent().clone();
    let failed = task.state() == v1::TaskState::TaskFailed;
    let crashes = [Reason::ExecutorTerminated, Reason::ContainerLaunchFailed, Reason::ExecutorRegistrationTimeout];
    // Agents report the end of other executors themselves.
    let is_command_task = task.executor_id().is_none_or(|id| id.value.is_empty());
    let crashed = failed && is_command_task && crashes.iter().any(|reason| status.reason == Some(*reason as i32));
    observe(state, cx, failures::Event::TaskEnded { agent: agent.clone(), failed });
    if crashed {
        let framework = task.framework().clone();
        observe(state, cx, failures::Event::ExecutorCrashed { agent, framework });
    }
}

/// Observes what the health checks of a task say, or that it is over.
pub(crate) fn observe_task_health(
    state: &mut State,
    cx: &mut Context<'_>,
    task: &TaskSnapshot,
    status: &v1::TaskStatus,
) {
    let is_over = task::is_terminal_or_unreachable(task.state());
    let unhealthy = (!is_over && status.healthy == Some(false)).then(|| failing_checks(status));
    let (agent, framework, task) = (task.agent().clone(), task.framework().clone(), task.id().clone());
    observe(state, cx, failures::Event::TaskHealth { agent, framework, task, unhealthy });
}

/// Returns the names of the further health checks that fail, in parentheses.
fn failing_checks(status: &v1::TaskStatus) -> String {
    let labels = status.labels.as_deref().map(|labels| labels.labels.as_slice()).unwrap_or_default();
    let failing =
        labels.iter().filter(|label| label.value.as_deref().is_some_and(|value| value.starts_with("unhealthy")));
    let names = failing.filter_map(|label| label.key.strip_prefix(validation::health_checks::LABEL));
    let names: Vec<String> = names.take(MAX_CHECKS_SHOWN).map(|name| name.chars().take(63).collect()).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}

/// The most names of checks in the details of an incident.
const MAX_CHECKS_SHOWN: usize = 4;

/// Tells the monitor if all recovered agents have re-registered.
pub(crate) fn observe_recovery_complete(state: &mut State, cx: &mut Context<'_>) {
    if state.recovery.may_reregister(None) {
        return;
    }
    observe(state, cx, failures::Event::RecoveryComplete);
    // All agents that could have reported these frameworks have re-registered.
    for framework in state.monitor.take_missed_frameworks() {
        if state.frameworks.get(framework.as_str()).is_none() {
            observe(state, cx, failures::Event::FrameworkRemoved(framework));
        }
    }
}

/// Logs an incident: the log is the audit trail of policies, and informs operators without an event sink.
fn log(incident: &model::incident::Incident, update: model::incident::IncidentUpdate) {
    let (id, kind, object, details) = (&incident.id, incident.kind, &incident.object, &incident.details);
    match update {
        model::incident::IncidentUpdate::Detected | model::incident::IncidentUpdate::Changed
            if incident.severity == model::incident::Severity::Info =>
        {
            tracing::info!(id, "{kind} of {object}: {details}");
        }
        model::incident::IncidentUpdate::Detected | model::incident::IncidentUpdate::Changed => {
            tracing::warn!(id, "{kind} of {object}: {details}")
        }
        model::incident::IncidentUpdate::Acted => {
            if let Some(last) = incident.actions.last() {
                tracing::info!(id, "{kind} of {object}: {}: {}", last.action, last.reason);
            }
        }
        model::incident::IncidentUpdate::Recovered => tracing::info!(id, "over: {kind} of {object}"),
    }
}
