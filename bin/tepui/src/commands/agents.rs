//! `tepui agents`.

use messages::v1;
use messages::v1::DrainState;

use super::cli::{CommandError, Target};
use super::incidents::OpenIncidents;
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

pub async fn agents(args: Agents) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::line(String::from_utf8_lossy(&wire::json::encode(&state.agents)));
        return Ok(());
    }
    let incidents = OpenIncidents::get(&args.target.master).await;
    let mut rows: Vec<Vec<String>> = state
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
            let held = || incidents.quarantine_reason(id).map(|failure| format!("held ({failure})"));
            let condition = match (agent.active, agent.deactivated(), drain) {
                (_, _, Some(DrainState::Drained)) => "drained".to_owned(),
                (_, _, Some(_)) => "draining".to_owned(),
                (_, true, None) => "deactivated".to_owned(),
                (true, ..) => "active".to_owned(),
                (false, ..) => held().unwrap_or_else(|| "disconnected".to_owned()),
            };
            vec![
                id.to_owned(),
                agent.agent_info.hostname.clone(),
                condition,
                tasks.to_string(),
                used("cpus"),
                used("mem"),
                used("disk"),
                agent.pid.clone().unwrap_or_default(),
                agent.version.clone(),
            ]
        })
        .collect();
    rows.extend(state.agents.recovered_agents.iter().map(|info| away(info, "awaited")));
    rows.extend(incidents.unreachable().iter().map(|info| away(info, "unreachable")));
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

fn away(info: &v1::AgentInfo, condition: &str) -> Vec<String> {
    let id = info.id.as_ref().map_or("", |id| id.value.as_str());
    let unknown = "-".to_owned();
    let mut row = vec![id.to_owned(), info.hostname.clone(), condition.to_owned()];
    row.resize(9, unknown);
    row
}
