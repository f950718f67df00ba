//! The answers of `GET /explain` as text.

use serde_json::Value;
use tepui_client::{Address, get_json};

use super::advice::advice;
use crate::commands::cli::CommandError;
use crate::commands::find;
use crate::commands::state::{State, short};
use crate::output;

/// The parameters of a request to the master.
#[derive(Debug, Default)]
pub struct ExplainQuery {
    pub framework: Option<String>,
    pub role: Option<String>,
    pub agent: Option<String>,
    pub demand: Option<String>,
}

/// The master's answer.
pub struct Eligibility(Value);

impl ExplainQuery {
    fn path(&self) -> String {
        let parameters =
            [("framework", &self.framework), ("role", &self.role), ("agent", &self.agent), ("demand", &self.demand)];
        let given =
            parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", output::encode(value.as_deref()?))));
        format!("/explain?{}", given.collect::<Vec<_>>().join("&"))
    }
}

pub async fn agent(master: &Address, state: &State, subject: &str) -> Result<ExplainQuery, CommandError> {
    let id = find::agent_id_anywhere(master, state, subject).await?;
    Ok(ExplainQuery { agent: Some(id.value), ..ExplainQuery::default() })
}

impl Eligibility {
    pub async fn ask(master: &Address, query: &ExplainQuery) -> Result<Self, CommandError> {
        Ok(Eligibility(get_json(master, &query.path()).await?))
    }

    pub fn json(&self) -> &Value {
        &self.0
    }

    pub fn lines(&self, query: &ExplainQuery) -> Vec<String> {
        let eligibilities = list(&self.0, "eligibilities");
        if eligibilities.is_empty() {
            return vec![match (&query.role, &query.framework) {
                (Some(role), None) => {
                    format!("no framework is subscribed to role {role} or a role below it: nobody asks for its share")
                }
                _ => "it is subscribed to no role, so it is offered nothing: what to do: let it subscribe with a role"
                    .to_owned(),
            }];
        }
        let mut lines: Vec<String> = eligibilities.iter().flat_map(|one| of(one, query.framework.is_none())).collect();
        if self.0["truncated"] == true {
            lines.push("there is more: name one framework or one agent to see all of it".to_owned());
        }
        lines
    }

    /// Returns the codes of the reasons why nothing is offered, and one or two sentences about them. Returns `None` if
    /// an offer is on its way or nothing prevents an offer.
    pub fn summary(&self) -> Option<(Vec<String>, Vec<String>)> {
        let eligibilities = list(&self.0, "eligibilities");
        if eligibilities.iter().any(|eligibility| number(eligibility, "open") > 0 || number(eligibility, "offers") > 0)
        {
            return None;
        }
        if eligibilities.iter().all(|eligibility| number(eligibility, "agents") == 0) {
            let line = "nothing starts: no agent is registered; start one: tepui agent --help";
            return Some((vec!["NO_AGENTS".to_owned()], vec![line.to_owned()]));
        }
        let summary: Vec<&Value> = eligibilities.iter().flat_map(|eligibility| list(eligibility, "summary")).collect();
        // The framework's own offer filters last for seconds and are not worth a message.
        let counts: Vec<&Value> = summary.into_iter().filter(|count| text(count, "code") != "REFUSED").collect();
        if counts.is_empty() {
            return None;
        }
        let codes: Vec<String> = counts.iter().map(|count| text(count, "code").to_owned()).collect();
        let agents: u64 =
            eligibilities.iter().map(|eligibility| number(eligibility, "agents")).max().unwrap_or_default();
        let counted = counts.iter().map(|count| format!("{} {}", number(count, "agents"), phrase(count)));
        let counted: Vec<String> = counted.collect();
        let noun = if agents == 1 { "agent" } else { "agents" };
        let mut lines = vec![format!("nothing starts: of {agents} {noun}, {}", counted.join(", "))];
        lines.extend(advise(codes.iter().map(String::as_str)));
        Some((codes, lines))
    }

