//! The actions of the child between its creation and the execution of its program.
//!
//! The child shares the memory and the thread-local storage of its parent, while other threads of the parent run and
//! may hold any lock. It must not allocate, panic, log, or take a lock: it only makes system calls on the data of the
//! plan.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use executor::PrivilegeStep;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Gid, Pid, Uid, chdir, getppid, setsid, umask};

use super::plan::{Executable, ProcessRecord, SpawnPlan};
use crate::binds;

/// The result that the parent reads after the child has executed its program or ended. The child writes it to shared
/// memory.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    step: AtomicU32,
    errno: AtomicI32,
}

/// The argument of [`run`].
pub(super) struct Child<'a> {
    /// The data of the child.
    pub plan: &'a SpawnPlan,
    /// The result of the child.
    pub outcome: &'a Outcome,
}

macro_rules! steps {
    ($($name:ident => $text:literal),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub(super) enum Step { $($name),* }

        /// Returns the text of a step; `None` for zero, which means that no step has failed.
        fn describe(step: u32) -> Option<&'static str> {
            $(if step == Step::$name as u32 + 1 { return Some($text); })*
            None
        }
    };
}

steps! {
    Session => "begin a session",
    Record => "record its process",
    Orphan => "begin: the agent has ended",
    Cgroup => "enter its cgroups",
    EnterIpc => "enter the IPC namespace of its parent",
    EnterNetwork => "enter its network",
    EnterHostName => "share the host name of its parent",
    EnterMounts => "enter the mounts of its parent",
    Mounts => "separate its mounts",
    Proc => "mount /proc",
    SharedMemory => "mount /dev/shm",
    Hostname => "set its host name",
    Volume => "mount a volume",
    Rlimits => "set its resource limits",
    Streams => "set its standard streams",
    Capabilities => "limit its capabilities",
    NoNewPrivileges => "give up new privileges",
    Filter => "install its filter of system calls",
    Groups => "set its groups",
    User => "become its user",
    Directory => "enter its working directory",
    OutsideDirectory => "enter its working directory: it is outside of the root",
    Descriptors => "close our descriptors",
    Request => "read its description",
    Execute => "execute its program",
}

impl Outcome {
    /// Returns the result as numbers, for another process.
    pub(super) fn to_numbers(&self) -> (u32, i32) {
        (self.step.load(Ordering::Acquire), self.errno.load(Ordering::Acquire))
    }

    /// Returns the result that [`Outcome::to_numbers`] has described.
    pub(super) fn from_numbers(step: u32, errno: i32) -> Self {
        Outcome { step: AtomicU32::new(step), errno: AtomicI32::new(errno) }
    }

    /// Returns the step that failed and why; `None` if the program runs.
    pub(super) fn failure(&self) -> Option<(&'static str, std::io::Error)> {
        let step = describe(self.step.load(Ordering::Acquire))?;
        Some((step, std::io::Error::from_raw_os_error(self.errno.load(Ordering::Acquire))))
    }

    /// Records the step that failed.
    pub(super) fn fail(&self, step: Step, errno: Errno) {
        self.errno.store(errno.raw_os_error(), Ordering::Release);
        self.step.store(step as u32 + 1, Ordering::Release);
    }
}

