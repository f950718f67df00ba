//! The data that the child needs, prepared while memory may still be allocated.

use std::ffi::{CString, OsStr, OsString, c_char};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;

use executor::{Privileges, SharedMemory};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::process::Pid;

use super::SpawnError;
use super::template::ExecutorTemplate;
use crate::binds::PreparedBind;
use crate::launch_spec::{LaunchSpec, Namespaces};
use crate::trusted_file::TrustedFile;
use crate::volumes::PreparedVolume;
use crate::{Init, Input, Output, Program, Rlimit, RlimitKind, SealedProgram, TerminalOptions, User};

/// The lowest descriptor of a source of a standard stream. Standard streams cannot be moved onto themselves.
const FIRST_SAFE_DESCRIPTOR: i32 = 3;

/// Everything that the child needs, in the form of the system calls.
#[derive(Debug)]
pub(crate) struct SpawnPlan {
    pub(super) program: Executable,
    pub(super) argv: Strings,
    pub(super) environment: Strings,
    pub(super) working_directory: CString,
    pub(super) user: Option<User>,
    pub(super) rlimits: Vec<(u32, libc::rlimit64)>,
    pub(super) privileges: Privileges,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// The descriptor to which an init writes the wait status. It stays open in the init.
    pub(super) report: Option<OwnedFd>,
    /// The socket of the terminal. It stays open in the init.
    pub(super) socket: Option<OwnedFd>,
    /// The mount namespace that the child enters before it makes its own.
    pub(super) enter_mounts: Option<OwnedFd>,
    /// The pid namespace that the child is created in.
    pub(super) enter_pids: Option<OwnedFd>,
    /// The IPC namespace to enter.
    pub(super) enter_ipc: Option<OwnedFd>,
    /// The network namespace that the child enters.
    pub(super) enter_network: Option<OwnedFd>,
    /// The UTS namespace that the child enters.
    pub(super) enter_host_name: Option<OwnedFd>,
    pub(super) namespaces: Namespaces,
    pub(super) binds: Vec<PreparedBind>,
    /// The options of the tmpfs to mount on `/dev/shm`.
    pub(super) shm: Option<CString>,
    pub(super) hostname: Option<CString>,
    pub(super) volumes: Vec<PreparedVolume>,
    /// The v2 cgroup that the child starts in.
    pub(super) cgroup: Option<OwnedFd>,
    /// The `tasks` files of the v1 cgroups that the child enters.
    pub(super) cgroup_tasks: Vec<OwnedFd>,
    pub(super) record: Option<ProcessRecord>,
    /// The lock of the agent's runtime directory, which is held until the child can be found.
    pub(super) lock: Option<Arc<File>>,
}

/// The file into which the child writes its record before it executes anything, and the parent that it must have by
/// then.
#[derive(Debug)]
pub(super) struct ProcessRecord {
    /// The opened file.
    pub file: OwnedFd,
    /// `None` in another pid namespace, in which the parent has no pid; the cgroup of the container leads to the process
    /// instead.
    pub parent: Option<Pid>,
}

#[derive(Debug)]
pub(super) enum Executable {
    Path(CString),
    Sealed(Arc<SealedProgram>),
}

/// A null-terminated array of pointers, with the strings that they point to.
#[derive(Debug)]
pub(super) struct Strings {
    pub(super) owned: Vec<CString>,
    pub(super) pointers: Vec<*const c_char>,
}

#[allow(unsafe_code)]
// SAFETY: the pointers point to the strings of `owned`, which belong to the same value and are never changed.
unsafe impl Sync for Strings {}

impl Strings {
    pub(super) fn new(strings: Vec<CString>) -> Self {
        // The heap buffers of the strings do not move when the vector does.
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect();
        Strings { owned: strings, pointers }
    }
}

