//! Translates the core's description of a container into that of the containerizer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::agent::ContainerLaunch;
use containerizer::{
    Init, Input, Launch, Limits, Output, Program, Rlimit, RlimitKind, SealedProgram, TerminalOptions, User,
};
use executor::quoted_environment;
use messages::v1;

use super::fetch::FetchOptions;
use super::images::ProvidedImages;
use super::logger::ContainerLogger;
use super::requests::{InvalidRequest, Place, command_info, container_info, requests};

/// The settings that all containers of an agent have in common.
pub struct Settings {
    /// The executor of command tasks, which cannot be written from inside a container (CVE-2019-0204).
    pub executor: Arc<SealedProgram>,
    /// The arguments of the executor, beginning with `argv[0]`.
    pub executor_argv: Vec<String>,
    /// The first arguments of the executor of task groups, which is the same program, beginning with `argv[0]`.
    pub default_executor_argv: Vec<String>,
    /// The arguments with which the executor acts as an init process ([`containerizer::Init`]).
    pub init_argv: Vec<String>,
    /// The arguments with which the executor acts as the launcher of programs in images.
    pub launcher_argv: Vec<String>,
    /// The bounds of the outputs.
    pub container_logger: ContainerLogger,
    /// The settings of the fetcher.
    pub fetch: FetchOptions,
    /// `--revocable_cpu_low_priority`.
    pub revocable_cpu_low_priority: bool,
}

/// The reason for which a container cannot be launched.
#[derive(Debug, thiserror::Error)]
pub enum Unsupported {
    /// The container asks for a field that this agent cannot carry out.
    #[error("{0}")]
    Field(#[from] validation::ValidationError),
    /// The executor has neither a command task nor a command.
    #[error("the executor has no command")]
    NoCommand,
    /// A request to an isolator is invalid.
    #[error("{0}")]
    Request(#[from] InvalidRequest),
    /// The default executor only waits for its tasks.
    #[error(
        "'executor.container.tty_info' cannot be carried out: give the terminal to the tasks of the default executor"
    )]
    DefaultExecutorTerminal,
    /// A bound of the output in the environment of the command is invalid.
    #[error("{0}")]
    ContainerLogger(String),
}

/// Checks that the agent can carry out every field, before it makes anything for the container. `isolators` names the
/// isolators in use.
///
/// # Errors
/// Returns the first field that cannot be carried out.
pub fn check(launch: &ContainerLaunch, isolators: &[&str]) -> Result<(), Unsupported> {
    match &launch.command_task {
        Some(task) => validation::supported::check_task(task, isolators)?,
        None => validation::supported::check_executor(&launch.executor_info, isolators)?,
    }
    if launch.command_task.is_none() && is_default(&launch.executor_info) && terminal(container_info(launch)).is_some()
    {
        return Err(Unsupported::DefaultExecutorTerminal);
    }
    Ok(())
}

/// Checks a container at Docker like [`check`]. What a custom executor asks for is checked in its own description.
///
/// # Errors
/// Returns the first field that cannot be carried out.
pub fn check_docker(launch: &ContainerLaunch) -> Result<(), Unsupported> {
    match &launch.command_task {
        Some(task) => validation::supported::check_docker_task(task)?,
        None => validation::supported::check_docker_executor(&launch.executor_info)?,
    }
    Ok(())
}

