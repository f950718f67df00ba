//! A simulated cluster: one master, and the messages between it and its peers. Time passes only when a test lets it
//! pass.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod operations;
mod show;

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use machine::CallResponse;
use master::{
    Caller, Config, Effect, Input, Master, Metrics, OperatorCall, RegistryOperation, RegistryState, SchedulerCall,
    SchedulerEvent, SchedulerSubscribe, Timer,
};
use messages::{Message, internal, v1};
use model::{Now, ReplyId, StreamId, Upid};
use testkit::builders::*;
use testkit::core::{Environment, Harness, Inputs, start_time};
use v1::framework_info::capability;

#[allow(unused_imports)]
pub use v1::TaskState::*;

/// A master, driven by its [`Harness`], and the peers that talk to it.
pub struct Cluster {
    core: Harness<Surroundings>,
    pub metrics: Arc<Metrics>,

    config: Config,
    masters: u32,

    next_reply: u64,
    next_stream: u128,
}

/// The registry, and the agents as far as they answer pings.
pub struct Surroundings {
    /// The durable records.
    pub registry: RegistryState,
    /// Agents that do not answer pings.
    pub silent: BTreeSet<Upid>,
}

impl Environment for Surroundings {
    type Machine = Master;

    fn keep(&mut self, operation: &RegistryOperation) {
        self.registry.apply(operation);
    }

    fn observe(&mut self, _: Now, effect: &Effect) -> Option<Input> {
        match effect {
            Effect::Send { from, to, message: Message::PingSlave(_) } if !self.silent.contains(to) => {
                Some(Input::Message(peer_message(to.clone(), from, internal::PongSlaveMessage {})))
            }
            _ => None,
        }
    }
}

impl Deref for Cluster {
    type Target = Harness<Surroundings>;

    fn deref(&self) -> &Self::Target {
        &self.core
    }
}

impl DerefMut for Cluster {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.core
    }
}

/// The state of an HTTP scheduler's subscription.
#[derive(Debug, Clone)]
pub struct Scheduler {
    pub stream: StreamId,
    pub id: String,
}

#[derive(Debug, Clone)]
pub struct AgentPeer {
    pub pid: Upid,
    pub id: String,
}

