//! `tepui failures`.

use std::time::{SystemTime, UNIX_EPOCH};

use client::{Address, get_json, lines};
use serde_json::Value;

use super::cli::{Failure, Target};
use super::state::short;
use crate::output;
use crate::table::{duration, render};

#[derive(clap::Args)]
pub struct Failures {
    #[command(flatten)]
    target: Target,
    /// Go on with those to come
    #[arg(long, short)]
    follow: bool,
    /// Only of this type, e.g. agent_unreachable
    #[arg(long = "type")]
    kind: Option<String>,
    /// Only as severe as this, or more: info, warning or critical
    #[arg(long)]
    severity: Option<String>,
    /// Only about the agent, framework or master with this id
    #[arg(long)]
    object: Option<String>,
    /// Only those that are not over
    #[arg(long)]
    open: bool,
    /// The newest so many
    #[arg(long)]
    limit: Option<usize>,
    /// Print JSON; with --follow one object a line
    #[arg(long)]
    json: bool,
}

impl Failures {
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

pub async fn failures(args: Failures) -> Result<(), Failure> {
    if args.follow {
        return follow(&args.target.master, &args).await;
    }
    let answer = get_json(&args.target.master, &args.path()).await?;
    if args.json {
        output::line(answer);
        return Ok(());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let failures = answer["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if failures.is_empty() {
        output::line("no failures are known");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = failures.iter().map(|failure| row(failure, now)).collect();
    output::print(render(&["FAILURE", "SEVERITY", "TYPE", "OBJECT", "SINCE", "LASTED", "DONE", "DETAILS"], &rows));
    Ok(())
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

async fn follow(master: &Address, args: &Failures) -> Result<(), Failure> {
    let mut lines = lines(master, &args.path()).await?;
    while let Some(line) = lines.next().await? {
        if args.json {
            output::line(line);
            continue;
        }
        let Ok(news) = serde_json::from_str::<Value>(&line) else { continue };
        let failure = &news["failure"];
        let what = news["news"].as_str().unwrap_or("known");
        let detail = match (what, failure["actions"].as_array().and_then(|actions| actions.last())) {
            ("acted", Some(action)) => format!("{}: {}", text(action, "action"), text(action, "reason")),
            _ => text(failure, "details").to_owned(),
        };
        output::line(format!(
            "{} {what} {} {} of {}: {detail}",
            short(text(failure, "id")),
            text(failure, "severity"),
            text(failure, "type"),
            object(failure)
        ));
    }
    Ok(())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_says_who_and_what_was_done() {
        let failure = json!({
            "id": "m-F7", "severity": "warning", "type": "agent_suspicious", "details": "silent",
            "object": {"type": "agent", "id": "m-S1", "hostname": "h"}, "detected_at": 100.0, "recovered_at": 130.0,
            "actions": [{"at": 100.0, "action": "stop_offering", "reason": "r"}],
        });
        let expect =
            ["F7", "warning", "agent_suspicious", "agent S1 (h)", "1m00s ago", "30s", "stop_offering", "silent"];
        assert_eq!(row(&failure, 160.0), expect);
    }
}
