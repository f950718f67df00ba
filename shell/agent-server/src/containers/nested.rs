//! Nested and standalone containers: from the core's commands to the containerizer, and back after a restart.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ::agent::{ContainerEvent, ContainerExit, LaunchFailure, NestedLaunch, RecoveredNested};
use containerizer::{
    DescribedContainer, Init, Input, Launch, Nesting, Output, Program, Requests, TerminalOptions, User,
};
use executor::{LaunchInfo, quoted_environment, unquoted_environment};
use messages::v1;
use model::{ContainerId, ReplyId};
use provisioner::ImageConfig;
use provisioner::runtime::NoCommand;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{ContainerizerName, Containers, describe_limitation, resolve_user};
use crate::fetch::Destination;
use crate::images::{ISOLATION, ProvidedImages, nested_has_images, nested_image, resolved};
use crate::launch::{HELPER, is_identity, rlimits, with_image, with_secrets};
use crate::requests::{Place, requests};
use crate::sandbox;
use crate::sessions::ContainerEnds;

/// The description of a container that a later agent reads.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Description {
    user: Option<String>,
    session: bool,
}

/// Returns what the core has to know of a nested or standalone container of an earlier agent.
pub fn recovered_nested(found: &DescribedContainer) -> (ContainerId, RecoveredNested) {
    let described: Description = serde_json::from_slice(&found.description).unwrap_or_else(|error| {
        warn!(container = %found.id, %error, "the description of a container is damaged");
        Description::default()
    });
    let nested = RecoveredNested {
        user: described.user,
        session: described.session,
        pid: found.pid,
        exit: ContainerExit {
            status: found.status,
            limitation: found.limitation.clone().map(describe_limitation),
            last_updates: Vec::new(),
        },
    };
    (found.id.clone(), nested)
}

/// The reason for which a container does not start.
struct Failed {
    step: LaunchFailure,
    reason: String,
}

fn other(reason: impl ToString) -> Failed {
    Failed { step: LaunchFailure::Other, reason: reason.to_string() }
}

/// The program of a container, as the launcher or the init starts it.
struct Started {
    program: Program,
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    working_directory: PathBuf,
    user: Option<User>,
    /// The user of the program, which the launcher of an image becomes.
    program_user: Option<User>,
    /// The file that describes the isolation of the program in an image.
    isolation: Option<PathBuf>,
    /// Whether the image asks for the files of NVIDIA's driver.
    needs_nvidia_driver: bool,
    /// Whether helpers of the agent run as root before the program, because it is in an image.
    in_image: bool,
}

impl Containers {
    /// Prepares and starts a nested or standalone container, on threads that may block.
    pub fn launch_nested(self: &Arc<Self>, launch: Box<NestedLaunch>) {
        let limits = self.settings.limits(&launch.resources, &launch.limits);
        let cancelled = self.begin(&launch.container, ContainerizerName::Mesos, limits, &launch.sandbox, Vec::new());
        let waits_for_network = !launch.command.uris.is_empty() || nested_has_images(&launch);
        self.run_blocking(waits_for_network, move |containers| {
            let prepared = containers.prepare_nested(&launch, &cancelled);
            let started = prepared.and_then(|prepared| containers.start_prepared(prepared, &[]).map_err(other));
            if let Err(failed) = started {
                containers.nested_failed(&launch.container, failed);
            }
        });
    }

    fn nested_failed(&self, id: &ContainerId, failed: Failed) {
        self.shared.remove_root(id);
        self.shared.sessions.end(id);
        if self.shared.lock().remove(id).is_some() {
            self.shared.notify(ContainerEvent::NestedLaunchFailed {
                container: id.clone(),
                reason: failed.reason,
                failure: failed.step,
            });
        }
    }

