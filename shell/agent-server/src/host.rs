//! Hosts the agent's core on its thread: hands inputs to it and carries out its effects.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;

use ::agent::{Agent, AgentEffects, Command, ContainerCommand, Input, Outbox, Record, Timer, VolumeChange};
use machine::{Interpreter, StateMachine, StoreToken};
use messages::{Message, v1};
use model::agent::Change;
use model::{ContainerId, Now, StreamId, Upid};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::warn;

use super::containers::{ContainerChange, Containers};
use super::deliveries::{Deliveries, Delivery};
use super::publisher::Publisher;
use super::store::Records;
use super::worker::Worker;
use super::{sandbox, usage, volumes};
use edge::Ended;
use edge::core_thread::effect_handler::EffectHandler;
use edge::core_thread::host_interpreter::{EffectHost, HostInterpreter};
use edge::core_thread::{Host, Inbox, InboxItem};

/// The host of an agent's core.
pub struct AgentHost {
    /// The core.
    pub core: Agent,
    /// The log of records.
    pub store: Records,
    /// The view for readers.
    pub publisher: Arc<Publisher>,
    /// The containers.
    pub containers: Arc<Containers>,
    /// The value of `--work_dir`.
    pub work_dir: PathBuf,
    /// The thread that removes sandboxes.
    pub remover: Worker,
    /// The runtime for tasks that may block.
    pub runtime: Handle,
    /// The inbox of the core.
    pub inbox: Arc<Inbox<AgentHost>>,
    /// Reports the end of the core when the host is dropped.
    pub ended: watch::Sender<Option<Ended>>,
    /// The reason for which the agent ends, as decided by the core.
    pub end: Ended,
    /// The effects of the current step; at first those of `Agent::start`.
    pub outbox: Outbox,
    /// The changes that wait for the end of the batch.
    pub changes: Vec<Change>,
    /// The deliveries that wait for changes of containers.
    pub deliveries: Deliveries,
}

fn deliver(delivery: Delivery, effects: &mut EffectHandler<AgentHost>) {
    match delivery {
        Delivery::Event { stream, event } => effects.event(stream, event),
        Delivery::Close(stream) => effects.close_stream(stream),
        Delivery::Send { from, to, message } => effects.send(&from, to, message),
    }
}

impl AgentHost {
    /// Delivers at once, or after the changes that the delivery has to wait for.
    fn hand_over(&mut self, delivery: Delivery, effects: &mut EffectHandler<Self>) {
        if let Some(delivery) = self.deliveries.admit(delivery) {
            deliver(delivery, effects);
        }
    }

    /// Carries out a container command. Launches begin at once on threads that may block; changes of containers run on
    /// the worker's thread in order.
    fn change_container(&mut self, command: ContainerCommand) {
        let change = match command {
            ContainerCommand::Launch(launch) => return self.containers.launch(launch),
            ContainerCommand::Destroy { container } => return self.containers.destroy(container),
            ContainerCommand::LaunchNested(launch) => return self.containers.launch_nested(launch),
            ContainerCommand::Signal { container, signal, reply } => {
                return self.containers.signal(&container, signal, reply);
            }
            ContainerCommand::Remove { container, sandbox, root_sandbox } => {
                return self.remove_nested(container, sandbox, root_sandbox);
            }
            ContainerCommand::Update { container, resources, limits, volumes } => {
                ContainerChange { container, resources, limits, volumes }
            }
        };
        let (number, inbox) = (self.deliveries.change(), self.inbox.clone());
        self.containers.update(change, move || inbox.send_control(InboxItem::HostWork(number)));
    }

    fn remove_nested(&self, container: ContainerId, sandbox: PathBuf, root_sandbox: PathBuf) {
        let containers = self.containers.clone();
        self.remover.run(move || containers.remove_nested(container, &sandbox, &root_sandbox));
    }

    fn remove_tree(&self, path: PathBuf) {
        let work_dir = self.work_dir.clone();
        self.remover.run(move || {
            if let Err(error) = sandbox::remove(&work_dir, &path) {
                warn!(path = %path.display(), %error, "cannot remove a sandbox");
            }
        });
    }

