//! The handle: what the agent's shell calls.

use std::fmt;
use std::path::{Component, Path};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::cgroups::LimitOptions;
use crate::isolation::Isolation;
use crate::kernel::{Kernel, SystemKernel};
use crate::runtime_dir::RuntimeDir;
use crate::worker::{Command, ContainerHandle, Poller, QUEUE, Recovered, SharedContainers, Waker, Worker};
use crate::{Bind, Config, Error, Event, Launch, Limits, Usage, binds, process_tree};

/// Starts, watches, limits and ends containers.
///
/// Threads of its own do the work, and one of them reports the events. Dropping the handle ends them and leaves the containers
/// running; another handle on the same `runtime_dir` takes them up again.
pub struct Containerizer {
    kernel: Arc<dyn Kernel>,
    options: LimitOptions,
    missing: Vec<String>,
    separates_mounts: bool,
    recovered: Recovered,
    shared: SharedContainers,
    /// `None` once it has been stopped.
    commands: Mutex<Option<SyncSender<Command>>>,
    waker: Waker,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Containerizer {
    /// `events` is called on the containerizer's thread and must not block for long.
    pub fn new(config: Config, events: impl FnMut(Event) + Send + 'static) -> Result<Self, Error> {
        Self::with_kernel(Arc::new(SystemKernel), &config, Box::new(events))
    }

    fn with_kernel(
        kernel: Arc<dyn Kernel>,
        config: &Config,
        events: Box<dyn FnMut(Event) + Send>,
    ) -> Result<Self, Error> {
        let isolation = Isolation::prepare(&*kernel, config)?;
        let runtime = RuntimeDir::open(&config.runtime_dir)?;
        let poller = Poller::new().map_err(Error::system("cannot wait for containers"))?;
        let options = LimitOptions::from(config);
        let missing = isolation.missing.clone();
        let separates_mounts = isolation.namespaces.mount;
        let (commands, queue) = sync_channel(QUEUE);
        let shared = SharedContainers::default();
        let waker = poller.waker();
        let mut worker =
            Worker::new(Arc::clone(&kernel), isolation, options, runtime, poller, queue, Arc::clone(&shared), events)
                .map_err(Error::system("cannot start threads"))?
                .with_destroy_timeout(config.destroy_timeout);
        let recovered = worker.recover();
        let worker = thread::Builder::new()
            .name("containerizer".into())
            .spawn(move || worker.run())
            .map_err(Error::system("cannot start a thread"))?;
        Ok(Containerizer {
            kernel,
            options,
            missing,
            separates_mounts,
            recovered,
            shared,
            commands: Mutex::new(Some(commands)),
            waker,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// What the chosen isolation cannot give on this machine, each a sentence for a human.
    pub fn missing_isolation(&self) -> Vec<String> {
        self.missing.clone()
    }

    /// Whether containers have mounts of their own, so that directories can be bound into them.
    pub fn separates_mounts(&self) -> bool {
        self.separates_mounts
    }

    /// The containers of an earlier process of this agent. Those that were alive at the start are watched again: `Exited`
    /// follows for each as for any other, mostly without a status, which only its parent would learn. Those unknown to
    /// the agent are its to destroy.
    pub fn recovered(&self) -> Recovered {
        self.recovered.clone()
    }

    /// Starts a container; the outcome comes as an event.
    pub fn launch(&self, launch: Launch) -> Result<(), Error> {
        check_id(&launch.id)?;
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            if shared.contains_key(&launch.id) {
                return Err(Error::AlreadyExists(launch.id));
            }
            shared.insert(launch.id.clone(), ContainerHandle { limits: launch.limits, ..ContainerHandle::default() });
        }
        self.send(Command::Launch(Box::new(launch)))
    }

    /// Changes the limits of a running container.
    pub fn update(&self, id: &str, limits: Limits) -> Result<(), Error> {
        let group = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let known = shared.get_mut(id).ok_or_else(|| Error::NotFound(id.into()))?;
            known.limits = limits;
            known.group.clone()
        };
        group.map_or(Ok(()), |group| group.limit(&*self.kernel, &limits, self.options, false))
    }

    /// Shows one more directory in a running container, before this returns.
    pub fn bind(&self, id: &str, bind: &Bind) -> Result<(), Error> {
        let pid = self.known(id)?.pid.filter(|_| self.separates_mounts);
        let pid = pid.ok_or_else(|| Error::NotFound(id.into()))?;
        binds::bind_mount_in(pid, bind).map_err(Error::io("cannot show a directory in a container", &bind.target))
    }

    /// Takes one away again; what is open below it can be used until it is closed.
    pub fn unbind(&self, id: &str, target: &Path) -> Result<(), Error> {
        let pid = self.known(id)?.pid.filter(|_| self.separates_mounts);
        let pid = pid.ok_or_else(|| Error::NotFound(id.into()))?;
        binds::unmount_in(pid, target).map_err(Error::io("cannot take a directory from a container", target))
    }

    /// Kills everything in the container and cleans up; `Exited` (or `LaunchFailed`) follows.
    pub fn destroy(&self, id: &str) -> Result<(), Error> {
        self.known(id)?;
        self.send(Command::Destroy(id.to_owned()))
    }

    /// What the container uses now.
    pub fn usage(&self, id: &str) -> Result<Usage, Error> {
        let known = self.known(id)?;
        let measured = known.group.as_ref().map(|group| group.usage(&*self.kernel, &known.limits));
        Ok(match (measured, known.pid) {
            // Controllers that are not in use leave gaps, which a look at the processes fills.
            (Some(usage), Some(pid)) if usage.mem_rss_bytes.is_none() || usage.cpus_user_secs.is_none() => {
                usage.or(process_tree::usage(&*self.kernel, pid, &known.limits))
            }
            (Some(usage), _) => usage,
            (None, Some(pid)) => process_tree::usage(&*self.kernel, pid, &known.limits),
            (None, None) => Usage::default(),
        })
    }

    /// The ids of all containers that are not over.
    pub fn containers(&self) -> Vec<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn known(&self, id: &str) -> Result<ContainerHandle, Error> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(id).cloned().ok_or_else(|| Error::NotFound(id.into()))
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let commands = commands.ok_or(Error::Stopped)?;
        commands.send(command).map_err(|_| Error::Stopped)?;
        self.waker.wake();
        Ok(())
    }
}

impl Containerizer {
    /// Ends its threads and removes its cgroups where no container is left; containers that run go on. A process that
    /// is about to end calls it, because other owners of the handle may keep it from being dropped in time.
    pub fn stop(&self) {
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.waker.wake();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker
            && worker.thread().id() != thread::current().id()
        {
            // A panic there has been reported by its own hook.
            let _ = worker.join();
        }
    }
}

impl Drop for Containerizer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Containerizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Containerizer").field("missing", &self.missing).finish_non_exhaustive()
    }
}

/// The id becomes the name of a cgroup and of a directory.
fn check_id(id: &str) -> Result<(), Error> {
    let mut components = Path::new(id).components();
    let one_name =
        matches!(components.next(), Some(Component::Normal(name)) if name == id) && components.next().is_none();
    if !one_name || id.len() > 255 || id.contains(['\0', '\n']) || id.starts_with("cgroup.") {
        return Err(Error::InvalidId(id.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_name() {
        for id in ["", ".", "..", "a/b", "/a", "a/", "a\nb", "a\0b", "cgroup.procs"] {
            assert!(matches!(check_id(id), Err(Error::InvalidId(_))), "{id:?}");
        }
        for id in ["a", "d2c8a1b0-7f3e-4b8e-9d53-0c6a0a2b9b57", "..a"] {
            check_id(id).unwrap();
        }
    }
}