impl SpawnPlan {
    /// Opens and allocates everything that the process starts with.
    ///
    /// # Errors
    /// Returns [`SpawnError`] if a file cannot be opened, a text has a zero byte, or mounts are requested without a
    /// mount namespace.
    pub(crate) fn new(spec: &LaunchSpec) -> Result<Self, SpawnError> {
        let argv: Vec<CString> = arguments(&spec.argv)?;
        let environment = spec.environment.iter().map(variable).collect::<Result<_, _>>()?;
        let mut plan = SpawnPlan {
            program: executable(spec)?,
            argv: Strings::new(argv),
            environment: Strings::new(environment),
            working_directory: c_string(spec.working_directory.as_os_str(), "the working directory")?,
            user: spec.user.clone(),
            rlimits: spec.rlimits.iter().map(rlimit).collect(),
            privileges: spec.privileges.clone(),
            stdin: input(&spec.stdin)?,
            stdout: output(&spec.stdout, spec)?,
            stderr: output(&spec.stderr, spec)?,
            report: None,
            socket: None,
            enter_mounts: namespace(spec.enter_mounts, "mnt")?,
            enter_pids: namespace(spec.enter_pids, "pid")?,
            enter_ipc: namespace(spec.enter_ipc, "ipc")?,
            enter_network: spec.enter_network.as_deref().map(handle).transpose()?,
            enter_host_name: spec.enter_host_name.as_deref().map(handle).transpose()?,
            namespaces: spec.namespaces,
            binds: binds(spec)?,
            shm: shm(spec)?,
            hostname: spec.hostname.as_ref().map(|name| c_string(OsStr::new(name), "the host name")).transpose()?,
            volumes: volumes(spec)?,
            cgroup: None,
            cgroup_tasks: Vec::new(),
            record: None,
            lock: spec.lock.clone(),
        };
        if let Some(path) = &spec.record {
            plan.set_record(path)?;
        }
        if let Some((init, status)) = spec.init.as_ref().filter(|_| spec.needs_init) {
            plan.set_init(init, status, spec.terminal.as_ref())?;
        }
        if let Some(directory) = &spec.cgroup {
            plan.cgroup = Some(open(directory, OFlags::RDONLY | OFlags::DIRECTORY, None)?);
        }
        for directory in &spec.cgroups_v1 {
            plan.add_cgroup_tasks(directory)?;
        }
        Ok(plan)
    }

    /// Returns the template that may start the program.
    pub(super) fn template(&self) -> Option<&ExecutorTemplate> {
        match &self.program {
            Executable::Sealed(program) => program.template(),
            Executable::Path(_) => None,
        }
    }

    /// Lets an init start the program. The init writes the wait status into a file that is created for it.
    fn set_init(
        &mut self,
        init: &Init,
        status: &Path,
        terminal: Option<&(TerminalOptions, Arc<OwnedFd>)>,
    ) -> Result<(), SpawnError> {
        let terminal = terminal.map(|terminal| self.open_terminal(terminal)).transpose()?;
        let Executable::Path(program) = &self.program else {
            // A helper of the agent does the work of an init itself.
            if let Some(terminal) = terminal {
                let mut argv = std::mem::take(&mut self.argv.owned);
                argv.push(c_string(OsStr::new(&format!("--terminal={terminal}")), "an argument")?);
                self.argv = Strings::new(argv);
            }
            return Ok(());
        };
        let report = open(status, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC, None)?;
        let mut argv = arguments(&init.argv)?;
        argv.push(c_string(OsStr::new(&report.as_raw_fd().to_string()), "an argument")?);
        if let Some(terminal) = terminal {
            argv.push(c_string(OsStr::new(&terminal), "an argument")?);
        }
        argv.push(program.clone());
        argv.extend(self.argv.owned.iter().cloned());
        self.argv = Strings::new(argv);
        self.program = Executable::Sealed(Arc::clone(&init.program));
        self.report = Some(report);
        Ok(())
    }

    /// Leaves the socket of the terminal open in the child. Returns the words about the terminal for its owner.
    fn open_terminal(&mut self, (terminal, socket): &(TerminalOptions, Arc<OwnedFd>)) -> Result<String, SpawnError> {
        let socket = above_standard_streams(socket.as_fd()).map_err(|source| at("a socket", source))?;
        let TerminalOptions { rows, columns, waits } = terminal;
        let waits = if *waits { ":waits" } else { "" };
        let text = format!("terminal:{}:{rows}:{columns}{waits}", socket.as_raw_fd());
        self.socket = Some(socket);
        Ok(text)
    }

