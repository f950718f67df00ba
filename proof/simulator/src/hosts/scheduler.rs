//! A scheduler over HTTP or as a driver. It launches finite tasks until it reaches its goal, and never forgets one.
//!
//! Its memory is durable and survives its crashes, as the database of a careful framework does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use messages::v1;
use model::{FrameworkId, StreamId, is_terminal};
use resources::Resources;
use v1::scheduler::{Call, Event as SchedulerEvent, call, event};
use v1::{TaskState, framework_info, offer};

use super::driver::{DISCONNECTED, Driver};
use super::scheduler_operations::SchedulerOperations;
use crate::context::Context;
use crate::event::Event;
use crate::network::Packet;
use crate::node::Node;
use crate::run::MIN_STEPS;

const TICK: Duration = Duration::from_secs(10);
/// Masters send heartbeats every 15 seconds.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(60);
/// This is longer than any outage in a simulation.
const FAILOVER_TIMEOUT: f64 = 86_400.0;

#[derive(Debug)]
pub struct SchedulerHost {
    pub index: usize,
    pub incarnation: u64,
    pub is_up: bool,
    /// The framework id. It is durable, as are the tasks and the operations.
    framework: Option<String>,
    tasks: BTreeMap<String, Task>,
    pub operations: SchedulerOperations,
    launched: u64,
    goal: u64,
    /// The master that this incarnation has detected.
    leader: Option<usize>,
    version: u64,
    stream: Option<StreamId>,
    /// The driver that takes the place of an event stream.
    driver: Option<Driver>,
    subscribed: bool,
    /// The time when the master was last heard or asked for a subscription.
    last_heard: Duration,
    offers: BTreeMap<String, v1::Offer>,
    suppressed: bool,
}

#[derive(Debug)]
struct Task {
    agent: v1::AgentId,
    state: TaskState,
    last_heard: Duration,
    kill: bool,
}

impl SchedulerHost {
    pub fn new(index: usize, goal: u64, is_driver: bool) -> Self {
        SchedulerHost {
            index,
            incarnation: 0,
            is_up: false,
            framework: None,
            tasks: BTreeMap::new(),
            operations: SchedulerOperations::new(!is_driver),
            launched: 0,
            goal,
            leader: None,
            version: 0,
            stream: None,
            driver: is_driver.then(Driver::default),
            subscribed: false,
            last_heard: Duration::ZERO,
            offers: BTreeMap::new(),
            suppressed: false,
        }
    }

    fn node(&self) -> Node {
        Node::Scheduler(self.index)
    }

    pub fn framework(&self) -> Option<FrameworkId> {
        self.framework.as_deref().map(FrameworkId::new)
    }

    pub fn unfinished(&self) -> impl Iterator<Item = (&str, TaskState, &str)> {
        // A master that knows neither the task nor its agent has nothing more to report.
        let over = |state| is_terminal(state) || state == TaskState::TaskUnknown;
        let tasks = self.tasks.iter().filter(move |(_, task)| !over(task.state));
        tasks.map(|(id, task)| (id.as_str(), task.state, task.agent.value.as_str()))
    }

    pub fn is_subscribed(&self) -> bool {
        self.subscribed
    }

    pub fn offers(&self) -> BTreeSet<String> {
        self.offers.keys().cloned().collect()
    }

    pub fn start(&mut self, cx: &mut Context) {
        self.incarnation += 1;
        self.is_up = true;
        self.version = 0;
        cx.network.up(self.node());
        cx.notify(self.node());
        cx.within(TICK, Event::Tick { scheduler: self.index, incarnation: self.incarnation });
    }

    pub fn crash(&mut self, cx: &mut Context) {
        self.is_up = false;
        self.leader = None;
        self.restart_driver();
        let events = cx.network.down(cx.time, &mut cx.random, self.node());
        cx.all(events);
    }

    fn disconnect(&mut self) {
        self.stream = None;
        self.subscribed = false;
        self.offers.clear();
    }

    /// Replaces the driver; nothing of the old one continues.
    fn restart_driver(&mut self) {
        if let Some(driver) = &mut self.driver {
            driver.restart();
        }
        self.disconnect();
    }

