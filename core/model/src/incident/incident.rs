//! The record of one failure: its kind, severity, object, times, and the actions that were taken.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::{AgentId, FrameworkId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

macro_rules! names {
    ($(#[$about:meta])* $type:ident { $($(#[$of_variant:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type {
            $($(#[$of_variant])* $variant,)*
        }

        impl $type {
            /// All values, in the order of their declaration.
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// Returns the name in JSON and in query parameters.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)*
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                $type::ALL.iter().copied().find(|known| known.as_str() == text).ok_or_else(|| UnknownName {
                    given: text.to_owned(),
                    known: [$($name),*].join(", "),
                })
            }
        }
    };
}

/// The error of a text that is none of the expected names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{given}' is none of {known}")]
pub struct UnknownName {
    given: String,
    known: String,
}

names! {
    /// The type of an incident.
    Kind {
        /// An agent has been silent for longer than it usually is.
        AgentSuspicious = "agent_suspicious",
        /// An agent was marked unreachable.
        AgentUnreachable = "agent_unreachable",
        /// The connection to an agent is lost.
        AgentDisconnected = "agent_disconnected",
        /// An agent leaves and returns again and again.
        AgentFlapping = "agent_flapping",
        /// The file system of an agent's work directory is nearly full.
        DiskPressure = "disk_pressure",
        /// Little memory of an agent is available.
        MemoryPressure = "memory_pressure",
        /// Processes of an agent wait for processors most of the time.
        CpuPressure = "cpu_pressure",
        /// The load average of an agent is high.
        Overload = "overload",
        /// Many of the tasks that ended on an agent failed.
        TaskFailureRate = "task_failure_rate",
        /// Executors of one framework crash on an agent again and again.
        ExecutorCrashLoop = "executor_crash_loop",
        /// Health checks of tasks of one framework on an agent fail.
        TaskUnhealthy = "task_unhealthy",
        /// The connection to a framework's scheduler is lost.
        FrameworkDisconnected = "framework_disconnected",
        /// A master took over and waits for the agents of the one before it.
        MasterFailover = "master_failover",
        /// The registry cannot be written.
        RegistryStalled = "registry_stalled",
    }
}

names! {
    /// The severity of an incident.
    Severity {
        /// The incident is informational.
        Info = "info",
        /// The incident may become a failure.
        Warning = "warning",
        /// The incident is a failure.
        Critical = "critical",
    }
}

names! {
    /// The change of an incident.
    IncidentUpdate {
        /// The incident was detected.
        Detected = "detected",
        /// The severity of the incident has changed.
        Changed = "changed",
        /// A policy took an action.
        Acted = "acted",
        /// The incident is over.
        Recovered = "recovered",
    }
}

impl Kind {
    /// Returns whether incidents of this kind are about registered agents; only these can be held or drained.
    pub fn is_of_registered_agents(self) -> bool {
        match self {
            Kind::AgentUnreachable | Kind::FrameworkDisconnected | Kind::MasterFailover | Kind::RegistryStalled => {
                false
            }
            Kind::AgentSuspicious
            | Kind::AgentDisconnected
            | Kind::AgentFlapping
            | Kind::DiskPressure
            | Kind::MemoryPressure
            | Kind::CpuPressure
            | Kind::Overload
            | Kind::TaskFailureRate
            | Kind::TaskUnhealthy
            | Kind::ExecutorCrashLoop => true,
        }
    }
}

/// The object of an incident.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum InvolvedObject {
    /// One agent.
    Agent(AgentId),
    /// One framework.
    Framework(FrameworkId),
    /// The executors of a framework on an agent.
    Executors(AgentId, FrameworkId),
    /// One master, by its id.
    Master(String),
}

impl InvolvedObject {
    /// Returns the agent that the incident is about, or that the executors ran on.
    pub fn agent(&self) -> Option<&AgentId> {
        match self {
            InvolvedObject::Agent(agent) | InvolvedObject::Executors(agent, _) => Some(agent),
            InvolvedObject::Framework(_) | InvolvedObject::Master(_) => None,
        }
    }

    /// Returns whether `name` is the id of the object, or the part of the id behind the id of the master (`S3`).
    fn is(&self, name: &str) -> bool {
        let is = |id: &str| id == name || id.rsplit_once('-').is_some_and(|(_, number)| number == name);
        match self {
            InvolvedObject::Agent(agent) => is(agent.as_str()),
            InvolvedObject::Framework(framework) => is(framework.as_str()),
            InvolvedObject::Executors(agent, framework) => is(agent.as_str()) || is(framework.as_str()),
            InvolvedObject::Master(master) => is(master),
        }
    }

