//! The end and the removal of containers at Docker. The process that has looked after a container has ended, whatever
//! became of the container.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use ::docker::{Error, Request, container_name};
use messages::v1;
use model::{ContainerId, TaskId};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tracing::{debug, warn};
use uuid::Uuid;

use super::containerizer::{ASK, DockerContainerizer};

/// The time after the stop timeout in which a container has to end (`DOCKER_FORCE_KILL_TIMEOUT` of Mesos, and time for a
/// busy machine).
const FORCE: Duration = Duration::from_secs(10);
/// The time after the stop timeout for which a daemon that does not answer is asked before the agent ends the processes of
/// the container itself, as Mesos does (`destroyTimeout`).
const PATIENCE: Duration = Duration::from_secs(10);
/// The maximum of passes in which the processes of a container are killed, above what any container needs that does not
/// start others for ever.
const MAX_KILL_PASSES: usize = 200;
/// The time in which a killed process ends on a busy machine.
const END: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };
/// The pause between questions.
const PAUSE: Duration = Duration::from_millis(500);
/// The pause between attempts to remove a container.
const REMOVAL_PAUSE: Duration = Duration::from_secs(60);
/// The time for removing a container, which deletes its files.
const REMOVE: Duration = Duration::from_secs(120);
/// The number of attempts to remove a container, an hour of them.
const ATTEMPTS: u32 = 60;

impl DockerContainerizer {
    /// Ends a container, if it runs, and returns once it does not. It blocks for as long as that takes. If the container of a
    /// task has ended by itself, the result is the status that its executor could not send because it was killed.
    pub fn end(&self, container: &ContainerId) -> Option<v1::TaskStatus> {
        let exit = self.stop(&container_name(container.as_str()));
        let task = self.forget(container)?;
        exit.map(|exit| terminal_status(&task, exit))
    }

    /// Returns the status of a task whose container at Docker has ended while neither the agent nor its executor ran.
    pub fn status_of_ended(&self, container: &ContainerId, task: &TaskId) -> Option<v1::TaskStatus> {
        let inspection = self.inspect(&container_name(container.as_str())).ok()?;
        (inspection.started && !inspection.running).then(|| terminal_status(task, inspection.exit_code))
    }

    /// Removes a container that has ended once it was kept for `--docker_remove_delay`.
    pub async fn remove_ended(self: std::sync::Arc<Self>, container: &ContainerId) {
        let delay = self.options.remove_delay;
        self.remove_later(container_name(container.as_str()), delay).await;
    }

    /// Stops a container, by its name or its id at Docker. Returns the exit status of one that had ended before.
    pub(super) fn stop(&self, name: &str) -> Option<i32> {
        let mut has_ended = true;
        let deadline = Instant::now() + self.options.stop_timeout + PATIENCE;
        loop {
            let error = match self.inspect(name) {
                Ok(inspection) if !inspection.running => {
                    return (has_ended && inspection.started).then_some(inspection.exit_code);
                }
                Ok(_) => {
                    has_ended = false;
                    match self.stop_once(name) {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if error.is_not_found() {
                return None;
            }
            if Instant::now() >= deadline {
                let killed = kill_processes(name);
                warn!(name, killed, %error, "Docker does not answer, so the processes of a container are killed without it");
                return None;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn stop_once(&self, name: &str) -> Result<(), Error> {
        let timeout = self.options.stop_timeout;
        match self.client.call(&Request::stop(name, timeout), timeout + FORCE) {
            Err(error) if !error.is_not_found() => {
                debug!(name, %error, "a container is killed, because it does not stop");
                self.client.call(&Request::kill(name, "SIGKILL"), ASK).map(drop)
            }
            result => result.map(drop),
        }
    }

    /// Removes a container with its files. Returns whether nothing of it is left.
    pub(super) fn remove_once(&self, name: &str) -> bool {
        match self.client.call(&Request::remove(name), REMOVE) {
            Ok(_) => true,
            Err(error) => {
                debug!(name, %error, "a container cannot be removed");
                error.is_not_found()
            }
        }
    }

    /// Removes a container after this time, and tries again while the daemon is away.
    pub(super) async fn remove_later(self: std::sync::Arc<Self>, name: String, delay: Duration) {
        tokio::time::sleep(delay).await;
        for _ in 0..ATTEMPTS {
            let (docker, own) = (self.clone(), name.clone());
            let removed = tokio::task::spawn_blocking(move || docker.remove_once(&own)).await;
            if removed.unwrap_or(true) {
                return;
            }
            tokio::time::sleep(REMOVAL_PAUSE).await;
        }
        warn!(name, "a container is not removed, because Docker does not answer; a restart of the agent tries again");
    }
}

/// Kills the processes of a container without Docker, and waits for their end. Returns how many there were.
fn kill_processes(name: &str) -> usize {
    let mut killed = 0;
    let mut ending: Vec<OwnedFd> = Vec::new();
    for _ in 0..MAX_KILL_PASSES {
        let processes = processes(name);
        if processes.is_empty() {
            break;
        }
        killed = killed.max(processes.len());
        ending = processes.iter().filter_map(|pid| pidfd_open(*pid, PidfdFlags::empty()).ok()).collect();
        for pid in processes {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for process in &ending {
        // A process loses its environment a little before it ends. One that cannot be ended is left to the kernel.
        let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&END));
    }
    killed
}

/// Returns the processes of a container, by the variable that names it. A process that has cleared its environment is not
/// among them; the removal of the container ends it when Docker answers.
fn processes(name: &str) -> Vec<Pid> {
    let variable = format!("MESOS_CONTAINER_NAME={name}");
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    let is_in_it = |pid: &Pid| {
        // The environment of a process that has ended is empty.
        let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|other| other == variable.as_bytes())
    };
    pids.filter(is_in_it).collect()
}

/// Returns the status of a task for the exit status of its container, with the texts of its executor.
fn terminal_status(task: &TaskId, exit: i32) -> v1::TaskStatus {
    let state = if exit == 0 { v1::TaskState::TaskFinished } else { v1::TaskState::TaskFailed };
    v1::TaskStatus {
        task_id: task.to_proto(),
        executor_id: Some(v1::ExecutorId { value: task.to_string() }),
        state: state.into(),
        source: Some(v1::task_status::Source::Executor.into()),
        message: Some(format!("Container exited with status {exit}")),
        uuid: Some(Uuid::new_v4().into_bytes().to_vec()),
        ..Default::default()
    }
}
