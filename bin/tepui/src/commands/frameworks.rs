//! `tepui frameworks` lists the frameworks.

use super::cli::{CommandError, Target};
use super::state::{State, scalar};
use crate::output;
use crate::table::{Cell, OutputDevice, Tone, amount, draw};

#[derive(clap::Args)]
pub struct Frameworks {
    #[command(flatten)]
    target: Target,
    /// Also show completed frameworks
    #[arg(long)]
    all: bool,
    /// Show complete ids
    #[arg(long, short)]
    wide: bool,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

pub async fn frameworks(args: Frameworks) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::json(String::from_utf8_lossy(&wire::json::encode(&state.frameworks)));
        return Ok(());
    }
    let ids = state.framework_ids();
    let rows: Vec<Vec<Cell>> = state
        .frameworks()
        .filter(|(_, live)| args.all || *live)
        .map(|(framework, live)| {
            let info = &framework.framework_info;
            let id = info.id.as_ref().map_or("", |id| id.value.as_str());
            let tasks = state.tasks.tasks.iter().filter(|t| t.framework_id.value == id).count();
            let condition = match (live, framework.connected, framework.active) {
                (false, ..) => "completed",
                (true, true, true) => "active",
                (true, true, false) => "inactive",
                (true, false, _) => "disconnected",
            };
            let roles = if info.roles.is_empty() { info.role().to_owned() } else { info.roles.join(",") };
            let tone = match condition {
                "active" => Tone::Good,
                "completed" => Tone::Faint,
                _ => Tone::Busy,
            };
            vec![
                if args.wide { id.into() } else { ids.of(id).into() },
                info.name.as_str().into(),
                Cell::toned(condition, tone),
                roles.into(),
                tasks.to_string().into(),
                amount(scalar(&framework.allocated_resources, "cpus")).into(),
                amount(scalar(&framework.allocated_resources, "mem")).into(),
                framework.offers.len().to_string().into(),
            ]
        })
        .collect();
    if rows.is_empty() {
        output::line(format!("No frameworks{}.", if args.all { "" } else { " (completed ones: --all)" }));
    } else {
        let header = ["FRAMEWORK", "NAME", "CONDITION", "ROLES", "TASKS", "CPUS", "MEM (MB)", "OFFERS"];
        output::print(draw(&header, &rows, OutputDevice::stdout().wide(args.wide)));
    }
    Ok(())
}
