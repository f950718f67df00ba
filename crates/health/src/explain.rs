//! The reasoning about one agent, for people.

use serde_json::{Value, json};
use vocabulary::{AgentId, Monotonic};

use crate::incident::Kind;
use crate::monitor::Monitor;

impl Monitor {
    /// Nothing about an agent that was never registered here.
    pub fn explain(&self, now: Monotonic, agent: &AgentId) -> Option<Value> {
        let patient = self.patients.get(agent)?;
        let left =
            |until: Option<Monotonic>| until.filter(|until| *until > now).map(|until| until.since(now).as_secs_f64());
        let (ended, failed) = patient.task_failures(now);
        let is_lifted = patient.overruled.contains(&Kind::AgentFlapping);
        let quarantine = patient.quarantine.filter(|_| !is_lifted);
        let incidents: Vec<Value> = self.book.open_about(agent).iter().map(|incident| incident.to_json()).collect();
        Some(json!({
            "connected": patient.connected,
            "phi": if patient.connected { Some(patient.suspicion.phi(now, &self.policy.suspicion)) } else { None },
            "phi_threshold": self.policy.suspicion.threshold,
            "silent_seconds": patient.suspicion.silence(now).as_secs_f64(),
            "signals": patient.signals.map(|signals| json!({
                "load_per_processor": signals.load,
                "cpu_waiting": signals.cpu_waiting,
                "memory_available": signals.memory_available,
                "disk_used": signals.disk_used,
            })),
            "tasks_ended": ended,
            "tasks_failed": failed,
            "departures": patient.departures.count(now),
            "quarantine_seconds": left(quarantine.map(|quarantine| quarantine.until)),
            "probation_seconds": left(patient.probation),
            "held": self.treatments.holds(agent),
            "drained_by_policy": self.treatments.drained.contains(agent),
            "operator_decides": patient.operators,
            "overruled": patient.overruled.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "incidents": incidents,
            "policy": {
                "enabled": self.policy.enabled,
                "held": self.treatments.count(),
                "allowed": self.allowance(),
                "agents": self.registered,
            },
        }))
    }
}
