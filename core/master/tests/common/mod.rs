//! A simulated cluster: one master, and the messages between it and its peers. Time passes only when a test lets it
//! pass.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod operators;
mod show;

use machine::StateMachine;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use machine::CallResponse;
use machine::StoreToken;
use master::{
    Caller, Config, Effect, Input, Master, Metrics, OperatorCall, Outbox, PeerMessage, RegistryOperation,
    RegistryState, SchedulerCall, SchedulerEvent, SchedulerSubscribe, Timer,
};
use messages::{Message, internal, v1};
use model::master::Change;
use model::{Monotonic, Now, ReplyId, StreamId, Timestamp, Upid};

#[allow(unused_imports)]
pub use v1::TaskState::*;

pub struct Cluster {
    pub master: Master,
    pub metrics: Arc<Metrics>,
    /// The durable state.
    pub registry: RegistryState,
    config: Config,
    masters: u32,
    now: Duration,
    timers: BTreeMap<Timer, Monotonic>,
    /// While it is set, records are not confirmed.
    pub disk_is_slow: bool,
    /// The agents that do not answer pings.
    pub silent: BTreeSet<Upid>,
    unconfirmed: VecDeque<(StoreToken, RegistryOperation)>,
    next_reply: u64,
    next_stream: u128,
    pub replies: BTreeMap<ReplyId, Vec<CallResponse>>,
    /// The effects since the last query, in order.
    pub effects: Vec<Effect>,
    pub changes: Vec<Change>,
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

    /// Creates a master with the registry of the one before it.
    pub fn taking_over(registry: RegistryState, configure: impl FnOnce(&mut Config)) -> Self {
        let mut cluster = Self::before_election(registry, configure);
        cluster.deliver(Input::Elected);
        cluster
    }

    fn before_election(registry: RegistryState, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("127.0.0.1:5050".parse().unwrap(), "master.example");
        config.master_id = Some("m".to_owned());
        configure(&mut config);
        let metrics = Arc::new(Metrics::default());
        Cluster {
            master: Master::new(config.clone(), [7; 32], metrics.clone(), registry.clone()),
            metrics,
            registry,
            config,
            masters: 1,
            now: Duration::from_secs(1000),
            timers: BTreeMap::new(),
            disk_is_slow: false,
            silent: BTreeSet::new(),
            unconfirmed: VecDeque::new(),
            next_reply: 0,
            next_stream: 1,
            replies: BTreeMap::new(),
            effects: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Ends the master with everything that is not durable; another one takes over: `m2`, `m3` and so on.
    pub fn fail_over(&mut self) {
        self.masters += 1;
        let id = format!("m{}", self.masters);
        self.config.master_id = Some(id);
        self.unconfirmed.clear();
        self.timers.clear();
        self.forget();
        self.metrics = Arc::new(Metrics::default());
        let entries = self.registry.entries();
        self.registry = RegistryState::from_entries(entries).unwrap();
        self.master = Master::new(self.config.clone(), [7; 32], self.metrics.clone(), self.registry.clone());
        self.deliver(Input::Elected);
    }

    pub fn now(&self) -> Now {
        Now { monotonic: Monotonic::from_start(self.now), wall: Timestamp::from_nanos(self.now.as_nanos() as u64) }
    }

    /// Delivers an input, with everything that follows from it while no time passes.
    pub fn deliver(&mut self, input: Input) {
        let mut out = Outbox::default();
        self.master.step(self.now(), input, &mut out);
        let mut pongs = Vec::new();
        for effect in out.drain() {
            match &effect {
                Effect::Arm { timer, at } => drop(self.timers.insert(timer.clone(), *at)),
                Effect::Disarm(timer) => drop(self.timers.remove(timer)),
                Effect::Store { token, record: operation } => self.unconfirmed.push_back((*token, operation.clone())),
                Effect::Reply { reply, response: answer } => {
                    self.replies.entry(*reply).or_default().push(answer.clone())
                }
                Effect::Publish(change) => self.changes.push(change.clone()),
                Effect::Send { from, to, message: Message::PingSlave(_) } if !self.silent.contains(to) => {
                    pongs.push((from.clone(), to.clone()));
                }
                _ => {}
            }
            self.effects.push(effect);
        }
        for (observer, agent) in pongs {
            self.send_to(&observer, &agent, internal::PongSlaveMessage {});
        }
        if !self.disk_is_slow {
            self.confirm();
        }
    }

    /// Confirms all records.
    pub fn confirm(&mut self) {
        while let Some((token, operation)) = self.unconfirmed.pop_front() {
            self.registry.apply(&operation);
            self.deliver(Input::Stored(token));
        }
    }

    /// Lets time pass; timers fire on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((timer, at)) = self.timers.iter().min_by_key(|(_, at)| **at).map(|(t, at)| (t.clone(), *at)) {
            if at.since_start() > end {
                break;
            }
            self.now = self.now.max(at.since_start());
            self.timers.remove(&timer);
            self.deliver(Input::Timer(timer));
        }
        self.now = end;
    }