    /// Explains one agent for all frameworks.
    pub fn of_agent(&self) -> Vec<String> {
        if let Some(condition @ ("unreachable" | "recovered")) = self.0["condition"].as_str() {
            return away(condition);
        }
        let eligibilities = list(&self.0, "eligibilities");
        let mut lines = Vec::new();
        for eligibility in eligibilities {
            let Some(detail) = list(eligibility, "details").first() else { continue };
            if lines.is_empty() {
                let available = text(detail, "available");
                let left = if matches!(available, "" | "{}") { "nothing left" } else { available };
                lines.push(format!("agent {} ({}) has {left}", short(text(detail, "agent")), text(detail, "hostname")));
            }
            let reasons: Vec<String> = list(detail, "reasons").iter().map(phrase).collect();
            let reasons = if reasons.is_empty() { "may be offered it".to_owned() } else { reasons.join("; ") };
            lines.push(format!("  {} in role {}: {reasons}", name(eligibility), text(eligibility, "role")));
        }
        if lines.is_empty() {
            lines.push("no framework is subscribed: nobody could be offered this agent".to_owned());
        }
        let codes = eligibilities.iter().flat_map(|one| list(one, "summary")).map(|one| text(one, "code"));
        lines.extend(advise(codes));
        lines
    }
}

fn away(condition: &str) -> Vec<String> {
    let (how, advice) = match condition {
        "recovered" => (
            "it was registered with the master before, and has not come back yet",
            "wait, or start it again; after --agent_reregister_timeout it is unreachable",
        ),
        _ => (
            "it is unreachable",
            "start it again, and it comes back with its tasks; if it never will, say so: `tepui gone`",
        ),
    };
    vec![format!("{how}, so nothing of it can be offered"), format!("what to do: {advice}")]
}

fn of(eligibility: &Value, named: bool) -> Vec<String> {
    let who = if named {
        format!("{} in role {}", name(eligibility), text(eligibility, "role"))
    } else {
        format!("in role {}", text(eligibility, "role"))
    };
    let agents = number(eligibility, "agents");
    let offers = number(eligibility, "offers");
    let open = number(eligibility, "open");
    let mut lines = Vec::new();
    if offers > 0 {
        lines.push(format!("{who}: {offers} offers wait for its scheduler, not for the cluster"));
    }
    if agents == 0 {
        lines.push(format!("{who}: no agent is registered: `tepui agents` lists them"));
        return lines;
    }
    lines.push(format!("{who}, of {agents} agents:"));
    let summary = list(eligibility, "summary");
    lines.extend(summary.iter().map(|count| format!("  {} {}", number(count, "agents"), phrase(count))));
    if open > 0 {
        lines.push(format!(
            "  {open} nothing keeps them away; those with a smaller share are asked first (the role's is {:.1} %)",
            100.0 * eligibility["role_share"].as_f64().unwrap_or_default()
        ));
    }
    let full = |code: &str| matches!(code, "NOTHING_LEFT" | "DEMAND_DOES_NOT_FIT");
    let codes: Vec<&str> = summary.iter().map(|count| text(count, "code")).collect();
    if offers > 0 && codes.first().is_some_and(|code| full(code)) {
        // The framework may already hold the offers that it waits for.
        lines.push(
            "what to do: let its scheduler accept or decline the offers it has, several of one agent together"
                .to_owned(),
        );
    } else {
        lines.extend(advise(codes.into_iter()));
    }
    lines
}

/// Returns the advice for the first reason that has one; the first reason concerns most agents.
fn advise<'a>(mut codes: impl Iterator<Item = &'a str>) -> Option<String> {
    codes.find_map(advice).map(|advice| format!("what to do: {advice}"))
}

fn phrase(reason: &Value) -> String {
    match reason["seconds"].as_f64() {
        Some(seconds) => format!("{}, for {seconds:.0} s at most", text(reason, "text")),
        None => text(reason, "text").to_owned(),
    }
}

