//! The agent core on its thread: inputs in, effects carried out.

use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;

use ::agent::{Agent, AgentEffects, Command, Input, Outbox, Record, Timer, VolumeChange};
use machine::{Interpreter, StateMachine, StoreToken};
use messages::v1;
use model::agent::Change;
use model::{Now, StreamId};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tracing::warn;

use super::containers::Containers;
use super::publisher::Publisher;
use super::store::Records;
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
    pub runtime: Handle,
    pub inbox: Arc<Inbox<AgentHost>>,
    /// Says that the core has ended, when it is dropped.
    pub ended: watch::Sender<Option<Ended>>,
    pub end: Ended,
    /// Holds the effects of `Agent::start` at first.
    pub outbox: Outbox,
    pub changes: Vec<Change>,
}

impl AgentHost {
    fn remove_tree(&self, path: PathBuf) {
        let work_dir = self.work_dir.clone();
        self.runtime.spawn_blocking(move || {
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

    fn command(&mut self, command: Command, effects: &mut EffectHandler<Self>) {
        match command {
            Command::Container(command) => self.containers.execute(command),
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
