//! The whole cluster and the handling of its events, one after the other.

use std::time::Duration;

use messages::v1;
use model::{FrameworkId, Random};

use crate::context::Context;
use crate::event::Event;
use crate::faults::{Fault, OperatorAction};
use crate::hosts::{AgentHost, Leading, MasterHost, SchedulerHost, operator_call, operator_release};
use crate::mutant::Mutant;
use crate::network::{Delivery, Network, Packet};
use crate::node::Node;
use crate::run::Plan;

/// The nodes of the cluster and the state that they share.
#[derive(Debug)]
pub struct World {
    pub cx: Context,
    pub masters: Vec<MasterHost>,
    pub agents: Vec<AgentHost>,
    pub schedulers: Vec<SchedulerHost>,
}

impl World {
    pub fn new(plan: &Plan, mutant: Option<Mutant>, traced: bool) -> Self {
        let (mut random, size, conditions, goal) = (plan.random.clone(), plan.size, plan.conditions, plan.goal);
        let seed = random.next_u64();
        let cx = Context::new(Random::from_u64(seed), Network::new(conditions), mutant, traced);
        let mut world = World {
            cx,
            masters: (0..size.masters).map(|index| MasterHost::new(index, plan)).collect(),
            agents: (0..size.agents).map(AgentHost::new).collect(),
            schedulers: (0..size.schedulers)
                .map(|index| SchedulerHost::new(index, goal, plan.drivers && index % 2 == 0))
                .collect(),
        };
        world.cx.checks.tasks.late_answers = conditions.repeat_one_in > 0 || (plan.drivers && conditions.adversarial);
        for master in &mut world.masters {
            master.start(&mut world.cx);
        }
        for agent in &mut world.agents {
            agent.start(&mut world.cx);
        }
        for scheduler in &mut world.schedulers {
            scheduler.start(&mut world.cx);
        }
        world
    }

    /// Handles the next event. Returns false when there is none before `end`.
    pub fn advance(&mut self, end: Duration) -> bool {
        if self.cx.next_time().is_none_or(|at| at > end) {
            return false;
        }
        let Some(event) = self.cx.next() else { return false };
        self.happens(event);
        if std::mem::take(&mut self.cx.announce) {
            let agents = (0..self.agents.len()).map(Node::Agent);
            for node in agents.chain((0..self.schedulers.len()).map(Node::Scheduler)) {
                self.cx.notify(node);
            }
        }
        true
    }

