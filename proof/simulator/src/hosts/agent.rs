//! An agent process: an agent core in a simulated shell, on a machine that outlives the process.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use agent::{
    Agent, AgentEffects, Command, Config, ContainerCommand, ContainerEvent, ExecutorCall, ExecutorSubscribe, Input,
    LoadAverage, MachineUsage, Metrics, Outbox, PeerMessage, Record, Recovery, Timer, VolumeChange,
};
use machine::{CallResponse, Interpreter, StateMachine, StoreToken};
use messages::{Message, v1};
use model::agent::Change;
use model::{AgentId, ContainerId, FrameworkId, Monotonic, ReplyId, StreamId, Upid};
use resources::Resources;

use super::machine::{Machine, MachineEvent};
use crate::context::Context;
use crate::disk::Disk;
use crate::event::{ContainerAction, Event};
use crate::mutant::Mutant;
use crate::network::Packet;
use crate::node::Node;

#[derive(Debug)]
pub struct AgentHost {
    pub index: usize,
    pub incarnation: u64,
    pub skew: i64,
    /// The factor by which the disk is slower than usual.
    pub disk_factor: u32,
    pub machine: Machine,
    /// The used share of the disk, in percent.
    pub pressure: u8,
    /// The changes of volumes in progress.
    volumes: Vec<VolumeChange>,
    /// The agent's total resources, as its readers see them.
    pub total: Resources,
    disk: Disk<StoreToken, Record>,
    leader: Option<v1::MasterInfo>,
    /// The version of the last change of leadership that the agent has received. A watcher never receives an older one
    /// after that.
    leader_version: u64,
    /// The agent id that the master assigned.
    pub id: Option<AgentId>,
    pub running: Option<Running>,
}

#[derive(Debug)]
pub struct Running {
    core: Agent,
    timers: BTreeMap<Timer, u64>,
    serial: u64,
    links: BTreeSet<SocketAddrV4>,
    replies: u64,
    outbox: Outbox,
    registered: bool,
    /// The master that the agent has detected.
    follows: Option<SocketAddrV4>,
    /// The number of commands for containers and the disk.
    side_effects: u64,
}

impl AgentHost {
    pub fn new(index: usize) -> Self {
        AgentHost {
            index,
            incarnation: 0,
            skew: 0,
            disk_factor: 1,
            machine: Machine::new(index),
            pressure: 10,
            volumes: Vec::new(),
            total: Resources::new(),
            disk: Disk::default(),
            leader: None,
            leader_version: 0,
            id: None,
            running: None,
        }
    }

    pub fn node(&self) -> Node {
        Node::Agent(self.index)
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub fn is_registered(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.registered)
    }

    pub fn start(&mut self, cx: &mut Context) {
        self.incarnation += 1;
        cx.network.up(self.node());
        let resources = Resources::parse("cpus:4;mem:4096;disk:10000;ports:[31000-31100]", "*").unwrap_or_default();
        let pid = Upid::new("slave(1)", self.node().address());
        let mut config = Config::new(pid, format!("agent-{}", self.index), "/work", resources);

        let (seed, metrics, now) = (cx.seed(), Arc::new(Metrics::default()), cx.now(self.skew));
        let mut outbox = Outbox::default();
        config.boot_id = Some(format!("boot-{}", self.machine.boot));
        let mut core = Agent::new(config, seed, metrics);
        let recovery = Recovery {
            recovered_state: self.disk.records().iter().cloned().collect(),
            alive: self.machine.survivors(),
            ..Recovery::default()
        };
        if let Err(error) = core.recover(now, recovery, &mut outbox) {
            return cx.checks.violation(format!("{} cannot recover: {error}", self.node()));
        }

        core.start(now, &mut outbox);
        self.running = Some(Running {
            core,
            timers: BTreeMap::new(),
            serial: 0,
            links: BTreeSet::new(),
            replies: 0,
            outbox: Outbox::default(),
            registered: false,
            follows: None,
            side_effects: 0,
        });
        AgentInterpreter { host: self, cx }.interpret_all(&mut outbox);
        cx.notify(self.node());
    }

