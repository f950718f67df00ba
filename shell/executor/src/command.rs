//! Determines the program, the arguments and the environment of a task. Apart from the search in PATH it is pure.

use std::collections::BTreeMap;
use std::ffi::{CString, NulError};
use std::path::{Path, PathBuf};

use messages::v1::environment::variable;
use messages::v1::{CommandInfo, TaskInfo};
use rustix::process::Pid;

use crate::launch_info::LaunchInfo;
use crate::quoted_environment::quoted_name;

/// A program with its arguments and environment, in the form of execve(2).
#[derive(Debug, PartialEq)]
pub struct Execution {
    /// The path of the program.
    pub program: CString,
    /// The arguments, beginning with `argv[0]`.
    pub arguments: Vec<CString>,
    /// The variables of the environment, each as `name=value`.
    pub environment: Vec<CString>,
}

/// The reason for which the command of a task cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCommand {
    #[error("the task has no command")]
    NoCommand,
    #[error("its command has no value")]
    NoValue,
    /// No directory of the PATH has the program. The caller adds the command to the text.
    #[error("it is not in the PATH of the task")]
    NotFound,
    /// A secret that is not of type VALUE needs a resolver.
    #[error("the secret of the variable '{0}' cannot be resolved: there is no secret resolver")]
    Secret(String),
    #[error("a zero byte in the command or its environment")]
    ZeroByte(#[from] NulError),
}

/// The image that a task runs in.
#[derive(Debug)]
pub struct TaskImage {
    /// The file of the launch info, for the launcher.
    pub file: String,
    /// Its contents.
    pub info: LaunchInfo,
}

impl TaskImage {
    /// Reads the launch info that the agent has written.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn read(file: &str) -> std::io::Result<Self> {
        let info = serde_json::from_slice(&std::fs::read(file)?)?;
        Ok(TaskImage { file: file.to_owned(), info })
    }

    /// Returns how the launcher starts the task in its image.
    ///
    /// # Errors
    /// A secret cannot be resolved, or a text has a zero byte.
    pub fn execution(&self, task: &TaskInfo, inherited: &[(String, String)]) -> Result<Execution, InvalidCommand> {
        let command = task.command.as_deref().ok_or(InvalidCommand::NoCommand)?;
        let (program, argv) = &self.info.command;
        self.launcher(&["container-launch", &self.file], program, argv, task, command, inherited)
    }

    /// Returns how a command of a check is started where the task runs, which has this process id.
    ///
    /// # Errors
    /// The command has no value, a secret cannot be resolved, or a text has a zero byte.
    pub fn check(
        &self,
        pid: Pid,
        task: &TaskInfo,
        inherited: &[(String, String)],
    ) -> Result<Execution, InvalidCommand> {
        let command = task.command.as_deref().ok_or(InvalidCommand::NoCommand)?;
        let (program, argv) = named_program(command)?;
        let pid = pid.as_raw_nonzero().to_string();
        self.launcher(&["container-enter", &self.file, &pid], &program, &argv, task, command, inherited)
    }

    fn launcher(
        &self,
        how: &[&str],
        program: &str,
        argv: &[String],
        task: &TaskInfo,
        command: &CommandInfo,
        inherited: &[(String, String)],
    ) -> Result<Execution, InvalidCommand> {
        // The variables of the image set PATH and the like; the variables of the task replace all others.
        let variables = self.info.environment.iter().filter_map(|variable| variable.split_once('='));
        let sandbox = self.info.sandbox_directory.to_string_lossy().into_owned();
        let has_root = self.info.root.is_some();
        let mut inherited: Vec<(String, String)> =
            inherited.iter().filter(|(name, _)| name != "PATH" || !has_root).cloned().collect();
        inherited.extend(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
        inherited.extend(has_root.then(|| ("MESOS_SANDBOX".to_owned(), sandbox)));
        let own = std::env::args().next().unwrap_or_else(|| "tepui".to_owned());
        let before = std::iter::once(own.as_str()).chain(how.iter().copied());
        let words = before.chain([program]).chain(argv.iter().map(String::as_str));
        Ok(Execution {
            program: CString::new("/proc/self/exe")?,
            arguments: words.map(CString::new).collect::<Result<_, _>>()?,
            environment: quoted_in_form_of_execve(environment(task, command, &inherited)?)?,
        })
    }
}

/// The maximum length of a command in an error, in characters. The text becomes the message of a status, which every
/// history keeps.
const MAX_SHOWN: usize = 200;

