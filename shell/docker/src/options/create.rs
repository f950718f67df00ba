//! The whole body of the request that creates a container.

use std::path::Path;

use messages::v1;
use serde_json::{Value, json};
use v1::environment::variable::Type as VariableType;

use super::document::Document;
use super::error::InvalidOptions;
use super::{limits, linux, networks, parameters, volumes};

/// What a container of Mesos is made of.
#[derive(Debug, Clone, Copy)]
pub struct ContainerRequest<'a> {
    /// The name of the container at Docker.
    pub name: &'a str,
    /// The description of the container.
    pub container: &'a v1::ContainerInfo,
    /// The command; one without a value runs that of the image.
    pub command: &'a v1::CommandInfo,
    /// Variables of the agent, which those of the command replace. A command task has none.
    pub environment: &'a [(String, String)],
    /// The sandbox on the host.
    pub sandbox: &'a Path,
    /// The sandbox in the container (`--sandbox_directory`).
    pub mapped: &'a Path,
    /// What the container is allocated.
    pub resources: &'a [v1::Resource],
    /// Upper bounds of `cpus` and `mem`.
    pub limits: &'a [v1::Resource],
    /// `--cgroups_enable_cfs`.
    pub cfs: bool,
    /// `--cgroups_limit_swap`.
    pub limit_swap: bool,
    /// The persistent volumes that the sandbox shows.
    pub volumes: &'a [PersistentVolume<'a>],
    /// The user and the group that the command asks for; `None` for those of the image.
    pub user: Option<(u32, u32)>,
    /// `--default_container_dns` as JSON.
    pub dns: Option<&'a Value>,
    /// The memory of this machine in bytes.
    pub total_memory: u64,
}

/// A persistent volume of a container.
#[derive(Debug, Clone, Copy)]
pub struct PersistentVolume<'a> {
    /// Its directory on the host.
    pub source: &'a Path,
    /// Its place, relative to the sandbox.
    pub container_path: &'a Path,
    /// Whether the container can only read it.
    pub read_only: bool,
}

/// How a container is created and watched.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedOptions {
    /// The body of the request that creates the container.
    pub body: Value,
    /// Whether the container is removed as soon as it ends (`--rm`).
    pub remove: bool,
    /// Whether it has a terminal, so that its output is one stream.
    pub terminal: bool,
}

/// Returns how a container is created.
///
/// # Errors
/// Returns [`InvalidOptions`] for what contradicts itself, and for what Docker cannot carry out.
pub fn create(request: &ContainerRequest<'_>) -> Result<CreatedOptions, InvalidOptions> {
    let docker = request.container.docker.as_deref().ok_or(InvalidOptions::NoDockerInfo)?;
    let mut document = Document::default();
    document.set("Image", crate::qualified(&docker.image));
    // Both outputs are attached, so that the daemon keeps nothing back.
    document.set("AttachStdout", true);
    document.set("AttachStderr", true);
    if docker.privileged() {
        document.set_host("Privileged", true);
    }
    for (field, value) in limits::resource_limits(request.resources, request.limits, request.cfs, request.limit_swap) {
        document.set_host(&field, value);
    }
    if let Some(adjustment) = limits::oom_score_adj(request.resources, request.limits, request.total_memory) {
        document.set_host("OomScoreAdj", adjustment);
    }
    set_environment(&mut document, request)?;
    volumes::add(&mut document, request)?;
    networks::set(&mut document, request)?;
    linux::add(&mut document, request.container)?;
    if let Some((user, group)) = request.user {
        document.set("User", format!("{user}:{group}"));
    }
    set_command(&mut document, request.command)?;
    parameters::add(&mut document, &docker.parameters)?;
    networks::set_default_dns(&mut document, request);
    Ok(CreatedOptions { remove: document.remove, terminal: document.has_terminal(), body: document.finish() })
}

/// Sets the variables. The last value of a name counts.
fn set_environment(document: &mut Document, request: &ContainerRequest<'_>) -> Result<(), InvalidOptions> {
    for (name, value) in request.environment {
        document.set_variable(name, value);
    }
    for variable in request.command.environment.iter().flat_map(|environment| &environment.variables) {
        let name = &variable.name;
        match variable.r#type() {
            VariableType::Secret => {
                let secret = variable.secret.as_ref().and_then(|secret| secret.value.as_ref());
                let secret = secret.ok_or_else(|| InvalidOptions::Secret(name.clone()))?;
                let text = std::str::from_utf8(&secret.data).map_err(|_| InvalidOptions::SecretText(name.clone()))?;
                document.set_variable(name, text);
            }
            VariableType::Value | VariableType::Unknown => document.set_variable(name, variable.value()),
        }
    }
    document.set_variable("MESOS_SANDBOX", &request.mapped.to_string_lossy());
    document.set_variable("MESOS_CONTAINER_NAME", request.name);
    // All resources of a task have the same role (MESOS-6636).
    let role = request.resources.iter().find_map(|resource| resource.allocation_info.as_ref()?.role.as_deref());
    if let Some(role) = role {
        document.set_variable("MESOS_ALLOCATION_ROLE", role);
    }
    Ok(())
}

fn set_command(document: &mut Document, command: &v1::CommandInfo) -> Result<(), InvalidOptions> {
    // An unset field means true, the default of the schema.
    if command.shell.unwrap_or(true) {
        let value = command.value.as_deref().ok_or(InvalidOptions::NoCommand)?;
        // The shell replaces the program of the image (MESOS-1770).
        document.set("Entrypoint", json!(["/bin/sh"]));
        document.set("Cmd", json!(["-c", value]));
        return Ok(());
    }
    let words: Vec<&String> = command.value.iter().chain(&command.arguments).collect();
    if !words.is_empty() {
        document.set("Cmd", json!(words));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
