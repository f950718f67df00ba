//! The results of checks and health checks of a task, as text.

use messages::v1;
use messages::v1::check_info::Type;
use model::is_terminal;
use validation::health_checks::LABEL;

use crate::table::Tone;

/// The number of failures in a row of a HealthCheck that names none (`mesos.proto`).
const DEFAULT_FAILURES: u32 = 3;

/// Returns whether a task is healthy, by its last status, and which of its further health checks fail; `None` if no health
/// check of it has a result.
pub fn health(status: &v1::TaskStatus) -> Option<(String, Tone)> {
    if status.healthy? {
        return Some(("healthy".to_owned(), Tone::Good));
    }
    let failing: Vec<&str> = failing(status).map(|(name, _)| name).collect();
    let names = if failing.is_empty() { String::new() } else { format!(" ({})", failing.join(", ")) };
    Some((format!("unhealthy{names}"), Tone::Bad))
}

/// Returns the names and the results of the further health checks that fail.
fn failing(status: &v1::TaskStatus) -> impl Iterator<Item = (&str, &str)> {
    let labels = status.labels.as_deref().map(|labels| labels.labels.as_slice()).unwrap_or_default();
    let named = labels.iter().filter_map(|label| Some((label.key.strip_prefix(LABEL)?, label.value.as_deref()?)));
    named.filter(|(_, result)| result.starts_with("unhealthy"))
}

/// Returns the last result of the check of a task (CheckInfo) in a few words; `None` if the task has no check.
pub fn check(status: &v1::TaskStatus) -> Option<(String, Tone)> {
    let result = status.check_status.as_ref()?;
    let of = |good: bool| if good { Tone::Good } else { Tone::Bad };
    let found = match result.r#type() {
        Type::Command => {
            result.command.and_then(|command| command.exit_code).map(|code| (format!("exit {code}"), of(code == 0)))
        }
        Type::Http => {
            let code = result.http.and_then(|http| http.status_code);
            code.map(|code| (format!("HTTP {code}"), of((200..400).contains(&code))))
        }
        Type::Tcp => {
            let succeeded = result.tcp.and_then(|tcp| tcp.succeeded);
            succeeded.map(|up| (if up { "TCP up" } else { "TCP down" }.to_owned(), of(up)))
        }
        Type::Unknown => None,
    };
    Some(found.unwrap_or_else(|| ("no result".to_owned(), Tone::Faint)))
}

/// Returns the result of a check in the words of Mesos (`operator<<` of CheckStatusInfo).
pub fn in_words_of_mesos(result: &v1::CheckStatusInfo) -> String {
    match result.r#type() {
        Type::Command => {
            let code = result.command.and_then(|command| command.exit_code);
            format!("COMMAND{}", code.map(|code| format!(" exit code {code}")).unwrap_or_default())
        }
        Type::Http => {
            let code = result.http.and_then(|http| http.status_code);
            format!("HTTP{}", code.map(|code| format!(" status code {code}")).unwrap_or_default())
        }
        Type::Tcp => match result.tcp.and_then(|tcp| tcp.succeeded) {
            Some(true) => "TCP connection success".to_owned(),
            Some(false) => "TCP connection failure".to_owned(),
            None => "TCP".to_owned(),
        },
        Type::Unknown => "UNKNOWN".to_owned(),
    }
}

/// Returns the reason for the end of a task that was killed because it was not healthy; `None` if it ended for another one.
/// `health_check` is that of the task without a name.
pub fn killed_as_unhealthy(status: &v1::TaskStatus, health_check: Option<&v1::HealthCheck>) -> Option<String> {
    if !is_terminal(status.state()) || status.healthy != Some(false) {
        return None;
    }
    // The result of a named one has "unhealthy: 3 of 3 failures".
    let named = failing(status).find_map(|(name, result)| {
        let (failures, limit) = result.strip_prefix("unhealthy: ")?.strip_suffix(" failures")?.split_once(" of ")?;
        let (failures, limit) = (failures.parse::<u32>().ok()?, limit.parse::<u32>().ok()?);
        (failures >= limit).then(|| (format!(" '{name}'"), failures))
    });
    let (name, count) = named.unwrap_or_else(|| {
        let limit = health_check.and_then(|check| check.consecutive_failures);
        (String::new(), limit.unwrap_or(DEFAULT_FAILURES))
    });
    let times = if count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
    Some(format!("killed: its health check{name} failed {times}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use messages::v1::check_status_info::{Command, Http, Tcp};

    fn result(kind: Type) -> v1::CheckStatusInfo {
        v1::CheckStatusInfo { r#type: Some(kind.into()), ..Default::default() }
    }

    #[test]
    fn results_are_shown_briefly_and_in_the_words_of_mesos() {
        let check = |result: v1::CheckStatusInfo, brief: &str, tone: Tone, mesos: &str| {
            assert_eq!(in_words_of_mesos(&result), mesos);
            let status = v1::TaskStatus { check_status: Some(Box::new(result)), ..Default::default() };
            assert_eq!(super::check(&status), Some((brief.to_owned(), tone)));
        };
        let command = |exit_code| v1::CheckStatusInfo { command: Some(Command { exit_code }), ..result(Type::Command) };
        check(command(Some(0)), "exit 0", Tone::Good, "COMMAND exit code 0");
        check(command(Some(4)), "exit 4", Tone::Bad, "COMMAND exit code 4");
        check(command(None), "no result", Tone::Faint, "COMMAND");
        let http = |status_code| v1::CheckStatusInfo { http: Some(Http { status_code }), ..result(Type::Http) };
        check(http(Some(204)), "HTTP 204", Tone::Good, "HTTP status code 204");
        check(http(Some(500)), "HTTP 500", Tone::Bad, "HTTP status code 500");
        let tcp = |succeeded| v1::CheckStatusInfo { tcp: Some(Tcp { succeeded }), ..result(Type::Tcp) };
        check(tcp(Some(true)), "TCP up", Tone::Good, "TCP connection success");
        check(tcp(Some(false)), "TCP down", Tone::Bad, "TCP connection failure");
        assert_eq!(super::check(&v1::TaskStatus::default()), None);
    }

    #[test]
    fn the_health_check_that_killed_a_task_is_named() {
        let check = |state: v1::TaskState, healthy: Option<bool>, label: Option<&str>, expect: Option<&str>| {
            let label = label.map(|value| v1::Label { key: format!("{LABEL}db"), value: Some(value.to_owned()) });
            let labels = label.map(|label| Box::new(v1::Labels { labels: vec![label] }));
            let status = v1::TaskStatus { state: state.into(), healthy, labels, ..Default::default() };
            let own = v1::HealthCheck { consecutive_failures: Some(2), ..Default::default() };
            assert_eq!(killed_as_unhealthy(&status, Some(&own)).as_deref(), expect, "{status:?}");
        };
        use v1::TaskState::{TaskKilled, TaskRunning};
        check(TaskRunning, Some(false), None, None);
        check(TaskKilled, None, None, None);
        check(TaskKilled, Some(true), None, None);
        let own = Some("killed: its health check failed 2 times in a row");
        check(TaskKilled, Some(false), None, own);
        check(TaskKilled, Some(false), Some("unhealthy: 1 of 3 failures"), own);
        let named = Some("killed: its health check 'db' failed 3 times in a row");
        check(TaskKilled, Some(false), Some("unhealthy: 3 of 3 failures"), named);
        let once = Some("killed: its health check 'db' failed once");
        check(TaskKilled, Some(false), Some("unhealthy: 1 of 1 failures"), once);
    }
}
