//! A sink that runs a command with each notification as JSON on its standard input. It uses no shell and passes no
//! environment but `PATH`, so that no text of the cluster can become a part of the command.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Receiver;
use tracing::warn;

use super::config::InvalidSinks;
use super::sinks::{DeliveryCounters, Notification};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a command for each notification.
pub struct ExecSink {
    command: Vec<String>,
    timeout: Duration,
    running: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error("cannot run it")]
    Run(#[from] std::io::Error),
    #[error("it ended with {0}")]
    Status(std::process::ExitStatus),
    #[error("it took longer than {0:?} and was killed")]
    Timeout(Duration),
}

impl ExecSink {
    /// Checks that the program can be executed, so that an error shows at the start and not with the first incident.
    ///
    /// # Errors
    /// Returns [`InvalidSinks::Program`] if the program cannot be executed.
    pub fn new(command: Vec<String>, timeout: Duration, concurrency: usize) -> Result<Self, InvalidSinks> {
        if let Some(program) = command.first() {
            let program = std::path::Path::new(program);
            let runs = rustix::fs::access(program, rustix::fs::Access::EXEC_OK);
            runs.map_err(|error| InvalidSinks::Program { path: program.to_owned(), source: error.into() })?;
        }
        Ok(ExecSink { command, timeout, running: Arc::new(Semaphore::new(concurrency)) })
    }

    /// Runs the command for every notification of the channel, up to `concurrency` at once, until the channel closes.
    pub async fn run(self, mut notifications: Receiver<Arc<Notification>>, deliveries: Arc<DeliveryCounters>) {
        let exec_sink = Arc::new(self);
        while let Some(notification) = notifications.recv().await {
            // The semaphore is never closed.
            let Ok(permit) = exec_sink.running.clone().acquire_owned().await else { return };
            let (exec_sink, deliveries) = (exec_sink.clone(), deliveries.clone());
            tokio::spawn(async move {
                let counter = match exec_sink.execute(&notification).await {
                    Ok(()) => &deliveries.sent,
                    Err(error) => {
                        let source = std::error::Error::source(&error).map(ToString::to_string);
                        let program = exec_sink.command.first();
                        warn!(
                            ?program,
                            notification = notification.id,
                            source,
                            "the command of a failure sink has failed: {error}"
                        );
                        &deliveries.failed
                    }
                };
                counter.fetch_add(1, Ordering::Relaxed);
                drop(permit);
            });
        }
    }

    async fn execute(&self, notification: &Notification) -> Result<(), ExecError> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let ended = tokio::time::timeout(self.timeout, feed(&mut child, &notification.body)).await;
        match ended {
            Ok(status) => {
                let status = status?;
                if status.success() { Ok(()) } else { Err(ExecError::Status(status)) }
            }
            Err(_) => {
                kill(&child);
                Err(ExecError::Timeout(self.timeout))
            }
        }
    }
}

/// Writes the notification to the command, which may leave it unread, and waits for its end.
async fn feed(child: &mut Child, body: &[u8]) -> std::io::Result<std::process::ExitStatus> {
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(body).await;
    }
    child.wait().await
}

/// Kills the program and the processes that it has started. It leads its process group and is not reaped yet, so its
/// pid cannot belong to another process.
fn kill(child: &Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}