    pub fn detected(&mut self, cx: &mut Context, leader: Option<usize>, version: u64) {
        if !self.is_up || version < self.version {
            return;
        }
        self.version = version;
        // For drivers a new term of the same master is not visible as a broken stream.
        if self.leader != leader || leader.is_none() || self.driver.is_some() {
            self.leader = leader;
            self.disconnect();
        }
        self.subscribe(cx);
    }

    pub fn broken(&mut self, cx: &mut Context, peer: Node) {
        if self.leader.map(Node::Master) == Some(peer) && self.stream.is_some() {
            self.disconnect();
            cx.within(Duration::from_secs(3), Event::Retry { scheduler: self.index, incarnation: self.incarnation });
        }
    }

    pub fn subscribe(&mut self, cx: &mut Context) {
        let (true, None, Some(leader)) = (self.is_up, self.stream, self.leader) else { return };
        if self.driver.is_some() {
            let subscribe = Some(Box::new(call::Subscribe { framework_info: self.info(), ..Default::default() }));
            return self.send(cx, Call { subscribe, ..of(call::Type::Subscribe) });
        }
        let stream = StreamId(cx.random.uuid());
        self.stream = Some(stream);
        self.last_heard = cx.time;
        let subscribe = Box::new(call::Subscribe { framework_info: self.info(), ..Default::default() });
        cx.trace(|| format!("scheduler-{} subscribes at master-{leader}", self.index));
        cx.send(self.node(), Node::Master(leader), Packet::Subscribe { stream, subscribe });
    }

    /// Returns whether the framework is PARTITION_AWARE. The third scheduler is not.
    fn is_aware(&self) -> bool {
        self.index != 2
    }

    /// Subscribes as another instance, while the master still talks to this one.
    pub fn fail_over(&mut self, cx: &mut Context) {
        self.restart_driver();
        self.subscribe(cx);
    }

    /// Subscribes as a new framework, after an operator has torn the old one down.
    fn torn_down(&mut self, cx: &mut Context) {
        if let Some(framework) = self.framework() {
            cx.checks.tasks.framework_gone(framework.clone());
            cx.checks.torn_down.insert(framework);
        }
        self.framework = None;
        self.tasks.clear();
        self.operations = self.operations.successor();
        self.restart_driver();
    }

