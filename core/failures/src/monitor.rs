//! The monitor: it takes events in, opens and closes incidents, and returns effects.
//!
//! An agent is checked at each event about it and whenever its ping is due, so the monitor needs no timer. The caller
//! reports events truthfully and in order.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::{AgentId, FrameworkId, Now, TaskId};
use rustc_hash::FxHashMap;

use crate::incidents::{Finding, Incidents};
use crate::monitored_agent::MonitoredAgent;
use crate::policy::Policy;
use crate::remediation::Remediations;
use crate::signals::Signals;
use model::incident::{Incident, IncidentUpdate, InvolvedObject, Kind, Severity};

/// The most agents that are remembered after they left. Without their history, an agent that comes and goes would be
/// new each time.
const MAX_DEPARTED: usize = 1_000;

/// An event that a monitor observes.
#[derive(Debug, Clone)]
pub enum Event {
    /// This master was elected after another one.
    MasterElected {
        /// The number of agents that the registry recovered.
        recovered: usize,
    },
    /// All recovered agents have returned, or their time to do so has passed.
    RecoveryComplete,
    /// An agent registered, for the first time or after it left.
    AgentAdded {
        /// The agent.
        agent: AgentId,
        /// The host name of the agent.
        hostname: String,
        /// Whether an operator has deactivated or drains it.
        operators: bool,
    },
    /// The connection to an agent is lost.
    AgentDisconnected(AgentId),
    /// An agent has connected again without registering anew.
    AgentReconnected(AgentId),
    /// An agent was marked unreachable.
    AgentUnreachable {
        /// The agent.
        agent: AgentId,
        /// The cause, which becomes the details of the incident.
        cause: String,
    },
    /// An agent was removed or marked gone, or an unreachable one was removed from the registry.
    AgentRemoved(AgentId),
    /// An agent answered a ping.
    PongReceived(AgentId),
    /// The next ping of an agent is due, so the agent is checked.
    PingDue(AgentId),
    /// An agent reported its signals.
    Reported {
        /// The agent.
        agent: AgentId,
        /// The measurements that the agent reported.
        signals: Signals,
    },
    /// A task ended.
    TaskEnded {
        /// The agent that it ran on.
        agent: AgentId,
        /// Whether it failed.
        failed: bool,
    },
    /// The health checks of a task have a result, or the task is over.
    TaskHealth {
        /// The agent that it runs on.
        agent: AgentId,
        /// Its framework.
        framework: FrameworkId,
        /// The task.
        task: TaskId,
        /// The text about the checks that fail, which may be empty; `None` for a task that is healthy or over.
        unhealthy: Option<String>,
    },
    /// An executor ended unexpectedly.
    ExecutorCrashed {
        /// The agent that the executor ran on.
        agent: AgentId,
        /// The framework of the executor.
        framework: FrameworkId,
    },
    /// An operator changed the state of an agent: it is drained or deactivated, or its resources are to be offered in
    /// spite of all policies.
    OperatorDecided {
        /// The agent.
        agent: AgentId,
        /// Whether the operator keeps the agent from offers.
        keeps_out: bool,
    },
    /// A drain that a policy wanted is impossible.
    DrainRefused {
        /// The agent.
        agent: AgentId,
        /// The reason why it cannot be drained.
        reason: String,
    },
    /// The connection to a framework's scheduler is lost.
    FrameworkDisconnected {
        /// The framework.
        framework: FrameworkId,
        /// The name of the framework.
        name: String,
    },
    /// A framework's scheduler is connected again.
    FrameworkConnected(FrameworkId),
    /// A framework is removed.
    FrameworkRemoved(FrameworkId),
    /// The registry has not been written for too long; the text is the reason.
    RegistryStalled(String),
    /// The registry has been written again.
    RegistryWritten,
}

