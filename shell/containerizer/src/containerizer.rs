//! The handle by which the agent's shell calls the containerizer.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ids::ContainerId;
use rustix::process::{Pid, Signal};

use crate::cgroups::ContainerCgroups;
use crate::isolation::Isolation;
use crate::kernel::{Kernel, SystemKernel};
use crate::runtime_dir::RuntimeDir;
use crate::target::Target;
use crate::worker::{
    Command, ContainerHandle, Poller, QUEUE, Recovered, SharedContainers, StartRequest, Waker, Worker,
};
use crate::{Bind, Config, Error, Event, JoinedNetwork, Launch, Limits, Usage, binds, recovery};

/// Starts, watches, limits and destroys containers.
///
/// Its own threads do the work, and one of them reports the events. Dropping the handle ends the threads and leaves the
/// containers running; another handle on the same `runtime_dir` recovers them.
pub struct Containerizer {
    kernel: Arc<dyn Kernel>,
    isolation: Arc<Isolation>,
    runtime: Arc<RuntimeDir>,
    recovered: Recovered,
    shared: SharedContainers,
    /// `None` after the stop.
    commands: Mutex<Option<SyncSender<Command>>>,
    waker: Waker,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Containerizer {
    /// Prepares isolation, recovers the containers of an earlier process of the agent, and starts the threads. `events`
    /// is called on the containerizer's thread and must not block for long. It returns once every container that is not
    /// recovered has ended.
    ///
    /// # Errors
    /// Returns [`Error`] if the configuration is invalid, another agent uses the runtime directory, or a thread cannot
    /// be started.
    pub fn new(config: Config, events: impl FnMut(Event) + Send + 'static) -> Result<Self, Error> {
        Self::with_kernel(Arc::new(SystemKernel), &config, Box::new(events))
    }

    fn with_kernel(
        kernel: Arc<dyn Kernel>,
        config: &Config,
        events: Box<dyn FnMut(Event) + Send>,
    ) -> Result<Self, Error> {
        let isolation = Arc::new(Isolation::prepare(&*kernel, config)?);
        let runtime = Arc::new(RuntimeDir::open(&config.runtime_dir)?);
        let found = recovery::find(&*kernel, &isolation, &runtime, config);
        let poller = Poller::new().map_err(Error::system("cannot wait for containers"))?;
        let (commands, queue) = sync_channel(QUEUE);
        let shared = SharedContainers::default();
        let waker = poller.waker();
        let mut worker = Worker::new(
            Arc::clone(&kernel),
            Arc::clone(&isolation),
            Arc::clone(&runtime),
            poller,
            queue,
            Arc::clone(&shared),
            events,
        )
        .map_err(Error::system("cannot start threads"))?
        .with_destroy_timeout(config.destroy_timeout);
        for (id, outputs) in recovery::outputs_without_container(&found, config) {
            worker.rotate_once(id, outputs.clone());
        }
        let recovered = worker.recover(found);
        let worker = thread::Builder::new()
            .name("containerizer".into())
            .spawn(move || worker.run())
            .map_err(Error::system("cannot start a thread"))?;
        Ok(Containerizer {
            kernel,
            isolation,
            runtime,
            recovered,
            shared,
            commands: Mutex::new(Some(commands)),
            waker,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Returns the parts of the chosen isolation that this machine lacks, each as a sentence for people.
    pub fn missing_isolation(&self) -> Vec<String> {
        self.isolation.missing.clone()
    }

    /// Returns whether containers have mount namespaces of their own, so that directories can be mounted into them.
    pub fn separates_mounts(&self) -> bool {
        self.isolation.isolators.has("filesystem/linux")
    }

    /// Returns the names of the isolators in use, as in `--isolation`.
    pub fn isolators(&self) -> Vec<&'static str> {
        self.isolation.isolators.names()
    }

    /// Returns the containers of an earlier process of this agent. Those that were alive at the start are watched
    /// again: `Exited` follows for each as for any other container, usually without a status, which only its parent
    /// learns. The agent has to destroy those that it does not know.
    pub fn recovered(&self) -> Recovered {
        self.recovered.clone()
    }

    /// Starts a container. The result is reported as an event.
    ///
    /// # Errors
    /// Returns [`Error`] if the id is invalid or in use, its parent does not run, or the containerizer has stopped.
    pub fn launch(&self, launch: Launch) -> Result<(), Error> {
        check_id(&launch.id)?;
        let parent = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let parent = match launch.id.parent() {
                None => None,
                Some(parent) => match shared.get(&parent).and_then(|handle| handle.pid) {
                    None => return Err(Error::NoParent(parent.to_string())),
                    running => running,
                },
            };
            if shared.contains_key(&launch.id) {
                return Err(Error::AlreadyExists(launch.id.to_string()));
            }
            let handle = ContainerHandle { limits: launch.limits.clone(), ..ContainerHandle::default() };
            shared.insert(launch.id.clone(), handle);
            parent
        };
        self.send(Command::Launch(Box::new(StartRequest { launch, parent })))
    }

    /// Returns the process of the container in which a further program sees what the container's program sees: a
    /// descendant of its first process with another root, or the first process itself (`getMountNamespaceTarget` of
    /// Mesos).
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] if the container does not run.
    pub fn target(&self, id: &ContainerId) -> Result<Target, Error> {
        let pid = self.known(id)?.pid.ok_or_else(|| Error::NotFound(id.to_string()))?;
        Ok(Target::of(&*self.kernel, pid))
    }

    /// Connects to the terminal of a running container: as a reader of its output, or as the writer of its input. The
    /// protocol is that of `executor::terminal`.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] if the container does not run, [`Error::NoTerminal`] if it has no terminal, and the
    /// error of the operating system.
    pub fn connect(&self, id: &ContainerId) -> Result<OwnedFd, Error> {
        self.known(id)?;
        if !self.runtime.has_terminal(id) {
            return Err(Error::NoTerminal(id.to_string()));
        }
        self.runtime.connect(id).map_err(Error::system("cannot connect to the terminal of a container"))
    }

    /// Sends a signal to the first process of a container. An init passes it on to the program.
    ///
    /// # Errors
    /// Returns [`Error`] if the container does not run, or the signal cannot be sent.
    pub fn signal(&self, id: &ContainerId, signal: i32) -> Result<(), Error> {
        let pid = self.known(id)?.pid.ok_or_else(|| Error::NotFound(id.to_string()))?;
        let signal = Signal::from_named_raw(signal).ok_or(Error::InvalidSignal(signal))?;
        self.kernel.signal(pid, signal).map_err(Error::system("cannot signal a container"))
    }

    /// Removes what is kept of a nested container that has ended, and of those in it. It has no effect if nothing is
    /// kept.
    ///
    /// # Errors
    /// Returns [`Error`] if the container has not ended, or its files cannot be removed.
    pub fn remove(&self, id: &ContainerId) -> Result<(), Error> {
        let running = self.containers().into_iter().any(|other| other == *id || other.is_inside(id));
        if running {
            return Err(Error::NotEnded(id.to_string()));
        }
        self.runtime.forget(id).map_err(Error::system("cannot remove the state of a container"))
    }

    /// Changes the limits of a running container. Limits that are in force already are not written again: the launch of a
    /// container is followed by an update to the same limits.
    ///
    /// # Errors
    /// Returns [`Error`] if there is no such container, or an isolator cannot change its limit.
    pub fn update(&self, id: &ContainerId, limits: Limits) -> Result<(), Error> {
        let known = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let known = shared.get_mut(id).ok_or_else(|| Error::NotFound(id.to_string()))?;
            if known.limits_in_force && known.limits == limits {
                return Ok(());
            }
            known.limits = limits.clone();
            known.limits_in_force = false;
            known.clone()
        };
        if known.pid.is_none() {
            // The container starts with these limits.
            return Ok(());
        }
        let context = Isolation::context(&*self.kernel, id, known.cgroups.as_ref(), known.pid);
        self.isolation.isolators.update(&context, &limits)?;
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.get_mut(id).filter(|known| known.limits == limits) {
            known.limits_in_force = true;
        }
        Ok(())
    }