    /// Lets the child write its line of the process table into this file.
    fn set_record(&mut self, path: &Path) -> Result<(), SpawnError> {
        let file = open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC, None)?;
        let is_in_namespace = self.namespaces.pid || self.enter_pids.is_some();
        let parent = (!is_in_namespace).then(rustix::process::getpid);
        self.record = Some(ProcessRecord { file, parent });
        Ok(())
    }

    /// Changes the plan as if the agent ended while the child is being created.
    #[cfg(test)]
    pub(super) fn with_ended_agent(&mut self) {
        if let Some(record) = &mut self.record {
            record.parent = rustix::process::getppid();
        }
    }

    /// Lets the child move itself into a v1 cgroup.
    ///
    /// A single-threaded process that moves itself through `tasks` takes no lock shared by all cgroups. Moving another
    /// process through `cgroup.procs` waits for an RCU grace period, which takes milliseconds each time
    /// (`cgroup_procs_write_start` of the kernel).
    fn add_cgroup_tasks(&mut self, directory: &Path) -> Result<(), SpawnError> {
        self.cgroup_tasks.push(open(&directory.join("tasks"), OFlags::WRONLY, None)?);
        Ok(())
    }
}

/// Prepares the bind mounts. Without a mount namespace they would affect the whole machine.
fn binds(spec: &LaunchSpec) -> Result<Vec<PreparedBind>, SpawnError> {
    if !spec.namespaces.mount && !spec.mounts.is_empty() {
        return Err(SpawnError::SharedMounts);
    }
    spec.mounts.iter().map(|bind| PreparedBind::new(bind).ok_or(SpawnError::ZeroByte("the path of a volume"))).collect()
}

/// Returns the options of a `/dev/shm` of the container's own.
fn shm(spec: &LaunchSpec) -> Result<Option<CString>, SpawnError> {
    match spec.shm {
        Some(SharedMemory::Private { bytes }) if spec.namespaces.mount => {
            c_string(OsStr::new(&format!("mode=1777,size={bytes}")), "the size of /dev/shm").map(Some)
        }
        Some(SharedMemory::Private { .. }) => Err(SpawnError::SharedMounts),
        Some(SharedMemory::Host) | None => Ok(None),
    }
}

/// Opens the volumes.
fn volumes(spec: &LaunchSpec) -> Result<Vec<PreparedVolume>, SpawnError> {
    let mut volumes = spec.name_files.iter().chain(&spec.volumes).peekable();
    if !spec.namespaces.mount && volumes.peek().is_some() {
        return Err(SpawnError::SharedMounts);
    }
    volumes.map(|volume| PreparedVolume::new(volume, &spec.secrets).map_err(SpawnError::Volume)).collect()
}

fn executable(spec: &LaunchSpec) -> Result<Executable, SpawnError> {
    let path = match &spec.program {
        Program::Sealed(program) => return Ok(Executable::Sealed(Arc::clone(program))),
        Program::Path(path) => path,
    };
    let found = if path.as_os_str().as_bytes().contains(&b'/') { path.clone() } else { search(path, spec)? };
    Ok(Executable::Path(c_string(found.as_os_str(), "the program")?))
}

/// The maximum length of a program's name in an error, in characters. The error becomes the message of a status.
const MAX_SHOWN: usize = 200;

/// Searches for a program as `execvp` does, in the PATH that the program will see.
fn search(name: &Path, spec: &LaunchSpec) -> Result<PathBuf, SpawnError> {
    let path = spec.environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    std::env::split_paths(path.unwrap_or(OsStr::new("/usr/bin:/bin")))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0))
        .ok_or_else(|| SpawnError::NotInPath(name.to_string_lossy().chars().take(MAX_SHOWN).collect()))
}

fn arguments(arguments: &[OsString]) -> Result<Vec<CString>, SpawnError> {
    arguments.iter().map(|argument| c_string(argument, "an argument")).collect()
}

fn c_string(text: &OsStr, what: &'static str) -> Result<CString, SpawnError> {
    CString::new(text.as_bytes()).map_err(|_| SpawnError::ZeroByte(what))
}

fn variable((name, value): &(OsString, OsString)) -> Result<CString, SpawnError> {
    let mut text = name.clone().into_vec();
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    CString::new(text).map_err(|_| SpawnError::ZeroByte("the environment"))
}

fn input(input: &Input) -> Result<OwnedFd, SpawnError> {
    match input {
        Input::Nothing => open(Path::new("/dev/null"), OFlags::RDONLY, None),
        Input::Descriptor(file) => above_standard_streams(file.as_fd()).map_err(|source| at("a descriptor", source)),
    }
}

