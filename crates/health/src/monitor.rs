//! The monitor: it is told what happens, opens and closes incidents, and says what is to be done.
//!
//! An agent is judged when something happens to it and whenever its ping is due, so no timer is needed. What it is told
//! must be true and in order; it takes nothing on trust but that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use vocabulary::{AgentId, FrameworkId, Now};

use crate::book::{Book, Finding};
use crate::incident::{Incident, Kind, News, Severity, Subject};
use crate::patient::Patient;
use crate::policy::Policy;
use crate::signals::Signals;
use crate::treatment::Treatments;

/// Agents that left are remembered, for one that comes and goes is a new one each time otherwise.
const MAX_DEPARTED: usize = 1_000;

#[derive(Debug, Clone)]
pub enum Event {
    /// This master took over from another, which had so many agents.
    TookOver {
        awaited: usize,
    },
    /// They are back, or are not waited for any more.
    AllReturned,
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
        loss: Loss,
    },
    /// It answered a ping.
    Answered(AgentId),
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
pub enum Loss {
    /// Why it was given up.
    Unreachable(String),
    /// It unregistered, was marked gone, or is forgotten.
    Gone,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// The incident is new or has changed.
    Publish(Arc<Incident>, News),
    /// Offer nothing of this agent until it is released.
    Hold(AgentId),
    Release(AgentId),
    Drain(AgentId),
}

/// For metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
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
    pub(crate) book: Book,
    /// Boxed: nodes of the map are half empty, and there are ten thousand.
    pub(crate) patients: BTreeMap<AgentId, Box<Patient>>,
    pub(crate) departed: VecDeque<AgentId>,
    pub(crate) registered: usize,
    /// Agents of the master before, as long as some of them are awaited.
    expected: usize,
    /// Frameworks of the master before may be missed.
    pub(crate) awaits_frameworks: bool,
    /// Agents whose conduct changed and is not written down.
    pub(crate) unsaved: BTreeSet<AgentId>,
    pub(crate) treatments: Treatments,
}

impl Monitor {
    pub fn new(policy: Policy, master: impl Into<String>) -> Self {
        let master = master.into();
        Monitor {
            policy,
            book: Book::new(master.clone()),
            master,
            patients: BTreeMap::new(),
            departed: VecDeque::new(),
            registered: 0,
            expected: 0,
            awaits_frameworks: false,
            unsaved: BTreeSet::new(),
            treatments: Treatments::default(),
        }
    }

    pub fn tally(&self) -> Tally {
        Tally {
            detected: self.book.detected,
            recovered: self.book.recovered,
            open: self.book.open_count(),
            suppressed: self.book.suppressed,
            held: self.treatments.count(),
            refused: self.treatments.refused,
        }
    }

    /// So many agents may be kept from offers at once. Those that are on their way back after a failover are a part of
    /// the cluster: the first of them may be the one that has to be held.
    pub(crate) fn allowance(&self) -> usize {
        self.policy.allowance(self.registered.max(self.expected))
    }

    /// Whether policies keep it from offers.
    pub fn holds(&self, agent: &AgentId) -> bool {
        self.treatments.holds(agent)
    }

    pub fn observe(&mut self, now: Now, event: Event, orders: &mut Vec<Order>) {
        match event {
            Event::TookOver { awaited } => self.took_over(now, awaited, orders),
            Event::AllReturned => self.all_returned(now, orders),
            Event::AgentAdded { agent, hostname, operators } => self.added(now, agent, hostname, operators, orders),
            Event::AgentDisconnected(agent) => self.disconnected(now, &agent, orders),
            Event::AgentReconnected(agent) => self.reconnected(now, &agent, orders),
            Event::AgentLost { agent, loss } => self.lost(now, &agent, loss, orders),
            Event::Answered(agent) => self.answered(now, &agent, orders),
            Event::PingDue(agent) => self.look_at(now, &agent, orders),
            Event::Reported { agent, signals } => self.reported(now, &agent, signals, orders),
            Event::TaskEnded { agent, failed } => self.task_ended(now, &agent, failed, orders),
            Event::ExecutorCrashed { agent, framework } => self.executor_crashed(now, &agent, framework, orders),
            Event::OperatorDecided { agent, keeps_out } => self.operator_decided(now, &agent, keeps_out, orders),
            Event::DrainRefused { agent, reason } => self.drain_refused(now, &agent, &reason, orders),
            Event::FrameworkDisconnected { framework, name } => self.framework_left(now, framework, &name, orders),
            Event::FrameworkConnected(framework) | Event::FrameworkRemoved(framework) => {
                self.over(now, Kind::FrameworkDisconnected, &Subject::Framework(framework), orders);
            }
            Event::RegistryStalled(reason) => self.registry_stalled(now, &reason, orders),
            Event::RegistryWritten => {
                self.over(now, Kind::RegistryStalled, &Subject::Master(self.master.clone()), orders);
            }
        }
    }

