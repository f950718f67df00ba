//! The table at the end of a batch: state, agent, exit code, duration, and the location of the output.

use std::collections::BTreeMap;

use messages::v1;
use messages::v1::TaskState as State;
use serde_json::{Value, json};
use tepui_client::{Address, get_json};

use super::exit_codes::exit_code;
use super::plan::TaskState;
use super::scheduler_loop::Outcome;
use crate::commands::{first_line, tone};
use crate::table::{Cell, OutputDevice, Tone, draw, duration};

/// The number of failed tasks whose messages are printed below the table.
const MAX_MESSAGES: usize = 5;

/// The end of one task. Values that are unknown are empty.
#[derive(Debug, Default)]
pub struct Row {
    pub task: String,
    pub state: Option<State>,
    /// The agent, as `S0 (host)`.
    pub agent: String,
    pub exit: Option<u8>,
    pub reason: Option<String>,
    pub message: String,
    /// The reason for its end if it was killed because it was not healthy.
    pub unhealthy: Option<String>,
    pub seconds: Option<f64>,
    /// The path of the sandbox on the agent.
    pub sandbox: String,
}

impl Row {
    fn of(task: &TaskState) -> Self {
        Row {
            task: task.info.task_id.value.clone(),
            state: task.state,
            agent: String::new(),
            exit: task.state.filter(|_| task.is_over()).map(|state| exit_code(state, &task.message)),
            reason: task.reason.clone(),
            message: task.message.clone(),
            unhealthy: task.unhealthy.clone(),
            seconds: task.launched.zip(task.ended).map(|(from, to)| to - from),
            sandbox: String::new(),
        }
    }

    /// Returns the row as JSON.
    pub fn json(&self) -> Value {
        json!({
            "task": self.task, "state": self.state.map(|state| state.as_str_name()), "agent": self.agent,
            "exit": self.exit, "reason": self.reason, "message": self.message,
            "unhealthy": self.unhealthy, "seconds": self.seconds, "sandbox": self.sandbox,
        })
    }
}

/// Returns a row for each task. With `sandboxes` the agents are asked for the paths of the sandboxes.
pub async fn rows(master: &Address, outcome: &Outcome, sandboxes: bool) -> Vec<Row> {
    let agents = agents(master).await;
    let mut directories = BTreeMap::new();
    for address in agents.values().filter_map(|agent| agent.address.as_ref()).filter(|_| sandboxes) {
        directories.extend(sandboxes_of(address, &outcome.framework.value).await);
    }
    let row = |task: &TaskState| {
        let agent = task.agent.as_ref().and_then(|id| agents.get(&id.value)).map(|agent| agent.name.clone());
        let sandbox = directories.get(&task.info.task_id.value);
        let sandbox = sandbox.map(|directory| sandbox_of(directory, task.container.as_ref()));
        Row { agent: agent.unwrap_or_default(), sandbox: sandbox.unwrap_or_default(), ..Row::of(task) }
    };
    outcome.plan.tasks().iter().map(row).collect()
}

/// Returns the sandbox of a container from that of its executor. The container of a task in a pod is nested in the
/// executor's, and so is its sandbox.
pub fn sandbox_of(executor: &str, container: Option<&v1::ContainerId>) -> String {
    match container {
        Some(id) => match id.parent.as_deref() {
            Some(parent) => format!("{}/containers/{}", sandbox_of(executor, Some(parent)), id.value),
            None => executor.to_owned(),
        },
        None => executor.to_owned(),
    }
}

/// Renders the rows, and below them the messages of failed tasks. Sandboxes are shown if `wide` is set.
pub fn table(rows: &[Row], wide: bool, device: OutputDevice) -> String {
    let mut header = vec!["TASK", "STATE", "AGENT", "EXIT", "DURATION"];
    header.extend(wide.then_some("OUTPUT"));
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| cells(row, wide)).collect();
    let mut text = draw(&header, &cells, device);
    // The table shows the exit status already.
    let says_more = |row: &Row| {
        row.unhealthy.is_some() || !row.message.is_empty() && !row.message.starts_with("Command exited with status")
    };
    let failed = |row: &&Row| row.state != Some(State::TaskFinished) && says_more(row);
    for row in rows.iter().filter(failed).take(MAX_MESSAGES) {
        let message = row.unhealthy.as_deref().map_or_else(|| first_line(&row.message), Into::into);
        let line = format!("{}: {message}", row.task);
        text.push_str(&model::visible(&line));
        text.push('\n');
    }
    text
}

