//! What goes wrong, and when: a plan that its seed fixes, from which single faults can be left out.

use std::time::Duration;

use vocabulary::Random;

use crate::node::Node;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// kill -9, and a new start after a while.
    Crash {
        node: Node,
        down: Duration,
    },
    /// The machine of an agent goes down with all containers.
    Reboot {
        agent: usize,
        down: Duration,
    },
    /// Nothing passes from one node to the other.
    Cut {
        from: Node,
        to: Node,
        lasts: Duration,
    },
    Heal {
        from: Node,
        to: Node,
    },
    /// A connection breaks; it can be made again at once.
    Break {
        a: Node,
        b: Node,
    },
    SlowDisk {
        agent: usize,
        factor: u32,
    },
    /// A wall clock jumps by seconds.
    ClockJump {
        node: Node,
        seconds: i64,
    },
    /// A container dies.
    KillContainer {
        agent: usize,
    },
    /// An operator wants something of the leader.
    Operator(Wish),
    /// Another instance of a scheduler takes its framework over.
    TakeOver {
        scheduler: usize,
    },
    /// The leader hands over.
    HandOver {
        master: usize,
    },
}

/// What operators ask for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wish {
    Drain {
        agent: usize,
        mark_gone: bool,
    },
    Deactivate {
        agent: usize,
    },
    Reactivate {
        agent: usize,
    },
    MarkGone {
        agent: usize,
    },
    /// No more than so many cpus for this role; any number when `None`.
    Limit {
        role: usize,
        cpus: Option<u32>,
    },
    Weight {
        role: usize,
        weight: u32,
    },
    /// The machine of this agent will be away.
    Maintenance {
        agent: usize,
    },
    TearDown {
        scheduler: usize,
    },
}

/// Who is there to suffer.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub masters: usize,
    pub agents: usize,
    pub schedulers: usize,
}

impl Size {
    fn any(self, random: &mut Random) -> Node {
        let all = self.masters + self.agents + self.schedulers;
        let index = random.below(all as u64) as usize;
        if index < self.masters {
            Node::Master(index)
        } else if index < self.masters + self.agents {
            Node::Agent(index - self.masters)
        } else {
            Node::Scheduler(index - self.masters - self.agents)
        }
    }
}

/// The faults of a run that lasts `length`, in order of time.
pub fn plan(random: &mut Random, size: Size, length: Duration, count: usize) -> Vec<(Duration, Fault)> {
    let mut plan: Vec<_> = (0..count)
        .map(|_| (Duration::from_millis(random.below(length.as_millis() as u64)), fault(random, size)))
        .collect();
    plan.sort_by_key(|(at, _)| *at);
    plan
}

fn fault(random: &mut Random, size: Size) -> Fault {
    let node = size.any(random);
    let agent = random.below(size.agents as u64) as usize;
    let master = random.below(size.masters as u64) as usize;
    let mut seconds = |most: u64| Duration::from_millis(random.below(most * 1000) + 1);
    match seconds(28).as_secs() {
        0..=4 => Fault::Crash { node, down: seconds(30) },
        5 => Fault::Crash { node, down: seconds(300) },
        6 => Fault::Crash { node: Node::Agent(agent), down: seconds(5) },
        7 => Fault::Reboot { agent, down: seconds(120) },
        8..=9 => Fault::Cut { from: node, to: Node::Master(master), lasts: seconds(60) },
        10 => Fault::Cut { from: Node::Master(master), to: node, lasts: seconds(150) },
        11 => Fault::Cut { from: Node::Master(master), to: Node::Coordination, lasts: seconds(40) },
        12..=13 => Fault::Break { a: node, b: Node::Master(master) },
        14 => Fault::SlowDisk { agent, factor: 100 },
        15 => Fault::SlowDisk { agent, factor: 1 },
        16 => Fault::ClockJump { node, seconds: seconds(7200).as_secs() as i64 - 3600 },
        17 => Fault::HandOver { master },
        18..=19 => Fault::KillContainer { agent },
        // Longer than the master waits for pongs, or for the agent to come back.
        20 => Fault::Cut { from: Node::Agent(agent), to: Node::Master(master), lasts: seconds(700) },
        21 => Fault::Crash { node: Node::Agent(agent), down: seconds(900) },
        22 => Fault::TakeOver { scheduler: random.below(size.schedulers as u64) as usize },
        _ => Fault::Operator(wish(random, size, agent)),
    }
}

fn wish(random: &mut Random, size: Size, agent: usize) -> Wish {
    let role = random.below(2) as usize;
    match random.below(12) {
        0..=1 => Wish::Drain { agent, mark_gone: random.below(3) == 0 },
        2 => Wish::Deactivate { agent },
        3..=5 => Wish::Reactivate { agent },
        6 => Wish::MarkGone { agent },
        7 => Wish::Limit { role, cpus: Some(random.below(6) as u32) },
        8 => Wish::Limit { role, cpus: None },
        9 => Wish::Weight { role, weight: 1 + random.below(5) as u32 },
        10 => Wish::Maintenance { agent },
        _ => Wish::TearDown { scheduler: random.below(size.schedulers as u64) as usize },
    }
}
