//! A master process: a candidate that hosts a master core in a simulated shell while it leads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use failures::{Policy, RemediationAction, Rule};
use machine::{CallResponse, Interpreter, StateMachine, Status, StoreToken};
use master::{
    Caller, Command, Config, Effect, Input, Master, MasterEffects, Metrics, OperatorCall, Outbox, PeerMessage,
    RegistryOperation, SchedulerCall, SchedulerEvent, SchedulerSubscribe, Timer,
};
use messages::{Message, v1};
use model::incident::{Kind, Severity};
use model::master::Change;
use model::{AgentId, Monotonic, ReplyId, StreamId, Upid};

use crate::checks::{RemediationCheck, ResourceAccounting, ViewConsistency};
use crate::context::Context;
use crate::event::Event;
use crate::mutant::Mutant;
use crate::network::Packet;
use crate::node::Node;
use crate::run::Plan;

/// The interval at which readers' views are compared with the master's state. One comparison takes as long as some
/// hundred steps.
const COMPARE: Duration = Duration::from_secs(40);
/// The delay before a failed request to the coordination service is repeated.
const RETRY_DELAY: Duration = Duration::from_secs(2);
/// A master whose registry accepts nothing for this long gives up its leadership.
const STORE_TIMEOUT: Duration = Duration::from_secs(30);
const OFFER_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct MasterHost {
    pub index: usize,
    pub incarnation: u64,
    pub is_up: bool,
    /// The number of seconds by which the wall clock is off.
    pub skew: i64,
    /// The factor by which the disk or the connection of the commits is slower than usual.
    pub store_factor: u32,
    /// The time until which the registry accepts nothing because its disk is full.
    pub store_full: Duration,
    /// The share of agents that the policies may act on at once; `drains` says whether they drain.
    share: f64,
    drains: bool,
    offer_timeout: Option<Duration>,
    session: Option<u64>,
    pub leading: Option<Leading>,
}

/// The state of a leading master.
#[derive(Debug)]
pub struct Leading {
    core: Master,
    epoch: u64,
    timers: BTreeMap<Timer, u64>,
    serial: u64,
    links: BTreeSet<SocketAddrV4>,
    /// The open event streams and the number of the connection that each uses.
    streams: BTreeMap<StreamId, usize>,
    /// Registry operations that wait for the commit under way to end.
    waiting: Vec<(StoreToken, RegistryOperation)>,
    committing: Vec<(StoreToken, RegistryOperation)>,
    /// Whether the operations being committed are durable and the answer is on its way.
    committed: bool,
    replies: u64,
    outbox: Outbox,
    pub accounting: ResourceAccounting,
    pub remediation: RemediationCheck,
    view_consistency: ViewConsistency,
    /// A commit was refused because another master leads.
    fenced: bool,
    /// The agents that operators have asked to mark as gone.
    asked: BTreeMap<ReplyId, AgentId>,
    /// The time of the next comparison of the view with the master's state.
    compare_at: Duration,
}