/// Runs the child until `execve`. `argument` is a `*const Child`.
#[allow(unsafe_code)]
pub(super) extern "C" fn run(argument: *mut c_void) -> c_int {
    // SAFETY: `spawn` passes a pointer to a `Child` on its own stack frame and, by CLONE_VFORK, does not return from
    // the system call before this process has run its program or ended.
    let child = unsafe { &*argument.cast::<Child<'_>>() };
    if let Err((step, errno)) = prepare(child.plan) {
        child.outcome.fail(step, errno);
    } else {
        child.outcome.fail(Step::Execute, execute(child.plan));
    }
    // SAFETY: ends this process only, without running anything registered for exit: that belongs to our parent.
    unsafe { libc::_exit(127) }
}

fn prepare(plan: &SpawnPlan) -> Result<(), (Step, Errno)> {
    reset_signals(if plan.report.is_some() { &PASSED_ON } else { &NO_SIGNALS });
    enter_container(plan)?;
    close_descriptors_on_exec().map_err(|errno| (Step::Descriptors, errno))?;
    for inherited in plan.report.iter().chain(&plan.socket) {
        rustix::io::fcntl_setfd(inherited, rustix::io::FdFlags::empty()).map_err(|errno| (Step::Descriptors, errno))?;
    }
    // The filter may permit nothing but the execution of the program.
    plan.privileges.take_on().map_err(privileges_failed)
}

/// Lets this process, which has just been created, become the first process of the container: everything but its
/// descriptors, its program, and the privileges that it has by executing the program. Returns its pid on the host, if it has
/// written its record.
pub(super) fn enter_container(plan: &SpawnPlan) -> Result<Option<Pid>, (Step, Errno)> {
    setsid().map_err(|errno| (Step::Session, errno))?;
    let pid = plan.record.as_ref().map(write_process_record).transpose()?.flatten();
    for tasks in &plan.cgroup_tasks {
        rustix::io::write(tasks, b"0").map_err(|errno| (Step::Cgroup, errno))?;
    }
    enter(&plan.enter_network, libc::CLONE_NEWNET).map_err(|errno| (Step::EnterNetwork, errno))?;
    enter(&plan.enter_host_name, libc::CLONE_NEWUTS).map_err(|errno| (Step::EnterHostName, errno))?;
    separate_mounts(plan)?;
    if let Some(name) = &plan.hostname {
        rustix::system::sethostname(name.to_bytes()).map_err(|errno| (Step::Hostname, errno))?;
    }
    for (resource, limit) in &plan.rlimits {
        set_rlimit(*resource, limit).map_err(|errno| (Step::Rlimits, errno))?;
    }
    set_streams(plan).map_err(|errno| (Step::Streams, errno))?;
    plan.privileges.before_user().map_err(privileges_failed)?;
    become_user(plan)?;
    enter_directory(plan)?;
    umask(Mode::from_raw_mode(0o022));
    Ok(pid)
}

fn privileges_failed((step, errno): (PrivilegeStep, Errno)) -> (Step, Errno) {
    let step = match step {
        PrivilegeStep::Capabilities => Step::Capabilities,
        PrivilegeStep::NoNewPrivileges => Step::NoNewPrivileges,
        PrivilegeStep::Filter => Step::Filter,
    };
    (step, errno)
}

/// The empty set of signals, for rt_sigprocmask(2).
pub(super) static NO_SIGNALS: u64 = 0;
/// The signals that an init passes on to its program. They are blocked until it waits for them: the kernel drops signals to
/// the first process of a pid namespace that has no handler for them, unless they are blocked (pid_namespaces(7)).
static PASSED_ON: u64 = set_of(&[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGWINCH,
]);

const fn set_of(signals: &[i32]) -> u64 {
    let (mut set, mut index) = (0, 0);
    while index < signals.len() {
        set |= 1 << (signals[index] - 1);
        index += 1;
    }
    set
}

/// Resets ignored signals (Rust ignores SIGPIPE), which would stay ignored in the program, and sets the signal mask; the
/// parent has blocked all signals so that none of its handlers runs here. The system call is direct because libc reserves
/// signals 32 and 33.
#[allow(unsafe_code)]
pub(super) fn reset_signals(blocked: &u64) {
    /// `struct sigaction` of the kernel, all zero: `SIG_DFL` without flags. No architecture has a larger one.
    const DEFAULT: [u64; 4] = [0; 4];
    const SET_SIZE: usize = size_of::<u64>();
    for signal in 1..=64 {
        // SAFETY: `DEFAULT` is valid for reads of a `struct sigaction`. Refusals (SIGKILL, SIGSTOP) do not matter.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), ptr::null_mut::<c_void>(), SET_SIZE) };
    }
    // SAFETY: `blocked` is a set of the size said.
    unsafe {
        let no_old = ptr::null_mut::<c_void>();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const *blocked, no_old, SET_SIZE)
    };
}

