//! `tepui maintenance` schedules and performs maintenance of machines.

use std::collections::BTreeMap;
use std::time::Duration;

use messages::v1::allocator::inverse_offer_status::Status;
use messages::v1::maintenance::{ClusterStatus, Schedule, Window};
use messages::v1::{DurationInfo, MachineId, TimeInfo, Unavailability};
use tepui_client::{MasterOperator, operator_calls};

use super::machines::{self, Machines, same, text, texts};
use super::operator_call::OperatorCall;
use super::time::{UtcTime, duration, moment};
use crate::commands::cli::{CommandError, Target};
use crate::commands::state::State;
use crate::output;
use crate::table::{self, render};

/// Schedule maintenance of machines, and take them down and up
///
/// A scheduled machine is still offered, with the time of its maintenance. Frameworks that use it are asked by inverse
/// offers to leave; `status` shows their answers. `start` takes the machine down, whether they have left or not, and
/// ends its agents. `stop` lets the agents register again.
///
/// A machine is a host name and an address, with any number of agents. Name it by its host name, by its address, by an
/// agent on it, or as HOST@IP. Times are UTC.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Maintenance {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tepui maintenance schedule node7 --start 'in 2h' --for 1h
  tepui maintenance schedule node7 node8 --start '2026-11-21 18:00' --for 90m
  tepui maintenance status        the schedule and the answers of frameworks
  tepui maintenance start node7   take it down: its agents and tasks end
  tepui maintenance stop node7    take it up and off the schedule
  tepui maintenance clear node8   cancel the maintenance";

#[derive(clap::Subcommand)]
enum Command {
    /// Schedule maintenance of machines, or change the time of scheduled ones
    #[command(after_help = EXAMPLES)]
    Schedule(Plan),
    /// Show the schedule, which machines are down, and the answers of frameworks
    Status(Show),
    /// Take scheduled machines down now
    Start(Bring),
    /// Take machines that are down up again
    Stop(Bring),
    /// Remove machines that are not down from the schedule
    Clear(Clear),
}

