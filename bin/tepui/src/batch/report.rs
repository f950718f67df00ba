//! The table at the end of a batch: state, agent, exit, duration, and where the output is.

use std::collections::BTreeMap;

use client::{Address, get_json};
use messages::v1;

use super::plan::TaskState;
use super::scheduler_loop::Outcome;
use crate::table::{duration, render};

/// Of failed tasks, said below the table; more say little that is new.
const MAX_MESSAGES: usize = 5;

/// Asks master and agents where each task ran; what cannot be found out is left empty.
pub async fn table(master: &Address, outcome: &Outcome) -> String {
    let agents = agents(master).await;
    let mut sandboxes = BTreeMap::new();
    for agent in agents.values() {
        if let Some(address) = &agent.address {
            sandboxes.extend(sandboxes_of(address, &outcome.framework.value).await);
        }
    }
    let rows: Vec<Vec<String>> = outcome
        .plan
        .tasks()
        .iter()
        .map(|task| {
            let agent = task.agent.as_ref().and_then(|id| agents.get(&id.value)).map(|a| a.name.clone());
            vec![
                task.info.task_id.value.clone(),
                task.state.map_or("not launched", |s| s.as_str_name()).to_owned(),
                agent.unwrap_or_default(),
                exit(task),
                task.launched.zip(task.ended).map(|(from, to)| duration(to - from)).unwrap_or_default(),
                sandboxes.get(&task.info.task_id.value).cloned().unwrap_or_default(),
            ]
        })
        .collect();
    let mut text = render(&["TASK", "STATE", "AGENT", "EXIT", "DURATION", "OUTPUT"], &rows);
    let failed = |t: &&TaskState| t.state != Some(v1::TaskState::TaskFinished) && !t.message.is_empty();
    for task in outcome.plan.tasks().iter().filter(failed).take(MAX_MESSAGES) {
        text.push_str(&format!("{}: {}\n", task.info.task_id.value, task.message));
    }
    text
}

fn exit(task: &TaskState) -> String {
    match task.state {
        Some(v1::TaskState::TaskFinished) => "0".to_owned(),
        _ => match task.message.rsplit_once("exited with status ") {
            Some((_, status)) => status.to_owned(),
            None => task.reason.clone().unwrap_or_else(|| task.message.clone()),
        },
    }
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

/// Task id to the directory that holds its `stdout` and `stderr`.
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