    fn json(&self) -> Value {
        match self {
            InvolvedObject::Agent(agent) => json!({"type": "agent", "id": agent.as_str()}),
            InvolvedObject::Framework(framework) => json!({"type": "framework", "id": framework.as_str()}),
            InvolvedObject::Executors(agent, framework) => json!({
                "type": "executors",
                "id": agent.as_str(),
                "framework": framework.as_str(),
            }),
            InvolvedObject::Master(master) => json!({"type": "master", "id": master}),
        }
    }
}

impl fmt::Display for InvolvedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvolvedObject::Agent(agent) => write!(f, "agent {agent}"),
            InvolvedObject::Framework(framework) => write!(f, "framework {framework}"),
            InvolvedObject::Executors(agent, framework) => {
                write!(f, "executors of framework {framework} on agent {agent}")
            }
            InvolvedObject::Master(master) => write!(f, "master {master}"),
        }
    }
}

/// A decision of a policy, which may be to do nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The time of the decision, by the wall clock.
    pub at: Timestamp,
    /// The decision: `stop_offering`, `drain`, `not_held` and so on.
    pub action: Cow<'static, str>,
    /// The reason for the decision, as text for people.
    pub reason: String,
}

/// One failure from its detection to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// The id, `<master id>-F<number>`.
    pub id: String,
    /// The number within all incidents of this cluster's registry; it grows.
    pub number: u64,
    /// The kind of the failure.
    pub kind: Kind,
    /// The severity.
    pub severity: Severity,
    /// The object that it is about.
    pub object: InvolvedObject,
    /// The host name of the agent that it is about.
    pub hostname: Option<String>,
    /// The observation, as text for people.
    pub details: String,
    /// The time of the detection, by the wall clock.
    pub detected: Timestamp,
    /// The actions taken, the oldest first.
    pub actions: Vec<Action>,
    /// The time of the recovery, by the wall clock; `None` while the incident is open.
    pub recovered: Option<Timestamp>,
}

impl Incident {
    /// Returns whether it is not over yet.
    pub fn is_open(&self) -> bool {
        self.recovered.is_none()
    }

    /// Returns whether the incident is about the object of this name: an id, the part of an id behind the id of the
    /// master, or a host name.
    pub fn is_about(&self, name: &str) -> bool {
        self.object.is(name) || self.hostname.as_ref().is_some_and(|hostname| hostname.eq_ignore_ascii_case(name))
    }

    /// Returns the JSON of `GET /failures` and of the events of sinks.
    pub fn to_json(&self) -> Value {
        let mut object = self.object.json();
        if let (Some(hostname), Some(members)) = (&self.hostname, object.as_object_mut()) {
            members.insert("hostname".to_owned(), hostname.as_str().into());
        }
        let action = |action: &Action| {
            json!({
                "at": action.at.secs_f64(),
                "action": action.action,
                "reason": action.reason,
            })
        };
        json!({
            "id": self.id,
            "type": self.kind.as_str(),
            "severity": self.severity.as_str(),
            "object": object,
            "details": self.details,
            "detected_at": self.detected.secs_f64(),
            "actions": self.actions.iter().map(action).collect::<Vec<_>>(),
            "recovered_at": self.recovered.map(Timestamp::secs_f64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_equal_those_in_json() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(serde_json::from_value::<Kind>(kind.as_str().into()).unwrap(), *kind);
        }
        assert_eq!("bad".parse::<Severity>().unwrap_err().to_string(), "'bad' is none of info, warning, critical");
    }

    #[test]
    fn an_incident_is_found_by_id_short_id_and_host_name() {
        let (agent, framework) = (AgentId::new("8d0f-11-S3"), FrameworkId::new("8d0f-11-0007"));
        let check = |object: &InvolvedObject, hostname: Option<&str>, named: &[&str]| {
            let incident = Incident {
                id: "8d0f-11-F1".to_owned(),
                number: 1,
                kind: Kind::AgentSuspicious,
                severity: Severity::Warning,
                object: object.clone(),
                hostname: hostname.map(str::to_owned),
                details: String::new(),
                detected: Timestamp::from_nanos(0),
                actions: Vec::new(),
                recovered: None,
            };
            let names = ["8d0f-11-S3", "S3", "8d0f-11-0007", "0007", "8d0f-11", "11", "Node3", "3", ""];
            let found: Vec<&str> = names.into_iter().filter(|name| incident.is_about(name)).collect();
            assert_eq!(found, named, "{object}");
        };
        check(&InvolvedObject::Agent(agent.clone()), Some("node3"), &["8d0f-11-S3", "S3", "Node3"]);
        check(&InvolvedObject::Framework(framework.clone()), None, &["8d0f-11-0007", "0007"]);
        let executors = InvolvedObject::Executors(agent, framework);
        check(&executors, Some("node3"), &["8d0f-11-S3", "S3", "8d0f-11-0007", "0007", "Node3"]);
        check(&InvolvedObject::Master("8d0f-11".to_owned()), None, &["8d0f-11", "11"]);
    }
}