    /// Ends the process as kill -9 does. Containers survive.
    pub fn crash(&mut self, cx: &mut Context) {
        self.running = None;
        self.leader = None;
        let durable = self.disk.records().len();
        self.disk.crash(&mut cx.random);
        self.applied(cx, durable);
        let done = cx.random.below(self.volumes.len() as u64 + 1) as usize;
        for change in std::mem::take(&mut self.volumes).into_iter().take(done) {
            self.change_volume(cx, &change);
        }
        self.machine.agent_gone(cx);
        let events = cx.network.down(cx.time, &mut cx.random, self.node());
        cx.all(events);
    }

    /// Restarts the machine. Only the disk survives.
    pub fn reboot(&mut self, cx: &mut Context) {
        self.crash(cx);
        self.machine.reboot();
    }

    pub fn detected(&mut self, cx: &mut Context, leader: Option<v1::MasterInfo>, version: u64) {
        if version < self.leader_version {
            return;
        }
        self.leader_version = version;
        self.leader.clone_from(&leader);
        if let Some(running) = &mut self.running {
            let address = leader.as_ref().and_then(|leader| leader.pid.as_deref()?.parse::<Upid>().ok());
            running.follows = address.map(|pid| pid.address);
        }
        self.step(cx, Input::MasterDetected(leader.map(Box::new)));
    }

    pub fn arrive(&mut self, cx: &mut Context, packet: Packet) {
        let Packet::Process { from, to, message } = packet else { return };
        let Some(running) = &self.running else { return };
        // The agent obeys only the master that it follows.
        let (before, from_other_master) = (running.side_effects, running.follows != Some(from.address));
        let name = message.name();
        self.step(cx, Input::Message(PeerMessage { caller: model::Caller::default(), from, to, message }));
        if from_other_master && self.running.as_ref().is_some_and(|running| running.side_effects != before) {
            cx.checks.violation(format!("{} obeys a {name} of a master that it does not follow", self.node()));
        }
    }

    pub fn broken(&mut self, cx: &mut Context, peer: Node) {
        if self.running.as_ref().is_some_and(|running| running.links.contains(&peer.address())) {
            self.step(cx, Input::Exited(peer.address()));
        }
    }

    pub fn timer(&mut self, cx: &mut Context, timer: Timer, serial: u64) {
        let Some(running) = &mut self.running else { return };
        if running.timers.get(&timer) == Some(&serial) {
            running.timers.remove(&timer);
            self.step(cx, Input::Timer(timer));
        }
    }

    pub fn flushed(&mut self, cx: &mut Context) {
        let (tokens, more) = self.disk.flushed();
        let first = self.disk.records().len().saturating_sub(tokens.len());
        self.applied(cx, first);
        cx.counts.flushes += 1;
        cx.counts.records += tokens.len() as u64;
        if more {
            self.flush(cx);
        }
        for token in tokens {
            self.step(cx, Input::Stored(token));
        }
    }

    /// Records the operations in the records from `first` on; they survive whatever happens from now on.
    fn applied(&self, cx: &mut Context, first: usize) {
        for record in self.disk.records().iter().skip(first) {
            if let Record::Resources { operation: Some(operation), .. } = record
                && let (Some(id), Some(framework)) = (&operation.info.id, &operation.framework_id)
            {
                cx.checks.operations.applied(&FrameworkId::from(framework), &id.value);
            }
        }
    }

    fn flush(&self, cx: &mut Context) {
        let longest = Duration::from_millis(30) * self.disk_factor;
        cx.within(longest, Event::Flushed { agent: self.index, incarnation: self.incarnation });
    }

    pub fn container(&mut self, cx: &mut Context, container: &ContainerId, action: ContainerAction) {
        let Some(event) = self.machine.perform(cx, container, action) else { return };
        let Some(running) = &mut self.running else {
            return self.machine.not_delivered(container);
        };
        running.replies += 1;
        let reply = ReplyId(running.replies);
        let container = container.clone();
        let input = match event {
            MachineEvent::Launched => {
                Input::Container(ContainerEvent::Launched { container, pid: 1000, networks: Vec::new() })
            }
            MachineEvent::LaunchFailed => {
                Input::Container(ContainerEvent::LaunchFailed { container, reason: "simulated failure".to_owned() })
            }
            MachineEvent::Exited(exit) => {
                self.machine.forget(&container);
                Input::Container(ContainerEvent::Exited { container, exit })
            }
            MachineEvent::Subscribe(call) => {
                let stream = StreamId(cx.random.uuid());
                self.machine.subscribed(&container, stream);
                Input::ExecutorSubscribe(ExecutorSubscribe { caller: model::Caller::default(), reply, stream, call })
            }
            MachineEvent::Call(call) => {
                Input::ExecutorCall(ExecutorCall { caller: model::Caller::default(), reply, call })
            }
        };
        self.step(cx, input);
    }

