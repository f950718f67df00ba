//! The executor that the agent generates for a task that is a single command.

use std::time::Duration;

use messages::v1;

use crate::config::Config;
use crate::tasks::launch::role_of;

/// The cpus that Mesos accounts for a command executor, beyond the task's own resources.
const EXECUTOR_CPUS: f64 = 0.1;
const EXECUTOR_MEM: f64 = 32.0;

/// The time that an executor may need to notice the end of its command, besides the task's kill grace period.
const REAP_ALLOWANCE: Duration = Duration::from_secs(2);

/// The number of characters of a command that the executor's name shows.
const SHOWN: usize = 15;

#[expect(deprecated, reason = "readers of the agent's state still look at `source`")]
pub(crate) fn executor_for(task: &v1::TaskInfo, framework: &v1::FrameworkInfo, config: &Config) -> v1::ExecutorInfo {
    let command = task.command.as_deref().cloned().unwrap_or_default();
    let grace = task.kill_policy.as_deref().and_then(|policy| policy.grace_period.as_ref());
    v1::ExecutorInfo {
        executor_id: v1::ExecutorId { value: task.task_id.value.clone() },
        framework_id: framework.id.clone(),
        name: Some(format!("Command Executor (Task: {}) {}", task.task_id.value, shown(&command))),
        source: Some(task.task_id.value.clone()),
        container: task.container.clone(),
        labels: task.labels.clone(),
        discovery: task.discovery.clone(),
        shutdown_grace_period: grace
            .map(|grace| model::duration_to_proto(model::duration_from_proto(grace).saturating_add(REAP_ALLOWANCE))),
        command: Some(Box::new(program(task, &command, framework, config))),
        resources: overhead(&task.resources),
        ..Default::default()
    }
}

pub(crate) fn default_executor_command(config: &Config) -> v1::CommandInfo {
    v1::CommandInfo {
        shell: Some(false),
        value: Some(config.default_executor.to_string_lossy().into_owned()),
        arguments: vec!["mesos-default-executor".to_owned(), launcher_dir(config)],
        ..Default::default()
    }
}

/// Returns the command executor's own command: it has the URIs and the environment of the task's command.
fn program(
    task: &v1::TaskInfo,
    command: &v1::CommandInfo,
    framework: &v1::FrameworkInfo,
    config: &Config,
) -> v1::CommandInfo {
    let mut arguments = vec!["mesos-executor".to_owned(), launcher_dir(config)];
    let has_rootfs = task.container.as_deref().is_some_and(|container| {
        container.r#type() == v1::container_info::Type::Mesos
            && container.mesos.as_deref().is_some_and(|mesos| mesos.image.is_some())
    });
    if has_rootfs {
        arguments.push(format!("--sandbox_directory={}", config.sandbox_directory));
        if config.switch_user {
            arguments.push(format!("--user={}", command.user.as_deref().unwrap_or(&framework.user)));
        }
    }
    v1::CommandInfo {
        uris: command.uris.clone(),
        environment: command.environment.clone(),
        user: command.user.clone(),
        shell: Some(false),
        value: Some(config.command_executor.to_string_lossy().into_owned()),
        arguments,
    }
}

fn launcher_dir(config: &Config) -> String {
    format!("--launcher_dir={}", config.launcher_dir.display())
}

fn shown(command: &v1::CommandInfo) -> String {
    match (&command.value, command.shell.unwrap_or(true)) {
        (None, true) => "(Command: NO COMMAND)".to_owned(),
        (None, false) => "(Command: NO EXECUTABLE)".to_owned(),
        (Some(value), true) => format!("(Command: sh -c '{}')", shortened(value)),
        (Some(value), false) => {
            format!("(Command: [{}])", shortened(&format!("{value}, {}", command.arguments.join(", "))))
        }
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = (0..=SHOWN - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default())
}

fn overhead(task: &[v1::Resource]) -> Vec<v1::Resource> {
    let role = role_of(task).map(|role| v1::resource::AllocationInfo { role: Some(role.to_string()) });
    let scalar = |name: &str, value| v1::Resource {
        name: name.to_owned(),
        r#type: v1::value::Type::Scalar as i32,
        scalar: Some(v1::value::Scalar { value }),
        allocation_info: role.clone(),
        ..Default::default()
    };
    vec![scalar("cpus", EXECUTOR_CPUS), scalar("mem", EXECUTOR_MEM)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executors_are_named_after_the_beginning_of_their_command() {
        let command = |value: Option<&str>, shell, arguments: &[&str]| v1::CommandInfo {
            value: value.map(str::to_owned),
            shell,
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            ..Default::default()
        };
        for (command, expected) in [
            (command(Some("sleep 1000"), None, &[]), "(Command: sh -c 'sleep 1000')"),
            (command(Some("fifteen letters"), Some(true), &[]), "(Command: sh -c 'fifteen letters')"),
            (command(Some("sixteen letters!"), Some(true), &[]), "(Command: sh -c 'sixteen lett...')"),
            // The text is never cut in the middle of a character.
            (command(Some("elf zeichen\u{e4}\u{e4}\u{e4}"), None, &[]), "(Command: sh -c 'elf zeichen...')"),
            (command(Some("ls"), Some(false), &["ls", "-l"]), "(Command: [ls, ls, -l])"),
            (command(Some("/bin/ls"), Some(false), &["ls", "-l", "/"]), "(Command: [/bin/ls, ls,...])"),
            (command(None, None, &[]), "(Command: NO COMMAND)"),
            (command(None, Some(false), &[]), "(Command: NO EXECUTABLE)"),
        ] {
            assert_eq!(shown(&command), expected);
        }
    }
}
