//! The launcher of programs in the root file system of an image: a process of its own that becomes the program
//! (`mesos-containerizer launch` of Mesos).
//!
//! `container-launch FILE PROGRAM ARGV…` makes the root that a [`LaunchInfo`] describes; `container-enter FILE PID PROGRAM
//! ARGV…` enters the root of a process that has one. Both give the program the privileges of the container.

use std::convert::Infallible;
use std::ffi::{CStr, CString, NulError, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Gid, Uid, chdir};

use crate::launch_info::{ImageIsolation, LaunchInfo, UserIds};
use crate::privileges::{PrivilegeStep, Privileges};
use crate::quoted_environment::unquoted_name;
use crate::root_filesystem::{self, RootError};
use crate::write_stderr::write_stderr;

/// The argument with which `container-launch` tries whether containers can have images without root.
const PROBE: &str = "--probe";
/// The exit status of a shell for a program that cannot be executed.
const CANNOT_EXECUTE: u8 = 126;
/// The exit status of a shell for a program that does not exist.
const NOT_FOUND: u8 = 127;
/// The search path of an environment without one.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The reason for which the program does not run.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error("started without its arguments")]
    Arguments,
    #[error("a zero byte in an argument or variable")]
    ZeroByte(#[from] NulError),
    #[error("cannot read '{}': {source}", path.display())]
    LaunchInfo { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("containers cannot have images without root: {0}")]
    Probe(#[source] io::Error),
    #[error("cannot enter the container of process {pid}: {source}")]
    Enter { pid: String, source: io::Error },
    #[error("cannot become user {uid}: {source}")]
    User { uid: u32, source: io::Error },
    #[error("cannot {}: {source}", step.text())]
    Privileges { step: PrivilegeStep, source: io::Error },
    #[error("cannot enter the working directory '{}': {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("the image has no program '{0}' in its PATH")]
    NotFound(String),
    #[error("cannot execute '{program}' of the image: {source}")]
    Execute { program: String, source: io::Error },
}

/// Runs `container-launch`.
pub fn launch() -> ExitCode {
    ended(launch_program())
}

/// Runs `container-enter`.
pub fn enter() -> ExitCode {
    ended(enter_container())
}

fn ended(outcome: Result<Infallible, LaunchError>) -> ExitCode {
    let Err(error) = outcome;
    write_stderr(format_args!("cannot start the program of the container: {error}"));
    ExitCode::from(if matches!(error, LaunchError::NotFound(_)) { NOT_FOUND } else { CANNOT_EXECUTE })
}

fn launch_program() -> Result<Infallible, LaunchError> {
    let mut given = std::env::args_os().skip(2);
    let path = PathBuf::from(given.next().ok_or(LaunchError::Arguments)?);
    if path.as_os_str() == PROBE {
        root_filesystem::probe().map_err(LaunchError::Probe)?;
        std::process::exit(0);
    }
    let info: LaunchInfo = read(&path)?;
    let isolation = isolation(&info)?;
    let program = Program::of(given)?;
    root_filesystem::enter(&info, &isolation)?;
    // The working directory of an image may lead through /proc/self/fd to what is open here.
    close_descriptors();
    let directory = &info.working_directory;
    std::fs::create_dir_all(directory).map_err(|source| LaunchError::Directory { path: directory.clone(), source })?;
    isolation.privileges.before_user().map_err(privileges_failed)?;
    if let Some(user) = &info.user {
        become_user(user).map_err(|source| LaunchError::User { uid: user.uid, source })?;
    }
    enter_directory(directory)?;
    program.execute(&isolation.privileges)
}

/// Reads a file that the agent has written.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, LaunchError> {
    let unreadable = |source| LaunchError::LaunchInfo { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    serde_json::from_reader(io::BufReader::new(file)).map_err(|error| unreadable(error.into()))
}

fn isolation(info: &LaunchInfo) -> Result<ImageIsolation, LaunchError> {
    info.isolation.as_deref().map_or_else(|| Ok(ImageIsolation::default()), read)
}

fn privileges_failed((step, errno): (PrivilegeStep, rustix::io::Errno)) -> LaunchError {
    LaunchError::Privileges { step, source: errno.into() }
}

/// Joins the mount namespace of a process, and through it its root. The environment of the caller stays.
fn enter_container() -> Result<Infallible, LaunchError> {
    let mut given = std::env::args_os().skip(2);
    let path = PathBuf::from(given.next().ok_or(LaunchError::Arguments)?);
    let isolation = isolation(&read(&path)?)?;
    let pid = given.next().and_then(|pid| pid.into_string().ok()).ok_or(LaunchError::Arguments)?;
    let program = Program::of(given)?;
    let failed = |source: io::Error| LaunchError::Enter { pid: pid.clone(), source };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(failed)?;
    let user = user_of(&status);
    let namespace = File::open(format!("/proc/{pid}/ns/mnt")).map_err(failed)?;
    join_user_namespace(&pid).map_err(failed)?;
    let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).map_err(failed)?;
    let kind = rustix::thread::ThreadNameSpaceType::MOUNT;
    rustix::thread::move_into_thread_name_spaces(
        std::os::fd::AsFd::as_fd(&namespace),
        rustix::thread::ThreadNameSpaceType::empty() | kind,
    )
    .map_err(|errno| failed(errno.into()))?;
    drop(namespace);
    close_descriptors();
    isolation.privileges.before_user().map_err(privileges_failed)?;
    if let Some(user) = user.filter(|user| user.uid != 0) {
        become_user(&user).map_err(|source| LaunchError::User { uid: user.uid, source })?;
    }
    enter_directory(&directory)?;
    program.execute(&isolation.privileges)
}

