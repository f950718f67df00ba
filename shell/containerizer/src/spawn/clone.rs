//! The system call that creates the child.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::child::{self, Child, Outcome};
use super::{SpawnError, SpawnPlan, Spawned};
use crate::launch_spec::Namespaces;

/// The size of the child's stack until its program runs, in bytes. Calls are not nested deeply; unoptimised code needs
/// the most.
const STACK: usize = 64 << 10;

/// Starts the program of a plan. It returns when the program runs, or when nothing of it is left.
///
/// A process is created in the pid namespace that its creator has chosen by setns(2), which is one of the thread. The
/// thread that enters a namespace ends afterwards, and no other process is created in that namespace.
pub(crate) fn spawn(plan: &SpawnPlan) -> Result<Spawned, SpawnError> {
    if let Some(spawned) = plan.template().and_then(|template| template.spawn(plan)) {
        return spawned;
    }
    let Some(namespace) = &plan.enter_pids else { return create(plan) };
    std::thread::scope(|scope| {
        let enter = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::ProcessID))
                .map_err(|errno| SpawnError::EnterNamespaces(errno.into()))?;
            create(plan)
        };
        let thread = std::thread::Builder::new().name("enter-container".into()).spawn_scoped(scope, enter);
        let thread = thread.map_err(SpawnError::Clone)?;
        thread.join().unwrap_or_else(|_| Err(SpawnError::Clone(io::Error::other("a thread has ended"))))
    })
}

#[allow(unsafe_code)]
fn create(plan: &SpawnPlan) -> Result<Spawned, SpawnError> {
    let outcome = Outcome::default();
    let mut child = Child { plan, outcome: &outcome };
    // The stack is aligned to 16 bytes at both ends, as the calling conventions demand.
    let mut stack = vec![0u128; STACK / size_of::<u128>()];

    let made = with_signals_blocked(|| {
        // SAFETY: `child` and `stack` outlive the call, which by CLONE_VFORK ends after the child has stopped using
        // them. The child runs `child::run`, which keeps to what a process that shares our memory may do.
        unsafe { clone(plan, &mut stack, (&raw mut child).cast()) }
    });
    let (pid, pidfd) = made.map_err(SpawnError::Clone)?;

    match outcome.failure() {
        None => Ok(Spawned { pid, pidfd }),
        Some((step, source)) => {
            // The child has ended and is reaped, so that no zombie stays.
            let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            Err(SpawnError::Child { step, source })
        }
    }
}

/// Blocks all signals, since a handler of this process must not run in the child, which shares its memory.
#[allow(unsafe_code)]
fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises `all`; `pthread_sigmask` with valid sets cannot fail and initialises `before`.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = work();
    // SAFETY: initialised above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}

fn flags(plan: &SpawnPlan) -> libc::c_int {
    // A mount namespace made here would be a copy of the agent's.
    let mount = plan.namespaces.mount && plan.enter_mounts.is_none();
    let namespaces = Namespaces { mount, ..plan.namespaces };
    libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | flags_of(namespaces)
}

/// Returns the flags of clone(2) that make these namespaces.
pub(super) fn flags_of(namespaces: Namespaces) -> libc::c_int {
    let Namespaces { pid, mount, ipc, uts } = namespaces;
    let kinds =
        [(pid, libc::CLONE_NEWPID), (mount, libc::CLONE_NEWNS), (ipc, libc::CLONE_NEWIPC), (uts, libc::CLONE_NEWUTS)];
    kinds.iter().filter(|(wanted, _)| *wanted).fold(0, |flags, (_, flag)| flags | flag)
}