    fn prepare_nested(&self, launch: &NestedLaunch, cancelled: &Arc<AtomicBool>) -> Result<Launch, Failed> {
        // The process that stands for a container at Docker is a helper of the agent, whose view of the machine it has.
        if self.shared.docker_of(&launch.container.root()).is_some() {
            return Err(other("Nested containers are not supported".to_owned()));
        }
        self.check_nested(launch).map_err(other)?;
        let user = launch.user.as_deref().map(resolve_user).transpose().map_err(other)?.flatten();
        let created = sandbox::create_nested(&launch.root_sandbox, &launch.sandbox, user.as_ref());
        created.map_err(|error| Failed {
            step: LaunchFailure::Sandbox,
            reason: format!("Failed to create sandbox: {}: {error}", launch.sandbox.display()),
        })?;
        let to = Destination { container: &launch.container, sandbox: &launch.sandbox };
        self.fetches
            .fetch_into(&self.settings.fetch, to, &launch.command.uris, user.as_ref(), cancelled)
            .map_err(other)?;
        let started = match (nested_has_images(launch), launch.session) {
            (_, true) => self.session_program(launch, user)?,
            (true, false) => self.program_in_image(launch, user, cancelled)?,
            (false, false) => {
                let (program, argv) = program(&launch.command).map_err(other)?;
                let environment = launch.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
                let working_directory = launch.sandbox.clone();
                Started {
                    program: Program::Path(program),
                    argv,
                    environment,
                    working_directory,
                    program_user: user.clone(),
                    user,
                    isolation: None,
                    needs_nvidia_driver: false,
                    in_image: false,
                }
            }
        };
        let has_pipes = launch.session && terminal(launch).is_none();
        let ends = has_pipes.then(|| self.sessions.take_ends(&launch.container)).flatten();
        if has_pipes && ends.is_none() {
            return Err(other("the connection of the session's caller has ended"));
        }
        if has_pipes {
            let open = |name| sandbox::open_nested_output(&launch.root_sandbox, &launch.sandbox, name);
            let outputs = open("stdout").and_then(|stdout| Ok([stdout, open("stderr")?]));
            self.sessions.record(&launch.container, outputs.map_err(other)?);
        }
        self.describe_nested(launch, started, ends)
    }

    fn check_nested(&self, launch: &NestedLaunch) -> Result<(), String> {
        let container = launch.info.as_ref();
        validation::supported::check_nested(&launch.command, container, &self.containerizer.isolators())
            .map_err(|error| error.to_string())?;
        if launch.session && nested_image(launch).is_some() {
            return Err(
                "a session has the root file system of its parent: leave out 'container.mesos.image'".to_owned()
            );
        }
        let volumes = container.map(|container| container.volumes.as_slice()).unwrap_or_default();
        if launch.session && !volumes.is_empty() {
            return Err("a session has the mounts of its parent: leave out 'container.volumes'".to_owned());
        }
        Ok(())
    }

    /// Returns how a program is started in the root file system of an image, or with images as volumes. The launcher is root
    /// until it is there.
    fn program_in_image(
        &self,
        launch: &NestedLaunch,
        user: Option<User>,
        cancelled: &Arc<AtomicBool>,
    ) -> Result<Started, Failed> {
        let report = self.shared.progress_of(&launch.container);
        let provided = self.images.provide_nested(launch, user.as_ref(), cancelled, &report).map_err(other)?;
        let provided = provided.ok_or_else(|| other("the container has no image"))?;
        let needs_nvidia_driver = provided.needs_nvidia_driver;
        let ProvidedImages { launch_info: file, command: (program, arguments), environment: of_image, .. } = provided;
        let environment = with_image(launch.environment.clone(), Some(&launch.command), &of_image);
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let isolation = file.with_file_name(ISOLATION);
        let words = [OsString::from("container-launch"), file.into(), program.into()];
        let argv = self.helper(words.into_iter().chain(arguments.into_iter().map(OsString::from)));
        let program = Program::Path(PathBuf::from(HELPER));
        let working_directory = launch.sandbox.clone();
        Ok(Started {
            program,
            argv,
            environment,
            working_directory,
            user: None,
            program_user: user,
            isolation: Some(isolation),
            needs_nvidia_driver,
            in_image: true,
        })
    }