    fn info(&self) -> v1::FrameworkInfo {
        use framework_info::capability::Type;
        let capabilities = [Type::MultiRole, Type::PartitionAware, Type::TaskKillingState, Type::ReservationRefinement];
        let known = capabilities.into_iter().filter(|kind| self.is_aware() || *kind != Type::PartitionAware);
        let capability = |kind: Type| framework_info::Capability { r#type: Some(kind as i32) };
        v1::FrameworkInfo {
            user: "user".to_owned(),
            name: format!("framework-{}", self.index),
            id: self.framework.as_ref().map(|id| v1::FrameworkId { value: id.clone() }),
            failover_timeout: Some(FAILOVER_TIMEOUT),
            checkpoint: Some(true),
            roles: vec![format!("role-{}", self.index % 2)],
            capabilities: known.map(capability).collect(),
            ..Default::default()
        }
    }

    fn call(&self, cx: &mut Context, call: Call) {
        if self.subscribed {
            self.send(cx, call);
        }
    }

    fn send(&self, cx: &mut Context, call: Call) {
        let Some(leader) = self.leader else { return };
        let framework_id = self.framework.as_ref().map(|id| v1::FrameworkId { value: id.clone() });
        let call = Box::new(Call { framework_id, ..call });
        cx.trace(|| format!("scheduler-{}: {}", self.index, call.r#type().as_str_name()));
        let packet = match (&self.driver, self.stream) {
            (Some(driver), _) => driver.call(self.node(), &call),
            (None, Some(stream)) => Packet::Call { stream, call },
            (None, None) => return,
        };
        cx.send(self.node(), Node::Master(leader), packet);
    }

    pub fn arrive(&mut self, cx: &mut Context, packet: Packet) {
        match packet {
            Packet::Closed(stream) if self.stream == Some(stream) => {
                self.disconnect();
                // The next tick tries again, because the master that closed the stream may not lead, or not yet.
            }
            Packet::Event { stream, event } if self.stream == Some(stream) => {
                self.last_heard = cx.time;
                self.event(cx, &event);
            }
            Packet::Process { from, to, message } => {
                let leader = self.leader.map(Node::Master);
                let event =
                    self.driver.as_ref().and_then(|driver| driver.event(self.node(), leader, &from, &to, message));
                // A driver ignores other events until it is registered.
                let expected = |event: &SchedulerEvent| {
                    self.subscribed || matches!(event.r#type(), event::Type::Subscribed | event::Type::Error)
                };
                if let Some(event) = event.filter(expected) {
                    self.event(cx, &event);
                }
            }
            _ => {}
        }
    }

    fn event(&mut self, cx: &mut Context, event: &SchedulerEvent) {
        match event.r#type() {
            event::Type::Subscribed => {
                let Some(subscribed) = &event.subscribed else { return };
                let id = &subscribed.framework_id.value;
                if self.framework.as_ref().is_some_and(|own| own != id) {
                    cx.checks.violation(format!("scheduler-{} subscribed as {id}", self.index));
                }
                self.framework = Some(id.clone());
                // A repeated registration of a driver is answered twice.
                if std::mem::replace(&mut self.subscribed, true) {
                    return;
                }
                if let Some(driver) = &mut self.driver {
                    driver.registered();
                }
                self.suppressed = false;
                self.reconcile(cx);
            }
            event::Type::Offers => {
                for offer in event.offers.iter().flat_map(|offers| &offers.offers) {
                    self.offer(cx, offer);
                }
            }
            event::Type::Rescind => {
                if let Some(rescind) = &event.rescind {
                    self.offers.remove(&rescind.offer_id.value);
                }
            }
            event::Type::Update => {
                if let Some(update) = &event.update {
                    self.update(cx, &update.status);
                }
            }
            event::Type::UpdateOperationStatus => {
                if let (Some(update), Some(framework)) = (&event.update_operation_status, self.framework())
                    && let Some(acknowledge) = self.operations.status(cx, &framework, &update.status)
                {
                    self.call(cx, acknowledge);
                }
            }
            event::Type::Message => {
                let answer = event.message.as_ref().map(|message| (&message.executor_id.value, &message.data));
                let expected = self.executor();
                if answer.is_none_or(|(from, data)| *from != expected || *data != format!("{expected}!").into_bytes()) {
                    cx.checks.violation(format!("scheduler-{} gets a message that is not its own", self.index));
                }
                cx.counts.framework_messages += 1;
            }
            event::Type::Error => {
                let message = event.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
                cx.trace(|| format!("scheduler-{} is told: {message}", self.index));
                if message == "Framework has been removed" {
                    return self.torn_down(cx);
                }
                if message == DISCONNECTED && self.driver.is_some() {
                    return self.restart_driver();
                }
                cx.checks.violation(format!("scheduler-{} is refused: {message}", self.index));
            }
            _ => {}
        }
    }

    fn offer(&mut self, cx: &mut Context, offer: &v1::Offer) {
        if self.offers.insert(offer.id.value.clone(), offer.clone()).is_some() {
            cx.checks.violation(format!("offer {} is made twice", offer.id.value));
        }
        // Earlier offers have been rescinded on the same stream, or are part of this sum.
        let outstanding = self.offers.values().filter(|outstanding| outstanding.agent_id == offer.agent_id);
        let outstanding: Resources = outstanding.fold(Resources::new(), |mut sum, outstanding| {
            sum += &Resources::from_proto(&outstanding.resources).unwrap_or_default().unallocated();
            sum
        });
        // A driver may have missed that an offer was rescinded.
        if outstanding.cpus() > 4.0 && self.driver.is_none() {
            let agent = &offer.agent_id.value;
            cx.checks.violation(format!("scheduler-{} is offered more of {agent} than there is", self.index));
        }
        // Some offers are used later.
        if !cx.one_in(4) {
            self.use_offer(cx, &offer.id.value.clone());
        }
    }

    fn use_offer(&mut self, cx: &mut Context, id: &str) {
        let Some(offer) = self.offers.remove(id) else { return };
        let wanted = if self.has_enough(cx) { 0 } else { cx.between(1, 3) };
        let super::scheduler_operations::OfferPlan { mut operations, mut left, volume } =
            self.operations.plan(cx, self.index, &offer);
        let mut tasks = Vec::new();
        for _ in 0..wanted {
            let need = ["cpus:1;mem:512", "cpus:0.5;mem:256", "cpus:2;mem:64"];
            let need = need.get(cx.random.below(3) as usize).copied().unwrap_or_default();
            let role = offer.allocation_info.as_ref().and_then(|info| info.role.clone()).unwrap_or_default();
            let mut need = Resources::parse(need, "*").unwrap_or_default().allocated(&model::Role::new(role));
            if let Some(volume) = volume.as_ref().filter(|_| tasks.is_empty()) {
                need += &Resources::from_proto(std::slice::from_ref(volume)).unwrap_or_default();
            }
            if !left.contains(&need) {
                break;
            }
            left -= &need;
            tasks.push(self.task(cx, &offer, &need));
        }
        let offer_ids = vec![offer.id.clone()];
        let filters = Some(v1::Filters { refuse_seconds: Some(cx.between(0, 20) as f64) });
        if tasks.is_empty() && operations.is_empty() {
            let decline = call::Decline { offer_ids, filters };
            return self.call(cx, Call { decline: Some(Box::new(decline)), ..of(call::Type::Decline) });
        }
        for task in &tasks {
            let entry = Task {
                agent: offer.agent_id.clone(),
                state: TaskState::TaskStaging,
                last_heard: cx.time,
                kill: cx.one_in(6),
            };
            self.tasks.insert(task.task_id.value.clone(), entry);
            cx.counts.tasks_launched += 1;
        }
        if !tasks.is_empty() {
            operations.push(offer::Operation {
                r#type: Some(offer::operation::Type::Launch as i32),
                launch: Some(Box::new(offer::operation::Launch { task_infos: tasks })),
                ..Default::default()
            });
        }
        let accept = call::Accept { offer_ids, operations, filters };
        self.call(cx, Call { accept: Some(Box::new(accept)), ..of(call::Type::Accept) });
    }

    fn task(&mut self, cx: &mut Context, offer: &v1::Offer, need: &Resources) -> v1::TaskInfo {
        self.launched += 1;
        let id = format!("s{}-t{}", self.index, self.launched);
        let command = v1::CommandInfo { value: Some("work".to_owned()), ..Default::default() };
        let mut task = v1::TaskInfo {
            name: id.clone(),
            task_id: v1::TaskId { value: id },
            agent_id: offer.agent_id.clone(),
            resources: need.to_proto(),
            kill_policy: cx.one_in(3).then(|| Box::new(grace(3))),
            ..Default::default()
        };
        if cx.one_in(2) {
            // One executor runs many tasks of this agent.
            task.executor = Some(Box::new(v1::ExecutorInfo {
                executor_id: v1::ExecutorId { value: self.executor() },
                framework_id: offer.framework_id.clone().into(),
                command: Some(Box::new(command)),
                ..Default::default()
            }));
        } else {
            task.command = Some(Box::new(command));
        }
        task
    }

    fn update(&mut self, cx: &mut Context, status: &v1::TaskStatus) {
        let id = &status.task_id.value;
        let state = status.state();
        cx.trace(|| format!("scheduler-{}: {id} is {} ({})", self.index, state.as_str_name(), status.message()));
        let (Some(framework), aware) = (self.framework(), self.is_aware()) else { return };
        match self.tasks.get_mut(id) {
            Some(task) => {
                cx.checks.tasks.delivered(&framework, id, task.state, status, aware);
                if !is_terminal(task.state) || (!aware && task.state == TaskState::TaskLost) {
                    task.state = state;
                }
                task.last_heard = cx.time;
            }
            None => cx.checks.violation(format!("scheduler-{} hears of {id}, which it never launched", self.index)),
        }
        if let Some(uuid) = &status.uuid {
            cx.checks.updates.delivered(&framework, status, uuid);
            let acknowledge = call::Acknowledge {
                agent_id: status.agent_id.clone().unwrap_or_default(),
                task_id: status.task_id.clone(),
                uuid: uuid.clone(),
            };
            self.call(cx, Call { acknowledge: Some(Box::new(acknowledge)), ..of(call::Type::Acknowledge) });
        }
    }

    fn reconcile(&mut self, cx: &mut Context) {
        let tasks = self.tasks.iter().filter(|(_, task)| !is_terminal(task.state));
        let tasks: Vec<call::reconcile::Task> = tasks
            .map(|(id, task)| call::reconcile::Task {
                task_id: v1::TaskId { value: id.clone() },
                agent_id: Some(task.agent.clone()),
            })
            .collect();
        if !tasks.is_empty() {
            let reconcile = call::Reconcile { tasks };
            self.call(cx, Call { reconcile: Some(Box::new(reconcile)), ..of(call::Type::Reconcile) });
        }
        if let Some(call) = self.operations.reconcile(cx, cx.time) {
            self.call(cx, call);
        }
    }

    pub fn tick(&mut self, cx: &mut Context) {
        if !self.is_up {
            return;
        }
        // Four heartbeats were missed: the connection is broken without notice.
        if self.stream.is_some() && cx.time > self.last_heard + HEARTBEAT_TIMEOUT {
            self.disconnect();
        }
        if !self.subscribed {
            self.subscribe(cx);
        } else {
            let outstanding: Vec<String> = self.offers.keys().cloned().collect();
            for offer in outstanding {
                if cx.one_in(3) || cx.faults_ended {
                    self.use_offer(cx, &offer);
                }
            }
            let quiet = cx.time.saturating_sub(Duration::from_secs(60));
            if self.tasks.values().any(|task| !is_terminal(task.state) && task.last_heard < quiet) {
                self.reconcile(cx);
            }
            if let Some(call) = self.operations.reconcile(cx, quiet) {
                self.call(cx, call);
            }
            if self.driver.is_some() && cx.one_in(3) {
                // An implicit reconciliation covers everything. A scheduler that never asks never learns that the
                // master considers it disconnected.
                self.call(cx, Call { reconcile: Some(Box::default()), ..of(call::Type::Reconcile) });
            }
            self.kill(cx);
            if cx.one_in(3) && !cx.faults_ended {
                self.send_executor_message(cx);
            }
            self.adjust_suppression(cx);
        }
        cx.within(TICK * 2, Event::Tick { scheduler: self.index, incarnation: self.incarnation });
    }

    fn kill(&mut self, cx: &mut Context) {
        let Some((id, task)) = self.tasks.iter_mut().find(|(_, task)| task.kill && !is_terminal(task.state)) else {
            return;
        };
        // Repeating a kill at every tick would hide the effect of a lost kill.
        task.kill = cx.random.below(3) == 0;
        let kill = call::Kill {
            task_id: v1::TaskId { value: id.clone() },
            agent_id: Some(task.agent.clone()),
            kill_policy: cx.one_in(2).then(|| Box::new(grace(5))),
        };
        self.call(cx, Call { kill: Some(Box::new(kill)), ..of(call::Type::Kill) });
    }

    /// Returns whether the goal is reached, or nothing new may begin.
    fn has_enough(&self, cx: &Context) -> bool {
        cx.faults_ended || (self.launched >= self.goal && cx.counts.steps >= MIN_STEPS)
    }

    /// Sends a message to an executor of its own; delivery is not guaranteed.
    fn send_executor_message(&mut self, cx: &mut Context) {
        let executor = self.executor();
        let Some(task) = self.tasks.values().find(|task| task.state == TaskState::TaskRunning) else { return };
        let message = call::Message {
            agent_id: task.agent.clone(),
            executor_id: v1::ExecutorId { value: executor.clone() },
            data: format!("{executor}?").into_bytes(),
        };
        self.call(cx, Call { message: Some(Box::new(message)), ..of(call::Type::Message) });
    }

    /// Returns the id of the executor that custom tasks share on each agent.
    fn executor(&self) -> String {
        format!("s{}-executor", self.index)
    }

    /// Suppresses offers when nothing is left to launch, and revives them otherwise.
    fn adjust_suppression(&mut self, cx: &mut Context) {
        let enough = self.has_enough(cx);
        if enough == self.suppressed {
            return;
        }
        self.suppressed = enough;
        let kind = if enough { call::Type::Suppress } else { call::Type::Revive };
        self.call(cx, of(kind));
    }
}

fn of(kind: call::Type) -> Call {
    Call { r#type: Some(kind as i32), ..Default::default() }
}

fn grace(seconds: i64) -> v1::KillPolicy {
    v1::KillPolicy { grace_period: Some(v1::DurationInfo { nanoseconds: seconds * 1_000_000_000 }) }
}
