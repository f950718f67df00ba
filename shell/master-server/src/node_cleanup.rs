//! Removes the ephemeral node of a master that was killed. ZooKeeper notices the death of a process only when its
//! session expires, though the kernel of the same machine knows at once. Each master with an election therefore starts
//! a small helper process that outlives it, tells the helper the name of its node, and the helper removes the node when
//! the master has ended. Another master then leads within a second instead of after `--zk_session_timeout`.
//!
//! Two masters cannot lead at once: the helper acts when the kernel reports by a pidfd that the process has ended,
//! after which no code of it can run, and a pidfd cannot refer to a later process with the same number. If the helper
//! dies as well, with the machine or by the same signal, the session expires as usual.

use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use election::{CoordinationError, InvalidUrl, ZooKeeper, clean_up_node};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The command of `tepui` that runs the helper.
pub const COMMAND: &str = "node-cleanup";
/// The maximum of a line of the input in bytes. A longer line is not from a master.
const MAX_LINE: usize = 64 * 1024;

/// The reason for which a node was not removed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant says what is wrong")]
pub enum NodeCleanupError {
    #[error("this command is started by a master, not by people")]
    Malformed,
    #[error("cannot read the input from the master")]
    Read(#[source] std::io::Error),
    #[error("cannot watch the master")]
    Watch(#[source] std::io::Error),
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    #[error("cannot remove {node} of the master that has ended; it stays until the session expires")]
    Remove { node: String, source: CoordinationError },
}

/// The helper process that removes the node of this master.
pub struct NodeCleanup {
    /// The executable of this program.
    program: PathBuf,
    /// The first lines of the helper's input: the pid of this process, the URL of ZooKeeper, and the session timeout.
    preamble: String,
    helper: Option<Child>,
}

impl NodeCleanup {
    /// Makes the cleanup. `program` is the executable of this program; the helper starts with the first node.
    pub fn new(program: &Path, coordinator: &ZooKeeper) -> Self {
        let session = coordinator.session_timeout().as_millis();
        let preamble = format!("{}\n{}\n{session}\n", std::process::id(), coordinator.url().with_credentials());
        NodeCleanup { program: program.to_owned(), preamble, helper: None }
    }

    /// Tells the helper the name of the node of one candidacy, until the candidacy is over.
    pub async fn follow(&mut self, mut node: watch::Receiver<Option<String>>) {
        loop {
            let name = node.borrow_and_update().clone();
            self.set_node(name.as_deref());
            if node.changed().await.is_err() {
                // The helper still removes a node that the contender could not remove.
                return;
            }
        }
    }

    fn set_node(&mut self, node: Option<&str>) {
        let line = format!("{}\n", node.unwrap_or_default());
        if self.write_line(&line).is_ok() || node.is_none() {
            return;
        }
        if let Err(error) = self.start_helper().and_then(|()| self.write_line(&line)) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "cannot start the helper that removes this master's ZooKeeper node; if this master is killed, another one leads only after the session has expired"
            );
        }
    }

    fn write_line(&mut self, line: &str) -> std::io::Result<()> {
        // The line is shorter than the buffer of a pipe, so that the write does not block.
        match self.helper.as_mut().and_then(|helper| helper.stdin.as_mut()) {
            Some(input) => input.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    fn start_helper(&mut self) -> std::io::Result<()> {
        self.stop_helper();
        let mut command = Command::new(&self.program);
        command.arg0("tepui").arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::null());
        // The helper has a process group of its own, so that a signal to the group of the master does not reach it.
        self.helper = Some(command.process_group(0).spawn()?);
        let preamble = self.preamble.clone();
        self.write_line(&preamble)
    }

    /// Kills and reaps the helper.
    fn stop_helper(&mut self) {
        if let Some(mut helper) = self.helper.take() {
            // The helper may have ended already.
            let _ = helper.kill();
            let _ = helper.wait();
        }
    }
}

/// Waits for the death of the master that wrote `input`, removes its node, and returns the name of the node. It blocks.
///
/// # Errors
/// Returns [`NodeCleanupError`] if the input is not from a master or the node cannot be removed.
pub fn run(mut input: impl BufRead) -> Result<Option<String>, NodeCleanupError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(NodeCleanupError::Watch)?;
    let inside = runtime.enter();
    // A signal that stops a whole service reaches the master, too, which then removes its node itself.
    let _ignored_signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    drop(inside);

    let pid = number(&line(&mut input)?)?;
    let url = line(&mut input)?.parse()?;
    let session_timeout = Duration::from_millis(number(&line(&mut input)?)?);
    let master = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(NodeCleanupError::Malformed)?;
    let watched = watched(master)?;
    let mut node = String::new();
    // The last line counts. The pipe ends with the master, or a moment before.
    while let Ok(next) = line(&mut input) {
        node = next;
    }
    if let Some(watched) = watched {
        await_end(&watched).map_err(NodeCleanupError::Watch)?;
    }
    if node.is_empty() {
        return Ok(None);
    }
    let coordinator = ZooKeeper::new(url, session_timeout);
    match runtime.block_on(clean_up_node(coordinator, &node, session_timeout)) {
        Ok(()) => Ok(Some(node)),
        Err(source) => Err(NodeCleanupError::Remove { node, source }),
    }
}

/// Opens a pidfd of the master; `None` if the master has ended, in which case this process has another parent.
fn watched(master: Pid) -> Result<Option<rustix::fd::OwnedFd>, NodeCleanupError> {
    let opened = pidfd_open(master, PidfdFlags::empty());
    // The check comes after the open: if the master is still the parent, the descriptor refers to it.
    if getppid() != Some(master) {
        return Ok(None);
    }
    opened.map(Some).map_err(|error| NodeCleanupError::Watch(error.into()))
}

fn await_end(process: &rustix::fd::OwnedFd) -> std::io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(process, PollFlags::IN)], None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads a line and strips its end. An incomplete line and the end of the input are errors.
fn line(input: &mut impl BufRead) -> Result<String, NodeCleanupError> {
    let mut text = String::new();
    std::io::Read::take(&mut *input, MAX_LINE as u64).read_line(&mut text).map_err(NodeCleanupError::Read)?;
    text.strip_suffix('\n').map(str::to_owned).ok_or(NodeCleanupError::Malformed)
}

fn number(text: &str) -> Result<u64, NodeCleanupError> {
    text.parse().map_err(|_| NodeCleanupError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: Result<Option<&str>, &str>) {
        let executed = run(input.as_bytes());
        match (&executed, expect) {
            (Ok(node), Ok(expect)) => assert_eq!(node.as_deref(), expect, "{input}"),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{input}: {error}"),
            _ => panic!("{input}: {executed:?}"),
        }
    }

    #[test]
    fn only_what_a_master_writes_is_executed() {
        check("", Err("not by people"));
        check("x\n", Err("not by people"));
        check("0\nzk://127.0.0.1:1/m\n1000\n", Err("not by people"));
        check("4000000\nhttp://x\n1000\n", Err("not a zk:// URL"));
        check("4000000\nzk://127.0.0.1:1/m\nsoon\n", Err("not by people"));
        // The process is not the parent, so the master has ended: it had no node, or has withdrawn.
        check("4000000\nzk://127.0.0.1:1/m\n1000\n", Ok(None));
        check("4000000\nzk://127.0.0.1:1/m\n1000\njson.info_0000000001\n\n", Ok(None));
        check("4000000\nzk://127.0.0.1:1/m\n1000\njson.info_000", Ok(None));
        check("4000000\nzk://127.0.0.1:1/m\n100\njson.info_0000000001\n", Err("json.info_0000000001"));
    }
}
