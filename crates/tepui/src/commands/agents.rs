//! `tepui agents`.

use messages::v1::DrainState;

use super::cli::{Failure, Target};
use super::state::{State, scalar};
use crate::output;
use crate::table::render;

#[derive(clap::Args)]
pub struct Agents {
    #[command(flatten)]
    target: Target,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

pub async fn agents(args: Agents) -> Result<(), Failure> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::line(String::from_utf8_lossy(&wire::json::encode(&state.agents)));
        return Ok(());
    }
    let rows: Vec<Vec<String>> = state
        .agents
        .agents
        .iter()
        .map(|agent| {
            let id = agent.agent_info.id.as_ref().map_or("", |id| id.value.as_str());
            let tasks = state.tasks.tasks.iter().filter(|t| t.agent_id.value == id).count();
            let used = |name| {
                let total = scalar(&agent.total_resources, name);
                let allocated = scalar(&agent.allocated_resources, name);
                format!("{allocated}/{total}")
            };
            let drain = agent.drain_info.as_ref().map(|drain| drain.state());
            let condition = match (agent.active, agent.deactivated(), drain) {
                (_, _, Some(DrainState::Drained)) => "drained",
                (_, _, Some(_)) => "draining",
                (_, true, None) => "deactivated",
                (true, ..) => "active",
                (false, ..) => "disconnected",
            };
            vec![
                id.to_owned(),
                agent.agent_info.hostname.clone(),
                condition.to_owned(),
                tasks.to_string(),
                used("cpus"),
                used("mem"),
                used("disk"),
                agent.pid.clone().unwrap_or_default(),
                agent.version.clone(),
            ]
        })
        .collect();
    if rows.is_empty() {
        output::line(format!(
            "No agents. Start one with: tepui agent --master={} --work_dir=DIRECTORY",
            args.target.master.given
        ));
    } else {
        let header = ["AGENT", "HOST", "CONDITION", "TASKS", "CPUS", "MEM (MB)", "DISK (MB)", "ADDRESS", "VERSION"];
        output::print(render(&header, &rows));
    }
    Ok(())
}