#[derive(clap::Args)]
struct Plan {
    /// Host name, address, an agent, or HOST@IP
    #[arg(required = true, value_name = "MACHINE")]
    machines: Vec<String>,
    /// The start: now, 'in 2h', 18:00, 'tomorrow 18:00', '2026-11-21 18:00'
    #[arg(long, value_parser = moment, default_value = "now")]
    start: UtcTime,
    /// The duration, e.g. 90m or 2h; unknown if left out
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Show {
    #[command(flatten)]
    target: Target,
    /// Print the master's answers as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Bring {
    /// Host name, address, an agent, or HOST@IP
    #[arg(required = true, value_name = "MACHINE")]
    machines: Vec<String>,
    #[command(flatten)]
    operator_call: OperatorCall,
}

#[derive(clap::Args)]
struct Clear {
    /// Host name, address, an agent, or HOST@IP
    #[arg(value_name = "MACHINE", required_unless_present = "all", conflicts_with = "all")]
    machines: Vec<String>,
    /// Remove all machines from the schedule
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    operator_call: OperatorCall,
}

pub async fn maintenance(args: Maintenance) -> Result<(), CommandError> {
    match args.command {
        Command::Schedule(args) => plan(args).await,
        Command::Status(args) => status(args).await,
        Command::Start(args) => start(args).await,
        Command::Stop(args) => stop(args).await,
        Command::Clear(args) => clear(args).await,
    }
}

async fn plan(args: Plan) -> Result<(), CommandError> {
    let schedule = args.operator_call.operator().maintenance_schedule().await?;
    let machines = resolve(&args.operator_call, &schedule, &args.machines).await?;
    let length =
        args.length.map(|length| DurationInfo { nanoseconds: i64::try_from(length.as_nanos()).unwrap_or(i64::MAX) });
    let said = format!(
        "{} will be away from {}{}; frameworks that use it are asked to leave",
        texts(&machines),
        args.start,
        length.map(|length| format!(" for {}", spoken(length))).unwrap_or_default()
    );
    let mut schedule = without(schedule, &machines);
    let unavailability = Unavailability { start: TimeInfo { nanoseconds: args.start.0 }, duration: length };
    schedule.windows.push(Window { machine_ids: machines, unavailability });
    args.operator_call.send(&operator_calls::update_maintenance_schedule(schedule), said).await
}

async fn start(args: Bring) -> Result<(), CommandError> {
    let schedule = args.operator_call.operator().maintenance_schedule().await?;
    let machines = resolve(&args.operator_call, &schedule, &args.machines).await?;
    let said = format!("{}: down; the agents there end, and none may register", texts(&machines));
    args.operator_call.send(&operator_calls::start_maintenance(machines), said).await
}

async fn stop(args: Bring) -> Result<(), CommandError> {
    let schedule = args.operator_call.operator().maintenance_schedule().await?;
    let machines = resolve(&args.operator_call, &schedule, &args.machines).await?;
    let said = format!("{}: up, and off the schedule; start the agents there again", texts(&machines));
    args.operator_call.send(&operator_calls::stop_maintenance(machines), said).await
}

async fn clear(args: Clear) -> Result<(), CommandError> {
    let schedule = args.operator_call.operator().maintenance_schedule().await?;
    if args.all {
        let call = operator_calls::update_maintenance_schedule(Schedule::default());
        return args.operator_call.send(&call, "no maintenance is scheduled any more").await;
    }
    let machines = resolve(&args.operator_call, &schedule, &args.machines).await?;
    let is_scheduled =
        |id: &MachineId| schedule.windows.iter().flat_map(|window| &window.machine_ids).any(|other| same(other, id));
    if let Some(machine) = machines.iter().find(|id| !is_scheduled(id)) {
        return Err(CommandError::message(format!(
            "{} is not scheduled: `tepui maintenance status` shows what is",
            text(machine)
        )));
    }
    let said = format!("{}: off the schedule", texts(&machines));
    args.operator_call.send(&operator_calls::update_maintenance_schedule(without(schedule, &machines)), said).await
}

async fn resolve(
    operator_call: &OperatorCall,
    schedule: &Schedule,
    given: &[String],
) -> Result<Vec<MachineId>, CommandError> {
    let state = State::get(&operator_call.target.master).await?;
    Machines { state: &state, schedule }.find_all(given)
}

/// Removes machines from the schedule, because a machine has at most one window.
fn without(mut schedule: Schedule, machines: &[MachineId]) -> Schedule {
    for window in &mut schedule.windows {
        window.machine_ids.retain(|id| !machines.iter().any(|machine| same(machine, id)));
    }
    schedule.windows.retain(|window| !window.machine_ids.is_empty());
    schedule
}

async fn status(args: Show) -> Result<(), CommandError> {
    let operator = MasterOperator::new(args.target.master.leader.clone());
    let schedule = operator.maintenance_schedule().await?;
    let status = operator.maintenance_status().await?;
    if args.json {
        let (schedule, status) = (wire::json::encode(&schedule), wire::json::encode(&status));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        output::json(format!(r#"{{"schedule":{},"status":{}}}"#, text(&schedule), text(&status)));
        return Ok(());
    }
    if schedule.windows.is_empty() {
        output::line(
            "No maintenance is scheduled. Schedule some with: tepui maintenance schedule MACHINE --start 'in 2h' --for 1h",
        );
        return Ok(());
    }
    let names = framework_names(&State::get(&args.target.master).await?);
    output::print(render(&["MACHINE", "MODE", "FROM", "FOR", "FRAMEWORKS"], &rows(&schedule, &status, &names)));
    Ok(())
}

fn framework_names(state: &State) -> BTreeMap<String, String> {
    let named = |info: &messages::v1::FrameworkInfo| Some((info.id.as_ref()?.value.clone(), info.name.clone()));
    state.frameworks().filter_map(|(framework, _)| named(&framework.framework_info)).collect()
}

fn rows(schedule: &Schedule, status: &ClusterStatus, names: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for window in &schedule.windows {
        let start = UtcTime(window.unavailability.start.nanoseconds);
        for id in &window.machine_ids {
            let is_down = status.down_machines.iter().any(|down| same(down, id));
            rows.push(vec![
                machines::text(id),
                if is_down { "down" } else { "draining" }.to_owned(),
                format!("{start} ({})", start.distance()),
                window.unavailability.duration.map_or_else(|| "unknown".to_owned(), spoken),
                answers(status, id, names),
            ]);
        }
    }
    rows
}

/// Returns the answers of frameworks: `spark: accepted`.
fn answers(status: &ClusterStatus, id: &MachineId, names: &BTreeMap<String, String>) -> String {
    let machine = status.draining_machines.iter().find(|machine| same(&machine.id, id));
    let said = machine.into_iter().flat_map(|machine| &machine.statuses).map(|answer| {
        let framework = answer.framework_id.value.as_str();
        let word = match answer.status() {
            Status::Accept => "leaves",
            Status::Decline => "stays",
            Status::Unknown => "has not answered",
        };
        format!("{}: {word}", names.get(framework).map_or(framework, String::as_str))
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "-".to_owned() } else { said.join(", ") }
}

fn spoken(length: DurationInfo) -> String {
    table::duration(Duration::from_nanos(u64::try_from(length.nanoseconds).unwrap_or_default()).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(host: &str) -> MachineId {
        MachineId { hostname: Some(host.to_owned()), ip: Some("10.0.0.1".to_owned()) }
    }

    #[test]
    fn a_machine_leaves_its_window_and_empty_windows_go() {
        let window = |hosts: &[&str]| Window {
            machine_ids: hosts.iter().map(|host| machine(host)).collect(),
            unavailability: Unavailability::default(),
        };
        let schedule = Schedule { windows: vec![window(&["a", "b"]), window(&["c"])] };
        let left = without(schedule, &[machine("A"), machine("c")]);
        assert_eq!(left, Schedule { windows: vec![window(&["b"])] });
    }
}
