//! The faults and when they happen: a plan that follows from the seed, from which single faults can be left out.

use std::time::Duration;

use model::Random;

use crate::node::Node;

/// A fault of the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The process is killed with kill -9 and starts again after `down`.
    Crash {
        node: Node,
        down: Duration,
    },
    /// The machine of an agent goes down with all containers.
    Reboot {
        agent: usize,
        down: Duration,
    },
    /// No packet passes from one node to the other.
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
    /// The connection that carries one direction breaks alone.
    BreakDirection {
        from: Node,
        to: Node,
    },
    /// A node cannot reach any other node, and no other node can reach it.
    Isolate {
        node: Node,
        lasts: Duration,
    },
    SlowDisk {
        agent: usize,
        factor: u32,
    },
    /// The registry of a master, or the connection to it, becomes slower.
    SlowStore {
        master: usize,
        factor: u32,
    },
    FullStore {
        master: usize,
        lasts: Duration,
    },
    /// The agent reports how full its disk is and how busy it is.
    Pressure {
        agent: usize,
        percent: u8,
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
    /// An operator calls the leader.
    Operator(OperatorAction),
    /// Another instance of a scheduler takes its framework over.
    TakeOver {
        scheduler: usize,
    },
    /// The leader gives up its leadership.
    HandOver {
        master: usize,
    },
}

impl Fault {
    /// The names of the kinds, in the order of `kind`. The end of a cut is not counted.
    pub const KINDS: [&str; 14] = [
        "crashes",
        "reboots",
        "cuts",
        "breaks",
        "snaps",
        "isolations",
        "disks",
        "clock jumps",
        "containers killed",
        "operators",
        "take-overs",
        "hand-overs",
        "registries",
        "pressure",
    ];

    fn kind(&self) -> Option<usize> {
        Some(match self {
            Fault::Heal { .. } => return None,
            Fault::Crash { .. } => 0,
            Fault::Reboot { .. } => 1,
            Fault::Cut { .. } => 2,
            Fault::Break { .. } => 3,
            Fault::BreakDirection { .. } => 4,
            Fault::Isolate { .. } => 5,
            Fault::SlowDisk { .. } => 6,
            Fault::ClockJump { .. } => 7,
            Fault::KillContainer { .. } => 8,
            Fault::Operator(_) => 9,
            Fault::TakeOver { .. } => 10,
            Fault::HandOver { .. } => 11,
            Fault::SlowStore { .. } | Fault::FullStore { .. } => 12,
            Fault::Pressure { .. } => 13,
        })
    }
}

/// The number of faults of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults([u64; Fault::KINDS.len()]);

impl Faults {
    /// Counts one fault. The end of a cut is not counted.
    pub fn count(&mut self, fault: &Fault) {
        if let Some(count) = fault.kind().and_then(|kind| self.0.get_mut(kind)) {
            *count += 1;
        }
    }

    /// Returns the number of faults of all kinds.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl std::ops::AddAssign for Faults {
    fn add_assign(&mut self, other: Faults) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} faults (", self.total())?;
        for (at, (count, kind)) in self.0.iter().zip(Fault::KINDS).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {kind}")?;
        }
        f.write_str(")")
    }
}

/// The requests of operators to the leader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OperatorAction {
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
    /// Sets a limit of this many cpus for a role; `None` removes it.
    Limit {
        role: usize,
        cpus: Option<u32>,
    },
    Weight {
        role: usize,
        weight: u32,
    },
    /// Schedules maintenance of the machine of this agent.
    Maintenance {
        agent: usize,
    },
    /// Declares the machine to be down; `StopMaintenance` declares it to be up again.
    StartMaintenance {
        agent: usize,
    },
    StopMaintenance {
        agent: usize,
    },
    TearDown {
        scheduler: usize,
    },
    /// Reserves resources of an agent for a role.
    Reserve {
        agent: usize,
        role: usize,
    },
    /// Unreserves the first reservation of an agent that is not in use.
    Unreserve {
        agent: usize,
    },
    /// Creates a volume on the first reserved disk.
    CreateVolume {
        agent: usize,
    },
    DestroyVolume {
        agent: usize,
    },
}

/// The number of nodes of each kind that faults can affect.
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

/// Draws the faults of a run that lasts `length`, in order of time.
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
    match seconds(38).as_secs() {
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
        // This is longer than the master waits for pongs, or for the agent to come back.
        20 => Fault::Cut { from: Node::Agent(agent), to: Node::Master(master), lasts: seconds(700) },
        21 => Fault::Crash { node: Node::Agent(agent), down: seconds(900) },
        22 => Fault::TakeOver { scheduler: random.below(size.schedulers as u64) as usize },
        23 => Fault::BreakDirection { from: node, to: Node::Master(master) },
        24 => Fault::BreakDirection { from: Node::Master(master), to: node },
        25..=26 => Fault::Isolate { node, lasts: seconds(90) },
        27 => Fault::SlowStore { master, factor: 100 },
        28 => Fault::SlowStore { master, factor: 1 },
        29 => Fault::FullStore { master, lasts: seconds(60) },
        30..=31 => Fault::Pressure { agent, percent: 50 + random.below(51) as u8 },
        _ => Fault::Operator(action(random, size, agent)),
    }
}

fn action(random: &mut Random, size: Size, agent: usize) -> OperatorAction {
    let role = random.below(2) as usize;
    match random.below(19) {
        0..=1 => OperatorAction::Drain { agent, mark_gone: random.below(3) == 0 },
        2 => OperatorAction::Deactivate { agent },
        3..=5 => OperatorAction::Reactivate { agent },
        6 => OperatorAction::MarkGone { agent },
        7 => OperatorAction::Limit { role, cpus: Some(random.below(6) as u32) },
        8 => OperatorAction::Limit { role, cpus: None },
        9 => OperatorAction::Weight { role, weight: 1 + random.below(5) as u32 },
        10 => OperatorAction::Maintenance { agent },
        11 => OperatorAction::Reserve { agent, role },
        12 => OperatorAction::Unreserve { agent },
        13 => OperatorAction::CreateVolume { agent },
        14 => OperatorAction::DestroyVolume { agent },
        15..=16 => OperatorAction::StartMaintenance { agent },
        17 => OperatorAction::StopMaintenance { agent },
        _ => OperatorAction::TearDown { scheduler: random.below(size.schedulers as u64) as usize },
    }
}
