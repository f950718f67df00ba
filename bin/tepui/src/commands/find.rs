//! Finds the task or agent that an argument names, and the sandbox of a task.

use messages::v1;
use messages::v1::master::response::get_agents::Agent;
use messages::v1::master::response::get_frameworks::Framework;
use model::is_terminal;
use tepui_client::{Address, get_json};

use super::cli::CommandError;
use super::incidents::OpenIncidents;
use super::state::{State, framework_id, is_called, short};
use crate::batch::sandbox_of;

/// Returns the task with this id, or the only one whose id contains it. Of several tasks with the same id the latest is
/// returned. `0003/web.1` is a task of one framework, which is named by its id, the end of its id, or its name.
pub fn task<'a>(state: &'a State, given: &str) -> Result<&'a v1::Task, CommandError> {
    let (framework, wanted) = split(given);
    let of_framework = |task: &&v1::Task| framework.is_none_or(|given| is_of(state, task, given));
    let all = || state.all_tasks().filter(of_framework);
    let mut exact: Vec<&v1::Task> = all().filter(|t| t.task_id.value == wanted).collect();
    exact.sort_by(|a, b| started(a).total_cmp(&started(b)));
    if let Some(task) = exact.pop() {
        return Ok(task);
    }
    let like: Vec<&v1::Task> = all().filter(|t| t.task_id.value.contains(wanted) || t.name == wanted).collect();
    match like.as_slice() {
        [task] => Ok(task),
        [] => Err(CommandError::message(format!("no task '{given}': `tepui tasks` lists what there is"))),
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(|t| t.task_id.value.as_str()).collect();
            Err(CommandError::message(format!(
                "'{given}' could be {} tasks ({}, ...): give more of the id",
                several.len(),
                ids.join(", ")
            )))
        }
    }
}

/// Returns the task that [`task`] finds among those that are not over, of which commands go into the container. If there is
/// none, it may be one that is over.
///
/// # Errors
///
/// No task fits, or several do; the error names them with their frameworks.
pub fn running_task<'a>(state: &'a State, given: &str) -> Result<&'a v1::Task, CommandError> {
    let (framework, wanted) = split(given);
    let of_framework = |task: &&v1::Task| framework.is_none_or(|given| is_of(state, task, given));
    let all = || state.all_tasks().filter(|task| !is_terminal(task.state())).filter(of_framework);
    let mut found: Vec<&v1::Task> = all().filter(|task| task.task_id.value == wanted).collect();
    if found.is_empty() {
        found = all().filter(|task| task.task_id.value.contains(wanted) || task.name == wanted).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => task(state, given),
        several => {
            let frameworks = state.framework_ids();
            let id = |task: &&v1::Task| format!("{}/{}", frameworks.of(&task.framework_id.value), task.task_id.value);
            let mut ids: Vec<String> = several.iter().map(id).collect();
            ids.sort();
            ids.truncate(5);
            let rest = if several.len() > ids.len() { ", ..." } else { "" };
            Err(CommandError::message(format!(
                "'{given}' could be {} tasks that run: name one as FRAMEWORK/TASK ({}{rest})",
                several.len(),
                ids.join(", ")
            )))
        }
    }
}

/// Splits `0003/web.1` into framework and task; ids of tasks contain no `/`.
pub fn split(given: &str) -> (Option<&str>, &str) {
    match given.rsplit_once('/') {
        Some((framework, task)) => (Some(framework), task),
        None => (None, given),
    }
}

fn is_of(state: &State, task: &v1::Task, given: &str) -> bool {
    let id = task.framework_id.value.as_str();
    let is_named = |framework: &Framework| framework_id(framework) == id && framework.framework_info.name == given;
    is_called(id, given) || state.frameworks().any(|(framework, _)| is_named(framework))
}

