//! The coordination service: sessions, the order of candidates, and the registry, which is fenced by the leader's
//! epoch.
//!
//! It stands for ZooKeeper and for the store above it, and makes the same promises. A session ends when its master has
//! been out of reach for the whole timeout, and continues when it was out of reach for less. The oldest session leads.
//! A commit counts only in the epoch of the master that took the store over last.

use std::time::Duration;

use master::{RegistryOperation, RegistryState};

use crate::context::Context;
use crate::event::Event;
use crate::node::Node;

const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Watchers are notified of a change within this time.
const NOTIFICATION_DELAY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
struct Session {
    id: u64,
    master: usize,
    incarnation: u64,
    /// The time since which nothing has been heard from the master. The expiry is on the queue.
    silent_since: Option<Duration>,
    /// Whether the master considers the session lost and does not keep it alive any more.
    abandoned: bool,
}

#[derive(Debug, Default)]
pub struct Coordination {
    sessions: Vec<Session>,
    last_session: u64,
    /// The number of changes of leadership.
    version: u64,
    leader: Option<u64>,
    /// The epoch of the last master that took the store over.
    epoch: u64,
    /// The master that took the store over in this epoch, and its incarnation.
    holder: Option<(usize, u64)>,
    registry: RegistryState,
}

impl Coordination {
    /// Fences all earlier leaders. Returns the new epoch and the registry.
    pub fn take_over(&mut self, master: usize, incarnation: u64) -> (u64, RegistryState) {
        self.epoch += 1;
        self.holder = Some((master, incarnation));
        (self.epoch, self.registry.clone())
    }

    /// Applies a commit. Returns false and changes nothing for a deposed master.
    pub fn commit(&mut self, epoch: u64, operations: &[RegistryOperation]) -> bool {
        if epoch != self.epoch {
            return false;
        }
        for operation in operations {
            self.registry.apply(operation);
        }
        true
    }

    /// Returns the registry of the master that leads in this epoch; `None` for a deposed master.
    pub fn registry_of(&self, epoch: u64) -> Option<&RegistryState> {
        (epoch == self.epoch).then_some(&self.registry)
    }

    /// Returns whether this incarnation of the master took the store over last; no other master may act in its epoch.
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
    /// Opens a session of a master that becomes a candidate. Returns the number of the session.
    pub fn open_session(&mut self, master: usize, incarnation: u64) -> u64 {
        self.coordination.last_session += 1;
        let id = self.coordination.last_session;
        self.coordination.sessions.push(Session { id, master, incarnation, silent_since: None, abandoned: false });
        self.trace(|| format!("session {id} of master-{master} begins"));
        self.elect();
        id
    }

    /// Closes a session at the request of its master, for a planned hand-over.
    pub fn close_session(&mut self, id: u64) {
        self.coordination.sessions.retain(|session| session.id != id);
        self.elect();
    }

    /// Starts the expiry of sessions whose master is out of touch. It is called when masters crash and when connections
    /// are cut or healed. `incarnations` has the current incarnation of each master that is up.
    pub fn check_sessions(&mut self, incarnations: &[Option<u64>]) {
        let now = self.time;
        for index in 0..self.coordination.sessions.len() {
            let Some(session) = self.coordination.sessions.get(index).copied() else { continue };
            let silent_since =
                (!self.is_in_touch(session, incarnations)).then_some(session.silent_since.unwrap_or(now));
            if let Some(session) = self.coordination.sessions.get_mut(index) {
                session.silent_since = silent_since;
            }
            if silent_since.is_none() || session.silent_since.is_some() {
                continue;
            }
            let (master, incarnation, session) = (session.master, session.incarnation, session.id);
            self.after(SESSION_TIMEOUT, Event::SessionExpires { session, since: now });
            // A client measures the timeout by its own clock, and one that is paused is slow to notice. Two masters
            // then lead at once, and only the fence of the registry separates them.
            let notice = Duration::from_millis(self.between(6_000, 30_000));
            self.after(notice, Event::SessionLost { master, incarnation, session, since: now });
        }
    }

    /// Expires a session unless something has been heard from its master since.
    pub fn session_expires(&mut self, id: u64, since: Duration) {
        let index = self.coordination.sessions.iter().position(|s| s.id == id && s.silent_since == Some(since));
        let Some(index) = index else { return };
        let session = self.coordination.sessions.remove(index);
        self.trace(|| format!("session {id} of master-{} expires", session.master));
        self.elect();
    }

    /// Marks a session that its master gives up without being able to say so.
    pub fn abandon_session(&mut self, id: u64) {
        if let Some(session) = self.coordination.sessions.iter_mut().find(|session| session.id == id) {
            session.abandoned = true;
        }
    }

    pub fn has_session(&self, id: u64) -> bool {
        self.coordination.sessions.iter().any(|session| session.id == id)
    }

    /// Returns whether a master that has heard nothing since `since` must consider its session lost. It must not if it
    /// was in touch meanwhile and the session continues.
    pub fn is_session_lost(&self, id: u64, since: Duration) -> bool {
        let session = self.coordination.sessions.iter().find(|session| session.id == id);
        session.is_none_or(|session| session.silent_since == Some(since))
    }

    /// Returns whether a master can reach the coordination service and receives its answers.
    pub fn reaches_coordination(&self, master: usize) -> bool {
        let node = Node::Master(master);
        !self.network.is_cut(node, Node::Coordination) && !self.network.is_cut(Node::Coordination, node)
    }

    fn is_in_touch(&self, session: Session, incarnations: &[Option<u64>]) -> bool {
        let same_incarnation = incarnations.get(session.master) == Some(&Some(session.incarnation));
        same_incarnation && !session.abandoned && self.reaches_coordination(session.master)
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
            self.within(NOTIFICATION_DELAY, Event::Elected { master, incarnation, session: id });
        }
        self.trace(|| format!("leader: {}", first.map_or("nobody".to_owned(), |s| format!("master-{}", s.master))));
        self.announce = true;
    }

    /// Notifies one watcher of the leader after a random delay.
    pub fn notify(&mut self, node: Node) {
        let (leader, version) = (self.coordination.leading_master(), self.coordination.version);
        self.within(NOTIFICATION_DELAY, Event::Detected { node, leader, version });
    }
}