    fn happens(&mut self, event: Event) {
        let cx = &mut self.cx;
        match event {
            Event::Arrive { from, to, number, packet } => self.arrive(from, to, number, *packet),
            Event::ConnectionTimeout { a, b, number } => {
                let events = cx.network.time_out(cx.time, &mut cx.random, a, b, number);
                cx.all(events);
            }
            Event::Broken { node, peer } => self.broken(node, peer),
            Event::MasterTimer { master, epoch, timer, serial } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leads_in(epoch)) {
                    master.timer(cx, timer, serial);
                }
            }
            Event::AgentTimer { agent, incarnation, timer, serial } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.incarnation == incarnation) {
                    agent.timer(cx, timer, serial);
                }
            }
            Event::Flushed { agent, incarnation } => {
                if let Some(agent) =
                    self.agents.get_mut(agent).filter(|agent| agent.incarnation == incarnation && agent.is_up())
                {
                    agent.flushed(cx);
                }
            }
            Event::Stored { agent, incarnation, token } => {
                if let Some(agent) =
                    self.agents.get_mut(agent).filter(|agent| agent.incarnation == incarnation && agent.is_up())
                {
                    agent.stored(cx, token);
                }
            }
            Event::Volumes { agent, incarnation, number } => {
                if let Some(agent) =
                    self.agents.get_mut(agent).filter(|agent| agent.incarnation == incarnation && agent.is_up())
                {
                    agent.volumes(cx, number);
                }
            }
            Event::Commit { master, epoch } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leads_in(epoch)) {
                    master.commit(cx);
                }
            }
            Event::Committed { master, epoch, tokens, fenced } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leads_in(epoch)) {
                    master.committed(cx, tokens, fenced);
                }
            }
            Event::SessionExpires { session, since } => cx.session_expires(session, since),
            Event::SessionLost { master, incarnation, session, since } => {
                if let Some(master) =
                    self.masters.get_mut(master).filter(|master| master.incarnation == incarnation && master.is_up)
                {
                    master.session_lost(cx, session, since);
                }
            }
            Event::Contend { master, incarnation } => {
                if let Some(master) =
                    self.masters.get_mut(master).filter(|master| master.incarnation == incarnation && master.is_up)
                {
                    master.contend(cx);
                }
            }
            Event::Elected { master, incarnation, session } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.incarnation == incarnation) {
                    master.elected(cx, session);
                }
            }
            Event::Detected { node, leader, version } => self.detected(node, leader, version),
            Event::Measured { agent, incarnation, timer } => {
                if let Some(agent) =
                    self.agents.get_mut(agent).filter(|agent| agent.incarnation == incarnation && agent.is_up())
                {
                    agent.measured(cx, timer);
                }
            }
            Event::Container { agent, boot, container, action } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.machine.boot == boot) {
                    agent.container(cx, &container, action);
                }
            }
            Event::Tick { scheduler, incarnation } => {
                if let Some(scheduler) =
                    self.schedulers.get_mut(scheduler).filter(|scheduler| scheduler.incarnation == incarnation)
                {
                    scheduler.tick(cx);
                }
            }
            Event::Retry { scheduler, incarnation } => {
                if let Some(scheduler) =
                    self.schedulers.get_mut(scheduler).filter(|scheduler| scheduler.incarnation == incarnation)
                {
                    scheduler.subscribe(cx);
                }
            }
            Event::Fault(fault) => self.fault(fault),
            Event::Start(node) => self.start(node),
        }
    }

    fn arrive(&mut self, from: Node, to: Node, number: u64, packet: Packet) {
        let cx = &mut self.cx;
        match cx.network.delivery(cx.time, from, to, number) {
            Delivery::Now => {}
            // The client of a subscription whose connection broke does not wait for the answer, and the server knows
            // it.
            Delivery::Later(_) if matches!(packet, Packet::Subscribe { .. }) => return,
            Delivery::Later(at) => return cx.at(at, Event::Arrive { from, to, number, packet: Box::new(packet) }),
            Delivery::Queued => {
                let events = cx.network.enqueue(cx.time, &mut cx.random, from, to, packet);
                return cx.all(events);
            }
            Delivery::Lost => return,
        }
        match to {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index).filter(|master| master.is_up) {
                    master.arrive(cx, from, packet);
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.arrive(cx, packet);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index).filter(|scheduler| scheduler.is_up) {
                    scheduler.arrive(cx, packet);
                }
            }
            Node::Coordination => {}
        }
    }

    fn broken(&mut self, node: Node, peer: Node) {
        let cx = &mut self.cx;
        cx.trace(|| format!("{node}: the connection to {peer} broke"));
        match node {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index) {
                    master.broken(cx, peer);
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.broken(cx, peer);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index).filter(|scheduler| scheduler.is_up) {
                    scheduler.broken(cx, peer);
                }
            }
            Node::Coordination => {}
        }
    }

    fn detected(&mut self, node: Node, leader: Option<usize>, version: u64) {
        let info: Option<v1::MasterInfo> = leader.and_then(|index| {
            let master = self.masters.get(index)?;
            Some(master.info().cloned().unwrap_or_else(|| candidate(index)))
        });
        let cx = &mut self.cx;
        match node {
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.detected(cx, info, version);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index) {
                    scheduler.detected(cx, leader, version);
                }
            }
            Node::Master(_) | Node::Coordination => {}
        }
    }

    fn fault(&mut self, fault: Fault) {
        let cx = &mut self.cx;
        cx.counts.faults.count(&fault);
        cx.trace(|| format!("FAULT {fault:?}"));
        match fault {
            Fault::Crash { node, down } => {
                if self.crash(node) {
                    self.cx.after(down, Event::Start(node));
                }
            }
            Fault::Reboot { agent, down } => {
                if let Some(host) = self.agents.get_mut(agent).filter(|host| host.is_up()) {
                    host.reboot(cx);
                    cx.checks.tasks.machine_lost(agent);
                    cx.after(down, Event::Start(Node::Agent(agent)));
                }
            }
            Fault::Cut { from, to, lasts } => {
                if from != to {
                    cx.network.cut(from, to);
                    cx.after(lasts, Event::Fault(Fault::Heal { from, to }));
                }
            }
            Fault::Heal { from, to } => {
                let events = cx.network.heal(cx.time, &mut cx.random, from, to);
                cx.all(events);
            }
            Fault::Break { a, b } => {
                if a != b {
                    let events = cx.network.break_connection(cx.time, &mut cx.random, a, b, Duration::from_secs(5));
                    cx.all(events);
                }
            }
            Fault::BreakDirection { from, to } => {
                if from != to {
                    let events = cx.network.break_direction(cx.time, &mut cx.random, from, to);
                    cx.all(events);
                }
            }
            Fault::Isolate { node, lasts } => self.isolate(node, lasts),
            Fault::SlowDisk { agent, factor } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.disk_factor = factor;
                }
            }
            Fault::SlowStore { master, factor } => {
                if let Some(master) = self.masters.get_mut(master) {
                    master.store_factor = factor;
                }
            }
            Fault::FullStore { master, lasts } => {
                if let Some(master) = self.masters.get_mut(master) {
                    master.store_full = cx.time + lasts;
                }
            }
            Fault::Pressure { agent, percent } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    agent.pressure = percent;
                }
            }
            Fault::ClockJump { node, seconds } => self.jump(node, seconds),
            Fault::KillContainer { agent } => {
                if let Some(agent) = self.agents.get_mut(agent) {
                    let live = agent.machine.live();
                    if let Some(container) = live.get(cx.random.below(live.len() as u64) as usize) {
                        agent.machine.destroy(cx, container);
                    }
                }
            }
            Fault::Operator(action) => self.operator(action),
            Fault::TakeOver { scheduler } => {
                if let Some(scheduler) = self.schedulers.get_mut(scheduler).filter(|scheduler| scheduler.is_up) {
                    scheduler.fail_over(cx);
                }
            }
            Fault::HandOver { master } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leading.is_some()) {
                    master.hand_over(cx);
                }
            }
        }
        let incarnations: Vec<_> =
            self.masters.iter().map(|master| master.is_up.then_some(master.incarnation)).collect();
        self.cx.check_sessions(&incarnations);
    }

    /// Operators undo what would keep the cluster from becoming quiescent, as often as it takes.
    pub fn end_faults(&mut self) {
        for agent in 0..self.agents.len() {
            self.operator(OperatorAction::StopMaintenance { agent });
            if let Some(agent) = self.agents.get_mut(agent) {
                agent.pressure = 10;
            }
        }
        for master in &mut self.masters {
            (master.store_factor, master.store_full) = (1, Duration::ZERO);
        }
    }

    /// Cuts all connections of a node.
    fn isolate(&mut self, node: Node, lasts: Duration) {
        let masters = (0..self.masters.len()).map(Node::Master);
        let agents = (0..self.agents.len()).map(Node::Agent);
        let schedulers = (0..self.schedulers.len()).map(Node::Scheduler);
        for other in masters.chain(agents).chain(schedulers).chain([Node::Coordination]).filter(|other| *other != node)
        {
            for (from, to) in [(node, other), (other, node)] {
                self.cx.network.cut(from, to);
                self.cx.after(lasts, Event::Fault(Fault::Heal { from, to }));
            }
        }
    }

    /// Sends an operator's call to the leader; it is lost if there is none. Some operators do not receive the answer
    /// and repeat the call.
    fn operator(&mut self, action: OperatorAction) {
        if let OperatorAction::StartMaintenance { agent } = action {
            self.operator(OperatorAction::Maintenance { agent });
        }
        let number = self.cx.between(0, 1_000_000);
        let agent = |index: usize| self.agents.get(index).and_then(|agent| agent.id.clone());
        let framework = |index: usize| self.schedulers.get(index).and_then(SchedulerHost::framework);
        let accounting = self.leader().and_then(|master| master.leading.as_ref()).map(|leading| &leading.accounting);
        let reserved = |index: usize| {
            let total = agent(index).zip(accounting).and_then(|(agent, accounting)| accounting.total_of(&agent));
            total.map(|total| total.checkpointed().to_proto()).unwrap_or_default()
        };
        let Some(call) = operator_call(number, action, agent, framework, reserved) else { return };
        if let Some(teardown) = &call.teardown {
            // The agents forget the tasks of the framework, whether the framework is notified or not.
            self.cx.checks.tasks.framework_gone(FrameworkId::from(&teardown.framework_id));
        }
        if let Some(change) = operator_release(&call) {
            self.cx.checks.operations.release(&change);
        }
        let leading = self.masters.iter_mut().filter(|master| master.leading.is_some());
        if let Some(leader) = leading.max_by_key(|master| master.leading.as_ref().map(Leading::epoch)) {
            let again = self.cx.network.conditions.adversarial && self.cx.one_in(8);
            if again {
                leader.operator(&mut self.cx, call.clone());
            }
            leader.operator(&mut self.cx, call);
        }
    }

    /// Ends the process of a node. Returns false if it is down already.
    fn crash(&mut self, node: Node) -> bool {
        let cx = &mut self.cx;
        match node {
            Node::Master(index) => {
                let master = self.masters.get_mut(index).filter(|master| master.is_up);
                master.map(|master| master.crash(cx)).is_some()
            }
            Node::Agent(index) => {
                let agent = self.agents.get_mut(index).filter(|agent| agent.is_up());
                agent.map(|agent| agent.crash(cx)).is_some()
            }
            Node::Scheduler(index) => {
                let scheduler = self.schedulers.get_mut(index).filter(|scheduler| scheduler.is_up);
                scheduler.map(|scheduler| scheduler.crash(cx)).is_some()
            }
            Node::Coordination => false,
        }
    }

    fn start(&mut self, node: Node) {
        let cx = &mut self.cx;
        cx.trace(|| format!("{node} starts"));
        match node {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index).filter(|master| !master.is_up) {
                    master.start(cx);
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index).filter(|agent| !agent.is_up()) {
                    agent.start(cx);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index).filter(|scheduler| !scheduler.is_up) {
                    scheduler.start(cx);
                }
            }
            Node::Coordination => {}
        }
    }

    fn jump(&mut self, node: Node, seconds: i64) {
        match node {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index) {
                    master.skew += seconds;
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.skew += seconds;
                }
            }
            Node::Scheduler(_) | Node::Coordination => {}
        }
    }

    pub fn leader(&self) -> Option<&MasterHost> {
        self.masters
            .iter()
            .filter(|master| master.leading.is_some())
            .max_by_key(|master| master.leading.as_ref().map(|leading| leading.epoch()))
    }
}

/// Returns the description that a candidate writes before it leads.
fn candidate(index: usize) -> v1::MasterInfo {
    master::Config::new(Node::Master(index).address(), format!("master-{index}")).master_info("candidate")
}