    /// Lets time pass for an allocation run, but not until an offer filter ends.
    pub fn settle(&mut self) {
        self.pass(Duration::from_millis(20));
    }

    pub fn timers(&self) -> impl Iterator<Item = &Timer> {
        self.timers.keys()
    }

    // ---- schedulers

    pub fn subscribe(&mut self, info: v1::FrameworkInfo) -> Scheduler {
        self.subscribe_with(v1::scheduler::call::Subscribe { framework_info: info, ..Default::default() })
    }

    pub fn subscribe_with(&mut self, subscribe: v1::scheduler::call::Subscribe) -> Scheduler {
        let stream = StreamId(uuid::Uuid::from_u128(self.next_stream));
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
        call.framework_id = Some(v1::FrameworkId { value: id.to_owned() });
        let reply = self.reply_id();
        self.deliver(Input::SchedulerCall(SchedulerCall {
            reply,
            caller: Caller::default(),
            stream,
            call: Box::new(call),
        }));
        self.answer(reply)
    }

    pub fn operator(&mut self, call: v1::master::Call) -> CallResponse {
        let reply = self.ask(call);
        self.answer(reply)
    }

    /// Makes a call whose response may come later.
    pub fn ask(&mut self, call: v1::master::Call) -> ReplyId {
        let reply = self.reply_id();
        self.deliver(Input::OperatorCall(OperatorCall { reply, caller: Caller::default(), call: Box::new(call) }));
        reply
    }

    pub fn answers(&self, reply: ReplyId) -> &[CallResponse] {
        self.replies.get(&reply).map(Vec::as_slice).unwrap_or_default()
    }

    fn reply_id(&mut self) -> ReplyId {
        self.next_reply += 1;
        ReplyId(self.next_reply)
    }

    fn answer(&self, reply: ReplyId) -> CallResponse {
        let answers = &self.replies[&reply];
        assert_eq!(answers.len(), 1, "a request is answered once");
        answers[0].clone()
    }

    pub fn hang_up(&mut self, scheduler: &Scheduler) {
        self.deliver(Input::StreamClosed(scheduler.stream));
    }

    // ---- agents and drivers

    pub fn send(&mut self, from: &Upid, message: impl Into<Message>) {
        self.send_to("master", from, message);
    }

