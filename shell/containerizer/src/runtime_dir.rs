//! The state of running containers on disk, by which a restarted agent finds them.
//!
//! `<runtime_dir>/containers/<id>/` exists before anything of the container does. The process itself writes the file
//! `process_record` before it executes its program, and the agent writes `state` once the program runs. A crash before both
//! leaves an empty directory, which means that the remains of a container may have to be removed. The directory does
//! not outlive the boot of the machine (`/var/run`), as processes do not, so nothing is flushed to disk.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ids::ContainerId;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use crate::kernel::ProcessEntry;
use crate::{Error, Limitation, LimitationKind, Output, Rotation};

const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct RuntimeDir {
    containers: PathBuf,
    /// Two agents in one directory would destroy each other's containers.
    lock: Arc<File>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ContainerState {
    /// The pid of the first process.
    pub pid: i32,
    /// The start of the process in ticks since boot, which identifies it together with the pid.
    pub started: u64,
    /// The rotated outputs; `None` if they are not known any more.
    pub rotated: Option<Vec<(PathBuf, Rotation)>>,
}

impl RuntimeDir {
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let containers = directory.join("containers");
        fs::create_dir_all(&containers).map_err(Error::io("cannot make the runtime directory", &containers))?;
        let path = directory.join("lock");
        let lock = File::create(&path).map_err(Error::io("cannot open", &path))?;
        hold(&lock).map_err(Error::io("another agent uses the runtime directory of", &path))?;
        Ok(RuntimeDir { containers, lock: Arc::new(lock) })
    }

    /// Returns the lock that keeps other agents from this directory as long as a process has it open.
    pub(crate) fn lock(&self) -> Arc<File> {
        Arc::clone(&self.lock)
    }

    /// Returns the directory of a container. That of a nested one is in `containers/` of its parent's, as in Mesos.
    fn directory(&self, id: &ContainerId) -> PathBuf {
        self.containers.join(id.path(NESTED))
    }

    /// Creates the directory of a container, before anything of the container exists.
    pub(crate) fn create(&self, id: &ContainerId) -> io::Result<()> {
        // The parent directories may have been removed while the agent runs.
        fs::create_dir_all(self.directory(id))
    }

    /// Returns the file into which the process of a container writes its line of the process table.
    pub(crate) fn process_record(&self, id: &ContainerId) -> PathBuf {
        self.directory(id).join("process_record")
    }

    /// Returns the directory on which the memory of volumes with secrets is mounted for a moment.
    pub(crate) fn secrets(&self, id: &ContainerId) -> PathBuf {
        self.directory(id).join("secrets")
    }

    pub(crate) fn checkpoint(&self, id: &ContainerId, state: &ContainerState) -> io::Result<()> {
        let directory = self.directory(id);
        let temporary = directory.join("state.new");
        fs::write(&temporary, state.to_text())?;
        fs::rename(temporary, directory.join("state"))
    }

    /// Writes the agent's description of a nested or standalone container, before anything of the container exists.
    pub(crate) fn describe(&self, id: &ContainerId, description: &[u8]) -> io::Result<()> {
        fs::write(self.directory(id).join(DESCRIPTION), description)
    }

    /// Returns the agent's description of a container; `None` for the container of an executor.
    pub(crate) fn description(&self, id: &ContainerId) -> Option<Vec<u8>> {
        fs::read(self.directory(id).join(DESCRIPTION)).ok()
    }

    /// Keeps the end of a nested container for those that ask for it later, in place of its state. It has no effect if
    /// the directory has been removed with that of the parent.
    pub(crate) fn keep(&self, id: &ContainerId, termination: &Termination) -> io::Result<()> {
        let directory = self.directory(id);
        let temporary = directory.join("termination.new");
        match fs::write(&temporary, termination.to_text()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            outcome => outcome?,
        }
        fs::rename(temporary, directory.join(TERMINATION))
    }

    /// Returns how a container has ended; `None` if it has not, or is not known any more.
    pub(crate) fn termination(&self, id: &ContainerId) -> Option<Termination> {
        let text = fs::read_to_string(self.directory(id).join(TERMINATION)).ok()?;
        Some(Termination::from_text(&text))
    }

    /// Makes the socket at which the init of a container serves its terminal.
    pub(crate) fn listen(&self, id: &ContainerId) -> io::Result<OwnedFd> {
        let directory = File::open(self.directory(id))?;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        rustix::net::bind(&socket, &socket_address(&directory)?)?;
        rustix::net::listen(&socket, CONNECTIONS)?;
        Ok(socket)
    }

    /// Connects to the terminal of a container.
    pub(crate) fn connect(&self, id: &ContainerId) -> io::Result<OwnedFd> {
        let directory = File::open(self.directory(id))?;
        // The init may have too many connections; then this fails instead of waiting.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &socket_address(&directory)?)?;
        Ok(socket)
    }

    /// Returns whether a container has a terminal.
    pub(crate) fn has_terminal(&self, id: &ContainerId) -> bool {
        self.directory(id).join(TERMINAL).exists()
    }

    /// Returns the file into which an init writes the exit of the program: a wait status in decimal, as
    /// `mesos-containerizer launch` does.
    pub(crate) fn status_file(&self, id: &ContainerId) -> PathBuf {
        self.directory(id).join("status")
    }

    /// Returns the wait status of the program; `None` if no init has written it.
    pub(crate) fn exit_status(&self, id: &ContainerId) -> Option<i32> {
        fs::read_to_string(self.status_file(id)).ok()?.trim().parse().ok()
    }

    /// Removes the directory of a container, once nothing of the container exists any more.
    pub(crate) fn forget(&self, id: &ContainerId) -> io::Result<()> {
        match fs::remove_dir_all(self.directory(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    /// Returns the containers of the directory whose end is not kept, parents first, with the state of those that ran.
    pub(crate) fn all(&self) -> Vec<(ContainerId, Option<ContainerState>)> {
        let ids = self.ids().into_iter().filter(|id| !self.directory(id).join(TERMINATION).exists());
        let state = |id: &ContainerId| {
            let read = |name| fs::read_to_string(self.directory(id).join(name)).ok();
            let state = read("state").and_then(|text| ContainerState::from_text(&text));
            state.or_else(|| ContainerState::from_process_record(&read("process_record")?))
        };
        ids.map(|id| (id.clone(), state(&id))).collect()
    }

    /// Returns the ids of all containers of the directory, parents first.
    pub(crate) fn ids(&self) -> Vec<ContainerId> {
        let mut found = Vec::new();
        let mut directories: Vec<(Option<ContainerId>, PathBuf)> = vec![(None, self.containers.clone())];
        while let Some((parent, directory)) = directories.pop() {
            for value in names(&directory) {
                let id = match &parent {
                    None => ContainerId::new(&value),
                    Some(parent) => match parent.child(&value) {
                        Ok(id) => id,
                        // No container of the agent is so deeply nested or has such a name.
                        Err(_) => continue,
                    },
                };
                directories.push((Some(id.clone()), directory.join(&value).join(NESTED)));
                found.push(id);
            }
        }
        found.sort();
        found
    }
}

/// The file with the agent's description of a container.
const DESCRIPTION: &str = "config";
/// The socket of the terminal of a container.
const TERMINAL: &str = "terminal";
/// The maximum of connections that wait for the init.
const CONNECTIONS: i32 = 16;

/// Returns the address of the socket in a directory. The path of a socket may have 107 bytes, so that the directory is
/// named by its descriptor.
fn socket_address(directory: &File) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{TERMINAL}", directory.as_raw_fd()))?)
}

/// The file with the end of a nested container.
const TERMINATION: &str = "termination";

/// The directory between that of a container and those of its children.
const NESTED: &str = "containers";

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// Takes over a container that another program has started, if its process still runs. It has to be called before the
/// containerizer is made. The process is recognised by its environment, in which its sandbox names the container,
/// because the pid alone may belong to another process by now.
///
/// # Errors
/// Returns the error of the operating system if the state cannot be written.
pub fn adopt(runtime_dir: &Path, id: &ContainerId, pid: i32) -> io::Result<()> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let state = ContainerState::of(pid, [&Output::Discard, &Output::Discard]);
    if !names_container(&environment, id) || !state.is_alive() {
        return Ok(());
    }
    let directory = runtime_dir.join("containers").join(id.path(NESTED));
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("state"), state.to_text())
}

