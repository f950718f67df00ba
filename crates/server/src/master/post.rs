//! What a master process answers, whether it leads or follows. A follower drops messages as Mesos does, serves what is
//! about itself, and points at the leader for the rest.

use std::sync::{Arc, PoisonError, RwLock};

use ::master::{Input, PeerMessage};
use election::{Leader, Lease};
use messages::{Message, v1};
use tokio::sync::watch;
use vocabulary::Upid;

use super::app::MasterApp;
use super::host::MasterHost;
use super::routes::ROUTES;
use crate::edge::app::{App, Process};
use crate::edge::core_thread::Inbox;
use crate::edge::message::Dropped;
use crate::edge::request::Request;
use crate::edge::respond::{Response, not_found, redirect, unavailable};

pub struct Post {
    duty: RwLock<Duty>,
    dropped: Arc<Dropped>,
    leader: watch::Receiver<Leader>,
    pid: String,
    /// Terms that have ended.
    ended: watch::Sender<u64>,
}

#[derive(Clone)]
enum Duty {
    /// For as long as the lease is valid.
    Leading(Arc<MasterApp>, Lease),
    /// Elected, and reading the registry.
    TakingOver(Arc<MasterApp>),
    Following(Arc<MasterApp>),
}

/// Whom a follower points at.
enum Direction {
    Leader(String),
    Nowhere(&'static str),
}

impl Post {
    pub fn following(app: Arc<MasterApp>, dropped: Arc<Dropped>, leader: watch::Receiver<Leader>, pid: String) -> Self {
        Post { duty: RwLock::new(Duty::Following(app)), dropped, leader, pid, ended: watch::Sender::new(0) }
    }

    pub fn lead(&self, app: Arc<MasterApp>, lease: Lease) {
        self.change(Duty::Leading(app, lease));
    }

    pub fn take_over(&self) {
        let app = match self.duty() {
            Duty::Leading(app, _) | Duty::TakingOver(app) | Duty::Following(app) => app,
        };
        self.change(Duty::TakingOver(app));
    }

    pub fn follow(&self, app: Arc<MasterApp>) {
        self.change(Duty::Following(app));
        self.ended.send_modify(|terms| *terms += 1);
    }

    fn change(&self, duty: Duty) {
        *self.duty.write().unwrap_or_else(PoisonError::into_inner) = duty;
    }

    fn duty(&self) -> Duty {
        match self.duty.read().unwrap_or_else(PoisonError::into_inner).clone() {
            // Its core acts no more, and what it answers may be old.
            Duty::Leading(app, lease) if !lease.is_valid() => Duty::Following(app),
            duty => duty,
        }
    }

    fn direction(&self, taking_over: bool) -> Direction {
        if taking_over {
            return Direction::Nowhere("Master has not finished recovery");
        }
        match &*self.leader.borrow() {
            None => Direction::Nowhere("No leader elected"),
            // ZooKeeper has said so before this process has begun its term, or after it has ended it.
            Some(leader) if leader.pid() == self.pid => Direction::Nowhere("Master has not finished recovery"),
            Some(leader) => Direction::Leader(authority(leader)),
        }
    }
}

impl App for Post {
    type Host = MasterHost;

    fn inbox(&self) -> Option<Arc<Inbox<MasterHost>>> {
        match self.duty() {
            Duty::Leading(app, _) => Some(app.inbox.clone()),
            Duty::TakingOver(_) | Duty::Following(_) => None,
        }
    }

    fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Observers are not told apart: agents answer pings to whoever sent them.
    fn process(&self, id: &str) -> Process {
        let is_observer = id.strip_prefix("slave-observer(").is_some_and(|rest| rest.ends_with(')'));
        let leads = || matches!(self.duty(), Duty::Leading(..));
        match id {
            "master" if leads() => Process::Core,
            _ if is_observer && leads() => Process::Core,
            "master" => Process::Other,
            _ if is_observer || ROUTES.has_process(id) => Process::Other,
            _ => Process::None,
        }
    }

    fn input(&self, from: Upid, to: String, message: Message) -> Option<Input> {
        Some(Input::Message(PeerMessage { from, to, message }))
    }

    /// Mesos' master ends its process, and so every link of its peers.
    fn end_of_term(&self) -> impl Future<Output = ()> + Send {
        let mut ended = self.ended.subscribe();
        async move {
            if ended.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let (app, taking_over) = match self.duty() {
            Duty::Leading(app, _) => return app.handle(request).await,
            Duty::TakingOver(app) => (app, true),
            Duty::Following(app) => (app, false),
        };
        let Some(endpoint) = ROUTES.resolve(&request.path) else { return not_found() };
        if endpoint.process != "master" || matches!(endpoint.route, "health" | "flags") {
            return app.handle(request).await;
        }
        if endpoint.route == "redirect" && !endpoint.exact {
            // Whoever leads would send it back.
            return not_found();
        }
        match self.direction(taking_over) {
            Direction::Nowhere(reason) => unavailable(reason),
            Direction::Leader(authority) if endpoint.route == "redirect" => redirect(&format!("//{authority}")),
            Direction::Leader(authority) => redirect(&format!("//{authority}{}", request.target)),
        }
    }
}

fn authority(leader: &v1::MasterInfo) -> String {
    let host = leader.hostname.clone().unwrap_or_else(|| std::net::Ipv4Addr::from(leader.ip.to_le_bytes()).to_string());
    format!("{host}:{}", leader.port)
}
