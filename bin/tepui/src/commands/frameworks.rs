//! `tepui frameworks`.

use super::cli::{CommandError, Target};
use super::state::{State, scalar};
use crate::output;
use crate::table::render;

#[derive(clap::Args)]
pub struct Frameworks {
    #[command(flatten)]
    target: Target,
    /// Also those that are over
    #[arg(long)]
    all: bool,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

pub async fn frameworks(args: Frameworks) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::line(String::from_utf8_lossy(&wire::json::encode(&state.frameworks)));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = state
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
            vec![
                id.to_owned(),
                info.name.clone(),
                condition.to_owned(),
                roles,
                tasks.to_string(),
                scalar(&framework.allocated_resources, "cpus").to_string(),
                scalar(&framework.allocated_resources, "mem").to_string(),
                framework.offers.len().to_string(),
            ]
        })
        .collect();
    if rows.is_empty() {
        output::line(format!("No frameworks{}.", if args.all { "" } else { " (completed ones: --all)" }));
    } else {
        let header = ["FRAMEWORK", "NAME", "CONDITION", "ROLES", "TASKS", "CPUS", "MEM (MB)", "OFFERS"];
        output::print(render(&header, &rows));
    }
    Ok(())
}