/// Joins the user namespace of a process that has one of its own, without which its mounts cannot be joined.
fn join_user_namespace(pid: &str) -> io::Result<()> {
    let (own, its) = (std::fs::read_link("/proc/self/ns/user")?, std::fs::read_link(format!("/proc/{pid}/ns/user"))?);
    if own == its {
        return Ok(());
    }
    let namespace = File::open(format!("/proc/{pid}/ns/user"))?;
    let kind = rustix::thread::LinkNameSpaceType::User;
    Ok(rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), Some(kind))?)
}

/// Returns whether containers can have images without root: whether the kernel allows user namespaces in which overlayfs
/// can be mounted. `program` is this program, which tries it in a process of its own.
pub fn has_rootless_images(program: &Path) -> bool {
    use std::process::{Command, Stdio};
    let mut probe = Command::new(program);
    probe.args(["container-launch", PROBE]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Returns the user of a process from its `/proc/PID/status` (proc_pid_status(5)).
fn user_of(status: &str) -> Option<UserIds> {
    let numbers = |name: &str| -> Option<Vec<u32>> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().map(|number| number.parse().ok()).collect()
    };
    let (uid, gid) = (*numbers("Uid:")?.first()?, *numbers("Gid:")?.first()?);
    Some(UserIds { uid, gid, groups: numbers("Groups:")? })
}

fn become_user(user: &UserIds) -> io::Result<()> {
    let groups: Vec<Gid> = user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    Ok(rustix::thread::set_thread_res_uid(uid, uid, uid)?)
}

/// Enters the working directory as the user, who must have access to it, and checks that it is in the root
/// (CVE-2024-21626).
fn enter_directory(path: &Path) -> Result<(), LaunchError> {
    let failed = |source| LaunchError::Directory { path: path.to_owned(), source };
    chdir(path).map_err(|errno| failed(errno.into()))?;
    match std::env::current_dir() {
        Ok(at) if at.is_absolute() => Ok(()),
        Ok(_) => Err(failed(io::Error::other("it is outside of the root"))),
        Err(source) => Err(failed(source)),
    }
}

/// The program that is executed in the end.
struct Program {
    name: OsString,
    /// The search path.
    path: OsString,
    argv: Vec<CString>,
    environment: Vec<CString>,
}

impl Program {
    fn of(mut given: impl Iterator<Item = OsString>) -> Result<Self, LaunchError> {
        let name = given.next().ok_or(LaunchError::Arguments)?;
        let argv = given.map(|text| CString::new(text.into_vec())).collect::<Result<_, _>>()?;
        let mut path = None;
        let environment = std::env::vars_os().map(|(name, value)| {
            let name = unquoted_name(&name);
            if name == "PATH" {
                path = Some(value.clone());
            }
            let mut text = name.as_bytes().to_vec();
            text.push(b'=');
            text.extend(value.into_vec());
            CString::new(text)
        });
        let environment = environment.collect::<Result<_, _>>()?;
        Ok(Program { name, path: path.unwrap_or_else(|| DEFAULT_PATH.into()), argv, environment })
    }

    /// Takes on the privileges and executes the program, which is looked up in the current root as by execvp(3).
    fn execute(self, privileges: &Privileges) -> Result<Infallible, LaunchError> {
        let shown = self.name.to_string_lossy().chars().take(200).collect::<String>();
        let candidates: Vec<PathBuf> = match self.name.as_encoded_bytes().contains(&b'/') {
            true => vec![PathBuf::from(&self.name)],
            false => std::env::split_paths(&self.path).map(|directory| directory.join(&self.name)).collect(),
        };
        let argv: Vec<&CStr> = self.argv.iter().map(CString::as_c_str).collect();
        let environment: Vec<&CStr> = self.environment.iter().map(CString::as_c_str).collect();
        let candidates = candidates.into_iter().map(|path| CString::new(path.into_os_string().into_vec()));
        let candidates: Vec<CString> = candidates.collect::<Result<_, _>>()?;
        privileges.take_on().map_err(privileges_failed)?;
        let mut denied = None;
        for candidate in candidates {
            let error = execve(&candidate, &argv, &environment);
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
                io::ErrorKind::PermissionDenied => denied = Some(error),
                _ => return Err(LaunchError::Execute { program: shown, source: error }),
            }
        }
        match denied {
            Some(source) => Err(LaunchError::Execute { program: shown, source }),
            None => Err(LaunchError::NotFound(shown)),
        }
    }
}

/// Executes a program. Returns only with an error.
#[allow(unsafe_code)]
fn execve(path: &CStr, argv: &[&CStr], environment: &[&CStr]) -> io::Error {
    let pointers = |texts: &[&CStr]| -> Vec<*const libc::c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, environment) = (pointers(argv), pointers(environment));
    // SAFETY: the arguments are a C string and null-terminated arrays of C strings, which outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Closes all descriptors but the standard streams, so that neither the working directory nor the program has an open
/// file of the agent or the executor (CVE-2024-21626).
#[allow(unsafe_code)]
fn close_descriptors() {
    // SAFETY: no value of this process owns a descriptor here. Kernels before 5.9 do not know the call; our descriptors
    // are all closed by execve(2) as well.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_process_is_in_its_status() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nGroups:\t9 10 \n";
        assert_eq!(user_of(status), Some(UserIds { uid: 1, gid: 5, groups: vec![9, 10] }));
        assert_eq!(user_of("Name:\tx\n"), None);
    }
}
