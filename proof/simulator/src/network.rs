//! Connections between nodes, with the properties of TCP: packets arrive in order, or the connection breaks.
//!
//! A cut direction delivers nothing. What is sent into it waits, as unacknowledged segments do, until the cut heals or
//! the connection gives up. Everything in flight is then lost and both ends learn of it, each in its own time.
//!
//! In adversarial conditions the network also does what real transports do and simple models omit:
//!
//! - libprocess has one connection for each direction, so one of them can break alone, and only its sender learns of it.
//!   The two parts of an HTTP scheduler, its event stream and its calls, are two connections as well.
//! - What a broken connection has delivered to the receiver's kernel may be read after messages of the next connection.
//!   Messages are therefore overtaken, but only by those of a later connection, and never among themselves. Events of
//!   schedulers are not overtaken: a stream is one response on one connection.
//! - No transport sends a libprocess message twice; repeated messages come from the cores. An HTTP client whose
//!   connection broke before the answer may repeat its call, and the first one may have arrived. All calls are repeated
//!   but ACCEPT: a second ACCEPT ends the tasks of the first for their framework (invalid offers), in Mesos too, so
//!   careful clients reconcile instead.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use messages::{Message, v1};
use model::{Random, StreamId, Upid};

use crate::event::Event;
use crate::node::Node;

/// A message between nodes.
#[derive(Debug, Clone)]
pub enum Packet {
    /// A libprocess message.
    Process { from: Upid, to: String, message: Message },
    /// A scheduler opens an event stream.
    Subscribe { stream: StreamId, subscribe: Box<v1::scheduler::call::Subscribe> },
    /// A scheduler's call.
    Call { stream: StreamId, call: Box<v1::scheduler::Call> },
    /// An event on a scheduler's stream.
    Event { stream: StreamId, event: std::sync::Arc<v1::scheduler::Event> },
    /// The end of a scheduler's stream.
    Closed(StreamId),
}

/// The connections between two nodes. The number of a direction changes when it breaks: what was sent on an older one
/// never arrives, except for late packets.
#[derive(Debug, Default)]
struct Connection {
    directions: [Direction; 2],
    /// Whether a sender has sent into a cut; its timeout is on the queue.
    timeout_queued: bool,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Direction {
    number: u64,
    /// The time at which the last packet arrives; no later packet arrives before it.
    last: Duration,
    /// The packets that were sent into a cut.
    queued: VecDeque<Packet>,
    /// The number of the previous connection, and the time at which the packets that it had delivered before it broke
    /// are read.
    late_packets: Option<(u64, Duration)>,
}

impl Direction {
    /// Breaks this direction. Packets in flight are lost, except those that are read at `late_read`.
    fn break_off(&mut self, late_read: Option<Duration>) {
        let before = self.number;
        *self =
            Direction { number: before + 1, late_packets: late_read.map(|at| (before, at)), ..Direction::default() };
    }
}

/// The delivery of a packet that reaches its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Now,
    /// It stays in the receiver's buffer until then.
    Later(Duration),
    /// It waits for a cut to heal.
    Queued,
    Lost,
}

/// The behaviour of the network when no connection is cut.
#[derive(Debug, Clone, Copy)]
pub struct NetworkConditions {
    /// Most packets take up to this long.
    pub delay: Duration,
    /// One packet in this many takes up to a hundred times that; zero means never.
    pub stall_one_in: u64,
    /// One packet in this many breaks its connection; zero means never.
    pub break_one_in: u64,
    /// Directions break alone, and packets of a broken connection are read late.
    pub adversarial: bool,
    /// One call in this many is repeated by its client; zero means never.
    pub repeat_one_in: u64,
}

/// The longest time that a packet of a broken connection stays in the buffer of its receiver.
const MAX_LATE_READ: Duration = Duration::from_secs(4);
/// The longest time that a client waits on a broken connection before it repeats its call.
const REPEAT: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub struct Network {
    pub conditions: NetworkConditions,
    connections: BTreeMap<(Node, Node), Connection>,
    /// The directions that deliver nothing, with a counter because cuts overlap.
    cuts: BTreeMap<(Node, Node), u32>,
    down: BTreeSet<Node>,
}

/// The longest time that a sender waits for acknowledgements before it gives up a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(40);

impl Network {
    pub fn new(conditions: NetworkConditions) -> Self {
        Network { conditions, connections: BTreeMap::new(), cuts: BTreeMap::new(), down: BTreeSet::new() }
    }

