//! `--failure_sinks`: a JSON list of the recipients of notifications about incidents, with filters.

use std::path::PathBuf;
use std::time::Duration;

use model::incident::{Incident, IncidentUpdate, Kind, Severity};
use serde::Deserialize;

/// One sink of `--failure_sinks`: its target and the incidents that it is notified about.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkOptions {
    /// The target of the notifications.
    pub target: Target,
    /// The minimum severity.
    pub severity: Severity,
    /// The kinds of incidents; empty for all.
    pub types: Vec<Kind>,
    /// The updates of an incident that cause a notification.
    pub events: Vec<IncidentUpdate>,
}

/// The target of notifications.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A line in the master's log.
    Log,
    /// An HTTP POST to a URL.
    Webhook {
        url: String,
        /// A file with the key of the signature. The key itself is not part of the flag, because `/flags` shows flags
        /// to everybody.
        secret_file: Option<PathBuf>,
        timeout: Duration,
    },
    /// A command, run without a shell: the program and its arguments.
    Exec {
        command: Vec<String>,
        timeout: Duration,
        /// The maximum of processes that run at once.
        concurrency: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SinkKind {
    Log,
    Webhook,
    Exec,
}

/// One entry as it is written in the flag.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SinkSpec {
    r#type: SinkKind,
    url: Option<String>,
    secret_file: Option<PathBuf>,
    command: Option<Vec<String>>,
    timeout_secs: Option<u32>,
    concurrency: Option<usize>,
    severity: Option<Severity>,
    #[serde(default)]
    types: Vec<Kind>,
    events: Option<Vec<IncidentUpdate>>,
}

const WEBHOOK_TIMEOUT: u32 = 10;
const EXEC_TIMEOUT: u32 = 30;
/// The maximum of concurrent programs of one sink, so that many incidents do not start many processes.
const MAX_CONCURRENCY: usize = 16;

/// The reason for which `--failure_sinks` is invalid.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum InvalidSinks {
    #[error("it is not a JSON list of sinks: {0}")]
    Json(#[from] serde_json::Error),
    #[error("'{0}' is not an http or https URL, which a webhook needs as its url")]
    Url(String),
    #[error("an exec sink needs the absolute path of a program, and a concurrency between 1 and {MAX_CONCURRENCY}")]
    Command,
    #[error("cannot run {path}")]
    Program { path: PathBuf, source: std::io::Error },
    #[error("timeouts have to be positive")]
    Timeout,
    #[error("cannot read the secret in {path}")]
    Secret { path: PathBuf, source: std::io::Error },
    #[error("the secret in {0} is empty")]
    EmptySecret(PathBuf),
}

impl SinkOptions {
    /// Parses the value of the flag.
    ///
    /// # Errors
    /// Returns [`InvalidSinks`] if the value is not a list of complete and consistent sinks.
    pub fn parse(text: &str) -> Result<Vec<Self>, InvalidSinks> {
        let given: Vec<SinkSpec> = serde_json::from_str(text)?;
        given.into_iter().map(SinkSpec::check).collect()
    }

    /// Returns whether the sink is notified about this update of an incident.
    pub fn matches(&self, incident: &Incident, update: IncidentUpdate) -> bool {
        incident.severity >= self.severity
            && self.events.contains(&update)
            && (self.types.is_empty() || self.types.contains(&incident.kind))
    }
}

impl SinkSpec {
    fn check(self) -> Result<SinkOptions, InvalidSinks> {
        let target = match self.r#type {
            SinkKind::Log => Target::Log,
            SinkKind::Webhook => Target::Webhook {
                url: http_url(self.url.unwrap_or_default())?,
                secret_file: self.secret_file,
                timeout: seconds(self.timeout_secs.unwrap_or(WEBHOOK_TIMEOUT))?,
            },
            SinkKind::Exec => {
                let command = self.command.unwrap_or_default();
                let concurrency = self.concurrency.unwrap_or(1);
                let is_absolute = command.first().is_some_and(|program| program.starts_with('/'));
                if !is_absolute || !(1..=MAX_CONCURRENCY).contains(&concurrency) {
                    return Err(InvalidSinks::Command);
                }
                Target::Exec { command, timeout: seconds(self.timeout_secs.unwrap_or(EXEC_TIMEOUT))?, concurrency }
            }
        };
        Ok(SinkOptions {
            target,
            severity: self.severity.unwrap_or(Severity::Warning),
            types: self.types,
            events: self
                .events
                .unwrap_or_else(|| vec![IncidentUpdate::Detected, IncidentUpdate::Changed, IncidentUpdate::Recovered]),
        })
    }
}

fn http_url(url: String) -> Result<String, InvalidSinks> {
    let uri = url.parse::<http::Uri>().ok();
    let is_http = uri.is_some_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")));
    if is_http { Ok(url) } else { Err(InvalidSinks::Url(url)) }
}

fn seconds(seconds: u32) -> Result<Duration, InvalidSinks> {
    if seconds == 0 { Err(InvalidSinks::Timeout) } else { Ok(Duration::from_secs(u64::from(seconds))) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn sinks_are_read_with_their_defaults() {
        let text = r#"[{"type": "log"}, {"type": "webhook", "url": "https://h/x", "severity": "critical"},
                       {"type": "exec", "command": ["/bin/page", "me"], "events": ["recovered"]}]"#;
        let sinks = SinkOptions::parse(text).unwrap();
        assert_eq!(sinks[0].severity, Severity::Warning);
        assert_eq!(sinks[1].severity, Severity::Critical);
        let command = vec!["/bin/page".to_owned(), "me".to_owned()];
        assert_eq!(sinks[2].target, Target::Exec { command, timeout: Duration::from_secs(30), concurrency: 1 });
        assert_eq!(sinks[2].events, [IncidentUpdate::Recovered]);
    }

    #[test]
    fn invalid_configurations_are_refused() {
        for (text, expect) in [
            ("{}", "not a JSON list of sinks"),
            (r#"[{"type": "mail"}]"#, "unknown variant"),
            (r#"[{"type": "webhook", "url": "ftp://h"}]"#, "not an http or https URL"),
            (r#"[{"type": "exec", "command": ["page"]}]"#, "absolute path"),
            (r#"[{"type": "exec", "command": ["/page"], "concurrency": 0}]"#, "absolute path"),
            (r#"[{"type": "exec", "command": ["/page"], "timeout_secs": 0}]"#, "positive"),
        ] {
            let error = SinkOptions::parse(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
