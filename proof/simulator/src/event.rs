//! The events of virtual time.

use std::time::Duration;

use model::ContainerId;

use crate::faults::Fault;
use crate::network::Packet;
use crate::node::Node;

/// An event of the queue. Events of a process carry its incarnation; those of an earlier incarnation are ignored.
#[derive(Debug, Clone)]
pub enum Event {
    Arrive {
        from: Node,
        to: Node,
        number: u64,
        packet: Box<Packet>,
    },
    /// A sender gives up a connection that has been cut for too long.
    ConnectionTimeout {
        a: Node,
        b: Node,
        number: u64,
    },
    /// A node learns that its connection to a peer has ended.
    Broken {
        node: Node,
        peer: Node,
    },
    /// A timer of the term in this epoch is due.
    MasterTimer {
        master: usize,
        epoch: u64,
        timer: master::Timer,
        serial: u64,
    },
    AgentTimer {
        agent: usize,
        incarnation: u64,
        timer: agent::Timer,
        serial: u64,
    },
    /// The records that an agent's disk was writing are durable.
    Flushed {
        agent: usize,
        incarnation: u64,
    },
    /// The directories of volumes are made.
    Volumes {
        agent: usize,
        incarnation: u64,
        number: u64,
    },
    /// The machine of an agent is measured.
    Measured {
        agent: usize,
        incarnation: u64,
        timer: agent::Timer,
    },
    /// A record is reported as durable (see `Mutant::SkipFlush`).
    Stored {
        agent: usize,
        incarnation: u64,
        token: machine::StoreToken,
    },
    /// A master's registry commit reaches the coordination service.
    Commit {
        master: usize,
        epoch: u64,
    },
    /// The answer to the commit reaches the master.
    Committed {
        master: usize,
        epoch: u64,
        tokens: Vec<machine::StoreToken>,
        fenced: bool,
    },
    /// A session with the coordination service ends unless its master was in touch meanwhile.
    SessionExpires {
        session: u64,
        since: Duration,
    },
    /// A master that could not reach the coordination service considers its session lost.
    SessionLost {
        master: usize,
        incarnation: u64,
        session: u64,
        since: Duration,
    },
    /// A master without a session tries to become a candidate.
    Contend {
        master: usize,
        incarnation: u64,
    },
    /// A master learns that it leads.
    Elected {
        master: usize,
        incarnation: u64,
        session: u64,
    },
    /// A node learns who leads.
    Detected {
        node: Node,
        leader: Option<usize>,
        version: u64,
    },
    /// Something is due in a container.
    Container {
        agent: usize,
        boot: u64,
        container: ContainerId,
        action: ContainerAction,
    },
    /// A scheduler performs its periodic work.
    Tick {
        scheduler: usize,
        incarnation: u64,
    },
    /// A scheduler that lost its connection subscribes again.
    Retry {
        scheduler: usize,
        incarnation: u64,
    },
    Fault(Fault),
    /// A process that was stopped starts again.
    Start(Node),
}

/// The actions that a container or its executor takes by itself.
#[derive(Debug, Clone)]
pub enum ContainerAction {
    /// The executor's process has started.
    Started,
    /// The executor subscribes at the agent (again).
    Subscribe,
    /// A task ends.
    TaskEnds { task: String, killed: bool },
    /// The executor exits by itself.
    Exit { status: i32 },
    /// Everything in the container is dead and cleaned up.
    Destroyed,
    /// An event of the agent reaches the executor.
    Event(std::sync::Arc<messages::v1::executor::Event>),
    /// A call of the executor reaches the agent.
    Call(Box<messages::v1::executor::Call>),
}
