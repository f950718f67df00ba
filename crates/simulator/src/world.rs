//! The whole cluster, and what happens in it, one event after the other.

use std::time::Duration;

use messages::v1;
use vocabulary::{FrameworkId, Random};

use crate::ctx::Ctx;
use crate::event::Event;
use crate::faults::{Fault, Wish};
use crate::hosts::{AgentHost, Leading, MasterHost, SchedulerHost, operator_call, operator_deed};
use crate::mutant::Mutant;
use crate::network::{Delivery, Network, Packet};
use crate::node::Node;
use crate::run::Plan;

#[derive(Debug)]
pub struct World {
    pub ctx: Ctx,
    pub masters: Vec<MasterHost>,
    pub agents: Vec<AgentHost>,
    pub schedulers: Vec<SchedulerHost>,
}

impl World {
    pub fn new(plan: &Plan, mutant: Option<Mutant>, traced: bool) -> Self {
        let (mut random, size, weather, goal) = (plan.random.clone(), plan.size, plan.weather, plan.goal);
        let seed = random.next_u64();
        let ctx = Ctx::new(Random::from_u64(seed), Network::new(weather), mutant, traced);
        let mut world = World {
            ctx,
            masters: (0..size.masters).map(|index| MasterHost::new(index, plan)).collect(),
            agents: (0..size.agents).map(AgentHost::new).collect(),
            schedulers: (0..size.schedulers)
                .map(|index| SchedulerHost::new(index, goal, plan.drivers && index % 2 == 0))
                .collect(),
        };
        world.ctx.checks.tasks.late_answers = weather.repeat_one_in > 0 || (plan.drivers && weather.wild);
        for master in &mut world.masters {
            master.start(&mut world.ctx);
        }
        for agent in &mut world.agents {
            agent.start(&mut world.ctx);
        }
        for scheduler in &mut world.schedulers {
            scheduler.start(&mut world.ctx);
        }
        world
    }

    /// The next event; false when there is none before `end`.
    pub fn advance(&mut self, end: Duration) -> bool {
        if self.ctx.next_time().is_none_or(|at| at > end) {
            return false;
        }
        let Some(event) = self.ctx.next() else { return false };
        self.happens(event);
        if std::mem::take(&mut self.ctx.announce) {
            let agents = (0..self.agents.len()).map(Node::Agent);
            for node in agents.chain((0..self.schedulers.len()).map(Node::Scheduler)) {
                self.ctx.notify(node);
            }
        }
        true
    }