    /// Returns how a program is started beside that of the parent, with its environment, its root and its working
    /// directory.
    fn session_program(&self, launch: &NestedLaunch, user: Option<User>) -> Result<Started, Failed> {
        let parent = launch.container.parent().ok_or_else(|| other("a session has a parent"))?;
        let target = self.containerizer.target(&parent).map_err(other)?;
        let inherited = target.environment().into_iter().filter_map(variable).collect();
        let mut environment = self.environment_of_parent(&parent, target.in_image.is_some(), inherited)?;
        for (name, value) in &launch.environment {
            environment.retain(|(other, _)| other != name.as_str());
            environment.push((name.into(), value.into()));
        }
        let working_directory = target.working_directory().unwrap_or_else(|| launch.sandbox.clone());
        let (program, argv) = program(&launch.command).map_err(other)?;
        let Some(pid) = target.in_image else {
            // The root of the agent is not that of the container, unless its first process has mounted its volumes.
            if self.images.has_container(&parent) && !target.runs(&self.settings.default_executor_argv) {
                return Err(other(format!("container {parent} has not entered its image yet: try again")));
            }
            let program = Program::Path(program);
            let program_user = user.clone();
            let (isolation, needs_nvidia_driver, in_image) = (None, false, false);
            return Ok(Started {
                program,
                argv,
                environment,
                working_directory,
                user,
                program_user,
                isolation,
                needs_nvidia_driver,
                in_image,
            });
        };
        if launch.command.user.is_some() {
            let reason =
                "'command.user' cannot be carried out: a session in an image runs as the user of its container";
            return Err(other(reason));
        }
        // The program gets the privileges of its parent.
        let file = self.images.launch_info(&parent);
        let words = [OsString::from("container-enter"), file.into(), pid.to_string().into(), program.into()];
        let argv = self.helper(words.into_iter().chain(argv));
        let program = Program::Path(HELPER.into());
        Ok(Started {
            program,
            argv,
            environment,
            working_directory,
            user: None,
            program_user: None,
            isolation: None,
            needs_nvidia_driver: false,
            in_image: true,
        })
    }

    /// Returns the environment of the program of a container, to which a session adds its own. `inherited` is that of the
    /// container's first process, which is quoted if the container has images. The command executor gives its task the
    /// variables of the image itself, so that its first process does not have them.
    fn environment_of_parent(
        &self,
        parent: &ContainerId,
        in_image: bool,
        inherited: Vec<(OsString, OsString)>,
    ) -> Result<Vec<(OsString, OsString)>, Failed> {
        let environment = unquoted_environment(inherited);
        if !in_image || !self.images.has_container(parent) {
            return Ok(environment);
        }
        let info = self.images.read_launch_info(parent).map_err(other)?;
        Ok(in_root(environment, &info))
    }

    /// Returns the arguments with which an init starts itself again as a helper.
    fn helper(&self, words: impl Iterator<Item = OsString>) -> Vec<OsString> {
        self.settings.init_argv.first().map(OsString::from).into_iter().chain(words).collect()
    }

    fn describe_nested(
        &self,
        launch: &NestedLaunch,
        started: Started,
        ends: Option<ContainerEnds>,
    ) -> Result<Launch, Failed> {
        let logger = &self.settings.container_logger;
        let (stdout, stderr) = logger.of_container(launch.command.environment.as_deref()).map_err(other)?;
        let file = |name: &str, rotation| Output::File { path: launch.sandbox.join(name), rotation };
        let (stdin, stdout, stderr) = match ends {
            None => (Input::Nothing, file("stdout", stdout), file("stderr", stderr)),
            Some(ContainerEnds { stdin, stdout, stderr }) => {
                (Input::Descriptor(stdin), Output::Descriptor(stdout), Output::Descriptor(stderr))
            }
        };
        let linux = launch.info.as_ref().and_then(|container| container.linux_info.as_deref());
        let description = Description { user: launch.user.clone(), session: launch.session };
        let nesting = Nesting {
            own_cgroups: linux.is_some_and(|linux| linux.share_cgroups == Some(false)),
            session: launch.session,
            description: serde_json::to_vec(&description).map_err(other)?,
        };
        let environment = with_secrets(Some(&launch.command), started.environment);
        let environment = if started.in_image { quoted_environment(environment) } else { environment };
        let init_argv = self.settings.init_argv.iter().map(OsString::from).collect();
        let parent_sandbox = launch.container.parent().and_then(|_| launch.sandbox.parent()?.parent());
        let place = Place { sandbox: &launch.sandbox, parent_sandbox };
        let mut requests = requests(launch.info.as_ref(), place, started.isolation, started.program_user.as_ref());
        if let Ok(Requests { image: Some(image), .. }) = &mut requests {
            image.needs_nvidia_driver = started.needs_nvidia_driver;
        }
        Ok(Launch {
            id: launch.container.clone(),
            program: started.program,
            argv: started.argv,
            init: Some(Init { program: self.settings.executor.clone(), argv: init_argv }),
            environment,
            working_directory: started.working_directory,
            user: started.user,
            limits: self.settings.limits(&launch.resources, &launch.limits),
            rlimits: rlimits(launch.info.as_ref()).map_err(other)?,
            binds: Vec::new(),
            requests: requests.map_err(other)?,
            stdin,
            stdout,
            stderr,
            terminal: terminal(launch),
            nesting: Some(nesting),
        })
    }

