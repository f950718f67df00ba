//! The monitor: it is told what happens, opens and closes incidents, and says what is to be done.
//!
//! An agent is judged when something happens to it and whenever its ping is due, so no timer is needed. What it is told
//! must be true and in order; it takes nothing on trust but that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, FrameworkId, Now};

use crate::incidents::{Finding, Incidents};
use crate::policy::Policy;
use crate::remediation::Remediations;
use crate::signals::Signals;
use crate::subject::Subject;
use model::incident::{Incident, IncidentUpdate, InvolvedObject, Kind, Severity};

/// Agents that left are remembered, for one that comes and goes is a new one each time otherwise.
const MAX_DEPARTED: usize = 1_000;

#[derive(Debug, Clone)]
pub enum Event {
    /// This master took over from another, which had so many agents.
    MasterElected {
        awaited: usize,
    },
    /// They are back, or are not waited for any more.
    RecoveryComplete,
    /// It registered, for the first time or again after it was lost. `operators`: one has deactivated or drains it.
    AgentAdded {
        agent: AgentId,
        hostname: String,
        operators: bool,
    },
    AgentDisconnected(AgentId),
    AgentReconnected(AgentId),
    AgentLost {
        agent: AgentId,
        loss: AgentLoss,
    },
    /// It answered a ping.
    PongReceived(AgentId),
    /// Its ping is due: a good moment to look at it.
    PingDue(AgentId),
    Reported {
        agent: AgentId,
        signals: Signals,
    },
    TaskEnded {
        agent: AgentId,
        failed: bool,
    },
    /// It ended by itself, not as it should.
    ExecutorCrashed {
        agent: AgentId,
        framework: FrameworkId,
    },
    /// An operator changed what may become of it: `keeps_out` while it drains or is deactivated. Otherwise he wants it
    /// offered, whatever policies say.
    OperatorDecided {
        agent: AgentId,
        keeps_out: bool,
    },
    /// An ordered drain cannot be, and why.
    DrainRefused {
        agent: AgentId,
        reason: String,
    },
    FrameworkDisconnected {
        framework: FrameworkId,
        name: String,
    },
    FrameworkConnected(FrameworkId),
    FrameworkRemoved(FrameworkId),
    /// What has to be durable has waited for too long, and why.
    RegistryStalled(String),
    RegistryWritten,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentLoss {
    /// Why it was given up.
    Unreachable(String),
    /// It unregistered, was marked gone, or is forgotten.
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The incident is new or has changed.
    Publish(Arc<Incident>, IncidentUpdate),
    /// Offer nothing of this agent until it is released.
    Hold(AgentId),
    Release(AgentId),
    Drain(AgentId),
}

/// For metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IncidentCounts {
    pub detected: u64,
    pub recovered: u64,
    pub open: usize,
    pub suppressed: u64,
    pub held: usize,
    pub refused: u64,
}

#[derive(Debug)]
pub struct Monitor {
    pub(crate) policy: Policy,
    pub(crate) master: String,
    pub(crate) incidents: Incidents,
    /// Boxed: nodes of the map are half empty, and there are ten thousand.
    pub(crate) subjects: BTreeMap<AgentId, Box<Subject>>,
    pub(crate) departed: VecDeque<AgentId>,
    pub(crate) registered: usize,
    /// Agents of the master before, as long as some of them are awaited.
    expected: usize,
    /// Frameworks of the master before may be missed.
    pub(crate) awaits_frameworks: bool,
    /// Agents whose history changed and is not written down.
    pub(crate) unsaved: BTreeSet<AgentId>,
    pub(crate) remediations: Remediations,
}

impl Monitor {
    pub fn new(policy: Policy, master: impl Into<String>) -> Self {
        let master = master.into();
        Monitor {
            policy,
            incidents: Incidents::new(master.clone()),
            master,
            subjects: BTreeMap::new(),
            departed: VecDeque::new(),
            registered: 0,
            expected: 0,
            awaits_frameworks: false,
            unsaved: BTreeSet::new(),
            remediations: Remediations::default(),
        }
    }

    pub fn counts(&self) -> IncidentCounts {
        IncidentCounts {
            detected: self.incidents.detected,
            recovered: self.incidents.recovered,
            open: self.incidents.open_count(),
            suppressed: self.incidents.suppressed,
            held: self.remediations.count(),
            refused: self.remediations.refused,
        }
    }

