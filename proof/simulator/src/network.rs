//! Connections between nodes, as TCP gives them: in order, whole or broken.
//!
//! A cut direction delivers nothing. What is sent into it waits, as unacknowledged segments do, until the cut heals or
//! the connection gives up; then everything under way is lost and both ends learn of it, each in its own time.
//!
//! In wild weather it also does what real transports do, and what tidy models forget:
//!
//! - libprocess has one connection for each direction, so one of them can break alone, and only its sender learns of it.
//!   The two parts of an HTTP scheduler, its event stream and its calls, are two connections as well.
//! - What a broken connection has delivered to the receiver's kernel may be read after messages of the next connection:
//!   so messages are overtaken, but only by those of a later connection, and never among themselves. Events of
//!   schedulers are not: a stream is one response on one connection.
//! - No libprocess message is sent twice by a transport: what is seen twice there is repeated by the cores. An HTTP client
//!   whose connection broke before the answer may repeat its call, and the first one may have come through. All calls are
//!   repeated but ACCEPT: a second one ends tasks of the first for their framework (invalid offers), in Mesos too, so
//!   careful clients reconcile instead.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use messages::{Message, v1};
use model::{Random, StreamId, Upid};

use crate::event::Event;
use crate::node::Node;

/// What travels.
#[derive(Debug, Clone)]
pub enum Packet {
    /// libprocess.
    Process { from: Upid, to: String, message: Message },
    /// A scheduler opens an event stream.
    Subscribe { stream: StreamId, subscribe: Box<v1::scheduler::call::Subscribe> },
    /// A scheduler's call.
    Call { stream: StreamId, call: Box<v1::scheduler::Call> },
    /// On a scheduler's stream.
    Event { stream: StreamId, event: std::sync::Arc<v1::scheduler::Event> },
    /// The end of a scheduler's stream.
    Closed(StreamId),
}

/// The connections between two nodes. The number of a direction changes when it breaks: what was sent on an older one
/// never arrives, except for stragglers.
#[derive(Debug, Default)]
struct Connection {
    directions: [Direction; 2],
    /// Somebody has sent into a cut, and will give up.
    gives_up: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    number: u64,
    /// When the last packet arrives: nothing overtakes it.
    last: Duration,
    /// Sent into a cut.
    held: VecDeque<Packet>,
    /// What was under way when the connection before this one broke is read at that time, as far as it had come.
    stragglers: Option<(u64, Duration)>,
}

impl Direction {
    /// What was under way is lost, but for what is read at `stragglers`.
    fn break_off(&mut self, stragglers: Option<Duration>) {
        let before = self.number;
        *self = Direction { number: before + 1, stragglers: stragglers.map(|at| (before, at)), ..Direction::default() };
    }
}

/// What becomes of a packet that reaches its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    Now,
    /// It lies in the receiver's buffer until then.
    Later(Duration),
    /// It waits for a cut to heal.
    Held,
    Lost,
}

/// How the network behaves when nothing is cut.
#[derive(Debug, Clone, Copy)]
pub struct NetworkConditions {
    /// Most packets take up to this long.
    pub delay: Duration,
    /// One packet in so many takes up to a hundred times that; never when zero.
    pub stall_one_in: u64,
    /// One packet in so many sees its connection break under it; never when zero.
    pub break_one_in: u64,
    /// Directions break alone, and stragglers are read late (see above).
    pub adversarial: bool,
    /// One call in so many is repeated by its client; never when zero.
    pub repeat_one_in: u64,
}

/// The longest a straggler lies in its receiver's buffer.
const MAX_STRAGGLER_DELAY: Duration = Duration::from_secs(4);
/// The longest a client waits for an answer on a connection that is broken before it repeats its call.
const REPEAT: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub struct Network {
    pub conditions: NetworkConditions,
    connections: BTreeMap<(Node, Node), Connection>,
    /// Directions that deliver nothing; a counter, since cuts overlap.
    cuts: BTreeMap<(Node, Node), u32>,
    down: BTreeSet<Node>,
}

/// The longest a sender waits for acknowledgements before it gives up a connection.
const GIVE_UP: Duration = Duration::from_secs(40);

impl Network {
    pub fn new(conditions: NetworkConditions) -> Self {
        Network { conditions, connections: BTreeMap::new(), cuts: BTreeMap::new(), down: BTreeSet::new() }
    }

    pub fn is_cut(&self, from: Node, to: Node) -> bool {
        self.cuts.contains_key(&(from, to))
    }

