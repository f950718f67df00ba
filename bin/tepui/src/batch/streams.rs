//! Copies the output of one task from its sandbox while it runs, to the end.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use messages::v1;
use tepui_client::{Address, Error, Files, FollowRotated, Piece, get_json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::output;

/// The interval of reads. Agents serve a file that is being written from the page cache.
const POLL: Duration = Duration::from_millis(100);
/// The interval after a failure. An agent may be restarted while its tasks run.
const RETRY: Duration = Duration::from_millis(500);
/// The time for which reading the output of a finished task is tried.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// A task and its agent.
#[derive(Debug, Clone)]
pub struct Source {
    pub master: Address,
    pub framework: v1::FrameworkId,
    pub agent: v1::AgentId,
    pub executor: String,
    /// The container of a task in a pod, which is nested in that of its executor; `None` for a task of its own.
    pub nested: Option<String>,
}

impl Source {
    /// Returns the address of the agent, as the master knows it.
    ///
    /// # Errors
    ///
    /// Fails if the master does not answer or the agent is not registered.
    pub async fn address(&self) -> Result<Address, Error> {
        let id = &self.agent.value;
        let answer = get_json(&self.master, &format!("/slaves?slave_id={}", output::encode(id))).await?;
        let agents = answer["slaves"].as_array().map(Vec::as_slice).unwrap_or_default();
        let agent = agents.iter().find(|agent| agent["id"] == id.as_str());
        agent.and_then(|agent| agent["pid"].as_str()).ok_or_else(|| Error::NoAgent(id.clone()))?.parse()
    }
}

/// Copies stdout to stdout and stderr to stderr, byte by byte, or line by line with a label before each line.
#[derive(Debug)]
pub struct Streams {
    over: watch::Sender<bool>,
    copies: Vec<JoinHandle<Result<(), Error>>>,
}

#[derive(Debug, Clone, Copy)]
enum Name {
    Stdout,
    Stderr,
}

impl Streams {
    /// Starts copying. `nobody_reads` is notified when the reader of stdout has closed it. Must be called inside a
    /// tokio runtime.
    pub fn begin(source: &Source, label: Option<&str>, nobody_reads: &Arc<Notify>) -> Self {
        let (over, _) = watch::channel(false);
        let copy = |name| {
            let sink = Sink { name, label: label.map(str::to_owned), line: Vec::new() };
            tokio::spawn(copy(source.clone(), sink, over.subscribe(), nobody_reads.clone()))
        };
        let copies = vec![copy(Name::Stdout), copy(Name::Stderr)];
        Streams { over, copies }
    }

    /// Reads what is left after the end of the task, and returns at the end of both files.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be read, so that some of it is missing.
    pub async fn finish(self) -> Result<(), Error> {
        self.over.send_replace(true);
        let mut result = Ok(());
        for copy in self.copies {
            // A cancelled copy belongs to a runtime that is ending.
            if let Ok(Err(error)) = copy.await {
                result = Err(error);
            }
        }
        result
    }
}

async fn copy(
    source: Source,
    mut sink: Sink,
    mut over: watch::Receiver<bool>,
    nobody_reads: Arc<Notify>,
) -> Result<(), Error> {
    let mut file: Option<FollowRotated> = None;
    let mut failures = 0;
    let mut ended: Option<Instant> = None;
    loop {
        // The flag is read before the file, so output that was written before the end is read after it.
        let was_over = *over.borrow();
        if was_over {
            ended.get_or_insert_with(Instant::now);
        }
        let read = match &mut file {
            Some(file) => file.available().await,
            None => match source.address().await {
                Ok(agent) => file.insert(Files::new(agent).follow_rotated(path(&source, sink.name))).available().await,
                Err(error) => Err(error),
            },
        };
        let pause = match read {
            Ok(Piece { data, skipped }) if !data.is_empty() || skipped => {
                if skipped {
                    output::write_stderr("tepui: output was removed by rotation before it could be read");
                }
                sink.write(&data);
                failures = 0;
                if output::is_closed() {
                    nobody_reads.notify_one();
                    return Ok(());
                }
                continue;
            }
            Ok(_) if was_over => {
                sink.end();
                return Ok(());
            }
            Ok(_) => POLL,
            Err(Error::NoFile { .. }) if !was_over => POLL,
            // The task never had a sandbox; its status says why.
            Err(Error::NoFile { .. }) if failures >= 1 => return Ok(()),
            Err(error) => {
                failures += 1;
                if ended.is_some_and(|at| at.elapsed() > READ_LIMIT) || was_over && !may_pass(&error) {
                    return Err(error);
                }
                RETRY
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // An error means that no caller waits for the output any more.
            changed = over.changed(), if !was_over => if changed.is_err() { return Ok(()) },
        }
    }
}

fn may_pass(error: &Error) -> bool {
    error.is_transient() || matches!(error, Error::NoFile { .. })
}

/// The longest part of a line that waits for its end, in bytes.
const MAX_LINE: usize = 64 << 10;

/// The writer of the output of one file.
#[derive(Debug)]
struct Sink {
    name: Name,
    /// The text before each line; without it, bytes are written as they come.
    label: Option<String>,
    /// The line that has not ended.
    line: Vec<u8>,
}

impl Sink {
    fn write(&mut self, data: &[u8]) {
        let Some(label) = &self.label else { return write(self.name, data) };
        self.line.extend_from_slice(data);
        let mut out = Vec::new();
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            out.extend_from_slice(label.as_bytes());
            out.extend_from_slice(&line);
        }
        if self.line.len() > MAX_LINE {
            out.extend_from_slice(label.as_bytes());
            out.append(&mut self.line);
            out.push(b'\n');
        }
        if !out.is_empty() {
            write(self.name, &out);
        }
    }

    /// Writes a last line that has no end.
    fn end(&mut self) {
        if !self.line.is_empty() {
            self.write(b"\n");
        }
    }
}

fn write(name: Name, data: &[u8]) {
    match name {
        Name::Stdout => output::exact(data),
        // An error of stderr cannot be reported anywhere.
        Name::Stderr => drop(std::io::stderr().write_all(data)),
    }
}

/// Returns the path of a file of the newest run of the task's executor, as agents of Mesos and Tepui serve it. The sandbox of a
/// nested container is below that of its executor.
fn path(source: &Source, name: Name) -> String {
    let name = match name {
        Name::Stdout => "stdout",
        Name::Stderr => "stderr",
    };
    let nested = source.nested.as_ref().map(|id| format!("containers/{id}/")).unwrap_or_default();
    format!("/frameworks/{}/executors/{}/runs/latest/{nested}{name}", source.framework.value, source.executor)
}
