//! The recovery policy (`--recovery_policy`): the actions that incidents lead to. By default agents that do not answer
//! or flap are held, that is, nothing of them is offered; all other incidents are only reported.

use std::time::Duration;

use serde::Deserialize;

use crate::phi::SuspicionOptions;
use crate::signals::{Bounds, Thresholds};
use model::incident::{Incident, Kind, Severity};

/// The bounds from which on something is an incident, and the actions that incidents lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Whether incidents lead to actions; they are recorded in any case.
    pub enabled: bool,
    /// The largest share of the registered agents, rounded down, that is held at once.
    pub max_share: f64,
    /// The rules; later ones take precedence.
    pub rules: Vec<Rule>,
    /// The options that decide when the silence of an agent is suspicious.
    pub suspicion: SuspicionOptions,
    /// The bounds from which on measurements of an agent are incidents.
    pub thresholds: Thresholds,
    /// The bounds of flapping, and the length of a quarantine.
    pub flapping: Flapping,
    /// The length of the probation of an agent that has returned: if it leaves again during this time, it is flapping.
    pub probation: Duration,
}

/// The action for incidents of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The kind of incident.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The lowest severity that the rule is for.
    #[serde(default = "lowest")]
    pub severity: Severity,
    /// The action.
    pub action: RemediationAction,
}

fn lowest() -> Severity {
    Severity::Info
}

/// An action that an incident leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemediationAction {
    /// The incident is only reported.
    Report,
    /// No resources of the agent are offered until the incident, or the quarantine of a flapping agent, is over.
    StopOffering,
    /// The agent is drained, as by DRAIN_AGENT. It stays drained until an operator reactivates it.
    Drain,
}

/// The bounds of flapping, and the length of a quarantine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flapping {
    /// The number of departures from which on an agent is flapping.
    pub departures: usize,
    /// The time within which departures are counted together.
    pub within: Duration,
    /// The length of the first quarantine; each further one is twice as long.
    pub quarantine: Duration,
    /// The longest quarantine. An agent that has not flapped for this long begins with the first length again.
    pub max_quarantine: Duration,
}

impl Policy {
    /// Creates the default policy for an interval between pings.
    pub fn new(ping_interval: Duration) -> Self {
        let rule = |kind| Rule { kind, severity: Severity::Info, action: RemediationAction::StopOffering };
        Policy {
            enabled: true,
            max_share: 0.2,
            rules: vec![rule(Kind::AgentSuspicious), rule(Kind::AgentFlapping)],
            suspicion: SuspicionOptions::for_interval(ping_interval),
            thresholds: Thresholds::default(),
            flapping: Flapping {
                departures: 3,
                within: Duration::from_secs(600),
                quarantine: Duration::from_secs(60),
                max_quarantine: Duration::from_secs(3600),
            },
            probation: Duration::from_secs(300),
        }
    }

    /// Returns the action for an incident: that of the last rule that fits.
    pub fn remediation(&self, incident: &Incident) -> RemediationAction {
        let fits = |rule: &&Rule| rule.kind == incident.kind && incident.severity >= rule.severity;
        let rule = self.rules.iter().rev().find(fits).filter(|_| self.enabled);
        rule.map_or(RemediationAction::Report, |rule| rule.action)
    }

    /// Returns the number of the registered agents that may be held at once.
    pub fn max_held(&self, registered: usize) -> usize {
        (self.max_share * registered as f64).floor() as usize
    }

    /// Parses `--recovery_policy`: JSON, or `off`. Members that are absent keep their defaults.
    ///
    /// # Errors
    ///
    /// The error names the wrong value and its possible values.
    pub fn parse(text: &str, ping_interval: Duration) -> Result<Self, InvalidPolicy> {
        let mut policy = Policy::new(ping_interval);
        if text.trim() == "off" {
            policy.enabled = false;
            return Ok(policy);
        }
        let given: PolicyJson = serde_json::from_str(text)?;
        given.apply(&mut policy);
        policy.check()?;
        Ok(policy)
    }