/// Returns a command, shortened to the length that errors have room for.
pub fn shown(command: &str) -> String {
    match command.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", command.get(..end).unwrap_or_default()),
        None => command.to_owned(),
    }
}

/// The variables that tasks do not inherit: a process with the token can act as this executor.
const PRIVATE: [&str; 1] = ["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"];

/// Returns the program to execute for a task. `inherited` is the environment of the executor.
///
/// # Errors
/// Returns [`InvalidCommand`] if the task has no executable command.
pub fn execution(task: &TaskInfo, inherited: &[(String, String)]) -> Result<Execution, InvalidCommand> {
    let command = task.command.as_deref().ok_or(InvalidCommand::NoCommand)?;
    let environment = environment(task, command, inherited)?;
    let path = environment.get("PATH").map(|path| String::from_utf8_lossy(path)).unwrap_or_default();
    let (program, arguments) = program(command, &path)?;
    Ok(Execution {
        program: CString::new(program)?,
        arguments: arguments.into_iter().map(CString::new).collect::<Result<_, _>>()?,
        environment: in_form_of_execve(environment)?,
    })
}

fn in_form_of_execve(environment: BTreeMap<&str, &[u8]>) -> Result<Vec<CString>, InvalidCommand> {
    let variable = |(name, value): (&str, &[u8])| CString::new([name.as_bytes(), b"=", value].concat());
    Ok(environment.into_iter().map(variable).collect::<Result<_, _>>()?)
}

/// Returns the same for a program that the launcher starts.
fn quoted_in_form_of_execve(environment: BTreeMap<&str, &[u8]>) -> Result<Vec<CString>, InvalidCommand> {
    let variable =
        |(name, value): (&str, &[u8])| CString::new([&quoted_name(name.as_bytes()), &b"="[..], value].concat());
    Ok(environment.into_iter().map(variable).collect::<Result<_, _>>()?)
}

/// Returns the executor's environment, then the command's, then the role that the task's resources are allocated to. A
/// secret may consist of any bytes.
fn environment<'a>(
    task: &'a TaskInfo,
    command: &'a CommandInfo,
    inherited: &'a [(String, String)],
) -> Result<BTreeMap<&'a str, &'a [u8]>, InvalidCommand> {
    let mut merged: BTreeMap<&str, &[u8]> = inherited
        .iter()
        .filter(|(name, _)| !PRIVATE.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    for variable in command.environment.iter().flat_map(|environment| &environment.variables) {
        let value = match variable.r#type() {
            variable::Type::Secret => {
                let secret = variable.secret.as_ref().and_then(|secret| secret.value.as_ref());
                &secret.ok_or_else(|| InvalidCommand::Secret(variable.name.clone()))?.data[..]
            }
            variable::Type::Value | variable::Type::Unknown => variable.value().as_bytes(),
        };
        merged.insert(&variable.name, value);
    }
    // All resources of a task have the same role (MESOS-6636).
    if let Some(role) = task.resources.iter().find_map(|r| r.allocation_info.as_ref()?.role.as_deref()) {
        merged.insert("MESOS_ALLOCATION_ROLE", role.as_bytes());
    }
    Ok(merged)
}

/// Returns the program by path or name, and its arguments.
fn named_program(command: &CommandInfo) -> Result<(String, Vec<String>), InvalidCommand> {
    let value = command.value.as_deref().filter(|v| !v.is_empty()).ok_or(InvalidCommand::NoValue)?;
    if command.shell() {
        return Ok(("/bin/sh".into(), vec!["sh".into(), "-c".into(), value.into()]));
    }
    // `arguments` begins with `argv[0]`, as in execve(2).
    let arguments = if command.arguments.is_empty() { vec![value.to_owned()] } else { command.arguments.clone() };
    Ok((value.to_owned(), arguments))
}

