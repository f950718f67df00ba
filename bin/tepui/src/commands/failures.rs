//! `tepui failures` lists failures.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tepui_client::{Lines, get_json, lines};

use super::cli::{CommandError, DETECTION, Master, Target};
use super::operate::time::UtcTime;
use super::state::short;
use crate::output;
use crate::table::{duration, render};

fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit: &usize| *limit > 0)
        .ok_or_else(|| format!("'{text}' is no number of failures; write e.g. 10"))
}

/// The longest duration of an election and of the recovery of the elected master.
const FAILOVER_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);

#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Failures {
    #[command(flatten)]
    target: Target,
    /// Show only this failure, e.g. F7, with everything that was done about it
    #[arg(conflicts_with_all = ["follow", "kind", "severity", "object", "open", "limit"])]
    failure: Option<String>,
    /// Continue with new failures as they happen
    #[arg(long, short)]
    follow: bool,
    /// Only failures of this type, e.g. agent_unreachable
    #[arg(long = "type")]
    kind: Option<String>,
    /// Only failures of this severity or worse: info, warning or critical
    #[arg(long)]
    severity: Option<String>,
    /// Only failures of this agent, framework or master: its id, the end of its id, or a host name
    #[arg(long)]
    object: Option<String>,
    /// Only failures that are not over
    #[arg(long)]
    open: bool,
    /// The newest so many, at least 1
    #[arg(long, value_parser = limit, allow_negative_numbers = true)]
    limit: Option<usize>,
    /// Print JSON; with --follow, one object per line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  tepui failures --open                       Failures that are not over
  tepui failures F7                           One failure with everything that was done about it
  tepui failures --object node7               Failures of an agent
  tepui failures --severity critical --follow Critical failures, and new ones as they happen";

impl Failures {
    fn is_filtered(&self) -> bool {
        self.kind.is_some() || self.severity.is_some() || self.object.is_some() || self.open
    }

    fn path(&self) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let given = [
            ("type", self.kind.as_deref()),
            ("severity", self.severity.as_deref()),
            ("object", self.object.as_deref()),
            ("limit", limit.as_deref()),
            ("open", self.open.then_some("true")),
            ("follow", self.follow.then_some("true")),
        ];
        let parameters = given.iter().filter_map(|(name, value)| Some(format!("{name}={}", output::encode((*value)?))));
        format!("/failures?{}", parameters.collect::<Vec<_>>().join("&"))
    }
}

