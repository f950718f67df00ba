//! `tepui partition` manages partitions.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use tepui_client::{Error, delete, get_json, put_json};

use super::advice::advised;
use super::amounts::{Amounts, amounts};
use super::operator_call::OperatorCall;
use crate::commands::cli::{CommandError, Target};
use crate::commands::numbers::weight;
use crate::output;
use crate::table::{pairs, render};

/// Guarantee parts of the cluster to roles, and lend them while they are not used
///
/// A partition gives a role a minimum and a maximum. The unused part of the minimum is lent to others, if the partition
/// lends. It comes back when the frameworks of the partition want it, in the order of priorities: first from resources
/// that become free, then by ending tasks on borrowed resources whose partition is preemptible. A role has either a
/// partition or quota. Mesos has no partitions.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Partition {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tepui partition set prod --role web --min cpus:8,mem:32GB --priority 10
  tepui partition set batch --role batch --min cpus:2 --max cpus:16 --preemptible true
  tepui partition set batch --max cpus:32     change only the maximum
  tepui partition list                        what each one uses, lends and borrows
  tepui partition remove batch";

#[derive(clap::Subcommand)]
enum Command {
    /// List partitions with what they use, lend and borrow
    List(List),
    /// Show one partition
    Show(Show),
    /// Create a partition, or change the named settings of one
    #[command(after_help = EXAMPLES)]
    Set(Set),
    /// Remove a partition
    Remove(Remove),
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    target: Target,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Show {
    /// The id of the partition
    id: String,
    #[command(flatten)]
    target: Target,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Set {
    /// The id of the partition: letters, digits, '-', '_' and '.'
    id: String,
    /// The role of the partition; required for a new one
    #[arg(long)]
    role: Option<String>,
    /// The resources that are guaranteed to the role, e.g. cpus:8,mem:32GB; `none` for nothing
    #[arg(long, value_parser = amounts)]
    min: Option<Amounts>,
    /// The most that the role gets; `none` for no maximum
    #[arg(long, value_parser = amounts)]
    max: Option<Amounts>,
    /// Minimums of higher priority are satisfied first [default of a new partition: 0]
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// The share of what is left beyond all minimums, compared with other partitions [default of a new partition: 1]
    #[arg(long, value_parser = weight, allow_negative_numbers = true)]
    weight: Option<f64>,
    /// Whether others may use the unused part of the minimum [default of a new partition: true]
    #[arg(long, value_name = "true|false")]
    lends: Option<bool>,
    /// Whether tasks on borrowed resources may be ended to return them [default of a new partition: false]
    #[arg(long, value_name = "true|false")]
    preemptible: Option<bool>,
    /// Set it even if the cluster has less than all minimums, or the role uses more than the maximum
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Remove {
    /// The id of the partition
    id: String,
    #[command(flatten)]
    operator_call: OperatorCall,
}

pub async fn partition(args: Partition) -> Result<(), CommandError> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
        Command::Set(args) => set(args).await,
        Command::Remove(args) => remove(args).await,
    }
}

async fn list(args: List) -> Result<(), CommandError> {
    let answer = get_json(&args.target.master, "/partitions").await.map_err(advised)?;
    if args.json {
        output::json(answer);
        return Ok(());
    }
    let rows: Vec<Vec<String>> = answer["partitions"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        output::line("No partitions. Create one with: tepui partition set ID --role ROLE --min cpus:8,mem:32GB");
    } else {
        output::print(render(&HEADER, &rows));
    }
    Ok(())
}

const HEADER: [&str; 10] =
    ["PARTITION", "ROLE", "MIN", "MAX", "PRIORITY", "WEIGHT", "LENDS", "USED", "LENT", "BORROWED"];

fn row(partition: &Value) -> Vec<String> {
    let text = |member: &str| partition[member].as_str().unwrap_or_default().to_owned();
    let amounts = |member: &str| Amounts::from_json(&partition[member]).to_string();
    vec![
        text("id"),
        text("role"),
        bounds(partition, "min").to_string(),
        bounds(partition, "max").to_string(),
        partition["priority"].to_string(),
        partition["weight"].as_f64().unwrap_or(1.0).to_string(),
        match (partition["lends"] == true, partition["preemptible"] == true) {
            (true, true) => "yes, preemptible",
            (true, false) => "yes",
            (false, true) => "no, preemptible",
            (false, false) => "no",
        }
        .to_owned(),
        amounts("used"),
        amounts("lent"),
        amounts("borrowed"),
    ]
}

/// Returns one bound of each resource.
fn bounds(partition: &Value, bound: &str) -> Amounts {
    let resources = partition["resources"].as_object().into_iter().flatten();
    Amounts(resources.filter_map(|(name, bounds)| Some((name.clone(), bounds[bound].as_f64()?))).collect())
}

async fn show(args: Show) -> Result<(), CommandError> {
    let partition = get_json(&args.target.master, &path(&args.id)?).await.map_err(advised)?;
    if args.json {
        output::json(partition);
        return Ok(());
    }
    let rows: Vec<Vec<String>> =
        HEADER.iter().zip(row(&partition)).map(|(name, value)| vec![name.to_lowercase(), value]).collect();
    output::print(pairs(&rows));
    Ok(())
}

async fn set(args: Set) -> Result<(), CommandError> {
    let path = path(&args.id)?;
    let before = match get_json(&args.operator_call.target.master, &path).await {
        Ok(partition) => partition,
        // A Mesos master reports that it has no partitions when the new one is sent.
        Err(Error::Status { status: 404, .. }) if args.role.is_some() => Value::Null,
        Err(Error::Status { status: 404, .. }) => {
            return Err(CommandError::message(format!(
                "there is no partition '{}' to change: name its --role and --min to create it, or see `tepui partition list`",
                args.id
            )));
        }
        Err(error) => return Err(advised(error)),
    };
    let spec = spec(&args, &before);
    let said =
        format!("partition {}: role {} has {}", args.id, spec["role"].as_str().unwrap_or_default(), bounds_text(&spec));
    let force = if args.force { "?force=true" } else { "" };
    put_json(&args.operator_call.target.master, &format!("{path}{force}"), &spec).await.map_err(advised)?;
    args.operator_call.print_result(&spec.to_string(), said);
    Ok(())
}

fn bounds_text(spec: &Value) -> String {
    let (min, max) = (bounds(spec, "min"), bounds(spec, "max"));
    match (min.0.is_empty(), max.0.is_empty()) {
        (true, _) => format!("no minimum, and {max} at most"),
        (false, true) => format!("{min} at least, without a maximum"),
        (false, false) => format!("{min} at least and {max} at most"),
    }
}

/// Returns the definition to send: members that are not given stay as they are, and the master has defaults for a new
/// partition.
fn spec(args: &Set, before: &Value) -> Value {
    let mut spec = Map::new();
    for name in ["role", "priority", "weight", "lends", "preemptible"] {
        spec.extend(before.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    let given = [
        ("role", args.role.as_deref().map(Value::from)),
        ("priority", args.priority.map(Value::from)),
        ("weight", args.weight.map(Value::from)),
        ("lends", args.lends.map(Value::from)),
        ("preemptible", args.preemptible.map(Value::from)),
    ];
    spec.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    let min = args.min.clone().unwrap_or_else(|| bounds(before, "min")).0;
    let max = args.max.clone().unwrap_or_else(|| bounds(before, "max")).0;
    let names: BTreeSet<&String> = min.keys().chain(max.keys()).collect();
    let shares: Map<String, Value> = names
        .into_iter()
        .map(|name| {
            let bounds = [("min", min.get(name)), ("max", max.get(name))];
            let bounds: Map<String, Value> =
                bounds.into_iter().filter_map(|(bound, amount)| Some((bound.to_owned(), json!(amount?)))).collect();
            (name.clone(), Value::Object(bounds))
        })
        .collect();
    spec.insert("resources".to_owned(), Value::Object(shares));
    Value::Object(spec)
}

async fn remove(args: Remove) -> Result<(), CommandError> {
    delete(&args.operator_call.target.master, &path(&args.id)?).await.map_err(advised)?;
    let call = json!({ "id": args.id });
    args.operator_call.print_result(
        &call.to_string(),
        format!("partition {} is removed: its role shares what others leave", args.id),
    );
    Ok(())
}

fn path(id: &str) -> Result<String, CommandError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if id.is_empty() || !id.chars().all(plain) {
        return Err(CommandError::message(format!(
            "'{id}' is no id of a partition: use letters, digits, '-', '_' and '.'"
        )));
    }
    Ok(format!("/partitions/{id}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        set: Set,
    }

    fn check(line: &[&str], before: Value, expected: Value) {
        let line = Line::parse_from(["set", "p"].iter().chain(line));
        assert_eq!(spec(&line.set, &before), expected);
    }

    #[test]
    fn a_new_partition_leaves_defaults_to_the_master() {
        check(
            &["--role", "r", "--min", "cpus:2,mem:1GB", "--max", "cpus:4"],
            Value::Null,
            json!({"role": "r", "resources": {"cpus": {"min": 2.0, "max": 4.0}, "mem": {"min": 1024.0}}}),
        );
    }

    #[test]
    fn unnamed_settings_are_kept() {
        let before = json!({
            "id": "p", "role": "r", "resources": {"cpus": {"min": 2.0, "max": 4.0}}, "priority": 3, "weight": 2.0,
            "lends": true, "preemptible": true, "used": {"cpus": 1.0},
        });
        check(
            &["--max", "none", "--lends", "false", "--priority", "-1"],
            before,
            json!({
                "role": "r", "resources": {"cpus": {"min": 2.0}}, "priority": -1, "weight": 2.0, "lends": false,
                "preemptible": true,
            }),
        );
    }
}
