//! `tepui role` lists roles.

use serde_json::Value;
use tepui_client::{Address, MasterOperator, get_json};

use super::amounts::Amounts;
use crate::commands::cli::{CommandError, Target};
use crate::commands::state::short;
use crate::output;
use crate::table::{pairs, render};

/// List roles and their resources
///
/// Frameworks subscribe to roles. Weights (`tepui weight`), quota (`tepui quota`), partitions (`tepui partition`) and
/// reservations (`tepui reserve`) decide what a role gets. A role need not be created; it exists once it is named.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Role {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tepui role list
  tepui role show eng/web     one role with its quota, partition and frameworks";

#[derive(clap::Subcommand)]
enum Command {
    /// List roles that are in use or have settings
    List(List),
    /// Show one role
    Show(Show),
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
    /// The role, e.g. web or eng/web
    role: String,
    #[command(flatten)]
    target: Target,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

pub async fn role(args: Role) -> Result<(), CommandError> {
    match args.command {
        Command::List(args) => list(args).await,
        Command::Show(args) => show(args).await,
    }
}

async fn list(args: List) -> Result<(), CommandError> {
    let answer = get_json(&args.target.master, "/roles").await?;
    if args.json {
        output::json(answer);
        return Ok(());
    }
    let amounts = |value: &Value| Amounts::from_json(value).to_string();
    let row = |role: &Value| {
        vec![
            text(role, "name").to_owned(),
            role["weight"].as_f64().unwrap_or(1.0).to_string(),
            role["frameworks"].as_array().map_or(0, Vec::len).to_string(),
            amounts(&role["allocated"]),
            amounts(&role["offered"]),
            amounts(&role["reserved"]),
            amounts(&role["quota"]["guarantee"]),
            amounts(&role["quota"]["limit"]),
        ]
    };
    let rows: Vec<Vec<String>> = answer["roles"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        output::line("No roles: no framework is subscribed, and nothing was set for any role.");
        return Ok(());
    }
    let header = ["ROLE", "WEIGHT", "FRAMEWORKS", "ALLOCATED", "OFFERED", "RESERVED", "GUARANTEE", "LIMIT"];
    output::print(render(&header, &rows));
    Ok(())
}

async fn show(args: Show) -> Result<(), CommandError> {
    let answer = get_json(&args.target.master, "/roles").await?;
    let found = answer["roles"].as_array().into_iter().flatten().find(|role| role["name"] == args.role.as_str());
    let Some(role) = found else {
        return Err(CommandError::message(format!(
            "role '{}' is not in use, and nothing was set for it: `tepui role list` shows those that are",
            args.role
        )));
    };
    if args.json {
        output::json(role);
        return Ok(());
    }
    let amounts = |value: &Value| Amounts::from_json(value).to_string();
    let mut rows = vec![
        ("role", args.role.clone()),
        ("weight", role["weight"].as_f64().unwrap_or(1.0).to_string()),
        ("allocated", amounts(&role["allocated"])),
        ("offered", amounts(&role["offered"])),
        ("reserved", amounts(&role["reserved"])),
        ("guarantee", amounts(&role["quota"]["guarantee"])),
        ("limit", amounts(&role["quota"]["limit"])),
        ("consumed", amounts(&role["quota"]["consumed"])),
    ];
    rows.extend(partition_of(&args.target.master, &args.role).await.map(|id| ("partition", id)));
    rows.push(("frameworks", frameworks(&args.target.master, role).await?));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    output::print(pairs(&rows));
    Ok(())
}

/// Returns the partition of a role; Mesos masters have none.
async fn partition_of(master: &Address, role: &str) -> Option<String> {
    let answer = get_json(master, "/partitions").await.ok()?;
    let found = answer["partitions"].as_array()?.iter().find(|partition| partition["role"] == role)?;
    Some(text(found, "id").to_owned())
}

/// Returns the frameworks of a role: `spark (0003), marathon (0001)`.
async fn frameworks(master: &Address, role: &Value) -> Result<String, CommandError> {
    let ids: Vec<&str> = role["frameworks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if ids.is_empty() {
        return Ok("-".to_owned());
    }
    let call = messages::v1::master::call::Type::GetFrameworks;
    let answer = MasterOperator::new(master.clone()).get(call).await?.get_frameworks.unwrap_or_default();
    let name = |id: &str| {
        let of = |info: &&messages::v1::FrameworkInfo| info.id.as_ref().is_some_and(|own| own.value == id);
        let info = answer.frameworks.iter().map(|framework| &framework.framework_info).find(of);
        info.map_or_else(|| id.to_owned(), |info| format!("{} ({})", info.name, short(id)))
    };
    Ok(ids.into_iter().map(name).collect::<Vec<_>>().join(", "))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}