    /// So many agents may be kept from offers at once. Those that are on their way back after a failover are a part of
    /// the cluster: the first of them may be the one that has to be held.
    pub(crate) fn max_held(&self) -> usize {
        self.policy.max_held(self.registered.max(self.expected))
    }

    /// Whether policies keep it from offers.
    pub fn holds(&self, agent: &AgentId) -> bool {
        self.remediations.holds(agent)
    }

    pub fn observe(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::MasterElected { awaited } => self.took_over(now, awaited, effects),
            Event::RecoveryComplete => self.all_returned(now, effects),
            Event::AgentAdded { agent, hostname, operators } => self.added(now, agent, hostname, operators, effects),
            Event::AgentDisconnected(agent) => self.disconnected(now, &agent, effects),
            Event::AgentReconnected(agent) => self.reconnected(now, &agent, effects),
            Event::AgentLost { agent, loss } => self.lost(now, &agent, loss, effects),
            Event::PongReceived(agent) => self.answered(now, &agent, effects),
            Event::PingDue(agent) => self.check_agent(now, &agent, effects),
            Event::Reported { agent, signals } => self.reported(now, &agent, signals, effects),
            Event::TaskEnded { agent, failed } => self.task_ended(now, &agent, failed, effects),
            Event::ExecutorCrashed { agent, framework } => self.executor_crashed(now, &agent, framework, effects),
            Event::OperatorDecided { agent, keeps_out } => self.operator_decided(now, &agent, keeps_out, effects),
            Event::DrainRefused { agent, reason } => self.drain_refused(now, &agent, &reason, effects),
            Event::FrameworkDisconnected { framework, name } => self.framework_left(now, framework, &name, effects),
            Event::FrameworkConnected(framework) | Event::FrameworkRemoved(framework) => {
                self.close_incident(now, Kind::FrameworkDisconnected, &InvolvedObject::Framework(framework), effects);
            }
            Event::RegistryStalled(reason) => self.registry_stalled(now, &reason, effects),
            Event::RegistryWritten => {
                self.close_incident(now, Kind::RegistryStalled, &InvolvedObject::Master(self.master.clone()), effects);
            }
        }
    }

    fn registry_stalled(&mut self, now: Now, reason: &str, effects: &mut Vec<Effect>) {
        let finding = Finding {
            kind: Kind::RegistryStalled,
            severity: Severity::Critical,
            object: InvolvedObject::Master(self.master.clone()),
            hostname: None,
            details: format!("what has to be durable waits, for the registry cannot be written: {reason}"),
        };
        self.open_incident(now, finding, effects);
    }

    pub(crate) fn open_incident(&mut self, now: Now, finding: Finding, effects: &mut Vec<Effect>) {
        if let Some((incident, update)) = self.incidents.open_incident(now.wall, finding) {
            effects.push(Effect::Publish(incident, update));
        }
    }

    pub(crate) fn close_incident(&mut self, now: Now, kind: Kind, object: &InvolvedObject, effects: &mut Vec<Effect>) {
        if let Some(incident) = self.incidents.close_incident(now.wall, kind, object) {
            if let Some(subject) = object.agent().and_then(|agent| self.subjects.get_mut(agent))
                && subject.overruled.remove(&kind)
            {
                self.unsaved.extend(object.agent().cloned());
            }
            effects.push(Effect::Publish(incident, IncidentUpdate::Recovered));
        }
    }

    fn took_over(&mut self, now: Now, awaited: usize, effects: &mut Vec<Effect>) {
        self.expected = awaited;
        if awaited > 0 {
            let finding = Finding {
                kind: Kind::MasterFailover,
                severity: Severity::Info,
                object: InvolvedObject::Master(self.master.clone()),
                hostname: None,
                details: format!("it took over; {awaited} agents of the master before it are awaited"),
            };
            self.open_incident(now, finding, effects);
        }
    }

    fn all_returned(&mut self, now: Now, effects: &mut Vec<Effect>) {
        self.close_incident(now, Kind::MasterFailover, &InvolvedObject::Master(self.master.clone()), effects);
        self.expected = 0;
        self.enforce_limit(now, effects);
    }

    fn framework_left(&mut self, now: Now, framework: FrameworkId, name: &str, effects: &mut Vec<Effect>) {
        let finding = Finding {
            kind: Kind::FrameworkDisconnected,
            severity: Severity::Info,
            object: InvolvedObject::Framework(framework),
            hostname: None,
            details: format!("the connection to the scheduler of '{name}' is lost"),
        };
        self.open_incident(now, finding, effects);
    }
}