impl Leading {
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl MasterHost {
    pub fn new(index: usize, plan: &Plan) -> Self {
        MasterHost {
            index,
            incarnation: 0,
            is_up: false,
            skew: 0,
            store_factor: 1,
            store_full: Duration::ZERO,
            share: plan.share,
            drains: plan.drains,
            offer_timeout: plan.drivers.then_some(OFFER_TIMEOUT),
            session: None,
            leading: None,
        }
    }

    fn policy(&self, ping_interval: Duration) -> Policy {
        let mut policy = Policy::new(ping_interval);
        policy.max_share = self.share;
        if self.drains {
            let kinds = [Kind::DiskPressure, Kind::ExecutorCrashLoop];
            policy.rules.extend(kinds.map(|kind| Rule {
                kind,
                severity: Severity::Critical,
                action: RemediationAction::Drain,
            }));
        }
        policy
    }

    fn node(&self) -> Node {
        Node::Master(self.index)
    }

    pub fn start(&mut self, cx: &mut Context) {
        self.incarnation += 1;
        self.is_up = true;
        cx.network.up(self.node());
        self.contend(cx);
    }

    /// Becomes a candidate as soon as the coordination service can be reached.
    pub fn contend(&mut self, cx: &mut Context) {
        if self.session.is_some() {
            return;
        }
        if cx.reaches_coordination(self.index) {
            self.session = Some(cx.open_session(self.index, self.incarnation));
        } else {
            cx.after(RETRY_DELAY, Event::Contend { master: self.index, incarnation: self.incarnation });
        }
    }

    /// Ends the process. The first part of a group that was being committed may have been applied, because the group
    /// travels in several requests.
    pub fn crash(&mut self, cx: &mut Context) {
        self.is_up = false;
        if let Some(leading) = &self.leading {
            let sent = cx.between(0, leading.committing.len() as u64) as usize;
            let sent: Vec<_> = leading.committing.iter().take(sent).map(|(_, operation)| operation.clone()).collect();
            if !leading.committed && self.can_write(cx) && cx.one_in(2) {
                cx.coordination.commit(leading.epoch, &sent);
            }
        }
        self.leading = None;
        self.session = None;
        let events = cx.network.down(cx.time, &mut cx.random, self.node());
        cx.all(events);
    }

    /// Hands leadership over: the session ends at once and the process continues as a follower.
    pub fn hand_over(&mut self, cx: &mut Context) {
        self.step_down(cx);
        let Some(session) = self.session.take() else { return };
        if cx.reaches_coordination(self.index) {
            cx.close_session(session);
        } else {
            cx.abandon_session(session);
        }
        self.contend(cx);
    }

    /// Handles a session from which nothing was heard since `since`.
    pub fn session_lost(&mut self, cx: &mut Context, session: u64, since: Duration) {
        if self.session != Some(session) || !cx.is_session_lost(session, since) {
            return;
        }
        cx.trace(|| format!("master-{} lost its session", self.index));
        self.step_down(cx);
        cx.abandon_session(session);
        self.session = None;
        self.contend(cx);
    }

    /// Drops the core together with all effects that it might still have. The connections of its peers end.
    fn step_down(&mut self, cx: &mut Context) {
        if self.leading.take().is_some() {
            cx.trace(|| format!("master-{} steps down", self.index));
            let events = cx.network.down(cx.time, &mut cx.random, self.node());
            cx.all(events);
            cx.network.up(self.node());
        }
    }

    pub fn elected(&mut self, cx: &mut Context, session: u64) {
        if self.session != Some(session) || !self.is_up || self.leading.is_some() || !cx.has_session(session) {
            return;
        }
        if !cx.reaches_coordination(self.index) {
            // A master leads only after the coordination service has confirmed it.
            return cx
                .after(RETRY_DELAY, Event::Elected { master: self.index, incarnation: self.incarnation, session });
        }
        let (epoch, registry) = cx.coordination.take_over(self.index, self.incarnation);
        let mut config = Config::new(self.node().address(), format!("master-{}", self.index));
        config.offer_timeout = self.offer_timeout;
        config.agent_reregister_timeout = Duration::from_secs(600);
        let policy = self.policy(config.agent_ping_timeout);
        let share = if cx.mutant == Some(Mutant::IgnoreShare) { 1.0 } else { policy.max_share };
        config.recovery_policy = Some(Policy { max_share: share, ..policy.clone() });
        let core = Master::new(config, cx.seed(), Arc::new(Metrics::default()), registry);
        cx.trace(|| format!("master-{} leads in epoch {epoch} as {}", self.index, core.master_id()));
        self.leading = Some(Leading {
            core,
            epoch,
            timers: BTreeMap::new(),
            serial: 0,
            links: BTreeSet::new(),
            streams: BTreeMap::new(),
            waiting: Vec::new(),
            committing: Vec::new(),
            committed: false,
            replies: 0,
            outbox: Outbox::default(),
            accounting: ResourceAccounting::default(),
            remediation: RemediationCheck::new(policy),
            view_consistency: ViewConsistency::default(),
            fenced: false,
            asked: BTreeMap::new(),
            compare_at: Duration::ZERO,
        });
        self.step(cx, Input::Elected);
    }

    pub fn leads_in(&self, epoch: u64) -> bool {
        self.leading.as_ref().is_some_and(|leading| leading.epoch == epoch)
    }

    pub fn info(&self) -> Option<&v1::MasterInfo> {
        self.leading.as_ref().map(|leading| leading.core.info())
    }

    pub fn arrive(&mut self, cx: &mut Context, from: Node, packet: Packet) {
        let Some(leading) = &mut self.leading else {
            // A follower tells schedulers only that it does not lead.
            if let Packet::Subscribe { stream, .. } = packet {
                cx.send(self.node(), from, Packet::Closed(stream));
            }
            return;
        };
        let input = match packet {
            Packet::Process { from, to, message } => {
                Input::Message(PeerMessage { from, caller: Caller::default(), to, message })
            }
            Packet::Subscribe { stream, subscribe } => {
                if let Node::Scheduler(scheduler) = from {
                    leading.streams.insert(stream, scheduler);
                }
                Input::SchedulerSubscribe(SchedulerSubscribe { stream, caller: Caller::default(), subscribe })
            }
            Packet::Call { stream, call } => {
                leading.replies += 1;
                let reply = ReplyId(leading.replies);
                Input::SchedulerCall(SchedulerCall { reply, caller: Caller::default(), stream: Some(Ok(stream)), call })
            }
            Packet::Event { .. } | Packet::Closed(_) => return,
        };
        self.step(cx, input);
    }

    pub fn operator(&mut self, cx: &mut Context, call: v1::master::Call) {
        let Some(leading) = &mut self.leading else { return };
        leading.replies += 1;
        let reply = ReplyId(leading.replies);
        cx.trace(|| format!("an operator asks: {}", call.r#type().as_str_name()));
        if let Some(gone) = &call.mark_agent_gone {
            leading.asked.insert(reply, AgentId::from(&gone.agent_id));
        }
        self.step(cx, Input::OperatorCall(OperatorCall { reply, caller: Caller::default(), call: Box::new(call) }));
    }

    pub fn broken(&mut self, cx: &mut Context, peer: Node) {
        let Some(leading) = &mut self.leading else { return };
        let mut inputs = Vec::new();
        if let Node::Scheduler(scheduler) = peer {
            let streams: Vec<StreamId> =
                leading.streams.iter().filter(|(_, of)| **of == scheduler).map(|(stream, _)| *stream).collect();
            inputs.extend(streams.into_iter().map(Input::StreamClosed));
        }
        if leading.links.contains(&peer.address()) {
            inputs.push(Input::Exited(peer.address()));
        }
        for input in inputs {
            if let (Input::StreamClosed(stream), Some(leading)) = (&input, &mut self.leading) {
                leading.streams.remove(stream);
            }
            self.step(cx, input);
        }
    }

    pub fn timer(&mut self, cx: &mut Context, timer: Timer, serial: u64) {
        let Some(leading) = &mut self.leading else { return };
        if leading.timers.get(&timer) == Some(&serial) {
            leading.timers.remove(&timer);
            self.step(cx, Input::Timer(timer));
        }
    }

    /// Delivers the commit in progress to the coordination service.
    pub fn commit(&mut self, cx: &mut Context) {
        let Some(leading) = &mut self.leading else { return };
        let (tokens, operations): (Vec<_>, Vec<_>) = leading.committing.iter().cloned().unzip();
        let (epoch, writable) = (leading.epoch, self.can_write(cx));
        if !writable && cx.mutant != Some(Mutant::IgnoreFence) {
            // The commit waits and is tried again for a limited time.
            if self.store_full > cx.time + STORE_TIMEOUT {
                cx.trace(|| format!("master-{} cannot write", self.index));
                return self.hand_over(cx);
            }
            return cx.after(Duration::from_secs(1), Event::Commit { master: self.index, epoch });
        }
        let lost = cx.mutant == Some(Mutant::LoseCommit) && cx.one_in(4);
        let (master, incarnation) = (self.index, self.incarnation);
        // With this planted bug the fence is open.
        let claimed = if cx.mutant == Some(Mutant::WriteAfterTerm) { cx.coordination.epoch() } else { epoch };
        let accepted = lost || writable && cx.coordination.commit(claimed, &operations);
        if accepted && !lost && !cx.coordination.is_held_by(master, incarnation) {
            cx.checks.violation(format!("master-{master} writes in the epoch of another"));
        }
        if let Some(leading) = &mut self.leading {
            leading.committed = true;
        }
        cx.within(Duration::from_millis(20), Event::Committed { master, epoch, tokens, fenced: !accepted });
    }

    fn can_write(&self, cx: &Context) -> bool {
        cx.reaches_coordination(self.index) && cx.time >= self.store_full
    }

    pub fn committed(&mut self, cx: &mut Context, tokens: Vec<StoreToken>, fenced: bool) {
        if fenced && cx.mutant != Some(Mutant::IgnoreFence) {
            cx.trace(|| format!("master-{} is fenced", self.index));
            // A master that cannot lead must not remain the first candidate.
            return self.hand_over(cx);
        }
        if let Some(leading) = &mut self.leading {
            leading.fenced |= fenced;
            leading.committing.clear();
            leading.committed = false;
        }
        for token in tokens {
            self.step(cx, Input::Stored(token));
        }
        self.check_registry(cx);
        self.commit_waiting(cx);
    }

    /// Checks that the master's registry equals the stored one while no commit is in progress.
    fn check_registry(&mut self, cx: &mut Context) {
        let Some(leading) = &self.leading else { return };
        if !leading.committing.is_empty() {
            return;
        }
        match cx.coordination.registry_of(leading.epoch) {
            Some(stored) if stored == leading.core.registry() => {}
            Some(_) => cx.checks.violation(format!("master-{} took for durable what is not", self.index)),
            // The master was deposed between the commit and its answer. The answer is true, and its next commit is
            // refused.
            None if leading.fenced => {
                cx.checks.violation(format!("master-{} goes on in an epoch that is over", self.index));
            }
            None => {}
        }
    }

    fn commit_waiting(&mut self, cx: &mut Context) {
        let Some(leading) = &mut self.leading else { return };
        if leading.committing.is_empty() && !leading.waiting.is_empty() {
            leading.committing = std::mem::take(&mut leading.waiting);
            cx.within(
                Duration::from_millis(50) * self.store_factor,
                Event::Commit { master: self.index, epoch: leading.epoch },
            );
        }
    }

    fn step(&mut self, cx: &mut Context, input: Input) {
        let Some(leading) = &mut self.leading else { return };
        let mut outbox = std::mem::take(&mut leading.outbox);
        let now = cx.now(self.skew);
        cx.counts.steps += 1;
        leading.core.step(now, input, &mut outbox);
        let mut effects: Vec<Effect> = outbox.drain().collect();
        leading.outbox = outbox;
        if let Err(violation) = leading.accounting.read(&effects) {
            cx.checks.violation(format!("master-{}: {violation}", self.index));
        }
        if let Err(violation) = leading.remediation.read(cx.time, &effects) {
            cx.checks.violation(format!("master-{}: {violation}", self.index));
        }
        leading.view_consistency.read(&effects);
        if cx.time >= leading.compare_at {
            leading.compare_at = cx.time + cx.up_to(COMPARE);
            if let Err(violation) = leading.view_consistency.compare(&leading.core) {
                cx.checks.violation(format!("master-{}: {violation}", self.index));
            }
        }
        let mut interpreter = MasterInterpreter { host: self, cx };
        effects.drain(..).for_each(|effect| interpreter.interpret(effect));
        self.commit_waiting(cx);
    }

    fn published(&mut self, cx: &mut Context, change: &Change) {
        if let Change::AgentAdded(agent) = change {
            cx.trace(|| format!("master-{}: agent {} is here", self.index, agent.id));
            let leads =
                self.leading.as_ref().is_some_and(|leading| cx.coordination.registry_of(leading.epoch).is_some());
            if leads && cx.checks.gone.contains(&agent.id) {
                cx.checks.violation(format!("agent {} is back, and was gone for good", agent.id));
            }
        }
    }
}

/// Carries out the effects of a leading master on the simulated cluster. Effects that follow a step-down in the same
/// step are lost.
struct MasterInterpreter<'a> {
    host: &'a mut MasterHost,
    cx: &'a mut Context,
}

impl MasterInterpreter<'_> {
    fn leading(&mut self) -> Option<&mut Leading> {
        self.host.leading.as_mut()
    }
}

impl Interpreter<MasterEffects> for MasterInterpreter<'_> {
    fn reply(&mut self, reply: ReplyId, response: CallResponse) {
        let Some(leading) = self.leading() else { return };
        if let Some(agent) = leading.asked.remove(&reply).filter(|_| response.status == Status::Ok) {
            self.cx.trace(|| format!("agent {agent} is gone for good"));
            self.cx.checks.gone.insert(agent);
        }
    }