    /// Mounts one more directory in a running container before it returns.
    ///
    /// # Errors
    /// Returns [`Error`] if the container does not run or has no mount namespace, or the directory cannot be mounted.
    pub fn bind(&self, id: &ContainerId, bind: &Bind) -> Result<(), Error> {
        self.add_volume(id, bind)?;
        let pid = self.known(id)?.pid.filter(|_| self.separates_mounts());
        let pid = pid.ok_or_else(|| Error::NotFound(id.to_string()))?;
        binds::bind_mount_in(pid, bind).map_err(Error::io("cannot mount a directory in a container", bind.target()))
    }

    /// Takes up a persistent volume of a running container that is shown in its sandbox in another way, or by an earlier
    /// agent, so that its disk space is limited and measured.
    ///
    /// # Errors
    /// Returns [`Error`] if the container does not run, or an isolator cannot limit the volume.
    pub fn add_volume(&self, id: &ContainerId, volume: &Bind) -> Result<(), Error> {
        let known = self.known(id)?;
        let context = Isolation::context(&*self.kernel, id, known.cgroups.as_ref(), known.pid);
        self.isolation.isolators.add_volume(&context, volume)
    }

    /// Unmounts a directory. Files that are open below it stay usable until they are closed.
    ///
    /// # Errors
    /// Returns the errors of [`Containerizer::bind`].
    pub fn unbind(&self, id: &ContainerId, bind: &Bind) -> Result<(), Error> {
        let pid = self.known(id)?.pid.filter(|_| self.separates_mounts());
        let pid = pid.ok_or_else(|| Error::NotFound(id.to_string()))?;
        binds::unmount_in(pid, bind).map_err(Error::io("cannot take a directory from a container", &bind.target()))
    }