    fn step(&mut self, cx: &mut Context, input: Input) {
        let Some(running) = &mut self.running else { return };
        let mut outbox = std::mem::take(&mut running.outbox);
        cx.counts.steps += 1;
        running.core.step(cx.now(self.skew), input, &mut outbox);
        AgentInterpreter { host: self, cx }.interpret_all(&mut outbox);
        if let Some(running) = &mut self.running {
            running.outbox = outbox;
        }
    }

    pub fn measured(&mut self, cx: &mut Context, due: Timer) {
        let full = f64::from(self.pressure) / 100.0;
        let usage = MachineUsage {
            load: Some(LoadAverage { five_minutes: full * 8.0, fifteen_minutes: full * 8.0 }),
            processors: Some(4),
            memory_available: Some(1.0 - full / 2.0),
            ..MachineUsage::default()
        };
        self.step(cx, Input::DiskUsage(full));
        self.step(cx, Input::Usage { due, usage });
    }

    pub fn volumes(&mut self, cx: &mut Context, number: u64) {
        // The disk is full.
        let failed = (!cx.faults_ended && cx.one_in(50)).then(|| "No space left on device".to_owned());
        if failed.is_none() {
            for change in std::mem::take(&mut self.volumes) {
                self.change_volume(cx, &change);
            }
        }
        self.step(cx, Input::Volumes { number, failed });
    }

    fn change_volume(&self, cx: &mut Context, change: &VolumeChange) {
        match change {
            VolumeChange::Create { path } => cx.checks.operations.made(self.index, &last(path)),
            VolumeChange::Remove { path, .. } => cx.checks.operations.removed(self.index, &last(path)),
        }
    }

    /// Handles the planted bug in which a record is confirmed before it is durable.
    pub fn stored(&mut self, cx: &mut Context, token: StoreToken) {
        self.step(cx, Input::Stored(token));
    }
}

/// Returns the last component of a path, which is the name of the volume.
fn last(path: &std::path::Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Carries out the effects of an agent on the simulated cluster. Effects that follow the end of the process in the same
/// step are lost.
struct AgentInterpreter<'a> {
    host: &'a mut AgentHost,
    cx: &'a mut Context,
}

impl AgentInterpreter<'_> {
    fn running(&mut self) -> Option<&mut Running> {
        self.host.running.as_mut()
    }

    /// Counts a command for containers or the disk. Returns `None` if the process has ended.
    fn side_effect(&mut self) -> Option<()> {
        self.running()?.side_effects += 1;
        Some(())
    }

    fn container(&mut self, command: ContainerCommand) {
        let volumes = match &command {
            ContainerCommand::Launch(launch) => launch.volumes.as_slice(),
            ContainerCommand::Update { volumes, .. } => volumes,
            ContainerCommand::Destroy { .. }
            | ContainerCommand::LaunchNested(_)
            | ContainerCommand::Signal { .. }
            | ContainerCommand::Remove { .. } => &[],
        };
        for volume in volumes {
            self.cx.checks.operations.used(self.host.index, &last(&volume.source));
        }
        self.host.machine.command(self.cx, command);
    }

    fn terminate(&mut self, reason: &str) {
        let (node, index) = (self.host.node(), self.host.index);
        self.cx.trace(|| format!("{node} ends: {reason}"));
        self.host.crash(self.cx);
        // A supervisor starts the agent again. After an error of its disk it keeps its state; otherwise its id has
        // ended, and it starts as a new agent on an empty disk.
        if !reason.starts_with("Failed to sync") {
            self.host.disk.erase();
            self.host.machine.reboot();
            self.cx.checks.tasks.machine_lost(index);
            self.cx.checks.operations.machine_lost(index);
            self.host.total = Resources::new();
        }
        self.cx.within(Duration::from_secs(20), Event::Start(node));
    }
}