/// Agents.
impl Monitor {
    fn finding(&self, agent: &AgentId, kind: Kind, severity: Severity, details: String) -> Finding {
        let hostname = self.subjects.get(agent).map(|subject| subject.hostname.clone());
        Finding { kind, severity, object: InvolvedObject::Agent(agent.clone()), hostname, details }
    }

    fn is_suspicious(&self, agent: &AgentId) -> bool {
        self.incidents.get_open(Kind::AgentSuspicious, &InvolvedObject::Agent(agent.clone())).is_some()
    }

    fn added(&mut self, now: Now, agent: AgentId, hostname: String, operators: bool, effects: &mut Vec<Effect>) {
        let policy = &self.policy;
        let subject =
            self.subjects.entry(agent.clone()).or_insert_with(|| Box::new(Subject::new(hostname.clone(), policy)));
        if !std::mem::replace(&mut subject.registered, true) {
            self.registered += 1;
        }
        subject.hostname = hostname;
        subject.connected = true;
        subject.operators = operators;
        subject.checked = None;
        subject.suspicion.restart_interval(now.monotonic);
        if std::mem::take(&mut subject.awaited) && !operators && self.remediations.drained.remove(&agent) {
            // Somebody reactivated it, or the drain was not written any more.
            self.unsaved.insert(agent.clone());
        }
        let object = InvolvedObject::Agent(agent.clone());
        for kind in [Kind::AgentUnreachable, Kind::AgentSuspicious] {
            if self.incidents.get_open(kind, &object).is_some() {
                self.begin_probation(now, &agent, kind, effects);
                self.close_incident(now, kind, &object, effects);
            }
        }
        self.close_incident(now, Kind::AgentDisconnected, &object, effects);
        self.remediate(now, &agent, effects);
    }

    /// It is offered again at once, but one more departure soon makes it a flapping one.
    fn begin_probation(&mut self, now: Now, agent: &AgentId, after: Kind, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        if !self.policy.enabled {
            return;
        }
        subject.probation = Some(now.monotonic + self.policy.probation);
        self.unsaved.insert(agent.clone());
        let object = InvolvedObject::Agent(agent.clone());
        let Some(number) = self.incidents.get_open(after, &object).map(|incident| incident.number) else { return };
        let reason = format!("it is back; leaving again within {} s is flapping", self.policy.probation.as_secs());
        self.record_action(now, number, "probation", reason, effects);
    }

    fn disconnected(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        // Its silence before has been counted as leaving.
        let counted = self.is_suspicious(agent);
        let Some(subject) = self.subjects.get_mut(agent).filter(|subject| subject.connected) else { return };
        subject.connected = false;
        self.unsaved.insert(agent.clone());
        let flaps = !counted && subject.departed(now.monotonic, &self.policy);
        let details = "the connection to it is lost".to_owned();
        let finding = self.finding(agent, Kind::AgentDisconnected, Severity::Warning, details);
        self.open_incident(now, finding, effects);
        self.close_incident(now, Kind::AgentSuspicious, &InvolvedObject::Agent(agent.clone()), effects);
        if flaps {
            self.quarantine_flapping(now, agent, effects);
        }
        self.remediate(now, agent, effects);
    }

    fn reconnected(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        subject.connected = true;
        subject.checked = None;
        subject.suspicion.restart_interval(now.monotonic);
        self.close_incident(now, Kind::AgentDisconnected, &InvolvedObject::Agent(agent.clone()), effects);
        self.remediate(now, agent, effects);
    }

    fn quarantine_flapping(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        let length = subject.begin_quarantine(now.monotonic, &self.policy);
        self.unsaved.insert(agent.clone());
        let details = "it comes and goes".to_owned();
        let finding = self.finding(agent, Kind::AgentFlapping, Severity::Warning, details);
        self.open_incident(now, finding, effects);
        if !self.policy.enabled {
            return;
        }
        let object = InvolvedObject::Agent(agent.clone());
        if let Some(number) = self.incidents.get_open(Kind::AgentFlapping, &object).map(|incident| incident.number) {
            let reason = format!("it left once too often: {} s", length.as_secs());
            self.record_action(now, number, "quarantine", reason, effects);
        }
    }

