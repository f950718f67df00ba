//! The `MESOS_*` variables that the agent sets for its executors.

use std::time::Duration;

use model::parse_duration;

/// The identity of the executor and the address of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The id of the framework.
    pub framework: String,
    /// The id of the executor.
    pub executor: String,
    /// The agent's address, `ip:port`.
    pub endpoint: String,
    /// The path of the executor API, with the process id of the agent if it is known.
    pub path: String,
    /// The token of the `Authorization: Bearer` header; `None` if the agent demands none.
    pub token: Option<String>,
    /// The time for which the executor waits for a restarting agent; `None` without checkpointing.
    pub recovery_timeout: Option<Duration>,
    /// The time that the task has for ending on SHUTDOWN.
    pub shutdown_grace: Duration,
}

/// The reason for which the variables do not describe an executor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the variable {0} is missing; this program is started by a Mesos or Tepui agent, not by hand")]
    Missing(&'static str),
    #[error("the variable {name} is '{value}', which is not a duration")]
    Duration { name: &'static str, value: String },
}

impl Environment {
    /// Reads the variables, which `get` looks up by name.
    ///
    /// # Errors
    /// Returns an error for a missing variable or an invalid duration.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let needed = |name| get(name).filter(|v| !v.is_empty()).ok_or(Error::Missing(name));
        let duration = |name: &'static str, default| match get(name) {
            None => Ok(default),
            Some(value) => parse_duration(&value).map_err(|_| Error::Duration { name, value }),
        };
        let pid = get("MESOS_SLAVE_PID");
        let (process, address) = pid.as_deref().and_then(|pid| pid.rsplit_once('@')).unzip();
        let checkpoint = get("MESOS_CHECKPOINT").is_some_and(|v| v == "1");
        Ok(Environment {
            framework: needed("MESOS_FRAMEWORK_ID")?,
            executor: needed("MESOS_EXECUTOR_ID")?,
            endpoint: needed("MESOS_AGENT_ENDPOINT").or_else(|error| address.map(str::to_owned).ok_or(error))?,
            path: process.map_or_else(|| "/api/v1/executor".to_owned(), |id| format!("/{id}/api/v1/executor")),
            token: get("MESOS_EXECUTOR_AUTHENTICATION_TOKEN"),
            recovery_timeout: match checkpoint {
                true => Some(duration("MESOS_RECOVERY_TIMEOUT", Duration::from_secs(15 * 60))?),
                false => None,
            },
            shutdown_grace: duration("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", Duration::from_secs(5))?,
        })
    }

    /// Returns the path of the agent's API, which is beside that of the executor API.
    pub fn agent_path(&self) -> &str {
        self.path.strip_suffix("/executor").unwrap_or("/api/v1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let mut all =
            vec![("MESOS_FRAMEWORK_ID", "f"), ("MESOS_EXECUTOR_ID", "e"), ("MESOS_AGENT_ENDPOINT", "1.2.3.4:5051")];
        all.extend_from_slice(variables);
        let get = |name: &str| all.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Environment::read(get).map_err(|e| e.to_string())
    }

    #[test]
    fn the_path_names_the_agents_process() {
        let environment = read(&[("MESOS_SLAVE_PID", "slave(1)@1.2.3.4:5051")]).expect("complete");
        assert_eq!(environment.path, "/slave(1)/api/v1/executor");
        assert_eq!(read(&[]).expect("complete").path, "/api/v1/executor");
    }

    #[test]
    fn checkpointing_decides_about_recovery() {
        assert_eq!(read(&[("MESOS_RECOVERY_TIMEOUT", "1mins")]).expect("complete").recovery_timeout, None);
        let both = [("MESOS_CHECKPOINT", "1"), ("MESOS_RECOVERY_TIMEOUT", "1mins")];
        assert_eq!(read(&both).expect("complete").recovery_timeout, Some(Duration::from_secs(60)));
    }

    #[test]
    fn missing_variables_are_named() {
        assert!(read(&[("MESOS_AGENT_ENDPOINT", "")]).expect_err("incomplete").contains("MESOS_AGENT_ENDPOINT"));
        let bad = read(&[("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "soon")]).expect_err("no duration");
        assert!(bad.contains("'soon'"), "{bad}");
    }
}
