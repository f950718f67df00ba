//! `mesos-execute` and `mesos-resolve`, with the flags and output of Mesos.

use std::process::ExitCode;

use client::Address;
use flags::Parsed;
use messages::v1;
use wire::Limits;

use super::cli::{CommandError, DETECTION, block_on, fail, printed};
use crate::batch::{self, Observer};
use crate::logging;
use crate::output;

/// `mesos-execute`: runs one task and mirrors its updates.
pub fn execute(arguments: Vec<String>) -> ExitCode {
    let flags = match flags::parse(&flags::EXECUTE, arguments, std::env::vars()) {
        Ok(flags) => flags,
        Err(error) => return fail(&error),
    };
    if flags.help {
        output::print(flags::help(&flags::EXECUTE));
        return printed();
    }
    if let Err(failure) = logging::init(&flags, "mesos-execute") {
        return fail(&failure);
    }
    block_on(async { run(&flags).await })
}

async fn run(flags: &Parsed) -> Result<ExitCode, CommandError> {
    let given = flags.get("master").ok_or_else(|| CommandError::message("--master=host:port is missing"))?;
    // Says so at once, and with an end, if there is none.
    client::detect(given, DETECTION).await?;
    if flags.is_set("task_group") {
        return Err(CommandError::message("--task_group needs the default executor, which is not built yet"));
    }
    let task = task(flags)?;
    let options = batch::Options {
        master: given.to_owned(),
        framework: framework(flags)?,
        kill_after: flags.duration("kill_after"),
    };
    let outcome = batch::run_batch(options, batch::Plan::new(vec![task]), &mut Mirror).await?;
    let ok = outcome.plan.tasks().iter().all(|t| t.state == Some(v1::TaskState::TaskFinished));
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what scripts around `mesos-execute` look for.
struct Mirror;

impl Observer for Mirror {
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

fn framework(flags: &Parsed) -> Result<v1::FrameworkInfo, CommandError> {
    use v1::framework_info::{Capability, capability::Type};
    let mut types = vec![Type::ReservationRefinement, Type::MultiRole, Type::GpuResources];
    if flags.bool("partition_aware") {
        types.push(Type::PartitionAware);
    }
    for name in flags.get("framework_capabilities").unwrap_or_default().split(',').filter(|n| !n.is_empty()) {
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
        roles: vec![flags.get("role").unwrap_or("*").to_owned()],
        checkpoint: Some(flags.bool("checkpoint")),
        principal: flags.get("principal").map(str::to_owned),
        capabilities: types.into_iter().map(|t| Capability { r#type: Some(t.into()) }).collect(),
        ..Default::default()
    })
}

fn task(flags: &Parsed) -> Result<v1::TaskInfo, CommandError> {
    if let Some(text) = flags.get("task") {
        return task_from_json(text);
    }
    let name = flags.get("name").ok_or_else(|| CommandError::message("--name is missing (or give a whole --task)"))?;
    let value =
        flags.get("command").ok_or_else(|| CommandError::message("--command is missing (or give a whole --task)"))?;
    let shell = flags.bool("shell");
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
    let text = flags.get("resources").unwrap_or_default();
    let resources = resources::Resources::parse(text, "*")
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

/// `agent_id` is required in a TaskInfo and unknown before the offer, so an absent one is filled in.
fn task_from_json(text: &str) -> Result<v1::TaskInfo, CommandError> {
    let mut value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| CommandError::message(format!("--task is not JSON: {e}")))?;
    if let Some(object) = value.as_object_mut() {
        object.entry("agent_id").or_insert_with(|| serde_json::json!({ "value": "" }));
    }
    wire::json::decode(value.to_string().as_bytes(), &Limits::default())
        .map_err(|e| CommandError::message(format!("--task is not a TaskInfo: {e}")))
}

fn environment(flags: &Parsed) -> Result<Option<Box<v1::Environment>>, CommandError> {
    let Some(text) = flags.get("env") else { return Ok(None) };
    let wanted = || CommandError::message("--env must be a JSON object of strings, e.g. {\"A\":\"1\"}");
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| wanted())?;
    let mut variables = Vec::new();
    for (name, value) in value.as_object().ok_or_else(wanted)? {
        let value = value.as_str().ok_or_else(wanted)?.to_owned();
        variables.push(v1::environment::Variable { name: name.clone(), value: Some(value), ..Default::default() });
    }
    Ok(Some(Box::new(v1::Environment { variables })))
}

fn container(flags: &Parsed) -> Result<Option<Box<v1::ContainerInfo>>, CommandError> {
    let mut info = v1::ContainerInfo { r#type: v1::container_info::Type::Mesos.into(), ..Default::default() };
    let mut used = false;
    if let Some(text) = flags.get("rlimits") {
        let rlimits: v1::RLimitInfo = json("rlimits", text)?;
        info.rlimit_info = Some(Box::new(rlimits));
        used = true;
    }
    for name in ["effective_capabilities", "bounding_capabilities"] {
        let Some(text) = flags.get(name) else { continue };
        let capabilities: v1::CapabilityInfo = json(name, text)?;
        let linux = info.linux_info.get_or_insert_default();
        match name {
            "effective_capabilities" => linux.effective_capabilities = Some(Box::new(capabilities)),
            _ => linux.bounding_capabilities = Some(Box::new(capabilities)),
        }
        used = true;
    }
    if let Some(text) = flags.get("volumes") {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| CommandError::message(format!("--volumes is not JSON: {e}")))?;
        for volume in value.as_array().into_iter().flatten() {
            info.volumes.push(json("volumes", &volume.to_string())?);
        }
        used = true;
    }
    Ok(used.then(|| Box::new(info)))
}

fn json<T: messages::schema::HasDescriptor>(flag: &str, text: &str) -> Result<T, CommandError> {
    wire::json::decode(text.as_bytes(), &Limits::default()).map_err(|e| CommandError::message(format!("--{flag}: {e}")))
}

/// `mesos-resolve`: prints the leading master behind an address.
pub fn resolve(arguments: Vec<String>) -> ExitCode {
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