    fn check(&self) -> Result<(), InvalidPolicy> {
        if !(0.0..=1.0).contains(&self.max_share) {
            return Err(InvalidPolicy::Value("max_share has to be between 0 and 1"));
        }
        if !(self.suspicion.threshold.is_finite() && self.suspicion.threshold > 0.0) {
            return Err(InvalidPolicy::Value("suspicion.threshold has to be positive"));
        }
        if !(1..=1000).contains(&self.suspicion.window) {
            return Err(InvalidPolicy::Value("suspicion.window has to be between 1 and 1000"));
        }
        if !(1..=100).contains(&self.flapping.departures) {
            return Err(InvalidPolicy::Value("flapping.departures has to be between 1 and 100"));
        }
        if self.flapping.quarantine.is_zero() || self.flapping.quarantine > self.flapping.max_quarantine {
            return Err(InvalidPolicy::Value(
                "0 < flapping.quarantine_secs <= flapping.max_quarantine_secs has to hold",
            ));
        }
        let Thresholds { disk_used, memory_used, load, cpu_waiting, task_failures, executor_crashes, .. } =
            &self.thresholds;
        let bounds = [disk_used, memory_used, load, cpu_waiting, task_failures, executor_crashes];
        if !bounds.into_iter().all(Bounds::is_valid) {
            return Err(InvalidPolicy::Value("of thresholds, 0 < warning <= critical has to hold"));
        }
        match self
            .rules
            .iter()
            .find(|rule| rule.action != RemediationAction::Report && !rule.kind.is_of_registered_agents())
        {
            Some(rule) => Err(InvalidPolicy::Rule(rule.kind)),
            None => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidPolicy {
    #[error("it is not the JSON of a recovery policy: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Value(&'static str),
    #[error(
        "nothing can be done about {0} but report it: there is no registered agent to be kept from offers or drained"
    )]
    Rule(Kind),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PolicyJson {
    enabled: Option<bool>,
    max_share: Option<f64>,
    rules: Vec<Rule>,
    suspicion: SuspicionJson,
    thresholds: Option<Thresholds>,
    flapping: FlappingJson,
    probation_secs: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SuspicionJson {
    threshold: Option<f64>,
    window: Option<usize>,
    min_deviation_secs: Option<u32>,
    acceptable_pause_secs: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FlappingJson {
    departures: Option<usize>,
    within_secs: Option<u32>,
    quarantine_secs: Option<u32>,
    max_quarantine_secs: Option<u32>,
}

impl PolicyJson {
    fn apply(self, policy: &mut Policy) {
        let Policy { suspicion, flapping, .. } = policy;
        set(&mut suspicion.threshold, self.suspicion.threshold);
        set(&mut suspicion.window, self.suspicion.window);
        set(&mut suspicion.min_deviation, self.suspicion.min_deviation_secs.map(seconds));
        set(&mut suspicion.acceptable_pause, self.suspicion.acceptable_pause_secs.map(seconds));
        set(&mut flapping.departures, self.flapping.departures);
        set(&mut flapping.within, self.flapping.within_secs.map(seconds));
        set(&mut flapping.quarantine, self.flapping.quarantine_secs.map(seconds));
        set(&mut flapping.max_quarantine, self.flapping.max_quarantine_secs.map(seconds));
        set(&mut policy.enabled, self.enabled);
        set(&mut policy.max_share, self.max_share);
        set(&mut policy.thresholds, self.thresholds);
        set(&mut policy.probation, self.probation_secs.map(seconds));
        policy.rules.extend(self.rules);
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Duration = Duration::from_secs(15);

    #[test]
    fn absent_members_keep_their_defaults() {
        let text = r#"{"max_share": 0.1, "rules": [{"type": "disk_pressure", "severity": "critical", "action": "drain"}],
                       "flapping": {"quarantine_secs": 5}}"#;
        let policy = Policy::parse(text, PING).unwrap();
        let expect = Policy::new(PING);
        assert_eq!((policy.enabled, policy.max_share, policy.probation), (true, 0.1, expect.probation));
        assert_eq!(policy.rules.len(), 3);
        assert_eq!(policy.flapping, Flapping { quarantine: Duration::from_secs(5), ..expect.flapping });
        assert!(!Policy::parse("off", PING).unwrap().enabled);
    }

    #[test]
    fn invalid_policies_are_refused() {
        for (text, expect) in [
            ("{", "it is not the JSON"),
            (r#"{"max_shares": 1}"#, "unknown field"),
            (r#"{"max_share": 2}"#, "max_share has to be"),
            (r#"{"rules": [{"type": "x", "action": "drain"}]}"#, "unknown variant"),
            (r#"{"thresholds": {"load": {"warning": 2, "critical": 1}}}"#, "0 < warning <= critical"),
            (r#"{"thresholds": {"cpu_waiting": {"warning": 0, "critical": 1}}}"#, "0 < warning <= critical"),
            (r#"{"flapping": {"max_quarantine_secs": 59}}"#, "quarantine_secs <= flapping.max_quarantine_secs"),
            (r#"{"flapping": {"quarantine_secs": 0}}"#, "0 < flapping.quarantine_secs"),
            (
                r#"{"rules": [{"type": "agent_unreachable", "action": "drain"}]}"#,
                "about agent_unreachable but report it",
            ),
        ] {
            let error = Policy::parse(text, PING).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
