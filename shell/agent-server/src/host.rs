//! The agent core on its thread: inputs in, effects carried out.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;

use ::agent::{Agent, AgentEffects, Command, ContainerCommand, Input, Outbox, Record, Timer, VolumeChange};
use machine::{Interpreter, StateMachine, StoreToken};
use messages::{Message, v1};
use model::agent::Change;
use model::{Now, StreamId, Upid};
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

pub struct AgentHost {
    pub core: Agent,
    pub store: Records,
    pub publisher: Arc<Publisher>,
    pub containers: Arc<Containers>,
    pub work_dir: PathBuf,
    /// Removes sandboxes.
    pub remover: Worker,
    pub runtime: Handle,
    pub inbox: Arc<Inbox<AgentHost>>,
    /// Says that the core has ended, when it is dropped.
    pub ended: watch::Sender<Option<Ended>>,
    pub end: Ended,
    /// Holds the effects of `Agent::start` at first.
    pub outbox: Outbox,
    /// What waits for the next publication.
    pub changes: Vec<Change>,
    /// What waits for changes of containers.
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
    /// Delivers now, or when the changes that it has to wait for are made.
    fn hand_over(&mut self, delivery: Delivery, effects: &mut EffectHandler<Self>) {
        if let Some(delivery) = self.deliveries.admit(delivery) {
            deliver(delivery, effects);
        }
    }

    /// Launches begin at once, on threads that may wait; what changes a container waits for its turn on the worker.
    fn change_container(&mut self, command: ContainerCommand) {
        let change = match command {
            ContainerCommand::Launch(launch) => return self.containers.launch(launch),
            ContainerCommand::Destroy { container } => return self.containers.destroy(container),
            ContainerCommand::Update { container, resources, limits, volumes } => {
                ContainerChange { limits: self.containers.limits(&resources, &limits), container, volumes }
            }
        };
        let (number, inbox) = (self.deliveries.change(), self.inbox.clone());
        self.containers.update(change, move || inbox.send_control(InboxItem::HostWork(number)));
    }

    fn remove_tree(&self, path: PathBuf) {
        let work_dir = self.work_dir.clone();
        self.remover.run(move || {
            if let Err(error) = sandbox::remove(&work_dir, &path) {
                warn!(path = %path.display(), %error, "cannot remove a sandbox");
            }
        });
    }

    /// The core asks for one after the other, so there is one thread at most.
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
            // Of a thousand containers that takes a while, and only oversubscription asks for it.
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
        // Before the end is known: the process may be gone right after.
        self.containers.stop();
        self.ended.send_replace(Some(std::mem::take(&mut self.end)));
    }
}
