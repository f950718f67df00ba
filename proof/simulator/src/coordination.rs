//! The coordination service: sessions, an order of candidates, and the registry, fenced by the leader's epoch.
//!
//! It stands for ZooKeeper and for the store above it, with their promises: a session ends when its master has been out of
//! reach for its whole timeout, and lives on when it was out of reach for less; the oldest session leads; a commit counts
//! only in the epoch of the last who took over.

use std::time::Duration;

use master::{RegistryOperation, RegistryState};

use crate::context::Context;
use crate::event::Event;
use crate::node::Node;

const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Watchers hear of a change within this.
const NOTICE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
struct Session {
    id: u64,
    master: usize,
    incarnation: u64,
    /// Since when nothing has been heard from its master; its expiry is on the queue.
    silent_since: Option<Duration>,
    /// Its master believes it lost, and keeps it alive no more.
    abandoned: bool,
}

#[derive(Debug, Default)]
pub struct Coordination {
    sessions: Vec<Session>,
    last_session: u64,
    /// Counts the changes of leadership.
    version: u64,
    leader: Option<u64>,
    /// Of the last master that took over.
    epoch: u64,
    /// Who took over in it, and in which life.
    holder: Option<(usize, u64)>,
    registry: RegistryState,
}

impl Coordination {
    /// The new leader fences all before it.
    pub fn take_over(&mut self, master: usize, incarnation: u64) -> (u64, RegistryState) {
        self.epoch += 1;
        self.holder = Some((master, incarnation));
        (self.epoch, self.registry.clone())
    }

    /// False, and nothing happens, for a deposed master.
    pub fn commit(&mut self, epoch: u64, operations: &[RegistryOperation]) -> bool {
        if epoch != self.epoch {
            return false;
        }
        for operation in operations {
            self.registry.apply(operation);
        }
        true
    }

    /// What the epoch's master has made of it; nothing for one that is deposed.
    pub fn registry_of(&self, epoch: u64) -> Option<&RegistryState> {
        (epoch == self.epoch).then_some(&self.registry)
    }

    /// Whether this one took over last: nobody else acts in its epoch.
    pub fn is_held_by(&self, master: usize, incarnation: u64) -> bool {
        self.holder == Some((master, incarnation))
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn leading_master(&self) -> Option<usize> {
        let leader = self.leader?;
        self.sessions.iter().find(|session| session.id == leader).map(|session| session.master)
    }
}

impl Context {
    /// A master candidates; its session's number.
    pub fn open_session(&mut self, master: usize, incarnation: u64) -> u64 {
        self.coordination.last_session += 1;
        let id = self.coordination.last_session;
        self.coordination.sessions.push(Session { id, master, incarnation, silent_since: None, abandoned: false });
        self.trace(|| format!("session {id} of master-{master} begins"));
        self.elect();
        id
    }

    /// The master ends its session itself: a planned hand-over.
    pub fn close_session(&mut self, id: u64) {
        self.coordination.sessions.retain(|session| session.id != id);
        self.elect();
    }

    /// Called when masters crash and when ways are cut or heal: sessions that are out of touch run out. `lives` has the
    /// present life of each master that is up.
    pub fn check_sessions(&mut self, incarnations: &[Option<u64>]) {
        let now = self.time;
        for index in 0..self.coordination.sessions.len() {
            let Some(session) = self.coordination.sessions.get(index).copied() else { continue };
            let silent_since = (!self.in_touch(session, incarnations)).then_some(session.silent_since.unwrap_or(now));
            if let Some(session) = self.coordination.sessions.get_mut(index) {
                session.silent_since = silent_since;
            }
            if silent_since.is_none() || session.silent_since.is_some() {
                continue;
            }
            let (master, incarnation, session) = (session.master, session.incarnation, session.id);
            self.after(SESSION_TIMEOUT, Event::SessionExpires { session, since: now });
            // A client counts by its own clock, and one that is paused meanwhile is slow to notice: then two lead, and only
            // the fence of the registry is between them.
            let notice = Duration::from_millis(self.between(6_000, 30_000));
            self.after(notice, Event::SessionLost { master, incarnation, session, since: now });
        }
    }

    /// Unless something has been heard from its master since.
    pub fn session_expires(&mut self, id: u64, since: Duration) {
        let index = self.coordination.sessions.iter().position(|s| s.id == id && s.silent_since == Some(since));
        let Some(index) = index else { return };
        let session = self.coordination.sessions.remove(index);
        self.trace(|| format!("session {id} of master-{} expires", session.master));
        self.elect();
    }

    /// Its master gives a session up without being able to say so.
    pub fn abandon_session(&mut self, id: u64) {
        if let Some(session) = self.coordination.sessions.iter_mut().find(|session| session.id == id) {
            session.abandoned = true;
        }
    }

    pub fn has_session(&self, id: u64) -> bool {
        self.coordination.sessions.iter().any(|session| session.id == id)
    }

    /// Whether a master that has heard nothing since then has to take its session for lost. It has not if it was in touch
    /// meanwhile, and the session goes on.
    pub fn is_session_lost(&self, id: u64, since: Duration) -> bool {
        let session = self.coordination.sessions.iter().find(|session| session.id == id);
        session.is_none_or(|session| session.silent_since == Some(since))
    }

    /// Whether a master can reach the coordination service, and hears its answers.
    pub fn reaches_coordination(&self, master: usize) -> bool {
        let node = Node::Master(master);
        !self.network.is_cut(node, Node::Coordination) && !self.network.is_cut(Node::Coordination, node)
    }

    fn in_touch(&self, session: Session, incarnations: &[Option<u64>]) -> bool {
        let lives_on = incarnations.get(session.master) == Some(&Some(session.incarnation));
        lives_on && !session.abandoned && self.reaches_coordination(session.master)
    }

    fn elect(&mut self) {
        let first = self.coordination.sessions.first().copied();
        if self.coordination.leader == first.map(|session| session.id) {
            return;
        }
        self.coordination.leader = first.map(|session| session.id);
        self.coordination.version += 1;
        if let Some(Session { id, master, incarnation, .. }) = first {
            self.counts.elections += 1;
            self.within(NOTICE, Event::Elected { master, incarnation, session: id });
        }
        self.trace(|| format!("leader: {}", first.map_or("nobody".to_owned(), |s| format!("master-{}", s.master))));
        self.announce = true;
    }

    /// Tells one watcher who leads, as soon as the news reach it.
    pub fn notify(&mut self, node: Node) {
        let (leader, version) = (self.coordination.leading_master(), self.coordination.version);
        self.within(NOTICE, Event::Detected { node, leader, version });
    }
}