fn name(eligibility: &Value) -> String {
    format!("framework '{}' ({})", text(eligibility, "name"), short(text(eligibility, "framework")))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn number(value: &Value, member: &str) -> u64 {
    value[member].as_u64().unwrap_or_default()
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn eligibility(offers: u64, summary: Value, open: u64) -> Value {
        json!({
            "framework": "m-0001", "name": "spark", "role": "eng", "role_share": 0.25, "offers": offers, "agents": 12,
            "open": open, "summary": summary,
            "details": [{"agent": "m-S3", "hostname": "host", "available": "cpus:1", "reasons": summary}],
        })
    }

    fn check(eligibilities: Value, query: &ExplainQuery, expected: &[&str]) {
        assert_eq!(Eligibility(json!({ "eligibilities": eligibilities })).lines(query), expected);
    }

    fn about_framework() -> ExplainQuery {
        ExplainQuery { framework: Some("m-0001".to_owned()), ..ExplainQuery::default() }
    }

    #[test]
    fn reasons_are_counted_and_end_in_advice() {
        let summary = json!([
            {"code": "REFUSED", "text": "refused by the framework", "seconds": 35.2, "agents": 7},
            {"code": "NOTHING_LEFT", "text": "nothing left: all is offered or allocated", "agents": 5},
        ]);
        check(
            json!([eligibility(0, summary, 0)]),
            &about_framework(),
            &[
                "in role eng, of 12 agents:",
                "  7 refused by the framework, for 35 s at most",
                "  5 nothing left: all is offered or allocated",
                "what to do: wait, or let its scheduler call REVIVE, which ends all refusals; a scheduler that declines for long stays without offers",
            ],
        );
    }

    #[test]
    fn offers_and_eligible_agents_are_shown() {
        check(
            json!([eligibility(2, json!([]), 12)]),
            &ExplainQuery { role: Some("eng".to_owned()), ..ExplainQuery::default() },
            &[
                "framework 'spark' (0001) in role eng: 2 offers wait for its scheduler, not for the cluster",
                "framework 'spark' (0001) in role eng, of 12 agents:",
                "  12 nothing keeps them away; those with a smaller share are asked first (the role's is 25.0 %)",
            ],
        );
    }

    #[test]
    fn a_framework_with_offers_is_not_advised_to_wait() {
        let summary = json!([{"code": "NOTHING_LEFT", "text": "nothing left", "agents": 12}]);
        check(
            json!([eligibility(3, summary, 0)]),
            &about_framework(),
            &[
                "in role eng: 3 offers wait for its scheduler, not for the cluster",
                "in role eng, of 12 agents:",
                "  12 nothing left",
                "what to do: let its scheduler accept or decline the offers it has, several of one agent together",
            ],
        );
    }

    #[test]
    fn a_role_without_frameworks_is_reported() {
        check(
            json!([]),
            &ExplainQuery { role: Some("x".to_owned()), ..ExplainQuery::default() },
            &["no framework is subscribed to role x or a role below it: nobody asks for its share"],
        );
    }

    #[test]
    fn an_agent_is_explained_for_each_framework() {
        let reason = json!([{"code": "NOT_WHITELISTED", "text": "not in the master's --whitelist", "agents": 1}]);
        let answer = Eligibility(json!({ "eligibilities": [eligibility(0, reason, 0)] }));
        let mut full = answer.json().clone();
        full["eligibilities"][0]["details"][0]["available"] = json!("{}");
        assert_eq!(Eligibility(full).of_agent()[0], "agent S3 (host) has nothing left");
        assert_eq!(
            answer.of_agent(),
            [
                "agent S3 (host) has cpus:1",
                "  framework 'spark' (0001) in role eng: not in the master's --whitelist",
                "what to do: add their host names to the file of the master's --whitelist",
            ]
        );
    }

    #[test]
    fn an_agent_that_is_not_registered_is_reported() {
        for condition in ["recovered", "unreachable"] {
            let lines = Eligibility(json!({"eligibilities": [], "condition": condition, "failures": null})).of_agent();
            assert!(
                lines[0].ends_with("so nothing of it can be offered") && lines[1].contains("start it"),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_waiting_batch_gets_a_short_explanation() {
        let check = |eligibilities: Value, expect: Option<&[&str]>| {
            let counts = Eligibility(json!({ "eligibilities": eligibilities })).summary();
            let lines = counts.map(|(_, lines)| lines);
            assert_eq!(lines, expect.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect()));
        };
        let small = json!({"code": "DEMAND_TOO_LARGE", "text": "smaller than the demand", "agents": 12});
        let refused = json!({"code": "REFUSED", "text": "refused by the framework", "seconds": 1.5, "agents": 3});
        check(
            json!([eligibility(0, json!([small, refused]), 0)]),
            Some(&[
                "nothing starts: of 12 agents, 12 smaller than the demand",
                "what to do: ask for less in one piece, or add larger agents",
            ]),
        );
        check(json!([eligibility(0, json!([refused]), 0)]), None);
        check(json!([eligibility(0, json!([small]), 2)]), None);
        check(json!([eligibility(1, json!([small]), 0)]), None);
        check(json!([]), Some(&["nothing starts: no agent is registered; start one: tepui agent --help"]));
    }

    #[test]
    fn questions_become_queries() {
        let text = |text: &str| Some(text.to_owned());
        let demand = text("cpus:4; mem:1024");
        let query = ExplainQuery { role: text("eng/web"), framework: text("a b&c"), agent: None, demand };
        assert_eq!(query.path(), "/explain?framework=a%20b%26c&role=eng/web&demand=cpus%3A4%3B%20mem%3A1024");
    }
}