    fn event(&mut self, stream: StreamId, event: SchedulerEvent) {
        let event = match event {
            SchedulerEvent::Message(event) => event,
            SchedulerEvent::Offers(offers) => Arc::new(offers.to_proto()),
        };
        let forgets = self.cx.mutant == Some(Mutant::ForgetRescind);
        if self.host.leading.is_none() || forgets && event.rescind.is_some() && self.cx.one_in(2) {
            return;
        }
        let node = self.host.node();
        if let Some(scheduler) = self.leading().and_then(|leading| leading.streams.get(&stream).copied()) {
            self.cx.send(node, Node::Scheduler(scheduler), Packet::Event { stream, event });
        }
    }

    fn close_stream(&mut self, stream: StreamId) {
        let node = self.host.node();
        if let Some(scheduler) = self.leading().and_then(|leading| leading.streams.remove(&stream)) {
            self.cx.send(node, Node::Scheduler(scheduler), Packet::Closed(stream));
        }
    }

    fn send(&mut self, from: Arc<str>, to: Upid, mut message: Message) {
        if self.cx.mutant == Some(Mutant::ForgetUndo)
            && let Message::PingSlave(ping) = &mut message
        {
            // A ping that is missing would make the agent register again as well.
            ping.connected = true;
        }
        let node = self.host.node();
        if let (Some(_), Some(peer)) = (self.leading(), Node::at(to.address)) {
            self.cx.trace(|| format!("{node} -> {peer}: {}", crate::network::brief(&message)));
            let from = Upid::new(from, node.address());
            self.cx.send(node, peer, Packet::Process { from, to: to.id.to_string(), message });
        }
    }

    fn link(&mut self, address: SocketAddrV4) {
        if let Some(leading) = self.leading() {
            leading.links.insert(address);
        }
    }

    fn unlink(&mut self, address: SocketAddrV4) {
        if let Some(leading) = self.leading() {
            leading.links.remove(&address);
        }
    }

    fn arm(&mut self, timer: Timer, at: Monotonic) {
        let master = self.host.index;
        let Some(leading) = self.leading() else { return };
        leading.serial += 1;
        let (serial, epoch) = (leading.serial, leading.epoch);
        leading.timers.insert(timer.clone(), serial);
        self.cx.at(at.since_start(), Event::MasterTimer { master, epoch, timer, serial });
    }

    fn disarm(&mut self, timer: Timer) {
        if let Some(leading) = self.leading() {
            leading.timers.remove(&timer);
        }
    }

    fn store(&mut self, token: StoreToken, operation: RegistryOperation) {
        if let Some(leading) = self.leading() {
            leading.waiting.push((token, operation));
        }
    }

    fn publish(&mut self, change: Change) {
        self.host.published(self.cx, &change);
    }

    fn command(&mut self, command: Command) {
        match command {
            // Streams are known since their SUBSCRIBE.
            Command::SessionOpened { .. } => {}
        }
    }
}
