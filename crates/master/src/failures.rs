//! What goes wrong: the monitor of `health` is told what happens, and what it orders is carried out.

use std::sync::Arc;
use std::time::Duration;

use health::Whereabouts;
use messages::{tepui, v1};
use vocabulary::{AgentId, Answer, FrameworkId, ReplyId, Upid};

use crate::change::Change;
use crate::cx::Cx;
use crate::master::Master;
use crate::outbox::Timer;
use crate::registry::{RegistryOperation, Waiting};

/// What is learnt in the meantime is written together, so that a bad day costs the registry no more than this: one commit
/// of so many records at a time, and none for what pings and signals say as long as no incident comes of it.
const BETWEEN_NOTES: Duration = Duration::from_secs(1);
const MAX_NOTES: usize = 500;

impl Master {
    pub(crate) fn observe(&mut self, cx: &mut Cx<'_>, event: health::Event) {
        let mut orders = Vec::new();
        self.monitor.observe(cx.now, event, &mut orders);
        self.follow_orders(cx, orders);
    }

    /// Before anything is observed: a flapping agent is not forgiven because the master changed.
    pub(crate) fn inherit_failures(&mut self, cx: &mut Cx<'_>) {
        let registry = &self.registry.state;
        if registry.incidents.is_empty() && registry.conducts.is_empty() {
            return;
        }
        cx.publish(Change::IncidentsInherited(registry.incidents.values().cloned().collect()));
        let legacy = health::Legacy { incidents: &registry.incidents, conducts: &registry.conducts };
        let whereabouts = |agent: &AgentId| {
            if registry.agents.contains_key(agent) {
                Whereabouts::Awaited
            } else if registry.unreachable.contains_key(agent) {
                Whereabouts::Unreachable
            } else {
                Whereabouts::Gone
            }
        };
        let mut orders = Vec::new();
        self.monitor.inherit(cx.now, legacy, whereabouts, &mut orders);
        self.follow_orders(cx, orders);
    }

    fn follow_orders(&mut self, cx: &mut Cx<'_>, orders: Vec<health::Order>) {
        self.schedule_failure_notes(cx);
        if orders.is_empty() {
            return;
        }
        for order in orders {
            match order {
                health::Order::Publish(incident, news) => {
                    log(&incident, news);
                    cx.publish(Change::Incident(incident, news));
                }
                health::Order::Hold(agent) | health::Order::Release(agent) => self.set_standing(cx, &agent),
                health::Order::Drain(agent) => self.drain_by_policy(cx, agent),
            }
        }
        let tally = self.monitor.tally();
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.failures_detected.set(count(tally.detected));
        self.metrics.failures_recovered.set(count(tally.recovered));
        self.metrics.failures_suppressed.set(count(tally.suppressed));
        self.metrics.failures_refused.set(count(tally.refused));
        self.metrics.failures_open.set(tally.open as i64);
        self.metrics.failures_held.set(tally.held as i64);
    }

    fn schedule_failure_notes(&mut self, cx: &mut Cx<'_>) {
        if self.monitor.has_notes() && !std::mem::replace(&mut self.failure_notes_under_way, true) {
            cx.arm(Timer::FailureNotes, cx.now.monotonic + BETWEEN_NOTES);
        }
    }

    /// Nobody waits for it: what is not written yet when a master ends was noticed within its last moments.
    pub(crate) fn note_failures(&mut self, cx: &mut Cx<'_>) {
        let mut notes = self.monitor.take_notes(cx.now, MAX_NOTES);
        let durable = &self.registry.state;
        notes.incidents.retain(|number, now| now.as_ref() != durable.incidents.get(number));
        notes.conducts.retain(|agent, now| now.as_ref() != durable.conducts.get(agent));
        // An agent that leaves in good order has never done anything.
        if notes.incidents.is_empty() && notes.conducts.is_empty() {
            return self.failures_noted(cx);
        }
        self.store(cx, RegistryOperation::NoteFailures(Arc::new(notes)), Waiting::FailuresNoted);
    }

    pub(crate) fn failures_noted(&mut self, cx: &mut Cx<'_>) {
        self.failure_notes_under_way = false;
        self.schedule_failure_notes(cx);
    }

