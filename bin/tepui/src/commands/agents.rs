//! `tepui agents` lists the agents.

use messages::v1;
use messages::v1::DrainState;

use super::cli::{CommandError, Target};
use super::incidents::OpenIncidents;
use super::state::{ShortIds, State, scalar};
use crate::output;
use crate::table::{Cell, OutputDevice, Tone, amount, draw};

#[derive(clap::Args)]
pub struct Agents {
    #[command(flatten)]
    target: Target,
    /// Also show complete ids, addresses and versions
    #[arg(long, short)]
    wide: bool,
    /// Print the master's answer as JSON
    #[arg(long)]
    json: bool,
}

pub async fn agents(args: Agents) -> Result<(), CommandError> {
    let state = State::get(&args.target.master).await?;
    if args.json {
        output::json(String::from_utf8_lossy(&wire::json::encode(&state.agents)));
        return Ok(());
    }
    let incidents = OpenIncidents::get(&args.target.master).await;
    let unreachable = incidents.unreachable();
    let known = state.agents.agents.iter().map(|agent| &agent.agent_info).chain(&state.agents.recovered_agents);
    let ids = ShortIds::new(known.chain(&unreachable).filter_map(|info| Some(info.id.as_ref()?.value.as_str())));
    let name = |id: &str| if args.wide { id.to_owned() } else { ids.of(id) };
    let mut rows: Vec<Vec<Cell>> = state
        .agents
        .agents
        .iter()
        .map(|agent| {
            let id = agent.agent_info.id.as_ref().map_or("", |id| id.value.as_str());
            let tasks = state.tasks.tasks.iter().filter(|t| t.agent_id.value == id).count();
            let used = |name| {
                let total = scalar(&agent.total_resources, name);
                let allocated = scalar(&agent.allocated_resources, name);
                format!("{}/{}", amount(allocated), amount(total))
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
            let mut row: Vec<Cell> = vec![
                name(id).into(),
                agent.agent_info.hostname.as_str().into(),
                condition_cell(&condition),
                tasks.to_string().into(),
                used("cpus").into(),
                used("mem").into(),
                used("disk").into(),
            ];
            if args.wide {
                row.extend([agent.pid.as_deref().unwrap_or_default().into(), agent.version.as_str().into()]);
            }
            row
        })
        .collect();
    let header = ["AGENT", "HOST", "CONDITION", "TASKS", "CPUS", "MEM (MB)", "DISK (MB)", "ADDRESS", "VERSION"];
    let header = header.get(..if args.wide { 9 } else { 7 }).unwrap_or_default();
    let away = |info: &v1::AgentInfo, condition: &str| {
        let id = info.id.as_ref().map_or("", |id| id.value.as_str());
        let mut row: Vec<Cell> = vec![name(id).into(), info.hostname.as_str().into(), condition_cell(condition)];
        row.resize(header.len(), "-".into());
        row
    };
    rows.extend(state.agents.recovered_agents.iter().map(|info| away(info, "recovered")));
    rows.extend(unreachable.iter().map(|info| away(info, "unreachable")));
    if rows.is_empty() {
        output::line(format!(
            "No agents. Start one with: tepui agent --master={} --work_dir=DIRECTORY",
            args.target.master.given
        ));
    } else {
        output::print(draw(header, &rows, OutputDevice::stdout().wide(args.wide)));
    }
    Ok(())
}

fn condition_cell(condition: &str) -> Cell {
    let tone = match condition {
        "active" => Tone::Good,
        "unreachable" | "disconnected" => Tone::Bad,
        _ => Tone::Busy,
    };
    Cell::toned(condition, tone)
}
