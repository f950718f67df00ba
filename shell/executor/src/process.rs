//! Processes: starts one in a session of its own, receives signals by a descriptor, and walks the tree of descendants.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper};

use crate::command::Execution;
use crate::core::Exit;

/// The bit of a wait status that means a core dump (wait(2)).
const CORE_DUMPED: i32 = 0x80;
/// The maximum of passes in which descendants are killed, above what any tree needs that does not grow for ever. The
/// end of the container ends a fork bomb.
const MAX_KILL_PASSES: usize = 200;

/// A descriptor that becomes readable when a child has ended. SIGCHLD is blocked in this process and unblocked in the
/// task.
#[derive(Debug)]
pub struct ChildSignal(OwnedFd);

impl ChildSignal {
    /// Blocks SIGCHLD and opens the descriptor.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn install() -> io::Result<Self> {
        signal_descriptor(&[Signal::CHILD], libc::SFD_NONBLOCK).map(ChildSignal)
    }

    /// Returns the descriptor.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Empties the descriptor. One signal may stand for several children.
    pub fn clear(&self) {
        while next_signal(&self.0).is_some() {}
    }
}

/// A set of signals to wait for. They are blocked in this process and unblocked in the processes that it starts.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals and opens the descriptor.
    ///
    /// # Errors
    /// Returns the error of the operating system.
    pub fn install(signals: &[Signal]) -> io::Result<Self> {
        signal_descriptor(signals, 0).map(Signals)
    }

    /// Returns the descriptor, which is readable when a signal has arrived.
    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> Signal {
        loop {
            if let Some(signal) = next_signal(&self.0) {
                return signal;
            }
        }
    }
}

#[allow(unsafe_code)]
fn signal_descriptor(signals: &[Signal], flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is used, and lives through the calls.
    let fd = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, signal.as_raw());
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::signalfd(-1, &set, libc::SFD_CLOEXEC | flags)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: signalfd returned a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[allow(unsafe_code)]
fn next_signal(descriptor: &OwnedFd) -> Option<Signal> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of::<libc::signalfd_siginfo>();
    // SAFETY: the buffer of `info` is `size` bytes long.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), info.as_mut_ptr().cast(), size) };
    if usize::try_from(read) != Ok(size) {
        return None;
    }
    // SAFETY: the kernel fills `info` completely or not at all (signalfd(2)).
    let number = unsafe { info.assume_init() }.ssi_signo;
    Signal::from_named_raw(number.cast_signed())
}

/// Makes this process the parent of orphaned descendants, so that all processes of a task can be found, killed and
/// reaped.
///
/// # Errors
/// Returns the error of prctl(2).
pub fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Starts a program in a new session, with default signal handling, and with the standard streams and the working
/// directory of this process.
///
/// `posix_spawn` shares the memory of this process until the program runs; a fork would copy pages on write, twice.
///
/// # Errors
/// Returns the error of the operating system if the program cannot be started.
pub fn start(execution: &Execution) -> io::Result<Pid> {
    spawn(execution, None)
}

/// Starts a program like [`start`], on the terminal of this path: it is the three standard streams, and the controlling
/// terminal, because a session without a terminal takes the first that it opens (tty_ioctl(4)).
///
/// # Errors
/// Returns the error of the operating system if the program cannot be started.
pub fn start_on_terminal(execution: &Execution, terminal: &CStr) -> io::Result<Pid> {
    spawn(execution, Some(terminal))
}

#[allow(unsafe_code)]
fn spawn(execution: &Execution, terminal: Option<&CStr>) -> io::Result<Pid> {
    let actions = terminal.map(FileActions::open_as_streams).transpose()?;
    let argv = pointers(&execution.arguments);
    let envp = pointers(&execution.environment);
    let attributes = Attributes::new()?;
    let mut pid = 0;
    // SAFETY: the program is a C string; `argv` and `envp` are null-terminated arrays of pointers to C strings that
    // outlive the call; the attributes and the actions are initialised.
    let code = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            execution.program.as_ptr(),
            actions.as_ref().map_or(ptr::null(), |actions| &raw const actions.0),
            &raw const attributes.0,
            argv.as_ptr(),
            envp.as_ptr(),
        )
    };
    match code {
        0 => Pid::from_raw(pid).ok_or_else(|| io::Error::other("the task has no process id")),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

fn pointers(strings: &[CString]) -> Vec<*mut libc::c_char> {
    strings.iter().map(|s| CStr::as_ptr(s).cast_mut()).chain([ptr::null_mut()]).collect()
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    /// Opens a path as the three standard streams.
    #[allow(unsafe_code)]
    fn open_as_streams(path: &CStr) -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: `actions` is initialised by the first call before another one changes it, and `path` is a C string,
        // which the call copies.
        let code = unsafe {
            match libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) {
                0 => {
                    let actions = actions.as_mut_ptr();
                    let opened = libc::posix_spawn_file_actions_addopen(actions, 0, path.as_ptr(), libc::O_RDWR, 0);
                    opened
                        | libc::posix_spawn_file_actions_adddup2(actions, 0, 1)
                        | libc::posix_spawn_file_actions_adddup2(actions, 0, 2)
                }
                code => return Err(io::Error::from_raw_os_error(code)),
            }
        };
        // SAFETY: `posix_spawn_file_actions_init` succeeded.
        let actions = FileActions(unsafe { actions.assume_init() });
        if code == 0 { Ok(actions) } else { Err(io::ErrorKind::OutOfMemory.into()) }
    }
}