/// Returns the only live framework with this id, end of an id, or name.
pub fn framework<'a>(state: &'a State, given: &str) -> Result<&'a Framework, CommandError> {
    let live = || state.frameworks().filter(|(_, live)| *live).map(|(framework, _)| framework);
    let mut found: Vec<&Framework> = live().filter(|one| is_called(framework_id(one), given)).collect();
    if found.is_empty() {
        found = live().filter(|one| one.framework_info.name == given).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(CommandError::message(format!(
            "no framework '{given}' is registered: `tepui frameworks --all` lists them"
        ))),
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(|one| short(framework_id(one))).collect();
            let count = several.len();
            Err(CommandError::message(format!(
                "'{given}' could be {count} frameworks: give the id ({})",
                ids.join(", ")
            )))
        }
    }
}

/// Returns whether the framework is registered and has no task, be it one that is over.
pub fn has_launched_nothing(state: &State, given: &str) -> bool {
    framework(state, given).is_ok() && !state.all_tasks().any(|task| is_of(state, task, given))
}

fn started(task: &v1::Task) -> f64 {
    task.statuses.first().and_then(|s| s.timestamp).unwrap_or_default()
}

/// Returns the registered agent with this id, the only one whose id ends (`S3`) or begins like this, or the only one
/// with this host name.
pub fn agent<'a>(state: &'a State, given: &str) -> Result<&'a Agent, CommandError> {
    let infos = state.agents.agents.iter().map(|agent| (agent, &agent.agent_info));
    one_of(infos, given)
}

/// Like [`agent_id`], but also finds unreachable agents.
pub async fn agent_id_anywhere(master: &Address, state: &State, given: &str) -> Result<v1::AgentId, CommandError> {
    let failure = match agent_id(state, given) {
        Err(failure) => failure,
        found => return found,
    };
    let unreachable = OpenIncidents::get(master).await.unreachable();
    let found = one_of(unreachable.iter().map(|info| (info, info)), given);
    found.map(|info| info.id.clone().unwrap_or_default()).map_err(|_| failure)
}

/// Like [`agent()`], but also finds recovered agents that have not re-registered, and accepts any complete id.
pub fn agent_id(state: &State, given: &str) -> Result<v1::AgentId, CommandError> {
    let registered = state.agents.agents.iter().map(|agent| &agent.agent_info);
    let infos = registered.chain(&state.agents.recovered_agents).map(|info| (info, info));
    match one_of(infos, given) {
        Ok(info) => Ok(info.id.clone().unwrap_or_default()),
        Err(_) if short(given) != given && short(given).starts_with('S') => Ok(v1::AgentId { value: given.to_owned() }),
        Err(failure) => Err(failure),
    }
}

fn one_of<'a, T: Copy>(infos: impl Iterator<Item = (T, &'a v1::AgentInfo)>, given: &str) -> Result<T, CommandError> {
    let id = |info: &'a v1::AgentInfo| info.id.as_ref().map_or("", |id| id.value.as_str());
    let infos: Vec<(T, &v1::AgentInfo)> = infos.collect();
    let fitting = |fits: &dyn Fn(&v1::AgentInfo) -> bool| -> Vec<(T, &'a v1::AgentInfo)> {
        infos.iter().filter(|(_, info)| fits(info)).copied().collect()
    };
    let ways: [&dyn Fn(&v1::AgentInfo) -> bool; 3] = [
        &|info| info.id.as_ref().is_some_and(|id| is_called(&id.value, given)),
        &|info| info.hostname.eq_ignore_ascii_case(given),
        &|info| info.id.as_ref().is_some_and(|id| id.value.starts_with(given)),
    ];
    let found = ways.into_iter().map(fitting).find(|found| !found.is_empty()).unwrap_or_default();
    match found.as_slice() {
        [(one, _)] => Ok(*one),
        [] => Err(CommandError::message(format!("no agent '{given}': `tepui agents` lists them"))),
        several => {
            let ids: Vec<&str> = several.iter().take(5).map(|(_, info)| id(info)).collect();
            Err(CommandError::message(format!(
                "'{given}' could be {} agents: give more of the id ({})",
                several.len(),
                ids.join(", ")
            )))
        }
    }
}