    /// Sends a signal to the first process of a container, and reports the result.
    pub fn signal(&self, container: &ContainerId, signal: i32, reply: ReplyId) {
        let failed = self.containerizer.signal(container, signal).err();
        let failed = failed.map(|error| model::with_sources(&error));
        self.shared.notify(ContainerEvent::Signalled { reply, failed });
    }

    /// Returns the nested or standalone containers that run, with the pid of their first process.
    pub fn nested(&self) -> Vec<(ContainerId, u32)> {
        let mut live = self.live();
        live.sort();
        live.into_iter().filter_map(|id| Some((id.clone(), self.containerizer.pid(&id)?))).collect()
    }

    /// Connects to the terminal of a container; `None` if it has none or does not run.
    ///
    /// # Errors
    /// Returns the error of the connection.
    pub fn terminal(&self, container: &ContainerId) -> Result<Option<OwnedFd>, containerizer::Error> {
        match self.containerizer.connect(container) {
            Ok(connection) => Ok(Some(connection)),
            Err(containerizer::Error::NotFound(_) | containerizer::Error::NoTerminal(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the files of a nested container that has ended, and reports the result. It may block.
    pub fn remove_nested(&self, container: ContainerId, sandbox: &Path, root_sandbox: &Path) {
        let removed = self.containerizer.remove(&container).map_err(|error| model::with_sources(&error));
        let removed = removed.and_then(|()| {
            sandbox::remove_nested(root_sandbox, sandbox)
                .map_err(|error| format!("cannot remove the sandbox '{}': {error}", sandbox.display()))
        });
        self.shared.notify(ContainerEvent::Removed { container, failed: removed.err() });
    }
}

/// Returns the terminal that a container asks for. Nobody sees the output of a session before its caller reads it.
fn terminal(launch: &NestedLaunch) -> Option<TerminalOptions> {
    Some(TerminalOptions { waits: launch.session, ..crate::launch::terminal(launch.info.as_ref())? })
}

/// Returns the program and the arguments of a command without an image, with `argv[0]`.
fn program(command: &v1::CommandInfo) -> Result<(PathBuf, Vec<OsString>), NoCommand> {
    let (program, argv) = resolved(Some(command), &ImageConfig::default())?;
    Ok((program.into(), argv.into_iter().map(OsString::from).collect()))
}

/// Adds the variables of an image to the environment of a container, and the place of the sandbox in it.
fn in_root(mut environment: Vec<(OsString, OsString)>, info: &LaunchInfo) -> Vec<(OsString, OsString)> {
    let mut set = |name: &str, value: OsString| {
        environment.retain(|(other, _)| other != name);
        environment.push((name.into(), value));
    };
    let of_image = info.environment.iter().filter_map(|variable| variable.split_once('='));
    for (name, value) in of_image.filter(|(name, _)| !is_identity(name)) {
        set(name, value.into());
    }
    if info.root.is_some() {
        set("MESOS_SANDBOX", info.sandbox_directory.clone().into());
    }
    environment
}

fn variable(text: Vec<u8>) -> Option<(OsString, OsString)> {
    let at = text.iter().position(|byte| *byte == b'=')?;
    let (name, value) = text.split_at(at);
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.get(1..)?.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_program_with_arguments() {
        let check = |command: v1::CommandInfo, expect: Result<(&str, &[&str]), &str>| {
            let given = program(&command).map_err(|error| error.to_string());
            let expect = expect
                .map_err(str::to_owned)
                .map(|(path, argv)| (PathBuf::from(path), argv.iter().map(OsString::from).collect::<Vec<_>>()));
            assert_eq!(given, expect);
        };
        let command = |value: Option<&str>, shell, arguments: &[&str]| v1::CommandInfo {
            value: value.map(str::to_owned),
            shell,
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            ..Default::default()
        };
        check(command(Some("echo x"), None, &[]), Ok(("/bin/sh", &["sh", "-c", "echo x"])));
        check(command(Some("/bin/ls"), Some(false), &["ls", "-l"]), Ok(("/bin/ls", &["ls", "-l"])));
        check(command(Some("ls"), Some(false), &[]), Ok(("ls", &["ls"])));
        check(command(None, None, &[]), Err("Shell specified but no command value provided"));
        check(command(None, Some(false), &["x"]), Err("No executable is found"));
    }
}