    fn registry_stalled(&mut self, now: Now, reason: &str, orders: &mut Vec<Order>) {
        let finding = Finding {
            kind: Kind::RegistryStalled,
            severity: Severity::Critical,
            subject: Subject::Master(self.master.clone()),
            hostname: None,
            details: format!("what has to be durable waits, for the registry cannot be written: {reason}"),
        };
        self.found(now, finding, orders);
    }

    pub(crate) fn found(&mut self, now: Now, finding: Finding, orders: &mut Vec<Order>) {
        if let Some((incident, news)) = self.book.found(now.wall, finding) {
            orders.push(Order::Publish(incident, news));
        }
    }

    pub(crate) fn over(&mut self, now: Now, kind: Kind, subject: &Subject, orders: &mut Vec<Order>) {
        if let Some(incident) = self.book.over(now.wall, kind, subject) {
            if let Some(patient) = subject.agent().and_then(|agent| self.patients.get_mut(agent))
                && patient.overruled.remove(&kind)
            {
                self.unsaved.extend(subject.agent().cloned());
            }
            orders.push(Order::Publish(incident, News::Recovered));
        }
    }

    fn took_over(&mut self, now: Now, awaited: usize, orders: &mut Vec<Order>) {
        self.expected = awaited;
        if awaited > 0 {
            let finding = Finding {
                kind: Kind::MasterFailover,
                severity: Severity::Info,
                subject: Subject::Master(self.master.clone()),
                hostname: None,
                details: format!("it took over; {awaited} agents of the master before it are awaited"),
            };
            self.found(now, finding, orders);
        }
    }

    fn all_returned(&mut self, now: Now, orders: &mut Vec<Order>) {
        self.over(now, Kind::MasterFailover, &Subject::Master(self.master.clone()), orders);
        self.expected = 0;
        self.keep_limits(now, orders);
    }

    fn framework_left(&mut self, now: Now, framework: FrameworkId, name: &str, orders: &mut Vec<Order>) {
        let finding = Finding {
            kind: Kind::FrameworkDisconnected,
            severity: Severity::Info,
            subject: Subject::Framework(framework),
            hostname: None,
            details: format!("the connection to the scheduler of '{name}' is lost"),
        };
        self.found(now, finding, orders);
    }
}

/// Agents.
impl Monitor {
    fn finding(&self, agent: &AgentId, kind: Kind, severity: Severity, details: String) -> Finding {
        let hostname = self.patients.get(agent).map(|patient| patient.hostname.clone());
        Finding { kind, severity, subject: Subject::Agent(agent.clone()), hostname, details }
    }

    fn is_suspicious(&self, agent: &AgentId) -> bool {
        self.book.get_open(Kind::AgentSuspicious, &Subject::Agent(agent.clone())).is_some()
    }