    /// Sends; the events say when what happens of it.
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
            // Connection refused, or reset by a machine that knows nothing of it.
            return self.break_connection(now, random, from, to, Duration::from_millis(200));
        }
        if cut {
            // Without acknowledgements the way there is of no use either.
            return self.held(now, random, from, to, packet);
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

    /// What happens to a packet of that connection when it arrives.
    pub fn delivery(&mut self, now: Duration, from: Node, to: Node, number: u64) -> Delivery {
        let (down, cut) = (self.down.contains(&to), self.is_cut(from, to));
        let direction = self.direction(from, to);
        match direction.stragglers {
            _ if down => Delivery::Lost,
            _ if direction.number == number && cut => Delivery::Held,
            _ if direction.number == number => Delivery::Now,
            Some((old, at)) if old == number && now < at => Delivery::Later(at),
            Some((old, at)) if old == number && now == at => Delivery::Now,
            _ => Delivery::Lost,
        }
    }

    /// A packet goes into a cut, or reached one: it waits with the others.
    pub fn held(
        &mut self,
        now: Duration,
        random: &mut Random,
        from: Node,
        to: Node,
        packet: Packet,
    ) -> Vec<(Duration, Event)> {
        let direction = self.direction(from, to);
        direction.held.push_back(packet);
        let number = direction.number;
        let (pair, _) = pair(from, to);
        if std::mem::replace(&mut self.connections.entry(pair).or_default().gives_up, true) {
            return Vec::new();
        }
        vec![(now + up_to(random, GIVE_UP), Event::GiveUp { a: from, b: to, number })]
    }

    /// A sender's patience is over. If the cut has healed, nothing happens.
    pub fn give_up(
        &mut self,
        now: Duration,
        random: &mut Random,
        a: Node,
        b: Node,
        number: u64,
    ) -> Vec<(Duration, Event)> {
        let cut = self.is_cut(a, b) || self.is_cut(b, a);
        if cut && self.direction(a, b).number == number {
            // The other end sends nothing, or has its own patience.
            return self.break_connection(now, random, a, b, GIVE_UP);
        }
        let (pair, _) = pair(a, b);
        self.connections.entry(pair).or_default().gives_up = false;
        Vec::new()
    }

    /// Everything under way is lost. One end learns at once, the other within `lag`.
    pub fn break_connection(
        &mut self,
        now: Duration,
        random: &mut Random,
        first: Node,
        second: Node,
        lag: Duration,
    ) -> Vec<(Duration, Event)> {
        for (from, to) in [(first, second), (second, first)] {
            let stragglers = self.stragglers(now, random, to);
            self.direction(from, to).break_off(stragglers);
        }
        let (pair, _) = pair(first, second);
        self.connections.entry(pair).or_default().gives_up = false;
        vec![
            (now, Event::Broken { node: first, peer: second }),
            (now + up_to(random, lag), Event::Broken { node: second, peer: first }),
        ]
    }

    /// The connection that carries one direction breaks alone. Its sender learns of it. A scheduler knows of both of its
    /// connections, and gives both up when it loses one; its master knows of the event stream.
    pub fn break_direction(
        &mut self,
        now: Duration,
        random: &mut Random,
        from: Node,
        to: Node,
    ) -> Vec<(Duration, Event)> {
        let stragglers = self.stragglers(now, random, to);
        self.direction(from, to).break_off(stragglers);
        match (from, to) {
            (Node::Scheduler(_), _) => vec![(now, Event::Broken { node: from, peer: to })],
            (_, Node::Scheduler(_)) => {
                let lag = up_to(random, Duration::from_secs(3));
                vec![(now, Event::Broken { node: from, peer: to }), (now + lag, Event::Broken { node: to, peer: from })]
            }
            _ => vec![(now, Event::Broken { node: from, peer: to })],
        }
    }

    /// A scheduler reads its events from one response, which ends with its connection: what it has not read by then is
    /// lost to it. Its master may go on writing to the broken one meanwhile.
    fn stragglers(&self, now: Duration, random: &mut Random, to: Node) -> Option<Duration> {
        let at = (self.conditions.adversarial && one_in(random, 2)).then(|| now + up_to(random, MAX_STRAGGLER_DELAY));
        at.filter(|_| !matches!(to, Node::Scheduler(_)))
    }

    pub fn cut(&mut self, from: Node, to: Node) {
        *self.cuts.entry((from, to)).or_default() += 1;
    }

    /// What waited goes on its way.
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
            connection.gives_up = false;
            for packet in std::mem::take(&mut self.direction(from, to).held) {
                events.extend(self.send(now, random, from, to, packet));
            }
        }
        events
    }

    /// A process ends: its connections break, and peers learn of it soon.
    pub fn down(&mut self, now: Duration, random: &mut Random, node: Node) -> Vec<(Duration, Event)> {
        self.down.insert(node);
        let peers: Vec<Node> = self
            .connections
            .keys()
            .filter_map(|(a, b)| if *a == node { Some(*b) } else { (*b == node).then_some(*a) })
            .collect();
        let mut events = Vec::new();
        for peer in peers {
            let lag = if self.is_cut(node, peer) { GIVE_UP } else { Duration::from_secs(1) };
            events.extend(self.break_connection(now, random, node, peer, lag));
            // Nobody is left to read them.
            self.direction(peer, node).stragglers = None;
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

/// Connections are kept once, under the smaller node first.
fn pair(from: Node, to: Node) -> ((Node, Node), usize) {
    if from <= to { ((from, to), 0) } else { ((to, from), 1) }
}

pub(crate) fn up_to(random: &mut Random, most: Duration) -> Duration {
    Duration::from_nanos(random.below(most.as_nanos() as u64 + 1))
}

pub(crate) fn one_in(random: &mut Random, n: u64) -> bool {
    n > 0 && random.below(n) == 0
}

/// A message in a trace: its name, and what it is about.
pub(crate) fn brief(message: &Message) -> String {
    let name = message.name().rsplit('.').next().unwrap_or_default();
    let state = |state: i32| v1::TaskState::try_from(state).map_or("?", |state| state.as_str_name());
    match message {
        Message::ReregisterSlave(message) => {
            let task = |task: &v1::Task| {
                let told = task.status_update_state.map_or("nothing", state);
                format!("{} {} (told {told})", task.task_id.value, state(task.state))
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