impl Cluster {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let mut cluster = Self::taking_over(RegistryState::default(), configure);
        cluster.forget();
        cluster
    }

    /// Creates a master with the registry of the previous one.
    pub fn taking_over(registry: RegistryState, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:5050".parse().unwrap(), "master.example");
        config.master_id = Some("m".to_owned());
        configure(&mut config);
        let metrics = Arc::new(Metrics::default());
        let master = Master::new(config.clone(), [7; 32], metrics.clone(), registry.clone());
        let surroundings = Surroundings { registry, silent: BTreeSet::new() };
        let inputs = Inputs { timer: Input::Timer, stored: Input::Stored };
        let core = Harness::new(master, surroundings, inputs, start_time());
        let mut cluster = Cluster { core, metrics, config, masters: 1, next_reply: 0, next_stream: 1 };
        cluster.deliver(Input::Elected);
        cluster
    }

    /// Ends the master with everything that is not durable; another one takes over: `m2`, `m3` and so on.
    pub fn fail_over(&mut self) {
        self.masters += 1;
        self.config.master_id = Some(format!("m{}", self.masters));
        self.metrics = Arc::new(Metrics::default());
        let registry = RegistryState::from_entries(self.environment.registry.entries()).unwrap();
        self.environment.registry = registry.clone();
        let master = Master::new(self.config.clone(), [7; 32], self.metrics.clone(), registry);
        self.replace_machine(master);
        self.deliver(Input::Elected);
    }

    /// Lets time pass for an allocation run, but not until an offer filter ends.
    pub fn settle(&mut self) {
        self.pass(Duration::from_millis(20));
    }

    /// Returns the registry that results from the records since the last query, applied to an empty registry.
    pub fn stored(&self) -> RegistryState {
        let mut state = RegistryState::default();
        for effect in &self.recorded.effects {
            if let Effect::Store { record: operation, .. } = effect {
                state.apply(operation);
            }
        }
        state
    }

    pub fn timers(&self) -> impl Iterator<Item = &Timer> {
        self.recorded.timers.keys()
    }

    // ---- schedulers

    pub fn subscribe(&mut self, info: v1::FrameworkInfo) -> Scheduler {
        self.subscribe_with(v1::scheduler::call::Subscribe { framework_info: info, ..Default::default() })
    }

    pub fn subscribe_with(&mut self, subscribe: v1::scheduler::call::Subscribe) -> Scheduler {
        let stream = stream_id(self.next_stream);
        self.next_stream += 1;
        self.deliver(Input::SchedulerSubscribe(SchedulerSubscribe {
            stream,
            caller: Caller::default(),
            subscribe: Box::new(subscribe),
        }));
        let id = self
            .events(stream)
            .iter()
            .find_map(|event| event.subscribed.as_ref().map(|subscribed| subscribed.framework_id.value.clone()));
        Scheduler { stream, id: id.unwrap_or_default() }
    }

    pub fn framework(&mut self) -> Scheduler {
        self.subscribe(framework_info())
    }

    pub fn call(&mut self, from: &Scheduler, call: v1::scheduler::Call) -> CallResponse {
        self.call_on(Some(Ok(from.stream)), &from.id, call)
    }

    pub fn call_on(
        &mut self,
        stream: Option<Result<StreamId, String>>,
        id: &str,
        mut call: v1::scheduler::Call,
    ) -> CallResponse {
        call.framework_id = Some(framework_id(id));
        let reply = self.reply_id();
        self.deliver(Input::SchedulerCall(SchedulerCall {
            reply,
            caller: Caller::default(),
            stream,
            call: Box::new(call),
        }));
        self.recorded.response(reply)
    }

    pub fn operator(&mut self, call: v1::master::Call) -> CallResponse {
        let reply = self.ask(call);
        self.recorded.response(reply)
    }

    /// Makes a call whose response may come later.
    pub fn ask(&mut self, call: v1::master::Call) -> ReplyId {
        let reply = self.reply_id();
        self.deliver(Input::OperatorCall(OperatorCall { reply, caller: Caller::default(), call: Box::new(call) }));
        reply
    }

    pub fn answers(&self, reply: ReplyId) -> &[CallResponse] {
        self.recorded.responses(reply)
    }

    fn reply_id(&mut self) -> ReplyId {
        self.next_reply += 1;
        ReplyId(self.next_reply)
    }

    pub fn hang_up(&mut self, scheduler: &Scheduler) {
        self.deliver(Input::StreamClosed(scheduler.stream));
    }

    // ---- agents and drivers

    pub fn send(&mut self, from: &Upid, message: impl Into<Message>) {
        self.send_to("master", from, message);
    }

    pub fn send_to(&mut self, to: &str, from: &Upid, message: impl Into<Message>) {
        self.deliver(Input::Message(peer_message(from.clone(), to, message)));
    }

    pub fn driver_call(&mut self, from: &Upid, call: &v1::scheduler::Call, force: bool) {
        let bytes = wire::v0::encode_scheduler_call(call, force);
        self.send(from, Message::SchedulerCall(bytes));
    }

    pub fn agent(&mut self, resources: &str) -> AgentPeer {
        let port = 5051 + self.master_agents() as u16;
        self.agent_at(&format!("slave(1)@127.0.0.1:{port}"), resources)
    }

    fn master_agents(&self) -> i64 {
        self.metrics.slave_registrations.get()
    }

    pub fn agent_at(&mut self, pid: &str, resources: &str) -> AgentPeer {
        let pid = upid(pid);
        self.send(&pid, register(resources));
        let id = self
            .recorded
            .sent_to(&pid)
            .iter()
            .rev()
            .find_map(|message| match message {
                Message::SlaveRegistered(message) => Some(message.slave_id.value.clone()),
                _ => None,
            })
            .unwrap_or_default();
        AgentPeer { pid, id }
    }

    /// Sends an agent's update of a task, which is acknowledged with `uuid`.
    pub fn update(&mut self, agent: &AgentPeer, framework: &str, task: &str, state: v1::TaskState, uuid: u8) {
        let update = update(agent, framework, task, state, uuid);
        self.send(&agent.pid, update);
    }

    pub fn exited(&mut self, address: SocketAddrV4) {
        self.deliver(Input::Exited(address));
    }

    // ---- results

    pub fn events(&self, stream: StreamId) -> Vec<Arc<v1::scheduler::Event>> {
        self.recorded.events_on(stream).map(scheduler_event).collect()
    }

    pub fn sent_to(&self, pid: &Upid) -> Vec<Message> {
        self.recorded.sent_to(pid)
    }

    /// Returns the events for a scheduler since the last query, one line each.
    pub fn heard(&mut self, scheduler: &Scheduler) -> Vec<String> {
        self.recorded.take_lines(|effect| match effect {
            Effect::Event { stream, event } if *stream == scheduler.stream => {
                Some(show::event(&scheduler_event(event)))
            }
            Effect::CloseStream(stream) if *stream == scheduler.stream => Some("end of stream".to_owned()),
            _ => None,
        })
    }

    /// Returns the messages to a libprocess peer since the last query, one line each.
    pub fn received(&mut self, pid: &Upid) -> Vec<String> {
        self.recorded.take_lines(|effect| match effect {
            Effect::Send { to, message, from } if to == pid => Some(show::message(from, message)),
            _ => None,
        })
    }

    /// Returns all effects since the last query, in order.
    pub fn transcript(&mut self) -> String {
        self.recorded.changes.clear();
        self.recorded.effects.drain(..).map(|effect| show::effect(&effect)).collect::<Vec<_>>().join("\n")
    }

    pub fn forget(&mut self) {
        self.recorded.clear();
    }

    /// Returns the outstanding offers of a scheduler, by the events that it was sent.
    pub fn offers(&self, scheduler: &Scheduler) -> Vec<v1::Offer> {
        let events = self.events(scheduler.stream);
        events.iter().filter_map(|event| event.offers.as_ref()).flat_map(|offers| offers.offers.clone()).collect()
    }

    /// Lets an allocation run happen and returns the offers that it made.
    pub fn offered(&mut self, scheduler: &Scheduler) -> Vec<v1::Offer> {
        self.settle();
        let offers = self.offers(scheduler);
        self.recorded
            .effects
            .retain(|effect| !matches!(effect, Effect::Event { event: SchedulerEvent::Offers(_), .. }));
        offers
    }
}