impl Interpreter<AgentEffects> for AgentInterpreter<'_> {
    fn reply(&mut self, _: ReplyId, _: CallResponse) {}

    fn event(&mut self, stream: StreamId, event: Arc<v1::executor::Event>) {
        if !self.host.is_up() {
            return;
        }
        let Some(container) = self.host.machine.container_of(stream).cloned() else { return };
        let drops = self.cx.mutant == Some(Mutant::DropAcknowledgement);
        if drops && event.acknowledged.is_some() && self.cx.one_in(3) {
            return;
        }
        let (agent, boot) = (self.host.index, self.host.machine.boot);
        let event = Event::Container { agent, boot, container, action: ContainerAction::Event(event) };
        self.cx.after(Duration::from_millis(1), event);
    }

    fn close_stream(&mut self, stream: StreamId) {
        if self.host.is_up() {
            self.host.machine.stream_closed(self.cx, stream);
        }
    }

    fn send(&mut self, from: Arc<str>, to: Upid, message: Message) {
        let forgets = self.cx.mutant == Some(Mutant::ForgetDropped);
        let is_dropped = |message: &Message| {
            matches!(message, Message::UpdateOperationStatus(message)
            if message.status.state() == v1::OperationState::OperationDropped)
        };
        if !self.host.is_up() || forgets && is_dropped(&message) {
            return;
        }
        let node = self.host.node();
        if let Some(peer) = Node::at(to.address) {
            self.cx.trace(|| format!("{node} -> {peer}: {}", crate::network::brief(&message)));
            let from = Upid::new(from, node.address());
            self.cx.send(node, peer, Packet::Process { from, to: to.id.to_string(), message });
        }
    }

    fn link(&mut self, address: SocketAddrV4) {
        if let Some(running) = self.running() {
            running.links.insert(address);
        }
    }

    fn unlink(&mut self, address: SocketAddrV4) {
        if let Some(running) = self.running() {
            running.links.remove(&address);
        }
    }

    fn arm(&mut self, timer: Timer, at: Monotonic) {
        let (agent, incarnation) = (self.host.index, self.host.incarnation);
        let Some(running) = self.running() else { return };
        running.serial += 1;
        let serial = running.serial;
        running.timers.insert(timer.clone(), serial);
        self.cx.at(at.since_start(), Event::AgentTimer { agent, incarnation, timer, serial });
    }

    fn disarm(&mut self, timer: Timer) {
        if let Some(running) = self.running() {
            running.timers.remove(&timer);
        }
    }

    fn store(&mut self, token: StoreToken, record: Record) {
        let Some(()) = self.side_effect() else { return };
        let (agent, incarnation) = (self.host.index, self.host.incarnation);
        let early = match self.cx.mutant {
            Some(Mutant::SkipFlush) => true,
            Some(Mutant::TellOperationsEarly) => matches!(record, Record::Resources { .. }),
            _ => false,
        };
        if early {
            // The record is reported as durable although it is only written, so the next crash removes it.
            if self.host.disk.write(token, record) {
                self.cx.after(Duration::from_secs(5), Event::Flushed { agent, incarnation });
            }
            self.cx.after(Duration::ZERO, Event::Stored { agent, incarnation, token });
        } else if self.host.disk.write(token, record) {
            self.host.flush(self.cx);
        }
    }

    fn publish(&mut self, change: Change) {
        let Some(running) = self.host.running.as_mut() else { return };
        if let Change::Agent { registered, info, total, .. } = change {
            running.registered = registered;
            self.host.id = info.id.as_ref().map(AgentId::from);
            self.host.total = total;
            if let Some(id) = &self.host.id {
                self.cx.checks.operations.identified(self.host.index, id);
            }
        }
    }

    fn command(&mut self, command: Command) {
        if !self.host.is_up() {
            return;
        }
        if matches!(command, Command::Container(_) | Command::Volumes { .. }) {
            self.side_effect();
        }
        let (agent, incarnation) = (self.host.index, self.host.incarnation);
        match command {
            Command::Container(command) => self.container(command),
            Command::Volumes { number, changes } => {
                self.host.volumes = changes;
                self.cx.within(Duration::from_millis(20), Event::Volumes { agent, incarnation, number });
            }
            Command::Measure(timer) => {
                self.cx.after(Duration::from_millis(1), Event::Measured { agent, incarnation, timer });
            }
            Command::RemoveTree(_) => {}
            Command::Terminate(reason) => self.terminate(&reason),
        }
    }
}
