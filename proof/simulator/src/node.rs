//! The nodes of a simulated cluster and their addresses.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// A machine of the simulated cluster with the one process on it that matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// The coordination service: it elects masters and keeps the registry. It never fails, but can be out of reach.
    Coordination,
    Master(usize),
    Agent(usize),
    Scheduler(usize),
}

impl Node {
    pub fn address(self) -> SocketAddrV4 {
        let (network, host, port) = match self {
            Node::Coordination => (0, 0, 2181),
            Node::Master(index) => (1, index, 5050),
            Node::Agent(index) => (2, index, 5051),
            Node::Scheduler(index) => (3, index, 8080),
        };
        // The simulator has some dozens of nodes, so two octets are enough.
        let [.., high, low] = host.to_be_bytes();
        SocketAddrV4::new(Ipv4Addr::new(10, network, high, low), port)
    }

    pub fn at(address: SocketAddrV4) -> Option<Node> {
        let [_, network, high, low] = address.ip().octets();
        let index = usize::from(u16::from_be_bytes([high, low]));
        match network {
            0 => Some(Node::Coordination),
            1 => Some(Node::Master(index)),
            2 => Some(Node::Agent(index)),
            3 => Some(Node::Scheduler(index)),
            _ => None,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Coordination => f.write_str("coordination"),
            Node::Master(index) => write!(f, "master-{index}"),
            Node::Agent(index) => write!(f, "agent-{index}"),
            Node::Scheduler(index) => write!(f, "scheduler-{index}"),
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_their_node() {
        for node in [Node::Coordination, Node::Master(2), Node::Agent(300), Node::Scheduler(7)] {
            assert_eq!(Node::at(node.address()), Some(node));
        }
    }
}