/// Writes the record of this process before it executes anything, and then checks whether the agent still lives. An
/// agent that is killed now has no record of this process, and the next agent must find everything that it started. The
/// next agent may have searched before the record was written, but it can start only after the end of the old one. Returns
/// the pid in the record, which is that on the host.
fn write_process_record(record: &ProcessRecord) -> Result<Option<Pid>, (Step, Errno)> {
    let failed = |errno| (Step::Record, errno);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let line = rustix::fs::open(c"/proc/self/stat", flags, Mode::empty()).map_err(failed)?;
    let mut buffer = [0u8; 1024];
    let length = rustix::io::read(&line, &mut buffer).map_err(failed)?;
    let line = buffer.get(..length).ok_or((Step::Record, Errno::IO))?;
    if rustix::io::write(&record.file, line).map_err(failed)? < length {
        return Err((Step::Record, Errno::NOSPC));
    }
    match record.parent {
        Some(parent) if getppid() != Some(parent) => Err((Step::Orphan, Errno::SRCH)),
        _ => Ok(pid_of(line)),
    }
}

/// Returns the pid at the beginning of a line of the process table.
fn pid_of(line: &[u8]) -> Option<Pid> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0i32, |number, digit| number.wrapping_mul(10).wrapping_add(i32::from(digit - b'0')));
    Pid::from_raw(number)
}

