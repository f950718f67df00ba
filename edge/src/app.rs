//! What the edge needs to know of the program it serves: a master or an agent.

use std::future::Future;
use std::sync::Arc;

use messages::Message;
use model::Upid;

use crate::core_thread::{Host, Inbox};
use crate::http::request::Request;
use crate::http::respond::Response;
use crate::libprocess::message::Dropped;

/// What a process id names here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    None,
    /// Its messages go to the core.
    Core,
    /// It exists, but takes no messages.
    Other,
}

pub trait App: Send + Sync + 'static {
    type Host: Host;

    /// Of the core; none while this process has no core, and messages are dropped.
    fn inbox(&self) -> Option<Arc<Inbox<Self::Host>>>;

    fn dropped(&self) -> &Dropped;

    fn process(&self, id: &str) -> ProcessKind;

    /// The core's input for a message, unless it is refused.
    fn input(&self, from: Upid, to: String, message: Message) -> Option<<Self::Host as Host>::Input>;

    /// Resolves when what links mean to this process ends, and they with it; never where that is its own end.
    fn end_of_term(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    fn handle(self: Arc<Self>, request: Request) -> impl Future<Output = Response> + Send;
}