    pub fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    /// Sends a packet. Returns the events that follow, with their times.
    pub fn send(
        &mut self,
        now: Duration,
        random: &mut Random,
        from: Node,
        to: Node,
        packet: Packet,
    ) -> Vec<(Duration, Event)> {
        let cut = self.is_cut(from, to) || self.is_cut(to, from);
        let conditions = self.conditions;
        if self.down.contains(&to) {
            // The connection is refused, or reset by a machine that does not know it.
            return self.break_connection(now, random, from, to, Duration::from_millis(200));
        }
        if cut {
            // Without acknowledgements the other direction is of no use.
            return self.enqueue(now, random, from, to, packet);
        }
        if one_in(random, conditions.break_one_in) {
            return if conditions.adversarial && one_in(random, 2) {
                self.break_direction(now, random, from, to)
            } else {
                self.break_connection(now, random, from, to, Duration::from_secs(3))
            };
        }
        let stalled = one_in(random, conditions.stall_one_in);
        let delay = up_to(random, if stalled { conditions.delay * 100 } else { conditions.delay });
        let direction = self.direction(from, to);
        direction.last = direction.last.max(now + delay);
        let (at, number) = (direction.last, direction.number);
        let mut events = Vec::with_capacity(1);
        if is_repeatable(&packet) && one_in(random, conditions.repeat_one_in) {
            let again = at + up_to(random, REPEAT);
            events.push((again, Event::Arrive { from, to, number, packet: Box::new(packet.clone()) }));
        }
        events.push((at, Event::Arrive { from, to, number, packet: Box::new(packet) }));
        events
    }

    fn direction(&mut self, from: Node, to: Node) -> &mut Direction {
        let (pair, direction) = pair(from, to);
        let [there, back] = &mut self.connections.entry(pair).or_default().directions;
        if direction == 0 { there } else { back }
    }

    /// Decides what happens to a packet of the connection with this number when it arrives.
    pub fn delivery(&mut self, now: Duration, from: Node, to: Node, number: u64) -> Delivery {
        let (down, cut) = (self.down.contains(&to), self.is_cut(from, to));
        let direction = self.direction(from, to);
        match direction.late_packets {
            _ if down => Delivery::Lost,
            _ if direction.number == number && cut => Delivery::Queued,
            _ if direction.number == number => Delivery::Now,
            Some((old, at)) if old == number && now < at => Delivery::Later(at),
            Some((old, at)) if old == number && now == at => Delivery::Now,
            _ => Delivery::Lost,
        }
    }

    /// Keeps a packet that is sent into a cut or reached one until the cut heals.
    pub fn enqueue(
        &mut self,
        now: Duration,
        random: &mut Random,
        from: Node,
        to: Node,
        packet: Packet,
    ) -> Vec<(Duration, Event)> {
        let direction = self.direction(from, to);
        direction.queued.push_back(packet);
        let number = direction.number;
        let (pair, _) = pair(from, to);
        if std::mem::replace(&mut self.connections.entry(pair).or_default().timeout_queued, true) {
            return Vec::new();
        }
        vec![(now + up_to(random, CONNECTION_TIMEOUT), Event::ConnectionTimeout { a: from, b: to, number })]
    }

    /// Gives up a connection that is still cut; does nothing if the cut has healed.
    pub fn time_out(
        &mut self,
        now: Duration,
        random: &mut Random,
        a: Node,
        b: Node,
        number: u64,
    ) -> Vec<(Duration, Event)> {
        let cut = self.is_cut(a, b) || self.is_cut(b, a);
        if cut && self.direction(a, b).number == number {
            // The other end sends nothing, or has its own timeout.
            return self.break_connection(now, random, a, b, CONNECTION_TIMEOUT);
        }
        let (pair, _) = pair(a, b);
        self.connections.entry(pair).or_default().timeout_queued = false;
        Vec::new()
    }

    /// Breaks a connection. Everything in flight is lost. One end learns of it at once, the other within `lag`.
    pub fn break_connection(
        &mut self,
        now: Duration,
        random: &mut Random,
        first: Node,
        second: Node,
        lag: Duration,
    ) -> Vec<(Duration, Event)> {
        for (from, to) in [(first, second), (second, first)] {
            let late_read = self.late_read(now, random, to);
            self.direction(from, to).break_off(late_read);
        }
        let (pair, _) = pair(first, second);
        self.connections.entry(pair).or_default().timeout_queued = false;
        vec![
            (now, Event::Broken { node: first, peer: second }),
            (now + up_to(random, lag), Event::Broken { node: second, peer: first }),
        ]
    }

