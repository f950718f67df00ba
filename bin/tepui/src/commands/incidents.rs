//! Information from open failures that the master's lists do not contain: which agents are unreachable, and which are
//! kept from offers by a recovery policy.

use messages::v1;
use serde_json::Value;
use tepui_client::{Address, get_json};

/// The open failures.
#[derive(Debug, Default)]
pub struct OpenIncidents(Vec<Value>);

impl OpenIncidents {
    /// Returns the open failures; none if the master does not record failures, such as a Mesos master.
    pub async fn get(master: &Address) -> Self {
        let answer = get_json(master, "/failures?open=true").await.unwrap_or_default();
        OpenIncidents(answer["failures"].as_array().cloned().unwrap_or_default())
    }

    /// Returns the unreachable agents. Only their ids and host names are known.
    pub fn unreachable(&self) -> Vec<v1::AgentInfo> {
        let of_type = self.0.iter().filter(|failure| failure["type"] == "agent_unreachable");
        let agents = of_type.map(|failure| &failure["object"]).filter(|object| object["type"] == "agent");
        let agent = |object: &Value| v1::AgentInfo {
            id: Some(v1::AgentId { value: object["id"].as_str().unwrap_or_default().to_owned() }),
            hostname: object["hostname"].as_str().unwrap_or_default().to_owned(),
            ..Default::default()
        };
        agents.map(agent).collect()
    }

    /// Returns the number of open failures.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the type of the failure for which the agent is not offered.
    pub fn quarantine_reason(&self, agent: &str) -> Option<&str> {
        let about = self.0.iter().filter(|failure| failure["object"]["id"] == agent);
        about.filter(|failure| is_quarantined(failure)).find_map(|failure| failure["type"].as_str())
    }
}

fn is_quarantined(failure: &Value) -> bool {
    let actions = failure["actions"].as_array().into_iter().flatten().rev();
    let mut decisions = actions.filter_map(|action| action["action"].as_str());
    decisions.find(|action| matches!(*action, "stop_offering" | "offer_again")) == Some("stop_offering")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(kind: &str, agent: &str, actions: &[&str]) -> Value {
        let actions: Vec<Value> = actions.iter().map(|action| json!({"action": action, "reason": "r"})).collect();
        json!({"type": kind, "object": {"type": "agent", "id": agent, "hostname": "h"}, "actions": actions})
    }

    #[test]
    fn agents_are_quarantined_until_they_are_offered_again() {
        let incidents = OpenIncidents(vec![
            failure("agent_flapping", "m-S1", &["quarantine", "stop_offering", "quarantine"]),
            failure("agent_suspicious", "m-S2", &["stop_offering", "offer_again"]),
            failure("agent_unreachable", "m-S3", &[]),
        ]);
        assert_eq!(incidents.quarantine_reason("m-S1"), Some("agent_flapping"));
        assert_eq!((incidents.quarantine_reason("m-S2"), incidents.quarantine_reason("m-S3")), (None, None));
        let unreachable = incidents.unreachable();
        let names: Vec<(&str, &str)> = unreachable
            .iter()
            .map(|info| (info.id.as_ref().map_or("", |id| id.value.as_str()), info.hostname.as_str()))
            .collect();
        assert_eq!(names, [("m-S3", "h")]);
    }
}