impl Drop for FileActions {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: initialised in `open_as_streams` and destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    #[allow(unsafe_code)]
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        let mut none = MaybeUninit::uninit();
        let mut all = MaybeUninit::uninit();
        let flags = i32::from(libc::POSIX_SPAWN_SETSID) | libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETSIGDEF;
        // SAFETY: each value is initialised by its first call before another one reads it.
        let code = unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            libc::sigfillset(all.as_mut_ptr());
            match libc::posix_spawnattr_init(attributes.as_mut_ptr()) {
                0 => {
                    libc::posix_spawnattr_setsigmask(attributes.as_mut_ptr(), none.as_ptr());
                    libc::posix_spawnattr_setsigdefault(attributes.as_mut_ptr(), all.as_ptr());
                    libc::posix_spawnattr_setflags(attributes.as_mut_ptr(), flags as libc::c_short)
                }
                code => code,
            }
        };
        if code != 0 {
            return Err(io::Error::from_raw_os_error(code));
        }
        // SAFETY: `posix_spawnattr_init` succeeded.
        Ok(Attributes(unsafe { attributes.assume_init() }))
    }
}

impl Drop for Attributes {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: initialised in `new` and destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

/// Reaps every child that has ended. They include orphans, which no other process would reap in a pid namespace.
pub fn reap() -> Vec<(Pid, Exit)> {
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => ended.push((pid, Exit::Status(status))),
            (None, Some(signal)) => {
                ended.push((pid, Exit::Signal { signal, core: status.as_raw() & CORE_DUMPED != 0 }));
            }
            (None, None) => {}
        }
    }
    ended
}

/// Sends a signal to every descendant once.
pub fn signal_descendants(signal: Signal) {
    for pid in descendants() {
        // The process may have ended. Its pid is not reused before it is reaped, by this process or a descendant.
        let _ = kill_process(pid, signal);
    }
}

/// Kills every descendant, including those that are started meanwhile.
pub fn kill_descendants() {
    // Usually there are no children, and the scan of all processes is unnecessary. This process has one thread.
    if fs::read_to_string("/proc/thread-self/children").is_ok_and(|children| children.trim().is_empty()) {
        return;
    }
    for _ in 0..MAX_KILL_PASSES {
        let alive = descendants();
        if alive.is_empty() {
            return;
        }
        for pid in alive {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Returns all live descendants, in any session or group. As a child subreaper, this process is an ancestor of
/// everything that the task ever started.
fn descendants() -> Vec<Pid> {
    let mut parents: Vec<(i32, i32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid: i32| Some((pid, live_parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect();
    let mut found = Vec::new();
    let mut frontier = vec![getpid().as_raw_nonzero().get()];
    while let Some(ancestor) = frontier.pop() {
        parents.retain(|(pid, parent)| {
            let below = *parent == ancestor;
            if below {
                frontier.push(*pid);
                found.extend(Pid::from_raw(*pid));
            }
            !below
        });
    }
    found
}

/// Returns the parent in `/proc/<pid>/stat` of a process that has not ended (proc_pid_stat(5)). State and parent follow
/// the name, which is in parentheses and may contain parentheses.
fn live_parent(stat: &str) -> Option<i32> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    match fields.next()? {
        // The children of a zombie already belong to its reaper.
        "Z" | "X" => None,
        _ => fields.next()?.parse().ok(),
    }
}

/// Returns whether the kernel has killed a process of this memory cgroup for lack of memory.
pub fn out_of_memory() -> bool {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    own.lines().filter_map(memory_events).any(|path| {
        fs::read_to_string(path).is_ok_and(|events| {
            events.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
        })
    })
}

/// Returns the file with the number of kills, for the line of `/proc/self/cgroup` about memory (cgroups(7)).
fn memory_events(line: &str) -> Option<String> {
    let mut fields = line.splitn(3, ':');
    let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let path = path.trim_end_matches('/');
    match (id, controllers) {
        ("0", "") => Some(format!("/sys/fs/cgroup{path}/memory.events")),
        (_, controllers) if controllers.split(',').any(|c| c == "memory") => {
            Some(format!("/sys/fs/cgroup/memory{path}/memory.oom_control"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(live_parent("7 (a b) S 3 7 7 0"), Some(3));
        assert_eq!(live_parent("7 (a) S 1) (b) R 4 7 7 0"), Some(4));
        assert_eq!(live_parent("7 (a) Z 3 7 7 0"), None);
        assert_eq!(live_parent("nonsense"), None);
    }

    #[test]
    fn memory_events_are_where_the_cgroup_is() {
        assert_eq!(memory_events("0::/mesos/c").as_deref(), Some("/sys/fs/cgroup/mesos/c/memory.events"));
        assert_eq!(
            memory_events("4:memory:/mesos/c").as_deref(),
            Some("/sys/fs/cgroup/memory/mesos/c/memory.oom_control")
        );
        assert_eq!(memory_events("3:cpu,cpuacct:/"), None);
    }
}