fn output(output: &Output, spec: &LaunchSpec) -> Result<OwnedFd, SpawnError> {
    match output {
        Output::File { path, .. } => {
            let refused = |source: io::Error| at(&path.to_string_lossy(), source);
            let file = TrustedFile::find(path, spec.untrusted_directories).map_err(refused)?;
            open_file(file.path(), spec.user.as_ref())
        }
        Output::Discard => open(Path::new("/dev/null"), OFlags::WRONLY, None),
        Output::Descriptor(file) => above_standard_streams(file.as_fd()).map_err(|source| at("a descriptor", source)),
    }
}

/// Opens a namespace of a process.
fn namespace(of: Option<Pid>, kind: &str) -> Result<Option<OwnedFd>, SpawnError> {
    let path = |pid: Pid| PathBuf::from(format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero()));
    of.map(|pid| handle(&path(pid))).transpose()
}

/// Opens the handle of a namespace.
fn handle(path: &Path) -> Result<OwnedFd, SpawnError> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| at(&path.to_string_lossy(), errno.into()))?;
    above_standard_streams(fd.as_fd()).map_err(|source| at(&path.to_string_lossy(), source))
}

/// Opens a regular file for appending. It does not wait for the other end of a pipe that an archive may have put in its
/// place.
fn open_file(path: &Path, user: Option<&User>) -> Result<OwnedFd, SpawnError> {
    let refused = |source: io::Error| at(&path.to_string_lossy(), source);
    let fd = open(path, OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NONBLOCK, user)?;
    let stat = rustix::fs::fstat(&fd).map_err(|errno| refused(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(refused(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    rustix::fs::fcntl_setfl(&fd, OFlags::APPEND).map_err(|errno| refused(errno.into()))?;
    Ok(fd)
}

/// Opens without following a link, because the owner of the sandbox may have put a link there.
fn open(path: &Path, flags: OFlags, owner: Option<&User>) -> Result<OwnedFd, SpawnError> {
    let refused = |source: rustix::io::Errno| at(&path.to_string_lossy(), source.into());
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644)).map_err(refused)?;
    if let Some(user) = owner {
        let (uid, gid) = (rustix::fs::Uid::from_raw(user.uid), rustix::fs::Gid::from_raw(user.gid));
        rustix::fs::fchown(&fd, Some(uid), Some(gid)).map_err(refused)?;
    }
    above_standard_streams(fd.as_fd()).map_err(|source| at(&path.to_string_lossy(), source))
}

fn above_standard_streams(fd: std::os::fd::BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(fd, FIRST_SAFE_DESCRIPTOR)?)
}

fn at(path: &str, source: io::Error) -> SpawnError {
    SpawnError::Open { path: path.to_owned(), source }
}

fn rlimit(limit: &Rlimit) -> (u32, libc::rlimit64) {
    let value = |value: Option<u64>| value.unwrap_or(libc::RLIM64_INFINITY);
    let resource = match limit.kind {
        RlimitKind::As => libc::RLIMIT_AS,
        RlimitKind::Core => libc::RLIMIT_CORE,
        RlimitKind::Cpu => libc::RLIMIT_CPU,
        RlimitKind::Data => libc::RLIMIT_DATA,
        RlimitKind::Fsize => libc::RLIMIT_FSIZE,
        RlimitKind::Memlock => libc::RLIMIT_MEMLOCK,
        RlimitKind::Msgqueue => libc::RLIMIT_MSGQUEUE,
        RlimitKind::Nice => libc::RLIMIT_NICE,
        RlimitKind::Nofile => libc::RLIMIT_NOFILE,
        RlimitKind::Nproc => libc::RLIMIT_NPROC,
        RlimitKind::Rss => libc::RLIMIT_RSS,
        RlimitKind::Rtprio => libc::RLIMIT_RTPRIO,
        RlimitKind::Rttime => libc::RLIMIT_RTTIME,
        RlimitKind::Sigpending => libc::RLIMIT_SIGPENDING,
        RlimitKind::Stack => libc::RLIMIT_STACK,
    };
    (resource, libc::rlimit64 { rlim_cur: value(limit.soft), rlim_max: value(limit.hard) })
}