fn cells(row: &Row, wide: bool) -> Vec<Cell> {
    let state = match row.state {
        Some(state) => Cell::toned(state.as_str_name(), tone(state)),
        None => Cell::toned("not launched", Tone::Faint),
    };
    let exit = match (row.exit, &row.reason) {
        (Some(0), _) => "0".to_owned(),
        // The task ended for this reason and not by its command.
        (Some(1), Some(reason)) if !row.message.contains("exited with status") => reason.clone(),
        (Some(code), _) => code.to_string(),
        (None, _) => String::new(),
    };
    let lasted = row.seconds.map(duration).unwrap_or_default();
    let mut cells = vec![row.task.as_str().into(), state, row.agent.as_str().into(), exit.into(), lasted.into()];
    cells.extend(wide.then(|| row.sandbox.as_str().into()));
    cells
}

struct Agent {
    name: String,
    address: Option<Address>,
}

async fn agents(master: &Address) -> BTreeMap<String, Agent> {
    let Ok(answer) = get_json(master, "/slaves").await else { return BTreeMap::new() };
    let list = answer["slaves"].as_array().cloned().unwrap_or_default();
    list.iter()
        .filter_map(|slave| {
            let id = slave["id"].as_str()?;
            let address = slave["pid"].as_str().and_then(|pid| pid.parse().ok());
            let host = slave["hostname"].as_str().unwrap_or_default();
            let number = id.rsplit_once('-').map_or(id, |(_, n)| n);
            Some((id.to_owned(), Agent { name: format!("{number} ({host})"), address }))
        })
        .collect()
}

/// Returns the directories with `stdout` and `stderr` by task id.
async fn sandboxes_of(agent: &Address, framework: &str) -> BTreeMap<String, String> {
    let Ok(state) = get_json(agent, "/state").await else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for list in ["frameworks", "completed_frameworks"] {
        for entry in state[list].as_array().into_iter().flatten().filter(|f| f["id"] == framework) {
            for executors in ["executors", "completed_executors"] {
                for executor in entry[executors].as_array().into_iter().flatten() {
                    let directory = executor["directory"].as_str().unwrap_or_default();
                    for tasks in ["tasks", "queued_tasks", "completed_tasks"] {
                        for task in executor[tasks].as_array().into_iter().flatten() {
                            if let Some(id) = task["id"].as_str() {
                                found.insert(id.to_owned(), directory.to_owned());
                            }
                        }
                    }
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: OutputDevice = OutputDevice { width: None, colours: false };

    #[test]
    fn sandboxes_are_shown_on_demand_and_text_is_escaped() {
        let rows = [
            Row {
                task: "run.0".to_owned(),
                state: Some(State::TaskFinished),
                agent: "S0 (h)".to_owned(),
                exit: Some(0),
                seconds: Some(0.135),
                sandbox: "/a/long/path".to_owned(),
                ..Row::default()
            },
            Row {
                task: "run.1".to_owned(),
                state: Some(State::TaskFailed),
                exit: Some(3),
                message: "\x1b[2Jno\rrow exited with status 3\nrow".to_owned(),
                ..Row::default()
            },
            Row { task: "run.2".to_owned(), ..Row::default() },
        ];
        let expect = "TASK   STATE          AGENT   EXIT  DURATION\n\
                      run.0  TASK_FINISHED  S0 (h)  0     135ms\n\
                      run.1  TASK_FAILED            3\n\
                      run.2  not launched\n\
                      run.1: \\x1b[2Jno\\rrow exited with status 3 …\n";
        assert_eq!(table(&rows, false, FILE), expect);
        assert!(table(&rows, true, FILE).contains("135ms     /a/long/path\n"));
        assert_eq!(rows[1].json()["message"], "\x1b[2Jno\rrow exited with status 3\nrow", "exact");
    }
}
