//! The state of one agent in the monitor, as JSON for `GET /explain`.

use model::{AgentId, Monotonic};
use serde_json::{Value, json};

use crate::monitor::Monitor;
use model::incident::Kind;

impl Monitor {
    /// Returns the state of an agent in the monitor; `None` if it was never registered with this master.
    pub fn explain(&self, now: Monotonic, agent: &AgentId) -> Option<Value> {
        let monitored = self.monitored_agents.get(agent)?;
        let left =
            |until: Option<Monotonic>| until.filter(|until| *until > now).map(|until| until.since(now).as_secs_f64());
        let (ended, failed) = monitored.task_failures(now);
        let is_lifted = monitored.overruled.contains(&Kind::AgentFlapping);
        let quarantine = monitored.quarantine.filter(|_| !is_lifted);
        let incidents: Vec<Value> =
            self.incidents.open_about(agent).iter().map(|incident| incident.to_json()).collect();
        Some(json!({
            "connected": monitored.connected,
            "phi": if monitored.connected { Some(monitored.suspicion.phi(now, &self.policy.suspicion)) } else { None },
            "phi_threshold": self.policy.suspicion.threshold,
            "silent_seconds": monitored.suspicion.silence(now).as_secs_f64(),
            "signals": monitored.signals.map(|signals| json!({
                "load_per_processor": signals.load,
                "cpu_waiting": signals.cpu_waiting,
                "memory_available": signals.memory_available,
                "disk_used": signals.disk_used,
            })),
            "tasks_ended": ended,
            "tasks_failed": failed,
            "departures": monitored.departures.count(now),
            "quarantine_seconds": left(quarantine.map(|quarantine| quarantine.until)),
            "probation_seconds": left(monitored.probation),
            "held": self.remediations.holds(agent),
            "drained_by_policy": self.remediations.drained.contains(agent),
            "operator_decides": monitored.operators,
            "overruled": monitored.overruled.iter().map(|kind| kind.as_str()).collect::<Vec<_>>(),
            "incidents": incidents,
            "policy": {
                "enabled": self.policy.enabled,
                "held": self.remediations.count(),
                "allowed": self.max_held(),
                "agents": self.registered,
            },
        }))
    }
}
