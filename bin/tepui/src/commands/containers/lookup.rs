//! Asks a master for one task and its agent, by `/tasks?task_id=` and `/slaves?slave_id=`.

use messages::schema::HasDescriptor;
use messages::v1;
use model::is_terminal;
use serde_json::Value;
use tepui_client::{Address, get_json};
use wire::Limits;

use crate::commands::cli::{CommandError, Master};
use crate::commands::find::{self, not_registered};
use crate::commands::state::is_called;
use crate::output::encode;

/// A task, with the parts of it that find its container, and the address of its agent.
#[derive(Debug)]
pub struct Found {
    pub task: v1::Task,
    pub agent: Result<Address, CommandError>,
}

/// Finds the only task with this id that runs (`web.1`, or `0003/web.1` for that of one framework). Returns `None` if there
/// is none or there are several, or the master does not show it by its id.
///
/// # Errors
///
/// The master cannot be reached.
pub async fn by_id(master: &Master, given: &str) -> Result<Option<Found>, CommandError> {
    let (framework, id) = find::split(given);
    let Some(tasks) = ask(master, &format!("/tasks?task_id={}", encode(id))).await? else { return Ok(None) };
    // Masters before Mesos 1.0 ignore the query.
    let Some(task) = named(&tasks, framework, id) else { return Ok(None) };
    let path = format!("/slaves?slave_id={}", encode(&task.agent_id.value));
    let Some(agents) = ask(master, &path).await? else { return Ok(None) };
    let is_its = |agent: &&Value| agent["id"] == task.agent_id.value.as_str();
    let agent = agents["slaves"].as_array().into_iter().flatten().find(is_its);
    let agent = match agent.and_then(|agent| agent["pid"].as_str()) {
        Some(pid) => pid.parse().map_err(CommandError::from),
        None => Err(not_registered(&task)),
    };
    Ok(Some(Found { task, agent }))
}

/// Returns a document of the master; `None` if it refuses the request.
async fn ask(master: &Master, path: &str) -> Result<Option<Value>, CommandError> {
    match get_json(master, path).await {
        Ok(document) => Ok(Some(document)),
        Err(tepui_client::Error::Status { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The number of tasks that a master shows if nobody asks for more. A document with fewer has all of them.
const SHOWN_AT_ONCE: usize = 100;

/// Returns the only task with this id that runs in a document of `/tasks`, of the framework if one is given by its id.
fn named(document: &Value, framework: Option<&str>, id: &str) -> Option<v1::Task> {
    let tasks = document["tasks"].as_array().filter(|tasks| tasks.len() < SHOWN_AT_ONCE)?;
    let mut running = tasks.iter().filter(|task| task["id"] == id).filter_map(|task| {
        let of = task["framework_id"].as_str()?;
        let task = framework.is_none_or(|given| is_called(of, given)).then(|| read(task, of, id))??;
        (!is_terminal(task.state())).then_some(task)
    });
    match (running.next(), running.next()) {
        (Some(task), None) => Some(task),
        _ => None,
    }
}

fn read(task: &Value, framework: &str, id: &str) -> Option<v1::Task> {
    let text = |key: &str| task[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let statuses = task["statuses"].as_array().into_iter().flatten().map(|status| v1::TaskStatus {
        container_status: message(&status["container_status"]["container_id"]).map(|id| {
            Box::new(v1::ContainerStatus { container_id: Some(Box::new(id)), ..v1::ContainerStatus::default() })
        }),
        ..v1::TaskStatus::default()
    });
    Some(v1::Task {
        task_id: v1::TaskId { value: id.to_owned() },
        name: text("name").unwrap_or_default(),
        framework_id: v1::FrameworkId { value: framework.to_owned() },
        agent_id: v1::AgentId { value: text("slave_id")? },
        executor_id: text("executor_id").map(|value| v1::ExecutorId { value }),
        state: v1::TaskState::from_str_name(task["state"].as_str()?)?.into(),
        statuses: statuses.collect(),
        container: task["container"]["tty_info"]
            .is_object()
            .then(|| Box::new(v1::ContainerInfo { tty_info: Some(Box::default()), ..v1::ContainerInfo::default() })),
        ..v1::Task::default()
    })
}

fn message<T: HasDescriptor>(value: &Value) -> Option<T> {
    wire::json::decode(value.to_string().as_bytes(), &Limits::default()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_found_by_its_id() {
        let in_state = |state: &str, id: &str, framework: &str, executor: &str| {
            json!({
                "id": id, "name": "n", "framework_id": framework, "slave_id": "M-S0", "executor_id": executor,
                "state": state, "container": { "type": "MESOS", "tty_info": {} },
                "statuses": [{ "container_status": { "container_id": { "value": "c", "parent": { "value": "p" } } } }],
            })
        };
        let task = |id: &str, framework: &str, executor: &str| in_state("TASK_RUNNING", id, framework, executor);
        let over = |id: &str, framework: &str| in_state("TASK_FINISHED", id, framework, "");
        let tasks = [
            over("b", "M-0003"),
            task("b", "M-0001", ""),
            task("a", "M-0002", "e"),
            task("a", "M-0001", ""),
            over("d", "M-0001"),
        ];
        let document = json!({ "tasks": tasks });
        let check = |framework, id, expect: Option<(&str, Option<&str>)>| {
            let found = named(&document, framework, id);
            let executor = |task: &v1::Task| task.executor_id.as_ref().map(|id| id.value.clone());
            let found = found.as_ref().map(|task| (task.framework_id.value.as_str(), executor(task)));
            let expect = expect.map(|(framework, executor)| (framework, executor.map(str::to_owned)));
            assert_eq!(found, expect, "{framework:?} {id}");
        };
        check(None, "a", None);
        check(None, "b", Some(("M-0001", None)));
        check(None, "d", None);
        check(Some("0002"), "a", Some(("M-0002", Some("e"))));
        check(Some("0001"), "a", Some(("M-0001", None)));
        check(Some("n"), "a", None);
        check(None, "c", None);
        let found = named(&document, Some("0002"), "a").unwrap();
        let container = find::container(&found).unwrap();
        assert_eq!((container.value.as_str(), container.parent.as_ref().unwrap().value.as_str()), ("c", "p"));
        assert!(found.container.unwrap().tty_info.is_some());
        // A task without a state, as no master writes it.
        assert!(named(&json!({ "tasks": [{ "id": "a", "framework_id": "f", "slave_id": "s" }] }), None, "a").is_none());
    }
}