/// An effect of a monitor.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Publish an incident that is new or has changed.
    Publish(Arc<Incident>, IncidentUpdate),
    /// Offer nothing of the agent until it is released.
    Hold(AgentId),
    /// Offer the agent's resources again.
    Release(AgentId),
    /// Drain the agent, as DRAIN_AGENT does.
    Drain(AgentId),
}

/// The numbers of incidents and of agents under remediation, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IncidentCounts {
    /// The number of incidents that were detected since the term of this master began.
    pub detected: u64,
    /// The number of incidents that ended since then.
    pub recovered: u64,
    /// The number of incidents that are open now.
    pub open: usize,
    /// The number of incidents that were not recorded because too many were open.
    pub suppressed: u64,
    /// The number of agents that policies hold or drain now.
    pub held: usize,
    /// The number of times that the limit on such agents kept a policy from acting.
    pub refused: u64,
}

/// Detects failures and decides about remediation.
#[derive(Debug)]
pub struct Monitor {
    pub(crate) policy: Policy,
    pub(crate) master: String,
    pub(crate) incidents: Incidents,
    /// The agents. They are boxed, since the table is half empty. The table is a hash map, since an agent is looked up
    /// for every ping and every task that ends: a tree of 200,000 agents would cost more than everything else.
    pub(crate) monitored_agents: FxHashMap<AgentId, Box<MonitoredAgent>>,
    pub(crate) departed: VecDeque<AgentId>,
    pub(crate) registered: usize,
    /// The number of agents that the registry recovered; zero once all of them have returned or left.
    expected: usize,
    /// Whether disconnections of frameworks that the master before recorded may still have to be closed.
    pub(crate) awaits_frameworks: bool,
    /// Agents whose history changed and is not persisted yet.
    pub(crate) unsaved: BTreeSet<AgentId>,
    pub(crate) remediations: Remediations,
}

impl Monitor {
    /// Creates the monitor of an empty cluster, for the master with this id.
    pub fn new(policy: Policy, master: impl Into<String>) -> Self {
        let master = master.into();
        Monitor {
            policy,
            incidents: Incidents::new(master.clone()),
            master,
            monitored_agents: FxHashMap::default(),
            departed: VecDeque::new(),
            registered: 0,
            expected: 0,
            awaits_frameworks: false,
            unsaved: BTreeSet::new(),
            remediations: Remediations::default(),
        }
    }

    /// Returns the numbers that are shown as metrics.
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

    /// Returns the number of agents that may be held at once. Recovered agents count as part of the cluster, since the
    /// first one that returns may be the one to hold.
    pub(crate) fn max_held(&self) -> usize {
        self.policy.max_held(self.registered.max(self.expected))
    }

    /// Returns whether policies keep an agent from offers.
    pub fn holds(&self, agent: &AgentId) -> bool {
        self.remediations.holds(agent)
    }

