//! Connections between nodes, as TCP gives them: in order, whole or broken.
//!
//! A cut direction delivers nothing. What is sent into it waits, as unacknowledged segments do, until the cut heals or
//! the connection gives up; then everything under way is lost and both ends learn of it, each in its own time.
//! Reordering and duplication happen where they happen with libprocess: a message of a broken connection is overtaken by
//! those of the next one, or seen twice because its sender repeats it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use messages::{Message, v1};
use vocabulary::{Random, StreamId, Upid};

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

/// One connection, both directions. Its number changes when it breaks: what was sent on an older one never arrives,
/// except for stragglers (see [`Network::send`]).
#[derive(Debug, Default)]
struct Connection {
    number: u64,
    /// When the last packet of each direction arrives: nothing overtakes it.
    last: [Duration; 2],
    /// Sent into a cut.
    held: [VecDeque<Packet>; 2],
    /// Somebody has sent into a cut, and will give up.
    doomed: bool,
}

/// How the network behaves when nothing is cut.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Most packets take up to this long.
    pub delay: Duration,
    /// One packet in so many takes up to a hundred times that; never when zero.
    pub stall_one_in: u64,
    /// One packet in so many sees its connection break under it; never when zero.
    pub break_one_in: u64,
}

#[derive(Debug)]
pub struct Network {
    pub weather: Weather,
    connections: BTreeMap<(Node, Node), Connection>,
    /// Directions that deliver nothing; a counter, since cuts overlap.
    cuts: BTreeMap<(Node, Node), u32>,
    down: BTreeSet<Node>,
}

/// The longest a sender waits for acknowledgements before it gives up a connection.
const GIVE_UP: Duration = Duration::from_secs(40);

impl Network {
    pub fn new(weather: Weather) -> Self {
        Network { weather, connections: BTreeMap::new(), cuts: BTreeMap::new(), down: BTreeSet::new() }
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
        let weather = self.weather;
        let (pair, direction) = pair(from, to);
        let connection = self.connections.entry(pair).or_default();
        let number = connection.number;
        if self.down.contains(&to) {
            // Connection refused, or reset by a machine that knows nothing of it.
            return self.break_connection(now, random, from, to, Duration::from_millis(200));
        }
        if cut {
            // Without acknowledgements the way there is of no use either.
            if let Some(held) = connection.held.get_mut(direction) {
                held.push_back(packet);
            }
            if std::mem::replace(&mut connection.doomed, true) {
                return Vec::new();
            }
            return vec![(now + up_to(random, GIVE_UP), Event::GiveUp { a: from, b: to, number })];
        }
        if one_in(random, weather.break_one_in) {
            return self.break_connection(now, random, from, to, Duration::from_secs(3));
        }
        let stalled = one_in(random, weather.stall_one_in);
        let delay = up_to(random, if stalled { weather.delay * 100 } else { weather.delay });
        let mut at = now + delay;
        if let Some(last) = connection.last.get_mut(direction) {
            at = at.max(*last);
            *last = at;
        }
        vec![(at, Event::Arrive { from, to, number, packet: Box::new(packet) })]
    }

    /// True if a packet sent on that connection may still arrive.
    pub fn delivers(&self, from: Node, to: Node, number: u64) -> bool {
        let (pair, _) = pair(from, to);
        !self.down.contains(&to)
            && !self.is_cut(from, to)
            && self.connections.get(&pair).is_some_and(|connection| connection.number == number)
    }

    /// A packet reached a cut: it waits with the others.
    pub fn hold(
        &mut self,
        now: Duration,
        random: &mut Random,
        from: Node,
        to: Node,
        number: u64,
        packet: Packet,
    ) -> Vec<(Duration, Event)> {
        let (pair, direction) = pair(from, to);
        let Some(connection) = self.connections.get_mut(&pair).filter(|connection| connection.number == number) else {
            return Vec::new();
        };
        if let Some(held) = connection.held.get_mut(direction) {
            held.push_back(packet);
        }
        if std::mem::replace(&mut connection.doomed, true) {
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
        let (pair, _) = pair(a, b);
        let cut = self.is_cut(a, b) || self.is_cut(b, a);
        match self.connections.get_mut(&pair) {
            Some(connection) if connection.number == number && cut => {
                // The other end sends nothing, or has its own patience.
                self.break_connection(now, random, a, b, GIVE_UP)
            }
            Some(connection) => {
                connection.doomed = false;
                Vec::new()
            }
            None => Vec::new(),
        }
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
        let (pair, _) = pair(first, second);
        let connection = self.connections.entry(pair).or_default();
        let number = connection.number;
        *connection = Connection { number: number + 1, ..Connection::default() };
        vec![
            (now, Event::Broken { node: first, peer: second }),
            (now + up_to(random, lag), Event::Broken { node: second, peer: first }),
        ]
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
            let (pair, direction) = pair(from, to);
            let Some(connection) = self.connections.get_mut(&pair) else { continue };
            connection.doomed = false;
            let held = connection.held.get_mut(direction).map(std::mem::take).unwrap_or_default();
            for packet in held {
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
        }
        events
    }

    pub fn up(&mut self, node: Node) {
        self.down.remove(&node);
    }
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