    /// Breaks the connection that carries one direction; its sender learns of it. A scheduler knows both of its
    /// connections, and gives both up when it loses one; its master knows the event stream.
    pub fn break_direction(
        &mut self,
        now: Duration,
        random: &mut Random,
        from: Node,
        to: Node,
    ) -> Vec<(Duration, Event)> {
        let late_read = self.late_read(now, random, to);
        self.direction(from, to).break_off(late_read);
        match (from, to) {
            (Node::Scheduler(_), _) => vec![(now, Event::Broken { node: from, peer: to })],
            (_, Node::Scheduler(_)) => {
                let lag = up_to(random, Duration::from_secs(3));
                vec![(now, Event::Broken { node: from, peer: to }), (now + lag, Event::Broken { node: to, peer: from })]
            }
            _ => vec![(now, Event::Broken { node: from, peer: to })],
        }
    }

    /// Returns the time when late packets are read. A scheduler reads its events from one response, which ends with its
    /// connection, so there are none. Its master may go on writing to the broken connection meanwhile.
    fn late_read(&self, now: Duration, random: &mut Random, to: Node) -> Option<Duration> {
        let at = (self.conditions.adversarial && one_in(random, 2)).then(|| now + up_to(random, MAX_LATE_READ));
        at.filter(|_| !matches!(to, Node::Scheduler(_)))
    }

    pub fn cut(&mut self, from: Node, to: Node) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    /// Ends a cut. The packets that waited are delivered.
    pub fn heal(&mut self, now: Duration, random: &mut Random, from: Node, to: Node) -> Vec<(Duration, Event)> {
        if let Some(count) = self.cuts.get_mut(&(from, to)) {
            *count -= 1;
            if *count == 0 {
                self.cuts.remove(&(from, to));
            }
        }
        if self.is_cut(from, to) || self.is_cut(to, from) {
            return Vec::new();
        }
        let mut events = Vec::new();
        for (from, to) in [(from, to), (to, from)] {
            let (pair, _) = pair(from, to);
            let Some(connection) = self.connections.get_mut(&pair) else { continue };
            connection.timeout_queued = false;
            for packet in std::mem::take(&mut self.direction(from, to).queued) {
                events.extend(self.send(now, random, from, to, packet));
            }
        }
        events
    }

    /// Ends the process of a node. Its connections break, and its peers learn of it soon.
    pub fn down(&mut self, now: Duration, random: &mut Random, node: Node) -> Vec<(Duration, Event)> {
        self.down.insert(node);
        let peers: Vec<Node> = self
            .connections
            .keys()
            .filter_map(|(a, b)| if *a == node { Some(*b) } else { (*b == node).then_some(*a) })
            .collect();
        let mut events = Vec::new();
        for peer in peers {
            let lag = if self.is_cut(node, peer) { CONNECTION_TIMEOUT } else { Duration::from_secs(1) };
            events.extend(self.break_connection(now, random, node, peer, lag));
            // The receiver that would read the late packets has ended.
            self.direction(peer, node).late_packets = None;
        }
        events
    }

    pub fn up(&mut self, node: Node) {
        self.down.remove(&node);
    }
}

fn is_repeatable(packet: &Packet) -> bool {
    matches!(packet, Packet::Call { call, .. } if call.r#type() != v1::scheduler::call::Type::Accept)
}

/// Connections are stored once, with the smaller node first.
fn pair(from: Node, to: Node) -> ((Node, Node), usize) {
    if from <= to { ((from, to), 0) } else { ((to, from), 1) }
}

pub(crate) fn up_to(random: &mut Random, most: Duration) -> Duration {
    Duration::from_nanos(random.below(most.as_nanos() as u64 + 1))
}

pub(crate) fn one_in(random: &mut Random, n: u64) -> bool {
    n > 0 && random.below(n) == 0
}

/// Describes a message in a trace: its name, and its subject.
pub(crate) fn brief(message: &Message) -> String {
    let name = message.name().rsplit('.').next().unwrap_or_default();
    let state = |state: i32| v1::TaskState::try_from(state).map_or("?", |state| state.as_str_name());
    match message {
        Message::ReregisterSlave(message) => {
            let task = |task: &v1::Task| {
                let delivered = task.status_update_state.map_or("nothing", state);
                format!("{} {} (delivered {delivered})", task.task_id.value, state(task.state))
            };
            let tasks: Vec<String> = message.tasks.iter().map(task).collect();
            format!("{name} [{}]", tasks.join(", "))
        }
        Message::RunTask(message) => format!("{name} {}", message.task.task_id.value),
        Message::KillTask(message) => format!("{name} {}", message.task_id.value),
        Message::StatusUpdate(message) => {
            let status = &message.update.status;
            format!("{name} {} {} ({})", status.task_id.value, state(status.state), status.message())
        }
        Message::StatusUpdateAcknowledgement(message) => format!("{name} {}", message.task_id.value),
        _ => name.to_owned(),
    }
}