    fn lost(&mut self, now: Now, agent: &AgentId, loss: AgentLoss, effects: &mut Vec<Effect>) {
        let mut flaps = false;
        let counted = self.is_suspicious(agent);
        if let Some(subject) = self.subjects.get_mut(agent) {
            // One that was connected until now left just now; the others have been counted.
            let left = std::mem::take(&mut subject.connected) && !counted;
            flaps = left && loss != AgentLoss::Gone && subject.departed(now.monotonic, &self.policy);
            let awaited = std::mem::take(&mut subject.awaited);
            let registered = std::mem::take(&mut subject.registered);
            self.registered -= usize::from(registered);
            if registered || awaited {
                self.departed.push_back(agent.clone());
            }
            self.unsaved.insert(agent.clone());
            subject.signals = None;
            subject.crashes.clear();
            subject.task_results.clear();
        }
        if let AgentLoss::Unreachable(cause) = &loss {
            let finding = self.finding(agent, Kind::AgentUnreachable, Severity::Critical, cause.clone());
            self.open_incident(now, finding, effects);
            if flaps {
                self.quarantine_flapping(now, agent, effects);
            }
        }
        let stays =
            |kind: Kind| loss != AgentLoss::Gone && matches!(kind, Kind::AgentUnreachable | Kind::AgentFlapping);
        for incident in self.incidents.open_about(agent).into_iter().filter(|incident| !stays(incident.kind)) {
            self.close_incident(now, incident.kind, &incident.object, effects);
        }
        // Kept for one that never registered with this master, too.
        if loss == AgentLoss::Gone {
            self.subjects.remove(agent);
        }
        self.remediations.forget(agent);
        self.forget_departed(now, effects);
        self.enforce_limit(now, effects);
    }

