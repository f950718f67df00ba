//! The environment that executors start with. They inherit no variable of the agent's environment.

use std::collections::BTreeMap;
use std::path::Path;

use messages::v1;
use model::{AgentId, ExecutorId, Role, format_duration};

use crate::config::Config;
use crate::frameworks::framework::Framework;

/// The value of stout's `host_default_path`. Executors do not get the agent's own PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(crate) struct Parameters<'a> {
    pub agent: &'a AgentId,
    pub framework: &'a Framework,
    pub executor: &'a ExecutorId,
    pub role: Option<&'a Role>,
}

/// Returns the environment of an executor, each name once. A variable of the command replaces one that the agent or its
/// operator sets by default; the variables with which the executor finds its agent and identifies itself keep the
/// agent's values. A command task sees its own value anyway, since its executor sets it for the command.
///
/// Secrets are not in it: the shell adds those of a custom executor, and the command executor those of its task.
pub(crate) fn executor_environment(config: &Config, parameters: &Parameters<'_>) -> Vec<(String, String)> {
    let Some(executor) = parameters.framework.executor(parameters.executor) else { return Vec::new() };
    let mut defaults: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        defaults.insert(name.to_owned(), value);
    };
    set("PATH", DEFAULT_PATH.to_owned());
    if let Some(ip) = &config.libprocess_ip {
        set("LIBPROCESS_IP", ip.clone());
    }
    if let Some(library) = &config.native_library {
        set("MESOS_NATIVE_LIBRARY", library.clone());
        set("MESOS_NATIVE_JAVA_LIBRARY", library.clone());
    }
    for (name, value) in &config.executor_environment_variables {
        set(name, value.clone());
    }
    // The agent's own port is taken.
    set("LIBPROCESS_PORT", "0".to_owned());
    let mut identity: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        identity.insert(name.to_owned(), value);
    };
    let sandbox = executor.sandbox().to_string_lossy().into_owned();
    let container = executor.info().container.as_deref().or(config.default_container_info.as_deref());
    let has_rootfs = container.is_some_and(has_image);
    set("MESOS_SANDBOX", if has_rootfs { config.sandbox_directory.clone() } else { sandbox.clone() });
    set("MESOS_DIRECTORY", sandbox);
    set("MESOS_FRAMEWORK_ID", executor.framework().to_string());
    set("MESOS_EXECUTOR_ID", executor.id().to_string());
    set("MESOS_SLAVE_ID", parameters.agent.to_string());
    set("MESOS_SLAVE_PID", config.pid.to_string());
    set("MESOS_AGENT_ENDPOINT", config.pid.address.to_string());
    set("MESOS_CONTAINER_IP", config.pid.address.ip().to_string());
    let checkpoint = parameters.framework.checkpoints();
    set("MESOS_CHECKPOINT", u8::from(checkpoint).to_string());
    set("MESOS_HTTP_COMMAND_EXECUTOR", u8::from(config.http_command_executor).to_string());
    let own_grace = executor.info().shutdown_grace_period.as_ref().map(model::duration_from_proto);
    let grace = own_grace.unwrap_or(config.executor_shutdown_grace_period);
    set("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", format_duration(grace));
    if checkpoint {
        set("MESOS_RECOVERY_TIMEOUT", format_duration(config.recovery_timeout));
        set("MESOS_SUBSCRIPTION_BACKOFF_MAX", format_duration(config.executor_reregistration_timeout));
    }
    if let Some(role) = parameters.role {
        set("MESOS_ALLOCATION_ROLE", role.to_string());
    }
    defaults.retain(|name, _| !identity.contains_key(name));
    let mut environment: Vec<(String, String)> = defaults.into_iter().chain(identity.clone()).collect();
    environment.sort();
    let own = executor.info().command.as_deref().and_then(|command| command.environment.as_deref());
    for variable in own.into_iter().flat_map(|environment| &environment.variables) {
        let is_secret = variable.r#type() == v1::environment::variable::Type::Secret;
        if is_secret || identity.contains_key(&variable.name) {
            continue;
        }
        let value = variable.value.clone().unwrap_or_default();
        environment.retain(|(name, _)| *name != variable.name);
        environment.push((variable.name.clone(), value));
    }
    environment
}

/// Returns the environment of a nested or standalone container, each name once. A session also has the variables of its
/// parent, which the shell adds. Secrets are not in it: the shell adds those, too.
pub(crate) fn nested_environment(
    config: &Config,
    command: &v1::CommandInfo,
    info: Option<&v1::ContainerInfo>,
    sandbox: &Path,
    session: bool,
) -> Vec<(String, String)> {
    let sandbox = sandbox.to_string_lossy().into_owned();
    let mut environment: BTreeMap<String, String> = BTreeMap::new();
    if !session {
        let inside = if info.is_some_and(has_image) { config.sandbox_directory.clone() } else { sandbox.clone() };
        environment.insert("PATH".to_owned(), DEFAULT_PATH.to_owned());
        environment.insert("MESOS_SANDBOX".to_owned(), inside);
    }
    let own = command.environment.as_deref().map(|environment| environment.variables.as_slice());
    for variable in own.unwrap_or_default() {
        if variable.r#type() != v1::environment::variable::Type::Secret {
            environment.insert(variable.name.clone(), variable.value.clone().unwrap_or_default());
        }
    }
    // A restarted agent recognises the processes of the container by it.
    environment.insert("MESOS_DIRECTORY".to_owned(), sandbox);
    environment.into_iter().collect()
}

fn has_image(container: &v1::ContainerInfo) -> bool {
    container.r#type() == v1::container_info::Type::Mesos
        && container.mesos.as_deref().is_some_and(|mesos| mesos.image.is_some())
}