/// Returns the address of the agent on which the task runs or ran.
pub fn agent_of(state: &State, task: &v1::Task) -> Result<Address, CommandError> {
    let agent = state
        .agents
        .agents
        .iter()
        .find(|a| a.agent_info.id.as_ref() == Some(&task.agent_id))
        .ok_or_else(|| not_registered(task))?;
    let pid = agent.pid.as_deref().unwrap_or_default();
    Ok(pid.parse()?)
}

/// Returns the error for a task whose agent cannot be asked.
pub fn not_registered(task: &v1::Task) -> CommandError {
    let agent = &task.agent_id.value;
    CommandError::message(format!("agent {agent} is not registered, so its files cannot be read"))
}

/// Returns the container of a task, as its last update names it.
pub fn container(task: &v1::Task) -> Option<&v1::ContainerId> {
    let of = |status: &'_ &v1::TaskStatus| status.container_status.as_ref().is_some_and(|s| s.container_id.is_some());
    let status = task.statuses.iter().rev().find(of)?;
    status.container_status.as_ref()?.container_id.as_deref()
}

/// Returns the sandbox of a task on its agent, as a virtual path of `/files`. It is that of its executor, or below it for a
/// task of a pod.
pub async fn sandbox(agent: &Address, task: &v1::Task) -> Result<String, CommandError> {
    Ok(sandbox_of(&executor_sandbox(agent, task).await?, container(task)))
}

async fn executor_sandbox(agent: &Address, task: &v1::Task) -> Result<String, CommandError> {
    let state = get_json(agent, "/state").await?;
    // A command executor has the id of its task, and the task may have no `executor_id`.
    let executor = task.executor_id.as_ref().map_or(task.task_id.value.as_str(), |id| id.value.as_str());
    for list in ["frameworks", "completed_frameworks"] {
        for framework in state[list].as_array().into_iter().flatten() {
            if framework["id"] != task.framework_id.value.as_str() {
                continue;
            }
            for executors in ["executors", "completed_executors"] {
                let found = framework[executors]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .rev()
                    .find(|e| e["executor_id"] == executor || e["id"] == executor);
                if let Some(directory) = found.and_then(|e| e["directory"].as_str()) {
                    return Ok(directory.to_owned());
                }
            }
        }
    }
    Err(CommandError::message(format!(
        "agent {agent} no longer has the sandbox of task '{}': it was garbage collected",
        task.task_id.value
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_run_are_found_before_those_that_are_over() {
        let task = |framework: &str, id: &str, state: v1::TaskState, started: f64| v1::Task {
            name: "n".to_owned(),
            task_id: v1::TaskId { value: id.to_owned() },
            framework_id: v1::FrameworkId { value: format!("master-{framework}") },
            state: state.into(),
            statuses: vec![v1::TaskStatus { timestamp: Some(started), ..Default::default() }],
            ..Default::default()
        };
        use v1::TaskState::{TaskFinished, TaskRunning};
        let mut state = State { agents: Default::default(), frameworks: Default::default(), tasks: Default::default() };
        state.tasks.tasks = vec![
            task("0001", "web", TaskRunning, 1.0),
            task("0003", "twice", TaskRunning, 3.0),
            task("0004", "twice", TaskRunning, 4.0),
        ];
        state.tasks.completed_tasks =
            vec![task("0002", "web", TaskFinished, 2.0), task("0002", "over", TaskFinished, 2.0)];
        let check = |given: &str, expect: Result<&str, &str>| {
            let found = running_task(&state, given);
            match (found, expect) {
                (Ok(task), Ok(expect)) => assert_eq!(task.framework_id.value, format!("master-{expect}"), "{given}"),
                (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect, "{given}"),
                (found, expect) => panic!("{given}: {found:?}, expected {expect:?}"),
            }
        };
        check("web", Ok("0001"));
        check("eb", Ok("0001"));
        check("over", Ok("0002"));
        check("0002/web", Ok("0002"));
        check("0004/twice", Ok("0004"));
        let ids = "name one as FRAMEWORK/TASK (0003/twice, 0004/twice)";
        check("twice", Err(&format!("'twice' could be 2 tasks that run: {ids}")));
        check("nothing", Err("no task 'nothing': `tepui tasks` lists what there is"));
    }
}