/// Returns whether an environment (variables, each followed by a zero byte) belongs to a process of a container.
pub(crate) fn names_container(environment: &[u8], id: &ContainerId) -> bool {
    // The process is the executor or a descendant, or `mesos-containerizer launch`, which waits to write the exit
    // status.
    let names: [&[u8]; 2] = [b"MESOS_DIRECTORY=", b"MESOS_CONTAINERIZER_RUNTIME_DIRECTORY="];
    let end = format!("/{}", id.path(NESTED).display());
    let names_it =
        |variable: &[u8]| names.iter().any(|name| variable.starts_with(name)) && variable.ends_with(end.as_bytes());
    environment.split(|byte| *byte == 0).any(names_it)
}

/// Takes the lock, and retries for some time: a process that an earlier agent was just starting holds that agent's lock
/// until it executes its program.
fn hold(lock: &File) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_TIMEOUT;
    loop {
        match flock(lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(LOCK_TIMEOUT / 50),
            outcome => return Ok(outcome?),
        }
    }
}

/// The end of a nested container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Termination {
    /// The wait status of the program.
    pub status: Option<i32>,
    /// The limit that the container broke.
    pub limitation: Option<Limitation>,
}

impl Termination {
    fn to_text(&self) -> String {
        let status = self.status.map(|status| format!("status {status}\n")).unwrap_or_default();
        let Some(Limitation { kind: LimitationKind::Memory { limit }, message }) = &self.limitation else {
            return status;
        };
        // The message may have several lines.
        format!("{status}memory {limit}\nmessage\n{message}")
    }

