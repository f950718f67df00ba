//! What the master thinks of an agent's health, and what its recovery policies did about it, in words.

use serde_json::Value;

use crate::table::duration;

/// Of `health` in the master's answer; nothing from a master that says nothing of it.
pub fn lines(health: &Value) -> Vec<String> {
    if !health.is_object() {
        return Vec::new();
    }
    let mut lines = vec![standing(health)];
    lines.extend(signals(&health["signals"]));
    if let Some(failed) = health["tasks_failed"].as_u64().filter(|failed| *failed > 0) {
        lines.push(format!("  {failed} of the last {} tasks on it failed", health["tasks_ended"]));
    }
    let seconds = |key: &str| health[key].as_f64().map(duration);
    lines.extend(seconds("quarantine_seconds").map(|left| format!("  in quarantine for {left}: it came and went")));
    lines.extend(
        seconds("probation_seconds").map(|left| format!("  on probation for {left}: leaving again is flapping")),
    );
    for incident in health["incidents"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  {} {}: {}",
            text(incident, "severity"),
            text(incident, "type"),
            text(incident, "details")
        ));
        for action in incident["actions"].as_array().into_iter().flatten() {
            lines.push(format!("    {}: {}", text(action, "action"), text(action, "reason")));
        }
    }
    lines.extend(decision(health));
    lines
}

fn standing(health: &Value) -> String {
    match health["phi"].as_f64() {
        None => "health: it is disconnected".to_owned(),
        Some(phi) => {
            let silent = duration(health["silent_seconds"].as_f64().unwrap_or_default());
            format!("health: phi {phi:.1} of {}, it answered {silent} ago", health["phi_threshold"])
        }
    }
}

fn signals(signals: &Value) -> Option<String> {
    let percent = |key: &str, words: &str| signals[key].as_f64().map(|share| format!("{words} {:.0} %", share * 100.0));
    let load = signals["load_per_processor"].as_f64().map(|load| format!("load {load:.1} for each processor"));
    let said = [load, percent("memory_available", "memory available"), percent("disk_used", "disk used")];
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| format!("  it says: {}", said.join(", ")))
}

fn decision(health: &Value) -> Option<String> {
    let policy = &health["policy"];
    let limit = format!("{} of at most {} agents are", policy["held"], policy["allowed"]);
    if policy["enabled"] == false {
        Some("  recovery policies are switched off".to_owned())
    } else if health["operator_decides"] == true {
        Some("  an operator drains it or has deactivated it: recovery policies leave it alone".to_owned())
    } else if health["held"] == true {
        Some(format!("  a recovery policy keeps it from offers ({limit})"))
    } else if health["incidents"].as_array().is_some_and(|incidents| !incidents.is_empty()) {
        Some(format!("  no recovery policy keeps it from offers ({limit})"))
    } else {
        None
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_reasoning_is_told() {
        let health = json!({
            "phi": 9.25, "phi_threshold": 8.0, "silent_seconds": 45.0, "held": true, "operator_decides": false,
            "signals": {"load_per_processor": 0.5, "memory_available": 0.25, "disk_used": null},
            "tasks_ended": 10, "tasks_failed": 2, "quarantine_seconds": null, "probation_seconds": 100.0,
            "incidents": [{"severity": "warning", "type": "agent_suspicious", "details": "silent",
                           "actions": [{"action": "stop_offering", "reason": "the policy"}]}],
            "policy": {"enabled": true, "held": 1, "allowed": 2, "agents": 10},
        });
        assert_eq!(
            lines(&health),
            [
                "health: phi 9.2 of 8.0, it answered 45s ago",
                "  it says: load 0.5 for each processor, memory available 25 %",
                "  2 of the last 10 tasks on it failed",
                "  on probation for 1m40s: leaving again is flapping",
                "  warning agent_suspicious: silent",
                "    stop_offering: the policy",
                "  a recovery policy keeps it from offers (1 of at most 2 agents are)",
            ]
        );
        assert_eq!(lines(&Value::Null), Vec::<String>::new());
    }
}
