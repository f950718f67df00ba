//! The requests and messages that a master process answers, whether it leads or follows. As in Mesos, a follower drops
//! messages, answers requests about itself, and redirects the others to the leader.

use std::sync::{Arc, PoisonError, RwLock};

use ::master::{Input, PeerMessage};
use election::{Leader, Lease};
use messages::{Message, v1};
use model::{Caller, Upid};
use tokio::sync::watch;

use super::app::MasterApp;
use super::endpoints::PROCESS;
use super::host::MasterHost;
use edge::app::{App, ProcessKind};
use edge::core_thread::Inbox;
use edge::endpoints::common::CommonEndpoints;
use edge::http::endpoint::{Availability, Endpoint, EndpointTable};
use edge::http::request::Request;
use edge::http::respond::{Response, redirect, unavailable};
use edge::libprocess::message::Dropped;

/// The service of a master process over all its terms.
pub struct MasterService {
    leadership: RwLock<Leadership>,
    dropped: Arc<Dropped>,
    leader: watch::Receiver<Leader>,
    pid: String,
    /// The number of terms that have ended.
    ended: watch::Sender<u64>,
}

#[derive(Clone)]
enum Leadership {
    /// The master leads while the lease is valid.
    Leading(Arc<MasterApp>, Lease),
    /// The master is elected and reads the registry.
    Recovering(Arc<MasterApp>),
    Following(Arc<MasterApp>),
}

/// The redirect target of a follower.
enum RedirectTarget {
    Leader(String),
    Unavailable(&'static str),
}

impl MasterService {
    /// Makes the service of a follower. `pid` is the libprocess address of this master.
    pub fn following(app: Arc<MasterApp>, dropped: Arc<Dropped>, leader: watch::Receiver<Leader>, pid: String) -> Self {
        MasterService {
            leadership: RwLock::new(Leadership::Following(app)),
            dropped,
            leader,
            pid,
            ended: watch::Sender::new(0),
        }
    }

    /// Serves requests from `app`, which leads while `lease` is valid.
    pub fn lead(&self, app: Arc<MasterApp>, lease: Lease) {
        self.set_leadership(Leadership::Leading(app, lease));
    }

    /// Answers requests that need a leader with 503, because this master reads the registry.
    pub fn recovering(&self) {
        let app = match self.leadership() {
            Leadership::Leading(app, _) | Leadership::Recovering(app) | Leadership::Following(app) => app,
        };
        self.set_leadership(Leadership::Recovering(app));
    }

    /// Serves requests as a follower, and ends the links of the term before.
    pub fn follow(&self, app: Arc<MasterApp>) {
        self.set_leadership(Leadership::Following(app));
        self.ended.send_modify(|terms| *terms += 1);
    }

    fn set_leadership(&self, leadership: Leadership) {
        *self.leadership.write().unwrap_or_else(PoisonError::into_inner) = leadership;
    }

    fn leadership(&self) -> Leadership {
        match self.leadership.read().unwrap_or_else(PoisonError::into_inner).clone() {
            // The core takes no decisions any more, and its answers may be outdated.
            Leadership::Leading(app, lease) if !lease.is_valid() => Leadership::Following(app),
            leadership => leadership,
        }
    }

    fn redirect_target(&self, recovering: bool) -> RedirectTarget {
        if recovering {
            return RedirectTarget::Unavailable("Master has not finished recovery");
        }
        match &*self.leader.borrow() {
            None => RedirectTarget::Unavailable("No leader elected"),
            // ZooKeeper names this process before its term has begun, or after its term has ended.
            Some(leader) if leader.pid() == self.pid => RedirectTarget::Unavailable("Master has not finished recovery"),
            Some(leader) => RedirectTarget::Leader(authority(leader)),
        }
    }
}

impl App for MasterService {
    type Host = MasterHost;
    type Shared = MasterApp;

    fn inbox(&self) -> Option<Arc<Inbox<MasterHost>>> {
        match self.leadership() {
            Leadership::Leading(app, _) => Some(app.inbox.clone()),
            Leadership::Recovering(_) | Leadership::Following(_) => None,
        }
    }

    fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Messages of the agents' observers are accepted as well: agents answer pings to their sender.
    fn process(&self, id: &str) -> ProcessKind {
        let is_observer = id.strip_prefix("slave-observer(").is_some_and(|rest| rest.ends_with(')'));
        let leads = || matches!(self.leadership(), Leadership::Leading(..));
        match id {
            PROCESS if leads() => ProcessKind::Core,
            _ if is_observer && leads() => ProcessKind::Core,
            PROCESS => ProcessKind::Other,
            _ if is_observer || MasterApp::table().has_process(id) => ProcessKind::Other,
            _ => ProcessKind::None,
        }
    }

    fn input(&self, from: Upid, to: String, message: Message, caller: Caller) -> Option<Input> {
        Some(Input::Message(PeerMessage { from, caller, to, message }))
    }

    /// Mesos' master ends its process, and with it all links of its peers.
    fn end_of_term(&self) -> impl Future<Output = ()> + Send {
        let mut ended = self.ended.subscribe();
        async move {
            if ended.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    fn endpoints(&self) -> &'static EndpointTable<MasterApp> {
        MasterApp::table()
    }

    fn shared(self: &Arc<Self>, endpoint: &Endpoint<MasterApp>, request: &Request) -> Result<Arc<MasterApp>, Response> {
        let (app, recovering) = match self.leadership() {
            Leadership::Leading(app, _) => return Ok(app),
            Leadership::Recovering(app) => (app, true),
            Leadership::Following(app) => (app, false),
        };
        let target = match endpoint.availability {
            Availability::Always | Availability::Recovered => return Ok(app),
            Availability::Leader => request.target.as_str(),
            Availability::LeaderAddress => "",
        };
        match self.redirect_target(recovering) {
            RedirectTarget::Unavailable(reason) => Err(unavailable(reason)),
            RedirectTarget::Leader(authority) => Err(redirect(&format!("//{authority}{target}"))),
        }
    }
}

fn authority(leader: &v1::MasterInfo) -> String {
    let host = leader.hostname.clone().unwrap_or_else(|| std::net::Ipv4Addr::from(leader.ip.to_le_bytes()).to_string());
    format!("{host}:{}", leader.port)
}