/// Returns the containerizer's description of a container.
///
/// # Errors
/// Returns [`Unsupported`] if the executor has no command, or a bound of its output is invalid.
pub fn describe(
    settings: &Settings,
    launch: &ContainerLaunch,
    user: Option<User>,
    images: Option<&ProvidedImages>,
) -> Result<Launch, Unsupported> {
    let own = |words: &[String], further: Vec<OsString>| -> (Program, Vec<OsString>) {
        let argv = words.iter().map(OsString::from).chain(further).collect();
        (Program::Sealed(settings.executor.clone()), argv)
    };
    let is_default = is_default(&launch.executor_info);
    let (program, argv) = match (&launch.command_task, images) {
        (Some(_), None) => own(&settings.executor_argv, Vec::new()),
        (Some(_), Some(images)) => own(&settings.executor_argv, vec![launch_info_argument(&images.launch_info)]),
        (None, None) if is_default => default_executor(settings, launch),
        (None, None) => custom(launch)?,
        // The launcher mounts the volumes and becomes the executor, so that nested containers see them.
        (None, Some(images)) if is_default => {
            let words = settings.default_executor_argv.iter().map(OsString::from);
            let before = [images.launch_info.clone().into(), OsString::from(HELPER)];
            own(&settings.launcher_argv, before.into_iter().chain(words).collect())
        }
        // The init starts its own program again as the launcher, which enters the image and becomes the executor.
        (None, Some(ProvidedImages { launch_info, command: (program, argv), .. })) => {
            let words = std::iter::once(program).chain(argv).map(OsString::from);
            let words = std::iter::once(OsString::from(launch_info)).chain(words);
            (Program::Path(HELPER.into()), settings.launcher_argv.iter().map(OsString::from).chain(words).collect())
        }
    };
    let isolation = images.map(|images| images.launch_info.with_file_name(super::images::ISOLATION));
    let place = Place { sandbox: &launch.sandbox, parent_sandbox: None };
    let mut requests = requests(container_info(launch), place, isolation, user.as_ref())?;
    if let (Some(image), Some(provided)) = (&mut requests.image, images) {
        image.needs_nvidia_driver = provided.needs_nvidia_driver;
    }
    super::networks::check_reachable(&requests.networks, &launch.environment).map_err(InvalidRequest::from)?;
    // With an image, the launcher needs the rights to make the root. The program itself runs as the user.
    let user = user.filter(|_| images.is_none());
    let given = command_info(launch).and_then(|command| command.environment.as_deref());
    let (stdout, stderr) = settings.container_logger.of_container(given).map_err(Unsupported::ContainerLogger)?;
    let output = |name: &str, rotation| Output::File { path: launch.sandbox.join(name), rotation };
    let text = |(name, value): &(String, String)| (OsString::from(name), OsString::from(value));
    // The command executor resolves the secrets of a command task and the variables of its image.
    let own_command = launch.executor_info.command.as_deref().filter(|_| launch.command_task.is_none());
    let of_image = images.filter(|_| launch.command_task.is_none()).map(|images| images.environment.as_slice());
    let environment = with_image(launch.environment.clone(), own_command, of_image.unwrap_or_default());
    let environment = with_secrets(own_command, environment.iter().map(text).collect());
    let init_argv = settings.init_argv.iter().map(OsString::from).collect();
    Ok(Launch {
        id: launch.container.clone(),
        program,
        argv,
        init: Some(Init { program: settings.executor.clone(), argv: init_argv }),
        // With an image, helpers of the agent run as root before the program.
        environment: if images.is_some() { quoted_environment(environment) } else { environment },
        working_directory: launch.sandbox.clone(),
        user,
        limits: settings.limits(&launch.resources, &launch.limits),
        rlimits: rlimits(launch.executor_info.container.as_deref())?,
        binds: Vec::new(),
        requests,
        stdin: Input::Nothing,
        terminal: terminal(container_info(launch)).map(|options| TerminalOptions { waits: waits(launch), ..options }),
        nesting: None,
        stdout: output("stdout", stdout),
        stderr: output("stderr", stderr),
    })
}

/// Returns the argument that gives the launch info of the task's image to the command executor.
fn launch_info_argument(path: &Path) -> OsString {
    let mut argument = OsString::from("--launch_info=");
    argument.push(path);
    argument
}

/// Adds the variables of an image to the environment of a program that is started in it. As in Mesos, they replace what the
/// agent sets by default, for instance PATH, and variables of the command replace them. The variables with which an
/// executor finds its agent stay as they are.
pub(super) fn with_image(
    mut environment: Vec<(String, String)>,
    command: Option<&v1::CommandInfo>,
    of_image: &[(String, String)],
) -> Vec<(String, String)> {
    for (name, value) in of_image {
        if !is_identity(name) && !sets(command, name) {
            environment.retain(|(other, _)| other != name);
            environment.push((name.clone(), value.clone()));
        }
    }
    environment
}

/// Returns whether a command has a variable of this name.
pub(super) fn sets(command: Option<&v1::CommandInfo>, name: &str) -> bool {
    let own = command.and_then(|command| command.environment.as_deref()).map(|own| own.variables.as_slice());
    own.unwrap_or_default().iter().any(|variable| variable.name == name)
}

/// Returns whether an executor finds its agent by a variable of this name.
pub(super) fn is_identity(name: &str) -> bool {
    name.starts_with("MESOS_") || name.starts_with("LIBPROCESS_")
}