    /// Kills all processes in the container and in those nested in it, and removes its cgroups, mounts and files.
    /// `Exited` or `LaunchFailed` follows.
    ///
    /// # Errors
    /// Returns [`Error`] if there is no such container, or the containerizer has stopped.
    pub fn destroy(&self, id: &ContainerId) -> Result<(), Error> {
        self.known(id)?;
        self.send(Command::Destroy(id.clone()))
    }

    /// Returns the current usage of the container.
    ///
    /// # Errors
    /// Returns [`Error::NotFound`] if there is no such container.
    pub fn usage(&self, id: &ContainerId) -> Result<Usage, Error> {
        let known = self.known(id)?;
        if known.pid.is_none() {
            return Ok(Usage::default());
        }
        let context = Isolation::context(&*self.kernel, id, known.cgroups.as_ref(), known.pid);
        Ok(self.isolation.isolators.usage(&context, &known.limits))
    }

    /// Returns the networks of a container; none for the network of the agent.
    pub fn networks(&self, id: &ContainerId) -> Vec<JoinedNetwork> {
        self.isolation.isolators.networks(id)
    }

    /// Returns the usage of a container that somebody else has put into cgroups of its own, by its first process. Its
    /// sandbox belongs to the container `id`. A process in no cgroup of its own has no usage: it has just ended
    /// (MESOS-8480).
    pub fn usage_of_process(&self, id: &ContainerId, pid: u32, limits: &Limits) -> Option<Usage> {
        let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let cgroups = ContainerCgroups::of_process(&*self.kernel, &self.isolation.hierarchies, pid)?;
        let context = Isolation::context(&*self.kernel, id, Some(&cgroups), Some(pid));
        Some(self.isolation.isolators.usage(&context, limits))
    }

    /// Returns the pid of the first process of a container; `None` if it does not run.
    pub fn pid(&self, id: &ContainerId) -> Option<u32> {
        Some(self.known(id).ok()?.pid?.as_raw_nonzero().get().cast_unsigned())
    }

    /// Returns the ids of all containers that have not ended.
    pub fn containers(&self) -> Vec<ContainerId> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn known(&self, id: &ContainerId) -> Result<ContainerHandle, Error> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(id).cloned().ok_or_else(|| Error::NotFound(id.to_string()))
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
    /// Ends the threads, and removes the cgroups without containers; running containers continue. A process that is
    /// about to end calls it, because other owners of the handle may keep it from being dropped in time.
    pub fn stop(&self) {
        drop(self.commands.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.waker.wake();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker
            && worker.thread().id() != thread::current().id()
        {
            // A panic of the thread has been reported by its own hook.
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
        f.debug_struct("Containerizer").field("missing", &self.isolation.missing).finish_non_exhaustive()
    }
}

/// Checks the values of the id, which become names of cgroups and of directories.
fn check_id(id: &ContainerId) -> Result<(), Error> {
    let is_name = |value: &str| {
        let mut components = Path::new(value).components();
        let one_name =
            matches!(components.next(), Some(Component::Normal(name)) if name == value) && components.next().is_none();
        one_name && value.len() <= 255 && !value.contains(['\0', '\n'])
    };
    if id.depth() > ContainerId::MAX_DEPTH || !id.values().all(is_name) {
        return Err(Error::InvalidId(id.to_string()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_plain_name() {
        for id in ["", ".", "..", "a/b", "/a", "a/", "a\nb", "a\0b", "..a", "a."] {
            assert!(matches!(check_id(&ContainerId::new(id)), Err(Error::InvalidId(_))), "{id:?}");
        }
        for id in ["a", "d2c8a1b0-7f3e-4b8e-9d53-0c6a0a2b9b57", "a.b"] {
            check_id(&ContainerId::new(id)).unwrap();
        }
    }
}
