//! The failures of an agent as the master sees them, and what its recovery policies did about them, as text.

use serde_json::Value;

use crate::table::duration;

/// Returns the lines for the member `failures` of the master's answer about an agent; none if the master sends no such
/// member.
pub fn lines(answer: &Value) -> Vec<String> {
    let failures = &answer["failures"];
    if !failures.is_object() {
        return Vec::new();
    }
    let is_registered = matches!(answer["condition"].as_str(), None | Some("registered"));
    let mut lines = if is_registered { vec![detector(failures)] } else { vec!["failures:".to_owned()] };
    lines.extend(signals(&failures["signals"]));
    if let Some(failed) = failures["tasks_failed"].as_u64().filter(|failed| *failed > 0) {
        lines.push(format!("  {failed} of the last {} tasks on it failed", failures["tasks_ended"]));
    }
    let seconds = |key: &str| failures[key].as_f64().map(duration);
    lines.extend(seconds("quarantine_seconds").map(|left| format!("  in quarantine for {left}: it came and went")));
    lines.extend(
        seconds("probation_seconds").map(|left| format!("  on probation for {left}: leaving again is flapping")),
    );
    for incident in failures["incidents"].as_array().into_iter().flatten() {
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
    if is_registered {
        lines.extend(overruled(failures));
        lines.extend(decision(failures));
    }
    lines
}

fn detector(failures: &Value) -> String {
    match failures["phi"].as_f64() {
        None => "failure detector: it is disconnected".to_owned(),
        Some(phi) => {
            let silent = duration(failures["silent_seconds"].as_f64().unwrap_or_default());
            format!("failure detector: phi {phi:.1} of {}, it answered {silent} ago", failures["phi_threshold"])
        }
    }
}

fn signals(signals: &Value) -> Option<String> {
    let percent = |key: &str, words: &str| signals[key].as_f64().map(|share| format!("{words} {:.0} %", share * 100.0));
    let load = signals["load_per_processor"].as_f64().map(|load| format!("load {load:.1} for each processor"));
    let said = [
        load,
        percent("cpu_waiting", "waiting for cpu"),
        percent("memory_available", "memory available"),
        percent("disk_used", "disk used"),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| format!("  it says: {}", said.join(", ")))
}

fn overruled(failures: &Value) -> Option<String> {
    let kinds: Vec<&str> = failures["overruled"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let first = kinds.first()?;
    let others = kinds.get(1..).unwrap_or_default().iter().map(|kind| format!(", {kind}")).collect::<String>();
    Some(format!("  an operator wants it offered in spite of {first}{others}"))
}

fn decision(failures: &Value) -> Option<String> {
    let policy = &failures["policy"];
    let limit = format!("{} of at most {} agents are", policy["held"], policy["allowed"]);
    if policy["enabled"] == false {
        Some("  recovery policies are switched off".to_owned())
    } else if failures["drained_by_policy"] == true {
        Some("  a recovery policy has it drained; what to do: once it is well, `tepui reactivate` it".to_owned())
    } else if failures["operator_decides"] == true {
        Some("  an operator drains it or has deactivated it: recovery policies leave it alone".to_owned())
    } else if failures["held"] == true {
        Some(format!(
            "  a recovery policy keeps it from offers ({limit}); `tepui reactivate` has it offered nevertheless"
        ))
    } else if failures["incidents"].as_array().is_some_and(|incidents| !incidents.is_empty()) {
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
    fn the_reasons_are_shown() {
        let failures = json!({
            "phi": 9.25, "phi_threshold": 8.0, "silent_seconds": 45.0, "held": true, "operator_decides": false,
            "signals": {"load_per_processor": 0.5, "cpu_waiting": 0.5, "memory_available": 0.25, "disk_used": null},
            "overruled": ["overload", "cpu_pressure"],
            "tasks_ended": 10, "tasks_failed": 2, "quarantine_seconds": null, "probation_seconds": 100.0,
            "incidents": [{"severity": "warning", "type": "agent_suspicious", "details": "silent",
                           "actions": [{"action": "stop_offering", "reason": "the policy"}]}],
            "policy": {"enabled": true, "held": 1, "allowed": 2, "agents": 10},
        });
        assert_eq!(
            lines(&json!({"condition": "registered", "failures": failures})),
            [
                "failure detector: phi 9.2 of 8.0, it answered 45s ago",
                "  it says: load 0.5 for each processor, waiting for cpu 50 %, memory available 25 %",
                "  2 of the last 10 tasks on it failed",
                "  on probation for 1m40s: leaving again is flapping",
                "  warning agent_suspicious: silent",
                "    stop_offering: the policy",
                "  an operator wants it offered in spite of overload, cpu_pressure",
                "  a recovery policy keeps it from offers (1 of at most 2 agents are); `tepui reactivate` has it offered \
                 nevertheless",
            ]
        );
        assert_eq!(lines(&Value::Null), Vec::<String>::new());
        let away =
            json!({"phi": null, "incidents": [{"severity": "critical", "type": "agent_unreachable", "details": "d"}]});
        let away = json!({"condition": "unreachable", "failures": away});
        assert_eq!(lines(&away), ["failures:", "  critical agent_unreachable: d"]);
    }
}