    /// Takes one event in and appends its effects to `effects`.
    pub fn observe(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::MasterElected { recovered } => self.master_elected(now, recovered, effects),
            Event::RecoveryComplete => self.recovery_complete(now, effects),
            Event::AgentAdded { agent, hostname, operators } => self.added(now, agent, hostname, operators, effects),
            Event::AgentDisconnected(agent) => self.disconnected(now, &agent, effects),
            Event::AgentReconnected(agent) => self.reconnected(now, &agent, effects),
            Event::AgentUnreachable { agent, cause } => self.lost(now, &agent, Some(cause), effects),
            Event::AgentRemoved(agent) => self.lost(now, &agent, None, effects),
            Event::PongReceived(agent) => self.answered(now, &agent, effects),
            Event::PingDue(agent) => self.check_agent(now, &agent, effects),
            Event::Reported { agent, signals } => self.reported(now, &agent, signals, effects),
            Event::TaskEnded { agent, failed } => self.task_ended(now, &agent, failed, effects),
            Event::TaskHealth { agent, framework, task, unhealthy } => {
                self.task_health(now, &agent, &framework, task, unhealthy, effects);
            }
            Event::ExecutorCrashed { agent, framework } => self.executor_crashed(now, &agent, framework, effects),
            Event::OperatorDecided { agent, keeps_out } => self.operator_decided(now, &agent, keeps_out, effects),
            Event::DrainRefused { agent, reason } => self.drain_refused(now, &agent, &reason, effects),
            Event::FrameworkDisconnected { framework, name } => self.framework_left(now, framework, &name, effects),
            Event::FrameworkRemoved(framework) => {
                self.forget_task_health(now, &framework, effects);
                self.close_incident(now, Kind::FrameworkDisconnected, &InvolvedObject::Framework(framework), effects);
            }
            Event::FrameworkConnected(framework) => {
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
            details: format!("changes wait, since the registry cannot be written: {reason}"),
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
            if let Some(monitored) = object.agent().and_then(|agent| self.monitored_agents.get_mut(agent))
                && monitored.overruled.remove(&kind)
            {
                self.unsaved.extend(object.agent().cloned());
            }
            effects.push(Effect::Publish(incident, IncidentUpdate::Recovered));
        }
    }

    fn master_elected(&mut self, now: Now, recovered: usize, effects: &mut Vec<Effect>) {
        self.expected = recovered;
        if recovered > 0 {
            let finding = Finding {
                kind: Kind::MasterFailover,
                severity: Severity::Info,
                object: InvolvedObject::Master(self.master.clone()),
                hostname: None,
                details: format!("it took over; {recovered} agents of the master before it have not re-registered yet"),
            };
            self.open_incident(now, finding, effects);
        }
    }

