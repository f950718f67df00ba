//! The last will of a master among others. ZooKeeper learns of the death of a process only when its session runs out,
//! though the kernel of the same machine knows at once. So each such master starts a small process that outlives it, tells
//! it the name of its node, and has the node removed when it has died: another one leads within a second instead of after
//! `--zk_session_timeout`.
//!
//! Two cannot lead: the executor of the will acts when the kernel says that the process has ended (a pidfd, which no
//! later process with the same number can be mistaken for), and then nothing of it can run any more. Where the executor
//! dies as well, with the machine or by the same hand, the session runs out as ever.

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

/// What the program that executes wills is told to be.
pub const COMMAND: &str = "last-will";
/// Nodes, a URL: anything longer is not from a master.
const MAX_LINE: usize = 64 * 1024;

/// Why a will was not executed.
#[derive(Debug, thiserror::Error)]
pub enum NodeCleanupError {
    #[error("a last will is written by a master, not by people")]
    Malformed,
    #[error("cannot read the will")]
    Read(#[source] std::io::Error),
    #[error("cannot watch the master")]
    Watch(#[source] std::io::Error),
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    #[error("cannot remove {node} of the master that has died; its session has to run out")]
    Remove { node: String, source: CoordinationError },
}

/// A master's end.
pub struct NodeCleanup {
    /// This program.
    program: PathBuf,
    /// What its executor has to know of ZooKeeper.
    preamble: String,
    helper: Option<Child>,
}

impl NodeCleanup {
    pub fn new(program: &Path, coordinator: &ZooKeeper) -> Self {
        let session = coordinator.session_timeout().as_millis();
        let preamble = format!("{}\n{}\n{session}\n", std::process::id(), coordinator.url().with_credentials());
        NodeCleanup { program: program.to_owned(), preamble, helper: None }
    }

    /// Follows the names of the node of one candidacy, until it is over.
    pub async fn follow(&mut self, mut node: watch::Receiver<Option<String>>) {
        loop {
            let name = node.borrow_and_update().clone();
            self.set_node(name.as_deref());
            if node.changed().await.is_err() {
                // A node that could not be removed is still to be.
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
            tracing::warn!(error, "if this master is killed the next one leads when its session has run out");
        }
    }

    fn write_line(&mut self, line: &str) -> std::io::Result<()> {
        // A few bytes: a pipe takes them at once, or its reader is gone.
        match self.helper.as_mut().and_then(|helper| helper.stdin.as_mut()) {
            Some(input) => input.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    fn start_helper(&mut self) -> std::io::Result<()> {
        self.stop_helper();
        let mut command = Command::new(&self.program);
        command.arg0("tepui").arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::null());
        // Of a group of its own: what kills that of the master need not reach it.
        self.helper = Some(command.process_group(0).spawn()?);
        let preamble = self.preamble.clone();
        self.write_line(&preamble)
    }

    /// One that has died leaves no zombie.
    fn stop_helper(&mut self) {
        if let Some(mut helper) = self.helper.take() {
            // It may have ended already.
            let _ = helper.kill();
            let _ = helper.wait();
        }
    }
}

/// Waits for the death of the master that wrote `will`, and removes its node, whose name is returned. Blocks.
pub fn run(mut input: impl BufRead) -> Result<Option<String>, NodeCleanupError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(NodeCleanupError::Watch)?;
    let inside = runtime.enter();
    // What asks a whole service to stop asks the master, which then hands over.
    let _ignored_signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    drop(inside);

    let pid = number(&line(&mut input)?)?;
    let url = line(&mut input)?.parse()?;
    let session_timeout = Duration::from_millis(number(&line(&mut input)?)?);
    let master = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(NodeCleanupError::Malformed)?;
    let watched = watched(master)?;
    let mut node = String::new();
    // The last word counts; the pipe ends with the process, or a moment before.
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

/// None when it has died already: then somebody else is the parent.
fn watched(master: Pid) -> Result<Option<rustix::fd::OwnedFd>, NodeCleanupError> {
    let opened = pidfd_open(master, PidfdFlags::empty());
    // Asked afterwards: if it is the parent still, the descriptor is its own.
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

/// Without its end. An end of the text is an error; so is a line that was cut off.
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
        // Not our parent: it has died, and had no node, or has withdrawn.
        check("4000000\nzk://127.0.0.1:1/m\n1000\n", Ok(None));
        check("4000000\nzk://127.0.0.1:1/m\n1000\njson.info_0000000001\n\n", Ok(None));
        check("4000000\nzk://127.0.0.1:1/m\n1000\njson.info_000", Ok(None));
        check("4000000\nzk://127.0.0.1:1/m\n100\njson.info_0000000001\n", Err("json.info_0000000001"));
    }
}
