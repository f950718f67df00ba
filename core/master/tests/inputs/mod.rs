//! Every call and message that the master receives, as JSON with places for other values, and its processing like any
//! input: decoding, validation and the step of the core.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on fails")]

use master::{Caller, Input, OperatorCall, SchedulerCall, SchedulerSubscribe};
use messages::Message;
use messages::schema::{HasDescriptor, MessageDescriptor};
use messages::v1;
use model::{ReplyId, StreamId};
use serde_json::{Value, json};
pub use testkit::inputs::Samples;
use wire::Limits;

use crate::common::{self, AgentPeer, Cluster, Scheduler};

/// A cluster in which the calls have an effect.
pub struct PreparedCluster {
    pub cluster: Cluster,
    pub scheduler: Scheduler,
    pub agent: AgentPeer,
    offer: String,
    /// Is called after each input, with the stream that a subscription opened.
    after: fn(&mut Cluster, Option<StreamId>),
}

impl PreparedCluster {
    /// Creates a cluster with one framework and one agent with these resources.
    pub fn new(resources: &str, after: fn(&mut Cluster, Option<StreamId>)) -> Self {
        let mut cluster = Cluster::new();
        let agent = cluster.agent(resources);
        let scheduler = cluster.framework();
        let offer = cluster.offered(&scheduler).first().map(|offer| offer.id.value.clone()).unwrap_or_default();
        cluster.forget();
        PreparedCluster { cluster, scheduler, agent, offer, after }
    }

    /// Returns the ids of the entities in the cluster.
    pub fn samples(&self) -> Samples {
        Samples { framework: self.scheduler.id.clone(), agent: self.agent.id.clone(), offer: self.offer.clone() }
    }

    fn process(&mut self, input: Input) {
        let subscribed = match &input {
            Input::SchedulerSubscribe(subscribe) => Some(subscribe.stream),
            _ => None,
        };
        self.cluster.deliver(input);
        (self.after)(&mut self.cluster, subscribed);
    }
}

/// A kind of input of a master.
pub type InputKind = testkit::inputs::InputKind<PreparedCluster>;

/// Returns all kinds of inputs.
pub fn input_kinds(prepared: &PreparedCluster) -> Vec<InputKind> {
    let kind = |desc: &'static MessageDescriptor, base: Value, process: fn(&mut PreparedCluster, &[u8])| InputKind {
        desc,
        base,
        process: Box::new(process),
    };
    let samples = prepared.samples();
    let json = |message: Vec<u8>| serde_json::from_slice::<Value>(&message).unwrap();
    let framework = json(wire::json::encode(&common::framework_info()));
    let mut updated = framework.clone();
    updated["id"] = json!({"value": samples.framework});
    let mut kinds = vec![
        kind(
            v1::scheduler::Call::desc(),
            json!({"framework_id": {"value": samples.framework}, "update_framework": {"framework_info": updated},
                   "accept": {"offer_ids": [{"value": samples.offer}]}}),
            scheduler_call,
        ),
        kind(
            v1::scheduler::Call::desc(),
            json!({"type": "SUBSCRIBE", "subscribe": {"framework_info": framework}}),
            scheduler_call,
        ),
        kind(v1::master::Call::desc(), json!({}), master_call),
        kind(
            v1::executor::Call::desc(),
            json!({"framework_id": {"value": samples.framework}, "executor_id": {"value": "e"}}),
            executor_call,
        ),
        kind(v1::agent::Call::desc(), json!({}), agent_call),
    ];

    let update = common::update(&prepared.agent, &prepared.scheduler.id, "t", v1::TaskState::TaskRunning, 1);
    let reregister = common::reregister(&prepared.agent, "cpus:1");
    let messages = [
        ("mesos.internal.RegisterSlaveMessage", json(wire::json::encode(&common::register("cpus:1")))),
        ("mesos.internal.ReregisterSlaveMessage", json(wire::json::encode(&reregister))),
        ("mesos.internal.StatusUpdateMessage", json(wire::json::encode(&update))),
        ("mesos.internal.UpdateSlaveMessage", json!({"slave_id": {"value": samples.agent}})),
        ("mesos.internal.UpdateOperationStatusMessage", json!({})),
        ("mesos.internal.ExecutorToFrameworkMessage", json!({})),
        ("mesos.internal.ExitedExecutorMessage", json!({})),
        ("mesos.internal.UnregisterSlaveMessage", json!({})),
        ("mesos.internal.RegisterFrameworkMessage", json!({"framework": framework})),
        ("mesos.internal.ReregisterFrameworkMessage", json!({"framework": framework})),
        ("mesos.internal.LaunchTasksMessage", json!({"framework_id": {"value": samples.framework}})),
        ("mesos.internal.ReconcileTasksMessage", json!({"framework_id": {"value": samples.framework}})),
        ("mesos.internal.ResourceRequestMessage", json!({"framework_id": {"value": samples.framework}})),
        ("tepui.AgentUsage", json!({})),
    ];
    kinds.extend(messages.map(|(name, base)| {
        let Ok(Some(desc)) = Message::descriptor_of(name) else { panic!("{name} has no descriptor") };
        InputKind { desc, base, process: Box::new(peer_message(name)) }
    }));
    kinds
}

fn scheduler_call(prepared: &mut PreparedCluster, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::scheduler::Call>(bytes, &Limits::default()) else { return };
    if validation::scheduler_call::validate(&call, None).is_err() {
        return;
    }
    match call.subscribe {
        Some(subscribe) if call.framework_id.is_none() => {
            prepared.process(Input::SchedulerSubscribe(SchedulerSubscribe {
                stream: StreamId(uuid::Uuid::from_u128(77)),
                caller: Caller::default(),
                subscribe,
            }));
        }
        _ => prepared.process(Input::SchedulerCall(SchedulerCall {
            reply: ReplyId(77),
            caller: Caller::default(),
            stream: Some(Ok(prepared.scheduler.stream)),
            call: Box::new(call),
        })),
    }
}

fn master_call(prepared: &mut PreparedCluster, bytes: &[u8]) {
    let Ok(call) = wire::decode::<v1::master::Call>(bytes, &Limits::default()) else { return };
    if validation::master_call::validate(&call).is_ok() {
        let call = OperatorCall { reply: ReplyId(77), caller: Caller::default(), call: Box::new(call) };
        prepared.process(Input::OperatorCall(call));
    }
}

fn executor_call(_: &mut PreparedCluster, bytes: &[u8]) {
    if let Ok(call) = wire::decode::<v1::executor::Call>(bytes, &Limits::default()) {
        let _ = validation::executor_call::validate(&call);
    }
}

fn agent_call(_: &mut PreparedCluster, bytes: &[u8]) {
    if let Ok(call) = wire::decode::<v1::agent::Call>(bytes, &Limits::default()) {
        let _ = validation::agent_call::validate(&call);
    }
}

fn peer_message(name: &'static str) -> impl Fn(&mut PreparedCluster, &[u8]) {
    move |prepared, bytes| {
        let Ok(message) = wire::decode_message(name, bytes, &Limits::default()) else { return };
        let from = match &message {
            Message::RegisterSlave(_) => "slave(1)@127.0.0.1:7777".parse().unwrap(),
            _ => prepared.agent.pid.clone(),
        };
        prepared.cluster.send(&from, message);
        (prepared.after)(&mut prepared.cluster, None);
    }
}