pub async fn failures(args: Failures) -> Result<(), CommandError> {
    if args.follow {
        return follow(&args.target.master, &args).await;
    }
    let answer = get_json(&args.target.master, &args.path()).await?;
    if let Some(named) = &args.failure {
        return one(&answer, named, args.json);
    }
    if args.json {
        output::json(answer);
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let failures = answer["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if failures.is_empty() {
        output::line(if args.is_filtered() { "no such failures are known" } else { "no failures are known" });
        return Ok(());
    }
    let rows: Vec<Vec<String>> = failures.iter().map(|failure| row(failure, now)).collect();
    output::print(render(&["FAILURE", "SEVERITY", "TYPE", "OBJECT", "SINCE", "LASTED", "DONE", "DETAILS"], &rows));
    Ok(())
}

fn one(answer: &Value, named: &str, as_json: bool) -> Result<(), CommandError> {
    let is_named = |failure: &&Value| [text(failure, "id"), short(text(failure, "id"))].contains(&named);
    let failure = answer["failures"].as_array().into_iter().flatten().find(is_named).ok_or_else(|| {
        CommandError::message(format!("no failure '{named}': `tepui failures` lists them; the oldest are forgotten"))
    })?;
    if as_json {
        output::json(failure);
    } else {
        at_length(failure).into_iter().for_each(output::line);
    }
    Ok(())
}

fn at_length(failure: &Value) -> Vec<String> {
    let object = &failure["object"];
    let also = |key: &str| object[key].as_str();
    let of_framework = also("framework").map(|id| format!(" of framework {id}")).unwrap_or_default();
    let on_host = also("hostname").map(|name| format!(" ({name})")).unwrap_or_default();
    let at = |value: &Value| value.as_f64().map_or("-".to_owned(), moment);
    let mut lines = vec![
        format!("failure    {}", text(failure, "id")),
        format!("type       {}", text(failure, "type")),
        format!("severity   {}", text(failure, "severity")),
        format!("object     {} {}{on_host}{of_framework}", text(object, "type"), text(object, "id")),
        format!("details    {}", text(failure, "details")),
        format!("detected   {}", at(&failure["detected_at"])),
    ];
    for action in failure["actions"].as_array().into_iter().flatten() {
        lines.push(format!("action     {} {}: {}", at(&action["at"]), text(action, "action"), text(action, "reason")));
    }
    lines.push(format!("recovered  {}", at(&failure["recovered_at"])));
    lines
}

fn moment(seconds: f64) -> String {
    UtcTime::from(Duration::try_from_secs_f64(seconds).unwrap_or_default()).to_the_second()
}

fn row(failure: &Value, now: f64) -> Vec<String> {
    let detected = failure["detected_at"].as_f64().unwrap_or_default();
    let lasted = failure["recovered_at"].as_f64().map_or("open".to_owned(), |end| duration(end - detected));
    let last = failure["actions"].as_array().and_then(|actions| actions.last());
    vec![
        short(text(failure, "id")).to_owned(),
        text(failure, "severity").to_owned(),
        text(failure, "type").to_owned(),
        object(failure),
        format!("{} ago", duration(now - detected)),
        lasted,
        last.map_or("-", |action| text(action, "action")).to_owned(),
        text(failure, "details").to_owned(),
    ]
}

fn object(failure: &Value) -> String {
    let object = &failure["object"];
    let name = object["hostname"].as_str().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{} {}{name}", text(object, "type"), short(text(object, "id")))
}

/// Follows the stream for as long as there is a leader; the next master knows the failures of the previous one.
async fn follow(master: &Master, args: &Failures) -> Result<(), CommandError> {
    let mut lines = lines(master, &args.path()).await?;
    loop {
        let end = loop {
            if output::is_closed() {
                return Ok(());
            }
            match lines.next().await {
                Ok(Some(line)) => print_line(line, args.json),
                Ok(None) => break format!("{} has ended the stream", master.given),
                Err(error) => break error.to_string(),
            }
        };
        output::write_stderr(format_args!("{end}; looking for the master that leads now"));
        lines = again(master, args).await.map_err(|error| ended(&end, &error))?;
    }
}

/// Connects again, to the current leader.
async fn again(master: &Master, args: &Failures) -> Result<Lines, tepui_client::Error> {
    let begun = Instant::now();
    loop {
        let found = match tepui_client::detect(&master.given, DETECTION).await {
            Ok(leader) => lines(&leader, &args.path()).await,
            Err(error) => Err(error),
        };
        match found {
            Err(error) if error.is_transient() && begun.elapsed() < FAILOVER_LIMIT => tokio::time::sleep(PAUSE).await,
            found => return found,
        }
    }
}

fn ended(how: &str, error: &tepui_client::Error) -> CommandError {
    CommandError::Lines(format!(
        "{how}, and no master could be found again: {error}\nwhat to do: run it again when one leads"
    ))
}

fn print_line(line: String, json: bool) {
    if json {
        return output::json(line);
    }
    if let Ok(event) = serde_json::from_str::<Value>(&line) {
        output::line(describe(&event));
    }
}

/// Returns one line of the stream as text.
fn describe(event: &Value) -> String {
    let failure = &event["failure"];
    let what = event["event"].as_str().unwrap_or("known");
    let last = failure["actions"].as_array().and_then(|actions| actions.last());
    let (at, detail) = match (what, last) {
        ("acted", Some(action)) => (&action["at"], format!("{}: {}", text(action, "action"), text(action, "reason"))),
        ("recovered", _) => (&failure["recovered_at"], text(failure, "details").to_owned()),
        _ => (&failure["detected_at"], text(failure, "details").to_owned()),
    };
    format!(
        "{} {} {what} {} {} of {}: {detail}",
        moment(at.as_f64().unwrap_or_default()),
        short(text(failure, "id")),
        text(failure, "severity"),
        text(failure, "type"),
        object(failure)
    )
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure() -> Value {
        json!({
            "id": "m-F7", "severity": "warning", "type": "agent_suspicious", "details": "silent",
            "object": {"type": "agent", "id": "m-S1", "hostname": "h"}, "detected_at": 100.0, "recovered_at": 130.0,
            "actions": [{"at": 101.5, "action": "stop_offering", "reason": "r"}],
        })
    }

    #[test]
    fn a_failure_is_shown_with_its_actions() {
        let expect = [
            "failure    m-F7",
            "type       agent_suspicious",
            "severity   warning",
            "object     agent m-S1 (h)",
            "details    silent",
            "detected   1970-01-01 00:01:40 UTC",
            "action     1970-01-01 00:01:41 UTC stop_offering: r",
            "recovered  1970-01-01 00:02:10 UTC",
        ];
        assert_eq!(at_length(&failure()), expect);
        assert!(one(&json!({"failures": [failure()]}), "F7", false).is_ok());
        assert!(one(&json!({"failures": [failure()]}), "F8", false).is_err());
    }

    #[test]
    fn the_stream_shows_times() {
        let check =
            |event: Value, expect: &str| assert_eq!(describe(&json!({"event": event, "failure": failure()})), expect);
        let who = "warning agent_suspicious of agent S1 (h)";
        check(Value::Null, &format!("1970-01-01 00:01:40 UTC F7 known {who}: silent"));
        check("acted".into(), &format!("1970-01-01 00:01:41 UTC F7 acted {who}: stop_offering: r"));
        check("recovered".into(), &format!("1970-01-01 00:02:10 UTC F7 recovered {who}: silent"));
    }

    #[test]
    fn a_row_shows_the_object_and_the_action() {
        let failure = failure();
        let expect =
            ["F7", "warning", "agent_suspicious", "agent S1 (h)", "1m00s ago", "30s", "stop_offering", "silent"];
        assert_eq!(row(&failure, 160.0), expect);
    }
}