    fn happens(&mut self, event: Event) {
        let ctx = &mut self.ctx;
        match event {
            Event::Arrive { from, to, number, packet } => self.arrive(from, to, number, *packet),
            Event::GiveUp { a, b, number } => {
                let events = ctx.network.give_up(ctx.time, &mut ctx.random, a, b, number);
                ctx.all(events);
            }
            Event::Broken { node, peer } => self.broken(node, peer),
            Event::MasterTimer { master, epoch, timer, serial } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leads_in(epoch)) {
                    master.timer(ctx, timer, serial);
                }
            }
            Event::AgentTimer { agent, life, timer, serial } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.life == life) {
                    agent.timer(ctx, timer, serial);
                }
            }
            Event::Flushed { agent, life } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.life == life && agent.is_up()) {
                    agent.flushed(ctx);
                }
            }
            Event::Stored { agent, life, token } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.life == life && agent.is_up()) {
                    agent.stored(ctx, token);
                }
            }
            Event::Volumes { agent, life, number } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.life == life && agent.is_up()) {
                    agent.volumes(ctx, number);
                }
            }
            Event::Commit { master, epoch } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leads_in(epoch)) {
                    master.commit(ctx);
                }
            }
            Event::Committed { master, epoch, tokens, fenced } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leads_in(epoch)) {
                    master.committed(ctx, tokens, fenced);
                }
            }
            Event::SessionExpires { session, since } => ctx.session_expires(session, since),
            Event::SessionLost { master, life, session, since } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.life == life && master.is_up)
                {
                    master.session_lost(ctx, session, since);
                }
            }
            Event::Stand { master, life } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.life == life && master.is_up)
                {
                    master.stand(ctx);
                }
            }
            Event::Elected { master, life, session } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.life == life) {
                    master.elected(ctx, session);
                }
            }
            Event::Detected { node, leader, version } => self.detected(node, leader, version),
            Event::Measured { agent, life, timer } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.life == life && agent.is_up()) {
                    agent.measured(ctx, timer);
                }
            }
            Event::Container { agent, boot, container, act } => {
                if let Some(agent) = self.agents.get_mut(agent).filter(|agent| agent.machine.boot == boot) {
                    agent.container(ctx, &container, act);
                }
            }
            Event::Tick { scheduler, life } => {
                if let Some(scheduler) = self.schedulers.get_mut(scheduler).filter(|scheduler| scheduler.life == life) {
                    scheduler.tick(ctx);
                }
            }
            Event::Retry { scheduler, life } => {
                if let Some(scheduler) = self.schedulers.get_mut(scheduler).filter(|scheduler| scheduler.life == life) {
                    scheduler.subscribe(ctx);
                }
            }
            Event::Fault(fault) => self.fault(fault),
            Event::Start(node) => self.start(node),
        }
    }

    fn arrive(&mut self, from: Node, to: Node, number: u64, packet: Packet) {
        let ctx = &mut self.ctx;
        match ctx.network.delivery(ctx.time, from, to, number) {
            Delivery::Now => {}
            // Nobody waits for the answer to a subscription whose connection broke, and its server knows.
            Delivery::Later(_) if matches!(packet, Packet::Subscribe { .. }) => return,
            Delivery::Later(at) => return ctx.at(at, Event::Arrive { from, to, number, packet: Box::new(packet) }),
            Delivery::Held => {
                let events = ctx.network.held(ctx.time, &mut ctx.random, from, to, packet);
                return ctx.all(events);
            }
            Delivery::Lost => return,
        }
        match to {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index).filter(|master| master.is_up) {
                    master.arrive(ctx, from, packet);
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.arrive(ctx, packet);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index).filter(|scheduler| scheduler.is_up) {
                    scheduler.arrive(ctx, packet);
                }
            }
            Node::Coordination => {}
        }
    }

    fn broken(&mut self, node: Node, peer: Node) {
        let ctx = &mut self.ctx;
        ctx.trace(|| format!("{node}: the connection to {peer} broke"));
        match node {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index) {
                    master.broken(ctx, peer);
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.broken(ctx, peer);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index).filter(|scheduler| scheduler.is_up) {
                    scheduler.broken(ctx, peer);
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
        let ctx = &mut self.ctx;
        match node {
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index) {
                    agent.detected(ctx, info, version);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index) {
                    scheduler.detected(ctx, leader, version);
                }
            }
            Node::Master(_) | Node::Coordination => {}
        }
    }

    fn fault(&mut self, fault: Fault) {
        let ctx = &mut self.ctx;
        ctx.counts.faults.count(&fault);
        ctx.trace(|| format!("FAULT {fault:?}"));
        match fault {
            Fault::Crash { node, down } => {
                if self.crash(node) {
                    self.ctx.after(down, Event::Start(node));
                }
            }
            Fault::Reboot { agent, down } => {
                if let Some(host) = self.agents.get_mut(agent).filter(|host| host.is_up()) {
                    host.reboot(ctx);
                    ctx.checks.tasks.machine_lost(agent);
                    ctx.after(down, Event::Start(Node::Agent(agent)));
                }
            }
            Fault::Cut { from, to, lasts } => {
                if from != to {
                    ctx.network.cut(from, to);
                    ctx.after(lasts, Event::Fault(Fault::Heal { from, to }));
                }
            }
            Fault::Heal { from, to } => {
                let events = ctx.network.heal(ctx.time, &mut ctx.random, from, to);
                ctx.all(events);
            }
            Fault::Break { a, b } => {
                if a != b {
                    let events = ctx.network.break_connection(ctx.time, &mut ctx.random, a, b, Duration::from_secs(5));
                    ctx.all(events);
                }
            }
            Fault::Snap { from, to } => {
                if from != to {
                    let events = ctx.network.snap(ctx.time, &mut ctx.random, from, to);
                    ctx.all(events);
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
                    master.store_full = ctx.time + lasts;
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
                    if let Some(container) = live.get(ctx.random.below(live.len() as u64) as usize) {
                        agent.machine.destroy(ctx, container);
                    }
                }
            }
            Fault::Operator(wish) => self.operator(wish),
            Fault::TakeOver { scheduler } => {
                if let Some(scheduler) = self.schedulers.get_mut(scheduler).filter(|scheduler| scheduler.is_up) {
                    scheduler.taken_over(ctx);
                }
            }
            Fault::HandOver { master } => {
                if let Some(master) = self.masters.get_mut(master).filter(|master| master.leading.is_some()) {
                    master.hand_over(ctx);
                }
            }
        }
        let lives: Vec<_> = self.masters.iter().map(|master| master.is_up.then_some(master.life)).collect();
        self.ctx.check_sessions(&lives);
    }

    /// Operators clear away what would keep the cluster from its rest, as often as it takes.
    pub fn all_is_over(&mut self) {
        for agent in 0..self.agents.len() {
            self.operator(Wish::StopMaintenance { agent });
            if let Some(agent) = self.agents.get_mut(agent) {
                agent.pressure = 10;
            }
        }
        for master in &mut self.masters {
            (master.store_factor, master.store_full) = (1, Duration::ZERO);
        }
    }

    /// Nothing gets to the node, and nothing comes from it.
    fn isolate(&mut self, node: Node, lasts: Duration) {
        let masters = (0..self.masters.len()).map(Node::Master);
        let agents = (0..self.agents.len()).map(Node::Agent);
        let schedulers = (0..self.schedulers.len()).map(Node::Scheduler);
        for other in masters.chain(agents).chain(schedulers).chain([Node::Coordination]).filter(|other| *other != node)
        {
            for (from, to) in [(node, other), (other, node)] {
                self.ctx.network.cut(from, to);
                self.ctx.after(lasts, Event::Fault(Fault::Heal { from, to }));
            }
        }
    }

    /// Operators go to who leads; nobody hears them while nobody does. Some do not hear the answer, and ask again.
    fn operator(&mut self, wish: Wish) {
        if let Wish::StartMaintenance { agent } = wish {
            self.operator(Wish::Maintenance { agent });
        }
        let number = self.ctx.between(0, 1_000_000);
        let agent = |index: usize| self.agents.get(index).and_then(|agent| agent.id.clone());
        let framework = |index: usize| self.schedulers.get(index).and_then(SchedulerHost::framework);
        let books = self.leader().and_then(|master| master.leading.as_ref()).map(|leading| &leading.books);
        let held = |index: usize| {
            let total = agent(index).zip(books).and_then(|(agent, books)| books.total_of(&agent));
            total.map(|total| total.checkpointed().to_proto()).unwrap_or_default()
        };
        let Some(call) = operator_call(number, wish, agent, framework, held) else { return };
        if let Some(teardown) = &call.teardown {
            // Its agents forget what nobody is to be told, whether the framework hears of it or not.
            self.ctx.checks.tasks.framework_gone(FrameworkId::from(&teardown.framework_id));
        }
        if let Some(deed) = operator_deed(&call) {
            self.ctx.checks.holdings.gives_up(&deed);
        }
        let leading = self.masters.iter_mut().filter(|master| master.leading.is_some());
        if let Some(leader) = leading.max_by_key(|master| master.leading.as_ref().map(Leading::epoch)) {
            let again = self.ctx.network.weather.wild && self.ctx.one_in(8);
            if again {
                leader.operator(&mut self.ctx, call.clone());
            }
            leader.operator(&mut self.ctx, call);
        }
    }

    /// False if it is down already.
    fn crash(&mut self, node: Node) -> bool {
        let ctx = &mut self.ctx;
        match node {
            Node::Master(index) => {
                let master = self.masters.get_mut(index).filter(|master| master.is_up);
                master.map(|master| master.crash(ctx)).is_some()
            }
            Node::Agent(index) => {
                let agent = self.agents.get_mut(index).filter(|agent| agent.is_up());
                agent.map(|agent| agent.crash(ctx)).is_some()
            }
            Node::Scheduler(index) => {
                let scheduler = self.schedulers.get_mut(index).filter(|scheduler| scheduler.is_up);
                scheduler.map(|scheduler| scheduler.crash(ctx)).is_some()
            }
            Node::Coordination => false,
        }
    }

    fn start(&mut self, node: Node) {
        let ctx = &mut self.ctx;
        ctx.trace(|| format!("{node} starts"));
        match node {
            Node::Master(index) => {
                if let Some(master) = self.masters.get_mut(index).filter(|master| !master.is_up) {
                    master.start(ctx);
                }
            }
            Node::Agent(index) => {
                if let Some(agent) = self.agents.get_mut(index).filter(|agent| !agent.is_up()) {
                    agent.start(ctx);
                }
            }
            Node::Scheduler(index) => {
                if let Some(scheduler) = self.schedulers.get_mut(index).filter(|scheduler| !scheduler.is_up) {
                    scheduler.start(ctx);
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

/// A candidate writes its description before it leads.
fn candidate(index: usize) -> v1::MasterInfo {
    master::Config::new(Node::Master(index).address(), format!("master-{index}")).master_info("candidate")
}