    /// As DRAIN_AGENT, when an operator's own call would not be refused.
    fn drain_by_policy(&mut self, cx: &mut Cx<'_>, agent: AgentId) {
        if let Some(refusal) = self.cannot_drain(&agent) {
            return self.observe(cx, health::Event::DrainRefused { agent, reason: refusal.body });
        }
        let config = v1::DrainConfig { max_grace_period: None, mark_gone: Some(false) };
        let operation = RegistryOperation::DrainAgent { agent: agent.clone(), config };
        self.store(cx, operation, Waiting::DrainedByPolicy(agent));
    }

    /// Mesos has no policies: there, an agent that nobody deactivated cannot be reactivated.
    pub(crate) fn reactivate_held(&mut self, cx: &mut Cx<'_>, agent: AgentId, reply: ReplyId) {
        self.observe(cx, health::Event::OperatorDecided { agent, keeps_out: false });
        self.reply_when_noted(cx, reply);
    }

    /// An operator has an agent back. It is offered at once; the answer waits until the next master would know of it, too:
    /// its policies would do again what they did.
    pub(crate) fn reply_when_noted(&mut self, cx: &mut Cx<'_>, reply: ReplyId) {
        if !self.monitor.has_notes() {
            return cx.reply(reply, Answer::ok());
        }
        let notes = self.monitor.take_notes(cx.now, MAX_NOTES);
        self.store(cx, RegistryOperation::NoteFailures(Arc::new(notes)), Waiting::Overruled { reply });
    }

    pub(crate) fn agent_health(&mut self, cx: &mut Cx<'_>, from: &Upid, message: &tepui::AgentHealth) {
        let agent = AgentId::from(&message.agent_id);
        if !self.is_process_of(from, agent.as_str()) {
            return;
        }
        let signals = health::Signals {
            load: message.load.zip(message.processors).map(|(load, processors)| load / processors.max(1.0)),
            memory_available: message.memory_available,
            disk_used: message.disk_used,
            cpu_waiting: message.cpu_waiting,
        };
        self.observe(cx, health::Event::Reported { agent, signals });
    }

    /// A task ended by the word of its agent or executor. Nothing is said of the agent by the end of a task that somebody
    /// wanted, or that the master made up.
    pub(crate) fn observe_ending(&mut self, cx: &mut Cx<'_>, task: &v1::Task, status: &v1::TaskStatus) {
        use v1::task_status::{Reason, Source};
        if status.source == Some(Source::Master as i32) || task.state() == v1::TaskState::TaskKilled {
            return;
        }
        let agent = AgentId::from(&task.agent_id);
        let failed = task.state() == v1::TaskState::TaskFailed;
        let crashes = [Reason::ExecutorTerminated, Reason::ContainerLaunchFailed, Reason::ExecutorRegistrationTimeout];
        // Of other executors the agent says itself that they ended.
        let is_command_task = task.executor_id.as_ref().is_none_or(|id| id.value.is_empty());
        let crashed = failed && is_command_task && crashes.iter().any(|reason| status.reason == Some(*reason as i32));
        self.observe(cx, health::Event::TaskEnded { agent: agent.clone(), failed });
        if crashed {
            let framework = FrameworkId::from(&task.framework_id);
            self.observe(cx, health::Event::ExecutorCrashed { agent, framework });
        }
    }

    /// The agents of the master before may all be back now.
    pub(crate) fn observe_return(&mut self, cx: &mut Cx<'_>) {
        if self.recovery.awaits(None) {
            return;
        }
        self.observe(cx, health::Event::AllReturned);
        // All agents are back that could have told of them.
        for framework in self.monitor.take_missed_frameworks() {
            if self.frameworks.get(framework.as_str()).is_none() {
                self.observe(cx, health::Event::FrameworkRemoved(framework));
            }
        }
    }
}

/// The audit trail of policies, and what an operator without any sink sees.
fn log(incident: &health::Incident, news: health::News) {
    let (id, kind, subject, details) = (&incident.id, incident.kind, &incident.subject, &incident.details);
    match news {
        health::News::Detected | health::News::Changed if incident.severity == health::Severity::Info => {
            tracing::info!(id, "{kind} of {subject}: {details}");
        }
        health::News::Detected | health::News::Changed => tracing::warn!(id, "{kind} of {subject}: {details}"),
        health::News::Acted => {
            if let Some(last) = incident.actions.last() {
                tracing::info!(id, "{kind} of {subject}: {}: {}", last.action, last.reason);
            }
        }
        health::News::Recovered => tracing::info!(id, "over: {kind} of {subject}"),
    }
}