    /// Changes volumes on a separate thread. The core requests one change after the other, so there is one thread at
    /// most.
    fn change_volumes(&self, number: u64, changes: Vec<VolumeChange>) {
        let inbox = self.inbox.clone();
        self.runtime.spawn_blocking(move || {
            let failed = volumes::change(&changes).err().map(|error| error.to_string());
            inbox.send_control(InboxItem::Input(Input::Volumes { number, failed }));
        });
    }

    fn measure(&self, due: Timer) {
        let (containers, inbox) = (self.containers.clone(), self.inbox.clone());
        self.runtime.spawn_blocking(move || {
            // Measuring a thousand containers takes long, and only oversubscription needs it.
            let usage = if due == Timer::DiskWatch { usage::system() } else { usage::machine(&containers) };
            inbox.send_control(InboxItem::Input(Input::Usage { due, usage }));
        });
    }

    fn measure_disk(&self) {
        let (work_dir, inbox) = (self.work_dir.clone(), self.inbox.clone());
        self.runtime.spawn_blocking(move || match usage::disk(&work_dir) {
            Ok(fraction) => inbox.send_control(InboxItem::Input(Input::DiskUsage(fraction))),
            Err(error) => warn!(%error, "cannot measure the disk usage of the work directory"),
        });
    }
}

impl EffectHost for AgentHost {
    type Effects = AgentEffects;

    fn store(&mut self, token: StoreToken, record: Record) {
        self.store.store(token, record);
    }

    fn publish_change(&mut self, change: Change) {
        self.changes.push(change);
    }

    fn event(&mut self, stream: StreamId, event: Arc<v1::executor::Event>, effects: &mut EffectHandler<Self>) {
        self.hand_over(Delivery::Event { stream, event }, effects);
    }

    fn close_stream(&mut self, stream: StreamId, effects: &mut EffectHandler<Self>) {
        self.hand_over(Delivery::Close(stream), effects);
    }

    fn send(&mut self, from: Arc<str>, to: Upid, message: Message, effects: &mut EffectHandler<Self>) {
        self.hand_over(Delivery::Send { from, to, message }, effects);
    }

    fn command(&mut self, command: Command, effects: &mut EffectHandler<Self>) {
        match command {
            Command::Container(command) => self.change_container(command),
            Command::RemoveTree(path) => self.remove_tree(path),
            Command::Volumes { number, changes } => self.change_volumes(number, changes),
            Command::Measure(due) => self.measure(due),
            Command::Terminate(reason) => {
                self.end = Ended { reason: Some(reason).filter(|reason| !reason.is_empty()) };
                effects.finish();
            }
        }
    }
}

impl Host for AgentHost {
    type Input = Input;
    type Event = Arc<v1::executor::Event>;
    type Timer = Timer;

    fn work_done(&mut self, change: u64, effects: &mut EffectHandler<Self>) {
        for delivery in self.deliveries.done(change) {
            deliver(delivery, effects);
        }
    }

    fn timer(timer: Timer) -> Input {
        Input::Timer(timer)
    }

    fn stream_closed(stream: StreamId) -> Input {
        Input::StreamClosed(stream)
    }

    fn exited(address: SocketAddrV4) -> Input {
        Input::Exited(address)
    }

    fn step(&mut self, now: Now, input: Input, effects: &mut EffectHandler<Self>) {
        if matches!(input, Input::Timer(Timer::DiskWatch)) {
            self.measure_disk();
        }
        self.deliveries.begin_step();
        let mut outbox = std::mem::take(&mut self.outbox);
        self.core.step(now, input, &mut outbox);
        HostInterpreter { host: self, effects }.interpret_all(&mut outbox);
        self.outbox = outbox;
    }

    fn publish(&mut self) {
        if !self.changes.is_empty() {
            self.publisher.publish(&mut self.changes);
        }
    }
}

impl Drop for AgentHost {
    fn drop(&mut self) {
        // The containers stop before the end is reported, because the process may end right after the report.
        self.containers.stop();
        self.ended.send_replace(Some(std::mem::take(&mut self.end)));
    }
}