fn scheduler_event(event: &SchedulerEvent) -> Arc<v1::scheduler::Event> {
    match event {
        SchedulerEvent::Message(event) => event.clone(),
        SchedulerEvent::Offers(offers) => Arc::new(offers.to_proto()),
    }
}

pub fn framework_info() -> v1::FrameworkInfo {
    use capability::Type::{MultiRole, PartitionAware, ReservationRefinement};
    let capabilities = [MultiRole, ReservationRefinement, PartitionAware];
    framework("n").of_user("u").with_roles(&["r"]).checkpointed().with_capabilities(&capabilities)
}

/// Returns the description of a framework from before roles and partitions.
pub fn old_framework_info() -> v1::FrameworkInfo {
    framework("old").of_user("u").checkpointed()
}

/// Returns a command task for the agent of this offer.
pub fn task_on(id: &str, offer: &v1::Offer, text: &str) -> v1::TaskInfo {
    task(id).on(&offer.agent_id.value).with_resources(resources(text)).running("true")
}

pub fn executor_with(id: &str, text: &str) -> v1::ExecutorInfo {
    executor(id, "run").with_resources(resources(text))
}

pub fn reserved(role: &str, text: &str) -> Vec<v1::Resource> {
    resources(text).reserved_for(role)
}

pub fn register(text: &str) -> internal::RegisterSlaveMessage {
    register_agent(agent("host", resources(text)))
}

/// Returns the message of an agent that re-registers without tasks.
pub fn reregister(peer: &AgentPeer, text: &str) -> internal::ReregisterSlaveMessage {
    reregister_agent(&peer.id, agent("host", resources(text)))
}

/// Returns an agent's update of a task that runs under the command executor.
pub fn update(
    agent: &AgentPeer,
    framework: &str,
    task: &str,
    state: v1::TaskState,
    number: u8,
) -> internal::StatusUpdateMessage {
    status_update(framework, &agent.id, Some(task), status(task, state, uuid(number)), &agent.pid.to_string())
}

pub fn without_pings(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| !line.contains("Ping")).collect()
}

/// A cluster in which a framework holds an offer of one agent.
pub struct Scenario {
    pub c: Cluster,
    pub a: AgentPeer,
    pub f: Scheduler,
    pub offer: v1::Offer,
}

/// A cluster in which `F` runs task `t` on `A` and holds an offer of the remaining resources.
pub struct Running {
    pub c: Cluster,
    pub a: AgentPeer,
    pub f: Scheduler,
}

pub fn running(info: v1::FrameworkInfo) -> Running {
    let mut c = Cluster::new();
    let a = c.agent("cpus:4;mem:1024");
    let f = c.subscribe(info);
    let offer = c.offered(&f).remove(0);
    c.call(&f, accept(&[&offer], vec![launch(vec![task_on("t", &offer, "cpus:1;mem:128")])]));
    c.update(&a, &f.id, "t", TaskRunning, 1);
    c.call(&f, acknowledge(&a.id, "t", 1));
    // The resources that the task does not use are offered again after the default refusal.
    c.pass(Duration::from_secs(6));
    c.forget();
    Running { c, a, f }
}