    fn from_text(text: &str) -> Self {
        let (head, message) = match text.split_once("message\n") {
            Some((head, message)) => (head, message),
            None => (text, ""),
        };
        let number = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let limit = number("memory ").and_then(|limit| limit.parse().ok());
        Termination {
            status: number("status ").and_then(|status| status.parse().ok()),
            limitation: limit
                .map(|limit| Limitation { kind: LimitationKind::Memory { limit }, message: message.to_owned() }),
        }
    }
}

impl ContainerState {
    /// Returns the state of a process that runs now.
    pub(crate) fn of(pid: i32, outputs: [&Output; 2]) -> Self {
        let rotated = outputs.into_iter().filter_map(|output| match output {
            Output::File { path, rotation: Some(rotation) } => Some((path.clone(), *rotation)),
            _ => None,
        });
        ContainerState {
            pid,
            started: ProcessEntry::of(pid).map_or(0, |entry| entry.started),
            rotated: Some(rotated.collect()),
        }
    }

    /// Parses the record of a process whose container the agent had forgotten. The record does not contain the rotation
    /// of the outputs.
    fn from_process_record(line: &str) -> Option<Self> {
        // A truncated line may end within a number.
        let entry = ProcessEntry::parse(line.strip_suffix('\n')?)?;
        Some(ContainerState { pid: entry.pid, started: entry.started, rotated: None })
    }