fn program(command: &CommandInfo, path: &str) -> Result<(String, Vec<String>), InvalidCommand> {
    let (value, arguments) = named_program(command)?;
    if value.contains('/') {
        return Ok((value, arguments));
    }
    let found = path
        .split(':')
        .map(|directory| Path::new(directory).join(&value))
        .find(|candidate| is_executable(candidate))
        .map(|candidate: PathBuf| candidate.to_string_lossy().into_owned())
        .ok_or(InvalidCommand::NotFound)?;
    Ok((found, arguments))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use messages::v1::{Environment, Resource, Secret, environment::Variable, resource, secret};

    fn variable(name: &str, value: &str, kind: variable::Type) -> Variable {
        Variable { name: name.into(), value: Some(value.into()), r#type: Some(kind as i32), ..Default::default() }
    }

    fn task(command: CommandInfo) -> TaskInfo {
        TaskInfo { command: Some(Box::new(command)), ..TaskInfo::default() }
    }

    fn texts(strings: &[CString]) -> Vec<&str> {
        strings.iter().map(|s| s.to_str().unwrap()).collect()
    }

    #[test]
    fn a_shell_command() {
        let command = CommandInfo { value: Some("exit 3".into()), ..CommandInfo::default() };
        let execution = execution(&task(command), &[]).unwrap();
        assert_eq!(execution.program.to_str(), Ok("/bin/sh"));
        assert_eq!(texts(&execution.arguments), ["sh", "-c", "exit 3"]);
    }

    #[test]
    fn a_long_command_is_not_repeated() {
        let long = "é".repeat(200_000);
        assert_eq!(shown(&long), format!("{}…", "é".repeat(200)));
        assert_eq!(shown("exit 3"), "exit 3");
        let command = CommandInfo { shell: Some(false), value: Some(long), ..CommandInfo::default() };
        let error = execution(&task(command), &[("PATH".to_owned(), "/bin".to_owned())]).unwrap_err();
        assert_eq!(error.to_string(), "it is not in the PATH of the task");
    }

    #[test]
    fn an_argument_vector() {
        let command = |arguments: &[&str]| CommandInfo {
            shell: Some(false),
            value: Some("true".into()),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            ..CommandInfo::default()
        };
        let path = [("PATH".to_owned(), "/nowhere:/usr/bin:/bin".to_owned())];
        let given = execution(&task(command(&["name", "x"])), &path).unwrap();
        assert_eq!(texts(&given.arguments), ["name", "x"]);
        assert!(given.program.to_str().unwrap().ends_with("bin/true"));
        assert_eq!(texts(&execution(&task(command(&[])), &path).unwrap().arguments), ["true"]);
        assert!(matches!(execution(&task(command(&[])), &[]), Err(InvalidCommand::NotFound)));
    }

    fn with_variables(variables: Vec<Variable>) -> CommandInfo {
        CommandInfo {
            value: Some("true".into()),
            environment: Some(Box::new(Environment { variables })),
            ..CommandInfo::default()
        }
    }

    #[test]
    fn variables_of_the_command_take_precedence() {
        let mut task = task(with_variables(vec![variable("A", "task", variable::Type::Value)]));
        task.resources.push(Resource {
            allocation_info: Some(resource::AllocationInfo { role: Some("dev".into()) }),
            ..Resource::default()
        });
        let inherited = [("A", "agent"), ("B", "agent"), ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "t")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()));
        let execution = execution(&task, &inherited).unwrap();
        assert_eq!(texts(&execution.environment), ["A=task", "B=agent", "MESOS_ALLOCATION_ROLE=dev"]);
    }

    #[test]
    fn unresolved_secrets_prevent_the_start() {
        let secret = |value: Option<&[u8]>| Variable {
            name: "S".into(),
            r#type: Some(variable::Type::Secret as i32),
            secret: Some(Box::new(Secret {
                r#type: Some(if value.is_some() { secret::Type::Value } else { secret::Type::Reference } as i32),
                value: value.map(|data| secret::Value { data: data.to_vec() }),
                ..Secret::default()
            })),
            ..Variable::default()
        };
        let given = execution(&task(with_variables(vec![secret(Some(b"s\xff"))])), &[]).unwrap();
        assert_eq!(given.environment, [CString::new(b"S=s\xff".to_vec()).unwrap()]);
        let refused = execution(&task(with_variables(vec![secret(None)])), &[]);
        assert!(matches!(refused, Err(InvalidCommand::Secret(name)) if name == "S"));
    }

    #[test]
    fn a_missing_command_is_an_error() {
        assert!(matches!(execution(&TaskInfo::default(), &[]), Err(InvalidCommand::NoCommand)));
        assert!(matches!(execution(&task(CommandInfo::default()), &[]), Err(InvalidCommand::NoValue)));
        let zero = CommandInfo { value: Some("a\0b".into()), ..CommandInfo::default() };
        assert!(matches!(execution(&task(zero), &[]), Err(InvalidCommand::ZeroByte(_))));
    }
}
