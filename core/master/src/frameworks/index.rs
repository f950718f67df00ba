//! The set of all frameworks, found by id, stream and driver, and the ids of completed ones.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

use model::{FrameworkId, StreamId, Upid};

use super::framework::{Connection, Framework};

#[derive(Debug)]
pub(crate) struct Frameworks {
    map: BTreeMap<FrameworkId, Framework>,
    streams: BTreeMap<StreamId, FrameworkId>,
    drivers: BTreeMap<Upid, FrameworkId>,
    completed: VecDeque<FrameworkId>,
    max_completed: usize,
}

impl Frameworks {
    pub fn new(max_completed: usize) -> Self {
        Frameworks {
            map: BTreeMap::new(),
            streams: BTreeMap::new(),
            drivers: BTreeMap::new(),
            completed: VecDeque::new(),
            max_completed,
        }
    }

    pub fn get(&self, id: &str) -> Option<&Framework> {
        self.map.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Framework> {
        self.map.get_mut(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Framework> {
        self.map.values()
    }

    pub fn insert(&mut self, framework: Framework) {
        self.index(framework.id().clone(), framework.connection());
        self.map.insert(framework.id().clone(), framework);
    }

    pub fn by_stream(&self, stream: StreamId) -> Option<&FrameworkId> {
        self.streams.get(&stream)
    }

    pub fn by_driver(&self, pid: &Upid) -> Option<&FrameworkId> {
        self.drivers.get(pid)
    }

    /// Returns the drivers whose link ended with this address.
    pub fn drivers_at(&self, address: SocketAddrV4) -> Vec<FrameworkId> {
        self.drivers.iter().filter(|(pid, _)| pid.address == address).map(|(_, id)| id.clone()).collect()
    }

    /// Moves a framework to another connection; returns the previous one.
    pub fn connect(&mut self, id: &str, connection: Connection) -> Option<Connection> {
        let framework = self.map.get_mut(id)?;
        let before = framework.replace_connection(connection.clone());
        let id = framework.id().clone();
        match &before {
            Connection::Http(stream) => drop(self.streams.remove(stream)),
            Connection::Driver(pid) => drop(self.drivers.remove(pid)),
            Connection::None => {}
        }
        self.index(id, &connection);
        Some(before)
    }

    fn index(&mut self, id: FrameworkId, connection: &Connection) {
        match connection {
            Connection::Http(stream) => drop(self.streams.insert(*stream, id)),
            Connection::Driver(pid) => drop(self.drivers.insert(pid.clone(), id)),
            Connection::None => {}
        }
    }

    /// Removes a framework for ever; its id is kept so that it cannot subscribe again.
    pub fn complete(&mut self, id: &str) -> Option<Framework> {
        self.connect(id, Connection::None);
        let framework = self.map.remove(id)?;
        self.completed.push_back(framework.id().clone());
        while self.completed.len() > self.max_completed {
            self.completed.pop_front();
        }
        Some(framework)
    }

    pub fn is_completed(&self, id: &str) -> bool {
        self.completed.iter().any(|completed| completed.as_str() == id)
    }
}