    /// Returns whether that very process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        ProcessEntry::of(self.pid).is_some_and(|entry| entry.started == self.started && !entry.zombie)
    }

    fn to_text(&self) -> String {
        let mut text = format!("pid {}\nstarted {}\n", self.pid, self.started);
        for (path, rotation) in self.rotated.iter().flatten() {
            // A path that is not text or has several lines is not rotated after a restart; sandboxes have no such
            // paths.
            if let Some(path) = path.to_str().filter(|path| !path.contains('\n')) {
                text.push_str(&format!("rotate {} {} {path}\n", rotation.max_bytes, rotation.max_files));
            }
        }
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut state = ContainerState::default();
        let mut rotated = Vec::new();
        for line in text.lines() {
            let (key, value) = line.split_once(' ')?;
            match key {
                "pid" => state.pid = value.parse().ok()?,
                "started" => state.started = value.parse().ok()?,
                "rotate" => {
                    let mut fields = value.splitn(3, ' ');
                    let max_bytes = fields.next()?.parse().ok()?;
                    let max_files = fields.next()?.parse().ok()?;
                    rotated.push((fields.next()?.into(), Rotation { max_bytes, max_files }));
                }
                // The line is from a later version.
                _ => {}
            }
        }
        state.rotated = Some(rotated);
        (state.pid > 0).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ContainerId {
        ContainerId::new(text)
    }

    fn state() -> ContainerState {
        let rotation = Rotation { max_bytes: 10, max_files: 2 };
        ContainerState { pid: 7, started: 99, rotated: Some(vec![("/a b/stdout".into(), rotation)]) }
    }

    #[test]
    fn checkpointed_containers_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(directory.path()).unwrap();
        runtime.create(&id("ran")).unwrap();
        runtime.checkpoint(&id("ran"), &state()).unwrap();
        runtime.create(&id("crashed")).unwrap();
        let child = id("ran").child("child").unwrap();
        runtime.create(&child).unwrap();
        assert_eq!(
            runtime.process_record(&child),
            directory.path().join("containers/ran/containers/child/process_record")
        );
        assert_eq!(runtime.all(), [(id("crashed"), None), (id("ran"), Some(state())), (child, None)]);
        runtime.forget(&id("ran")).unwrap();
        runtime.forget(&id("ran")).unwrap();
        assert_eq!(runtime.all().len(), 1);
    }

    #[test]
    fn a_removed_directory_is_created_again() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(directory.path()).unwrap();
        fs::remove_dir_all(directory.path()).unwrap();
        runtime.create(&id("c")).unwrap();
        runtime.checkpoint(&id("c"), &state()).unwrap();
        assert_eq!(runtime.all(), [(id("c"), Some(state()))]);
    }

    #[test]
    fn a_process_with_a_record_but_no_state_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(directory.path()).unwrap();
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        for (id, line) in [("whole", own.as_str()), ("torn", own.trim_end()), ("empty", "")] {
            runtime.create(&ContainerId::new(id)).unwrap();
            fs::write(runtime.process_record(&ContainerId::new(id)), line).unwrap();
        }
        let found: std::collections::BTreeMap<ContainerId, _> = runtime.all().into_iter().collect();
        assert!(found["whole"].as_ref().is_some_and(|state| state.is_alive()));
        assert_eq!((&found["torn"], &found["empty"]), (&None, &None));
    }

    #[test]
    fn a_directory_has_one_agent() {
        let directory = tempfile::tempdir().unwrap();
        let first = RuntimeDir::open(directory.path()).unwrap();
        assert!(RuntimeDir::open(directory.path()).is_err());
        drop(first);
        RuntimeDir::open(directory.path()).unwrap();
    }

    #[test]
    fn the_end_of_a_nested_container_is_kept_with_its_parent() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = RuntimeDir::open(directory.path()).unwrap();
        let child = id("parent").child("child").unwrap();
        let limitation =
            Limitation { kind: LimitationKind::Memory { limit: 7 }, message: "too much:\nmessage\nrss 8\n".to_owned() };
        for termination in [
            Termination { status: Some(9), limitation: Some(limitation) },
            Termination { status: Some(256), limitation: None },
            Termination::default(),
        ] {
            runtime.create(&child).unwrap();
            runtime.describe(&child, b"words").unwrap();
            runtime.keep(&child, &termination).unwrap();
            assert_eq!(runtime.termination(&child), Some(termination.clone()));
            assert_eq!(runtime.description(&child).as_deref(), Some(&b"words"[..]));
            runtime.forget(&id("parent")).unwrap();
            runtime.keep(&child, &termination).unwrap();
            assert_eq!(runtime.termination(&child), None);
        }
    }

    #[test]
    fn a_truncated_state_is_ignored() {
        for text in ["", "pid", "pid x\n", "started 3\n"] {
            assert_eq!(ContainerState::from_text(text), None, "{text:?}");
        }
        assert_eq!(
            ContainerState::from_text("pid 3\nstarted 4\nlater x\n"),
            Some(ContainerState { pid: 3, started: 4, rotated: Some(vec![]) })
        );
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_recovered() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut state = ContainerState::of(own, [&Output::Discard, &Output::Discard]);
        assert!(state.is_alive());
        state.started += 1;
        assert!(!state.is_alive());
    }
}
