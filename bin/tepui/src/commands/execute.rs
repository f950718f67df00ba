//! `mesos-execute` and `mesos-resolve`, with the flags and the output of Mesos.

use std::ffi::OsString;
use std::process::ExitCode;

use client::Address;
use flags::{ExecuteFlags, Json, Parsed};
use messages::v1;
use wire::Limits;

use super::cli::{CommandError, DETECTION, block_on, fail};
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
    let (plan, framework) = plan_and_framework(flags)?;
    // This fails early if there is no master.
    client::detect(&flags.master, DETECTION).await?;
    let options = batch::Options { master: flags.master.clone(), framework, kill_after: flags.kill_after };
    let outcome = batch::run_batch(options, plan, &mut UpdatePrinter).await?;
    let ok = outcome.plan.tasks().iter().all(|t| t.state == Some(v1::TaskState::TaskFinished));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the tasks to run and the framework to run them as.
///
/// # Errors
///
/// Fails with a sentence that names the flag and says what it accepts.
pub fn plan_and_framework(flags: &ExecuteFlags) -> Result<(batch::Plan, v1::FrameworkInfo), CommandError> {
    let plan = match (&flags.task_group, &flags.task) {
        (Some(_), Some(_)) => return Err(CommandError::message("give either --task or --task_group, not both")),
        (Some(Json(text)), None) => batch::Plan::pod(pod::executor("default-executor"), task_group_from_json(text)?),
        (None, _) => batch::Plan::new(vec![task(flags)?]),
    };
    Ok((plan, framework(flags)?))
}

/// Prints the lines that scripts around `mesos-execute` expect.
struct UpdatePrinter;

impl Observer for UpdatePrinter {
    fn subscribed(&mut self, framework: &v1::FrameworkId) {
        output::line(format!("Subscribed with ID {}", framework.value));
    }

    fn launched(&mut self, tasks: &[v1::TaskInfo]) {
        for task in tasks {
            output::line(format!("Submitted task '{}' to agent '{}'", task.task_id.value, task.agent_id.value));
        }
    }

    fn updated(&mut self, status: &v1::TaskStatus) {
        output::line(format!(
            "Received status update {} for task '{}'",
            status.state().as_str_name(),
            status.task_id.value
        ));
        if let Some(message) = status.message.as_deref().filter(|m| !m.is_empty()) {
            output::line(format!("  message: '{message}'"));
        }
        if status.source.is_some() {
            output::line(format!("  source: {}", status.source().as_str_name()));
        }
        if status.reason.is_some() {
            output::line(format!("  reason: {}", status.reason().as_str_name()));
        }
    }
}

fn framework(flags: &ExecuteFlags) -> Result<v1::FrameworkInfo, CommandError> {
    use v1::framework_info::{Capability, capability::Type};
    let mut types = vec![Type::ReservationRefinement, Type::MultiRole, Type::GpuResources];
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

/// Returns the task of `--task`, or the one that the other flags describe.
fn task(flags: &ExecuteFlags) -> Result<v1::TaskInfo, CommandError> {
    if let Some(Json(text)) = &flags.task {
        return task_from_json(text);
    }
    let missing = |name| CommandError::message(format!("--{name} is missing (or give a whole --task)"));
    let name = flags.name.as_deref().ok_or_else(|| missing("name"))?;
    let value = flags.command.as_deref().ok_or_else(|| missing("command"))?;
    let shell = flags.shell;
    let arguments = if shell { Vec::new() } else { value.split_whitespace().map(str::to_owned).collect() };
    let command = v1::CommandInfo {
        value: Some(if shell {
            value.to_owned()
        } else {
            value.split_whitespace().next().unwrap_or_default().to_owned()
        }),
        shell: Some(shell),
        arguments,
        environment: environment(flags)?,
        ..Default::default()
    };
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
    if let Some(object) = value.as_object_mut() {
        object.entry("agent_id").or_insert_with(|| serde_json::json!({ "value": "" }));
    }
    wire::json::decode(value.to_string().as_bytes(), &Limits::default())
        .map_err(|e| CommandError::message(format!("--task is not a TaskInfo: {e}")))
}

/// Parses a TaskGroupInfo, and fills in the `agent_id` of its tasks like [`task_from_json`].
fn task_group_from_json(text: &str) -> Result<Vec<v1::TaskInfo>, CommandError> {
    let invalid = |why: String| CommandError::message(format!("--task_group is not a TaskGroupInfo: {why}"));
    let mut value: serde_json::Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    for task in value.get_mut("tasks").and_then(serde_json::Value::as_array_mut).into_iter().flatten() {
        if let Some(object) = task.as_object_mut() {
            object.entry("agent_id").or_insert_with(|| serde_json::json!({ "value": "" }));
        }
    }
    let group: v1::TaskGroupInfo =
        wire::json::decode(value.to_string().as_bytes(), &Limits::default()).map_err(|e| invalid(e.to_string()))?;
    if group.tasks.is_empty() {
        return Err(invalid("it has no tasks".to_owned()));
    }
    Ok(group.tasks)
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

fn container(flags: &ExecuteFlags) -> Result<Option<Box<v1::ContainerInfo>>, CommandError> {
    let ExecuteFlags { rlimits, effective_capabilities, bounding_capabilities, volumes, .. } = flags;
    let is_plain = [rlimits, effective_capabilities, bounding_capabilities, volumes].iter().all(|flag| flag.is_none());
    if is_plain {
        return Ok(None);
    }
    let mut info = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
    if let Some(Json(text)) = rlimits {
        info.rlimit_info = Some(Box::new(json("rlimits", text)?));
    }
    if let Some(Json(text)) = effective_capabilities {
        let capabilities: v1::CapabilityInfo = json("effective_capabilities", text)?;
        info.linux_info.get_or_insert_default().effective_capabilities = Some(Box::new(capabilities));
    }
    if let Some(Json(text)) = bounding_capabilities {
        let capabilities: v1::CapabilityInfo = json("bounding_capabilities", text)?;
        info.linux_info.get_or_insert_default().bounding_capabilities = Some(Box::new(capabilities));
    }
    if let Some(Json(text)) = volumes {
        let list: Vec<serde_json::Value> = serde_json::from_str(text)
            .map_err(|error| CommandError::message(format!("--volumes is not a JSON array of Volume: {error}")))?;
        for volume in list {
            info.volumes.push(json("volumes", &volume.to_string())?);
        }
    }
    Ok(Some(Box::new(info)))
}

fn json<T: messages::schema::HasDescriptor>(flag: &str, text: &str) -> Result<T, CommandError> {
    wire::json::decode(text.as_bytes(), &Limits::default()).map_err(|e| CommandError::message(format!("--{flag}: {e}")))
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
        let address = client::detect(given, timeout).await?;
        if given.starts_with("zk://") {
            output::line(address);
            return Ok(ExitCode::SUCCESS);
        }
        let state = client::get_json(&address, "/state").await?;
        let leader = state["leader"].as_str().ok_or_else(|| CommandError::message("no master leads"))?;
        output::line(leader.parse::<Address>()?);
        Ok(ExitCode::SUCCESS)
    })
}
