//! `mesos-execute` and `mesos-resolve`, with the flags and the output of Mesos.

use std::ffi::OsString;
use std::process::ExitCode;

use flags::{ExecuteFlags, ExecutorContainerizer, Json, Parsed};
use messages::v1;
use tepui_client::Address;
use wire::Limits;

use super::checks::in_words_of_mesos;
use super::cli::{CommandError, DETECTION, block_on, fail};
use super::execute_container::container;
use super::execute_package::upload;
use super::run::pod;
use crate::batch::{self, Observer};
use crate::logging;
use crate::mesos_flags::parse_or_exit;
use crate::output;

/// `mesos-execute`: runs one task and prints its status updates.
pub fn execute(arguments: Vec<OsString>) -> ExitCode {
    let Parsed { flags, warnings, .. } = match parse_or_exit::<ExecuteFlags>(arguments) {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    if let Err(failure) = logging::init(&flags.logging, &warnings, "mesos-execute") {
        return fail(&failure);
    }
    block_on(async { run(&flags).await })
}

async fn run(flags: &ExecuteFlags) -> Result<ExitCode, CommandError> {
    let (mut work, framework) = work_and_framework(flags)?;
    // This fails early if there is no master.
    tepui_client::detect(&flags.master, DETECTION).await?;
    if let (Work::Task(task), Some(value)) = (&mut work, upload(flags).await?) {
        let command = task.command.get_or_insert_default();
        command.uris.push(v1::command_info::Uri { value, ..Default::default() });
    }
    let options =
        batch::Options { master: flags.master.clone(), framework, kill_after: flags.kill_after, master_timeout: None };
    let mut printer = UpdatePrinter { group: matches!(work, Work::Group(..)) };
    let plan = match work {
        Work::Task(task) => batch::Plan::new(vec![*task]),
        Work::Group(tasks, executor) => batch::Plan::pod(*executor, tasks),
    };
    let outcome = batch::run_batch(options, plan, &mut printer).await?;
    let ok = outcome.plan.tasks().iter().all(|t| t.state == Some(v1::TaskState::TaskFinished));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The work that the flags describe.
pub enum Work {
    Task(Box<v1::TaskInfo>),
    /// Tasks that one executor runs together.
    Group(Vec<v1::TaskInfo>, Box<v1::ExecutorInfo>),
}

/// Returns what to run, and the framework to run it as.
///
/// # Errors
///
/// Fails with a sentence that names the flag and says what it accepts.
pub fn work_and_framework(flags: &ExecuteFlags) -> Result<(Work, v1::FrameworkInfo), CommandError> {
    if flags.task_group.is_some() && flags.package.is_some() {
        return Err(CommandError::message("--package is for a single task: name it in the uris of --task_group"));
    }
    let work = match (&flags.task_group, &flags.task) {
        (Some(_), Some(_)) => return Err(CommandError::message("--task and --task_group exclude each other")),
        (Some(Json(text)), None) => Work::Group(group_from_json(text)?, Box::new(default_executor())),
        (None, _) => Work::Task(Box::new(task(flags)?)),
    };
    Ok((work, framework(flags)?))
}

/// Prints the lines that scripts around `mesos-execute` expect.
struct UpdatePrinter {
    group: bool,
}

impl Observer for UpdatePrinter {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        output::line(format!("Subscribed with ID {}", framework.value));
    }

    fn launched(&mut self, tasks: &[v1::TaskInfo]) {
        if let (true, Some(first)) = (self.group, tasks.first()) {
            let ids: Vec<&str> = tasks.iter().map(|task| task.task_id.value.as_str()).collect();
            let (ids, agent) = (ids.join(", "), &first.agent_id.value);
            return output::line(format!("Submitted task group with tasks [ {ids} ] to agent '{agent}'"));
        }
        for task in tasks {
            output::line(format!("Submitted task '{}' to agent '{}'", task.task_id.value, task.agent_id.value));
        }
    }

    fn received(&mut self, status: &v1::TaskStatus) {
        output::line(format!(
            "Received status update {} for task '{}'",
            status.state().as_str_name(),
            status.task_id.value
        ));
        if let Some(message) = &status.message {
            output::line(format!("  message: '{message}'"));
        }
        if status.source.is_some() {
            output::line(format!("  source: {}", status.source().as_str_name()));
        }
        if status.reason.is_some() {
            output::line(format!("  reason: {}", status.reason().as_str_name()));
        }
        if let Some(healthy) = status.healthy {
            output::line(format!("  healthy?: {}", u8::from(healthy)));
        }
        if let Some(check) = &status.check_status {
            output::line(format!("  check status: {}", in_words_of_mesos(check)));
        }
        let exceeded = status.limitation.as_ref().map(|limitation| limitation.resources.as_slice()).unwrap_or_default();
        if !exceeded.is_empty() {
            // Mesos prints the list of messages as JSON.
            let resources: Vec<_> = exceeded
                .iter()
                .map(|resource| String::from_utf8_lossy(&wire::json::encode(resource)).into_owned())
                .collect();
            output::line(format!("  resource limit violation: [{}]", resources.join(",")));
        }
    }
}

fn framework(flags: &ExecuteFlags) -> Result<v1::FrameworkInfo, CommandError> {
    use v1::framework_info::{Capability, capability::Type};
    let mut types = vec![
        Type::ReservationRefinement,
        Type::MultiRole,
        Type::GpuResources,
        Type::TaskKillingState,
        Type::RevocableResources,
    ];
    if flags.partition_aware {
        types.push(Type::PartitionAware);
    }
    for name in flags.framework_capabilities.iter().flat_map(|list| &list.0) {
        let named = Type::from_str_name(name).ok_or_else(|| {
            CommandError::message(format!("--framework_capabilities: there is no capability '{name}'"))
        })?;
        if !types.contains(&named) {
            types.push(named);
        }
    }
    Ok(v1::FrameworkInfo {
        user: crate::user::current(),
        name: "mesos-execute instance".to_owned(),
        roles: vec![flags.role.clone()],
        checkpoint: Some(flags.checkpoint),
        principal: flags.principal.clone(),
        capabilities: types.into_iter().map(|t| Capability { r#type: Some(t.into()) }).collect(),
        ..Default::default()
    })
}

/// Returns the executor of a group, with the id and the resources that Mesos gives to it.
fn default_executor() -> v1::ExecutorInfo {
    pod::executor("default-executor", [("cpus", 0.1), ("mem", 32.0), ("disk", 32.0)])
}

/// Returns the task of `--task`, or the one that the other flags describe.
fn task(flags: &ExecuteFlags) -> Result<v1::TaskInfo, CommandError> {
    if let Some(Json(text)) = &flags.task {
        return task_from_json(text);
    }
    let missing = |name| CommandError::message(format!("--{name} is missing (or give a whole --task)"));
    let name = flags.name.as_deref().ok_or_else(|| missing("name"))?;
    let command = match flags.command.as_deref() {
        Some(line) if flags.shell => {
            v1::CommandInfo { value: Some(line.to_owned()), shell: Some(true), ..Default::default() }
        }
        Some(line) => {
            let mut arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let value = Some(arguments.first().cloned().unwrap_or_default());
            // Docker puts the value before the arguments; Mesos expects it among them, as execve(2) does.
            if flags.containerizer == ExecutorContainerizer::Docker && !arguments.is_empty() {
                arguments.remove(0);
            }
            v1::CommandInfo { value, shell: Some(false), arguments, ..Default::default() }
        }
        // The image has a command of its own.
        None if !flags.shell && flags.docker_image.is_some() => {
            v1::CommandInfo { shell: Some(false), ..Default::default() }
        }
        None => return Err(missing("command")),
    };
    let command = v1::CommandInfo { environment: environment(flags)?, ..command };
    let resources = resources::Resources::parse(&flags.resources, "*")
        .map_err(|e| CommandError::message(format!("--resources: {e}")))?
        .to_proto();
    Ok(v1::TaskInfo {
        name: name.to_owned(),
        task_id: v1::TaskId { value: name.to_owned() },
        resources,
        command: Some(Box::new(command)),
        container: container(flags)?,
        ..Default::default()
    })
}

/// Parses a TaskInfo. `agent_id` is required in it but unknown before the offer, so a missing one is filled in.
fn task_from_json(text: &str) -> Result<v1::TaskInfo, CommandError> {
    let mut value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| CommandError::message(format!("--task is not JSON: {e}")))?;
    fill_agent_id(&mut value);
    wire::json::decode(value.to_string().as_bytes(), &Limits::default())
        .map_err(|e| CommandError::message(format!("--task is not a TaskInfo: {e}")))
}

/// Parses the tasks of a TaskGroupInfo, like those of `--task`.
fn group_from_json(text: &str) -> Result<Vec<v1::TaskInfo>, CommandError> {
    let mut value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| CommandError::message(format!("--task_group is not JSON: {e}")))?;
    let tasks = value.get_mut("tasks").and_then(serde_json::Value::as_array_mut);
    tasks.into_iter().flatten().for_each(fill_agent_id);
    let group: v1::TaskGroupInfo = wire::json::decode(value.to_string().as_bytes(), &Limits::default())
        .map_err(|e| CommandError::message(format!("--task_group is not a TaskGroupInfo: {e}")))?;
    if group.tasks.is_empty() {
        return Err(CommandError::message("--task_group has no tasks: give e.g. {\"tasks\":[{...}]}"));
    }
    Ok(group.tasks)
}

fn fill_agent_id(task: &mut serde_json::Value) {
    if let Some(object) = task.as_object_mut() {
        object.entry("agent_id").or_insert_with(|| serde_json::json!({ "value": "" }));
    }
}

fn environment(flags: &ExecuteFlags) -> Result<Option<Box<v1::Environment>>, CommandError> {
    let Some(Json(text)) = &flags.env else { return Ok(None) };
    let wanted = || CommandError::message("--env must be a JSON object of strings, e.g. {\"A\":\"1\"}");
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wanted())?;
    let mut variables = Vec::new();
    for (name, value) in value.as_object().ok_or_else(wanted)? {
        let value = value.as_str().ok_or_else(wanted)?.to_owned();
        variables.push(v1::environment::Variable { name: name.clone(), value: Some(value), ..Default::default() });
    }
    Ok(Some(Box::new(v1::Environment { variables })))
}

