//! `--failure_sinks`: a JSON list of who is told of failures, and of which.

use std::path::PathBuf;
use std::time::Duration;

use model::incident::{Incident, IncidentUpdate, Kind, Severity};
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq)]
pub struct SinkOptions {
    pub target: Target,
    /// From this on.
    pub severity: Severity,
    /// All, when there is none.
    pub types: Vec<Kind>,
    /// What happened to an incident.
    pub news: Vec<IncidentUpdate>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A line in the master's log.
    Log,
    Webhook {
        url: String,
        /// A file with the key of the signature. It is no member of its own: flags are shown to everybody.
        secret_file: Option<PathBuf>,
        timeout: Duration,
    },
    /// Not a shell: the first is the program, the others its arguments.
    Exec {
        command: Vec<String>,
        timeout: Duration,
        /// How many may run at once.
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

/// One entry as it is written.
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
    news: Option<Vec<IncidentUpdate>>,
}

const WEBHOOK_TIMEOUT: u32 = 10;
const EXEC_TIMEOUT: u32 = 30;
/// Programs of one sink at once: a storm of failures must not become one of processes.
const MAX_CONCURRENCY: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum InvalidSinks {
    #[error("it is not the JSON of a list of sinks: {0}")]
    Json(#[from] serde_json::Error),
    #[error("'{0}' is no http or https URL, which a webhook needs as its url")]
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
    pub fn parse(text: &str) -> Result<Vec<Self>, InvalidSinks> {
        let given: Vec<SinkSpec> = serde_json::from_str(text)?;
        given.into_iter().map(SinkSpec::check).collect()
    }

    pub fn matches(&self, incident: &Incident, news: IncidentUpdate) -> bool {
        incident.severity >= self.severity
            && self.news.contains(&news)
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
            news: self
                .news
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
                       {"type": "exec", "command": ["/bin/page", "me"], "news": ["recovered"]}]"#;
        let sinks = SinkOptions::parse(text).unwrap();
        assert_eq!(sinks[0].severity, Severity::Warning);
        assert_eq!(sinks[1].severity, Severity::Critical);
        let command = vec!["/bin/page".to_owned(), "me".to_owned()];
        assert_eq!(sinks[2].target, Target::Exec { command, timeout: Duration::from_secs(30), concurrency: 1 });
        assert_eq!(sinks[2].news, [IncidentUpdate::Recovered]);
    }

    #[test]
    fn nonsense_is_refused() {
        for (text, expect) in [
            ("{}", "not the JSON of a list"),
            (r#"[{"type": "mail"}]"#, "unknown variant"),
            (r#"[{"type": "webhook", "url": "ftp://h"}]"#, "no http or https URL"),
            (r#"[{"type": "exec", "command": ["page"]}]"#, "absolute path"),
            (r#"[{"type": "exec", "command": ["/page"], "concurrency": 0}]"#, "absolute path"),
            (r#"[{"type": "exec", "command": ["/page"], "timeout_secs": 0}]"#, "positive"),
        ] {
            let error = SinkOptions::parse(text).unwrap_err().to_string();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
