//! `tepui status`, and `tepui` without a command: shows the state of the cluster or how to start one.

use std::process::ExitCode;

use messages::v1::TaskState;
use model::is_terminal;
use serde_json::{Value, json};
use tepui_client::get_json;

use super::cli::{CommandError, Master, Target};
use super::incidents::OpenIncidents;
use super::state::{State, scalar};
use crate::output;
use crate::table::{amount, pairs};

#[derive(clap::Args)]
pub struct Status {
    #[command(flatten)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The numbers that are shown.
#[derive(Debug, Default, PartialEq)]
struct Numbers {
    agents: usize,
    inactive: usize,
    unreachable: usize,
    frameworks: usize,
    running: usize,
    starting: usize,
    over: usize,
    failures: usize,
    cpus: (f64, f64),
    mem: (f64, f64),
}

/// Shows the state of the cluster.
///
/// # Errors
///
/// Fails if something answers that is no master.
pub async fn status(args: Status) -> Result<ExitCode, CommandError> {
    show(&args.target.master, args.json).await
}

/// Like [`status`], for the cluster that is used by default.
pub async fn show(master: &Master, as_json: bool) -> Result<ExitCode, CommandError> {
    let state = match State::get(master).await {
        Err(CommandError::Client(tepui_client::Error::Connect { .. })) if !as_json => {
            no_cluster(master);
            return Ok(ExitCode::FAILURE);
        }
        answer => answer?,
    };
    let incidents = OpenIncidents::get(master).await;
    let numbers = count(&state, &incidents);
    if as_json {
        output::json(numbers.json(master));
        return Ok(ExitCode::SUCCESS);
    }
    let version = get_json(master, "/version").await.unwrap_or_default();
    output::print(pairs(&lines(&numbers, master, version["version"].as_str().unwrap_or("?"))));
    output::print(NEXT);
    Ok(ExitCode::SUCCESS)
}

const NEXT: &str = "
tepui run -- echo hello    run a task      tepui tasks       list current and finished tasks
tepui examples             more examples   tepui --help      all commands
";

fn no_cluster(master: &Master) {
    output::line(format!("No master answers at {}.", master.given));
    output::print(
        "\n  tepui local                start a cluster on this machine; keep it running\n  \
         export TEPUI_MASTER=HOST:5050   use another one (or --master)\n  \
         tepui examples             examples of what can be done\n  \
         tepui --help               all commands\n",
    );
}

fn count(state: &State, incidents: &OpenIncidents) -> Numbers {
    let agents = &state.agents.agents;
    let sum = |name: &str| {
        let of = |resources: &[messages::v1::Resource]| scalar(resources, name);
        let used = agents.iter().map(|agent| of(&agent.allocated_resources)).sum();
        (used, agents.iter().map(|agent| of(&agent.total_resources)).sum())
    };
    let live = |wanted: &dyn Fn(TaskState) -> bool| state.tasks.tasks.iter().filter(|t| wanted(t.state())).count();
    Numbers {
        agents: agents.len(),
        inactive: agents.iter().filter(|agent| !agent.active || agent.deactivated()).count(),
        unreachable: incidents.unreachable().len(),
        frameworks: state.frameworks.frameworks.len(),
        running: live(&|state| state == TaskState::TaskRunning),
        starting: live(&|state| state != TaskState::TaskRunning && !is_terminal(state)),
        over: state.tasks.completed_tasks.len() + live(&is_terminal),
        failures: incidents.count(),
        cpus: sum("cpus"),
        mem: sum("mem"),
    }
}

impl Numbers {
    fn json(&self, master: &Master) -> Value {
        json!({
            "master": master.leader.to_string(),
            "agents": {"registered": self.agents, "inactive": self.inactive, "unreachable": self.unreachable},
            "frameworks": self.frameworks,
            "tasks": {"running": self.running, "starting": self.starting, "over": self.over},
            "cpus": {"used": self.cpus.0, "total": self.cpus.1}, "mem": {"used": self.mem.0, "total": self.mem.1},
            "open_failures": self.failures,
        })
    }
}

fn lines(numbers: &Numbers, master: &Master, version: &str) -> Vec<Vec<String>> {
    let also = |count: usize, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    let agents = match numbers.agents {
        0 => format!("none; start one: tepui agent --master={} --work_dir=DIRECTORY", master.given),
        count => format!("{count}{}", also(numbers.inactive, "not active")),
    };
    let mut lines = vec![
        ("master", format!("{}, speaks Mesos {version}", master.leader)),
        ("agents", format!("{agents}{}", also(numbers.unreachable, "unreachable"))),
        ("cpus", format!("{} of {} in use", amount(numbers.cpus.0), amount(numbers.cpus.1))),
        ("memory", format!("{} of {} in use", size(numbers.mem.0), size(numbers.mem.1))),
        ("frameworks", numbers.frameworks.to_string()),
        ("tasks", format!("{} running{}, {} over", numbers.running, also(numbers.starting, "starting"), numbers.over)),
    ];
    if numbers.failures > 0 {
        lines.push(("failures", format!("{} not over: tepui failures --open", numbers.failures)));
    }
    lines.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

/// Formats megabytes.
fn size(megabytes: f64) -> String {
    match megabytes {
        ..1024.0 => format!("{} MB", amount(megabytes)),
        ..1_048_576.0 => format!("{:.1} GB", megabytes / 1024.0),
        _ => format!("{:.1} TB", megabytes / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tepui_client::Address;

    #[test]
    fn the_state_of_the_cluster_is_described() {
        let master = Master { given: "m:5050".to_owned(), leader: Address::new("m", 5050) };
        let numbers = Numbers {
            agents: 3,
            inactive: 1,
            running: 2,
            over: 7,
            failures: 1,
            cpus: (0.5, 12.0),
            mem: (64.0, 23_080.0),
            ..Numbers::default()
        };
        let expect = "master      m:5050, speaks Mesos 1.11.0\n\
                      agents      3, 1 not active\n\
                      cpus        0.5 of 12 in use\n\
                      memory      64 MB of 22.5 GB in use\n\
                      frameworks  0\n\
                      tasks       2 running, 7 over\n\
                      failures    1 not over: tepui failures --open\n";
        assert_eq!(pairs(&lines(&numbers, &master, "1.11.0")), expect);
        let empty = pairs(&lines(&Numbers::default(), &master, "1.11.0"));
        assert!(
            empty.contains("agents      none; start one: tepui agent --master=m:5050 --work_dir=DIRECTORY\n"),
            "{empty}"
        );
    }
}