/// # Safety
/// `child` must point to a `Child` that lives, as `stack`, until this returns.
#[allow(unsafe_code)]
unsafe fn clone(plan: &SpawnPlan, stack: &mut [u128], child: *mut c_void) -> io::Result<(Pid, OwnedFd)> {
    let mut pidfd: libc::c_int = -1;
    let pid = match &plan.cgroup {
        Some(cgroup) => {
            // The child starts in the cgroup: it is never outside, and needs none of the locks of a migration.
            let arguments = CloneArguments {
                flags: u64::from(flags(plan).cast_unsigned()) | CLONE_INTO_CGROUP,
                pidfd: (&raw mut pidfd).expose_provenance() as u64,
                exit_signal: libc::SIGCHLD as u64,
                stack: stack.as_mut_ptr().expose_provenance() as u64,
                stack_size: size_of_val(stack) as u64,
                cgroup: u64::from(cgroup.as_raw_fd().cast_unsigned()),
                ..CloneArguments::default()
            };
            // SAFETY: the stack is ours alone, `pidfd` is valid for writes, and the caller vouches for `child`.
            unsafe { clone3(&arguments, child) }?
        }
        None => {
            // SAFETY: one past the end of the stack, which grows down.
            let top = unsafe { stack.as_mut_ptr().add(stack.len()) };
            // SAFETY: as above. CLONE_PIDFD stores through the fourth argument (clone(2)).
            let pid =
                unsafe { libc::clone(child::run, top.cast(), flags(plan) | libc::SIGCHLD, child, &raw mut pidfd) };
            if pid < 0 {
                return Err(io::Error::last_os_error());
            }
            pid
        }
    };
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("the kernel returned no pid"))?;
    // SAFETY: the kernel made this descriptor for us, close-on-exec, and nobody else owns it.
    Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args` of linux/sched.h, as of Linux 5.7.
#[derive(Debug, Default)]
#[repr(C, align(8))]
pub(super) struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

impl CloneArguments {
    /// Returns the arguments for a process with a copy of the memory, which begins in this v2 cgroup.
    pub(super) fn of_fork(flags: u64, cgroup: Option<u64>) -> Self {
        let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
        CloneArguments { flags: flags | into_cgroup, cgroup: cgroup.unwrap_or_default(), ..CloneArguments::default() }
    }
}

/// libc has no wrapper, because the child returns from the system call on another stack, which only assembly can
/// handle.
///
/// # Safety
/// As `clone`; `arguments` must have CLONE_VM, CLONE_VFORK and a stack.
#[allow(unsafe_code)]
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(arguments: &CloneArguments, child: *mut c_void) -> io::Result<libc::pid_t> {
    let result: isize;
    // SAFETY: the parent sees an ordinary system call. The child starts on its own stack, aligned to 16 bytes, calls
    // `run` and never comes back from it.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 as isize => result,
            in("rdi") &raw const *arguments,
            in("rsi") size_of::<CloneArguments>(),
            in("r12") child,
            in("r13") child::run as extern "C" fn(*mut c_void) -> libc::c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    outcome_of(result)
}

/// Makes the system call as on x86-64.
///
/// # Safety
/// As `clone`; `arguments` must have CLONE_VM, CLONE_VFORK and a stack.
#[allow(unsafe_code)]
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(arguments: &CloneArguments, child: *mut c_void) -> io::Result<libc::pid_t> {
    let result: isize;
    // SAFETY: as on x86-64.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") &raw const *arguments => result,
            in("x1") size_of::<CloneArguments>(),
            in("x20") child,
            in("x21") child::run as extern "C" fn(*mut c_void) -> libc::c_int,
        );
    }
    outcome_of(result)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone3(_: &CloneArguments, _: *mut c_void) -> io::Result<libc::pid_t> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn outcome_of(result: isize) -> io::Result<libc::pid_t> {
    if result < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EINVAL)));
    }
    libc::pid_t::try_from(result).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::launch_spec::LaunchSpec;
    use crate::{Launch, Limits, Output, Program};

    fn touch(path: &Path, record: &Path) -> LaunchSpec {
        let launch = Launch {
            id: ids::ContainerId::new("c"),
            program: Program::Path("/usr/bin/touch".into()),
            argv: vec!["touch".into(), path.into()],
            init: None,
            environment: Vec::new(),
            working_directory: "/".into(),
            user: None,
            stdin: crate::Input::Nothing,
            terminal: None,
            nesting: None,
            stdout: Output::Discard,
            stderr: Output::Discard,
            rlimits: Vec::new(),
            limits: Limits::default(),
            binds: Vec::new(),
            requests: crate::Requests::default(),
        };
        LaunchSpec { record: Some(record.to_owned()), ..LaunchSpec::new(&launch) }
    }

    /// The agent has ended before the child could write its record, so that no agent would ever search for it.
    #[test]
    fn a_child_whose_agent_has_ended_does_not_execute() {
        let directory = tempfile::tempdir().unwrap();
        let (record, trace) = (directory.path().join("process_record"), directory.path().join("it ran"));
        let plan = SpawnPlan::new(&touch(&trace, &record)).unwrap();
        let child = spawn(&plan).unwrap();
        rustix::process::waitpid(Some(child.pid), rustix::process::WaitOptions::empty()).unwrap();
        let line = fs::read_to_string(&record).unwrap();
        assert!(line.starts_with(&format!("{} (", child.pid.as_raw_nonzero())), "{line}");
        fs::remove_file(&trace).unwrap();

        let mut plan = SpawnPlan::new(&touch(&trace, &record)).unwrap();
        plan.with_ended_agent();
        let refused = spawn(&plan).unwrap_err().to_string();
        assert_eq!(refused, "cannot begin: the agent has ended");
        assert!(!trace.exists());
    }
}