    pub fn send_to(&mut self, to: &str, from: &Upid, message: impl Into<Message>) {
        self.deliver(Input::Message(PeerMessage {
            from: from.clone(),
            caller: Caller::default(),
            to: to.to_owned(),
            message: message.into(),
        }));
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
        let pid: Upid = pid.parse().unwrap();
        self.send(&pid, register(resources));
        let id = self
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

    /// An agent reports a state of a task, to be acknowledged with `uuid`.
    pub fn update(&mut self, agent: &AgentPeer, framework: &str, task: &str, state: v1::TaskState, uuid: u8) {
        let update = update(agent, framework, task, state, uuid);
        self.send(&agent.pid, update);
    }

    pub fn exited(&mut self, address: SocketAddrV4) {
        self.deliver(Input::Exited(address));
    }

    // ---- results

    pub fn events(&self, stream: StreamId) -> Vec<Arc<v1::scheduler::Event>> {
        let on = |effect: &Effect| match effect {
            Effect::Event { stream: other, event: SchedulerEvent::Message(event) } if *other == stream => {
                Some(event.clone())
            }
            Effect::Event { stream: other, event: SchedulerEvent::Offers(offers) } if *other == stream => {
                Some(Arc::new(offers.to_proto()))
            }
            _ => None,
        };
        self.effects.iter().filter_map(on).collect()
    }

    pub fn sent_to(&self, pid: &Upid) -> Vec<Message> {
        let to = |effect: &Effect| match effect {
            Effect::Send { to, message, .. } if to == pid => Some(message.clone()),
            _ => None,
        };
        self.effects.iter().filter_map(to).collect()
    }

    /// Returns the events for a scheduler since the last query, one line each.
    pub fn heard(&mut self, scheduler: &Scheduler) -> Vec<String> {
        self.look(|effect| match effect {
            Effect::Event { stream, event: SchedulerEvent::Message(event) } if *stream == scheduler.stream => {
                Some(show::event(event))
            }
            Effect::Event { stream, event: SchedulerEvent::Offers(offers) } if *stream == scheduler.stream => {
                Some(show::event(&offers.to_proto()))
            }
            Effect::CloseStream(stream) if *stream == scheduler.stream => Some("end of stream".to_owned()),
            _ => None,
        })
    }

    /// Returns the messages to a libprocess peer since the last query, one line each.
    pub fn received(&mut self, pid: &Upid) -> Vec<String> {
        self.look(|effect| match effect {
            Effect::Send { to, message, from } if to == pid => Some(show::message(from, message)),
            _ => None,
        })
    }

    fn look(&mut self, show: impl Fn(&Effect) -> Option<String>) -> Vec<String> {
        let mut seen = Vec::new();
        self.effects.retain(|effect| match show(effect) {
            Some(line) => {
                seen.push(line);
                false
            }
            None => true,
        });
        seen
    }

    /// Returns all effects since the last query, in order.
    pub fn transcript(&mut self) -> String {
        self.changes.clear();
        self.effects.drain(..).map(|effect| show::effect(&effect)).collect::<Vec<_>>().join("\n")
    }

    pub fn forget(&mut self) {
        self.effects.clear();
        self.changes.clear();
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
        self.effects.retain(|effect| !matches!(effect, Effect::Event { event: SchedulerEvent::Offers(_), .. }));
        offers
    }
}

pub fn framework_info() -> v1::FrameworkInfo {
    with_capabilities(
        v1::FrameworkInfo {
            user: "u".to_owned(),
            name: "n".to_owned(),
            roles: vec!["r".to_owned()],
            checkpoint: Some(true),
            ..Default::default()
        },
        &[
            v1::framework_info::capability::Type::MultiRole,
            v1::framework_info::capability::Type::ReservationRefinement,
            v1::framework_info::capability::Type::PartitionAware,
        ],
    )
}

/// Returns the description of a framework from before roles and partitions.
pub fn old_framework_info() -> v1::FrameworkInfo {
    v1::FrameworkInfo { user: "u".to_owned(), name: "old".to_owned(), checkpoint: Some(true), ..Default::default() }
}

pub fn with_capabilities(
    mut info: v1::FrameworkInfo,
    capabilities: &[v1::framework_info::capability::Type],
) -> v1::FrameworkInfo {
    let capability =
        |kind: &v1::framework_info::capability::Type| v1::framework_info::Capability { r#type: Some(*kind as i32) };
    info.capabilities = capabilities.iter().map(capability).collect();
    info
}

pub fn returning(mut info: v1::FrameworkInfo, id: &str) -> v1::FrameworkInfo {
    info.id = Some(v1::FrameworkId { value: id.to_owned() });
    info
}

/// Parses `cpus:4;mem:1024;ports:[1-2]` in the syntax of `--resources`.
pub fn resources(text: &str) -> Vec<v1::Resource> {
    resources::Resources::parse(text, "*").unwrap().to_proto()
}

pub fn register(resources_text: &str) -> internal::RegisterSlaveMessage {
    internal::RegisterSlaveMessage {
        slave: v1::AgentInfo {
            hostname: "host".to_owned(),
            resources: resources(resources_text),
            port: Some(5051),
            ..Default::default()
        },
        version: Some("1.11.0".to_owned()),
        agent_capabilities: agent_capabilities(),
        resource_version_uuid: Some(v1::Uuid { value: vec![9; 16] }),
        ..Default::default()
    }
}

pub fn agent_capabilities() -> Vec<v1::agent_info::Capability> {
    (1..=8).map(|number| v1::agent_info::Capability { r#type: Some(number) }).collect()
}

/// Returns the message of an agent that re-registers without tasks.
pub fn reregister(agent: &AgentPeer, resources_text: &str) -> internal::ReregisterSlaveMessage {
    let registered = register(resources_text);
    let mut slave = registered.slave;
    slave.id = Some(v1::AgentId { value: agent.id.clone() });
    internal::ReregisterSlaveMessage {
        slave,
        version: registered.version,
        agent_capabilities: registered.agent_capabilities,
        resource_version_uuid: registered.resource_version_uuid,
        ..Default::default()
    }
}

pub fn update(
    agent: &AgentPeer,
    framework: &str,
    task: &str,
    state: v1::TaskState,
    uuid: u8,
) -> internal::StatusUpdateMessage {
    let uuid = calls::uuid(uuid);
    internal::StatusUpdateMessage {
        update: internal::StatusUpdate {
            framework_id: v1::FrameworkId { value: framework.to_owned() },
            slave_id: Some(v1::AgentId { value: agent.id.clone() }),
            executor_id: Some(v1::ExecutorId { value: task.to_owned() }),
            status: v1::TaskStatus {
                task_id: v1::TaskId { value: task.to_owned() },
                state: state as i32,
                source: Some(v1::task_status::Source::Executor as i32),
                uuid: Some(uuid.clone()),
                ..Default::default()
            },
            timestamp: 1000.5,
            uuid: Some(uuid),
            latest_state: None,
        },
        pid: Some(agent.pid.to_string()),
    }
}

pub mod calls;
pub mod operations;