/// Enters a namespace of this kind.
#[allow(unsafe_code)]
fn enter(namespace: &Option<OwnedFd>, kind: c_int) -> Result<(), Errno> {
    let Some(namespace) = namespace else { return Ok(()) };
    // SAFETY: `namespace` is an open descriptor.
    match unsafe { libc::syscall(libc::SYS_setns, namespace.as_raw_fd(), kind) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Enters the mount namespace of the parent container, and makes a copy of it if the child has its own. By setns(2), the
/// caller must not share its root and working directory; the child is created without CLONE_FS.
#[allow(unsafe_code)]
fn enter_mounts(plan: &SpawnPlan) -> Result<(), Errno> {
    if plan.enter_mounts.is_none() {
        return Ok(());
    }
    enter(&plan.enter_mounts, libc::CLONE_NEWNS)?;
    // SAFETY: affects the mount namespace of this process only, which has one thread.
    if plan.namespaces.mount && unsafe { libc::syscall(libc::SYS_unshare, libc::CLONE_NEWNS) } != 0 {
        return Err(last_error());
    }
    Ok(())
}

fn separate_mounts(plan: &SpawnPlan) -> Result<(), (Step, Errno)> {
    enter(&plan.enter_ipc, libc::CLONE_NEWIPC).map_err(|errno| (Step::EnterIpc, errno))?;
    enter_mounts(plan).map_err(|errno| (Step::EnterMounts, errno))?;
    if plan.namespaces.mount {
        // Later mounts of the host appear inside; mounts made inside stay inside.
        let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        mount_change(c"/", slave).map_err(|errno| (Step::Mounts, errno))?;
    }
    if plan.namespaces.pid {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(c"proc", c"/proc", c"proc", flags, None).map_err(|errno| (Step::Proc, errno))?;
    }
    if let Some(options) = &plan.shm {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let mounted = mount(c"tmpfs", c"/dev/shm", c"tmpfs", flags, Some(&**options));
        mounted.map_err(|errno| (Step::SharedMemory, errno))?;
    }
    for bind in &plan.binds {
        binds::bind_mount(bind).map_err(|errno| (Step::Volume, errno))?;
    }
    for volume in &plan.volumes {
        volume.attach().map_err(|errno| (Step::Volume, errno))?;
    }
    Ok(())
}

#[allow(unsafe_code)]
fn set_rlimit(resource: u32, limit: &libc::rlimit64) -> Result<(), Errno> {
    // SAFETY: `limit` is valid for reads; no old limit is asked for.
    match unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const *limit, ptr::null_mut::<c_void>()) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

fn set_streams(plan: &SpawnPlan) -> Result<(), Errno> {
    rustix::stdio::dup2_stdin(&plan.stdin)?;
    rustix::stdio::dup2_stdout(&plan.stdout)?;
    rustix::stdio::dup2_stderr(&plan.stderr)
}

/// Changes to the user with the functions of rustix, which are plain system calls; those of libc would change all
/// threads of the agent.
fn become_user(plan: &SpawnPlan) -> Result<(), (Step, Errno)> {
    let Some(user) = &plan.user else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_groups(&user.groups).map_err(|errno| (Step::Groups, errno))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(|errno| (Step::Groups, errno))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(|errno| (Step::User, errno))
}

#[allow(unsafe_code)]
fn set_groups(groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: `groups` is as long as said.
    match unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Enters the working directory as the user, who needs the right to it. A working directory under `/proc/self/fd` of a
/// leaked descriptor would be an escape from a separate root (CVE-2024-21626); the kernel reports it as
/// `(unreachable)…`.
#[allow(unsafe_code)]
fn enter_directory(plan: &SpawnPlan) -> Result<(), (Step, Errno)> {
    chdir(&*plan.working_directory).map_err(|errno| (Step::Directory, errno))?;
    let mut buffer = [0 as c_char; libc::PATH_MAX as usize];
    // SAFETY: `buffer` is as long as said.
    let length = unsafe { libc::syscall(libc::SYS_getcwd, buffer.as_mut_ptr(), buffer.len()) };
    if length < 0 {
        return Err((Step::Directory, last_error()));
    }
    match buffer.first() {
        Some(first) if *first == b'/' as c_char => Ok(()),
        _ => Err((Step::OutsideDirectory, Errno::NOENT)),
    }
}

/// Closes all descriptors of the agent in the program (CVE-2024-21626), even those without the close-on-exec flag. The
/// program itself may be a descriptor, so that they are closed by the execution and not before.
#[allow(unsafe_code)]
fn close_descriptors_on_exec() -> Result<(), Errno> {
    // SAFETY: only sets a flag on descriptors of this process, which has its own table (no CLONE_FILES).
    match unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) } {
        0 => Ok(()),
        _ => match last_error() {
            // The flag needs Linux 5.11. All descriptors of the agent are opened close-on-exec anyway.
            Errno::NOSYS | Errno::INVAL => Ok(()),
            errno => Err(errno),
        },
    }
}

/// Executes the program. It returns only with an error.
#[allow(unsafe_code)]
fn execute(plan: &SpawnPlan) -> Errno {
    let (argv, envp) = (plan.argv.pointers.as_ptr(), plan.environment.pointers.as_ptr());
    match &plan.program {
        // SAFETY: C strings and null-terminated arrays of C strings, all kept by the plan.
        Executable::Path(path) => unsafe { libc::execve(path.as_ptr(), argv, envp) },
        Executable::Sealed(program) => {
            let fd = program.as_fd().as_raw_fd();
            // SAFETY: as above; the empty path names the descriptor itself.
            let code = unsafe { libc::syscall(libc::SYS_execveat, fd, c"".as_ptr(), argv, envp, libc::AT_EMPTY_PATH) };
            c_int::try_from(code).unwrap_or(-1)
        }
    };
    last_error()
}

/// Returns `errno`, which is thread-local; the child uses that of the parent's suspended thread.
#[allow(unsafe_code)]
fn last_error() -> Errno {
    // SAFETY: always valid for reads.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}