    fn recovery_complete(&mut self, now: Now, effects: &mut Vec<Effect>) {
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

/// Events about agents.
impl Monitor {
    fn finding(&self, agent: &AgentId, kind: Kind, severity: Severity, details: String) -> Finding {
        let hostname = self.monitored_agents.get(agent).map(|monitored| monitored.hostname.clone());
        Finding { kind, severity, object: InvolvedObject::Agent(agent.clone()), hostname, details }
    }

    fn is_suspicious(&self, agent: &AgentId) -> bool {
        self.incidents.get_open(Kind::AgentSuspicious, &InvolvedObject::Agent(agent.clone())).is_some()
    }

    fn added(&mut self, now: Now, agent: AgentId, hostname: String, operators: bool, effects: &mut Vec<Effect>) {
        let policy = &self.policy;
        let monitored = self
            .monitored_agents
            .entry(agent.clone())
            .or_insert_with(|| Box::new(MonitoredAgent::new(hostname.clone(), policy)));
        if !std::mem::replace(&mut monitored.registered, true) {
            self.registered += 1;
        }
        monitored.hostname = hostname;
        monitored.connected = true;
        monitored.operators = operators;
        monitored.checked = None;
        monitored.suspicion.restart_interval(now.monotonic);
        if std::mem::take(&mut monitored.recovered) && !operators && self.remediations.drained.remove(&agent) {
            // An operator reactivated it, or the drain was not persisted.
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

    /// Begins probation: the agent is offered again at once, but counts as flapping if it leaves again soon.
    fn begin_probation(&mut self, now: Now, agent: &AgentId, after: Kind, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        if !self.policy.enabled {
            return;
        }
        monitored.probation = Some(now.monotonic + self.policy.probation);
        self.unsaved.insert(agent.clone());
        let object = InvolvedObject::Agent(agent.clone());
        let Some(number) = self.incidents.get_open(after, &object).map(|incident| incident.number) else { return };
        let reason = format!("it is back; leaving again within {} s is flapping", self.policy.probation.as_secs());
        self.record_action(now, number, "probation", reason, effects);
    }

    fn disconnected(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        // The silence of a suspicious agent has been counted as a departure already.
        let counted = self.is_suspicious(agent);
        let Some(monitored) = self.monitored_agents.get_mut(agent).filter(|monitored| monitored.connected) else {
            return;
        };
        monitored.connected = false;
        self.unsaved.insert(agent.clone());
        let flaps = !counted && monitored.departed(now.monotonic, &self.policy);
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
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        monitored.connected = true;
        monitored.checked = None;
        monitored.suspicion.restart_interval(now.monotonic);
        self.close_incident(now, Kind::AgentDisconnected, &InvolvedObject::Agent(agent.clone()), effects);
        self.remediate(now, agent, effects);
    }

    fn quarantine_flapping(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        let length = monitored.begin_quarantine(now.monotonic, &self.policy);
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

    /// Handles the departure of an agent. `unreachable` is the cause if the agent may return.
    fn lost(&mut self, now: Now, agent: &AgentId, unreachable: Option<String>, effects: &mut Vec<Effect>) {
        let may_return = unreachable.is_some();
        let mut flaps = false;
        let counted = self.is_suspicious(agent);
        if let Some(monitored) = self.monitored_agents.get_mut(agent) {
            // The departure of an agent that was not connected has been counted already.
            let left = std::mem::take(&mut monitored.connected) && !counted;
            flaps = left && may_return && monitored.departed(now.monotonic, &self.policy);
            let recovered = std::mem::take(&mut monitored.recovered);
            let registered = std::mem::take(&mut monitored.registered);
            self.registered -= usize::from(registered);
            if registered || recovered {
                self.departed.push_back(agent.clone());
            }
            self.unsaved.insert(agent.clone());
            monitored.signals = None;
            monitored.crashes.clear();
            monitored.unhealthy.clear();
            monitored.task_results.clear();
        }
        if let Some(cause) = unreachable {
            let finding = self.finding(agent, Kind::AgentUnreachable, Severity::Critical, cause);
            self.open_incident(now, finding, effects);
            if flaps {
                self.quarantine_flapping(now, agent, effects);
            }
        }
        let stays = |kind: Kind| may_return && matches!(kind, Kind::AgentUnreachable | Kind::AgentFlapping);
        for incident in self.incidents.open_about(agent).into_iter().filter(|incident| !stays(incident.kind)) {
            self.close_incident(now, incident.kind, &incident.object, effects);
        }
        // The history is also kept for agents that never registered with this master.
        if !may_return {
            self.monitored_agents.remove(agent);
        }
        self.remediations.forget(agent);
        self.forget_departed(now, effects);
        self.enforce_limit(now, effects);
    }

    fn forget_departed(&mut self, now: Now, effects: &mut Vec<Effect>) {
        while self.departed.len() > MAX_DEPARTED {
            let Some(oldest) = self.departed.pop_front() else { break };
            let is_away = |monitored: &MonitoredAgent| !monitored.registered && !monitored.recovered;
            if self.monitored_agents.get(&oldest).is_some_and(|monitored| is_away(monitored))
                && !self.departed.contains(&oldest)
            {
                self.monitored_agents.remove(&oldest);
                self.unsaved.insert(oldest.clone());
                self.close_incident(now, Kind::AgentFlapping, &InvolvedObject::Agent(oldest), effects);
            }
        }
    }

    fn answered(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        monitored.suspicion.answered(now.monotonic, &self.policy.suspicion);
        if self.is_suspicious(agent) {
            self.begin_probation(now, agent, Kind::AgentSuspicious, effects);
            self.close_incident(now, Kind::AgentSuspicious, &InvolvedObject::Agent(agent.clone()), effects);
            self.remediate(now, agent, effects);
        }
    }

    fn check_agent(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        let before = monitored.checked.replace(now.monotonic);
        // A master that was paused has not processed the answers that wait for it, so the agents were not silent.
        let expected = self.policy.suspicion.expected_interval;
        let stalled = before.is_some_and(|before| now.monotonic.since(before) > expected + expected / 2);
        if stalled {
            monitored.suspicion.restart_interval(now.monotonic);
        }
        let phi = monitored.suspicion.phi(now.monotonic, &self.policy.suspicion);
        let silence = monitored.suspicion.silence(now.monotonic);
        if monitored.connected && phi >= self.policy.suspicion.threshold {
            self.suspect(now, agent, phi, silence, effects);
        }
        self.check_task_failures(now, agent, effects);
        self.check_task_health(now, agent, effects);
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
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        self.unsaved.insert(agent.clone());
        if monitored.departed(now.monotonic, &self.policy) {
            self.quarantine_flapping(now, agent, effects);
        }
    }

    fn end_quarantine(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let object = InvolvedObject::Agent(agent.clone());
        let Some(monitored) = self.monitored_agents.get(agent) else { return };
        if monitored.in_quarantine(now.monotonic)
            || !monitored.connected
            || self.incidents.get_open(Kind::AgentFlapping, &object).is_none()
        {
            return;
        }
        self.begin_probation(now, agent, Kind::AgentFlapping, effects);
        self.close_incident(now, Kind::AgentFlapping, &object, effects);
    }

    fn reported(&mut self, now: Now, agent: &AgentId, signals: Signals, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get_mut(agent).filter(|monitored| monitored.registered) else {
            return;
        };
        monitored.signals = Some(signals);
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
        let Some(monitored) = self.monitored_agents.get_mut(agent).filter(|monitored| monitored.registered) else {
            return;
        };
        monitored.task_results.push(now.monotonic, failed);
        if failed {
            self.check_task_failures(now, agent, effects);
            self.remediate(now, agent, effects);
        }
    }

    fn executor_crashed(&mut self, now: Now, agent: &AgentId, framework: FrameworkId, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get_mut(agent).filter(|monitored| monitored.registered) else {
            return;
        };
        monitored.crashed(now.monotonic, &framework);
        self.check_task_failures(now, agent, effects);
        self.remediate(now, agent, effects);
    }

    /// Checks the failures of tasks and the crashes of executors on an agent.
    fn check_task_failures(&mut self, now: Now, agent: &AgentId, effects: &mut Vec<Effect>) {
        let Some(monitored) = self.monitored_agents.get(agent) else { return };
        let has_evidence = monitored.has_evidence(now.monotonic);
        let (ended, failed) = monitored.task_failures(now.monotonic);
        let crashes: Vec<(FrameworkId, usize)> =
            monitored.crashes.iter().map(|(id, crashes)| (id.clone(), crashes.count(now.monotonic))).collect();
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
                && let Some(monitored) = self.monitored_agents.get_mut(agent)
            {
                monitored.crashes.remove(&framework);
            }
        }
    }

    /// Applies a decision of an operator, which takes precedence over policies.
    fn operator_decided(&mut self, now: Now, agent: &AgentId, keeps_out: bool, effects: &mut Vec<Effect>) {
        let open: Vec<Kind> = self.incidents.open_about(agent).iter().map(|incident| incident.kind).collect();
        let is_held = self.remediations.holds(agent);
        let Some(monitored) = self.monitored_agents.get_mut(agent) else { return };
        let kept_out = std::mem::replace(&mut monitored.operators, keeps_out);
        if !keeps_out && (kept_out || is_held) {
            monitored.overruled.extend(open);
            match &mut monitored.quarantine {
                // The quarantine ends now. It stays recorded, since it determines the length of the next one.
                Some(quarantine) if is_held => quarantine.until = quarantine.until.min(now.monotonic),
                quarantine => *quarantine = None,
            }
            // A drain that is in progress continues as the operator's.
            if kept_out {
                self.remediations.drained.remove(agent);
            }
            self.unsaved.insert(agent.clone());
            self.release(now, agent, "an operator wants it back", effects);
        }
        self.remediate(now, agent, effects);
    }
}