    fn forget_departed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.departed.len() > MAX_DEPARTED {
            let Some(oldest) = self.departed.pop_front() else { break };
            let is_away = |subject: &Subject| !subject.registered && !subject.awaited;
            if self.subjects.get(&oldest).is_some_and(|subject| is_away(subject)) && !self.departed.contains(&oldest) {
                self.subjects.remove(&oldest);
                self.unsaved.insert(oldest.clone());
                self.close_incident(now, Kind::AgentFlapping, &InvolvedObject::Agent(oldest), effects);
            }
        }
    }

    fn answered(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        subject.suspicion.answered(now.monotonic, &self.policy.suspicion);
        if self.is_suspicious(agent) {
            self.begin_probation(now, agent, Kind::AgentSuspicious, effects);
            self.close_incident(now, Kind::AgentSuspicious, &InvolvedObject::Agent(agent.clone()), effects);
            self.remediate(now, agent, effects);
        }
    }

    fn check_agent(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        let before = subject.checked.replace(now.monotonic);
        // A master that stood still has not heard of the answers yet that wait for it: that is not the agents' silence.
        let expected = self.policy.suspicion.expected_interval;
        let stalled = before.is_some_and(|before| now.monotonic.since(before) > expected + expected / 2);
        if stalled {
            subject.suspicion.restart_interval(now.monotonic);
        }
        let phi = subject.suspicion.phi(now.monotonic, &self.policy.suspicion);
        let silence = subject.suspicion.silence(now.monotonic);
        if subject.connected && phi >= self.policy.suspicion.threshold {
            self.suspect(now, agent, phi, silence, effects);
        }
        self.check_task_failures(now, agent, effects);
        self.end_quarantine(now, agent, effects);
        self.remediate(now, agent, effects);
    }

    fn suspect(&mut self, now: Now, agent: &AgentId, phi: f64, silence: Duration, effects: &mut Vec<Effect>) {
        if self.is_suspicious(agent) {
            return;
        }
        let details = format!("it has not answered for {} s (phi {phi:.1})", silence.as_secs());
        let finding = self.finding(agent, Kind::AgentSuspicious, Severity::Warning, details);
        self.open_incident(now, finding, effects);
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        self.unsaved.insert(agent.clone());
        if subject.departed(now.monotonic, &self.policy) {
            self.quarantine_flapping(now, agent, effects);
        }
    }

    fn end_quarantine(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let object = InvolvedObject::Agent(agent.clone());
        let Some(subject) = self.subjects.get(agent) else { return };
        if subject.in_quarantine(now.monotonic)
            || !subject.connected
            || self.incidents.get_open(Kind::AgentFlapping, &object).is_none()
        {
            return;
        }
        self.begin_probation(now, agent, Kind::AgentFlapping, effects);
        self.close_incident(now, Kind::AgentFlapping, &object, effects);
    }

    fn reported(&mut self, now: Now, agent: &AgentId, signals: Signals, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent).filter(|subject| subject.registered) else { return };
        subject.signals = Some(signals);
        let thresholds = self.policy.thresholds;
        for (kind, value, bounds, words) in signals.measurements(&thresholds) {
            let object = InvolvedObject::Agent(agent.clone());
            let before = self.incidents.get_open(kind, &object).map(|incident| incident.severity);
            match bounds.severity_of(value, before) {
                Some(severity) => {
                    let finding = self.finding(agent, kind, severity, words);
                    self.open_incident(now, finding, effects);
                }
                None => self.close_incident(now, kind, &object, effects),
            }
        }
        self.remediate(now, agent, effects);
    }

    fn task_ended(&mut self, now: Now, agent: &AgentId, failed: bool, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent).filter(|subject| subject.registered) else { return };
        subject.task_results.push(now.monotonic, failed);
        if failed {
            self.check_task_failures(now, agent, effects);
            self.remediate(now, agent, effects);
        }
    }

    fn executor_crashed(&mut self, now: Now, agent: &AgentId, framework: FrameworkId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get_mut(agent).filter(|subject| subject.registered) else { return };
        subject.crashed(now.monotonic, &framework);
        self.check_task_failures(now, agent, effects);
        self.remediate(now, agent, effects);
    }

    /// Whether what runs on it fails more than it should.
    fn check_task_failures(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(subject) = self.subjects.get(agent) else { return };
        let has_evidence = subject.has_evidence(now.monotonic);
        let (ended, failed) = subject.task_failures(now.monotonic);
        let crashes: Vec<(FrameworkId, usize)> =
            subject.crashes.iter().map(|(id, crashes)| (id.clone(), crashes.count(now.monotonic))).collect();
        let thresholds = self.policy.thresholds;

        let object = InvolvedObject::Agent(agent.clone());
        let before = self.incidents.get_open(Kind::TaskFailureRate, &object).map(|incident| incident.severity);
        let share = failed as f64 / ended.max(1) as f64;
        let enough = ended >= thresholds.least_tasks;
        match thresholds.task_failures.severity_of(share, before).filter(|_| enough) {
            Some(severity) => {
                let details = format!("{failed} of the last {ended} tasks on it failed");
                let finding = self.finding(agent, Kind::TaskFailureRate, severity, details);
                self.open_incident(now, finding, effects);
            }
            None if !has_evidence => {}
            None => self.close_incident(now, Kind::TaskFailureRate, &object, effects),
        }
        for (framework, count) in crashes {
            let object = InvolvedObject::Executors(agent.clone(), framework.clone());
            let before = self.incidents.get_open(Kind::ExecutorCrashLoop, &object).map(|incident| incident.severity);
            match thresholds.executor_crashes.severity_of(count as f64, before) {
                Some(severity) => {
                    let details = format!("{count} executors crashed within ten minutes");
                    let finding = Finding { object, ..self.finding(agent, Kind::ExecutorCrashLoop, severity, details) };
                    self.open_incident(now, finding, effects);
                }
                None if !has_evidence => {}
                None => self.close_incident(now, Kind::ExecutorCrashLoop, &object, effects),
            }
            if count == 0
                && has_evidence
                && let Some(subject) = self.subjects.get_mut(agent)
            {
                subject.crashes.remove(&framework);
            }
        }
    }

    /// What an operator wants goes before what policies want, also when that is an agent back in spite of everything.
    fn operator_decided(&mut self, now: Now, agent: &AgentId, keeps_out: bool, effects: &mut Vec<Effect>) {
        let open: Vec<Kind> = self.incidents.open_about(agent).iter().map(|incident| incident.kind).collect();
        let is_held = self.remediations.holds(agent);
        let Some(subject) = self.subjects.get_mut(agent) else { return };
        let kept_out = std::mem::replace(&mut subject.operators, keeps_out);
        if !keeps_out && (kept_out || is_held) {
            subject.overruled.extend(open);
            match &mut subject.quarantine {
                // It is over; that it was is remembered, for the next one.
                Some(quarantine) if is_held => quarantine.until = quarantine.until.min(now.monotonic),
                quarantine => *quarantine = None,
            }
            // A drain that is under way goes on, and is the operator's then.
            if kept_out {
                self.remediations.drained.remove(agent);
            }
            self.unsaved.insert(agent.clone());
            self.release(now, agent, "an operator wants it back", effects);
        }
        self.remediate(now, agent, effects);
    }
}