/// `mesos-resolve`: prints the leading master of an address.
pub fn resolve(arguments: Vec<OsString>) -> ExitCode {
    // Text that is not UTF-8 names no master; the error shows it.
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let Some(given) = arguments.iter().find(|a| !a.starts_with("--")) else {
        output::write_stderr_lines(
            "Usage: mesos-resolve [--timeout=5secs] HOST:PORT | zk://HOST:PORT,HOST:PORT/PATH\n\nPrints the address of \
             the leading master.",
        );
        return ExitCode::FAILURE;
    };
    let timeout = arguments.iter().find_map(|argument| argument.strip_prefix("--timeout="));
    let timeout = match timeout.map(model::parse_duration).transpose() {
        Ok(timeout) => timeout.unwrap_or(DETECTION),
        Err(error) => return fail(&CommandError::message(format!("--timeout: {error}"))),
    };
    block_on(async {
        let address = tepui_client::detect(given, timeout).await?;
        if given.starts_with("zk://") {
            output::line(address);
            return Ok(ExitCode::SUCCESS);
        }
        let state = tepui_client::get_json(&address, "/state").await?;
        let leader = state["leader"].as_str().ok_or_else(|| CommandError::message("no master leads"))?;
        output::line(leader.parse::<Address>()?);
        Ok(ExitCode::SUCCESS)
    })
}