    fn added(&mut self, now: Now, agent: AgentId, hostname: String, operators: bool, orders: &mut Vec<Order>) {
        let policy = &self.policy;
        let patient =
            self.patients.entry(agent.clone()).or_insert_with(|| Box::new(Patient::new(hostname.clone(), policy)));
        if !std::mem::replace(&mut patient.registered, true) {
            self.registered += 1;
        }
        patient.hostname = hostname;
        patient.connected = true;
        patient.operators = operators;
        patient.checked = None;
        patient.suspicion.excuse(now.monotonic);
        if std::mem::take(&mut patient.awaited) && !operators && self.treatments.drained.remove(&agent) {
            // Somebody reactivated it, or the drain was not written any more.
            self.unsaved.insert(agent.clone());
        }
        let subject = Subject::Agent(agent.clone());
        for kind in [Kind::AgentUnreachable, Kind::AgentSuspicious] {
            if self.book.get_open(kind, &subject).is_some() {
                self.begin_probation(now, &agent, kind, orders);
                self.over(now, kind, &subject, orders);
            }
        }
        self.over(now, Kind::AgentDisconnected, &subject, orders);
        self.treat(now, &agent, orders);
    }

    /// It is offered again at once, but one more departure soon makes it a flapping one.
    fn begin_probation(&mut self, now: Now, agent: &AgentId, after: Kind, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent) else { return };
        if !self.policy.enabled {
            return;
        }
        patient.probation = Some(now.monotonic + self.policy.probation);
        self.unsaved.insert(agent.clone());
        let subject = Subject::Agent(agent.clone());
        let Some(number) = self.book.get_open(after, &subject).map(|incident| incident.number) else { return };
        let reason = format!("it is back; leaving again within {} s is flapping", self.policy.probation.as_secs());
        self.act(now, number, "probation", reason, orders);
    }

    fn disconnected(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        // Its silence before has been counted as leaving.
        let counted = self.is_suspicious(agent);
        let Some(patient) = self.patients.get_mut(agent).filter(|patient| patient.connected) else { return };
        patient.connected = false;
        self.unsaved.insert(agent.clone());
        let flaps = !counted && patient.departed(now.monotonic, &self.policy);
        let details = "the connection to it is lost".to_owned();
        let finding = self.finding(agent, Kind::AgentDisconnected, Severity::Warning, details);
        self.found(now, finding, orders);
        self.over(now, Kind::AgentSuspicious, &Subject::Agent(agent.clone()), orders);
        if flaps {
            self.flaps(now, agent, orders);
        }
        self.treat(now, agent, orders);
    }

    fn reconnected(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent) else { return };
        patient.connected = true;
        patient.checked = None;
        patient.suspicion.excuse(now.monotonic);
        self.over(now, Kind::AgentDisconnected, &Subject::Agent(agent.clone()), orders);
        self.treat(now, agent, orders);
    }

    fn flaps(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent) else { return };
        let length = patient.begin_quarantine(now.monotonic, &self.policy);
        self.unsaved.insert(agent.clone());
        let details = "it comes and goes".to_owned();
        let finding = self.finding(agent, Kind::AgentFlapping, Severity::Warning, details);
        self.found(now, finding, orders);
        if !self.policy.enabled {
            return;
        }
        let subject = Subject::Agent(agent.clone());
        if let Some(number) = self.book.get_open(Kind::AgentFlapping, &subject).map(|incident| incident.number) {
            let reason = format!("it left once too often: {} s", length.as_secs());
            self.act(now, number, "quarantine", reason, orders);
        }
    }

    fn lost(&mut self, now: Now, agent: &AgentId, loss: Loss, orders: &mut Vec<Order>) {
        let mut flaps = false;
        let counted = self.is_suspicious(agent);
        if let Some(patient) = self.patients.get_mut(agent) {
            // One that was connected until now left just now; the others have been counted.
            let left = std::mem::take(&mut patient.connected) && !counted;
            flaps = left && loss != Loss::Gone && patient.departed(now.monotonic, &self.policy);
            let awaited = std::mem::take(&mut patient.awaited);
            let registered = std::mem::take(&mut patient.registered);
            self.registered -= usize::from(registered);
            if registered || awaited {
                self.departed.push_back(agent.clone());
            }
            self.unsaved.insert(agent.clone());
            patient.signals = None;
            patient.crashes.clear();
            patient.endings.clear();
        }
        if let Loss::Unreachable(cause) = &loss {
            let finding = self.finding(agent, Kind::AgentUnreachable, Severity::Critical, cause.clone());
            self.found(now, finding, orders);
            if flaps {
                self.flaps(now, agent, orders);
            }
        }
        let stays = |kind: Kind| loss != Loss::Gone && matches!(kind, Kind::AgentUnreachable | Kind::AgentFlapping);
        for incident in self.book.open_about(agent).into_iter().filter(|incident| !stays(incident.kind)) {
            self.over(now, incident.kind, &incident.subject, orders);
        }
        // Kept for one that never registered with this master, too.
        if loss == Loss::Gone {
            self.patients.remove(agent);
        }
        self.treatments.forget(agent);
        self.forget_departed(now, orders);
        self.keep_limits(now, orders);
    }

    fn forget_departed(&mut self, now: Now, orders: &mut Vec<Order>) {
        while self.departed.len() > MAX_DEPARTED {
            let Some(oldest) = self.departed.pop_front() else { break };
            let is_away = |patient: &Patient| !patient.registered && !patient.awaited;
            if self.patients.get(&oldest).is_some_and(|patient| is_away(patient)) && !self.departed.contains(&oldest) {
                self.patients.remove(&oldest);
                self.unsaved.insert(oldest.clone());
                self.over(now, Kind::AgentFlapping, &Subject::Agent(oldest), orders);
            }
        }
    }

    fn answered(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent) else { return };
        patient.suspicion.answered(now.monotonic, &self.policy.suspicion);
        if self.is_suspicious(agent) {
            self.begin_probation(now, agent, Kind::AgentSuspicious, orders);
            self.over(now, Kind::AgentSuspicious, &Subject::Agent(agent.clone()), orders);
            self.treat(now, agent, orders);
        }
    }

    fn look_at(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent) else { return };
        let before = patient.checked.replace(now.monotonic);
        // A master that stood still has not heard of the answers yet that wait for it: that is not the agents' silence.
        let expected = self.policy.suspicion.expected_interval;
        let stalled = before.is_some_and(|before| now.monotonic.since(before) > expected + expected / 2);
        if stalled {
            patient.suspicion.excuse(now.monotonic);
        }
        let phi = patient.suspicion.phi(now.monotonic, &self.policy.suspicion);
        let silence = patient.suspicion.silence(now.monotonic);
        if patient.connected && phi >= self.policy.suspicion.threshold {
            self.suspect(now, agent, phi, silence, orders);
        }
        self.judge_work(now, agent, orders);
        self.end_quarantine(now, agent, orders);
        self.treat(now, agent, orders);
    }

    fn suspect(&mut self, now: Now, agent: &AgentId, phi: f64, silence: Duration, orders: &mut Vec<Order>) {
        if self.is_suspicious(agent) {
            return;
        }
        let details = format!("it has not answered for {} s (phi {phi:.1})", silence.as_secs());
        let finding = self.finding(agent, Kind::AgentSuspicious, Severity::Warning, details);
        self.found(now, finding, orders);
        let Some(patient) = self.patients.get_mut(agent) else { return };
        self.unsaved.insert(agent.clone());
        if patient.departed(now.monotonic, &self.policy) {
            self.flaps(now, agent, orders);
        }
    }

    fn end_quarantine(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let subject = Subject::Agent(agent.clone());
        let Some(patient) = self.patients.get(agent) else { return };
        if patient.in_quarantine(now.monotonic)
            || !patient.connected
            || self.book.get_open(Kind::AgentFlapping, &subject).is_none()
        {
            return;
        }
        self.begin_probation(now, agent, Kind::AgentFlapping, orders);
        self.over(now, Kind::AgentFlapping, &subject, orders);
    }

    fn reported(&mut self, now: Now, agent: &AgentId, signals: Signals, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent).filter(|patient| patient.registered) else { return };
        patient.signals = Some(signals);
        let thresholds = self.policy.thresholds;
        for (kind, value, bounds, words) in signals.measurements(&thresholds) {
            let subject = Subject::Agent(agent.clone());
            let before = self.book.get_open(kind, &subject).map(|incident| incident.severity);
            match bounds.judge(value, before) {
                Some(severity) => {
                    let finding = self.finding(agent, kind, severity, words);
                    self.found(now, finding, orders);
                }
                None => self.over(now, kind, &subject, orders),
            }
        }
        self.treat(now, agent, orders);
    }

    fn task_ended(&mut self, now: Now, agent: &AgentId, failed: bool, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent).filter(|patient| patient.registered) else { return };
        patient.endings.push(now.monotonic, failed);
        if failed {
            self.judge_work(now, agent, orders);
            self.treat(now, agent, orders);
        }
    }

    fn executor_crashed(&mut self, now: Now, agent: &AgentId, framework: FrameworkId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get_mut(agent).filter(|patient| patient.registered) else { return };
        patient.crashed(now.monotonic, &framework);
        self.judge_work(now, agent, orders);
        self.treat(now, agent, orders);
    }

    /// Whether what runs on it fails more than it should.
    fn judge_work(&mut self, now: Now, agent: &AgentId, orders: &mut Vec<Order>) {
        let Some(patient) = self.patients.get(agent) else { return };
        let has_evidence = patient.has_evidence(now.monotonic);
        let (ended, failed) = patient.task_failures(now.monotonic);
        let crashes: Vec<(FrameworkId, usize)> =
            patient.crashes.iter().map(|(id, crashes)| (id.clone(), crashes.count(now.monotonic))).collect();
        let thresholds = self.policy.thresholds;

        let subject = Subject::Agent(agent.clone());
        let before = self.book.get_open(Kind::TaskFailureRate, &subject).map(|incident| incident.severity);
        let share = failed as f64 / ended.max(1) as f64;
        let enough = ended >= thresholds.least_tasks;
        match thresholds.task_failures.judge(share, before).filter(|_| enough) {
            Some(severity) => {
                let details = format!("{failed} of the last {ended} tasks on it failed");
                let finding = self.finding(agent, Kind::TaskFailureRate, severity, details);
                self.found(now, finding, orders);
            }
            None if !has_evidence => {}
            None => self.over(now, Kind::TaskFailureRate, &subject, orders),
        }
        for (framework, count) in crashes {
            let subject = Subject::Executors(agent.clone(), framework.clone());
            let before = self.book.get_open(Kind::ExecutorCrashLoop, &subject).map(|incident| incident.severity);
            match thresholds.executor_crashes.judge(count as f64, before) {
                Some(severity) => {
                    let details = format!("{count} executors crashed within ten minutes");
                    let finding =
                        Finding { subject, ..self.finding(agent, Kind::ExecutorCrashLoop, severity, details) };
                    self.found(now, finding, orders);
                }
                None if !has_evidence => {}
                None => self.over(now, Kind::ExecutorCrashLoop, &subject, orders),
            }
            if count == 0
                && has_evidence
                && let Some(patient) = self.patients.get_mut(agent)
            {
                patient.crashes.remove(&framework);
            }
        }
    }

    /// What an operator wants goes before what policies want, also when that is an agent back in spite of everything.
    fn operator_decided(&mut self, now: Now, agent: &AgentId, keeps_out: bool, orders: &mut Vec<Order>) {
        let open: Vec<Kind> = self.book.open_about(agent).iter().map(|incident| incident.kind).collect();
        let is_held = self.treatments.holds(agent);
        let Some(patient) = self.patients.get_mut(agent) else { return };
        let kept_out = std::mem::replace(&mut patient.operators, keeps_out);
        if !keeps_out && (kept_out || is_held) {
            patient.overruled.extend(open);
            match &mut patient.quarantine {
                // It is over; that it was is remembered, for the next one.
                Some(quarantine) if is_held => quarantine.until = quarantine.until.min(now.monotonic),
                quarantine => *quarantine = None,
            }
            // A drain that is under way goes on, and is the operator's then.
            if kept_out {
                self.treatments.drained.remove(agent);
            }
            self.unsaved.insert(agent.clone());
            self.release(now, agent, "an operator wants it back", orders);
        }
        self.treat(now, agent, orders);
    }
}