/// Adds the secrets of a command to its environment.
pub(super) fn with_secrets(
    command: Option<&v1::CommandInfo>,
    mut environment: Vec<(OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let variables = command.and_then(|command| command.environment.as_deref()).map(|own| own.variables.as_slice());
    for variable in variables.unwrap_or_default() {
        let secret = variable.secret.as_ref().and_then(|secret| secret.value.as_ref());
        if let Some(secret) = secret.filter(|_| variable.r#type() == v1::environment::variable::Type::Secret) {
            environment.retain(|(name, _)| *name != *variable.name);
            environment.push((variable.name.clone().into(), OsString::from_vec(secret.data.clone())));
        }
    }
    environment
}

/// Returns how the executor of task groups is started. Its command names the program of Mesos, with its arguments.
fn default_executor(settings: &Settings, launch: &ContainerLaunch) -> (Program, Vec<OsString>) {
    let arguments = launch.executor_info.command.as_deref().map(|command| command.arguments.as_slice());
    let further = arguments.unwrap_or_default().iter().skip(1);
    let argv = settings.default_executor_argv.iter().chain(further).map(OsString::from).collect();
    (Program::Sealed(settings.executor.clone()), argv)
}

fn custom(launch: &ContainerLaunch) -> Result<(Program, Vec<OsString>), Unsupported> {
    let command = launch.executor_info.command.as_deref().ok_or(Unsupported::NoCommand)?;
    let value = command.value.clone().ok_or(Unsupported::NoCommand)?;
    // An unset field means true, the default of the schema.
    if command.shell.unwrap_or(true) {
        return Ok((Program::Path(PathBuf::from("/bin/sh")), vec!["sh".into(), "-c".into(), value.into()]));
    }
    Ok((Program::Path(PathBuf::from(value)), command.arguments.iter().map(OsString::from).collect()))
}

/// The unit of memory resources, MB, in bytes.
const MEBIBYTE: f64 = 1024.0 * 1024.0;

impl Settings {
    /// Returns the limits for the allocated resources and, where they differ, for the resource limits of tasks
    /// (`ceilings`).
    pub fn limits(&self, resources: &[v1::Resource], ceilings: &[v1::Resource]) -> Limits {
        let revocable = |resource: &v1::Resource| resource.name == "cpus" && resource.revocable.is_some();
        Limits {
            cpus: scalar(resources, "cpus").unwrap_or_default(),
            cpu_limit: scalar(ceilings, "cpus"),
            memory: bytes(scalar(resources, "mem").unwrap_or_default()),
            memory_limit: scalar(ceilings, "mem").map(bytes),
            pids: None,
            disk: sandbox_disk(resources).map(bytes),
            ports: ports(resources),
            // Masters accept whole numbers only. The conversion saturates.
            gpus: scalar(resources, "gpus").unwrap_or_default() as u64,
            low_priority: self.revocable_cpu_low_priority && resources.iter().any(revocable),
        }
    }
}

/// Converts MB to bytes. Infinity becomes the largest number, which means no limit.
fn bytes(mebibytes: f64) -> u64 {
    (mebibytes * MEBIBYTE) as u64
}

fn scalar(resources: &[v1::Resource], name: &str) -> Option<f64> {
    let of_name = resources.iter().filter(|resource| resource.name == name);
    of_name.filter_map(|resource| resource.scalar.as_ref()).map(|scalar| scalar.value).reduce(|sum, value| sum + value)
}

/// Returns the disk space of the sandbox in MB: disks without a source and without a volume.
fn sandbox_disk(resources: &[v1::Resource]) -> Option<f64> {
    let plain = resources.iter().filter(|resource| resource.name == "disk" && resource.disk.is_none());
    plain.filter_map(|resource| resource.scalar.as_ref()).map(|scalar| scalar.value).reduce(|sum, value| sum + value)
}

/// The path by which an init starts its own program.
pub(super) const HELPER: &str = "/proc/self/exe";

/// Returns the terminal that a container asks for (`tty_info`).
pub(super) fn terminal(container: Option<&v1::ContainerInfo>) -> Option<TerminalOptions> {
    let info = container?.tty_info.as_ref()?;
    let small = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
    let (rows, columns) = info.window_size.map_or((0, 0), |size| (small(size.rows), small(size.columns)));
    Some(TerminalOptions { rows, columns, waits: false })
}

/// The label of a task whose terminal keeps its output for the first reader (beyond Mesos, whose reader may come too late).
const WAITS: (&str, &str) = ("tepui.terminal", "waits");

fn waits(launch: &ContainerLaunch) -> bool {
    let labels = launch.command_task.as_ref().and_then(|task| task.labels.as_deref());
    let labels = labels.map(|labels| labels.labels.as_slice()).unwrap_or_default();
    labels.iter().any(|label| (label.key.as_str(), label.value.as_deref()) == (WAITS.0, Some(WAITS.1)))
}

fn is_default(executor: &v1::ExecutorInfo) -> bool {
    executor.r#type() == v1::executor_info::Type::Default
}

/// Returns the ports among resources, as inclusive ranges.
pub fn ports(resources: &[v1::Resource]) -> Vec<(u16, u16)> {
    let of_ports = resources.iter().filter(|resource| resource.name == "ports");
    let ranges = of_ports.filter_map(|resource| resource.ranges.as_ref()).flat_map(|ranges| &ranges.range);
    let port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    ranges.map(|range| (port(range.begin), port(range.end))).collect()
}

/// Returns the resource limits that a container asks for. As in Mesos, both values are set, or none for no limit
/// (`rlimits::set`).
pub(super) fn rlimits(container: Option<&v1::ContainerInfo>) -> Result<Vec<Rlimit>, InvalidRequest> {
    let info = container.and_then(|container| container.rlimit_info.as_ref());
    let limits = info.map(|info| info.rlimits.as_slice()).unwrap_or_default();
    let mut all = Vec::new();
    for limit in limits {
        let name = limit.r#type().as_str_name();
        match (limit.soft, limit.hard) {
            (Some(soft), Some(hard)) if soft > hard => return Err(InvalidRequest::RlimitOrder { name, soft, hard }),
            (Some(_), None) | (None, Some(_)) => return Err(InvalidRequest::RlimitValues(name)),
            (soft, hard) => all.extend(rlimit_kind(limit.r#type()).map(|kind| Rlimit { kind, soft, hard })),
        }
    }
    Ok(all)
}

fn rlimit_kind(kind: v1::r_limit_info::r_limit::Type) -> Option<RlimitKind> {
    use v1::r_limit_info::r_limit::Type;
    Some(match kind {
        // Linux ignores RLIMIT_LOCKS since 2.4.25.
        Type::Unknown | Type::RlmtLocks => return None,
        Type::RlmtAs => RlimitKind::As,
        Type::RlmtCore => RlimitKind::Core,
        Type::RlmtCpu => RlimitKind::Cpu,
        Type::RlmtData => RlimitKind::Data,
        Type::RlmtFsize => RlimitKind::Fsize,
        Type::RlmtMemlock => RlimitKind::Memlock,
        Type::RlmtMsgqueue => RlimitKind::Msgqueue,
        Type::RlmtNice => RlimitKind::Nice,
        Type::RlmtNofile => RlimitKind::Nofile,
        Type::RlmtNproc => RlimitKind::Nproc,
        Type::RlmtRss => RlimitKind::Rss,
        Type::RlmtRtprio => RlimitKind::Rtprio,
        Type::RlmtRttime => RlimitKind::Rttime,
        Type::RlmtSigpending => RlimitKind::Sigpending,
        Type::RlmtStack => RlimitKind::Stack,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use v1::r_limit_info::RLimit;
    use v1::r_limit_info::r_limit::Type;

    #[test]
    fn limits_that_the_kernel_refuses_are_named() {
        let check = |soft: Option<u64>, hard: Option<u64>, expect: Result<(), &str>| {
            let limit = RLimit { r#type: Some(Type::RlmtNofile.into()), soft, hard };
            let info = Some(Box::new(v1::RLimitInfo { rlimits: vec![limit] }));
            let container = v1::ContainerInfo { rlimit_info: info, ..Default::default() };
            match (rlimits(Some(&container)), expect) {
                (Ok(limits), Ok(())) => {
                    assert_eq!(limits, [Rlimit { kind: RlimitKind::Nofile, soft, hard }]);
                }
                (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
                (given, _) => panic!("{soft:?} {hard:?}: {given:?}"),
            }
        };
        check(Some(5), Some(5), Ok(()));
        check(None, None, Ok(()));
        check(Some(10), Some(5), Err("the soft limit 10 of 'RLMT_NOFILE' is above its hard limit 5"));
        check(Some(10), None, Err("'RLMT_NOFILE' has only one of 'soft' and 'hard'"));
        check(None, Some(5), Err("'RLMT_NOFILE' has only one of 'soft' and 'hard'"));
    }
}
