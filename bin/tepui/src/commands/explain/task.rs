//! The state of a task and how it came about, as text.

use messages::v1;
use messages::v1::task_status::Reason;
use model::is_terminal;

use crate::commands::checks::killed_as_unhealthy;
use crate::commands::state::{State, first_line, short};

pub fn lines(state: &State, task: &v1::Task) -> Vec<String> {
    let agents = state.agent_names();
    let agent = agents.get(task.agent_id.value.as_str()).cloned();
    let mut lines = vec![format!(
        "task '{}' of framework {} is {}",
        task.task_id.value,
        short(&task.framework_id.value),
        task.state().as_str_name()
    )];
    lines.push(match agent {
        Some(agent) => format!("it was placed on agent {agent}"),
        None => format!("its agent {} is not registered with the master now", task.agent_id.value),
    });
    for status in &task.statuses {
        let mut line = format!("- {}", status.state().as_str_name());
        if let Some(message) = status.message.as_deref().filter(|m| !m.is_empty()) {
            line.push_str(&format!(": {}", first_line(message)));
        }
        if let Some(reason) = status.reason.and_then(|r| Reason::try_from(r).ok()) {
            line.push_str(&format!(" ({})", meaning(reason, status.message())));
        }
        lines.push(line);
        lines.extend(killed_as_unhealthy(status, task.health_check.as_deref()).map(|why| format!("  {why}")));
        lines.extend(advice_for(status.message()).map(|advice| format!("  what to do: {advice}")));
    }
    if task.state() == v1::TaskState::TaskStaging {
        lines.push("it was sent to the agent, which is fetching its files or starting its executor".to_owned());
    }
    if is_terminal(task.state()) {
        lines.push(format!("its output: tepui logs {0}   and   tepui logs --stderr {0}", task.task_id.value));
    }
    lines
}

/// Returns what to do about a message that people meet.
pub fn advice_for(message: &str) -> Option<&'static str> {
    // The text is that of Mesos (`ComposingContainerizer`, `Slave`).
    let lacks_docker = message.contains("None of the enabled containerizers");
    lacks_docker.then_some(
        "start agents with --containerizers=docker,mesos, or run the task in the containers of the agents themselves \
         (without --containerizer docker)",
    )
}

/// Returns a plain text for the reason of a status with this message.
pub fn meaning(reason: Reason, message: &str) -> &'static str {
    use Reason::*;
    match reason {
        ContainerLaunchFailed if !message.is_empty() => "its container could not be started",
        ContainerLaunchFailed => "its container could not be started; the agent's log and the sandbox's stderr say why",
        ContainerLimitationMemory => "it used more memory than it asked for",
        ContainerLimitationDisk => "it used more disk than it asked for",
        ContainerLimitation => "it broke a limit of its container",
        ExecutorRegistrationTimeout => "its executor did not register in time",
        ExecutorTerminated => "its executor ended without saying how the task ended",
        FrameworkRemoved => "its framework was removed",
        InvalidOffers => "the offer it was launched on was no longer valid: rescinded, or already used",
        Reconciliation => "reported because the framework asked",
        AgentRemoved => "its agent was removed from the cluster",
        AgentDisconnected => "its agent lost its connection to the master",
        AgentRestarted => "its agent was restarted",
        TaskInvalid | TaskGroupInvalid => "the master refused its description",
        TaskKilledDuringLaunch => "it was killed before it had started",
        MaxCompletionTimeReached => "it ran longer than its max_completion_time",
        ResourcesUnknown => "it used a resource that its agent does not know",
        other => other.as_str_name(),
    }
}
